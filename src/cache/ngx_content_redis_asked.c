/*
 * Look-ups of one object that go to Redis together: the first of them asks, and
 * its answer is for all.
 *
 * They begin before the command is written, and nothing else is queued between
 * them: each could as well have been a key of the same MGET, whose answers are
 * alike.  Each then takes the reply as if it were its own.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_redis_wire.h"


static ngx_content_redis_op_t **ngx_content_redis_asked_place(
    ngx_content_redis_op_t *op);
static void ngx_content_redis_answered(redisReply *reply, void *data);


ngx_int_t
ngx_content_redis_ask(ngx_content_redis_op_t *op, u_char *key, size_t len)
{
    ngx_content_redis_op_t  **place;

    op->batch = ngx_content_hiredis_batch(op->conn->hc);
    place = ngx_content_redis_asked_place(op);

    if (*place && (*place)->batch == op->batch) {
        (*place)->same = op;

    } else if (ngx_content_hiredis_get(op->conn->hc,
                                       ngx_content_redis_answered, op, key,
                                       len)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    *place = op;
    op->place = place;

    return NGX_OK;
}


/*
 * Of the last one of op's batch that asks for its object; if there is none, a
 * free one: there are more than a batch has objects.
 */

static ngx_content_redis_op_t **
ngx_content_redis_asked_place(ngx_content_redis_op_t *op)
{
    u_char                  *digits;
    ngx_uint_t               i;
    ngx_content_redis_op_t  *other;

    digits = &op->name[NGX_CONTENT_REDIS_NAME - 2];     /* of a hash */
    i = digits[0] << 4 ^ digits[1];

    for ( ;; ) {
        i = (i + 1) % NGX_CONTENT_REDIS_ASKED;
        other = op->conn->asked[i];

        if (other == NULL || other->batch != op->batch
            || ngx_memcmp(other->name, op->name, NGX_CONTENT_REDIS_NAME) == 0)
        {
            return &op->conn->asked[i];
        }
    }
}


/*
 * An operation is gone after its reply, or asks again.  One of them may have
 * ended the connection: then the others have no answer.
 */

static void
ngx_content_redis_answered(redisReply *reply, void *data)
{
    ngx_content_redis_op_t    *op, *next;
    ngx_content_redis_conn_t  *conn;

    op = data;
    conn = op->conn;

    for ( /* void */ ; op; op = next) {
        next = op->same;
        op->same = NULL;

        if (*op->place == op) {
            *op->place = NULL;
        }

        ngx_content_redis_reply(reply, op);

        if (conn->hc == NULL) {
            reply = NULL;
        }
    }
}
