/*
 * A shard of the shared memory cache: what is found, what makes room, what is
 * left alone while somebody reads it, and how well it chooses, beside plain
 * simulations of S3-FIFO and of LRU.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "lib/content_shard.h"


#define N(rows)  (sizeof(rows) / sizeof(rows[0]))

#define SIZE     (1024 * 1024)
#define PINS     16


/* Who reads what, at most PINS at once. */

typedef struct {
    const content_entry_t  *entries[PINS];
    unsigned                asked;
} pins_t;


static int
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


static pins_t  nobody;


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


static content_str_t
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


static content_shard_t *
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

static content_entry_t *
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


static content_entry_t *
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


static void
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


static content_entry_t *
find(content_shard_t *shard, uint32_t n)
{
    char  buf[32];

    return content_shard_find(shard, hash_of(n), key_of(n, buf));
}


static int
take(content_shard_t *shard, uint32_t n, pins_t *pins)
{
    char  buf[32];

    return content_shard_remove(shard, hash_of(n), key_of(n, buf), is_pinned,
                                pins);
}


static content_shard_stats_t
stats_of(content_shard_t *shard)
{
    content_shard_stats_t  stats;

    content_shard_stats(shard, &stats);
    assert_true(stats.bytes <= stats.size);

    return stats;
}


/* Records */

static void
sizes(void **state)
{
    void  *mem;

    (void) state;

    mem = aligned_alloc(16, CONTENT_SHARD_MIN);
    assert_non_null(mem);
    assert_null(content_shard_init(mem, 0));
    assert_null(content_shard_init(mem, CONTENT_SHARD_MIN - 1));
    assert_non_null(content_shard_init(mem, CONTENT_SHARD_MIN));
    free(mem);
}


static void
find_what_was_inserted(void **state)
{
    size_t            i;
    content_shard_t  *shard;

    static const struct {
        size_t        head;
        size_t        body;
    } rows[] = {
        { 0, 0 }, { 1, 0 }, { 0, 1 }, { 7, 9 }, { 8, 8 }, { 300, 65536 },
        { 200, 1 }, { 15, 131 }
    };

    (void) state;

    shard = create(SIZE);

    for (i = 0; i < N(rows); i++) {
        assert_null(find(shard, (uint32_t) i));
        assert_non_null(put(shard, (uint32_t) i, rows[i].head, rows[i].body,
                            &nobody));
    }

    for (i = 0; i < N(rows); i++) {
        assert_non_null(find(shard, (uint32_t) i));
        check(find(shard, (uint32_t) i), (uint32_t) i, rows[i].head,
              rows[i].body);
    }

    assert_int_equal(stats_of(shard).entries, N(rows));
    assert_int_equal(stats_of(shard).evicted, 0);
    assert_int_equal(stats_of(shard).refused, 0);

    free(shard);
}


/* One hash, many keys: the key decides; so does its length. */

static void
keys_of_one_hash(void **state)
{
    size_t            i;
    content_str_t     key;
    content_entry_t  *e;
    content_shard_t  *shard;

    static const char  *keys[] = { "", "a", "ab", "abc", "b", "ba" };

    (void) state;

    shard = create(SIZE);

    for (i = 0; i < N(keys); i++) {
        key = content_cstr(keys[i]);
        e = insert(shard, 5, key, 0, 1, 1, &nobody);
        assert_non_null(e);
        content_entry_body(e)[0] = (unsigned char) i;
    }

    key = content_cstr("ab");
    assert_int_equal(content_shard_remove(shard, 5, key, is_pinned, &nobody),
                     1);

    for (i = 0; i < N(keys); i++) {
        key = content_cstr(keys[i]);
        e = content_shard_find(shard, 5, key);

        if (i == 2) {
            assert_null(e);
            continue;
        }

        assert_non_null(e);
        assert_int_equal(content_entry_body(e)[0], i);
        assert_null(content_shard_find(shard, 6, key));
    }

    free(shard);
}


static void
a_key_has_one_record(void **state)
{
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    assert_non_null(put(shard, 1, 10, 100, &nobody));
    assert_non_null(put(shard, 1, 20, 3000, &nobody));
    check(find(shard, 1), 1, 20, 3000);
    assert_int_equal(stats_of(shard).entries, 1);

    assert_int_equal(take(shard, 1, &nobody), 1);
    assert_null(find(shard, 1));
    assert_int_equal(take(shard, 1, &nobody), 0);
    assert_int_equal(stats_of(shard).entries, 0);
    assert_int_equal(stats_of(shard).bytes, 0);

    free(shard);
}


/* What can't be kept must not leave what was there before. */

static void
too_large_is_refused(void **state)
{
    char             *long_key;
    size_t            limit;
    content_str_t     key;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    limit = stats_of(shard).size / CONTENT_SHARD_SHARE;

    assert_non_null(put(shard, 1, 0, limit - 200, &nobody));
    assert_null(put(shard, 1, 0, limit, &nobody));
    assert_int_equal(stats_of(shard).refused, 1);
    assert_null(find(shard, 1));
    assert_int_equal(stats_of(shard).bytes, 0);

    assert_null(put(shard, 2, limit, 0, &nobody));
    assert_null(put(shard, 2, limit / 2, limit / 2, &nobody));
    assert_null(insert(shard, 3, content_cstr("k"), 0, (size_t) 1 << 33, 1,
                       &nobody));

    long_key = malloc(UINT16_MAX + 1);
    assert_non_null(long_key);
    memset(long_key, 'k', UINT16_MAX + 1);
    key.data = (unsigned char *) long_key;
    key.len = UINT16_MAX + 1;
    assert_null(insert(shard, 4, key, 0, 0, 1, &nobody));

    key.len = UINT16_MAX;
    assert_non_null(insert(shard, 4, key, 0, 0, 1, &nobody));
    assert_non_null(content_shard_find(shard, 4, key));

    free(long_key);
    free(shard);
}


/* Against a model: what is found is what was put last, or nothing. */

static void
random_against_a_model(void **state)
{
    size_t            size[512];
    uint32_t          n, step, rnd;
    content_entry_t  *e;
    content_shard_t  *shard;

    (void) state;

    shard = create(256 * 1024);
    memset(size, 0, sizeof(size));
    rnd = 1;

    for (step = 0; step < 100000; step++) {
        rnd = hash_of(rnd + step);
        n = rnd % N(size);

        switch ((rnd >> 16) % 8) {

        case 0:
            e = find(shard, n);
            assert_int_equal(take(shard, n, &nobody), e != NULL);
            size[n] = 0;
            break;

        case 1:
        case 2:
            size[n] = 1 + (rnd >> 9) % ((step % 16) ? 1500 : 20000);
            assert_non_null(put(shard, n, n % 40, size[n], &nobody));
            break;

        default:
            e = find(shard, n);

            if (e) {
                assert_int_not_equal(size[n], 0);
                check(e, n, n % 40, size[n]);
            }
        }

        (void) stats_of(shard);
    }

    assert_true(stats_of(shard).evicted > 1000);
    assert_int_equal(stats_of(shard).refused, 0);

    free(shard);
}


/* Readers */

static void
pinned_is_left_alone(void **state)
{
    pins_t            pins;
    uint32_t          i, n;
    content_entry_t  *e[PINS];
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    memset(&pins, 0, sizeof(pins));

    for (i = 0; i < PINS; i++) {
        e[i] = put(shard, i, 50, 5000, &pins);
        assert_non_null(e[i]);
        pins.entries[i] = e[i];
    }

    /* removed, replaced, evicted */

    assert_int_equal(take(shard, 0, &pins), 1);
    assert_null(find(shard, 0));
    assert_non_null(put(shard, 1, 10, 100, &pins));

    for (n = 1000; n < 20000; n++) {
        assert_non_null(put(shard, n, 60, n % 3000, &pins));
    }

    for (i = 0; i < PINS; i++) {
        check(e[i], i, 50, 5000);

        if (i != 1) {
            assert_null(find(shard, i));
        }
    }

    /* it is counted, but as no record */

    assert_true(stats_of(shard).bytes >= PINS * 5000);

    free(shard);
}


static void
dropped_is_freed_later(void **state)
{
    pins_t            pins;
    uint64_t          before;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    memset(&pins, 0, sizeof(pins));

    assert_non_null(put(shard, 2, 0, 10, &pins));
    before = stats_of(shard).bytes;

    pins.entries[0] = put(shard, 1, 50, 50000, &pins);
    pins.entries[1] = put(shard, 3, 50, 60000, &pins);
    assert_int_equal(take(shard, 1, &pins), 1);
    assert_int_equal(take(shard, 3, &pins), 1);
    assert_int_equal(stats_of(shard).entries, 1);
    assert_true(stats_of(shard).bytes > 110000);

    /* one by one, by whatever is inserted next */

    pins.entries[0] = NULL;
    assert_non_null(put(shard, 2, 0, 10, &pins));
    assert_true(stats_of(shard).bytes < 61000);
    assert_true(stats_of(shard).bytes > 60000);
    check((content_entry_t *) pins.entries[1], 3, 50, 60000);

    pins.entries[1] = NULL;
    assert_non_null(put(shard, 2, 0, 10, &pins));
    assert_int_equal(stats_of(shard).bytes, before);

    free(shard);
}


/* All memory is read by somebody: nothing is taken, and nothing is broken. */

static void
all_is_pinned(void **state)
{
    pins_t            pins;
    uint32_t          i, n;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    memset(&pins, 0, sizeof(pins));

    for (n = 0, i = 0; i < PINS; n++) {
        pins.entries[i] = put(shard, n, 0, SIZE / 9, &pins);

        if (pins.entries[i]) {
            i++;
            continue;
        }

        break;
    }

    assert_true(i >= 7);
    assert_null(put(shard, n, 0, SIZE / 9, &pins));
    assert_true(stats_of(shard).refused > 0);

    while (i) {
        i--;
        check((content_entry_t *) pins.entries[i], i, 0, SIZE / 9);
    }

    memset(&pins, 0, sizeof(pins));
    assert_non_null(put(shard, 100, 0, SIZE / 9, &pins));
    check(find(shard, 100), 100, 0, SIZE / 9);
    assert_int_equal(stats_of(shard).entries, 1);

    free(shard);
}


/* Large bodies, which somebody may be sending when nobody reads them */

static void
a_large_body_has_pages_of_its_own(void **state)
{
    size_t            i;
    content_entry_t  *e;
    content_shard_t  *shard;

    static const struct {
        size_t        head;
        size_t        body;
        size_t        pages;
    } rows[] = {
        { 300, CONTENT_SHARD_LARGE - 1, 0 },
        { 300, CONTENT_SHARD_LARGE, 24 },
        { 0, CONTENT_SHARD_LARGE + 1, 25 },
        { 5000, 103000, 26 }
    };

    (void) state;

    shard = create(SIZE);

    for (i = 0; i < N(rows); i++) {
        e = put(shard, (uint32_t) i, rows[i].head, rows[i].body, &nobody);
        assert_non_null(e);
        assert_int_equal(content_entry_pages(e), rows[i].pages
                                                 * CONTENT_ARENA_PAGE);

        if (rows[i].pages) {
            assert_int_equal((uintptr_t) content_entry_body(e)
                             % CONTENT_ARENA_PAGE, 0);
        }
    }

    for (i = 0; i < N(rows); i++) {
        check(find(shard, (uint32_t) i), (uint32_t) i, rows[i].head,
              rows[i].body);
    }

    free(shard);
}


static void
find_often(content_shard_t *shard, uint32_t n, int times)
{
    while (times--) {
        assert_non_null(find(shard, n));
    }
}


/* What was not found often is freed at once; what was, when it is said. */

static void
a_large_body_that_was_found_often_is_spent(void **state)
{
    size_t            i;
    uint64_t          before;
    content_entry_t  *e;
    content_shard_t  *shard;

    static const struct {
        const char   *name;
        size_t        body;
        int           found;
        int           spent;
    } rows[] = {
        { "small",               CONTENT_SHARD_LARGE - 1, 9, 0 },
        { "large, never found",  CONTENT_SHARD_LARGE,     0, 0 },
        { "large, found twice",  CONTENT_SHARD_LARGE,     2, 0 },
        { "large, found often",  CONTENT_SHARD_LARGE,     3, 1 },
    };

    (void) state;

    for (i = 0; i < N(rows); i++) {
        shard = create(SIZE);
        assert_non_null(put(shard, 2, 0, 10, &nobody));
        before = stats_of(shard).bytes;

        e = put(shard, 1, 50, rows[i].body, &nobody);

        find_often(shard, 1, rows[i].found);
        assert_int_equal(content_entry_by_pages(e), rows[i].spent);
        assert_int_equal(take(shard, 1, &nobody), 1);
        assert_null(find(shard, 1));

        if (content_shard_spent(shard, is_pinned, &nobody)
            != (rows[i].spent ? e : NULL))
        {
            fail_msg("%s: spent %d", rows[i].name, !rows[i].spent);
        }

        if (rows[i].spent) {
            check(e, 1, 50, rows[i].body);
            content_shard_free(shard, e);
            assert_null(content_shard_spent(shard, is_pinned, &nobody));
        }

        assert_int_equal(stats_of(shard).bytes, before);
        free(shard);
    }
}


/* Whoever gives its pages up has it pinned: nobody else gets it meanwhile. */

static void
spent_is_given_to_one(void **state)
{
    pins_t            pins;
    content_entry_t  *e;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    memset(&pins, 0, sizeof(pins));

    e = put(shard, 1, 50, 100000, &pins);
    find_often(shard, 1, 3);
    pins.entries[0] = e;
    assert_int_equal(take(shard, 1, &pins), 1);
    assert_null(content_shard_spent(shard, is_pinned, &pins));

    pins.entries[0] = NULL;
    assert_ptr_equal(content_shard_spent(shard, is_pinned, &pins), e);

    pins.entries[0] = e;
    assert_null(content_shard_spent(shard, is_pinned, &pins));

    free(shard);
}


/* Its memory is not used again before; and is then, for all of the shard. */

static void
spent_is_left_alone(void **state)
{
    int               again;
    uint32_t          n;
    content_str_t     key;
    content_entry_t  *e, *last;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    key = content_cstr("k");

    for (n = 0; n < 3000; n++) {
        e = put(shard, n, n % 50, 99000 + n % 20000, &nobody);
        assert_non_null(e);
        find_often(shard, n, n % 4);
        check(e, n, n % 50, 99000 + n % 20000);
    }

    assert_int_equal(stats_of(shard).refused, 0);

    /* those that are spent make room, too; and nothing is lost in the end */

    for (n = 3000; n < 3010; n++) {
        assert_non_null(put(shard, n, 0, 100000, &nobody));
        find_often(shard, n, 3);
        assert_int_equal(take(shard, n, &nobody), 1);
    }

    last = NULL;

    while (content_shard_reserve(shard, 1, key, 0, 110000, 1, is_pinned,
                                 &nobody, &again) == NULL)
    {
        assert_int_equal(again, 1);
        last = content_shard_spent(shard, is_pinned, &nobody);
        assert_non_null(last);
        content_shard_free(shard, last);
    }

    while ((last = content_shard_spent(shard, is_pinned, &nobody))) {
        content_shard_free(shard, last);
    }

    for (n = 0; n < 3010; n++) {
        (void) take(shard, n, &nobody);
        last = content_shard_spent(shard, is_pinned, &nobody);

        if (last) {
            content_shard_free(shard, last);
        }
    }

    assert_int_equal(stats_of(shard).bytes, 0);

    free(shard);
}


/* What is being filled is not found, and gone if it is not published. */

static void
reserved_is_not_found(void **state)
{
    int               again;
    pins_t            pins;
    content_str_t     key;
    content_entry_t  *first, *second;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);
    memset(&pins, 0, sizeof(pins));
    key = content_cstr("k");

    first = content_shard_reserve(shard, 7, key, 0, 100000, 1, is_pinned,
                                  &pins, &again);
    pins.entries[0] = first;
    second = content_shard_reserve(shard, 7, key, 0, 8, 1, is_pinned, &pins,
                                   &again);
    pins.entries[1] = second;
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_null(content_shard_find(shard, 7, key));
    assert_int_equal(stats_of(shard).entries, 0);

    content_shard_publish(shard, second, is_pinned, &pins);
    assert_ptr_equal(content_shard_find(shard, 7, key), second);

    content_shard_publish(shard, first, is_pinned, &pins);
    assert_ptr_equal(content_shard_find(shard, 7, key), first);
    assert_int_equal(stats_of(shard).entries, 1);

    /* given up */

    pins.entries[1] = content_shard_reserve(shard, 9, key, 0, 100000, 1,
                                            is_pinned, &pins, &again);
    assert_non_null(pins.entries[1]);
    assert_true(stats_of(shard).bytes > 200000);

    pins.entries[1] = NULL;
    assert_null(content_shard_spent(shard, is_pinned, &pins));
    assert_true(stats_of(shard).bytes < 110000);

    free(shard);
}


/* Eviction */

static void
a_scan_spares_what_is_asked_for(void **state)
{
    uint32_t          n, hot;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    for (hot = 0; hot < 100; hot++) {
        assert_non_null(put(shard, hot, 50, 1000, &nobody));
        assert_non_null(find(shard, hot));
    }

    for (n = 1000; n < 100000; n++) {
        assert_non_null(put(shard, n, 50, 1000, &nobody));

        if (n % 10 == 0) {
            (void) find(shard, n / 10 % 100);
        }
    }

    for (hot = 0; hot < 100; hot++) {
        assert_non_null(find(shard, hot));
    }

    free(shard);
}


static void
evicted_from_the_small_queue_comes_back_into_the_main_one(void **state)
{
    uint32_t          n;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    for (n = 0; n < 3000; n++) {
        assert_non_null(put(shard, n, 0, 1000, &nobody));
    }

    for (n = 2000; find(shard, n); n++) {
        /* void */
    }

    /* it was asked for twice, with others in between */

    assert_non_null(put(shard, n, 0, 1000, &nobody));

    for (n = 10000; n < 10500; n++) {
        assert_non_null(put(shard, n, 0, 1000, &nobody));
    }

    for (n = 2000; n < 3000 && !find(shard, n); n++) {
        /* void */
    }

    assert_true(n < 3000);

    free(shard);
}


/*
 * Simulations: records by number, of the sizes that they take in a shard, no
 * memory, no fingerprints.  Lists as arrays of numbers.
 */

#define HOT       20000
#define REQUESTS  240000
#define IDS       (HOT + REQUESTS)

typedef struct {
    uint32_t   *ids;                     /* a ring; 0xffffffff: taken out */
    size_t      head;
    size_t      tail;
    uint64_t    bytes;
} fifo_t;

typedef struct {
    uint64_t    capacity;
    uint32_t   *size;                    /* by id */
    uint8_t    *where;                   /* 0: nowhere, 1: small, 2: main */
    uint8_t    *freq;
    uint8_t    *ghost;
    uint64_t    main_entries;
    fifo_t      small;
    fifo_t      large;
    fifo_t      ghosts;
} s3fifo_t;


static void
fifo_init(fifo_t *q)
{
    memset(q, 0, sizeof(fifo_t));
    q->ids = malloc((size_t) 8 * IDS * sizeof(uint32_t));
    assert_non_null(q->ids);
}


static void
fifo_push(fifo_t *q, uint32_t id, uint32_t size)
{
    assert_true(q->tail < (size_t) 8 * IDS);
    q->ids[q->tail++] = id;
    q->bytes += size;
}


static uint32_t
fifo_pop(fifo_t *q, const uint32_t *size)
{
    uint32_t  id;

    id = q->ids[q->head++];
    q->bytes -= size ? size[id] : 0;

    return id;
}


static void
s3fifo_evict_main(s3fifo_t *s)
{
    uint32_t  id;

    for ( ;; ) {
        id = fifo_pop(&s->large, s->size);

        if (s->freq[id] == 0) {
            s->where[id] = 0;
            s->main_entries--;
            return;
        }

        s->freq[id]--;
        fifo_push(&s->large, id, s->size[id]);
    }
}


static void
s3fifo_evict_small(s3fifo_t *s)
{
    uint32_t  id;

    id = fifo_pop(&s->small, s->size);

    if (s->freq[id] > 0) {
        s->freq[id] = 0;
        s->where[id] = 2;
        s->main_entries++;
        fifo_push(&s->large, id, s->size[id]);
        return;
    }

    s->where[id] = 0;
    s->ghost[id] = 1;
    fifo_push(&s->ghosts, id, 0);

    while (s->ghosts.tail - s->ghosts.head > s->main_entries + 100) {
        s->ghost[fifo_pop(&s->ghosts, NULL)] = 0;
    }
}


static int
s3fifo(s3fifo_t *s, uint32_t id)
{
    if (s->where[id]) {
        s->freq[id] += (s->freq[id] < 3);
        return 1;
    }

    while (s->small.bytes + s->large.bytes + s->size[id] > s->capacity) {
        if (s->small.bytes >= s->capacity / 10 || s->main_entries == 0) {
            s3fifo_evict_small(s);

        } else {
            s3fifo_evict_main(s);
        }
    }

    s->freq[id] = 0;

    if (s->ghost[id]) {
        s->ghost[id] = 0;
        s->where[id] = 2;
        s->main_entries++;
        fifo_push(&s->large, id, s->size[id]);

    } else {
        s->where[id] = 1;
        fifo_push(&s->small, id, s->size[id]);
    }

    return 0;
}


/* LRU: a queue with all requests; only a record's last one counts. */

typedef struct {
    uint64_t    capacity;
    uint64_t    bytes;
    uint32_t   *size;
    uint32_t   *last;                    /* by id: its place; 0: not there */
    uint32_t   *ids;
    uint32_t    head;
    uint32_t    tail;
} lru_t;


static int
lru(lru_t *l, uint32_t id)
{
    int       hit;
    uint32_t  old;

    hit = (l->last[id] != 0);

    if (!hit) {
        l->bytes += l->size[id];
    }

    l->ids[++l->tail] = id;
    l->last[id] = l->tail;

    while (l->bytes > l->capacity) {
        old = l->ids[++l->head];

        if (l->last[old] == l->head) {
            l->last[old] = 0;
            l->bytes -= l->size[old];
        }
    }

    return hit;
}


/* Zipf-Mandelbrot: the larger flat is, the less the first ones stand out. */

static double *
zipf(unsigned flat)
{
    double  *sum;
    size_t   i;

    sum = malloc(HOT * sizeof(double));
    assert_non_null(sum);

    for (i = 0; i < HOT; i++) {
        sum[i] = (i ? sum[i - 1] : 0) + 1.0 / (double) (i + 1 + flat);
    }

    for (i = 0; i < HOT; i++) {
        sum[i] /= sum[HOT - 1];
    }

    return sum;
}


static uint32_t
draw(const double *sum, uint32_t rnd)
{
    double  x;
    size_t  low, high, mid;

    x = rnd / 4294967296.0;
    low = 0;
    high = HOT - 1;

    while (low < high) {
        mid = (low + high) / 2;

        if (sum[mid] < x) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return (uint32_t) low;
}


/* The bytes that a record takes in a shard. */

static uint32_t
body_of(uint32_t id, uint32_t spread)
{
    return 100 + (spread ? hash_of(id) % spread : 0);
}


static uint32_t
taken_by(uint32_t id, uint32_t spread)
{
    return (uint32_t) ((sizeof(content_entry_t) + 16 + 56
                        + body_of(id, spread) + CONTENT_ARENA_HEAD + 15)
                       / 16 * 16);
}


static int
shard_get(content_shard_t *shard, uint32_t id, uint32_t spread)
{
    char  buf[32];

    if (find(shard, id)) {
        return 1;
    }

    assert_non_null(insert(shard, hash_of(id), key_of(id, buf), 50,
                           body_of(id, spread), 1, &nobody));
    return 0;
}


typedef struct {
    const char  *name;
    unsigned     flat;
    unsigned     scan;                   /* of 16 requests */
    unsigned     burst;                  /* scans come so many at once */
    uint32_t     spread;                 /* of sizes */
    double       least;                  /* of S3-FIFO's hits */
} load_t;


static void
compare(const load_t *load)
{
    double            *sum;
    lru_t              l;
    uint32_t           i, id, n, hits[3], hot, *size;
    s3fifo_t           s;
    content_shard_t   *shard;

    shard = create(2 * SIZE);
    sum = zipf(load->flat);

    size = malloc(IDS * sizeof(uint32_t));
    assert_non_null(size);

    for (i = 0; i < IDS; i++) {
        size[i] = taken_by(i, load->spread);
    }

    memset(&s, 0, sizeof(s));
    s.capacity = stats_of(shard).size;
    s.size = size;
    s.where = calloc(IDS, 1);
    s.freq = calloc(IDS, 1);
    s.ghost = calloc(IDS, 1);
    assert_true(s.where && s.freq && s.ghost);
    fifo_init(&s.small);
    fifo_init(&s.large);
    fifo_init(&s.ghosts);

    memset(&l, 0, sizeof(l));
    l.capacity = s.capacity;
    l.size = size;
    l.last = calloc(IDS, sizeof(uint32_t));
    l.ids = calloc(REQUESTS + 1, sizeof(uint32_t));
    assert_true(l.last && l.ids);

    memset(hits, 0, sizeof(hits));
    hot = 0;
    n = HOT;

    for (i = 0; i < REQUESTS; i++) {
        if (i / load->burst % 16 < load->scan) {
            id = n++;

        } else {
            id = draw(sum, hash_of(i ^ 0x5bd1e995));
        }

        /* once they are warm */

        if (id < HOT && i > REQUESTS / 4) {
            hot++;
            hits[0] += (uint32_t) shard_get(shard, id, load->spread);
            hits[1] += (uint32_t) s3fifo(&s, id);
            hits[2] += (uint32_t) lru(&l, id);

        } else {
            (void) shard_get(shard, id, load->spread);
            (void) s3fifo(&s, id);
            (void) lru(&l, id);
        }
    }

    print_message("%s: hits %.4f, S3-FIFO %.4f, LRU %.4f, %.0f%% full\n",
                  load->name, (double) hits[0] / hot, (double) hits[1] / hot,
                  (double) hits[2] / hot,
                  100.0 * (double) stats_of(shard).bytes
                  / (double) stats_of(shard).size);

    if (hits[0] < load->least * hits[1] || hits[0] <= hits[2]) {
        fail_msg("%s: of %u: %u hits, S3-FIFO %u, LRU %u", load->name, hot,
                 hits[0], hits[1], hits[2]);
    }

    (void) stats_of(shard);

    free(s.small.ids);
    free(s.large.ids);
    free(s.ghosts.ids);
    free(s.where);
    free(s.freq);
    free(s.ghost);
    free(l.last);
    free(l.ids);
    free(size);
    free(sum);
    free(shard);
}


static void
chooses_as_well_as_s3fifo(void **state)
{
    size_t  i;

    static const load_t  loads[] = {
        { "no scan",             0,  0,  1,    0,     0.97 },
        { "a scan of a half",    0,  8,  1,    0,     0.97 },
        { "mostly scan",         0,  12, 1,    0,     0.97 },
        { "scans in bursts",     0,  8,  2000, 0,     0.97 },
        { "flat",                40, 8,  1,    0,     0.97 },
        { "of many sizes",       0,  8,  1,    1500,  0.97 },

        /* 200 records of a hundredth: what lies idle between them counts */

        { "of large sizes",      0,  8,  1,    20000, 0.9  },
    };

    (void) state;

    for (i = 0; i < N(loads); i++) {
        compare(&loads[i]);
    }
}


/* Cost */

#define MANY       1000000
#define MANY_BODY  40


static void
a_million_small_records(void **state)
{
    char              buf[32];
    double            seconds, overhead;
    size_t            size;
    clock_t           start;
    uint32_t          n;
    content_str_t     key;
    content_shard_t  *shard;

    (void) state;

    size = (size_t) 256 * 1024 * 1024;
    shard = create(size);
    start = clock();

    for (n = 0; n < MANY; n++) {
        key = key_of(n, buf);
        assert_non_null(insert(shard, hash_of(n), key, 24, MANY_BODY, 1,
                               &nobody));
    }

    seconds = (double) (clock() - start) / CLOCKS_PER_SEC;
    print_message("%d inserted in %.2f s\n", MANY, seconds);
    assert_true(seconds < 5);

    assert_int_equal(stats_of(shard).entries, MANY);
    assert_int_equal(stats_of(shard).evicted, 0);

    overhead = (double) stats_of(shard).bytes / MANY
               - (double) (key.len + 24 + MANY_BODY);
    assert_true(overhead <= 128);

    /* with buckets and all, once it is full */

    for ( ; stats_of(shard).evicted < 1000; n++) {
        assert_non_null(insert(shard, hash_of(n), key_of(n, buf), 24,
                               MANY_BODY, 1, &nobody));
    }

    overhead = (double) size / (double) stats_of(shard).entries
               - (double) (key.len + 24 + MANY_BODY);
    print_message("overhead of a record: %.1f bytes\n", overhead);
    assert_true(overhead <= 128);

    free(shard);
}


/* Whoever holds the lock holds it for a short while only. */

static void
one_call_evicts_few(void **state)
{
    int               again;
    uint32_t          n;
    uint64_t          before, evicted;
    content_entry_t  *e;
    content_shard_t  *shard;

    (void) state;

    shard = create(16 * SIZE);

    for (n = 0; stats_of(shard).evicted == 0; n++) {
        assert_non_null(put(shard, n, 0, 100, &nobody));
    }

    before = stats_of(shard).evicted;

    do {
        evicted = stats_of(shard).evicted;
        e = content_shard_reserve(shard, 1, content_cstr("k"), 0, SIZE, 1,
                                  is_pinned, &nobody, &again);
        evicted = stats_of(shard).evicted - evicted;

        assert_true(evicted <= 64);
        assert_true(e || (again && evicted));

    } while (e == NULL);

    assert_true(stats_of(shard).evicted - before > 2000);

    free(shard);
}


/* Among the smallest, a record of the largest size gets its room in the end. */

static void
a_large_record_among_small_ones(void **state)
{
    size_t            large;
    uint32_t          n, tries;
    content_shard_t  *shard;

    (void) state;

    shard = create(16 * SIZE);
    large = stats_of(shard).size / CONTENT_SHARD_SHARE - 1000;

    for (n = 0; stats_of(shard).evicted < 1000; n++) {
        assert_non_null(put(shard, n, 0, 10 + n % 100, &nobody));

        if (n % 3 == 0) {
            (void) find(shard, n / 2);
        }
    }

    for (tries = 1; put(shard, 0xffffff, 0, large, &nobody) == NULL; tries++)
    {
        assert_true(tries < 100);
    }

    print_message("room for %zu bytes at try %u, %llu evicted of %u\n",
                  large, tries,
                  (unsigned long long) stats_of(shard).evicted, n);

    check(find(shard, 0xffffff), 0xffffff, 0, large);

    free(shard);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(find_what_was_inserted),
        cmocka_unit_test(keys_of_one_hash),
        cmocka_unit_test(a_key_has_one_record),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(random_against_a_model),
        cmocka_unit_test(pinned_is_left_alone),
        cmocka_unit_test(dropped_is_freed_later),
        cmocka_unit_test(all_is_pinned),
        cmocka_unit_test(a_large_body_has_pages_of_its_own),
        cmocka_unit_test(a_large_body_that_was_found_often_is_spent),
        cmocka_unit_test(spent_is_given_to_one),
        cmocka_unit_test(spent_is_left_alone),
        cmocka_unit_test(reserved_is_not_found),
        cmocka_unit_test(a_scan_spares_what_is_asked_for),
        cmocka_unit_test(
            evicted_from_the_small_queue_comes_back_into_the_main_one),
        cmocka_unit_test(chooses_as_well_as_s3fifo),
        cmocka_unit_test(a_million_small_records),
        cmocka_unit_test(one_call_evicts_few),
        cmocka_unit_test(a_large_record_among_small_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
