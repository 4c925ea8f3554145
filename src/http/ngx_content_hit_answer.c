/*
 * The answer from a record of the memory cache: conditions, headers.  The body
 * is sent by ngx_content_hit_body.c.
 *
 * A record's head is made when it is stored (ngx_content_head.h).  Its headers
 * are copied (some hundred bytes), because filters change headers and logs
 * read them after the record may be gone.
 *
 * A record of metadata stands for an object whose body is not here: it is too
 * large, or only its HEAD was asked for.  In the place of the body it has the
 * object in the form of lib/content_object.h.  HEAD, 304 and 412 are
 * answered from it; who wants the body goes on with ctx->known.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_head.h"
#include "http/ngx_content_hit.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


static ngx_int_t ngx_content_hit_known(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, content_entry_t *entry);
static void ngx_content_hit_not_modified(ngx_http_request_t *r);
static content_str_t ngx_content_hit_etag(ngx_content_head_t *head);
static void ngx_content_hit_put_first(ngx_list_t *list,
    ngx_list_part_t *tail, ngx_table_elt_t *h, ngx_uint_t n);
static ngx_table_elt_t *ngx_content_hit_headers(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, ngx_content_head_t *head, size_t len);
static ngx_int_t ngx_content_hit_policy(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, ngx_content_head_t *head, ngx_table_elt_t *h);
static ngx_int_t ngx_content_hit_cacheable(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, ngx_content_head_t *head, ngx_table_elt_t *h);
static void ngx_content_hit_hide(ngx_content_head_t *head, ngx_table_elt_t *h,
    const char *name);


ngx_int_t
ngx_content_hit_answer(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    content_entry_t *entry)
{
    ngx_int_t            rc;
    content_str_t        etag;
    ngx_table_elt_t     *h;
    ngx_content_head_t  *head;

    head = (ngx_content_head_t *) content_entry_head(entry);

    /* a problem has none of the object's headers */

    etag = ngx_content_hit_etag(head);
    rc = ngx_content_conditions(r, etag, head->mtime);

    if (rc != NGX_OK && rc != NGX_HTTP_NOT_MODIFIED) {
        return rc;
    }

    /* storage may know more than whoever has filled this record */

    if (head->metadata && !head->has_sha256
        && ngx_content_digest_is_wanted(r))
    {
        return NGX_DECLINED;
    }

    if (head->metadata && rc == NGX_OK && r->method != NGX_HTTP_HEAD) {
        return ngx_content_hit_known(r, ctx, entry);
    }

    h = ngx_content_hit_headers(r, ctx, head, entry->head_len);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->tier = "memory";
    ctx->size = head->size;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = head->size;
    r->headers_out.last_modified_time = head->mtime;

    if (ngx_content_hit_policy(r, ctx, head, h) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_HTTP_NOT_MODIFIED) {
        ngx_content_hit_not_modified(r);

    } else if (ngx_content_ranges_cut(r, etag, head->mtime, head->size)
               != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (head->has_sha256
        && ngx_content_digest_headers(r, (u_char *) head + entry->head_len
                                         - CONTENT_SHA256_SIZE)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return rc == NGX_HTTP_NOT_MODIFIED ? ngx_http_send_header(r)
                                       : ngx_content_hit_body(r, entry);
}


static void
ngx_content_hit_not_modified(ngx_http_request_t *r)
{
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    ngx_content_count(&ngx_content_shared(mcf)->counters, not_modified);

    r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r->headers_out.content_type.len = 0;
    r->headers_out.content_length_n = -1;
}


/* Without the body, which somebody else has to find: NGX_DECLINED. */

static ngx_int_t
ngx_content_hit_known(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    content_entry_t *entry)
{
    content_str_t      record, body;
    content_object_t  *object;

    record.data = content_entry_body(entry);
    record.len = entry->body_len;

    record = ngx_content_str_dup(r->pool, record);
    object = ngx_palloc(r->pool, sizeof(content_object_t));

    if (record.len && object
        && content_record_decode(record, object, &body, NULL) == CONTENT_OK)
    {
        ctx->known = object;
    }

    return NGX_DECLINED;
}


/* The first header, in the record. */

static content_str_t
ngx_content_hit_etag(ngx_content_head_t *head)
{
    u_char         *p;
    uint16_t        name, value;
    content_str_t   etag;

    p = (u_char *) (head + 1) + head->type;
    ngx_memcpy(&name, p, 2);
    ngx_memcpy(&value, p + 2, 2);

    etag.data = p + 4 + name + 1;
    etag.len = value;

    return etag;
}


/*
 * The headers in the request's memory, as a part of r->headers_out.headers;
 * NULL: no memory.
 */

static ngx_table_elt_t *
ngx_content_hit_headers(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    ngx_content_head_t *head, size_t len)
{
    u_char           *p;
    uint16_t          name, value;
    ngx_uint_t        i;
    ngx_list_t       *list;
    ngx_list_part_t  *tail;
    ngx_table_elt_t  *h;

    list = &r->headers_out.headers;

    /* ngx_http_clean_header() takes any first part for one of list->nalloc */

    h = ngx_palloc(r->pool, ngx_max(head->n, list->nalloc)
                            * sizeof(ngx_table_elt_t));
    tail = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
    p = ngx_pnalloc(r->pool, len - sizeof(ngx_content_head_t));

    if (h == NULL || tail == NULL || p == NULL) {
        return NULL;
    }

    ngx_memcpy(p, head + 1, len - sizeof(ngx_content_head_t));

    if (!ctx->given_type) {
        r->headers_out.content_type.len = head->type;
        r->headers_out.content_type.data = p;
        r->headers_out.content_type_len = head->type_main;
    }

    p += head->type;

    for (i = 0; i < head->n; i++) {
        ngx_memcpy(&name, p, 2);
        ngx_memcpy(&value, p + 2, 2);
        p += 4;

        ngx_memzero(&h[i], sizeof(ngx_table_elt_t));

        h[i].hash = 1;
        h[i].key.len = name;
        h[i].key.data = p;
        p += name + 1;
        h[i].value.len = value;
        h[i].value.data = p;
        p += value;

        if (name == sizeof("Content-Encoding") - 1
            && ngx_strcmp(h[i].key.data, "Content-Encoding") == 0)
        {
            r->headers_out.content_encoding = &h[i];
        }
    }

    r->headers_out.etag = &h[NGX_CONTENT_HEAD_ETAG];
    r->headers_out.last_modified = &h[NGX_CONTENT_HEAD_MODIFIED];

    ngx_content_hit_put_first(list, tail, h, head->n);

    return h;
}


/* Before the list's own first part, whose elements others push to. */

static void
ngx_content_hit_put_first(ngx_list_t *list, ngx_list_part_t *tail,
    ngx_table_elt_t *h, ngx_uint_t n)
{
    *tail = list->part;

    if (list->last == &list->part) {
        list->last = tail;
    }

    list->part.elts = h;
    list->part.nelts = n;
    list->part.next = tail;
}


static ngx_int_t
ngx_content_hit_policy(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    ngx_content_head_t *head, ngx_table_elt_t *h)
{
    content_str_t  status;

    static content_str_t  hit =
        content_string("ngx_content; hit; detail=memory");
    static content_str_t  memory = content_string("memory");

    if (r->headers_out.content_type.len == 0
        && ngx_http_set_content_type(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->given_disposition) {
        ngx_content_hit_hide(head, h, "Content-Disposition");
    }

    if (ngx_content_hit_cacheable(r, ctx, head, h) != NGX_OK) {
        return NGX_ERROR;
    }

    status = ctx->age == 0 ? hit : ngx_content_stale_status(r, ctx, memory);

    return status.len ? ngx_content_header(r, "Cache-Status", status)
                      : NGX_ERROR;
}


/* What caches are told: by the object, else by the location. */

static ngx_int_t
ngx_content_hit_cacheable(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    ngx_content_head_t *head, ngx_table_elt_t *h)
{
    ngx_uint_t               i;
    content_str_t            value;
    ngx_content_loc_conf_t  *lcf;

    if (ngx_content_uncacheable(r, ctx)) {
        ngx_content_hit_hide(head, h, "Cache-Tag");
        ngx_content_hit_hide(head, h, "Cache-Control");
        ngx_content_hit_hide(head, h, "CDN-Cache-Control");

        return ngx_content_uncacheable_headers(r);
    }

    if (ctx->given_caching) {
        ngx_content_hit_hide(head, h, "Cache-Control");
        ngx_content_hit_hide(head, h, "CDN-Cache-Control");

        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    value = lcf->policy.cache_control;

    /* in a place that nginx has a pointer to: "expires" replaces it */

    for (i = 0; head->cache_control && i < head->n; i++) {
        if (ngx_strcmp(h[i].key.data, "Cache-Control") == 0) {
            h[i].hash = 0;
            value = ngx_content_from_ngx(h[i].value);
        }
    }

    if (ngx_content_header(r, "Cache-Control", value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!head->cdn_cache_control
        && ngx_content_header(r, "CDN-Cache-Control",
                              lcf->policy.cdn_cache_control)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_content_hit_hide(ngx_content_head_t *head, ngx_table_elt_t *h,
    const char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < head->n; i++) {
        if (ngx_strcmp(h[i].key.data, name) == 0) {
            h[i].hash = 0;
        }
    }
}
