/*
 * Removing in the file store: a name is taken away under its key's lock, and
 * with it the directories that become empty.  Runs in jobs.
 */

#include "store/ngx_content_file_change.h"
#include "core/ngx_content_job.h"


typedef struct {
    ngx_content_remove_t        *remove;
    ngx_content_file_change_t    change;
} ngx_content_file_remove_t;

typedef struct {
    ngx_content_removals_t      *removals;
    ngx_content_file_change_t   *changes;        /* one a key */
    ngx_content_conditions_t     conditions;     /* none */
} ngx_content_file_removals_t;


static void ngx_content_file_remove_run(void *data);
static void ngx_content_file_remove_done(void *data);
static void ngx_content_file_remove_many_run(void *data);
static void ngx_content_file_remove_many_done(void *data);
static void ngx_content_file_unlink(ngx_content_file_change_t *change);


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
            == NGX_OK)
        {
            ngx_content_task_run(&remove->task, job);
            return;
        }
    }

    ngx_content_task_post(&remove->task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_remove_run(void *data)
{
    ngx_content_file_remove_t *job = data;

    ngx_content_file_unlink(&job->change);
}


static void
ngx_content_file_remove_done(void *data)
{
    ngx_content_file_remove_t *job = data;

    ngx_content_task_finish(&job->remove->task, job->change.outcome,
                            job->change.cause);
}


/* Many, one after the other in one job. */

void
ngx_content_file_remove_many(ngx_content_removals_t *removals)
{
    ngx_uint_t                    i;
    ngx_content_task_t            one;
    ngx_content_file_removals_t  *job;

    job = ngx_content_job_create(removals->task.pool,
                                 sizeof(ngx_content_file_removals_t),
                                 ngx_content_file_remove_many_run,
                                 ngx_content_file_remove_many_done,
                                 &removals->task.log);
    if (job == NULL) {
        goto failed;
    }

    job->removals = removals;
    job->changes = ngx_pcalloc(removals->task.pool, removals->nkeys
                                         * sizeof(ngx_content_file_change_t));
    if (job->changes == NULL) {
        goto failed;
    }

    one = removals->task;

    for (i = 0; i < removals->nkeys; i++) {
        one.key = removals->keys[i].key;

        if (ngx_content_file_change_init(&job->changes[i], &one,
                                         &job->conditions)
            != NGX_OK)
        {
            goto failed;
        }
    }

    ngx_content_task_run(&removals->task, job);
    return;

failed:

    ngx_content_task_post(&removals->task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_remove_many_run(void *data)
{
    ngx_content_file_removals_t *job = data;

    ngx_uint_t  i;

    for (i = 0; i < job->removals->nkeys; i++) {
        ngx_content_file_unlink(&job->changes[i]);
        job->removals->keys[i].outcome = job->changes[i].outcome;
    }
}


static void
ngx_content_file_remove_many_done(void *data)
{
    ngx_content_file_removals_t *job = data;

    ngx_uint_t                  i;
    ngx_content_file_change_t  *change;

    for (i = 0; i < job->removals->nkeys; i++) {
        change = &job->changes[i];

        if (change->outcome != NGX_CONTENT_OK
            && change->outcome != NGX_CONTENT_ABSENT)
        {
            ngx_log_error(NGX_LOG_ERR, &job->removals->task.log, 0,
                          "content: removing \"%V\" failed: %s",
                          &job->removals->keys[i].key, change->cause);
        }
    }

    ngx_content_task_finish(&job->removals->task, NGX_CONTENT_OK, NULL);
}


static void
ngx_content_file_unlink(ngx_content_file_change_t *change)
{
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
