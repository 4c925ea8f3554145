/*
 * The zones of shared memory: made by the configuration, filled once, kept over
 * a reload.  See ngx_content_zones.h.
 */

#include "http/ngx_content_zones.h"


#define NGX_CONTENT_ZONE_MIN   (4 * 1024 * 1024)
#define NGX_CONTENT_HOT_WIDTH  16         /* 512 KiB of counters */


static ngx_int_t ngx_content_init_flights(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_content_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_content_init_memory(ngx_shm_zone_t *zone, void *data);
static void ngx_content_memory_heed(ngx_content_main_conf_t *mcf,
    ngx_content_memories_t *memories);
static void ngx_content_close_memory(void *data);


static ngx_str_t  ngx_content_zone_name = ngx_string("ngx_content");
static ngx_str_t  ngx_content_memory_name = ngx_string("ngx_content_memory");
static ngx_str_t  ngx_content_flight_name =
    ngx_string("ngx_content_flights");


ngx_int_t
ngx_content_zones_add(ngx_conf_t *cf, ngx_content_main_conf_t *mcf)
{
    ngx_pool_cleanup_t  *cln;

    if (mcf->zone_size < NGX_CONTENT_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_zone\" must be at least 4m");
        return NGX_ERROR;
    }

    mcf->zone = ngx_shared_memory_add(cf, &ngx_content_zone_name,
                                      mcf->zone_size, &ngx_content_module);
    if (mcf->zone == NULL) {
        return NGX_ERROR;
    }

    mcf->zone->init = ngx_content_init_zone;

    if (mcf->memory_size == 0) {
        return NGX_OK;
    }

    mcf->memory_zone = ngx_shared_memory_add(cf, &ngx_content_memory_name,
                                             mcf->memory_size,
                                             &ngx_content_module);
    if (mcf->memory_zone == NULL) {
        return NGX_ERROR;
    }

    mcf->memory_zone->init = ngx_content_init_memory;
    mcf->memory_zone->data = mcf;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_content_close_memory;
    cln->data = mcf;

    mcf->flight_zone = ngx_shared_memory_add(cf, &ngx_content_flight_name,
                           ngx_content_flight_zone_size(mcf->memory_max),
                           &ngx_content_module);
    if (mcf->flight_zone == NULL) {
        return NGX_ERROR;
    }

    mcf->flight_zone->init = ngx_content_init_flights;

    return NGX_OK;
}


/*
 * Kept over a reload that does not change its size: data is then the former
 * cycle's configuration, which has ended when this one is in force.
 */

static ngx_int_t
ngx_content_init_memory(ngx_shm_zone_t *zone, void *data)
{
    ngx_content_main_conf_t *former = data;

    ngx_slab_pool_t          *pool;
    ngx_content_memories_t   *memories;
    ngx_content_main_conf_t  *mcf;

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    mcf = zone->data;
    memories = &ngx_content_shared(mcf)->memories;

    if (former) {
        mcf->memory = former->memory;
        mcf->memory_number = former->memory_number;
        memories->made = ngx_max(memories->made, mcf->memory_number);
        mcf->memory_file = ngx_content_memory_file_copy(former->memory_file,
                                                        zone->shm.log);
        return NGX_OK;
    }

    mcf->memory = zone->shm.exists
                  ? pool->data
                  : ngx_content_memory_create(pool, mcf->memory_max,
                                              &mcf->memory_file,
                                              zone->shm.log);
    pool->data = mcf->memory;
    mcf->memory_number = ++memories->made;

    return mcf->memory ? NGX_OK : NGX_ERROR;
}


/*
 * A reload that changes the cache's size, or brings one or takes it away, makes
 * workers of two configurations that do not see each other's.  The old ones
 * may still end writes, and answer requests that they have.  So only the cache
 * of the latest workers is used; who changes an object and has another one, or
 * none, counts that in the zone that all share, and the next one who looks
 * empties the cache.
 */

void
ngx_content_memory_use(ngx_content_main_conf_t *mcf)
{
    ngx_content_shared(mcf)->memories.current = mcf->memory_number;
}


void
ngx_content_memory_changed(ngx_content_main_conf_t *mcf)
{
    ngx_content_memories_t  *memories;

    memories = &ngx_content_shared(mcf)->memories;

    if (memories->current != mcf->memory_number) {
        (void) ngx_atomic_fetch_add(&memories->missed, 1);
    }
}


/* Two at once may empty it twice. */

static void
ngx_content_memory_heed(ngx_content_main_conf_t *mcf,
    ngx_content_memories_t *memories)
{
    ngx_atomic_uint_t  missed;

    missed = memories->missed;

    ngx_content_memory_clear(mcf->memory);
    memories->heeded = missed;
}


static void
ngx_content_close_memory(void *data)
{
    ngx_content_main_conf_t *mcf = data;

    ngx_content_memory_file_close(mcf->memory_file, ngx_cycle->log);
}


static ngx_int_t
ngx_content_init_flights(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    zone->data = pool;

    return (data || zone->shm.exists) ? NGX_OK : ngx_content_flight_zone(pool);
}


ngx_content_memory_t *
ngx_content_memory(ngx_content_main_conf_t *mcf)
{
    return mcf->memory;
}


ngx_uint_t
ngx_content_coherent(ngx_content_main_conf_t *mcf)
{
    ngx_content_shared_t  *shared;

    shared = ngx_content_shared(mcf);

    if (shared->memories.current != mcf->memory_number) {
        return 0;
    }

    if (shared->memories.missed != shared->memories.heeded) {
        ngx_content_memory_heed(mcf, &shared->memories);
    }

    return mcf->fleet == NULL || ngx_content_fleet_may(&shared->fleet);
}


static ngx_int_t
ngx_content_init_zone(ngx_shm_zone_t *zone, void *data)
{
    void                  *sketch;
    size_t                 size;
    ngx_slab_pool_t       *pool;
    ngx_content_shared_t  *shared;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data) {                            /* a reload */
        zone->data = data;
        return NGX_OK;
    }

    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    size = content_hot_size(NGX_CONTENT_HOT_WIDTH);

    shared = ngx_slab_calloc(pool, sizeof(ngx_content_shared_t));
    sketch = ngx_slab_calloc(pool, size);

    if (shared == NULL || sketch == NULL) {
        return NGX_ERROR;
    }

    shared->hot = content_hot_init(sketch, size, NGX_CONTENT_HOT_WIDTH);
    shared->purge = ngx_content_purge_queue_create(pool);
    shared->responses = ngx_content_responses_create(pool);

    if (shared->hot == NULL || shared->purge == NULL
        || shared->responses == NULL)
    {
        return NGX_ERROR;
    }

    pool->log_nomem = 0;
    pool->data = shared;
    zone->data = shared;

    return NGX_OK;
}


ngx_content_shared_t *
ngx_content_shared(ngx_content_main_conf_t *mcf)
{
    return mcf->zone->data;
}
