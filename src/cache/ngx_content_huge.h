/*
 * Copies of large bodies in huge pages, a worker's own: of those that it sends
 * all the time.
 *
 * sendfile() looks up every page of a file of memory by itself, and that is
 * most of what it does: in a huge page it takes half the time for a megabyte.
 * The memory cache can't have huge pages, for a part of one can't be given up
 * (ngx_content_memory_file.c).  Here they are given up whole: a block is one
 * huge page, bodies are copied into it one after the other, and when it is
 * wanted for others all of them are forgotten.
 *
 * A copy is of a record, which is asked for as ever: who has it pinned may send
 * the copy instead.  So it needs no invalidation.
 */

#ifndef NGX_CONTENT_HUGE_H
#define NGX_CONTENT_HUGE_H

#include "core/ngx_content_job.h"
#include "lib/content_shard.h"


#define NGX_CONTENT_HUGE_PAGE    (2 * 1024 * 1024)
#define NGX_CONTENT_HUGE_BLOCKS  4
#define NGX_CONTENT_HUGE_HITS    32     /* of a record, before it is copied */
#define NGX_CONTENT_HUGE_PAUSE   1000   /* ms between two blocks */

typedef struct ngx_content_huge_s  ngx_content_huge_t;


/*
 * For init_process; without a page yet.  They are made in a thread, when they
 * are needed, as that takes milliseconds; if the kernel has none, the log says
 * so, and there are no copies.  NULL: no memory.
 */
ngx_content_huge_t *ngx_content_huge_create(ngx_cycle_t *cycle,
    ngx_thread_pool_t *threads);
void ngx_content_huge_destroy(ngx_content_huge_t *huge);

/*
 * The copy of a pinned record's body, or NULL.  A hit is counted, and may make
 * the copy.  It is there until the next event, or for as long as its block is
 * held.  What is sent from the file may be on its way for as long as it takes.
 */
u_char *ngx_content_huge_find(ngx_content_huge_t *huge,
    content_entry_t *entry);

/* Where in the file a byte of a copy is. */
off_t ngx_content_huge_offset(ngx_content_huge_t *huge, u_char *p,
    ngx_fd_t *file);

/* Whether it is a byte of a copy; huge may be NULL. */
ngx_uint_t ngx_content_huge_has(ngx_content_huge_t *huge, u_char *p);

/* Keeps the block that a byte is in, until _release() of the same byte. */
void ngx_content_huge_hold(ngx_content_huge_t *huge, u_char *p);
void ngx_content_huge_release(ngx_content_huge_t *huge, u_char *p);


#endif
