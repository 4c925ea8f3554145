/*
 * hiredis on nginx's events: see ngx_content_hiredis.h for who owns what.
 *
 * An ngx_connection_t is made by attach() and lives until hiredis calls the
 * cleanup hook, which it does whenever it ends a context; redisAsyncHandle*()
 * may do so before they return.  Events are level-triggered, because hiredis
 * reads at most 16 KiB a call and never until EAGAIN: an edge-triggered event
 * would not come again for the rest.
 *
 * Writing needs no event as long as the socket takes all: the first command of
 * a turn posts the write event, whose handler then runs at the turn's end.
 * wev->ready says that the socket has taken all that there was.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_hiredis.h"


#define NGX_CONTENT_HIREDIS_ELEMENTS  1024   /* of a reply: ours have a few */


static void ngx_content_hiredis_limit(redisReader *reader);
static void ngx_content_hiredis_read_handler(ngx_event_t *rev);
static void ngx_content_hiredis_write_handler(ngx_event_t *wev);
static ngx_uint_t ngx_content_hiredis_unasked(redisAsyncContext *ac);
static void ngx_content_hiredis_add_read(void *data);
static void ngx_content_hiredis_del_read(void *data);
static void ngx_content_hiredis_add_write(void *data);
static void ngx_content_hiredis_del_write(void *data);
static void ngx_content_hiredis_cleanup(void *data);


ngx_int_t
ngx_content_hiredis_attach(redisAsyncContext *ac, ngx_log_t *log)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ac->c.fd, log);

    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = ac;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    c->read->handler = ngx_content_hiredis_read_handler;
    c->read->log = log;
    c->write->handler = ngx_content_hiredis_write_handler;
    c->write->log = log;

    ac->ev.data = c;
    ac->ev.addRead = ngx_content_hiredis_add_read;
    ac->ev.delRead = ngx_content_hiredis_del_read;
    ac->ev.addWrite = ngx_content_hiredis_add_write;
    ac->ev.delWrite = ngx_content_hiredis_del_write;
    ac->ev.cleanup = ngx_content_hiredis_cleanup;

    ngx_content_hiredis_limit(ac->c.reader);

    return NGX_OK;
}


/*
 * A server that announces an array of two thousand million elements would
 * have hiredis allocate them all, and the worker stand still.
 */

#if (HIREDIS_MAJOR >= 1)

static void
ngx_content_hiredis_limit(redisReader *reader)
{
    reader->maxelements = NGX_CONTENT_HIREDIS_ELEMENTS;
}

#else

static void *(*ngx_content_hiredis_array)(const redisReadTask *task, int n);


static void *
ngx_content_hiredis_limited(const redisReadTask *task, int n)
{
    return n > NGX_CONTENT_HIREDIS_ELEMENTS
           ? NULL : ngx_content_hiredis_array(task, n);
}


static void
ngx_content_hiredis_limit(redisReader *reader)
{
    static redisReplyObjectFunctions  fn;

    if (ngx_content_hiredis_array == NULL) {
        fn = *reader->fn;
        ngx_content_hiredis_array = fn.createArray;
        fn.createArray = ngx_content_hiredis_limited;
    }

    reader->fn = &fn;
}

#endif


ngx_uint_t
ngx_content_hiredis_stray(redisAsyncContext *ac)
{
    return ac->replies.head == NULL
           && !(ac->c.flags & (REDIS_SUBSCRIBED|REDIS_MONITORING))
           && ac->c.reader->pos < ac->c.reader->len;
}


ngx_uint_t
ngx_content_hiredis_writes(redisAsyncContext *ac)
{
    ngx_connection_t  *c;

    c = ac->ev.data;

    return c->requests;
}


static void
ngx_content_hiredis_read_handler(ngx_event_t *rev)
{
    ngx_connection_t   *c;
    redisAsyncContext  *ac;

    c = rev->data;
    ac = c->data;

    if (ngx_content_hiredis_unasked(ac)) {
        ngx_log_error(NGX_LOG_ERR, rev->log, 0,
                      "redis sent bytes that no command had asked for");
        redisAsyncFree(ac);
        return;
    }

    redisAsyncHandleRead(ac);

    /* neither ac nor c need exist any more */
}


static void
ngx_content_hiredis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t  *c;

    c = wev->data;

    c->requests++;
    wev->ready = 0;

    redisAsyncHandleWrite(c->data);

    /* neither the context nor c need exist any more */
}


/*
 * hiredis asserts that a reply which no command waits for comes to a
 * subscriber, and Debian builds it with assertions: the worker would abort.
 * What is normally there to read with no command pending is the end of the
 * connection.  (With TLS it might also be a session ticket.)
 */

static ngx_uint_t
ngx_content_hiredis_unasked(redisAsyncContext *ac)
{
    char  byte;

    if (ac->replies.head != NULL
        || !(ac->c.flags & REDIS_CONNECTED)
        || (ac->c.flags & (REDIS_SUBSCRIBED|REDIS_MONITORING)))
    {
        return 0;
    }

    return recv(ac->c.fd, &byte, 1, MSG_PEEK) > 0;
}


/*
 * The hooks cannot report an error to hiredis.  When an event cannot be added,
 * which nginx logs, the connection stands still until its owner's time-out.
 */

static void
ngx_content_hiredis_add_read(void *data)
{
    ngx_connection_t  *c = data;

    if (!c->read->active) {
        (void) ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_content_hiredis_del_read(void *data)
{
    ngx_connection_t  *c = data;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }
}


static void
ngx_content_hiredis_add_write(void *data)
{
    ngx_connection_t  *c = data;

    if (c->write->ready) {

        if (!c->write->posted) {
            ngx_post_event(c->write, &ngx_posted_events);
        }

        return;
    }

    if (!c->write->active) {
        (void) ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_content_hiredis_del_write(void *data)
{
    ngx_connection_t  *c = data;

    c->write->ready = 1;

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }
}


/*
 * As ngx_close_connection(), but for closing the descriptor: hiredis does that
 * next, which also takes it out of epoll.  hiredis 1.x cleans up before it
 * runs the callbacks that still wait, so the hooks are taken away here.
 */

static void
ngx_content_hiredis_cleanup(void *data)
{
    ngx_connection_t  *c = data;

    redisAsyncContext  *ac;

    ac = c->data;
    ngx_memzero(&ac->ev, sizeof(ac->ev));

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, NGX_CLOSE_EVENT);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, NGX_CLOSE_EVENT);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}
