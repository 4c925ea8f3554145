/*
 * What the caches are given of one object, and what they have to forget: used
 * by a GET (ngx_content_get.c) and by a fill (ngx_content_fill.c).
 *
 * Everything that is kept has to have come from storage after the fence was
 * taken (shared memory) and the token given (Redis), or from Redis after the
 * fence was taken.
 */

#ifndef NGX_CONTENT_KEEP_H
#define NGX_CONTENT_KEEP_H

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_key.h"


typedef struct {
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;
    ngx_pool_t                 *pool;        /* for what is built meanwhile */
    ngx_str_t                   key;
    u_char                      tag[CONTENT_KEY_TAG_LEN];

    ngx_atomic_uint_t           fence;       /* of the memory cache */
    ngx_msec_t                  age;         /* of what Redis has */

    u_char                      name[NGX_CONTENT_REDIS_NAME];
                                             /* if there is a Redis */
    ngx_content_redis_token_t   token;       /* if has_token */
    unsigned                    has_token:1;
    unsigned                    hot:1;       /* Redis may have its body */
    unsigned                    in_redis:1;  /* something may be there */
} ngx_content_keep_t;


/* For the object of a request, with the fence of its ctx, without a token. */
void ngx_content_keep_init(ngx_content_keep_t *keep, ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

/* The largest body that one of the caches would take; 0: none. */
size_t ngx_content_keep_max(ngx_content_keep_t *keep);

/* To all caches: the object whole, or without its body. */
void ngx_content_keep_whole(ngx_content_keep_t *keep,
    const content_object_t *object, content_str_t body);
void ngx_content_keep_metadata(ngx_content_keep_t *keep,
    const content_object_t *object);

/* To shared memory alone, what Redis has; body.data NULL: without. */
void ngx_content_keep_memory(ngx_content_keep_t *keep,
    const content_object_t *object, content_str_t body);

/* To all caches that want it: storage says that there is no such object. */
void ngx_content_keep_absent(ngx_content_keep_t *keep);

/*
 * What Redis has: the time it was stored, then the record of
 * lib/content_object.h, or nothing for an object that is absent.  Sets
 * keep->age; *record is the rest of it.  NGX_ERROR: not even a time.
 */
ngx_int_t ngx_content_keep_read(ngx_content_keep_t *keep, ngx_str_t *stored,
    content_str_t *record);

/*
 * For the handler of a HIT: whether the record, of an object with these tags,
 * was purged by one of them, by its own tag, or by a prefix of its key.
 */
ngx_uint_t ngx_content_keep_purged(ngx_content_keep_t *keep,
    ngx_content_redis_op_t *op, content_str_t tags);

/*
 * Nothing has changed the object since the fence was taken, as far as this
 * node has been told; where shared memory keeps it.
 */
ngx_uint_t ngx_content_keep_is_current(ngx_content_keep_t *keep);

/* What the caches say of the object is not so any more; takes a new fence. */
void ngx_content_keep_forget(ngx_content_keep_t *keep);

/* A token that nobody will use. */
void ngx_content_keep_give_back(ngx_content_keep_t *keep);


#endif
