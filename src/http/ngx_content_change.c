/*
 * Changes of objects: see ngx_content_change.h.
 *
 * Called by the writes (ngx_content_write.c).  The order matters: Redis before
 * shared memory, or that could be filled from Redis again; the CDN last, or it
 * could fetch what is still here.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"


#define NGX_CONTENT_CHANGE_STEPS(S)                                          \
    S(DROP,    drop)                                                         \
    S(FORGET,  forget)                                                       \
    S(PURGE,   purge)

typedef enum {
#define NGX_CONTENT_CHANGE_STEP(name, function)  NGX_CONTENT_CHANGE_##name,
    NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP
    NGX_CONTENT_CHANGE_END
} ngx_content_change_step_e;


/* A step returns NGX_OK: go on, or NGX_AGAIN: wait for _change_go_on(). */

typedef ngx_int_t (*ngx_content_change_step_pt)(ngx_content_change_t *change);

#define NGX_CONTENT_CHANGE_STEP(name, function)                              \
    static ngx_int_t ngx_content_change_##function(                          \
        ngx_content_change_t *change);
NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP

static ngx_int_t ngx_content_change_run(ngx_content_change_t *change);
static void ngx_content_change_next(ngx_content_change_t *change,
    ngx_content_change_step_e step);
static void ngx_content_change_dropped(ngx_content_redis_op_t *op);
static content_purge_item_t *ngx_content_change_items(
    ngx_content_change_t *change, ngx_uint_t *n);
static ngx_int_t ngx_content_change_item(ngx_content_change_t *change,
    ngx_content_changed_t *changed, content_purge_item_t *item);


static const struct {
    const char                  *name;
    ngx_content_change_step_pt   run;
} ngx_content_change_steps[] = {
#define NGX_CONTENT_CHANGE_STEP(name, function)                              \
    { #name, ngx_content_change_##function },
    NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP
};


void
ngx_content_changed_init(ngx_content_changed_t *changed, ngx_str_t *key)
{
    ngx_memzero(changed, sizeof(ngx_content_changed_t));

    changed->key = *key;
    content_key_hash(ngx_content_from_ngx(*key), changed->hash);
}


ngx_int_t
ngx_content_change_end(ngx_content_change_t *change)
{
    change->step = NGX_CONTENT_CHANGE_DROP;

    return ngx_content_change_run(change);
}


static ngx_int_t
ngx_content_change_run(ngx_content_change_t *change)
{
    while (change->step != NGX_CONTENT_CHANGE_END) {
        if (ngx_content_change_steps[change->step].run(change) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    return NGX_OK;
}


static void
ngx_content_change_next(ngx_content_change_t *change,
    ngx_content_change_step_e step)
{
    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "content change of %ui: %s -> %s", change->nkeys,
                   ngx_content_change_steps[change->step].name,
                   step == NGX_CONTENT_CHANGE_END
                       ? "END" : ngx_content_change_steps[step].name);

    change->step = step;
}


/* DROP */

static ngx_int_t
ngx_content_change_drop(ngx_content_change_t *change)
{
    u_char                  name[NGX_CONTENT_REDIS_NAME];
    ngx_uint_t              i;
    ngx_content_changed_t  *changed;

    ngx_content_change_next(change, NGX_CONTENT_CHANGE_FORGET);

    if (change->mcf->redis_client == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < change->nkeys; i++) {
        changed = &change->keys[i];

        if (!changed->touched) {
            continue;
        }

        ngx_content_redis_name(name, change->lcf->store->id, changed->hash);

        if (ngx_content_redis_end(change->mcf->redis_client, name,
                                  ngx_content_change_dropped, change, NULL)
            == NGX_OK)
        {
            change->pending++;
        }
    }

    return change->pending ? NGX_AGAIN : NGX_OK;
}


/* AWAY is fine too: then this node uses nothing older (see the client). */

static void
ngx_content_change_dropped(ngx_content_redis_op_t *op)
{
    ngx_content_change_t  *change;

    change = op->data;

    if (--change->pending == 0
        && ngx_content_change_run(change) == NGX_OK)
    {
        change->done(change);
    }
}


/* FORGET */

static ngx_int_t
ngx_content_change_forget(ngx_content_change_t *change)
{
    ngx_uint_t                 i;
    ngx_content_memory_key_t   mkey;

    ngx_content_change_next(change, NGX_CONTENT_CHANGE_PURGE);

    if (change->mcf->memory_zone == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < change->nkeys; i++) {
        if (change->keys[i].touched) {
            ngx_content_memory_key(ngx_content_memory(change->mcf), &mkey,
                                   change->lcf->store->id,
                                   &change->keys[i].key);
            ngx_content_memory_drop(ngx_content_memory(change->mcf), &mkey);
        }
    }

    return NGX_OK;
}


/* PURGE */

static ngx_int_t
ngx_content_change_purge(ngx_content_change_t *change)
{
    ngx_int_t              rc;
    ngx_uint_t             n;
    content_purge_item_t  *items;

    ngx_content_change_next(change, NGX_CONTENT_CHANGE_END);

    if (change->lcf->purge.target == 0) {
        return NGX_OK;
    }

    items = ngx_content_change_items(change, &n);

    if (items && n == 0) {
        return NGX_OK;
    }

    rc = items ? ngx_content_purge_enqueue(change->mcf->purge,
                                           &change->lcf->purge, items, n,
                                           change->job)
               : NGX_ERROR;

    if (rc == NGX_BUSY || rc == NGX_ERROR) {
        change->lost = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: the purge of \"%V\"%s can't be queued: raise "
                      "\"content_zone\"", &change->keys[0].key,
                      change->nkeys > 1 ? " and others" : "");
        return NGX_OK;
    }

    change->purged = (rc == NGX_OK);

    return NGX_OK;
}


static content_purge_item_t *
ngx_content_change_items(ngx_content_change_t *change, ngx_uint_t *n)
{
    ngx_uint_t             i;
    content_purge_item_t  *items;

    items = ngx_palloc(change->pool,
                       change->nkeys * sizeof(content_purge_item_t));
    *n = 0;

    for (i = 0; items && i < change->nkeys; i++) {
        if (!change->keys[i].touched || !change->keys[i].replaced) {
            continue;
        }

        if (ngx_content_change_item(change, &change->keys[i], &items[*n])
            != NGX_OK)
        {
            return NULL;
        }

        (*n)++;
    }

    return items;
}


/* By the object's own tag, or by its URL. */

static ngx_int_t
ngx_content_change_item(ngx_content_change_t *change,
    ngx_content_changed_t *changed, content_purge_item_t *item)
{
    size_t         size;
    u_char        *p;
    ngx_str_t     *base;
    content_out_t  out;

    base = &change->lcf->purge.url_base;
    size = change->lcf->purge.by_url ? base->len + 1 + 3 * changed->key.len
                                     : CONTENT_KEY_TAG_LEN;

    p = ngx_pnalloc(change->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (!change->lcf->purge.by_url) {
        content_key_tag(changed->hash, p);

        item->kind = CONTENT_PURGE_TAG;
        item->value.data = p;
        item->value.len = CONTENT_KEY_TAG_LEN;

        return NGX_OK;
    }

    content_out_init(&out, p, size);
    content_out_str(&out, ngx_content_from_ngx(*base));
    content_out_char(&out, '/');
    content_key_encode(&out, ngx_content_from_ngx(changed->key));

    item->kind = CONTENT_PURGE_URL;
    item->value = content_out_done(&out);

    return NGX_OK;
}
