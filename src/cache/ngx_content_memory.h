/*
 * The cache in shared memory, one for all workers of a node: records that are
 * answered straight from its memory.
 *
 * The memory is cut into shards (lib/content_shard.h), each with a lock that
 * is held for a look-up or an insertion and never while anything waits.  A
 * reader pins the record it has found, uses it, and unpins it before it
 * returns to the event loop, or holds it for longer.  A worker's pin and
 * holds are in a place of its own, which its successor clears: so a worker
 * that dies leaves nothing behind.
 *
 * A lock whose owner has died is taken over, and the shard, which may be half
 * changed, is emptied.
 *
 * Fences.  What is read from storage may be older than a write that ended
 * meanwhile.  So a filler takes the key's fence before it reads, and put()
 * refuses what was read behind an older fence; drop() and clear() move the
 * fence first.
 */

#ifndef NGX_CONTENT_MEMORY_H
#define NGX_CONTENT_MEMORY_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "lib/content_selector.h"
#include "lib/content_shard.h"


#define NGX_CONTENT_MEMORY_MIN     (8 * 1024 * 1024)
#define NGX_CONTENT_MEMORY_FENCES  16384
#define NGX_CONTENT_MEMORY_HOLDS   123       /* of a worker, at once */
#define NGX_CONTENT_MEMORY_KEY     (1024 + 12)

typedef struct ngx_content_memory_s  ngx_content_memory_t;

/* A key with what tells it from the same key elsewhere; made on the stack. */

typedef struct {
    uint32_t             hash;
    size_t               len;
    u_char               data[NGX_CONTENT_MEMORY_KEY];
} ngx_content_memory_key_t;

typedef struct {
    uint64_t             hits;
    uint64_t             misses;
    uint64_t             stored;
    uint64_t             fenced;        /* refused by a fence */
    uint64_t             resets;        /* shards emptied after a crash */
    uint64_t             held;          /* now */
    content_shard_stats_t  shards;      /* of all of them */
} ngx_content_memory_stats_t;


/*
 * Fills a fresh zone, for bodies of up to max bytes; NULL: too small.  *file is
 * the file whose pages the records lie in, to be closed by the caller, or
 * NGX_INVALID_FILE, if there can be none.
 */
ngx_content_memory_t *ngx_content_memory_create(ngx_slab_pool_t *pool,
    size_t max, ngx_fd_t *file, ngx_log_t *log);

/*
 * Makes pages that nothing was written to those of a file.  NGX_OK: *file may
 * be NGX_INVALID_FILE, which is logged; NGX_ERROR: the memory can't be used.
 */
ngx_int_t ngx_content_memory_file(u_char *mem, size_t size, ngx_fd_t *file,
    ngx_log_t *log);

/* Another descriptor, for the next cycle; of none there is none. */
ngx_fd_t ngx_content_memory_file_copy(ngx_fd_t file, ngx_log_t *log);
void ngx_content_memory_file_close(ngx_fd_t file, ngx_log_t *log);

/*
 * Where in the file a byte of a body is, if content_entry_by_pages().  What is
 * sent from there while the record is pinned may be on its way for as long as
 * it takes; nothing else may be sent from the file.
 */
off_t ngx_content_memory_offset(ngx_content_memory_t *memory, u_char *p);

/* For init_process: what an earlier process in this place has left. */
void ngx_content_memory_enter(ngx_content_memory_t *memory);

/* store tells stores apart that have the same keys. */
void ngx_content_memory_key(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey, uint64_t store, ngx_str_t *key);

/*
 * The record, pinned until _unpin(), or NULL.  Its memory may be read only,
 * and not beyond the current event.
 */
content_entry_t *ngx_content_memory_pin(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey);
void ngx_content_memory_unpin(ngx_content_memory_t *memory);

/* Instead: it was found purged, and is counted as a miss. */
void ngx_content_memory_reject(ngx_content_memory_t *memory);

/*
 * Keeps the pinned record beyond the event, until _release(); of a limited
 * number.  Returns NGX_OK with *hold set, or NGX_BUSY: copy what is needed.
 */
ngx_int_t ngx_content_memory_hold(ngx_content_memory_t *memory,
    ngx_uint_t *hold);
void ngx_content_memory_release(ngx_content_memory_t *memory,
    ngx_uint_t hold);

/* The fence of a key, to be taken before storage or Redis is asked. */
ngx_atomic_uint_t ngx_content_memory_fence(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey);

/* Keeps a record for ttl milliseconds, if it can and the fence is the same. */
void ngx_content_memory_put(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey, ngx_atomic_uint_t fence,
    content_str_t head, content_str_t body, ngx_msec_t ttl);

/* No look-up that begins from now on finds what was there. */
void ngx_content_memory_drop(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey);

/* The same for all records. */
void ngx_content_memory_clear(ngx_content_memory_t *memory);

/*
 * Purges by tag or by prefix: what was read before, and has the tag or a key
 * with the prefix, is found purged.  A record notes _purges() when it is kept
 * (the fence refuses it if a purge came in between); who finds another number
 * there asks _purged() with it, and notes the present one.
 */
void ngx_content_memory_purge_tag(ngx_content_memory_t *memory,
    uint64_t store, content_str_t tag);
void ngx_content_memory_purge_prefix(ngx_content_memory_t *memory,
    uint64_t store, content_str_t prefix);
uint32_t ngx_content_memory_purges(ngx_content_memory_t *memory);
ngx_uint_t ngx_content_memory_purged(ngx_content_memory_t *memory,
    uint64_t store, content_str_t key, content_str_t tags, uint32_t since);

/* What all workers have counted, and what the shards hold now. */
void ngx_content_memory_stats(ngx_content_memory_t *memory,
    ngx_content_memory_stats_t *stats);


#endif
