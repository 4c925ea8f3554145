/*
 * The guard of the look-ups: two commands that go before those of a turn of
 * the event loop.  See "What a hit rests on" in ngx_content_redis.h.
 *
 * Replies come in the order of the commands.  So what a look-up's reply finds
 * in conn->guard is what the guard before it has found, and there need not be
 * a guard for each: one is sent unless the last one is still unsent.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_wire.h"


static void ngx_content_redis_guard_id(ngx_content_redis_t *redis,
    uint64_t number, u_char *id);
static void ngx_content_redis_guard_echo(redisReply *reply, void *data);
static void ngx_content_redis_guard_epoch(redisReply *reply, void *data);
static ngx_int_t ngx_content_redis_guard_reply(redisReply *reply,
    ngx_content_redis_conn_t *conn);
static void ngx_content_redis_guard_broken(ngx_content_redis_conn_t *conn,
    redisReply *reply);


ngx_int_t
ngx_content_redis_guard(ngx_content_redis_conn_t *conn)
{
    u_char      id[NGX_CONTENT_REDIS_ID];
    ngx_str_t   argv[3];
    ngx_uint_t  writes;

    if (conn->hc == NULL) {
        return NGX_ERROR;
    }

    writes = ngx_content_hiredis_writes(conn->hc);

    if (conn->guarded && conn->guard_writes == writes) {
        return NGX_OK;
    }

    ngx_content_redis_guard_id(conn->redis, conn->guards_sent, id);

    ngx_str_set(&argv[0], "ECHO");
    argv[1].data = id;
    argv[1].len = sizeof(id);

    if (ngx_content_redis_command(conn, ngx_content_redis_guard_echo, conn, 2,
                                  argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conn->guards_sent++;

    ngx_str_set(&argv[0], "GETEX");
    argv[1] = conn->redis->epoch;
    ngx_str_set(&argv[2], "PERSIST");

    if (ngx_content_redis_command(conn, ngx_content_redis_guard_epoch, conn,
                                  3, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conn->guarded = 1;
    conn->guard_writes = writes;

    return NGX_OK;
}


void
ngx_content_redis_guard_reset(ngx_content_redis_conn_t *conn)
{
    conn->guard = NGX_CONTENT_REDIS_GUARD_FAILED;
    conn->guarded = 0;
    conn->guards_heard = conn->guards_sent;
    conn->copying = 0;
    ngx_content_redis_purges_reset(conn);
}


/* Unlike a token's in that its last 16 digits begin with "g". */

static void
ngx_content_redis_guard_id(ngx_content_redis_t *redis, uint64_t number,
    u_char *id)
{
    ngx_memcpy(id, redis->draw, NGX_CONTENT_REDIS_DIGITS);
    (void) ngx_sprintf(id + NGX_CONTENT_REDIS_DIGITS, "g%015xL",
                       (int64_t) (number & 0xfffffffffffffff));
}


static void
ngx_content_redis_guard_echo(redisReply *reply, void *data)
{
    ngx_content_redis_conn_t *conn = data;

    u_char  id[NGX_CONTENT_REDIS_ID];

    if (reply) {
        ngx_content_redis_guard_id(conn->redis, conn->guards_heard++, id);
    }

    if (ngx_content_redis_guard_reply(reply, conn) != NGX_OK) {
        return;
    }

    if (reply->type != REDIS_REPLY_STRING
        || (size_t) reply->len != sizeof(id)
        || ngx_memcmp(reply->str, id, sizeof(id)) != 0)
    {
        ngx_content_redis_guard_broken(conn, reply);
        return;
    }

    conn->guard = NGX_CONTENT_REDIS_GUARD_BEGUN;
}


static void
ngx_content_redis_guard_epoch(redisReply *reply, void *data)
{
    ngx_content_redis_conn_t *conn = data;

    if (ngx_content_redis_guard_reply(reply, conn) != NGX_OK
        || conn->guard != NGX_CONTENT_REDIS_GUARD_BEGUN)
    {
        return;
    }

    if (reply->type == REDIS_REPLY_NIL) {
        conn->guard = NGX_CONTENT_REDIS_GUARD_LOST;
        return;
    }

    if (ngx_content_redis_purges_heard(conn, reply) != NGX_OK) {
        ngx_content_redis_guard_broken(conn, reply);
        return;
    }

    if (ngx_memcmp(conn->stamp, conn->history.digits,
                   NGX_CONTENT_REDIS_DIGITS)
        != 0)
    {
        ngx_content_redis_conn_drop(conn, "its history is another one now");
        return;
    }

    conn->guard = NGX_CONTENT_REDIS_GUARD_HELD;
}


/* NGX_OK, or NGX_DECLINED: an error or the end, and the guard has failed. */

static ngx_int_t
ngx_content_redis_guard_reply(redisReply *reply,
    ngx_content_redis_conn_t *conn)
{
    if (reply == NULL) {
        return NGX_DECLINED;
    }

    conn->heard = ngx_current_msec;

    if (reply->type == REDIS_REPLY_ERROR) {
        conn->guard = NGX_CONTENT_REDIS_GUARD_FAILED;
        ngx_content_redis_refused(conn, reply, "guard");

        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_content_redis_guard_broken(ngx_content_redis_conn_t *conn,
    redisReply *reply)
{
    ngx_content_redis_conn_complain(conn, reply, "guard");
    ngx_content_redis_conn_drop(conn, "it does not speak as expected");
}
