/*
 * GET /-/status: the numbers of the node, the state of its fleet, and what the
 * probe has found out of its S3 servers, as JSON.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_samples.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_STATUS_SIZE   (8 * 1024)
#define NGX_CONTENT_STATUS_PEER   512        /* with a name, escaped */
#define NGX_CONTENT_STATUS_STORE  4096       /* with its place */


static void ngx_content_status_samples(content_out_t *out,
    ngx_content_main_conf_t *mcf);
static void ngx_content_status_section(content_out_t *out,
    ngx_content_main_conf_t *mcf, const char *section);
static void ngx_content_status_fleet(content_out_t *out,
    ngx_content_main_conf_t *mcf);
static void ngx_content_status_peer(content_out_t *out,
    ngx_content_fleet_peer_t *peer, ngx_msec_t lease);
static void ngx_content_status_probes(content_out_t *out,
    ngx_content_main_conf_t *mcf);
static void ngx_content_status_profile(content_out_t *out,
    ngx_content_profile_t *profile, ngx_str_t *place);
static void ngx_content_status_bool(content_out_t *out, const char *name,
    ngx_uint_t value);
static void ngx_content_status_number(content_out_t *out, const char *name,
    uint64_t value);
static void ngx_content_status_close(content_out_t *out, u_char bracket);


ngx_int_t
ngx_content_api_status(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                 rc;
    content_out_t             out;
    ngx_content_main_conf_t  *mcf;

    rc = ngx_content_samples_begin(r, &out, NGX_CONTENT_STATUS_SIZE,
                                   NGX_CONTENT_STATUS_PEER,
                                   NGX_CONTENT_STATUS_STORE);
    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);

    content_out_char(&out, '{');
    ngx_content_status_samples(&out, mcf);
    ngx_content_status_probes(&out, mcf);

    out.pos--;
    content_out_char(&out, '}');

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


static void
ngx_content_status_samples(content_out_t *out, ngx_content_main_conf_t *mcf)
{
    ngx_uint_t             i, n;
    const char            *section;
    ngx_content_sample_t   samples[NGX_CONTENT_SAMPLES_MAX];

    n = ngx_content_samples(mcf, samples);
    section = NULL;

    for (i = 0; i < n; i++) {
        if (samples[i].section != section) {
            if (section) {
                ngx_content_status_close(out, '}');
            }

            section = samples[i].section;
            ngx_content_status_section(out, mcf, section);
        }

        if (samples[i].kind == NGX_CONTENT_SAMPLE_BOOL) {
            ngx_content_status_bool(out, samples[i].name, samples[i].value);

        } else {
            ngx_content_status_number(out, samples[i].name,
                                      samples[i].value);
        }
    }

    ngx_content_status_close(out, '}');
}


/* Its beginning, and what of it is not a number. */

static void
ngx_content_status_section(content_out_t *out, ngx_content_main_conf_t *mcf,
    const char *section)
{
    content_out_char(out, '"');
    content_out_text(out, section);
    content_out_text(out, "\":{");

    if (ngx_strcmp(section, "fleet") == 0) {
        ngx_content_status_fleet(out, mcf);
    }
}


static void
ngx_content_status_fleet(content_out_t *out, ngx_content_main_conf_t *mcf)
{
    ngx_uint_t                 i;
    ngx_content_shared_t      *shared;
    ngx_content_fleet_peer_t  *peer;

    shared = ngx_content_shared(mcf);

    content_out_text(out, "\"node\":\"");
    content_notice_number(out, shared->fleet.node);
    content_out_text(out, "\",\"history\":\"");
    content_notice_number(out, shared->redis.identity);
    content_out_text(out, "\",\"nodes\":[");

    for (i = 0; (peer = ngx_content_samples_peer(mcf, &i)) != NULL; ) {
        ngx_content_status_peer(out, peer, mcf->fleet_conf.lease);
    }

    ngx_content_status_close(out, ']');
}


static void
ngx_content_status_peer(content_out_t *out, ngx_content_fleet_peer_t *peer,
    ngx_msec_t lease)
{
    uint64_t       age;
    content_str_t  name;

    age = ngx_content_fleet_now() - peer->seen;
    name.data = peer->name;
    name.len = peer->name_len;

    content_out_text(out, "{\"node\":\"");
    content_notice_number(out, peer->node);
    content_out_text(out, "\",\"name\":\"");
    content_out_json(out, name);
    content_out_text(out, "\",");
    ngx_content_status_bool(out, "live", age < lease);
    ngx_content_status_number(out, "seen", age);
    ngx_content_status_number(out, "lag", peer->lag);
    ngx_content_status_close(out, '}');
}


/* By the place, of what has been probed so far; null: not known. */

static void
ngx_content_status_probes(content_out_t *out, ngx_content_main_conf_t *mcf)
{
    ngx_str_t               place;
    ngx_uint_t              i;
    ngx_content_profile_t  *profile;

    content_out_text(out, "\"s3\":{");

    for (i = 0;
         (profile = ngx_content_samples_profile(mcf, &i, &place)) != NULL; )
    {
        ngx_content_status_profile(out, profile, &place);
    }

    ngx_content_status_close(out, '}');
}


static void
ngx_content_status_profile(content_out_t *out, ngx_content_profile_t *profile,
    ngx_str_t *place)
{
    ngx_uint_t         k;
    const char        *found;
    ngx_atomic_int_t   skew;

    skew = (ngx_atomic_int_t) profile->skew;

    content_out_char(out, '"');
    content_out_json(out, ngx_content_from_ngx(*place));
    content_out_text(out, "\":{");

    ngx_content_status_number(out, "probed", profile->probed);
    ngx_content_status_number(out, "failed", profile->failed);
    ngx_content_status_number(out, "missing", profile->missing);

    content_out_text(out, "\"versioning\":");
    content_out_text(out, profile->versioning == 0 ? "null"
                          : profile->versioning == 1 ? "false" : "true");
    content_out_text(out, skew < 0 ? ",\"skew\":-" : ",\"skew\":");
    content_out_uint(out, skew < 0 ? -skew : skew);
    content_out_char(out, ',');

    for (k = 0; k < NGX_CONTENT_FACT_N; k++) {
        found = ngx_content_probe_fact(profile, k);

        content_out_char(out, '"');
        content_out_text(out, ngx_content_probe_fact_name(k));
        content_out_text(out, found ? "\":\"" : "\":null");
        content_out_text(out, found ? found : "");
        content_out_text(out, found ? "\"," : ",");
    }

    ngx_content_status_close(out, '}');
}


/* Each member has a comma behind it; the last one's is taken back. */

static void
ngx_content_status_bool(content_out_t *out, const char *name,
    ngx_uint_t value)
{
    content_out_char(out, '"');
    content_out_text(out, name);
    content_out_text(out, value ? "\":true," : "\":false,");
}


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


static void
ngx_content_status_close(content_out_t *out, u_char bracket)
{
    if (out->pos[-1] == ',') {
        out->pos--;
    }

    content_out_char(out, bracket);
    content_out_char(out, ',');
}
