/*
 * The probe: what kind of server a store speaks to.  Asked in the background,
 * by one worker of each generation; only to know, to log it once and to show
 * it.  No request waits for it, and none goes another way for what it found.
 * Nothing is written (docs/decisions/0013).
 *
 * The store's probe() asks and fills the profile; it ends in
 * ngx_content_probe_end(), and is asked again later if that was a failure.
 */

#ifndef NGX_CONTENT_PROBE_H
#define NGX_CONTENT_PROBE_H

#include "store/ngx_content_store.h"


#define NGX_CONTENT_PROBE_PLACES  16


/* In shared memory.  0: not known. */

typedef struct {
    ngx_atomic_t               id;            /* of the store; 0: free */
    ngx_atomic_t               probed;        /* when; seconds since 1970 */
    ngx_atomic_t               failed;        /* probes that have failed */
    ngx_atomic_t               missing;       /* the status of a missing key */
    ngx_atomic_t               versioning;    /* 1: off, 2: on */
    ngx_atomic_t               skew;          /* the server's clock less ours,
                                                 in seconds, signed */
} ngx_content_profile_t;

typedef struct {
    ngx_content_profile_t      places[NGX_CONTENT_PROBE_PLACES];
} ngx_content_probe_shared_t;


struct ngx_content_probe_s {
    ngx_event_t                timer;
    ngx_content_store_t       *store;
    ngx_content_profile_t     *profile;
    ngx_uint_t                 step;          /* the store's */
    ngx_uint_t                 failures;      /* in a row */
};


/* In each worker; in the cycle's pool.  NGX_ERROR: no memory. */
ngx_int_t ngx_content_probe_start(ngx_cycle_t *cycle,
    ngx_content_store_t *store, ngx_content_probe_shared_t *shared);

/* NGX_OK or NGX_ERROR. */
void ngx_content_probe_end(ngx_content_probe_t *probe, ngx_int_t rc);

/* The profile of a store, or NULL. */
ngx_content_profile_t *ngx_content_probe_profile(
    ngx_content_probe_shared_t *shared, uint64_t id);


#endif
