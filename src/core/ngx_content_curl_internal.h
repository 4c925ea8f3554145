/*
 * What the engine (ngx_content_curl.c) and the calls (ngx_content_call.c,
 * ngx_content_call_easy.c) share, and nobody else includes.
 *
 * A transfer is the private side of a call.  It waits until curl is not on the
 * stack, runs, perhaps ends early (doomed: to be finished by settle), and is
 * finished: it leaves curl, and either pauses, to wait for its next try, or
 * its handler runs, once, and its pool is destroyed.  Where it is says the
 * state, and the one queue of the engine that it is in.
 */

#ifndef NGX_CONTENT_CURL_INTERNAL_H
#define NGX_CONTENT_CURL_INTERNAL_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <poll.h>

#include <curl/curl.h>

#include "core/ngx_content_call.h"


#define NGX_CONTENT_CURL_KEPT  32           /* idle connections: what curl is
                                               told; it may keep more for a
                                               moment */
#define NGX_CONTENT_CURL_IDLE  (2 * NGX_CONTENT_CURL_KEPT)


typedef enum {
    NGX_CONTENT_CURL_NEW = 0,
    NGX_CONTENT_CURL_WAITING,
    NGX_CONTENT_CURL_RUNNING,
    NGX_CONTENT_CURL_PAUSED,
    NGX_CONTENT_CURL_DOOMED,
    NGX_CONTENT_CURL_DONE
} ngx_content_curl_state_e;


struct ngx_content_curl_s {
    ngx_pool_t                *pool;
    ngx_log_t                 *log;
    CURLM                     *multi;
    CURLSH                    *share;       /* TLS sessions */
    ngx_event_t                event;       /* curl's timer, and the kick */
    ngx_queue_t                sockets;     /* ngx_connection_t.queue */
    ngx_queue_t                waiting;
    ngx_queue_t                running;
    ngx_queue_t                paused;
    ngx_queue_t                doomed;
    struct pollfd              idle[NGX_CONTENT_CURL_IDLE];
                                            /* what curl keeps for later */
    ngx_uint_t                 nidle;
    unsigned                   broken:1;    /* it had no memory for a socket */
    unsigned                   between:1;   /* some transfer is */
};


typedef struct {
    ngx_content_call_t         call;        /* first: the one is the other */

    ngx_content_curl_t        *engine;
    ngx_content_curl_state_e   state;
    ngx_queue_t                link;
    ngx_event_t                timer;
    CURL                      *easy;

    ngx_str_t                  origin;      /* "https://host:port" */
    char                      *target;      /* path and query of the URL */
    struct curl_slist         *headers;
    struct curl_slist        **last;

    ngx_chain_t               *chain;       /* the next byte to send */
    size_t                     offset;
    size_t                     body_size;   /* allocated */
    size_t                     head;        /* bytes of the answer's head */
    ngx_uint_t                 lines;       /* of it */

    ngx_msec_t                 started;
    ngx_msec_t                 active;      /* when the last byte moved */
    curl_off_t                 moved;       /* bytes, both directions */

    unsigned                   attached:1;  /* added to the multi handle */
    unsigned                   starving:1;  /* paused: the body has to grow */
    unsigned                   connected:1;
    unsigned                   between:1;   /* one address and the next */
    unsigned                   headed:1;    /* the head is whole */
    unsigned                   delivered:1; /* some of it, to on_data */
    unsigned                   broken:1;    /* start() is to fail */

    char                       text[CURL_ERROR_SIZE];
} ngx_content_curl_transfer_t;


/* ngx_content_curl.c */

/*
 * Has the engine look at its queues in the next iteration of the event loop.
 */
void ngx_content_curl_kick(ngx_content_curl_t *engine);

/* An event for curl: a socket's, or CURL_SOCKET_TIMEOUT.  Calls handlers. */
void ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd,
    int mask);

/* curl's callback for its sockets, and the end of one. */
int ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socket);
void ngx_content_curl_release(ngx_connection_t *c, ngx_uint_t flags);

/*
 * ngx_content_curl_idle.c: a connection that nobody uses any more, or somebody
 * again; a look at all of them, which nobody uses then that has bytes to read;
 * and curl's callback that closes one.
 */
void ngx_content_curl_idle_add(ngx_content_curl_t *engine, curl_socket_t fd);
void ngx_content_curl_idle_remove(ngx_content_curl_t *engine,
    curl_socket_t fd);
void ngx_content_curl_idle_check(ngx_content_curl_t *engine);
int ngx_content_curl_on_close(void *data, curl_socket_t fd);

/* Has curl read on, after CURL_READFUNC_PAUSE. */
void ngx_content_curl_unpause(ngx_content_curl_transfer_t *t);

/* Takes an attached transfer from curl. */
void ngx_content_curl_detach(ngx_content_curl_transfer_t *t);

/*
 * Has a waiting or running transfer finished as soon as curl is not on the
 * stack; its cause, by fail(), comes first.
 */
void ngx_content_curl_doom(ngx_content_curl_transfer_t *t);


/* ngx_content_call.c */

/* Notes why there is no whole answer; text lives as long as the call. */
void ngx_content_call_fail(ngx_content_curl_transfer_t *t,
    ngx_content_call_failure_e failure, const char *text);

/* The same from curl's own result; CURLE_OK notes nothing. */
void ngx_content_call_conclude(ngx_content_curl_transfer_t *t, CURLcode code);

/*
 * Ends a started call: out of its queue and of curl, the handler runs, all is
 * freed.  Never while curl is on the stack.
 */
void ngx_content_call_finish(ngx_content_curl_transfer_t *t);

/* A copy that ends with a zero byte, or NULL: no memory. */
u_char *ngx_content_call_string(ngx_pool_t *pool, ngx_str_t *s);


/* ngx_content_call_body.c */

#define NGX_CONTENT_CURL_STARVE  5000       /* ms without a byte to send */

/* The options of t->easy for the body; as ngx_content_call_set_easy(). */
int ngx_content_call_set_body(ngx_content_curl_transfer_t *t);

/* Whether bytes of the body are still to come. */
ngx_uint_t ngx_content_call_grows(ngx_content_call_t *call);


/* ngx_content_call_easy.c */

/* What curl allocates for each call: no larger than the call needs. */
long ngx_content_call_buffer(off_t wanted, off_t max);

/*
 * Sets all options of t->easy from the call.  Returns 0 (CURLE_OK), or
 * another number: curl refused one of them.
 */
int ngx_content_call_set_easy(ngx_content_curl_transfer_t *t, char *url);


#endif
