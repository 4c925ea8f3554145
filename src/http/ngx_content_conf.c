/*
 * Configuration: defaults, inheritance, and the store of a location.  See
 * ngx_content_conf.h.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_conf_cache.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


static char *ngx_content_merge_store(ngx_conf_t *cf,
    ngx_content_loc_conf_t *conf);
static ngx_int_t ngx_content_check_field(ngx_conf_t *cf,
    const char *directive, content_str_t value);
static ngx_int_t ngx_content_use(ngx_array_t *array, void *element);


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
    mcf->memory_file = NGX_INVALID_FILE;
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

    if (mcf->threads == NULL || ngx_content_zones_add(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
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
    ngx_content_hot_conf_merge(&prev->hot, &conf->hot);

    if (ngx_content_fresh_conf_merge(cf, &prev->fresh, conf) != NGX_CONF_OK) {
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
