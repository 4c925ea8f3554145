/*
 * Writing in the file store: parts go to a temporary file; commit() completes
 * its head, syncs it, and renames it to its name.  All of it runs in jobs;
 * ngx_content_file_change.c has the step that is seen.
 */

#include "store/ngx_content_file_change.h"
#include "store/ngx_content_upload.h"
#include "core/ngx_content_job.h"
#include "core/ngx_content_str.h"


typedef struct {
    ngx_content_upload_t        *up;
    ngx_content_part_t          *part;
    ngx_content_file_temp_t     *temp;
    ngx_content_outcome_e        outcome;
    const char                  *cause;
} ngx_content_file_part_t;

typedef struct {
    ngx_content_upload_t        *up;
    ngx_content_file_temp_t     *temp;
    ngx_content_part_t          *single;
    u_char                      *head;
    ngx_content_file_change_t    change;
} ngx_content_file_commit_t;


static ngx_content_file_temp_t *ngx_content_file_temp(
    ngx_content_upload_t *up);
static void ngx_content_file_part_run(void *data);
static void ngx_content_file_part_done(void *data);
static ngx_int_t ngx_content_file_etag(ngx_content_upload_t *up);
static void ngx_content_file_commit_run(void *data);
static void ngx_content_file_commit_done(void *data);


/* Parts. */

void
ngx_content_file_part(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_content_file_part_t  *job;

    job = ngx_content_job_create(up->task.pool,
                                 sizeof(ngx_content_file_part_t),
                                 ngx_content_file_part_run,
                                 ngx_content_file_part_done, &up->task.log);
    if (job == NULL) {
        goto failed;
    }

    job->up = up;
    job->part = part;
    job->temp = ngx_content_file_temp(up);

    if (job->temp == NULL) {
        goto failed;
    }

    if (ngx_content_job_start(up->task.store->threads, job) != NGX_OK) {
        ngx_content_upload_stored(up, part, NGX_CONTENT_BUSY,
                                  "no free thread");
    }

    return;

failed:

    ngx_content_upload_stored(up, part, NGX_CONTENT_FAILED,
                              "no temporary file");
}


static ngx_content_file_temp_t *
ngx_content_file_temp(ngx_content_upload_t *up)
{
    if (up->state == NULL) {
        up->state = ngx_content_file_temp_open(&up->task,
                                   ngx_content_file_head_size(up->object));
    }

    return up->state;
}


static void
ngx_content_file_part_run(void *data)
{
    ngx_content_file_part_t *job = data;

    job->outcome = ngx_content_file_pwrite(job->temp->fd, job->part->data,
                                         job->part->size,
                                         job->temp->head + job->part->offset,
                                         &job->cause);
}


static void
ngx_content_file_part_done(void *data)
{
    ngx_content_file_part_t *job = data;

    ngx_content_upload_stored(job->up, job->part, job->outcome, job->cause);
}


/* The end of an upload. */

void
ngx_content_file_commit(ngx_content_upload_t *up)
{
    ngx_content_file_commit_t  *job;

    if (up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_task_post(&up->task, up->task.outcome,
                              (char *) up->task.cause.data);
        return;
    }

    job = ngx_content_job_create(up->task.pool,
                                 sizeof(ngx_content_file_commit_t),
                                 ngx_content_file_commit_run,
                                 ngx_content_file_commit_done, &up->task.log);
    if (job == NULL) {
        goto failed;
    }

    job->up = up;
    job->temp = ngx_content_file_temp(up);
    job->single = ngx_content_upload_single(up);

    if (job->temp == NULL || ngx_content_file_etag(up) != NGX_OK) {
        goto failed;
    }

    job->head = ngx_palloc(up->task.pool, job->temp->head);

    if (job->head
        && ngx_content_file_head_write(job->head, job->temp->head, up->object)
           == NGX_OK
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


/* The entity tag is the first half of the body's SHA-256. */

static ngx_int_t
ngx_content_file_etag(ngx_content_upload_t *up)
{
    content_out_t  out;

    up->object->mtime = ngx_time();
    up->object->etag.data = ngx_pnalloc(up->task.pool, 34);

    if (up->object->etag.data == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, up->object->etag.data, 34);
    content_out_char(&out, '"');
    content_out_hex(&out, up->object->sha256, CONTENT_SHA256_SIZE / 2);
    content_out_char(&out, '"');

    up->object->etag = content_out_done(&out);

    return NGX_OK;
}


static void
ngx_content_file_commit_run(void *data)
{
    ngx_content_file_commit_t *job = data;

    const char                 *cause;
    ngx_content_part_t         *single;
    ngx_content_file_temp_t    *temp;
    ngx_content_file_change_t  *change;

    temp = job->temp;
    single = job->single;
    change = &job->change;
    cause = NULL;

    change->outcome = NGX_CONTENT_OK;

    if (single) {
        change->outcome = ngx_content_file_pwrite(temp->fd, single->data,
                                                  single->size, temp->head,
                                                  &cause);
    }

    if (change->outcome == NGX_CONTENT_OK) {
        change->outcome = ngx_content_file_pwrite(temp->fd, job->head,
                                                  temp->head, 0, &cause);
    }

    if (change->outcome == NGX_CONTENT_OK && fsync(temp->fd) == -1) {
        cause = "fsync() failed";
        change->outcome = ngx_content_file_fault();
    }

    change->cause = cause;

    if (change->outcome == NGX_CONTENT_OK) {
        ngx_content_file_publish(change, temp);
    }
}


static void
ngx_content_file_commit_done(void *data)
{
    ngx_content_file_commit_t *job = data;

    job->up->replaced = job->change.existed;

    ngx_content_task_finish(&job->up->task, job->change.outcome,
                            job->change.cause);
}


void
ngx_content_file_abort(ngx_content_upload_t *up)
{
    ngx_content_upload_free(up);
}
