/*
 * Memory of a worker's uploads: see ngx_content_uploads.h; their turns are in
 * ngx_content_uploads_turns.c.
 *
 * Buffers of a part's size come back again and again while a body passes
 * through: they are kept for the next part, since the kernel has to clear
 * every page of a fresh one.  When uploads have ended, all are given back to
 * the system.  They are mapped, not taken from malloc(), for that would keep
 * them in its heap.
 */

#include <sys/mman.h>

#include "store/ngx_content_uploads_internal.h"


#define NGX_CONTENT_UPLOADS_MAPPED  (256 * 1024)   /* smaller: malloc() */
#define NGX_CONTENT_UPLOADS_TICK    1000           /* ms */
#define NGX_CONTENT_UPLOADS_IDLE    10000


static void ngx_content_uploads_event(ngx_event_t *ev,
    ngx_event_handler_pt handler, ngx_content_uploads_t *uploads);
static void ngx_content_uploads_gauge(ngx_content_uploads_t *uploads);
static void ngx_content_uploads_grant(ngx_event_t *ev);
static void ngx_content_uploads_hurry(ngx_event_t *ev);
static void ngx_content_uploads_trim(ngx_event_t *ev);
static ngx_int_t ngx_content_claim_take(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim);
static u_char *ngx_content_buffer_alloc(ngx_content_uploads_t *uploads,
    size_t size);
static u_char *ngx_content_buffer_kept(ngx_content_uploads_t *uploads,
    size_t size);
static void ngx_content_buffer_drop(ngx_content_uploads_t *uploads);


ngx_content_uploads_t *
ngx_content_uploads_create(ngx_cycle_t *cycle,
    ngx_content_uploads_conf_t *conf, ngx_content_uploads_shared_t *shared)
{
    ngx_core_conf_t        *ccf;
    ngx_content_uploads_t  *uploads;

    uploads = ngx_pcalloc(cycle->pool, sizeof(ngx_content_uploads_t));
    if (uploads == NULL) {
        return NULL;
    }

    uploads->limit = conf->limit;
    uploads->patience = conf->patience;
    uploads->shared = shared;
    uploads->log = cycle->log;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    uploads->hashing_max = ngx_max(ngx_ncpu / ngx_max(ccf->worker_processes,
                                                      1),
                                   1);

    ngx_queue_init(&uploads->waiting);
    ngx_queue_init(&uploads->filling);
    ngx_queue_init(&uploads->readers);
    ngx_queue_init(&uploads->turns);

    uploads->round_left = NGX_CONTENT_READ_ROUND;

    ngx_content_uploads_event(&uploads->round, ngx_content_read_round,
                              uploads);
    ngx_content_uploads_event(&uploads->grant, ngx_content_uploads_grant,
                              uploads);
    ngx_content_uploads_event(&uploads->tick, ngx_content_uploads_hurry,
                              uploads);
    ngx_content_uploads_event(&uploads->idle, ngx_content_uploads_trim,
                              uploads);
    uploads->idle.cancelable = 1;

    ngx_content_uploads_gauge(uploads);

    return uploads;
}


static void
ngx_content_uploads_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_content_uploads_t *uploads)
{
    ev->handler = handler;
    ev->data = uploads;
    ev->log = uploads->log;
}


void
ngx_content_uploads_destroy(ngx_content_uploads_t *uploads)
{
    if (uploads->round.posted) {
        ngx_delete_posted_event(&uploads->round);
    }

    if (uploads->grant.posted) {
        ngx_delete_posted_event(&uploads->grant);
    }

    if (uploads->tick.timer_set) {
        ngx_del_timer(&uploads->tick);
    }

    if (uploads->idle.timer_set) {
        ngx_del_timer(&uploads->idle);
    }

    while (uploads->kept) {
        ngx_content_buffer_drop(uploads);
    }
}


/*
 * Set, not added to: a worker that was killed leaves no trace once another has
 * its number.
 */

static void
ngx_content_uploads_gauge(ngx_content_uploads_t *uploads)
{
    ngx_uint_t  slot;

    slot = ngx_worker % NGX_CONTENT_UPLOADS_SLOTS;

    uploads->shared->bytes[slot] = uploads->used;
    uploads->shared->waiting[slot] = uploads->nwaiting;
}


/* Claims. */

ngx_int_t
ngx_content_claim_buffer(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim, size_t size, u_char **data)
{
    if (claim->waiting) {
        return NGX_AGAIN;
    }

    claim->size = size;

    if (claim->data == NULL) {
        if (!ngx_queue_empty(&uploads->waiting)
            || uploads->used + size > uploads->limit)
        {
            claim->waiting = 1;
            ngx_queue_insert_tail(&uploads->waiting, &claim->link);
            uploads->nwaiting++;

            ngx_content_uploads_gauge(uploads);
            (void) ngx_atomic_fetch_add(&uploads->shared->waits, 1);

            if (!uploads->tick.timer_set) {
                ngx_add_timer(&uploads->tick, NGX_CONTENT_UPLOADS_TICK);
            }

            return NGX_AGAIN;
        }

        if (ngx_content_claim_take(uploads, claim) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    *data = claim->data;
    claim->data = NULL;

    claim->filling = 1;
    claim->since = ngx_current_msec;
    ngx_queue_insert_tail(&uploads->filling, &claim->link);

    return NGX_OK;
}


static ngx_int_t
ngx_content_claim_take(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim)
{
    claim->data = ngx_content_buffer_alloc(uploads, claim->size);
    if (claim->data == NULL) {
        return NGX_ERROR;
    }

    uploads->used += claim->size;
    ngx_content_uploads_gauge(uploads);

    if (uploads->idle.timer_set) {
        ngx_del_timer(&uploads->idle);
    }

    return NGX_OK;
}


void
ngx_content_claim_filled(ngx_content_claim_t *claim)
{
    if (claim->filling) {
        claim->filling = 0;
        ngx_queue_remove(&claim->link);
    }
}


void
ngx_content_claim_end(ngx_content_uploads_t *uploads,
    ngx_content_claim_t *claim)
{
    ngx_content_claim_filled(claim);

    if (claim->waiting) {
        claim->waiting = 0;
        ngx_queue_remove(&claim->link);
        uploads->nwaiting--;

        ngx_content_uploads_gauge(uploads);

        /* whoever was behind it may want less */

        if (!uploads->grant.posted) {
            ngx_post_event(&uploads->grant, &ngx_posted_next_events);
        }
    }

    if (claim->data) {
        ngx_content_buffer_free(uploads, claim->data, claim->size);
        claim->data = NULL;
    }
}


/*
 * In an iteration of the event loop of its own: what is granted goes on to
 * read, and others have their turn in between.
 */

static void
ngx_content_uploads_grant(ngx_event_t *ev)
{
    ngx_content_uploads_t *uploads = ev->data;

    ngx_queue_t          *q;
    ngx_content_claim_t  *claim;

    if (ngx_queue_empty(&uploads->waiting)) {
        if (uploads->tick.timer_set) {
            ngx_del_timer(&uploads->tick);
        }

        return;
    }

    q = ngx_queue_head(&uploads->waiting);
    claim = ngx_queue_data(q, ngx_content_claim_t, link);

    if (uploads->used + claim->size > uploads->limit) {
        return;
    }

    ngx_queue_remove(q);
    claim->waiting = 0;
    uploads->nwaiting--;

    /* no memory: the claim's own call tells */

    (void) ngx_content_claim_take(uploads, claim);
    ngx_content_uploads_gauge(uploads);

    ngx_post_event(&uploads->grant, &ngx_posted_next_events);

    claim->granted(claim);
}


/* Others wait: whoever has filled for too long makes room, one a tick. */

static void
ngx_content_uploads_hurry(ngx_event_t *ev)
{
    ngx_content_uploads_t *uploads = ev->data;

    ngx_queue_t          *q;
    ngx_content_claim_t  *claim;

    if (ngx_queue_empty(&uploads->waiting)) {
        return;
    }

    ngx_add_timer(&uploads->tick, NGX_CONTENT_UPLOADS_TICK);

    if (ngx_queue_empty(&uploads->filling)) {
        return;
    }

    q = ngx_queue_head(&uploads->filling);
    claim = ngx_queue_data(q, ngx_content_claim_t, link);

    if (ngx_current_msec - claim->since < uploads->patience) {
        return;
    }

    (void) ngx_atomic_fetch_add(&uploads->shared->too_slow, 1);

    ngx_content_claim_filled(claim);
    claim->lost(claim);
}


/* Buffers. */

static u_char *
ngx_content_buffer_alloc(ngx_content_uploads_t *uploads, size_t size)
{
    u_char  *p;

    p = ngx_content_buffer_kept(uploads, size);
    if (p) {
        return p;
    }

    while (uploads->kept
           && uploads->used + uploads->kept_size + size > uploads->limit)
    {
        ngx_content_buffer_drop(uploads);
    }

    if (size < NGX_CONTENT_UPLOADS_MAPPED) {
        return ngx_alloc(size, uploads->log);
    }

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
             -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_CRIT, uploads->log, ngx_errno,
                      "content: mmap() of %uz bytes failed", size);
        return NULL;
    }

    return p;
}


static u_char *
ngx_content_buffer_kept(ngx_content_uploads_t *uploads, size_t size)
{
    ngx_content_kept_t  *kept, **last;

    for (last = &uploads->kept; *last; last = &(*last)->next) {
        kept = *last;

        if (kept->size == size) {
            *last = kept->next;
            uploads->kept_size -= size;
            return (u_char *) kept;
        }
    }

    return NULL;
}


void
ngx_content_buffer_free(ngx_content_uploads_t *uploads, u_char *data,
    size_t size)
{
    ngx_content_kept_t  *kept;

    uploads->used -= size;
    ngx_content_uploads_gauge(uploads);

    if (size < NGX_CONTENT_UPLOADS_MAPPED) {
        ngx_free(data);

    } else {
        kept = (ngx_content_kept_t *) data;
        kept->size = size;
        kept->next = uploads->kept;

        uploads->kept = kept;
        uploads->kept_size += size;
    }

    if (uploads->nwaiting && !uploads->grant.posted) {
        ngx_post_event(&uploads->grant, &ngx_posted_next_events);
    }

    if (uploads->used == 0 && !uploads->idle.timer_set) {
        ngx_add_timer(&uploads->idle, NGX_CONTENT_UPLOADS_IDLE);
    }
}


static void
ngx_content_buffer_drop(ngx_content_uploads_t *uploads)
{
    ngx_content_kept_t  *kept;

    kept = uploads->kept;

    uploads->kept = kept->next;
    uploads->kept_size -= kept->size;

    if (munmap(kept, kept->size) == -1) {
        ngx_log_error(NGX_LOG_ALERT, uploads->log, ngx_errno,
                      "content: munmap() failed");
    }
}


static void
ngx_content_uploads_trim(ngx_event_t *ev)
{
    ngx_content_uploads_t *uploads = ev->data;

    while (uploads->kept) {
        ngx_content_buffer_drop(uploads);
    }
}
