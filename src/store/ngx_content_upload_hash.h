/*
 * The digests of an upload: SHA-256 of the body and of each part, and what the
 * client has announced besides.  Between ngx_content_upload.c, which calls
 * these, and _hash.c.
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
 * Hashes a part, the next one of the body; up->hashing is the part until then.
 * Ends in ngx_content_upload_hashed(), at once if it is a small one.
 */
void ngx_content_upload_hash_part(ngx_content_upload_t *up,
    ngx_content_part_t *part);

/* The body's digests: kept in up->object, and compared with up->expect. */
void ngx_content_upload_verify(ngx_content_upload_t *up);


/* In ngx_content_upload.c, for it. */

void ngx_content_upload_hashed(ngx_content_upload_t *up,
    ngx_content_part_t *part, ngx_int_t rc);

/* Only the first failure counts; cause is copied, NULL: none. */
void ngx_content_upload_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);


#endif
