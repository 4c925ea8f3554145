/* A shard of the shared memory cache: see content_shard.h. */

#include <string.h>

#include "lib/content_shard.h"


#define BYTES_PER_BUCKET  256
#define HITS_MAX          3
#define LOOKS             64             /* at records, in one call */

enum { SMALL = 0, MAIN, DROPPED, QUEUES };


/*
 * From the oldest to the newest.  DROPPED: nobody finds them, but their memory
 * is in use: pinned, being filled, or spent.
 */

typedef struct {
    uint32_t          oldest;
    uint32_t          newest;
    uint64_t          bytes;
    uint64_t          entries;
} queue_t;


struct content_shard_s {
    uint32_t          mask;              /* of buckets, and of ghosts */
    uint32_t          arena;             /* offsets from the shard, bytes */
    uint32_t          buckets;
    uint32_t          ghosts;
    uint64_t          evicted;
    uint64_t          refused;
    queue_t           queues[QUEUES];
};


static size_t
align8(size_t n)
{
    return (n + 7) & ~(size_t) 7;
}


static content_arena_t *
arena_of(content_shard_t *shard)
{
    return (content_arena_t *) ((unsigned char *) shard + shard->arena);
}


static uint32_t *
bucket_of(content_shard_t *shard, uint32_t hash)
{
    return (uint32_t *) ((unsigned char *) shard + shard->buckets)
           + (hash & shard->mask);
}


/* The fingerprint of what was evicted last from this place. */

static uint32_t *
ghost_of(content_shard_t *shard, uint32_t hash)
{
    return (uint32_t *) ((unsigned char *) shard + shard->ghosts)
           + (hash & (shard->mask >> 2));
}


static content_entry_t *
entry_at(content_shard_t *shard, uint32_t block)
{
    return content_arena_at(arena_of(shard), block);
}


content_shard_t *
content_shard_init(void *mem, size_t size)
{
    size_t            n, used;
    content_shard_t  *shard;

    if (size < CONTENT_SHARD_MIN) {
        return NULL;
    }

    for (n = 64; n * 2 * BYTES_PER_BUCKET <= size && n < (1u << 28); n *= 2) {
        /* void */
    }

    shard = mem;
    memset(shard, 0, sizeof(content_shard_t));

    shard->mask = (uint32_t) n - 1;

    used = (sizeof(content_shard_t) + 63) & ~(size_t) 63;
    shard->buckets = (uint32_t) used;
    used += n * sizeof(uint32_t);
    shard->ghosts = (uint32_t) used;
    used += n / 4 * sizeof(uint32_t);

    memset((unsigned char *) mem + shard->buckets, 0, used - shard->buckets);

    used = (used + 63) & ~(size_t) 63;
    shard->arena = (uint32_t) used;

    if (content_arena_init((unsigned char *) mem + used, size - used) == NULL)
    {
        return NULL;
    }

    return shard;
}


/* Queues. */

static void
enqueue(content_shard_t *shard, uint32_t block, uint8_t which)
{
    queue_t          *q;
    content_entry_t  *e;

    q = &shard->queues[which];
    e = entry_at(shard, block);

    e->queue = which;
    e->newer = CONTENT_ARENA_NONE;
    e->older = q->newest;

    if (q->newest) {
        entry_at(shard, q->newest)->newer = block;

    } else {
        q->oldest = block;
    }

    q->newest = block;
    q->bytes += content_arena_taken(arena_of(shard), block);
    q->entries++;
}


static void
dequeue(content_shard_t *shard, uint32_t block)
{
    queue_t          *q;
    content_entry_t  *e;

    e = entry_at(shard, block);
    q = &shard->queues[e->queue];

    if (e->older) {
        entry_at(shard, e->older)->newer = e->newer;

    } else {
        q->oldest = e->newer;
    }

    if (e->newer) {
        entry_at(shard, e->newer)->older = e->older;

    } else {
        q->newest = e->older;
    }

    q->bytes -= content_arena_taken(arena_of(shard), block);
    q->entries--;
}


/* Takes an entry out of its bucket: nobody finds it any more. */

static void
unlink_entry(content_shard_t *shard, uint32_t block)
{
    uint32_t  *link;

    for (link = bucket_of(shard, entry_at(shard, block)->hash);
         *link != block;
         link = &entry_at(shard, *link)->chain)
    {
        /* void */
    }

    *link = entry_at(shard, block)->chain;
}


/* Returns 1 when the record is spent now. */

static int
drop(content_shard_t *shard, uint32_t block, content_pinned_pt pinned,
    void *data)
{
    int               used;
    content_entry_t  *e;

    unlink_entry(shard, block);
    dequeue(shard, block);

    e = entry_at(shard, block);
    used = pinned(data, e);

    if (used || content_entry_by_pages(e)) {
        enqueue(shard, block, DROPPED);
        return !used;
    }

    content_arena_free(arena_of(shard), block);

    return 0;
}


/* Frees on the way what was pinned when it was dropped. */

content_entry_t *
content_shard_spent(content_shard_t *shard, content_pinned_pt pinned,
    void *data)
{
    uint32_t          block, next;
    content_entry_t  *e;

    for (block = shard->queues[DROPPED].oldest; block; block = next) {
        e = entry_at(shard, block);
        next = e->newer;

        if (pinned(data, e)) {
            continue;
        }

        if (content_entry_by_pages(e)) {
            return e;
        }

        content_shard_free(shard, e);
    }

    return NULL;
}


void
content_shard_free(content_shard_t *shard, content_entry_t *entry)
{
    uint32_t  block;

    block = content_arena_block(arena_of(shard), entry);

    dequeue(shard, block);
    content_arena_free(arena_of(shard), block);
}


/*
 * Looks at one record: evicts it, or gives it another round.  Returns 1 when it
 * is spent now.
 */

static int
evict(content_shard_t *shard, content_pinned_pt pinned, void *data)
{
    uint32_t          block;
    queue_t          *small, *large;
    content_entry_t  *e;

    small = &shard->queues[SMALL];
    large = &shard->queues[MAIN];

    if (small->oldest
        && (small->bytes >= content_arena_size(arena_of(shard)) / 10
            || large->oldest == CONTENT_ARENA_NONE))
    {
        block = small->oldest;
        e = entry_at(shard, block);

        if (e->hits > 0) {
            dequeue(shard, block);
            e->hits = 0;
            enqueue(shard, block, MAIN);
            return 0;
        }

        *ghost_of(shard, e->hash) = e->hash;

    } else {
        block = large->oldest;
        e = entry_at(shard, block);

        if (e->hits > 0) {
            dequeue(shard, block);
            e->hits--;
            enqueue(shard, block, MAIN);
            return 0;
        }
    }

    shard->evicted++;

    return drop(shard, block, pinned, data);
}


static uint32_t
alloc(content_shard_t *shard, size_t before, size_t body_len)
{
    return body_len < CONTENT_SHARD_LARGE
           ? content_arena_alloc(arena_of(shard), before + body_len)
           : content_arena_alloc_pages(arena_of(shard), before, body_len);
}


/*
 * A block, or NONE after LOOKS records; *more: something is left to do.  What is
 * spent comes before what is of use.
 */

static uint32_t
make_room(content_shard_t *shard, size_t before, size_t body_len, int spent,
    content_pinned_pt pinned, void *data, int *more)
{
    uint32_t  block, looks;

    *more = 1;

    for (looks = 0; looks < LOOKS; looks++) {
        block = alloc(shard, before, body_len);

        if (block || spent) {
            return block;
        }

        if (shard->queues[SMALL].oldest == CONTENT_ARENA_NONE
            && shard->queues[MAIN].oldest == CONTENT_ARENA_NONE)
        {
            *more = 0;
            return CONTENT_ARENA_NONE;
        }

        spent = evict(shard, pinned, data);
    }

    return CONTENT_ARENA_NONE;
}


/* Records. */

static uint32_t
find_block(content_shard_t *shard, uint32_t hash, content_str_t key)
{
    uint32_t          block;
    content_entry_t  *e;

    for (block = *bucket_of(shard, hash); block; block = e->chain) {
        e = entry_at(shard, block);

        if (e->hash == hash && e->key_len == key.len
            && memcmp(content_entry_key(e), key.data, key.len) == 0)
        {
            return block;
        }
    }

    return CONTENT_ARENA_NONE;
}


content_entry_t *
content_shard_find(content_shard_t *shard, uint32_t hash, content_str_t key)
{
    uint32_t          block;
    content_entry_t  *e;

    block = find_block(shard, hash, key);

    if (block == CONTENT_ARENA_NONE) {
        return NULL;
    }

    e = entry_at(shard, block);

    if (e->hits < HITS_MAX) {
        e->hits++;
        e->often |= (e->hits == HITS_MAX);
    }

    return e;
}


/* Bytes of a record that come before its body. */

static size_t
before_body(size_t key_len, size_t head_len)
{
    return sizeof(content_entry_t) + align8(key_len) + align8(head_len);
}


static int
fits(content_shard_t *shard, size_t key_len, size_t head_len, size_t body_len)
{
    size_t  most;

    most = content_arena_size(arena_of(shard)) / CONTENT_SHARD_SHARE;

    return key_len <= UINT16_MAX && head_len <= most && body_len <= most
           && before_body(key_len, head_len) + body_len <= most;
}


content_entry_t *
content_shard_reserve(content_shard_t *shard, uint32_t hash,
    content_str_t key, size_t head_len, size_t body_len, uint32_t expires,
    content_pinned_pt pinned, void *data, int *again)
{
    int               spent;
    uint32_t          block;
    content_entry_t  *e;

    (void) content_shard_remove(shard, hash, key, pinned, data);

    *again = 0;
    block = CONTENT_ARENA_NONE;
    spent = content_shard_spent(shard, pinned, data) != NULL;

    if (fits(shard, key.len, head_len, body_len)) {
        block = make_room(shard, before_body(key.len, head_len), body_len,
                          spent, pinned, data, again);
    }

    if (block == CONTENT_ARENA_NONE) {
        shard->refused += !*again;
        return NULL;
    }

    e = entry_at(shard, block);
    e->hash = hash;
    e->expires = expires;
    e->key_len = (uint16_t) key.len;
    e->head_len = (uint32_t) head_len;
    e->body_len = (uint32_t) body_len;
    e->hits = 0;
    e->often = 0;

    memcpy(content_entry_key(e), key.data, key.len);

    enqueue(shard, block, DROPPED);

    return e;
}


void
content_shard_publish(content_shard_t *shard, content_entry_t *entry,
    content_pinned_pt pinned, void *data)
{
    uint32_t        block, *ghost;
    content_str_t   key;

    key.data = content_entry_key(entry);
    key.len = entry->key_len;

    (void) content_shard_remove(shard, entry->hash, key, pinned, data);

    block = content_arena_block(arena_of(shard), entry);
    dequeue(shard, block);

    entry->chain = *bucket_of(shard, entry->hash);
    *bucket_of(shard, entry->hash) = block;

    ghost = ghost_of(shard, entry->hash);

    if (*ghost == entry->hash) {
        *ghost = 0;
        enqueue(shard, block, MAIN);

    } else {
        enqueue(shard, block, SMALL);
    }
}


int
content_shard_remove(content_shard_t *shard, uint32_t hash,
    content_str_t key, content_pinned_pt pinned, void *data)
{
    uint32_t  block;

    block = find_block(shard, hash, key);

    if (block == CONTENT_ARENA_NONE) {
        return 0;
    }

    (void) drop(shard, block, pinned, data);

    return 1;
}


unsigned char *
content_entry_key(content_entry_t *entry)
{
    return (unsigned char *) (entry + 1);
}


unsigned char *
content_entry_head(content_entry_t *entry)
{
    return content_entry_key(entry) + align8(entry->key_len);
}


unsigned char *
content_entry_body(content_entry_t *entry)
{
    unsigned char  *p;

    p = content_entry_head(entry) + align8(entry->head_len);

    return entry->body_len < CONTENT_SHARD_LARGE
           ? p : p + (0 - (uintptr_t) p) % CONTENT_ARENA_PAGE;
}


size_t
content_entry_pages(const content_entry_t *entry)
{
    return entry->body_len < CONTENT_SHARD_LARGE
           ? 0 : ((size_t) entry->body_len + CONTENT_ARENA_PAGE - 1)
                 / CONTENT_ARENA_PAGE * CONTENT_ARENA_PAGE;
}


int
content_entry_by_pages(const content_entry_t *entry)
{
    return entry->often && entry->body_len >= CONTENT_SHARD_LARGE;
}


void
content_shard_stats(content_shard_t *shard, content_shard_stats_t *stats)
{
    stats->entries = shard->queues[SMALL].entries
                     + shard->queues[MAIN].entries;
    stats->bytes = content_arena_used(arena_of(shard));
    stats->size = content_arena_size(arena_of(shard));
    stats->evicted = shard->evicted;
    stats->refused = shard->refused;
}
