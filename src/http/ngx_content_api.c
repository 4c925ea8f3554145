/*
 * The API below /-/: its routes.
 *
 * A token for the route's right is asked for here.  Where the right is one to
 * a key, the handler asks for it.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"


typedef ngx_int_t (*ngx_content_api_pt)(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

typedef struct {
    const char             *path;           /* below "-/" */
    unsigned                prefix:1;       /* something follows path */
    ngx_uint_t              methods;
    const char             *allow;
    unsigned                right;          /* 0: to a key */
    ngx_content_api_pt      handler;
} ngx_content_route_t;


static const ngx_content_route_t  ngx_content_routes[] = {
    { "list", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      0, ngx_content_api_list },
    { "status", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      CONTENT_RIGHT_ADMIN, ngx_content_api_status },
    { "metrics", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      CONTENT_RIGHT_ADMIN, ngx_content_api_metrics },
    { "versions", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      0, ngx_content_api_versions },
    { "version", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      0, ngx_content_api_version },
    { "restore", 0, NGX_HTTP_POST, "POST",
      0, ngx_content_api_restore },
    { "delete", 0, NGX_HTTP_POST, "POST",
      CONTENT_RIGHT_WRITE, ngx_content_api_delete },
    { "purge", 0, NGX_HTTP_POST, "POST",
      CONTENT_RIGHT_PURGE, ngx_content_api_purge },
    { "purge/", 1, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      CONTENT_RIGHT_PURGE, ngx_content_api_purge_job },
    { NULL, 0, 0, NULL, 0, NULL }
};


ngx_int_t
ngx_content_api(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    size_t                      len;
    ngx_int_t                   rc;
    ngx_str_t                   path;
    const ngx_content_route_t  *route;

    path.data = ctx->key.data + 2;
    path.len = ctx->key.len - 2;

    for (route = ngx_content_routes; route->path; route++) {
        len = ngx_strlen(route->path);

        if (path.len < len || (path.len > len) != route->prefix
            || ngx_strncmp(path.data, route->path, len) != 0)
        {
            continue;
        }

        if (!(r->method & route->methods)) {
            ctx->allow.data = (u_char *) route->allow;
            ctx->allow.len = ngx_strlen(route->allow);

            return ngx_content_problem(r, NGX_HTTP_NOT_ALLOWED,
                                       "this takes %s", route->allow);
        }

        rc = route->right ? ngx_content_authorize(r, route->right, NULL)
                          : NGX_OK;

        return rc == NGX_OK ? route->handler(r, ctx) : rc;
    }

    if (r->method & (NGX_HTTP_PUT|NGX_HTTP_DELETE|NGX_HTTP_COPY
                     |NGX_HTTP_MOVE))
    {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "keys below \"-/\" are reserved");
    }

    return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                               "the API has list, versions, version, restore, "
                               "delete, purge, status and metrics");
}
