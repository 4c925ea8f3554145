/*
 * An allocator of blocks of any size inside one piece of memory that several
 * processes share, each mapped where it likes: everything is an offset.
 *
 * Two-level segregated fit (Masmano et al., "TLSF: a new dynamic memory
 * allocator for real-time systems", 2004): taking and giving back a block is
 * O(1), neighbours that are free are joined at once, and a block wastes at
 * most a sixteenth of its size in the search.
 *
 * No locking: one user at a time.
 */

#ifndef CONTENT_ARENA_H
#define CONTENT_ARENA_H

#include <stddef.h>
#include <stdint.h>


#define CONTENT_ARENA_UNIT    16         /* bytes; offsets count units */
#define CONTENT_ARENA_HEAD    8          /* bytes before a block's memory */
#define CONTENT_ARENA_PAGE    4096       /* bytes */
#define CONTENT_ARENA_NONE    0          /* no block */

typedef struct content_arena_s  content_arena_t;


/*
 * Makes an arena in mem (aligned to 16 bytes), which holds the arena itself
 * too.  Returns NULL when size is less than 4 KiB or more than 32 GiB.
 */
content_arena_t *content_arena_init(void *mem, size_t size);

/* A block for size bytes, aligned to 8, or CONTENT_ARENA_NONE. */
uint32_t content_arena_alloc(content_arena_t *arena, size_t size);

/*
 * The same for before bytes and, from the next boundary of a page, pages of
 * the block's own for size bytes: nothing else lies in these, no block's head
 * and no link.  (So wherever it is mapped has to begin at a page.)
 */
uint32_t content_arena_alloc_pages(content_arena_t *arena, size_t before,
    size_t size);

void content_arena_free(content_arena_t *arena, uint32_t block);

/* The block's memory, and back. */
void *content_arena_at(content_arena_t *arena, uint32_t block);
uint32_t content_arena_block(content_arena_t *arena, const void *memory);

/* Bytes that a block takes, head and rounding included. */
size_t content_arena_taken(content_arena_t *arena, uint32_t block);

/* Bytes that all blocks take, and that there are for them. */
size_t content_arena_used(const content_arena_t *arena);
size_t content_arena_size(const content_arena_t *arena);


#endif
