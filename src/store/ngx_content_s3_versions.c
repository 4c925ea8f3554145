/*
 * The versions of one key: ListObjectVersions with the key as the prefix, of
 * which those of longer keys are left out.  A bucket that keeps none lists
 * each object as the version "null"; where that is all there is,
 * GetBucketVersioning tells one from the other.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_date.h"
#include "lib/content_s3versions.h"


static void ngx_content_s3_versions_listed(ngx_content_call_t *call);
static int ngx_content_s3_version(void *data,
    const content_s3version_t *found);
static ngx_int_t ngx_content_s3_versions_ask(ngx_content_versions_t *versions);
static void ngx_content_s3_versions_asked(ngx_content_call_t *call);
static ngx_content_outcome_e ngx_content_s3_versions_outcome(
    ngx_content_call_t *call, const char **cause);


void
ngx_content_s3_versions(ngx_content_versions_t *versions)
{
    u_char                     number[NGX_INT_T_LEN];
    content_str_t              text;
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    text.data = number;
    text.len = ngx_sprintf(number, "%ui", versions->limit) - number;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";

    ngx_content_s3_param(&request, "versions", content_cstr(""));
    ngx_content_s3_param(&request, "encoding-type", content_cstr("url"));
    ngx_content_s3_param(&request, "max-keys", text);

    text = ngx_content_from_ngx(versions->task.key);
    ngx_content_s3_param(&request, "prefix", text);

    if (versions->after.len) {
        ngx_content_s3_param(&request, "key-marker", text);
        ngx_content_s3_param(&request, "version-id-marker",
                             ngx_content_from_ngx(versions->after));
    }

    call = ngx_content_s3_call(versions->task.store, &request);

    if (call) {
        call->response_limit = NGX_CONTENT_S3_LIST;
        call->handler = ngx_content_s3_versions_listed;
        call->data = versions;

        if (ngx_content_call_start(call) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_post_unsent(&versions->task);
}


static void
ngx_content_s3_versions_listed(ngx_content_call_t *call)
{
    unsigned                 truncated;
    const char              *cause;
    ngx_content_outcome_e    outcome;
    ngx_content_versions_t  *versions;

    versions = call->data;
    outcome = ngx_content_s3_versions_outcome(call, &cause);

    if (outcome == NGX_CONTENT_OK
        && ngx_array_init(&versions->versions, versions->task.pool, 16,
                          sizeof(ngx_content_version_t))
           != NGX_OK)
    {
        outcome = NGX_CONTENT_FAILED;
        cause = "no memory";
    }

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_task_finish(&versions->task, outcome, cause);
        return;
    }

    /* unless another key comes */

    versions->truncated = 1;

    if (content_s3versions_list(ngx_content_from_ngx(call->body),
                                ngx_content_s3_version, versions, &truncated)
        != CONTENT_OK)
    {
        ngx_content_task_finish(&versions->task, NGX_CONTENT_BROKEN,
                                "S3: a listing that makes no sense");
        return;
    }

    versions->truncated = versions->truncated && truncated;

    if (versions->kept || versions->after.len
        || ngx_content_s3_versions_ask(versions) != NGX_OK)
    {
        ngx_content_task_finish(&versions->task, NGX_CONTENT_OK, NULL);
    }
}


static int
ngx_content_s3_version(void *data, const content_s3version_t *found)
{
    ngx_content_versions_t *versions = data;

    ngx_pool_t             *pool;
    ngx_content_version_t  *version;

    if (!content_str_eq(found->key,
                        ngx_content_from_ngx(versions->task.key)))
    {
        versions->truncated = 0;
        return CONTENT_OK;
    }

    version = ngx_array_push(&versions->versions);
    if (version == NULL) {
        return CONTENT_ERROR;
    }

    pool = versions->task.pool;

    version->id = ngx_content_to_ngx(ngx_content_str_dup(pool, found->id));
    version->etag = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                                           found->etag));
    version->size = found->size;
    version->mtime = 0;
    version->latest = found->latest;
    version->deleted = found->deleted;

    (void) content_date_parse(found->last_modified, &version->mtime);

    if (!content_str_eq(found->id, content_cstr("null"))) {
        versions->kept = 1;
    }

    return version->id.len == found->id.len
           && version->etag.len == found->etag.len ? CONTENT_OK
                                                   : CONTENT_ERROR;
}


/* Does this bucket keep versions? */

static ngx_int_t
ngx_content_s3_versions_ask(ngx_content_versions_t *versions)
{
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    ngx_content_s3_param(&request, "versioning", content_cstr(""));

    call = ngx_content_s3_call(versions->task.store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = ngx_content_s3_versions_asked;
    call->data = versions;

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_versions_asked(ngx_content_call_t *call)
{
    unsigned                 kept;
    const char              *cause;
    ngx_content_outcome_e    outcome;
    ngx_content_versions_t  *versions;

    versions = call->data;
    outcome = ngx_content_s3_versions_outcome(call, &cause);

    /* who may list but may not ask this takes what was listed */

    if (call->result == NGX_OK && call->status == NGX_HTTP_FORBIDDEN) {
        versions->kept = 1;
        outcome = NGX_CONTENT_OK;

    } else if (outcome == NGX_CONTENT_OK) {

        if (content_s3versions_kept(ngx_content_from_ngx(call->body), &kept)
            == CONTENT_OK)
        {
            versions->kept = kept;

        } else {
            outcome = NGX_CONTENT_BROKEN;
            cause = "S3: GetBucketVersioning answered with something else";
        }
    }

    ngx_content_task_finish(&versions->task, outcome, cause);
}


static ngx_content_outcome_e
ngx_content_s3_versions_outcome(ngx_content_call_t *call, const char **cause)
{
    ngx_content_outcome_e  outcome;

    outcome = ngx_content_s3_call_outcome(call, cause);

    /* the bucket, if anything, is absent */

    return (outcome == NGX_CONTENT_ABSENT
            || outcome == NGX_CONTENT_PRECONDITION)
           ? NGX_CONTENT_BROKEN : outcome;
}
