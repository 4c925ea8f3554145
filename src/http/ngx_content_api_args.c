/*
 * What a request to the API brings along: arguments of the query, and a body
 * of JSON, read whole before it is looked at.
 */

#include "http/ngx_content_http.h"


static ngx_int_t ngx_content_api_too_large(ngx_http_request_t *r, off_t max);


ngx_int_t
ngx_content_api_arg(ngx_http_request_t *r, const char *name,
    ngx_uint_t goes_on, ngx_pool_t *pool, ngx_str_t *value)
{
    u_char         *buf;
    ngx_str_t       raw;
    const char     *why;
    content_out_t   out;
    content_str_t   path;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK
        || raw.len == 0)
    {
        return NGX_OK;
    }

    buf = ngx_pnalloc(pool, 2 * raw.len + 4);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    buf[0] = '/';
    ngx_memcpy(buf + 1, raw.data, raw.len);
    buf[raw.len + 1] = 'x';

    path.data = buf;
    path.len = raw.len + 1;

    content_out_init(&out, buf + raw.len + 2, raw.len + 1);

    if (content_key_decode(path, &out, &why) == CONTENT_OK) {
        *value = ngx_content_to_ngx(content_out_done(&out));
        return NGX_OK;
    }

    path.len++;

    if (!goes_on || content_key_decode(path, &out, &why) != CONTENT_OK) {
        return NGX_DECLINED;
    }

    *value = ngx_content_to_ngx(content_out_done(&out));
    value->len--;

    return NGX_OK;
}


ngx_int_t
ngx_content_api_limit(ngx_http_request_t *r, ngx_int_t max, ngx_uint_t *limit)
{
    ngx_int_t  n;
    ngx_str_t  value;

    *limit = max;

    if (ngx_http_arg(r, (u_char *) "limit", 5, &value) != NGX_OK) {
        return NGX_OK;
    }

    n = ngx_atoi(value.data, value.len);

    if (n < 1 || n > max) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "limit must be 1 to %i", max);
    }

    *limit = n;

    return NGX_OK;
}


ngx_int_t
ngx_content_api_read(ngx_http_request_t *r, off_t max,
    ngx_http_client_body_handler_pt received)
{
    ngx_int_t  rc;

    if (r->headers_in.content_length_n > max) {
        return ngx_content_api_too_large(r, max);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, received);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* In one buffer; a large one nginx has written to a file. */

ngx_int_t
ngx_content_api_body(ngx_http_request_t *r, off_t max, content_str_t *json)
{
    off_t         size;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > max) {
        return ngx_content_api_too_large(r, max);
    }

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json->data = p;
    json->len = size;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (size == 0) {
            continue;
        }

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, size);

        } else if (ngx_read_file(b->file, p, size, b->file_pos) != size) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;

        } else {
            p += size;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_api_too_large(ngx_http_request_t *r, off_t max)
{
    return ngx_content_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                               "this takes at most %O MiB of JSON",
                               max / (1024 * 1024));
}
