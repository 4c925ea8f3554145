/*
 * What waits in the API: see ngx_content_api_wait.h.  Called by the lists of
 * keys and of versions, and by purges and deletes of many.
 */

#include "http/ngx_content_api_wait.h"
#include "http/ngx_content_http.h"


typedef struct {
    ngx_http_request_t          *request;
    ngx_content_task_t          *task;       /* NULL: it has ended */
    const char                  *what;
    ngx_str_t                   *subject;
    ngx_content_api_answer_pt    answer;
} ngx_content_api_wait_t;


static void ngx_content_api_left(void *data);
static void ngx_content_api_done(ngx_content_task_t *task);
static void ngx_content_api_returned(void *data);


ngx_int_t
ngx_content_api_wait(ngx_http_request_t *r, ngx_content_task_t *task,
    const char *what, ngx_str_t *subject, ngx_content_api_answer_pt answer)
{
    ngx_pool_cleanup_t      *cln;
    ngx_content_api_wait_t  *wait;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_content_api_wait_t));
    if (cln == NULL) {
        ngx_content_task_free(task);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wait = cln->data;
    wait->request = r;
    wait->task = task;
    wait->what = what;
    wait->subject = subject;
    wait->answer = answer;

    cln->handler = ngx_content_api_left;

    task->done = ngx_content_api_done;
    task->data = wait;

    r->main->count++;

    /* a client that goes away ends the request */

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_content_api_left(void *data)
{
    ngx_content_api_wait_t *wait = data;

    if (wait->task) {
        wait->task->done = NULL;
    }
}


static void
ngx_content_api_done(ngx_content_task_t *task)
{
    ngx_int_t                rc;
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_content_api_wait_t  *wait;

    wait = task->data;
    r = wait->request;
    c = r->connection;

    wait->task = NULL;

    if (task->outcome == NGX_CONTENT_OK) {
        rc = wait->answer(r, task);

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0, "content: %s \"%V\" failed: %V",
                      wait->what, wait->subject, &task->cause);

        rc = ngx_content_problem(r, ngx_content_outcome_status(task->outcome),
                                 task->outcome == NGX_CONTENT_BUSY
                                     ? "all threads are busy, and their queue "
                                       "is full"
                                     : "the storage failed");
    }

    ngx_content_task_free(task);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


void
ngx_content_api_borrow(ngx_http_request_t *r, ngx_http_request_t **request,
    ngx_pool_cleanup_t *cleanup)
{
    cleanup->handler = ngx_content_api_returned;
    cleanup->data = request;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}


static void
ngx_content_api_returned(void *data)
{
    ngx_http_request_t **request = data;

    *request = NULL;
}
