/*
 * Conditions of GET and HEAD (RFC 9110, 13.2.2).  nginx's not-modified filter
 * would decide alike, but only after the store was asked for the bytes.
 */

#include "http/ngx_content_http.h"
#include "lib/content_range.h"


static time_t ngx_content_date(ngx_table_elt_t *h);


/* A part of a page, or an error's page: the request's headers mean another. */

ngx_uint_t
ngx_content_unconditional(ngx_http_request_t *r)
{
    return r != r->main || r->err_status;
}


ngx_int_t
ngx_content_conditions(ngx_http_request_t *r, content_str_t etag,
    time_t mtime)
{
    time_t                  date;
    ngx_http_headers_in_t  *in;

    in = &r->headers_in;

    if (ngx_content_unconditional(r)) {
        return NGX_OK;
    }

    if (in->if_match) {
        if (!content_etag_match(ngx_content_from_ngx(in->if_match->value),
                                etag, 0))
        {
            return ngx_content_problem(r, NGX_HTTP_PRECONDITION_FAILED,
                                       "If-Match does not hold");
        }

    } else if (in->if_unmodified_since) {
        date = ngx_content_date(in->if_unmodified_since);

        if (date != NGX_ERROR && mtime > date) {
            return ngx_content_problem(r, NGX_HTTP_PRECONDITION_FAILED,
                                       "If-Unmodified-Since does not hold");
        }
    }

    if (in->if_none_match) {
        return content_etag_match(
                   ngx_content_from_ngx(in->if_none_match->value), etag, 1)
               ? NGX_HTTP_NOT_MODIFIED : NGX_OK;
    }

    if (in->if_modified_since) {
        date = ngx_content_date(in->if_modified_since);

        return (date != NGX_ERROR && mtime <= date) ? NGX_HTTP_NOT_MODIFIED
                                                    : NGX_OK;
    }

    return NGX_OK;
}


static time_t
ngx_content_date(ngx_table_elt_t *h)
{
    return ngx_parse_http_time(h->value.data, h->value.len);
}


/*
 * The range a client asks for, if it asks for one that counts.  Returns
 * CONTENT_RANGE_*; a range beyond the end has become the problem 416.
 */

ngx_int_t
ngx_content_range(ngx_http_request_t *r, content_str_t etag, time_t mtime,
    int64_t size, int64_t *first, int64_t *last)
{
    int             rc;
    u_char         *buf;
    time_t          date;
    content_out_t   out;
    content_str_t   if_range;

    if (r->headers_in.range == NULL || ngx_content_unconditional(r)) {
        return CONTENT_RANGE_NONE;
    }

    if (r->headers_in.if_range) {
        if_range = ngx_content_from_ngx(r->headers_in.if_range->value);
        date = ngx_content_date(r->headers_in.if_range);

        if (!content_range_if(if_range, etag, mtime, date)) {
            return CONTENT_RANGE_NONE;
        }
    }

    rc = content_range_parse(ngx_content_from_ngx(r->headers_in.range->value),
                             size, first, last);

    if (rc != CONTENT_RANGE_UNSATISFIABLE) {
        return rc;
    }

    (void) ngx_content_problem(r, NGX_HTTP_RANGE_NOT_SATISFIABLE,
                               "the object has %L bytes", size);

    buf = ngx_pnalloc(r->pool, CONTENT_RANGE_HEADER_SIZE);

    if (buf) {
        content_out_init(&out, buf, CONTENT_RANGE_HEADER_SIZE);
        content_range_unsatisfied(&out, size);
        (void) ngx_content_header(r, "Content-Range", content_out_done(&out));
    }

    return rc;
}
