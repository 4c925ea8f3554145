/*
 * A change: what the caches and the CDN are told when objects change, whoever
 * changes them: a PUT, a DELETE, or what the API does with many at once.
 *
 *     begin    before storage is touched
 *     (the caller changes storage, and says of each key what became of it)
 *     end      DROP    the records in Redis, and the right to fill them
 *              FORGET  the records in shared memory
 *              PURGE   queue the CDN's purge, as one job
 *
 * A change belongs to no request: once storage was touched it goes on whatever
 * the client does.  The owner keeps it, and its pool, until it has ended.
 */

#ifndef NGX_CONTENT_CHANGE_H
#define NGX_CONTENT_CHANGE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "http/ngx_content_conf.h"
#include "lib/content_key.h"
#include "lib/content_purge.h"


typedef struct ngx_content_change_s  ngx_content_change_t;

typedef void (*ngx_content_change_pt)(ngx_content_change_t *change);

/* One of the objects; the caller sets the flags before end(). */

typedef struct {
    ngx_str_t                  key;          /* canonical */
    u_char                     hash[CONTENT_KEY_HASH_LEN];
    unsigned                   touched:1;    /* it has changed, or nobody
                                                knows whether */
    unsigned                   replaced:1;   /* and the CDN may have an older
                                                one */
} ngx_content_changed_t;


struct ngx_content_change_s {
    ngx_pool_t                *pool;         /* outlives the change */
    ngx_content_main_conf_t   *mcf;
    ngx_content_loc_conf_t    *lcf;

    ngx_content_changed_t     *keys;
    ngx_uint_t                 nkeys;

    ngx_content_change_pt      done;         /* of begin() and end() */
    void                      *data;

    /* out, after end() */

    unsigned                   purged:1;     /* job is set */
    unsigned                   lost:1;       /* the purge queue was full */
    u_char                     job[CONTENT_PURGE_ID_SIZE];

    /* its own */

    ngx_uint_t                 step;
    ngx_uint_t                 pending;      /* records being dropped */
};


/* Fills a key's hash; key has to outlive the change. */
void ngx_content_changed_init(ngx_content_changed_t *changed, ngx_str_t *key);

/*
 * Returns NGX_OK: it has ended, or NGX_AGAIN: done will be called once, from
 * the event loop.  Redis being away, or a full purge queue, is no failure: see
 * ngx_content_redis_end() and lost.
 */
ngx_int_t ngx_content_change_end(ngx_content_change_t *change);


#endif
