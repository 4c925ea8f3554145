/*
 * COPY in the file store: in one job the source is opened, its bytes go into a
 * temporary file with a head of its own (Last-Modified is of the copy), and
 * that takes its name as an upload does.
 *
 * The kernel copies, and shares the blocks where the file system can (XFS,
 * btrfs).  A hard link would not do: Last-Modified lies in the file, and an
 * older one than that of what was replaced would pass for "not modified".
 */

#include "store/ngx_content_file_change.h"
#include "store/ngx_content_upload.h"
#include "core/ngx_content_job.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_FILE_COPY_BUFFER  (256 * 1024)


typedef struct {
    ngx_content_upload_t        *up;
    const char                  *source;         /* its path */
    ngx_content_file_t           file;           /* of the source */
    ngx_content_file_temp_t     *temp;
    ngx_content_file_change_t    change;
    time_t                       now;
    unsigned                     opened:1;
} ngx_content_file_copy_t;


static void ngx_content_file_copy_run(void *data);
static ngx_content_outcome_e ngx_content_file_copy_source(
    ngx_content_file_copy_t *job);
static ngx_content_outcome_e ngx_content_file_copy_file(
    ngx_content_file_copy_t *job);
static ngx_content_outcome_e ngx_content_file_copy_body(int from,
    off_t from_offset, int to, off_t to_offset, off_t size,
    const char **cause);
static ngx_content_outcome_e ngx_content_file_copy_bytes(int from,
    off_t from_offset, int to, off_t to_offset, off_t size,
    const char **cause);
static void ngx_content_file_copy_done(void *data);


void
ngx_content_file_copy(ngx_content_upload_t *up)
{
    ngx_content_file_copy_t  *job;

    job = ngx_content_job_create(up->task.pool,
                                 sizeof(ngx_content_file_copy_t),
                                 ngx_content_file_copy_run,
                                 ngx_content_file_copy_done, &up->task.log);
    if (job == NULL) {
        goto failed;
    }

    job->up = up;
    job->now = ngx_time();
    job->source = (char *) ngx_content_file_path(up->task.pool,
                                        up->task.store->conf,
                                        ngx_content_from_ngx(up->copy->key));
    job->temp = ngx_content_file_temp_open(&up->task, 0);

    if (job->source && job->temp
        && ngx_content_file_change_init(&job->change, &up->task,
                                        &up->conditions)
           == NGX_OK)
    {
        ngx_content_task_run(&up->task, job);
        return;
    }

failed:

    ngx_content_task_post(&up->task, NGX_CONTENT_FAILED,
                          "no temporary file");
}


static void
ngx_content_file_copy_run(void *data)
{
    ngx_content_file_copy_t *job = data;

    ngx_content_file_change_t  *change;

    change = &job->change;
    change->outcome = ngx_content_file_copy_source(job);

    if (change->outcome == NGX_CONTENT_OK) {
        change->outcome = ngx_content_file_copy_file(job);
    }

    if (change->outcome == NGX_CONTENT_OK && fsync(job->temp->fd) == -1) {
        ngx_content_file_change_fail(change, "fsync() failed");
    }

    if (change->outcome == NGX_CONTENT_OK) {
        ngx_content_file_publish(change, job->temp);
    }
}


static ngx_content_outcome_e
ngx_content_file_copy_source(ngx_content_file_copy_t *job)
{
    ngx_content_copy_t     *copy;
    ngx_content_outcome_e   outcome;

    copy = job->up->copy;

    outcome = ngx_content_file_open(job->source, &job->file,
                                    &job->change.cause);
    if (outcome != NGX_CONTENT_OK) {
        return outcome;
    }

    job->opened = 1;

    if (!ngx_content_conditions_hold(&copy->conditions, &job->file.object, 1))
    {
        copy->refused = 1;
        return NGX_CONTENT_PRECONDITION;
    }

    job->file.object.mtime = job->now;

    return NGX_CONTENT_OK;
}


static ngx_content_outcome_e
ngx_content_file_copy_file(ngx_content_file_copy_t *job)
{
    u_char                   *head;
    const char              **cause;
    ngx_content_outcome_e     outcome;
    ngx_content_file_temp_t  *temp;

    temp = job->temp;
    cause = &job->change.cause;

    temp->head = ngx_content_file_head_size(&job->file.object);

    outcome = ngx_content_file_copy_body(job->file.fd, job->file.body,
                                         temp->fd, temp->head,
                                         job->file.object.size, cause);
    if (outcome != NGX_CONTENT_OK) {
        return outcome;
    }

    head = malloc(temp->head);

    if (head == NULL
        || ngx_content_file_head_write(head, temp->head, &job->file.object)
           != NGX_OK)
    {
        *cause = "no memory";
        outcome = NGX_CONTENT_FAILED;

    } else {
        outcome = ngx_content_file_pwrite(temp->fd, head, temp->head, 0,
                                          cause);
    }

    free(head);

    return outcome;
}


static ngx_content_outcome_e
ngx_content_file_copy_body(int from, off_t from_offset, int to,
    off_t to_offset, off_t size, const char **cause)
{
    ssize_t  n;

    while (size) {
        n = copy_file_range(from, &from_offset, to, &to_offset, size, 0);

        if (n > 0) {
            size -= n;
            continue;
        }

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) {
            *cause = "copy_file_range() failed";
            return ngx_content_file_fault();
        }

        /* not between these file systems, or not in this kernel */

        return ngx_content_file_copy_bytes(from, from_offset, to, to_offset,
                                           size, cause);
    }

    return NGX_CONTENT_OK;
}


static ngx_content_outcome_e
ngx_content_file_copy_bytes(int from, off_t from_offset, int to,
    off_t to_offset, off_t size, const char **cause)
{
    u_char                 *buf;
    ssize_t                 n;
    ngx_content_outcome_e   outcome;

    buf = malloc(NGX_CONTENT_FILE_COPY_BUFFER);

    if (buf == NULL) {
        *cause = "no memory";
        return NGX_CONTENT_FAILED;
    }

    outcome = NGX_CONTENT_OK;

    while (size && outcome == NGX_CONTENT_OK) {
        n = pread(from, buf, ngx_min(size, NGX_CONTENT_FILE_COPY_BUFFER),
                  from_offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            *cause = "pread() failed";
            outcome = NGX_CONTENT_BROKEN;
            break;
        }

        outcome = ngx_content_file_pwrite(to, buf, n, to_offset, cause);

        from_offset += n;
        to_offset += n;
        size -= n;
    }

    free(buf);

    return outcome;
}


static void
ngx_content_file_copy_done(void *data)
{
    ngx_content_file_copy_t *job = data;

    content_str_t          etag;
    ngx_content_upload_t  *up;

    up = job->up;
    up->replaced = job->change.existed;

    if (job->opened) {
        etag = ngx_content_str_dup(up->task.pool, job->file.object.etag);

        up->copy->etag = ngx_content_to_ngx(etag);
        up->object->etag = etag;
        up->object->size = job->file.object.size;
        up->object->mtime = job->file.object.mtime;

        ngx_content_file_close(&job->file);
    }

    ngx_content_task_finish(&up->task, job->change.outcome,
                            job->change.cause);
}
