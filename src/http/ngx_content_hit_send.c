/*
 * Sends the headers of an answer in one packet with the beginning of its body,
 * where that comes from a file by sendfile().
 *
 * nginx writes the headers first, and they leave as a packet of their own,
 * which takes as long as one of 64 KiB; or, with "tcp_nopush on", it holds all
 * packets back by TCP_CORK until the answer has ended.  Instead the kernel is
 * told that more follows (MSG_MORE), and nginx goes on with the file.
 *
 * For that time a function of this file is in the connection's place for
 * sending.  What the socket does not take at once nginx sends as ever.
 */

#include "http/ngx_content_hit.h"


#define NGX_CONTENT_HIT_IOVS  8


static ngx_chain_t *ngx_content_hit_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ssize_t ngx_content_hit_send_head(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit);


ngx_int_t
ngx_content_hit_output(ngx_http_request_t *r, ngx_chain_t *out)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;

    /* not with TLS, which has its own */

    if (!out->buf->in_file || c->send_chain != ngx_send_chain) {
        return ngx_http_output_filter(r, out);
    }

    c->send_chain = ngx_content_hit_send_chain;
    rc = ngx_http_output_filter(r, out);
    c->send_chain = ngx_send_chain;

    return rc;
}


static ngx_chain_t *
ngx_content_hit_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    ssize_t  n;

    n = ngx_content_hit_send_head(c, in, limit);

    /* an error nginx will get, too, and see to */

    if (n > 0) {
        c->sent += n;
        in = ngx_chain_update_sent(in, n);
        limit -= limit ? n : 0;
    }

    return ngx_send_chain(c, in, limit);
}


/* Bytes that were sent of what comes before a file; nothing else is sent. */

static ssize_t
ngx_content_hit_send_head(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    off_t          size;
    ngx_uint_t     n;
    ngx_chain_t   *cl;
    struct iovec   iovs[NGX_CONTENT_HIT_IOVS];
    struct msghdr  msg;

    size = 0;
    n = 0;

    for (cl = in; cl && !cl->buf->in_file; cl = cl->next) {

        if (ngx_buf_special(cl->buf)) {
            continue;
        }

        if (n == NGX_CONTENT_HIT_IOVS) {
            return 0;
        }

        iovs[n].iov_base = cl->buf->pos;
        iovs[n].iov_len = cl->buf->last - cl->buf->pos;
        size += iovs[n++].iov_len;
    }

    /* a limit of 0 is none */

    if (n == 0 || cl == NULL || !c->write->ready
        || (limit && size >= limit))
    {
        return 0;
    }

    ngx_memzero(&msg, sizeof(struct msghdr));
    msg.msg_iov = iovs;
    msg.msg_iovlen = n;

    return sendmsg(c->fd, &msg, MSG_MORE);
}
