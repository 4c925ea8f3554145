/*
 * Large bodies in a shard: they have pages of their own, which somebody may be
 * sending when nobody reads them.
 */

#include <stdio.h>

#include "rows.h"
#include "shard.h"


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

    for (i = 0; i < ROWS(rows); i++) {
        e = put(shard, (uint32_t) i, rows[i].head, rows[i].body, &nobody);
        assert_non_null(e);
        assert_int_equal(content_entry_pages(e), rows[i].pages
                                                 * CONTENT_ARENA_PAGE);

        if (rows[i].pages) {
            assert_int_equal((uintptr_t) content_entry_body(e)
                             % CONTENT_ARENA_PAGE, 0);
        }
    }

    for (i = 0; i < ROWS(rows); i++) {
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

    for (i = 0; i < ROWS(rows); i++) {
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


static void
spent_makes_room_before_others(void **state)
{
    uint32_t          n;
    uint64_t          evicted;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    for (n = 0; stats_of(shard).evicted == 0; n++) {
        assert_non_null(put(shard, n, 50, 100000, &nobody));
    }

    evicted = stats_of(shard).evicted;
    find_often(shard, n - 2, 3);
    assert_int_equal(take(shard, n - 2, &nobody), 1);

    assert_non_null(put(shard, n, 50, 100000, &nobody));
    assert_int_equal(stats_of(shard).evicted, evicted);

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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_large_body_has_pages_of_its_own),
        cmocka_unit_test(a_large_body_that_was_found_often_is_spent),
        cmocka_unit_test(spent_is_given_to_one),
        cmocka_unit_test(spent_is_left_alone),
        cmocka_unit_test(spent_makes_room_before_others),
        cmocka_unit_test(reserved_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
