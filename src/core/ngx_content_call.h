/*
 * One HTTP request to another server and its answer, by the engine of
 * ngx_content_curl.h.  A call has its own pool and belongs to nobody's
 * request:
 *
 *     call = ngx_content_call_create(engine, ngx_cycle->log);
 *     if (call == NULL) { ... }
 *     call->method = "PUT";
 *     call->url = url;
 *     call->request_body = chain;
 *     call->handler = my_handler;
 *     call->data = my_state;
 *     ngx_content_call_header(call, "x-amz-date", &date);
 *     if (ngx_content_call_start(call) != NGX_OK) { ... }
 *
 * From then on either the handler runs once, and the call frees itself when
 * the handler returns, or ngx_content_call_cancel() ends it silently.  Who
 * may go away before the call (a client's request) cancels it in a pool
 * cleanup; a handler tells its owner to forget the pointer.
 *
 * All functions may be called from any nginx event handler and from a call's
 * handler, and all but cancel() from on_data; none of them calls a handler or
 * blocks.
 *
 * What goes out is what was given: the path and query of the URL byte by
 * byte, the headers in their order after Host, and nothing of curl's own but
 * Host (from the URL, unless given) and, for PUT, POST and whatever has a
 * body, Content-Length, which is not to be given.  HTTP/1.1, no redirects, no
 * proxy, no cookies, no netrc; TLS verified.
 *
 * curl replays a call by itself when a kept-alive connection turns out to be
 * closed before any byte of an answer; for what must not be done twice there
 * is the field `fresh`.
 */

#ifndef NGX_CONTENT_CALL_H
#define NGX_CONTENT_CALL_H

#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_content_curl_s  ngx_content_curl_t;
typedef struct ngx_content_call_s  ngx_content_call_t;


/* Why there is no whole answer. */

typedef enum {
    NGX_CONTENT_CALL_NONE = 0,
    NGX_CONTENT_CALL_CONNECT,       /* name unknown, refused, unreachable */
    NGX_CONTENT_CALL_TLS,           /* handshake or certificate */
    NGX_CONTENT_CALL_TIMEOUT,       /* any of the three time-outs */
    NGX_CONTENT_CALL_CUT,           /* closed or reset on the way */
    NGX_CONTENT_CALL_STARVED,       /* the body did not grow for 5 s */
    NGX_CONTENT_CALL_TOO_LARGE,     /* the answer is beyond response_limit, or
                                       its head beyond 256 KB or 512 lines, or
                                       a line of that beyond 100 KB */
    NGX_CONTENT_CALL_CANCELED,      /* on_data did not return NGX_OK */
    NGX_CONTENT_CALL_SHORT,         /* no memory, no free worker connection:
                                       it is not the other server's fault */
    NGX_CONTENT_CALL_OTHER          /* not HTTP, bad URL */
} ngx_content_call_failure_e;


typedef void (*ngx_content_call_handler_pt)(ngx_content_call_t *call);
typedef ngx_int_t (*ngx_content_call_data_pt)(ngx_content_call_t *call,
    u_char *data, size_t len);

/*
 * Trying again.  again() sees the result as the handler would, before it: it
 * returns NGX_OK, this is the one, or NGX_AGAIN: another try after *delay.
 * When that has passed renew() gives the url and all headers anew, as to a
 * call just created; everything else stays as it is.  Returns NGX_OK, or
 * NGX_ERROR: the handler runs, with a failure.  The timeouts are of one try.
 * What on_data has got a byte of is not tried again.
 */
typedef ngx_int_t (*ngx_content_call_again_pt)(ngx_content_call_t *call,
    ngx_msec_t *delay);
typedef ngx_int_t (*ngx_content_call_renew_pt)(ngx_content_call_t *call);


struct ngx_content_call_s {
    ngx_pool_t                  *pool;          /* the call's own */

    /* Set before the start; the values shown are those of create(). */

    const char                  *method;        /* "GET" */
    ngx_str_t                    url;           /* copied by start() */
    ngx_chain_t                 *request_body;  /* NULL; buffers in memory,
                                                   neither copied nor changed:
                                                   alive until the handler or
                                                   the cancel */
    off_t                        body_length;   /* 0: of request_body; else
                                                   that grows to it, see
                                                   ngx_content_call_grown() */
    ngx_str_t                    ca_file;       /* empty: the system's CAs;
                                                   else only this PEM file,
                                                   copied by start() */

    ngx_msec_t                   connect_timeout;
                                                /* 5 s: name, TCP and TLS */
    ngx_msec_t                   timeout;       /* 60 s, as is 0: without a
                                                   byte in either direction,
                                                   once connected; what the
                                                   kernel took has gone */
    ngx_msec_t                   total_timeout; /* 0, none: from start(); of a
                                                   call that has one try, and
                                                   a body that does not grow */

    size_t                       response_limit;
                                                /* 64 KiB: of body, bytes */
    ngx_content_call_data_pt     on_data;       /* NULL; else takes the body
                                                   of a 2xx piece by piece,
                                                   unlimited, and returns
                                                   NGX_OK to go on */
    ngx_content_call_handler_pt  handler;       /* NULL: nobody cares */
    void                        *data;          /* the caller's */

    ngx_content_call_again_pt    again;         /* NULL: one try is all */
    ngx_content_call_renew_pt    renew;         /* with again */
    void                        *again_data;    /* of these two */

    unsigned                     fresh:1;       /* use a new connection, so
                                                   that curl has no reason to
                                                   replay the call */

    /* Set when the handler runs; the strings live as long as the call. */

    unsigned                     sent:1;        /* a byte of the request may
                                                   have reached the server */
    unsigned                     grew:1;        /* the body was not whole when
                                                   the try began */
    ngx_int_t                    result;        /* NGX_OK: an answer, of any
                                                   status, came in whole;
                                                   NGX_ERROR: see failure */
    ngx_content_call_failure_e   failure;
    ngx_str_t                    error;         /* for the log: short, without
                                                   headers or queries */
    ngx_uint_t                   status;        /* 0: none came; for on_data,
                                                   too */
    ngx_str_t                    body;          /* of a 2xx: empty with on_data */
};


/*
 * The log has to outlive the call: the cycle's, not a request's.
 * Returns NULL when there is no memory.
 */
ngx_content_call_t *ngx_content_call_create(ngx_content_curl_t *engine,
    ngx_log_t *log);

/*
 * Adds "name: value" to the request, both copied.  A control character in
 * the value, or no memory, makes start() fail, so that there is one check.
 */
void ngx_content_call_header(ngx_content_call_t *call, const char *name,
    ngx_str_t *value);

/*
 * Makes text the request_body; not copied: alive as for request_body.  No
 * memory makes start() fail.
 */
void ngx_content_call_text(ngx_content_call_t *call, ngx_str_t *text);

/*
 * Hands the call over to the engine.  Returns NGX_OK: the handler will run,
 * later, or NGX_ERROR: it will not and the call is gone with its pool; the
 * cause (a bad header, no memory) is logged.
 */
ngx_int_t ngx_content_call_start(ngx_content_call_t *call);

/*
 * The last buffer of request_body has more bytes: its `last` was moved.  What
 * is there is sent; then the call waits, for 5 s at most, and `timeout` does
 * not count.  Another try begins when the body is whole.
 */
void ngx_content_call_grown(ngx_content_call_t *call);

/*
 * Ends a call, started or not, and frees it; its handler will not run and its
 * buffers are not read again.  From the call's own handler: does nothing, as it
 * is about to be freed anyway.  Not from on_data, which ends its own call by
 * what it returns.
 */
void ngx_content_call_cancel(ngx_content_call_t *call);

/*
 * For on_data and the handler: the first header of that name (any case) of
 * the answer, in *value.  Returns NGX_OK or NGX_DECLINED: there is none.
 */
ngx_int_t ngx_content_call_response_header(ngx_content_call_t *call,
    const char *name, ngx_str_t *value);

/*
 * The same for all headers, one after the other: *state is NULL before the
 * first.  Returns NGX_OK, or NGX_DECLINED after the last.
 */
ngx_int_t ngx_content_call_response_next(ngx_content_call_t *call,
    void **state, ngx_str_t *name, ngx_str_t *value);


#endif
