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
 * All positions are offsets: the memory may be mapped anywhere, at the
 * beginning of a page.  No locking: one user at a time.  While somebody else
 * reads a record, or fills it, without being a user (it is pinned), its memory
 * is left alone: the caller tells by a function.
 *
 * A large body has whole pages of its own, so that it can be sent from them
 * without a copy, once the record is asked for often.  The pages may then be on
 * their way to a client when nobody has the record pinned any more.  So when
 * such a record has been dropped, its memory is not used again before the
 * caller has seen to its pages: content_shard_spent(), content_shard_free().
 */

#ifndef CONTENT_SHARD_H
#define CONTENT_SHARD_H

#include "lib/content_arena.h"
#include "lib/content_str.h"


typedef struct content_shard_s  content_shard_t;

/*
 * A record: this, then key, head and body, head and body aligned to 8, a large
 * body to a page.
 */

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
    uint8_t        queue : 7;
    uint8_t        often : 1;            /* found often, at some time */
} content_entry_t;

/* Whether somebody reads or fills the entry at this moment. */
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
 * Bytes of a body, from which on it is a large one.  Measured on loopback, in
 * processor time of the sender: sendfile() takes 0.6 times what a copy takes at
 * 128 KiB, 0.8 at 96 KiB; at 64 KiB they are equal, and above no size was
 * found where the copy takes less.
 */
#define CONTENT_SHARD_LARGE  (96 * 1024)

/*
 * Makes an empty shard in mem, aligned to a page (to 16 bytes, if there are to
 * be no large bodies); NULL when size is less than CONTENT_SHARD_MIN.
 */
content_shard_t *content_shard_init(void *mem, size_t size);

/* The record of a key, or NULL; a hit is counted. */
content_entry_t *content_shard_find(content_shard_t *shard, uint32_t hash,
    content_str_t key);

/*
 * A new record that nobody finds yet, with the key copied; one of the same key
 * is dropped.  It is the caller's, who fills in head and body, as somebody who
 * has it pinned; then come content_shard_publish(), or nothing: it is gone when
 * it is not pinned any more.
 *
 * Room is made by evicting others, of which it looks at 64 at most.  NULL:
 * there is no room, or the record is too large; with *again set: call again,
 * when others have had their turn, and after content_shard_spent().
 */
content_entry_t *content_shard_reserve(content_shard_t *shard, uint32_t hash,
    content_str_t key, size_t head_len, size_t body_len, uint32_t expires,
    content_pinned_pt pinned, void *data, int *again);

/* It is found from now on, in place of any other of the key. */
void content_shard_publish(content_shard_t *shard, content_entry_t *entry,
    content_pinned_pt pinned, void *data);

/*
 * A dropped record that is not pinned and whose body may have been sent from
 * its pages: the caller pins it, sees to the pages, and frees it.  NULL: there
 * is none.
 */
content_entry_t *content_shard_spent(content_shard_t *shard,
    content_pinned_pt pinned, void *data);
void content_shard_free(content_shard_t *shard, content_entry_t *entry);

/* Drops the record of a key.  Returns 1 when there was one. */
int content_shard_remove(content_shard_t *shard, uint32_t hash,
    content_str_t key, content_pinned_pt pinned, void *data);

unsigned char *content_entry_key(content_entry_t *entry);
unsigned char *content_entry_head(content_entry_t *entry);
unsigned char *content_entry_body(content_entry_t *entry);

/* Bytes of the body's own pages; 0: it has none. */
size_t content_entry_pages(const content_entry_t *entry);

/*
 * Whether the body of a pinned record may be sent from its pages.  Not before
 * the record was found three times: new pages for whatever comes there next
 * cost more than a few copies.
 */
int content_entry_by_pages(const content_entry_t *entry);

void content_shard_stats(content_shard_t *shard,
    content_shard_stats_t *stats);


#endif
