/*
 * The digests of an upload: SHA-256 of the body and of each part, and what the
 * client has announced besides.  Between ngx_content_upload.c and _part.c,
 * which call these, and _hash.c.
 */

#ifndef NGX_CONTENT_UPLOAD_HASH_H
#define NGX_CONTENT_UPLOAD_HASH_H

#include "store/ngx_content_store.h"


/* NGX_OK or NGX_ERROR: no memory.  free() takes back what there is. */
ngx_int_t ngx_content_upload_hash_init(ngx_content_upload_t *up);
void ngx_content_upload_hash_free(ngx_content_upload_t *up);

/* Digests that up->expect asks for are computed as well. */
ngx_int_t ngx_content_upload_hash_expect(ngx_content_upload_t *up);

/*
 * Goes on with the bytes that have come, if they are enough for a slice or the
 * last of a part: up->hashing is the part until then.  Each slice ends in
 * ngx_content_part_hashed(), a small one before this returns; after others the
 * upload is advanced.
 */
void ngx_content_upload_hash(ngx_content_upload_t *up);

/* The body's digests: kept in up->object, and compared with up->expect. */
void ngx_content_upload_verify(ngx_content_upload_t *up);


#endif
