/*
 * What a node owes, kept in Redis where it outlives the node: texts by an id,
 * of purges of the CDN.
 *
 *     note    keeps one, before its promise is made
 *     strike  it was done
 *
 * What was noted and not struck is read again by each worker of the node when
 * it starts, and of a node that has left the fleet by whoever has the control
 * role of another.  So each can be read more than once, even while it is done:
 * the reader has to know what he has, and doing one twice has to do no harm.
 *
 * Keys, P being the prefix; none of them expires, so that a Redis which may
 * evict what does keeps them:
 *
 *     P{fleet}:owed         set: names of nodes, of a fleet only
 *     P{fleet}:owed:NAME    hash: id, text
 */

#ifndef NGX_CONTENT_OWED_H
#define NGX_CONTENT_OWED_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_fleet.h"
#include "cache/ngx_content_redis.h"


typedef struct ngx_content_owed_s  ngx_content_owed_t;

/*
 * One that was read; both are only valid while it runs.  NGX_OK, or NGX_BUSY:
 * not now, read it again later.
 */
typedef ngx_int_t (*ngx_content_owed_pt)(void *data, ngx_str_t *id,
    ngx_str_t *text);


/*
 * For init_process of a worker, which then reads what its node has left.
 * fleet may be NULL.  All have to outlive it.  NULL: no memory.
 */
ngx_content_owed_t *ngx_content_owed_create(ngx_cycle_t *cycle,
    ngx_content_redis_t *redis, ngx_content_fleet_t *fleet, ngx_str_t *name,
    ngx_content_owed_pt taken, void *data);

/* For exit_process, before Redis and the fleet go. */
void ngx_content_owed_destroy(ngx_content_owed_t *owed);

/*
 * Keeps a text: the handler is told DONE, or AWAY: nobody knows.  NGX_OK, or
 * NGX_DECLINED: AWAY at once.
 */
ngx_int_t ngx_content_owed_note(ngx_content_owed_t *owed, ngx_str_t *id,
    ngx_str_t *text, ngx_content_redis_handler_pt handler, void *data);

/* Nobody is told: what stays by a fault is done once more. */
void ngx_content_owed_strike(ngx_content_owed_t *owed, ngx_str_t *id);


#endif
