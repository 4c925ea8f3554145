/*
 * The fleet: all nodes on one storage and one Redis, which forget together
 * what a write has made old.  docs/coherence.md has the promise and the rules.
 *
 *     begin     a note in Redis that a change is about to be made (an intent)
 *     announce  every node forgets, and says so
 *     settle    the note is not needed any more
 *
 * One worker of a node has the control role: it hears the fleet's channel,
 * works on the memory cache for all workers, pings, and takes over intents
 * that nobody has settled.  If it dies or stands still, another takes the
 * role within a second.  Every worker writes by itself, and gets
 * the acknowledgements on a channel of its own.
 *
 * The commands go over the worker's connection of ngx_content_redis.h; what is
 * heard comes over a second one (ngx_content_fleet_link.h), for a subscriber
 * can't send commands.
 *
 * Handlers run from the event loop.
 */

#ifndef NGX_CONTENT_FLEET_H
#define NGX_CONTENT_FLEET_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_memory.h"
#include "cache/ngx_content_redis.h"
#include "cache/ngx_content_responses.h"
#include "cache/ngx_content_writes.h"
#include "lib/content_lease.h"
#include "lib/content_notice.h"


#define NGX_CONTENT_FLEET_PEERS  64          /* that the status shows */
#define NGX_CONTENT_FLEET_NODES  256         /* that a writer waits for */
#define NGX_CONTENT_FLEET_NAME   64


/* "content_fleet alone | on [name=TEXT] [lease=TIME] [deadline=TIME]" */

typedef struct {
    ngx_flag_t                    enabled;
    ngx_str_t                     name;      /* of this node, for people */
    ngx_msec_t                    lease;
    ngx_msec_t                    deadline;  /* of an intent: no write takes
                                                longer in storage */
} ngx_content_fleet_conf_t;


/* Another node, or this one, as heard on the channel. */

typedef struct {
    uint64_t                      node;
    uint64_t                      seen;      /* when its last ping came */
    uint64_t                      lag;       /* of this node's own: how long
                                                it took to come back */
    u_char                        name[NGX_CONTENT_FLEET_NAME];
    size_t                        name_len;
} ngx_content_fleet_peer_t;


/* In the shared zone, zeroed when that is made.  Needs no lock. */

typedef struct {
    ngx_atomic_t                  node;      /* drawn; 0: not yet */
    ngx_atomic_t                  until;     /* end of the lease */
    ngx_atomic_t                  control;   /* pid of the worker; 0: none */
    ngx_atomic_t                  heard;     /* when it was last at work */

    ngx_atomic_t                  intents;   /* unsettled, of all nodes */
    ngx_content_fleet_peer_t      peers[NGX_CONTENT_FLEET_PEERS];
    ngx_content_writes_t          writes;    /* of a node that is alone, too */

    /* for the status page; these only grow */

    ngx_atomic_t                  pings;     /* that came back */
    ngx_atomic_t                  emptied;   /* new subscriptions */
    ngx_atomic_t                  forgotten; /* notices obeyed */
    ngx_atomic_t                  announced;
    ngx_atomic_t                  waited;    /* ... of which ran into the
                                                lease */
    ngx_atomic_t                  refused;   /* no intent could be made */
    ngx_atomic_t                  taken;     /* intents taken over */
    ngx_atomic_t                  roles;     /* times the role was taken */
} ngx_content_fleet_shared_t;


typedef struct ngx_content_fleet_s         ngx_content_fleet_t;
typedef struct ngx_content_fleet_notice_s  ngx_content_fleet_notice_t;

typedef void (*ngx_content_fleet_notice_pt)(
    ngx_content_fleet_notice_t *notice);

/* An intent to be taken over; both only valid while it runs. */
typedef void (*ngx_content_fleet_taken_pt)(void *data, ngx_str_t *id,
    ngx_str_t *change);


typedef enum {
    NGX_CONTENT_FLEET_SENT = 0,
    NGX_CONTENT_FLEET_PUBLISHED,             /* Redis has passed it on */
    NGX_CONTENT_FLEET_FORGOTTEN,             /* no node answers from memory */
    NGX_CONTENT_FLEET_FAILED,                /* nobody knows */
    NGX_CONTENT_FLEET_ENDING                 /* its own: some node is still
                                                sending older bytes */
} ngx_content_fleet_state_e;


/*
 * An announcement under way.  The handler runs when it is PUBLISHED, and at
 * the end: FORGOTTEN or FAILED, after which it is gone.
 */

struct ngx_content_fleet_notice_s {
    ngx_content_fleet_state_e     state;
    ngx_content_fleet_notice_pt   handler;
    void                         *data;

    /* its own */

    ngx_content_fleet_t          *fleet;
    ngx_queue_t                   queue;
    ngx_event_t                   timer;
    uint64_t                      serial;
    uint64_t                      earliest;  /* Redis is new: not before */
    uint64_t                      latest;
    ngx_uint_t                    nacked;
    ngx_uint_t                    nawaited;
    uint64_t                      acked[NGX_CONTENT_FLEET_NODES];
    uint64_t                      awaited[NGX_CONTENT_FLEET_NODES];
    ngx_uint_t                    nsending;
    uint64_t                      sending[NGX_CONTENT_FLEET_NODES];
};


char *ngx_content_fleet_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_content_fleet_conf_create(ngx_content_fleet_conf_t *conf);

/* Defaults; without Redis a node is alone. */
ngx_int_t ngx_content_fleet_conf_init(ngx_conf_t *cf,
    ngx_content_fleet_conf_t *conf, ngx_content_redis_conf_t *redis);


/*
 * For init_process of a worker.  memory may be NULL; taken runs in the control
 * worker.  All have to outlive it.  NULL: no memory.
 */
ngx_content_fleet_t *ngx_content_fleet_create(ngx_cycle_t *cycle,
    ngx_content_fleet_conf_t *conf, ngx_content_fleet_shared_t *shared,
    ngx_content_redis_t *redis, ngx_content_memory_t *memory,
    ngx_content_responses_t *responses, ngx_content_fleet_taken_pt taken,
    void *data);

/* For exit_process, before the Redis client goes. */
void ngx_content_fleet_destroy(ngx_content_fleet_t *fleet);

/* Milliseconds of a clock that never stops nor goes back. */
uint64_t ngx_content_fleet_now(void);

/* Whether this node may answer from its memory, now. */
ngx_uint_t ngx_content_fleet_may(ngx_content_fleet_shared_t *shared);

/*
 * What stands for hearing without a gap: as long as it is the same number, and
 * not 0, the node was told of each change that has ended meanwhile.
 */
ngx_uint_t ngx_content_fleet_heard_all(ngx_content_fleet_shared_t *shared);

/*
 * Notes that a change is about to be made; change as content_change_t.  The
 * handler asks _begun() for the intent's id, in the answer's memory.
 * NGX_DECLINED, there and here: there is no intent, change nothing.
 */
ngx_int_t ngx_content_fleet_begin(ngx_content_fleet_t *fleet,
    ngx_str_t *change, ngx_content_redis_handler_pt handler, void *data);
ngx_int_t ngx_content_fleet_begun(ngx_content_redis_op_t *op, ngx_str_t *id);

/*
 * Has all nodes forget what change names; not before the END of its keys was
 * sent to Redis, over the same connection.  NULL: it could not be sent.
 */
ngx_content_fleet_notice_t *ngx_content_fleet_announce(
    ngx_content_fleet_t *fleet, ngx_str_t *change,
    ngx_content_fleet_notice_pt handler, void *data);

/*
 * Whether some other node may still be sending what is older than that
 * announcement, which was FORGOTTEN: it has said so and not yet that it has
 * ended, or it has not answered; for NGX_CONTENT_RESPONSES_BOUND at most.
 */
ngx_uint_t ngx_content_fleet_sending(ngx_content_fleet_t *fleet,
    uint64_t serial);

/* Whether this worker has the control role. */
ngx_uint_t ngx_content_fleet_controls(ngx_content_fleet_t *fleet);

/* The intent is not needed any more. */
void ngx_content_fleet_settle(ngx_content_fleet_t *fleet, ngx_str_t *id);


#endif
