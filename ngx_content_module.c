/*
 * ngx_content: a content origin as an nginx module.  This file is its table
 * of contents: the directives, the module's context and its hooks.
 * docs/directives.md tells what each directive means, src/README.md where the
 * code behind it is.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_conf_cache.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_process.h"


#define NGX_CONTENT_ANY  NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF

#define ngx_content_main(member)  offsetof(ngx_content_main_conf_t, member)
#define ngx_content_loc(member)   offsetof(ngx_content_loc_conf_t, member)


static ngx_int_t ngx_content_postconfiguration(ngx_conf_t *cf);


static ngx_conf_enum_t  ngx_content_s3_styles[] = {
    { ngx_string("path"), NGX_CONTENT_S3_PATH },
    { ngx_string("virtual"), NGX_CONTENT_S3_VIRTUAL },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_content_s3_probe_modes[] = {
    { ngx_string("on"), NGX_CONTENT_S3_PROBE_ON },
    { ngx_string("read"), NGX_CONTENT_S3_PROBE_READ },
    { ngx_string("off"), NGX_CONTENT_S3_PROBE_OFF },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_content_s3_sign_payload_modes[] = {
    { ngx_string("auto"), CONTENT_SIGV4_PAYLOAD_AUTO },
    { ngx_string("on"), CONTENT_SIGV4_PAYLOAD_ON },
    { ngx_string("off"), CONTENT_SIGV4_PAYLOAD_OFF },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_content_anonymous_rights[] = {
    { ngx_string("off"), 0 },
    { ngx_string("read"), CONTENT_RIGHT_READ },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_content_purge_providers[] = {
    { ngx_string("off"), NGX_CONTENT_PURGE_OFF },
    { ngx_string("cloudflare"), NGX_CONTENT_PURGE_CLOUDFLARE },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_content_purge_actions[] = {
    { ngx_string("purge"), NGX_CONTENT_PURGE_HARD },
    { ngx_string("invalidate"), NGX_CONTENT_PURGE_SOFT },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_content_commands[] = {

    /* the origin */

    { ngx_string("content"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_content_set_store,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("content_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(zone_size),
      NULL },

    { ngx_string("content_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_content_set_memory,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("content_upload_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_content_upload_memory_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(uploads_conf),
      NULL },

    { ngx_string("content_sweep"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_content_sweep_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(sweep),
      NULL },

    { ngx_string("content_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(thread_pool),
      NULL },

    /* the file store */

    { ngx_string("content_file_root"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_content_set_file_root,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(file),
      NULL },

    /* the S3 store */

    { ngx_string("content_s3_endpoint"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_content_s3_endpoint_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3),
      NULL },

    { ngx_string("content_s3_bucket"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.bucket),
      NULL },

    { ngx_string("content_s3_region"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.region),
      NULL },

    { ngx_string("content_s3_style"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.style),
      ngx_content_s3_styles },

    { ngx_string("content_s3_credentials"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE123,
      ngx_content_credentials_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.credentials),
      NULL },

    { ngx_string("content_s3_ca_file"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.ca_file),
      NULL },

    { ngx_string("content_s3_connect_timeout"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.connect_timeout),
      NULL },

    { ngx_string("content_s3_timeout"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.timeout),
      NULL },

    { ngx_string("content_s3_fail_timeout"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.fail_timeout),
      NULL },

    { ngx_string("content_s3_probe"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.probe),
      ngx_content_s3_probe_modes },

    { ngx_string("content_s3_sign_payload"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.sign_payload),
      ngx_content_s3_sign_payload_modes },

    { ngx_string("content_s3_tries"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.tries),
      NULL },

    { ngx_string("content_s3_retry_timeout"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.retry_timeout),
      NULL },

    { ngx_string("content_s3_part_size"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.part_size),
      NULL },

    { ngx_string("content_s3_max_parts"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.max_parts),
      NULL },

    { ngx_string("content_s3_copy_part_size"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(s3.copy_part_size),
      NULL },

    /* Redis */

    { ngx_string("content_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_content_redis_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(redis),
      NULL },

    { ngx_string("content_redis_password"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_content_redis_password_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(redis),
      NULL },

    { ngx_string("content_redis_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(redis.timeout),
      NULL },

    { ngx_string("content_fleet"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_content_fleet_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      ngx_content_main(fleet_conf),
      NULL },

    { ngx_string("content_hot"),
      NGX_CONTENT_ANY|NGX_CONF_1MORE,
      ngx_content_set_hot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("content_fresh"),
      NGX_CONTENT_ANY|NGX_CONF_1MORE,
      ngx_content_set_fresh,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    /* cache headers */

    { ngx_string("content_cache_control"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(cache_control),
      NULL },

    { ngx_string("content_cdn_cache_control"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(cdn_cache_control),
      NULL },

    /* who may do what */

    { ngx_string("content_tokens"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_content_set_tokens,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("content_anonymous"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(anonymous),
      ngx_content_anonymous_rights },

    { ngx_string("content_require_conditions"),
      NGX_CONTENT_ANY|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(require_conditions),
      NULL },

    /* the CDN */

    { ngx_string("content_purge"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge.provider),
      ngx_content_purge_providers },

    { ngx_string("content_purge_api"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge.api),
      NULL },

    { ngx_string("content_purge_zone_id"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge.zone_id),
      NULL },

    { ngx_string("content_purge_token"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE2,
      ngx_content_purge_token_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge),
      NULL },

    { ngx_string("content_purge_action"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge.action),
      ngx_content_purge_actions },

    { ngx_string("content_purge_plan"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_content_purge_plan_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge),
      NULL },

    { ngx_string("content_purge_by"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE12,
      ngx_content_purge_by_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge),
      NULL },

    { ngx_string("content_purge_timeout"),
      NGX_CONTENT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      ngx_content_loc(purge.timeout),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_content_module_ctx = {
    ngx_content_variables_add,             /* preconfiguration */
    ngx_content_postconfiguration,         /* postconfiguration */

    ngx_content_create_main_conf,          /* create main configuration */
    ngx_content_init_main_conf,            /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_content_create_loc_conf,           /* create location configuration */
    ngx_content_merge_loc_conf             /* merge location configuration */
};


ngx_module_t  ngx_content_module = {
    NGX_MODULE_V1,
    &ngx_content_module_ctx,               /* module context */
    ngx_content_commands,                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_content_init_module,               /* init module */
    ngx_content_init_process,              /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_content_exit_process,              /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_content_postconfiguration(ngx_conf_t *cf)
{
    return ngx_content_problem_init(cf);
}
