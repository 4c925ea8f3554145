/*
 * Digests in headers: what a client says that its PUT hashes to, and what it
 * is told of an object when it asks (RFC 9530).  lib/content_expect.c and
 * lib/content_digest.c decide; the write path verifies.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_digest.h"


static ngx_uint_t ngx_content_digest_wanted(ngx_http_request_t *r,
    ngx_uint_t *content);


ngx_int_t
ngx_content_expect_from_request(ngx_http_request_t *r,
    content_expect_t *expect)
{
    ngx_uint_t        i;
    content_str_t     name;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            name.data = h[i].lowcase_key;
            name.len = h[i].key.len;

            if (content_expect_header(expect, name,
                                      ngx_content_from_ngx(h[i].value))
                != CONTENT_OK)
            {
                return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                           "%V: not a digest of this kind, "
                                           "or twice", &h[i].key);
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_digest_headers(ngx_http_request_t *r,
    const u_char sha256[CONTENT_SHA256_SIZE])
{
    u_char         *p;
    ngx_uint_t      repr, content;
    content_str_t   value;
    content_out_t   out;

    if (ngx_content_unconditional(r)) {
        return NGX_OK;
    }

    repr = ngx_content_digest_wanted(r, &content);

    /* the content of anything but a plain 200 is not the representation */

    content = content && r->method == NGX_HTTP_GET
              && r->headers_in.range == NULL
              && r->headers_out.status == NGX_HTTP_OK;

    if (!repr && !content) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, CONTENT_DIGEST_FIELD_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, p, CONTENT_DIGEST_FIELD_LEN);
    content_digest_write(&out, sha256);
    value = content_out_done(&out);

#if (NGX_HTTP_GZIP)

    /* compressed on the way it would be another representation */

    if (r->headers_out.content_encoding == NULL) {
        r->gzip_tested = 1;
        r->gzip_ok = 0;
    }

#endif

    if (repr && ngx_content_header(r, "Repr-Digest", value) != NGX_OK) {
        return NGX_ERROR;
    }

    return content ? ngx_content_header(r, "Content-Digest", value) : NGX_OK;
}


ngx_uint_t
ngx_content_digest_is_wanted(ngx_http_request_t *r)
{
    ngx_uint_t  repr, content;

    if (ngx_content_unconditional(r)) {
        return 0;
    }

    repr = ngx_content_digest_wanted(r, &content);

    return repr || content;
}


/* Runs for each GET: it looks at lengths first. */

static ngx_uint_t
ngx_content_digest_wanted(ngx_http_request_t *r, ngx_uint_t *content)
{
    ngx_uint_t        i, repr;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static const char  want_repr[] = "want-repr-digest";
    static const char  want_content[] = "want-content-digest";

    repr = 0;
    *content = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof(want_repr) - 1
                && ngx_strncmp(h[i].lowcase_key, want_repr, h[i].key.len)
                   == 0)
            {
                repr |= content_digest_wanted(
                                          ngx_content_from_ngx(h[i].value));

            } else if (h[i].key.len == sizeof(want_content) - 1
                       && ngx_strncmp(h[i].lowcase_key, want_content,
                                      h[i].key.len)
                          == 0)
            {
                *content |= content_digest_wanted(
                                          ngx_content_from_ngx(h[i].value));
            }
        }
    }

    return repr;
}
