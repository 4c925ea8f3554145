/*
 * A fill: one reading of an object from storage, for the caches and for all
 * requests that want the object meanwhile.  It stands apart from them: the
 * request that began it may leave, a slow one does not slow the others.
 *
 * A worker has one table of fills, by the object.  A request looks there for
 * a fill that it may join, or begins one, and waits:
 *
 *     fill = ngx_content_fill_find(fills, store, hash);
 *     if (fill == NULL || !good) { fill = ngx_content_fill_begin(...); }
 *     wait->handler = my_handler;
 *     ngx_content_fill_wait(fill, wait);
 *
 * The handler runs from the event loop whenever something is new: the object
 * is known, more bytes are there, the end.  What the fill has stays as it is
 * until the last ngx_content_fill_leave(), so bytes can be sent out of it.
 *
 * Which fill may be joined: one that began after every write that had ended
 * when the request came.  Its fence is the key's fence now and the node hears
 * of all writes (ngx_content_coherent()), or Redis has just named its token,
 * or its reading began after the request came.
 *
 * The last one holds without Redis and without a lease, so that requests are
 * not as many readings then: a fill that nobody could join once it has begun
 * is held back while another one reads the object.  All who come meanwhile
 * join it; it begins when the other one has ended, or soon if that takes long.
 *
 * With the memory cache a node reads once: a fill whose object another worker
 * reads already, behind the same fence, follows that one.
 *
 * A reading that fails or stands still is taken up by another, up to
 * NGX_CONTENT_FILL_TRIES; if the object has changed in between, the fill
 * fails.
 */

#ifndef NGX_CONTENT_FILL_H
#define NGX_CONTENT_FILL_H

#include "http/ngx_content_keep.h"


#define NGX_CONTENT_FILL_TRIES  3
#define NGX_CONTENT_FILL_STALL  5000         /* ms without a byte */
#define NGX_CONTENT_FILL_HOLD   500          /* ms for the one before */
#define NGX_CONTENT_FILL_BYTES  (64 * 1024 * 1024)  /* of a worker's fills */


typedef struct ngx_content_fills_s      ngx_content_fills_t;
typedef struct ngx_content_fill_s       ngx_content_fill_t;
typedef struct ngx_content_fill_wait_s  ngx_content_fill_wait_t;

typedef void (*ngx_content_fill_pt)(ngx_content_fill_wait_t *wait);


typedef enum {
    NGX_CONTENT_FILL_ASKING = 0,             /* nothing is known yet */
    NGX_CONTENT_FILL_COMING,                 /* object, and received bytes */
    NGX_CONTENT_FILL_DONE,                   /* all of them */
    NGX_CONTENT_FILL_LARGE,                  /* object; its bytes do not come:
                                                no cache would take them */
    NGX_CONTENT_FILL_FAILED                  /* outcome, cause; maybe object
                                                and some bytes */
} ngx_content_fill_state_e;


struct ngx_content_fill_wait_s {
    ngx_content_fill_pt         handler;     /* the caller's */
    void                       *data;

    ngx_content_fill_t         *fill;        /* NULL: waits for none */
    ngx_queue_t                 queue;
    ngx_event_t                 event;
};


struct ngx_content_fill_s {
    ngx_content_fill_state_e    state;
    content_object_t            object;      /* from COMING on; strings here */
    u_char                     *data;        /* object.size bytes, of which */
    size_t                      received;    /* so many are there */
    ngx_content_outcome_e       outcome;     /* of FAILED */
    ngx_str_t                   cause;

    /* the fill's own */

    ngx_content_fills_t        *fills;
    ngx_pool_t                 *pool;
    ngx_content_keep_t          keep;
    u_char                      hash[CONTENT_KEY_HASH_LEN];
    ngx_content_redis_token_t   token;       /* if had_token: it is named so */
    ngx_uint_t                  number;      /* of its reading, in the worker;
                                                0: another worker's */
    size_t                      max;         /* bytes that a cache would take */
    ngx_queue_t                 queue;       /* in the table, until the end */
    ngx_queue_t                 waiting;
    ngx_content_fetch_t        *fetch;       /* under way */
    ngx_content_flight_t        flight;      /* for, or of, other workers */
    ngx_queue_t                 following;   /* in the list, if follows */
    ngx_event_t                 timer;       /* stands still; or next try */
    ngx_uint_t                  tries;
    ngx_uint_t                  users;       /* who wait, and the reading */
    unsigned                    had_token:1;
    unsigned                    held:1;      /* has not begun */
    unsigned                    stalled:1;
    unsigned                    follows:1;   /* another worker reads */
    unsigned                    in_flight:1; /* data is in shared memory */
    unsigned                    background:1; /* nobody's request began it */
    unsigned                    listed:1;    /* in the table */
};


/* The table of a worker; flights may be NULL.  NULL: no memory. */
ngx_content_fills_t *ngx_content_fills_create(ngx_cycle_t *cycle,
    ngx_content_flights_t *flights);

/*
 * A moment, between two readings: what began after it is a fill with a larger
 * number.
 */
ngx_uint_t ngx_content_fills_now(ngx_content_fills_t *fills);

/* The latest fill of an object that has not ended, or NULL. */
ngx_content_fill_t *ngx_content_fill_find(ngx_content_fills_t *fills,
    uint64_t store, const u_char *hash);

/* Whether a fill of it would follow another worker's. */
ngx_uint_t ngx_content_fill_in_flight(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep, const u_char *hash);

/* The bytes that are worth a fill: of a cache, or for who asks meanwhile. */
size_t ngx_content_fill_max(ngx_content_keep_t *keep);

/*
 * Begins a fill, now or when its turn comes, and takes keep's token over.  It
 * is the one that is found from now on.  NULL: no memory, or too much under
 * way; keep has its token still.
 */
ngx_content_fill_t *ngx_content_fill_begin(ngx_content_fills_t *fills,
    ngx_content_keep_t *keep, const u_char *hash);

/* The handler runs once soon, then whenever something is new. */
void ngx_content_fill_wait(ngx_content_fill_t *fill,
    ngx_content_fill_wait_t *wait);

/*
 * The handler has more to do: it runs again when the others that have were
 * there, a few in an iteration of the event loop.
 */
void ngx_content_fill_turn(ngx_content_fill_wait_t *wait);

/* The handler runs no more; what the fill has stays. */
void ngx_content_fill_ignore(ngx_content_fill_wait_t *wait);

/* Nor is what it has needed any more. */
void ngx_content_fill_leave(ngx_content_fill_wait_t *wait);


/*
 * Between the files of fills:
 *
 *     ngx_content_fill.c         the table, who waits, whose turn it is
 *     ngx_content_fill_read.c    reading from storage
 *     ngx_content_fill_follow.c  or what another worker reads
 */

#define NGX_CONTENT_FILL_BUCKETS  256
#define NGX_CONTENT_FILL_TURNS    16         /* in an iteration */

struct ngx_content_fills_s {
    ngx_queue_t                 buckets[NGX_CONTENT_FILL_BUCKETS];
    size_t                      bytes;       /* in the data of all fills */
    ngx_uint_t                  begun;       /* readings */
    ngx_queue_t                 turns;       /* events of who have more to do */
    ngx_event_t                 turn;
    ngx_queue_t                 following;
    ngx_content_flights_t      *flights;     /* NULL: there is no other
                                                worker */
};

/* Reads from storage, what is not there yet; may end the fill at once. */
void ngx_content_fill_fetch(ngx_content_fill_t *fill);

/*
 * The object is known: takes a copy, and memory for its bytes, or none if it
 * is too large.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_content_fill_object(ngx_content_fill_t *fill,
    content_object_t *object);

/* Nobody can join it from now on.  It may be gone then. */
void ngx_content_fill_end(ngx_content_fill_t *fill,
    ngx_content_fill_state_e state);

/* Something is new: the handlers of all who wait run soon. */
void ngx_content_fill_wake(ngx_content_fill_t *fill);

/*
 * Before it is read: NGX_AGAIN, it follows another worker's; NGX_OK, others may
 * follow it; or anything else, it is this worker's own.
 */
ngx_int_t ngx_content_fill_enter(ngx_content_fill_t *fill);

/* Other workers have news: data is the table.  Of one fill. */
void ngx_content_fills_follow(void *data);
void ngx_content_fill_follow(ngx_content_fill_t *fill);

/* Follows no more, and reads by itself what is not there yet. */
void ngx_content_fill_alone(ngx_content_fill_t *fill);


#endif
