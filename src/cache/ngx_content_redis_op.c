/*
 * The life of an operation: see ngx_content_redis_op.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_op.h"


/* With AddressSanitizer none, so that it knows what has ended. */

#if defined(__SANITIZE_ADDRESS__)
#define NGX_CONTENT_REDIS_SPARE  0
#else
#define NGX_CONTENT_REDIS_SPARE  256         /* of a worker */
#endif


#define NGX_CONTENT_REDIS_OVERDUE  2         /* a part of the time-out */


typedef ngx_int_t (*ngx_content_redis_take_pt)(ngx_content_redis_op_t *op,
    redisReply *reply);


typedef struct {
    const char                 *name;
    ngx_content_redis_take_pt   take;
} ngx_content_redis_kind_t;


static ngx_uint_t ngx_content_redis_overdue(ngx_content_redis_conn_t *conn);
static ngx_content_redis_op_t *ngx_content_redis_op_create(
    ngx_content_redis_conn_t *conn, ngx_uint_t kind);
static ngx_int_t ngx_content_redis_result(ngx_content_redis_op_t *op,
    redisReply *reply);
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


ngx_content_redis_op_t *
ngx_content_redis_begin(ngx_content_redis_t *redis, ngx_uint_t kind,
    u_char *name)
{
    ngx_content_redis_op_t    *op;
    ngx_content_redis_conn_t  *conn;

    conn = &redis->conn;

    if (!ngx_content_redis_conn_usable(conn)
        || (kind == NGX_CONTENT_REDIS_LOOKUP
            && ngx_content_redis_overdue(conn)))
    {
        return NULL;
    }

    op = ngx_content_redis_op_create(conn, kind);

    if (op && name) {
        ngx_memcpy(op->name, name, NGX_CONTENT_REDIS_NAME);
    }

    return op;
}


/*
 * Replies come in the order of the commands: what is sent now will be answered
 * later than what waits already.  A reply that is there and not read yet is not
 * Redis's delay, but our own.
 */

static ngx_uint_t
ngx_content_redis_overdue(ngx_content_redis_conn_t *conn)
{
    ngx_msec_t               timeout;
    ngx_content_redis_op_t  *oldest;

    if (ngx_queue_empty(&conn->ops)) {
        return 0;
    }

    oldest = ngx_queue_data(ngx_queue_head(&conn->ops), ngx_content_redis_op_t,
                            queue);
    timeout = conn->redis->conf->timeout;

    return (ngx_msec_int_t) (oldest->deadline - ngx_current_msec)
           < (ngx_msec_int_t) (timeout - timeout / NGX_CONTENT_REDIS_OVERDUE)
           && !ngx_content_hiredis_unread(conn->hc);
}


/* The last that ended is the next that begins: malloc would cost more. */

static ngx_content_redis_op_t *
ngx_content_redis_op_create(ngx_content_redis_conn_t *conn, ngx_uint_t kind)
{
    ngx_queue_t             *q;
    ngx_content_redis_t     *redis;
    ngx_content_redis_op_t  *op;

    redis = conn->redis;

    if (redis->nspare) {
        redis->nspare--;

        q = ngx_queue_head(&redis->spare);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_content_redis_op_t, queue);

    } else {
        op = ngx_alloc(sizeof(ngx_content_redis_op_t), redis->log);
    }

    if (op) {
        ngx_memzero(op, sizeof(ngx_content_redis_op_t));

        op->conn = conn;
        op->kind = kind;
        op->dirty = redis->shared->dirty;
    }

    return op;
}


void
ngx_content_redis_op_free(ngx_content_redis_op_t *op)
{
    ngx_content_redis_t  *redis;

    redis = op->conn->redis;

    if (redis->nspare == NGX_CONTENT_REDIS_SPARE) {
        ngx_free(op);
        return;
    }

    redis->nspare++;
    ngx_queue_insert_head(&redis->spare, &op->queue);
}


void
ngx_content_redis_op_free_spare(ngx_content_redis_t *redis)
{
    ngx_queue_t  *q;

    for ( /* void */ ; redis->nspare; redis->nspare--) {
        q = ngx_queue_head(&redis->spare);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_content_redis_op_t, queue));
    }
}


/*
 * The timer is not moved with each operation: it fires a time-out after the
 * first one and then looks for who is the oldest.  While it stands for an
 * operation it keeps an exiting worker alive.
 */

ngx_int_t
ngx_content_redis_sent(ngx_content_redis_op_t *op, ngx_int_t rc)
{
    ngx_msec_t                 timeout;
    ngx_content_redis_conn_t  *conn;

    if (rc != NGX_OK) {
        ngx_content_redis_op_free(op);
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
ngx_content_redis_reply(redisReply *reply, void *data)
{
    ngx_content_redis_op_t  *op = data;

    ngx_int_t  rc;

    rc = ngx_content_redis_result(op, reply);

    if (rc == NGX_AGAIN) {
        return;
    }

    op->conn->filling -= op->size;

    if (!op->late) {
        ngx_content_redis_finish(op, rc);

    } else if (rc == NGX_CONTENT_REDIS_TOKEN) {
        ngx_content_redis_give_back(op->conn->redis, op->name, &op->token);
    }

    ngx_content_redis_op_free(op);
}


/* A result, or NGX_AGAIN: the operation was sent once more. */

static ngx_int_t
ngx_content_redis_result(ngx_content_redis_op_t *op, redisReply *reply)
{
    ngx_int_t                  rc;
    ngx_content_redis_conn_t  *conn;

    conn = op->conn;

    if (reply == NULL) {
        return NGX_CONTENT_REDIS_AWAY;
    }

    conn->heard = ngx_current_msec;

    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_content_redis_error(op, reply);
    }

    rc = ngx_content_redis_kinds[op->kind].take(op, reply);

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


void
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
        ngx_content_redis_give_back(redis, op->name, &op->token);
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

void
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
