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
