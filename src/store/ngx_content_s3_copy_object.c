/*
 * CopyObject: bytes and metadata of one object, in one request.  With metadata
 * of ours they might be of two: such a copy is made in parts.
 */

#include "store/ngx_content_s3_copy.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_object_copied(ngx_content_call_t *call);
static void ngx_content_s3_copy_target_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


ngx_int_t
ngx_content_s3_copy_object(ngx_content_upload_t *up)
{
    ngx_content_call_t        *call;
    ngx_content_s3_copy_t     *c;
    ngx_content_s3_request_t   request;

    c = up->copy->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.repeat = CONTENT_REPEAT_ENDED;
    request.key = up->task.key;

    ngx_content_s3_header(&request, "x-amz-copy-source", c->source);
    ngx_content_s3_header(&request, "x-amz-copy-source-if-match",
                          ngx_content_from_ngx(up->copy->etag));
    ngx_content_s3_header(&request, "x-amz-metadata-directive",
                          content_cstr("COPY"));

    call = ngx_content_s3_write_call(up, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = ngx_content_s3_object_copied;

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_object_copied(ngx_content_call_t *call)
{
    const char               *cause;
    content_str_t             etag;
    ngx_content_upload_t     *up;
    ngx_content_outcome_e     outcome;
    ngx_content_s3_upload_t  *s3;

    up = call->data;
    s3 = up->state;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (ngx_content_s3_refused(up, call, &outcome) == NGX_OK) {
        return;
    }

    if (outcome == NGX_CONTENT_OK) {
        outcome = ngx_content_s3_copy_etag(up, call, 0, &etag, &cause);
    }

    if (outcome == NGX_CONTENT_OK) {
        up->object->etag = etag;

    } else if (outcome == NGX_CONTENT_PRECONDITION
               && !up->conditions.if_none_match && !s3->guard.sent)
    {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    /* the source may have gone since the copy was made */

    if ((outcome == NGX_CONTENT_ABSENT || outcome == NGX_CONTENT_PRECONDITION)
        && ngx_content_s3_call_doubtful(call))
    {
        outcome = NGX_CONTENT_BROKEN;
        cause = "S3: a copy failed, and its source has changed since";
    }

    /* or is it that the source has changed? */

    if (outcome == NGX_CONTENT_PRECONDITION && up->conditions.if_none_match) {
        s3->head.done = ngx_content_s3_copy_target_headed;

        if (ngx_content_s3_head(&s3->head) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_end(up, outcome, cause);
}


static void
ngx_content_s3_copy_target_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    if (outcome == NGX_CONTENT_OK) {
        outcome = NGX_CONTENT_PRECONDITION;

    } else if (outcome == NGX_CONTENT_ABSENT) {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    ngx_content_s3_end(up, outcome, cause);
}
