/*
 * A shard of the shared memory cache: what is found, what is left alone while
 * somebody reads it, and what a record costs.  Large bodies:
 * test_content_shard_large.c; what is evicted: test_content_shard_choice.c.
 */

#include <stdio.h>

#include "rows.h"
#include "shard.h"


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

    for (i = 0; i < ROWS(rows); i++) {
        assert_null(find(shard, (uint32_t) i));
        assert_non_null(put(shard, (uint32_t) i, rows[i].head, rows[i].body,
                            &nobody));
    }

    for (i = 0; i < ROWS(rows); i++) {
        assert_non_null(find(shard, (uint32_t) i));
        check(find(shard, (uint32_t) i), (uint32_t) i, rows[i].head,
              rows[i].body);
    }

    assert_int_equal(stats_of(shard).entries, ROWS(rows));
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

    for (i = 0; i < ROWS(keys); i++) {
        key = content_cstr(keys[i]);
        e = insert(shard, 5, key, 0, 1, 1, &nobody);
        assert_non_null(e);
        content_entry_body(e)[0] = (unsigned char) i;
    }

    key = content_cstr("ab");
    assert_int_equal(content_shard_remove(shard, 5, key, is_pinned, &nobody),
                     1);

    for (i = 0; i < ROWS(keys); i++) {
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
        n = rnd % ROWS(size);

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


/* Cost */

#define MANY       1000000
#define MANY_BODY  40


static void
a_million_small_records(void **state)
{
    char              buf[32];
    double            overhead;
    size_t            size;
    uint32_t          n;
    content_str_t     key;
    content_shard_t  *shard;

    (void) state;

    size = (size_t) 256 * 1024 * 1024;
    shard = create(size);

    for (n = 0; n < MANY; n++) {
        key = key_of(n, buf);
        assert_non_null(insert(shard, hash_of(n), key, 24, MANY_BODY, 1,
                               &nobody));
    }

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
        cmocka_unit_test(a_million_small_records),
        cmocka_unit_test(one_call_evicts_few),
        cmocka_unit_test(a_large_record_among_small_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
