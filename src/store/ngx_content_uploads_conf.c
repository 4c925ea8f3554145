/* content_upload_memory: see ngx_content_uploads.h. */

#include "store/ngx_content_uploads.h"


#define NGX_CONTENT_UPLOADS_LIMIT     (256 * 1024 * 1024)
#define NGX_CONTENT_UPLOADS_PATIENCE  60000


void
ngx_content_uploads_conf_create(ngx_content_uploads_conf_t *conf)
{
    conf->limit = NGX_CONF_UNSET_SIZE;
    conf->patience = NGX_CONF_UNSET_MSEC;
}


void
ngx_content_uploads_conf_init(ngx_content_uploads_conf_t *conf)
{
    ngx_conf_init_size_value(conf->limit, NGX_CONTENT_UPLOADS_LIMIT);
    ngx_conf_init_msec_value(conf->patience, NGX_CONTENT_UPLOADS_PATIENCE);
}


char *
ngx_content_upload_memory_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                      size;
    ngx_int_t                    time;
    ngx_str_t                   *value, s;
    ngx_content_uploads_conf_t  *uploads;

    uploads = (ngx_content_uploads_conf_t *) ((char *) conf + cmd->offset);

    if (uploads->limit != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        return "has an invalid size";
    }

    uploads->limit = size;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    s = value[2];

    if (ngx_strncmp(s.data, "patience=", 9) != 0) {
        return "takes a size and \"patience=TIME\"";
    }

    s.data += 9;
    s.len -= 9;
    time = ngx_parse_time(&s, 0);

    if (time == NGX_ERROR || time == 0) {
        return "has an invalid \"patience\"";
    }

    uploads->patience = time;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_content_uploads_conf_check(ngx_conf_t *cf,
    ngx_content_uploads_conf_t *conf, size_t part_size)
{
    if (conf->limit >= part_size) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"content_upload_memory\" is %uz bytes, and has to "
                       "hold a part of %uz bytes", conf->limit, part_size);

    return NGX_ERROR;
}
