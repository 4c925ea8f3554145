/*
 * The end of an upload to S3, of one part or of several:
 *
 *     ending()   HEAD (did it exist), while the last parts are being stored;
 *                not if there are conditions
 *     commit()   HEAD if there are (do they hold), then PutObject
 *                (ngx_content_s3_put.c), CopyObject (_s3_copy_object.c) or
 *                CompleteMultipartUpload (ngx_content_s3_multipart.c); a
 *                refused If-Match: HEAD, and perhaps once more
 *     abort()    what was begun is given up
 */

#include "store/ngx_content_s3_upload.h"
#include "store/ngx_content_upload.h"


static ngx_int_t ngx_content_s3_commit_head(ngx_content_upload_t *up,
    ngx_content_s3_head_pt done);
static void ngx_content_s3_ending_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static void ngx_content_s3_commit_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static void ngx_content_s3_store(ngx_content_upload_t *up);
static void ngx_content_s3_refused_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


ngx_content_s3_upload_t *
ngx_content_s3_upload(ngx_content_upload_t *up)
{
    if (up->state == NULL) {
        up->state = ngx_pcalloc(up->task.pool,
                                sizeof(ngx_content_s3_upload_t));
    }

    return up->state;
}


/*
 * It only tells 201 from 204.  Where there are conditions, the look and the
 * write are to be as close as they can.
 */

ngx_int_t
ngx_content_s3_ending(ngx_content_upload_t *up)
{
    if (up->conditions.if_match.len || up->conditions.if_none_match
        || up->conditions.if_unmodified)
    {
        return NGX_DECLINED;
    }

    return ngx_content_s3_commit_head(up, ngx_content_s3_ending_headed);
}


static ngx_int_t
ngx_content_s3_commit_head(ngx_content_upload_t *up,
    ngx_content_s3_head_pt done)
{
    ngx_content_s3_upload_t  *s3;

    s3 = ngx_content_s3_upload(up);
    if (s3 == NULL) {
        return NGX_ERROR;
    }

    s3->head.store = up->task.store;
    s3->head.pool = up->task.pool;
    s3->head.key = up->task.key;
    s3->head.done = done;
    s3->head.data = up;

    return ngx_content_s3_head(&s3->head);
}


static void
ngx_content_s3_ending_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    ngx_content_s3_upload_t  *s3;

    s3 = up->state;

    s3->looked = 1;
    up->replaced = (outcome == NGX_CONTENT_OK);

    if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_OK;
    }

    ngx_content_upload_begun(up, outcome, cause);
}


void
ngx_content_s3_commit(ngx_content_upload_t *up)
{
    ngx_content_s3_upload_t  *s3;

    if (up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_s3_discard(up);
        ngx_content_task_post(&up->task, up->task.outcome,
                              (char *) up->task.cause.data);
        return;
    }

    s3 = up->state;

    if (s3 && s3->looked) {
        ngx_content_s3_store(up);

    } else if (ngx_content_s3_commit_head(up, ngx_content_s3_commit_headed)
               != NGX_OK)
    {
        ngx_content_s3_post_unsent(&up->task);
    }
}


static void
ngx_content_s3_commit_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    ngx_content_s3_upload_t  *s3;

    s3 = up->state;

    if (outcome != NGX_CONTENT_OK && outcome != NGX_CONTENT_ABSENT) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    up->replaced = (outcome == NGX_CONTENT_OK);

    if (!ngx_content_conditions_hold(&up->conditions, object,
                                     object != NULL))
    {
        ngx_content_s3_end(up, NGX_CONTENT_PRECONDITION, NULL);
        return;
    }

    ngx_content_s3_guard_set(&s3->guard, &up->conditions, object);
    s3->guard.put = (up->nparts == 0 && up->copy == NULL);
    ngx_content_s3_store(up);
}


static void
ngx_content_s3_store(ngx_content_upload_t *up)
{
    ngx_int_t               rc;
    const char             *cause;
    ngx_content_outcome_e   outcome;

    if (up->nparts) {
        rc = ngx_content_s3_complete(up);

    } else {
        rc = up->copy ? ngx_content_s3_copy_object(up)
                      : ngx_content_s3_put(up);
    }

    if (rc != NGX_OK) {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_s3_end(up, outcome, cause);
    }
}


ngx_content_call_t *
ngx_content_s3_write_call(ngx_content_upload_t *up,
    ngx_content_s3_request_t *request)
{
    ngx_content_call_t       *call;
    ngx_content_s3_upload_t  *s3;

    s3 = up->state;

    if (up->conditions.if_none_match) {
        ngx_content_s3_header(request, "if-none-match", content_cstr("*"));
    }

    ngx_content_s3_guard_header(&s3->guard, up->task.store, request);

    call = ngx_content_s3_call(up->task.store, request);

    if (call) {
        call->data = up;

        /* a replay would be refused because of the first try */

        call->fresh = up->conditions.if_none_match || s3->guard.sent;
    }

    return call;
}


ngx_int_t
ngx_content_s3_refused(ngx_content_upload_t *up, ngx_content_call_t *call,
    ngx_content_outcome_e *outcome)
{
    ngx_content_s3_upload_t  *s3;

    s3 = up->state;

    switch (ngx_content_s3_guard_verdict(&s3->guard, up->task.store->conf,
                                         call, outcome))
    {
    case NGX_CONTENT_S3_RESEND:
        ngx_content_s3_store(up);
        return NGX_OK;

    case NGX_CONTENT_S3_LOOK:
        s3->head.done = ngx_content_s3_refused_headed;
        return ngx_content_s3_head(&s3->head) == NGX_OK ? NGX_OK
                                                        : NGX_DECLINED;
    default:
        return NGX_DECLINED;
    }
}


static void
ngx_content_s3_refused_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    ngx_content_s3_upload_t  *s3;

    s3 = up->state;

    if (outcome != NGX_CONTENT_OK && outcome != NGX_CONTENT_ABSENT) {
        ngx_content_s3_end(up, outcome, cause);

    } else if (object && content_str_eq(object->etag, s3->guard.etag)) {
        ngx_content_s3_guard_stands(&s3->guard, up->task.store->conf);
        ngx_content_s3_store(up);

    } else {
        ngx_content_s3_end(up, NGX_CONTENT_PRECONDITION, NULL);
    }
}


void
ngx_content_s3_end(ngx_content_upload_t *up, ngx_content_outcome_e outcome,
    const char *cause)
{
    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_discard(up);

    } else {
        up->object->mtime = ngx_time();
    }

    ngx_content_task_finish(&up->task, outcome, cause);
}


void
ngx_content_s3_abort(ngx_content_upload_t *up)
{
    ngx_content_s3_discard(up);
    ngx_content_upload_free(up);
}
