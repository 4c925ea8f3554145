/*
 * The jobs of the purge queue: their items, what an editor is told of them, and
 * those that are kept elsewhere, too.  See ngx_content_purge_queue.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cdn/ngx_content_purge_queue.h"


static ngx_content_purge_node_t *ngx_content_purge_node(
    ngx_content_purge_shared_t *shared, const content_purge_item_t *item);
static ngx_content_purge_record_t *ngx_content_purge_job_place(
    ngx_content_purge_shared_t *shared);
static ngx_queue_t *ngx_content_purge_owing_of(
    ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE]);


ngx_int_t
ngx_content_purge_make(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added, uint32_t target, const content_purge_item_t *items,
    ngx_uint_t n, ngx_uint_t repeat)
{
    ngx_uint_t                 i;
    ngx_content_purge_node_t  *node;

    for (i = 0; i < (repeat ? 2 * n : n); i++) {
        node = ngx_content_purge_node(shared, &items[i % n]);

        if (node == NULL) {
            return NGX_BUSY;
        }

        node->job = NGX_CONTENT_PURGE_JOBS;
        node->target = target;

        if (i >= n) {
            node->repeat = repeat;
            node->due = ngx_current_msec + NGX_CONTENT_PURGE_REPEAT;
        }

        ngx_queue_insert_tail(added, &node->queue);
    }

    return NGX_OK;
}


void
ngx_content_purge_unmake(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(added)) {
        q = ngx_queue_head(added);
        ngx_queue_remove(q);
        ngx_slab_free_locked(shared->pool,
                          ngx_queue_data(q, ngx_content_purge_node_t, queue));
    }
}


static ngx_content_purge_node_t *
ngx_content_purge_node(ngx_content_purge_shared_t *shared,
    const content_purge_item_t *item)
{
    ngx_content_purge_node_t  *node;

    node = ngx_slab_calloc_locked(shared->pool,
                                  offsetof(ngx_content_purge_node_t, value)
                                  + ngx_max(item->value.len, 1));
    if (node) {
        node->queued = ngx_time();
        node->kind = item->kind;
        node->len = item->value.len;

        if (item->value.len) {
            ngx_memcpy(node->value, item->value.data, item->value.len);
        }
    }

    return node;
}


ngx_int_t
ngx_content_purge_job_open(ngx_content_purge_shared_t *shared,
    ngx_queue_t *added, ngx_uint_t n, const u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_queue_t                 *q;
    ngx_content_purge_node_t    *node;
    ngx_content_purge_record_t  *job;

    job = ngx_content_purge_job_place(shared);

    if (job == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(job, sizeof(ngx_content_purge_record_t));
    ngx_memcpy(job->id, id, CONTENT_PURGE_ID_SIZE);
    job->created = ngx_time();

    for (q = ngx_queue_head(added);
         q != ngx_queue_sentinel(added);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);
        node->job = job - shared->jobs;
        job->items++;
    }

    if (job->items == 0) {
        job->items = n;
        job->done = n;
        job->state = CONTENT_PURGE_DONE;
        job->finished = job->created;
    }

    return NGX_OK;
}


/* The oldest place, unless that job is still open. */

static ngx_content_purge_record_t *
ngx_content_purge_job_place(ngx_content_purge_shared_t *shared)
{
    ngx_uint_t                   i;
    ngx_content_purge_record_t  *job;

    for (i = 0; i < NGX_CONTENT_PURGE_JOBS; i++) {
        job = &shared->jobs[shared->next_job];
        shared->next_job = (shared->next_job + 1) % NGX_CONTENT_PURGE_JOBS;

        if (job->items == 0 || job->finished) {
            return job;
        }
    }

    return NULL;
}


void
ngx_content_purge_job_account(ngx_content_purge_record_t *job,
    ngx_uint_t failed, content_str_t error)
{
    if (failed) {
        job->failed++;
        ngx_content_purge_job_note(job, error);

    } else {
        job->done++;
    }

    if (job->done + job->failed < job->items) {
        return;
    }

    job->state = job->failed ? CONTENT_PURGE_FAILED : CONTENT_PURGE_DONE;
    job->finished = ngx_time();

    if (!job->failed) {
        job->error_len = 0;
    }
}


void
ngx_content_purge_job_note(ngx_content_purge_record_t *job,
    content_str_t error)
{
    job->error_len = ngx_min(error.len, sizeof(job->error));
    ngx_memcpy(job->error, error.data, job->error_len);
}


ngx_int_t
ngx_content_purge_queue_job(ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE], content_purge_job_t *job,
    u_char buf[NGX_CONTENT_PURGE_ERROR])
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_content_purge_record_t  *record;

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&shared->pool->mutex);

    for (i = 0; i < NGX_CONTENT_PURGE_JOBS; i++) {
        record = &shared->jobs[i];

        if (record->items == 0
            || ngx_memcmp(record->id, id, CONTENT_PURGE_ID_SIZE) != 0)
        {
            continue;
        }

        ngx_memcpy(job->id, record->id, CONTENT_PURGE_ID_SIZE);
        job->state = record->state;
        job->items = record->items;
        job->done = record->done;
        job->failed = record->failed;
        job->attempts = record->attempts;
        job->created = record->created;
        job->finished = record->finished;

        ngx_memcpy(buf, record->error, record->error_len);
        job->error.data = buf;
        job->error.len = record->error_len;

        rc = NGX_OK;
        break;
    }

    ngx_shmtx_unlock(&shared->pool->mutex);

    return rc;
}


ngx_int_t
ngx_content_purge_owe(ngx_content_purge_shared_t *shared, ngx_queue_t *added,
    const u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_queue_t               *q;
    ngx_content_purge_node_t  *node;
    ngx_content_purge_owed_t  *owed;

    owed = ngx_slab_calloc_locked(shared->pool,
                                  sizeof(ngx_content_purge_owed_t));
    if (owed == NULL) {
        return NGX_BUSY;
    }

    ngx_memcpy(owed->id, id, CONTENT_PURGE_ID_SIZE);
    ngx_queue_insert_tail(ngx_content_purge_owing_of(shared, id),
                          &owed->queue);

    for (q = ngx_queue_head(added);
         q != ngx_queue_sentinel(added);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_content_purge_node_t, queue);
        node->owed = owed;
        owed->left++;
        shared->owed++;
    }

    return NGX_OK;
}


static ngx_queue_t *
ngx_content_purge_owing_of(ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE])
{
    return &shared->owing[(id[0] << 8 | id[1])
                          & (NGX_CONTENT_PURGE_OWED - 1)];
}


void
ngx_content_purge_pay(ngx_content_purge_shared_t *shared,
    ngx_content_purge_owed_t *owed)
{
    shared->owed--;

    if (--owed->left == 0) {
        ngx_queue_remove(&owed->queue);
        ngx_queue_insert_tail(&shared->paid, &owed->queue);
    }
}


ngx_uint_t
ngx_content_purge_queue_owes(ngx_content_purge_shared_t *shared,
    const u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_uint_t                 found;
    ngx_queue_t               *q, *owing;
    ngx_content_purge_owed_t  *owed;

    found = 0;
    owing = ngx_content_purge_owing_of(shared, id);

    ngx_shmtx_lock(&shared->pool->mutex);

    for (q = ngx_queue_head(owing);
         q != ngx_queue_sentinel(owing) && !found;
         q = ngx_queue_next(q))
    {
        owed = ngx_queue_data(q, ngx_content_purge_owed_t, queue);
        found = ngx_memcmp(owed->id, id, CONTENT_PURGE_ID_SIZE) == 0;
    }

    ngx_shmtx_unlock(&shared->pool->mutex);

    return found;
}


ngx_int_t
ngx_content_purge_queue_paid(ngx_content_purge_shared_t *shared,
    u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_int_t                  rc;
    ngx_queue_t               *q;
    ngx_content_purge_owed_t  *owed;

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&shared->pool->mutex);

    if (!ngx_queue_empty(&shared->paid)) {
        q = ngx_queue_head(&shared->paid);
        ngx_queue_remove(q);

        owed = ngx_queue_data(q, ngx_content_purge_owed_t, queue);
        ngx_memcpy(id, owed->id, CONTENT_PURGE_ID_SIZE);
        ngx_slab_free_locked(shared->pool, owed);

        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&shared->pool->mutex);

    return rc;
}
