/*
 * The S3 store's configuration: what the directives content_s3_* say, and
 * what is made of it (addresses, TLS, keepalive) before the workers start.
 */

#include <ngx_config.h>
#include <openssl/ssl.h>

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"




static ngx_int_t ngx_content_s3_check(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);
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
    .part_digest = ngx_content_s3_signs_payload,
    .begin = ngx_content_s3_begin,
    .part = ngx_content_s3_part,
    .part_grown = ngx_content_s3_part_grown,
    .part_cancel = ngx_content_s3_part_cancel,
    .ending = ngx_content_s3_ending,
    .commit = ngx_content_s3_commit,
    .abort = ngx_content_s3_abort,
    .sweep = ngx_content_s3_sweep,
    .probe = ngx_content_s3_probe
};


void
ngx_content_s3_conf_create(ngx_content_s3_conf_t *conf)
{
    conf->style = NGX_CONF_UNSET_UINT;
    conf->connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->fail_timeout = NGX_CONF_UNSET_MSEC;
    conf->probe = NGX_CONF_UNSET_UINT;
    conf->sign_payload = NGX_CONF_UNSET_UINT;
    conf->tries = NGX_CONF_UNSET_UINT;
    conf->retry_timeout = NGX_CONF_UNSET_MSEC;
    conf->part_size = NGX_CONF_UNSET_SIZE;
    conf->max_parts = NGX_CONF_UNSET_UINT;
    conf->copy_part_size = NGX_CONF_UNSET;
}


void
ngx_content_s3_conf_merge(ngx_content_s3_conf_t *prev,
    ngx_content_s3_conf_t *conf)
{
    if (conf->urls == NULL) {
        conf->urls = prev->urls;
        conf->secure = prev->secure;
    }

    ngx_conf_merge_str_value(conf->bucket, prev->bucket, "");
    ngx_conf_merge_str_value(conf->region, prev->region, "us-east-1");
    ngx_conf_merge_uint_value(conf->style, prev->style, NGX_CONTENT_S3_PATH);
    ngx_conf_merge_str_value(conf->ca_file, prev->ca_file, "");
    ngx_conf_merge_msec_value(conf->connect_timeout, prev->connect_timeout,
                              5000);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 60000);
    ngx_conf_merge_msec_value(conf->fail_timeout, prev->fail_timeout, 10000);
    ngx_conf_merge_uint_value(conf->probe, prev->probe,
                              NGX_CONTENT_S3_PROBE_ON);
    ngx_conf_merge_uint_value(conf->sign_payload, prev->sign_payload,
                              CONTENT_SIGV4_PAYLOAD_AUTO);
    ngx_conf_merge_uint_value(conf->tries, prev->tries, 3);
    ngx_conf_merge_msec_value(conf->retry_timeout, prev->retry_timeout,
                              10000);
    ngx_conf_merge_size_value(conf->part_size, prev->part_size,
                              16 * 1024 * 1024);
    ngx_conf_merge_uint_value(conf->max_parts, prev->max_parts,
                              NGX_CONTENT_S3_PARTS_MAX);
    ngx_conf_merge_off_value(conf->copy_part_size, prev->copy_part_size,
                             NGX_CONTENT_S3_PART_MAX);

    if (conf->credentials == NULL) {
        conf->credentials = prev->credentials;
    }
}


ngx_content_store_t *
ngx_content_s3_create(ngx_conf_t *cf, ngx_content_s3_conf_t *conf,
    ngx_thread_pool_t *threads)
{
    u_char               *p;
    ngx_content_store_t  *store;

    if (ngx_content_s3_check(cf, conf) != NGX_OK
        || ngx_content_s3_endpoints(cf, conf) != NGX_OK
        || (conf->secure && ngx_content_s3_ssl(cf, conf) != NGX_OK))
    {
        return NULL;
    }

    ngx_content_s3_upstream(conf);

    store = ngx_pcalloc(cf->pool, sizeof(ngx_content_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->place.len = conf->endpoints[0].origin.len + 1 + conf->bucket.len;

    p = ngx_pnalloc(cf->pool, store->place.len);
    if (p == NULL) {
        return NULL;
    }

    store->place.data = p;
    (void) ngx_sprintf(p, "%V/%V", &conf->endpoints[0].origin, &conf->bucket);

    ngx_str_set(&store->name, "s3");
    store->probed = (conf->probe != NGX_CONTENT_S3_PROBE_OFF);
    store->ops = &ngx_content_s3_ops;
    store->conf = conf;
    store->threads = threads;
    store->id = ngx_content_store_id(&store->name, &conf->endpoints[0].origin,
                                     &conf->bucket);
    store->sweep_min = 4 * ((conf->timeout + 999) / 1000);
    store->part_size = conf->part_size;
    store->parts_max = NGX_CONTENT_S3_PARTS;
    store->size_max = (off_t) conf->part_size * conf->max_parts;
    store->unguarded = 1;
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

    missing = conf->urls == NULL ? "content_s3_endpoint"
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

    if (conf->part_size < NGX_CONTENT_S3_PART_MIN
        || (off_t) conf->part_size > NGX_CONTENT_S3_PART_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_part_size\" must be 5m to 5120m, "
                           "as S3 takes them");
        return NGX_ERROR;
    }

    if (conf->max_parts < NGX_CONTENT_S3_PARTS_MIN
        || conf->max_parts > NGX_CONTENT_S3_PARTS_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_max_parts\" must be 2 to 10000");
        return NGX_ERROR;
    }

    if (conf->copy_part_size < NGX_CONTENT_S3_PART_MIN
        || conf->copy_part_size > NGX_CONTENT_S3_PART_MAX)
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

    /* how often, ngx_content_s3_peer.c decides: 429 is how it asks for more */

    u->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR
                       |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                       |NGX_HTTP_UPSTREAM_FT_HTTP_503
                       |NGX_HTTP_UPSTREAM_FT_HTTP_504
                       |NGX_HTTP_UPSTREAM_FT_HTTP_429;

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
