/*
 * The zones of shared memory, one each for all locations and all workers: the
 * shared state, the memory cache, the flights of its fills.
 */

#ifndef NGX_CONTENT_ZONES_H
#define NGX_CONTENT_ZONES_H

#include "http/ngx_content_conf.h"


/* For init_main_conf: NGX_ERROR is logged and names the directive. */
ngx_int_t ngx_content_zones_add(ngx_conf_t *cf, ngx_content_main_conf_t *mcf);

/* NULL before the zone is there, that is: never in a worker. */
ngx_content_shared_t *ngx_content_shared(ngx_content_main_conf_t *mcf);

/* The memory cache, where memory_zone is not NULL. */
ngx_content_memory_t *ngx_content_memory(ngx_content_main_conf_t *mcf);

/* For init_process: this configuration's memory cache is the one in use. */
void ngx_content_memory_use(ngx_content_main_conf_t *mcf);

/*
 * A change was made, and this worker's memory cache has forgotten, if it has
 * one.  If another is in use, that is emptied.
 */
void ngx_content_memory_changed(ngx_content_main_conf_t *mcf);

/*
 * Whether what this node has in memory may be used now: it is the cache in use,
 * and the node is alone, or has a lease of the fleet.  For who has memory_zone.
 */
ngx_uint_t ngx_content_coherent(ngx_content_main_conf_t *mcf);


#endif
