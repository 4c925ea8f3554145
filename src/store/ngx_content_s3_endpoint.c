/*
 * The endpoints of the S3 store: what content_s3_endpoint says, and which of
 * them the next request goes to (lib/content_endpoints.c).
 */

#include "store/ngx_content_s3_read.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_S3_KEEPALIVE    "64"      /* idle connections a worker */


/* nginx's headers declare it nowhere */
extern ngx_module_t  ngx_http_upstream_keepalive_module;


static ngx_content_s3_endpoint_t *ngx_content_s3_endpoint_add(ngx_conf_t *cf,
    ngx_content_s3_conf_t *s3, ngx_url_t *u);
static ngx_uint_t ngx_content_s3_endpoint_again(ngx_content_s3_conf_t *s3,
    ngx_content_s3_endpoint_t *last);
static char *ngx_content_s3_endpoint_scheme(ngx_content_s3_conf_t *s3,
    ngx_url_t *u);
static ngx_int_t ngx_content_s3_keepalive(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_content_s3_base(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);
static ngx_int_t ngx_content_s3_host(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf, ngx_content_s3_endpoint_t *endpoint);


/*
 * A slot of its own, for an upstream has to be known before nginx initializes
 * them all, which is before configurations are merged.
 */

char *
ngx_content_s3_endpoint_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_s3_conf_t *s3 = (void *) ((u_char *) conf + cmd->offset);

    char                       *error;
    ngx_url_t                   u;
    ngx_str_t                  *value;
    ngx_content_s3_endpoint_t  *endpoint;

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = value[1];
    u.uri_part = 1;

    error = ngx_content_s3_endpoint_scheme(s3, &u);
    if (error) {
        return error;
    }

    endpoint = ngx_content_s3_endpoint_add(cf, s3, &u);
    if (endpoint == NULL) {
        return NGX_CONF_ERROR;
    }

    if (u.uri.len > 1) {
        return "has a path: the bucket belongs to \"content_s3_bucket\"";
    }

    endpoint->authority = u.url;
    endpoint->authority.len -= u.uri.len;

    endpoint->origin.data = value[1].data;
    endpoint->origin.len = endpoint->authority.data + endpoint->authority.len
                           - value[1].data;

    if (ngx_content_s3_endpoint_again(s3, endpoint)) {
        return "is duplicate";
    }

    return ngx_content_s3_keepalive(cf, endpoint->upstream) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* One more at the end, with its upstream; NULL: the error is logged. */

static ngx_content_s3_endpoint_t *
ngx_content_s3_endpoint_add(ngx_conf_t *cf, ngx_content_s3_conf_t *s3,
    ngx_url_t *u)
{
    ngx_str_t                  *value;
    ngx_content_s3_endpoint_t  *endpoint;

    if (s3->urls == NULL) {
        s3->urls = ngx_array_create(cf->pool, 2,
                                    sizeof(ngx_content_s3_endpoint_t));
        if (s3->urls == NULL) {
            return NULL;
        }
    }

    endpoint = ngx_array_push(s3->urls);
    if (endpoint == NULL) {
        return NULL;
    }

    ngx_memzero(endpoint, sizeof(ngx_content_s3_endpoint_t));
    endpoint->upstream = ngx_http_upstream_add(cf, u, 0);

    if (endpoint->upstream) {
        return endpoint;
    }

    if (u->err) {
        value = cf->args->elts;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_endpoint\": %s in \"%V\"", u->err,
                           &value[1]);
    }

    return NULL;
}


/* Whether the last one was there before. */

static ngx_uint_t
ngx_content_s3_endpoint_again(ngx_content_s3_conf_t *s3,
    ngx_content_s3_endpoint_t *last)
{
    ngx_content_s3_endpoint_t  *other;

    for (other = s3->urls->elts; other != last; other++) {
        if (other->upstream == last->upstream) {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_content_s3_endpoint_scheme(ngx_content_s3_conf_t *s3, ngx_url_t *u)
{
    ngx_uint_t  secure;

    secure = 0;

    if (ngx_strncasecmp(u->url.data, (u_char *) "http://", 7) == 0) {
        u->url.data += 7;
        u->url.len -= 7;
        u->default_port = 80;

    } else if (ngx_strncasecmp(u->url.data, (u_char *) "https://", 8) == 0) {
        u->url.data += 8;
        u->url.len -= 8;
        u->default_port = 443;
        secure = 1;

    } else {
        return "is not an http or https URL";
    }

    if (s3->urls && s3->secure != secure) {
        return "is not of the same scheme as the one before";
    }

    s3->secure = secure;

    return NULL;
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


/*
 * The endpoints as a location sees them: the host has the bucket in it, or
 * not.  Its reads go to an upstream of its own, which chooses among theirs.
 */

ngx_int_t
ngx_content_s3_endpoints(ngx_conf_t *cf, ngx_content_s3_conf_t *conf)
{
    ngx_uint_t                     i;
    ngx_http_upstream_srv_conf_t  *uscf;

    conf->nendpoints = conf->urls->nelts;
    conf->endpoints = ngx_pcalloc(cf->pool, conf->nendpoints
                                        * sizeof(ngx_content_s3_endpoint_t));
    conf->health = ngx_pcalloc(cf->pool, conf->nendpoints
                                        * sizeof(content_endpoint_t));
    uscf = ngx_palloc(cf->pool, sizeof(ngx_http_upstream_srv_conf_t));

    if (conf->endpoints == NULL || conf->health == NULL || uscf == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(conf->endpoints, conf->urls->elts,
               conf->nendpoints * sizeof(ngx_content_s3_endpoint_t));

    for (i = 0; i < conf->nendpoints; i++) {
        if (ngx_content_s3_host(cf, conf, &conf->endpoints[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    conf->authority = conf->endpoints[0].authority;

    *uscf = *conf->endpoints[0].upstream;
    uscf->peer.init = ngx_content_s3_peer_init;
    conf->upstream.upstream = uscf;

    return ngx_content_s3_base(cf, conf);
}


static ngx_int_t
ngx_content_s3_base(ngx_conf_t *cf, ngx_content_s3_conf_t *conf)
{
    u_char  *p;

    if (conf->style == NGX_CONTENT_S3_VIRTUAL) {
        ngx_str_set(&conf->base, "/");
        return NGX_OK;
    }

    conf->base.len = conf->bucket.len + 2;

    p = ngx_pnalloc(cf->pool, conf->base.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->base.data = p;
    (void) ngx_sprintf(p, "/%V/", &conf->bucket);

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_host(ngx_conf_t *cf, ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint)
{
    u_char  *p;

    if (conf->style == NGX_CONTENT_S3_PATH) {
        endpoint->host = endpoint->authority;
        return NGX_OK;
    }

    endpoint->host.len = conf->bucket.len + 1 + endpoint->authority.len;

    p = ngx_pnalloc(cf->pool, endpoint->host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    endpoint->host.data = p;
    (void) ngx_sprintf(p, "%V.%V", &conf->bucket, &endpoint->authority);

    return NGX_OK;
}


ngx_content_s3_endpoint_t *
ngx_content_s3_endpoint_choose(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *avoid)
{
    return &conf->endpoints[content_endpoints_choose(conf->health,
                                conf->nendpoints, &conf->turn,
                                avoid ? (unsigned) (avoid - conf->endpoints)
                                      : CONTENT_ENDPOINTS_NONE,
                                ngx_current_msec)];
}


void
ngx_content_s3_endpoint_worked(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint)
{
    content_endpoint_worked(&conf->health[endpoint - conf->endpoints]);
}


void
ngx_content_s3_endpoint_failed(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint)
{
    content_endpoint_failed(&conf->health[endpoint - conf->endpoints],
                            ngx_current_msec, conf->fail_timeout);

    if (conf->nendpoints > 1) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: S3 at \"%V\" has failed: left alone for "
                      "%M ms", &endpoint->authority, conf->fail_timeout);
    }
}
