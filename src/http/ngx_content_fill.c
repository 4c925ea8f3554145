/* Fills of one worker: see ngx_content_fill.h. */

#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_zones.h"


static ngx_content_fill_t *ngx_content_fill_create(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep, const u_char *hash);
static ngx_uint_t ngx_content_fill_has_to_wait(ngx_content_fill_t *fill,
    ngx_content_fill_t *other);
static void ngx_content_fill_next(ngx_content_fill_t *ended);
static void ngx_content_fill_go(ngx_content_fill_t *fill);
static void ngx_content_fill_timer(ngx_event_t *ev);
static void ngx_content_fills_turn(ngx_event_t *ev);
static void ngx_content_fill_woken(ngx_event_t *ev);
static ngx_uint_t ngx_content_fill_release(ngx_content_fill_t *fill);


ngx_content_fills_t *
ngx_content_fills_create(ngx_cycle_t *cycle, ngx_content_flights_t *flights)
{
    ngx_uint_t            i;
    ngx_content_fills_t  *fills;

    fills = ngx_pcalloc(cycle->pool, sizeof(ngx_content_fills_t));
    if (fills == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_CONTENT_FILL_BUCKETS; i++) {
        ngx_queue_init(&fills->buckets[i]);
    }

    ngx_queue_init(&fills->turns);
    fills->turn.handler = ngx_content_fills_turn;
    fills->turn.data = fills;
    fills->turn.log = cycle->log;

    ngx_queue_init(&fills->following);
    fills->flights = flights;

    if (flights
        && ngx_content_flights_start(flights, cycle, ngx_content_fills_follow,
                                     fills)
           != NGX_OK)
    {
        return NULL;
    }

    return fills;
}


ngx_uint_t
ngx_content_fills_now(ngx_content_fills_t *fills)
{
    return fills->begun;
}


ngx_content_fill_t *
ngx_content_fill_find(ngx_content_fills_t *fills, uint64_t store,
    const u_char *hash)
{
    ngx_queue_t         *q, *bucket;
    ngx_content_fill_t  *fill;

    bucket = &fills->buckets[hash[0] % NGX_CONTENT_FILL_BUCKETS];

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        fill = ngx_queue_data(q, ngx_content_fill_t, queue);

        if (fill->keep.lcf->store->id == store
            && ngx_memcmp(fill->hash, hash, CONTENT_KEY_HASH_LEN) == 0)
        {
            return fill;
        }
    }

    return NULL;
}


/* Redis takes nothing without a token; still one reading is enough. */

size_t
ngx_content_fill_max(ngx_content_keep_t *keep)
{
    size_t  max;

    max = ngx_content_keep_max(keep);

    return (keep->mcf->redis_client && keep->lcf->hot.enabled)
           ? ngx_max(max, keep->lcf->hot.size) : max;
}


ngx_content_fill_t *
ngx_content_fill_begin(ngx_content_fills_t *fills, ngx_content_keep_t *keep,
    const u_char *hash)
{
    ngx_content_fill_t  *fill, *other;

    if (fills->bytes >= NGX_CONTENT_FILL_BYTES) {
        return NULL;
    }

    fill = ngx_content_fill_create(fills, keep, hash);
    if (fill == NULL) {
        return NULL;
    }

    other = ngx_content_fill_find(fills, keep->lcf->store->id, hash);

    ngx_queue_insert_head(&fills->buckets[hash[0] % NGX_CONTENT_FILL_BUCKETS],
                          &fill->queue);
    fill->listed = 1;
    fill->users = 2;

    if (ngx_content_fill_has_to_wait(fill, other)) {
        fill->held = 1;
        ngx_add_timer(&fill->timer, NGX_CONTENT_FILL_HOLD);

    } else if (ngx_content_fill_enter(fill) == NGX_AGAIN) {
        ngx_content_fill_follow(fill);

    } else {
        ngx_content_fill_fetch(fill);
    }

    return ngx_content_fill_release(fill) ? fill : NULL;
}


/* It takes the token that keep has, if any. */

static ngx_content_fill_t *
ngx_content_fill_create(ngx_content_fills_t *fills, ngx_content_keep_t *keep,
    const u_char *hash)
{
    ngx_pool_t          *pool;
    ngx_content_fill_t  *fill;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    fill = ngx_pcalloc(pool, sizeof(ngx_content_fill_t));

    if (fill) {
        fill->keep = *keep;
        fill->keep.pool = pool;
        fill->keep.age = 0;
        fill->keep.key.data = ngx_pstrdup(pool, &keep->key);
    }

    if (fill == NULL || fill->keep.key.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    fill->pool = pool;
    fill->fills = fills;

    ngx_memcpy(fill->hash, hash, CONTENT_KEY_HASH_LEN);
    fill->max = ngx_content_fill_max(keep);
    fill->token = keep->token;
    fill->had_token = keep->has_token;
    keep->has_token = 0;

    ngx_queue_init(&fill->waiting);

    fill->timer.handler = ngx_content_fill_timer;
    fill->timer.data = fill;
    fill->timer.log = ngx_cycle->log;

    return fill;
}


/* Nobody who comes later could tell that it is recent enough. */

static ngx_uint_t
ngx_content_fill_has_to_wait(ngx_content_fill_t *fill,
    ngx_content_fill_t *other)
{
    ngx_content_main_conf_t  *mcf;

    mcf = fill->keep.mcf;

    return other != NULL && !fill->had_token
           && !(mcf->memory_zone && ngx_content_coherent(mcf)
                && ngx_content_keep_is_current(&fill->keep));
}


/* The turn of one that waits for its end. */

static void
ngx_content_fill_next(ngx_content_fill_t *ended)
{
    ngx_content_fill_t  *fill;

    fill = ngx_content_fill_find(ended->fills, ended->keep.lcf->store->id,
                                 ended->hash);
    if (fill && fill->held) {
        ngx_content_fill_go(fill);
    }
}


static void
ngx_content_fill_go(ngx_content_fill_t *fill)
{
    fill->held = 0;

    if (fill->timer.timer_set) {
        ngx_del_timer(&fill->timer);
    }

    if (ngx_queue_empty(&fill->waiting)) {   /* they have left */
        ngx_content_fill_end(fill, NGX_CONTENT_FILL_FAILED);
        return;
    }

    ngx_content_fill_fetch(fill);
}


static void
ngx_content_fill_timer(ngx_event_t *ev)
{
    ngx_content_fill_t  *fill;

    fill = ev->data;

    if (fill->held) {
        ngx_content_fill_go(fill);
        return;
    }

    if (fill->follows) {
        ngx_content_fill_alone(fill);
        return;
    }

    if (fill->fetch) {

        /* once: storage itself may be slow, and has its own time-out */

        if (fill->stalled || fill->tries >= NGX_CONTENT_FILL_TRIES) {
            return;
        }

        fill->stalled = 1;
        fill->keep.lcf->store->ops->cancel(fill->fetch);
        fill->fetch = NULL;
    }

    ngx_content_fill_fetch(fill);
}


/* Nobody can join it any more; who waits is told. */

void
ngx_content_fill_end(ngx_content_fill_t *fill, ngx_content_fill_state_e state)
{
    fill->state = state;

    /* storage that fails is left alone by refreshes while the token lives */

    if (fill->background && state == NGX_CONTENT_FILL_FAILED) {
        fill->keep.has_token = 0;
    }

    ngx_content_keep_give_back(&fill->keep);

    if (fill->flight.own) {
        ngx_content_flight_end(fill->fills->flights, &fill->flight, state,
                               fill->outcome);
    }

    if (fill->listed) {
        ngx_queue_remove(&fill->queue);
        fill->listed = 0;
    }

    ngx_content_fill_wake(fill);
    ngx_content_fill_next(fill);
    (void) ngx_content_fill_release(fill);
}


/* Waiting. */

void
ngx_content_fill_wait(ngx_content_fill_t *fill, ngx_content_fill_wait_t *wait)
{
    wait->fill = fill;
    fill->users++;

    ngx_memzero(&wait->event, sizeof(ngx_event_t));
    wait->event.handler = ngx_content_fill_woken;
    wait->event.data = wait;
    wait->event.log = ngx_cycle->log;

    ngx_queue_insert_tail(&fill->waiting, &wait->queue);
    ngx_post_event(&wait->event, &ngx_posted_events);
}


void
ngx_content_fill_ignore(ngx_content_fill_wait_t *wait)
{
    if (wait->fill == NULL) {
        return;
    }

    if (wait->event.posted) {
        ngx_delete_posted_event(&wait->event);
    }

    ngx_queue_remove(&wait->queue);
    ngx_queue_init(&wait->queue);
}


void
ngx_content_fill_leave(ngx_content_fill_wait_t *wait)
{
    ngx_content_fill_t  *fill;

    fill = wait->fill;

    if (fill == NULL) {
        return;
    }

    ngx_content_fill_ignore(wait);
    wait->fill = NULL;

    (void) ngx_content_fill_release(fill);
}


/* Each by an event of its own: a handler may end requests, and so others. */

void
ngx_content_fill_wake(ngx_content_fill_t *fill)
{
    ngx_queue_t              *q;
    ngx_content_fill_wait_t  *wait;

    for (q = ngx_queue_head(&fill->waiting);
         q != ngx_queue_sentinel(&fill->waiting);
         q = ngx_queue_next(q))
    {
        wait = ngx_queue_data(q, ngx_content_fill_wait_t, queue);
        ngx_post_event(&wait->event, &ngx_posted_events);
    }
}


void
ngx_content_fill_turn(ngx_content_fill_wait_t *wait)
{
    ngx_content_fills_t  *fills;

    fills = wait->fill->fills;

    ngx_post_event(&wait->event, &fills->turns);
    ngx_post_event(&fills->turn, &ngx_posted_next_events);
}


static void
ngx_content_fills_turn(ngx_event_t *ev)
{
    ngx_uint_t            n;
    ngx_event_t          *next;
    ngx_content_fills_t  *fills;

    fills = ev->data;

    for (n = NGX_CONTENT_FILL_TURNS; n && !ngx_queue_empty(&fills->turns); n--)
    {
        next = ngx_queue_data(ngx_queue_head(&fills->turns), ngx_event_t,
                              queue);
        ngx_delete_posted_event(next);
        next->handler(next);
    }

    if (!ngx_queue_empty(&fills->turns)) {
        ngx_post_event(&fills->turn, &ngx_posted_next_events);
    }
}


static void
ngx_content_fill_woken(ngx_event_t *ev)
{
    ngx_content_fill_wait_t  *wait;

    wait = ev->data;
    wait->handler(wait);
}


/* How many still use it; 0: it is gone. */

static ngx_uint_t
ngx_content_fill_release(ngx_content_fill_t *fill)
{
    if (--fill->users) {
        return fill->users;
    }

    if (fill->data) {
        fill->fills->bytes -= fill->object.size;

        if (!fill->in_flight) {
            ngx_free(fill->data);
        }
    }

    if (fill->flight.own) {
        ngx_content_flight_leave(fill->fills->flights, &fill->flight);
    }

    ngx_destroy_pool(fill->pool);

    return 0;
}
