/*
 * The adapter between libcurl's multi interface and nginx's event loop: see
 * ngx_content_curl.h for what it promises to the S3 store and the CDN client.
 *
 * curl says by its socket callback which descriptors to watch, and by its
 * timer callback when to be called; nginx's events call it back through
 * ngx_content_curl_run(), and nothing else does its work.  While curl is on
 * the stack it must not be called, so what its callbacks bring about is queued
 * and settled when it has returned.
 *
 * What runs here are transfers (ngx_content_curl_internal.h).  How one begins
 * and ends is ngx_content_call.c.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "core/ngx_content_curl.h"
#include "core/ngx_content_curl_internal.h"


static ngx_int_t ngx_content_curl_setup(ngx_content_curl_t *engine);
static ngx_int_t ngx_content_curl_multi(ngx_content_curl_t *engine);
static void ngx_content_curl_close(ngx_content_curl_t *engine);
static void ngx_content_curl_drop(ngx_queue_t *queue);
static void ngx_content_curl_event(ngx_event_t *ev);
static void ngx_content_curl_fail_all(ngx_content_curl_t *engine);
static void ngx_content_curl_settle(ngx_content_curl_t *engine);
static int ngx_content_curl_on_timer(CURLM *multi, long ms, void *data);
static void ngx_content_curl_pump(ngx_content_curl_t *engine);
static void ngx_content_curl_attach(ngx_content_curl_transfer_t *t);
static void ngx_content_curl_go_on(ngx_content_curl_t *engine);


ngx_content_curl_t *
ngx_content_curl_create(ngx_cycle_t *cycle)
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

    ngx_queue_init(&engine->sockets);
    ngx_queue_init(&engine->waiting);
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
    /* connections and names are the multi handle's, sessions were not */

    engine->share = curl_share_init();

    if (engine->share == NULL
        || curl_share_setopt(engine->share, CURLSHOPT_SHARE,
                             CURL_LOCK_DATA_SSL_SESSION)
           != CURLSHE_OK)
    {
        return NGX_ERROR;
    }

    return ngx_content_curl_multi(engine);
}


static ngx_int_t
ngx_content_curl_multi(ngx_content_curl_t *engine)
{
    int     rc;
    CURLM  *multi;

    multi = curl_multi_init();
    if (multi == NULL) {
        return NGX_ERROR;
    }

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

    if (rc != 0) {
        curl_multi_cleanup(multi);
        return NGX_ERROR;
    }

    engine->multi = multi;

    return NGX_OK;
}


/* Nothing is attached any more. */

static void
ngx_content_curl_close(ngx_content_curl_t *engine)
{
    ngx_queue_t  *q;

    if (engine->multi) {
        curl_multi_cleanup(engine->multi);
        engine->multi = NULL;
    }

    engine->broken = 0;

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
}


void
ngx_content_curl_destroy(ngx_content_curl_t *engine)
{
    ngx_content_curl_drop(&engine->waiting);
    ngx_content_curl_drop(&engine->running);
    ngx_content_curl_drop(&engine->paused);
    ngx_content_curl_drop(&engine->doomed);

    ngx_content_curl_close(engine);

    if (engine->share) {
        curl_share_cleanup(engine->share);
    }

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

    if (engine->between) {
        ngx_content_curl_go_on(engine);
    }

    /* adding a handle makes curl ask for the call that follows */

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    ngx_content_curl_run(engine, CURL_SOCKET_TIMEOUT, 0);
}


void
ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd, int mask)
{
    int        running;
    CURLMcode  rc;

    if (engine->multi == NULL) {
        ngx_content_curl_settle(engine);
        return;
    }

    rc = curl_multi_socket_action(engine->multi, fd, mask, &running);

    /* nginx logs an alert for what others leave in OpenSSL's error queue */

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_socket_action(%d) failed: %s",
                      (int) fd, curl_multi_strerror(rc));
        engine->broken = 1;
    }

    if (engine->broken) {
        ngx_content_curl_fail_all(engine);
    }

    ngx_content_curl_settle(engine);

    if (engine->broken) {
        ngx_content_curl_close(engine);
        ngx_content_curl_kick(engine);
    }
}


/*
 * curl had no memory to watch a socket, nobody knows of which transfer, and
 * has not told when it wants to be called: they would all wait for nothing.
 * It may also remember that socket when it is closed, and crash on the next of
 * the same number (7.88): so the multi handle goes, too.
 */

static void
ngx_content_curl_fail_all(ngx_content_curl_t *engine)
{
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(&engine->running)) {
        q = ngx_queue_head(&engine->running);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        ngx_content_call_fail(t, NGX_CONTENT_CALL_SHORT, "no memory");
        ngx_content_curl_doom(t);
    }
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


static void
ngx_content_curl_pump(ngx_content_curl_t *engine)
{
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(&engine->waiting)) {
        q = ngx_queue_head(&engine->waiting);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        ngx_content_curl_attach(t);
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

    if (engine->multi == NULL && ngx_content_curl_multi(engine) != NGX_OK) {
        rc = CURLM_OUT_OF_MEMORY;

    } else {
        ngx_content_curl_idle_check(engine);
        rc = curl_multi_add_handle(engine->multi, t->easy);
    }

    if (rc != CURLM_OK) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_SHORT,
                              curl_multi_strerror(rc));
        ngx_content_curl_doom(t);
        return;
    }

    t->attached = 1;
}


/*
 * When one address has failed, curl 7.88 tries the next as soon as it is called
 * for that transfer, but does not ask for that call (is_connected() in its
 * lib/connect.c).  A change of the pause makes it ask.
 */

static void
ngx_content_curl_go_on(ngx_content_curl_t *engine)
{
    CURLcode                      rc;
    ngx_queue_t                  *q, *next;
    ngx_content_curl_transfer_t  *t;

    engine->between = 0;

    for (q = ngx_queue_head(&engine->running);
         q != ngx_queue_sentinel(&engine->running);
         q = next)
    {
        next = ngx_queue_next(q);                /* curl's callbacks may doom */
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        if (t->between) {
            t->between = 0;

            rc = curl_easy_pause(t->easy, CURLPAUSE_RECV);

            /* that is what it says when there is no connection at all */

            if (rc != CURLE_BAD_FUNCTION_ARGUMENT) {
                ngx_content_curl_unpause(t);
            }
        }
    }
}


void
ngx_content_curl_unpause(ngx_content_curl_transfer_t *t)
{
    if (curl_easy_pause(t->easy, CURLPAUSE_CONT) != CURLE_OK) {
        t->engine->broken = 1;
        ngx_content_curl_kick(t->engine);
    }
}


void
ngx_content_curl_detach(ngx_content_curl_transfer_t *t)
{
    CURLMcode            rc;
    ngx_content_curl_t  *engine;

    engine = t->engine;

    rc = curl_multi_remove_handle(engine->multi, t->easy);

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_remove_handle() failed: %s",
                      curl_multi_strerror(rc));
    }

    t->attached = 0;
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
