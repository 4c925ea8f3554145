/*
 * A connection of the Redis client, for ngx_content_redis*.c only: connecting
 * and reconnecting, the handshake, the epoch.  See ngx_content_redis.h.
 *
 * A connection is down, or in its handshake, or ready.  It ends by conn_drop()
 * or by itself; either way all callbacks that wait then run with a NULL reply,
 * the connection being down already, and the next attempt is on a timer.
 */

#ifndef NGX_CONTENT_REDIS_CONN_H
#define NGX_CONTENT_REDIS_CONN_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_hiredis.h"
#include "lib/content_selector.h"
#include "cache/ngx_content_redis.h"


#define NGX_CONTENT_REDIS_PREFIX  64        /* the longest prefix */
#define NGX_CONTENT_REDIS_DIGITS  16        /* of a history, of a draw */
#define NGX_CONTENT_REDIS_AWAITING  64      /* buckets of those who await */
#define NGX_CONTENT_REDIS_ASKED   128       /* places of what is asked for */


typedef enum {
    NGX_CONTENT_REDIS_CLAIM_SCRIPT = 0,
    NGX_CONTENT_REDIS_FILL_SCRIPT,
    NGX_CONTENT_REDIS_GIVE_BACK_SCRIPT,
    NGX_CONTENT_REDIS_SCRIPTS
} ngx_content_redis_script_e;


/* What the last guard has found: see ngx_content_redis_guard.c. */

typedef enum {
    NGX_CONTENT_REDIS_GUARD_FAILED = 0,
    NGX_CONTENT_REDIS_GUARD_BEGUN,            /* replies are in step */
    NGX_CONTENT_REDIS_GUARD_LOST,             /* the server may write, but has
                                                 no epoch */
    NGX_CONTENT_REDIS_GUARD_HELD              /* ... and conn->stamp is its */
} ngx_content_redis_guard_e;


/*
 * What a server has in memory came about in one run of it, as one stretch of
 * one replication history.  Any of the two changed: it may have lost writes.
 */

typedef struct {
    u_char                        run_id[64];
    size_t                        run_id_len;
    u_char                        digits[NGX_CONTENT_REDIS_DIGITS];
    ngx_atomic_uint_t             identity;   /* the same as a number; not 0 */
} ngx_content_redis_history_t;


/* The copy of the table of purges: as it was after so many of an epoch. */

typedef struct {
    u_char                        epoch[NGX_CONTENT_REDIS_EPOCH];
    uint32_t                      number;
    content_selectors_t          *table;      /* NULL: no purge so far */
} ngx_content_redis_purges_t;


typedef struct ngx_content_redis_conn_s  ngx_content_redis_conn_t;

struct ngx_content_redis_conn_s {
    ngx_content_redis_t          *redis;
    ngx_content_hiredis_t        *hc;         /* NULL: down */
    ngx_uint_t                    step;       /* of the handshake */
    ngx_event_t                   timer;      /* end of the handshake, next
                                                 attempt, conn_suspect() */
    ngx_uint_t                    failures;   /* in a row */
    ngx_msec_t                    since;      /* when it became ready */
    time_t                        complained; /* when an error was logged */

    ngx_content_redis_history_t   history;    /* of its server */
    ngx_atomic_uint_t             seen;       /* shared->identity, ->dirty */
    ngx_atomic_uint_t             dirty;      /* before adopting the epoch */
    u_char                        sha[NGX_CONTENT_REDIS_SCRIPTS][40];

    /* operations: ngx_content_redis.c */

    ngx_queue_t                   ops;        /* sent, oldest first */
    ngx_event_t                   op_timer;
    ngx_msec_t                    heard;      /* when anything was received, or
                                                 was first awaited */
    size_t                        filling;    /* bytes of fills under way */
    ngx_content_redis_op_t       *asked[NGX_CONTENT_REDIS_ASKED];
                                              /* the last look-up of an object:
                                                 ngx_content_redis_asked.c */

    /* the guard of look-ups: ngx_content_redis_guard.c */

    ngx_content_redis_guard_e     guard;
    u_char                        stamp[NGX_CONTENT_REDIS_STAMP];
                                                 /* the epoch, and in digits: */
    uint32_t                      purges;        /* in that epoch, so far */
    ngx_content_redis_purges_t    copy;          /* of their table */
    uint64_t                      guards_sent;
    uint64_t                      guards_heard;
    ngx_uint_t                    guard_writes;  /* when it was queued */

    unsigned                      ready:1;
    unsigned                      used:1;     /* it was ready, once */
    unsigned                      told:1;     /* that it is down */
    unsigned                      settling:1; /* a new epoch is under way */
    unsigned                      guarded:1;  /* one was queued */
    unsigned                      copying:1;  /* the table was asked for */
};


struct ngx_content_redis_s {
    ngx_content_redis_conf_t     *conf;
    ngx_content_redis_shared_t   *shared;
    ngx_log_t                    *log;
    ngx_str_t                     epoch;      /* its key in Redis */
    ngx_str_t                     purges;     /* the key of their table */
    ngx_str_t                     fresh;      /* the key that stands for the
                                                 quarantine of a new history */
    ngx_str_t                     get;        /* a record's key, as it is sent,
                                                 up to the object's name */
    ngx_queue_t                   awaiting[NGX_CONTENT_REDIS_AWAITING];
                                              /* ngx_content_redis_await_t, by
                                                 the object's name */
    ngx_str_t                    *heard;      /* the channel on which they are
                                                 told; NULL: none */
    u_char                        draw[NGX_CONTENT_REDIS_DIGITS];
    uint64_t                      serial;     /* with draw: a token's id */
    ngx_content_redis_conn_t      conn;
    ngx_queue_t                   spare;      /* operations, to be used again */
    ngx_uint_t                    nspare;
    unsigned                      closing:1;
};


/* Begins to connect; called once. */
void ngx_content_redis_conn_open(ngx_content_redis_conn_t *conn);

/*
 * Ends the connection and arranges for the next.  Not from an operation's
 * call: it may run the handlers of all others.
 */
void ngx_content_redis_conn_drop(ngx_content_redis_conn_t *conn,
    const char *reason);

/* For exit_process: ends the connection for good. */
void ngx_content_redis_conn_close(ngx_content_redis_conn_t *conn);

/*
 * Whether it is ready and its server still the one that this node uses.  If
 * not the latter, drops it, a little later.
 */
ngx_uint_t ngx_content_redis_conn_usable(ngx_content_redis_conn_t *conn);

/* The second half of that, for a reply that came in. */
ngx_uint_t ngx_content_redis_conn_current(ngx_content_redis_conn_t *conn);

/* Logs the text of an error reply, at most once a second, and counts it. */
void ngx_content_redis_conn_complain(ngx_content_redis_conn_t *conn,
    redisReply *reply, const char *what);

/*
 * Queues one command; all words are copied.  NGX_OK: fn will run once, with
 * data.  NGX_ERROR: it will not.
 */
ngx_int_t ngx_content_redis_command(ngx_content_redis_conn_t *conn,
    ngx_content_hiredis_reply_pt fn, void *data, ngx_uint_t argc,
    ngx_str_t *argv);

/* The handshake is over. */
void ngx_content_redis_conn_ready(ngx_content_redis_conn_t *conn);


/* ngx_content_redis_guard.c */

/*
 * Queues a guard, if the last one has left or there was none: what is queued
 * next is guarded.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_content_redis_guard(ngx_content_redis_conn_t *conn);

/* For a new connection. */
void ngx_content_redis_guard_reset(ngx_content_redis_conn_t *conn);


/* ngx_content_redis_purges.c */

/*
 * Takes the epoch that a guard has found, and what purges it tells of; NGX_OK,
 * or NGX_ERROR: it is none.
 */
ngx_int_t ngx_content_redis_purges_heard(ngx_content_redis_conn_t *conn,
    redisReply *reply);

/* Whether the copy tells of all purges that a record may not have outlived. */
ngx_uint_t ngx_content_redis_purges_known(ngx_content_redis_conn_t *conn,
    uint32_t since);

/* Asks for the table, unless that is under way: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_content_redis_purges_read(ngx_content_redis_conn_t *conn);

/* As after no purge, of no epoch. */
void ngx_content_redis_purges_reset(ngx_content_redis_conn_t *conn);


/* ngx_content_redis.c */

/* A key with the prefix; from pool. */
ngx_int_t ngx_content_redis_key_of(ngx_content_redis_t *redis,
    ngx_pool_t *pool, const char *name, ngx_str_t *key);

/*
 * Takes an error reply: logs it, and drops the connection if the server can't
 * be worked with.
 */
void ngx_content_redis_refused(ngx_content_redis_conn_t *conn,
    redisReply *reply, const char *what);


/* ngx_content_redis_history.c */

/*
 * Take the answers to INFO server, then INFO replication: NGX_OK, NGX_DECLINED
 * (it is no master), or NGX_ERROR (no such answer).
 */
ngx_int_t ngx_content_redis_history_run(ngx_content_redis_history_t *history,
    redisReply *reply);
ngx_int_t ngx_content_redis_history_stretch(
    ngx_content_redis_history_t *history, redisReply *reply);


/* The value of a line "name:value" in the answer to INFO. */
ngx_int_t ngx_content_redis_info(redisReply *reply, const char *name,
    ngx_str_t *value);


/* ngx_content_redis_handshake.c */

/*
 * Begins the handshake of a connection that is connecting; ends in
 * conn_ready() or in the loss of the connection.
 */
void ngx_content_redis_handshake(ngx_content_redis_conn_t *conn);

/*
 * Queues the script that adopts the epoch, or makes a new one.  Where that is
 * of another history than the last one, or the node has come from another
 * server, the fleet's quarantine begins.
 */
#define NGX_CONTENT_REDIS_RENEW_NOT    0
#define NGX_CONTENT_REDIS_RENEW        1
#define NGX_CONTENT_REDIS_RENEW_MOVED  2

ngx_int_t ngx_content_redis_adopt(ngx_content_redis_conn_t *conn,
    ngx_uint_t renew, ngx_content_hiredis_reply_pt fn, void *data);

/* Whether a reply is an epoch. */
ngx_uint_t ngx_content_redis_is_epoch(redisReply *reply);

/* Everything that was dirty up to that count is covered by an epoch now. */
void ngx_content_redis_settle(ngx_content_redis_shared_t *shared,
    ngx_atomic_uint_t dirty);

/* A script's text, for who sends it itself; static. */
void ngx_content_redis_script(ngx_uint_t script, ngx_str_t *text);

/* Loads all scripts again, without waiting for the answers. */
void ngx_content_redis_reload(ngx_content_redis_conn_t *conn);


#endif
