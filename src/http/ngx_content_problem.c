/*
 * Problems: every error answer of an origin's location, whether the module or
 * nginx itself refused the request (413 before the body is read, 405, ...),
 * is application/problem+json (RFC 9457) and is not to be stored.
 *
 * ngx_content_problem() notes the reason; nginx then makes its error page as
 * always, so that error_page works; the header filter here changes its
 * headers and the body filter its body.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_problem.h"
#include "lib/content_range.h"


#define NGX_CONTENT_DETAIL_MAX   512
#define NGX_CONTENT_RETRY_AFTER  "5"      /* seconds */


static ngx_int_t ngx_content_problem_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_content_problem_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_content_problem_make(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static ngx_int_t ngx_content_problem_headers(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static ngx_int_t ngx_content_problem_range(ngx_http_request_t *r,
    int64_t size);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_content_problem_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_content_problem_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_content_problem_body_filter;

    return NGX_OK;
}


ngx_content_ctx_t *
ngx_content_ctx(ngx_http_request_t *r)
{
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_content_ctx_t));

        if (ctx) {
            ngx_http_set_ctx(r, ctx, ngx_content_module);
        }
    }

    return ctx;
}


ngx_int_t
ngx_content_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, ...)
{
    u_char              text[NGX_CONTENT_DETAIL_MAX], *last;
    va_list             args;
    ngx_content_ctx_t  *ctx;

    ctx = ngx_content_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    va_start(args, detail);
    last = ngx_vslprintf(text, text + sizeof(text), detail, args);
    va_end(args);

    ctx->problem = status;
    ctx->answered = 0;
    ctx->detail.data = ngx_pnalloc(r->pool, last - text);

    if (ctx->detail.data) {
        ctx->detail.len = last - text;
        ngx_memcpy(ctx->detail.data, text, ctx->detail.len);
    }

    return status;
}


static ngx_int_t
ngx_content_problem_header_filter(ngx_http_request_t *r)
{
    ngx_content_ctx_t       *ctx;
    ngx_content_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if ((lcf->store == NULL && !lcf->above_origin) || r != r->main
        || r->headers_out.status < NGX_HTTP_BAD_REQUEST)
    {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_content_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /* an object that error_page chose is an answer of its own */

    if (ctx->answered) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_content_problem_make(r, ctx) != NGX_OK
        || ngx_content_problem_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_content_problem_make(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    size_t          size;
    ngx_buf_t      *b;
    content_out_t   out;
    content_str_t   detail, key;

    /* a detail belongs to the status it was noted with */

    if (ctx->problem != r->headers_out.status) {
        ngx_str_null(&ctx->detail);
    }

    detail = ngx_content_from_ngx(ctx->detail);
    key = ngx_content_from_ngx(ctx->key);

    size = CONTENT_PROBLEM_MAX(detail.len + key.len);

    b = ngx_create_temp_buf(r->pool, size);
    ctx->problem_out = ngx_alloc_chain_link(r->pool);

    if (b == NULL || ctx->problem_out == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, b->pos, size);

    content_problem_write(&out, (int) r->headers_out.status, detail, key);

    b->last = out.pos;
    b->last_buf = 1;
    b->last_in_chain = 1;

    ctx->problem_out->buf = b;
    ctx->problem_out->next = NULL;

    r->headers_out.content_length_n = b->last - b->pos;

    return NGX_OK;
}


static ngx_int_t
ngx_content_problem_headers(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    static content_str_t  no_store = content_string("no-store");
    static content_str_t  methods =
        content_string("GET, HEAD, PUT, DELETE, COPY, MOVE");
    static content_str_t  later = content_string(NGX_CONTENT_RETRY_AFTER);

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    if (r->headers_out.content_length) {
        r->headers_out.content_length->hash = 0;
        r->headers_out.content_length = NULL;
    }

    if (ngx_content_header(r, "Cache-Control", no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (r->headers_out.status) {

    case NGX_HTTP_UNAUTHORIZED:
        if (ctx->authenticate.len == 0) {
            return NGX_OK;
        }

        return ngx_content_header(r, "WWW-Authenticate",
                                  ngx_content_from_ngx(ctx->authenticate));

    case NGX_HTTP_NOT_ALLOWED:
        return ngx_content_header(r, "Allow",
                                  ctx->allow.len
                                      ? ngx_content_from_ngx(ctx->allow)
                                      : methods);

    case NGX_HTTP_RANGE_NOT_SATISFIABLE:
        return ctx->problem == NGX_HTTP_RANGE_NOT_SATISFIABLE
               ? ngx_content_problem_range(r, ctx->size) : NGX_OK;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return ngx_content_header(r, "Retry-After", later);

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_content_problem_range(ngx_http_request_t *r, int64_t size)
{
    u_char         *buf;
    content_out_t   out;

    buf = ngx_pnalloc(r->pool, CONTENT_RANGE_HEADER_SIZE);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, CONTENT_RANGE_HEADER_SIZE);
    content_range_unsatisfied(&out, size);

    return ngx_content_header(r, "Content-Range", content_out_done(&out));
}


static ngx_int_t
ngx_content_problem_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t        *out;
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    if (ctx == NULL || ctx->problem_out == NULL || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx's error page comes as one chain, and ends here */

    out = ctx->problem_out;
    ctx->problem_out = NULL;

    return ngx_http_next_body_filter(r, out);
}
