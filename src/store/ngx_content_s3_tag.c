/*
 * The SHA-256 of an object that was uploaded in parts, as a tag
 * (lib/content_s3tag.h): its metadata had to be sent before the digest was
 * known.  Written when the upload has been completed, read by HEAD for whom it
 * is wanted.
 *
 * Nothing depends on it: a server without tags, or credentials that may not
 * use them, are remembered and not asked again by this worker.
 */

#include "store/ngx_content_s3_upload.h"
#include "core/ngx_content_str.h"
#include "lib/content_digest.h"
#include "lib/content_s3tag.h"


#define NGX_CONTENT_S3_TAG_LIMIT  (64 * 1024)


static ngx_int_t ngx_content_s3_tag_send(ngx_content_upload_t *up);
static void ngx_content_s3_tag_sent(ngx_content_call_t *call);
static void ngx_content_s3_tag_done(ngx_content_call_t *call);
static ngx_uint_t ngx_content_s3_tag_refused(ngx_content_call_t *call);


void
ngx_content_s3_tag_end(ngx_content_upload_t *up)
{
    ngx_content_s3_conf_t    *conf;
    ngx_content_s3_upload_t  *s3;

    s3 = up->state;
    conf = up->task.store->conf;

    /* a copy has the digest of what it is a copy of, if that has one */

    if (s3->told || !up->object->has_sha256 || conf->no_tags
        || up->object->etag.len == 0
        || ngx_content_s3_tag_send(up) != NGX_OK)
    {
        ngx_content_s3_end(up, NGX_CONTENT_OK, NULL);
    }
}


static ngx_int_t
ngx_content_s3_tag_send(ngx_content_upload_t *up)
{
    u_char                    *buf;
    ngx_str_t                  text;
    content_out_t              out;
    ngx_content_call_t        *call;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    s3 = up->state;

    buf = ngx_pnalloc(up->task.pool, CONTENT_S3TAG_SIZE);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, CONTENT_S3TAG_SIZE);

    if (content_s3tag_write(&out, up->object->sha256, up->object->etag)
        != CONTENT_OK)
    {
        return NGX_DECLINED;
    }

    text = ngx_content_to_ngx(content_out_done(&out));

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.key = up->task.key;
    ngx_content_s3_param(&request, "tagging", content_cstr(""));

    if (s3->version.len) {
        ngx_content_s3_param(&request, "versionId",
                             ngx_content_from_ngx(s3->version));
    }

    if (ngx_content_s3_text_sha256(&request, &text, up->task.pool) != NGX_OK
        || ngx_content_s3_text_md5(&request, &text, up->task.pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    call = ngx_content_s3_call(up->task.store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    ngx_content_call_text(call, &text);
    call->handler = ngx_content_s3_tag_sent;
    call->data = up;

    return ngx_content_call_start(call);
}


/* The object is there, with or without a tag. */

static void
ngx_content_s3_tag_sent(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_conf_t  *conf;

    up = call->data;
    conf = up->task.store->conf;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (ngx_content_s3_tag_refused(call)) {
        conf->no_tags = 1;
        ngx_log_error(NGX_LOG_WARN, &up->task.log, 0,
                      "content: no tags at \"%V\" (%s): objects uploaded in "
                      "parts have no SHA-256 unless the client sends it",
                      &conf->authority, cause ? cause : "");

    /* absent: somebody has deleted it meanwhile */

    } else if (outcome != NGX_CONTENT_OK && outcome != NGX_CONTENT_ABSENT) {
        ngx_log_error(NGX_LOG_WARN, &up->task.log, 0,
                      "content: \"%V\" is stored, but without its SHA-256: %s",
                      &up->task.key, cause ? cause : "");
    }

    ngx_content_s3_end(up, NGX_CONTENT_OK, NULL);
}


/*
 * The request will always be refused: for its kind, or for want of rights.
 * Only a 404 with NoSuchKey is about the object.
 */

static ngx_uint_t
ngx_content_s3_tag_refused(ngx_content_call_t *call)
{
    return call->result == NGX_OK
           && (call->status == NGX_HTTP_BAD_REQUEST
               || call->status == NGX_HTTP_FORBIDDEN
               || call->status == NGX_HTTP_NOT_ALLOWED
               || call->status == NGX_HTTP_NOT_IMPLEMENTED);
}


ngx_int_t
ngx_content_s3_tag_read(ngx_content_s3_head_t *head, content_object_t *object)
{
    ngx_content_call_t        *call;
    ngx_content_s3_conf_t     *conf;
    ngx_content_s3_request_t   request;

    conf = head->store->conf;

    /* the ETag of what was uploaded in parts ends with their number */

    if (object->has_sha256 || conf->no_tags_read
        || memchr(object->etag.data, '-', object->etag.len) == NULL)
    {
        return NGX_DECLINED;
    }

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    request.key = head->key;
    ngx_content_s3_param(&request, "tagging", content_cstr(""));

    if (head->version.len) {
        ngx_content_s3_param(&request, "versionId",
                             ngx_content_from_ngx(head->version));
    }

    call = ngx_content_s3_call(head->store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->response_limit = NGX_CONTENT_S3_TAG_LIMIT;
    call->handler = ngx_content_s3_tag_done;
    call->data = head;

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_ERROR;
    }

    head->object = object;
    head->call = call;

    return NGX_OK;
}


static void
ngx_content_s3_tag_done(ngx_content_call_t *call)
{
    content_object_t       *object;
    ngx_content_s3_conf_t  *conf;
    ngx_content_s3_head_t  *head;

    head = call->data;
    head->call = NULL;
    object = head->object;
    conf = head->store->conf;

    if (ngx_content_s3_tag_refused(call)) {
        conf->no_tags_read = 1;

    } else if (call->result == NGX_OK && call->status == NGX_HTTP_OK) {
        object->has_sha256 =
            content_s3tag_read(ngx_content_from_ngx(call->body), object->etag,
                               object->sha256)
            == CONTENT_OK;
    }

    head->done(head->data, NGX_CONTENT_OK, object, NULL);
}
