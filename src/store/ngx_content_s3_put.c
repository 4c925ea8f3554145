/*
 * PutObject: a body that fits one part, stored in one request.  Its SHA-256
 * goes along in any case, as metadata, and is what it is signed with unless
 * content_s3_sign_payload says otherwise: then the server refuses what was
 * changed on the way.
 */

#include "store/ngx_content_s3_upload.h"
#include "store/ngx_content_upload.h"
#include "core/ngx_content_str.h"
#include "lib/content_range.h"


static void ngx_content_s3_put_done(ngx_content_call_t *call);


ngx_int_t
ngx_content_s3_put(ngx_content_upload_t *up)
{
    ngx_content_call_t        *call;
    ngx_content_part_t        *part;
    ngx_content_s3_body_t     *body;
    ngx_content_s3_request_t   request;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.repeat = CONTENT_REPEAT_ENDED;
    request.key = up->task.key;

    part = ngx_content_upload_single(up);

    if (part) {
        ngx_memcpy(part->sha256, up->object->sha256,
                   CONTENT_SHA256_SIZE);
    }

    body = ngx_content_s3_body(up, part, &request);

    if (body == NULL
        || ngx_content_s3_object_headers(&request, up->object, up->task.pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    call = ngx_content_s3_write_call(up, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->request_body = part ? &body->chain : NULL;
    call->handler = ngx_content_s3_put_done;

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_put_done(ngx_content_call_t *call)
{
    ngx_str_t               value;
    const char             *cause;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;

    up = call->data;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (ngx_content_s3_refused(up, call, &outcome) == NGX_OK) {
        return;
    }

    if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_BROKEN;
    }

    /* a 200 of somebody else (a portal, a wrong endpoint) has none */

    if (outcome == NGX_CONTENT_OK
        && ngx_content_call_response_header(call, "etag", &value) == NGX_OK
        && content_etag_check(ngx_content_from_ngx(value)))
    {
        up->object->etag = ngx_content_str_dup(up->task.pool,
                                               ngx_content_from_ngx(value));

    } else if (outcome == NGX_CONTENT_OK) {
        outcome = NGX_CONTENT_BROKEN;
        cause = "S3: PutObject without an ETag";
    }

    ngx_content_s3_end(up, outcome, cause);
}


ngx_content_s3_body_t *
ngx_content_s3_body(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_content_s3_request_t *request)
{
    content_out_t           out;
    ngx_content_s3_body_t  *body;

    body = ngx_pcalloc(up->task.pool, sizeof(ngx_content_s3_body_t));
    if (body == NULL) {
        return NULL;
    }

    body->up = up;
    body->part = part;

    body->chain.buf = &body->buf;

    if (part == NULL) {
        return body;
    }

    body->buf.pos = part->data;
    body->buf.last = part->data + part->size;
    body->buf.memory = 1;

    if (up->part_digest) {
        content_out_init(&out, body->hash, sizeof(body->hash));
        content_out_hex(&out, part->sha256, CONTENT_SHA256_SIZE);
        request->payload_hash = content_out_done(&out);

    } else {
        request->payload_hash = content_cstr(CONTENT_SIGV4_UNSIGNED);
    }

    return body;
}
