/*
 * The store interface: what every place that keeps objects can do.  The file
 * store (ngx_content_file*.c) and the S3 store (ngx_content_s3*.c) implement
 * it; src/http calls it and knows neither.
 *
 * Two kinds of work:
 *
 *   - a read belongs to a client's request, lives in its pool and dies with
 *     it: ngx_content_read_t;
 *   - stat, fetch, upload, copy, remove and list are tasks with a pool of their
 *     own, which go on when the client has left: whatever embeds
 *     ngx_content_task_t.
 *
 * A task ends exactly once: ngx_content_task_finish() calls task->done, never
 * from inside the call that started the task, or frees the task if nobody
 * waits for it any more.  In done the owner takes the results; when it is
 * through with them it calls ngx_content_task_free().
 *
 * Storage is the truth: an outcome other than OK and ABSENT says that nothing
 * is known, and must never be answered with 404 nor be cached.
 */

#ifndef NGX_CONTENT_STORE_H
#define NGX_CONTENT_STORE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <openssl/evp.h>

#include "lib/content_expect.h"
#include "lib/content_object.h"
#include "lib/content_sha256.h"
#include "store/ngx_content_uploads.h"


typedef enum {
    NGX_CONTENT_OK = 0,
    NGX_CONTENT_ABSENT,              /* there is no such object */
    NGX_CONTENT_PRECONDITION,        /* If-Match or If-None-Match failed */
    NGX_CONTENT_INVALID,             /* the store can't keep such an object */
    NGX_CONTENT_TOO_LARGE,           /* nor one of this size */
    NGX_CONTENT_MISMATCH,            /* the body is not what it was announced
                                        to be; cause is for the client */
    NGX_CONTENT_BROKEN,              /* no connection, no sense, no rights */
    NGX_CONTENT_UNAVAILABLE,         /* the store asks to come back later */
    NGX_CONTENT_TIMEOUT,             /* no answer in time: state unknown */
    NGX_CONTENT_FULL,                /* no space left */
    NGX_CONTENT_SLOW,                /* the client sent too slowly while others
                                        waited for memory */
    NGX_CONTENT_BUSY,                /* no thread is to be had: nothing was
                                        done */
    NGX_CONTENT_FAILED               /* no memory and the like, in here */
} ngx_content_outcome_e;


typedef struct ngx_content_store_s   ngx_content_store_t;
typedef struct ngx_content_task_s    ngx_content_task_t;
typedef struct ngx_content_read_s    ngx_content_read_t;
typedef struct ngx_content_upload_s  ngx_content_upload_t;
typedef struct ngx_content_part_s    ngx_content_part_t;
typedef struct ngx_content_probe_s   ngx_content_probe_t;
typedef struct ngx_content_profile_s  ngx_content_profile_t;
typedef struct ngx_content_fetch_s   ngx_content_fetch_t;
typedef struct ngx_content_sweep_s   ngx_content_sweep_t;

typedef void (*ngx_content_task_pt)(ngx_content_task_t *task);
typedef void (*ngx_content_read_pt)(ngx_content_read_t *read);


struct ngx_content_task_s {
    ngx_content_store_t       *store;
    ngx_pool_t                *pool;      /* the task's own; it lives here */
    ngx_log_t                  log;       /* a copy, without the request */
    ngx_str_t                  key;       /* canonical, in pool */

    ngx_content_outcome_e      outcome;
    ngx_str_t                  cause;     /* for the log: why not OK */

    ngx_content_task_pt        done;      /* NULL: nobody waits */
    void                      *data;

    struct {                              /* of task_post(), which must not
                                             want memory */
        ngx_event_t            event;
        ngx_content_outcome_e  outcome;
        const char            *cause;
    } post;
};


/* stat: is it there, and what is it?  OK fills *object (strings in pool). */

typedef struct {
    ngx_content_task_t         task;
    content_object_t          *object;
} ngx_content_stat_t;


/*
 * fetch: an object's bytes, for whoever stands apart from a client's request.
 * head() runs once the object is known and before the first body(); it may
 * decline, and the fetch then ends with OK at once.  OK with all of
 * object->size means that the object is whole.  Another ETag than if_match,
 * or its absence: PRECONDITION.
 */

struct ngx_content_fetch_s {
    ngx_content_task_t         task;
    ngx_str_t                  if_match;          /* alive until done; empty:
                                                     whatever is there */
    off_t                      offset;            /* with if_match: leave out
                                                     so many bytes */
    content_object_t           object;            /* out: strings in pool */

    ngx_int_t                (*head)(ngx_content_fetch_t *fetch);
    void                     (*body)(ngx_content_fetch_t *fetch, u_char *data,
                                     size_t len);
    unsigned                   again:1;           /* out: the fault may be gone
                                                     at the next try */
    void                      *state;             /* the store's */
};


/*
 * The conditions of a write (RFC 9110, 13.1.1, 13.1.2 and 13.1.4): decided in
 * the same step as the write by the file store, and If-None-Match by S3; the
 * others are looked at just before on S3.
 */

typedef struct {
    ngx_str_t                  if_match;          /* one strong entity tag, or
                                                     "*"; empty: none */
    time_t                     unmodified_since;  /* if if_unmodified */
    unsigned                   if_none_match:1;   /* If-None-Match: "*" */
    unsigned                   if_unmodified:1;   /* If-Unmodified-Since */
} ngx_content_conditions_t;


/* remove: OK, ABSENT (was not there), PRECONDITION or a fault. */

typedef struct {
    ngx_content_task_t         task;
    ngx_content_conditions_t   conditions;
} ngx_content_remove_t;


/*
 * remove_many: the task's outcome is OK, and each key has its own: OK, ABSENT
 * (was not there; a store that does not know says OK) or a fault; or it is a
 * fault, and nothing was done.
 */

typedef struct {
    ngx_str_t                  key;               /* in the task's pool */
    ngx_content_outcome_e      outcome;
} ngx_content_removal_t;

typedef struct {
    ngx_content_task_t         task;              /* its key means nothing */
    ngx_content_removal_t     *keys;              /* no key twice */
    ngx_uint_t                 nkeys;             /* 1 .. 1000 */
} ngx_content_removals_t;


/*
 * list: keys in byte order that start with prefix and come after after.  With
 * a delimiter, those that have one behind prefix are left out, and what they
 * begin with, up to the delimiter, is one of prefixes, if that comes after
 * after.  Both together are one page, of limit at most.
 */

typedef struct {
    ngx_str_t                  key;
    ngx_str_t                  etag;
    int64_t                    size;
    int64_t                    mtime;
} ngx_content_entry_t;

typedef struct {
    ngx_content_task_t         task;
    ngx_str_t                  prefix;
    ngx_str_t                  after;
    ngx_str_t                  delimiter;         /* empty: none */
    ngx_uint_t                 limit;             /* 1 .. 1000 */

    ngx_array_t                entries;           /* ngx_content_entry_t */
    ngx_array_t                prefixes;          /* ngx_str_t */
    unsigned                   truncated:1;       /* there are more */
} ngx_content_list_t;


/*
 * versions: of one key, the latest first, that come after the version after.
 * Deletions are versions, too.
 */

typedef struct {
    ngx_str_t                  id;
    ngx_str_t                  etag;
    int64_t                    size;
    int64_t                    mtime;
    unsigned                   latest:1;
    unsigned                   deleted:1;         /* no etag, no size */
} ngx_content_version_t;

typedef struct {
    ngx_content_task_t         task;
    ngx_str_t                  after;
    ngx_uint_t                 limit;             /* 1 .. 1000 */

    ngx_array_t                versions;          /* ngx_content_version_t */
    unsigned                   truncated:1;       /* there are more */
    unsigned                   kept:1;            /* the place keeps versions;
                                                     not known with after */
} ngx_content_versions_t;


/*
 * upload: see ngx_content_upload.h for its life.  The store sees parts of
 * equal size, of which only the last may be smaller.
 */

struct ngx_content_part_s {
    ngx_content_part_t        *next;
    u_char                    *data;
    size_t                     size;              /* bytes that have come */
    size_t                     length;            /* of the whole; known before
                                                     it is cut only if the
                                                     body's is */
    size_t                     capacity;
    off_t                      offset;            /* in the body */
    ngx_uint_t                 number;            /* 1, 2, ... */
    u_char                     sha256[CONTENT_SHA256_SIZE]; /* if
                                                     up->part_digest */
    ngx_str_t                  etag;              /* for the store's use */
    void                      *state;             /* the same */
    size_t                     digested;          /* bytes, by the digests */
    ngx_msec_t                 since;             /* when it had no byte yet */
    unsigned                   cut:1;             /* no more bytes will come */
    unsigned                   given:1;           /* part() was called */
    unsigned                   apart:1;           /* has a digest of its own */
    unsigned                   hashed:1;          /* by all digests */
    unsigned                   stored:1;          /* or could not be */
};

/*
 * copy: an upload whose bytes come from another object of the store.  Its
 * metadata goes along; up->object is filled by the store.  In the end up has
 * OK, ABSENT (there is no source), PRECONDITION, or a fault.
 */

typedef struct {
    ngx_str_t                  key;               /* of the source */
    ngx_str_t                  version;           /* empty: the current one */
    ngx_content_conditions_t   conditions;        /* of the source */
    ngx_str_t                  etag;              /* out: what was copied */
    unsigned                   refused:1;         /* out: PRECONDITION is for
                                                     these conditions */
    void                      *state;             /* the store's */
} ngx_content_copy_t;

struct ngx_content_upload_s {
    ngx_content_task_t         task;
    ngx_content_copy_t        *copy;              /* NULL: a client's bytes */
    content_object_t          *object;            /* in: what was sent along;
                                                     out: etag, size, mtime */
    ngx_content_conditions_t   conditions;
    unsigned                   replaced:1;        /* out: there was one before */

    off_t                      expected;          /* Content-Length, or -1 */
    void                     (*resume)(ngx_content_upload_t *up);

    /* the rest belongs to ngx_content_upload.c and the store */

    ngx_content_part_t        *filling;
    ngx_content_part_t        *hashing;           /* in a thread, or it waits
                                                     for its turn */
    ngx_content_part_t        *digesting;         /* where the digests are */
    void                      *hash_job;          /* NULL: none needed yet */
    ngx_content_part_t        *parts;             /* cut or given, in their
                                                     order: `nparts` */
    ngx_content_part_t       **last_part;
    ngx_uint_t                 nparts;
    ngx_uint_t                 in_flight;         /* of these, begin(), ending() */
    ngx_uint_t                 held;              /* by a function above */
    off_t                      received;
    content_sha256_t           body_sha256;
    content_sha256_t           part_sha256;
    content_expect_t          *expect;            /* NULL: nothing */
    EVP_MD_CTX                *sha512_digest;     /* only if expected */
    EVP_MD_CTX                *md5_digest;
    void                      *state;             /* the store's */
    ngx_content_claim_t        claim;             /* to memory */
    ngx_content_reader_t       reader;            /* its turn at reading */
    ngx_content_turn_t         turn;              /* at hashing */
    unsigned                   part_digest:1;     /* of each part, before it is
                                                     handed to the store */
    unsigned                   blocked:1;         /* until resume */
    unsigned                   ended:1;
    unsigned                   committing:1;
    unsigned                   aborted:1;
};


/*
 * read: the way of one object to one client.  open() finds out what it is;
 * send() answers the request with its bytes: all, or first..last when ranged.
 * Whoever knows the metadata first calls headers() to fill r->headers_out:
 * send() itself if open() was left out.
 *
 * open() returns NGX_OK when read->outcome is set, or NGX_AGAIN: then done is
 * called later, unless the request's pool is destroyed before.
 * send() returns what a content handler may return, or NGX_DONE when it goes
 * on by itself and finalizes the request.
 */

struct ngx_content_read_s {
    ngx_http_request_t        *request;
    ngx_content_store_t       *store;
    ngx_str_t                  key;
    ngx_str_t                  version;           /* empty: the current one */

    content_object_t          *object;            /* NULL: not known yet */
    ngx_content_outcome_e      outcome;
    ngx_str_t                  cause;

    off_t                      first;
    off_t                      last;
    unsigned                   ranged:1;
    unsigned                   digest:1;          /* open() is to find the
                                                     SHA-256, if it can */

    ngx_int_t                (*headers)(ngx_content_read_t *read);
    ngx_int_t                (*body)(ngx_content_read_t *read, u_char *data,
                                     size_t len); /* if not NULL: sees the
                                                     bytes go by, of bodies of
                                                     1 .. body_max bytes */
    size_t                     body_max;
    ngx_content_read_pt        done;              /* of open() */
    ngx_content_read_pt        changed;           /* of send(), before
                                                     headers(): the object was
                                                     not what it was said to
                                                     be, and is NULL now */
    ngx_content_read_pt        failed;            /* of send(), after it
                                                     returned NGX_DONE: outcome
                                                     is set, the request is
                                                     about to be finalized */
    void                      *data;
    void                      *state;             /* the store's */
};


typedef struct {
    /* a worker starts and ends; both may be NULL */
    void                     (*start)(ngx_content_store_t *store);
    void                     (*stop)(ngx_content_store_t *store);

    ngx_int_t                (*open)(ngx_content_read_t *read);
    ngx_int_t                (*send)(ngx_content_read_t *read);

    void                     (*stat)(ngx_content_stat_t *stat);
    /* fetch: NULL where open() costs nothing; cancel() ends and frees it */
    void                     (*fetch)(ngx_content_fetch_t *fetch);
    void                     (*cancel)(ngx_content_fetch_t *fetch);
    void                     (*remove)(ngx_content_remove_t *remove);
    void                     (*remove_many)(ngx_content_removals_t *removals);
    void                     (*list)(ngx_content_list_t *list);
    /* NULL unless store->versions */
    void                     (*versions)(ngx_content_versions_t *versions);

    void                     (*copy)(ngx_content_upload_t *up);

    /*
     * upload: each ends in ngx_content_upload_stored() or _task_finish().
     * begin(), which may be NULL: more than a part will come.  NGX_OK:
     * ngx_content_upload_begun() follows; else not, part() does without it.
     * part_digest(), which may be NULL: whether a new upload's part() needs
     * part->sha256; if not, it is called while the part is being hashed, and
     * if there is part_grown(), perhaps while it is received: part->size is
     * less than part->length then, and part_grown() tells of more.  It ends
     * when the whole is stored, or by part_cancel(), after which nothing
     * follows and the bytes are not read any more.
     * ending(), which may be NULL: the body has come, and what is left of it is
     * being stored.  NGX_OK: ngx_content_upload_begun() follows, and commit()
     * after that; else not.
     */
    ngx_uint_t               (*part_digest)(ngx_content_store_t *store);
    ngx_int_t                (*begin)(ngx_content_upload_t *up);
    void                     (*part)(ngx_content_upload_t *up,
                                     ngx_content_part_t *part);
    void                     (*part_grown)(ngx_content_upload_t *up,
                                           ngx_content_part_t *part);
    void                     (*part_cancel)(ngx_content_upload_t *up,
                                            ngx_content_part_t *part);
    ngx_int_t                (*ending)(ngx_content_upload_t *up);
    void                     (*commit)(ngx_content_upload_t *up);
    void                     (*abort)(ngx_content_upload_t *up);

    /* what uploads of the dead have left: ngx_content_sweep.h */
    void                     (*sweep)(ngx_content_sweep_t *sweep);

    /* what kind of server it is: ngx_content_probe.h; if store->probed */
    void                     (*probe)(ngx_content_probe_t *probe);
} ngx_content_store_ops_t;


struct ngx_content_store_s {
    ngx_str_t                        name;        /* "file", "s3" */
    ngx_str_t                        place;       /* for the log; S3 only */
    uint64_t                         id;          /* of the place: tells its
                                                     keys from another's */
    const ngx_content_store_ops_t   *ops;
    void                            *conf;        /* the store's own */
    ngx_thread_pool_t               *threads;
    void                            *engine;      /* ngx_content_curl_t of this
                                                     process, S3 only */
    ngx_content_uploads_t           *uploads;     /* of this process */
    ngx_content_profile_t           *profile;     /* or NULL; if probed */

    time_t                           sweep_age;   /* seconds; 0: never */
    time_t                           sweep_min;   /* the least of it */
    size_t                           part_size;   /* bytes */
    ngx_uint_t                       parts_max;   /* stored at once */
    off_t                            size_max;    /* of an object; 0: any */
    unsigned                         probed:1;
    unsigned                         open_first:1; /* open() costs nothing */
    unsigned                         unguarded:1; /* a condition and the write
                                                  that depends on it are not
                                                  always one step */
    unsigned                         versions:1;   /* may keep them */
};


/* size: of the struct that embeds the task, which is zeroed. */
void *ngx_content_task_create(ngx_content_store_t *store, size_t size,
    ngx_str_t *key, ngx_log_t *log);

void ngx_content_task_finish(ngx_content_task_t *task,
    ngx_content_outcome_e outcome, const char *cause);
void ngx_content_task_free(ngx_content_task_t *task);

/* finish() from the event loop, for what is known at once. */
void ngx_content_task_post(ngx_content_task_t *task,
    ngx_content_outcome_e outcome, const char *cause);

/* Starts the task's job; without a thread the task ends with BUSY. */
void ngx_content_task_run(ngx_content_task_t *task, void *job);

/* The id of a place, by what names it: "file:/srv", "s3:http://h/bucket". */
uint64_t ngx_content_store_id(ngx_str_t *kind, ngx_str_t *where,
    ngx_str_t *what);

/*
 * Whether the conditions of a write hold.  exists: something has that key;
 * object NULL then: it is damaged, and meets no condition.
 */
ngx_uint_t ngx_content_conditions_hold(
    const ngx_content_conditions_t *conditions, const content_object_t *object,
    ngx_uint_t exists);

/* The HTTP status that tells a client about an outcome. */
ngx_uint_t ngx_content_outcome_status(ngx_content_outcome_e outcome);


#endif
