/*
 * Whom a read asks, and whether it asks again: the balancer between
 * ngx_http_upstream and the upstream of each endpoint.
 *
 *     init()    the balancer of the endpoint that the request was signed for
 *     free()    a try has ended: another endpoint, the request signed for it,
 *               or no more
 *
 * nginx asks the next server at once or never.  Where S3 wants to be left
 * alone for a while, the connection is made to look as if nothing came from it,
 * and, when the time has come, as if it had failed.
 */

#include "store/ngx_content_s3_read.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_uint_t ngx_content_s3_peer_failed(ngx_content_s3_read_t *s3,
    ngx_http_upstream_t *u);
static void ngx_content_s3_peer_waited(ngx_event_t *ev);
static ssize_t ngx_content_s3_recv_nothing(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_content_s3_recv_failure(ngx_connection_t *c, u_char *buf,
    size_t size);


ngx_int_t
ngx_content_s3_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_upstream_t           *u;
    ngx_content_s3_read_t         *s3;
    ngx_http_upstream_srv_conf_t  *uscf;

    u = r->upstream;
    s3 = u->input_filter_ctx;
    uscf = s3->tries.endpoint->upstream;

#if (NGX_HTTP_SSL)
    u->ssl_name = uscf->host;
#endif

    if (uscf->peer.init(r, uscf) != NGX_OK) {
        return NGX_ERROR;
    }

    s3->free_peer = u->peer.free;
    u->peer.free = ngx_content_s3_peer_free;

    return NGX_OK;
}


static void
ngx_content_s3_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_uint_t              again;
    ngx_http_request_t     *r;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;

    u = (ngx_http_upstream_t *)
                    ((u_char *) pc - offsetof(ngx_http_upstream_t, peer));
    s3 = u->input_filter_ctx;
    r = s3->read->request;

    again = s3->resend;
    s3->resend = 0;
    ngx_content_s3_peer_stop(s3);

    /* an answer is no failure of the server, whatever it says */

    if (again || s3->read->outcome != NGX_CONTENT_OK) {
        state &= ~NGX_PEER_FAILED;
    }

    s3->free_peer(pc, data, state);

    if (state & NGX_PEER_FAILED) {
        again = ngx_content_s3_peer_failed(s3, u);
    }

    pc->tries = 0;

    if (!again) {
        return;
    }

    if (ngx_content_s3_create_request(r) != NGX_OK) {
        ngx_content_s3_refuse(s3->read);
        return;
    }

    if (ngx_content_s3_peer_init(r, u->upstream) == NGX_OK) {
        pc->tries = 1;
    }
}


/* No answer.  Returns whether there is another try. */

static ngx_uint_t
ngx_content_s3_peer_failed(ngx_content_s3_read_t *s3, ngx_http_upstream_t *u)
{
    ngx_msec_t              delay;
    ngx_connection_t       *c;
    ngx_content_s3_conf_t  *conf;

    c = u->peer.connection;
    conf = s3->read->store->conf;

    /* it was closed while nobody used it */

    if (u->peer.cached && c && !c->read->timedout && !c->write->timedout) {
        s3->tries.free = 1;
        return 1;
    }

    ngx_memzero(&s3->answer, sizeof(content_retry_answer_t));
    s3->answer.date = -1;
    s3->answer.retry_after = -1;
    s3->answer.unsent = !u->request_sent;

    return ngx_content_s3_tries_again(&s3->tries, conf, &s3->answer, &delay)
           == NGX_AGAIN;
}


ngx_int_t
ngx_content_s3_peer_again(ngx_http_request_t *r, ngx_content_s3_read_t *s3)
{
    ngx_msec_t              delay;
    ngx_connection_t       *c;
    ngx_http_upstream_t    *u;
    ngx_content_s3_conf_t  *conf;

    u = r->upstream;
    conf = s3->read->store->conf;

    if (ngx_content_s3_tries_again(&s3->tries, conf, &s3->answer, &delay)
        != NGX_AGAIN)
    {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "content: S3: GET \"%V\": %ui %*s: again in %M ms",
                  &s3->read->key, (ngx_uint_t) s3->answer.status,
                  s3->answer.code.len, s3->answer.code.data, delay);

    if (delay == 0) {
        return ngx_content_s3_peer_resend(r, s3);
    }

    s3->resend = 1;

    c = u->peer.connection;
    c->recv = ngx_content_s3_recv_nothing;

    u->buffer.last = u->buffer.pos;

    /* the wait has an end of its own */

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    s3->wait.handler = ngx_content_s3_peer_waited;
    s3->wait.data = r;
    s3->wait.log = r->connection->log;

    ngx_add_timer(&s3->wait, delay);

    return NGX_AGAIN;
}


static void
ngx_content_s3_peer_waited(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ev->data;
    c = r->upstream->peer.connection;

    if (c) {
        c->recv = ngx_content_s3_recv_failure;
        c->read->handler(c->read);
    }
}


static ssize_t
ngx_content_s3_recv_nothing(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_content_s3_recv_failure(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_ERROR;
}


/*
 * The upstream's own retry, for which it has to have one more try: a status
 * that is among next_upstream, and that S3 has not said.
 */

ngx_int_t
ngx_content_s3_peer_resend(ngx_http_request_t *r, ngx_content_s3_read_t *s3)
{
    s3->resend = 1;
    r->upstream->peer.tries = 2;
    r->upstream->headers_in.status_n = NGX_HTTP_TOO_MANY_REQUESTS;

    return NGX_OK;
}


void
ngx_content_s3_peer_stop(ngx_content_s3_read_t *s3)
{
    if (s3->wait.timer_set) {
        ngx_del_timer(&s3->wait);
    }
}
