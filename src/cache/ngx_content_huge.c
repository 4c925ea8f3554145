/*
 * Copies of large bodies in huge pages: see ngx_content_huge.h.
 *
 * The pages are those of a file without a name, of which a block is an aligned
 * 2 MiB.  A new block is made of an older one: its page is taken out of the
 * file, whole, so that whoever sends it keeps it as it is, and a new one comes
 * by MADV_COLLAPSE (Linux 6.1), which asks no setting of the system's.
 *
 * Which records are sent all the time is counted in slots, chosen by the
 * record's address.  Others that have the same slot take away from its count.
 * Once a second at most a block is made: so with more such records than there
 * is room for, the copies change slowly, and cost little.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <sys/mman.h>

#include "cache/ngx_content_huge.h"


#define NGX_CONTENT_HUGE_SLOTS  256
#define NGX_CONTENT_HUGE_SIZE   ((size_t) NGX_CONTENT_HUGE_BLOCKS             \
                                 * NGX_CONTENT_HUGE_PAGE)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE  25
#endif


/* Another record at the same address has another serial number. */

typedef struct {
    content_entry_t             *entry;
    uint64_t                     serial;
    ngx_uint_t                   hits;
    u_char                      *copy;       /* or NULL */
} ngx_content_huge_slot_t;

typedef struct {
    ngx_content_huge_t          *huge;
    ngx_uint_t                   block;      /* to be made */
    ngx_err_t                    err;
} ngx_content_huge_job_t;

struct ngx_content_huge_s {
    ngx_fd_t                     file;
    u_char                      *map;        /* with room for alignment */
    u_char                      *mem;        /* NULL before the first job */

    ngx_thread_pool_t           *threads;
    ngx_content_huge_job_t      *job;
    ngx_msec_t                   made;
    ngx_log_t                   *log;

    ngx_uint_t                   block;      /* that is being filled */
    size_t                       used;       /* bytes of it */
    ngx_uint_t                   holds[NGX_CONTENT_HUGE_BLOCKS];
    ngx_content_huge_slot_t      slots[NGX_CONTENT_HUGE_SLOTS];

    unsigned                     making:1;
    unsigned                     off:1;      /* there are no huge pages */
};


static void ngx_content_huge_copy(ngx_content_huge_t *huge,
    ngx_content_huge_slot_t *slot);
static void ngx_content_huge_make(ngx_content_huge_t *huge);
static ngx_int_t ngx_content_huge_choose(ngx_content_huge_t *huge,
    ngx_uint_t *block);
static void ngx_content_huge_forget(ngx_content_huge_t *huge,
    ngx_uint_t block);
static void ngx_content_huge_run(void *data);
static void ngx_content_huge_done(void *data);
static ngx_int_t ngx_content_huge_open(ngx_content_huge_t *huge);
static ngx_uint_t ngx_content_huge_block(ngx_content_huge_t *huge, u_char *p);


ngx_content_huge_t *
ngx_content_huge_create(ngx_cycle_t *cycle, ngx_thread_pool_t *threads)
{
    ngx_content_huge_t  *huge;

    huge = ngx_pcalloc(cycle->pool, sizeof(ngx_content_huge_t));
    if (huge == NULL) {
        return NULL;
    }

    huge->file = NGX_INVALID_FILE;
    huge->threads = threads;
    huge->log = cycle->log;

    /* there is no block: what is to be filled is full */

    huge->block = NGX_CONTENT_HUGE_BLOCKS - 1;
    huge->used = NGX_CONTENT_HUGE_PAGE;

    huge->job = ngx_content_job_create(cycle->pool,
                                       sizeof(ngx_content_huge_job_t),
                                       ngx_content_huge_run,
                                       ngx_content_huge_done, cycle->log);
    if (huge->job == NULL) {
        return NULL;
    }

    huge->job->huge = huge;

    return huge;
}


void
ngx_content_huge_destroy(ngx_content_huge_t *huge)
{
    if (huge->mem) {
        (void) munmap(huge->map,
                      NGX_CONTENT_HUGE_SIZE + NGX_CONTENT_HUGE_PAGE);
        (void) close(huge->file);
    }
}


u_char *
ngx_content_huge_find(ngx_content_huge_t *huge, content_entry_t *entry)
{
    uint64_t                  serial;
    ngx_content_huge_slot_t  *slot;

    if (huge->off || content_entry_pages(entry) > NGX_CONTENT_HUGE_PAGE) {
        return NULL;
    }

    serial = *content_entry_serial(entry);
    slot = &huge->slots[(uintptr_t) entry / CONTENT_ARENA_PAGE
                        % NGX_CONTENT_HUGE_SLOTS];

    if (slot->entry != entry || slot->serial != serial) {

        if (slot->entry != entry && slot->hits) {
            slot->hits--;
            return NULL;
        }

        slot->entry = entry;
        slot->serial = serial;
        slot->hits = 0;
        slot->copy = NULL;
    }

    slot->hits += (slot->hits < NGX_CONTENT_HUGE_HITS);

    if (slot->copy == NULL && slot->hits == NGX_CONTENT_HUGE_HITS) {
        ngx_content_huge_copy(huge, slot);
    }

    return slot->copy;
}


static void
ngx_content_huge_copy(ngx_content_huge_t *huge, ngx_content_huge_slot_t *slot)
{
    size_t  size;

    size = content_entry_pages(slot->entry);

    if (huge->used + size > NGX_CONTENT_HUGE_PAGE) {
        ngx_content_huge_make(huge);
        return;
    }

    slot->copy = huge->mem + huge->block * NGX_CONTENT_HUGE_PAGE + huge->used;
    huge->used += size;

    ngx_memcpy(slot->copy, content_entry_body(slot->entry),
               slot->entry->body_len);
}


/* Begins to make the next block, if it is time to. */

static void
ngx_content_huge_make(ngx_content_huge_t *huge)
{
    if (huge->making
        || (huge->mem && ngx_current_msec - huge->made
                         < NGX_CONTENT_HUGE_PAUSE)
        || ngx_content_huge_choose(huge, &huge->job->block) != NGX_OK)
    {
        return;
    }

    ngx_content_huge_forget(huge, huge->job->block);

    huge->making = (ngx_content_job_start(huge->threads, huge->job) == NGX_OK);
}


/* The oldest one that nobody holds. */

static ngx_int_t
ngx_content_huge_choose(ngx_content_huge_t *huge, ngx_uint_t *block)
{
    ngx_uint_t  i;

    for (i = 1; i < NGX_CONTENT_HUGE_BLOCKS; i++) {
        *block = (huge->block + i) % NGX_CONTENT_HUGE_BLOCKS;

        if (huge->holds[*block] == 0) {
            return NGX_OK;
        }
    }

    return NGX_BUSY;
}


static void
ngx_content_huge_forget(ngx_content_huge_t *huge, ngx_uint_t block)
{
    ngx_uint_t                i;
    ngx_content_huge_slot_t  *slot;

    for (i = 0; i < NGX_CONTENT_HUGE_SLOTS; i++) {
        slot = &huge->slots[i];

        if (slot->copy && ngx_content_huge_block(huge, slot->copy) == block) {
            slot->copy = NULL;
            slot->hits = 0;
        }
    }
}


/* In a thread.  Nobody else uses the block meanwhile. */

static void
ngx_content_huge_run(void *data)
{
    ngx_content_huge_job_t *job = data;

    u_char  *p;

    job->err = 0;

    if (job->huge->mem == NULL && ngx_content_huge_open(job->huge) != NGX_OK) {
        job->err = ngx_errno;
        return;
    }

    p = job->huge->mem + job->block * NGX_CONTENT_HUGE_PAGE;

    if (madvise(p, NGX_CONTENT_HUGE_PAGE, MADV_REMOVE) == -1) {
        job->err = ngx_errno;
        return;
    }

    *p = 0;                                  /* of nothing there is no page */

    if (madvise(p, NGX_CONTENT_HUGE_PAGE, MADV_COLLAPSE) == -1) {
        job->err = ngx_errno;
    }
}


static void
ngx_content_huge_done(void *data)
{
    ngx_content_huge_job_t *job = data;

    ngx_content_huge_t  *huge;

    huge = job->huge;
    huge->making = 0;
    huge->made = ngx_current_msec;

    /* memory may be in pieces at this moment, then it is tried again */

    if (job->err == 0) {
        huge->block = job->block;
        huge->used = 0;

    } else if (job->err != NGX_EAGAIN && job->err != NGX_EBUSY
               && job->err != NGX_ENOMEM)
    {
        huge->off = 1;

        ngx_log_error(NGX_LOG_INFO, huge->log, job->err,
                      "content: large objects are sent from small pages: "
                      "there are no huge ones");
    }
}


/* In a thread. */

#if (NGX_CONTENT_HAVE_MEMFD)

static ngx_int_t
ngx_content_huge_open(ngx_content_huge_t *huge)
{
    u_char     *map, *mem;
    ngx_fd_t    file;
    ngx_err_t   err;

    file = memfd_create("content_huge", MFD_CLOEXEC);

    if (file == -1) {
        return NGX_ERROR;
    }

    map = MAP_FAILED;

    if (ftruncate(file, NGX_CONTENT_HUGE_SIZE) == -1) {
        goto failed;
    }

    map = mmap(NULL, NGX_CONTENT_HUGE_SIZE + NGX_CONTENT_HUGE_PAGE, PROT_NONE,
               MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED) {
        goto failed;
    }

    mem = map + (0 - (uintptr_t) map) % NGX_CONTENT_HUGE_PAGE;

    if (mmap(mem, NGX_CONTENT_HUGE_SIZE, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_FIXED, file, 0)
        == MAP_FAILED)
    {
        goto failed;
    }

    huge->file = file;
    huge->map = map;
    huge->mem = mem;

    return NGX_OK;

failed:

    err = ngx_errno;

    if (map != MAP_FAILED) {
        (void) munmap(map, NGX_CONTENT_HUGE_SIZE + NGX_CONTENT_HUGE_PAGE);
    }

    (void) close(file);
    ngx_set_errno(err);

    return NGX_ERROR;
}

#else

static ngx_int_t
ngx_content_huge_open(ngx_content_huge_t *huge)
{
    ngx_set_errno(NGX_ENOSYS);

    return NGX_ERROR;
}

#endif


off_t
ngx_content_huge_offset(ngx_content_huge_t *huge, u_char *p, ngx_fd_t *file)
{
    *file = huge->file;

    return p - huge->mem;
}


ngx_uint_t
ngx_content_huge_has(ngx_content_huge_t *huge, u_char *p)
{
    return huge && huge->mem && p >= huge->mem
           && p < huge->mem + NGX_CONTENT_HUGE_SIZE;
}


static ngx_uint_t
ngx_content_huge_block(ngx_content_huge_t *huge, u_char *p)
{
    return (p - huge->mem) / NGX_CONTENT_HUGE_PAGE;
}


void
ngx_content_huge_hold(ngx_content_huge_t *huge, u_char *p)
{
    huge->holds[ngx_content_huge_block(huge, p)]++;
}


void
ngx_content_huge_release(ngx_content_huge_t *huge, u_char *p)
{
    huge->holds[ngx_content_huge_block(huge, p)]--;
}
