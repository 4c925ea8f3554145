/*
 * The probe of S3, between its two files: ngx_content_s3_probe.c runs the steps
 * and has those that read, ngx_content_s3_probe_write.c those that write.
 */

#ifndef NGX_CONTENT_S3_PROBE_H
#define NGX_CONTENT_S3_PROBE_H

#include "store/ngx_content_s3.h"
#include "store/ngx_content_probe.h"


/*
 * The steps, in their order: a request each, which tells one thing.  `put` is
 * the first to write; unless it is allowed to, none of those after it is done.
 */

#define NGX_CONTENT_S3_PROBES(P)                                             \
    P(missing)               /* 403 or 404 for a key that is not there */     \
    P(versioning)            /* does the bucket keep versions */              \
    P(put)                   /* may we write */                               \
    P(unsigned)              /* the payload's hash left out */                \
    P(create)                /* If-None-Match: "*", of what is there */       \
    P(other)                 /* If-Match, of what is not there */             \
    P(quoted)                /* ... of what is there, in quotes */            \
    P(bare)                  /* ... and without */                            \
    P(tag)                                                                   \
    P(begin)                 /* an upload */                                  \
    P(part)                                                                  \
    P(complete)              /* with If-None-Match: "*", of what is there */  \
    P(abort)                 /* unless that was done */                       \
    P(delete)                /* If-Match, of what is not there */             \
    P(remove)


/* probe->state: one round. */

typedef struct {
    ngx_content_probe_t           *probe;
    ngx_content_s3_request_t       request;    /* of this step */
    ngx_str_t                      text;       /* its body, if any */
    ngx_str_t                      key;
    ngx_str_t                      etag;       /* of the object */
    ngx_str_t                      version;    /* that was made, if any */
    ngx_str_t                      upload;     /* under way, if any */
    ngx_str_t                      part;       /* its ETag */
} ngx_content_s3_probe_t;


/*
 * ask() fills the request.  NGX_DECLINED: nothing to ask; NGX_ERROR: no memory.
 * take() looks at what came, which may be no answer.  NGX_ERROR: the probe has
 * failed.
 */

#define NGX_CONTENT_S3_PROBE(name)                                           \
    ngx_int_t ngx_content_s3_probe_ask_##name(ngx_content_s3_probe_t *s3);    \
    ngx_int_t ngx_content_s3_probe_take_##name(ngx_content_s3_probe_t *s3,    \
        ngx_content_call_t *call);
NGX_CONTENT_S3_PROBES(NGX_CONTENT_S3_PROBE)
#undef NGX_CONTENT_S3_PROBE


#endif
