/*
 * What a COPY or MOVE asks for: its destination and its conditions.  Called by
 * ngx_content_copy.c before anything is done.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_copy.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"
#include "lib/content_destination.h"


ngx_int_t
ngx_content_copy_target(ngx_http_request_t *r, ngx_str_t *source,
    ngx_str_t *key)
{
    u_char           *buf;
    ngx_int_t         rc;
    const char       *why;
    content_out_t     out;
    ngx_table_elt_t  *h;

    rc = ngx_content_request_header_once(r, "destination", &h);

    if (rc != NGX_OK) {
        return rc;
    }

    if (h == NULL) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Destination is missing");
    }

    buf = ngx_pnalloc(r->pool, CONTENT_KEY_MAX);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, CONTENT_KEY_MAX);

    rc = content_destination(ngx_content_from_ngx(h->value),
                             ngx_content_from_ngx(r->headers_in.server),
                             &out, &why);

    if (rc == CONTENT_DESTINATION_ELSEWHERE) {
        return ngx_content_problem(r, NGX_HTTP_BAD_GATEWAY,
                                   "Destination: is on another server");
    }

    if (rc != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Destination: %s", why);
    }

    *key = ngx_content_to_ngx(content_out_done(&out));

    if (key->len == 0 || ngx_content_is_reserved(key)) {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "Destination: no object can be there");
    }

    if (key->len == source->len
        && ngx_memcmp(key->data, source->data, key->len) == 0)
    {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "Destination: is the object itself");
    }

    return NGX_OK;
}


/*
 * The conditions of RFC 9110 are about what the request names: the source.
 * What there may be at the target says Overwrite (RFC 4918, 10.6).  A
 * condition that is not understood here must not be passed over.
 */

ngx_int_t
ngx_content_copy_conditions(ngx_http_request_t *r, ngx_content_copying_t *c)
{
    u_char            f;
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    f = 't';
    rc = ngx_content_request_header_once(r, "overwrite", &h);

    if (rc != NGX_OK) {
        return rc;
    }

    if (h) {
        f = h->value.len == 1 ? ngx_tolower(h->value.data[0]) : 0;
    }

    if (f != 't' && f != 'f') {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Overwrite: takes T or F");
    }

    if (r->headers_in.if_none_match
        || ngx_content_request_header(r, "if"))
    {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                       "If and If-None-Match are not taken here: for a new "
                       "object send Overwrite: F");
    }

    c->upload->conditions.if_none_match = (f == 'f');

    rc = ngx_content_write_parse_conditions(r, c->pool, &c->from.conditions);

    if (rc != NGX_OK) {
        return rc;
    }

    if (c->lcf->require_conditions && f != 'f') {
        return ngx_content_problem(r, NGX_CONTENT_PRECONDITION_REQUIRED,
                                   "a copy here needs Overwrite: F");
    }

    return NGX_OK;
}
