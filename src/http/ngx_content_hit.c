/*
 * GET and HEAD from the memory cache: finds the record of a request, and
 * whether it is fresh; ngx_content_hit_answer.c answers with it while it is
 * pinned.  Nothing is waited for.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_head.h"
#include "http/ngx_content_hit.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_refresh.h"
#include "http/ngx_content_zones.h"


static ngx_inline ngx_int_t ngx_content_hit_fresh(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, content_entry_t *entry,
    ngx_content_memory_key_t *mkey);
static ngx_int_t ngx_content_hit_aged(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, ngx_content_head_t *head,
    ngx_content_memory_key_t *mkey);
static ngx_inline content_entry_t *ngx_content_hit_find(
    ngx_content_main_conf_t *mcf, ngx_content_loc_conf_t *lcf,
    ngx_content_ctx_t *ctx, ngx_content_memory_key_t *mkey);
static ngx_uint_t ngx_content_hit_purged(ngx_content_memory_t *memory,
    uint64_t store, ngx_content_ctx_t *ctx, ngx_content_head_t *head);


ngx_int_t
ngx_content_hit(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                  rc;
    content_entry_t           *entry;
    ngx_content_loc_conf_t    *lcf;
    ngx_content_main_conf_t   *mcf;
    ngx_content_memory_key_t   mkey;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (mcf->memory_zone == NULL || !lcf->hot.enabled) {
        return NGX_DECLINED;
    }

    entry = ngx_content_hit_find(mcf, lcf, ctx, &mkey);

    if (entry == NULL) {
        ctx->fence = ngx_content_memory_fence(ngx_content_memory(mcf), &mkey);
        return NGX_DECLINED;
    }

    rc = ngx_content_hit_fresh(r, ctx, entry, &mkey);

    if (rc == NGX_OK) {
        rc = ngx_content_hit_answer(r, ctx, entry);
    }

    ngx_content_memory_unpin(ngx_content_memory(mcf));

    if (rc == NGX_DECLINED) {
        ctx->fence = ngx_content_memory_fence(ngx_content_memory(mcf), &mkey);
    }

    return rc;
}


/*
 * The record, pinned.  The lease is looked at before the key is made: the key
 * has the epoch, and one that was left behind while the node had no lease is
 * of records that were not told.
 */

static ngx_inline content_entry_t *
ngx_content_hit_find(ngx_content_main_conf_t *mcf,
    ngx_content_loc_conf_t *lcf, ngx_content_ctx_t *ctx,
    ngx_content_memory_key_t *mkey)
{
    ngx_uint_t             coherent;
    content_entry_t       *entry;
    ngx_content_head_t    *head;
    ngx_content_memory_t  *memory;

    memory = ngx_content_memory(mcf);
    coherent = ngx_content_coherent(mcf);

    ngx_content_memory_key(memory, mkey, lcf->store->id, &ctx->key);

    entry = coherent ? ngx_content_memory_pin(memory, mkey) : NULL;

    if (entry == NULL) {
        return NULL;
    }

    head = (ngx_content_head_t *) content_entry_head(entry);

    if (head->purges != ngx_content_memory_purges(memory)
        && ngx_content_hit_purged(memory, lcf->store->id, ctx, head))
    {
        ngx_content_memory_reject(memory);
        return NULL;
    }

    return entry;
}


/* There were purges by tag or prefix since the record was looked at. */

static ngx_uint_t
ngx_content_hit_purged(ngx_content_memory_t *memory, uint64_t store,
    ngx_content_ctx_t *ctx, ngx_content_head_t *head)
{
    u_char         *p;
    uint32_t        purges;
    uint16_t        lengths[2];
    ngx_uint_t      i;
    content_str_t   tags;

    tags.len = 0;
    tags.data = NULL;
    purges = ngx_content_memory_purges(memory);
    p = (u_char *) (head + 1) + head->type;

    for (i = 0; i < head->n; i++) {
        ngx_memcpy(lengths, p, 4);
        p += 4;

        if (lengths[0] == sizeof("Cache-Tag") - 1
            && ngx_strcmp(p, "Cache-Tag") == 0)
        {
            tags.data = p + lengths[0] + 1;
            tags.len = lengths[1];
        }

        p += lengths[0] + 1 + lengths[1];
    }

    if (ngx_content_memory_purged(memory, store,
                                  ngx_content_from_ngx(ctx->key), tags,
                                  head->purges))
    {
        return 1;
    }

    head->purges = purges;

    return 0;
}


ngx_int_t
ngx_content_hit_stale(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                  rc;
    content_entry_t           *entry;
    ngx_content_head_t        *head;
    ngx_content_loc_conf_t    *lcf;
    ngx_content_main_conf_t   *mcf;
    ngx_content_memory_key_t   mkey;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (mcf->memory_zone == NULL || !lcf->hot.enabled) {
        return NGX_DECLINED;
    }

    entry = ngx_content_hit_find(mcf, lcf, ctx, &mkey);

    if (entry == NULL) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;
    head = (ngx_content_head_t *) content_entry_head(entry);

    if (!head->absent) {
        ctx->age = (int64_t) (ngx_current_msec - head->soft);
        rc = ngx_content_hit_answer(r, ctx, entry);
    }

    ngx_content_memory_unpin(ngx_content_memory(mcf));

    return rc;
}


/* NGX_OK: the object may be answered.  Most are fresh: one comparison. */

static ngx_inline ngx_int_t
ngx_content_hit_fresh(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    content_entry_t *entry, ngx_content_memory_key_t *mkey)
{
    ngx_content_head_t  *head;

    head = (ngx_content_head_t *) content_entry_head(entry);

    return ngx_current_msec < head->soft
           ? NGX_OK : ngx_content_hit_aged(r, ctx, head, mkey);
}


/* Absent, or not fresh: who comes first has it refreshed. */

static ngx_int_t
ngx_content_hit_aged(ngx_http_request_t *r, ngx_content_ctx_t *ctx,
    ngx_content_head_t *head, ngx_content_memory_key_t *mkey)
{
    ngx_msec_t                now;
    ngx_atomic_uint_t         refresh;
    ngx_content_keep_t        keep;
    ngx_content_main_conf_t  *mcf;

    now = ngx_current_msec;
    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);

    if (now >= head->hard) {
        ctx->expired = 1;
        return NGX_DECLINED;
    }

    if (head->absent) {
        ngx_content_count(&ngx_content_shared(mcf)->counters, absent);

        return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                                   "there is no such object");
    }

    ngx_content_count(&ngx_content_shared(mcf)->counters, hits_stale);

    ctx->age = (int64_t) (now - head->soft) + 1;
    refresh = head->refresh;

    if (now >= refresh
        && ngx_atomic_cmp_set(&head->refresh, refresh,
                              now + NGX_CONTENT_REFRESH_PAUSE))
    {
        ngx_content_names(ctx);
        ngx_content_keep_init(&keep, r, ctx);
        keep.fence = ngx_content_memory_fence(ngx_content_memory(mcf), mkey);

        ngx_content_refresh(&keep, ctx->hash, head->size);
    }

    return NGX_OK;
}
