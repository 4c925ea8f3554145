/*
 * What the files of src/http share: the context of a request, problems, and
 * response headers.
 */

#ifndef NGX_CONTENT_HTTP_H
#define NGX_CONTENT_HTTP_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/ngx_content_str.h"
#include "lib/content_key.h"
#include "lib/content_object.h"
#include "lib/content_policy.h"


typedef struct {
    ngx_str_t                key;            /* canonical; of the request */
    u_char                   tag[CONTENT_KEY_TAG_LEN];

    ngx_uint_t               problem;        /* HTTP status; 0: none yet */
    ngx_str_t                detail;
    ngx_chain_t             *problem_out;    /* the body that replaces
                                                nginx's own */

    void                    *receive;        /* of a PUT whose body comes */
    ngx_str_t                authenticate;   /* WWW-Authenticate of a 401 */
    ngx_str_t                allow;          /* Allow of a 405; empty: an
                                                object's */
    unsigned                 answered:1;     /* the headers are an object's or
                                                our own JSON's */
} ngx_content_ctx_t;


/* The context, made when there is none; NULL: no memory. */
ngx_content_ctx_t *ngx_content_ctx(ngx_http_request_t *r);

/*
 * Notes why a request fails, for the problem+json body, and returns status,
 * for the caller to return in turn.  detail is a format for ngx_vslprintf().
 */
ngx_int_t ngx_content_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, ...);

/* Installs the header and the body filter that write problems. */
ngx_int_t ngx_content_problem_init(ngx_conf_t *cf);

/*
 * Adds a response header.  name is a static text; value is not copied.  The
 * header replaces one that nginx keeps a pointer to (Cache-Control), so that
 * "expires" and "add_header" know it.
 */
ngx_int_t ngx_content_header(ngx_http_request_t *r, const char *name,
    content_str_t value);

/* Fills r->headers_out for the whole object (status 200). */
ngx_int_t ngx_content_object_headers(ngx_http_request_t *r,
    const content_object_t *object, const content_cache_status_t *status);

/* The first request header of that name (lower case), or NULL. */
ngx_table_elt_t *ngx_content_request_header(ngx_http_request_t *r,
    const char *name);

/* Sends status with a JSON body; body is not copied. */
ngx_int_t ngx_content_send_json(ngx_http_request_t *r, ngx_uint_t status,
    content_str_t body);


/* The handlers that ngx_content_handler() routes to. */

ngx_int_t ngx_content_handler(ngx_http_request_t *r);
ngx_int_t ngx_content_get(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_put(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_delete(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_list(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_status(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_purge(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_purge_job(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);


#endif
