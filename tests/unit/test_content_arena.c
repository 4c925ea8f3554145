/*
 * The allocator of the shared memory cache: blocks are aligned, as many as
 * fit, and become one piece again.  Against a model:
 * test_content_arena_model.c.
 */

#include "arena.h"


static void
sizes(void **state)
{
    size_t            i;
    unsigned char    *mem;

    static const struct {
        const char   *name;
        size_t        size;
        int           made;
    } rows[] = {
        { "nothing",           0,                    0 },
        { "too small",         4095,                 0 },
        { "the least",         4096,                 1 },
        { "no whole units",    4096 + 15,            1 },
        { "one more",          4096 + 16,            1 },
        { "too large",         ((size_t) 32 << 30) + 1, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        mem = aligned_alloc(16, 16384);
        assert_non_null(mem);

        if ((content_arena_init(mem, rows[i].size) != NULL) != rows[i].made) {
            fail_msg("%s", rows[i].name);
        }

        free(mem);
    }
}


static void
blocks_are_aligned_and_inside(void **state)
{
    size_t            size;
    uint32_t          block;
    unsigned char    *p;
    content_arena_t  *arena;

    (void) state;

    arena = create(SIZE);

    for (size = 0; size <= 70000; size += (size < 600) ? 1 : 997) {
        block = content_arena_alloc(arena, size);
        assert_int_not_equal(block, CONTENT_ARENA_NONE);

        p = content_arena_at(arena, block);
        assert_int_equal((uintptr_t) p % 8, 0);
        assert_true(p > (unsigned char *) arena);
        assert_true(p + size <= (unsigned char *) arena + SIZE);
        assert_int_equal(content_arena_block(arena, p), block);

        assert_true(content_arena_taken(arena, block)
                    >= size + CONTENT_ARENA_HEAD);
        assert_true(content_arena_taken(arena, block)
                    <= size + CONTENT_ARENA_HEAD + 2 * CONTENT_ARENA_UNIT);
        assert_int_equal(content_arena_used(arena),
                         content_arena_taken(arena, block));

        memset(p, 0x55, size);
        content_arena_free(arena, block);
        assert_int_equal(content_arena_used(arena), 0);
    }

    free(arena);
}


static void
too_much_is_refused(void **state)
{
    size_t            i;
    content_arena_t  *arena;

    static const size_t  rows[] = {
        SIZE, SIZE + 1, SIZE * 2, (size_t) 1 << 31, (size_t) 1 << 35,
        (size_t) 1 << 36, SIZE_MAX / 2, SIZE_MAX - 32, SIZE_MAX
    };

    (void) state;

    arena = create(SIZE);

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(content_arena_alloc(arena, rows[i]),
                         CONTENT_ARENA_NONE);
    }

    assert_int_equal(content_arena_alloc(arena, content_arena_size(arena)),
                     CONTENT_ARENA_NONE);
    assert_true(largest(arena) >= content_arena_size(arena) * 15 / 16);

    free(arena);
}


static void
until_it_is_full(void **state)
{
    size_t            i, n, r;
    uint32_t         *blocks;
    content_arena_t  *arena;

    static const size_t  rows[] = { 1, 8, 9, 24, 25, 100, 4096, 65536 };

    (void) state;

    blocks = malloc(SIZE / 16 * sizeof(uint32_t));
    assert_non_null(blocks);

    for (r = 0; r < ROWS(rows); r++) {
        arena = create(SIZE);

        for (n = 0; ; n++) {
            blocks[n] = content_arena_alloc(arena, rows[r]);

            if (blocks[n] == CONTENT_ARENA_NONE) {
                break;
            }

            memset(content_arena_at(arena, blocks[n]), (int) n, rows[r]);
        }

        /* of the same size they fill it: a rest is less than a block's class */

        assert_true(content_arena_used(arena) <= content_arena_size(arena));
        assert_true(content_arena_size(arena) - content_arena_used(arena)
                    <= (rows[r] + 32) * 17 / 16 + 16);

        /* every second one first: nothing can join before the rest goes */

        for (i = 0; i < n; i += 2) {
            content_arena_free(arena, blocks[i]);
        }

        for (i = 1; i < n; i += 2) {
            content_arena_free(arena, blocks[i]);
        }

        assert_int_equal(content_arena_used(arena), 0);
        assert_true(largest(arena) >= content_arena_size(arena) * 15 / 16);

        free(arena);
    }

    free(blocks);
}


/* Freed neighbours join on the left, on the right and on both sides. */

static void
neighbours_join(void **state)
{
    size_t            r, i;
    uint32_t          blocks[3], all;
    content_arena_t  *arena;

    static const int  orders[][3] = {
        { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
        { 2, 1, 0 }
    };

    (void) state;

    for (r = 0; r < ROWS(orders); r++) {
        arena = create(8192);

        for (i = 0; i < 3; i++) {
            blocks[i] = content_arena_alloc(arena, 1000);
            assert_int_not_equal(blocks[i], CONTENT_ARENA_NONE);
        }

        for (i = 0; i < 3; i++) {
            content_arena_free(arena, blocks[orders[r][i]]);
        }

        all = content_arena_alloc(arena, content_arena_size(arena) * 15 / 16);
        assert_int_not_equal(all, CONTENT_ARENA_NONE);

        free(arena);
    }
}


/* Offsets only: a copy of the memory is an arena, too. */

static void
may_be_mapped_anywhere(void **state)
{
    uint32_t          first, second;
    content_arena_t  *arena, *copy;

    (void) state;

    arena = create(65536);
    first = content_arena_alloc(arena, 100);
    memset(content_arena_at(arena, first), 7, 100);

    copy = aligned_alloc(16, 65536);
    assert_non_null(copy);
    memcpy(copy, arena, 65536);
    memset(arena, 0xee, 65536);
    free(arena);

    assert_int_equal(((unsigned char *) content_arena_at(copy, first))[99],
                     7);

    second = content_arena_alloc(copy, 100);
    assert_int_not_equal(second, CONTENT_ARENA_NONE);
    content_arena_free(copy, first);
    content_arena_free(copy, second);
    assert_int_equal(content_arena_used(copy), 0);
    assert_true(largest(copy) >= content_arena_size(copy) * 15 / 16);

    free(copy);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(blocks_are_aligned_and_inside),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(until_it_is_full),
        cmocka_unit_test(neighbours_join),
        cmocka_unit_test(may_be_mapped_anywhere)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
