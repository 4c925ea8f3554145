/*
 * COPY inside the bucket, between the files that make it: _copy.c (how it
 * begins, and what both ways share), _copy_object.c (CopyObject) and
 * _copy_parts.c (in parts).
 */

#ifndef NGX_CONTENT_S3_COPY_H
#define NGX_CONTENT_S3_COPY_H

#include "store/ngx_content_s3_upload.h"


/* up->copy->state */

typedef struct {
    ngx_content_s3_head_t      head;          /* of the source */
    content_str_t              source;        /* x-amz-copy-source */
    off_t                      next;          /* where the next part begins */
    ngx_uint_t                 in_flight;
    ngx_content_outcome_e      outcome;       /* the first failure of a part */
    const char                *cause;         /* in the task's pool */
} ngx_content_s3_copy_t;


/*
 * HEAD of the source; with digest its SHA-256 is looked for in its tags, too.
 * NGX_OK: done follows, with up as its data; NGX_ERROR: it was not sent.
 */
ngx_int_t ngx_content_s3_copy_look(ngx_content_upload_t *up,
    ngx_uint_t digest, ngx_content_s3_head_pt done);

/*
 * Copies in parts, then commits: ngx_content_s3_end() follows.  The source is
 * as up->object and up->received say.
 */
void ngx_content_s3_copy_parts(ngx_content_upload_t *up);

/*
 * The ETag out of the body of a 200, which may still carry an error; from the
 * task's pool, in quotes.  part: of UploadPartCopy, not of CopyObject.  Unless
 * OK, *cause lasts.
 */
ngx_content_outcome_e ngx_content_s3_copy_etag(ngx_content_upload_t *up,
    ngx_content_call_t *call, ngx_uint_t part, content_str_t *etag,
    const char **cause);

/* Somebody has written the source meanwhile: what that means to the copy. */
ngx_content_outcome_e ngx_content_s3_copy_changed(ngx_content_upload_t *up,
    const char **cause);


#endif
