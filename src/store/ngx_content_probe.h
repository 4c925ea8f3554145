/*
 * The probe: what kind of server a store speaks to.  Asked in the background,
 * by one worker of each generation, once a place; logged once and shown by the
 * status.  No request waits for it.  A fact may be where the code that learns
 * the same from refusals starts from, never more: it may be wrong by now
 * (docs/decisions/0013).
 *
 * The store's probe() asks and fills the profile; it ends in
 * ngx_content_probe_end(), and is asked again later if that was a failure.
 */

#ifndef NGX_CONTENT_PROBE_H
#define NGX_CONTENT_PROBE_H

#include "store/ngx_content_store.h"


#define NGX_CONTENT_PROBE_PLACES  16


/* What can be known in a word; the name is that of the status. */

#define NGX_CONTENT_FACTS(F)                                                 \
    F(STYLE,         style)                /* path, virtual */               \
    F(WRITES,        writes)               /* a small object was stored */   \
    F(UNSIGNED,      unsigned_payload)     /* UNSIGNED-PAYLOAD is taken */   \
    F(IF_NONE_MATCH, if_none_match)        /* "*" of PutObject */            \
    F(IF_MATCH,      if_match)             /* the form, of PutObject */      \
    F(COMPLETE,      complete_conditions)  /* of CompleteMultipartUpload */  \
    F(DELETE,        delete_conditions)    /* of DeleteObject */             \
    F(TAGS,          tags)                 /* PutObjectTagging */

typedef enum {
#define NGX_CONTENT_FACT(name, text)  NGX_CONTENT_FACT_##name,
    NGX_CONTENT_FACTS(NGX_CONTENT_FACT)
#undef NGX_CONTENT_FACT
    NGX_CONTENT_FACT_N
} ngx_content_fact_e;


#define NGX_CONTENT_FINDINGS(F)                                              \
    F(PATH,     "path")                                                      \
    F(VIRTUAL,  "virtual")                                                   \
    F(WORKS,    "works")                                                     \
    F(QUOTED,   "quoted")                  /* works, with the ETag's quotes */\
    F(UNQUOTED, "unquoted")                /* works, without them */         \
    F(IGNORED,  "ignored")                 /* done as if it were not there */\
    F(REFUSED,  "refused")                 /* 400, 405, 501 */               \
    F(DENIED,   "denied")                  /* 403 */                         \
    F(VERSIONS, "versions")                /* not tried: they would be kept */

typedef enum {
    NGX_CONTENT_FOUND_NOTHING = 0,
#define NGX_CONTENT_FINDING(name, text)  NGX_CONTENT_FOUND_##name,
    NGX_CONTENT_FINDINGS(NGX_CONTENT_FINDING)
#undef NGX_CONTENT_FINDING
    NGX_CONTENT_FOUND_N
} ngx_content_found_e;


/* In shared memory.  0: not known. */

struct ngx_content_profile_s {
    ngx_atomic_t               id;            /* of the store; 0: free */
    ngx_atomic_t               probed;        /* when; seconds since 1970 */
    ngx_atomic_t               failed;        /* probes that have failed */
    ngx_atomic_t               missing;       /* the status of a missing key */
    ngx_atomic_t               versioning;    /* 1: off, 2: on */
    ngx_atomic_t               skew;          /* the server's clock less ours,
                                                 in seconds, signed */
    ngx_atomic_t               facts[NGX_CONTENT_FACT_N];
                                              /* ngx_content_found_e */
};

typedef struct {
    ngx_content_profile_t      places[NGX_CONTENT_PROBE_PLACES];
} ngx_content_probe_shared_t;


struct ngx_content_probe_s {
    ngx_event_t                timer;
    ngx_content_store_t       *store;
    ngx_content_profile_t     *profile;
    ngx_uint_t                 failures;      /* in a row */

    /* of one round, anew for each */
    ngx_pool_t                *pool;
    void                      *state;         /* the store's */
    ngx_uint_t                 step;          /* the store's */
    ngx_content_found_e        found[NGX_CONTENT_FACT_N];
                                              /* the profile's, once it ends
                                                 well */
};


/*
 * In each worker: gives the stores (ngx_content_store_t *) their profile, and
 * in one begins to ask.  In the cycle's pool.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_probe_start(ngx_cycle_t *cycle, ngx_array_t *stores,
    ngx_content_probe_shared_t *shared);

/* NGX_OK or NGX_ERROR. */
void ngx_content_probe_end(ngx_content_probe_t *probe, ngx_int_t rc);

/* The profile of a store, or NULL. */
ngx_content_profile_t *ngx_content_probe_profile(
    ngx_content_probe_shared_t *shared, uint64_t id);

/* REFUSED or DENIED. */
ngx_uint_t ngx_content_probe_says_no(ngx_content_found_e found);

/* For the log and the status.  NULL: not known. */
const char *ngx_content_probe_fact_name(ngx_content_fact_e fact);
const char *ngx_content_probe_fact(ngx_content_profile_t *profile,
    ngx_content_fact_e fact);


#endif
