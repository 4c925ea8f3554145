/*
 * The directives content_redis and content_redis_password: see
 * ngx_content_redis.h.  They run in the master, at start and at each reload;
 * what they find lives in the cycle's pool.  Addresses are looked up here, so
 * that nothing has to be in a worker.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_redis.h"
#include "cache/ngx_content_redis_conn.h"
#include "core/ngx_content_secret.h"


#define NGX_CONTENT_REDIS_PORT      6379


static char *ngx_content_redis_address(ngx_conf_t *cf,
    ngx_content_redis_conf_t *conf, ngx_str_t *value);
static ngx_uint_t ngx_content_redis_prefix_ok(ngx_str_t *prefix);


void
ngx_content_redis_conf_create(ngx_content_redis_conf_t *conf)
{
    conf->timeout = NGX_CONF_UNSET_MSEC;
}


void
ngx_content_redis_conf_init(ngx_content_redis_conf_t *conf)
{
    ngx_conf_init_msec_value(conf->timeout, 250);

    if (conf->prefix.data == NULL) {
        ngx_str_set(&conf->prefix, "nc:");
    }
}


char *
ngx_content_redis_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *main_conf)
{
    ngx_content_redis_conf_t *conf = (ngx_content_redis_conf_t *)
                                         ((char *) main_conf + cmd->offset);

    ngx_int_t   db;
    ngx_str_t  *value;
    ngx_uint_t  i;

    if (conf->enabled) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "db=", 3) == 0) {
            db = ngx_atoi(value[i].data + 3, value[i].len - 3);

            if (db == NGX_ERROR) {
                goto invalid;
            }

            conf->db = db;
            continue;
        }

        if (ngx_strncmp(value[i].data, "prefix=", 7) == 0) {
            conf->prefix.data = value[i].data + 7;
            conf->prefix.len = value[i].len - 7;

            if (!ngx_content_redis_prefix_ok(&conf->prefix)) {
                goto invalid;
            }

            continue;
        }

        goto invalid;
    }

    return ngx_content_redis_address(cf, conf, &value[1]);

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\" directive",
                       &value[i], &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_content_redis_address(ngx_conf_t *cf, ngx_content_redis_conf_t *conf,
    ngx_str_t *value)
{
    ngx_url_t   u;
    ngx_uint_t  i;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = NGX_CONTENT_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in address \"%V\" of \"content_redis\"",
                           u.err ? u.err : "nothing found", value);
        return NGX_CONF_ERROR;
    }

    conf->addr = u.addrs[0];

    for (i = 0; i < u.naddrs; i++) {
        if (u.addrs[i].sockaddr->sa_family == AF_INET) {
            conf->addr = u.addrs[i];
            break;
        }
    }

    conf->address = *value;
    conf->enabled = 1;

    return NGX_CONF_OK;
}


/* Braces would move the hash tag of Redis Cluster away from the object's. */

static ngx_uint_t
ngx_content_redis_prefix_ok(ngx_str_t *prefix)
{
    size_t  i;

    if (prefix->len > NGX_CONTENT_REDIS_PREFIX) {
        return 0;
    }

    for (i = 0; i < prefix->len; i++) {
        if (prefix->data[i] <= ' ' || prefix->data[i] >= 0x7f
            || prefix->data[i] == '{' || prefix->data[i] == '}')
        {
            return 0;
        }
    }

    return 1;
}


char *
ngx_content_redis_password_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *main_conf)
{
    ngx_content_redis_conf_t *conf = (ngx_content_redis_conf_t *)
                                         ((char *) main_conf + cmd->offset);

    ngx_str_t  *value;

    if (conf->password.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_content_secret(cf, &cmd->name, &value[1], &value[2],
                              &conf->password);
}
