/*
 * The lock of a shard of the memory cache, and what becomes of a shard whose
 * user has died or was stopped while it changed it: it is emptied, and filled
 * again when nobody reads any more what was there.
 *
 * A reader that does not get a lock soon takes it for a miss; a drop waits
 * longer, but not for ever, as the owner may have been stopped.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_memory_shared.h"


#define NGX_CONTENT_MEMORY_WAIT    100       /* ms for a lock that must be had */


static ngx_int_t ngx_content_memory_take_over(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static void ngx_content_memory_reset(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static ngx_uint_t ngx_content_memory_read_in(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s);
static ngx_uint_t ngx_content_memory_lies_in(ngx_content_memory_shard_t *s,
    ngx_atomic_uint_t p);


ngx_int_t
ngx_content_memory_lock(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_uint_t must)
{
    ngx_uint_t  i, round;

    for (round = 0; ; round++) {
        for (i = 0; i < NGX_CONTENT_MEMORY_SPIN; i++) {
            if (s->lock == 0 && ngx_atomic_cmp_set(&s->lock, 0, ngx_pid)) {
                goto locked;
            }

            ngx_cpu_pause();
        }

        if (ngx_content_memory_take_over(memory, s) == NGX_OK) {
            return NGX_OK;
        }

        if (!must || round > NGX_CONTENT_MEMORY_WAIT) {
            return NGX_BUSY;
        }

        ngx_msleep(1);
    }

locked:

    if (s->distrusted) {
        ngx_content_memory_reset(memory, s);
    }

    return NGX_OK;
}


void
ngx_content_memory_unlock(ngx_content_memory_shard_t *s)
{
    ngx_memory_barrier();
    s->lock = 0;
}


/*
 * The pages are given up without the lock, which takes longer than others may
 * wait for it: meanwhile the record is this worker's.  If that dies, its
 * successor lets go of it, and the record is spent as before.
 */

void
ngx_content_memory_unlock_spent(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    ngx_int_t                     rc;
    content_entry_t              *spent;
    ngx_content_memory_worker_t  *self;

    self = ngx_content_memory_self(memory);
    spent = content_shard_spent(s->shard, ngx_content_memory_pinned, memory);
    self->working = (ngx_atomic_uint_t) spent;

    ngx_content_memory_unlock(s);

    if (spent == NULL) {
        return;
    }

    rc = ngx_content_memory_discard(memory, content_entry_body(spent),
                                    content_entry_pages(spent));

    if (rc == NGX_OK && ngx_content_memory_lock(memory, s, 0) == NGX_OK) {

        if (!s->emptied) {
            content_shard_free(s->shard, spent);
        }

        ngx_content_memory_unlock(s);
    }

    self->working = 0;
}


static ngx_int_t
ngx_content_memory_take_over(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    ngx_atomic_uint_t  owner;

    owner = s->lock;

    if (owner == 0 || kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != ESRCH
        || !ngx_atomic_cmp_set(&s->lock, owner, ngx_pid))
    {
        return NGX_DECLINED;
    }

    ngx_content_memory_reset(memory, s);

    return NGX_OK;
}


/* Empties a shard; the lock is held. */

static void
ngx_content_memory_reset(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    s->emptied = 1;
    s->shard = content_shard_init(s->mem, s->size);
    s->distrusted = 0;

    (void) ngx_atomic_fetch_add(&memory->resets, 1);

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "content: a part of the memory cache was emptied: a worker "
                  "had died or was stopped while it changed it");
}


/*
 * One that was emptied is when nobody reads any more what was there; all of
 * its pages may still be on their way to clients.
 */

ngx_uint_t
ngx_content_memory_usable(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    if (!s->emptied) {
        return 1;
    }

    if (ngx_content_memory_read_in(memory, s)
        || ngx_content_memory_discard(memory, s->mem, s->size) != NGX_OK)
    {
        return 0;
    }

    s->shard = content_shard_init(s->mem, s->size);
    s->emptied = 0;

    return 1;
}


static ngx_uint_t
ngx_content_memory_read_in(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s)
{
    ngx_uint_t                    i, n;
    ngx_content_memory_worker_t  *w;

    for (i = 0; i < memory->places; i++) {
        w = &memory->workers[i];

        if (ngx_content_memory_lies_in(s, w->pinned)
            || ngx_content_memory_lies_in(s, w->working))
        {
            return 1;
        }

        for (n = 0; n < NGX_CONTENT_MEMORY_HOLDS; n++) {
            if (ngx_content_memory_lies_in(s, w->holds[n])) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_content_memory_lies_in(ngx_content_memory_shard_t *s, ngx_atomic_uint_t p)
{
    return (u_char *) p >= s->mem && (u_char *) p < s->mem + s->size;
}
