/*
 * The bytes of a fill to one client, as they come (from storage) and go (to
 * the client): whoever is slower is waited for.  They are sent out of the
 * fill's own memory.
 *
 * A thousand clients may wait for the same bytes, and a socket takes megabytes
 * at once.  So they take turns: the first one is small, that the last client's
 * first byte comes soon after the first one's; each other is as large as all
 * before together, to a limit.
 */

#include "http/ngx_content_get.h"


#define NGX_CONTENT_GET_TURN_MIN  4096
#define NGX_CONTENT_GET_TURN_MAX  (64 * 1024)


static ngx_int_t ngx_content_get_stream_turn(ngx_content_get_t *get);
static void ngx_content_get_stream_end(ngx_content_get_t *get, ngx_int_t rc);
static ngx_uint_t ngx_content_get_stream_ended(ngx_content_get_t *get);
static void ngx_content_get_stream_wait(ngx_content_get_t *get);
static void ngx_content_get_stream_writer(ngx_http_request_t *r);


void
ngx_content_get_stream(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_content_fill_t  *fill;

    fill = get->wait.fill;

    get->streaming = 1;
    ngx_content_get_in_time(get);

    if (fill->state == NGX_CONTENT_FILL_FAILED) {
        ngx_content_get_stream_end(get, NGX_ERROR);
        return;
    }

    if (get->busy_bufs == NULL
        && (get->sent < fill->received
            || fill->state == NGX_CONTENT_FILL_DONE))
    {
        rc = ngx_content_get_stream_turn(get);

        if (rc == NGX_ERROR || ngx_content_get_stream_ended(get)) {

            /* what is left goes out by nginx's own writer */

            ngx_content_get_stream_end(get, rc);
            return;
        }

        if (get->busy_bufs == NULL && get->sent < fill->received) {
            ngx_content_fill_turn(&get->wait);
        }
    }

    ngx_content_get_stream_wait(get);
}


/* The request may live on, until all has gone, or its own body has come. */

static void
ngx_content_get_stream_end(ngx_content_get_t *get, ngx_int_t rc)
{
    ngx_content_fill_ignore(&get->wait);
    ngx_http_finalize_request(get->request, rc);
}


/* Some of what has come, in one buffer. */

static ngx_int_t
ngx_content_get_stream_turn(ngx_content_get_t *get)
{
    size_t               size;
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;
    ngx_content_fill_t  *fill;

    r = get->request;
    fill = get->wait.fill;

    out = ngx_chain_get_free_buf(r->pool, &get->free);
    if (out == NULL) {
        return NGX_ERROR;
    }

    size = ngx_max(get->sent, NGX_CONTENT_GET_TURN_MIN);
    size = ngx_min(size, NGX_CONTENT_GET_TURN_MAX);
    size = ngx_min(size, fill->received - get->sent);

    b = out->buf;
    ngx_memzero(b, sizeof(ngx_buf_t));

    b->tag = (ngx_buf_tag_t) &ngx_content_get_stream;
    b->pos = fill->data + get->sent;
    b->last = b->pos + size;
    b->memory = (size != 0);

    get->sent += size;

    if (ngx_content_get_stream_ended(get)) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;
        b->sync = (b->last_buf || b->memory) ? 0 : 1;

    } else {
        b->flush = (get->sent == fill->received);
    }

    rc = ngx_http_output_filter(r, out);

    ngx_chain_update_chains(r->pool, &get->free, &get->busy_bufs, &out,
                            (ngx_buf_tag_t) &ngx_content_get_stream);
    return rc;
}


static ngx_uint_t
ngx_content_get_stream_ended(ngx_content_get_t *get)
{
    return get->wait.fill->state == NGX_CONTENT_FILL_DONE
           && get->sent == get->wait.fill->received;
}


/*
 * For its turn, or more of the fill, or for the client to take what it was
 * sent.  Only that last wait is the client's and is limited.
 *
 * A part of a page that is not yet sent waits behind the others, and is called
 * when it is the one that the connection sends (c->data).  Until then its timer
 * is another's, and so may be a time-out that is noted there.
 */

static void
ngx_content_get_stream_wait(ngx_content_get_t *get)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = get->request;
    c = r->connection;
    wev = c->write;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_content_get_stream_writer;
    get->timed = 0;

    if (wev->delayed || r != c->data) {
        return;
    }

    if (get->busy_bufs == NULL && !get->wait.event.posted) {
        if (wev->timer_set) {
            ngx_del_timer(wev);
        }

        return;
    }

    /* a worker that is to end waits for timers, and so for turns */

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_add_timer(wev, clcf->send_timeout);
    get->timed = 1;

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_content_get_stream_end(get, NGX_ERROR);
    }
}


static void
ngx_content_get_stream_writer(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_event_t        *wev;
    ngx_chain_t        *none;
    ngx_content_get_t  *get;

    get = ((ngx_content_ctx_t *)
           ngx_http_get_module_ctx(r, ngx_content_module))->get;

    wev = r->connection->write;

    if (wev->timedout && get->timed) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, NGX_ETIMEDOUT,
                      "client timed out");
        r->connection->timedout = 1;
        ngx_content_get_stream_end(get, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (get->busy_bufs && !wev->delayed) {
        rc = ngx_http_output_filter(r, NULL);

        if (rc == NGX_ERROR) {
            ngx_content_get_stream_end(get, rc);
            return;
        }

        none = NULL;
        ngx_chain_update_chains(r->pool, &get->free, &get->busy_bufs, &none,
                                (ngx_buf_tag_t) &ngx_content_get_stream);
    }

    ngx_content_get_stream(get);
}
