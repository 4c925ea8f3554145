/*
 * The second purge of the CDN: what is on the way to it when it is purged may
 * be older, and would be kept.  It is queued together with the first, due
 * after a bound, so that it is sent whatever becomes of this worker; here the
 * end of the older responses is awaited, which makes it due.
 */

#include "http/ngx_content_change.h"
#include "http/ngx_content_zones.h"
#include "lib/content_rules.h"


#define NGX_CONTENT_REPEAT_LOOK  500         /* ms */


struct ngx_content_repeat_s {
    ngx_pool_t                *pool;
    ngx_content_main_conf_t   *mcf;
    ngx_event_t                timer;
    ngx_uint_t                 number;       /* in the purge queue */
    ngx_msec_t                 since;
    ngx_atomic_uint_t          turn;
    uint64_t                   serial;
    ngx_uint_t                 n;            /* 0: responses of any object */
    uint32_t                   hashes[1];    /* n */
};


static ngx_uint_t ngx_content_repeat_objects(ngx_content_change_t *change,
    uint32_t *hashes);
static ngx_uint_t ngx_content_repeat_later(ngx_content_repeat_t *repeat);
static void ngx_content_repeat_look(ngx_event_t *ev);


ngx_content_repeat_t *
ngx_content_repeat_create(ngx_content_change_t *change)
{
    ngx_uint_t             n;
    ngx_pool_t            *pool;
    ngx_content_repeat_t  *repeat;

    if (!CONTENT_RULE_REPEAT || change->lcf->purge.target == 0) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    n = change->nkeys;

    repeat = ngx_pcalloc(pool, sizeof(ngx_content_repeat_t)
                               + n * sizeof(uint32_t));
    if (repeat == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    repeat->pool = pool;
    repeat->mcf = change->mcf;
    repeat->turn = change->turn;
    repeat->serial = change->serial;
    repeat->n = ngx_content_repeat_objects(change, repeat->hashes);

    if (!ngx_content_repeat_later(repeat)) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    return repeat;
}


static ngx_uint_t
ngx_content_repeat_objects(ngx_content_change_t *change, uint32_t *hashes)
{
    ngx_uint_t              i, n;
    ngx_content_changed_t  *changed;

    if (change->everything || change->nselectors) {
        return 0;
    }

    n = 0;

    for (i = 0; i < change->nkeys; i++) {
        changed = &change->keys[i];

        if (changed->touched) {
            hashes[n++] = ngx_content_responses_hash(change->lcf->store->id,
                                                     changed->key.data,
                                                     changed->key.len);
        }
    }

    return n;
}


static ngx_uint_t
ngx_content_repeat_later(ngx_content_repeat_t *repeat)
{
    ngx_content_fleet_t  *fleet;

    fleet = repeat->mcf->fleet;

    return ngx_content_responses_older(
               ngx_content_shared(repeat->mcf)->responses, repeat->turn,
               repeat->hashes, repeat->n)
           || (fleet && repeat->serial
               && ngx_content_fleet_sending(fleet, repeat->serial));
}


void
ngx_content_repeat_start(ngx_content_repeat_t *repeat, ngx_uint_t number)
{
    repeat->number = number;
    repeat->since = ngx_current_msec;

    repeat->timer.handler = ngx_content_repeat_look;
    repeat->timer.data = repeat;
    repeat->timer.log = ngx_cycle->log;
    repeat->timer.cancelable = 1;

    ngx_add_timer(&repeat->timer, NGX_CONTENT_REPEAT_LOOK);
}


static void
ngx_content_repeat_look(ngx_event_t *ev)
{
    ngx_content_repeat_t  *repeat;

    repeat = ev->data;

    if (ngx_content_repeat_later(repeat)
        && ngx_current_msec - repeat->since < NGX_CONTENT_PURGE_REPEAT)
    {
        ngx_add_timer(ev, NGX_CONTENT_REPEAT_LOOK);
        return;
    }

    ngx_content_purge_repeat(repeat->mcf->purge, repeat->number);
    ngx_content_repeat_destroy(repeat);
}


void
ngx_content_repeat_destroy(ngx_content_repeat_t *repeat)
{
    if (repeat->timer.timer_set) {
        ngx_del_timer(&repeat->timer);
    }

    ngx_destroy_pool(repeat->pool);
}
