/* The directives content_purge*: see ngx_content_purge.h. */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cdn/ngx_content_purge.h"
#include "core/ngx_content_secret.h"
#include "core/ngx_content_str.h"


void
ngx_content_purge_conf_create(ngx_content_purge_conf_t *conf)
{
    conf->provider = NGX_CONF_UNSET_UINT;
    conf->action = NGX_CONF_UNSET_UINT;
    conf->plan = NGX_CONF_UNSET_PTR;
    conf->by_url = NGX_CONF_UNSET_UINT;
    conf->timeout = NGX_CONF_UNSET_MSEC;
}


void
ngx_content_purge_conf_merge(ngx_content_purge_conf_t *prev,
    ngx_content_purge_conf_t *conf)
{
    static content_str_t  plan = content_string("free");

    ngx_conf_merge_uint_value(conf->provider, prev->provider,
                              NGX_CONTENT_PURGE_OFF);
    ngx_conf_merge_str_value(conf->api, prev->api,
                             "https://api.cloudflare.com/client/v4");
    ngx_conf_merge_str_value(conf->zone_id, prev->zone_id, "");
    ngx_conf_merge_str_value(conf->token, prev->token, "");
    ngx_conf_merge_uint_value(conf->action, prev->action,
                              NGX_CONTENT_PURGE_HARD);
    ngx_conf_merge_ptr_value(conf->plan, prev->plan,
                             content_cloudflare_plan(plan));
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 10000);

    if (conf->by_url == NGX_CONF_UNSET_UINT) {
        conf->by_url = (prev->by_url == 1);
        conf->url_base = prev->url_base;
    }
}


char *
ngx_content_purge_conf_check(ngx_conf_t *cf, ngx_content_purge_conf_t *conf)
{
    const char  *missing;

    if (conf->provider == NGX_CONTENT_PURGE_OFF) {
        return NGX_CONF_OK;
    }

    missing = conf->zone_id.len == 0 ? "content_purge_zone_id"
              : conf->token.len == 0 ? "content_purge_token" : NULL;

    if (missing) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_purge cloudflare\" needs \"%s\"",
                           missing);
        return NGX_CONF_ERROR;
    }

    if (ngx_strncmp(conf->api.data, "http://", 7) != 0
        && ngx_strncmp(conf->api.data, "https://", 8) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_purge_api\": \"%V\" is not an http or "
                           "https URL", &conf->api);
        return NGX_CONF_ERROR;
    }

    while (conf->api.data[conf->api.len - 1] == '/') {
        conf->api.len--;
    }

    conf->target = ngx_crc32_long(conf->api.data, conf->api.len)
                   ^ (ngx_crc32_long(conf->zone_id.data, conf->zone_id.len)
                      << 1);

    if (conf->target == 0) {
        conf->target = 1;
    }

    return NGX_CONF_OK;
}


char *
ngx_content_purge_token_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_purge_conf_t *p = (void *) ((u_char *) conf + cmd->offset);

    ngx_str_t  *value;

    if (p->token.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_content_secret(cf, &cmd->name, &value[1], &value[2],
                              &p->token);
}


char *
ngx_content_purge_plan_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_purge_conf_t *p = (void *) ((u_char *) conf + cmd->offset);

    ngx_str_t  *value;

    if (p->plan != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    p->plan = content_cloudflare_plan(ngx_content_from_ngx(value[1]));

    if (p->plan == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_purge_plan\": there is no plan \"%V\": "
                           "free, pro, business or enterprise", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_content_purge_by_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_purge_conf_t *p = (void *) ((u_char *) conf + cmd->offset);

    ngx_str_t  *value;

    if (p->by_url != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "tags") == 0) {
        p->by_url = 0;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts != 3 || ngx_strcmp(value[1].data, "urls") != 0
        || (ngx_strncmp(value[2].data, "http://", 7) != 0
            && ngx_strncmp(value[2].data, "https://", 8) != 0))
    {
        return "takes \"tags\" or \"urls\" with the visitors' base URL";
    }

    p->by_url = 1;
    p->url_base = value[2];

    while (p->url_base.data[p->url_base.len - 1] == '/') {
        p->url_base.len--;
    }

    return NGX_CONF_OK;
}
