/*
 * Requests of the API that wait: for one task of the store that only informs,
 * and ends by itself when the client leaves; or for a change, which goes on
 * without its client.
 */

#ifndef NGX_CONTENT_API_WAIT_H
#define NGX_CONTENT_API_WAIT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "store/ngx_content_store.h"


/* The task is OK; returns what a content handler may return. */
typedef ngx_int_t (*ngx_content_api_answer_pt)(ngx_http_request_t *r,
    ngx_content_task_t *task);

/*
 * To be called right before the store is given the task, whose done and data
 * it sets.  what: it was doing, for the log; subject: of what, in the task's
 * pool.  Returns NGX_DONE: the caller starts the task and returns that; or
 * 500: no memory, the task is freed.
 */
ngx_int_t ngx_content_api_wait(ngx_http_request_t *r, ngx_content_task_t *task,
    const char *what, ngx_str_t *subject, ngx_content_api_answer_pt answer);

/*
 * For a change: sets *request to NULL when the client leaves, unless
 * cleanup->handler has been cleared.  cleanup is one of r's pool, from
 * ngx_pool_cleanup_add() with no data.  Until it is finalized r neither reads
 * nor writes.
 */
void ngx_content_api_borrow(ngx_http_request_t *r,
    ngx_http_request_t **request, ngx_pool_cleanup_t *cleanup);


#endif
