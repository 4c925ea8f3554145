/*
 * What the tests of a shard have in common: records that are made from a
 * number, and who reads them.
 */

#ifndef SHARD_H
#define SHARD_H

#include "lib/content_shard.h"
#include "rows.h"


#define SIZE     (1024 * 1024)
#define PINS     16


/* Who reads what, at most PINS at once. */

typedef struct {
    const content_entry_t  *entries[PINS];
    unsigned                asked;
} pins_t;


static inline int
is_pinned(void *data, const content_entry_t *entry)
{
    unsigned   i;
    pins_t    *pins = data;

    pins->asked++;

    for (i = 0; i < PINS; i++) {
        if (pins->entries[i] == entry) {
            return 1;
        }
    }

    return 0;
}


static pins_t  nobody;                   /* none is read */


/* Records are made from a number: key, bytes and lengths. */

static uint32_t
hash_of(uint32_t n)
{
    n ^= n >> 16;
    n *= 0x7feb352d;
    n ^= n >> 15;
    n *= 0x846ca68b;

    return n ^ (n >> 16);
}


static inline content_str_t
key_of(uint32_t n, char *buf)
{
    content_str_t  key;

    key.len = (size_t) sprintf(buf, "/key/%08x", n);
    key.data = (unsigned char *) buf;

    return key;
}


static unsigned char
byte_of(uint32_t n, size_t i, int body)
{
    return (unsigned char) (n * 7 + i * 13 + (size_t) body);
}


static inline content_shard_t *
create(size_t size)
{
    void             *mem;
    content_shard_t  *shard;

    /* exactly: ASan guards the bounds */

    mem = aligned_alloc(CONTENT_ARENA_PAGE, size);
    assert_non_null(mem);
    memset(mem, 0xaa, size);

    shard = content_shard_init(mem, size);
    assert_ptr_equal(shard, mem);

    memset(&nobody, 0, sizeof(nobody));

    return shard;
}


/* As the memory cache does it: in rounds, with others between them. */

static inline content_entry_t *
insert(content_shard_t *shard, uint32_t hash, content_str_t key, size_t head,
    size_t body, uint32_t expires, pins_t *pins)
{
    int               i, again;
    content_entry_t  *e, *spent;

    for (i = 0; i < 64; i++) {
        e = content_shard_reserve(shard, hash, key, head, body, expires,
                                  is_pinned, pins, &again);
        if (e) {
            content_shard_publish(shard, e, is_pinned, pins);
            return e;
        }

        if (!again) {
            return NULL;
        }

        spent = content_shard_spent(shard, is_pinned, pins);

        if (spent) {

            /* as other pages, which are empty */

            memset(content_entry_body(spent), 0, content_entry_pages(spent));
            content_shard_free(shard, spent);
        }
    }

    return NULL;
}


static inline content_entry_t *
put(content_shard_t *shard, uint32_t n, size_t head, size_t body,
    pins_t *pins)
{
    char              buf[32];
    size_t            i;
    content_entry_t  *e;

    e = insert(shard, hash_of(n), key_of(n, buf), head, body, n + 1, pins);
    if (e == NULL) {
        return NULL;
    }

    for (i = 0; i < head; i++) {
        content_entry_head(e)[i] = byte_of(n, i, 0);
    }

    for (i = 0; i < body; i++) {
        content_entry_body(e)[i] = byte_of(n, i, 1);
    }

    return e;
}


static inline void
check(content_entry_t *e, uint32_t n, size_t head, size_t body)
{
    char           buf[32];
    size_t         i;
    content_str_t  key;

    key = key_of(n, buf);

    assert_int_equal(e->hash, hash_of(n));
    assert_int_equal(e->expires, n + 1);
    assert_int_equal(e->key_len, key.len);
    assert_int_equal(e->head_len, head);
    assert_int_equal(e->body_len, body);
    assert_int_equal((uintptr_t) content_entry_head(e) % 8, 0);
    assert_int_equal((uintptr_t) content_entry_body(e) % 8, 0);
    assert_memory_equal(content_entry_key(e), key.data, key.len);

    for (i = 0; i < head; i++) {
        assert_int_equal(content_entry_head(e)[i], byte_of(n, i, 0));
    }

    for (i = 0; i < body; i++) {
        assert_int_equal(content_entry_body(e)[i], byte_of(n, i, 1));
    }
}


static inline content_entry_t *
find(content_shard_t *shard, uint32_t n)
{
    char  buf[32];

    return content_shard_find(shard, hash_of(n), key_of(n, buf));
}


static inline int
take(content_shard_t *shard, uint32_t n, pins_t *pins)
{
    char  buf[32];

    return content_shard_remove(shard, hash_of(n), key_of(n, buf), is_pinned,
                                pins);
}


static inline content_shard_stats_t
stats_of(content_shard_t *shard)
{
    content_shard_stats_t  stats;

    content_shard_stats(shard, &stats);
    assert_true(stats.bytes <= stats.size);

    return stats;
}


#endif
