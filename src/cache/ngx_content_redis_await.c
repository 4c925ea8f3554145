/*
 * Who waits for a record that somebody else fills: see
 * ngx_content_redis_await.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_await.h"
#include "cache/ngx_content_redis_conn.h"


static ngx_queue_t *ngx_content_redis_await_bucket(ngx_content_redis_t *redis,
    u_char *name);


ngx_int_t
ngx_content_redis_await(ngx_content_redis_t *redis,
    ngx_content_redis_await_t *await, u_char *name)
{
    if (redis->heard == NULL) {
        return NGX_DECLINED;
    }

    if (!await->waiting) {
        await->waiting = 1;
        await->name = name;
        ngx_queue_insert_tail(ngx_content_redis_await_bucket(redis, name),
                              &await->queue);
    }

    return NGX_OK;
}


static ngx_queue_t *
ngx_content_redis_await_bucket(ngx_content_redis_t *redis, u_char *name)
{
    uint32_t  hash;

    hash = ngx_murmur_hash2(name, NGX_CONTENT_REDIS_NAME);

    return &redis->awaiting[hash % NGX_CONTENT_REDIS_AWAITING];
}


void
ngx_content_redis_await_end(ngx_content_redis_await_t *await)
{
    if (!await->waiting) {
        return;
    }

    await->waiting = 0;
    ngx_queue_remove(&await->queue);

    if (await->event.posted) {
        ngx_delete_posted_event(&await->event);
    }
}


void
ngx_content_redis_await_channel(ngx_content_redis_t *redis,
    ngx_str_t *channel)
{
    redis->heard = channel;
}


void
ngx_content_redis_await_told(ngx_content_redis_t *redis, content_str_t text)
{
    u_char                     *name;
    ngx_queue_t                *bucket, *q;
    ngx_content_redis_await_t  *await;

    if (text.len != NGX_CONTENT_REDIS_NAME) {
        return;
    }

    name = (u_char *) text.data;
    bucket = ngx_content_redis_await_bucket(redis, name);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        await = ngx_queue_data(q, ngx_content_redis_await_t, queue);

        if (ngx_memcmp(await->name, name, NGX_CONTENT_REDIS_NAME) == 0) {
            ngx_post_event(&await->event, &ngx_posted_events);
        }
    }
}
