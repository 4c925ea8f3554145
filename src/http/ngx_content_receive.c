/*
 * Receiving a PUT: see ngx_content_receive.h.  The body is read unbuffered and
 * handed on; while the upload is full nothing is read, so that TCP slows the
 * client down.
 *
 * nginx reads into request_body->buf.  For each read the buffer is made to
 * stand for the room that the upload has, so that bytes come from the socket to
 * where they are sent from without a copy (of chunks, the framing is closed
 * up).  Before there is room, and with HTTP/2, nginx's own memory is used.
 *
 * Another module may have had the whole body read before (mirror, a firewall):
 * into memory, or into a temporary file if it is large.  It is taken from there,
 * and left as it is, for a mirrored request sends it, too.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_receive.h"


#define NGX_CONTENT_RECEIVE_SLICE  (64 * 1024)    /* of a file */


typedef struct {
    ngx_content_upload_t     *up;
    ngx_content_received_pt   received;
    void                     *data;
    ngx_buf_t                *slice;         /* what was read of a file */
    unsigned                  taking:1;
    unsigned                  paused:1;
    unsigned                  ended:1;
} ngx_content_receive_t;


static ngx_int_t ngx_content_receive_copy(ngx_http_request_t *r);
static void ngx_content_receive_start(ngx_http_request_t *r);
static void ngx_content_receive_event(ngx_http_request_t *r);
static void ngx_content_receive_take(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static ngx_int_t ngx_content_receive_read(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static ngx_int_t ngx_content_receive_hand_over(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static ngx_int_t ngx_content_receive_file(ngx_http_request_t *r,
    ngx_content_receive_t *rcv, ngx_buf_t *b);
static ngx_int_t ngx_content_receive_slice(ngx_http_request_t *r,
    ngx_content_receive_t *rcv, ngx_buf_t *b);
static ngx_int_t ngx_content_receive_some(ngx_http_request_t *r,
    ngx_content_upload_t *up, size_t max);
static void ngx_content_receive_yield(ngx_http_request_t *r);
static void ngx_content_receive_pause(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static void ngx_content_receive_unpause(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static ngx_int_t ngx_content_receive_whole(ngx_http_request_t *r,
    ngx_content_receive_t *rcv);
static void ngx_content_receive_end(ngx_http_request_t *r,
    ngx_content_receive_t *rcv, ngx_int_t rc);


ngx_int_t
ngx_content_receive(ngx_http_request_t *r, ngx_content_upload_t *up,
    ngx_content_received_pt received, void *data)
{
    ngx_int_t               rc;
    ngx_content_ctx_t      *ctx;
    ngx_content_receive_t  *rcv;

    /* nginx would go on with that module's handler, which has ended */

    if (r->reading_body || r->discard_body) {
        return ngx_content_problem(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                             "another module has begun to read the body");
    }

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    rcv = ngx_pcalloc(r->pool, sizeof(ngx_content_receive_t));
    if (rcv == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rcv->up = up;
    rcv->received = received;
    rcv->data = data;
    ctx->receive = rcv;

    if (r->request_body && ngx_content_receive_copy(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_no_buffering = 1;

    /* nginx buffers a body of HTTP/2 that has ended before it is asked for */

    r->request_body_in_file_only = 0;

    rc = ngx_http_read_client_request_body(r, ngx_content_receive_start);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* What was read is a chain of our own from now on; its bytes are not. */

static ngx_int_t
ngx_content_receive_copy(ngx_http_request_t *r)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, *copy, **ll;
    ngx_http_request_body_t  *rb;

    rb = ngx_palloc(r->pool, sizeof(ngx_http_request_body_t));
    if (rb == NULL) {
        return NGX_ERROR;
    }

    *rb = *r->request_body;
    ll = &rb->bufs;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        copy = ngx_alloc_chain_link(r->pool);
        b = ngx_palloc(r->pool, sizeof(ngx_buf_t));

        if (copy == NULL || b == NULL) {
            return NGX_ERROR;
        }

        *b = *cl->buf;

        copy->buf = b;
        *ll = copy;
        ll = &copy->next;
    }

    *ll = NULL;
    r->request_body = rb;

    return NGX_OK;
}


static void
ngx_content_receive_start(ngx_http_request_t *r)
{
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    r->read_event_handler = ngx_content_receive_event;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_content_receive_take(r, ctx->receive);
}


static void
ngx_content_receive_event(ngx_http_request_t *r)
{
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    ngx_content_receive_take(r, ctx->receive);
}


void
ngx_content_receive_resume(ngx_http_request_t *r)
{
    ngx_content_ctx_t      *ctx;
    ngx_content_receive_t  *rcv;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);
    rcv = ctx ? ctx->receive : NULL;

    if (rcv == NULL || rcv->ended) {
        return;
    }

    if (rcv->paused) {
        ngx_content_receive_unpause(r, rcv);
    }

    r->read_event_handler = ngx_content_receive_event;

    ngx_content_receive_take(r, rcv);
}


/*
 * Moves bytes until the body ends, the client is slow, or the upload full.
 * A part that fails at once makes the upload resume from within.
 */

static void
ngx_content_receive_take(ngx_http_request_t *r, ngx_content_receive_t *rcv)
{
    ngx_int_t  rc;

    if (rcv->taking) {
        return;
    }

    rcv->taking = 1;
    rc = ngx_content_receive_read(r, rcv);

    if (rc == NGX_AGAIN) {
        rcv->taking = 0;
        return;
    }

    /* the last word: the request may be gone when it returns */

    ngx_content_receive_end(r, rcv, rc);
}


/* NGX_AGAIN, or what the body's end is to be told with. */

static ngx_int_t
ngx_content_receive_read(ngx_http_request_t *r, ngx_content_receive_t *rcv)
{
    size_t     size;
    ngx_int_t  rc;

    for ( ;; ) {
        rc = ngx_content_receive_hand_over(r, rcv);

        /* a failed upload tells why when it is ended */

        if (rc == NGX_ERROR) {
            return NGX_OK;
        }

        if (rc == NGX_AGAIN) {
            ngx_content_receive_pause(r, rcv);
            return NGX_AGAIN;
        }

        if (rc == NGX_BUSY) {
            ngx_content_receive_yield(r);
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (!r->reading_body) {
            return ngx_content_receive_whole(r, rcv);
        }

        size = ngx_content_upload_turn(rcv->up);

        if (size == 0) {
            ngx_content_receive_yield(r);
            return NGX_AGAIN;
        }

        rc = ngx_content_receive_some(r, rcv->up, size);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (r->reading_body && r->request_body->bufs == NULL) {
            return NGX_AGAIN;
        }
    }
}


/*
 * NGX_AGAIN: some bytes are left, for later; NGX_BUSY: and it is the turn of
 * others.
 */

static ngx_int_t
ngx_content_receive_hand_over(ngx_http_request_t *r,
    ngx_content_receive_t *rcv)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (rcv->up->task.outcome != NGX_CONTENT_OK) {
        return NGX_ERROR;
    }

    while (r->request_body->bufs) {
        cl = r->request_body->bufs;
        b = cl->buf;

        rc = (b->in_file && !ngx_buf_in_memory(b))
             ? ngx_content_receive_file(r, rcv, b)
             : ngx_content_upload_write(rcv->up, b);

        if (rc != NGX_OK) {
            return rc;
        }

        r->request_body->bufs = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}


/* As nginx does: it has just written the file, by the event loop, too. */

static ngx_int_t
ngx_content_receive_file(ngx_http_request_t *r, ngx_content_receive_t *rcv,
    ngx_buf_t *b)
{
    ngx_int_t  rc;

    for ( ;; ) {
        if (rcv->slice) {
            rc = ngx_content_upload_write(rcv->up, rcv->slice);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        if (b->file_pos == b->file_last) {
            return NGX_OK;
        }

        rc = ngx_content_receive_slice(r, rcv, b);

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_content_receive_slice(ngx_http_request_t *r, ngx_content_receive_t *rcv,
    ngx_buf_t *b)
{
    size_t   size;
    ssize_t  n;

    size = ngx_content_upload_turn(rcv->up);

    if (size == 0) {
        return NGX_BUSY;
    }

    if (rcv->slice == NULL) {
        rcv->slice = ngx_create_temp_buf(r->pool, NGX_CONTENT_RECEIVE_SLICE);

        if (rcv->slice == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    size = ngx_min(size, NGX_CONTENT_RECEIVE_SLICE);
    size = ngx_min((off_t) size, b->file_last - b->file_pos);

    n = ngx_read_file(b->file, rcv->slice->start, size, b->file_pos);

    if (n <= 0) {
        return ngx_content_problem(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                   "the body's temporary file is not readable");
    }

    rcv->slice->pos = rcv->slice->start;
    rcv->slice->last = rcv->slice->start + n;
    b->file_pos += n;

    return NGX_OK;
}


/* One read of nginx's, into the upload's room if there is some. */

static ngx_int_t
ngx_content_receive_some(ngx_http_request_t *r, ngx_content_upload_t *up,
    size_t max)
{
    size_t        size;
    u_char       *data;
    ngx_int_t     rc;
    ngx_buf_t    *b, own;
    ngx_chain_t  *cl;

    for (cl = r->request_body->busy; cl; cl = cl->next) {
        if (cl->buf->pos != cl->buf->last) {
            return ngx_content_problem(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                       "another module keeps the body back");
        }
    }

    ngx_content_upload_room(up, &data, &size);
    b = r->request_body->buf;

    if (size == 0 || b == NULL || b->pos != b->last
#if (NGX_HTTP_V2)
        || r->stream
#endif
        )
    {
        return ngx_http_read_unbuffered_request_body(r);
    }

    own = *b;

    b->start = data;
    b->pos = data;
    b->last = data;
    b->end = data + ngx_min(size, max);

    rc = ngx_http_read_unbuffered_request_body(r);

    /* what is left there is the next request's, and was copied */

    b->start = own.start;
    b->pos = own.start;
    b->last = own.start;
    b->end = own.end;

    return rc;
}


/* The timer keeps an exiting worker alive. */

static void
ngx_content_receive_yield(ngx_http_request_t *r)
{
    ngx_event_t               *rev;
    ngx_http_core_loc_conf_t  *clcf;

    rev = r->connection->read;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_add_timer(rev, clcf->client_body_timeout);
}


static void
ngx_content_receive_pause(ngx_http_request_t *r, ngx_content_receive_t *rcv)
{
    if (r->connection->read->timer_set) {
        ngx_del_timer(r->connection->read);
    }

    rcv->paused = 1;
    r->read_event_handler = ngx_http_block_reading;
}


/*
 * With HTTP/2 nginx has set a timer for what came meanwhile: but it was not the
 * client that was waited for.
 */

static void
ngx_content_receive_unpause(ngx_http_request_t *r, ngx_content_receive_t *rcv)
{
    ngx_event_t  *rev;

    rcv->paused = 0;
    rev = r->connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    rev->timedout = 0;
}


/* Never less than what was announced, whoever else has read. */

static ngx_int_t
ngx_content_receive_whole(ngx_http_request_t *r, ngx_content_receive_t *rcv)
{
    if (rcv->up->expected < 0 || rcv->up->expected == rcv->up->received) {
        return NGX_OK;
    }

    return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                               "%O bytes were announced, %O have come",
                               rcv->up->expected, rcv->up->received);
}


static void
ngx_content_receive_end(ngx_http_request_t *r, ngx_content_receive_t *rcv,
    ngx_int_t rc)
{
    rcv->ended = 1;

    if (r->connection->read->timer_set) {
        ngx_del_timer(r->connection->read);
    }

    r->read_event_handler = ngx_http_block_reading;

    if (rc == NGX_OK) {
        ngx_content_upload_whole(rcv->up);
    }

    rcv->received(rcv->data, rc);
}
