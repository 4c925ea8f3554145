/*
 * What the caches may keep, and how long: content_hot, content_fresh and
 * content_memory.  See ngx_content_conf_cache.h.
 */

#include "http/ngx_content_conf_cache.h"


#define NGX_CONTENT_HOT_SIZE  (4 * 1024 * 1024 - 128 * 1024)
                                          /* with its head, what the Redis
                                             client fills with */


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

    ngx_content_hot_conf_merge(&lcf->hot, &lcf->hot);

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
