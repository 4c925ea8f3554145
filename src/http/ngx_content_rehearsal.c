/*
 * A range is asked of S3 before any filter has seen the answer's headers.  But
 * a page that SSI, sub_filter, gzip, addition or image_filter change has no
 * ranges (nginx answers 200 with all of it), and only these filters know what
 * they change: by type, by length, by what the client accepts.
 *
 * So they are asked: the headers of the whole object pass by them as if it were
 * at hand, and the range filter at the end says what it would do.  Nothing is
 * sent, since r->header_sent is set, at which the last filter of HTTP/1.1, 2
 * and 3 stops; then all that a header filter can change is put back.  Called
 * before a range of what is in S3 is answered, with 206 or with 416.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"


typedef struct {
    ngx_http_request_t           request;
    void                       **ctx;
    ngx_http_variable_value_t   *variables;
    ngx_uint_t                   nvariables;
    ngx_uint_t                   nheaders;    /* in the list's last part */
} ngx_content_rehearsal_t;


static ngx_content_rehearsal_t *ngx_content_rehearsal_begin(
    ngx_http_request_t *r);
static ngx_int_t ngx_content_rehearsal_headers(ngx_http_request_t *r,
    const content_object_t *object);
static void ngx_content_rehearsal_end(ngx_http_request_t *r,
    ngx_content_rehearsal_t *rehearsal);


ngx_int_t
ngx_content_rehearse(ngx_http_request_t *r, const content_object_t *object)
{
    ngx_int_t                 rc, status;
    ngx_content_rehearsal_t  *rehearsal;

    rehearsal = ngx_content_rehearsal_begin(r);
    if (rehearsal == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_content_rehearsal_headers(r, object);

    if (rc == NGX_OK) {
        r->header_sent = 1;
        rc = ngx_http_top_header_filter(r);
    }

    status = (rc == NGX_OK) ? (ngx_int_t) r->headers_out.status : rc;

    ngx_content_rehearsal_end(r, rehearsal);

    switch (status) {

    case NGX_HTTP_PARTIAL_CONTENT:
    case NGX_HTTP_RANGE_NOT_SATISFIABLE:
        return NGX_OK;

    case NGX_ERROR:
        return NGX_ERROR;

    default:
        return NGX_DECLINED;
    }
}


static ngx_content_rehearsal_t *
ngx_content_rehearsal_begin(ngx_http_request_t *r)
{
    size_t                      size;
    ngx_content_rehearsal_t    *rehearsal;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    rehearsal = ngx_palloc(r->pool, sizeof(ngx_content_rehearsal_t));
    if (rehearsal == NULL) {
        return NULL;
    }

    rehearsal->nvariables = cmcf->variables.nelts;
    size = rehearsal->nvariables * sizeof(ngx_http_variable_value_t);

    rehearsal->ctx = ngx_palloc(r->pool, ngx_http_max_module * sizeof(void *));
    rehearsal->variables = ngx_palloc(r->pool, size);

    if (rehearsal->ctx == NULL || rehearsal->variables == NULL) {
        return NULL;
    }

    rehearsal->request = *r;
    rehearsal->nheaders = r->headers_out.headers.last->nelts;
    ngx_memcpy(rehearsal->ctx, r->ctx, ngx_http_max_module * sizeof(void *));
    ngx_memcpy(rehearsal->variables, r->variables, size);

    return rehearsal;
}


/* What ngx_content_get_headers() makes of it, for a filter's eyes. */

static ngx_int_t
ngx_content_rehearsal_headers(ngx_http_request_t *r,
    const content_object_t *object)
{
    static content_str_t  whence = content_string("ngx_content");

    if (ngx_content_object_headers(r, object, whence) != NGX_OK
        || (object->has_sha256
            && ngx_content_digest_headers(r, object->sha256) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_content_ranges_cut(r, object->etag, object->mtime,
                                  object->size);
}


static void
ngx_content_rehearsal_end(ngx_http_request_t *r,
    ngx_content_rehearsal_t *rehearsal)
{
    ngx_list_part_t     *part;
    ngx_http_cleanup_t  *cleanup;

    cleanup = r->cleanup;                    /* of what was allocated */

    ngx_memcpy(r->ctx, rehearsal->ctx, ngx_http_max_module * sizeof(void *));
    ngx_memcpy(r->variables, rehearsal->variables,
               rehearsal->nvariables * sizeof(ngx_http_variable_value_t));
    *r = rehearsal->request;

    r->cleanup = cleanup;

    part = r->headers_out.headers.last;
    part->nelts = rehearsal->nheaders;
    part->next = NULL;
}
