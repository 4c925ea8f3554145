/*
 * A copy in parts:
 *
 *     CreateMultipartUpload, UploadPartCopy, a few at a time
 *     HEAD of the source: is it the same still
 *     commit()         HEAD of the target, CompleteMultipartUpload
 *
 * Ceph does not look at x-amz-copy-source-if-match: hence the second HEAD, or
 * the parts might be of two objects.
 */

#include "store/ngx_content_s3_copy.h"
#include "core/ngx_content_str.h"


typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
} ngx_content_s3_copy_part_t;


static void ngx_content_s3_copy_created(ngx_content_call_t *call);
static void ngx_content_s3_copy_more(ngx_content_upload_t *up);
static ngx_int_t ngx_content_s3_copy_part(ngx_content_upload_t *up);
static ngx_content_call_t *ngx_content_s3_copy_part_call(
    ngx_content_upload_t *up, ngx_content_part_t *part);
static void ngx_content_s3_part_copied(ngx_content_call_t *call);
static void ngx_content_s3_copy_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);
static void ngx_content_s3_copy_looked_again(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


void
ngx_content_s3_copy_parts(ngx_content_upload_t *up)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;

    if (ngx_content_s3_create_upload(up, ngx_content_s3_copy_created)
        != NGX_OK)
    {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_s3_end(up, outcome, cause);
    }
}


static void
ngx_content_s3_copy_created(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;

    up = call->data;
    outcome = ngx_content_s3_upload_id(up, call, &cause);

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    ngx_content_s3_copy_more(up);
}


/* Sends parts while there are any; the last that comes back goes on. */

static void
ngx_content_s3_copy_more(ngx_content_upload_t *up)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_copy_t  *c;

    c = up->copy->state;

    while (c->outcome == NGX_CONTENT_OK && c->next < up->received
           && c->in_flight < NGX_CONTENT_S3_PARTS)
    {
        if (ngx_content_s3_copy_part(up) != NGX_OK) {
            outcome = ngx_content_s3_unsent(up->task.store, &cause);
            ngx_content_s3_copy_fail(up, outcome, cause);
        }
    }

    if (c->in_flight) {
        return;
    }

    if (c->outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, c->outcome, c->cause);
        return;
    }

    if (ngx_content_s3_copy_look(up, 0, ngx_content_s3_copy_looked_again)
        != NGX_OK)
    {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_s3_end(up, outcome, cause);
    }
}


static ngx_int_t
ngx_content_s3_copy_part(ngx_content_upload_t *up)
{
    ngx_content_call_t         *call;
    ngx_content_part_t         *part;
    ngx_content_s3_copy_t      *c;
    ngx_content_s3_conf_t      *conf;
    ngx_content_s3_copy_part_t *copying;

    c = up->copy->state;
    conf = up->task.store->conf;

    part = ngx_pcalloc(up->task.pool, sizeof(ngx_content_part_t));
    copying = ngx_palloc(up->task.pool, sizeof(ngx_content_s3_copy_part_t));

    if (part == NULL || copying == NULL) {
        return NGX_ERROR;
    }

    part->number = up->nparts + 1;
    part->offset = c->next;
    part->size = ngx_min(conf->copy_part_size, up->received - c->next);

    copying->up = up;
    copying->part = part;

    call = ngx_content_s3_copy_part_call(up, part);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = ngx_content_s3_part_copied;
    call->data = copying;

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_ERROR;
    }

    *up->last_part = part;
    up->last_part = &part->next;
    up->nparts++;

    c->next += part->size;
    c->in_flight++;

    return NGX_OK;
}


static ngx_content_call_t *
ngx_content_s3_copy_part_call(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    u_char                     number[NGX_INT_T_LEN];
    u_char                     range[sizeof("bytes=-") + 2 * NGX_OFF_T_LEN];
    content_str_t              text;
    ngx_content_s3_copy_t     *c;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    c = up->copy->state;
    s3 = up->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.key = up->task.key;

    text.data = number;
    text.len = ngx_sprintf(number, "%ui", part->number) - number;
    ngx_content_s3_param(&request, "partNumber", text);
    ngx_content_s3_param(&request, "uploadId", ngx_content_from_ngx(s3->id));

    text.data = range;
    text.len = ngx_sprintf(range, "bytes=%O-%O", part->offset,
                           part->offset + (off_t) part->size - 1)
               - range;
    ngx_content_s3_header(&request, "x-amz-copy-source", c->source);
    ngx_content_s3_header(&request, "x-amz-copy-source-range", text);
    ngx_content_s3_header(&request, "x-amz-copy-source-if-match",
                          ngx_content_from_ngx(up->copy->etag));

    return ngx_content_s3_call(up->task.store, &request);
}


static void
ngx_content_s3_part_copied(ngx_content_call_t *call)
{
    const char                  *cause;
    content_str_t                etag;
    ngx_content_upload_t        *up;
    ngx_content_outcome_e        outcome;
    ngx_content_s3_copy_t       *c;
    ngx_content_s3_copy_part_t  *copying;

    copying = call->data;
    up = copying->up;
    c = up->copy->state;
    c->in_flight--;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_OK) {
        outcome = ngx_content_s3_copy_etag(up, call, 1, &etag, &cause);

    } else if (outcome == NGX_CONTENT_PRECONDITION) {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    if (outcome == NGX_CONTENT_OK) {
        copying->part->etag = ngx_content_to_ngx(etag);

    } else {
        ngx_content_s3_copy_fail(up, outcome, cause);
    }

    ngx_content_s3_copy_more(up);
}


static void
ngx_content_s3_copy_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause)
{
    u_char                 *text;
    ngx_content_s3_copy_t  *c;

    c = up->copy->state;

    if (c->outcome != NGX_CONTENT_OK) {
        return;
    }

    c->outcome = outcome;

    /* it lasts no longer than the call, and others are under way */

    if (cause) {
        text = ngx_pnalloc(up->task.pool, ngx_strlen(cause) + 1);

        if (text) {
            ngx_memcpy(text, cause, ngx_strlen(cause) + 1);
            c->cause = (const char *) text;
        }
    }
}


static void
ngx_content_s3_copy_looked_again(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    if (outcome == NGX_CONTENT_ABSENT
        || (object && !content_str_eq(object->etag,
                                      ngx_content_from_ngx(up->copy->etag))))
    {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    ngx_content_s3_commit(up);
}
