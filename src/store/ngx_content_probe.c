/* The probe: see ngx_content_probe.h. */

#include "store/ngx_content_probe.h"


#define NGX_CONTENT_PROBE_FIRST  100              /* ms */
#define NGX_CONTENT_PROBE_MAX    (60 * 1000)


static ngx_content_profile_t *ngx_content_probe_place(
    ngx_content_probe_shared_t *shared, uint64_t id);
static ngx_int_t ngx_content_probe_add(ngx_cycle_t *cycle,
    ngx_content_store_t *store);
static void ngx_content_probe_timer(ngx_event_t *ev);


static const char  *ngx_content_fact_names[] = {
#define NGX_CONTENT_FACT(name, text)  #text,
    NGX_CONTENT_FACTS(NGX_CONTENT_FACT)
#undef NGX_CONTENT_FACT
};

static const char  *ngx_content_findings[] = {
    NULL,
#define NGX_CONTENT_FINDING(name, text)  text,
    NGX_CONTENT_FINDINGS(NGX_CONTENT_FINDING)
#undef NGX_CONTENT_FINDING
};


ngx_int_t
ngx_content_probe_start(ngx_cycle_t *cycle, ngx_array_t *stores,
    ngx_content_probe_shared_t *shared)
{
    ngx_uint_t             i, k;
    ngx_content_store_t  **store;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {
        if (!store[i]->probed) {
            continue;
        }

        store[i]->profile = ngx_content_probe_place(shared, store[i]->id);

        /* two that ask at once in one place would see each other's object */

        for (k = 0; k < i; k++) {
            if (store[k]->probed && store[k]->id == store[i]->id) {
                break;
            }
        }

        if (ngx_worker != 0 || store[i]->profile == NULL || k < i) {
            continue;
        }

        if (ngx_content_probe_add(cycle, store[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* The profile of that id, a free one if it has none yet; NULL: all taken. */

static ngx_content_profile_t *
ngx_content_probe_place(ngx_content_probe_shared_t *shared, uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_PROBE_PLACES; i++) {
        (void) ngx_atomic_cmp_set(&shared->places[i].id, 0, id);

        if (shared->places[i].id == id) {
            return &shared->places[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_content_probe_add(ngx_cycle_t *cycle, ngx_content_store_t *store)
{
    ngx_content_probe_t  *probe;

    probe = ngx_pcalloc(cycle->pool, sizeof(ngx_content_probe_t));
    if (probe == NULL) {
        return NGX_ERROR;
    }

    probe->store = store;
    probe->profile = store->profile;
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
    probe->state = NULL;
    ngx_memzero(probe->found, sizeof(probe->found));

    probe->pool = ngx_create_pool(1024, ngx_cycle->log);

    if (probe->pool == NULL) {
        ngx_content_probe_end(probe, NGX_ERROR);
        return;
    }

    probe->store->ops->probe(probe);
}


void
ngx_content_probe_end(ngx_content_probe_t *probe, ngx_int_t rc)
{
    ngx_uint_t  i;
    ngx_msec_t  delay;

    if (probe->pool) {
        ngx_destroy_pool(probe->pool);
        probe->pool = NULL;
    }

    if (rc == NGX_OK) {
        for (i = 0; i < NGX_CONTENT_FACT_N; i++) {
            probe->profile->facts[i] = probe->found[i];
        }

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


ngx_uint_t
ngx_content_probe_says_no(ngx_content_found_e found)
{
    return found == NGX_CONTENT_FOUND_REFUSED
           || found == NGX_CONTENT_FOUND_DENIED;
}


const char *
ngx_content_probe_fact_name(ngx_content_fact_e fact)
{
    return ngx_content_fact_names[fact];
}


const char *
ngx_content_probe_fact(ngx_content_profile_t *profile, ngx_content_fact_e fact)
{
    ngx_atomic_uint_t  found;

    found = profile->facts[fact];

    return found < NGX_CONTENT_FOUND_N ? ngx_content_findings[found] : NULL;
}
