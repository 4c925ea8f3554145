/*
 * The Redis client and its operations: see ngx_content_redis.h for what they
 * promise, ngx_content_redis_op.h for how one lives, ngx_content_redis_wire.h
 * for what they say to Redis, and ngx_content_redis_conn.h for the connection
 * below them.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "lib/content_str.h"
#include "cache/ngx_content_redis_op.h"


#define NGX_CONTENT_REDIS_FILLING  (4 * 1024 * 1024)  /* bytes under way */


static void ngx_content_redis_hand_out(ngx_content_redis_op_t *o,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);


ngx_content_redis_t *
ngx_content_redis_create(ngx_cycle_t *cycle, ngx_content_redis_conf_t *conf,
    ngx_content_redis_shared_t *shared)
{
    u_char                     random[NGX_CONTENT_REDIS_DIGITS / 2];
    ngx_uint_t                 i;
    content_out_t              out;
    ngx_content_redis_t       *redis;
    ngx_content_redis_conn_t  *conn;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_content_redis_t));

    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->shared = shared;
    redis->log = cycle->log;
    ngx_queue_init(&redis->spare);

    for (i = 0; i < NGX_CONTENT_REDIS_AWAITING; i++) {
        ngx_queue_init(&redis->awaiting[i]);
    }

    if (ngx_content_redis_key_of(redis, cycle->pool, "epoch", &redis->epoch)
        != NGX_OK
        || ngx_content_redis_key_of(redis, cycle->pool, "purges",
                                    &redis->purges)
           != NGX_OK
        || ngx_content_redis_key_of(redis, cycle->pool, "{fleet}:new",
                                    &redis->fresh)
           != NGX_OK
        || RAND_bytes(random, sizeof(random)) != 1)
    {
        return NULL;
    }

    if (ngx_content_redis_prepare(redis, cycle->pool) != NGX_OK) {
        return NULL;
    }

    content_out_init(&out, redis->draw, sizeof(redis->draw));
    content_out_hex(&out, random, sizeof(random));

    conn = &redis->conn;

    conn->redis = redis;
    ngx_queue_init(&conn->ops);

    conn->op_timer.handler = ngx_content_redis_op_timer;
    conn->op_timer.data = conn;
    conn->op_timer.log = cycle->log;

    ngx_content_redis_conn_open(conn);

    return redis;
}


ngx_int_t
ngx_content_redis_key_of(ngx_content_redis_t *redis, ngx_pool_t *pool,
    const char *name, ngx_str_t *key)
{
    key->data = ngx_pnalloc(pool, redis->conf->prefix.len
                                  + ngx_strlen(name));
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = ngx_sprintf(key->data, "%V%s", &redis->conf->prefix, name)
               - key->data;

    return NGX_OK;
}


void
ngx_content_redis_destroy(ngx_content_redis_t *redis)
{
    ngx_content_redis_conn_t  *conn;

    redis->closing = 1;
    conn = &redis->conn;

    ngx_content_redis_conn_close(conn);

    if (conn->copy.table) {
        ngx_free(conn->copy.table);
        conn->copy.table = NULL;
    }

    if (conn->op_timer.timer_set) {
        ngx_del_timer(&conn->op_timer);
    }

    ngx_content_redis_op_free_spare(redis);
}


ngx_uint_t
ngx_content_redis_ready(ngx_content_redis_t *redis)
{
    return ngx_content_redis_conn_usable(&redis->conn)
           && redis->shared->dirty == redis->shared->settled;
}


ngx_uint_t
ngx_content_redis_starting(ngx_content_redis_t *redis)
{
    ngx_content_redis_conn_t  *conn;

    conn = &redis->conn;

    return conn->hc && !conn->ready && !conn->used && conn->failures == 0;
}


ngx_int_t
ngx_content_redis_lookup(ngx_content_redis_t *redis, u_char *name,
    ngx_uint_t want, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    (void) ngx_atomic_fetch_add(&redis->shared->lookups, 1);

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_LOOKUP, name);

    if (o == NULL) {
        goto away;
    }

    if (o->dirty != redis->shared->settled) {
        ngx_content_redis_start_settling(o->conn);
        ngx_content_redis_op_free(o);
        goto away;
    }

    o->handler = handler;
    o->data = data;
    o->want_token = (want & NGX_CONTENT_REDIS_WANT_TOKEN) != 0;
    o->leave_word = (want & NGX_CONTENT_REDIS_LEAVE_WORD) != 0;

    if (ngx_content_redis_sent(o, ngx_content_redis_send_lookup(o))
        != NGX_OK)
    {
        goto away;
    }

    *op = o;

    return NGX_OK;

away:

    (void) ngx_atomic_fetch_add(&redis->shared->away, 1);

    return NGX_DECLINED;
}


ngx_int_t
ngx_content_redis_claim(ngx_content_redis_t *redis, u_char *name,
    ngx_uint_t want, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_LOOKUP, name);

    if (o == NULL) {
        return NGX_DECLINED;
    }

    o->handler = handler;
    o->data = data;
    o->want_token = 1;
    o->leave_word = (want & NGX_CONTENT_REDIS_LEAVE_WORD) != 0;
    o->claiming = 1;
    o->replacing = 1;
    ngx_content_redis_new_id(redis, o->token.id);

    if (ngx_content_redis_sent(o, ngx_content_redis_send_claim(o, 0))
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *op = o;

    return NGX_OK;
}


void
ngx_content_redis_fill(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl)
{
    ngx_content_redis_op_t  *op;

    op = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_FILL, name);

    if (op == NULL) {
        goto refused;
    }

    if (op->conn->filling + record->len > NGX_CONTENT_REDIS_FILLING) {
        ngx_content_redis_op_free(op);
        ngx_content_redis_give_back(redis, name, token);
        goto refused;
    }

    if (ngx_content_redis_sent(op, ngx_content_redis_send_fill(op, token,
                                                               record, ttl))
        != NGX_OK)
    {
        goto refused;
    }

    op->size = record->len;
    op->conn->filling += op->size;

    return;

refused:

    (void) ngx_atomic_fetch_add(&redis->shared->fills_refused, 1);
}


ngx_int_t
ngx_content_redis_end(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_END, name);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_send_end(o)) != NGX_OK)
    {
        (void) ngx_atomic_fetch_add(&redis->shared->ends_failed, 1);
        ngx_content_redis_unconfirmed(redis);

        return NGX_DECLINED;
    }

    ngx_content_redis_hand_out(o, handler, data, op);

    return NGX_OK;
}


/* It was sent; what comes of it is for the caller. */

static void
ngx_content_redis_hand_out(ngx_content_redis_op_t *o,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    o->handler = handler;
    o->data = data;

    if (op) {
        *op = o;
    }
}


ngx_int_t
ngx_content_redis_epoch(ngx_content_redis_t *redis,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_EPOCH_OP, NULL);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_send_epoch(o))
           != NGX_OK)
    {
        ngx_content_redis_unconfirmed(redis);

        return NGX_DECLINED;
    }

    ngx_content_redis_hand_out(o, handler, data, op);

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_purge(ngx_content_redis_t *redis, const uint32_t *places,
    ngx_uint_t n, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_PURGE_OP, NULL);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_send_purge(o, places,
                                                                  n))
           != NGX_OK)
    {
        ngx_content_redis_unconfirmed(redis);

        return NGX_DECLINED;
    }

    ngx_content_redis_hand_out(o, handler, data, op);

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_call(ngx_content_redis_t *redis, ngx_uint_t argc,
    ngx_str_t *argv, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    ngx_content_redis_op_t  *o;

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_CALL, NULL);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_command(o->conn,
                                        ngx_content_redis_reply, o, argc,
                                        argv))
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_content_redis_hand_out(o, handler, data, op);

    return NGX_OK;
}


void
ngx_content_redis_detach(ngx_content_redis_op_t *op)
{
    op->handler = NULL;
    op->data = NULL;
}


/* Without a usable connection the token is left to expire. */

void
ngx_content_redis_give_back(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token)
{
    ngx_content_redis_op_t  *op;

    op = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_GIVE_BACK, name);

    if (op) {
        (void) ngx_content_redis_sent(op,
                                 ngx_content_redis_send_give_back(op, token));
    }
}


void
ngx_content_redis_unconfirmed(ngx_content_redis_t *redis)
{
    ngx_content_redis_missed(redis->shared);
}


void
ngx_content_redis_missed(ngx_content_redis_shared_t *shared)
{
    (void) ngx_atomic_fetch_add(&shared->dirty, 1);
}


/* Unique: 16 digits of this worker, drawn when it began, and 16 that count. */

void
ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id)
{
    ngx_memcpy(id, redis->draw, NGX_CONTENT_REDIS_DIGITS);
    (void) ngx_sprintf(id + NGX_CONTENT_REDIS_DIGITS, "%016xL",
                       (int64_t) redis->serial++);
}
