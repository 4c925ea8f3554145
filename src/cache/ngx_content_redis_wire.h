/*
 * The commands that the operations of the Redis client send and what their
 * replies mean, for ngx_content_redis.c only.  The format of the keys is in
 * ngx_content_redis_scripts.h.
 */

#ifndef NGX_CONTENT_REDIS_WIRE_H
#define NGX_CONTENT_REDIS_WIRE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_redis_conn.h"


#define NGX_CONTENT_REDIS_LOST   7     /* results of a lookup, not seen
                                          outside: it found no epoch; */
#define NGX_CONTENT_REDIS_NONE   8     /* there is no record, and a token is
                                          wanted */

#define NGX_CONTENT_REDIS_UNSURE 9     /* there is one, but the copy of the
                                          table of purges is too old for it */

#define NGX_CONTENT_REDIS_NUMBER (NGX_CONTENT_REDIS_STAMP                    \
                                  - NGX_CONTENT_REDIS_EPOCH)

#define NGX_CONTENT_REDIS_HEAD   (NGX_CONTENT_REDIS_STAMP                    \
                                  + NGX_CONTENT_REDIS_NAME)


/*
 * "GET", the prefix of all keys and the brace, as a command begins; from pool.
 */
ngx_int_t ngx_content_redis_prepare(ngx_content_redis_t *redis,
    ngx_pool_t *pool);

/*
 * Each queues one command, for op->name where there is a key, whose reply will
 * come to ngx_content_redis_reply() with op.  NGX_OK or NGX_ERROR.  A lookup
 * is guarded; claim is its second half.  as_text: the server does not know the
 * script any more.
 */
ngx_int_t ngx_content_redis_send_lookup(ngx_content_redis_op_t *op);
ngx_int_t ngx_content_redis_send_claim(ngx_content_redis_op_t *op,
    ngx_uint_t as_text);
ngx_int_t ngx_content_redis_send_fill(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl);
ngx_int_t ngx_content_redis_send_give_back(ngx_content_redis_op_t *op,
    ngx_content_redis_token_t *token);
ngx_int_t ngx_content_redis_send_end(ngx_content_redis_op_t *op);
ngx_int_t ngx_content_redis_send_epoch(ngx_content_redis_op_t *op);

/* In ngx_content_redis_purges.c. */
ngx_int_t ngx_content_redis_send_purge(ngx_content_redis_op_t *op,
    const uint32_t *places, ngx_uint_t n);

/*
 * Each takes a reply that is not an error: returns the result, having set the
 * fields of op that go with it, or NGX_ERROR: it is no answer to that command.
 */
ngx_int_t ngx_content_redis_take_lookup(ngx_content_redis_op_t *op,
    redisReply *reply);
ngx_int_t ngx_content_redis_take_fill(ngx_content_redis_op_t *op,
    redisReply *reply);
ngx_int_t ngx_content_redis_take_end(ngx_content_redis_op_t *op,
    redisReply *reply);
ngx_int_t ngx_content_redis_take_epoch(ngx_content_redis_op_t *op,
    redisReply *reply);
ngx_int_t ngx_content_redis_take_purge(ngx_content_redis_op_t *op,
    redisReply *reply);
ngx_int_t ngx_content_redis_take_call(ngx_content_redis_op_t *op,
    redisReply *reply);


/* In ngx_content_redis_op.c: the callback of the commands. */
void ngx_content_redis_reply(redisReply *reply, void *data);


/* ngx_content_redis_asked.c */

/*
 * Queues op's GET, of the key as ngx_content_hiredis_get() takes it, or joins
 * one that is queued.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_content_redis_ask(ngx_content_redis_op_t *op, u_char *key,
    size_t len);


#endif
