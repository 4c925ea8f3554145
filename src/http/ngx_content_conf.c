/*
 * Configuration: defaults and inheritance, the shared zone, and what a worker
 * makes when it starts.  See ngx_content_conf.h.
 */

#include "http/ngx_content_change.h"
#include "http/ngx_content_conf.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_http.h"


#define NGX_CONTENT_ZONE_MIN   (4 * 1024 * 1024)
#define NGX_CONTENT_HOT_WIDTH  16         /* 512 KiB of counters */
#define NGX_CONTENT_HOT_SIZE   (4 * 1024 * 1024 - 128 * 1024)
                                          /* with its head, what the Redis
                                             client fills with */


static ngx_int_t ngx_content_zone(ngx_conf_t *cf,
    ngx_content_main_conf_t *mcf);
static ngx_int_t ngx_content_init_flights(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_content_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_content_init_memory(ngx_shm_zone_t *zone, void *data);
static void ngx_content_merge_hot(ngx_content_hot_conf_t *prev,
    ngx_content_hot_conf_t *conf);
static char *ngx_content_merge_fresh(ngx_conf_t *cf,
    ngx_content_fresh_conf_t *prev, ngx_content_loc_conf_t *conf);
static char *ngx_content_merge_store(ngx_conf_t *cf,
    ngx_content_loc_conf_t *conf);
static ngx_int_t ngx_content_check_field(ngx_conf_t *cf,
    const char *directive, content_str_t value);
static ngx_int_t ngx_content_use(ngx_array_t *array, void *element);


static ngx_str_t  ngx_content_zone_name = ngx_string("ngx_content");
static ngx_str_t  ngx_content_memory_name = ngx_string("ngx_content_memory");
static ngx_str_t  ngx_content_flight_name =
    ngx_string("ngx_content_flights");


void *
ngx_content_create_main_conf(ngx_conf_t *cf)
{
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_content_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    mcf->zone_size = NGX_CONF_UNSET_SIZE;
    mcf->memory_size = NGX_CONF_UNSET_SIZE;
    ngx_content_uploads_conf_create(&mcf->uploads_conf);
    ngx_content_redis_conf_create(&mcf->redis);
    ngx_content_fleet_conf_create(&mcf->fleet_conf);

    if (ngx_array_init(&mcf->stores, cf->pool, 4,
                       sizeof(ngx_content_store_t *))
        != NGX_OK
        || ngx_array_init(&mcf->origins, cf->pool, 4,
                          sizeof(ngx_content_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&mcf->zones, cf->pool, 4,
                          sizeof(ngx_content_purge_conf_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


char *
ngx_content_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_content_main_conf_t *mcf = conf;

    ngx_conf_init_size_value(mcf->zone_size, 8 * 1024 * 1024);
    ngx_conf_init_size_value(mcf->memory_size, 0);
    ngx_content_uploads_conf_init(&mcf->uploads_conf);
    ngx_content_redis_conf_init(&mcf->redis);

    if (ngx_content_fleet_conf_init(cf, &mcf->fleet_conf, &mcf->redis)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (mcf->thread_pool.len == 0) {
        ngx_str_set(&mcf->thread_pool, "default");
    }

    mcf->threads = ngx_thread_pool_add(cf, &mcf->thread_pool);

    if (mcf->threads == NULL || ngx_content_zone(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_content_zone(ngx_conf_t *cf, ngx_content_main_conf_t *mcf)
{
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

    mcf->flight_zone = ngx_shared_memory_add(cf, &ngx_content_flight_name,
                           ngx_content_flight_zone_size(mcf->memory_max),
                           &ngx_content_module);
    if (mcf->flight_zone == NULL) {
        return NGX_ERROR;
    }

    mcf->flight_zone->init = ngx_content_init_flights;

    return NGX_OK;
}


/* Kept over a reload that does not change its size. */

static ngx_int_t
ngx_content_init_memory(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t          *pool;
    ngx_content_main_conf_t  *mcf;

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    mcf = zone->data;

    if (data || zone->shm.exists) {
        zone->data = data ? data : pool->data;
        return NGX_OK;
    }

    pool->data = ngx_content_memory_create(pool, mcf->memory_max);
    zone->data = pool->data;

    return zone->data ? NGX_OK : NGX_ERROR;
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
    return mcf->memory_zone->data;
}


ngx_uint_t
ngx_content_coherent(ngx_content_main_conf_t *mcf)
{
    return mcf->fleet == NULL
           || ngx_content_fleet_may(&ngx_content_shared(mcf)->fleet);
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


void *
ngx_content_create_loc_conf(ngx_conf_t *cf)
{
    ngx_content_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_content_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->hot.enabled = NGX_CONF_UNSET;
    conf->tokens = NGX_CONF_UNSET_PTR;
    conf->anonymous = NGX_CONF_UNSET_UINT;
    conf->require_conditions = NGX_CONF_UNSET;
    conf->sweep = NGX_CONF_UNSET;

    ngx_content_s3_conf_create(&conf->s3);
    ngx_content_purge_conf_create(&conf->purge);

    return conf;
}


char *
ngx_content_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_content_loc_conf_t *prev = parent;
    ngx_content_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_str_value(conf->file.root, prev->file.root, "");
    ngx_content_s3_conf_merge(&prev->s3, &conf->s3);
    ngx_conf_merge_sec_value(conf->sweep, prev->sweep, 86400);
    ngx_content_merge_hot(&prev->hot, &conf->hot);

    if (ngx_content_merge_fresh(cf, &prev->fresh, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_ptr_value(conf->tokens, prev->tokens, NULL);
    ngx_conf_merge_uint_value(conf->anonymous, prev->anonymous, 0);
    ngx_conf_merge_value(conf->require_conditions, prev->require_conditions,
                         0);

    ngx_content_purge_conf_merge(&prev->purge, &conf->purge);

    ngx_conf_merge_str_value(conf->cache_control, prev->cache_control,
                             "public, max-age=0");

    /* nobody tells an edge that is not purged: it has to ask soon */

    if (conf->cdn_cache_control.data == NULL) {
        conf->cdn_cache_control = prev->cdn_cache_control;
    }

    conf->policy.cache_control = ngx_content_from_ngx(conf->cache_control);

    if (conf->cdn_cache_control.data) {
        conf->policy.cdn_cache_control =
                             ngx_content_from_ngx(conf->cdn_cache_control);
    } else {
        conf->policy.cdn_cache_control = content_cstr(
            conf->purge.provider != NGX_CONTENT_PURGE_OFF
            ? "max-age=86400, stale-while-revalidate=60, stale-if-error=86400"
            : "max-age=60, stale-while-revalidate=60, stale-if-error=86400");
    }

    /* "if" and "limit_except" in the location make one without a name */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && conf->kind == NGX_CONTENT_STORE_OFF && prev->store) {
        conf->store = prev->store;
        conf->purge = prev->purge;
        clcf->handler = ngx_content_handler;

        return NGX_CONF_OK;
    }

    return ngx_content_merge_store(cf, conf);
}


static void
ngx_content_merge_hot(ngx_content_hot_conf_t *prev,
    ngx_content_hot_conf_t *conf)
{
    if (conf->enabled != NGX_CONF_UNSET) {
        return;
    }

    if (prev->enabled != NGX_CONF_UNSET) {
        *conf = *prev;
        return;
    }

    conf->enabled = 1;
    conf->hits = 2;
    conf->window = 60000;
    conf->size = 64 * 1024;
    conf->ttl = 3600000;
}


static char *
ngx_content_merge_fresh(ngx_conf_t *cf, ngx_content_fresh_conf_t *prev,
    ngx_content_loc_conf_t *conf)
{
    if (!conf->fresh.set) {
        conf->fresh = *prev;
    }

    if (!conf->fresh.set) {
        conf->fresh.soft = ngx_min(600000, conf->hot.ttl);
        conf->fresh.error = 86400000;
        conf->fresh.absent = 5000;

    } else if (conf->hot.enabled && conf->fresh.soft > conf->hot.ttl) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_fresh\" is %Mms, longer than \"ttl\" of "
                           "\"content_hot\", %Mms",
                           conf->fresh.soft, conf->hot.ttl);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_content_merge_store(ngx_conf_t *cf, ngx_content_loc_conf_t *conf)
{
    ngx_content_main_conf_t  *mcf;

    if (conf->kind == NGX_CONTENT_STORE_OFF) {
        return NGX_CONF_OK;
    }

    if (ngx_content_purge_conf_check(cf, &conf->purge) != NGX_CONF_OK
        || ngx_content_check_field(cf, "content_cache_control",
                                   conf->policy.cache_control)
           != NGX_OK
        || ngx_content_check_field(cf, "content_cdn_cache_control",
                                   conf->policy.cdn_cache_control)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_content_module);

    conf->store = (conf->kind == NGX_CONTENT_STORE_FILE)
                  ? ngx_content_file_create(cf, &conf->file, mcf->threads)
                  : ngx_content_s3_create(cf, &conf->s3, mcf->threads);

    if (conf->store == NULL
        || ngx_content_uploads_conf_check(cf, &mcf->uploads_conf,
                                          conf->store->part_size)
           != NGX_OK
        || ngx_content_sweep_conf(cf, conf->store, conf->sweep) != NGX_OK
        || ngx_content_use(&mcf->stores, conf->store) != NGX_OK
        || ngx_content_use(&mcf->origins, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->purge.target
        && mcf->zones.nelts == NGX_CONTENT_PURGE_TARGETS)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_purge\": more than %d origins",
                           NGX_CONTENT_PURGE_TARGETS);
        return NGX_CONF_ERROR;
    }

    if (conf->purge.target
        && ngx_content_use(&mcf->zones, &conf->purge) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* What goes into every answer must be a header's value. */

static ngx_int_t
ngx_content_check_field(ngx_conf_t *cf, const char *directive,
    content_str_t value)
{
    if (content_policy_field_check(value) == CONTENT_OK) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\": printable ASCII only", directive);

    return NGX_ERROR;
}


static ngx_int_t
ngx_content_use(ngx_array_t *array, void *element)
{
    void  **slot;

    slot = ngx_array_push(array);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = element;

    return NGX_OK;
}


char *
ngx_content_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_content_loc_conf_t    *server;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->kind != NGX_CONTENT_STORE_OFF) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "file") == 0) {
        lcf->kind = NGX_CONTENT_STORE_FILE;

    } else if (ngx_strcmp(value[1].data, "s3") == 0) {
        lcf->kind = NGX_CONTENT_STORE_S3;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content\": there is no store \"%V\": file, s3 "
                           "or off", &value[1]);
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_content_handler;

    /* what nginx refuses before it looks for a location is a problem, too */

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    server = cscf->ctx->loc_conf[ngx_content_module.ctx_index];
    server->above_origin = 1;

    return NGX_CONF_OK;
}


char *
ngx_content_set_hot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_loc_conf_t *lcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value, s;
    ngx_uint_t  i;

    if (lcf->hot.enabled != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->hot.enabled = 0;
        return NGX_CONF_OK;
    }

    ngx_content_merge_hot(&lcf->hot, &lcf->hot);

    for (i = 1; i < cf->args->nelts; i++) {
        s = value[i];

        if (ngx_strncmp(s.data, "hits=", 5) == 0) {
            n = ngx_atoi(s.data + 5, s.len - 5);
            lcf->hot.hits = n;

            if (n < 1 || n > CONTENT_HOT_MAX) {
                goto invalid;
            }

        } else if (ngx_strncmp(s.data, "window=", 7) == 0) {
            s.data += 7;
            s.len -= 7;
            n = ngx_parse_time(&s, 0);
            lcf->hot.window = n;

            if (n <= 0) {
                goto invalid;
            }

        } else if (ngx_strncmp(s.data, "size=", 5) == 0) {
            s.data += 5;
            s.len -= 5;
            n = ngx_parse_size(&s);
            lcf->hot.size = n;

            if (n <= 0 || n > NGX_CONTENT_HOT_SIZE) {
                goto invalid;
            }

        } else if (ngx_strncmp(s.data, "ttl=", 4) == 0) {
            s.data += 4;
            s.len -= 4;
            n = ngx_parse_time(&s, 0);
            lcf->hot.ttl = n;

            if (n <= 0) {
                goto invalid;
            }

        } else {
            goto invalid;
        }
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"content_hot\": invalid parameter \"%V\"", &value[i]);

    return NGX_CONF_ERROR;
}


char *
ngx_content_set_fresh(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_loc_conf_t *lcf = conf;

    ngx_int_t    ms;
    ngx_str_t   *value, s;
    ngx_uint_t   i;
    ngx_msec_t  *to;

    if (lcf->fresh.set) {
        return "is duplicate";
    }

    lcf->fresh.set = 1;
    lcf->fresh.error = 86400000;
    lcf->fresh.absent = 5000;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        s = value[i];
        to = &lcf->fresh.soft;

        if (i > 1 && ngx_strncmp(s.data, "error=", 6) == 0) {
            to = &lcf->fresh.error;
            s.data += 6;
            s.len -= 6;

        } else if (i > 1 && ngx_strncmp(s.data, "absent=", 7) == 0) {
            to = &lcf->fresh.absent;
            s.data += 7;
            s.len -= 7;

        } else if (i > 1) {
            goto invalid;
        }

        ms = ngx_parse_time(&s, 0);

        if (ms == NGX_ERROR) {
            goto invalid;
        }

        *to = ms;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"content_fresh\": invalid parameter \"%V\"",
                       &value[i]);

    return NGX_CONF_ERROR;
}


char *
ngx_content_set_memory(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_main_conf_t *mcf = conf;

    ssize_t     size, max;
    ngx_str_t  *value, s;

    if (mcf->memory_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        mcf->memory_size = 0;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);
    max = 1024 * 1024;

    if (cf->args->nelts == 3) {
        s = value[2];

        if (ngx_strncmp(s.data, "max=", 4) != 0) {
            return "takes a size and \"max=SIZE\"";
        }

        s.data += 4;
        s.len -= 4;
        max = ngx_parse_size(&s);
    }

    if (size == NGX_ERROR || max == NGX_ERROR || max == 0) {
        return "has an invalid size";
    }

    if (size < NGX_CONTENT_MEMORY_MIN || size / 16 < max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_memory\" must be at least %uzm for "
                           "objects of up to %z bytes",
                           (ngx_max(NGX_CONTENT_MEMORY_MIN, max * 16)
                            + (1 << 20) - 1) >> 20,
                           max);
        return NGX_CONF_ERROR;
    }

    mcf->memory_size = size;
    mcf->memory_max = max;

    return NGX_CONF_OK;
}


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
    ngx_uint_t                 i;
    ngx_content_store_t      **store;
    ngx_content_main_conf_t   *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_content_module);

    if (mcf == NULL || mcf->stores.nelts == 0
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (mcf->memory_zone) {
        ngx_content_memory_enter(ngx_content_memory(mcf));
    }

    ngx_content_responses_init(ngx_content_shared(mcf)->responses);

    mcf->curl = ngx_content_curl_create(cycle, 0);
    if (mcf->curl == NULL) {
        return NGX_ERROR;
    }

    mcf->uploads = ngx_content_uploads_create(cycle, &mcf->uploads_conf,
                                             &ngx_content_shared(mcf)->uploads);
    if (mcf->uploads == NULL) {
        return NGX_ERROR;
    }

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
