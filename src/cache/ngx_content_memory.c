/* The cache in shared memory: see ngx_content_memory.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_memory.h"
#include "lib/content_rules.h"


#define NGX_CONTENT_MEMORY_SHARD   (32 * 1024 * 1024)   /* at least */
#define NGX_CONTENT_MEMORY_SHARDS  64
#define NGX_CONTENT_MEMORY_SPIN    2048
#define NGX_CONTENT_MEMORY_ROUNDS  64        /* to make room for a record */
#define NGX_CONTENT_MEMORY_WAIT    100       /* ms for a lock that must be had */


/* Each on cache lines of its own: workers write there all the time. */

typedef struct {
    ngx_atomic_t            pinned;          /* address of a content_entry_t */
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


static ngx_content_memory_shard_t *ngx_content_memory_shard(
    ngx_content_memory_t *memory, uint32_t hash);
static ngx_content_memory_worker_t *ngx_content_memory_self(
    ngx_content_memory_t *memory);
static ngx_atomic_t *ngx_content_memory_fence_of(
    ngx_content_memory_t *memory, ngx_content_memory_key_t *mkey);
static ngx_int_t ngx_content_memory_room(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, size_t key, size_t head, size_t body);
static ngx_int_t ngx_content_memory_lock(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_uint_t must);
static void ngx_content_memory_unlock(ngx_content_memory_shard_t *s);
static ngx_int_t ngx_content_memory_take_over(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static void ngx_content_memory_reset(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static ngx_uint_t ngx_content_memory_read_in(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static uint32_t ngx_content_memory_purge_begin(ngx_content_memory_t *memory);
static void ngx_content_memory_purge_end(ngx_content_memory_t *memory);
static int ngx_content_memory_pinned(void *data, const content_entry_t *entry);


ngx_content_memory_t *
ngx_content_memory_create(ngx_slab_pool_t *pool, size_t max)
{
    u_char                      *mem;
    size_t                       size, head, least;
    ngx_uint_t                   i, n;
    ngx_content_memory_t        *memory;
    ngx_content_memory_shard_t  *s;

    /* all pages of the zone but a few in one piece */

    size = pool->pfree * ngx_pagesize;
    head = ngx_align(sizeof(ngx_content_memory_t), 4096);

    do {
        size -= ngx_pagesize;
        mem = ngx_slab_alloc(pool, size);
    } while (mem == NULL && size > NGX_CONTENT_MEMORY_MIN / 2);

    if (mem == NULL) {
        return NULL;
    }

    memory = (ngx_content_memory_t *) mem;
    ngx_memzero(memory, sizeof(ngx_content_memory_t));

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
        s->size = (size - head) / n & ~(size_t) 4095;
        s->mem = mem + head + i * s->size;
        s->shard = content_shard_init(s->mem, s->size);

        if (s->shard == NULL) {
            return NULL;
        }
    }

    return memory;
}


void
ngx_content_memory_enter(ngx_content_memory_t *memory)
{
    ngx_atomic_uint_t             places;
    ngx_content_memory_worker_t  *self;

    self = ngx_content_memory_self(memory);

    self->pinned = 0;
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


static ngx_content_memory_shard_t *
ngx_content_memory_shard(ngx_content_memory_t *memory, uint32_t hash)
{
    /* the low bits choose the bucket */

    return &memory->shards[(hash >> 26) & (memory->nshards - 1)];
}


static ngx_content_memory_worker_t *
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
ngx_content_memory_put(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey, ngx_atomic_uint_t fence,
    content_str_t head, content_str_t body, ngx_msec_t ttl)
{
    content_str_t                key;
    content_entry_t             *entry;
    ngx_content_memory_shard_t  *s;

    s = ngx_content_memory_shard(memory, mkey->hash);

    key.data = mkey->data;
    key.len = mkey->len;

    if (ngx_content_memory_room(memory, s, key.len, head.len, body.len)
        != NGX_OK)
    {
        return;
    }

    if (s->emptied) {
        s->emptied = ngx_content_memory_read_in(memory, s);
    }

    /* under the lock: a drop either has moved the fence or will find it */

    if (s->emptied
        || (CONTENT_RULE_FENCE
            && fence != ngx_content_memory_fence(memory, mkey)))
    {
        (void) ngx_atomic_fetch_add(&memory->fenced, 1);

    } else {
        entry = content_shard_insert(s->shard, mkey->hash, key, head.len,
                                     body.len,
                                     (uint32_t) (ngx_current_msec / 1000
                                                 + (ttl + 999) / 1000),
                                     ngx_content_memory_pinned, memory);
        if (entry) {
            ngx_memcpy(content_entry_head(entry), head.data, head.len);
            ngx_memcpy(content_entry_body(entry), body.data, body.len);
            (void) ngx_atomic_fetch_add(&memory->stored, 1);
        }
    }

    ngx_content_memory_unlock(s);
}


/*
 * Returns with the lock held, NGX_OK.  It is let go between the rounds, so
 * that readers do not wait for the eviction of thousands of small records.
 */

static ngx_int_t
ngx_content_memory_room(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, size_t key, size_t head, size_t body)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_MEMORY_ROUNDS; i++) {

        if (ngx_content_memory_lock(memory, s, 0) != NGX_OK) {
            return NGX_BUSY;
        }

        if (content_shard_room(s->shard, key, head, body,
                               ngx_content_memory_pinned, memory))
        {
            return NGX_OK;
        }

        ngx_content_memory_unlock(s);
    }

    return NGX_BUSY;
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

    ngx_content_memory_unlock(s);
}


void
ngx_content_memory_clear(ngx_content_memory_t *memory)
{
    (void) ngx_atomic_fetch_add(&memory->epoch, 1);
}


/*
 * One purge at a time: its number is in the table before it counts, so that
 * nobody notes it who has not seen what it purges.
 */

static uint32_t
ngx_content_memory_purge_begin(ngx_content_memory_t *memory)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  owner;

    for (i = 1; !ngx_atomic_cmp_set(&memory->purging, 0, ngx_pid); i++) {
        ngx_cpu_pause();

        owner = memory->purging;

        if (i % NGX_CONTENT_MEMORY_SPIN == 0 && owner
            && kill((ngx_pid_t) owner, 0) == -1 && ngx_errno == ESRCH
            && ngx_atomic_cmp_set(&memory->purging, owner, ngx_pid))
        {
            break;
        }
    }

    return (uint32_t) memory->purges + 1;
}


static void
ngx_content_memory_purge_end(ngx_content_memory_t *memory)
{
    ngx_memory_barrier();
    memory->purges++;
    ngx_memory_barrier();
    memory->purging = 0;
}


void
ngx_content_memory_purge_tag(ngx_content_memory_t *memory, uint64_t store,
    content_str_t tag)
{
    uint32_t  number;

    number = ngx_content_memory_purge_begin(memory);
    memory->selectors.numbers[content_selector_tag(store, tag)] = number;
    ngx_content_memory_purge_end(memory);
}


void
ngx_content_memory_purge_prefix(ngx_content_memory_t *memory, uint64_t store,
    content_str_t prefix)
{
    uint32_t  number;

    number = ngx_content_memory_purge_begin(memory);
    memory->selectors.numbers[content_selector_prefix(store, prefix)] = number;
    ngx_content_memory_purge_end(memory);
}


uint32_t
ngx_content_memory_purges(ngx_content_memory_t *memory)
{
    return (uint32_t) memory->purges;
}


ngx_uint_t
ngx_content_memory_purged(ngx_content_memory_t *memory, uint64_t store,
    content_str_t key, content_str_t tags, uint32_t since)
{
    return content_selector_purged(&memory->selectors, store, key, tags,
                                   since);
}


/*
 * Locks.  A reader that does not get one soon takes it for a miss; must: a
 * drop waits longer, but not for ever, as the owner may have been stopped.
 */

static ngx_int_t
ngx_content_memory_lock(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_uint_t must)
{
    ngx_uint_t  i, round;

    for (round = 0; ; round++) {
        for (i = 0; i < NGX_CONTENT_MEMORY_SPIN; i++) {
            if (s->lock == 0 && ngx_atomic_cmp_set(&s->lock, 0, ngx_pid)) {
                goto locked;
            }

            ngx_cpu_pause();
        }

        if (ngx_content_memory_take_over(memory, s) == NGX_OK) {
            return NGX_OK;
        }

        if (!must || round > NGX_CONTENT_MEMORY_WAIT) {
            return NGX_BUSY;
        }

        ngx_msleep(1);
    }

locked:

    if (s->distrusted) {
        ngx_content_memory_reset(memory, s);
    }

    return NGX_OK;
}


static void
ngx_content_memory_unlock(ngx_content_memory_shard_t *s)
{
    ngx_memory_barrier();
    s->lock = 0;
}


static ngx_int_t
ngx_content_memory_take_over(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    ngx_atomic_uint_t  owner;

    owner = s->lock;

    if (owner == 0 || kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != ESRCH
        || !ngx_atomic_cmp_set(&s->lock, owner, ngx_pid))
    {
        return NGX_DECLINED;
    }

    ngx_content_memory_reset(memory, s);

    return NGX_OK;
}


/* Empties a shard; the lock is held. */

static void
ngx_content_memory_reset(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    s->emptied = 1;
    s->shard = content_shard_init(s->mem, s->size);
    s->distrusted = 0;

    (void) ngx_atomic_fetch_add(&memory->resets, 1);

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "content: a part of the memory cache was emptied: a worker "
                  "had died or was stopped while it changed it");
}


static ngx_uint_t
ngx_content_memory_read_in(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    u_char                       *p;
    ngx_uint_t                    i, n;
    ngx_content_memory_worker_t  *w;

    for (i = 0; i < memory->places; i++) {
        w = &memory->workers[i];
        p = (u_char *) w->pinned;

        for (n = 0; ; n++) {
            if (p >= s->mem && p < s->mem + s->size) {
                return 1;
            }

            if (n == NGX_CONTENT_MEMORY_HOLDS) {
                break;
            }

            p = (u_char *) w->holds[n];
        }
    }

    return 0;
}


static int
ngx_content_memory_pinned(void *data, const content_entry_t *entry)
{
    ngx_content_memory_t *memory = data;

    ngx_uint_t                    i, n;
    ngx_content_memory_worker_t  *w;

    for (i = 0; i < memory->places; i++) {
        w = &memory->workers[i];

        if (w->pinned == (ngx_atomic_uint_t) entry) {
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
