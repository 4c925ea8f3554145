/*
 * The answers of a COPY, a MOVE and a restored version: 201, 204, or the
 * problem.  Called by ngx_content_copy.c, while the client is still there.
 */

#include "http/ngx_content_copy.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"


static ngx_int_t ngx_content_copy_success(ngx_content_copying_t *c);
static ngx_int_t ngx_content_copy_location(ngx_content_copying_t *c);
static ngx_int_t ngx_content_copy_problem(ngx_content_copying_t *c);
static ngx_int_t ngx_content_copy_source_stays(ngx_content_copying_t *c);


ngx_int_t
ngx_content_copy_respond(ngx_content_copying_t *c)
{
    ngx_int_t  rc;

    if (c->outcome != NGX_CONTENT_OK && c->unlocked) {
        return ngx_content_lock_problem(c->request, &c->lock);
    }

    if (c->outcome != NGX_CONTENT_OK) {
        return ngx_content_copy_problem(c);
    }

    rc = ngx_content_change_problem(c->request, &c->change);

    if (rc != NGX_OK) {
        return rc;
    }

    if (c->removed != NGX_CONTENT_OK) {
        return ngx_content_copy_source_stays(c);
    }

    return ngx_content_copy_success(c);
}


static ngx_int_t
ngx_content_copy_success(ngx_content_copying_t *c)
{
    content_str_t        etag;
    ngx_http_request_t  *r;

    r = c->request;

    if (c->keys[0].replaced) {
        r->headers_out.status = NGX_HTTP_NO_CONTENT;
        r->headers_out.content_length_n = -1;

    } else {
        r->headers_out.status = NGX_HTTP_CREATED;
        r->headers_out.content_length_n = 0;
    }

    etag = ngx_content_str_dup(r->pool, ngx_content_from_ngx(c->etag));

    if ((etag.len && ngx_content_header(r, "ETag", etag) != NGX_OK)
        || ngx_content_copy_location(c) != NGX_OK
        || ngx_content_change_header(r, &c->change) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->header_only = 1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_content_copy_location(ngx_content_copying_t *c)
{
    size_t          size;
    u_char         *p;
    ngx_str_t      *key;
    content_out_t   out;

    key = &c->keys[0].key;
    size = 1 + 3 * key->len;

    p = ngx_pnalloc(c->request->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, p, size);
    content_out_char(&out, '/');
    content_key_encode(&out, ngx_content_from_ngx(*key));

    return ngx_content_header(c->request, "Location", content_out_done(&out));
}


static ngx_int_t
ngx_content_copy_problem(ngx_content_copying_t *c)
{
    ngx_uint_t   status;
    const char  *detail;

    status = ngx_content_outcome_status(c->outcome);

    switch (c->outcome) {

    case NGX_CONTENT_ABSENT:
        detail = c->restore ? "there is no such version"
                            : "there is no such object";
        break;

    case NGX_CONTENT_PRECONDITION:
        detail = (c->restore || c->from.refused)
                 ? "If-Match, If-None-Match or If-Unmodified-Since does not "
                   "hold; nothing was changed"
                 : "Overwrite is F, and there is an object at the "
                   "destination; nothing was changed";
        break;

    case NGX_CONTENT_FULL:
        detail = "the storage has no room";
        break;

    case NGX_CONTENT_INVALID:
        detail = "the storage takes no such object: its key or what is kept "
                 "with it is too long, or it is too large to be copied";
        break;

    case NGX_CONTENT_TOO_LARGE:
        detail = "the storage takes no object of this size";
        break;

    case NGX_CONTENT_BUSY:
        detail = "all threads are busy, and their queue is full; nothing was "
                 "changed";
        break;

    default:
        detail = "the storage failed; whether the destination has changed is "
                 "not known";
    }

    return ngx_content_problem(c->request, status, "%s", detail);
}


/* Half of a MOVE. */

static ngx_int_t
ngx_content_copy_source_stays(ngx_content_copying_t *c)
{
    if (c->removed == NGX_CONTENT_PRECONDITION) {
        return ngx_content_problem(c->request, NGX_HTTP_CONFLICT,
                   "the destination was written, but the source has changed "
                   "since and was left there");
    }

    if (c->unlocked) {
        return ngx_content_problem(c->request, NGX_HTTP_SERVICE_UNAVAILABLE,
                   "the destination was written, but the source stays: its "
                   "lock in Redis is not to be had");
    }

    return ngx_content_problem(c->request,
               ngx_content_outcome_status(c->removed),
               "the destination was written; whether the source is gone is "
               "not known, for the storage failed to remove it");
}
