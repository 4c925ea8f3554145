/* The directive content_fleet: see ngx_content_fleet.h. */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_fleet.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_FLEET_LEASE     3000
#define NGX_CONTENT_FLEET_DEADLINE  180000


static ngx_int_t ngx_content_fleet_time(ngx_str_t *text, ngx_msec_t least,
    ngx_msec_t *value);
static ngx_uint_t ngx_content_fleet_name_ok(ngx_str_t *name);


void
ngx_content_fleet_conf_create(ngx_content_fleet_conf_t *conf)
{
    conf->enabled = NGX_CONF_UNSET;
    conf->lease = NGX_CONTENT_FLEET_LEASE;
    conf->deadline = NGX_CONTENT_FLEET_DEADLINE;
}


char *
ngx_content_fleet_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *main_conf)
{
    ngx_content_fleet_conf_t *conf = (ngx_content_fleet_conf_t *)
                                         ((char *) main_conf + cmd->offset);

    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (conf->enabled != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    conf->enabled = (ngx_strcmp(value[1].data, "on") == 0);

    if (!conf->enabled && (ngx_strcmp(value[1].data, "alone") != 0
                           || cf->args->nelts > 2))
    {
        return "takes \"alone\", or \"on\" and parameters";
    }

    for (i = 2; i < cf->args->nelts; i++) {
        s = value[i];

        if (ngx_content_str_param(&s, "name=")) {
            conf->name = s;

            if (ngx_content_fleet_name_ok(&conf->name)) {
                continue;
            }

        } else if (ngx_content_str_param(&s, "lease=")) {
            if (ngx_content_fleet_time(&s, CONTENT_LEASE_MIN, &conf->lease)
                == NGX_OK)
            {
                continue;
            }

        } else if (ngx_content_str_param(&s, "deadline=")) {
            if (ngx_content_fleet_time(&s, 1000, &conf->deadline)
                == NGX_OK)
            {
                continue;
            }
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_fleet\": invalid parameter \"%V\"",
                           &value[i]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_content_fleet_time(ngx_str_t *text, ngx_msec_t least, ngx_msec_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(text, 0);

    if (n == NGX_ERROR || n < (ngx_int_t) least || n > 24 * 3600 * 1000) {
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


static ngx_uint_t
ngx_content_fleet_name_ok(ngx_str_t *name)
{
    size_t  i;

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= ' ' || name->data[i] >= 0x7f
            || name->data[i] == '"' || name->data[i] == '\\')
        {
            return 0;
        }
    }

    return name->len > 0 && name->len <= NGX_CONTENT_FLEET_NAME;
}


ngx_int_t
ngx_content_fleet_conf_init(ngx_conf_t *cf, ngx_content_fleet_conf_t *conf,
    ngx_content_redis_conf_t *redis)
{
    if (conf->enabled == NGX_CONF_UNSET) {
        conf->enabled = redis->enabled;
    }

    if (conf->enabled && !redis->enabled) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_fleet on\" needs \"content_redis\"");
        return NGX_ERROR;
    }

    if (conf->name.len == 0) {
        conf->name = cf->cycle->hostname;
        conf->name.len = ngx_min(conf->name.len, NGX_CONTENT_FLEET_NAME);
    }

    redis->quarantine = conf->enabled ? conf->lease : 0;

    return NGX_OK;
}
