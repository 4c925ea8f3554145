/*
 * The S3 store's configuration: what the directives content_s3_* say, and
 * what is made of it (addresses, TLS, keepalive) before the workers start.
 */

#include <ngx_config.h>
#include <openssl/ssl.h>

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_S3_KEEPALIVE    "64"      /* idle connections a worker */
#define NGX_CONTENT_S3_PART_MIN     (5 * 1024 * 1024)   /* S3's own limit */
#define NGX_CONTENT_S3_COPY_MAX  (5LL * 1024 * 1024 * 1024)


/* nginx's headers declare it nowhere */
extern ngx_module_t  ngx_http_upstream_keepalive_module;


static ngx_int_t ngx_content_s3_check(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);
static ngx_int_t ngx_content_s3_names(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);
static ngx_int_t ngx_content_s3_keepalive(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_content_s3_ssl(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);
static void ngx_content_s3_upstream(ngx_content_s3_conf_t *conf);
static void ngx_content_s3_start(ngx_content_store_t *store);
static void ngx_content_s3_stop(ngx_content_store_t *store);


static const ngx_content_store_ops_t  ngx_content_s3_ops = {
    .start = ngx_content_s3_start,
    .stop = ngx_content_s3_stop,
    .open = ngx_content_s3_open,
    .send = ngx_content_s3_send,
    .stat = ngx_content_s3_stat,
    .fetch = ngx_content_s3_fetch,
    .cancel = ngx_content_s3_fetch_cancel,
    .remove = ngx_content_s3_remove,
    .remove_many = ngx_content_s3_remove_many,
    .copy = ngx_content_s3_copy,
    .list = ngx_content_s3_list,
    .versions = ngx_content_s3_versions,
    .part = ngx_content_s3_part,
    .commit = ngx_content_s3_commit,
    .abort = ngx_content_s3_abort,
    .sweep = ngx_content_s3_sweep
};


void
ngx_content_s3_conf_create(ngx_content_s3_conf_t *conf)
{
    conf->style = NGX_CONF_UNSET_UINT;
    conf->connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->tries = NGX_CONF_UNSET_UINT;
    conf->retry_timeout = NGX_CONF_UNSET_MSEC;
    conf->part_size = NGX_CONF_UNSET_SIZE;
    conf->copy_part_size = NGX_CONF_UNSET;
}


void
ngx_content_s3_conf_merge(ngx_content_s3_conf_t *prev,
    ngx_content_s3_conf_t *conf)
{
    if (conf->endpoint.data == NULL) {
        conf->endpoint = prev->endpoint;
        conf->authority = prev->authority;
        conf->origin = prev->origin;
        conf->secure = prev->secure;
        conf->upstream.upstream = prev->upstream.upstream;
    }

    ngx_conf_merge_str_value(conf->bucket, prev->bucket, "");
    ngx_conf_merge_str_value(conf->region, prev->region, "us-east-1");
    ngx_conf_merge_uint_value(conf->style, prev->style, NGX_CONTENT_S3_PATH);
    ngx_conf_merge_str_value(conf->ca_file, prev->ca_file, "");
    ngx_conf_merge_msec_value(conf->connect_timeout, prev->connect_timeout,
                              5000);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 60000);
    ngx_conf_merge_uint_value(conf->tries, prev->tries, 3);
    ngx_conf_merge_msec_value(conf->retry_timeout, prev->retry_timeout,
                              10000);
    ngx_conf_merge_size_value(conf->part_size, prev->part_size,
                              8 * 1024 * 1024);
    ngx_conf_merge_off_value(conf->copy_part_size, prev->copy_part_size,
                             NGX_CONTENT_S3_COPY_MAX);

    if (conf->credentials == NULL) {
        conf->credentials = prev->credentials;
    }
}


ngx_content_store_t *
ngx_content_s3_create(ngx_conf_t *cf, ngx_content_s3_conf_t *conf,
    ngx_thread_pool_t *threads)
{
    ngx_content_store_t  *store;

    if (ngx_content_s3_check(cf, conf) != NGX_OK
        || ngx_content_s3_names(cf, conf) != NGX_OK
        || (conf->secure && ngx_content_s3_ssl(cf, conf) != NGX_OK))
    {
        return NULL;
    }

    ngx_content_s3_upstream(conf);

    store = ngx_pcalloc(cf->pool, sizeof(ngx_content_store_t));
    if (store == NULL) {
        return NULL;
    }

    ngx_str_set(&store->name, "s3");
    store->ops = &ngx_content_s3_ops;
    store->conf = conf;
    store->threads = threads;
    store->id = ngx_content_store_id(&store->name, &conf->origin,
                                     &conf->bucket);
    store->sweep_min = 4 * ((conf->timeout + 999) / 1000);
    store->part_size = conf->part_size;
    store->parts_max = NGX_CONTENT_S3_PARTS;
    store->part_digest = 1;
    store->versions = 1;

    return store;
}


static void
ngx_content_s3_start(ngx_content_store_t *store)
{
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;
    ngx_content_credentials_start(conf->credentials, store->engine);
}


static void
ngx_content_s3_stop(ngx_content_store_t *store)
{
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;
    ngx_content_credentials_stop(conf->credentials);
    content_sigv4_forget(&conf->cache);
}


static ngx_int_t
ngx_content_s3_check(ngx_conf_t *cf, ngx_content_s3_conf_t *conf)
{
    const char  *missing;

    missing = conf->endpoint.len == 0 ? "content_s3_endpoint"
              : conf->bucket.len == 0 ? "content_s3_bucket"
              : conf->credentials == NULL ? "content_s3_credentials" : NULL;

    if (missing) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content s3\" needs \"%s\"", missing);
        return NGX_ERROR;
    }

    if (conf->tries == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_tries\" must be at least 1");
        return NGX_ERROR;
    }

    if (conf->part_size < NGX_CONTENT_S3_PART_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_part_size\" must be at least 5m: "
                           "S3 takes no smaller parts");
        return NGX_ERROR;
    }

    if (conf->copy_part_size < NGX_CONTENT_S3_PART_MIN
        || conf->copy_part_size > NGX_CONTENT_S3_COPY_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_copy_part_size\" must be 5m to 5g, "
                           "as S3 takes them");
        return NGX_ERROR;
    }

    if (conf->ca_file.len
        && ngx_conf_full_name(cf->cycle, &conf->ca_file, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A slot of its own, for an upstream has to be known before nginx initializes
 * them all, which is before configurations are merged.
 */

char *
ngx_content_s3_endpoint_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_s3_conf_t *s3 = (void *) ((u_char *) conf + cmd->offset);

    ngx_url_t   u;
    ngx_str_t  *value;

    if (s3->endpoint.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    s3->endpoint = value[1];

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = s3->endpoint;
    u.uri_part = 1;

    if (ngx_strncasecmp(u.url.data, (u_char *) "http://", 7) == 0) {
        u.url.data += 7;
        u.url.len -= 7;
        u.default_port = 80;

    } else if (ngx_strncasecmp(u.url.data, (u_char *) "https://", 8) == 0) {
        u.url.data += 8;
        u.url.len -= 8;
        u.default_port = 443;
        s3->secure = 1;

    } else {
        return "is not an http or https URL";
    }

    s3->upstream.upstream = ngx_http_upstream_add(cf, &u, 0);

    if (s3->upstream.upstream == NULL) {
        if (u.err) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"content_s3_endpoint\": %s in \"%V\"", u.err,
                               &s3->endpoint);
        }

        return NGX_CONF_ERROR;
    }

    if (u.uri.len > 1) {
        return "has a path: the bucket belongs to \"content_s3_bucket\"";
    }

    s3->authority = u.url;
    s3->authority.len -= u.uri.len;

    s3->origin.data = s3->endpoint.data;
    s3->origin.len = s3->authority.data + s3->authority.len
                     - s3->endpoint.data;

    return ngx_content_s3_keepalive(cf, s3->upstream.upstream) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_content_s3_names(ngx_conf_t *cf, ngx_content_s3_conf_t *conf)
{
    u_char  *p;

    if (conf->style == NGX_CONTENT_S3_PATH) {
        conf->host = conf->authority;

        conf->base.len = conf->bucket.len + 2;
        p = ngx_pnalloc(cf->pool, conf->base.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        conf->base.data = p;
        (void) ngx_sprintf(p, "/%V/", &conf->bucket);

        return NGX_OK;
    }

    ngx_str_set(&conf->base, "/");

    conf->host.len = conf->bucket.len + 1 + conf->authority.len;
    p = ngx_pnalloc(cf->pool, conf->host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->host.data = p;
    (void) ngx_sprintf(p, "%V.%V", &conf->bucket, &conf->authority);

    return NGX_OK;
}


/*
 * Idle connections are kept by nginx's own keepalive module.  For an upstream
 * that no upstream{} block describes nobody has made that module's
 * configuration: it is made here, as the block would, and its directive run.
 */

static ngx_int_t
ngx_content_s3_keepalive(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *uscf)
{
    void                 *kcf;
    ngx_conf_t            save;
    ngx_str_t            *value;
    ngx_array_t           args;
    ngx_command_t        *cmd;
    ngx_http_module_t    *module;
    ngx_http_conf_ctx_t  *ctx;

    if (uscf->srv_conf) {
        return NGX_OK;
    }

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL
        || ngx_array_init(&args, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *ctx = *(ngx_http_conf_ctx_t *) cf->ctx;

    ctx->srv_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->srv_conf == NULL) {
        return NGX_ERROR;
    }

    module = ngx_http_upstream_keepalive_module.ctx;
    cmd = ngx_http_upstream_keepalive_module.commands;

    kcf = module->create_srv_conf(cf);
    value = ngx_array_push_n(&args, 2);

    if (kcf == NULL || value == NULL) {
        return NGX_ERROR;
    }

    ctx->srv_conf[ngx_http_upstream_keepalive_module.ctx_index] = kcf;
    ctx->srv_conf[ngx_http_upstream_module.ctx_index] = uscf;
    uscf->srv_conf = ctx->srv_conf;

    value[0] = cmd->name;
    ngx_str_set(&value[1], NGX_CONTENT_S3_KEEPALIVE);

    save = *cf;
    cf->ctx = ctx;
    cf->args = &args;

    if (cmd->set(cf, cmd, kcf) != NGX_CONF_OK) {
        *cf = save;
        return NGX_ERROR;
    }

    *cf = save;

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_ssl(ngx_conf_t *cf, ngx_content_s3_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (conf->ca_file.len) {
        if (ngx_ssl_trusted_certificate(cf, ssl, &conf->ca_file, 9)
            != NGX_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"content_s3_ca_file\": \"%V\" can't be used",
                               &conf->ca_file);
            return NGX_ERROR;
        }

    } else if (SSL_CTX_set_default_verify_paths(ssl->ctx) != 1) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_ERROR;
    }

    if (ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    conf->upstream.ssl = ssl;
    conf->upstream.ssl_session_reuse = 1;
    conf->upstream.ssl_server_name = 1;
    conf->upstream.ssl_verify = 1;

    return NGX_OK;
}


static void
ngx_content_s3_upstream(ngx_content_s3_conf_t *conf)
{
    ngx_http_upstream_conf_t  *u;

    u = &conf->upstream;

    u->connect_timeout = conf->connect_timeout;
    u->send_timeout = conf->timeout;
    u->read_timeout = conf->timeout;

    /* 429 is how ngx_content_s3_read.c asks for another try */

    u->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR
                       |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                       |NGX_HTTP_UPSTREAM_FT_HTTP_503
                       |NGX_HTTP_UPSTREAM_FT_HTTP_504
                       |NGX_HTTP_UPSTREAM_FT_HTTP_429;
    u->next_upstream_tries = 3;

    u->buffering = 1;
    u->buffer_size = 32 * 1024;
    u->bufs.num = 16;
    u->bufs.size = 32 * 1024;
    u->busy_buffers_size = 128 * 1024;
    u->max_temp_file_size = 0;
    u->temp_file_write_size = 64 * 1024;

    u->intercept_404 = 1;
    ngx_str_set(&u->module, "content_s3");
}
