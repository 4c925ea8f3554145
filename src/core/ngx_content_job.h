/*
 * A job: a function that may block, run in a thread pool, with a completion
 * in the event loop.  While a job runs, a worker that was told to quit waits
 * for it.
 */

#ifndef NGX_CONTENT_JOB_H
#define NGX_CONTENT_JOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>


typedef void (*ngx_content_job_pt)(void *data);

/*
 * Returns size zeroed bytes for the job's data, allocated in pool, which must
 * live until done was called; or NULL.  run() is called in a thread: it
 * allocates from no pool and logs nothing.
 */
void *ngx_content_job_create(ngx_pool_t *pool, size_t size,
    ngx_content_job_pt run, ngx_content_job_pt done, ngx_log_t *log);

/*
 * NGX_OK, or NGX_ERROR when the pool's queue is full: done is not called.  What
 * is done may be started again, from done() on.
 */
ngx_int_t ngx_content_job_start(ngx_thread_pool_t *threads, void *data);


#endif
