/*
 * Ranges of GET (RFC 9110, 14.2).  Which of them count is decided here, for all
 * tiers alike; nginx's range filter writes the answer, behind the filters that
 * change bodies: what they make of an object has no ranges.
 *
 * That filter reads a Range by rules of its own.  So it is shown what was read
 * here, in a form without choices; the client's header stays in the list, for
 * logs.  Bytes at hand it cuts; those of a range that S3 was asked for it takes
 * for what they are, by r->headers_out.content_offset.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_range.h"


static ngx_int_t ngx_content_range_show(ngx_http_request_t *r, int64_t size);


ngx_int_t
ngx_content_range(ngx_http_request_t *r, content_str_t etag, time_t mtime,
    int64_t size, int64_t *first, int64_t *last)
{
    time_t                     date;
    ngx_str_t                 *if_range;
    ngx_http_core_loc_conf_t  *clcf;

    if (r->headers_in.range == NULL || r->method != NGX_HTTP_GET
        || ngx_content_unconditional(r))
    {
        return CONTENT_RANGE_NONE;
    }

    if (r->headers_in.if_range) {
        if_range = &r->headers_in.if_range->value;
        date = ngx_parse_http_time(if_range->data, if_range->len);

        if (!content_range_if(ngx_content_from_ngx(*if_range), etag, mtime,
                              date))
        {
            return CONTENT_RANGE_NONE;
        }
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return content_range_parse(ngx_content_from_ngx(
                                   r->headers_in.range->value),
                               size, clcf->max_ranges, first, last);
}


ngx_int_t
ngx_content_range_problem(ngx_http_request_t *r, int64_t size)
{
    ngx_int_t           rc;
    ngx_content_ctx_t  *ctx;

    rc = ngx_content_problem(r, NGX_HTTP_RANGE_NOT_SATISFIABLE,
                             "the object has %L bytes", size);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ctx = ngx_http_get_module_ctx(r, ngx_content_module);
        ctx->size = size;
    }

    return rc;
}


void
ngx_content_ranges_whole(ngx_http_request_t *r)
{
    r->allow_ranges = 1;
    r->headers_in.range = NULL;
}


ngx_int_t
ngx_content_ranges_cut(ngx_http_request_t *r, content_str_t etag,
    time_t mtime, int64_t size)
{
    int64_t  first, last;

    switch (ngx_content_range(r, etag, mtime, size, &first, &last)) {

    case CONTENT_RANGE_NONE:
        ngx_content_ranges_whole(r);
        return NGX_OK;

    case CONTENT_RANGE_UNSATISFIABLE:
        (void) ngx_content_range_problem(r, size);
        break;

    default:
        break;
    }

    r->allow_ranges = 1;

    return ngx_content_range_show(r, size);
}


ngx_int_t
ngx_content_ranges_part(ngx_http_request_t *r, int64_t first, int64_t size)
{
    r->allow_ranges = 1;
    r->headers_out.content_offset = first;

    return ngx_content_range_show(r, size);
}


void
ngx_content_range_refused(ngx_http_request_t *r)
{
    ngx_http_clean_header(r);

    r->allow_ranges = 0;
    r->headers_in.range = ngx_content_request_header(r, "range");

#if (NGX_HTTP_GZIP)
    r->gzip_vary = 0;
#endif
}


static ngx_int_t
ngx_content_range_show(ngx_http_request_t *r, int64_t size)
{
    size_t            len;
    content_out_t     out;
    content_str_t     header;
    ngx_table_elt_t  *range;

    header = ngx_content_from_ngx(r->headers_in.range->value);
    len = CONTENT_RANGE_SET_SIZE(header.len) + 1;

    range = ngx_palloc(r->pool, sizeof(ngx_table_elt_t) + len);
    if (range == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, (u_char *) (range + 1), len);
    content_range_write(&out, header, size);
    content_out_char(&out, '\0');

    *range = *r->headers_in.range;
    range->value.data = out.start;
    range->value.len = out.pos - out.start - 1;

    r->headers_in.range = range;

    return NGX_OK;
}
