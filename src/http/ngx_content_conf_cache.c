/*
 * What the caches may keep, and how long: content_hot, content_fresh and
 * content_memory.  See ngx_content_conf_cache.h.
 */

#include "http/ngx_content_conf_cache.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_HOT_SIZE  (4 * 1024 * 1024 - 128 * 1024)
                                          /* with its head, what the Redis
                                             client fills with */


static ngx_int_t ngx_content_hot_param(ngx_content_hot_conf_t *hot,
    ngx_str_t s);


char *
ngx_content_set_hot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_loc_conf_t *lcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (lcf->hot.enabled != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->hot.enabled = 0;
        return NGX_CONF_OK;
    }

    ngx_content_hot_conf_merge(&lcf->hot, &lcf->hot);

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_content_hot_param(&lcf->hot, value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"content_hot\": invalid parameter \"%V\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_content_hot_param(ngx_content_hot_conf_t *hot, ngx_str_t s)
{
    ngx_int_t  n, most;

    most = NGX_MAX_INT_T_VALUE;

    if (ngx_content_str_param(&s, "hits=")) {
        n = ngx_atoi(s.data, s.len);
        most = CONTENT_HOT_MAX;
        hot->hits = n;

    } else if (ngx_content_str_param(&s, "window=")) {
        n = ngx_parse_time(&s, 0);
        hot->window = n;

    } else if (ngx_content_str_param(&s, "size=")) {
        n = ngx_parse_size(&s);
        most = NGX_CONTENT_HOT_SIZE;
        hot->size = n;

    } else if (ngx_content_str_param(&s, "ttl=")) {
        n = ngx_parse_time(&s, 0);
        hot->ttl = n;

    } else {
        return NGX_ERROR;
    }

    return n > 0 && n <= most ? NGX_OK : NGX_ERROR;
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

        if (i > 1 && ngx_content_str_param(&s, "error=")) {
            to = &lcf->fresh.error;

        } else if (i > 1 && ngx_content_str_param(&s, "absent=")) {
            to = &lcf->fresh.absent;

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

        if (!ngx_content_str_param(&s, "max=")) {
            return "takes a size and \"max=SIZE\"";
        }

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


void
ngx_content_hot_conf_merge(ngx_content_hot_conf_t *prev,
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


char *
ngx_content_fresh_conf_merge(ngx_conf_t *cf, ngx_content_fresh_conf_t *prev,
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
