/*
 * What kind of S3 it is: one request after the other, each of which tells one
 * thing.  The steps that read are here; a fault of any ends the probe.
 */

#include "store/ngx_content_s3_probe.h"
#include "core/ngx_content_str.h"


typedef struct {
    ngx_int_t               (*ask)(ngx_content_s3_probe_t *s3);
    ngx_int_t               (*take)(ngx_content_s3_probe_t *s3,
                                    ngx_content_call_t *call);
} ngx_content_s3_probe_step_t;


static void ngx_content_s3_probe_run(ngx_content_s3_probe_t *s3);
static ngx_int_t ngx_content_s3_probe_send(ngx_content_s3_probe_t *s3);
static void ngx_content_s3_probe_done(ngx_content_call_t *call);
static void ngx_content_s3_probe_clock(ngx_content_profile_t *profile,
    ngx_content_call_t *call);
static void ngx_content_s3_probe_log(ngx_content_probe_t *probe);
static void ngx_content_s3_probe_warn(ngx_content_probe_t *probe);


static const ngx_content_s3_probe_step_t  ngx_content_s3_probe_steps[] = {
#define NGX_CONTENT_S3_PROBE(name)                                           \
    { ngx_content_s3_probe_ask_##name, ngx_content_s3_probe_take_##name },
NGX_CONTENT_S3_PROBES(NGX_CONTENT_S3_PROBE)
#undef NGX_CONTENT_S3_PROBE
    { NULL, NULL }
};


void
ngx_content_s3_probe(ngx_content_probe_t *probe)
{
    ngx_content_s3_conf_t   *conf;
    ngx_content_s3_probe_t  *s3;

    conf = probe->store->conf;

    s3 = ngx_pcalloc(probe->pool, sizeof(ngx_content_s3_probe_t));
    if (s3 == NULL) {
        ngx_content_probe_end(probe, NGX_ERROR);
        return;
    }

    s3->probe = probe;
    probe->state = s3;
    probe->found[NGX_CONTENT_FACT_STYLE] =
        conf->style == NGX_CONTENT_S3_VIRTUAL ? NGX_CONTENT_FOUND_VIRTUAL
                                              : NGX_CONTENT_FOUND_PATH;

    ngx_content_s3_probe_run(s3);
}


/* Until a step has sent something, or all are done. */

static void
ngx_content_s3_probe_run(ngx_content_s3_probe_t *s3)
{
    ngx_int_t                           rc;
    ngx_content_probe_t                *probe;
    const ngx_content_s3_probe_step_t  *step;

    probe = s3->probe;

    for ( ;; ) {
        step = &ngx_content_s3_probe_steps[probe->step];

        if (step->ask == NULL) {
            ngx_content_s3_probe_log(probe);
            ngx_content_probe_end(probe, NGX_OK);
            return;
        }

        ngx_memzero(&s3->request, sizeof(ngx_content_s3_request_t));
        s3->request.method = "GET";
        s3->text.len = 0;

        rc = step->ask(s3);

        if (rc == NGX_OK) {
            rc = ngx_content_s3_probe_send(s3);

            if (rc == NGX_OK) {
                return;
            }
        }

        if (rc != NGX_DECLINED) {
            ngx_content_probe_end(probe, NGX_ERROR);
            return;
        }

        probe->step++;
    }
}


static ngx_int_t
ngx_content_s3_probe_send(ngx_content_s3_probe_t *s3)
{
    ngx_content_call_t  *call;

    call = ngx_content_s3_call(s3->probe->store, &s3->request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    if (s3->text.len) {
        ngx_content_call_text(call, &s3->text);
    }

    call->handler = ngx_content_s3_probe_done;
    call->data = s3;

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_probe_done(ngx_content_call_t *call)
{
    ngx_content_probe_t     *probe;
    ngx_content_s3_probe_t  *s3;

    s3 = call->data;
    probe = s3->probe;

    if (ngx_content_s3_probe_steps[probe->step].take(s3, call) != NGX_OK) {
        ngx_content_probe_end(probe, NGX_ERROR);
        return;
    }

    probe->step++;
    ngx_content_s3_probe_run(s3);
}


/* No object that anybody would have, and a random name in it. */

ngx_int_t
ngx_content_s3_probe_ask_missing(ngx_content_s3_probe_t *s3)
{
    u_char  *p;

    p = ngx_pnalloc(s3->probe->pool, sizeof(NGX_CONTENT_S3_PROBE_KEY) + 16);
    if (p == NULL) {
        return NGX_ERROR;
    }

    s3->request.key.data = p;
    s3->request.key.len = ngx_sprintf(p, NGX_CONTENT_S3_PROBE_KEY "%08xD%08xD",
                                      (uint32_t) ngx_random(),
                                      (uint32_t) ngx_random())
                          - p;

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_take_missing(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;
    ngx_content_profile_t  *profile;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (call->result != NGX_OK
        || (outcome != NGX_CONTENT_ABSENT
            && call->status != NGX_HTTP_FORBIDDEN))
    {
        return NGX_ERROR;
    }

    profile = s3->probe->profile;
    profile->missing = call->status;
    ngx_content_s3_probe_clock(profile, call);

    return NGX_OK;
}


static void
ngx_content_s3_probe_clock(ngx_content_profile_t *profile,
    ngx_content_call_t *call)
{
    time_t     date;
    ngx_str_t  value;

    if (ngx_content_call_response_header(call, "date", &value) != NGX_OK) {
        return;
    }

    date = ngx_parse_http_time(value.data, value.len);

    if (date != (time_t) NGX_ERROR) {
        profile->skew = (ngx_atomic_uint_t) (date - ngx_time());
    }
}


ngx_int_t
ngx_content_s3_probe_ask_versioning(ngx_content_s3_probe_t *s3)
{
    ngx_content_s3_param(&s3->request, "versioning", content_cstr(""));

    return NGX_OK;
}


/* Not to be allowed to ask, or a server that has none, is no fault. */

ngx_int_t
ngx_content_s3_probe_take_versioning(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    if (call->result != NGX_OK
        || (call->status >= NGX_HTTP_INTERNAL_SERVER_ERROR
            && call->status != NGX_HTTP_NOT_IMPLEMENTED))
    {
        return NGX_ERROR;
    }

    if (call->status == NGX_HTTP_OK) {
        s3->probe->profile->versioning =
            1 + (call->body.len
                 && ngx_strlcasestrn(call->body.data,
                                     call->body.data + call->body.len,
                                     (u_char *) ">Enabled<", 8)
                    != NULL);
    }

    return NGX_OK;
}


static void
ngx_content_s3_probe_log(ngx_content_probe_t *probe)
{
    u_char                 *p, facts[512];
    ngx_uint_t              i;
    const char             *found;
    ngx_content_profile_t  *profile, now;

    profile = probe->profile;
    p = facts;

    for (i = 0; i < NGX_CONTENT_FACT_N; i++) {
        now.facts[i] = probe->found[i];
        found = ngx_content_probe_fact(&now, i);

        p = ngx_slprintf(p, facts + sizeof(facts), ", %s: %s",
                         ngx_content_probe_fact_name(i),
                         found ? found : "not known");
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "content: S3 at \"%V\": a missing key is %uA, its clock is "
                  "%A s from ours, versions: %s%*s", &probe->store->place,
                  profile->missing, (ngx_atomic_int_t) profile->skew,
                  profile->versioning == 0 ? "not known"
                  : profile->versioning == 1 ? "off" : "on",
                  (size_t) (p - facts), facts);

    ngx_content_s3_probe_warn(probe);
}


static void
ngx_content_s3_probe_warn(ngx_content_probe_t *probe)
{
    ngx_content_found_e     found;
    ngx_content_s3_conf_t  *conf;

    conf = probe->store->conf;
    found = probe->found[NGX_CONTENT_FACT_UNSIGNED];

    if (probe->profile->missing == NGX_HTTP_FORBIDDEN) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: S3 at \"%V\" says 403 of missing keys, which "
                      "can't be told from a lack of rights and is 502: allow "
                      "s3:ListBucket", &probe->store->place);
    }

    if (conf->sign_payload == CONTENT_SIGV4_PAYLOAD_OFF
        && ngx_content_probe_says_no(found))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: S3 at \"%V\" takes no UNSIGNED-PAYLOAD: "
                      "uploads will fail while \"content_s3_sign_payload\" "
                      "is \"off\"", &probe->store->place);
    }
}
