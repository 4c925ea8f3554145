/*
 * A GET and the fill (ngx_content_fill.h) that it joins or begins.
 */

#include "http/ngx_content_get.h"
#include "http/ngx_content_zones.h"
#include "lib/content_rules.h"


static ngx_int_t ngx_content_get_ask_again(ngx_content_get_t *get);
static void ngx_content_get_wait_for(ngx_content_get_t *get, ngx_msec_t time);
static void ngx_content_get_told_of(ngx_event_t *ev);
static void ngx_content_get_waited(ngx_event_t *ev);


/*
 * WAIT: another node, or another worker without the memory cache, is about to
 * put the record into Redis.  Word is left there, and who is told asks again.
 * Where that can't be, it is asked for a few times, further and further apart.
 * A filler that is dead or slow is then read past.
 */

ngx_int_t
ngx_content_get_wait(ngx_content_get_t *get)
{
    ngx_uint_t  asks;
    ngx_msec_t  step;

    ngx_content_get_next(get, NGX_CONTENT_GET_FILL);

    /* what is expired may be so because storage fails: to be told soon */

    asks = get->expired ? NGX_CONTENT_GET_ASKS_EXPIRED : NGX_CONTENT_GET_ASKS;

    if (!get->busy || get->asks >= asks || get->body.data
        || get->read.ranged || get->large
        || get->read.store->ops->fetch == NULL
        || ngx_content_get_joinable(get)
        || ngx_content_fill_in_flight(get->mcf->fills, &get->keep,
                                      get->ctx->hash))
    {
        ngx_content_redis_await_end(&get->await);
        return NGX_OK;
    }

    step = NGX_CONTENT_GET_ASK << get->asks++;

    if (get->await.waiting) {
        if (get->news) {
            return ngx_content_get_ask_again(get);
        }

        ngx_content_get_wait_for(get, get->expired
                                      ? NGX_CONTENT_GET_PATIENCE_EXPIRED
                                      : NGX_CONTENT_GET_PATIENCE);
        return NGX_AGAIN;
    }

    get->await.event.handler = ngx_content_get_told_of;
    get->await.event.data = get;
    get->await.event.log = get->request->connection->log;

    if (ngx_content_redis_await(get->mcf->redis_client, &get->await,
                                get->keep.name)
        == NGX_OK)
    {
        return ngx_content_get_ask_again(get);
    }

    ngx_content_get_wait_for(get, step / 2 + ngx_random() % step);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_content_get_ask_again(ngx_content_get_t *get)
{
    get->news = 0;
    ngx_content_get_next(get, NGX_CONTENT_GET_LOOKUP);

    return NGX_OK;
}


static void
ngx_content_get_wait_for(ngx_content_get_t *get, ngx_msec_t time)
{
    get->timer.handler = ngx_content_get_waited;
    get->timer.data = get;
    get->timer.log = get->request->connection->log;

    ngx_add_timer(&get->timer, time);

    ngx_content_count(&ngx_content_shared(get->mcf)->counters, busy_waits);
}


/* The filler is done.  Perhaps Redis is just being asked: then once more. */

static void
ngx_content_get_told_of(ngx_event_t *ev)
{
    ngx_content_get_t  *get;

    get = ev->data;

    if (!get->timer.timer_set) {
        get->news = 1;
        return;
    }

    ngx_del_timer(&get->timer);

    ngx_content_count(&ngx_content_shared(get->mcf)->counters, busy_woken);

    (void) ngx_content_get_ask_again(get);
    ngx_content_get_resume(get);
}


/* Time is up: the last time that it is asked, if word was left. */

static void
ngx_content_get_waited(ngx_event_t *ev)
{
    ngx_content_get_t  *get;

    get = ev->data;

    if (get->await.waiting) {
        get->asks = NGX_CONTENT_GET_ASKS;
    }

    (void) ngx_content_get_ask_again(get);
    ngx_content_get_resume(get);
}


/* FILL */

ngx_int_t
ngx_content_get_fill(ngx_content_get_t *get)
{
    size_t               max;
    ngx_int_t            rc;
    ngx_content_fill_t  *fill;

    ngx_content_get_next(get, NGX_CONTENT_GET_SEND);

    if (get->body.data || get->read.ranged || get->large
        || get->read.store->ops->fetch == NULL)
    {
        return NGX_OK;
    }

    fill = ngx_content_get_joinable(get);

    if (fill) {
        get->joined = 1;
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          fills_joined);

    } else {

        /* one may have come and gone while Redis was asked */

        rc = get->asked ? ngx_content_hit(get->request, get->ctx)
                        : NGX_DECLINED;

        if (rc != NGX_DECLINED) {
            ngx_content_get_next(get, NGX_CONTENT_GET_END);
            return rc;
        }

        max = ngx_content_fill_max(&get->keep);

        if (max == 0
            || (get->read.object && get->read.object->size > (int64_t) max))
        {
            return NGX_OK;
        }

        fill = ngx_content_fill_begin(get->mcf->fills, &get->keep,
                                      get->ctx->hash);
        if (fill == NULL) {
            return NGX_OK;
        }

        ngx_content_count(&ngx_content_shared(get->mcf)->counters, fills);
    }

    get->since = ngx_current_msec;
    ngx_content_get_next(get, NGX_CONTENT_GET_FILLED);
    ngx_content_fill_wait(fill, &get->wait);

    return NGX_AGAIN;
}


/*
 * A fill of the object that began after every write which this request has to
 * see: see ngx_content_fill.h.
 */

ngx_content_fill_t *
ngx_content_get_joinable(ngx_content_get_t *get)
{
    ngx_content_fill_t        *fill;
    ngx_http_request_t        *r;
    ngx_content_memory_key_t   mkey;

    r = get->request;

    if (r->method == NGX_HTTP_HEAD || get->large || !get->lcf->hot.enabled) {
        return NULL;
    }

    fill = ngx_content_fill_find(get->mcf->fills, get->read.store->id,
                                 get->ctx->hash);
    if (fill == NULL) {
        return NULL;
    }

    if (fill->held || fill->number > get->came || !CONTENT_RULE_JOIN) {
        return fill;
    }

    if (get->mcf->memory_zone && ngx_content_coherent(get->mcf)) {
        ngx_content_memory_key(ngx_content_memory(get->mcf), &mkey,
                               get->read.store->id, &get->ctx->key);

        return ngx_content_memory_fence(ngx_content_memory(get->mcf), &mkey)
               == fill->keep.fence ? fill : NULL;
    }

    return (get->busy && fill->had_token
            && ngx_memcmp(fill->token.id, get->filler, NGX_CONTENT_REDIS_ID)
               == 0)
           ? fill : NULL;
}


void
ngx_content_get_woken(ngx_content_fill_wait_t *wait)
{
    ngx_connection_t   *c;
    ngx_content_get_t  *get;

    get = wait->data;
    c = get->request->connection;

    if (get->streaming) {
        ngx_content_get_stream(get);

    } else {
        ngx_content_get_run(get);
    }

    ngx_http_run_posted_requests(c);
}


/* FILLED */

ngx_int_t
ngx_content_get_filled(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_content_fill_t  *fill;

    fill = get->wait.fill;

    switch (fill->state) {

    case NGX_CONTENT_FILL_ASKING:
        return NGX_AGAIN;

    case NGX_CONTENT_FILL_FAILED:
        get->read.outcome = fill->outcome;
        get->read.cause = fill->cause;

        return ngx_content_get_stale(get);

    default:
        get->read.object = &fill->object;
    }

    if (fill->state == NGX_CONTENT_FILL_LARGE) {
        get->large = 1;
        ngx_content_fill_ignore(&get->wait);
        ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);

        return NGX_OK;
    }

    /* they held for what was known of it before, if it was */

    rc = ngx_content_get_met(get);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_END);
    rc = ngx_content_get_send_headers(get);

    if (rc == NGX_ERROR || rc > NGX_OK || get->request->header_only) {
        return rc;
    }

    get->ctx->get = get;
    ngx_content_get_stream(get);

    return NGX_DONE;
}
