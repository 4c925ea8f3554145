/*
 * The last of a change's tidings: what the CDN is to purge.  For
 * ngx_content_change.c.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"


static void ngx_content_change_noted(ngx_content_redis_op_t *op);
static void ngx_content_change_queue(ngx_content_change_t *change,
    ngx_uint_t owed);
static void ngx_content_change_lost(ngx_content_change_t *change);
static content_purge_item_t *ngx_content_change_items(
    ngx_content_change_t *change, ngx_uint_t *n);
static ngx_int_t ngx_content_change_item(ngx_content_change_t *change,
    ngx_content_changed_t *changed, content_purge_item_t *item);


ngx_int_t
ngx_content_change_enqueue(ngx_content_change_t *change)
{
    ngx_uint_t  asked;

    asked = (change->items != NULL);

    /* a job that was asked for is one, even without a CDN */

    if (change->lcf->purge.target == 0 && !asked) {
        return NGX_OK;
    }

    if (!asked) {
        change->items = ngx_content_change_items(change, &change->nitems);

        if (change->items == NULL) {
            ngx_content_change_lost(change);
            return NGX_OK;
        }

        if (change->nitems == 0) {
            return NGX_OK;
        }
    }

    ngx_content_purge_id(change->job);

    change->repeat = ngx_content_repeat_create(change);

    if (ngx_content_owed_purge(change, change->repeat != NULL,
                               ngx_content_change_noted)
        == NGX_OK)
    {
        return NGX_AGAIN;
    }

    ngx_content_change_queue(change, 0);

    return NGX_OK;
}


static void
ngx_content_change_noted(ngx_content_redis_op_t *op)
{
    ngx_content_change_t  *change;

    change = op->data;

    ngx_content_change_queue(change, op->result == NGX_CONTENT_REDIS_DONE);
    ngx_content_change_go_on(change);
}


/*
 * owed: the job is in Redis.  If it should be and is not, the intent stays, so
 * that the purge is made once more.
 */

static void
ngx_content_change_queue(ngx_content_change_t *change, ngx_uint_t owed)
{
    ngx_int_t              rc;
    ngx_uint_t             number;
    ngx_content_repeat_t  *repeat;

    repeat = change->repeat;
    change->repeat = NULL;
    change->unowed = !owed && change->mcf->owed
                     && change->lcf->purge.target;

    rc = ngx_content_purge_enqueue(change->mcf->purge,
                                   change->lcf->purge.target, change->items,
                                   change->nitems, change->job, owed,
                                   repeat ? &number : NULL);

    if (repeat && rc != NGX_BUSY) {
        ngx_content_repeat_start(repeat, number);

    } else if (repeat) {
        ngx_content_repeat_destroy(repeat);
    }

    if (rc == NGX_BUSY) {
        if (owed) {
            ngx_content_owed_forgive(change);
        }

        ngx_content_change_lost(change);
        return;
    }

    change->purged = (rc == NGX_OK);
}


static void
ngx_content_change_lost(ngx_content_change_t *change)
{
    change->lost = 1;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "content: the purge of \"%V\"%s can't be queued: raise "
                  "\"content_zone\"", change->nkeys ? &change->keys[0].key
                                                  : &change->intent,
                  change->nkeys > 1 ? " and others" : "");
}


static content_purge_item_t *
ngx_content_change_items(ngx_content_change_t *change, ngx_uint_t *n)
{
    ngx_uint_t              i;
    content_purge_item_t   *items;
    ngx_content_changed_t  *changed;

    items = ngx_palloc(change->pool,
                       change->nkeys * sizeof(content_purge_item_t));
    *n = 0;

    for (i = 0; items && i < change->nkeys; i++) {
        changed = &change->keys[i];

        if (!changed->touched
            || (!changed->replaced
                && !ngx_content_change_met_others(change, changed)))
        {
            continue;
        }

        if (ngx_content_change_item(change, changed, &items[*n])
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
