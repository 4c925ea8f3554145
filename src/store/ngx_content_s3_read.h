/*
 * A read from S3, between the files that make it: _open.c (what is it), _read.c
 * (the request and the bytes), _answer.c (what came back) and _peer.c (whom to
 * ask, and whether to ask again).
 */

#ifndef NGX_CONTENT_S3_READ_H
#define NGX_CONTENT_S3_READ_H

#include "store/ngx_content_s3.h"


/* read->state */

typedef struct {
    ngx_content_read_t        *read;
    ngx_content_s3_head_t      head;

    ngx_http_status_t          status;
    content_str_t              content_range;
    content_retry_answer_t     answer;         /* of an error */
    off_t                      length;         /* of the answer; -1: unknown */

    ngx_content_s3_tries_t     tries;
    ngx_event_free_peer_pt     free_peer;      /* the balancer's own */
    ngx_event_t                wait;           /* for the next try */

    unsigned                   plain:1;        /* no Range, no If-Match */
    unsigned                   chunked:1;
    unsigned                   resend:1;       /* another try is decided */

    content_object_t           object;         /* as the headers tell it */
} ngx_content_s3_read_t;


/* The state, made at the first call; NULL: no memory. */
ngx_content_s3_read_t *ngx_content_s3_read(ngx_content_read_t *read);

/* Nothing can be asked: sets the read's outcome and cause. */
void ngx_content_s3_refuse(ngx_content_read_t *read);

ngx_int_t ngx_content_s3_create_request(ngx_http_request_t *r);

/* process_header: what ngx_http_upstream expects of it. */
ngx_int_t ngx_content_s3_process_status(ngx_http_request_t *r);

/* peer.init of the upstream that a read is sent to. */
ngx_int_t ngx_content_s3_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);

/*
 * For process_header, once s3->answer is set.  again(): whether there is
 * another try.  NGX_DECLINED: no; else what process_header is to return.
 * resend(): there is one, at once.
 */
ngx_int_t ngx_content_s3_peer_again(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
ngx_int_t ngx_content_s3_peer_resend(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);

/* Stops waiting for another try. */
void ngx_content_s3_peer_stop(ngx_content_s3_read_t *s3);


#endif
