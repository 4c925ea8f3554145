/*
 * Between the files of an answer from the memory cache, and of others whose
 * body is only lent.
 */

#ifndef NGX_CONTENT_HIT_H
#define NGX_CONTENT_HIT_H

#include "http/ngx_content_http.h"
#include "lib/content_shard.h"


/*
 * Answers with the pinned record, which may be unpinned when this has
 * returned.  NGX_DECLINED: it has not what is wanted; ctx->known is the object
 * if it knows that.
 */
ngx_int_t ngx_content_hit_answer(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    content_entry_t *entry);

/* Sends the headers, which are made, and the record's body. */
ngx_int_t ngx_content_hit_body(ngx_http_request_t *r, content_entry_t *entry);

/*
 * ngx_http_output_filter() for a whole body: one that is in a file begins in
 * the packet that the headers are in.
 */
ngx_int_t ngx_content_hit_output(ngx_http_request_t *r, ngx_chain_t *out);

/*
 * For a body of that size that will not stay where it is, when the headers have
 * been sent: whether some filter keeps pointers of its own into it.
 */
ngx_uint_t ngx_content_hit_transformed(ngx_http_request_t *r, off_t size);

/* What is left of b, in the request's memory: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_content_hit_copy(ngx_http_request_t *r, ngx_buf_t *b);


#endif
