/*
 * A lock of one object in Redis, for what storage can't do in one step: a
 * look, and the write that depends on it.  All nodes on the same Redis have the
 * same locks.
 *
 * The lock is a key with a random value, set if it is not there (SET NX PX),
 * and deleted only by whoever knows the value.  It expires NGX_CONTENT_LOCK_TTL
 * after its holder has died, and is renewed until then.  Who finds it taken
 * asks again, after random times that grow, for NGX_CONTENT_LOCK_PATIENCE.
 *
 * It is as good as one Redis: a failover can lose it, and a holder that stands
 * still for longer than it lasts is not stopped by it.
 */

#ifndef NGX_CONTENT_REDIS_LOCK_H
#define NGX_CONTENT_REDIS_LOCK_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis.h"


#define NGX_CONTENT_LOCK_TTL       15000     /* ms */
#define NGX_CONTENT_LOCK_PATIENCE  10000     /* ms, together with retries */
#define NGX_CONTENT_LOCK_VALUE     32        /* digits */


typedef struct ngx_content_lock_s  ngx_content_lock_t;

typedef void (*ngx_content_lock_pt)(ngx_content_lock_t *lock);

/* Zeroed; the caller sets redis, pool, done and data.  Lives in pool. */

struct ngx_content_lock_s {
    ngx_content_redis_t       *redis;
    ngx_pool_t                *pool;         /* outlives the lock */
    ngx_content_lock_pt        done;
    void                      *data;

    unsigned                   held:1;       /* out */
    unsigned                   busy:1;       /* out: somebody else has it */

    /* its own */

    ngx_str_t                  key;
    u_char                     value[NGX_CONTENT_LOCK_VALUE];
    ngx_content_redis_op_t    *op;           /* under way, or NULL */
    ngx_event_t                timer;        /* to ask again, or to renew */
    ngx_msec_t                 deadline;
    ngx_msec_t                 pause;
};


/*
 * Asks for the lock of an object.  NGX_OK: done will be called once, from the
 * event loop: held, or not (Redis is away, or busy until the deadline);
 * NGX_DECLINED: Redis is away, or there is no memory, and done is not called.
 */
ngx_int_t ngx_content_lock(ngx_content_lock_t *lock,
    u_char name[NGX_CONTENT_REDIS_NAME]);

/*
 * For whoever holds it, or has it asked for no more.  unlock: others may take
 * it; leave: nobody may before it has expired, for what it protects may happen
 * yet.  Both do nothing if it is not held.
 */
void ngx_content_unlock(ngx_content_lock_t *lock);
void ngx_content_lock_leave(ngx_content_lock_t *lock);


#endif
