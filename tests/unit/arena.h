/* What the tests of an arena have in common. */

#ifndef ARENA_H
#define ARENA_H

#include "lib/content_arena.h"
#include "rows.h"


#define SIZE  (1024 * 1024)


static inline content_arena_t *
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

static inline size_t
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


#endif
