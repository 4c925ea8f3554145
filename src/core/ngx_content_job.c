/*
 * Jobs in nginx's thread pool: see ngx_content_job.h.  The job stands before
 * the caller's data, inside the thread task's context.
 */

#include "core/ngx_content_job.h"


#define NGX_CONTENT_JOB_HOLD  60000    /* ms between two looks of a worker
                                          that waits for the job to quit */

typedef struct {
    ngx_thread_task_t    *task;
    ngx_content_job_pt    run;
    ngx_content_job_pt    done;
    ngx_event_t           hold;
} ngx_content_job_t;


static void ngx_content_job_run(void *data, ngx_log_t *log);
static void ngx_content_job_done(ngx_event_t *ev);
static void ngx_content_job_hold(ngx_event_t *ev);


void *
ngx_content_job_create(ngx_pool_t *pool, size_t size, ngx_content_job_pt run,
    ngx_content_job_pt done, ngx_log_t *log)
{
    ngx_thread_task_t  *task;
    ngx_content_job_t  *job;

    task = ngx_thread_task_alloc(pool, sizeof(ngx_content_job_t) + size);
    if (task == NULL) {
        return NULL;
    }

    job = task->ctx;
    job->task = task;
    job->run = run;
    job->done = done;

    task->handler = ngx_content_job_run;
    task->event.handler = ngx_content_job_done;
    task->event.data = job;

    job->hold.handler = ngx_content_job_hold;
    job->hold.data = job;
    job->hold.log = log;

    return job + 1;
}


ngx_int_t
ngx_content_job_start(ngx_thread_pool_t *threads, void *data)
{
    ngx_content_job_t *job = (ngx_content_job_t *) data - 1;

    if (ngx_thread_task_post(threads, job->task) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_add_timer(&job->hold, NGX_CONTENT_JOB_HOLD);

    return NGX_OK;
}


static void
ngx_content_job_run(void *data, ngx_log_t *log)
{
    ngx_content_job_t *job = data;

    job->run(job + 1);
}


static void
ngx_content_job_done(ngx_event_t *ev)
{
    ngx_content_job_t *job = ev->data;

    if (job->hold.timer_set) {
        ngx_del_timer(&job->hold);
    }

    job->done(job + 1);
}


static void
ngx_content_job_hold(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_CONTENT_JOB_HOLD);
}
