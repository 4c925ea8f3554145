/*
 * Operations as commands, and replies as results: see
 * ngx_content_redis_wire.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "lib/content_notice.h"
#include "lib/content_rules.h"
#include "lib/content_str.h"
#include "cache/ngx_content_redis_wire.h"


#define NGX_CONTENT_REDIS_KEY  (NGX_CONTENT_REDIS_PREFIX                     \
                                + NGX_CONTENT_REDIS_NAME + 4)

#define NGX_CONTENT_REDIS_RECORD_KEY  "}:r"
#define NGX_CONTENT_REDIS_FILL_KEY    "}:f"
#define NGX_CONTENT_REDIS_WORDS_KEY   "}:t"

#define NGX_CONTENT_REDIS_TOLD        (1 + NGX_CONTENT_REDIS_NAME)


typedef struct {
    u_char     buf[3][NGX_CONTENT_REDIS_KEY];
    ngx_str_t  record;
    ngx_str_t  fill;
    ngx_str_t  words;
} ngx_content_redis_keys_t;


static void ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_keys_t *keys);
static void ngx_content_redis_key(ngx_content_redis_t *redis, u_char *name,
    const char *suffix, u_char *buf, ngx_str_t *key);
static void ngx_content_redis_told(ngx_content_redis_op_t *op, u_char *buf,
    ngx_str_t *text);
static void ngx_content_redis_call_script(ngx_content_redis_conn_t *conn,
    ngx_uint_t script, ngx_str_t *argv);
static ngx_int_t ngx_content_redis_take_claim(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_uint_t ngx_content_redis_is_text(redisReply *reply, size_t len);
static ngx_uint_t ngx_content_redis_is_record(ngx_content_redis_op_t *op,
    redisReply *reply);
static ngx_int_t ngx_content_redis_take_hit(ngx_content_redis_op_t *op,
    redisReply *reply);


void
ngx_content_redis_name(u_char name[NGX_CONTENT_REDIS_NAME], uint64_t store,
    const u_char *hash)
{
    u_char         id[8];
    ngx_uint_t     i;
    content_out_t  out;

    for (i = 0; i < sizeof(id); i++) {
        id[i] = (u_char) (store >> (8 * (sizeof(id) - 1 - i)));
    }

    content_out_init(&out, name, NGX_CONTENT_REDIS_NAME);
    content_out_hex(&out, id, sizeof(id));
    content_out_hex(&out, hash, NGX_CONTENT_REDIS_NAME / 2 - sizeof(id));
}


ngx_int_t
ngx_content_redis_prepare(ngx_content_redis_t *redis, ngx_pool_t *pool)
{
    size_t      len;
    ngx_str_t  *prefix;

    prefix = &redis->conf->prefix;
    len = prefix->len + 1 + NGX_CONTENT_REDIS_NAME
          + sizeof(NGX_CONTENT_REDIS_RECORD_KEY) - 1;

    redis->get.data = ngx_pnalloc(pool, prefix->len + NGX_CONTENT_REDIS_KEY);
    if (redis->get.data == NULL) {
        return NGX_ERROR;
    }

    redis->get.len = ngx_sprintf(redis->get.data,
                                 "$%uz\r\n%V{", len, prefix)
                     - redis->get.data;

    return NGX_OK;
}


/* Of all commands the one that has to be quick: put together by hand. */

ngx_int_t
ngx_content_redis_send_lookup(ngx_content_redis_op_t *op)
{
    u_char      buf[2 * NGX_CONTENT_REDIS_KEY], *p;
    ngx_str_t  *get;

    if (ngx_content_redis_guard(op->conn) != NGX_OK) {
        return NGX_ERROR;
    }

    get = &op->conn->redis->get;

    p = ngx_cpymem(buf, get->data, get->len);
    p = ngx_cpymem(p, op->name, NGX_CONTENT_REDIS_NAME);
    p = ngx_cpymem(p, NGX_CONTENT_REDIS_RECORD_KEY CRLF,
                   sizeof(NGX_CONTENT_REDIS_RECORD_KEY CRLF) - 1);

    return ngx_content_redis_ask(op, buf, p - buf);
}


ngx_int_t
ngx_content_redis_send_claim(ngx_content_redis_op_t *op, ngx_uint_t as_text)
{
    u_char                    ttl[NGX_INT_T_LEN];
    ngx_str_t                 argv[11];
    ngx_content_redis_t      *redis;
    ngx_content_redis_keys_t  keys;

    redis = op->conn->redis;

    ngx_content_redis_keys(redis, op->name, &keys);

    ngx_content_redis_call_script(op->conn, NGX_CONTENT_REDIS_CLAIM_SCRIPT,
                                  argv);

    if (as_text) {
        ngx_str_set(&argv[0], "EVAL");
        ngx_content_redis_script(NGX_CONTENT_REDIS_CLAIM_SCRIPT, &argv[1]);
    }

    ngx_str_set(&argv[2], "4");
    argv[3] = keys.record;
    argv[4] = keys.fill;
    argv[5] = redis->epoch;
    argv[6] = keys.words;
    argv[7].data = op->token.id;
    argv[7].len = NGX_CONTENT_REDIS_ID;
    argv[8].data = ttl;
    argv[8].len = ngx_sprintf(ttl, "%d", NGX_CONTENT_REDIS_TOKEN_TTL) - ttl;
    argv[9].data = op->name;
    argv[9].len = op->replacing ? 0 : NGX_CONTENT_REDIS_NAME;
    ngx_str_null(&argv[10]);

    if (op->leave_word && redis->heard) {
        argv[10] = *redis->heard;
    }

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     11, argv);
}


ngx_int_t
ngx_content_redis_send_fill(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl)
{
    u_char                    told[NGX_CONTENT_REDIS_TOLD];
    u_char                    buf[NGX_INT_T_LEN], *value, *p;
    ngx_int_t                 rc;
    ngx_str_t                 argv[12];
    ngx_content_redis_keys_t  keys;

    value = ngx_alloc(NGX_CONTENT_REDIS_HEAD + record->len,
                      op->conn->redis->log);
    if (value == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(value, token->stamp, NGX_CONTENT_REDIS_STAMP);
    p = ngx_cpymem(p, op->name, NGX_CONTENT_REDIS_NAME);
    p = ngx_cpymem(p, record->data, record->len);

    ngx_content_redis_keys(op->conn->redis, op->name, &keys);

    ngx_content_redis_call_script(op->conn, NGX_CONTENT_REDIS_FILL_SCRIPT,
                                  argv);

    ngx_str_set(&argv[2], "4");
    argv[3] = keys.record;
    argv[4] = keys.fill;
    argv[5] = op->conn->redis->epoch;
    argv[6] = keys.words;
    argv[7].data = token->id;
    argv[7].len = NGX_CONTENT_REDIS_ID;
    argv[8].data = token->stamp;
    argv[8].len = NGX_CONTENT_REDIS_STAMP;
    argv[9].data = value;
    argv[9].len = p - value;
    argv[10].data = buf;
    argv[10].len = ngx_sprintf(buf, "%M", ttl) - buf;
    ngx_content_redis_told(op, told, &argv[11]);

    rc = ngx_content_redis_command(op->conn, ngx_content_redis_reply, op, 12,
                                   argv);
    ngx_free(value);

    return rc;
}


ngx_int_t
ngx_content_redis_send_give_back(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token)
{
    u_char                    told[NGX_CONTENT_REDIS_TOLD];
    ngx_str_t                 argv[8];
    ngx_content_redis_keys_t  keys;

    ngx_content_redis_keys(op->conn->redis, op->name, &keys);

    ngx_content_redis_call_script(op->conn,
                                  NGX_CONTENT_REDIS_GIVE_BACK_SCRIPT, argv);

    ngx_str_set(&argv[2], "2");
    argv[3] = keys.fill;
    argv[4] = keys.words;
    argv[5].data = token->id;
    argv[5].len = NGX_CONTENT_REDIS_ID;
    argv[6].data = token->stamp;
    argv[6].len = NGX_CONTENT_REDIS_STAMP;
    ngx_content_redis_told(op, told, &argv[7]);

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     8, argv);
}


/* What is told to who has left word: a notice, see lib/content_notice.h. */

static void
ngx_content_redis_told(ngx_content_redis_op_t *op, u_char *buf,
    ngx_str_t *text)
{
    content_out_t     out;
    content_notice_t  notice;

    notice.kind = CONTENT_NOTICE_FILLED;
    notice.name.data = op->name;
    notice.name.len = NGX_CONTENT_REDIS_NAME;

    content_out_init(&out, buf, NGX_CONTENT_REDIS_TOLD);
    (void) content_notice_write(&out, &notice);

    text->data = buf;
    text->len = content_out_done(&out).len;
}


ngx_int_t
ngx_content_redis_send_end(ngx_content_redis_op_t *op)
{
    ngx_str_t                 argv[3];
    ngx_content_redis_keys_t  keys;

    ngx_content_redis_keys(op->conn->redis, op->name, &keys);

    ngx_str_set(&argv[0], "DEL");
    argv[1] = keys.record;
    argv[2] = keys.fill;

    return ngx_content_redis_command(op->conn, ngx_content_redis_reply, op,
                                     CONTENT_RULE_TOKEN ? 3 : 2, argv);
}


ngx_int_t
ngx_content_redis_send_epoch(ngx_content_redis_op_t *op)
{
    return ngx_content_redis_adopt(op->conn, 1, ngx_content_redis_reply, op);
}


static void
ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_keys_t *keys)
{
    ngx_content_redis_key(redis, name, NGX_CONTENT_REDIS_RECORD_KEY,
                          keys->buf[0], &keys->record);
    ngx_content_redis_key(redis, name, NGX_CONTENT_REDIS_FILL_KEY,
                          keys->buf[1], &keys->fill);
    ngx_content_redis_key(redis, name, NGX_CONTENT_REDIS_WORDS_KEY,
                          keys->buf[2], &keys->words);
}


static void
ngx_content_redis_key(ngx_content_redis_t *redis, u_char *name,
    const char *suffix, u_char *buf, ngx_str_t *key)
{
    key->data = buf;
    key->len = ngx_sprintf(buf, "%V{%*s%s", &redis->conf->prefix,
                           (size_t) NGX_CONTENT_REDIS_NAME, name, suffix)
               - buf;
}


static void
ngx_content_redis_call_script(ngx_content_redis_conn_t *conn,
    ngx_uint_t script, ngx_str_t *argv)
{
    ngx_str_set(&argv[0], "EVALSHA");
    argv[1].data = conn->sha[script];
    argv[1].len = sizeof(conn->sha[script]);
}


/*
 * The record as it is, or nil: judged by what the guard before it has found.
 * What is no record of this epoch and object is as good as none.
 */

ngx_int_t
ngx_content_redis_take_lookup(ngx_content_redis_op_t *op, redisReply *reply)
{
    ngx_content_redis_conn_t  *conn;

    if (op->claiming) {
        return ngx_content_redis_take_claim(op, reply);
    }

    conn = op->conn;

    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_NIL) {
        return NGX_ERROR;
    }

    if (conn->guard == NGX_CONTENT_REDIS_GUARD_LOST) {
        return NGX_CONTENT_REDIS_LOST;
    }

    if (conn->guard != NGX_CONTENT_REDIS_GUARD_HELD) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    if (ngx_content_redis_is_record(op, reply)
        && ngx_memcmp(reply->str, conn->stamp, NGX_CONTENT_REDIS_EPOCH) == 0)
    {
        return ngx_content_redis_purges_known(conn, op->purges)
               ? ngx_content_redis_take_hit(op, reply)
               : NGX_CONTENT_REDIS_UNSURE;
    }

    return op->want_token ? NGX_CONTENT_REDIS_NONE : NGX_CONTENT_REDIS_MISS;
}


/*
 * {token, status}, or {token, status, what goes with it}: see the script.  The
 * answer to another lookup than this one means that replies and commands have
 * got out of step.
 */

static ngx_int_t
ngx_content_redis_take_claim(ngx_content_redis_op_t *op, redisReply *reply)
{
    char        *status;
    redisReply  *id, *more;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    id = reply->element[0];
    status = reply->element[1]->str;
    more = reply->elements == 3 ? reply->element[2] : NULL;

    if (!ngx_content_redis_is_text(id, NGX_CONTENT_REDIS_ID)
        || ngx_memcmp(id->str, op->token.id, NGX_CONTENT_REDIS_ID) != 0)
    {
        return NGX_ERROR;
    }

    if (ngx_strcmp(status, "hit") == 0) {

        if (more == NULL || !ngx_content_redis_is_record(op, more)) {
            return NGX_ERROR;
        }

        /* no purge since; of what epoch the copy of the table is, who knows */

        op->purges = (uint32_t) -1;

        return ngx_content_redis_take_hit(op, more);
    }

    if (ngx_strcmp(status, "token") == 0) {

        if (!ngx_content_redis_is_text(more, NGX_CONTENT_REDIS_STAMP)) {
            return NGX_ERROR;
        }

        ngx_memcpy(op->token.stamp, more->str, NGX_CONTENT_REDIS_STAMP);

        return NGX_CONTENT_REDIS_TOKEN;
    }

    if (ngx_strcmp(status, "busy") == 0) {

        if (ngx_content_redis_is_text(more, NGX_CONTENT_REDIS_ID)) {
            ngx_memcpy(op->filler, more->str, NGX_CONTENT_REDIS_ID);
        }

        return NGX_CONTENT_REDIS_BUSY;
    }

    return ngx_strcmp(status, "lost") == 0 ? NGX_CONTENT_REDIS_LOST
                                           : NGX_ERROR;
}


/* reply may be NULL: it is not there. */

static ngx_uint_t
ngx_content_redis_is_text(redisReply *reply, size_t len)
{
    return reply && reply->type == REDIS_REPLY_STRING
           && (size_t) reply->len == len;
}


/* Whether it may be a record of that object, of whatever epoch; its number. */

static ngx_uint_t
ngx_content_redis_is_record(ngx_content_redis_op_t *op, redisReply *reply)
{
    u_char     *digits;
    ngx_int_t   number;

    if (reply->type != REDIS_REPLY_STRING
        || (size_t) reply->len < NGX_CONTENT_REDIS_HEAD
        || ngx_memcmp(reply->str + NGX_CONTENT_REDIS_STAMP, op->name,
                      NGX_CONTENT_REDIS_NAME)
           != 0)
    {
        return 0;
    }

    digits = (u_char *) reply->str + NGX_CONTENT_REDIS_EPOCH;

    /* most are of the last purge: eight digits need not be read */

    if (ngx_memcmp(digits, op->conn->stamp + NGX_CONTENT_REDIS_EPOCH,
                   NGX_CONTENT_REDIS_NUMBER)
        == 0)
    {
        op->purges = op->conn->purges;
        return 1;
    }

    number = ngx_hextoi(digits, NGX_CONTENT_REDIS_NUMBER);

    op->purges = (uint32_t) number;

    return number != NGX_ERROR;
}


static ngx_int_t
ngx_content_redis_take_hit(ngx_content_redis_op_t *op, redisReply *reply)
{
    op->reply = reply;
    op->record.data = (u_char *) reply->str + NGX_CONTENT_REDIS_HEAD;
    op->record.len = reply->len - NGX_CONTENT_REDIS_HEAD;

    return NGX_CONTENT_REDIS_HIT;
}


ngx_int_t
ngx_content_redis_keep(ngx_content_redis_op_t *op, ngx_pool_t *pool)
{
    return ngx_content_hiredis_keep(op->reply, pool);
}


ngx_int_t
ngx_content_redis_take_fill(ngx_content_redis_op_t *op, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    return reply->integer ? NGX_CONTENT_REDIS_DONE : NGX_CONTENT_REDIS_REFUSED;
}


ngx_int_t
ngx_content_redis_take_end(ngx_content_redis_op_t *op, redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER ? NGX_CONTENT_REDIS_DONE
                                              : NGX_ERROR;
}


ngx_int_t
ngx_content_redis_take_epoch(ngx_content_redis_op_t *op, redisReply *reply)
{
    return ngx_content_redis_is_epoch(reply) ? NGX_CONTENT_REDIS_DONE
                                             : NGX_ERROR;
}


ngx_int_t
ngx_content_redis_take_call(ngx_content_redis_op_t *op, redisReply *reply)
{
    op->reply = reply;

    return NGX_CONTENT_REDIS_DONE;
}
