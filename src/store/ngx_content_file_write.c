/*
 * Writing in the file store: parts go to a temporary file; commit() completes
 * its head, syncs it, and renames it to its name; remove() unlinks.  All of
 * it runs in jobs.
 *
 * Writers of one key are ordered by an advisory lock, so that a condition
 * (If-Match and the like) and the rename that depends on it are one step, among all the
 * processes that share the directory.  Readers take no lock.
 */

#include <ngx_config.h>
#include <sys/file.h>

#include "store/ngx_content_file.h"
#include "store/ngx_content_upload.h"
#include "core/ngx_content_job.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_FILE_TRIES  16     /* against a directory that a delete
                                          of its last object takes away */

typedef struct {
    int                          fd;
    u_char                      *path;
    size_t                       head;           /* bytes before the body */
} ngx_content_file_temp_t;

typedef struct {
    const char                  *path;           /* of the object */
    const char                  *root;
    u_char                      *lock;
    ngx_content_conditions_t    *conditions;
    ngx_content_outcome_e        outcome;
    const char                  *cause;
    int                          locked;
    unsigned                     existed:1;
} ngx_content_file_change_t;

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

typedef struct {
    ngx_content_remove_t        *remove;
    ngx_content_file_change_t    change;
} ngx_content_file_remove_t;


static ngx_content_file_temp_t *ngx_content_file_temp(
    ngx_content_upload_t *up);
static void ngx_content_file_temp_cleanup(void *data);
static ngx_content_outcome_e ngx_content_file_pwrite(int fd, u_char *data,
    size_t size, off_t offset, const char **cause);
static void ngx_content_file_part_run(void *data);
static void ngx_content_file_part_done(void *data);
static ngx_int_t ngx_content_file_etag(ngx_content_upload_t *up);
static void ngx_content_file_commit_run(void *data);
static void ngx_content_file_publish(ngx_content_file_commit_t *job);
static void ngx_content_file_commit_done(void *data);
static void ngx_content_file_remove_run(void *data);
static void ngx_content_file_remove_done(void *data);
static ngx_int_t ngx_content_file_change_init(
    ngx_content_file_change_t *change, ngx_content_task_t *task,
    ngx_content_conditions_t *conditions);
static void ngx_content_file_change_begin(ngx_content_file_change_t *change);
static void ngx_content_file_change_check(ngx_content_file_change_t *change);
static void ngx_content_file_change_end(ngx_content_file_change_t *change);
static void ngx_content_file_change_fail(ngx_content_file_change_t *change,
    const char *cause);
static ngx_int_t ngx_content_file_mkdirs(char *path, const char *root);
static ngx_int_t ngx_content_file_sync_dir(const char *path, const char *root,
    ngx_uint_t all);
static void ngx_content_file_rmdirs(char *path, const char *root);


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

    if (job->temp
        && ngx_content_job_start(up->task.store->threads, job) == NGX_OK)
    {
        return;
    }

failed:

    ngx_content_upload_stored(up, part, NGX_CONTENT_FAILED,
                              "no temporary file");
}


static ngx_content_file_temp_t *
ngx_content_file_temp(ngx_content_upload_t *up)
{
    ngx_pool_cleanup_t       *cln;
    ngx_content_file_conf_t  *conf;
    ngx_content_file_temp_t  *temp;

    if (up->state) {
        return up->state;
    }

    conf = up->task.store->conf;

    cln = ngx_pool_cleanup_add(up->task.pool, sizeof(ngx_content_file_temp_t));
    if (cln == NULL) {
        return NULL;
    }

    temp = cln->data;
    temp->head = ngx_content_file_head_size(up->object);

    temp->path = ngx_pnalloc(up->task.pool, conf->root.len + 64);
    if (temp->path == NULL) {
        return NULL;
    }

    (void) ngx_sprintf(temp->path, "%V/tmp/%P-%xT-%xL%xL%Z", &conf->root,
                       ngx_pid, ngx_time(), (uint64_t) ngx_random(),
                       (uint64_t) ngx_random());

    /* in the event loop, as nginx opens its own temporary files */

    temp->fd = open((const char *) temp->path,
                    O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (temp->fd == -1) {
        ngx_log_error(NGX_LOG_CRIT, &up->task.log, ngx_errno,
                      "content: open() \"%s\" failed", temp->path);
        return NULL;
    }

    cln->handler = ngx_content_file_temp_cleanup;
    up->state = temp;

    return temp;
}


static void
ngx_content_file_temp_cleanup(void *data)
{
    ngx_content_file_temp_t *temp = data;

    close(temp->fd);

    /* after a rename there is nothing left under this name */

    (void) unlink((const char *) temp->path);
}


static ngx_content_outcome_e
ngx_content_file_pwrite(int fd, u_char *data, size_t size, off_t offset,
    const char **cause)
{
    ssize_t  n;

    while (size) {
        n = pwrite(fd, data, size, offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            *cause = "pwrite() failed";

            return (errno == ENOSPC || errno == EDQUOT) ? NGX_CONTENT_FULL
                                                        : NGX_CONTENT_BROKEN;
        }

        data += n;
        size -= n;
        offset += n;
    }

    return NGX_CONTENT_OK;
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
           == NGX_OK
        && ngx_content_job_start(up->task.store->threads, job) == NGX_OK)
    {
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
    content_out_hex(&out, up->object->sha256, 16);
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
        change->outcome = (errno == ENOSPC || errno == EDQUOT)
                          ? NGX_CONTENT_FULL : NGX_CONTENT_BROKEN;
    }

    change->cause = cause;

    if (change->outcome == NGX_CONTENT_OK) {
        ngx_content_file_publish(job);
    }
}


/* The one step that everybody sees. */

static void
ngx_content_file_publish(ngx_content_file_commit_t *job)
{
    ngx_uint_t                  i, made;
    const char                 *temp;
    ngx_content_file_change_t  *change;

    change = &job->change;
    temp = (const char *) job->temp->path;

    ngx_content_file_change_begin(change);

    if (change->outcome != NGX_CONTENT_OK) {
        goto done;
    }

    made = 0;

    for (i = 0; rename(temp, change->path) == -1; i++) {

        if (errno != ENOENT || i == NGX_CONTENT_FILE_TRIES) {
            ngx_content_file_change_fail(change, "rename() failed");
            goto done;
        }

        /* a parent may go again, when its last object is deleted */

        if (ngx_content_file_mkdirs((char *) change->path, change->root)
            != NGX_OK
            && errno != ENOENT)
        {
            ngx_content_file_change_fail(change, "mkdir() failed");
            goto done;
        }

        made = 1;
    }

    if (ngx_content_file_sync_dir(change->path, change->root, made)
        != NGX_OK)
    {
        ngx_content_file_change_fail(change, "fsync() of directory failed");
    }

done:

    ngx_content_file_change_end(change);
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


/* Removal. */

void
ngx_content_file_remove(ngx_content_remove_t *remove)
{
    ngx_content_file_remove_t  *job;

    job = ngx_content_job_create(remove->task.pool,
                                 sizeof(ngx_content_file_remove_t),
                                 ngx_content_file_remove_run,
                                 ngx_content_file_remove_done,
                                 &remove->task.log);
    if (job) {
        job->remove = remove;

        if (ngx_content_file_change_init(&job->change, &remove->task,
                                         &remove->conditions)
            == NGX_OK
            && ngx_content_job_start(remove->task.store->threads, job)
               == NGX_OK)
        {
            return;
        }
    }

    ngx_content_task_post(&remove->task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_remove_run(void *data)
{
    ngx_content_file_remove_t *job = data;

    ngx_content_file_change_t  *change;

    change = &job->change;

    ngx_content_file_change_begin(change);

    if (change->outcome != NGX_CONTENT_OK) {
        goto done;
    }

    if (!change->existed) {
        change->outcome = NGX_CONTENT_ABSENT;
        goto done;
    }

    if (unlink(change->path) == -1) {
        ngx_content_file_change_fail(change, "unlink() failed");
        goto done;
    }

    if (ngx_content_file_sync_dir(change->path, change->root, 0) != NGX_OK) {
        ngx_content_file_change_fail(change, "fsync() of directory failed");
    }

    ngx_content_file_rmdirs((char *) change->path, change->root);

done:

    ngx_content_file_change_end(change);
}


static void
ngx_content_file_remove_done(void *data)
{
    ngx_content_file_remove_t *job = data;

    ngx_content_task_finish(&job->remove->task, job->change.outcome,
                            job->change.cause);
}


/* A change: lock, look at what is there, change, unlock. */

static ngx_int_t
ngx_content_file_change_init(ngx_content_file_change_t *change,
    ngx_content_task_t *task, ngx_content_conditions_t *conditions)
{
    u_char                   *root;
    ngx_content_file_conf_t  *conf;

    conf = task->store->conf;

    change->path = (char *) ngx_content_file_path(task->pool, conf,
                                            ngx_content_from_ngx(task->key));
    change->lock = ngx_pnalloc(task->pool, conf->root.len + 16);
    root = ngx_pnalloc(task->pool, conf->root.len + sizeof("/objects"));

    if (change->path == NULL || change->lock == NULL || root == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(root, "%V/objects%Z", &conf->root);
    (void) ngx_sprintf(change->lock, "%V/lock/%02xi%Z", &conf->root,
                 (ngx_int_t) (ngx_crc32_short(task->key.data, task->key.len)
                              & 0xff));

    change->root = (char *) root;
    change->conditions = conditions;
    change->locked = -1;

    return NGX_OK;
}


static void
ngx_content_file_change_begin(ngx_content_file_change_t *change)
{
    change->outcome = NGX_CONTENT_OK;
    change->locked = open((const char *) change->lock,
                          O_RDWR|O_CREAT|O_CLOEXEC, 0600);

    if (change->locked == -1) {
        ngx_content_file_change_fail(change, "open() of lock failed");
        return;
    }

    while (flock(change->locked, LOCK_EX) == -1) {
        if (errno != EINTR) {
            ngx_content_file_change_fail(change, "flock() failed");
            return;
        }
    }

    ngx_content_file_change_check(change);
}


static void
ngx_content_file_change_check(ngx_content_file_change_t *change)
{
    const char             *cause;
    ngx_content_file_t      file;
    ngx_content_outcome_e   found;

    cause = NULL;
    found = ngx_content_file_open(change->path, &file, &cause);

    /* a file that is damaged may be replaced, but meets no condition */

    change->existed = (found != NGX_CONTENT_ABSENT);

    if (!ngx_content_conditions_hold(change->conditions,
                                     found == NGX_CONTENT_OK ? &file.object
                                                             : NULL,
                                     change->existed))
    {
        change->outcome = NGX_CONTENT_PRECONDITION;
    }

    if (found == NGX_CONTENT_OK) {
        ngx_content_file_close(&file);
    }
}


static void
ngx_content_file_change_end(ngx_content_file_change_t *change)
{
    if (change->locked != -1) {
        close(change->locked);
    }
}


static void
ngx_content_file_change_fail(ngx_content_file_change_t *change,
    const char *cause)
{
    change->outcome = (errno == ENOSPC || errno == EDQUOT)
                      ? NGX_CONTENT_FULL : NGX_CONTENT_BROKEN;
    change->cause = cause;
}


/* Directories.  path is written to, and left as it was. */

static ngx_int_t
ngx_content_file_mkdirs(char *path, const char *root)
{
    char  *p;

    for (p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';

        if (mkdir(path, 0700) == -1 && errno != EEXIST) {
            *p = '/';
            return NGX_ERROR;
        }

        *p = '/';
    }

    return NGX_OK;
}


/* Syncs the directory of path; all: and those above it, up to root. */

static ngx_int_t
ngx_content_file_sync_dir(const char *path, const char *root, ngx_uint_t all)
{
    int    fd, rc;
    char   dir[PATH_MAX], *p;

    ngx_cpystrn((u_char *) dir, (u_char *) path, sizeof(dir));

    do {
        p = strrchr(dir, '/');
        *p = '\0';

        fd = open(dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

        /* it was taken away as empty: that is recorded in its parent */

        if (fd == -1 && errno == ENOENT && strlen(dir) > strlen(root)) {
            all = 1;
            continue;
        }

        if (fd == -1) {
            return NGX_ERROR;
        }

        rc = fsync(fd);
        close(fd);

        if (rc == -1) {
            return NGX_ERROR;
        }

    } while (all && strlen(dir) > strlen(root));

    return NGX_OK;
}


/* Takes away the directories that have become empty. */

static void
ngx_content_file_rmdirs(char *path, const char *root)
{
    char  *p, *stop;

    stop = path + strlen(root);

    for ( ;; ) {
        p = strrchr(path, '/');

        if (p == stop) {
            return;
        }

        *p = '\0';

        if (rmdir(path) == -1) {
            return;
        }
    }
}
