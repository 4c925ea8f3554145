/*
 * What the headers of a write say before its body is read: what may not be
 * there, the conditions, the digests.  Called by the writes, which return what
 * these return.
 */

#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"


/* What a write may not carry, before anything is done. */

ngx_int_t
ngx_content_write_check(ngx_http_request_t *r)
{
    if (r->args.len) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
               "a write takes no query; a \"?\" in a key is sent as %%3F");
    }

    if (ngx_content_request_header(r, "content-range")) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
               "Content-Range: a part of an object can't be written");
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_write_check_length(ngx_http_request_t *r)
{
    off_t                    length, max;
    ngx_content_loc_conf_t  *lcf;

    length = r->headers_in.content_length_n;

    /* HTTP/2 frames tell where a body ends */

    if (length < 0 && !r->headers_in.chunked
        && r->http_version < NGX_HTTP_VERSION_20)
    {
        return ngx_content_problem(r, NGX_HTTP_LENGTH_REQUIRED,
                      "a PUT needs Content-Length or a chunked body");
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    max = lcf->store->size_max;

    if (max && length > max) {
        return ngx_content_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                      "the storage takes objects of up to %O bytes", max);
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_write_expect(ngx_http_request_t *r, ngx_content_upload_t *up)
{
    ngx_int_t          rc;
    content_expect_t  *expect;

    expect = ngx_pcalloc(up->task.pool, sizeof(content_expect_t));
    if (expect == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_expect_from_request(r, expect);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_content_upload_expect(up, expect) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


ngx_int_t
ngx_content_write_conditions(ngx_http_request_t *r, ngx_pool_t *pool,
    ngx_content_conditions_t *conditions)
{
    ngx_int_t                rc;
    ngx_content_loc_conf_t  *lcf;

    rc = ngx_content_write_parse_conditions(r, pool, conditions);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (lcf->require_conditions && conditions->if_match.len == 0
        && !conditions->if_none_match && !conditions->if_unmodified)
    {
        return ngx_content_problem(r, NGX_CONTENT_PRECONDITION_REQUIRED,
                    "a write here needs If-Match, If-Unmodified-Since, or, "
                    "for a new object, If-None-Match: *");
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_write_parse_conditions(ngx_http_request_t *r, ngx_pool_t *pool,
    ngx_content_conditions_t *conditions)
{
    ngx_table_elt_t  *h;

    h = r->headers_in.if_none_match;

    if (h) {
        if (h->value.len != 1 || h->value.data[0] != '*') {
            return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                           "If-None-Match: a write takes \"*\" only");
        }

        conditions->if_none_match = 1;
    }

    h = r->headers_in.if_match;

    if (h) {
        if (h->value.len == 0) {
            return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                       "If-Match is empty");
        }

        conditions->if_match = ngx_content_to_ngx(
              ngx_content_str_dup(pool, ngx_content_from_ngx(h->value)));

        if (conditions->if_match.len == 0) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    /* what is no date is to be ignored (RFC 9110, 13.1.4) */

    h = r->headers_in.if_unmodified_since;

    if (h) {
        conditions->unmodified_since = ngx_parse_http_time(h->value.data,
                                                           h->value.len);
        conditions->if_unmodified = (conditions->unmodified_since
                                     != NGX_ERROR);
    }

    return NGX_OK;
}
