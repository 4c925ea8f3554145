/*
 * Requests of this worker that wait for a record which somebody else, another
 * worker or another node, is about to put into Redis.  They leave word there
 * (ngx_content_redis_lookup()), and are woken when the filler has put the
 * record, or has given up:
 *
 *     ngx_content_redis_await(redis, &get->await, get->name);
 *     ... a look-up that leaves word has ended BUSY: wait for the event ...
 *     ngx_content_redis_await_end(&get->await);
 *
 * The filler's script in Redis publishes on the channel of each worker that
 * has left word; the worker's subscription (ngx_content_fleet_link.h) hears
 * it.  A message can be lost, and a filler can die: who waits has a timer, too.
 * To be woken says nothing of the record: it has to be asked for again.
 */

#ifndef NGX_CONTENT_REDIS_AWAIT_H
#define NGX_CONTENT_REDIS_AWAIT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis.h"


typedef struct {
    ngx_event_t   event;                     /* posted: handler, data and log
                                                are the caller's */
    ngx_queue_t   queue;
    u_char       *name;                      /* the caller's, and the same while
                                                it waits */
    unsigned      waiting:1;
} ngx_content_redis_await_t;


/*
 * From now on what is told of the object is heard; before word is left.
 * NGX_DECLINED: this worker hears nothing now.
 */
ngx_int_t ngx_content_redis_await(ngx_content_redis_t *redis,
    ngx_content_redis_await_t *await, u_char *name);

/* The event comes no more.  await may be zeroed memory. */
void ngx_content_redis_await_end(ngx_content_redis_await_t *await);

/* For the subscription: the channel that is heard; NULL: none. */
void ngx_content_redis_await_channel(ngx_content_redis_t *redis,
    ngx_str_t *channel);

/* ... and what it has heard: text is an object's name, or nothing of ours. */
void ngx_content_redis_await_told(ngx_content_redis_t *redis,
    content_str_t text);


#endif
