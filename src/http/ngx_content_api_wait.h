/*
 * A request of the API that waits for one task of the store, and is answered
 * with what it has found out.  The task only informs: when the client leaves,
 * it ends by itself.
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


#endif
