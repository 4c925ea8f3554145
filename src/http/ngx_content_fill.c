/* Fills of one worker: see ngx_content_fill.h. */

#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_zones.h"


static ngx_uint_t ngx_content_fill_has_to_wait(ngx_content_fill_t *fill,
    ngx_content_fill_t *other);
static void ngx_content_fill_next(ngx_content_fill_t *ended);
static void ngx_content_fill_go(ngx_content_fill_t *fill);
static ngx_int_t ngx_content_fill_head(ngx_content_fetch_t *fetch);
static ngx_int_t ngx_content_fill_room(ngx_content_fill_t *fill,
    content_str_t text);
static void ngx_content_fill_body(ngx_content_fetch_t *fetch, u_char *data,
    size_t len);
static void ngx_content_fill_fetched(ngx_content_task_t *task);
static void ngx_content_fill_judge(ngx_content_fill_t *fill);
static ngx_int_t ngx_content_fill_again(ngx_content_fill_t *fill);
static void ngx_content_fill_timer(ngx_event_t *ev);
static void ngx_content_fill_whole(ngx_content_fill_t *fill);
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
    ngx_pool_t          *pool;
    ngx_content_fill_t  *fill, *other;

    if (fills->bytes >= NGX_CONTENT_FILL_BYTES) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    fill = ngx_pcalloc(pool, sizeof(ngx_content_fill_t));

    if (fill == NULL) {
        goto failed;
    }

    fill->pool = pool;
    fill->fills = fills;
    fill->keep = *keep;
    fill->keep.pool = pool;
    fill->keep.age = 0;
    fill->keep.key.data = ngx_pstrdup(pool, &keep->key);

    if (fill->keep.key.data == NULL) {
        goto failed;
    }

    ngx_memcpy(fill->hash, hash, CONTENT_KEY_HASH_LEN);
    fill->max = ngx_content_fill_max(keep);
    fill->token = keep->token;
    fill->had_token = keep->has_token;
    keep->has_token = 0;

    ngx_queue_init(&fill->waiting);

    fill->timer.handler = ngx_content_fill_timer;
    fill->timer.data = fill;
    fill->timer.log = ngx_cycle->log;

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

failed:

    ngx_destroy_pool(pool);

    return NULL;
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


/* Reading. */

void
ngx_content_fill_fetch(ngx_content_fill_t *fill)
{
    ngx_content_fetch_t     *fetch;
    ngx_content_loc_conf_t  *lcf;

    lcf = fill->keep.lcf;
    fill->tries++;

    if (fill->state == NGX_CONTENT_FILL_ASKING) {
        fill->number = ++fill->fills->begun;
    }

    fetch = ngx_content_task_create(lcf->store, sizeof(ngx_content_fetch_t),
                                    &fill->keep.key, ngx_cycle->log);
    if (fetch == NULL) {
        fill->outcome = NGX_CONTENT_FAILED;
        ngx_str_set(&fill->cause, "no memory");
        ngx_content_fill_end(fill, NGX_CONTENT_FILL_FAILED);
        return;
    }

    fetch->task.done = ngx_content_fill_fetched;
    fetch->task.data = fill;
    fetch->head = ngx_content_fill_head;
    fetch->body = ngx_content_fill_body;

    if (fill->state == NGX_CONTENT_FILL_COMING) {
        fetch->if_match = ngx_content_to_ngx(fill->object.etag);
        fetch->offset = fill->received;
    }

    fill->fetch = fetch;

    ngx_content_count(&ngx_content_shared(fill->keep.mcf)->counters,
                      store_reads);
    ngx_add_timer(&fill->timer, NGX_CONTENT_FILL_STALL);

    lcf->store->ops->fetch(fetch);
}


static ngx_int_t
ngx_content_fill_head(ngx_content_fetch_t *fetch)
{
    ngx_content_fill_t  *fill;

    fill = fetch->task.data;

    if (fill->state == NGX_CONTENT_FILL_COMING) {

        /* goes on where another was cut: with these bytes only */

        if (content_str_eq(fetch->object.etag, fill->object.etag)
            && fetch->object.size == fill->object.size)
        {
            return NGX_OK;
        }

        fill->tries = NGX_CONTENT_FILL_TRIES;
        return NGX_DECLINED;
    }

    if (ngx_content_fill_object(fill, &fetch->object) != NGX_OK) {
        fill->outcome = NGX_CONTENT_FAILED;
        ngx_str_set(&fill->cause, "no memory");
        return NGX_DECLINED;
    }

    ngx_content_fill_wake(fill);

    return fill->data ? NGX_OK : NGX_DECLINED;
}


/* Takes the object over; without data: LARGE. */

ngx_int_t
ngx_content_fill_object(ngx_content_fill_t *fill, content_object_t *object)
{
    size_t         size;
    u_char        *buf;
    content_out_t  out;
    content_str_t  body;

    /* a copy of all strings: by way of the record */

    size = content_record_size(object);
    buf = ngx_pnalloc(fill->pool, size);

    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);

    if (content_record_encode(&out, object, NULL) != CONTENT_OK
        || content_record_decode(content_out_done(&out), &fill->object, &body,
                                 NULL)
           != CONTENT_OK)
    {
        return NGX_ERROR;
    }

    return ngx_content_fill_room(fill, content_out_done(&out));
}


/* For its bytes, where other workers see them if possible. */

static ngx_int_t
ngx_content_fill_room(ngx_content_fill_t *fill, content_str_t text)
{
    size_t      size;
    ngx_str_t   record;
    ngx_uint_t  large;

    size = fill->object.size;
    record = ngx_content_to_ngx(text);

    large = (size > fill->max
             || fill->fills->bytes + size > NGX_CONTENT_FILL_BYTES);

    fill->state = large ? NGX_CONTENT_FILL_LARGE : NGX_CONTENT_FILL_COMING;

    if (fill->flight.own) {
        fill->data = ngx_content_flight_room(fill->fills->flights,
                                             &fill->flight, fill->state,
                                             &record, large ? 0 : size);
        fill->in_flight = (fill->data != NULL && !large);
    }

    if (large) {
        fill->data = NULL;

        if (!fill->follows) {
            ngx_content_keep_metadata(&fill->keep, &fill->object);
        }

        return NGX_OK;
    }

    if (fill->data == NULL) {
        fill->data = ngx_alloc(size + 1, ngx_cycle->log);
    }

    if (fill->data == NULL) {
        fill->state = NGX_CONTENT_FILL_LARGE;
        return NGX_OK;
    }

    fill->fills->bytes += size;

    return NGX_OK;
}


static void
ngx_content_fill_body(ngx_content_fetch_t *fetch, u_char *data, size_t len)
{
    ngx_content_fill_t  *fill;

    fill = fetch->task.data;

    len = ngx_min(len, (size_t) fill->object.size - fill->received);

    ngx_memcpy(fill->data + fill->received, data, len);
    fill->received += len;

    if (fill->in_flight) {
        ngx_content_flight_move(fill->fills->flights, &fill->flight,
                                fill->received);
    }

    ngx_add_timer(&fill->timer, NGX_CONTENT_FILL_STALL);
    ngx_content_fill_wake(fill);
}


static void
ngx_content_fill_fetched(ngx_content_task_t *task)
{
    ngx_content_fill_t  *fill;

    fill = task->data;

    if (fill->timer.timer_set) {
        ngx_del_timer(&fill->timer);
    }

    if (task->outcome != NGX_CONTENT_OK) {
        fill->outcome = task->outcome;
        fill->cause.len = task->cause.len;
        fill->cause.data = ngx_pstrdup(fill->pool, &task->cause);

        if (fill->cause.data == NULL) {
            fill->cause.len = 0;
        }

        if (fill->fetch->again && ngx_content_fill_again(fill) == NGX_OK) {
            return;
        }
    }

    fill->fetch = NULL;
    ngx_content_task_free(task);

    ngx_content_fill_judge(fill);
}


static void
ngx_content_fill_judge(ngx_content_fill_t *fill)
{
    if (fill->state == NGX_CONTENT_FILL_LARGE) {
        ngx_content_fill_end(fill, NGX_CONTENT_FILL_LARGE);

    } else if (fill->state == NGX_CONTENT_FILL_COMING
               && fill->received == (size_t) fill->object.size)
    {
        ngx_content_fill_whole(fill);
        ngx_content_fill_end(fill, NGX_CONTENT_FILL_DONE);

    } else {

        if (fill->outcome == NGX_CONTENT_OK
            || fill->outcome == NGX_CONTENT_PRECONDITION)
        {
            fill->outcome = NGX_CONTENT_BROKEN;
            ngx_str_set(&fill->cause, "the object has changed meanwhile");
        }

        if (fill->outcome == NGX_CONTENT_ABSENT) {
            ngx_content_keep_absent(&fill->keep);

        } else {
            ngx_content_count(
                        &ngx_content_shared(fill->keep.mcf)->counters,
                        store_faults);
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "content: reading \"%V\" failed: %V",
                          &fill->keep.key, &fill->cause);
        }

        ngx_content_fill_end(fill, NGX_CONTENT_FILL_FAILED);
    }
}


/* The reading has failed or stands still: another, after a short time. */

static ngx_int_t
ngx_content_fill_again(ngx_content_fill_t *fill)
{
    if (fill->tries >= NGX_CONTENT_FILL_TRIES || ngx_exiting) {
        return NGX_DECLINED;
    }

    ngx_content_task_free(&fill->fetch->task);
    fill->fetch = NULL;

    ngx_add_timer(&fill->timer, 20 + ngx_random() % (60 * fill->tries));

    return NGX_OK;
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


static void
ngx_content_fill_whole(ngx_content_fill_t *fill)
{
    content_str_t  body;

    body.data = fill->data;
    body.len = fill->received;

    ngx_content_keep_whole(&fill->keep, &fill->object, body);
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
