/* The purge queue in shared memory: see ngx_content_purge_queue.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cdn/ngx_content_purge_queue.h"


#define NGX_CONTENT_PURGE_UNKNOWN  600      /* seconds until an item of a zone
                                               that nobody knows has failed */


static void ngx_content_purge_expire(ngx_content_purge_shared_t *shared,
    ngx_msec_t now);
static void ngx_content_purge_unknown(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *node);
static void ngx_content_purge_unrefuse(ngx_content_purge_shared_t *shared);
static ngx_uint_t ngx_content_purge_allowed(
    ngx_content_purge_shared_t *shared, ngx_content_purge_node_t *node,
    ngx_content_purge_pace_t *pace, const content_cloudflare_plan_t *limits,
    ngx_msec_t now, ngx_msec_t *wait);
static ngx_uint_t ngx_content_purge_count(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *first, ngx_uint_t most, ngx_msec_t now);
static ngx_uint_t ngx_content_purge_alike(ngx_content_purge_node_t *first,
    ngx_content_purge_node_t *node, ngx_msec_t now);
static ngx_content_purge_pace_t *ngx_content_purge_pace(
    ngx_content_purge_shared_t *shared, uint32_t target,
    const content_cloudflare_plan_t *plan, ngx_msec_t now);
static void ngx_content_purge_gather(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_pool_t *pool,
    ngx_content_purge_node_t *first, ngx_uint_t most, ngx_msec_t until);
static void ngx_content_purge_attempted(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch);
static void ngx_content_purge_finish(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *node, ngx_uint_t failed, content_str_t error);


ngx_content_purge_shared_t *
ngx_content_purge_queue_create(ngx_slab_pool_t *pool)
{
    ngx_uint_t                   i;
    ngx_content_purge_shared_t  *shared;

    shared = ngx_slab_calloc(pool, sizeof(ngx_content_purge_shared_t));
    if (shared == NULL) {
        return NULL;
    }

    shared->pool = pool;
    ngx_queue_init(&shared->queued);
    ngx_queue_init(&shared->taken);
    ngx_queue_init(&shared->paid);

    for (i = 0; i < NGX_CONTENT_PURGE_OWED; i++) {
        ngx_queue_init(&shared->owing[i]);
    }

    return shared;
}


ngx_int_t
ngx_content_purge_queue_add(ngx_content_purge_shared_t *shared,
    uint32_t target, const content_purge_item_t *items, ngx_uint_t n,
    const u_char id[CONTENT_PURGE_ID_SIZE], ngx_uint_t owed,
    ngx_uint_t *repeat)
{
    ngx_int_t     rc;
    ngx_queue_t   added;

    ngx_queue_init(&added);
    rc = NGX_OK;

    ngx_shmtx_lock(&shared->pool->mutex);

    if (repeat) {
        *repeat = ++shared->next_repeat;
    }

    if (target) {
        rc = ngx_content_purge_make(shared, &added, target, items, n,
                                    repeat ? *repeat : 0);
    }

    if (rc == NGX_OK && owed) {
        rc = ngx_content_purge_owe(shared, &added, id);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_purge_job_open(shared, &added, n, id);

        if (target) {
            ngx_queue_add(&shared->queued, &added);
            shared->pending += repeat ? 2 * n : n;
        }

    } else {
        ngx_content_purge_unmake(shared, &added);
    }

    ngx_shmtx_unlock(&shared->pool->mutex);

    return rc;
}


void
ngx_content_purge_queue_repeat(ngx_content_purge_shared_t *shared,
    ngx_uint_t repeat)
{
    ngx_queue_t               *q;
    ngx_content_purge_node_t  *node;

    ngx_shmtx_lock(&shared->pool->mutex);

    for (q = ngx_queue_head(&shared->queued);
         q != ngx_queue_sentinel(&shared->queued);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (node->repeat == repeat && node->attempt == 0) {
            node->due = 0;
        }
    }

    ngx_shmtx_unlock(&shared->pool->mutex);
}


ngx_msec_t
ngx_content_purge_queue_take(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_pool_t *pool, ngx_msec_t until,
    ngx_content_purge_plan_pt plan, void *data)
{
    ngx_msec_t                        now, wait;
    ngx_uint_t                        most;
    ngx_queue_t                      *q, *next;
    ngx_content_purge_node_t         *node;
    ngx_content_purge_pace_t         *pace;
    const content_cloudflare_plan_t  *limits;

    batch->n = 0;
    now = ngx_current_msec;
    wait = NGX_TIMER_INFINITE;

    ngx_shmtx_lock(&shared->pool->mutex);

    ngx_content_purge_expire(shared, now);
    ngx_content_purge_unrefuse(shared);

    for (q = ngx_queue_head(&shared->queued);
         q != ngx_queue_sentinel(&shared->queued);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (node->due && (ngx_msec_int_t) (node->due - now) > 0) {
            wait = ngx_min(wait, node->due - now);
            continue;
        }

        limits = plan(data, node->target);
        pace = limits ? ngx_content_purge_pace(shared, node->target, limits,
                                               now)
                      : NULL;

        if (pace == NULL) {
            ngx_content_purge_unknown(shared, node);
            continue;
        }

        /* one zone or kind that has to wait does not hold up the others */

        most = ngx_content_purge_allowed(shared, node, pace, limits, now,
                                         &wait);
        if (most) {
            ngx_content_purge_gather(shared, batch, pool, node, most, until);
            wait = 0;
            break;
        }
    }

    ngx_shmtx_unlock(&shared->pool->mutex);

    return wait;
}


/*
 * Unknown here: perhaps not to workers of a newer configuration, who see to it
 * that it ends.
 */

static void
ngx_content_purge_unknown(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *node)
{
    static content_str_t  gone = content_string("its CDN zone is no longer "
                                                "configured");

    if (!ngx_exiting
        && ngx_time() - node->queued > NGX_CONTENT_PURGE_UNKNOWN)
    {
        ngx_content_purge_finish(shared, node, 1, gone);
    }
}


static void
ngx_content_purge_unrefuse(ngx_content_purge_shared_t *shared)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_PURGE_TARGETS; i++) {
        shared->paces[i].refused = 0;
    }
}


/*
 * How many items of this one's kind may go in a call now: 0 when its budget
 * is spent.  URLs are counted one by one, of the others the calls.  A call
 * waits until there is budget for all URLs that could go with it: with one for
 * each as it comes, the API's limit of requests would soon be reached.
 */

static ngx_uint_t
ngx_content_purge_allowed(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *node, ngx_content_purge_pace_t *pace,
    const content_cloudflare_plan_t *limits, ngx_msec_t now,
    ngx_msec_t *wait)
{
    uint64_t         left;
    ngx_uint_t       most, bit;
    content_pace_t  *bucket;

    if (node->kind == CONTENT_PURGE_URL) {
        bucket = &pace->urls;
        most = limits->urls_per_call;
        bit = 1;

    } else {
        bucket = &pace->calls;
        most = (node->kind == CONTENT_PURGE_EVERYTHING) ? 1 : limits->items;
        bit = 2;
    }

    if (pace->refused & bit) {
        return 0;
    }

    most = ngx_min(most, NGX_CONTENT_PURGE_BATCH);

    if (node->most) {
        most = ngx_min(most, node->most);
    }

    if (node->kind == CONTENT_PURGE_URL) {
        most = ngx_content_purge_count(shared, node, most, now);
    }

    left = content_pace_take(bucket, now,
                             node->kind == CONTENT_PURGE_URL ? most : 1);

    if (left) {
        pace->refused |= bit;
        *wait = ngx_min(*wait, (ngx_msec_t) ngx_min(left, 60000));
        return 0;
    }

    return most;
}


/* How many items could go with this one, at most `most`. */

static ngx_uint_t
ngx_content_purge_count(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *first, ngx_uint_t most, ngx_msec_t now)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    n = 0;

    for (q = &first->queue;
         q != ngx_queue_sentinel(&shared->queued) && n < most;
         q = ngx_queue_next(q))
    {
        n += ngx_content_purge_alike(first,
                        ngx_queue_data(q, ngx_content_purge_node_t, queue),
                        now);
    }

    return n;
}


/* Whether two items may go in one call, now. */

static ngx_uint_t
ngx_content_purge_alike(ngx_content_purge_node_t *first,
    ngx_content_purge_node_t *node, ngx_msec_t now)
{
    return node->target == first->target && node->kind == first->kind
           && node->most == first->most
           && (node->due == 0 || (ngx_msec_int_t) (node->due - now) <= 0);
}


/* What was taken by a worker that has not come back in time. */

static void
ngx_content_purge_expire(ngx_content_purge_shared_t *shared, ngx_msec_t now)
{
    ngx_queue_t               *q, *next;
    ngx_content_purge_node_t  *node;

    for (q = ngx_queue_head(&shared->taken);
         q != ngx_queue_sentinel(&shared->taken);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if ((ngx_msec_int_t) (node->due - now) <= 0) {
            node->due = now;
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&shared->queued, q);
        }
    }
}


static ngx_content_purge_pace_t *
ngx_content_purge_pace(ngx_content_purge_shared_t *shared, uint32_t target,
    const content_cloudflare_plan_t *plan, ngx_msec_t now)
{
    ngx_uint_t                 i;
    ngx_content_purge_pace_t  *pace;

    for (i = 0; i < NGX_CONTENT_PURGE_TARGETS; i++) {
        pace = &shared->paces[i];

        if (pace->target == 0) {
            pace->target = target;
        }

        if (pace->target != target) {
            continue;
        }

        /* new, or the plan was changed by a reload */

        if (pace->calls.count != plan->calls
            || pace->calls.capacity != plan->bucket)
        {
            (void) content_pace_init(&pace->calls, plan->calls, plan->period,
                                     plan->bucket, now);
            (void) content_pace_init(&pace->urls, plan->urls, 1000,
                                     plan->urls, now);
        }

        return pace;
    }

    return NULL;
}


static void
ngx_content_purge_gather(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_pool_t *pool,
    ngx_content_purge_node_t *first, ngx_uint_t most, ngx_msec_t until)
{
    ngx_msec_t                 now;
    ngx_queue_t               *q, *next;
    content_str_t             *value;
    ngx_content_purge_node_t  *node;

    now = ngx_current_msec;

    batch->target = first->target;
    batch->kind = first->kind;
    batch->attempt = 0;
    batch->ticket = ++shared->next_ticket;

    for (q = &first->queue;
         q != ngx_queue_sentinel(&shared->queued) && batch->n < most;
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (!ngx_content_purge_alike(first, node, now)) {
            continue;
        }

        value = &batch->values[batch->n];
        value->len = node->len;
        value->data = ngx_pnalloc(pool, node->len + 1);

        if (value->data == NULL) {
            return;
        }

        ngx_memcpy(value->data, node->value, node->len);

        batch->n++;
        batch->attempt = ngx_max(batch->attempt, node->attempt);

        node->ticket = batch->ticket;
        node->due = until;
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&shared->taken, q);

        if (node->job < NGX_CONTENT_PURGE_JOBS
            && shared->jobs[node->job].state == CONTENT_PURGE_QUEUED)
        {
            shared->jobs[node->job].state = CONTENT_PURGE_RUNNING;
        }
    }
}


void
ngx_content_purge_queue_settle(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_uint_t failed, content_str_t error)
{
    ngx_queue_t               *q, *next;
    ngx_content_purge_node_t  *node;

    ngx_shmtx_lock(&shared->pool->mutex);

    ngx_content_purge_attempted(shared, batch);

    for (q = ngx_queue_head(&shared->taken);
         q != ngx_queue_sentinel(&shared->taken);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (node->ticket == batch->ticket) {
            ngx_content_purge_finish(shared, node, failed, error);
        }
    }

    ngx_shmtx_unlock(&shared->pool->mutex);
}


/* One more call for each job of the batch; a job's items lie together. */

static void
ngx_content_purge_attempted(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch)
{
    ngx_uint_t                 job;
    ngx_queue_t               *q;
    ngx_content_purge_node_t  *node;

    shared->calls++;
    job = NGX_CONTENT_PURGE_JOBS;          /* stands for none, too */

    for (q = ngx_queue_head(&shared->taken);
         q != ngx_queue_sentinel(&shared->taken);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (node->ticket == batch->ticket && node->job != job) {
            job = node->job;
            shared->jobs[job].attempts++;
        }
    }
}


static void
ngx_content_purge_finish(ngx_content_purge_shared_t *shared,
    ngx_content_purge_node_t *node, ngx_uint_t failed, content_str_t error)
{
    if (failed) {
        shared->items_failed++;

    } else {
        shared->items_done++;
    }

    if (node->job < NGX_CONTENT_PURGE_JOBS) {
        ngx_content_purge_job_account(&shared->jobs[node->job], failed, error);
    }

    if (node->owed) {
        ngx_content_purge_pay(shared, node->owed);
    }

    ngx_queue_remove(&node->queue);
    ngx_slab_free_locked(shared->pool, node);
    shared->pending--;
}


void
ngx_content_purge_queue_retry(ngx_content_purge_shared_t *shared,
    ngx_content_purge_batch_t *batch, ngx_msec_t delay, ngx_uint_t split,
    ngx_uint_t block, content_str_t error)
{
    ngx_uint_t                 i;
    ngx_msec_t                 due;
    ngx_queue_t               *q, *next;
    ngx_content_purge_node_t  *node;

    due = ngx_current_msec + delay;

    ngx_shmtx_lock(&shared->pool->mutex);

    shared->retries++;
    ngx_content_purge_attempted(shared, batch);

    for (q = ngx_queue_head(&shared->taken);
         q != ngx_queue_sentinel(&shared->taken);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);

        if (node->ticket != batch->ticket) {
            continue;
        }

        node->attempt++;

        if (split) {
            node->most = (batch->n + 1) / 2;
        }

        node->due = due;

        if (node->job < NGX_CONTENT_PURGE_JOBS) {
            ngx_content_purge_job_note(&shared->jobs[node->job], error);
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&shared->queued, q);
    }

    for (i = 0; block && i < NGX_CONTENT_PURGE_TARGETS; i++) {
        if (shared->paces[i].target == batch->target) {
            content_pace_block(&shared->paces[i].calls, due);
            content_pace_block(&shared->paces[i].urls, due);
        }
    }

    ngx_shmtx_unlock(&shared->pool->mutex);
}
