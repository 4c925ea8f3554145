/*
 * A shard of the cache in shared memory: records by key in a bounded piece of
 * memory, with an eviction that a scan can't spoil.
 *
 * Eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache
 * eviction", SOSP 2023): new records enter a small queue (a tenth of the
 * bytes) and move on to the main one only when they are asked for again;
 * records that were evicted from the small queue are remembered by a
 * fingerprint, and enter the main queue when they come back.  A hit only
 * counts, and moves nothing.
 *
 * All positions are offsets: the memory may be mapped anywhere.  No locking:
 * one user at a time.  While somebody else reads a record without being a
 * user (it is pinned), its memory is left alone: the caller tells by a
 * function.
 */

#ifndef CONTENT_SHARD_H
#define CONTENT_SHARD_H

#include "lib/content_arena.h"
#include "lib/content_str.h"


typedef struct content_shard_s  content_shard_t;

/* A record: this, then key, head and body, head and body aligned to 8. */

typedef struct {
    uint32_t       chain;                /* next in the bucket */
    uint32_t       newer;                /* in the queue */
    uint32_t       older;
    uint32_t       hash;
    uint32_t       expires;              /* seconds, of the caller's clock */
    uint32_t       head_len;
    uint32_t       body_len;
    uint16_t       key_len;
    uint8_t        hits;                 /* since it was looked at, 0 .. 3 */
    uint8_t        queue;
} content_entry_t;

/* Whether somebody reads the entry at this moment. */
typedef int (*content_pinned_pt)(void *data, const content_entry_t *entry);

typedef struct {
    uint64_t       entries;
    uint64_t       bytes;                /* that records take */
    uint64_t       size;                 /* that there are for them */
    uint64_t       evicted;
    uint64_t       refused;              /* no room could be made */
} content_shard_stats_t;


#define CONTENT_SHARD_MIN  (64 * 1024)

/* A record of more bytes than that part of the shard is not taken. */
#define CONTENT_SHARD_SHARE  8

/*
 * Makes an empty shard in mem, aligned to 16 bytes; NULL when size is less
 * than CONTENT_SHARD_MIN.
 */
content_shard_t *content_shard_init(void *mem, size_t size);

/* The record of a key, or NULL; a hit is counted. */
content_entry_t *content_shard_find(content_shard_t *shard, uint32_t hash,
    content_str_t key);

/*
 * Makes room for a record, by evicting others, of which it looks at 64 at
 * most: a large record may need thousands.  Returns 0 when that was not
 * enough: call again, when others have had their turn.
 */
int content_shard_room(content_shard_t *shard, size_t key_len,
    size_t head_len, size_t body_len, content_pinned_pt pinned, void *data);

/*
 * A new record, with the key copied and head and body to be filled in by the
 * caller before it stops being the user.  One of the same key is dropped.
 * Others are evicted to make room, as content_shard_room() does it in one
 * call.  Returns NULL when there is no room then, or the record is too large.
 */
content_entry_t *content_shard_insert(content_shard_t *shard, uint32_t hash,
    content_str_t key, size_t head_len, size_t body_len, uint32_t expires,
    content_pinned_pt pinned, void *data);

/* Drops the record of a key.  Returns 1 when there was one. */
int content_shard_remove(content_shard_t *shard, uint32_t hash,
    content_str_t key, content_pinned_pt pinned, void *data);

unsigned char *content_entry_key(content_entry_t *entry);
unsigned char *content_entry_head(content_entry_t *entry);
unsigned char *content_entry_body(content_entry_t *entry);

void content_shard_stats(content_shard_t *shard,
    content_shard_stats_t *stats);


#endif
