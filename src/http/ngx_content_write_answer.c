/*
 * The answers of a write: 201, 204, or the problem.  Called by
 * ngx_content_write.c when all is done, while the client is still there.
 */

#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"


static ngx_int_t ngx_content_write_success(ngx_content_write_t *w);
static ngx_int_t ngx_content_write_problem(ngx_content_write_t *w);
static ngx_int_t ngx_content_write_too_large(ngx_content_write_t *w,
    ngx_uint_t status);


ngx_int_t
ngx_content_write_respond(ngx_content_write_t *w)
{
    ngx_int_t  rc;

    if (w->unlocked) {
        return ngx_content_lock_problem(w->request, &w->lock);
    }

    if (w->outcome != NGX_CONTENT_OK) {
        return ngx_content_write_problem(w);
    }

    rc = ngx_content_change_problem(w->request, &w->change);

    return rc == NGX_OK ? ngx_content_write_success(w) : rc;
}


static ngx_int_t
ngx_content_write_success(ngx_content_write_t *w)
{
    ngx_uint_t           put;
    content_str_t        etag, path;
    ngx_http_request_t  *r;

    r = w->request;
    put = (r->method == NGX_HTTP_PUT);

    r->headers_out.status = (put && !w->object.replaced) ? NGX_HTTP_CREATED
                                                  : NGX_HTTP_NO_CONTENT;
    r->headers_out.content_length_n = put && !w->object.replaced ? 0 : -1;

    /* the body was stored byte for byte: RFC 9110, 9.3.4 allows an ETag */

    etag = ngx_content_str_dup(r->pool, ngx_content_from_ngx(w->etag));

    if (put && ngx_content_header(r, "ETag", etag) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    path = ngx_content_str_dup(r->pool, ngx_content_from_ngx(w->path));

    if (put && ngx_content_header(r, "Location", path) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_content_change_header(r, &w->change) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->header_only = 1;

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_content_change_problem(ngx_http_request_t *r,
    const ngx_content_change_t *change)
{
    if (change->refused) {
        return ngx_content_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                    "Redis takes no note of the change, so nothing was "
                    "changed");
    }

    if (change->failed) {
        return ngx_content_problem(r, NGX_HTTP_GATEWAY_TIME_OUT,
                    "the storage was changed, but some node may answer with "
                    "what was there before, until Redis can be reached");
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_change_header(ngx_http_request_t *r,
    const ngx_content_change_t *change)
{
    u_char         *p;
    content_out_t   out;

    static content_str_t  job = content_string("/-/purge/");

    if (change->lost) {
        return ngx_content_header(r, "X-Content-Purge", content_cstr("lost"));
    }

    if (!change->purged) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, job.len + 2 * CONTENT_PURGE_ID_SIZE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, p, job.len + 2 * CONTENT_PURGE_ID_SIZE);
    content_out_str(&out, job);
    content_purge_id_write(&out, change->job);

    return ngx_content_header(r, "X-Content-Purge", content_out_done(&out));
}


static ngx_int_t
ngx_content_write_problem(ngx_content_write_t *w)
{
    ngx_uint_t  status;

    status = ngx_content_outcome_status(w->outcome);

    switch (w->outcome) {

    case NGX_CONTENT_ABSENT:
        return ngx_content_problem(w->request, status,
                                   "there is no such object");

    case NGX_CONTENT_PRECONDITION:
        return ngx_content_problem(w->request, status,
                    "If-Match, If-None-Match or If-Unmodified-Since does not "
                    "hold; nothing was changed");

    case NGX_CONTENT_MISMATCH:
        return ngx_content_problem(w->request, status, "%V", &w->detail);

    case NGX_CONTENT_TOO_LARGE:
        return ngx_content_write_too_large(w, status);

    case NGX_CONTENT_BUSY:
        return ngx_content_problem(w->request, status,
                    "all threads are busy, and their queue is full; nothing "
                    "was changed");

    case NGX_CONTENT_FULL:
        return ngx_content_problem(w->request, status,
                                   "the storage has no room");

    case NGX_CONTENT_SLOW:
        return ngx_content_problem(w->request, status,
                    "the body came too slowly while other uploads waited for "
                    "memory; nothing was changed");

    case NGX_CONTENT_INVALID:
        return ngx_content_problem(w->request, status,
                    "the storage takes no such object: its key or what is "
                    "kept with it is too long");

    default:
        return ngx_content_problem(w->request, status, w->object.touched
                    ? "the storage failed; whether the object has changed is "
                      "not known"
                    : "the storage failed; nothing was changed");
    }
}


/* More than the limit that is known, or S3 has another. */

static ngx_int_t
ngx_content_write_too_large(ngx_content_write_t *w, ngx_uint_t status)
{
    off_t  max;

    max = w->lcf->store->size_max;

    if (w->received == max) {
        return ngx_content_problem(w->request, status,
                    "the storage takes objects of up to %O bytes", max);
    }

    return ngx_content_problem(w->request, status,
                               "the storage takes no object of this size");
}
