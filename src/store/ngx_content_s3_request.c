/*
 * Requests to S3 and what comes back: signing, the way of an object's
 * metadata into headers and out of them, errors, and HEAD, which reading and
 * writing both need.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_digest.h"
#include "lib/content_key.h"
#include "lib/content_s3xml.h"


/* SHA-256 of nothing */
#define NGX_CONTENT_S3_EMPTY                                                 \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define NGX_CONTENT_S3_BUCKET_TRUST  60      /* seconds */


typedef struct {
    const char               *name;
    size_t                    offset;        /* of a content_str_t */
} ngx_content_s3_field_t;


static void ngx_content_s3_head_done(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_bucket_check(ngx_content_s3_head_t *head);
static void ngx_content_s3_bucket_checked(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_head_start(ngx_content_s3_head_t *head,
    ngx_str_t key, ngx_content_call_handler_pt handler);


static const ngx_content_s3_field_t  ngx_content_s3_fields[] = {
    { "content-type",         offsetof(content_object_t, type) },
    { "content-encoding",     offsetof(content_object_t, encoding) },
    { "content-language",     offsetof(content_object_t, language) },
    { "content-disposition",  offsetof(content_object_t, disposition) },
    { "cache-control",        offsetof(content_object_t, cache_control) },
    { "x-amz-meta-cache-tag", offsetof(content_object_t, tags) },
    { NULL, 0 }
};

static content_str_t  ngx_content_s3_meta = content_string("x-amz-meta-");
static content_str_t  ngx_content_s3_sha256 =
    content_string("x-amz-meta-sha256");


void
ngx_content_s3_param(ngx_content_s3_request_t *request, const char *name,
    content_str_t value)
{
    content_field_t  *f;

    f = &request->params[request->nparams++];
    f->name = content_cstr(name);
    f->value = value;
}


void
ngx_content_s3_header(ngx_content_s3_request_t *request, const char *name,
    content_str_t value)
{
    content_field_t  *f;

    if (value.len == 0) {
        return;
    }

    f = &request->headers[request->nheaders++];
    f->name = content_cstr(name);
    f->value = value;
}


ngx_int_t
ngx_content_s3_object_headers(ngx_content_s3_request_t *request,
    content_object_t *object, ngx_pool_t *pool)
{
    u_char                        *p;
    ngx_uint_t                     i;
    content_out_t                  out;
    content_str_t                 *value, name;
    const ngx_content_s3_field_t  *f;

    for (f = ngx_content_s3_fields; f->name; f++) {
        value = (content_str_t *) ((u_char *) object + f->offset);
        ngx_content_s3_header(request, f->name, *value);
    }

    if (object->has_sha256) {
        p = ngx_pnalloc(pool, 64);
        if (p == NULL) {
            return NGX_ERROR;
        }

        content_out_init(&out, p, 64);
        content_out_hex(&out, object->sha256, 32);
        ngx_content_s3_header(request, (char *) ngx_content_s3_sha256.data,
                              content_out_done(&out));
    }

    for (i = 0; i < object->nmeta; i++) {
        name.len = ngx_content_s3_meta.len + object->meta[i].name.len;

        p = ngx_pnalloc(pool, name.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        content_out_init(&out, p, name.len + 1);
        content_out_str(&out, ngx_content_s3_meta);
        content_out_str(&out, object->meta[i].name);
        content_out_char(&out, '\0');

        ngx_content_s3_header(request, (char *) p, object->meta[i].value);
    }

    return NGX_OK;
}


void
ngx_content_s3_object_field(content_object_t *object, content_str_t name,
    content_str_t value)
{
    content_str_t                 *slot;
    content_field_t               *meta;
    const ngx_content_s3_field_t  *f;

    for (f = ngx_content_s3_fields; f->name; f++) {
        if (content_str_eq_case(name, content_cstr(f->name))) {
            slot = (content_str_t *) ((u_char *) object + f->offset);
            *slot = value;

            /* S3's own choice where none was sent */

            if (content_str_eq(value, content_cstr("binary/octet-stream"))) {
                slot->len = 0;
            }

            return;
        }
    }

    if (content_str_eq_case(name, content_cstr("etag"))) {
        object->etag = value;

    } else if (content_str_eq_case(name, content_cstr("content-length"))) {
        (void) content_str_uint(value, &object->size);

    } else if (content_str_eq_case(name, content_cstr("last-modified"))) {
        object->mtime = ngx_parse_http_time(value.data, value.len);

    } else if (content_str_eq_case(name, ngx_content_s3_sha256)) {
        object->has_sha256 = (content_digest_unhex(value, object->sha256, 32)
                              == CONTENT_OK);

    } else if (name.len > ngx_content_s3_meta.len
               && ngx_strncasecmp(name.data, ngx_content_s3_meta.data,
                                  ngx_content_s3_meta.len)
                  == 0
               && object->nmeta < CONTENT_OBJECT_META_MAX)
    {
        meta = &object->meta[object->nmeta++];
        meta->name.data = name.data + ngx_content_s3_meta.len;
        meta->name.len = name.len - ngx_content_s3_meta.len;
        meta->value = value;

        ngx_strlow(meta->name.data, meta->name.data, meta->name.len);
    }
}


ngx_int_t
ngx_content_s3_sign(ngx_content_s3_conf_t *conf, ngx_pool_t *pool,
    ngx_content_s3_request_t *request, ngx_content_s3_signed_t *result)
{
    u_char                       *buf;
    size_t                        size, room, i;
    content_out_t                 path, query, authorization;
    content_sigv4_request_t       sr;
    content_sigv4_credentials_t  *keys;

    keys = ngx_content_credentials_get(conf->credentials, NULL);
    if (keys == NULL) {
        return NGX_ERROR;
    }

    size = conf->base.len + 3 * request->key.len + 1;

    for (i = 0; i < request->nparams; i++) {
        size += 3 * (request->params[i].name.len
                     + request->params[i].value.len) + 2;
    }

    room = 1024 + keys->access_key.len;

    for (i = 0; i < request->nheaders; i++) {
        room += request->headers[i].name.len + 1;
    }

    buf = ngx_pnalloc(pool, 2 * size + CONTENT_SIGV4_DATE_LEN + room);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&path, buf, size);
    content_out_str(&path, ngx_content_from_ngx(conf->base));
    content_key_encode(&path, ngx_content_from_ngx(request->key));

    content_out_init(&query, buf + size, size);

    result->date.data = buf + 2 * size;
    result->date.len = CONTENT_SIGV4_DATE_LEN;

    content_out_init(&authorization,
                     result->date.data + CONTENT_SIGV4_DATE_LEN, room);

    if (request->payload_hash.len == 0) {
        request->payload_hash = content_cstr(NGX_CONTENT_S3_EMPTY);
    }

    sr.method = content_cstr(request->method);
    sr.host = ngx_content_from_ngx(conf->host);
    sr.path = content_out_done(&path);
    sr.region = ngx_content_from_ngx(conf->region);
    sr.service = content_cstr("s3");
    sr.payload_hash = request->payload_hash;
    sr.now = ngx_time();
    sr.params = request->params;
    sr.nparams = request->nparams;
    sr.headers = request->headers;
    sr.nheaders = request->nheaders;

    if (content_sigv4_sign(&sr, keys, &conf->cache, &query, result->date.data,
                           &authorization)
        != CONTENT_OK)
    {
        return NGX_ERROR;
    }

    if (request->nparams) {
        content_out_char(&path, '?');
        content_out_str(&path, content_out_done(&query));
    }

    result->path = ngx_content_to_ngx(content_out_done(&path));
    result->authorization =
                        ngx_content_to_ngx(content_out_done(&authorization));
    result->token = ngx_content_to_ngx(keys->session_token);

    return path.overflow ? NGX_ERROR : NGX_OK;
}


ngx_content_call_t *
ngx_content_s3_call(ngx_content_store_t *store,
    ngx_content_s3_request_t *request)
{
    u_char                   *p;
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_content_call_t       *call;
    ngx_content_s3_conf_t    *conf;
    ngx_content_s3_signed_t   sign;

    conf = store->conf;

    call = ngx_content_call_create(store->engine, ngx_cycle->log);
    if (call == NULL) {
        return NULL;
    }

    if (ngx_content_s3_sign(conf, call->pool, request, &sign) != NGX_OK) {
        goto failed;
    }

    call->url.len = conf->origin.len + sign.path.len;

    p = ngx_pnalloc(call->pool, call->url.len);
    if (p == NULL) {
        goto failed;
    }

    call->url.data = p;
    (void) ngx_sprintf(p, "%V%V", &conf->origin, &sign.path);

    call->method = request->method;
    call->ca_file = conf->ca_file;
    call->connect_timeout = conf->connect_timeout;
    call->timeout = conf->timeout;

    if (conf->style == NGX_CONTENT_S3_VIRTUAL) {
        ngx_content_call_header(call, "Host", &conf->host);
    }

    ngx_content_call_header(call, "Authorization", &sign.authorization);
    ngx_content_call_header(call, "x-amz-date", &sign.date);

    value = ngx_content_to_ngx(request->payload_hash);
    ngx_content_call_header(call, "x-amz-content-sha256", &value);

    if (sign.token.len) {
        ngx_content_call_header(call, "x-amz-security-token", &sign.token);
    }

    for (i = 0; i < request->nheaders; i++) {
        value = ngx_content_to_ngx(request->headers[i].value);
        ngx_content_call_header(call, (char *) request->headers[i].name.data,
                                &value);
    }

    return call;

failed:

    ngx_content_call_cancel(call);

    return NULL;
}


ngx_content_outcome_e
ngx_content_s3_unsent(ngx_content_store_t *store, const char **cause)
{
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;

    if (ngx_content_credentials_get(conf->credentials, cause) == NULL) {
        return NGX_CONTENT_UNAVAILABLE;
    }

    *cause = "no memory";

    return NGX_CONTENT_FAILED;
}


/*
 * A 404 is the truth only about a key: without the bucket nothing is known.
 * 403 is no answer either: S3 says so of missing keys when the credentials
 * may not list the bucket.
 */

ngx_content_outcome_e
ngx_content_s3_outcome(ngx_uint_t status, content_str_t code)
{
    if (status >= 200 && status < 300) {
        return NGX_CONTENT_OK;
    }

    switch (status) {

    case NGX_HTTP_NOT_FOUND:
        return (code.len == 0
                || content_str_eq(code, content_cstr("NoSuchKey")))
               ? NGX_CONTENT_ABSENT : NGX_CONTENT_BROKEN;

    case NGX_HTTP_BAD_REQUEST:
        return (content_str_eq(code, content_cstr("MetadataTooLarge"))
                || content_str_eq(code, content_cstr("KeyTooLongError"))
                || content_str_eq(code, content_cstr("EntityTooLarge")))
               ? NGX_CONTENT_INVALID : NGX_CONTENT_BROKEN;

    case NGX_HTTP_PRECONDITION_FAILED:
        return NGX_CONTENT_PRECONDITION;

    case NGX_HTTP_CONFLICT:                  /* somebody else writes */
    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_CONTENT_UNAVAILABLE;

    case NGX_HTTP_GATEWAY_TIME_OUT:
        return NGX_CONTENT_TIMEOUT;

    case NGX_HTTP_INSUFFICIENT_STORAGE:
        return NGX_CONTENT_FULL;

    default:
        return NGX_CONTENT_BROKEN;
    }
}


ngx_content_outcome_e
ngx_content_s3_call_outcome(ngx_content_call_t *call, const char **cause)
{
    u_char         *p;
    content_str_t   code, message;
    static char     text[512];        /* used before the next call ends */

    *cause = NULL;

    if (call->result != NGX_OK) {
        p = ngx_snprintf((u_char *) text, sizeof(text) - 1, "S3: %V",
                         &call->error);
        *p = '\0';
        *cause = text;

        return call->failure == NGX_CONTENT_CALL_TIMEOUT
               ? NGX_CONTENT_TIMEOUT : NGX_CONTENT_BROKEN;
    }

    if (call->status >= 200 && call->status < 300) {
        return NGX_CONTENT_OK;
    }

    if (content_s3xml_error(ngx_content_from_ngx(call->body), &code, &message,
                            text + 256, 256)
        != CONTENT_OK)
    {
        /* not S3's word: a 404 of somebody else proves nothing */

        *cause = "S3: an error that is not S3's";

        return call->status == NGX_HTTP_NOT_FOUND ? NGX_CONTENT_BROKEN
               : ngx_content_s3_outcome(call->status, code);
    }

    p = ngx_snprintf((u_char *) text, 255, "S3: %ui %*s %*s", call->status,
                     code.len, code.data, message.len, message.data);
    *p = '\0';
    *cause = text;

    return ngx_content_s3_outcome(call->status, code);
}


/* HEAD. */

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
    object = NULL;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_PRECONDITION) {
        outcome = NGX_CONTENT_BROKEN;
    }

    /* no id of a version, or that of a deletion */

    if (head->version.len && call->result == NGX_OK
        && (call->status == NGX_HTTP_BAD_REQUEST
            || call->status == NGX_HTTP_NOT_ALLOWED))
    {
        outcome = NGX_CONTENT_ABSENT;
    }

    if (outcome == NGX_CONTENT_OK) {
        conf->bucket_seen = ngx_time();
        object = ngx_palloc(head->pool, sizeof(content_object_t));

        if (object == NULL
            || ngx_content_s3_call_object(call, head->pool, object) != NGX_OK)
        {
            object = NULL;
            outcome = NGX_CONTENT_BROKEN;
            cause = "S3: HEAD without ETag, Last-Modified or length";
        }
    }

    /* an answer to HEAD has no code: is it the key or the bucket? */

    if (outcome == NGX_CONTENT_ABSENT
        && ngx_time() - conf->bucket_seen > NGX_CONTENT_S3_BUCKET_TRUST)
    {
        if (ngx_content_s3_bucket_check(head) == NGX_OK) {
            return;
        }

        outcome = ngx_content_s3_unsent(head->store, &cause);
    }

    head->done(head->data, outcome, object, cause);
}


ngx_int_t
ngx_content_s3_call_object(ngx_content_call_t *call, ngx_pool_t *pool,
    content_object_t *object)
{
    void       *state;
    ngx_str_t   value, name;

    ngx_memzero(object, sizeof(content_object_t));
    object->size = -1;
    object->mtime = -1;

    state = NULL;

    while (ngx_content_call_response_next(call, &state, &name, &value)
           == NGX_OK)
    {
        ngx_content_s3_object_field(object,
            ngx_content_str_dup(pool, ngx_content_from_ngx(name)),
            ngx_content_str_dup(pool, ngx_content_from_ngx(value)));
    }

    return (object->size >= 0 && object->mtime >= 0 && object->etag.len)
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
