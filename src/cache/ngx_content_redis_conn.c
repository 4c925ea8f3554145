/*
 * A connection to Redis, from connect to loss, again and again: see
 * ngx_content_redis_conn.h.  What is said between connecting and being ready
 * is in ngx_content_redis_handshake.c.
 *
 * When anything goes wrong the connection is dropped; conn_lost() is the one
 * place that makes it down and sets the timer for the next attempt.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_conn.h"


#define NGX_CONTENT_REDIS_HANDSHAKE  1000    /* ms, the least for all of it */
#define NGX_CONTENT_REDIS_DELAY_MIN  50      /* ms before the next attempt */
#define NGX_CONTENT_REDIS_DELAY_MAX  2000
#define NGX_CONTENT_REDIS_STABLE     2000    /* ms ready: forget failures */


static void ngx_content_redis_connect(ngx_content_redis_conn_t *conn);
static void ngx_content_redis_timer(ngx_event_t *ev);
static void ngx_content_redis_schedule(ngx_content_redis_conn_t *conn,
    ngx_msec_t delay);
static void ngx_content_redis_conn_lost(void *data, const char *reason);


void
ngx_content_redis_conn_open(ngx_content_redis_conn_t *conn)
{
    conn->timer.handler = ngx_content_redis_timer;
    conn->timer.data = conn;
    conn->timer.log = conn->redis->log;
    conn->timer.cancelable = 1;

    ngx_content_redis_connect(conn);
}


static void
ngx_content_redis_connect(ngx_content_redis_conn_t *conn)
{
    u_char                     reason[NGX_CONTENT_HIREDIS_REASON];
    ngx_content_redis_conf_t  *conf;

    conf = conn->redis->conf;

    conn->hc = ngx_content_hiredis_connect(&conf->addr, conn->redis->log,
                                           ngx_content_redis_conn_lost, conn,
                                           reason);
    if (conn->hc == NULL) {
        ngx_content_redis_conn_lost(conn, (char *) reason);
        return;
    }

    ngx_content_redis_schedule(conn, ngx_max(conf->timeout,
                                             NGX_CONTENT_REDIS_HANDSHAKE));
    ngx_content_redis_handshake(conn);
}


/* One timer, whose meaning is the state that it finds. */

static void
ngx_content_redis_timer(ngx_event_t *ev)
{
    ngx_content_redis_conn_t  *conn;

    conn = ev->data;

    if (conn->hc == NULL) {
        ngx_content_redis_connect(conn);
        return;
    }

    if (conn->ready) {
        ngx_content_redis_conn_drop(conn,
                                 "the node has moved on to another server");
        return;
    }

    (void) ngx_atomic_fetch_add(&conn->redis->shared->timeouts, 1);

    ngx_content_redis_conn_drop(conn, "no answer to the handshake");
}


static void
ngx_content_redis_schedule(ngx_content_redis_conn_t *conn, ngx_msec_t delay)
{
    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_add_timer(&conn->timer, delay);
}


void
ngx_content_redis_conn_drop(ngx_content_redis_conn_t *conn,
    const char *reason)
{
    ngx_content_hiredis_t  *hc;

    hc = conn->hc;

    if (hc == NULL) {
        return;
    }

    ngx_content_redis_conn_lost(conn, reason);

    /* runs the waiting callbacks, now or when the one on the stack returns */

    ngx_content_hiredis_close(hc);
}


void
ngx_content_redis_conn_close(ngx_content_redis_conn_t *conn)
{
    ngx_content_redis_conn_drop(conn, "exiting");

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }
}


/*
 * An exiting worker doesn't connect again: after a reload it may be configured
 * for another server than its successors, and the two would take the node
 * back and forth between them.
 */

static void
ngx_content_redis_conn_lost(void *data, const char *reason)
{
    ngx_content_redis_conn_t *conn = data;

    ngx_uint_t            level;
    ngx_msec_t            delay;
    ngx_content_redis_t  *redis;

    redis = conn->redis;

    if (conn->ready && ngx_current_msec - conn->since
                       >= NGX_CONTENT_REDIS_STABLE)
    {
        conn->failures = 0;
    }

    conn->hc = NULL;
    conn->ready = 0;

    if (redis->closing) {
        return;
    }

    level = conn->told ? NGX_LOG_INFO : NGX_LOG_ERR;
    conn->told = 1;

    ngx_log_error(level, redis->log, 0, "redis \"%V\" is away: %s",
                  &redis->conf->address, reason);

    (void) ngx_atomic_fetch_add(&redis->shared->reconnects, 1);

    if (ngx_exiting) {
        if (conn->timer.timer_set) {
            ngx_del_timer(&conn->timer);
        }

        return;
    }

    delay = NGX_CONTENT_REDIS_DELAY_MIN << ngx_min(conn->failures, 10);
    delay = ngx_min(delay, NGX_CONTENT_REDIS_DELAY_MAX / 2);
    conn->failures++;

    ngx_content_redis_schedule(conn, delay + ngx_random() % delay);
}


ngx_uint_t
ngx_content_redis_conn_usable(ngx_content_redis_conn_t *conn)
{
    if (!conn->ready) {
        return 0;
    }

    if (!ngx_content_redis_conn_current(conn)) {

        if (!conn->timer.timer_set) {
            ngx_content_redis_schedule(conn, 1);
        }

        return 0;
    }

    return 1;
}


ngx_uint_t
ngx_content_redis_conn_current(ngx_content_redis_conn_t *conn)
{
    return conn->history.identity == conn->redis->shared->identity;
}


void
ngx_content_redis_conn_complain(ngx_content_redis_conn_t *conn,
    redisReply *reply, const char *what)
{
    ngx_uint_t            level;
    ngx_content_redis_t  *redis;

    redis = conn->redis;

    (void) ngx_atomic_fetch_add(&redis->shared->errors, 1);

    level = (conn->complained == ngx_time()) ? NGX_LOG_INFO : NGX_LOG_ERR;
    conn->complained = ngx_time();

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(level, redis->log, 0, "redis \"%V\" says to %s: %s",
                      &redis->conf->address, what, reply->str);
        return;
    }

    ngx_log_error(level, redis->log, 0,
                  "redis \"%V\" answers %s with what is no answer to it",
                  &redis->conf->address, what);
}


ngx_int_t
ngx_content_redis_command(ngx_content_redis_conn_t *conn,
    ngx_content_hiredis_reply_pt fn, void *data, ngx_uint_t argc,
    ngx_str_t *argv)
{
    return conn->hc ? ngx_content_hiredis_command(conn->hc, fn, data, argc,
                                                  argv)
                    : NGX_ERROR;
}


void
ngx_content_redis_conn_ready(ngx_content_redis_conn_t *conn)
{
    ngx_del_timer(&conn->timer);

    conn->ready = 1;
    conn->used = 1;
    conn->since = ngx_current_msec;

    if (conn->told) {
        conn->told = 0;

        ngx_log_error(NGX_LOG_NOTICE, conn->redis->log, 0,
                      "redis \"%V\" is back", &conn->redis->conf->address);
    }
}
