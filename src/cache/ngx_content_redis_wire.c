/*
 * Operations as commands, and replies as results: see
 * ngx_content_redis_wire.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/sha.h>

#include "lib/content_str.h"
#include "cache/ngx_content_redis_wire.h"


typedef struct {
    u_char     buf[2][NGX_CONTENT_REDIS_PREFIX + NGX_CONTENT_REDIS_TAG + 4];
    ngx_str_t  record;
    ngx_str_t  fill;
} ngx_content_redis_keys_t;


static void ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *tag,
    ngx_content_redis_keys_t *keys);
static void ngx_content_redis_call_script(ngx_content_redis_conn_t *conn,
    ngx_uint_t script, ngx_str_t *argv);
static ngx_int_t ngx_content_redis_take_hit(ngx_content_redis_op_t *op,
    redisReply *reply);


void
ngx_content_redis_tag(ngx_str_t *key, u_char *tag)
{
    u_char         digest[SHA256_DIGEST_LENGTH];
    content_out_t  out;

    (void) SHA256(key->data, key->len, digest);

    content_out_init(&out, tag, NGX_CONTENT_REDIS_TAG);
    content_out_hex(&out, digest, NGX_CONTENT_REDIS_TAG / 2);
}


/* as_text: the server does not know the script any more. */

ngx_int_t
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


ngx_int_t
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


ngx_int_t
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


ngx_int_t
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


ngx_int_t
ngx_content_redis_send_epoch(ngx_content_redis_op_t *op)
{
    return ngx_content_redis_adopt(op->conn, 1, ngx_content_redis_reply, op);
}


static void
ngx_content_redis_keys(ngx_content_redis_t *redis, u_char *tag,
    ngx_content_redis_keys_t *keys)
{
    ngx_str_t  *prefix;

    prefix = &redis->conf->prefix;

    keys->record.data = keys->buf[0];
    keys->record.len = ngx_sprintf(keys->buf[0], "%V{%*s}:r", prefix,
                                   (size_t) NGX_CONTENT_REDIS_TAG, tag)
                       - keys->buf[0];

    keys->fill.data = keys->buf[1];
    keys->fill.len = ngx_sprintf(keys->buf[1], "%V{%*s}:f", prefix,
                                 (size_t) NGX_CONTENT_REDIS_TAG, tag)
                     - keys->buf[1];
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
 * {token, status, ...}: see the script.  The answer to another lookup than
 * this one means that replies and commands have got out of step.
 */

ngx_int_t
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
        return NGX_CONTENT_REDIS_LOST;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_content_redis_take_hit(ngx_content_redis_op_t *op, redisReply *reply)
{
    redisReply  *record, *ttl;

    if (reply->elements != 4
        || reply->element[2]->type != REDIS_REPLY_STRING
        || reply->element[3]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    record = reply->element[2];
    ttl = reply->element[3];

    op->record.data = (u_char *) record->str;
    op->record.len = record->len;
    op->ttl = ttl->integer > 0 ? (ngx_msec_t) ttl->integer : 0;

    return NGX_CONTENT_REDIS_HIT;
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
