/*
 * The adapter between libcurl's multi interface and nginx's event loop: see
 * ngx_content_curl.h for what it promises to the S3 store and the CDN client.
 *
 * curl says by its socket callback which descriptors to watch, and by its
 * timer callback when to be called; nginx's events call it back through
 * ngx_content_curl_run(), and nothing else does its work.  While curl is on
 * the stack (engine->inside) it must not be called, so what its callbacks
 * bring about is queued and settled when it has returned.
 *
 * What runs here are transfers (ngx_content_curl_internal.h): a queue of them
 * for each host, a limited number of each running.  How one begins and ends
 * is ngx_content_call.c.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "core/ngx_content_curl.h"
#include "core/ngx_content_curl_internal.h"


#define NGX_CONTENT_CURL_KEPT            32         /* idle connections */


static ngx_int_t ngx_content_curl_setup(ngx_content_curl_t *engine);
static void ngx_content_curl_drop(ngx_queue_t *queue);
static void ngx_content_curl_event(ngx_event_t *ev);
static void ngx_content_curl_socket_event(ngx_event_t *ev);
static void ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd,
    int mask);
static void ngx_content_curl_settle(ngx_content_curl_t *engine);
static int ngx_content_curl_on_timer(CURLM *multi, long ms, void *data);
static int ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socket);
static ngx_connection_t *ngx_content_curl_watch(ngx_content_curl_t *engine,
    curl_socket_t fd);
static ngx_int_t ngx_content_curl_interest(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_content_curl_release(ngx_connection_t *c, ngx_uint_t flags);
static void ngx_content_curl_pump(ngx_content_curl_t *engine);
static void ngx_content_curl_attach(ngx_content_curl_transfer_t *t);


ngx_content_curl_t *
ngx_content_curl_create(ngx_cycle_t *cycle, ngx_uint_t max_per_host)
{
    ngx_content_curl_t  *engine;

    engine = ngx_pcalloc(cycle->pool, sizeof(ngx_content_curl_t));
    if (engine == NULL) {
        return NULL;
    }

    /* counted by curl: destroy() takes it back */

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "curl_global_init() failed");
        return NULL;
    }

    engine->pool = cycle->pool;
    engine->log = cycle->log;
    engine->max_per_host = max_per_host;

    ngx_queue_init(&engine->sockets);
    ngx_queue_init(&engine->hosts);
    ngx_queue_init(&engine->running);
    ngx_queue_init(&engine->paused);
    ngx_queue_init(&engine->doomed);

    engine->event.handler = ngx_content_curl_event;
    engine->event.data = engine;
    engine->event.log = cycle->log;
    engine->event.cancelable = 1;

    if (ngx_content_curl_setup(engine) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "could not initialise libcurl");
        ngx_content_curl_destroy(engine);
        return NULL;
    }

    return engine;
}


static ngx_int_t
ngx_content_curl_setup(ngx_content_curl_t *engine)
{
    int     rc;
    CURLM  *multi;

    multi = curl_multi_init();
    if (multi == NULL) {
        return NGX_ERROR;
    }

    engine->multi = multi;

    rc = 0;
    rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                            ngx_content_curl_on_socket);
    rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, engine);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                            ngx_content_curl_on_timer);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, engine);
    rc |= curl_multi_setopt(multi, CURLMOPT_PIPELINING,
                            (long) CURLPIPE_NOTHING);
    rc |= curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                            (long) NGX_CONTENT_CURL_KEPT);

    /* connections and names are the multi handle's, sessions were not */

    engine->share = curl_share_init();
    if (engine->share == NULL) {
        return NGX_ERROR;
    }

    rc |= curl_share_setopt(engine->share, CURLSHOPT_SHARE,
                            CURL_LOCK_DATA_SSL_SESSION);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_content_curl_destroy(ngx_content_curl_t *engine)
{
    ngx_queue_t              *q;
    ngx_content_curl_host_t  *host;

    ngx_content_curl_drop(&engine->running);
    ngx_content_curl_drop(&engine->paused);
    ngx_content_curl_drop(&engine->doomed);

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);
        ngx_content_curl_drop(&host->waiting);
    }

    if (engine->multi) {
        curl_multi_cleanup(engine->multi);
    }

    if (engine->share) {
        curl_share_cleanup(engine->share);
    }

    /* what curl closed without telling */

    while (!ngx_queue_empty(&engine->sockets)) {
        q = ngx_queue_head(&engine->sockets);
        ngx_content_curl_release(ngx_queue_data(q, ngx_connection_t, queue),
                                 NGX_CLOSE_EVENT);
    }

    if (engine->event.timer_set) {
        ngx_del_timer(&engine->event);
    }

    if (engine->event.posted) {
        ngx_delete_posted_event(&engine->event);
    }

    ERR_clear_error();
    curl_global_cleanup();
}


static void
ngx_content_curl_drop(ngx_queue_t *queue)
{
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        t->call.handler = NULL;
        t->call.again = NULL;
        ngx_content_call_finish(t);
    }
}


/*
 * The next iteration of the event loop, not this one: curl asks to be called
 * at once for as long as data is there, and others have a turn in between.
 */

void
ngx_content_curl_kick(ngx_content_curl_t *engine)
{
    if (!engine->event.posted) {
        ngx_post_event(&engine->event, &ngx_posted_next_events);
    }
}


static void
ngx_content_curl_event(ngx_event_t *ev)
{
    ngx_content_curl_t  *engine;

    engine = ev->data;

    ngx_content_curl_pump(engine);

    /* adding a handle makes curl ask for the call that follows */

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    ngx_content_curl_run(engine, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_content_curl_socket_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_content_curl_run(c->data, c->fd,
                         ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


static void
ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd, int mask)
{
    int        running;
    CURLMcode  rc;

    engine->inside = 1;
    rc = curl_multi_socket_action(engine->multi, fd, mask, &running);
    engine->inside = 0;

    /* nginx logs an alert for what others leave in OpenSSL's error queue */

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_socket_action(%d) failed: %s",
                      (int) fd, curl_multi_strerror(rc));
    }

    ngx_content_curl_settle(engine);
}


/* A handler may end other calls: look at nothing of the queues afterwards. */

static void
ngx_content_curl_settle(ngx_content_curl_t *engine)
{
    int                           left;
    CURLMsg                      *msg;
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(&engine->doomed)) {
        q = ngx_queue_head(&engine->doomed);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        ngx_content_call_finish(t);
    }

    while ((msg = curl_multi_info_read(engine->multi, &left)) != NULL) {

        if (msg->msg == CURLMSG_DONE
            && curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                                 (char **) &t) == CURLE_OK)
        {
            ngx_content_call_conclude(t, msg->data.result);
            ngx_content_call_finish(t);
        }
    }
}


static int
ngx_content_curl_on_timer(CURLM *multi, long ms, void *data)
{
    ngx_content_curl_t  *engine = data;

    /* ngx_add_timer() alone would leave a timer that is set nearby */

    if (engine->event.timer_set) {
        ngx_del_timer(&engine->event);
    }

    if (ms == 0) {
        ngx_content_curl_kick(engine);

    } else if (ms > 0) {
        ngx_add_timer(&engine->event, (ngx_msec_t) ms);
    }

    return 0;
}


/*
 * An error returned to curl would fail all transfers: the one that cannot be
 * watched is doomed instead.
 */

static int
ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socket)
{
    ngx_connection_t             *c = socket;
    ngx_content_curl_t           *engine = data;
    ngx_content_curl_transfer_t  *t;

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            ngx_content_curl_release(c, 0);
        }

        return 0;
    }

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

    /* handles of curl's own have no transfer */

    t = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &t);

    if (t) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_OTHER,
                              "no worker connection for it");
        ngx_content_curl_doom(t);
    }

    return 0;
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

static void
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


/* A worker calls few hosts: they are remembered as long as it lives. */

ngx_content_curl_host_t *
ngx_content_curl_host(ngx_content_curl_t *engine, ngx_str_t *origin)
{
    ngx_queue_t              *q;
    ngx_content_curl_host_t  *host;

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);

        if (host->origin.len == origin->len
            && ngx_memcmp(host->origin.data, origin->data, origin->len) == 0)
        {
            return host;
        }
    }

    host = ngx_pcalloc(engine->pool, sizeof(ngx_content_curl_host_t));
    if (host == NULL) {
        return NULL;
    }

    host->origin.data = ngx_pstrdup(engine->pool, origin);
    if (host->origin.data == NULL) {
        return NULL;
    }

    host->origin.len = origin->len;

    ngx_queue_init(&host->waiting);
    ngx_queue_insert_tail(&engine->hosts, &host->link);

    return host;
}


static void
ngx_content_curl_pump(ngx_content_curl_t *engine)
{
    ngx_queue_t                  *q, *next;
    ngx_content_curl_host_t      *host;
    ngx_content_curl_transfer_t  *t;

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);

        while (!ngx_queue_empty(&host->waiting)
               && (engine->max_per_host == 0
                   || host->running < engine->max_per_host))
        {
            next = ngx_queue_head(&host->waiting);
            t = ngx_queue_data(next, ngx_content_curl_transfer_t, link);

            ngx_content_curl_attach(t);
        }
    }
}


static void
ngx_content_curl_attach(ngx_content_curl_transfer_t *t)
{
    CURLMcode            rc;
    ngx_content_curl_t  *engine;

    engine = t->engine;

    t->state = NGX_CONTENT_CURL_RUNNING;
    ngx_queue_remove(&t->link);
    ngx_queue_insert_tail(&engine->running, &t->link);

    engine->inside = 1;
    rc = curl_multi_add_handle(engine->multi, t->easy);
    engine->inside = 0;

    if (rc != CURLM_OK) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_OTHER,
                              curl_multi_strerror(rc));
        ngx_content_curl_doom(t);
        return;
    }

    t->attached = 1;
    t->host->running++;
}


/* curl may be on the stack, with another call. */

void
ngx_content_curl_unpause(ngx_content_curl_transfer_t *t)
{
    unsigned             inside;
    ngx_content_curl_t  *engine;

    engine = t->engine;
    inside = engine->inside;

    engine->inside = 1;
    (void) curl_easy_pause(t->easy, CURLPAUSE_CONT);
    engine->inside = inside;
}


void
ngx_content_curl_detach(ngx_content_curl_transfer_t *t)
{
    CURLMcode            rc;
    ngx_content_curl_t  *engine;

    engine = t->engine;

    engine->inside = 1;
    rc = curl_multi_remove_handle(engine->multi, t->easy);
    engine->inside = 0;

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_remove_handle() failed: %s",
                      curl_multi_strerror(rc));
    }

    t->attached = 0;
    t->host->running--;

    if (!ngx_queue_empty(&t->host->waiting)) {
        ngx_content_curl_kick(engine);
    }
}


void
ngx_content_curl_doom(ngx_content_curl_transfer_t *t)
{
    if (t->state == NGX_CONTENT_CURL_DOOMED) {
        return;
    }

    t->state = NGX_CONTENT_CURL_DOOMED;

    ngx_queue_remove(&t->link);
    ngx_queue_insert_tail(&t->engine->doomed, &t->link);

    ngx_content_curl_kick(t->engine);
}
