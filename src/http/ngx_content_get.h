/*
 * A GET or HEAD under way: what its files share.
 *
 *     ngx_content_get.c         the steps
 *     ngx_content_get_lookup.c  what is asked of Redis
 *     ngx_content_get_fill.c    joining a fill
 *     ngx_content_get_answer.c  headers and bytes to the client
 *     ngx_content_get_stream.c  bytes of a fill, as they come
 *
 * It lives in the request's pool.  What is under way when the client goes (a
 * look-up, a HEAD to S3, waiting for a fill) is let go by its cleanup.
 */

#ifndef NGX_CONTENT_GET_H
#define NGX_CONTENT_GET_H

#include "http/ngx_content_conf.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_keep.h"
#include "cache/ngx_content_redis_await.h"


#define NGX_CONTENT_GET_ASKS  5              /* for what another fills */
#define NGX_CONTENT_GET_ASKS_EXPIRED  2
#define NGX_CONTENT_GET_ASK   16             /* ms, about, then 32, 64 ... */
#define NGX_CONTENT_GET_PATIENCE          500   /* ms to be told in */
#define NGX_CONTENT_GET_PATIENCE_EXPIRED  50

#define NGX_CONTENT_GET_STEPS(S)                                             \
    S(LOOKUP, lookup)                                                        \
    S(OPEN,   open)                                                          \
    S(CHECK,  check)                                                         \
    S(CLAIM,  claim)                                                         \
    S(WAIT,   wait)                                                          \
    S(FILL,   fill)                                                          \
    S(FILLED, filled)                                                        \
    S(SEND,   send)

typedef enum {
#define NGX_CONTENT_GET_STEP(name, function)  NGX_CONTENT_GET_##name,
    NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP
    NGX_CONTENT_GET_END
} ngx_content_get_step_e;


typedef struct {
    ngx_http_request_t         *request;
    ngx_content_ctx_t          *ctx;
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;

    ngx_content_get_step_e      step;
    ngx_content_read_t          read;

    ngx_content_keep_t          keep;
    ngx_content_redis_op_t     *lookup;      /* under way */
    u_char                      filler[NGX_CONTENT_REDIS_ID];
                                             /* if busy: who fills */
    content_object_t           *record;      /* as Redis knows it, or NULL */
    content_str_t               body;        /* at hand, in memory; if lent:
                                                while the handler of the
                                                look-up runs */
    content_str_t               stale;       /* the body, if expired: for when
                                                storage fails */
    int64_t                     stale_age;   /* ms since it was fresh */

    ngx_msec_t                  since;       /* storage, or Redis, was asked */
    ngx_uint_t                  came;        /* ngx_content_fills_now() */
    ngx_event_t                 timer;       /* until Redis is asked again */
    ngx_content_redis_await_t   await;       /* ... or there is news */
    ngx_uint_t                  asks;        /* how often it was */
    ngx_content_fill_wait_t     wait;        /* wait.fill: joined or begun */
    size_t                      sent;        /* bytes of the fill */
    ngx_chain_t                *free;
    ngx_chain_t                *busy_bufs;

    u_char                     *copy;        /* of the body, for the caches */
    size_t                      copied;

    unsigned                    asked:1;     /* Redis, and it took a while */
    unsigned                    lent:1;
    unsigned                    busy:1;
    unsigned                    news:1;      /* came before it was waited for */
    unsigned                    expired:1;   /* what Redis has is too old */
    unsigned                    hit:1;       /* no storage was asked */
    unsigned                    opened:1;
    unsigned                    claimed:1;   /* before it is opened: once */
    unsigned                    joined:1;    /* a fill that was there */
    unsigned                    large:1;     /* for a fill */
    unsigned                    streaming:1;
    unsigned                    timed:1;     /* the connection's timer is ours */
} ngx_content_get_t;


/* A step returns NGX_OK (next step), NGX_AGAIN (wait) or the request's end. */

typedef ngx_int_t (*ngx_content_get_step_pt)(ngx_content_get_t *get);

#define NGX_CONTENT_GET_STEP(name, function)                                 \
    ngx_int_t ngx_content_get_##function(ngx_content_get_t *get);
NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP

/* Runs the steps; resume() from an event that was waited for. */
void ngx_content_get_run(ngx_content_get_t *get);
void ngx_content_get_resume(ngx_content_get_t *get);

/* What was waited for has come: a time-out until then was not the client's. */
void ngx_content_get_in_time(ngx_content_get_t *get);

/* Whether conditions and ranges are decided before bytes are asked for. */
ngx_uint_t ngx_content_get_conditional(ngx_http_request_t *r);

/* Conditions.  NGX_DECLINED: the body is wanted; else the request's end. */
ngx_int_t ngx_content_get_met(ngx_content_get_t *get);


/* ngx_content_get_fill.c */

/*
 * A fill of the object that began after every write which this request has to
 * see: see ngx_content_fill.h.  NULL: there is none.
 */
ngx_content_fill_t *ngx_content_get_joinable(ngx_content_get_t *get);
void ngx_content_get_woken(ngx_content_fill_wait_t *wait);


/* ngx_content_get_answer.c */

/* The callbacks of ngx_content_read_t: the object is known; its bytes. */
ngx_int_t ngx_content_get_headers(ngx_content_read_t *read);
ngx_int_t ngx_content_get_copy(ngx_content_read_t *read, u_char *data,
    size_t len);

/* Each ends the request: its headers alone, or the body at hand. */
ngx_int_t ngx_content_get_send_headers(ngx_content_get_t *get);
ngx_int_t ngx_content_get_send_memory(ngx_content_get_t *get);

/*
 * The problem that storage's outcome is; or, if it is a fault and a cache has
 * the object, however old: that (stale-if-error, RFC 5861).
 */
ngx_int_t ngx_content_get_fault(ngx_content_get_t *get);
ngx_int_t ngx_content_get_stale(ngx_content_get_t *get);

/* Goes on to a step. */
void ngx_content_get_next(ngx_content_get_t *get,
    ngx_content_get_step_e step);


/* ngx_content_get_stream.c */

/*
 * Sends what the fill has, and goes on whenever there is more, or the client
 * takes more; finalizes the request.  The headers have been sent.
 */
void ngx_content_get_stream(ngx_content_get_t *get);


#endif
