/*
 * HEAD, which reading and writing both need.  An answer to it has no body and
 * so no code: whether a 404 is of the key or of the bucket says another HEAD,
 * of the bucket, unless that was seen shortly before.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_S3_BUCKET_TRUST  60      /* seconds */


static void ngx_content_s3_head_done(ngx_content_call_t *call);
static ngx_content_outcome_e ngx_content_s3_head_outcome(
    ngx_content_s3_head_t *head, ngx_content_call_t *call,
    content_object_t **object, const char **cause);
static ngx_int_t ngx_content_s3_bucket_check(ngx_content_s3_head_t *head);
static void ngx_content_s3_bucket_checked(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_head_start(ngx_content_s3_head_t *head,
    ngx_str_t key, ngx_content_call_handler_pt handler);


ngx_int_t
ngx_content_s3_head(ngx_content_s3_head_t *head)
{
    return ngx_content_s3_head_start(head, head->key,
                                     ngx_content_s3_head_done);
}


static ngx_int_t
ngx_content_s3_head_start(ngx_content_s3_head_t *head, ngx_str_t key,
    ngx_content_call_handler_pt handler)
{
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "HEAD";
    request.key = key;

    if (key.len && head->version.len) {
        ngx_content_s3_param(&request, "versionId",
                             ngx_content_from_ngx(head->version));
    }

    call = ngx_content_s3_call(head->store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = handler;
    call->data = head;
    head->call = call;

    if (ngx_content_call_start(call) != NGX_OK) {
        head->call = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_content_s3_head_done(ngx_content_call_t *call)
{
    const char             *cause;
    content_object_t       *object;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_conf_t  *conf;
    ngx_content_s3_head_t  *head;

    head = call->data;
    head->call = NULL;
    conf = head->store->conf;

    outcome = ngx_content_s3_head_outcome(head, call, &object, &cause);

    /* an answer to HEAD has no code: is it the key or the bucket? */

    if (outcome == NGX_CONTENT_ABSENT
        && ngx_time() - conf->bucket_seen > NGX_CONTENT_S3_BUCKET_TRUST)
    {
        if (ngx_content_s3_bucket_check(head) == NGX_OK) {
            return;
        }

        outcome = ngx_content_s3_unsent(head->store, &cause);
    }

    if (outcome == NGX_CONTENT_OK && head->digest
        && ngx_content_s3_tag_read(head, object) == NGX_OK)
    {
        return;
    }

    head->done(head->data, outcome, object, cause);
}


static ngx_content_outcome_e
ngx_content_s3_head_outcome(ngx_content_s3_head_t *head,
    ngx_content_call_t *call, content_object_t **object, const char **cause)
{
    ngx_content_outcome_e   outcome;
    ngx_content_s3_conf_t  *conf;

    *object = NULL;
    outcome = ngx_content_s3_call_outcome(call, cause);

    /* no id of a version, or that of a deletion */

    if (head->version.len && call->result == NGX_OK
        && (call->status == NGX_HTTP_BAD_REQUEST
            || call->status == NGX_HTTP_NOT_ALLOWED))
    {
        return NGX_CONTENT_ABSENT;
    }

    if (outcome != NGX_CONTENT_OK) {
        return outcome == NGX_CONTENT_PRECONDITION ? NGX_CONTENT_BROKEN
                                                   : outcome;
    }

    conf = head->store->conf;
    conf->bucket_seen = ngx_time();

    *object = ngx_palloc(head->pool, sizeof(content_object_t));

    if (*object == NULL
        || ngx_content_s3_call_object(call, head->pool, *object) != NGX_OK)
    {
        *object = NULL;
        *cause = "S3: HEAD without ETag, Last-Modified or length";
        return NGX_CONTENT_BROKEN;
    }

    return NGX_CONTENT_OK;
}


ngx_int_t
ngx_content_s3_call_object(ngx_content_call_t *call, ngx_pool_t *pool,
    content_object_t *object)
{
    void       *state;
    ngx_str_t   value, name;

    content_object_init(object);

    state = NULL;

    while (ngx_content_call_response_next(call, &state, &name, &value)
           == NGX_OK)
    {
        if (ngx_content_s3_object_field(object, ngx_content_from_ngx(name),
                                        ngx_content_from_ngx(value), pool)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (object->size >= 0 && object->mtime >= 0 && object->etag.len
            && content_record_size(object) <= CONTENT_RECORD_HEAD_MAX)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_content_s3_bucket_check(ngx_content_s3_head_t *head)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    return ngx_content_s3_head_start(head, none,
                                     ngx_content_s3_bucket_checked);
}


static void
ngx_content_s3_bucket_checked(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_conf_t  *conf;
    ngx_content_s3_head_t  *head;

    head = call->data;
    head->call = NULL;
    conf = head->store->conf;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_OK) {
        conf->bucket_seen = ngx_time();
        outcome = NGX_CONTENT_ABSENT;

    } else if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_BROKEN;
        cause = "S3: there is no such bucket";
    }

    head->done(head->data, outcome, NULL, cause);
}
