/*
 * Purges by tag and by prefix, in Redis: a number for each, and a copy of the
 * table that tells which records they took.  See "What a hit rests on" in
 * ngx_content_redis.h, and ngx_content_redis_scripts.h for the two keys.
 *
 * Replies come in the order of the commands.  So the copy, when the reply to a
 * lookup comes, is at least as new as the guard before that lookup has found.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_scripts.h"
#include "cache/ngx_content_redis_wire.h"


#define NGX_CONTENT_REDIS_PLACE   5          /* digits */
#define NGX_CONTENT_REDIS_TABLE   (NGX_CONTENT_REDIS_STAMP                   \
                                   + 4 * CONTENT_SELECTOR_PLACES)


static ngx_int_t ngx_content_redis_purges_apply(
    ngx_content_redis_conn_t *conn, u_char *last, ngx_uint_t n);
static ngx_int_t ngx_content_redis_purges_alloc(
    ngx_content_redis_conn_t *conn);
static void ngx_content_redis_purges_came(redisReply *reply, void *data);
static void ngx_content_redis_purges_take(ngx_content_redis_conn_t *conn,
    u_char *p);


ngx_int_t
ngx_content_redis_send_purge(ngx_content_redis_op_t *op,
    const uint32_t *places, ngx_uint_t n)
{
    u_char                    *digits, *p;
    ngx_int_t                  rc;
    ngx_str_t                  argv[7];
    ngx_uint_t                 i;
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    digits = ngx_alloc(n * NGX_CONTENT_REDIS_PLACE, conn->redis->log);
    if (digits == NULL) {
        return NGX_ERROR;
    }

    p = digits;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%05xD", places[i]);
    }

    ngx_str_set(&argv[0], "EVAL");
    ngx_str_set(&argv[1], NGX_CONTENT_REDIS_SCRIPT_PURGE);
    ngx_str_set(&argv[2], "2");
    argv[3] = conn->redis->epoch;
    argv[4] = conn->redis->purges;
    argv[5].data = conn->history.digits;
    argv[5].len = sizeof(conn->history.digits);

    argv[6].data = digits;
    argv[6].len = p - digits;

    rc = ngx_content_redis_command(conn, ngx_content_redis_reply, op, 7, argv);
    ngx_free(digits);

    return rc;
}


ngx_int_t
ngx_content_redis_take_purge(ngx_content_redis_op_t *op, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL) {
        return NGX_CONTENT_REDIS_LOST;
    }

    return reply->type == REDIS_REPLY_INTEGER ? NGX_CONTENT_REDIS_DONE
                                              : NGX_ERROR;
}


ngx_uint_t
ngx_content_redis_purged(ngx_content_redis_op_t *op, uint64_t store,
    content_str_t key, content_str_t tags)
{
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    return op->purges < conn->purges
           && content_selector_purged(conn->copy.table, store, key, tags,
                                      op->purges);
}


ngx_int_t
ngx_content_redis_purges_heard(ngx_content_redis_conn_t *conn,
    redisReply *reply)
{
    u_char     *p;
    size_t      len, rest;
    ngx_int_t   number;

    p = (u_char *) reply->str;
    len = reply->len;

    if (reply->type != REDIS_REPLY_STRING
        || len < NGX_CONTENT_REDIS_EPOCH
        || (len > NGX_CONTENT_REDIS_EPOCH && len < NGX_CONTENT_REDIS_STAMP))
    {
        return NGX_ERROR;
    }

    ngx_memset(conn->stamp, '0', NGX_CONTENT_REDIS_STAMP);
    ngx_memcpy(conn->stamp, p, ngx_min(len, NGX_CONTENT_REDIS_STAMP));

    number = ngx_hextoi(conn->stamp + NGX_CONTENT_REDIS_EPOCH,
                        NGX_CONTENT_REDIS_NUMBER);
    rest = len > NGX_CONTENT_REDIS_STAMP ? len - NGX_CONTENT_REDIS_STAMP : 0;

    if (number == NGX_ERROR || rest % NGX_CONTENT_REDIS_PLACE) {
        return NGX_ERROR;
    }

    conn->purges = (uint32_t) number;

    if (ngx_memcmp(conn->copy.epoch, p, NGX_CONTENT_REDIS_EPOCH) != 0) {
        ngx_content_redis_purges_reset(conn);
        ngx_memcpy(conn->copy.epoch, p, NGX_CONTENT_REDIS_EPOCH);
    }

    return ngx_content_redis_purges_apply(conn, p + NGX_CONTENT_REDIS_STAMP,
                                          rest / NGX_CONTENT_REDIS_PLACE);
}


/* The last n places; if there were more that the copy lacks, it stays old. */

static ngx_int_t
ngx_content_redis_purges_apply(ngx_content_redis_conn_t *conn, u_char *last,
    ngx_uint_t n)
{
    ngx_int_t                    place;
    ngx_uint_t                   i;
    ngx_content_redis_purges_t  *copy;

    copy = &conn->copy;

    if (conn->purges <= copy->number || conn->purges - copy->number > n
        || ngx_content_redis_purges_alloc(conn) != NGX_OK)
    {
        return NGX_OK;
    }

    for (i = n - (conn->purges - copy->number); i < n; i++) {
        place = ngx_hextoi(last + i * NGX_CONTENT_REDIS_PLACE,
                           NGX_CONTENT_REDIS_PLACE);

        if (place < 0 || place >= CONTENT_SELECTOR_PLACES) {
            return NGX_ERROR;
        }

        copy->table->numbers[place] = ++copy->number;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_redis_purges_alloc(ngx_content_redis_conn_t *conn)
{
    if (conn->copy.table == NULL) {
        conn->copy.table = ngx_calloc(sizeof(content_selectors_t),
                                      conn->redis->log);
    }

    return conn->copy.table ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_content_redis_purges_known(ngx_content_redis_conn_t *conn, uint32_t since)
{
    return since >= conn->purges
           || (conn->copy.number >= conn->purges
               && ngx_memcmp(conn->copy.epoch, conn->stamp,
                             NGX_CONTENT_REDIS_EPOCH)
                  == 0);
}


ngx_int_t
ngx_content_redis_purges_read(ngx_content_redis_conn_t *conn)
{
    ngx_str_t  argv[2];

    if (conn->copying) {
        return NGX_OK;
    }

    ngx_str_set(&argv[0], "GET");
    argv[1] = conn->redis->purges;

    if (ngx_content_redis_command(conn, ngx_content_redis_purges_came, conn,
                                  2, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conn->copying = 1;

    return NGX_OK;
}


static void
ngx_content_redis_purges_came(redisReply *reply, void *data)
{
    ngx_content_redis_conn_t *conn = data;

    if (reply == NULL) {
        return;
    }

    conn->copying = 0;
    conn->heard = ngx_current_msec;

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_content_redis_refused(conn, reply, "purges");
        return;
    }

    /* if it is none, the lookups behind it find the copy as old as before */

    if (reply->type == REDIS_REPLY_STRING
        && (size_t) reply->len == NGX_CONTENT_REDIS_TABLE
        && ngx_content_redis_purges_alloc(conn) == NGX_OK)
    {
        ngx_content_redis_purges_take(conn, (u_char *) reply->str);
    }
}


static void
ngx_content_redis_purges_take(ngx_content_redis_conn_t *conn, u_char *p)
{
    ngx_int_t                    number;
    ngx_uint_t                   i;
    ngx_content_redis_purges_t  *copy;

    number = ngx_hextoi(p + NGX_CONTENT_REDIS_EPOCH,
                        NGX_CONTENT_REDIS_NUMBER);

    if (number == NGX_ERROR) {
        return;
    }

    copy = &conn->copy;

    ngx_memcpy(copy->epoch, p, NGX_CONTENT_REDIS_EPOCH);
    copy->number = (uint32_t) number;

    p += NGX_CONTENT_REDIS_STAMP;

    for (i = 0; i < CONTENT_SELECTOR_PLACES; i++, p += 4) {
        copy->table->numbers[i] = (uint32_t) p[0] << 24 | p[1] << 16
                                  | p[2] << 8 | p[3];
    }
}


void
ngx_content_redis_purges_reset(ngx_content_redis_conn_t *conn)
{
    ngx_memzero(conn->copy.epoch, NGX_CONTENT_REDIS_EPOCH);
    conn->copy.number = 0;

    if (conn->copy.table) {
        ngx_memzero(conn->copy.table, sizeof(content_selectors_t));
    }
}
