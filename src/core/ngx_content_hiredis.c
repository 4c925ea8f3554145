/*
 * A connection to Redis: see ngx_content_hiredis.h for what it promises.
 *
 * It owns an ngx_connection_t with its descriptor, a buffer of what is to be
 * written, a ring of who waits, and hiredis's reader.  It is freed in end(),
 * which runs from the event loop or from the owner's close(), never below a
 * callback.
 *
 * Events are level-triggered: what is left after one large read comes as
 * another event, and nobody else waits for long.  Writing needs no event as
 * long as the socket takes all: the first command of a turn posts the write
 * event, whose handler then runs at the turn's end.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_hiredis_internal.h"


#define NGX_CONTENT_HIREDIS_GETS  64             /* joined, at most */


static ngx_socket_t ngx_content_hiredis_socket(ngx_addr_t *addr,
    ngx_log_t *log, u_char *reason);
static void ngx_content_hiredis_strerror(ngx_err_t err,
    u_char text[NGX_CONTENT_HIREDIS_REASON]);
static ngx_int_t ngx_content_hiredis_watch(ngx_content_hiredis_t *hc,
    ngx_socket_t fd, ngx_log_t *log);
static void ngx_content_hiredis_free_all(ngx_content_hiredis_t *hc);
static ngx_int_t ngx_content_hiredis_room(ngx_content_hiredis_t *hc,
    size_t len);
static void ngx_content_hiredis_join(ngx_content_hiredis_t *hc);
static void ngx_content_hiredis_post(ngx_content_hiredis_t *hc);
static void ngx_content_hiredis_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_content_hiredis_expect(ngx_content_hiredis_t *hc,
    ngx_uint_t room);
static void ngx_content_hiredis_read_handler(ngx_event_t *rev);
static void ngx_content_hiredis_failed(ngx_content_hiredis_t *hc,
    ngx_err_t err);
static void ngx_content_hiredis_lost(ngx_content_hiredis_t *hc,
    const char *reason);
static void ngx_content_hiredis_end(ngx_content_hiredis_t *hc);


ngx_content_hiredis_t *
ngx_content_hiredis_connect(ngx_addr_t *addr, ngx_log_t *log,
    ngx_content_hiredis_closed_pt closed, void *data,
    u_char reason[NGX_CONTENT_HIREDIS_REASON])
{
    ngx_socket_t            fd;
    ngx_content_hiredis_t  *hc;

    fd = ngx_content_hiredis_socket(addr, log, reason);
    if (fd == (ngx_socket_t) -1) {
        return NULL;
    }

    ngx_cpystrn(reason, (u_char *) "no memory, or no free worker connection",
                NGX_CONTENT_HIREDIS_REASON);

    hc = ngx_calloc(sizeof(ngx_content_hiredis_t), log);

    if (hc == NULL) {
        ngx_close_socket(fd);
        return NULL;
    }

    hc->closed = closed;
    hc->data = data;
    hc->in.pos = hc->in.buf;
    hc->in.last = hc->in.buf;
    hc->replies.log = log;
    hc->waits.log = log;
    hc->out.log = log;

    hc->reader = ngx_content_hiredis_reader(&hc->replies);

    if (hc->reader == NULL
        || ngx_content_hiredis_watch(hc, fd, log) != NGX_OK)
    {
        ngx_close_socket(fd);
        ngx_content_hiredis_free_all(hc);
        return NULL;
    }

    if (addr->sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(hc->connection);
    }

    return hc;
}


/* hiredis 0.14 could connect, too, but aborts when it has no memory for that. */

static ngx_socket_t
ngx_content_hiredis_socket(ngx_addr_t *addr, ngx_log_t *log, u_char *reason)
{
    ngx_err_t     err;
    ngx_socket_t  fd;

    fd = ngx_socket(addr->sockaddr->sa_family, SOCK_STREAM, 0);

    if (fd != (ngx_socket_t) -1
        && ngx_nonblocking(fd) != -1
        && (connect(fd, addr->sockaddr, addr->socklen) == 0
            || ngx_socket_errno == NGX_EINPROGRESS))
    {
        return fd;
    }

    err = ngx_socket_errno;

    if (fd != (ngx_socket_t) -1 && ngx_close_socket(fd) == -1) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_socket_errno,
                      ngx_close_socket_n " failed");
    }

    ngx_content_hiredis_strerror(err, reason);
    return (ngx_socket_t) -1;
}


static void
ngx_content_hiredis_strerror(ngx_err_t err,
    u_char text[NGX_CONTENT_HIREDIS_REASON])
{
    u_char  *p;

    p = ngx_strerror(err, text, NGX_CONTENT_HIREDIS_REASON - 1);
    *p = '\0';
}


static ngx_int_t
ngx_content_hiredis_watch(ngx_content_hiredis_t *hc, ngx_socket_t fd,
    ngx_log_t *log)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(fd, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = hc;
    c->log = log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    c->read->handler = ngx_content_hiredis_read_handler;
    c->read->log = log;
    c->write->handler = ngx_content_hiredis_write_handler;
    c->write->log = log;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK
        || ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT) != NGX_OK)
    {
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;      /* else nginx takes it for an open one */
        return NGX_ERROR;
    }

    hc->connection = c;

    return NGX_OK;
}


void
ngx_content_hiredis_close(ngx_content_hiredis_t *hc)
{
    hc->closing = 1;

    if (!hc->calling) {
        ngx_content_hiredis_end(hc);
    }
}


/* Whoever is told that it is the end can't reach this connection any more. */

static void
ngx_content_hiredis_end(ngx_content_hiredis_t *hc)
{
    ngx_close_connection(hc->connection);

    while (hc->waits.n) {
        ngx_content_hiredis_waits_call(&hc->waits, NULL);
    }

    ngx_content_hiredis_free_all(hc);
}


static void
ngx_content_hiredis_free_all(ngx_content_hiredis_t *hc)
{
    if (hc->reader) {
        redisReaderFree(hc->reader);
        ngx_content_hiredis_replies_free(&hc->replies);
    }

    ngx_content_hiredis_waits_free(&hc->waits);
    ngx_content_hiredis_out_free(&hc->out);
    ngx_free(hc);
}


ngx_uint_t
ngx_content_hiredis_unread(ngx_content_hiredis_t *hc)
{
    u_char  byte;

    return recv(hc->connection->fd, &byte, 1, MSG_PEEK) > 0;
}


ngx_uint_t
ngx_content_hiredis_writes(ngx_content_hiredis_t *hc)
{
    return hc->writes;
}


ngx_int_t
ngx_content_hiredis_command(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt fn, void *data, ngx_uint_t argc,
    ngx_str_t *argv)
{
    if (ngx_content_hiredis_room(hc, ngx_content_hiredis_out_size(argc, argv))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_content_hiredis_join(hc);
    ngx_content_hiredis_out_words(&hc->out, argc, argv);
    ngx_content_hiredis_waits_add(&hc->waits, fn, data);
    ngx_content_hiredis_post(hc);

    return NGX_OK;
}


ngx_int_t
ngx_content_hiredis_get(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt fn, void *data, u_char *key, size_t len)
{
    if (hc->gets == NGX_CONTENT_HIREDIS_GETS) {
        ngx_content_hiredis_join(hc);
    }

    if (ngx_content_hiredis_room(hc, len + NGX_CONTENT_HIREDIS_BEGIN)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (hc->gets == 0) {
        hc->gets_at = ngx_content_hiredis_out_begin(&hc->out);
        ngx_content_hiredis_waits_add(&hc->waits, NULL, NULL);
    }

    hc->gets++;
    hc->out.last = ngx_cpymem(hc->out.last, key, len);

    ngx_content_hiredis_waits_add(&hc->waits, fn, data);
    ngx_content_hiredis_post(hc);

    return NGX_OK;
}


ngx_uint_t
ngx_content_hiredis_batch(ngx_content_hiredis_t *hc)
{
    return hc->batch + (hc->gets == NGX_CONTENT_HIREDIS_GETS);
}


/* Before anything else is queued, and before it is written. */

static void
ngx_content_hiredis_join(ngx_content_hiredis_t *hc)
{
    if (hc->gets) {
        ngx_content_hiredis_out_end(&hc->out, hc->gets_at, hc->gets);
        ngx_content_hiredis_waits_join(&hc->waits, hc->gets);
        hc->gets = 0;
        hc->batch++;
    }
}


ngx_int_t
ngx_content_hiredis_subscribe(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt push, void *data, ngx_str_t *channel)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "SUBSCRIBE");
    argv[1] = *channel;

    if (ngx_content_hiredis_room(hc, ngx_content_hiredis_out_size(2, argv))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_content_hiredis_out_words(&hc->out, 2, argv);
    ngx_content_hiredis_post(hc);

    hc->push = push;
    hc->push_data = data;

    return NGX_OK;
}


/* For a command of that length, and for two more who wait. */

static ngx_int_t
ngx_content_hiredis_room(ngx_content_hiredis_t *hc, size_t len)
{
    if (ngx_content_hiredis_waits_room(&hc->waits) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_content_hiredis_out_room(&hc->out, len);
}


/* While the event is active it comes by itself, when there is room again. */

static void
ngx_content_hiredis_post(ngx_content_hiredis_t *hc)
{
    ngx_event_t  *wev;

    wev = hc->connection->write;

    if (!wev->active && !wev->posted) {
        ngx_post_event(wev, &ngx_posted_events);
    }
}


static void
ngx_content_hiredis_write_handler(ngx_event_t *wev)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_content_hiredis_t  *hc;

    c = wev->data;
    hc = c->data;

    ngx_content_hiredis_join(hc);
    hc->writes++;

    rc = ngx_content_hiredis_out_write(&hc->out, c->fd);

    if (rc == NGX_ERROR) {
        ngx_content_hiredis_failed(hc, ngx_socket_errno);
        return;
    }

    if (ngx_content_hiredis_expect(hc, rc == NGX_AGAIN) != NGX_OK) {
        ngx_content_hiredis_lost(hc, "no event for its socket");
    }
}


/* The write event is active if and only if it is room that is waited for. */

static ngx_int_t
ngx_content_hiredis_expect(ngx_content_hiredis_t *hc, ngx_uint_t room)
{
    ngx_event_t  *wev;

    wev = hc->connection->write;

    if (room && !wev->active) {
        return ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }

    if (!room && wev->active) {
        return ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    return NGX_OK;
}


/* That it could not connect says what reads or writes first. */

static void
ngx_content_hiredis_read_handler(ngx_event_t *rev)
{
    size_t                  size;
    u_char                 *room;
    ssize_t                 n;
    const char             *wrong;
    ngx_connection_t       *c;
    ngx_content_hiredis_t  *hc;

    c = rev->data;
    hc = c->data;

    room = ngx_content_hiredis_in_room(hc, &size);

    n = recv(c->fd, room, size, 0);

    if (n == 0) {
        ngx_content_hiredis_lost(hc, "it has closed the connection");
        return;
    }

    if (n == -1) {
        if (ngx_socket_errno != NGX_EAGAIN && ngx_socket_errno != NGX_EINTR) {
            ngx_content_hiredis_failed(hc, ngx_socket_errno);
        }

        return;
    }

    hc->calling = 1;
    wrong = ngx_content_hiredis_take(hc, n);
    hc->calling = 0;

    if (hc->closing) {
        ngx_content_hiredis_end(hc);

    } else if (wrong) {
        ngx_content_hiredis_lost(hc, wrong);
    }
}


static void
ngx_content_hiredis_failed(ngx_content_hiredis_t *hc, ngx_err_t err)
{
    u_char  text[NGX_CONTENT_HIREDIS_REASON];

    ngx_content_hiredis_strerror(err, text);
    ngx_content_hiredis_lost(hc, (char *) text);
}


static void
ngx_content_hiredis_lost(ngx_content_hiredis_t *hc, const char *reason)
{
    hc->closed(hc->data, reason);
    ngx_content_hiredis_end(hc);
}
