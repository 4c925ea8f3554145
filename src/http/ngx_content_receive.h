/*
 * The way of a PUT's body and headers into an upload.
 */

#ifndef NGX_CONTENT_RECEIVE_H
#define NGX_CONTENT_RECEIVE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "store/ngx_content_upload.h"


/*
 * Called once: NGX_OK when the upload has taken the whole body; else what the
 * request is to be finalized with.
 */
typedef void (*ngx_content_received_pt)(void *data, ngx_int_t rc);

/*
 * Reads the body as it comes, without a temporary file, no faster than the
 * upload takes it.  Returns what the content handler has to return.
 */
ngx_int_t ngx_content_receive(ngx_http_request_t *r, ngx_content_upload_t *up,
    ngx_content_received_pt received, void *data);

/* The upload can take more. */
void ngx_content_receive_resume(ngx_http_request_t *r);

/*
 * Takes what is kept with an object from the request's headers, copied to
 * pool.  Returns NGX_OK, or a problem that names the header.
 */
ngx_int_t ngx_content_object_from_request(ngx_http_request_t *r,
    content_object_t *object, ngx_pool_t *pool);


#endif
