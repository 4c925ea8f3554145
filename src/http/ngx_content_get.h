/*
 * A GET or HEAD under way: what its files share.
 *
 *     ngx_content_get.c         the steps
 *     ngx_content_get_answer.c  headers and bytes to the client
 *     ngx_content_get_keep.c    what the caches are given, or have to forget
 *
 * It lives in the request's pool.  What is under way when the client goes (a
 * look-up, a HEAD to S3) is let go by its cleanup.
 */

#ifndef NGX_CONTENT_GET_H
#define NGX_CONTENT_GET_H

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"


#define NGX_CONTENT_GET_STEPS(S)                                             \
    S(LOOKUP, lookup)                                                        \
    S(OPEN,   open)                                                          \
    S(CHECK,  check)                                                         \
    S(CLAIM,  claim)                                                         \
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

    u_char                      name[NGX_CONTENT_REDIS_NAME];
    ngx_content_redis_op_t     *lookup;      /* under way */
    ngx_content_redis_token_t   token;       /* if has_token */
    content_object_t            record;      /* as Redis knows it */
    content_str_t               body;        /* at hand, in memory */

    u_char                     *copy;        /* of the body, for the caches */
    size_t                      copied;

    unsigned                    has_token:1;
    unsigned                    hot:1;       /* Redis may have its body */
    unsigned                    in_redis:1;  /* something may be there */
    unsigned                    hit:1;       /* no storage was asked */
    unsigned                    opened:1;
} ngx_content_get_t;


/* ngx_content_get_answer.c */

/* The callback of ngx_content_read_t; once the object is known. */
ngx_int_t ngx_content_get_headers(ngx_content_read_t *read);

/* Each ends the request: its headers alone, or the body at hand. */
ngx_int_t ngx_content_get_send_headers(ngx_content_get_t *get);
ngx_int_t ngx_content_get_send_memory(ngx_content_get_t *get);

/* The problem that storage's outcome is. */
ngx_int_t ngx_content_get_fault(ngx_content_get_t *get);


/* ngx_content_get_keep.c */

/* The largest body that one of the caches would take; 0: none. */
size_t ngx_content_get_keep_max(ngx_content_get_t *get);

/* The callback of ngx_content_read_t: the body passes by. */
ngx_int_t ngx_content_get_keep_body(ngx_content_read_t *read, u_char *data,
    size_t len);

/* What storage says that the object is: for the caches, without the body. */
void ngx_content_get_keep_metadata(ngx_content_get_t *get);

/* What the caches say of the object is not so any more. */
void ngx_content_get_forget(ngx_content_get_t *get);


#endif
