/*
 * What an application says of an answer that it leaves to us.
 *
 * It has sent the request here by X-Accel-Redirect; nginx has put some of its
 * headers into r->headers_out (ngx_http_upstream_headers_in: those with
 * "redirect").  They stand, as they do when nginx sends a file of its own: its
 * Content-Type (ngx_http_set_content_type() looks, too) and its
 * Content-Disposition.  Its Cache-Control or Expires is the only word on
 * caching then: our CDN-Cache-Control would go before it, and a CDN would keep
 * what the application calls private.
 *
 * Looked at before the first header of ours.
 */

#include "http/ngx_content_http.h"


static ngx_uint_t ngx_content_given_is(ngx_table_elt_t *h, const char *name);


void
ngx_content_given_find(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ctx->given_type = (r->headers_out.content_type.len != 0);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash == 0) {
                continue;
            }

            if (ngx_content_given_is(&h[i], "Cache-Control")
                || ngx_content_given_is(&h[i], "Expires"))
            {
                ctx->given_caching = 1;

            } else if (ngx_content_given_is(&h[i], "Content-Disposition")) {
                ctx->given_disposition = 1;
            }
        }
    }
}


static ngx_uint_t
ngx_content_given_is(ngx_table_elt_t *h, const char *name)
{
    return h->key.len == ngx_strlen(name)
           && ngx_strncasecmp(h->key.data, (u_char *) name, h->key.len) == 0;
}
