/*
 * The operations of the Redis client: see ngx_content_redis.h for what they
 * promise, ngx_content_redis_conn.h for the connection below them.
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
#include <openssl/sha.h>

#include "lib/content_str.h"
#include "cache/ngx_content_redis_conn.h"


#define NGX_CONTENT_REDIS_FILLING  (4 * 1024 * 1024)  /* bytes under way */


typedef enum {
    NGX_CONTENT_REDIS_LOOKUP = 0,
    NGX_CONTENT_REDIS_FILL,
    NGX_CONTENT_REDIS_GIVE_BACK,
    NGX_CONTENT_REDIS_END,
    NGX_CONTENT_REDIS_EPOCH_OP,
    NGX_CONTENT_REDIS_SETTLE              /* an epoch that nobody asked for */
} ngx_content_redis_kind_e;


/* Sets op->result and, from the reply, what goes with it; else NGX_ERROR. */

typedef ngx_int_t (*ngx_content_redis_take_pt)(ngx_content_redis_op_t *op,
    redisReply *reply);


typedef struct {
    const char                 *name;
    ngx_content_redis_take_pt   take;
} ngx_content_redis_kind_t;


typedef struct {
    u_char     buf[2][NGX_CONTENT_REDIS_PREFIX + 40];
    ngx_str_t  record;
    ngx_str_t  fill;
} ngx_content_redis_keys_t;


static ngx_int_t ngx_content_redis_send_lookup(ngx_content_redis_op_t *op,
    ngx_uint_t as_text);
static ngx_int_t ngx_content_redis_send_fill(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl);
static ngx_int_t ngx_content_redis_send_give_back(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token);
static ngx_int_t ngx_content_redis_send_end(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_redis_send_epoch(ngx_content_redis_op_t *op);
static void ngx_content_redis_release(ngx_content_redis_t *redis,
    u_char *tag, ngx_content_redis_token_t *token);
static void ngx_content_redis_start_settling(ngx_content_redis_conn_t *conn);
static void ngx_content_redis_unconfirmed(ngx_content_redis_t *redis);

static void ngx_content_redis_tag(ngx_str_t *key, u_char *tag);
static void ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *tag,
    ngx_content_redis_keys_t *keys);
static void ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id);
static void ngx_content_redis_call_script(ngx_content_redis_conn_t *conn,
    ngx_uint_t script, ngx_str_t *argv);
static ngx_content_redis_conn_t *ngx_content_redis_conn(
    ngx_content_redis_t *redis, u_char *tag);

static ngx_content_redis_op_t *ngx_content_redis_op_create(
    ngx_content_redis_conn_t *conn, ngx_uint_t kind, u_char *tag);
static void ngx_content_redis_op_sent(ngx_content_redis_op_t *op);
static void ngx_content_redis_reply(redisAsyncContext *ac, void *reply,
    void *data);
static ngx_int_t ngx_content_redis_result(redisAsyncContext *ac,
    ngx_content_redis_op_t *op, redisReply *reply);
static ngx_int_t ngx_content_redis_error(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_noscript(ngx_content_redis_op_t *op);
static void ngx_content_redis_finish(ngx_content_redis_op_t *op,
    ngx_int_t result);
static void ngx_content_redis_count(ngx_content_redis_op_t *op);
static void ngx_content_redis_op_timer(ngx_event_t *ev);

static ngx_int_t ngx_content_redis_take_lookup(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_take_hit(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_take_fill(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_take_end(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_take_epoch(ngx_content_redis_op_t *op,
    redisReply *reply);


static ngx_content_redis_kind_t  ngx_content_redis_kinds[] = {
    { "lookup",    ngx_content_redis_take_lookup },
    { "fill",      ngx_content_redis_take_fill },
    { "give back", ngx_content_redis_take_fill },
    { "end",       ngx_content_redis_take_end },
    { "epoch",     ngx_content_redis_take_epoch },
    { "settle",    ngx_content_redis_take_epoch }
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
    u_char                    *p, random[NGX_CONTENT_REDIS_DIGITS / 2];
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

    redis->epoch.len = conf->prefix.len + sizeof("epoch") - 1;
    redis->epoch.data = ngx_pnalloc(cycle->pool, redis->epoch.len);

    if (redis->epoch.data == NULL || RAND_bytes(random, sizeof(random)) != 1) {
        return NULL;
    }

    p = ngx_cpymem(redis->epoch.data, conf->prefix.data, conf->prefix.len);
    ngx_memcpy(p, "epoch", sizeof("epoch") - 1);

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


void
ngx_content_redis_destroy(ngx_content_redis_t *redis)
{
    ngx_uint_t                 i;
    ngx_content_redis_conn_t  *conn;

    redis->closing = 1;

    for (i = 0; i < NGX_CONTENT_REDIS_CONNS; i++) {
        conn = &redis->conns[i];

        ngx_content_redis_conn_close(conn);

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
ngx_content_redis_lookup(ngx_content_redis_t *redis, ngx_str_t *key,
    ngx_uint_t want_token, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                     tag[NGX_CONTENT_REDIS_ID];
    ngx_content_redis_op_t    *o;
    ngx_content_redis_conn_t  *conn;

    (void) ngx_atomic_fetch_add(&redis->shared->lookups, 1);

    o = NULL;

    ngx_content_redis_tag(key, tag);
    conn = ngx_content_redis_conn(redis, tag);

    if (conn == NULL) {
        goto away;
    }

    o = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_LOOKUP, tag);

    if (o == NULL) {
        goto away;
    }

    if (o->dirty != redis->shared->settled) {
        ngx_content_redis_start_settling(conn);
        goto away;
    }

    o->handler = handler;
    o->data = data;
    o->want_token = want_token;

    ngx_content_redis_new_id(redis, o->token.id);

    if (ngx_content_redis_send_lookup(o, 0) != NGX_OK) {
        goto away;
    }

    ngx_content_redis_op_sent(o);

    *op = o;

    return NGX_OK;

away:

    if (o) {
        ngx_free(o);
    }

    (void) ngx_atomic_fetch_add(&redis->shared->away, 1);

    return NGX_DECLINED;
}


void
ngx_content_redis_fill(ngx_content_redis_t *redis, ngx_str_t *key,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl)
{
    u_char                     tag[NGX_CONTENT_REDIS_ID];
    ngx_content_redis_op_t    *op;
    ngx_content_redis_conn_t  *conn;

    ngx_content_redis_tag(key, tag);
    conn = ngx_content_redis_conn(redis, tag);

    if (conn == NULL) {
        goto refused;
    }

    if (conn->filling + record->len > NGX_CONTENT_REDIS_FILLING) {
        ngx_content_redis_release(redis, tag, token);
        goto refused;
    }

    op = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_FILL, tag);

    if (op == NULL) {
        goto refused;
    }

    op->size = record->len;

    if (ngx_content_redis_send_fill(op, token, record, ttl) != NGX_OK) {
        ngx_free(op);
        goto refused;
    }

    conn->filling += op->size;

    ngx_content_redis_op_sent(op);

    return;

refused:

    (void) ngx_atomic_fetch_add(&redis->shared->fills_refused, 1);
}


void
ngx_content_redis_give_back(ngx_content_redis_t *redis, ngx_str_t *key,
    ngx_content_redis_token_t *token)
{
    u_char  tag[NGX_CONTENT_REDIS_ID];

    ngx_content_redis_tag(key, tag);
    ngx_content_redis_release(redis, tag, token);
}


ngx_int_t
ngx_content_redis_end(ngx_content_redis_t *redis, ngx_str_t *key,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                     tag[NGX_CONTENT_REDIS_ID];
    ngx_content_redis_op_t    *o;
    ngx_content_redis_conn_t  *conn;

    ngx_content_redis_tag(key, tag);
    conn = ngx_content_redis_conn(redis, tag);

    if (conn == NULL) {
        goto away;
    }

    o = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_END, tag);

    if (o == NULL) {
        goto away;
    }

    o->handler = handler;
    o->data = data;

    if (ngx_content_redis_send_end(o) != NGX_OK) {
        ngx_free(o);
        goto away;
    }

    ngx_content_redis_op_sent(o);

    if (op) {
        *op = o;
    }

    return NGX_OK;

away:

    (void) ngx_atomic_fetch_add(&redis->shared->ends_failed, 1);
    ngx_content_redis_unconfirmed(redis);

    return NGX_DECLINED;
}


ngx_int_t
ngx_content_redis_epoch(ngx_content_redis_t *redis,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op)
{
    u_char                     tag[NGX_CONTENT_REDIS_ID];
    ngx_content_redis_op_t    *o;
    ngx_content_redis_conn_t  *conn;

    ngx_memzero(tag, sizeof(tag));
    conn = ngx_content_redis_conn(redis, tag);

    if (conn == NULL) {
        goto away;
    }

    o = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_EPOCH_OP, tag);

    if (o == NULL) {
        goto away;
    }

    o->handler = handler;
    o->data = data;

    if (ngx_content_redis_send_epoch(o) != NGX_OK) {
        ngx_free(o);
        goto away;
    }

    ngx_content_redis_op_sent(o);

    if (op) {
        *op = o;
    }

    return NGX_OK;

away:

    ngx_content_redis_unconfirmed(redis);

    return NGX_DECLINED;
}


void
ngx_content_redis_detach(ngx_content_redis_op_t *op)
{
    op->handler = NULL;
    op->data = NULL;
}


/* as_text: the server does not know the script any more. */

static ngx_int_t
ngx_content_redis_send_lookup(ngx_content_redis_op_t *op, ngx_uint_t as_text)
{
    u_char                    ttl[NGX_INT_T_LEN];
    ngx_str_t                 argv[8];
    ngx_content_redis_t      *redis;
    ngx_content_redis_keys_t  keys;

    redis = op->conn->redis;

    ngx_content_redis_keys(redis, op->tag, &keys);

    ngx_content_redis_call_script(op->conn, NGX_CONTENT_REDIS_LOOKUP_SCRIPT,
                                  argv);

    if (as_text) {
        ngx_str_set(&argv[0], "EVAL");
        ngx_content_redis_script(NGX_CONTENT_REDIS_LOOKUP_SCRIPT, &argv[1]);
    }

    ngx_str_set(&argv[2], "3");
    argv[3] = keys.record;
    argv[4] = keys.fill;
    argv[5] = redis->epoch;
    argv[6].data = op->token.id;
    argv[6].len = NGX_CONTENT_REDIS_ID;
    argv[7].data = ttl;
    argv[7].len = ngx_sprintf(ttl, "%ui", op->want_token
                              ? (ngx_uint_t) NGX_CONTENT_REDIS_TOKEN_TTL : 0)
                  - ttl;

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     8, argv);
}


static ngx_int_t
ngx_content_redis_send_fill(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl)
{
    u_char                    buf[NGX_INT_T_LEN];
    ngx_str_t                 argv[10];
    ngx_content_redis_keys_t  keys;

    ngx_content_redis_keys(op->conn->redis, op->tag, &keys);

    ngx_content_redis_call_script(op->conn, NGX_CONTENT_REDIS_FILL_SCRIPT,
                                  argv);

    ngx_str_set(&argv[2], "3");
    argv[3] = keys.record;
    argv[4] = keys.fill;
    argv[5] = op->conn->redis->epoch;
    argv[6].data = token->id;
    argv[6].len = NGX_CONTENT_REDIS_ID;
    argv[7].data = token->epoch;
    argv[7].len = NGX_CONTENT_REDIS_EPOCH;
    argv[8] = *record;
    argv[9].data = buf;
    argv[9].len = ngx_sprintf(buf, "%M", ttl) - buf;

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     10, argv);
}


static ngx_int_t
ngx_content_redis_send_give_back(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token)
{
    ngx_str_t                 argv[5];
    ngx_content_redis_keys_t  keys;

    ngx_content_redis_keys(op->conn->redis, op->tag, &keys);

    ngx_content_redis_call_script(op->conn,
                                  NGX_CONTENT_REDIS_GIVE_BACK_SCRIPT, argv);

    ngx_str_set(&argv[2], "1");
    argv[3] = keys.fill;
    argv[4].data = token->id;
    argv[4].len = NGX_CONTENT_REDIS_ID;

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     5, argv);
}


static ngx_int_t
ngx_content_redis_send_end(ngx_content_redis_op_t *op)
{
    ngx_str_t                 argv[3];
    ngx_content_redis_keys_t  keys;

    ngx_content_redis_keys(op->conn->redis, op->tag, &keys);

    ngx_str_set(&argv[0], "DEL");
    argv[1] = keys.record;
    argv[2] = keys.fill;

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     3, argv);
}


static ngx_int_t
ngx_content_redis_send_epoch(ngx_content_redis_op_t *op)
{
    return ngx_content_redis_adopt(op->conn, 1, ngx_content_redis_reply, op);
}


static void
ngx_content_redis_release(ngx_content_redis_t *redis, u_char *tag,
    ngx_content_redis_token_t *token)
{
    ngx_content_redis_op_t    *op;
    ngx_content_redis_conn_t  *conn;

    conn = ngx_content_redis_conn(redis, tag);

    if (conn == NULL) {
        return;
    }

    op = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_GIVE_BACK, tag);

    if (op == NULL) {
        return;
    }

    if (ngx_content_redis_send_give_back(op, token) != NGX_OK) {
        ngx_free(op);
        return;
    }

    ngx_content_redis_op_sent(op);
}


/* The node is dirty and this worker can do something about it. */

static void
ngx_content_redis_start_settling(ngx_content_redis_conn_t *conn)
{
    ngx_content_redis_op_t  *op;

    if (conn->settling) {
        return;
    }

    op = ngx_content_redis_op_create(conn, NGX_CONTENT_REDIS_SETTLE, NULL);

    if (op == NULL) {
        return;
    }

    if (ngx_content_redis_send_epoch(op) != NGX_OK) {
        ngx_free(op);
        return;
    }

    conn->settling = 1;

    ngx_content_redis_op_sent(op);
}


static void
ngx_content_redis_unconfirmed(ngx_content_redis_t *redis)
{
    (void) ngx_atomic_fetch_add(&redis->shared->dirty, 1);
}


static void
ngx_content_redis_tag(ngx_str_t *key, u_char *tag)
{
    u_char         digest[SHA256_DIGEST_LENGTH];
    content_out_t  out;

    (void) SHA256(key->data, key->len, digest);

    content_out_init(&out, tag, NGX_CONTENT_REDIS_ID);
    content_out_hex(&out, digest, NGX_CONTENT_REDIS_ID / 2);
}


static void
ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *tag,
    ngx_content_redis_keys_t *keys)
{
    ngx_str_t  *prefix;

    prefix = &redis->conf->prefix;

    keys->record.data = keys->buf[0];
    keys->record.len = ngx_sprintf(keys->buf[0], "%V{%*s}:r", prefix,
                                   (size_t) NGX_CONTENT_REDIS_ID, tag)
                       - keys->buf[0];

    keys->fill.data = keys->buf[1];
    keys->fill.len = ngx_sprintf(keys->buf[1], "%V{%*s}:f", prefix,
                                 (size_t) NGX_CONTENT_REDIS_ID, tag)
                     - keys->buf[1];
}


/* Unique: 16 digits of this worker, drawn when it began, and 16 that count. */

static void
ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id)
{
    ngx_memcpy(id, redis->draw, NGX_CONTENT_REDIS_DIGITS);
    (void) ngx_sprintf(id + NGX_CONTENT_REDIS_DIGITS, "%016xL",
                       (int64_t) redis->serial++);
}


static void
ngx_content_redis_call_script(ngx_content_redis_conn_t *conn,
    ngx_uint_t script, ngx_str_t *argv)
{
    ngx_str_set(&argv[0], "EVALSHA");
    argv[1].data = conn->sha[script];
    argv[1].len = sizeof(conn->sha[script]);
}


/* The connection for a key; NULL if it can't be used now. */

static ngx_content_redis_conn_t *
ngx_content_redis_conn(ngx_content_redis_t *redis, u_char *tag)
{
    ngx_content_redis_conn_t  *conn;

    conn = &redis->conns[tag[0] % NGX_CONTENT_REDIS_CONNS];

    return ngx_content_redis_conn_usable(conn) ? conn : NULL;
}


static ngx_content_redis_op_t *
ngx_content_redis_op_create(ngx_content_redis_conn_t *conn, ngx_uint_t kind,
    u_char *tag)
{
    ngx_content_redis_op_t  *op;

    op = ngx_calloc(sizeof(ngx_content_redis_op_t), conn->redis->log);

    if (op == NULL) {
        return NULL;
    }

    op->conn = conn;
    op->kind = kind;
    op->dirty = conn->redis->shared->dirty;

    if (tag) {
        ngx_memcpy(op->tag, tag, sizeof(op->tag));
    }

    return op;
}


/*
 * The timer is not moved with each operation: it fires a time-out after the
 * first one and then looks for who is the oldest.  While it stands for an
 * operation it keeps an exiting worker alive.
 */

static void
ngx_content_redis_op_sent(ngx_content_redis_op_t *op)
{
    ngx_msec_t                 timeout;
    ngx_content_redis_conn_t  *conn;

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
}


/* The callback of everything but the handshake; NULL: the connection ends. */

static void
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
        ngx_content_redis_release(op->conn->redis, op->tag, &op->token);
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

    return rc;
}


static ngx_int_t
ngx_content_redis_error(ngx_content_redis_op_t *op, redisReply *reply)
{
    ngx_uint_t                 i;
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    if (ngx_strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        return ngx_content_redis_noscript(op);
    }

    ngx_content_redis_conn_complain(conn, reply,
                                    ngx_content_redis_kinds[op->kind].name);

    for (i = 0; ngx_content_redis_fatal[i]; i++) {
        if (ngx_strstr(reply->str, ngx_content_redis_fatal[i])) {
            ngx_content_redis_conn_drop(conn, ngx_content_redis_fatal[i]);
            return NGX_CONTENT_REDIS_AWAY;
        }
    }

    if (op->kind == NGX_CONTENT_REDIS_SETTLE) {
        ngx_content_redis_conn_drop(conn, "no new epoch");
    }

    return NGX_CONTENT_REDIS_AWAY;
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

    if (!op->late && ngx_content_redis_send_lookup(op, 1) == NGX_OK) {
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
            || op->kind == NGX_CONTENT_REDIS_EPOCH_OP))
    {
        ngx_content_redis_unconfirmed(redis);
    }

    if (op->handler && !redis->closing) {
        op->handler(op);
        return;
    }

    if (result == NGX_CONTENT_REDIS_TOKEN) {
        ngx_content_redis_release(redis, op->tag, &op->token);
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


/*
 * {token, status, ...}: see the script.  The answer to another lookup than
 * this one means that replies and commands have got out of step.
 */

static ngx_int_t
ngx_content_redis_take_lookup(ngx_content_redis_op_t *op, redisReply *reply)
{
    char        *status;
    redisReply  *id, *epoch;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    id = reply->element[0];
    status = reply->element[1]->str;

    if (id->len != NGX_CONTENT_REDIS_ID
        || ngx_memcmp(id->str, op->token.id, NGX_CONTENT_REDIS_ID) != 0)
    {
        return NGX_ERROR;
    }

    if (ngx_strcmp(status, "hit") == 0) {
        return ngx_content_redis_take_hit(op, reply);
    }

    if (ngx_strcmp(status, "token") == 0) {

        if (reply->elements != 3
            || !ngx_content_redis_is_epoch(reply->element[2]))
        {
            return NGX_ERROR;
        }

        epoch = reply->element[2];
        ngx_memcpy(op->token.epoch, epoch->str, NGX_CONTENT_REDIS_EPOCH);

        return NGX_CONTENT_REDIS_TOKEN;
    }

    if (ngx_strcmp(status, "busy") == 0) {
        return NGX_CONTENT_REDIS_BUSY;
    }

    if (ngx_strcmp(status, "miss") == 0) {
        return NGX_CONTENT_REDIS_MISS;
    }

    if (ngx_strcmp(status, "lost") == 0) {
        ngx_content_redis_start_settling(op->conn);
        return NGX_CONTENT_REDIS_AWAY;
    }

    return NGX_ERROR;
}


/*
 * A record is not believed when an end() failed in this node, or the node went
 * over to another server, since the question was sent.
 */

static ngx_int_t
ngx_content_redis_take_hit(ngx_content_redis_op_t *op, redisReply *reply)
{
    redisReply                *record, *ttl;
    ngx_content_redis_conn_t  *conn;

    if (reply->elements != 4
        || reply->element[2]->type != REDIS_REPLY_STRING
        || reply->element[3]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    conn = op->conn;

    if (conn->redis->shared->dirty != op->dirty
        || !ngx_content_redis_conn_current(conn))
    {
        return NGX_CONTENT_REDIS_AWAY;
    }

    record = reply->element[2];
    ttl = reply->element[3];

    op->record.data = (u_char *) record->str;
    op->record.len = record->len;
    op->ttl = ttl->integer > 0 ? (ngx_msec_t) ttl->integer : 0;

    return NGX_CONTENT_REDIS_HIT;
}


static ngx_int_t
ngx_content_redis_take_fill(ngx_content_redis_op_t *op, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    return reply->integer ? NGX_CONTENT_REDIS_DONE : NGX_CONTENT_REDIS_REFUSED;
}


static ngx_int_t
ngx_content_redis_take_end(ngx_content_redis_op_t *op, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    return ngx_content_redis_conn_current(op->conn) ? NGX_CONTENT_REDIS_DONE
                                                    : NGX_CONTENT_REDIS_AWAY;
}


static ngx_int_t
ngx_content_redis_take_epoch(ngx_content_redis_op_t *op, redisReply *reply)
{
    if (!ngx_content_redis_is_epoch(reply)) {
        return NGX_ERROR;
    }

    if (!ngx_content_redis_conn_current(op->conn)) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    ngx_content_redis_settle(op->conn->redis->shared, op->dirty);

    return NGX_CONTENT_REDIS_DONE;
}
