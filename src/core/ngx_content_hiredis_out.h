/*
 * Commands on their way to Redis, for ngx_content_hiredis.c only: one buffer,
 * which grows with what is queued and shrinks when all is written.
 */

#ifndef NGX_CONTENT_HIREDIS_OUT_H
#define NGX_CONTENT_HIREDIS_OUT_H

#include <ngx_config.h>
#include <ngx_core.h>


/* Zeroed but for log. */

typedef struct {
    u_char       *start;
    u_char       *pos;            /* what is to be written */
    u_char       *last;
    u_char       *end;
    ngx_log_t    *log;
} ngx_content_hiredis_out_t;


/* Make room for so many bytes at out->last: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_content_hiredis_out_room(ngx_content_hiredis_out_t *out,
    size_t len);

/* How many bytes a command takes at most, and the command. */
size_t ngx_content_hiredis_out_size(ngx_uint_t argc, ngx_str_t *argv);
void ngx_content_hiredis_out_words(ngx_content_hiredis_out_t *out,
    ngx_uint_t argc, ngx_str_t *argv);

/*
 * GETs that follow each other, as one command: begin() leaves room for its
 * beginning, then come the keys, as they are sent; end() writes it, the last
 * GET being the n-th, of which begin() was told where it stands.
 */
#define NGX_CONTENT_HIREDIS_BEGIN  (sizeof("*123" CRLF "$4" CRLF "MGET" CRLF))

size_t ngx_content_hiredis_out_begin(ngx_content_hiredis_out_t *out);
void ngx_content_hiredis_out_end(ngx_content_hiredis_out_t *out, size_t at,
    ngx_uint_t n);

/*
 * Writes as much as the socket takes: NGX_OK (nothing is left), NGX_AGAIN, or
 * NGX_ERROR, the error being ngx_socket_errno.
 */
ngx_int_t ngx_content_hiredis_out_write(ngx_content_hiredis_out_t *out,
    ngx_socket_t fd);

void ngx_content_hiredis_out_free(ngx_content_hiredis_out_t *out);


#endif
