/*
 * What kind of S3 it is: one GET after the other, each of which tells one
 * thing.  A fault of any ends the probe.
 */

#include "store/ngx_content_s3.h"
#include "store/ngx_content_probe.h"
#include "core/ngx_content_str.h"


/* No object that anybody would have, and a random name in it. */
#define NGX_CONTENT_S3_PROBE_KEY  ".ngx_content_probe/"


#define NGX_CONTENT_S3_PROBES(P)                                             \
    P(missing)               /* 403 or 404 for a key that is not there */     \
    P(versioning)            /* does the bucket keep versions */


typedef ngx_int_t (*ngx_content_s3_probe_pt)(ngx_content_probe_t *probe,
    ngx_content_call_t *call);

typedef struct {
    void                    (*ask)(ngx_content_s3_request_t *request,
                                   u_char *buf);
    ngx_content_s3_probe_pt   take;
} ngx_content_s3_probe_t;


#define NGX_CONTENT_S3_PROBE(name)                                           \
    static void ngx_content_s3_probe_ask_##name(                             \
        ngx_content_s3_request_t *request, u_char *buf);                     \
    static ngx_int_t ngx_content_s3_probe_take_##name(                       \
        ngx_content_probe_t *probe, ngx_content_call_t *call);
NGX_CONTENT_S3_PROBES(NGX_CONTENT_S3_PROBE)
#undef NGX_CONTENT_S3_PROBE

static void ngx_content_s3_probe_done(ngx_content_call_t *call);
static void ngx_content_s3_probe_clock(ngx_content_probe_t *probe,
    ngx_content_call_t *call);
static void ngx_content_s3_probe_log(ngx_content_probe_t *probe);


static const ngx_content_s3_probe_t  ngx_content_s3_probes[] = {
#define NGX_CONTENT_S3_PROBE(name)                                           \
    { ngx_content_s3_probe_ask_##name, ngx_content_s3_probe_take_##name },
NGX_CONTENT_S3_PROBES(NGX_CONTENT_S3_PROBE)
#undef NGX_CONTENT_S3_PROBE
    { NULL, NULL }
};


void
ngx_content_s3_probe(ngx_content_probe_t *probe)
{
    u_char                     buf[64];
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    if (ngx_content_s3_probes[probe->step].ask == NULL) {
        ngx_content_s3_probe_log(probe);
        ngx_content_probe_end(probe, NGX_OK);
        return;
    }

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    ngx_content_s3_probes[probe->step].ask(&request, buf);

    call = ngx_content_s3_call(probe->store, &request);

    if (call) {
        call->handler = ngx_content_s3_probe_done;
        call->data = probe;

        if (ngx_content_call_start(call) == NGX_OK) {
            return;
        }
    }

    ngx_content_probe_end(probe, NGX_ERROR);
}


static void
ngx_content_s3_probe_done(ngx_content_call_t *call)
{
    ngx_content_probe_t  *probe;

    probe = call->data;

    if (call->result != NGX_OK
        || ngx_content_s3_probes[probe->step].take(probe, call) != NGX_OK)
    {
        ngx_content_probe_end(probe, NGX_ERROR);
        return;
    }

    probe->step++;
    ngx_content_s3_probe(probe);
}


static void
ngx_content_s3_probe_ask_missing(ngx_content_s3_request_t *request,
    u_char *buf)
{
    request->key.data = buf;
    request->key.len = ngx_sprintf(buf, NGX_CONTENT_S3_PROBE_KEY "%08xD%08xD",
                                   (uint32_t) ngx_random(),
                                   (uint32_t) ngx_random())
                       - buf;
}


static ngx_int_t
ngx_content_s3_probe_take_missing(ngx_content_probe_t *probe,
    ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome != NGX_CONTENT_ABSENT && call->status != NGX_HTTP_FORBIDDEN) {
        return NGX_ERROR;
    }

    probe->profile->missing = call->status;
    ngx_content_s3_probe_clock(probe, call);

    return NGX_OK;
}


static void
ngx_content_s3_probe_clock(ngx_content_probe_t *probe,
    ngx_content_call_t *call)
{
    time_t     date;
    ngx_str_t  value;

    if (ngx_content_call_response_header(call, "date", &value) != NGX_OK) {
        return;
    }

    date = ngx_parse_http_time(value.data, value.len);

    if (date != (time_t) NGX_ERROR) {
        probe->profile->skew = (ngx_atomic_uint_t) (date - ngx_time());
    }
}


static void
ngx_content_s3_probe_ask_versioning(ngx_content_s3_request_t *request,
    u_char *buf)
{
    ngx_content_s3_param(request, "versioning", content_cstr(""));
}


/* Not to be allowed to ask, or a server that has none, is no fault. */

static ngx_int_t
ngx_content_s3_probe_take_versioning(ngx_content_probe_t *probe,
    ngx_content_call_t *call)
{
    if (call->status >= NGX_HTTP_INTERNAL_SERVER_ERROR
        && call->status != NGX_HTTP_NOT_IMPLEMENTED)
    {
        return NGX_ERROR;
    }

    if (call->status == NGX_HTTP_OK) {
        probe->profile->versioning =
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
    ngx_content_profile_t  *profile;

    profile = probe->profile;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "content: S3 at \"%V\": a missing key is %uA, its clock is "
                  "%A s from ours, versions: %s", &probe->store->place,
                  profile->missing, (ngx_atomic_int_t) profile->skew,
                  profile->versioning == 0 ? "not known"
                  : profile->versioning == 1 ? "off" : "on");

    if (profile->missing == NGX_HTTP_FORBIDDEN) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: S3 at \"%V\" says 403 of missing keys, which "
                      "can't be told from a lack of rights and is 502: allow "
                      "s3:ListBucket", &probe->store->place);
    }
}
