/*
 * The parts of an upload, from the first byte to the last use of their memory.
 * Between ngx_content_upload.c, _part.c and _hash.c.
 *
 *     create     memory, as up->filling
 *     came       some bytes; perhaps enough to hand the part to the store
 *                before it is whole: it grows there
 *     cut        no more bytes will come; it is among up->parts, as one that
 *                grows is already
 *     drop       its bytes will not come: instead of cut
 *     settle     stored and hashed: the memory is given back
 */

#ifndef NGX_CONTENT_UPLOAD_PART_H
#define NGX_CONTENT_UPLOAD_PART_H

#include "store/ngx_content_store.h"


/* As ngx_content_claim_buffer(). */
ngx_int_t ngx_content_part_create(ngx_content_upload_t *up);

/* Bytes were added to up->filling. */
void ngx_content_part_came(ngx_content_upload_t *up);

/* Whether up->filling, if there is one, may be cut now. */
ngx_uint_t ngx_content_part_may_be_cut(ngx_content_upload_t *up);

/* There has to be one. */
void ngx_content_part_cut(ngx_content_upload_t *up);

/* Of a failed or aborted upload; there may be none. */
void ngx_content_part_drop(ngx_content_upload_t *up);

/* A slice of it was hashed, or could not be. */
void ngx_content_part_hashed(ngx_content_upload_t *up,
    ngx_content_part_t *part, ngx_int_t rc);

/* What can be done now that one was stored, or the upload has failed. */
void ngx_content_parts_advance(ngx_content_upload_t *up);

/* Memory only, whatever is under way. */
void ngx_content_parts_free(ngx_content_upload_t *up);


/* In ngx_content_upload.c, for the others. */

/* Nothing is worth doing any more. */
ngx_uint_t ngx_content_upload_failed(ngx_content_upload_t *up);

/* Only the first failure counts; cause is copied, NULL: none. */
void ngx_content_upload_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);

/* May end the upload, and free it: nothing of it is used afterwards. */
void ngx_content_upload_advance(ngx_content_upload_t *up);


#endif
