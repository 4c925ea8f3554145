/* The cache in shared memory: see ngx_content_memory.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_memory_shared.h"


#define NGX_CONTENT_MEMORY_SHARD   (32 * 1024 * 1024)   /* at least */


static ngx_int_t ngx_content_memory_shards(ngx_content_memory_t *memory,
    size_t size, size_t max);
static ngx_atomic_t *ngx_content_memory_fence_of(
    ngx_content_memory_t *memory, ngx_content_memory_key_t *mkey);


ngx_content_memory_t *
ngx_content_memory_create(ngx_slab_pool_t *pool, size_t max, ngx_fd_t *file,
    ngx_log_t *log)
{
    u_char                *mem;
    size_t                 size;
    ngx_content_memory_t  *memory;

    /* all pages of the zone but a few in one piece */

    size = pool->pfree * ngx_pagesize;

    do {
        size -= ngx_pagesize;
        mem = ngx_slab_alloc(pool, size);
    } while (mem == NULL && size > NGX_CONTENT_MEMORY_MIN / 2);

    if (mem == NULL
        || ngx_content_memory_file(mem, size, file, log) != NGX_OK)
    {
        return NULL;
    }

    memory = (ngx_content_memory_t *) mem;
    ngx_memzero(memory, sizeof(ngx_content_memory_t));

    memory->by_file = (*file != NGX_INVALID_FILE);

    return ngx_content_memory_shards(memory, size, max) == NGX_OK ? memory
                                                                  : NULL;
}


static ngx_int_t
ngx_content_memory_shards(ngx_content_memory_t *memory, size_t size,
    size_t max)
{
    size_t                       head, least;
    ngx_uint_t                   i, n;
    ngx_content_memory_shard_t  *s;

    head = ngx_align(sizeof(ngx_content_memory_t), CONTENT_ARENA_PAGE);

    /* a shard takes records of a part of its size only */

    least = ngx_max(NGX_CONTENT_MEMORY_SHARD, 2 * CONTENT_SHARD_SHARE * max);

    for (n = 1;
         n < NGX_CONTENT_MEMORY_SHARDS && (size - head) / (n * 2) >= least;
         n *= 2)
    {
        /* void */
    }

    memory->nshards = n;

    for (i = 0; i < n; i++) {
        s = &memory->shards[i];
        s->size = (size - head) / n & ~(size_t) (CONTENT_ARENA_PAGE - 1);
        s->mem = (u_char *) memory + head + i * s->size;
        s->shard = content_shard_init(s->mem, s->size);

        if (s->shard == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_content_memory_enter(ngx_content_memory_t *memory)
{
    ngx_atomic_uint_t             places;
    ngx_content_memory_worker_t  *self;

    self = ngx_content_memory_self(memory);

    self->pinned = 0;
    self->working = 0;
    ngx_memzero((void *) self->holds, sizeof(self->holds));

    do {
        places = memory->places;

        if (places > (ngx_atomic_uint_t) ngx_process_slot) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&memory->places, places,
                                 ngx_process_slot + 1));
}


/* The epoch is part of every key: a new one hides all records at once. */

void
ngx_content_memory_key(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey, uint64_t store, ngx_str_t *key)
{
    uint32_t  epoch;

    epoch = (uint32_t) memory->epoch;

    ngx_memcpy(mkey->data, &epoch, 4);
    ngx_memcpy(mkey->data + 4, &store, 8);
    ngx_memcpy(mkey->data + 12, key->data, key->len);

    mkey->len = key->len + 12;
    mkey->hash = ngx_murmur_hash2(mkey->data, mkey->len);
}


ngx_content_memory_shard_t *
ngx_content_memory_shard(ngx_content_memory_t *memory, uint32_t hash)
{
    /* the low bits choose the bucket */

    return &memory->shards[(hash >> 26) & (memory->nshards - 1)];
}


ngx_content_memory_worker_t *
ngx_content_memory_self(ngx_content_memory_t *memory)
{
    return &memory->workers[ngx_process_slot];
}


content_entry_t *
ngx_content_memory_pin(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey)
{
    content_str_t                 key;
    content_entry_t              *entry;
    ngx_content_memory_shard_t   *s;
    ngx_content_memory_worker_t  *self;

    s = ngx_content_memory_shard(memory, mkey->hash);
    self = ngx_content_memory_self(memory);
    entry = NULL;

    key.data = mkey->data;
    key.len = mkey->len;

    if (ngx_content_memory_lock(memory, s, 0) == NGX_OK) {
        entry = content_shard_find(s->shard, mkey->hash, key);

        if (entry && (int32_t) (entry->expires
                                - (uint32_t) (ngx_current_msec / 1000)) <= 0)
        {
            entry = NULL;
        }

        if (entry) {
            self->pinned = (ngx_atomic_uint_t) entry;
        }

        ngx_content_memory_unlock(s);
    }

    if (entry) {
        self->hits++;

    } else {
        self->misses++;
    }

    return entry;
}


void
ngx_content_memory_unpin(ngx_content_memory_t *memory)
{
    ngx_memory_barrier();
    ngx_content_memory_self(memory)->pinned = 0;
}


void
ngx_content_memory_reject(ngx_content_memory_t *memory)
{
    ngx_content_memory_worker_t  *self;

    ngx_content_memory_unpin(memory);

    self = ngx_content_memory_self(memory);
    self->hits--;
    self->misses++;
}


ngx_int_t
ngx_content_memory_hold(ngx_content_memory_t *memory, ngx_uint_t *hold)
{
    ngx_uint_t                    i, n;
    ngx_content_memory_worker_t  *self;

    self = ngx_content_memory_self(memory);

    for (i = 1; i <= NGX_CONTENT_MEMORY_HOLDS; i++) {
        n = (self->last + i) % NGX_CONTENT_MEMORY_HOLDS;

        if (self->holds[n] == 0) {
            self->holds[n] = self->pinned;
            self->last = n;
            *hold = n;
            return NGX_OK;
        }
    }

    return NGX_BUSY;
}


void
ngx_content_memory_release(ngx_content_memory_t *memory, ngx_uint_t hold)
{
    ngx_memory_barrier();
    ngx_content_memory_self(memory)->holds[hold] = 0;
}


/* All only grow: a key's place, which is the same in all epochs. */

ngx_atomic_uint_t
ngx_content_memory_fence(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey)
{
    return memory->epoch + memory->purges
           + *ngx_content_memory_fence_of(memory, mkey);
}


static ngx_atomic_t *
ngx_content_memory_fence_of(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey)
{
    uint32_t  hash;

    hash = ngx_murmur_hash2(mkey->data + 4, mkey->len - 4);

    return &memory->fences[hash % NGX_CONTENT_MEMORY_FENCES];
}


void
ngx_content_memory_drop(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey)
{
    content_str_t                key;
    ngx_content_memory_shard_t  *s;

    s = ngx_content_memory_shard(memory, mkey->hash);

    key.data = mkey->data;
    key.len = mkey->len;

    (void) ngx_atomic_fetch_add(ngx_content_memory_fence_of(memory, mkey), 1);

    if (ngx_content_memory_lock(memory, s, 1) != NGX_OK) {

        /* nobody uses the shard before it was emptied */

        s->distrusted = 1;
        return;
    }

    (void) content_shard_remove(s->shard, mkey->hash, key,
                                ngx_content_memory_pinned, memory);

    ngx_content_memory_unlock_spent(memory, s);
}


void
ngx_content_memory_clear(ngx_content_memory_t *memory)
{
    (void) ngx_atomic_fetch_add(&memory->epoch, 1);
}


int
ngx_content_memory_pinned(void *data, const content_entry_t *entry)
{
    ngx_content_memory_t *memory = data;

    ngx_uint_t                    i, n;
    ngx_content_memory_worker_t  *w;

    for (i = 0; i < memory->places; i++) {
        w = &memory->workers[i];

        if (w->pinned == (ngx_atomic_uint_t) entry
            || w->working == (ngx_atomic_uint_t) entry)
        {
            return 1;
        }

        for (n = 0; n < NGX_CONTENT_MEMORY_HOLDS; n++) {
            if (w->holds[n] == (ngx_atomic_uint_t) entry) {
                return 1;
            }
        }
    }

    return 0;
}


void
ngx_content_memory_stats(ngx_content_memory_t *memory,
    ngx_content_memory_stats_t *stats)
{
    ngx_uint_t                   i, n;
    content_shard_stats_t        one;
    ngx_content_memory_shard_t  *s;

    ngx_memzero(stats, sizeof(ngx_content_memory_stats_t));

    stats->stored = memory->stored;
    stats->fenced = memory->fenced;
    stats->resets = memory->resets;

    for (i = 0; i < memory->places; i++) {
        stats->hits += memory->workers[i].hits;
        stats->misses += memory->workers[i].misses;

        for (n = 0; n < NGX_CONTENT_MEMORY_HOLDS; n++) {
            stats->held += (memory->workers[i].holds[n] != 0);
        }
    }

    for (i = 0; i < memory->nshards; i++) {
        s = &memory->shards[i];

        if (ngx_content_memory_lock(memory, s, 0) != NGX_OK) {
            continue;
        }

        content_shard_stats(s->shard, &one);
        ngx_content_memory_unlock(s);

        stats->shards.entries += one.entries;
        stats->shards.bytes += one.bytes;
        stats->shards.size += one.size;
        stats->shards.evicted += one.evicted;
        stats->shards.refused += one.refused;
    }
}
