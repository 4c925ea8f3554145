/*
 * The Redis client: records of objects, shared by all workers and nodes.
 *
 * A reader looks a key up.  HIT is the record; TOKEN is the right to put one
 * there once it has been read from storage; everything else means to answer
 * from storage and to put nothing.  A writer calls end() after storage has
 * changed and before it answers: record and token are gone then, so that a
 * fill which began before the write has ended can't commit.
 *
 *     ngx_content_redis_name(name, store_id, key_hash);
 *     rc = ngx_content_redis_lookup(redis, name, 1, my_handler, r, &ctx->op);
 *     if (rc == NGX_DECLINED) { ... from storage ... }
 *
 *     static void my_handler(ngx_content_redis_op_t *op) {
 *         switch (op->result) { ... }
 *     }
 *
 * Failures.  Each operation ends within the configured time-out.  While there
 * is no working connection, and from the first time that Redis has said
 * nothing for the time-out, operations are declined at once; the client
 * reconnects by itself after 50 ms to 2 s.  Redis is never waited for twice.
 * Look-ups and claims are declined, too, while a reply is overdue (it was asked
 * for half of the time-out ago): they would wait behind it.
 *
 * Old records.  Records belong to an epoch, which is in Redis.  It is
 * replaced, and everything recorded before is not looked at again:
 *   - when the history of the server (run id and replication id) is not the
 *     one that the epoch was made for: restart, failover, backup;
 *   - when it is not the one that this node has used last: an old master is
 *     back;
 *   - after an end() that nobody confirmed.  Until then all workers of the
 *     node are declined ("the node is dirty").
 * A server that is a replica, or may not write, is not used at all.
 *
 * What a hit rests on.  Look-ups go to Redis a turn of the event loop at a
 * time, as plain commands on one connection, which Redis runs in this order:
 *
 *     ECHO id, GETEX epoch PERSIST             the guard, once a turn
 *     MGET record record ...                   one each look-up
 *
 * A record carries, in its own bytes, the epoch that it was filled in and the
 * name of its object.  It is a hit if the guard before it went well, and both
 * are what they should be.  Nothing is atomic here, and nothing needs to be:
 *
 *   - A guard is shared only by look-ups that were made before it was handed
 *     to the socket.  So it runs after each of them began, and after every
 *     end() and epoch() that was confirmed before that.
 *   - END.  The record is read after the look-up began, hence after each end()
 *     that was confirmed by then: what is found was filled later than that.
 *   - A new epoch between GETEX epoch and MGET: E was the epoch when the
 *     guard ran.  A record of E was put under E (the fill checks that, in a
 *     script) and an epoch never comes back; so at the last moment of E, which
 *     is after the look-up began, the record was there and current.  The
 *     answer is the one of that moment.
 *   - May it write?  GETEX with PERSIST changes nothing but is a write: a
 *     demoted master, one cut off from its replicas (min-replicas-to-write),
 *     one whose disk is full refuses it, and the connection is dropped with
 *     all that follows.  If the server is demoted after it, a record that is
 *     found was there, under the same epoch, when it still was the master:
 *     what comes by replication from a new master is under an epoch of the
 *     new one's history, and the guard fails if the epoch is not of the
 *     history that this connection has found.
 *   - Whose reply is it?  Replies that have got out of step are noticed at the
 *     next guard, whose id is another each time: the connection is dropped.
 *     Until then a reply can be mistaken only for another of the same turn
 *     (all of which ran after all of its look-ups began) and of the same
 *     object (its name is in the record).
 *
 * Purges by tag and prefix have numbers that count within an epoch; a record
 * carries the one of the last purge when its filler asked, and a table in Redis
 * has the last one for each place of lib/content_selector.h.  GET epoch tells
 * the present number and the last few places.  So each connection can keep a
 * copy of the table without asking, which is as of the guard, and a record is
 * judged like one in shared memory, by its own tags and prefixes.  A copy that
 * has missed more than those few is read anew, and the lookup made once more.
 *
 * Where there is no such record and a token is wanted, a script decides, in a
 * second round trip: only that has to be atomic.
 *
 * What the node knows is in ngx_content_redis_shared_t, in shared memory.  It
 * is lost when nginx is stopped while dirty, and other nodes don't see it.
 *
 * Handlers run from the event loop, never from within the call that they
 * belong to; a handler of an HTTP request therefore has to call
 * ngx_http_run_posted_requests() itself.  It may call everything here but
 * ngx_content_redis_destroy().  An operation keeps an exiting worker alive;
 * the idle client does not.
 */

#ifndef NGX_CONTENT_REDIS_H
#define NGX_CONTENT_REDIS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "lib/content_str.h"


#define NGX_CONTENT_REDIS_TOKEN_TTL  10000   /* ms, then another may fill */

#define NGX_CONTENT_REDIS_ID         32      /* digits of a token's id */
#define NGX_CONTENT_REDIS_EPOCH      32
#define NGX_CONTENT_REDIS_STAMP      40      /* an epoch, and how many purges
                                                there were in it, 8 digits */
#define NGX_CONTENT_REDIS_NAME       48      /* digits: an object's name */


/* Results. */

#define NGX_CONTENT_REDIS_HIT        0       /* lookup: op->record */
#define NGX_CONTENT_REDIS_TOKEN      1       /* lookup: none; fill it */
#define NGX_CONTENT_REDIS_BUSY       2       /* lookup: someone else fills */
#define NGX_CONTENT_REDIS_MISS       3       /* lookup without want_token */
#define NGX_CONTENT_REDIS_DONE       4       /* end, epoch, call */
#define NGX_CONTENT_REDIS_REFUSED    5       /* of a fill; not seen outside */
#define NGX_CONTENT_REDIS_AWAY       6       /* no answer that can be used */


typedef struct ngx_content_redis_s     ngx_content_redis_t;
typedef struct ngx_content_redis_op_s  ngx_content_redis_op_t;

typedef void (*ngx_content_redis_handler_pt)(ngx_content_redis_op_t *op);


/* Directives.  Zeroed memory, then conf_create(), the slots, conf_init(). */

typedef struct {
    ngx_flag_t                     enabled;      /* content_redis is set */
    ngx_str_t                      address;      /* as written, for messages */
    ngx_addr_t                     addr;
    ngx_uint_t                     db;
    ngx_str_t                      prefix;
    ngx_str_t                      password;     /* may be empty; a secret */
    ngx_msec_t                     timeout;      /* ngx_conf_set_msec_slot */
    ngx_msec_t                     quarantine;   /* leases of the fleet that
                                                    may be valid when a server
                                                    is new; 0: no fleet */
} ngx_content_redis_conf_t;


/*
 * Shared by all workers, and by the workers of two configurations during a
 * reload: in a shared memory zone, zeroed when that is made.  Needs no lock.
 */

typedef struct {
    ngx_atomic_t                   dirty;        /* how many end() and epoch()
                                                    nobody confirmed, ever */
    ngx_atomic_t                   settled;      /* ... of which are covered
                                                    by a later epoch */
    ngx_atomic_t                   identity;     /* hash of the history that
                                                    the node uses; 0: none */

    /* for the status page; these only grow */

    ngx_atomic_t                   lookups;
    ngx_atomic_t                   hits;
    ngx_atomic_t                   tokens;
    ngx_atomic_t                   busy;
    ngx_atomic_t                   away;         /* lookups without a usable
                                                    answer */
    ngx_atomic_t                   timeouts;     /* operations */
    ngx_atomic_t                   errors;       /* error replies, and replies
                                                    that made no sense */
    ngx_atomic_t                   fills;        /* stored */
    ngx_atomic_t                   fills_refused;
    ngx_atomic_t                   ends;         /* confirmed */
    ngx_atomic_t                   ends_failed;
    ngx_atomic_t                   epochs;       /* new ones asked for */
    ngx_atomic_t                   reconnects;   /* lost connections and
                                                    attempts that failed */
} ngx_content_redis_shared_t;


/* The right to fill one key once; plain data, to be copied. */

typedef struct {
    u_char                         id[NGX_CONTENT_REDIS_ID];
    u_char                         stamp[NGX_CONTENT_REDIS_STAMP];
} ngx_content_redis_token_t;


/*
 * One operation under way.  It owns itself: it is freed
 * right after its handler has returned.
 */

struct ngx_content_redis_op_s {
    ngx_int_t                      result;
    ngx_str_t                      record;       /* HIT; only valid while the
                                                    handler runs, or kept */
    ngx_content_redis_token_t      token;        /* TOKEN */
    u_char                         filler[NGX_CONTENT_REDIS_ID];
                                                 /* BUSY: the id of the token
                                                    that is out */

    ngx_content_redis_handler_pt   handler;
    void                          *data;         /* the caller's */

    /* the client's own */

    void                          *reply;        /* HIT: whose the record is;
                                                    DONE of call() */
    struct ngx_content_redis_conn_s  *conn;
    ngx_queue_t                    queue;
    ngx_msec_t                     deadline;
    ngx_content_redis_op_t        *same;         /* lookup: the next one that
                                                    its reply is for; NULL */
    ngx_content_redis_op_t       **place;        /* lookup: in conn->asked */
    ngx_uint_t                     batch;        /* lookup: with which it goes */
    ngx_uint_t                     kind;
    ngx_atomic_uint_t              dirty;        /* shared->dirty when sent */
    size_t                         size;         /* of a fill's record */
    uint32_t                       purges;       /* HIT: the record's number */
    u_char                         name[NGX_CONTENT_REDIS_NAME];
    unsigned                       want_token:1;
    unsigned                       leave_word:1;
    unsigned                       claiming:1;   /* lookup: no record, now
                                                    asks for the token */
    unsigned                       replacing:1;  /* claim: whatever is there */
    unsigned                       again:1;      /* lookup: sent twice, for the
                                                    purges had to be read */
    unsigned                       late:1;       /* timed out, awaits its
                                                    reply to be freed */
};


/*
 * Sets what the slots need set; for the create function of a main conf, on
 * zeroed memory.
 */
void ngx_content_redis_conf_create(ngx_content_redis_conf_t *conf);

/* Defaults; for the init function of the main conf. */
void ngx_content_redis_conf_init(ngx_content_redis_conf_t *conf);

/*
 * Slots of "content_redis ADDRESS [db=N] [prefix=TEXT]" and
 * "content_redis_password env NAME | file PATH" (the file's first line); both
 * find the conf by cmd->offset.  ADDRESS is unix:PATH or HOST[:PORT]; a name
 * is looked up now, once, and its first IPv4 address is taken, or else its
 * first.
 */
char *ngx_content_redis_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_content_redis_password_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/*
 * The client of this process, which begins to connect; for init_process of a
 * worker.  conf and shared have to outlive it.  NULL: no memory.
 */
ngx_content_redis_t *ngx_content_redis_create(ngx_cycle_t *cycle,
    ngx_content_redis_conf_t *conf, ngx_content_redis_shared_t *shared);

/*
 * For exit_process.  Operations under way end without their handlers; an end()
 * among them makes the node dirty.
 */
void ngx_content_redis_destroy(ngx_content_redis_t *redis);

/* Whether a lookup would be sent now; 0 also while the node is dirty. */
ngx_uint_t ngx_content_redis_ready(ngx_content_redis_t *redis);

/* Whether the first connection of this process is being made. */
ngx_uint_t ngx_content_redis_starting(ngx_content_redis_t *redis);


/*
 * The name of an object in Redis: the id of the place where it is stored, and
 * the SHA-256 of its key.
 */
void ngx_content_redis_name(u_char name[NGX_CONTENT_REDIS_NAME],
    uint64_t store, const u_char *hash);

/*
 * Asks for an object's record; with WANT_TOKEN also for the right to fill it,
 * and with LEAVE_WORD, if that is BUSY, to be told when the filler is done
 * (ngx_content_redis_await.h, before this).
 * HIT, TOKEN, BUSY, MISS or AWAY.  Returns NGX_OK: the handler will run once,
 * and *op is the operation, or NGX_DECLINED: AWAY at once, there is no *op
 * and the handler does not run.
 */
#define NGX_CONTENT_REDIS_WANT_TOKEN  1
#define NGX_CONTENT_REDIS_LEAVE_WORD  2

ngx_int_t ngx_content_redis_lookup(ngx_content_redis_t *redis, u_char *name,
    ngx_uint_t want, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/*
 * Asks for the right to replace a record: TOKEN, BUSY or AWAY.  Otherwise as
 * lookup().
 */
ngx_int_t ngx_content_redis_claim(ngx_content_redis_t *redis, u_char *name,
    ngx_uint_t want, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/*
 * Puts a record for ttl milliseconds, if the token is still the current one,
 * and gives the token back; nobody is told.  record is copied.
 */
void ngx_content_redis_fill(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token, ngx_str_t *record, ngx_msec_t ttl);

/* Instead of a fill: so that others need not wait for the token to expire. */
void ngx_content_redis_give_back(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_token_t *token);

/*
 * Something was changed, or purged, that no Redis is told of, for none is
 * configured.  What one that is configured later has kept from before is not
 * looked at.
 */
void ngx_content_redis_missed(ngx_content_redis_shared_t *shared);

/*
 * Drops an object's record and its token.  DONE: no lookup that begins from
 * now on finds what was there.  AWAY: nobody knows; the node is dirty since
 * before the handler ran, so the same holds for lookups in this node.
 * Returns NGX_OK, or NGX_DECLINED: AWAY at once, the node is dirty, there is
 * no *op.  op may be NULL.
 */
ngx_int_t ngx_content_redis_end(ngx_content_redis_t *redis, u_char *name,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/* Drops all records and tokens; otherwise as end(). */
ngx_int_t ngx_content_redis_epoch(ngx_content_redis_t *redis,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/*
 * Drops the records of n tags and prefixes, given by their places in
 * lib/content_selector.h, and makes all tokens void; otherwise as end().
 */
ngx_int_t ngx_content_redis_purge(ngx_content_redis_t *redis,
    const uint32_t *places, ngx_uint_t n,
    ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/*
 * For the handler of a HIT: whether its tags (as in Cache-Tag) or a prefix of
 * its key were purged since its filler asked.  Then it is no hit.
 */
ngx_uint_t ngx_content_redis_purged(ngx_content_redis_op_t *op,
    uint64_t store, content_str_t key, content_str_t tags);

/*
 * Sends a command of the caller's; the words are copied.  DONE: the answer is
 * (redisReply *) op->reply, while the handler runs.  AWAY: there is none that
 * can be used.  NGX_OK, or NGX_DECLINED: AWAY at once.  op and handler may be
 * NULL.
 */
ngx_int_t ngx_content_redis_call(ngx_content_redis_t *redis, ngx_uint_t argc,
    ngx_str_t *argv, ngx_content_redis_handler_pt handler, void *data,
    ngx_content_redis_op_t **op);

/*
 * For the handler of a HIT: op->record is to last until the pool is destroyed.
 * NGX_OK: it does.  NGX_DECLINED: it stands among others, as all small ones do,
 * and the caller has to copy what it needs.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_redis_keep(ngx_content_redis_op_t *op,
    ngx_pool_t *pool);

/*
 * The handler of op will not run.  The operation itself goes on: a token that
 * nobody is there to use is given back, an end() keeps its promise.
 */
void ngx_content_redis_detach(ngx_content_redis_op_t *op);


#endif
