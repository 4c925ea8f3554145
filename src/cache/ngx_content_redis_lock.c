/*
 * Locks of objects in Redis: see ngx_content_redis_lock.h.  Called by the
 * writes that carry conditions (http/ngx_content_write_lock.c).
 */

#include <ngx_config.h>
#include <hiredis/hiredis.h>
#include <openssl/rand.h>

#include "cache/ngx_content_redis_conn.h"
#include "cache/ngx_content_redis_lock.h"
#include "lib/content_str.h"


#define NGX_CONTENT_LOCK_PAUSE_MIN  10       /* ms */
#define NGX_CONTENT_LOCK_PAUSE_MAX  500


/* KEYS lock; ARGV value, milliseconds.  Returns 1: renewed, or 0: not ours. */

#define NGX_CONTENT_LOCK_SCRIPT_RENEW                                        \
    "if redis.call('GET', KEYS[1]) == ARGV[1] then\n"                        \
    "    return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"                   \
    "end\n"                                                                  \
    "return 0\n"

/* KEYS lock; ARGV value. */

#define NGX_CONTENT_LOCK_SCRIPT_UNLOCK                                       \
    "if redis.call('GET', KEYS[1]) == ARGV[1] then\n"                        \
    "    return redis.call('DEL', KEYS[1])\n"                                \
    "end\n"                                                                  \
    "return 0\n"


static ngx_int_t ngx_content_lock_name(ngx_content_lock_t *lock,
    u_char *name);
static ngx_int_t ngx_content_lock_ask(ngx_content_lock_t *lock);
static void ngx_content_lock_asked(ngx_content_redis_op_t *op);
static void ngx_content_lock_again(ngx_content_lock_t *lock);
static void ngx_content_lock_timer(ngx_event_t *ev);
static void ngx_content_lock_renew(ngx_content_lock_t *lock);
static void ngx_content_lock_renewed(ngx_content_redis_op_t *op);
static void ngx_content_lock_eval(ngx_content_lock_t *lock, ngx_str_t *argv,
    ngx_str_t *script);
static void ngx_content_lock_give_back(ngx_content_lock_t *lock);


ngx_int_t
ngx_content_lock(ngx_content_lock_t *lock, u_char name[NGX_CONTENT_REDIS_NAME])
{
    if (ngx_content_lock_name(lock, name) != NGX_OK) {
        return NGX_DECLINED;
    }

    lock->timer.handler = ngx_content_lock_timer;
    lock->timer.data = lock;
    lock->timer.log = ngx_cycle->log;

    lock->deadline = ngx_current_msec + NGX_CONTENT_LOCK_PATIENCE;
    lock->pause = NGX_CONTENT_LOCK_PAUSE_MIN;

    return ngx_content_lock_ask(lock);
}


/* P{H}:w, as the record of the object is P{H}:r */

static ngx_int_t
ngx_content_lock_name(ngx_content_lock_t *lock, u_char *name)
{
    u_char         random[NGX_CONTENT_LOCK_VALUE / 2];
    ngx_str_t     *prefix;
    content_out_t  out;

    prefix = &lock->redis->conf->prefix;

    lock->key.len = prefix->len + NGX_CONTENT_REDIS_NAME + sizeof("{}:w") - 1;
    lock->key.data = ngx_pnalloc(lock->pool, lock->key.len);

    if (lock->key.data == NULL || RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(lock->key.data, "%V{%*s}:w", prefix,
                       (size_t) NGX_CONTENT_REDIS_NAME, name);

    content_out_init(&out, lock->value, sizeof(lock->value));
    content_out_hex(&out, random, sizeof(random));

    return NGX_OK;
}


/* A worker takes requests before it has its connection to Redis. */

static ngx_int_t
ngx_content_lock_ask(ngx_content_lock_t *lock)
{
    u_char     ttl[NGX_INT_T_LEN];
    ngx_int_t  rc;
    ngx_str_t  argv[6];

    ngx_str_set(&argv[0], "SET");
    argv[1] = lock->key;
    argv[2].data = lock->value;
    argv[2].len = sizeof(lock->value);
    ngx_str_set(&argv[3], "NX");
    ngx_str_set(&argv[4], "PX");
    argv[5].data = ttl;
    argv[5].len = ngx_sprintf(ttl, "%d", NGX_CONTENT_LOCK_TTL) - ttl;

    rc = ngx_content_redis_call(lock->redis, 6, argv,
                                ngx_content_lock_asked, lock, &lock->op);

    if (rc != NGX_OK && ngx_content_redis_starting(lock->redis)) {
        ngx_add_timer(&lock->timer, NGX_CONTENT_LOCK_PAUSE_MIN);
        return NGX_OK;
    }

    return rc;
}


static void
ngx_content_lock_asked(ngx_content_redis_op_t *op)
{
    redisReply          *reply;
    ngx_content_lock_t  *lock;

    lock = op->data;
    lock->op = NULL;
    reply = op->reply;

    if (op->result != NGX_CONTENT_REDIS_DONE) {

        /* it may have been set all the same */

        ngx_content_lock_give_back(lock);
        lock->done(lock);
        return;
    }

    if (reply->type == REDIS_REPLY_NIL) {
        ngx_content_lock_again(lock);
        return;
    }

    lock->held = (reply->type == REDIS_REPLY_STATUS);

    if (lock->held) {
        ngx_add_timer(&lock->timer, NGX_CONTENT_LOCK_TTL / 3);
    }

    lock->done(lock);
}


static void
ngx_content_lock_again(ngx_content_lock_t *lock)
{
    ngx_msec_t  pause;

    if ((ngx_msec_int_t) (lock->deadline - ngx_current_msec) <= 0) {
        lock->busy = 1;
        lock->done(lock);
        return;
    }

    pause = lock->pause / 2 + ngx_random() % lock->pause;
    lock->pause = ngx_min(lock->pause * 2, NGX_CONTENT_LOCK_PAUSE_MAX);

    ngx_add_timer(&lock->timer, pause);
}


static void
ngx_content_lock_timer(ngx_event_t *ev)
{
    ngx_content_lock_t *lock = ev->data;

    if (lock->held) {
        ngx_content_lock_renew(lock);

    } else if (ngx_content_lock_ask(lock) != NGX_OK) {
        lock->done(lock);
    }
}


static void
ngx_content_lock_renew(ngx_content_lock_t *lock)
{
    u_char     ttl[NGX_INT_T_LEN];
    ngx_str_t  argv[6];

    static ngx_str_t  script = ngx_string(NGX_CONTENT_LOCK_SCRIPT_RENEW);

    ngx_content_lock_eval(lock, argv, &script);
    argv[5].data = ttl;
    argv[5].len = ngx_sprintf(ttl, "%d", NGX_CONTENT_LOCK_TTL) - ttl;

    ngx_add_timer(&lock->timer, NGX_CONTENT_LOCK_TTL / 3);

    if (lock->op == NULL) {
        (void) ngx_content_redis_call(lock->redis, 6, argv,
                                      ngx_content_lock_renewed, lock,
                                      &lock->op);
    }
}


/* What it protects is under way and can't be called back. */

static void
ngx_content_lock_renewed(ngx_content_redis_op_t *op)
{
    redisReply          *reply;
    ngx_content_lock_t  *lock;

    lock = op->data;
    lock->op = NULL;
    reply = op->reply;

    if (op->result == NGX_CONTENT_REDIS_DONE
        && reply->type == REDIS_REPLY_INTEGER && reply->integer == 0)
    {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: Redis has lost the lock of a write that is "
                      "under way");
    }
}


static void
ngx_content_lock_eval(ngx_content_lock_t *lock, ngx_str_t *argv,
    ngx_str_t *script)
{
    ngx_str_set(&argv[0], "EVAL");
    argv[1] = *script;
    ngx_str_set(&argv[2], "1");
    argv[3] = lock->key;
    argv[4].data = lock->value;
    argv[4].len = sizeof(lock->value);
}


void
ngx_content_unlock(ngx_content_lock_t *lock)
{
    if (!lock->held) {
        return;
    }

    ngx_content_lock_leave(lock);
    ngx_content_lock_give_back(lock);
}


static void
ngx_content_lock_give_back(ngx_content_lock_t *lock)
{
    ngx_str_t  argv[5];

    static ngx_str_t  script = ngx_string(NGX_CONTENT_LOCK_SCRIPT_UNLOCK);

    ngx_content_lock_eval(lock, argv, &script);

    (void) ngx_content_redis_call(lock->redis, 5, argv, NULL, NULL, NULL);
}


void
ngx_content_lock_leave(ngx_content_lock_t *lock)
{
    if (!lock->held) {
        return;
    }

    lock->held = 0;

    if (lock->timer.timer_set) {
        ngx_del_timer(&lock->timer);
    }

    if (lock->op) {
        ngx_content_redis_detach(lock->op);
        lock->op = NULL;
    }
}
