/*
 * If-Match on writes to S3, so that the look at an object and the write that
 * depends on it are one step: see ngx_content_s3.h.  Called by
 * ngx_content_s3_commit.c; a guard lives in an upload.
 *
 * Servers differ.  AWS compares with the ETag as it is sent, in quotes;
 * Ceph compares with the text between them, so that the quoted one never
 * holds; some refuse the header with 501, some do not look at it.  The probe's
 * profile tells the form to start with, if it is known yet.  It need not be
 * right: a refusal writes nothing, and a HEAD after it says whether the ETag
 * has changed.  If not, the other form is tried, and remembered when it was
 * right.
 */

#include "store/ngx_content_s3.h"
#include "store/ngx_content_probe.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_guard_form(ngx_content_store_t *store);
static void ngx_content_s3_guard_none(ngx_content_s3_conf_t *conf);


void
ngx_content_s3_guard_set(ngx_content_s3_guard_t *guard,
    const ngx_content_conditions_t *conditions, const content_object_t *object)
{
    content_str_t  if_match;

    guard->etag.len = 0;
    if_match = ngx_content_from_ngx(conditions->if_match);

    if (object == NULL || object->etag.len < 3 || object->etag.data[0] != '"')
    {
        return;
    }

    /* a star is content with whatever comes between */

    if (if_match.len ? !content_str_eq(if_match, content_cstr("*"))
                     : conditions->if_unmodified)
    {
        guard->etag = object->etag;
    }
}


void
ngx_content_s3_guard_header(ngx_content_s3_guard_t *guard,
    ngx_content_store_t *store, ngx_content_s3_request_t *request)
{
    content_str_t           etag;
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;
    ngx_content_s3_guard_form(store);

    guard->sent = (guard->etag.len && !conf->no_if_match);

    if (!guard->sent) {
        return;
    }

    etag = guard->etag;
    guard->bare = guard->again ? !guard->bare : conf->bare_if_match;

    if (guard->bare) {
        etag.data++;
        etag.len -= 2;
    }

    ngx_content_s3_header(request, "if-match", etag);
}


static void
ngx_content_s3_guard_form(ngx_content_store_t *store)
{
    ngx_content_s3_conf_t  *conf;
    ngx_content_found_e     form;

    conf = store->conf;

    if (conf->if_match_known || store->profile == NULL) {
        return;
    }

    form = store->profile->facts[NGX_CONTENT_FACT_IF_MATCH];

    if (form == NGX_CONTENT_FOUND_QUOTED || form == NGX_CONTENT_FOUND_UNQUOTED)
    {
        conf->bare_if_match = (form == NGX_CONTENT_FOUND_UNQUOTED);
        conf->if_match_known = 1;
    }
}


ngx_content_s3_verdict_e
ngx_content_s3_guard_verdict(ngx_content_s3_guard_t *guard,
    ngx_content_s3_conf_t *conf, ngx_content_call_t *call,
    ngx_content_outcome_e *outcome)
{
    if (!guard->sent || call->result != NGX_OK) {
        return NGX_CONTENT_S3_FINAL;
    }

    if (call->status == NGX_HTTP_NOT_IMPLEMENTED) {
        ngx_content_s3_guard_none(conf);
        return NGX_CONTENT_S3_RESEND;
    }

    switch (*outcome) {

    case NGX_CONTENT_OK:
        conf->if_match_works |= guard->put;

        if (guard->again) {
            conf->bare_if_match = guard->bare;
            conf->if_match_known = 1;
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "content: S3 at \"%V\" takes If-Match %s quotes",
                          &conf->authority, guard->bare ? "without" : "with");
        }

        break;

    case NGX_CONTENT_PRECONDITION:
        if (!guard->again) {
            guard->again = 1;
            return NGX_CONTENT_S3_LOOK;
        }

        if (!guard->refused && !conf->if_match_works) {
            guard->refused = 1;
            return NGX_CONTENT_S3_LOOK;
        }

        break;

    case NGX_CONTENT_ABSENT:                 /* AWS: it was deleted meanwhile */
        *outcome = NGX_CONTENT_PRECONDITION;
        break;

    default:

        /* so says Ceph of some that have lost a race */

        if (call->status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
            *outcome = NGX_CONTENT_UNAVAILABLE;
        }
    }

    return NGX_CONTENT_S3_FINAL;
}


/*
 * Ceph refuses every If-Match in a bucket that keeps versions: the version
 * that is being written is not there.
 */

void
ngx_content_s3_guard_stands(ngx_content_s3_guard_t *guard,
    ngx_content_s3_conf_t *conf)
{
    if (guard->refused) {
        ngx_content_s3_guard_none(conf);
    }
}


static void
ngx_content_s3_guard_none(ngx_content_s3_conf_t *conf)
{
    conf->no_if_match = 1;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "content: S3 at \"%V\" has no If-Match for writes: two "
                  "writers can overwrite each other", &conf->authority);
}
