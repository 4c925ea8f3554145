/*
 * The sweep of S3, between its two files: ngx_content_s3_sweep.c runs the
 * steps and has those that look for old uploads and abort them,
 * ngx_content_s3_sweep_own.c those of the upload of our own.
 */

#ifndef NGX_CONTENT_S3_SWEEP_H
#define NGX_CONTENT_S3_SWEEP_H

#include "store/ngx_content_s3.h"
#include "store/ngx_content_sweep.h"
#include "lib/content_s3uploads.h"


/* That of our own upload: no object can have it. */
#define NGX_CONTENT_S3_SWEEP_KEY  "-/the sweep"


/*
 * BEGIN   an upload of our own
 * WHO     look for it in the list: initiator, time
 * LET     give it up
 * LIST    a page of all uploads; those that are old are noted
 * NEXT    take the next of them
 * PARTS   when did its last part come?
 * ABORT   long ago: give it up
 */

#define NGX_CONTENT_S3_SWEEP_STEPS(S)                                        \
    S(BEGIN,  begin)                                                         \
    S(WHO,    who)                                                           \
    S(LET,    let)                                                           \
    S(LIST,   list)                                                          \
    S(NEXT,   next)                                                          \
    S(PARTS,  parts)                                                         \
    S(ABORT,  abort)

typedef enum {
#define NGX_CONTENT_S3_SWEEP_STEP(name, function)                            \
    NGX_CONTENT_S3_SWEEP_##name,
    NGX_CONTENT_S3_SWEEP_STEPS(NGX_CONTENT_S3_SWEEP_STEP)
#undef NGX_CONTENT_S3_SWEEP_STEP
    NGX_CONTENT_S3_SWEEP_END
} ngx_content_s3_sweep_step_e;


typedef struct {
    ngx_str_t                    key;
    ngx_str_t                    id;
} ngx_content_s3_stale_t;

typedef struct {
    ngx_content_sweep_t         *sweep;
    ngx_content_s3_sweep_step_e  step;

    ngx_str_t                    own;         /* the id of our own */
    content_str_t                initiator;
    int64_t                      now;         /* there; 0: not known */
    unsigned                     encoded:1;   /* keys, not saying so */

    ngx_pool_t                  *pool;        /* of a page: */
    content_s3uploads_page_t    *page;
    ngx_array_t                  stale;       /* ngx_content_s3_stale_t */
    ngx_uint_t                   next;
    int64_t                      marker;      /* parts up to it were seen */

    ngx_uint_t                   faults;
    ngx_content_outcome_e        outcome;
    ngx_str_t                    cause;
} ngx_content_s3_sweep_t;


/* A step returns NGX_OK: go on, or NGX_AGAIN: an answer goes on. */

typedef ngx_int_t (*ngx_content_s3_sweep_step_pt)(ngx_content_s3_sweep_t *s);

#define NGX_CONTENT_S3_SWEEP_STEP(name, function)                            \
    ngx_int_t ngx_content_s3_sweep_##function(ngx_content_s3_sweep_t *s);
NGX_CONTENT_S3_SWEEP_STEPS(NGX_CONTENT_S3_SWEEP_STEP)
#undef NGX_CONTENT_S3_SWEEP_STEP


/* Runs the steps until one waits, or the round has ended and s is gone. */
void ngx_content_s3_sweep_run(ngx_content_s3_sweep_t *s);

/* The next step is another one. */
void ngx_content_s3_sweep_go(ngx_content_s3_sweep_t *s,
    ngx_content_s3_sweep_step_e step);

/* Counts it; the first one is what the round is told of. */
void ngx_content_s3_sweep_fault(ngx_content_s3_sweep_t *s,
    const char *cause);

/* What a step returns with: the handler gets the answer, or the round ends. */
ngx_int_t ngx_content_s3_sweep_call(ngx_content_s3_sweep_t *s,
    ngx_content_s3_request_t *request, ngx_content_call_handler_pt handler);

/* A request about an upload; id NULL: about none yet. */
void ngx_content_s3_sweep_request(ngx_content_s3_request_t *request,
    const char *method, ngx_str_t *key, ngx_str_t *id);

/* A list of uploads, whose keys are asked for encoded. */
void ngx_content_s3_sweep_uploads(ngx_content_s3_request_t *request);


#endif
