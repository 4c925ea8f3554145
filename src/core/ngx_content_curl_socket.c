/*
 * The sockets of curl's on nginx's events: see ngx_content_curl.h.  Each has an
 * ngx_connection_t for as long as curl wants to hear of it, in engine->sockets.
 *
 * curl 7.88 closes a socket that is not connected yet before it says so
 * (cf_socket_close() in its lib/cf-socket.c).
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_curl_internal.h"


static void ngx_content_curl_removed(ngx_content_curl_t *engine,
    ngx_content_curl_transfer_t *t, ngx_connection_t *c);
static ngx_connection_t *ngx_content_curl_watch(ngx_content_curl_t *engine,
    curl_socket_t fd);
static ngx_int_t ngx_content_curl_interest(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_content_curl_socket_event(ngx_event_t *ev);


/*
 * An error returned to curl would fail all transfers: the one that cannot be
 * watched is doomed instead.
 */

int
ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socket)
{
    ngx_connection_t             *c = socket;
    ngx_content_curl_t           *engine = data;
    ngx_content_curl_transfer_t  *t;

    /* handles of curl's own have no transfer */

    t = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &t);

    if (what == CURL_POLL_REMOVE) {
        ngx_content_curl_removed(engine, t, c);
        return 0;
    }

    ngx_content_curl_idle_remove(engine, fd);

    if (c == NULL) {
        c = ngx_content_curl_watch(engine, fd);
    }

    if (c
        && ngx_content_curl_interest(c->read, NGX_READ_EVENT,
                                     what & CURL_POLL_IN) == NGX_OK
        && ngx_content_curl_interest(c->write, NGX_WRITE_EVENT,
                                     what & CURL_POLL_OUT) == NGX_OK)
    {
        return 0;
    }

    if (t) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_SHORT,
                              "no worker connection for it");
        ngx_content_curl_doom(t);
    }

    return 0;
}


static void
ngx_content_curl_removed(ngx_content_curl_t *engine,
    ngx_content_curl_transfer_t *t, ngx_connection_t *c)
{
    ngx_uint_t  closed;

    if (c) {
        closed = (fcntl(c->fd, F_GETFD) == -1);

        if (!closed && t && t->headed) {
            ngx_content_curl_idle_add(engine, c->fd);
        }

        ngx_content_curl_release(c, closed ? NGX_CLOSE_EVENT : 0);
    }

    if (t && !t->connected && t->state == NGX_CONTENT_CURL_RUNNING) {
        t->between = 1;
        engine->between = 1;
        ngx_content_curl_kick(engine);
    }
}


static ngx_connection_t *
ngx_content_curl_watch(ngx_content_curl_t *engine, curl_socket_t fd)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(fd, engine->log);
    if (c == NULL) {
        return NULL;
    }

    c->data = engine;

    c->read->handler = ngx_content_curl_socket_event;
    c->read->log = engine->log;
    c->write->handler = ngx_content_curl_socket_event;
    c->write->log = engine->log;

    ngx_queue_insert_tail(&engine->sockets, &c->queue);

    (void) curl_multi_assign(engine->multi, fd, c);

    return c;
}


static ngx_int_t
ngx_content_curl_interest(ngx_event_t *ev, ngx_int_t event, ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


/* The descriptor stays open: it is curl's. */

void
ngx_content_curl_release(ngx_connection_t *c, ngx_uint_t flags)
{
    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_queue_remove(&c->queue);
    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_content_curl_socket_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_content_curl_run(c->data, c->fd,
                         ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}
