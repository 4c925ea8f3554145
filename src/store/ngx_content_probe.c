/* The probe: see ngx_content_probe.h. */

#include "store/ngx_content_probe.h"


#define NGX_CONTENT_PROBE_FIRST  100              /* ms */
#define NGX_CONTENT_PROBE_MAX    (60 * 1000)


static void ngx_content_probe_timer(ngx_event_t *ev);


ngx_int_t
ngx_content_probe_start(ngx_cycle_t *cycle, ngx_content_store_t *store,
    ngx_content_probe_shared_t *shared)
{
    ngx_uint_t            i;
    ngx_content_probe_t  *probe;

    if (ngx_worker != 0 || !store->probed) {
        return NGX_OK;
    }

    probe = ngx_pcalloc(cycle->pool, sizeof(ngx_content_probe_t));
    if (probe == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_CONTENT_PROBE_PLACES; i++) {
        (void) ngx_atomic_cmp_set(&shared->places[i].id, 0, store->id);

        if (shared->places[i].id == store->id) {
            break;
        }
    }

    if (i == NGX_CONTENT_PROBE_PLACES) {
        return NGX_OK;
    }

    probe->store = store;
    probe->profile = &shared->places[i];
    probe->timer.handler = ngx_content_probe_timer;
    probe->timer.data = probe;
    probe->timer.log = cycle->log;
    probe->timer.cancelable = 1;

    ngx_add_timer(&probe->timer, NGX_CONTENT_PROBE_FIRST);

    return NGX_OK;
}


static void
ngx_content_probe_timer(ngx_event_t *ev)
{
    ngx_content_probe_t  *probe = ev->data;

    probe->step = 0;
    probe->store->ops->probe(probe);
}


void
ngx_content_probe_end(ngx_content_probe_t *probe, ngx_int_t rc)
{
    ngx_msec_t  delay;

    if (rc == NGX_OK) {
        probe->profile->probed = ngx_time();
        return;
    }

    (void) ngx_atomic_fetch_add(&probe->profile->failed, 1);

    probe->failures++;
    delay = (ngx_msec_t) 1000 << ngx_min(probe->failures, 6);

    if (!ngx_exiting) {
        ngx_add_timer(&probe->timer, ngx_min(delay, NGX_CONTENT_PROBE_MAX));
    }
}


ngx_content_profile_t *
ngx_content_probe_profile(ngx_content_probe_shared_t *shared, uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_PROBE_PLACES; i++) {
        if (shared->places[i].id == id) {
            return &shared->places[i];
        }
    }

    return NULL;
}
