/*
 * The allocator of the shared memory cache, against a model: blocks don't
 * overlap, keep what is in them, and nothing else lies in their pages.
 */

#include "arena.h"


#define BLOCKS   2048
#define LARGE    100                     /* of BLOCKS, those with pages */
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


/* Frees all blocks: the arena is one piece again. */

static void
drain(content_arena_t *arena, const model_t *models)
{
    unsigned  i;

    for (i = 0; i < BLOCKS; i++) {
        if (models[i].block) {
            check(arena, &models[i]);
            content_arena_free(arena, models[i].block);
        }
    }

    assert_int_equal(content_arena_used(arena), 0);
    assert_true(largest(arena) >= content_arena_size(arena) * 15 / 16);
}


static void
random_against_a_model(void **state)
{
    size_t            used, refused;
    model_t          *models, *m;
    uint64_t          seed;
    unsigned          step;
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

    drain(arena, models);

    free(units);
    free(models);
    free(arena);
}


/*
 * Pages: nothing but the block's bytes lies in them.  Proved by wiping them, as
 * if they were taken away, while the block is in use and before it is freed:
 * neither neighbours nor the arena may notice.
 */

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

    for (r = 0; r < ROWS(shifts); r++) {
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

        drain(arena, models);
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

    for (r = 0; r < ROWS(rows); r++) {
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(random_against_a_model),
        cmocka_unit_test(pages_are_a_block_s_own),
        cmocka_unit_test(pages_of_one_size_fill_the_arena)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
