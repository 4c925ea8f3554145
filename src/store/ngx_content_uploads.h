/*
 * What the uploads of one worker share: memory for their parts, within the
 * limit of content_upload_memory, and turns at reading and at hashing.
 *
 * Memory.  An upload asks for a buffer before it reads, and waits in a queue
 * when there is none: first come, first served, so that nobody is overtaken
 * for ever.  Nothing can lock: a buffer is either full, then it is on its way
 * to the store and comes back when that has ended or timed out; or it is being
 * filled by a client, and then the client has to be quick: while others wait,
 * whoever takes longer than `patience` to fill a buffer loses it.
 *
 * Reading.  What clients send fast would keep the event loop busy: an iteration
 * of it reads so many bytes of all bodies together, and an upload so many at a
 * time; then requests of others are served.
 *
 * Turns.  Hashing keeps a processor busy: no more of it at once than there are
 * processors for each worker, so that the event loop finds one free soon.
 */

#ifndef NGX_CONTENT_UPLOADS_H
#define NGX_CONTENT_UPLOADS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_CONTENT_UPLOADS_SLOTS  128     /* workers with gauges of their own */


typedef struct ngx_content_uploads_s  ngx_content_uploads_t;
typedef struct ngx_content_claim_s    ngx_content_claim_t;
typedef struct ngx_content_turn_s     ngx_content_turn_t;
typedef struct ngx_content_reader_s   ngx_content_reader_t;


/* In shared memory, for the status: counters, and gauges of each worker. */

typedef struct {
    ngx_atomic_t               waits;      /* for memory, so far */
    ngx_atomic_t               too_slow;   /* lost their memory, so far */
    ngx_atomic_t               bytes[NGX_CONTENT_UPLOADS_SLOTS];
    ngx_atomic_t               waiting[NGX_CONTENT_UPLOADS_SLOTS];
} ngx_content_uploads_shared_t;


/* How an upload gets its buffers: one of these each, zeroed at first. */

struct ngx_content_claim_s {
    ngx_queue_t                link;
    size_t                     size;       /* wanted */
    u_char                    *data;       /* granted, not yet taken */
    ngx_msec_t                 since;      /* filling */

    void                     (*granted)(ngx_content_claim_t *claim);
    void                     (*lost)(ngx_content_claim_t *claim);

    unsigned                   waiting:1;
    unsigned                   filling:1;
};


/* A turn at reading: one each upload, zeroed at first. */

struct ngx_content_reader_s {
    ngx_queue_t                link;
    void                     (*read)(ngx_content_reader_t *reader);
    unsigned                   waiting:1;
};


/* A turn at hashing: one each upload, zeroed at first. */

struct ngx_content_turn_s {
    ngx_queue_t                link;
    ngx_int_t                (*begin)(ngx_content_turn_t *turn);
    unsigned                   waiting:1;
};


typedef struct {
    size_t                     limit;      /* bytes, of a worker */
    ngx_msec_t                 patience;   /* with whoever fills a buffer */
} ngx_content_uploads_conf_t;

void ngx_content_uploads_conf_create(ngx_content_uploads_conf_t *conf);
void ngx_content_uploads_conf_init(ngx_content_uploads_conf_t *conf);

/* Slot of content_upload_memory, by cmd->offset. */
char *ngx_content_upload_memory_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Whether a part fits; NGX_ERROR is logged. */
ngx_int_t ngx_content_uploads_conf_check(ngx_conf_t *cf,
    ngx_content_uploads_conf_t *conf, size_t part_size);


/* NULL: no memory. */
ngx_content_uploads_t *ngx_content_uploads_create(ngx_cycle_t *cycle,
    ngx_content_uploads_conf_t *conf, ngx_content_uploads_shared_t *shared);

/* Nobody has buffers any more, or the process ends. */
void ngx_content_uploads_destroy(ngx_content_uploads_t *uploads);


/*
 * size bytes to fill, at most the limit.  NGX_OK: *data; NGX_AGAIN: the claim
 * waits, and granted() is called from the event loop: then the same call
 * returns NGX_OK; NGX_ERROR: the system has no memory.
 *
 * Until ngx_content_claim_filled() the claim is one that fills; lost() may be
 * called meanwhile: the buffer has to be given back, there and then, or when the
 * thread that hashes a slice of it is done.
 */
ngx_int_t ngx_content_claim_buffer(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim, size_t size, u_char **data);

/* No more bytes are awaited from the client for the last buffer. */
void ngx_content_claim_filled(ngx_content_claim_t *claim);

/* Waits and fills no more; what was granted and not taken is given back. */
void ngx_content_claim_end(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim);

/* Of a claim that was granted: data and size as they were. */
void ngx_content_buffer_free(ngx_content_uploads_t *uploads, u_char *data,
    size_t size);


/*
 * How many bytes may be read now.  0: it is the turn of others, read() will be
 * called.  What was read is told by done().
 */
size_t ngx_content_read_turn(ngx_content_uploads_t *uploads,
    ngx_content_reader_t *reader);
void ngx_content_read_done(ngx_content_uploads_t *uploads, size_t bytes);
void ngx_content_read_cancel(ngx_content_reader_t *reader);


/*
 * begin() is called at once, or later from the event loop.  It returns NGX_OK:
 * ngx_content_turn_end() will follow, or NGX_DECLINED: the turn is not needed.
 * cancel: no turn any more, if it still waits for one.
 */
void ngx_content_turn_begin(ngx_content_uploads_t *uploads,
    ngx_content_turn_t *turn);
void ngx_content_turn_end(ngx_content_uploads_t *uploads);
void ngx_content_turn_cancel(ngx_content_turn_t *turn);


#endif
