/*
 * The sweep: what uploads have left behind whose worker was killed, or whose
 * abort could not reach storage, goes when it has become old: `age` without a
 * byte.
 *
 * A live upload is never taken for one of these:
 *
 *   - a file of the file store is locked as long as its writer lives, on
 *     whichever machine (ngx_content_file_sweep.c);
 *   - a multipart upload of S3 counts by its last part, and an upload that
 *     stores none for half of `age` is given up by its own worker
 *     (ngx_content_s3_lease.c), so that no other has to know of it.
 *
 * Each worker has a timer for each store; of all workers of the node that come
 * to a place, one sweeps it at a time.
 */

#ifndef NGX_CONTENT_SWEEP_H
#define NGX_CONTENT_SWEEP_H

#include "store/ngx_content_store.h"


#define NGX_CONTENT_SWEEP_PLACES  64


/* In shared memory: counters for the status, and when a place is swept. */

typedef struct {
    ngx_atomic_t               rounds;
    ngx_atomic_t               uploads;       /* multipart uploads aborted */
    ngx_atomic_t               files;         /* removed */
    ngx_atomic_t               failed;        /* rounds that met a fault */

    struct {
        ngx_atomic_t           id;            /* of the store; 0: free */
        ngx_atomic_t           next;          /* not before that:
                                                 ngx_current_msec */
    } places[NGX_CONTENT_SWEEP_PLACES];
} ngx_content_sweep_shared_t;


/* One round: a task of the store. */

struct ngx_content_sweep_s {
    ngx_content_task_t         task;
    time_t                     age;
    ngx_msec_t                 deadline;      /* leave the rest to the next */
    ngx_uint_t                 swept;         /* out */
};


typedef struct ngx_content_sweeper_s  ngx_content_sweeper_t;


/* Slot of content_sweep, by cmd->offset: a time_t, 0 for "off". */
char *ngx_content_sweep_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Gives the age to the store; an error is logged and names the directive. */
ngx_int_t ngx_content_sweep_conf(ngx_conf_t *cf, ngx_content_store_t *store,
    time_t age);

/* A worker's timer for a store, in the cycle's pool; NGX_ERROR: no memory. */
ngx_int_t ngx_content_sweep_start(ngx_cycle_t *cycle,
    ngx_content_store_t *store, ngx_content_sweep_shared_t *shared);

/* For the stores: whether the round has to end here. */
ngx_uint_t ngx_content_sweep_over(ngx_content_sweep_t *sweep);


#endif
