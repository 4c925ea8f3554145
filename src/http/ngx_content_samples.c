/*
 * The numbers of a node.  See ngx_content_samples.h.
 */

#include "http/ngx_content_samples.h"
#include "http/ngx_content_zones.h"


typedef struct {
    ngx_content_sample_t  *samples;
    ngx_uint_t             n;
    const char            *section;
} ngx_content_sampling_t;


static void ngx_content_samples_node(ngx_content_sampling_t *s,
    ngx_content_counters_t *counters);
static void ngx_content_samples_redis(ngx_content_sampling_t *s,
    ngx_content_main_conf_t *mcf, ngx_content_redis_shared_t *redis);
static void ngx_content_samples_memory(ngx_content_sampling_t *s,
    ngx_content_memory_t *memory);
static void ngx_content_samples_uploads(ngx_content_sampling_t *s,
    ngx_content_main_conf_t *mcf, ngx_content_uploads_shared_t *uploads);
static void ngx_content_samples_sweep(ngx_content_sampling_t *s,
    ngx_content_sweep_shared_t *sweep);
static void ngx_content_samples_fleet(ngx_content_sampling_t *s,
    ngx_content_fleet_shared_t *fleet);
static void ngx_content_samples_purge(ngx_content_sampling_t *s,
    ngx_content_purge_shared_t *purge);
static void ngx_content_sample(ngx_content_sampling_t *s, const char *name,
    ngx_content_sample_kind_e kind, uint64_t value);

#define ngx_content_counter(s, from, name)                                   \
    ngx_content_sample(s, #name, NGX_CONTENT_SAMPLE_COUNTER, (from)->name)
#define ngx_content_gauge(s, name, value)                                    \
    ngx_content_sample(s, name, NGX_CONTENT_SAMPLE_GAUGE, value)


ngx_uint_t
ngx_content_samples(ngx_content_main_conf_t *mcf,
    ngx_content_sample_t *samples)
{
    ngx_content_shared_t    *shared;
    ngx_content_sampling_t   s;

    shared = ngx_content_shared(mcf);

    s.samples = samples;
    s.n = 0;

    ngx_content_samples_node(&s, &shared->counters);
    ngx_content_samples_redis(&s, mcf, &shared->redis);

    if (mcf->memory_zone) {
        ngx_content_samples_memory(&s, ngx_content_memory(mcf));
    }

    ngx_content_samples_uploads(&s, mcf, &shared->uploads);
    ngx_content_samples_sweep(&s, &shared->sweep);

    if (mcf->fleet) {
        ngx_content_samples_fleet(&s, &shared->fleet);
    }

    ngx_content_samples_purge(&s, shared->purge);

    return s.n;
}


static void
ngx_content_samples_node(ngx_content_sampling_t *s,
    ngx_content_counters_t *counters)
{
    s->section = "node";

#define NGX_CONTENT_COUNTER(name)  ngx_content_counter(s, counters, name);
    NGX_CONTENT_COUNTERS(NGX_CONTENT_COUNTER)
#undef NGX_CONTENT_COUNTER
}


static void
ngx_content_samples_redis(ngx_content_sampling_t *s,
    ngx_content_main_conf_t *mcf, ngx_content_redis_shared_t *redis)
{
    s->section = "redis";

    ngx_content_sample(s, "ready", NGX_CONTENT_SAMPLE_BOOL,
                       mcf->redis_client
                       && ngx_content_redis_ready(mcf->redis_client));

    ngx_content_counter(s, redis, lookups);
    ngx_content_counter(s, redis, hits);
    ngx_content_counter(s, redis, tokens);
    ngx_content_counter(s, redis, busy);
    ngx_content_counter(s, redis, away);
    ngx_content_counter(s, redis, timeouts);
    ngx_content_counter(s, redis, errors);
    ngx_content_counter(s, redis, fills);
    ngx_content_counter(s, redis, fills_refused);
    ngx_content_counter(s, redis, ends);
    ngx_content_counter(s, redis, ends_failed);
    ngx_content_counter(s, redis, epochs);
    ngx_content_counter(s, redis, reconnects);
}


static void
ngx_content_samples_memory(ngx_content_sampling_t *s,
    ngx_content_memory_t *memory)
{
    ngx_content_memory_stats_t  stats;

    ngx_content_memory_stats(memory, &stats);

    s->section = "memory";

    ngx_content_counter(s, &stats, hits);
    ngx_content_counter(s, &stats, misses);
    ngx_content_counter(s, &stats, stored);
    ngx_content_counter(s, &stats, fenced);
    ngx_content_counter(s, &stats, resets);
    ngx_content_gauge(s, "held", stats.held);
    ngx_content_gauge(s, "records", stats.shards.entries);
    ngx_content_gauge(s, "bytes", stats.shards.bytes);
    ngx_content_gauge(s, "size", stats.shards.size);
    ngx_content_counter(s, &stats.shards, evicted);
    ngx_content_counter(s, &stats.shards, refused);
}


/* Of all workers: what they hold and who waits now, and what was so far. */

static void
ngx_content_samples_uploads(ngx_content_sampling_t *s,
    ngx_content_main_conf_t *mcf, ngx_content_uploads_shared_t *uploads)
{
    uint64_t    bytes, waiting;
    ngx_uint_t  i;

    bytes = 0;
    waiting = 0;

    for (i = 0; i < NGX_CONTENT_UPLOADS_SLOTS; i++) {
        bytes += uploads->bytes[i];
        waiting += uploads->waiting[i];
    }

    s->section = "uploads";

    ngx_content_gauge(s, "bytes", bytes);
    ngx_content_gauge(s, "limit", mcf->uploads_conf.limit);
    ngx_content_gauge(s, "waiting", waiting);
    ngx_content_counter(s, uploads, waits);
    ngx_content_counter(s, uploads, too_slow);
}


static void
ngx_content_samples_sweep(ngx_content_sampling_t *s,
    ngx_content_sweep_shared_t *sweep)
{
    s->section = "sweep";

    ngx_content_counter(s, sweep, rounds);
    ngx_content_counter(s, sweep, uploads);
    ngx_content_counter(s, sweep, files);
    ngx_content_counter(s, sweep, failed);
}


static void
ngx_content_samples_fleet(ngx_content_sampling_t *s,
    ngx_content_fleet_shared_t *fleet)
{
    uint64_t  now;

    now = ngx_content_fleet_now();

    s->section = "fleet";

    ngx_content_sample(s, "lease", NGX_CONTENT_SAMPLE_TIME,
                       fleet->until > now ? fleet->until - now : 0);
    ngx_content_gauge(s, "control", fleet->control);
    ngx_content_gauge(s, "intents", fleet->intents);
    ngx_content_counter(s, fleet, pings);
    ngx_content_counter(s, fleet, emptied);
    ngx_content_counter(s, fleet, forgotten);
    ngx_content_counter(s, fleet, announced);
    ngx_content_counter(s, fleet, waited);
    ngx_content_counter(s, fleet, refused);
    ngx_content_counter(s, fleet, taken);
    ngx_content_counter(s, fleet, roles);
}


static void
ngx_content_samples_purge(ngx_content_sampling_t *s,
    ngx_content_purge_shared_t *purge)
{
    s->section = "purge";

    ngx_content_gauge(s, "pending", purge->pending);
    ngx_content_gauge(s, "owed", purge->owed);
    ngx_content_counter(s, purge, calls);
    ngx_content_counter(s, purge, items_done);
    ngx_content_counter(s, purge, items_failed);
    ngx_content_counter(s, purge, retries);
}


static void
ngx_content_sample(ngx_content_sampling_t *s, const char *name,
    ngx_content_sample_kind_e kind, uint64_t value)
{
    ngx_content_sample_t  *sample;

    if (s->n == NGX_CONTENT_SAMPLES_MAX) {
        return;
    }

    sample = &s->samples[s->n++];

    sample->section = s->section;
    sample->name = name;
    sample->kind = kind;
    sample->value = value;
}


ngx_int_t
ngx_content_samples_begin(ngx_http_request_t *r, content_out_t *out,
    size_t node, size_t peer, size_t store)
{
    u_char                   *buf;
    size_t                    size;
    ngx_int_t                 rc;
    ngx_content_main_conf_t  *mcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    size = node + NGX_CONTENT_FLEET_PEERS * peer + mcf->stores.nelts * store;

    buf = ngx_pnalloc(r->pool, size);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(out, buf, size);

    return NGX_OK;
}


ngx_content_fleet_peer_t *
ngx_content_samples_peer(ngx_content_main_conf_t *mcf, ngx_uint_t *i)
{
    uint64_t                   now;
    ngx_content_fleet_peer_t  *peer;

    now = ngx_content_fleet_now();

    while (*i < NGX_CONTENT_FLEET_PEERS) {
        peer = &ngx_content_shared(mcf)->fleet.peers[(*i)++];

        if (peer->node && now - peer->seen < NGX_CONTENT_SAMPLES_PEERS) {
            return peer;
        }
    }

    return NULL;
}


ngx_content_profile_t *
ngx_content_samples_profile(ngx_content_main_conf_t *mcf, ngx_uint_t *i,
    ngx_str_t *place)
{
    ngx_uint_t              k, n;
    ngx_content_store_t   **store;
    ngx_content_profile_t  *profile;

    store = mcf->stores.elts;

    while (*i < mcf->stores.nelts) {
        n = (*i)++;
        profile = ngx_content_probe_profile(&ngx_content_shared(mcf)->probe,
                                            store[n]->id);

        for (k = 0; k < n && store[k]->id != store[n]->id; k++) { /* void */ }

        if (store[n]->probed && profile && k == n) {
            *place = store[n]->place;
            return profile;
        }
    }

    return NULL;
}
