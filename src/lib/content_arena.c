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
#define PAGE      (CONTENT_ARENA_PAGE / CONTENT_ARENA_UNIT)      /* units */
#define LOOKS     16                       /* at blocks that may fit */


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

    if (fl >= FL) {
        return CONTENT_ARENA_NONE;
    }

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


static uint32_t
units_of(size_t size)
{
    return (uint32_t) ((size + CONTENT_ARENA_UNIT - 1) / CONTENT_ARENA_UNIT);
}


/* Cuts a block, which is in no list, behind n units. */

static void
cut(content_arena_t *arena, uint32_t block, uint32_t n)
{
    block_t  *b, *rest;

    b = at(arena, block);
    rest = at(arena, block + n);

    rest->size = b->size - n;
    rest->left = n;
    at(arena, block + b->size)->left = rest->size;
    b->size = n;
}


/* Takes n units of a free block, behind the first gap units. */

static uint32_t
carve(content_arena_t *arena, uint32_t block, uint32_t gap, uint32_t n)
{
    take_out(arena, block);

    if (gap) {
        cut(arena, block, gap);
        insert(arena, block);
        block += gap;
    }

    if (at(arena, block)->size - n >= LEAST) {
        cut(arena, block, n);
        insert(arena, block + n);
    }

    arena->used += at(arena, block)->size;

    return block;
}


uint32_t
content_arena_alloc(content_arena_t *arena, size_t size)
{
    uint32_t  n, block;

    if (size > (size_t) arena->units * CONTENT_ARENA_UNIT) {
        return CONTENT_ARENA_NONE;
    }

    n = units_of(size + CONTENT_ARENA_HEAD);

    if (n < LEAST) {
        n = LEAST;
    }

    block = search(arena, n);

    return block ? carve(arena, block, 0, n) : CONTENT_ARENA_NONE;
}


/*
 * The units to be left free at a block's beginning, so that a page begins
 * behind the next before units: none, or enough for a block.
 */

static uint32_t
gap_of(content_arena_t *arena, uint32_t block, uint32_t before)
{
    uint32_t  gap;

    gap = (uint32_t) ((uintptr_t) at(arena, block + before)
                      / CONTENT_ARENA_UNIT % PAGE);
    gap = (PAGE - gap) % PAGE;

    return gap > 0 && gap < LEAST ? gap + PAGE : gap;
}


static int
has_pages(content_arena_t *arena, uint32_t block, uint32_t before, uint32_t n)
{
    return size_of(at(arena, block)) >= gap_of(arena, block, before) + n;
}


/*
 * First where a block of the same length has been: search() passes over such
 * a place, as it takes only what is sure to fit.
 */

static uint32_t
search_pages(content_arena_t *arena, uint32_t before, uint32_t n)
{
    unsigned  fl, sl, looks;
    uint32_t  block;

    class_of(n, &fl, &sl);
    block = arena->heads[fl][sl];

    for (looks = 0; block && looks < LOOKS; looks++) {
        if (has_pages(arena, block, before, n)) {
            return block;
        }

        block = at(arena, block)->next;
    }

    block = search(arena, n);

    if (block && has_pages(arena, block, before, n)) {
        return block;
    }

    return search(arena, n + PAGE + LEAST - 1);        /* the largest gap */
}


uint32_t
content_arena_alloc_pages(content_arena_t *arena, size_t before, size_t size)
{
    size_t    all;
    uint32_t  n, block, head;

    all = (size_t) arena->units * CONTENT_ARENA_UNIT;

    if (before > all || size > all || before + size > all) {
        return CONTENT_ARENA_NONE;
    }

    head = units_of(before + CONTENT_ARENA_HEAD);

    if (head < LEAST) {
        head = LEAST;                      /* the links while it is free */
    }

    n = head + (uint32_t) ((size + CONTENT_ARENA_PAGE - 1)
                           / CONTENT_ARENA_PAGE) * PAGE;

    block = n <= arena->units ? search_pages(arena, head, n)
                              : CONTENT_ARENA_NONE;

    return block ? carve(arena, block, gap_of(arena, block, head), n)
                 : CONTENT_ARENA_NONE;
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
