/*
 * A change: what the caches and the CDN are told when objects change, whoever
 * changes them: a PUT, a DELETE, a purge, or what the API does with many at
 * once.
 *
 *     begin    INTENT  a note in Redis, before storage is touched
 *     (the caller changes storage, and says of each key what became of it)
 *     end      DROP    the records in Redis, and the right to fill them; and
 *                      have the other nodes forget
 *              FORGET  the records in shared memory
 *              AWAIT   until no other node answers with the older object
 *              PURGE   queue the CDN's purge, as one job
 *              SETTLE  the note is not needed any more
 *
 * A node that is alone (content_fleet) has no INTENT, AWAIT and SETTLE.
 *
 * A change belongs to no request: once storage was touched it goes on whatever
 * the client does.  The owner keeps it, and its pool, until it has ended.
 */

#ifndef NGX_CONTENT_CHANGE_H
#define NGX_CONTENT_CHANGE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "http/ngx_content_conf.h"
#include "lib/content_key.h"
#include "lib/content_purge.h"
#include "lib/content_purge_job.h"


typedef struct ngx_content_change_s  ngx_content_change_t;
typedef struct ngx_content_repeat_s  ngx_content_repeat_t;

typedef void (*ngx_content_change_pt)(ngx_content_change_t *change);

/* One of the objects; the caller sets the flags before end(). */

typedef struct {
    ngx_str_t                  key;          /* canonical */
    u_char                     hash[CONTENT_KEY_HASH_LEN];
    unsigned                   touched:1;    /* it has changed, or nobody
                                                knows whether */
    unsigned                   replaced:1;   /* and the CDN may have an older
                                                one */
    ngx_atomic_uint_t          writes;       /* its own: how often it was
                                                changed before begin() */
} ngx_content_changed_t;


struct ngx_content_change_s {
    ngx_pool_t                *pool;         /* outlives the change */
    ngx_content_main_conf_t   *mcf;
    ngx_content_loc_conf_t    *lcf;

    ngx_content_changed_t     *keys;
    ngx_uint_t                 nkeys;
    content_change_entry_t    *selectors;    /* tags and prefixes, besides */
    ngx_uint_t                 nselectors;
    unsigned                   everything:1; /* all objects */
    unsigned                   unknown:1;    /* storage may change later yet */

    content_purge_item_t      *items;        /* for the CDN, instead of keys; */
    ngx_uint_t                 nitems;       /* NULL: the keys */

    ngx_content_change_pt      done;         /* of begin() and end() */
    void                      *data;

    /* out, after begin() */

    unsigned                   refused:1;    /* no intent: change nothing,
                                                and don't call end() */

    /* out, after end() */

    unsigned                   purged:1;     /* job is set */
    unsigned                   lost:1;       /* the purge queue was full */
    unsigned                   failed:1;     /* the other nodes may answer with
                                                the older object, until the
                                                intent is taken over */
    u_char                     job[CONTENT_PURGE_ID_SIZE];
    unsigned                   unowed:1;     /* the purge is only in memory */

    /* its own */

    ngx_uint_t                 step;
    ngx_uint_t                 pending;      /* answers of Redis */
    ngx_uint_t                 tries;
    ngx_event_t                timer;        /* until the next try */
    ngx_content_fleet_notice_t  *notice;     /* under way */
    ngx_str_t                  intent;       /* its id; empty: none */
    uint64_t                   begun;        /* when it was asked for */
    unsigned                   unheard:1;    /* some answer did not come */
    unsigned                   waiting:1;    /* in AWAIT */
    ngx_atomic_uint_t          turn;         /* of FORGET */
    uint64_t                   serial;       /* of the notice; 0: none */
    ngx_uint_t                 heard;        /* ngx_content_fleet_heard_all(),
                                                at begin() */
    ngx_content_repeat_t      *repeat;       /* until the purge is queued */
};


/* From zeroed memory; the rest is set by the caller. */
void ngx_content_change_init(ngx_content_change_t *change, ngx_pool_t *pool,
    ngx_content_main_conf_t *mcf, ngx_content_loc_conf_t *lcf,
    ngx_content_change_pt done, void *data);

/* Fills a key's hash; key has to outlive the change. */
void ngx_content_changed_init(ngx_content_changed_t *changed, ngx_str_t *key);

/*
 * Each returns NGX_OK: it has ended, or NGX_AGAIN: done will be called once,
 * from the event loop.  After a begin() that was not refused, end() has to be
 * called, even if no key was touched.
 */
ngx_int_t ngx_content_change_begin(ngx_content_change_t *change);
ngx_int_t ngx_content_change_end(ngx_content_change_t *change);

/*
 * Its INTENT: notes in Redis what is about to change.  NGX_OK, perhaps refused,
 * or NGX_AGAIN: _go_on() will be called.
 */
ngx_int_t ngx_content_change_note(ngx_content_change_t *change);

/* As lib/content_notice.h has it: all that may change, or what was touched. */
ngx_int_t ngx_content_change_text(ngx_content_change_t *change, ngx_uint_t all,
    ngx_str_t *text);

/* Its FORGET, where there is a memory cache. */
void ngx_content_change_forget_records(ngx_content_change_t *change);

/*
 * ngx_content_change_writes.c: whether others have changed the same object.
 * note: at begin(), before storage is looked at; count: at FORGET; met: at
 * PURGE, of a touched key.
 */
void ngx_content_change_note_writes(ngx_content_change_t *change);
void ngx_content_change_count_writes(ngx_content_change_t *change);
ngx_uint_t ngx_content_change_met_others(ngx_content_change_t *change,
    ngx_content_changed_t *changed);

/*
 * Its PURGE: queues the items, or one for each key that was replaced; once
 * more for when older responses that are under way have ended.  NGX_OK, or
 * NGX_AGAIN: it is noted in Redis first, and _go_on() will be called.
 */
ngx_int_t ngx_content_change_enqueue(ngx_content_change_t *change);

/* From a completion. */
void ngx_content_change_go_on(ngx_content_change_t *change);

/*
 * Purges that are owed, in Redis: ngx_content_owed_purge.c.  start and stop are
 * for a worker.
 */
ngx_int_t ngx_content_owed_start(ngx_cycle_t *cycle,
    ngx_content_main_conf_t *mcf);
void ngx_content_owed_stop(ngx_content_main_conf_t *mcf);

/*
 * Notes the change's job with its items: NGX_OK: the handler, with the change,
 * is told DONE or AWAY; or NGX_DECLINED: AWAY at once.  forgive: it was noted,
 * but can't be queued.
 */
ngx_int_t ngx_content_owed_purge(ngx_content_change_t *change,
    ngx_uint_t repeat, ngx_content_redis_handler_pt handler);
void ngx_content_owed_forgive(ngx_content_change_t *change);

/*
 * Whether older responses are under way, here or on some node: then an object
 * that waits for their end, for _repeat_start() with the number of the purge's
 * repetition.  NULL: none are.
 */
ngx_content_repeat_t *ngx_content_repeat_create(ngx_content_change_t *change);
void ngx_content_repeat_start(ngx_content_repeat_t *repeat, ngx_uint_t number);
void ngx_content_repeat_destroy(ngx_content_repeat_t *repeat);

/* The intent that some node has left, for ngx_content_fleet_create(). */
void ngx_content_change_take_over(void *mcf, ngx_str_t *id, ngx_str_t *text);


#endif
