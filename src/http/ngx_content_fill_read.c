/*
 * What a fill reads from storage: the object, its bytes as they come, the end;
 * and another try where one was cut.
 */

#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_zones.h"


static ngx_int_t ngx_content_fill_head(ngx_content_fetch_t *fetch);
static ngx_int_t ngx_content_fill_room(ngx_content_fill_t *fill,
    content_str_t text);
static void ngx_content_fill_body(ngx_content_fetch_t *fetch, u_char *data,
    size_t len);
static void ngx_content_fill_fetched(ngx_content_task_t *task);
static void ngx_content_fill_judge(ngx_content_fill_t *fill, ngx_uint_t whole);
static ngx_int_t ngx_content_fill_again(ngx_content_fill_t *fill);
static void ngx_content_fill_whole(ngx_content_fill_t *fill);


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
    ngx_uint_t           whole;
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

    whole = (task->outcome == NGX_CONTENT_OK);
    fill->fetch = NULL;
    ngx_content_task_free(task);

    ngx_content_fill_judge(fill, whole);
}


/* All its bytes are there and more came: whole is 0, and who knows which. */

static void
ngx_content_fill_judge(ngx_content_fill_t *fill, ngx_uint_t whole)
{
    if (fill->state == NGX_CONTENT_FILL_LARGE) {
        ngx_content_fill_end(fill, NGX_CONTENT_FILL_LARGE);

    } else if (fill->state == NGX_CONTENT_FILL_COMING && whole
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


static void
ngx_content_fill_whole(ngx_content_fill_t *fill)
{
    content_str_t  body;

    body.data = fill->data;
    body.len = fill->received;

    ngx_content_keep_whole(&fill->keep, &fill->object, body);
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
