/*
 * Variables for logs: which tier a GET or HEAD was answered from, how long
 * Redis and storage took, how large the object is.  They are noted in the
 * request's context on the way; a request that was not for an object has none.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"


static ngx_int_t ngx_content_variable_tier(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_content_variable_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_content_variable_size(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_content_variable_set(ngx_http_variable_value_t *v,
    u_char *data, size_t len);


static ngx_http_variable_t  ngx_content_variables[] = {

    { ngx_string("content_tier"), NULL, ngx_content_variable_tier, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("content_redis_time"), NULL, ngx_content_variable_time,
      offsetof(ngx_content_ctx_t, redis_time), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("content_store_time"), NULL, ngx_content_variable_time,
      offsetof(ngx_content_ctx_t, store_time), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("content_object_size"), NULL, ngx_content_variable_size, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_content_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_content_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_variable_tier(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    if (ctx == NULL || ctx->tier == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_content_variable_set(v, (u_char *) ctx->tier, ngx_strlen(ctx->tier));

    return NGX_OK;
}


/* As nginx's $request_time; none: it was not asked. */

static ngx_int_t
ngx_content_variable_time(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char             *p;
    ngx_msec_t          ms;
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);
    ms = ctx ? *(ngx_msec_t *) ((u_char *) ctx + data) : 0;

    if (ms == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ms--;                                    /* see ngx_content_http.h */

    ngx_content_variable_set(v, p, ngx_sprintf(p, "%T.%03M",
                                               (time_t) ms / 1000, ms % 1000)
                                   - p);
    return NGX_OK;
}


static ngx_int_t
ngx_content_variable_size(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char             *p;
    ngx_content_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    if (ctx == NULL || ctx->tier == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_content_variable_set(v, p, ngx_sprintf(p, "%O", (off_t) ctx->size)
                                   - p);
    return NGX_OK;
}


static void
ngx_content_variable_set(ngx_http_variable_value_t *v, u_char *data,
    size_t len)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = data;
    v->len = len;
}
