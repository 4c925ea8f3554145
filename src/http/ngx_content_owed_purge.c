/*
 * Purges of the CDN that are owed: noted in Redis before the write or the purge
 * is answered, struck when the CDN has taken them.  Joins
 * cache/ngx_content_owed.h and cdn/ngx_content_purge.h.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"
#include "lib/content_owed.h"


#define NGX_CONTENT_OWED_ID  (2 * CONTENT_PURGE_ID_SIZE)


static void ngx_content_owed_id(const u_char id[CONTENT_PURGE_ID_SIZE],
    u_char buf[NGX_CONTENT_OWED_ID], ngx_str_t *text);
static ngx_int_t ngx_content_owed_taken(void *data, ngx_str_t *id,
    ngx_str_t *text);
static ngx_int_t ngx_content_owed_queue(ngx_content_main_conf_t *mcf,
    ngx_pool_t *pool, u_char *id, content_owed_t *job);
static void ngx_content_owed_paid(void *data,
    u_char id[CONTENT_PURGE_ID_SIZE]);


ngx_int_t
ngx_content_owed_start(ngx_cycle_t *cycle, ngx_content_main_conf_t *mcf)
{
    static ngx_str_t  alone = ngx_string("alone");

    if (mcf->redis_client == NULL || mcf->zones.nelts == 0) {
        return NGX_OK;
    }

    /* the name of a host may be another after each start of a container */

    mcf->owed = ngx_content_owed_create(cycle, mcf->redis_client, mcf->fleet,
                                        mcf->fleet ? &mcf->fleet_conf.name
                                                   : &alone,
                                        ngx_content_owed_taken, mcf);
    if (mcf->owed == NULL) {
        return NGX_ERROR;
    }

    ngx_content_purge_owing(mcf->purge, ngx_content_owed_paid, mcf);

    return NGX_OK;
}


void
ngx_content_owed_stop(ngx_content_main_conf_t *mcf)
{
    if (mcf->owed) {
        ngx_content_purge_owing(mcf->purge, NULL, NULL);
        ngx_content_owed_destroy(mcf->owed);
        mcf->owed = NULL;
    }
}


ngx_int_t
ngx_content_owed_purge(ngx_content_change_t *change, ngx_uint_t repeat,
    ngx_content_redis_handler_pt handler)
{
    size_t          size;
    u_char          buf[NGX_CONTENT_OWED_ID], *p;
    ngx_str_t       id, text;
    ngx_uint_t      i;
    content_out_t   out;

    if (change->mcf->owed == NULL || change->lcf->purge.target == 0) {
        return NGX_DECLINED;
    }

    size = CONTENT_OWED_HEAD;

    for (i = 0; i < change->nitems; i++) {
        size += CONTENT_OWED_ITEM + change->items[i].value.len;
    }

    p = ngx_pnalloc(change->pool, size);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    content_out_init(&out, p, size);
    (void) content_owed_head(&out, change->lcf->purge.target, repeat != 0);

    for (i = 0; i < change->nitems; i++) {
        (void) content_owed_item(&out, &change->items[i]);
    }

    text = ngx_content_to_ngx(content_out_done(&out));
    ngx_content_owed_id(change->job, buf, &id);

    return ngx_content_owed_note(change->mcf->owed, &id, &text, handler,
                                 change);
}


void
ngx_content_owed_forgive(ngx_content_change_t *change)
{
    ngx_content_owed_paid(change->mcf, change->job);
}


static void
ngx_content_owed_id(const u_char id[CONTENT_PURGE_ID_SIZE],
    u_char buf[NGX_CONTENT_OWED_ID], ngx_str_t *text)
{
    content_out_t  out;

    content_out_init(&out, buf, NGX_CONTENT_OWED_ID);
    content_purge_id_write(&out, id);

    *text = ngx_content_to_ngx(content_out_done(&out));
}


/* One that some worker has left; perhaps it is in the queue all the while. */

static ngx_int_t
ngx_content_owed_taken(void *data, ngx_str_t *id, ngx_str_t *text)
{
    ngx_content_main_conf_t *mcf = data;

    u_char           job_id[CONTENT_PURGE_ID_SIZE];
    ngx_int_t        rc;
    ngx_pool_t      *pool;
    content_owed_t   job;

    if (content_purge_id_parse(ngx_content_from_ngx(*id), job_id)
        != CONTENT_OK
        || content_owed_read(ngx_content_from_ngx(*text), &job) != CONTENT_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: the purge \"%V\" in Redis can't be read", id);
        return NGX_OK;
    }

    if (ngx_content_purge_owes(mcf->purge, job_id)) {
        return NGX_OK;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_BUSY;
    }

    rc = ngx_content_owed_queue(mcf, pool, job_id, &job);

    ngx_destroy_pool(pool);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: the purge \"%V\" in Redis can't be read", id);
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "content: the purge %V was left in Redis, and is %s", id,
                  rc == NGX_OK ? "queued again" : "left there for now");

    return rc;
}


/* NGX_OK, NGX_BUSY: later; or NGX_DECLINED: it says no purge. */

static ngx_int_t
ngx_content_owed_queue(ngx_content_main_conf_t *mcf, ngx_pool_t *pool,
    u_char *id, content_owed_t *job)
{
    int                    rc;
    ngx_uint_t             number;
    ngx_array_t            items;
    content_purge_item_t  *item, next;

    if (ngx_array_init(&items, pool, 8, sizeof(content_purge_item_t))
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    while ((rc = content_owed_next(job, &next)) == CONTENT_OK) {
        item = ngx_array_push(&items);
        if (item == NULL) {
            return NGX_BUSY;
        }

        *item = next;
    }

    if (rc == CONTENT_ERROR || items.nelts == 0 || job->target == 0) {
        return NGX_DECLINED;
    }

    /* older responses may be under way on another node still: twice again */

    return ngx_content_purge_enqueue(mcf->purge, job->target, items.elts,
                                     items.nelts, id, 1,
                                     job->repeat ? &number : NULL)
           == NGX_BUSY ? NGX_BUSY : NGX_OK;
}


static void
ngx_content_owed_paid(void *data, u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_content_main_conf_t *mcf = data;

    u_char     buf[NGX_CONTENT_OWED_ID];
    ngx_str_t  text;

    ngx_content_owed_id(id, buf, &text);
    ngx_content_owed_strike(mcf->owed, &text);
}
