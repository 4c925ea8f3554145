/*
 * GET /-/metrics: the numbers of GET /-/status in the text format of
 * Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * A metric is ngx_content_SECTION_NAME; a counter ends in _total, a time in
 * _seconds.  All samples of one metric stand together.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_samples.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_METRICS_SIZE   (32 * 1024)
#define NGX_CONTENT_METRICS_PEER   2048      /* four samples */
#define NGX_CONTENT_METRICS_STORE  8192      /* four samples */


typedef uint64_t (*ngx_content_metric_pt)(void *of, void *data);

static void ngx_content_metrics_sample(content_out_t *out,
    ngx_content_sample_t *sample);
static void ngx_content_metrics_fleet(content_out_t *out,
    ngx_content_main_conf_t *mcf);
static void ngx_content_metrics_peers(content_out_t *out,
    ngx_content_main_conf_t *mcf, const char *name, unsigned time,
    ngx_content_metric_pt value);
static void ngx_content_metrics_probes(content_out_t *out,
    ngx_content_main_conf_t *mcf, const char *name, const char *type,
    size_t offset);
static uint64_t ngx_content_metrics_live(void *of, void *data);
static uint64_t ngx_content_metrics_seen(void *of, void *data);
static uint64_t ngx_content_metrics_lag(void *of, void *data);
static void ngx_content_metrics_type(content_out_t *out, const char *section,
    const char *name, const char *suffix, const char *type);
static void ngx_content_metrics_name(content_out_t *out, const char *section,
    const char *name, const char *suffix);
static void ngx_content_metrics_seconds(content_out_t *out, uint64_t ms);


ngx_int_t
ngx_content_api_metrics(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, n;
    content_out_t             out;
    ngx_content_sample_t      samples[NGX_CONTENT_SAMPLES_MAX];
    ngx_content_main_conf_t  *mcf;

    static ngx_str_t  type =
        ngx_string("text/plain; version=0.0.4; charset=utf-8");

    rc = ngx_content_samples_begin(r, &out, NGX_CONTENT_METRICS_SIZE,
                                   NGX_CONTENT_METRICS_PEER,
                                   NGX_CONTENT_METRICS_STORE);
    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    n = ngx_content_samples(mcf, samples);

    for (i = 0; i < n; i++) {
        ngx_content_metrics_sample(&out, &samples[i]);
    }

    if (mcf->fleet) {
        ngx_content_metrics_fleet(&out, mcf);
    }

    ngx_content_metrics_probes(&out, mcf, "probed_timestamp_seconds", "gauge",
                               offsetof(ngx_content_profile_t, probed));
    ngx_content_metrics_probes(&out, mcf, "probes_failed_total", "counter",
                               offsetof(ngx_content_profile_t, failed));
    ngx_content_metrics_probes(&out, mcf, "skew_seconds", "gauge",
                               offsetof(ngx_content_profile_t, skew));

    return ngx_content_send_text(r, NGX_HTTP_OK, &type,
                                 content_out_done(&out));
}


static void
ngx_content_metrics_sample(content_out_t *out, ngx_content_sample_t *sample)
{
    const char  *suffix;

    suffix = sample->kind == NGX_CONTENT_SAMPLE_COUNTER ? "_total"
             : sample->kind == NGX_CONTENT_SAMPLE_TIME ? "_seconds" : "";

    ngx_content_metrics_type(out, sample->section, sample->name, suffix,
                             sample->kind == NGX_CONTENT_SAMPLE_COUNTER
                             ? "counter" : "gauge");
    ngx_content_metrics_name(out, sample->section, sample->name, suffix);
    content_out_char(out, ' ');

    if (sample->kind == NGX_CONTENT_SAMPLE_TIME) {
        ngx_content_metrics_seconds(out, sample->value);

    } else {
        content_out_uint(out, sample->value);
    }

    content_out_char(out, '\n');
}


static void
ngx_content_metrics_fleet(content_out_t *out, ngx_content_main_conf_t *mcf)
{
    ngx_content_shared_t  *shared;

    shared = ngx_content_shared(mcf);

    ngx_content_metrics_type(out, "fleet", "info", "", "gauge");
    ngx_content_metrics_name(out, "fleet", "info", "");
    content_out_text(out, "{node=\"");
    content_notice_number(out, shared->fleet.node);
    content_out_text(out, "\",history=\"");
    content_notice_number(out, shared->redis.identity);
    content_out_text(out, "\"} 1\n");

    ngx_content_metrics_peers(out, mcf, "node_live", 0,
                              ngx_content_metrics_live);
    ngx_content_metrics_peers(out, mcf, "node_seen", 1,
                              ngx_content_metrics_seen);
    ngx_content_metrics_peers(out, mcf, "node_lag", 1,
                              ngx_content_metrics_lag);
}


/* One metric, a sample for each node. */

static void
ngx_content_metrics_peers(content_out_t *out, ngx_content_main_conf_t *mcf,
    const char *name, unsigned time, ngx_content_metric_pt value)
{
    ngx_uint_t                 i;
    const char                *suffix;
    content_str_t              text;
    ngx_content_fleet_peer_t  *peer;

    suffix = time ? "_seconds" : "";

    ngx_content_metrics_type(out, "fleet", name, suffix, "gauge");

    for (i = 0; (peer = ngx_content_samples_peer(mcf, &i)) != NULL; ) {
        text.data = peer->name;
        text.len = peer->name_len;

        ngx_content_metrics_name(out, "fleet", name, suffix);
        content_out_text(out, "{node=\"");
        content_notice_number(out, peer->node);
        content_out_text(out, "\",name=\"");
        content_out_json(out, text);
        content_out_text(out, "\"} ");

        if (time) {
            ngx_content_metrics_seconds(out, value(peer, mcf));

        } else {
            content_out_uint(out, value(peer, mcf));
        }

        content_out_char(out, '\n');
    }
}


static uint64_t
ngx_content_metrics_live(void *of, void *data)
{
    ngx_content_main_conf_t *mcf = data;

    return ngx_content_metrics_seen(of, data) < mcf->fleet_conf.lease;
}


static uint64_t
ngx_content_metrics_seen(void *of, void *data)
{
    ngx_content_fleet_peer_t *peer = of;

    return ngx_content_fleet_now() - peer->seen;
}


static uint64_t
ngx_content_metrics_lag(void *of, void *data)
{
    ngx_content_fleet_peer_t *peer = of;

    return peer->lag;
}


/* One metric, a sample for each S3 server: the number at offset. */

static void
ngx_content_metrics_probes(content_out_t *out, ngx_content_main_conf_t *mcf,
    const char *name, const char *type, size_t offset)
{
    ngx_str_t               place;
    ngx_uint_t              i;
    ngx_atomic_int_t        value;
    ngx_content_profile_t  *profile;

    ngx_content_metrics_type(out, "s3", name, "", type);

    for (i = 0;
         (profile = ngx_content_samples_profile(mcf, &i, &place)) != NULL; )
    {
        value = *(ngx_atomic_int_t *) ((u_char *) profile + offset);

        ngx_content_metrics_name(out, "s3", name, "");
        content_out_text(out, "{place=\"");
        content_out_json(out, ngx_content_from_ngx(place));
        content_out_text(out, value < 0 ? "\"} -" : "\"} ");
        content_out_uint(out, value < 0 ? -value : value);
        content_out_char(out, '\n');
    }
}


static void
ngx_content_metrics_type(content_out_t *out, const char *section,
    const char *name, const char *suffix, const char *type)
{
    content_out_text(out, "# TYPE ");
    ngx_content_metrics_name(out, section, name, suffix);
    content_out_char(out, ' ');
    content_out_text(out, type);
    content_out_char(out, '\n');
}


static void
ngx_content_metrics_name(content_out_t *out, const char *section,
    const char *name, const char *suffix)
{
    content_out_text(out, "ngx_content_");
    content_out_text(out, section);
    content_out_char(out, '_');
    content_out_text(out, name);
    content_out_text(out, suffix);
}


static void
ngx_content_metrics_seconds(content_out_t *out, uint64_t ms)
{
    content_out_uint(out, ms / 1000);
    content_out_char(out, '.');
    content_out_char(out, '0' + ms / 100 % 10);
    content_out_char(out, '0' + ms / 10 % 10);
    content_out_char(out, '0' + ms % 10);
}
