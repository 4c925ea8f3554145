/*
 * Two-level segregated fit: see content_arena.h.
 *
 * A free block of n units is in the list of its class: the first level is the
 * power of two below n, the second cuts that into SL equal steps.  A bitmap a
 * level tells which lists have blocks.  Every block knows the length of its
 * left neighbour, so that both neighbours can be found.
 */

#include <string.h>

#include "lib/content_arena.h"


#define SL_LOG    4
#define SL        (1u << SL_LOG)
#define FL        31
#define FREE      0x80000000u
#define LEAST     2u                       /* units: a free block's links fit */


typedef struct {
    uint32_t  size;                        /* units; FREE in the top bit */
    uint32_t  left;                        /* units of the left neighbour */
    uint32_t  next;                        /* while free */
    uint32_t  prev;
} block_t;


struct content_arena_s {
    uint32_t  first;                       /* the first block */
    uint32_t  units;                       /* of all blocks */
    uint32_t  used;                        /* units */
    uint32_t  fl_map;
    uint32_t  sl_map[FL];
    uint32_t  heads[FL][SL];
};


static block_t *
at(content_arena_t *arena, uint32_t block)
{
    return (block_t *) ((unsigned char *) arena
                        + (size_t) block * CONTENT_ARENA_UNIT);
}


static uint32_t
size_of(const block_t *b)
{
    return b->size & ~FREE;
}


static unsigned
log2_of(uint32_t n)
{
    return 31u - (unsigned) __builtin_clz(n);
}


/* The class that a block of n units is kept in. */

static void
class_of(uint32_t n, unsigned *fl, unsigned *sl)
{
    *fl = log2_of(n);

    *sl = *fl > SL_LOG ? (n >> (*fl - SL_LOG)) & (SL - 1)
                       : (n << (SL_LOG - *fl)) & (SL - 1);
}


static void
insert(content_arena_t *arena, uint32_t block)
{
    unsigned   fl, sl;
    block_t   *b;

    b = at(arena, block);
    class_of(size_of(b), &fl, &sl);

    b->size |= FREE;
    b->prev = CONTENT_ARENA_NONE;
    b->next = arena->heads[fl][sl];

    if (b->next) {
        at(arena, b->next)->prev = block;
    }

    arena->heads[fl][sl] = block;
    arena->sl_map[fl] |= 1u << sl;
    arena->fl_map |= 1u << fl;
}


static void
take_out(content_arena_t *arena, uint32_t block)
{
    unsigned   fl, sl;
    block_t   *b;

    b = at(arena, block);
    class_of(size_of(b), &fl, &sl);

    if (b->next) {
        at(arena, b->next)->prev = b->prev;
    }

    if (b->prev) {
        at(arena, b->prev)->next = b->next;

    } else {
        arena->heads[fl][sl] = b->next;

        if (b->next == CONTENT_ARENA_NONE) {
            arena->sl_map[fl] &= ~(1u << sl);

            if (arena->sl_map[fl] == 0) {
                arena->fl_map &= ~(1u << fl);
            }
        }
    }

    b->size &= ~FREE;
}


/* A list whose blocks all have n units or more. */

static uint32_t
search(content_arena_t *arena, uint32_t n)
{
    unsigned  fl, sl;
    uint32_t  map;

    if (n >= SL) {
        n += (1u << (log2_of(n) - SL_LOG)) - 1;        /* the next class */
    }

    class_of(n, &fl, &sl);

    map = arena->sl_map[fl] & (~0u << sl);

    if (map == 0) {
        map = fl + 1 < FL ? arena->fl_map & (~0u << (fl + 1)) : 0;

        if (map == 0) {
            return CONTENT_ARENA_NONE;
        }

        fl = (unsigned) __builtin_ctz(map);
        map = arena->sl_map[fl];
    }

    return arena->heads[fl][__builtin_ctz(map)];
}


content_arena_t *
content_arena_init(void *mem, size_t size)
{
    uint32_t          units;
    block_t          *last;
    content_arena_t  *arena;

    if (size < 4096 || size > ((size_t) 1 << 31) * CONTENT_ARENA_UNIT) {
        return NULL;
    }

    arena = mem;
    memset(arena, 0, sizeof(content_arena_t));

    arena->first = (uint32_t) ((sizeof(content_arena_t) + CONTENT_ARENA_UNIT
                                - 1) / CONTENT_ARENA_UNIT);

    /* one unit at the end is a block of no length that is never free */

    units = (uint32_t) (size / CONTENT_ARENA_UNIT) - arena->first - 1;
    arena->units = units;

    at(arena, arena->first)->size = units;
    at(arena, arena->first)->left = 0;

    last = at(arena, arena->first + units);
    last->size = 0;
    last->left = units;

    insert(arena, arena->first);

    return arena;
}


uint32_t
content_arena_alloc(content_arena_t *arena, size_t size)
{
    block_t   *b, *rest;
    uint32_t   n, block;

    if (size > (size_t) arena->units * CONTENT_ARENA_UNIT) {
        return CONTENT_ARENA_NONE;
    }

    n = (uint32_t) ((size + CONTENT_ARENA_HEAD + CONTENT_ARENA_UNIT - 1)
                    / CONTENT_ARENA_UNIT);

    if (n < LEAST) {
        n = LEAST;
    }

    block = search(arena, n);

    if (block == CONTENT_ARENA_NONE) {
        return CONTENT_ARENA_NONE;
    }

    take_out(arena, block);
    b = at(arena, block);

    if (b->size - n >= LEAST) {
        rest = at(arena, block + n);
        rest->size = b->size - n;
        rest->left = n;
        at(arena, block + b->size)->left = rest->size;

        b->size = n;
        insert(arena, block + n);
    }

    arena->used += b->size;

    return block;
}


void
content_arena_free(content_arena_t *arena, uint32_t block)
{
    block_t   *b, *right;
    uint32_t   left;

    b = at(arena, block);
    arena->used -= b->size;

    right = at(arena, block + b->size);

    if (right->size & FREE) {
        take_out(arena, block + b->size);
        b->size += right->size;
    }

    if (b->left && (at(arena, block - b->left)->size & FREE)) {
        left = block - b->left;
        take_out(arena, left);
        at(arena, left)->size += b->size;
        block = left;
        b = at(arena, block);
    }

    at(arena, block + b->size)->left = b->size;

    insert(arena, block);
}


void *
content_arena_at(content_arena_t *arena, uint32_t block)
{
    return (unsigned char *) at(arena, block) + CONTENT_ARENA_HEAD;
}


uint32_t
content_arena_block(content_arena_t *arena, const void *memory)
{
    return (uint32_t) (((const unsigned char *) memory - CONTENT_ARENA_HEAD
                        - (unsigned char *) arena) / CONTENT_ARENA_UNIT);
}


size_t
content_arena_taken(content_arena_t *arena, uint32_t block)
{
    return (size_t) size_of(at(arena, block)) * CONTENT_ARENA_UNIT;
}


size_t
content_arena_used(const content_arena_t *arena)
{
    return (size_t) arena->used * CONTENT_ARENA_UNIT;
}


size_t
content_arena_size(const content_arena_t *arena)
{
    return (size_t) arena->units * CONTENT_ARENA_UNIT;
}
