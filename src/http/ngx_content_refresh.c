/* Refreshing records in the background: see ngx_content_refresh.h. */

#include "core/ngx_content_str.h"
#include "http/ngx_content_fill.h"
#include "http/ngx_content_refresh.h"
#include "http/ngx_content_zones.h"


typedef struct {
    ngx_pool_t            *pool;
    ngx_content_keep_t     keep;
    u_char                 hash[CONTENT_KEY_HASH_LEN];
    int64_t                size;
} ngx_content_refresh_t;


static void ngx_content_refresh_looked_up(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_refresh_take(ngx_content_refresh_t *refresh,
    ngx_content_redis_op_t *op);
static void ngx_content_refresh_read(ngx_content_refresh_t *refresh);
static void ngx_content_refresh_stat(ngx_content_refresh_t *refresh);
static void ngx_content_refresh_known(ngx_content_task_t *task);
static void ngx_content_refresh_end(ngx_content_refresh_t *refresh);


void
ngx_content_refresh(ngx_content_keep_t *keep, const u_char *hash,
    int64_t size)
{
    ngx_pool_t              *pool;
    ngx_content_redis_op_t  *op;
    ngx_content_refresh_t   *refresh;
    ngx_content_loc_conf_t  *lcf;

    lcf = keep->lcf;

    if (lcf->store->ops->fetch == NULL || ngx_exiting
        || ngx_content_fill_find(keep->mcf->fills, lcf->store->id, hash))
    {
        return;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    refresh = ngx_pcalloc(pool, sizeof(ngx_content_refresh_t));
    if (refresh == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    refresh->pool = pool;
    refresh->size = size;
    ngx_memcpy(refresh->hash, hash, CONTENT_KEY_HASH_LEN);

    refresh->keep = *keep;
    refresh->keep.pool = pool;
    refresh->keep.age = 0;
    refresh->keep.key.data = ngx_pstrdup(pool, &keep->key);

    if (refresh->keep.key.data == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    ngx_content_count(&ngx_content_shared(keep->mcf)->counters, refreshes);

    if (keep->mcf->redis_client == NULL
        || ngx_content_redis_lookup(keep->mcf->redis_client, keep->name,
                                    NGX_CONTENT_REDIS_WANT_TOKEN,
                                    ngx_content_refresh_looked_up, refresh,
                                    &op)
           != NGX_OK)
    {
        ngx_content_refresh_read(refresh);
    }
}


static void
ngx_content_refresh_looked_up(ngx_content_redis_op_t *op)
{
    ngx_content_redis_op_t  *claim;
    ngx_content_refresh_t   *refresh;

    refresh = op->data;

    switch (op->result) {

    case NGX_CONTENT_REDIS_HIT:

        if (ngx_content_refresh_take(refresh, op) == NGX_OK) {
            break;
        }

        if (ngx_content_redis_claim(refresh->keep.mcf->redis_client,
                                    refresh->keep.name,
                                    NGX_CONTENT_REDIS_WANT_TOKEN,
                                    ngx_content_refresh_looked_up, refresh,
                                    &claim)
            != NGX_OK)
        {
            break;
        }

        return;

    case NGX_CONTENT_REDIS_TOKEN:
        refresh->keep.token = op->token;
        refresh->keep.has_token = 1;
        ngx_content_refresh_read(refresh);
        return;

    case NGX_CONTENT_REDIS_AWAY:
        ngx_content_refresh_read(refresh);
        return;

    default:                                 /* another does it */
        break;
    }

    ngx_content_refresh_end(refresh);
}


/* A record that another node has refreshed. */

static ngx_int_t
ngx_content_refresh_take(ngx_content_refresh_t *refresh,
    ngx_content_redis_op_t *op)
{
    content_str_t      record, body;
    content_object_t   object;

    if (ngx_content_keep_read(&refresh->keep, &op->record, &record) != NGX_OK
        || refresh->keep.age >= refresh->keep.lcf->fresh.soft
        || content_record_decode(record, &object, &body, NULL) != CONTENT_OK
        || ngx_content_keep_purged(&refresh->keep, op, object.tags)
        || (body.data && (int64_t) body.len != object.size)
        || (body.data == NULL
            && object.size <= (int64_t) ngx_content_keep_max(&refresh->keep)))
    {
        refresh->keep.age = 0;
        return NGX_DECLINED;
    }

    ngx_content_keep_memory(&refresh->keep, &object, body);

    return NGX_OK;
}


static void
ngx_content_refresh_read(ngx_content_refresh_t *refresh)
{
    size_t               max;
    ngx_content_fill_t  *fill;

    max = ngx_content_keep_max(&refresh->keep);

    if (refresh->size > (int64_t) max) {
        ngx_content_refresh_stat(refresh);
        return;
    }

    fill = ngx_content_fill_begin(refresh->keep.mcf->fills, &refresh->keep,
                                  refresh->hash);
    if (fill) {
        fill->background = 1;
    }

    ngx_content_refresh_end(refresh);
}


static void
ngx_content_refresh_stat(ngx_content_refresh_t *refresh)
{
    ngx_content_stat_t  *stat;

    stat = ngx_content_task_create(refresh->keep.lcf->store,
                                   sizeof(ngx_content_stat_t),
                                   &refresh->keep.key, ngx_cycle->log);
    if (stat == NULL) {
        ngx_content_refresh_end(refresh);
        return;
    }

    stat->task.done = ngx_content_refresh_known;
    stat->task.data = refresh;

    refresh->keep.lcf->store->ops->stat(stat);
}


static void
ngx_content_refresh_known(ngx_content_task_t *task)
{
    ngx_content_stat_t     *stat;
    ngx_content_refresh_t  *refresh;

    stat = (ngx_content_stat_t *) task;
    refresh = task->data;

    if (task->outcome == NGX_CONTENT_OK) {
        ngx_content_keep_metadata(&refresh->keep, stat->object);

    } else if (task->outcome == NGX_CONTENT_ABSENT) {

        /* not remembered: the answer to a HEAD does not say who gave it */

        refresh->keep.in_redis = (refresh->keep.mcf->redis_client != NULL);
        ngx_content_keep_forget(&refresh->keep);
    }

    ngx_content_task_free(task);
    ngx_content_refresh_end(refresh);
}


static void
ngx_content_refresh_end(ngx_content_refresh_t *refresh)
{
    ngx_content_keep_give_back(&refresh->keep);
    ngx_destroy_pool(refresh->pool);
}
