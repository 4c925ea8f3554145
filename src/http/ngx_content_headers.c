/*
 * Response headers: the one place that fills r->headers_out for an object,
 * whatever tier it comes from.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_date.h"


#define NGX_CONTENT_STATUS_MAX  256


typedef struct {
    ngx_str_t         name;
    size_t            offset;       /* of a content_str_t in the object */
} ngx_content_object_header_t;


static ngx_int_t ngx_content_header_known(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_int_t ngx_content_header_cache_control(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_table_elt_t *ngx_content_request_header_but(ngx_http_request_t *r,
    const char *name, ngx_table_elt_t *but);
static ngx_int_t ngx_content_type_header(ngx_http_request_t *r,
    content_str_t type);
static ngx_int_t ngx_content_modified_header(ngx_http_request_t *r,
    int64_t mtime);
static ngx_int_t ngx_content_meta_headers(ngx_http_request_t *r,
    const content_object_t *object);
static ngx_int_t ngx_content_cache_headers(ngx_http_request_t *r,
    const content_object_t *object, content_str_t cache_status);
static ngx_int_t ngx_content_cacheable_headers(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, const content_object_t *object);
static content_str_t ngx_content_tag_header(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, const content_object_t *object);


static const ngx_content_object_header_t  ngx_content_object_fields[] = {
    { ngx_string("ETag"), offsetof(content_object_t, etag) },
    { ngx_string("Content-Encoding"), offsetof(content_object_t, encoding) },
    { ngx_string("Content-Language"), offsetof(content_object_t, language) },
    { ngx_string("Content-Disposition"),
      offsetof(content_object_t, disposition) },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_content_header_add(ngx_http_request_t *r, ngx_str_t name,
    content_str_t value)
{
    ngx_table_elt_t  *h;

    if (value.len == 0) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = name;
    h->value = ngx_content_to_ngx(value);

    return ngx_content_header_known(r, h);
}


/* The headers that nginx's own filters look for by a pointer. */

static ngx_int_t
ngx_content_header_known(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    switch (h->key.len) {

    case sizeof("ETag") - 1:
        if (ngx_strcmp(h->key.data, "ETag") == 0) {
            r->headers_out.etag = h;
        }

        break;

    case sizeof("Cache-Control") - 1:           /* of three */
        if (ngx_strcmp(h->key.data, "Cache-Control") == 0) {
            return ngx_content_header_cache_control(r, h);
        }

        if (ngx_strcmp(h->key.data, "Last-Modified") == 0) {
            r->headers_out.last_modified = h;

        } else if (ngx_strcmp(h->key.data, "Content-Range") == 0) {
            r->headers_out.content_range = h;
        }

        break;

    case sizeof("Content-Encoding") - 1:        /* of two */
        if (ngx_strcmp(h->key.data, "Content-Encoding") == 0) {
            r->headers_out.content_encoding = h;

        } else if (ngx_strcmp(h->key.data, "WWW-Authenticate") == 0) {
            r->headers_out.www_authenticate = h;
        }

        break;
    }

    return NGX_OK;
}


/* An array of pointers, since 1.23.0 a list. */

static ngx_int_t
ngx_content_header_cache_control(ngx_http_request_t *r, ngx_table_elt_t *h)
{
#if (nginx_version < 1023000)
    ngx_table_elt_t  **slot;

    if (r->headers_out.cache_control.elts == NULL
        && ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                          sizeof(ngx_table_elt_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    slot = ngx_array_push(&r->headers_out.cache_control);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = h;
#else
    r->headers_out.cache_control = h;
#endif

    return NGX_OK;
}


ngx_table_elt_t *
ngx_content_request_header(ngx_http_request_t *r, const char *name)
{
    return ngx_content_request_header_but(r, name, NULL);
}


ngx_int_t
ngx_content_request_header_once(ngx_http_request_t *r, const char *name,
    ngx_table_elt_t **h)
{
    *h = ngx_content_request_header_but(r, name, NULL);

    if (*h && ngx_content_request_header_but(r, name, *h)) {
        return ngx_content_request_header_twice(r, *h);
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_request_header_twice(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST, "%V: twice", &h->key);
}


static ngx_table_elt_t *
ngx_content_request_header_but(ngx_http_request_t *r, const char *name,
    ngx_table_elt_t *but)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncmp(h[i].lowcase_key, name, len) == 0
                && &h[i] != but)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


ngx_int_t
ngx_content_object_headers(ngx_http_request_t *r,
    const content_object_t *object, content_str_t cache_status)
{
    content_str_t                       *value;
    ngx_content_ctx_t                   *ctx;
    const ngx_content_object_header_t   *f;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = object->size;
    r->headers_out.last_modified_time = object->mtime;

    if ((!ctx->given_type
         && ngx_content_type_header(r, object->type) != NGX_OK)
        || ngx_content_modified_header(r, object->mtime) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (f = ngx_content_object_fields; f->name.len; f++) {
        value = (content_str_t *) ((u_char *) object + f->offset);

        if (value == &object->disposition && ctx->given_disposition) {
            continue;
        }

        if (ngx_content_header_add(r, f->name, *value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_content_meta_headers(r, object) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_content_cache_headers(r, object, cache_status);
}


static ngx_int_t
ngx_content_type_header(ngx_http_request_t *r, content_str_t type)
{
    u_char  *semicolon;

    if (type.len == 0) {
        return ngx_http_set_content_type(r);
    }

    /* content_type_len, without parameters, is what gzip_types looks at */

    r->headers_out.content_type = ngx_content_to_ngx(type);
    r->headers_out.content_type_len = type.len;
    r->headers_out.content_type_lowcase = NULL;

    semicolon = ngx_strlchr(type.data, type.data + type.len, ';');

    if (semicolon) {
        r->headers_out.content_type_len = semicolon - type.data;
    }

    return NGX_OK;
}


/* nginx's own filter would write it, too, at six times the work. */

static ngx_int_t
ngx_content_modified_header(ngx_http_request_t *r, int64_t mtime)
{
    u_char         *buf;
    content_out_t   date;

    if (mtime == -1) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(r->pool, CONTENT_DATE_HTTP);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&date, buf, CONTENT_DATE_HTTP);
    content_date_http(&date, mtime);

    return ngx_content_header(r, "Last-Modified", content_out_done(&date));
}


static ngx_int_t
ngx_content_meta_headers(ngx_http_request_t *r,
    const content_object_t *object)
{
    u_char          *p;
    ngx_str_t        name;
    ngx_uint_t       i;

    static const char  prefix[] = "X-Content-Meta-";

    for (i = 0; i < object->nmeta; i++) {
        name.len = sizeof(prefix) - 1 + object->meta[i].name.len;
        name.data = ngx_pnalloc(r->pool, name.len + 1);

        if (name.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(name.data, prefix, sizeof(prefix) - 1);
        p = ngx_cpymem(p, object->meta[i].name.data,
                       object->meta[i].name.len);
        *p = '\0';

        if (ngx_content_header_add(r, name, object->meta[i].value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_cache_headers(ngx_http_request_t *r,
    const content_object_t *object, content_str_t cache_status)
{
    ngx_int_t           rc;
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    rc = ngx_content_uncacheable(r, ctx)
         ? ngx_content_uncacheable_headers(r)
         : ngx_content_cacheable_headers(r, ctx, object);

    if (rc != NGX_OK || cache_status.len == 0) {
        return NGX_ERROR;
    }

    return ngx_content_header(r, "Cache-Status", cache_status);
}


static ngx_int_t
ngx_content_cacheable_headers(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    const content_object_t *object)
{
    content_str_t            tag;
    ngx_content_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (!ctx->given_caching
        && (ngx_content_header(r, "Cache-Control",
                               content_policy_cache_control(object,
                                                            &lcf->policy))
            != NGX_OK
            || ngx_content_header(r, "CDN-Cache-Control",
                              content_policy_cdn_cache_control(object,
                                                               &lcf->policy))
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    tag = ngx_content_tag_header(r, ctx, object);

    return tag.len ? ngx_content_header(r, "Cache-Tag", tag) : NGX_ERROR;
}


/* Empty: no memory.  Most objects have their own tag alone. */

static content_str_t
ngx_content_tag_header(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    const content_object_t *object)
{
    u_char         *buf;
    size_t          size;
    content_str_t   own;
    content_out_t   out;

    own.data = ctx->tag;
    own.len = CONTENT_KEY_TAG_LEN;

    if (object->tags.len == 0) {
        return own;
    }

    size = own.len + 1 + object->tags.len;
    buf = ngx_pnalloc(r->pool, size);

    content_out_init(&out, buf, buf ? size : 0);
    content_policy_cache_tag(&out, own, object->tags);

    return content_out_done(&out);
}


content_str_t
ngx_content_cache_status(ngx_http_request_t *r,
    const content_cache_status_t *status)
{
    u_char         *buf;
    content_out_t   out;

    buf = ngx_pnalloc(r->pool, NGX_CONTENT_STATUS_MAX);

    content_out_init(&out, buf, buf ? NGX_CONTENT_STATUS_MAX : 0);
    content_policy_cache_status(&out, status);

    return content_out_done(&out);
}


/*
 * RFC 9211: "hit" with a negative ttl while it is refreshed in the background;
 * if storage was asked and failed, that, and with what.
 */

content_str_t
ngx_content_stale_status(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    content_str_t detail)
{
    content_cache_status_t  status;

    ngx_memzero(&status, sizeof(content_cache_status_t));

    status.cache = CONTENT_CACHE_HIT;
    status.detail = detail;
    status.has_ttl = 1;
    status.ttl = -((ctx->age + 999) / 1000);

    if (ctx->fault) {
        status.cache = CONTENT_CACHE_STALE;
        status.fwd_status = ctx->fault;

        if (ctx->age < 0) {                  /* fresh, but not asked for */
            status.ttl = -ctx->age / 1000;
        }
    }

    return ngx_content_cache_status(r, &status);
}


/*
 * What needed a token, and the page of an error: an object that is sent in the
 * place of another would be kept under the other's URL, and who writes or purges
 * that would not reach it.
 */

ngx_uint_t
ngx_content_uncacheable(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    return ctx->by_token || r->error_page || r->err_status;
}


/*
 * RFC 9111, 3.5: "public" would let a shared cache answer others with it; and
 * a CDN looks at its own header first.
 */

ngx_int_t
ngx_content_uncacheable_headers(ngx_http_request_t *r)
{
    static content_str_t  browser = content_string("private, no-cache");
    static content_str_t  none = content_string("no-store");

    if (ngx_content_header(r, "Cache-Control",
                           (r->error_page || r->err_status) ? none : browser)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_content_header(r, "CDN-Cache-Control", none);
}


ngx_int_t
ngx_content_send_json(ngx_http_request_t *r, ngx_uint_t status,
    content_str_t body)
{
    static ngx_str_t  json = ngx_string("application/json");

    return ngx_content_send_text(r, status, &json, body);
}


ngx_int_t
ngx_content_send_text(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, content_str_t body)
{
    ngx_int_t           rc;
    ngx_buf_t          *b;
    ngx_chain_t         out;
    ngx_content_ctx_t  *ctx;

    static content_str_t  no_store = content_string("no-store");

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);
    ctx->answered = 1;

    b = ngx_calloc_buf(r->pool);

    if (b == NULL || ngx_content_header(r, "Cache-Control", no_store) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = body.len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body.data;
    b->last = body.data + body.len;
    b->memory = body.len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->memory) ? 0 : 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
