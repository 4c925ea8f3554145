/*
 * The lock of a write with a condition, where storage can't look and write in
 * one step: for the steps LOCK of ngx_content_write.c and ngx_content_copy.c.
 *
 * Every write with a condition takes it, even a PutObject that S3 itself
 * decides: or a DELETE could go in between its own look and its write.  Writes
 * without a condition don't: they say that they replace whatever is there, and
 * when they are ordered before one with a condition, it may replace them.
 */

#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"


static void ngx_content_write_locked(ngx_content_lock_t *lock);


ngx_int_t
ngx_content_write_lock_begin(ngx_content_write_t *w)
{
    ngx_int_t                  rc;
    ngx_content_conditions_t  *conditions;

    /* what has failed so far changes nothing */

    if (w->upload && w->upload->task.outcome != NGX_CONTENT_OK) {
        return NGX_OK;
    }

    conditions = w->upload ? &w->upload->conditions : &w->remove->conditions;

    w->lock.pool = w->pool;
    w->lock.done = ngx_content_write_locked;
    w->lock.data = w;

    rc = ngx_content_conditions_lock(&w->lock, w->mcf, w->lcf, w->object.hash,
                                     conditions);

    if (rc == NGX_DECLINED) {
        w->unlocked = 1;
        return NGX_OK;
    }

    return rc;
}


static void
ngx_content_write_locked(ngx_content_lock_t *lock)
{
    ngx_content_write_t  *w;

    w = lock->data;
    w->unlocked = !lock->held;

    ngx_content_write_go_on(w);
}


ngx_int_t
ngx_content_conditions_lock(ngx_content_lock_t *lock,
    ngx_content_main_conf_t *mcf, ngx_content_loc_conf_t *lcf, u_char *hash,
    const ngx_content_conditions_t *conditions)
{
    u_char  name[NGX_CONTENT_REDIS_NAME];

    if (!lcf->store->unguarded || mcf->redis_client == NULL) {
        return NGX_OK;
    }

    if (conditions->if_match.len == 0 && !conditions->if_none_match
        && !conditions->if_unmodified)
    {
        return NGX_OK;
    }

    lock->redis = mcf->redis_client;
    ngx_content_redis_name(name, lcf->store->id, hash);

    return ngx_content_lock(lock, name) == NGX_OK ? NGX_AGAIN : NGX_DECLINED;
}


/* UNAVAILABLE is an answer: S3 has done nothing, and will not. */

void
ngx_content_lock_failed(ngx_content_lock_t *lock,
    ngx_content_outcome_e outcome)
{
    if (outcome != NGX_CONTENT_UNAVAILABLE) {
        ngx_content_lock_leave(lock);
    }
}


ngx_int_t
ngx_content_lock_problem(ngx_http_request_t *r, const ngx_content_lock_t *lock)
{
    return ngx_content_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                    lock->busy
                    ? "another write of this object with a condition is under "
                      "way; nothing was changed"
                    : "Redis, which orders writes with conditions, can't be "
                      "reached; nothing was changed");
}
