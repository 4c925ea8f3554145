/*
 * The life of an operation of the Redis client, between the calls of
 * ngx_content_redis.h, which make it, and the wire, which says it to Redis.
 *
 * An operation is sent when it is made, or declined; nothing is ever queued
 * for a connection to come.  It stands in its connection's queue in the order
 * of sending, which is that of the deadlines, until its handler is run: by its
 * reply, by the loss of the connection, or by the timer.  In the last case it
 * stays allocated (late) until its callback has run, as that of everything
 * that was sent does, with NULL at the end of a connection.
 */

#ifndef NGX_CONTENT_REDIS_OP_H
#define NGX_CONTENT_REDIS_OP_H

#include "cache/ngx_content_redis_wire.h"


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


/*
 * A new operation, not sent yet, of the object of that name, or of none (NULL).
 * Returns NULL: no usable connection, no memory.
 */
ngx_content_redis_op_t *ngx_content_redis_begin(ngx_content_redis_t *redis,
    ngx_uint_t kind, u_char *name);

/*
 * With what sending it returned: NGX_OK puts op in the queue; else op is freed
 * and the answer is NGX_ERROR.
 */
ngx_int_t ngx_content_redis_sent(ngx_content_redis_op_t *op, ngx_int_t rc);

/* Of one that is in no queue; it may be used again. */
void ngx_content_redis_op_free(ngx_content_redis_op_t *op);

/* The memory that op_free() has kept. */
void ngx_content_redis_op_free_spare(ngx_content_redis_t *redis);

/* Of a connection: operations past their time end. */
void ngx_content_redis_op_timer(ngx_event_t *ev);

/*
 * What an operation asks of the client when it ends.
 */

/* An end() may not have been heard: no record is believed until settled. */
void ngx_content_redis_unconfirmed(ngx_content_redis_t *redis);

/* The node is dirty, or has no epoch, and this worker can do about it. */
void ngx_content_redis_start_settling(ngx_content_redis_conn_t *conn);

/* Unique, NGX_CONTENT_REDIS_ID bytes. */
void ngx_content_redis_new_id(ngx_content_redis_t *redis, u_char *id);


#endif
