/*
 * What the client of a GET or HEAD gets: the headers, once the object is
 * known; a body that is at hand; the problem that a fault is.
 */

#include "http/ngx_content_get.h"
#include "http/ngx_content_hit.h"
#include "http/ngx_content_zones.h"


static content_str_t ngx_content_get_whence(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_ranges(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_send_lent(ngx_content_get_t *get,
    ngx_chain_t *out);
static void ngx_content_get_told(ngx_content_get_t *get);
static ngx_uint_t ngx_content_get_stale_suffices(ngx_content_get_t *get);


ngx_int_t
ngx_content_get_headers(ngx_content_read_t *read)
{
    ngx_uint_t           status;
    content_str_t        whence;
    ngx_http_request_t  *r;
    ngx_content_get_t   *get;

    get = read->data;
    r = read->request;
    status = r->headers_out.status;

    whence = ngx_content_get_whence(get);
    ngx_content_get_told(get);

    /* nothing will pass by */

    if (read->body && (read->object->size == 0
                       || read->object->size > (int64_t) read->body_max))
    {
        ngx_content_keep_metadata(&get->keep, read->object);
    }

    if (ngx_content_object_headers(r, read->object, whence) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NOT_MODIFIED) {
        r->headers_out.status = status;
        r->headers_out.content_type.len = 0;
        ngx_http_clear_content_length(r);
    }

    if ((status != NGX_HTTP_NOT_MODIFIED
         && ngx_content_get_ranges(get) != NGX_OK)
        || (read->digest && read->object->has_sha256
            && ngx_content_digest_headers(r, read->object->sha256) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_get_ranges(ngx_content_get_t *get)
{
    content_object_t    *object;
    ngx_http_request_t  *r;

    r = get->request;
    object = get->read.object;

    if (get->read.ranged) {
        return ngx_content_ranges_part(r, get->read.first, object->size);
    }

    if (get->read.store->open_first || get->body.data) {
        return ngx_content_ranges_cut(r, object->etag, object->mtime,
                                      object->size);
    }

    ngx_content_ranges_whole(r);

    return NGX_OK;
}


/* Where the answer comes from, for Cache-Status and for the log. */

static content_str_t
ngx_content_get_whence(ngx_content_get_t *get)
{
    ngx_content_ctx_t       *ctx;
    content_cache_status_t   status;

    static content_str_t  hit =
        content_string("ngx_content; hit; detail=redis");
    static content_str_t  redis = content_string("redis");

    ctx = get->ctx;

    ctx->answered = 1;
    ctx->size = get->read.object->size;

    if (get->hit) {
        ctx->tier = "redis";

        return ctx->age == 0
               ? hit : ngx_content_stale_status(get->request, ctx, redis);
    }

    ctx->tier = get->joined ? "joined"
                : get->wait.fill && !get->large ? "fill" : "store";

    ngx_memzero(&status, sizeof(content_cache_status_t));

    status.cache = ctx->expired ? CONTENT_CACHE_STALE
                                : CONTENT_CACHE_URI_MISS;
    status.collapsed = get->joined;
    status.detail = ngx_content_from_ngx(get->read.store->name);

    return ngx_content_cache_status(get->request, &status);
}


ngx_int_t
ngx_content_get_send_headers(ngx_content_get_t *get)
{
    ngx_int_t  rc;

    rc = ngx_content_get_headers(&get->read);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_send_header(get->request);
}


ngx_int_t
ngx_content_get_send_memory(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = get->request;

    rc = ngx_content_get_headers(&get->read);

    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = get->body.data;
    b->last = get->body.data + get->body.len;
    b->memory = get->body.len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->memory) ? 0 : 1;

    out.buf = b;
    out.next = NULL;

    return get->lent ? ngx_content_get_send_lent(get, &out)
                     : ngx_http_output_filter(r, &out);
}


/* What the socket does not take at once is copied, before the lender goes on. */

static ngx_int_t
ngx_content_get_send_lent(ngx_content_get_t *get, ngx_chain_t *out)
{
    ngx_int_t   rc;
    ngx_buf_t  *b;

    b = out->buf;

    if (ngx_content_hit_transformed(get->request, get->body.len)
        && ngx_content_hit_copy(get->request, b) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_output_filter(get->request, out);

    if (rc != NGX_ERROR && b->pos != b->last
        && b->pos >= get->body.data
        && b->pos < get->body.data + get->body.len
        && ngx_content_hit_copy(get->request, b) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


ngx_int_t
ngx_content_get_fault(ngx_content_get_t *get)
{
    ngx_uint_t               status;
    ngx_content_counters_t  *counters;

    ngx_content_get_told(get);

    counters = &ngx_content_shared(get->mcf)->counters;
    status = ngx_content_outcome_status(get->read.outcome);

    if (get->read.outcome == NGX_CONTENT_ABSENT) {
        ngx_content_count(counters, absent);

        return ngx_content_problem(get->request, status,
                                   "there is no such object");
    }

    if (get->wait.fill == NULL) {            /* which has told it once */
        ngx_content_count(counters, store_faults);

        ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                      "content: reading \"%V\" failed: %V", &get->read.key,
                      &get->read.cause);
    }

    return ngx_content_problem(get->request, status, "the storage failed");
}


/* Storage has answered, or failed: for the log. */

static void
ngx_content_get_told(ngx_content_get_t *get)
{
    if (!get->hit && get->ctx->store_time == 0) {
        get->ctx->store_time = ngx_current_msec - get->since + 1;
    }
}


ngx_int_t
ngx_content_get_stale(ngx_content_get_t *get)
{
    ngx_int_t  rc;

    rc = ngx_content_get_fault(get);

    if (get->read.outcome == NGX_CONTENT_ABSENT
        || get->lcf->fresh.error == 0 || !get->lcf->hot.enabled)
    {
        return rc;
    }

    get->ctx->fault = ngx_content_outcome_status(get->read.outcome);

    if (ngx_content_get_stale_suffices(get)) {
        get->hit = 1;
        get->opened = 0;
        get->body = get->stale;
        get->stale.data = NULL;
        get->read.object = get->record;
        get->ctx->age = get->stale_age;
        ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);
        rc = NGX_OK;

    } else {
        rc = ngx_content_hit_stale(get->request, get->ctx);

        if (rc == NGX_DECLINED) {
            return get->ctx->fault;
        }

        ngx_content_get_next(get, NGX_CONTENT_GET_END);
    }

    ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                      stale_on_error);

    return rc;
}


/* Metadata alone answer HEAD, 304 and 412. */

static ngx_uint_t
ngx_content_get_stale_suffices(ngx_content_get_t *get)
{
    if (get->stale.data) {
        return 1;
    }

    return get->expired && get->record
           && (get->request->method == NGX_HTTP_HEAD
               || ngx_content_conditions(get->request, get->record->etag,
                                         get->record->mtime)
                  != NGX_OK);
}


/* A small body passes by, for the caches. */

ngx_int_t
ngx_content_get_copy(ngx_content_read_t *read, u_char *data, size_t len)
{
    content_str_t       body;
    ngx_content_get_t  *get;

    get = read->data;

    if (get->copy == NULL) {
        get->copy = ngx_pnalloc(read->request->pool, read->object->size + 1);
    }

    if (get->copy == NULL
        || get->copied + len > (size_t) read->object->size)
    {
        read->body = NULL;
        return NGX_OK;
    }

    ngx_memcpy(get->copy + get->copied, data, len);
    get->copied += len;

    if (get->copied == (size_t) read->object->size) {
        body.data = get->copy;
        body.len = get->copied;

        ngx_content_keep_whole(&get->keep, read->object, body);
    }

    return NGX_OK;
}
