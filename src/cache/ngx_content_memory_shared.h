/*
 * Between the files of the memory cache (ngx_content_memory.h): what lies in
 * its zone, and the locks.
 */

#ifndef NGX_CONTENT_MEMORY_SHARED_H
#define NGX_CONTENT_MEMORY_SHARED_H

#include "cache/ngx_content_memory.h"


#define NGX_CONTENT_MEMORY_SHARDS  64
#define NGX_CONTENT_MEMORY_SPIN    2048


/* Each on cache lines of its own: workers write there all the time. */

typedef struct {
    ngx_atomic_t            pinned;          /* address of a content_entry_t */
    ngx_atomic_t            working;         /* one that it fills, or whose
                                                pages it gives up */
    ngx_atomic_t            hits;
    ngx_atomic_t            misses;
    ngx_atomic_t            last;            /* hold that was taken */
    ngx_atomic_t            holds[NGX_CONTENT_MEMORY_HOLDS];
} ngx_content_memory_worker_t;

typedef struct {
    ngx_atomic_t            lock;            /* pid of the owner, or 0 */
    ngx_atomic_t            distrusted;      /* a drop could not be done */
    ngx_atomic_t            emptied;         /* not filled again while some
                                                reader still has a pin */
    u_char                 *mem;
    size_t                  size;
    content_shard_t        *shard;
    u_char                  pad[64 - 6 * sizeof(ngx_atomic_t)];
} ngx_content_memory_shard_t;

struct ngx_content_memory_s {
    ngx_uint_t              nshards;         /* a power of two */
    ngx_uint_t              by_file;         /* its pages are those of a file */
    ngx_atomic_t            epoch;
    ngx_atomic_t            stored;
    ngx_atomic_t            fenced;
    ngx_atomic_t            resets;
    ngx_atomic_t            places;          /* of workers, in use at most */
    ngx_atomic_t            purges;          /* by selectors, so far */
    ngx_atomic_t            purging;         /* pid of who counts one, or 0 */
    content_selectors_t     selectors;
    ngx_atomic_t            fences[NGX_CONTENT_MEMORY_FENCES];

    ngx_content_memory_shard_t   shards[NGX_CONTENT_MEMORY_SHARDS];
    ngx_content_memory_worker_t  workers[NGX_MAX_PROCESSES];
};


ngx_content_memory_shard_t *ngx_content_memory_shard(
    ngx_content_memory_t *memory, uint32_t hash);
ngx_content_memory_worker_t *ngx_content_memory_self(
    ngx_content_memory_t *memory);

/* For lib/content_shard.h: whether some worker has the entry. */
int ngx_content_memory_pinned(void *data, const content_entry_t *entry);

/* must: wait for it.  Returns NGX_OK or NGX_BUSY; s is then whole. */
ngx_int_t ngx_content_memory_lock(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_uint_t must);
void ngx_content_memory_unlock(ngx_content_memory_shard_t *s);

/* With the lock: whether records may be put into it. */
ngx_uint_t ngx_content_memory_usable(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);

/* Instead of _unlock(): makes a spent record's memory usable, if there is one. */
void ngx_content_memory_unlock_spent(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);

/*
 * Gives whole pages up: they are empty now, and whoever was given the old ones
 * to send goes on having these as they were.  NGX_ERROR is logged.
 */
ngx_int_t ngx_content_memory_discard(ngx_content_memory_t *memory,
    u_char *pages, size_t size);


#endif
