/*
 * The content handler of a location with "content": finds the key, checks
 * method and rights, and routes to the handler of the method or of the API.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


typedef ngx_int_t (*ngx_content_method_pt)(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

typedef struct {
    ngx_uint_t               methods;
    unsigned                 right;
    ngx_content_method_pt    handler;
} ngx_content_method_t;


static ngx_int_t ngx_content_key(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static ngx_str_t ngx_content_path(ngx_http_request_t *r);
static ngx_int_t ngx_content_object(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);


/* Keys below it are the API's. */

static ngx_str_t  ngx_content_reserved = ngx_string("-/");

static const ngx_content_method_t  ngx_content_methods[] = {
    { NGX_HTTP_GET|NGX_HTTP_HEAD, CONTENT_RIGHT_READ,  ngx_content_get },
    { NGX_HTTP_PUT,               CONTENT_RIGHT_WRITE, ngx_content_put },
    { NGX_HTTP_DELETE,            CONTENT_RIGHT_WRITE, ngx_content_delete },
    { NGX_HTTP_COPY,              CONTENT_RIGHT_READ,  ngx_content_copy },
    { NGX_HTTP_MOVE,              CONTENT_RIGHT_WRITE, ngx_content_move },
    { 0, 0, NULL }
};


ngx_int_t
ngx_content_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_content_ctx_t        *ctx;
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    ngx_content_count(&ngx_content_shared(mcf)->counters, requests);

    ctx = ngx_content_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_content_given_find(r, ctx);

    rc = ngx_content_key(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_content_is_reserved(&ctx->key)) {
        return ngx_content_api(r, ctx);
    }

    return ngx_content_object(r, ctx);
}


ngx_uint_t
ngx_content_is_reserved(ngx_str_t *key)
{
    return key->len >= ngx_content_reserved.len
           && ngx_strncmp(key->data, ngx_content_reserved.data,
                          ngx_content_reserved.len)
              == 0;
}


static ngx_int_t
ngx_content_object(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                    rc;
    const ngx_content_method_t  *m;

    for (m = ngx_content_methods; m->methods; m++) {
        if (!(m->methods & r->method)) {
            continue;
        }

        rc = ngx_content_authorize(r, m->right, &ctx->key);

        if (rc != NGX_OK) {
            return rc;
        }

        if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) && r != r->main) {
            return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                       "a subrequest can't write");
        }

        if (ctx->key.len == 0) {
            return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                                       "the root is not an object");
        }

        if (m->right == CONTENT_RIGHT_WRITE) {
            ngx_content_names(ctx);
        }

        return m->handler(r, ctx);
    }

    return ngx_content_problem(r, NGX_HTTP_NOT_ALLOWED,
                               "an object takes GET, HEAD, PUT, DELETE, COPY "
                               "and MOVE");
}


/*
 * The path as the client sent it, when it still names the location; else (an
 * internal redirect, a rewrite) nginx's decoded one.
 */

static ngx_str_t
ngx_content_path(ngx_http_request_t *r)
{
    u_char     *query;
    ngx_str_t   path;

    if (!r->valid_unparsed_uri) {
        return r->uri;
    }

    path = r->unparsed_uri;
    query = memchr(path.data, '?', path.len);

    if (query) {
        path.len = query - path.data;
    }

    return path;
}


static ngx_int_t
ngx_content_key(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    int             rc;
    ngx_str_t       path;
    const char     *why;
    content_out_t   out;
    content_str_t   key;

    path = ngx_content_path(r);

    if (path.len <= 1) {
        ngx_str_null(&ctx->key);
        return NGX_OK;
    }

    /* nginx takes it for the end of what it finds the location by */

    if (r->valid_unparsed_uri && r->complex_uri
        && memchr(path.data, '#', path.len))
    {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                     "no key of an object: a \"#\" in a key is sent as %%23");
    }

    /* most paths are their key already */

    if (r->valid_unparsed_uri && memchr(path.data, '%', path.len)) {
        ctx->key.data = ngx_pnalloc(r->pool, path.len);
        if (ctx->key.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        content_out_init(&out, ctx->key.data, path.len);
        rc = content_key_decode(ngx_content_from_ngx(path), &out, &why);
        key = content_out_done(&out);

    } else {
        key.data = path.data + 1;
        key.len = path.len - 1;
        rc = content_key_check(key, &why);
    }

    if (rc != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "no key of an object: %s", why);
    }

    ctx->key = ngx_content_to_ngx(key);

    return NGX_OK;
}


void
ngx_content_names(ngx_content_ctx_t *ctx)
{
    content_key_hash(ngx_content_from_ngx(ctx->key), ctx->hash);
    content_key_tag(ctx->hash, ctx->tag);
}
