/*
 * The purge queue and its jobs, in shared memory.  Every function takes the
 * zone's lock for itself and holds it for a few lines per item.
 *
 * An item is queued, then taken by the sender of one worker for a limited
 * time, then either settled or queued again.  An item that was taken and not
 * settled in time (its worker has died) is queued again by whoever looks.
 */

#ifndef NGX_CONTENT_PURGE_QUEUE_H
#define NGX_CONTENT_PURGE_QUEUE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "lib/content_cloudflare.h"
#include "lib/content_pace.h"
#include "lib/content_purge.h"
#include "lib/content_purge_job.h"


#define NGX_CONTENT_PURGE_JOBS     1024
#define NGX_CONTENT_PURGE_TARGETS  16
#define NGX_CONTENT_PURGE_BATCH    500      /* the most items of a call */
#define NGX_CONTENT_PURGE_REPEAT   300000   /* ms */
#define NGX_CONTENT_PURGE_OWED     1024     /* a power of two */
#define NGX_CONTENT_PURGE_ERROR    128      /* bytes of a job's last error */


typedef struct {
    u_char                    id[CONTENT_PURGE_ID_SIZE];
    content_purge_state_t     state;
    unsigned                  items;
    unsigned                  done;
    unsigned                  failed;
    unsigned                  attempts;
    time_t                    created;
    time_t                    finished;
    u_char                    error[NGX_CONTENT_PURGE_ERROR];
    size_t                    error_len;
} ngx_content_purge_record_t;


/*
 * A job that is kept elsewhere, too, until its last item has ended: see
 * ngx_content_purge_enqueue().
 */

typedef struct {
    ngx_queue_t               queue;        /* by its id; or of those ended */
    u_char                    id[CONTENT_PURGE_ID_SIZE];
    ngx_uint_t                left;         /* items */
} ngx_content_purge_owed_t;


typedef struct {
    ngx_queue_t               queue;
    ngx_content_purge_owed_t *owed;         /* or NULL */
    ngx_uint_t                job;          /* index of the record, or
                                               NGX_CONTENT_PURGE_JOBS */
    uint32_t                  target;
    content_purge_kind_t      kind;
    time_t                    queued;
    ngx_uint_t                attempt;
    ngx_uint_t                most;         /* items of its batch, for one was
                                               refused; 0: what the plan says */
    ngx_msec_t                due;          /* not before; when taken: until */
    ngx_uint_t                ticket;       /* of the batch that took it */
    ngx_uint_t                repeat;       /* number of the repetition that
                                               it is of; 0: none */
    size_t                    len;
    u_char                    value[1];     /* len bytes */
} ngx_content_purge_node_t;


/* The budget of one zone at the CDN. */

typedef struct {
    uint32_t                  target;
    content_pace_t            calls;
    content_pace_t            urls;
    ngx_uint_t                refused;      /* in the look that goes on */
} ngx_content_purge_pace_t;


typedef struct {
    ngx_slab_pool_t          *pool;
    ngx_queue_t               queued;
    ngx_queue_t               taken;
    ngx_atomic_t              pending;      /* items in both */
    ngx_atomic_t              owed;         /* ... of jobs kept elsewhere */
    ngx_queue_t               owing[NGX_CONTENT_PURGE_OWED];
    ngx_queue_t               paid;         /* of those, the ended ones */
    ngx_uint_t                next_job;
    ngx_uint_t                next_ticket;
    ngx_uint_t                next_repeat;
    ngx_content_purge_pace_t  paces[NGX_CONTENT_PURGE_TARGETS];
    ngx_content_purge_record_t
                              jobs[NGX_CONTENT_PURGE_JOBS];

    /* for the status page; these only grow */
    ngx_atomic_t              calls;
    ngx_atomic_t              items_done;
    ngx_atomic_t              items_failed;
    ngx_atomic_t              retries;
} ngx_content_purge_shared_t;


/*
 * What was taken.  The nodes stay in the queue's hands, for they may expire
 * and be another's before this batch is settled: the ticket tells them.
 */

typedef struct {
    ngx_uint_t                 ticket;
    uint32_t                   target;
    content_purge_kind_t       kind;
    ngx_uint_t                 attempt;     /* the most of its items */
    ngx_uint_t                 n;
    content_str_t              values[NGX_CONTENT_PURGE_BATCH];
} ngx_content_purge_batch_t;


/* An empty queue in a fresh zone; NULL: the zone is too small. */
ngx_content_purge_shared_t *ngx_content_purge_queue_create(
    ngx_slab_pool_t *pool);

/*
 * NGX_OK; NGX_DECLINED: queued, but no job tells of it, for all the places of
 * jobs are open ones; NGX_BUSY: no room for the items, nothing was queued.
 *
 * repeat, if not NULL: the items are queued twice, and all of them are the
 * job's; the second time is due after NGX_CONTENT_PURGE_REPEAT, or when
 * _repeat() is called with what *repeat is set to.
 *
 * owed: it is kept elsewhere, and its end is to be told there.
 */
ngx_int_t ngx_content_purge_queue_add(ngx_content_purge_shared_t *shared,
    uint32_t target, const content_purge_item_t *items, ngx_uint_t n,
    const u_char id[CONTENT_PURGE_ID_SIZE], ngx_uint_t owed,
    ngx_uint_t *repeat);

/* Whether an owed job is in the queue. */
ngx_uint_t ngx_content_purge_queue_owes(ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE]);

/* Takes an owed job that has ended: NGX_OK, or NGX_DECLINED: there is none. */
ngx_int_t ngx_content_purge_queue_paid(ngx_content_purge_shared_t *shared,
    u_char id[CONTENT_PURGE_ID_SIZE]);

/* That repetition is due now. */
void ngx_content_purge_queue_repeat(ngx_content_purge_shared_t *shared,
    ngx_uint_t repeat);

/*
 * Takes a batch of one target and kind that may be sent now, until the time
 * `until`; its values are copied to pool.  plan() tells the plan of a target;
 * an item whose target it does not know (NULL) fails.  Returns 0 when there is
 * a batch; else after how many milliseconds to look again (NGX_TIMER_INFINITE:
 * nothing is queued).
 */
typedef const content_cloudflare_plan_t *(*ngx_content_purge_plan_pt)(
    void *data, uint32_t target);

ngx_msec_t ngx_content_purge_queue_take(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_pool_t *pool, ngx_msec_t until,
    ngx_content_purge_plan_pt plan, void *data);

/* The items of a batch are done, or (error not empty) failed for good. */
void ngx_content_purge_queue_settle(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_uint_t failed, content_str_t error);

/*
 * They are queued again, due after delay milliseconds; split: in batches of
 * half its size.  block: nothing of the target goes out before, either.
 */
void ngx_content_purge_queue_retry(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_msec_t delay, ngx_uint_t split,
    ngx_uint_t block, content_str_t error);

/* The job, with error pointing into buf; NGX_DECLINED: not known (any more). */
ngx_int_t ngx_content_purge_queue_job(ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE], content_purge_job_t *job,
    u_char buf[NGX_CONTENT_PURGE_ERROR]);


/*
 * ngx_content_purge_jobs.c, for ngx_content_purge_queue.c only: under the
 * zone's lock.
 */

/*
 * Makes the items of a job, each twice with a repeat: NGX_OK, or NGX_BUSY: not
 * all of them, to be unmade.
 */
ngx_int_t ngx_content_purge_make(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added, uint32_t target, const content_purge_item_t *items,
    ngx_uint_t n, ngx_uint_t repeat);
void ngx_content_purge_unmake(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added);

/*
 * The items in added are those of a new job; if there are none, n were done at
 * once.  NGX_OK, or NGX_DECLINED: all places are open jobs.
 */
ngx_int_t ngx_content_purge_job_open(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added, ngx_uint_t n, const u_char id[CONTENT_PURGE_ID_SIZE]);

/* One of its items has ended. */
void ngx_content_purge_job_account(ngx_content_purge_record_t *job,
    ngx_uint_t failed, content_str_t error);

/* Its last error, cut to what a job has room for. */
void ngx_content_purge_job_note(ngx_content_purge_record_t *job,
    content_str_t error);

/* They are of an owed job: NGX_OK, or NGX_BUSY.  One of them has ended. */
ngx_int_t ngx_content_purge_owe(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added, const u_char id[CONTENT_PURGE_ID_SIZE]);
void ngx_content_purge_pay(ngx_content_purge_shared_t *shared,
    ngx_content_purge_owed_t *owed);


#endif
