/*
 * An upload to S3, between the files that make it: _commit.c (how it ends),
 * _put.c (one part), _multipart.c (several) and _copy.c (of another object).
 */

#ifndef NGX_CONTENT_S3_UPLOAD_H
#define NGX_CONTENT_S3_UPLOAD_H

#include "store/ngx_content_s3.h"


/* up->state */

typedef struct {
    ngx_str_t                  id;            /* of the multipart upload */
    ngx_content_s3_head_t      head;
    ngx_content_s3_guard_t     guard;
    ngx_str_t                  version;       /* that was made, if any */
    ngx_event_t                lease;         /* ngx_content_s3_lease.c */
    unsigned                   started:1;     /* CreateMultipartUpload sent */
    unsigned                   told:1;        /* the SHA-256, with it */
    unsigned                   looked:1;      /* by ending(): up->replaced */
} ngx_content_s3_upload_t;

typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
    ngx_content_call_t        *call;          /* UploadPart, under way */
    ngx_buf_t                  buf;
    ngx_chain_t                chain;
    u_char                     hash[2 * CONTENT_SHA256_SIZE];
    u_char                     number[NGX_INT_T_LEN];
} ngx_content_s3_body_t;


/* The state, made at the first call; NULL: no memory. */
ngx_content_s3_upload_t *ngx_content_s3_upload(ngx_content_upload_t *up);

/* A part as a request's body; part NULL: an empty body.  NULL: no memory. */
ngx_content_s3_body_t *ngx_content_s3_body(ngx_content_upload_t *up,
    ngx_content_part_t *part, ngx_content_s3_request_t *request);

/*
 * The request that makes the object.  NGX_OK: ngx_content_s3_end() follows;
 * NGX_ERROR: it was not sent.
 */
ngx_int_t ngx_content_s3_put(ngx_content_upload_t *up);
ngx_int_t ngx_content_s3_copy_object(ngx_content_upload_t *up);
ngx_int_t ngx_content_s3_complete(ngx_content_upload_t *up);

/*
 * CreateMultipartUpload, with what up->object keeps.  NGX_OK: handler follows,
 * with up as call->data, and takes the id; NGX_ERROR: it was not sent.
 */
ngx_int_t ngx_content_s3_create_upload(ngx_content_upload_t *up,
    ngx_content_call_handler_pt handler);
ngx_content_outcome_e ngx_content_s3_upload_id(ngx_content_upload_t *up,
    ngx_content_call_t *call, const char **cause);

/*
 * A multipart upload has ended well: its SHA-256 becomes a tag of the object,
 * unless it is among the metadata; then ngx_content_s3_end().
 */
void ngx_content_s3_tag_end(ngx_content_upload_t *up);

/*
 * ngx_content_s3_etag.c: the ETag of the parts that were uploaded, by their
 * MD5s, from the task's pool; empty: their ETags are no MD5s.
 */
content_str_t ngx_content_s3_etag_of_parts(ngx_content_upload_t *up);

/* The upload was begun, or has stored a part: it is alive. */
void ngx_content_s3_lease(ngx_content_upload_t *up);

/*
 * The call of such a request, which holds on to the conditions by its headers;
 * up is its data.  NULL: no credentials, no memory.
 */
ngx_content_call_t *ngx_content_s3_write_call(ngx_content_upload_t *up,
    ngx_content_s3_request_t *request);

/*
 * Whether such a request was refused for its conditions only.  NGX_OK: it goes
 * on; NGX_DECLINED: the outcome is the last word.
 */
ngx_int_t ngx_content_s3_refused(ngx_content_upload_t *up,
    ngx_content_call_t *call, ngx_content_outcome_e *outcome);

/* Finishes the task; unless OK, what was begun is given up. */
void ngx_content_s3_end(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);

/*
 * Gives a multipart upload up, if there is one that S3 is not completing.
 * Nobody waits for it: what it can't reach is left to the sweep.
 */
void ngx_content_s3_discard(ngx_content_upload_t *up);


#endif
