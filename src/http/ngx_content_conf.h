/*
 * The module's configuration: what the directives fill, and the objects that
 * a worker builds on it (ngx_content_process.h).  Only src/http sees these
 * structs; every service below declares its own part in its header.
 *
 * What a worker makes for itself (the Redis client, the HTTP engine, the
 * purge sender) hangs off the main conf of its cycle: made in init_process,
 * gone in exit_process.
 */

#ifndef NGX_CONTENT_CONF_H
#define NGX_CONTENT_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "cache/ngx_content_fleet.h"
#include "cache/ngx_content_flight.h"
#include "cache/ngx_content_memory.h"
#include "cache/ngx_content_owed.h"
#include "cache/ngx_content_redis.h"
#include "cache/ngx_content_responses.h"
#include "cdn/ngx_content_purge.h"
#include "core/ngx_content_counters.h"
#include "core/ngx_content_curl.h"
#include "http/ngx_content_tokens.h"
#include "lib/content_hot.h"
#include "lib/content_policy.h"
#include "store/ngx_content_file.h"
#include "store/ngx_content_probe.h"
#include "store/ngx_content_s3.h"
#include "store/ngx_content_store.h"
#include "store/ngx_content_sweep.h"


/*
 * The memory caches of the configurations that there are during a reload: see
 * ngx_content_zones.c.
 */

typedef struct {
    ngx_atomic_t                 made;        /* so far: the last one's number */
    ngx_atomic_t                 current;     /* the number of the one in use;
                                                 0: none yet */
    ngx_atomic_t                 missed;      /* changes that it was not told
                                                 of */
    ngx_atomic_t                 heeded;      /* ... and was emptied for */
} ngx_content_memories_t;


/* The shared zone: one for all locations and all workers. */

typedef struct {
    ngx_content_counters_t       counters;
    ngx_content_memories_t       memories;
    ngx_content_uploads_shared_t  uploads;
    ngx_content_sweep_shared_t   sweep;
    ngx_content_probe_shared_t   probe;
    ngx_content_redis_shared_t   redis;
    ngx_content_fleet_shared_t   fleet;
    ngx_content_purge_shared_t  *purge;       /* in the same zone */
    content_hot_t               *hot;
    ngx_content_responses_t     *responses;
} ngx_content_shared_t;


typedef struct {
    size_t                       zone_size;
    ngx_shm_zone_t              *zone;        /* data: ngx_content_shared_t,
                                                 once it is there */
    size_t                       memory_size; /* 0: no memory cache */
    size_t                       memory_max;  /* the largest body it takes */
    ngx_shm_zone_t              *memory_zone; /* data: this configuration */
    ngx_content_memory_t        *memory;      /* once the zone is there */
    ngx_uint_t                   memory_number;  /* 0: none */
    ngx_fd_t                     memory_file; /* its pages, or
                                                 NGX_INVALID_FILE */
    ngx_content_uploads_conf_t   uploads_conf;
    ngx_str_t                    thread_pool;
    ngx_content_redis_conf_t     redis;
    ngx_content_fleet_conf_t     fleet_conf;

    ngx_thread_pool_t           *threads;
    ngx_array_t                  stores;      /* ngx_content_store_t * */
    ngx_array_t                  origins;     /* ngx_content_loc_conf_t *,
                                                 one a store */
    ngx_array_t                  zones;       /* ngx_content_purge_conf_t *:
                                                 one per CDN zone in use */

    /* of this process */
    ngx_content_redis_t         *redis_client;
    ngx_content_fleet_t         *fleet;       /* NULL: alone */
    ngx_content_curl_t          *curl;
    ngx_content_uploads_t       *uploads;
    ngx_content_purge_t         *purge;
    ngx_content_owed_t          *owed;        /* NULL: without Redis or CDN */
    ngx_shm_zone_t              *flight_zone; /* with memory_zone */
    ngx_content_flights_t       *flights;     /* of all workers; NULL: of one */
    struct ngx_content_fills_s  *fills;
} ngx_content_main_conf_t;


enum {
    NGX_CONTENT_STORE_OFF = 0,
    NGX_CONTENT_STORE_FILE,
    NGX_CONTENT_STORE_S3
};


typedef struct {
    ngx_flag_t                   enabled;
    ngx_uint_t                   hits;        /* asked for that often ... */
    ngx_msec_t                   window;      /* ... within that time */
    size_t                       size;        /* and not larger */
    ngx_msec_t                   ttl;         /* is kept that long */
} ngx_content_hot_conf_t;


/* How long caches may answer without asking storage: content_fresh. */

typedef struct {
    ngx_msec_t                   soft;        /* fresh; then until hot.ttl
                                                 refreshed in the background */
    ngx_msec_t                   error;       /* beyond that, if storage fails */
    ngx_msec_t                   absent;      /* that there is no object; 0: not
                                                 kept */
    unsigned                     set:1;
} ngx_content_fresh_conf_t;


typedef struct {
    ngx_uint_t                   kind;        /* NGX_CONTENT_STORE_*: not
                                                 inherited */
    ngx_content_store_t         *store;       /* NULL: not an origin */
    ngx_uint_t                   above_origin; /* a server with such a location:
                                                 not inherited */
    ngx_content_file_conf_t      file;
    ngx_content_s3_conf_t        s3;
    time_t                       sweep;       /* seconds; 0: off */

    ngx_content_hot_conf_t       hot;
    ngx_content_fresh_conf_t     fresh;

    ngx_str_t                    cache_control;
    ngx_str_t                    cdn_cache_control;
    content_policy_t             policy;      /* the two as content_str_t */

    ngx_content_tokens_t        *tokens;
    ngx_uint_t                   anonymous;   /* CONTENT_RIGHT_* */
    ngx_flag_t                   require_conditions; /* of writes */

    ngx_content_purge_conf_t     purge;
} ngx_content_loc_conf_t;


extern ngx_module_t  ngx_content_module;


void *ngx_content_create_main_conf(ngx_conf_t *cf);
char *ngx_content_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_content_create_loc_conf(ngx_conf_t *cf);
char *ngx_content_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* content: which store a location has. */
char *ngx_content_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif
