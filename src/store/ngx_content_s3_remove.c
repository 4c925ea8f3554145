/*
 * DELETE: HEAD (was it there, do the conditions hold), then DeleteObject.
 */

#include "store/ngx_content_s3.h"


typedef struct {
    ngx_content_remove_t      *remove;
    ngx_content_s3_head_t      head;
} ngx_content_s3_remove_t;


static void ngx_content_s3_remove_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static void ngx_content_s3_removed(ngx_content_call_t *call);


/* S3 says of a DELETE neither whether it was there nor takes conditions. */

void
ngx_content_s3_remove(ngx_content_remove_t *remove)
{
    ngx_content_s3_remove_t  *s3;

    s3 = ngx_pcalloc(remove->task.pool, sizeof(ngx_content_s3_remove_t));

    if (s3) {
        s3->remove = remove;
        s3->head.store = remove->task.store;
        s3->head.pool = remove->task.pool;
        s3->head.key = remove->task.key;
        s3->head.done = ngx_content_s3_remove_headed;
        s3->head.data = remove;

        if (ngx_content_s3_head(&s3->head) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_post_unsent(&remove->task);
}


static void
ngx_content_s3_remove_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_remove_t *remove = data;

    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    if ((outcome == NGX_CONTENT_OK || outcome == NGX_CONTENT_ABSENT)
        && !ngx_content_conditions_hold(&remove->conditions, object,
                                        object != NULL))
    {
        outcome = NGX_CONTENT_PRECONDITION;
    }

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_task_finish(&remove->task, outcome, cause);
        return;
    }

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "DELETE";
    request.repeat = CONTENT_REPEAT_ENDED;
    request.key = remove->task.key;

    call = ngx_content_s3_call(remove->task.store, &request);

    if (call) {
        call->handler = ngx_content_s3_removed;
        call->data = remove;

        if (ngx_content_call_start(call) == NGX_OK) {
            return;
        }
    }

    outcome = ngx_content_s3_unsent(remove->task.store, &cause);
    ngx_content_task_finish(&remove->task, outcome, cause);
}


static void
ngx_content_s3_removed(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_remove_t   *remove;
    ngx_content_outcome_e   outcome;

    remove = call->data;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    /* gone meanwhile: it was there when we looked */

    if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_OK;
    }

    ngx_content_task_finish(&remove->task, outcome, cause);
}
