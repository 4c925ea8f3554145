/*
 * The intents that some node has left: it died between storage and the end of
 * a change, or storage did not say what became of it.  What follows storage is
 * done here, once more if need be: all of it may be done twice.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"


static ngx_content_loc_conf_t *ngx_content_takeover_origin(
    ngx_content_main_conf_t *mcf, content_change_t *text);
static ngx_int_t ngx_content_takeover_keys(ngx_content_change_t *change,
    content_change_t *text);
static void ngx_content_takeover_done(ngx_content_change_t *change);


void
ngx_content_change_take_over(void *data, ngx_str_t *id, ngx_str_t *record)
{
    ngx_content_main_conf_t *mcf = data;

    ngx_pool_t            *pool;
    content_change_t       text;
    ngx_content_change_t  *change;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    change = ngx_pcalloc(pool, sizeof(ngx_content_change_t));

    if (change == NULL
        || content_change_read(ngx_content_from_ngx(*record), &text)
           != CONTENT_OK)
    {
        goto failed;
    }

    ngx_content_change_init(change, pool, mcf,
                            ngx_content_takeover_origin(mcf, &text),
                            ngx_content_takeover_done, NULL);
    change->intent = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                                ngx_content_from_ngx(*id)));

    if (change->lcf == NULL || change->intent.len == 0
        || ngx_content_takeover_keys(change, &text) != NGX_OK)
    {
        goto failed;
    }

    if (ngx_content_change_end(change) == NGX_OK) {
        ngx_content_takeover_done(change);
    }

    return;

failed:

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "content: the intent %V can't be taken over here", id);

    ngx_destroy_pool(pool);
}


/* The origin of that place and CDN; nodes are configured alike. */

static ngx_content_loc_conf_t *
ngx_content_takeover_origin(ngx_content_main_conf_t *mcf,
    content_change_t *text)
{
    ngx_uint_t                i;
    ngx_content_loc_conf_t  **lcf;

    lcf = mcf->origins.elts;

    for (i = 0; i < mcf->origins.nelts; i++) {
        if (lcf[i]->store->id == text->store
            && lcf[i]->purge.target == text->target)
        {
            return lcf[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_content_takeover_keys(ngx_content_change_t *change,
    content_change_t *text)
{
    int                      rc;
    ngx_str_t                key;
    ngx_array_t              keys;
    ngx_content_changed_t   *changed;
    content_change_entry_t   entry;

    if (ngx_array_init(&keys, change->pool, 4, sizeof(ngx_content_changed_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    while ((rc = content_change_next(text, &entry)) == CONTENT_OK) {

        if (entry.kind != CONTENT_CHANGE_KEY
            && entry.kind != CONTENT_CHANGE_NEW)
        {
            change->everything = 1;
            continue;
        }

        key = ngx_content_to_ngx(ngx_content_str_dup(change->pool,
                                                     entry.value));
        changed = ngx_array_push(&keys);

        if (changed == NULL || key.len == 0) {
            return NGX_ERROR;
        }

        ngx_content_changed_init(changed, &key);
        changed->touched = 1;
        changed->replaced = 1;
    }

    change->keys = keys.elts;
    change->nkeys = keys.nelts;

    return rc == CONTENT_DONE ? NGX_OK : NGX_ERROR;
}


static void
ngx_content_takeover_done(ngx_content_change_t *change)
{
    ngx_destroy_pool(change->pool);
}
