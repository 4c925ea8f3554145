/*
 * The operations of the Redis client: see ngx_content_redis.h for what they
 * promise, ngx_content_redis_wire.h for what they say to Redis, and
 * ngx_content_redis_conn.h for the connection below them.
 *
 * An operation is sent when it is made, or declined; nothing is ever queued
 * for a connection to come.  It stands in its connection's queue in the order
 * of sending, which is that of the deadlines, until finish() runs its handler:
 * by its reply, by the loss of the connection, or by the timer.  In the last
 * case it stays allocated (late) until hiredis has called back for it, which
 * it does for everything that was sent, with NULL at the end of a connection.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "lib/content_str.h"
#include "cache/ngx_content_redis_wire.h"


#define NGX_CONTENT_REDIS_FILLING  (4 * 1024 * 1024)  /* bytes under way */


typedef enum {
    NGX_CONTENT_REDIS_LOOKUP = 0,
    NGX_CONTENT_REDIS_FILL,
    NGX_CONTENT_REDIS_GIVE_BACK,
    NGX_CONTENT_REDIS_END,
    NGX_CONTENT_REDIS_PURGE_OP,
    NGX_CONTENT_REDIS_EPOCH_OP,
    NGX_CONTENT_REDIS_SETTLE,             /* an epoch that nobody asked for */
    NGX_CONTENT_REDIS_CALL                /* a command of the caller's */
} ngx_content_redis_kind_e;


typedef ngx_int_t (*ngx_content_redis_take_pt)(ngx_content_redis_op_t *op,
    redisReply *reply);


typedef struct {
    const char                 *name;
    ngx_content_redis_take_pt   take;
} ngx_content_redis_kind_t;


static void ngx_content_redis_release(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token);
static void ngx_content_redis_start_settling(ngx_content_redis_conn_t *conn);
static void ngx_content_redis_unconfirmed(ngx_content_redis_t *redis);
static void ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id);

static ngx_content_redis_op_t *ngx_content_redis_begin(
    ngx_content_redis_t *redis, ngx_uint_t kind, u_char *name);
static ngx_content_redis_op_t *ngx_content_redis_op_create(
    ngx_content_redis_conn_t *conn, ngx_uint_t kind);
static ngx_int_t ngx_content_redis_sent(ngx_content_redis_op_t *op,
    ngx_int_t rc);
static ngx_int_t ngx_content_redis_result(redisAsyncContext *ac,
    ngx_content_redis_op_t *op, redisReply *reply);
static ngx_int_t ngx_content_redis_believe(ngx_content_redis_op_t *op,
    ngx_int_t result);
static ngx_int_t ngx_content_redis_error(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_claim_next(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_redis_look_again(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_redis_noscript(ngx_content_redis_op_t *op);
static void ngx_content_redis_finish(ngx_content_redis_op_t *op,
    ngx_int_t result);
static void ngx_content_redis_count(ngx_content_redis_op_t *op);
static void ngx_content_redis_op_timer(ngx_event_t *ev);


static ngx_content_redis_kind_t  ngx_content_redis_kinds[] = {
    { "lookup",    ngx_content_redis_take_lookup },
    { "fill",      ngx_content_redis_take_fill },
    { "give back", ngx_content_redis_take_fill },
    { "end",       ngx_content_redis_take_end },
    { "purge",     ngx_content_redis_take_purge },
    { "epoch",     ngx_content_redis_take_epoch },
    { "settle",    ngx_content_redis_take_epoch },
    { "call",      ngx_content_redis_take_call }
};


/*
 * Error replies of a server that can't be worked with until something changes
 * there.  Redis before 7 puts them inside of a longer text when the command
 * was a script's.
 */

static const char  *ngx_content_redis_fatal[] = {
    "READONLY", "NOREPLICAS", "MISCONF", "LOADING", "MASTERDOWN", "NOAUTH",
    "NOPERM", NULL
};


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

    for (i = 0; i < NGX_CONTENT_REDIS_CONNS; i++) {
        conn = &redis->conns[i];

        conn->redis = redis;
        ngx_queue_init(&conn->ops);

        conn->op_timer.handler = ngx_content_redis_op_timer;
        conn->op_timer.data = conn;
        conn->op_timer.log = cycle->log;

        ngx_content_redis_conn_open(conn);
    }

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
    ngx_uint_t                 i;
    ngx_content_redis_conn_t  *conn;

    redis->closing = 1;

    for (i = 0; i < NGX_CONTENT_REDIS_CONNS; i++) {
        conn = &redis->conns[i];

        ngx_content_redis_conn_close(conn);

        if (conn->copy.table) {
            ngx_free(conn->copy.table);
            conn->copy.table = NULL;
        }

        if (conn->op_timer.timer_set) {
            ngx_del_timer(&conn->op_timer);
        }
    }
}


ngx_uint_t
ngx_content_redis_ready(ngx_content_redis_t *redis)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_REDIS_CONNS; i++) {
        if (!ngx_content_redis_conn_usable(&redis->conns[i])) {
            return 0;
        }
    }

    return !ngx_content_redis_dirty(redis->shared);
}


ngx_uint_t
ngx_content_redis_dirty(ngx_content_redis_shared_t *shared)
{
    return shared->dirty != shared->settled;
}


ngx_int_t
ngx_content_redis_lookup(ngx_content_redis_t *redis, u_char *name,
    ngx_uint_t want_token, ngx_content_redis_handler_pt handler, void *data,
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
        ngx_free(o);
        goto away;
    }

    o->handler = handler;
    o->data = data;
    o->want_token = want_token != 0;

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
    ngx_content_redis_handler_pt handler, void *data,
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
        ngx_free(op);
        ngx_content_redis_release(redis, name, token);
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


void
ngx_content_redis_give_back(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token)
{
    ngx_content_redis_release(redis, name, token);
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

    o->handler = handler;
    o->data = data;

    if (op) {
        *op = o;
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_epoch(ngx_content_redis_t *redis,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                   name[NGX_CONTENT_REDIS_NAME];
    ngx_content_redis_op_t  *o;

    ngx_memzero(name, sizeof(name));

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_EPOCH_OP, name);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_send_epoch(o))
           != NGX_OK)
    {
        ngx_content_redis_unconfirmed(redis);

        return NGX_DECLINED;
    }

    o->handler = handler;
    o->data = data;

    if (op) {
        *op = o;
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_purge(ngx_content_redis_t *redis, const uint32_t *places,
    ngx_uint_t n, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                   name[NGX_CONTENT_REDIS_NAME];
    ngx_content_redis_op_t  *o;

    ngx_memzero(name, sizeof(name));

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_PURGE_OP, name);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_send_purge(o, places,
                                                                  n))
           != NGX_OK)
    {
        ngx_content_redis_unconfirmed(redis);

        return NGX_DECLINED;
    }

    o->handler = handler;
    o->data = data;

    if (op) {
        *op = o;
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_call(ngx_content_redis_t *redis, ngx_uint_t argc,
    ngx_str_t *argv, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                   name[NGX_CONTENT_REDIS_NAME];
    ngx_content_redis_op_t  *o;

    ngx_memzero(name, sizeof(name));

    o = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_CALL, name);

    if (o == NULL
        || ngx_content_redis_sent(o, ngx_content_redis_command(o->conn,
                                        ngx_content_redis_reply, o, argc,
                                        argv))
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    o->handler = handler;
    o->data = data;

    if (op) {
        *op = o;
    }

    return NGX_OK;
}


void
ngx_content_redis_detach(ngx_content_redis_op_t *op)
{
    op->handler = NULL;
    op->data = NULL;
}


/* Without a usable connection the token is left to expire. */

static void
ngx_content_redis_release(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token)
{
    ngx_content_redis_op_t  *op;

    op = ngx_content_redis_begin(redis, NGX_CONTENT_REDIS_GIVE_BACK, name);

    if (op) {
        (void) ngx_content_redis_sent(op,
                                 ngx_content_redis_send_give_back(op, token));
    }
}


/* The node is dirty, or has no epoch, and this worker can do about it. */

static void
ngx_content_redis_start_settling(ngx_content_redis_conn_t *conn)
{
    ngx_content_redis_op_t  *op;

    if (conn->settling) {
        return;
    }

    op = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_SETTLE);

    if (op == NULL
        || ngx_content_redis_sent(op, ngx_content_redis_send_epoch(op))
           != NGX_OK)
    {
        return;
    }

    conn->settling = 1;
}


static void
ngx_content_redis_unconfirmed(ngx_content_redis_t *redis)
{
    (void) ngx_atomic_fetch_add(&redis->shared->dirty, 1);
}


/* Unique: 16 digits of this worker, drawn when it began, and 16 that count. */

static void
ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id)
{
    ngx_memcpy(id, redis->draw, NGX_CONTENT_REDIS_DIGITS);
    (void) ngx_sprintf(id + NGX_CONTENT_REDIS_DIGITS, "%016xL",
                       (int64_t) redis->serial++);
}


/* A new operation, not sent yet; NULL: no usable connection, no memory. */

static ngx_content_redis_op_t *
ngx_content_redis_begin(ngx_content_redis_t *redis, ngx_uint_t kind,
    u_char *name)
{
    ngx_content_redis_op_t    *op;
    ngx_content_redis_conn_t  *conn;

    conn = &redis->conns[name[0] % NGX_CONTENT_REDIS_CONNS];

    if (!ngx_content_redis_conn_usable(conn)) {
        return NULL;
    }

    op = ngx_content_redis_op_create(conn, kind);

    if (op) {
        ngx_memcpy(op->name, name, NGX_CONTENT_REDIS_NAME);
    }

    return op;
}


static ngx_content_redis_op_t *
ngx_content_redis_op_create(ngx_content_redis_conn_t *conn, ngx_uint_t kind)
{
    ngx_content_redis_op_t  *op;

    op = ngx_calloc(sizeof(ngx_content_redis_op_t), conn->redis->log);

    if (op) {
        op->conn = conn;
        op->kind = kind;
        op->dirty = conn->redis->shared->dirty;
    }

    return op;
}


/*
 * With what sending it returned: puts op in the queue, or frees it.
 *
 * The timer is not moved with each operation: it fires a time-out after the
 * first one and then looks for who is the oldest.  While it stands for an
 * operation it keeps an exiting worker alive.
 */

static ngx_int_t
ngx_content_redis_sent(ngx_content_redis_op_t *op, ngx_int_t rc)
{
    ngx_msec_t                 timeout;
    ngx_content_redis_conn_t  *conn;

    if (rc != NGX_OK) {
        ngx_free(op);
        return NGX_ERROR;
    }

    conn = op->conn;
    timeout = conn->redis->conf->timeout;

    if (ngx_queue_empty(&conn->ops)) {
        conn->heard = ngx_current_msec;
        conn->op_timer.cancelable = 0;
    }

    op->deadline = ngx_current_msec + timeout;
    ngx_queue_insert_tail(&conn->ops, &op->queue);

    if (!conn->op_timer.timer_set) {
        ngx_add_timer(&conn->op_timer, timeout);
    }

    return NGX_OK;
}


/* The callback of everything but the handshake; NULL: the connection ends. */

void
ngx_content_redis_reply(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_content_redis_op_t  *op = data;

    ngx_int_t  rc;

    rc = ngx_content_redis_result(ac, op, reply);

    if (rc == NGX_AGAIN) {
        return;
    }

    op->conn->filling -= op->size;

    if (!op->late) {
        ngx_content_redis_finish(op, rc);

    } else if (rc == NGX_CONTENT_REDIS_TOKEN) {
        ngx_content_redis_release(op->conn->redis, op->name, &op->token);
    }

    ngx_free(op);
}


/* A result, or NGX_AGAIN: the operation was sent once more. */

static ngx_int_t
ngx_content_redis_result(redisAsyncContext *ac, ngx_content_redis_op_t *op,
    redisReply *reply)
{
    ngx_int_t                  rc;
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    if (reply == NULL) {
        ngx_content_redis_conn_gone(conn, ac);
        return NGX_CONTENT_REDIS_AWAY;
    }

    conn->heard = ngx_current_msec;

    if (ngx_content_hiredis_stray(ac)) {
        rc = NGX_ERROR;

    } else if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_content_redis_error(op, reply);

    } else {
        rc = ngx_content_redis_kinds[op->kind].take(op, reply);
    }

    if (rc == NGX_ERROR) {
        ngx_content_redis_conn_complain(conn, reply,
                                     ngx_content_redis_kinds[op->kind].name);
        ngx_content_redis_conn_drop(conn, "it does not speak as expected");
        return NGX_CONTENT_REDIS_AWAY;
    }

    rc = ngx_content_redis_believe(op, rc);

    switch (rc) {

    case NGX_CONTENT_REDIS_NONE:
        return ngx_content_redis_claim_next(op);

    case NGX_CONTENT_REDIS_UNSURE:
        return ngx_content_redis_look_again(op);

    default:
        return rc;
    }
}


/*
 * A record is not believed when an end() failed in this node, and nothing is
 * when the node went over to another server, since the command was sent.
 */

static ngx_int_t
ngx_content_redis_believe(ngx_content_redis_op_t *op, ngx_int_t result)
{
    ngx_content_redis_shared_t  *shared;

    shared = op->conn->redis->shared;

    if (result == NGX_CONTENT_REDIS_LOST) {
        ngx_content_redis_start_settling(op->conn);
        return NGX_CONTENT_REDIS_AWAY;
    }

    if (!ngx_content_redis_conn_current(op->conn)) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    if (result == NGX_CONTENT_REDIS_HIT && shared->dirty != op->dirty) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    if (op->kind == NGX_CONTENT_REDIS_EPOCH_OP
        || op->kind == NGX_CONTENT_REDIS_SETTLE)
    {
        ngx_content_redis_settle(shared, op->dirty);
    }

    return result;
}


static ngx_int_t
ngx_content_redis_error(ngx_content_redis_op_t *op, redisReply *reply)
{
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    if (ngx_strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        return ngx_content_redis_noscript(op);
    }

    ngx_content_redis_refused(conn, reply,
                              ngx_content_redis_kinds[op->kind].name);

    if (op->kind == NGX_CONTENT_REDIS_SETTLE) {
        ngx_content_redis_conn_drop(conn, "no new epoch");
    }

    return NGX_CONTENT_REDIS_AWAY;
}


void
ngx_content_redis_refused(ngx_content_redis_conn_t *conn, redisReply *reply,
    const char *what)
{
    ngx_uint_t  i;

    ngx_content_redis_conn_complain(conn, reply, what);

    for (i = 0; ngx_content_redis_fatal[i]; i++) {
        if (ngx_strstr(reply->str, ngx_content_redis_fatal[i])) {
            ngx_content_redis_conn_drop(conn, ngx_content_redis_fatal[i]);
            return;
        }
    }
}


/* The second half of a lookup, if somebody waits for it still. */

static ngx_int_t
ngx_content_redis_claim_next(ngx_content_redis_op_t *op)
{
    if (op->late || op->handler == NULL) {
        return NGX_CONTENT_REDIS_MISS;
    }

    op->claiming = 1;
    ngx_content_redis_new_id(op->conn->redis, op->token.id);

    return ngx_content_redis_send_claim(op, 0) == NGX_OK
           ? NGX_AGAIN : NGX_CONTENT_REDIS_AWAY;
}


/* Once, behind the table of purges; if that did not help, it is lost. */

static ngx_int_t
ngx_content_redis_look_again(ngx_content_redis_op_t *op)
{
    if (op->late || op->handler == NULL) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    if (op->again) {
        ngx_content_redis_start_settling(op->conn);
        return NGX_CONTENT_REDIS_AWAY;
    }

    op->again = 1;

    if (ngx_content_redis_purges_read(op->conn) != NGX_OK
        || ngx_content_redis_send_lookup(op) != NGX_OK)
    {
        return NGX_CONTENT_REDIS_AWAY;
    }

    return NGX_AGAIN;
}


/*
 * After a SCRIPT FLUSH: a lookup is sent again, with its text; a fill, whose
 * record we have no more, is lost.
 */

static ngx_int_t
ngx_content_redis_noscript(ngx_content_redis_op_t *op)
{
    ngx_content_redis_reload(op->conn);

    if (op->kind != NGX_CONTENT_REDIS_LOOKUP) {
        return NGX_CONTENT_REDIS_REFUSED;
    }

    if (!op->late && ngx_content_redis_send_claim(op, 1) == NGX_OK) {
        return NGX_AGAIN;
    }

    return NGX_CONTENT_REDIS_AWAY;
}


/* Takes op off the queue and tells whoever asked. */

static void
ngx_content_redis_finish(ngx_content_redis_op_t *op, ngx_int_t result)
{
    ngx_content_redis_t       *redis;
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;
    redis = conn->redis;

    ngx_queue_remove(&op->queue);

    if (ngx_queue_empty(&conn->ops)) {
        conn->op_timer.cancelable = 1;
    }

    op->result = result;

    ngx_content_redis_count(op);

    if (op->kind == NGX_CONTENT_REDIS_SETTLE) {
        conn->settling = 0;
    }

    if (result == NGX_CONTENT_REDIS_AWAY
        && (op->kind == NGX_CONTENT_REDIS_END
            || op->kind == NGX_CONTENT_REDIS_PURGE_OP
            || op->kind == NGX_CONTENT_REDIS_EPOCH_OP))
    {
        ngx_content_redis_unconfirmed(redis);
    }

    if (op->handler && !redis->closing) {
        op->handler(op);
        return;
    }

    if (result == NGX_CONTENT_REDIS_TOKEN) {
        ngx_content_redis_release(redis, op->name, &op->token);
    }
}


static void
ngx_content_redis_count(ngx_content_redis_op_t *op)
{
    ngx_atomic_t                *counter;
    ngx_content_redis_shared_t  *shared;

    shared = op->conn->redis->shared;

    switch (op->kind) {

    case NGX_CONTENT_REDIS_LOOKUP:
        counter = op->result == NGX_CONTENT_REDIS_HIT ? &shared->hits
                  : op->result == NGX_CONTENT_REDIS_TOKEN ? &shared->tokens
                  : op->result == NGX_CONTENT_REDIS_BUSY ? &shared->busy
                  : op->result == NGX_CONTENT_REDIS_AWAY ? &shared->away
                  : NULL;
        break;

    case NGX_CONTENT_REDIS_FILL:
        counter = op->result == NGX_CONTENT_REDIS_DONE
                  ? &shared->fills : &shared->fills_refused;
        break;

    case NGX_CONTENT_REDIS_END:
        counter = op->result == NGX_CONTENT_REDIS_DONE
                  ? &shared->ends : &shared->ends_failed;
        break;

    default:
        counter = NULL;
    }

    if (counter) {
        (void) ngx_atomic_fetch_add(counter, 1);
    }
}


/*
 * Operations past their time end as AWAY.  If nothing at all has come for as
 * long as that, the connection goes, and with it the waiting.
 */

static void
ngx_content_redis_op_timer(ngx_event_t *ev)
{
    ngx_msec_t                 timeout;
    ngx_queue_t               *q;
    ngx_content_redis_op_t    *op;
    ngx_content_redis_conn_t  *conn;

    conn = ev->data;
    timeout = conn->redis->conf->timeout;

    while (!ngx_queue_empty(&conn->ops)) {

        q = ngx_queue_head(&conn->ops);
        op = ngx_queue_data(q, ngx_content_redis_op_t, queue);

        if ((ngx_msec_int_t) (op->deadline - ngx_current_msec) > 0) {
            break;
        }

        (void) ngx_atomic_fetch_add(&conn->redis->shared->timeouts, 1);

        if (ngx_current_msec - conn->heard >= timeout) {
            ngx_content_redis_conn_drop(conn, "no answer in time");
            break;
        }

        op->late = 1;
        ngx_content_redis_finish(op, NGX_CONTENT_REDIS_AWAY);
        op->handler = NULL;
    }

    if (ngx_queue_empty(&conn->ops)) {
        return;
    }

    q = ngx_queue_head(&conn->ops);
    op = ngx_queue_data(q, ngx_content_redis_op_t, queue);

    if (ev->timer_set) {                /* by what a handler has sent */
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, op->deadline - ngx_current_msec);
}
