/*
 * A request to S3 and its signature, for the clock and the region that the
 * server was found to have.
 */

#include "store/ngx_content_s3.h"
#include "store/ngx_content_probe.h"
#include "core/ngx_content_str.h"
#include "lib/content_key.h"


/* SHA-256 of nothing */
#define NGX_CONTENT_S3_EMPTY                                                 \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


static void ngx_content_s3_sign_what(content_sigv4_request_t *sr,
    ngx_content_s3_conf_t *conf, ngx_content_s3_request_t *request);
static size_t ngx_content_s3_sign_path(ngx_content_s3_conf_t *conf,
    ngx_content_s3_request_t *request);
static size_t ngx_content_s3_sign_room(ngx_content_s3_request_t *request,
    content_sigv4_credentials_t *keys);


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


ngx_uint_t
ngx_content_s3_signs_payload(ngx_content_store_t *store)
{
    ngx_content_found_e     found;
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;
    found = store->profile ? store->profile->facts[NGX_CONTENT_FACT_UNSIGNED]
                           : NGX_CONTENT_FOUND_NOTHING;

    return content_sigv4_signs_payload(conf->sign_payload, conf->secure,
                                       ngx_content_probe_says_no(found));
}


ngx_int_t
ngx_content_s3_sign(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint, ngx_pool_t *pool,
    ngx_content_s3_request_t *request, ngx_content_s3_signed_t *result)
{
    u_char                       *buf;
    size_t                        size, room;
    content_out_t                 path, query, authorization;
    content_sigv4_request_t       sr;
    content_sigv4_credentials_t  *keys;

    keys = ngx_content_credentials_get(conf->credentials, NULL);
    if (keys == NULL) {
        return NGX_ERROR;
    }

    size = ngx_content_s3_sign_path(conf, request);
    room = ngx_content_s3_sign_room(request, keys);

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

    ngx_content_s3_sign_what(&sr, conf, request);
    sr.host = ngx_content_from_ngx(endpoint->host);
    sr.path = content_out_done(&path);

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


/* All but the host and the path. */

static void
ngx_content_s3_sign_what(content_sigv4_request_t *sr,
    ngx_content_s3_conf_t *conf, ngx_content_s3_request_t *request)
{
    if (request->payload_hash.len == 0) {
        request->payload_hash = content_cstr(NGX_CONTENT_S3_EMPTY);
    }

    sr->method = content_cstr(request->method);
    sr->region = ngx_content_from_ngx(*ngx_content_s3_region(conf));
    sr->service = content_cstr("s3");
    sr->payload_hash = request->payload_hash;
    sr->now = ngx_time() + conf->skew;
    sr->params = request->params;
    sr->nparams = request->nparams;
    sr->headers = request->headers;
    sr->nheaders = request->nheaders;
}


/* Bytes of the path, and as many of the query, at most. */

static size_t
ngx_content_s3_sign_path(ngx_content_s3_conf_t *conf,
    ngx_content_s3_request_t *request)
{
    size_t      size;
    ngx_uint_t  i;

    size = conf->base.len + 3 * request->key.len + 1;

    for (i = 0; i < request->nparams; i++) {
        size += 3 * (request->params[i].name.len
                     + request->params[i].value.len) + 2;
    }

    return size;
}


/* Bytes of Authorization, at most. */

static size_t
ngx_content_s3_sign_room(ngx_content_s3_request_t *request,
    content_sigv4_credentials_t *keys)
{
    size_t      room;
    ngx_uint_t  i;

    room = 1024 + keys->access_key.len;

    for (i = 0; i < request->nheaders; i++) {
        room += request->headers[i].name.len + 1;
    }

    return room;
}
