/*
 * What a worker makes for itself when it starts, and ends when it exits.  See
 * ngx_content_process.h.
 */

#include "http/ngx_content_change.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_process.h"
#include "http/ngx_content_zones.h"


static ngx_int_t ngx_content_start_stores(ngx_cycle_t *cycle,
    ngx_content_main_conf_t *mcf);
static ngx_int_t ngx_content_start_caches(ngx_cycle_t *cycle,
    ngx_content_main_conf_t *mcf);


/* The master, before workers start: what they have in common. */

ngx_int_t
ngx_content_init_module(ngx_cycle_t *cycle)
{
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_content_module);

    if (mcf && mcf->flight_zone && !ngx_test_config) {
        mcf->flights = ngx_content_flights_create(cycle,
                                                  mcf->flight_zone->data);
    }

    return NGX_OK;
}


/* A worker starts, and ends. */

ngx_int_t
ngx_content_init_process(ngx_cycle_t *cycle)
{
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_content_module);

    if (mcf == NULL || mcf->stores.nelts == 0
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (mcf->memory_zone) {
        ngx_content_memory_enter(ngx_content_memory(mcf));
        ngx_content_memory_use(mcf);
    }

    ngx_content_responses_init(ngx_content_shared(mcf)->responses);

    mcf->curl = ngx_content_curl_create(cycle);
    if (mcf->curl == NULL) {
        return NGX_ERROR;
    }

    mcf->uploads = ngx_content_uploads_create(cycle, &mcf->uploads_conf,
                                             &ngx_content_shared(mcf)->uploads);
    if (mcf->uploads == NULL) {
        return NGX_ERROR;
    }

    if (ngx_content_start_stores(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_content_probe_start(cycle, &mcf->stores,
                                &ngx_content_shared(mcf)->probe)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    mcf->fills = ngx_content_fills_create(cycle, mcf->flights);
    if (mcf->fills == NULL) {
        return NGX_ERROR;
    }

    mcf->purge = ngx_content_purge_create(cycle,
                                          ngx_content_shared(mcf)->purge,
                                          mcf->curl, &mcf->zones);
    if (mcf->purge == NULL) {
        return NGX_ERROR;
    }

    if (ngx_content_start_caches(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_content_owed_start(cycle, mcf);
}


static ngx_int_t
ngx_content_start_stores(ngx_cycle_t *cycle, ngx_content_main_conf_t *mcf)
{
    ngx_uint_t             i;
    ngx_content_store_t  **store;

    store = mcf->stores.elts;

    for (i = 0; i < mcf->stores.nelts; i++) {
        store[i]->engine = mcf->curl;
        store[i]->uploads = mcf->uploads;

        if (store[i]->ops->start) {
            store[i]->ops->start(store[i]);
        }

        if (ngx_content_sweep_start(cycle, store[i],
                                    &ngx_content_shared(mcf)->sweep)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* What is shared with other nodes, if it is configured. */

static ngx_int_t
ngx_content_start_caches(ngx_cycle_t *cycle, ngx_content_main_conf_t *mcf)
{
    if (mcf->redis.enabled) {
        mcf->redis_client = ngx_content_redis_create(cycle, &mcf->redis,
                                             &ngx_content_shared(mcf)->redis);
        if (mcf->redis_client == NULL) {
            return NGX_ERROR;
        }
    }

    if (mcf->fleet_conf.enabled) {
        mcf->fleet = ngx_content_fleet_create(cycle, &mcf->fleet_conf,
                         &ngx_content_shared(mcf)->fleet, mcf->redis_client,
                         mcf->memory_zone ? ngx_content_memory(mcf) : NULL,
                         ngx_content_shared(mcf)->responses,
                         ngx_content_change_take_over, mcf);
        if (mcf->fleet == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_content_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                 i;
    ngx_content_store_t      **store;
    ngx_content_main_conf_t   *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_content_module);

    if (mcf == NULL) {
        return;
    }

    ngx_content_owed_stop(mcf);

    if (mcf->fleet) {
        ngx_content_fleet_destroy(mcf->fleet);
        mcf->fleet = NULL;
    }

    if (mcf->redis_client) {
        ngx_content_redis_destroy(mcf->redis_client);
        mcf->redis_client = NULL;
    }

    if (mcf->flights) {
        ngx_content_flights_stop(mcf->flights);
    }

    if (mcf->purge) {
        ngx_content_purge_destroy(mcf->purge);
        mcf->purge = NULL;
    }

    store = mcf->stores.elts;

    for (i = 0; i < mcf->stores.nelts; i++) {
        if (store[i]->ops->stop) {
            store[i]->ops->stop(store[i]);
        }
    }

    if (mcf->curl) {
        ngx_content_curl_destroy(mcf->curl);
        mcf->curl = NULL;
    }

    if (mcf->uploads) {
        ngx_content_uploads_destroy(mcf->uploads);
        mcf->uploads = NULL;
    }
}
