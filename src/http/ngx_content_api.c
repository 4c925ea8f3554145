/*
 * The API below /-/: its routes, and the status of the node.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_STATUS_SIZE   (32 * 1024)
#define NGX_CONTENT_STATUS_PEERS  60000      /* ms that a silent node is shown */


typedef ngx_int_t (*ngx_content_api_pt)(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

typedef struct {
    const char             *path;           /* below "-/" */
    unsigned                prefix:1;       /* something follows path */
    ngx_uint_t              methods;
    const char             *allow;
    ngx_content_api_pt      handler;
} ngx_content_route_t;


static void ngx_content_status_uploads(content_out_t *out,
    ngx_content_main_conf_t *mcf, ngx_content_uploads_shared_t *uploads);
static void ngx_content_status_sweep(content_out_t *out,
    ngx_content_sweep_shared_t *sweep);
static void ngx_content_status_probe(content_out_t *out,
    ngx_content_main_conf_t *mcf, ngx_content_probe_shared_t *probe);
static void ngx_content_status_memory(content_out_t *out,
    ngx_content_memory_t *memory);
static void ngx_content_status_fleet(content_out_t *out,
    ngx_content_main_conf_t *mcf);
static void ngx_content_status_peer(content_out_t *out,
    ngx_content_fleet_peer_t *peer, uint64_t now, ngx_msec_t lease);
static void ngx_content_status_number(content_out_t *out, const char *name,
    uint64_t value);


static const ngx_content_route_t  ngx_content_routes[] = {
    { "list",   0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET", ngx_content_api_list },
    { "status", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_status },
    { "versions", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_versions },
    { "version", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_version },
    { "restore", 0, NGX_HTTP_POST, "POST", ngx_content_api_restore },
    { "delete", 0, NGX_HTTP_POST, "POST", ngx_content_api_delete },
    { "purge",  0, NGX_HTTP_POST, "POST", ngx_content_api_purge },
    { "purge/", 1, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_purge_job },
    { NULL, 0, 0, NULL, NULL }
};


ngx_int_t
ngx_content_api(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    size_t                      len;
    ngx_str_t                   path;
    const ngx_content_route_t  *route;

    path.data = ctx->key.data + 2;
    path.len = ctx->key.len - 2;

    for (route = ngx_content_routes; route->path; route++) {
        len = ngx_strlen(route->path);

        if (path.len < len || (path.len > len) != route->prefix
            || ngx_strncmp(path.data, route->path, len) != 0)
        {
            continue;
        }

        if (!(r->method & route->methods)) {
            ctx->allow.data = (u_char *) route->allow;
            ctx->allow.len = ngx_strlen(route->allow);

            return ngx_content_problem(r, NGX_HTTP_NOT_ALLOWED,
                                       "this takes %s", route->allow);
        }

        return route->handler(r, ctx);
    }

    if (r->method & (NGX_HTTP_PUT|NGX_HTTP_DELETE|NGX_HTTP_COPY
                     |NGX_HTTP_MOVE))
    {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "keys below \"-/\" are reserved");
    }

    return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                               "the API has list, versions, version, restore, "
                               "delete, purge and status");
}


/* GET /-/status: counters since the zone was made, and Redis's state. */

ngx_int_t
ngx_content_api_status(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    u_char                      *buf;
    ngx_int_t                    rc;
    content_out_t                out;
    ngx_content_shared_t        *shared;
    ngx_content_counters_t      *counters;
    ngx_content_main_conf_t     *mcf;
    ngx_content_redis_shared_t  *redis;

    rc = ngx_content_authorize(r, CONTENT_RIGHT_ADMIN, NULL);

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    shared = ngx_content_shared(mcf);
    counters = &shared->counters;
    redis = &shared->redis;

    buf = ngx_pnalloc(r->pool, NGX_CONTENT_STATUS_SIZE);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, NGX_CONTENT_STATUS_SIZE);
    content_out_text(&out, "{\"node\":{");

#define NGX_CONTENT_COUNTER(name)                                            \
    ngx_content_status_number(&out, #name, counters->name);
    NGX_CONTENT_COUNTERS(NGX_CONTENT_COUNTER)
#undef NGX_CONTENT_COUNTER

    out.pos--;
    content_out_text(&out, "},\"redis\":{\"ready\":");
    content_out_text(&out, mcf->redis_client
                           && ngx_content_redis_ready(mcf->redis_client)
                           ? "true," : "false,");

    ngx_content_status_number(&out, "lookups", redis->lookups);
    ngx_content_status_number(&out, "hits", redis->hits);
    ngx_content_status_number(&out, "tokens", redis->tokens);
    ngx_content_status_number(&out, "busy", redis->busy);
    ngx_content_status_number(&out, "away", redis->away);
    ngx_content_status_number(&out, "timeouts", redis->timeouts);
    ngx_content_status_number(&out, "errors", redis->errors);
    ngx_content_status_number(&out, "fills", redis->fills);
    ngx_content_status_number(&out, "fills_refused", redis->fills_refused);
    ngx_content_status_number(&out, "ends", redis->ends);
    ngx_content_status_number(&out, "ends_failed", redis->ends_failed);
    ngx_content_status_number(&out, "epochs", redis->epochs);
    ngx_content_status_number(&out, "reconnects", redis->reconnects);

    out.pos--;

    if (mcf->memory_zone) {
        ngx_content_status_memory(&out, ngx_content_memory(mcf));
    }

    ngx_content_status_uploads(&out, mcf, &shared->uploads);
    ngx_content_status_sweep(&out, &shared->sweep);
    ngx_content_status_probe(&out, mcf, &shared->probe);

    if (mcf->fleet) {
        ngx_content_status_fleet(&out, mcf);
    }

    content_out_text(&out, "},\"purge\":{");

    ngx_content_status_number(&out, "pending", shared->purge->pending);
    ngx_content_status_number(&out, "owed", shared->purge->owed);
    ngx_content_status_number(&out, "calls", shared->purge->calls);
    ngx_content_status_number(&out, "items_done", shared->purge->items_done);
    ngx_content_status_number(&out, "items_failed",
                              shared->purge->items_failed);
    ngx_content_status_number(&out, "retries", shared->purge->retries);

    out.pos--;
    content_out_text(&out, "}}");

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


/* Of all workers: what they hold and who waits now, and what was so far. */

static void
ngx_content_status_uploads(content_out_t *out, ngx_content_main_conf_t *mcf,
    ngx_content_uploads_shared_t *uploads)
{
    uint64_t    bytes, waiting;
    ngx_uint_t  i;

    bytes = 0;
    waiting = 0;

    for (i = 0; i < NGX_CONTENT_UPLOADS_SLOTS; i++) {
        bytes += uploads->bytes[i];
        waiting += uploads->waiting[i];
    }

    content_out_text(out, "},\"uploads\":{");

    ngx_content_status_number(out, "bytes", bytes);
    ngx_content_status_number(out, "limit", mcf->uploads_conf.limit);
    ngx_content_status_number(out, "waiting", waiting);
    ngx_content_status_number(out, "waits", uploads->waits);
    ngx_content_status_number(out, "too_slow", uploads->too_slow);

    out->pos--;
}


/* By the place, of what has been probed so far; null: not known. */

static void
ngx_content_status_probe(content_out_t *out, ngx_content_main_conf_t *mcf,
    ngx_content_probe_shared_t *probe)
{
    ngx_uint_t              i, k;
    const char             *found;
    ngx_content_store_t   **store;
    ngx_content_profile_t  *profile;

    content_out_text(out, "},\"s3\":{");
    store = mcf->stores.elts;

    for (i = 0; i < mcf->stores.nelts; i++) {
        profile = ngx_content_probe_profile(probe, store[i]->id);

        for (k = 0; k < i && store[k]->id != store[i]->id; k++) { /* void */ }

        if (!store[i]->probed || profile == NULL || k < i) {
            continue;
        }

        if (out->pos[-1] == '}') {
            content_out_char(out, ',');
        }

        content_out_char(out, '"');
        content_out_json(out, ngx_content_from_ngx(store[i]->place));
        content_out_text(out, "\":{");

        ngx_content_status_number(out, "probed", profile->probed);
        ngx_content_status_number(out, "failed", profile->failed);
        ngx_content_status_number(out, "missing", profile->missing);

        content_out_text(out, "\"versioning\":");
        content_out_text(out, profile->versioning == 0 ? "null"
                              : profile->versioning == 1 ? "false" : "true");
        content_out_text(out, ",\"skew\":");

        if ((ngx_atomic_int_t) profile->skew < 0) {
            content_out_char(out, '-');
        }

        content_out_uint(out, (ngx_atomic_int_t) profile->skew < 0
                              ? -profile->skew : profile->skew);

        for (k = 0; k < NGX_CONTENT_FACT_N; k++) {
            found = ngx_content_probe_fact(profile, k);

            content_out_text(out, ",\"");
            content_out_text(out, ngx_content_probe_fact_name(k));
            content_out_text(out, found ? "\":\"" : "\":null");

            if (found) {
                content_out_text(out, found);
                content_out_char(out, '"');
            }
        }

        content_out_char(out, '}');
    }
}


static void
ngx_content_status_sweep(content_out_t *out, ngx_content_sweep_shared_t *sweep)
{
    content_out_text(out, "},\"sweep\":{");

    ngx_content_status_number(out, "rounds", sweep->rounds);
    ngx_content_status_number(out, "uploads", sweep->uploads);
    ngx_content_status_number(out, "files", sweep->files);
    ngx_content_status_number(out, "failed", sweep->failed);

    out->pos--;
}


static void
ngx_content_status_memory(content_out_t *out, ngx_content_memory_t *memory)
{
    ngx_content_memory_stats_t  stats;

    ngx_content_memory_stats(memory, &stats);

    content_out_text(out, "},\"memory\":{");

    ngx_content_status_number(out, "hits", stats.hits);
    ngx_content_status_number(out, "misses", stats.misses);
    ngx_content_status_number(out, "stored", stats.stored);
    ngx_content_status_number(out, "fenced", stats.fenced);
    ngx_content_status_number(out, "resets", stats.resets);
    ngx_content_status_number(out, "held", stats.held);
    ngx_content_status_number(out, "records", stats.shards.entries);
    ngx_content_status_number(out, "bytes", stats.shards.bytes);
    ngx_content_status_number(out, "size", stats.shards.size);
    ngx_content_status_number(out, "evicted", stats.shards.evicted);
    ngx_content_status_number(out, "refused", stats.shards.refused);

    out->pos--;
}


static void
ngx_content_status_fleet(content_out_t *out, ngx_content_main_conf_t *mcf)
{
    uint64_t                     now;
    ngx_uint_t                   i;
    ngx_content_fleet_peer_t    *peer;
    ngx_content_fleet_shared_t  *fleet;

    fleet = &ngx_content_shared(mcf)->fleet;
    now = ngx_content_fleet_now();

    content_out_text(out, "},\"fleet\":{\"node\":\"");
    content_notice_number(out, fleet->node);
    content_out_text(out, "\",\"history\":\"");
    content_notice_number(out, ngx_content_shared(mcf)->redis.identity);
    content_out_text(out, "\",");

    ngx_content_status_number(out, "lease",
                              fleet->until > now ? fleet->until - now : 0);
    ngx_content_status_number(out, "control", fleet->control);
    ngx_content_status_number(out, "intents", fleet->intents);
    ngx_content_status_number(out, "pings", fleet->pings);
    ngx_content_status_number(out, "emptied", fleet->emptied);
    ngx_content_status_number(out, "forgotten", fleet->forgotten);
    ngx_content_status_number(out, "announced", fleet->announced);
    ngx_content_status_number(out, "waited", fleet->waited);
    ngx_content_status_number(out, "refused", fleet->refused);
    ngx_content_status_number(out, "taken", fleet->taken);
    ngx_content_status_number(out, "roles", fleet->roles);

    content_out_text(out, "\"nodes\":[");

    for (i = 0; i < NGX_CONTENT_FLEET_PEERS; i++) {
        peer = &fleet->peers[i];

        if (peer->node && now - peer->seen < NGX_CONTENT_STATUS_PEERS) {
            ngx_content_status_peer(out, peer, now,
                                    mcf->fleet_conf.lease);
        }
    }

    if (out->pos[-1] == ',') {
        out->pos--;
    }

    content_out_char(out, ']');
}


static void
ngx_content_status_peer(content_out_t *out, ngx_content_fleet_peer_t *peer,
    uint64_t now, ngx_msec_t lease)
{
    content_str_t  name;

    name.data = peer->name;
    name.len = peer->name_len;

    content_out_text(out, "{\"node\":\"");
    content_notice_number(out, peer->node);
    content_out_text(out, "\",\"name\":\"");
    content_out_json(out, name);
    content_out_text(out, now - peer->seen < lease ? "\",\"live\":true,"
                                                   : "\",\"live\":false,");
    ngx_content_status_number(out, "seen", now - peer->seen);
    ngx_content_status_number(out, "lag", peer->lag);

    out->pos--;
    content_out_text(out, "},");
}


/* With a comma behind it; the last one's is taken back. */

static void
ngx_content_status_number(content_out_t *out, const char *name,
    uint64_t value)
{
    content_out_char(out, '"');
    content_out_text(out, name);
    content_out_text(out, "\":");
    content_out_uint(out, value);
    content_out_char(out, ',');
}
