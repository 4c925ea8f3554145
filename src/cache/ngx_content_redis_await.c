/*
 * Who waits for a record that somebody else fills: see
 * ngx_content_redis_await.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_await.h"
#include "cache/ngx_content_redis_conn.h"


ngx_int_t
ngx_content_redis_await(ngx_content_redis_t *redis,
    ngx_content_redis_await_t *await, u_char *name)
{
    if (redis->heard == NULL) {
        return NGX_DECLINED;
    }

    await->name = name;

    if (!await->waiting) {
        await->waiting = 1;
        ngx_queue_insert_tail(&redis->awaiting, &await->queue);
    }

    return NGX_OK;
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
    ngx_queue_t                *q;
    ngx_content_redis_await_t  *await;

    if (text.len != NGX_CONTENT_REDIS_NAME) {
        return;
    }

    for (q = ngx_queue_head(&redis->awaiting);
         q != ngx_queue_sentinel(&redis->awaiting);
         q = ngx_queue_next(q))
    {
        await = ngx_queue_data(q, ngx_content_redis_await_t, queue);

        if (ngx_memcmp(await->name, text.data, NGX_CONTENT_REDIS_NAME) == 0) {
            ngx_post_event(&await->event, &ngx_posted_events);
        }
    }
}
