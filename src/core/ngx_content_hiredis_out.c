/* Commands on their way: see ngx_content_hiredis_out.h. */

#include "core/ngx_content_hiredis_out.h"


#define NGX_CONTENT_HIREDIS_KEPT  (16 * 1024)    /* when all is written */


ngx_int_t
ngx_content_hiredis_out_room(ngx_content_hiredis_out_t *out, size_t len)
{
    size_t   old, size;
    u_char  *p;

    if ((size_t) (out->end - out->last) >= len) {
        return NGX_OK;
    }

    old = out->last - out->pos;
    size = ngx_max(NGX_CONTENT_HIREDIS_KEPT, 2 * old + len);

    p = ngx_alloc(size, out->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (out->start) {
        ngx_memcpy(p, out->pos, old);
        ngx_free(out->start);
    }

    out->start = p;
    out->pos = p;
    out->last = p + old;
    out->end = p + size;

    return NGX_OK;
}


size_t
ngx_content_hiredis_out_size(ngx_uint_t argc, ngx_str_t *argv)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof("*" CRLF) - 1 + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        size += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + argv[i].len;
    }

    return size;
}


void
ngx_content_hiredis_out_words(ngx_content_hiredis_out_t *out,
    ngx_uint_t argc, ngx_str_t *argv)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_sprintf(out->last, "*%ui" CRLF, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, argv[i].len);

        if (argv[i].len) {              /* else there may be no data */
            p = ngx_cpymem(p, argv[i].data, argv[i].len);
        }

        p = ngx_cpymem(p, CRLF, sizeof(CRLF) - 1);
    }

    out->last = p;
}


size_t
ngx_content_hiredis_out_begin(ngx_content_hiredis_out_t *out)
{
    out->last += NGX_CONTENT_HIREDIS_BEGIN;

    return out->last - NGX_CONTENT_HIREDIS_BEGIN - out->pos;
}


void
ngx_content_hiredis_out_end(ngx_content_hiredis_out_t *out, size_t at,
    ngx_uint_t n)
{
    u_char  *p, *keys;

    p = out->pos + at;
    keys = p + NGX_CONTENT_HIREDIS_BEGIN;

    p = n == 1 ? ngx_cpymem(p, "*2" CRLF "$3" CRLF "GET" CRLF,
                            sizeof("*2" CRLF "$3" CRLF "GET" CRLF) - 1)
               : ngx_sprintf(p, "*%ui" CRLF "$4" CRLF "MGET" CRLF, n + 1);

    out->last = ngx_movemem(p, keys, out->last - keys);
}


ngx_int_t
ngx_content_hiredis_out_write(ngx_content_hiredis_out_t *out, ngx_socket_t fd)
{
    ssize_t  n;

    while (out->pos < out->last) {

        n = send(fd, out->pos, out->last - out->pos, 0);

        if (n >= 0) {
            out->pos += n;
            continue;
        }

        if (ngx_socket_errno == NGX_EAGAIN) {
            return NGX_AGAIN;
        }

        if (ngx_socket_errno != NGX_EINTR) {
            return NGX_ERROR;
        }
    }

    if (out->end - out->start > NGX_CONTENT_HIREDIS_KEPT) {
        ngx_content_hiredis_out_free(out);
    }

    out->pos = out->start;
    out->last = out->start;

    return NGX_OK;
}


void
ngx_content_hiredis_out_free(ngx_content_hiredis_out_t *out)
{
    if (out->start) {
        ngx_free(out->start);
    }

    out->start = NULL;
    out->pos = NULL;
    out->last = NULL;
    out->end = NULL;
}
