/*
 * A fill that follows another worker's: the object and its bytes come out of
 * shared memory (cache/ngx_content_flight.h) instead of from storage.  If the
 * other is gone, stands still or has no room for others to see, the fill reads
 * itself, from where the other was.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_zones.h"
#include "lib/content_rules.h"


static ngx_uint_t ngx_content_fill_may_follow(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep);
static ngx_int_t ngx_content_fill_learn(ngx_content_fill_t *fill,
    size_t size);
static ngx_int_t ngx_content_fill_gather(ngx_content_fill_t *fill,
    ngx_content_flight_view_t *view);
static void ngx_content_fill_unfollow(ngx_content_fill_t *fill);


ngx_int_t
ngx_content_fill_enter(ngx_content_fill_t *fill)
{
    ngx_int_t             rc;
    ngx_content_fills_t  *fills;

    fills = fill->fills;

    if (!ngx_content_fill_may_follow(fills, &fill->keep)) {
        return NGX_DECLINED;
    }

    rc = ngx_content_flight_enter(fills->flights, &fill->flight,
                                  fill->keep.lcf->store->id, fill->hash,
                                  fill->keep.fence);
    if (rc == NGX_AGAIN) {

        /* what is read there may be older than our token */

        ngx_content_keep_give_back(&fill->keep);

        fill->had_token = 0;
        fill->follows = 1;
        ngx_queue_insert_tail(&fills->following, &fill->following);
        ngx_add_timer(&fill->timer, NGX_CONTENT_FILL_STALL);

        ngx_content_count(&ngx_content_shared(fill->keep.mcf)->counters,
                          fills_followed);
    }

    return rc;
}


ngx_uint_t
ngx_content_fill_in_flight(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep, const u_char *hash)
{
    return ngx_content_fill_may_follow(fills, keep)
           && ngx_content_flight_there(fills->flights, keep->lcf->store->id,
                                       hash, keep->fence);
}


/*
 * A flight of the fence that the request took is as new as the request, if the
 * node was told of all writes until then.  That it is told now says so only if
 * the fence is the same now: it moves when a lease is lost and found again.
 */

static ngx_uint_t
ngx_content_fill_may_follow(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep)
{
    return fills->flights != NULL && ngx_content_coherent(keep->mcf)
           && (ngx_content_keep_is_current(keep)
               || !CONTENT_RULE_JOIN);
}


void
ngx_content_fills_follow(void *data)
{
    ngx_queue_t          *q, *next;
    ngx_content_fills_t  *fills = data;

    for (q = ngx_queue_head(&fills->following);
         q != ngx_queue_sentinel(&fills->following);
         q = next)
    {
        next = ngx_queue_next(q);
        ngx_content_fill_follow(ngx_queue_data(q, ngx_content_fill_t,
                                               following));
    }
}


/* Takes what has come meanwhile. */

void
ngx_content_fill_follow(ngx_content_fill_t *fill)
{
    ngx_content_flight_view_t  view;

    if (ngx_content_flight_look(fill->fills->flights, &fill->flight, &view)
        != NGX_OK
        || view.state == NGX_CONTENT_FLIGHT_GONE
        || ngx_content_fill_gather(fill, &view) != NGX_OK)
    {
        ngx_content_fill_alone(fill);
        return;
    }

    switch (view.state) {

    case NGX_CONTENT_FILL_FAILED:
        fill->outcome = view.outcome;
        ngx_str_set(&fill->cause, "another worker has told why");
        break;

    case NGX_CONTENT_FILL_DONE:
    case NGX_CONTENT_FILL_LARGE:
        break;

    default:
        ngx_content_fill_wake(fill);
        return;
    }

    ngx_content_fill_unfollow(fill);
    ngx_content_fill_end(fill, view.state);
}


static ngx_int_t
ngx_content_fill_gather(ngx_content_fill_t *fill,
    ngx_content_flight_view_t *view)
{
    size_t  len;

    if (view->head && fill->object.etag.len == 0
        && ngx_content_fill_learn(fill, view->head) != NGX_OK)
    {
        return NGX_ERROR;
    }

    len = view->received - fill->received;

    if (len == 0) {
        return NGX_OK;
    }

    if (fill->data == NULL
        || ngx_content_flight_copy(fill->fills->flights, &fill->flight,
                                   view->head + fill->received,
                                   fill->data + fill->received, len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    fill->received += len;
    ngx_add_timer(&fill->timer, NGX_CONTENT_FILL_STALL);

    return NGX_OK;
}


/* The object, from the record in flight. */

static ngx_int_t
ngx_content_fill_learn(ngx_content_fill_t *fill, size_t size)
{
    u_char            *buf;
    content_str_t      record, body;
    content_object_t   object;

    buf = ngx_pnalloc(fill->pool, size);

    if (buf == NULL
        || ngx_content_flight_copy(fill->fills->flights, &fill->flight, 0,
                                   buf, size)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    record.data = buf;
    record.len = size;

    if (content_record_decode(record, &object, &body, NULL) != CONTENT_OK) {
        return NGX_ERROR;
    }

    return ngx_content_fill_object(fill, &object);
}


void
ngx_content_fill_alone(ngx_content_fill_t *fill)
{
    ngx_content_fill_unfollow(fill);
    ngx_content_fill_fetch(fill);
}


static void
ngx_content_fill_unfollow(ngx_content_fill_t *fill)
{
    if (fill->timer.timer_set) {
        ngx_del_timer(&fill->timer);
    }

    ngx_queue_remove(&fill->following);
    fill->follows = 0;
    ngx_content_flight_leave(fill->fills->flights, &fill->flight);
}
