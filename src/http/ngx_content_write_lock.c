/*
 * The lock of a write with a condition, where storage can't look and write in
 * one step: the step LOCK of ngx_content_write.c.
 *
 * Every write with a condition takes it, even a PutObject that S3 itself
 * decides: or a DELETE could go in between its own look and its write.  Writes
 * without a condition don't: they say that they replace whatever is there, and
 * when they are ordered before one with a condition, it may replace them.
 */

#include "http/ngx_content_write.h"


static ngx_uint_t ngx_content_write_conditional(ngx_content_write_t *w);
static void ngx_content_write_locked(ngx_content_lock_t *lock);


ngx_int_t
ngx_content_write_lock_begin(ngx_content_write_t *w)
{
    u_char               name[NGX_CONTENT_REDIS_NAME];
    ngx_content_lock_t  *lock;

    if (!w->lcf->store->unguarded || w->mcf->redis_client == NULL
        || !ngx_content_write_conditional(w))
    {
        return NGX_OK;
    }

    lock = &w->lock;
    lock->redis = w->mcf->redis_client;
    lock->pool = w->pool;
    lock->done = ngx_content_write_locked;
    lock->data = w;

    ngx_content_redis_name(name, w->lcf->store->id, w->object.hash);

    if (ngx_content_lock(lock, name) != NGX_OK) {
        w->unlocked = 1;
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_content_write_conditional(ngx_content_write_t *w)
{
    ngx_content_conditions_t  *c;

    /* what has failed so far changes nothing */

    if (w->upload && w->upload->task.outcome != NGX_CONTENT_OK) {
        return 0;
    }

    c = w->upload ? &w->upload->conditions : &w->remove->conditions;

    return c->if_match.len || c->if_none_match || c->if_unmodified;
}


static void
ngx_content_write_locked(ngx_content_lock_t *lock)
{
    ngx_content_write_t  *w;

    w = lock->data;
    w->unlocked = !lock->held;

    ngx_content_write_go_on(w);
}
