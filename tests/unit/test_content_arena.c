/*
 * The allocator of the shared memory cache, against a model: blocks don't
 * overlap, keep what is in them, and become one piece again.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/content_arena.h"


#define N(rows)  (sizeof(rows) / sizeof(rows[0]))

#define SIZE     (1024 * 1024)
#define BLOCKS   2048
#define STEPS    200000


typedef struct {
    uint32_t          block;
    size_t            size;
    unsigned char     fill;
} model_t;


static uint64_t
next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;

    return *seed;
}


static content_arena_t *
create(size_t size)
{
    void             *mem;
    content_arena_t  *arena;

    mem = aligned_alloc(16, size);      /* exactly: ASan guards the bounds */
    assert_non_null(mem);
    memset(mem, 0xaa, size);

    arena = content_arena_init(mem, size);
    assert_ptr_equal(arena, mem);
    assert_int_equal(content_arena_used(arena), 0);

    return arena;
}


/* The size of the largest block there is now. */

static size_t
largest(content_arena_t *arena)
{
    size_t    low, high, size;
    uint32_t  block;

    low = 0;
    high = content_arena_size(arena) + 1;

    while (high - low > 1) {
        size = low + (high - low) / 2;
        block = content_arena_alloc(arena, size);

        if (block) {
            content_arena_free(arena, block);
            low = size;

        } else {
            high = size;
        }
    }

    return low;
}


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

    for (i = 0; i < N(rows); i++) {
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

    for (i = 0; i < N(rows); i++) {
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

    for (r = 0; r < N(rows); r++) {
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

    for (r = 0; r < N(orders); r++) {
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


static size_t
some_size(uint64_t *seed)
{
    switch (next(seed) % 8) {
    case 0:  return 1 + next(seed) % 8;
    case 1:  return next(seed) % 65536;
    case 2:  return 4096;
    default: return 1 + next(seed) % 900;
    }
}


static void
check(content_arena_t *arena, const model_t *m)
{
    size_t          i;
    unsigned char  *p;

    p = content_arena_at(arena, m->block);

    for (i = 0; i < m->size; i++) {
        if (p[i] != m->fill) {
            fail_msg("block %u of %zu bytes has changed at %zu", m->block,
                     m->size, i);
        }
    }
}


/* Marks the units of a block as taken; they must have been free. */

static void
mark(unsigned char *units, content_arena_t *arena, uint32_t block, int taken)
{
    size_t  i, n;

    n = content_arena_taken(arena, block) / CONTENT_ARENA_UNIT;
    assert_true(block + n <= SIZE / CONTENT_ARENA_UNIT);

    for (i = block; i < block + n; i++) {
        assert_int_equal(units[i], !taken);
        units[i] = (unsigned char) taken;
    }
}


static void
random_against_a_model(void **state)
{
    size_t            used, refused;
    model_t          *models, *m;
    uint64_t          seed;
    unsigned          step, i;
    unsigned char    *units;
    content_arena_t  *arena;

    (void) state;

    arena = create(SIZE);
    models = calloc(BLOCKS, sizeof(model_t));
    units = calloc(1, SIZE / CONTENT_ARENA_UNIT);
    assert_non_null(models);
    assert_non_null(units);

    seed = 88172645463325252u;
    used = 0;
    refused = 0;

    for (step = 0; step < STEPS; step++) {
        m = &models[next(&seed) % BLOCKS];

        if (m->block) {
            check(arena, m);
            used -= content_arena_taken(arena, m->block);
            mark(units, arena, m->block, 0);
            content_arena_free(arena, m->block);
            m->block = CONTENT_ARENA_NONE;

        } else {
            m->size = some_size(&seed);
            m->fill = (unsigned char) next(&seed);
            m->block = content_arena_alloc(arena, m->size);

            if (m->block == CONTENT_ARENA_NONE) {
                refused++;
                continue;
            }

            mark(units, arena, m->block, 1);
            memset(content_arena_at(arena, m->block), m->fill, m->size);
            used += content_arena_taken(arena, m->block);
        }

        assert_int_equal(content_arena_used(arena), used);
    }

    assert_true(refused > 0);           /* it was full at times */

    for (i = 0; i < BLOCKS; i++) {
        if (models[i].block) {
            check(arena, &models[i]);
            content_arena_free(arena, models[i].block);
        }
    }

    assert_int_equal(content_arena_used(arena), 0);
    assert_true(largest(arena) >= content_arena_size(arena) * 15 / 16);

    free(units);
    free(models);
    free(arena);
}


/*
 * Pages: nothing but the block's bytes lies in them.  Proved by wiping them, as
 * if they were taken away, while the block is in use and before it is freed:
 * neither neighbours nor the arena may notice.
 */

#define LARGE  100                       /* of BLOCKS, those with pages */

static unsigned char *
pages_of(content_arena_t *arena, const model_t *m)
{
    uintptr_t  p;

    p = (uintptr_t) content_arena_at(arena, m->block) + m->size;

    return (unsigned char *) ((p + CONTENT_ARENA_PAGE - 1)
                              / CONTENT_ARENA_PAGE * CONTENT_ARENA_PAGE);
}


static size_t
whole_pages(size_t size)
{
    return (size + CONTENT_ARENA_PAGE - 1) / CONTENT_ARENA_PAGE
           * CONTENT_ARENA_PAGE;
}


static void
pages_are_a_block_s_own(void **state)
{
    void             *mem;
    size_t            r, shift, size, used, refused, bytes[LARGE];
    model_t          *models, *m;
    uint64_t          seed;
    unsigned          step, i;
    unsigned char    *pages;
    content_arena_t  *arena;

    /* wherever in a page the arena begins */

    static const size_t  shifts[] = { 0, 16, 64, 1040, 4080 };

    (void) state;

    mem = aligned_alloc(CONTENT_ARENA_PAGE, SIZE);
    models = calloc(BLOCKS, sizeof(model_t));
    assert_non_null(mem);
    assert_non_null(models);

    for (r = 0; r < N(shifts); r++) {
        shift = shifts[r];
        arena = content_arena_init((unsigned char *) mem + shift,
                                   SIZE - shift);
        assert_non_null(arena);
        memset(models, 0, BLOCKS * sizeof(model_t));

        seed = 88172645463325252u + shift;
        used = 0;
        refused = 0;

        for (step = 0; step < STEPS / 4; step++) {
            i = (unsigned) (next(&seed) % BLOCKS);
            i = next(&seed) % 4 ? i : i % LARGE;
            m = &models[i];

            if (m->block) {
                check(arena, m);
                used -= content_arena_taken(arena, m->block);

                if (i < LARGE) {
                    memset(pages_of(arena, m), 0, whole_pages(bytes[i]));
                }

                content_arena_free(arena, m->block);
                m->block = CONTENT_ARENA_NONE;
                continue;
            }

            m->size = some_size(&seed) % 900;
            m->fill = (unsigned char) next(&seed);
            size = i < LARGE ? 1 + next(&seed) % 30000 : 0;

            m->block = i < LARGE
                       ? content_arena_alloc_pages(arena, m->size, size)
                       : content_arena_alloc(arena, m->size);

            if (m->block == CONTENT_ARENA_NONE) {
                refused++;
                continue;
            }

            memset(content_arena_at(arena, m->block), m->fill, m->size);
            used += content_arena_taken(arena, m->block);

            if (i < LARGE) {
                bytes[i] = size;
                pages = pages_of(arena, m);
                assert_true(pages < (unsigned char *) content_arena_at(arena,
                                m->block) + m->size + 2 * CONTENT_ARENA_UNIT);
                assert_true(pages + whole_pages(size)
                            <= (unsigned char *) content_arena_at(arena,
                                m->block) - CONTENT_ARENA_HEAD
                               + content_arena_taken(arena, m->block));
                memset(pages, 0xff, whole_pages(size));
            }

            assert_int_equal(content_arena_used(arena), used);
        }

        assert_true(refused > 0);

        for (i = 0; i < BLOCKS; i++) {
            if (models[i].block) {
                check(arena, &models[i]);
                content_arena_free(arena, models[i].block);
            }
        }

        assert_int_equal(content_arena_used(arena), 0);
        assert_true(largest(arena) >= content_arena_size(arena) * 15 / 16);
    }

    free(models);
    free(mem);
}


/* Bounds of what can be had, and the place of one that was freed is found. */

static void
pages_of_one_size_fill_the_arena(void **state)
{
    void             *mem;
    size_t            r, n, i, pages;
    uint32_t          blocks[SIZE / 65536 + 1];
    content_arena_t  *arena;

    static const size_t  rows[] = { 65536, 100000, 131072, 300000 };

    (void) state;

    mem = aligned_alloc(CONTENT_ARENA_PAGE, SIZE);
    assert_non_null(mem);

    for (r = 0; r < N(rows); r++) {
        arena = content_arena_init(mem, SIZE);
        assert_non_null(arena);

        assert_int_equal(content_arena_alloc_pages(arena, 0, SIZE), 0);
        assert_int_equal(content_arena_alloc_pages(arena, SIZE, 0), 0);
        assert_int_equal(content_arena_alloc_pages(arena, SIZE_MAX, 1), 0);
        assert_int_equal(content_arena_alloc_pages(arena, 1, SIZE_MAX), 0);

        for (n = 0; ; n++) {
            blocks[n] = content_arena_alloc_pages(arena, 500, rows[r]);

            if (blocks[n] == CONTENT_ARENA_NONE) {
                break;
            }
        }

        /* a page each for what comes before, and what a class wastes */

        pages = whole_pages(rows[r]) + CONTENT_ARENA_PAGE;
        assert_true(n * pages + pages * 17 / 16 + 3 * CONTENT_ARENA_PAGE
                    >= SIZE - 4096);

        for (i = 0; i < n; i++) {
            content_arena_free(arena, blocks[i]);
            assert_int_equal(content_arena_alloc_pages(arena, 500, rows[r]),
                             blocks[i]);
        }
    }

    free(mem);
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
        cmocka_unit_test(random_against_a_model),
        cmocka_unit_test(pages_are_a_block_s_own),
        cmocka_unit_test(pages_of_one_size_fill_the_arena),
        cmocka_unit_test(may_be_mapped_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
