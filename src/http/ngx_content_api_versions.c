/*
 * Versions, where the store keeps them:
 *
 *     GET /-/versions?key=&after=&limit=   which there are
 *     GET /-/version?key=&version=         one of them
 *     POST /-/restore?key=&version=        copies one over the current object
 *
 * They are no part of an object's own URL: a version never comes into the
 * caches of the current object, and who may read that without a token may not
 * read what was deleted.
 */

#include "http/ngx_content_api_wait.h"
#include "http/ngx_content_conf.h"
#include "http/ngx_content_copy.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"
#include "http/ngx_content_zones.h"
#include "lib/content_date.h"


#define NGX_CONTENT_VERSIONS_LIMIT  1000
#define NGX_CONTENT_VERSION_SIZE    160     /* of the JSON, without texts */


static ngx_int_t ngx_content_versions_key(ngx_http_request_t *r,
    ngx_str_t *key);
static ngx_int_t ngx_content_versions_id(ngx_http_request_t *r,
    const char *name, ngx_str_t *id);
static ngx_int_t ngx_content_versions_answer(ngx_http_request_t *r,
    ngx_content_task_t *task);
static void ngx_content_versions_entry(content_out_t *out,
    ngx_content_version_t *version);
static ngx_int_t ngx_content_version_headers(ngx_content_read_t *read);
static void ngx_content_version_opened(ngx_content_read_t *read);
static void ngx_content_version_changed(ngx_content_read_t *read);
static void ngx_content_version_failed(ngx_content_read_t *read);
static ngx_int_t ngx_content_version_run(ngx_content_read_t *read);
static ngx_int_t ngx_content_version_check(ngx_content_read_t *read);
static ngx_int_t ngx_content_version_fault(ngx_content_read_t *read);


/* What all three begin with: the key, the right to read it, a store for it. */

static ngx_int_t
ngx_content_versions_key(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_int_t                rc;
    ngx_content_loc_conf_t  *lcf;

    rc = ngx_content_api_arg(r, "key", 0, r->pool, key);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK || key->len == 0 || ngx_content_is_reserved(key)) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "key must be the key of an object");
    }

    rc = ngx_content_authorize_token(r, CONTENT_RIGHT_READ, key);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (!lcf->store->versions) {
        return ngx_content_problem(r, NGX_HTTP_NOT_IMPLEMENTED,
                                   "this store keeps no versions");
    }

    return ngx_http_discard_request_body(r);
}


/* Opaque, but of printable ASCII; empty: not sent. */

static ngx_int_t
ngx_content_versions_id(ngx_http_request_t *r, const char *name,
    ngx_str_t *id)
{
    size_t     i;
    ngx_int_t  rc;

    rc = ngx_content_api_arg(r, name, 1, r->pool, id);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        goto invalid;
    }

    for (i = 0; i < id->len; i++) {
        if (id->data[i] <= ' ' || id->data[i] >= 0x7f) {
            goto invalid;
        }
    }

    return NGX_OK;

invalid:

    return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                               "%s is no id of a version", name);
}


/* The list. */

ngx_int_t
ngx_content_api_versions(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                key, after;
    ngx_uint_t               limit;
    ngx_content_loc_conf_t  *lcf;
    ngx_content_versions_t  *versions;

    rc = ngx_content_versions_key(r, &key);

    if (rc == NGX_OK) {
        rc = ngx_content_versions_id(r, "after", &after);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_api_limit(r, NGX_CONTENT_VERSIONS_LIMIT, &limit);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    versions = ngx_content_task_create(lcf->store,
                                       sizeof(ngx_content_versions_t), &key,
                                       r->connection->log);
    if (versions == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    versions->after = ngx_content_to_ngx(ngx_content_str_dup(
                         versions->task.pool, ngx_content_from_ngx(after)));
    versions->limit = limit;

    rc = ngx_content_api_wait(r, &versions->task, "listing the versions of",
                              &versions->task.key,
                              ngx_content_versions_answer);
    if (rc == NGX_DONE) {
        lcf->store->ops->versions(versions);
    }

    return rc;
}


static ngx_int_t
ngx_content_versions_answer(ngx_http_request_t *r, ngx_content_task_t *task)
{
    ngx_content_versions_t *versions = (ngx_content_versions_t *) task;

    size_t                  size;
    u_char                 *buf;
    ngx_uint_t              i, n;
    content_out_t           out;
    ngx_content_version_t  *version;

    n = versions->versions.nelts;
    version = versions->versions.elts;

    if (!versions->kept && versions->after.len == 0) {
        return ngx_content_problem(r, NGX_HTTP_NOT_IMPLEMENTED,
                                   "this bucket keeps no versions");
    }

    if (n == 0 && versions->after.len == 0) {
        return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                                   "there never was such an object");
    }

    size = NGX_CONTENT_VERSION_SIZE + 6 * versions->task.key.len;

    for (i = 0; i < n; i++) {
        size += NGX_CONTENT_VERSION_SIZE
                + 6 * (2 * version[i].id.len + version[i].etag.len);
    }

    buf = ngx_pnalloc(r->pool, size);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, size);
    content_out_text(&out, "{\"key\":\"");
    content_out_json(&out, ngx_content_from_ngx(versions->task.key));
    content_out_text(&out, "\",\"versions\":[");

    for (i = 0; i < n; i++) {
        content_out_text(&out, i ? "," : "");
        ngx_content_versions_entry(&out, &version[i]);
    }

    content_out_text(&out, "],\"next\":");

    if (versions->truncated && n) {
        content_out_char(&out, '"');
        content_out_json(&out, ngx_content_from_ngx(version[n - 1].id));
        content_out_text(&out, "\"}");

    } else {
        content_out_text(&out, "null}");
    }

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


static void
ngx_content_versions_entry(content_out_t *out, ngx_content_version_t *version)
{
    content_out_text(out, "{\"version\":\"");
    content_out_json(out, ngx_content_from_ngx(version->id));
    content_out_text(out, version->latest ? "\",\"latest\":true"
                                          : "\",\"latest\":false");

    if (version->deleted) {
        content_out_text(out, ",\"deleted\":true");

    } else {
        content_out_text(out, ",\"deleted\":false,\"size\":");
        content_out_uint(out, version->size);
        content_out_text(out, ",\"etag\":\"");
        content_out_json(out, ngx_content_from_ngx(version->etag));
        content_out_text(out, "\"");
    }

    content_out_text(out, ",\"last_modified\":\"");
    content_date_time(out, version->mtime);
    content_out_text(out, "\"}");
}


/* One version: all of it, without ranges, past every cache. */

ngx_int_t
ngx_content_api_version(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                key;
    ngx_content_read_t      *read;
    ngx_content_loc_conf_t  *lcf;

    rc = ngx_content_versions_key(r, &key);

    if (rc != NGX_OK) {
        return rc;
    }

    read = ngx_pcalloc(r->pool, sizeof(ngx_content_read_t));
    if (read == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_versions_id(r, "version", &read->version);

    if (rc == NGX_OK && read->version.len == 0) {
        rc = ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                 "version is missing");
    }

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    ctx->key = key;                          /* what the headers are of */
    ngx_content_names(ctx);

    read->request = r;
    read->store = lcf->store;
    read->key = key;
    read->headers = ngx_content_version_headers;
    read->done = ngx_content_version_opened;
    read->changed = ngx_content_version_changed;
    read->failed = ngx_content_version_failed;

    r->disable_not_modified = 1;

    /* from here on the request is finalized here, or by the store */

    r->main->count++;

    rc = ngx_content_version_run(read);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    return NGX_DONE;
}


/* Its bytes at once, unless it must be known before what they are of. */

static ngx_int_t
ngx_content_version_run(ngx_content_read_t *read)
{
    ngx_http_request_t     *r;
    ngx_http_headers_in_t  *in;

    r = read->request;
    in = &r->headers_in;

    if (r->method != NGX_HTTP_HEAD && !in->if_match && !in->if_none_match
        && !in->if_unmodified_since && !in->if_modified_since)
    {
        return read->store->ops->send(read);
    }

    if (read->store->ops->open(read) != NGX_AGAIN) {
        return ngx_content_version_check(read);
    }

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_content_version_opened(ngx_content_read_t *read)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = read->request;
    c = r->connection;

    rc = ngx_content_version_check(read);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_content_version_check(ngx_content_read_t *read)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = read->request;

    if (read->outcome != NGX_CONTENT_OK) {
        return ngx_content_version_fault(read);
    }

    rc = ngx_content_conditions(r, read->object->etag, read->object->mtime);

    if (rc != NGX_OK && rc != NGX_HTTP_NOT_MODIFIED) {
        return rc;
    }

    if (rc == NGX_OK && r->method != NGX_HTTP_HEAD) {
        return read->store->ops->send(read);
    }

    r->headers_out.status = rc;
    rc = ngx_content_version_headers(read);

    return rc == NGX_OK ? ngx_http_send_header(r) : rc;
}


static ngx_int_t
ngx_content_version_headers(ngx_content_read_t *read)
{
    ngx_uint_t               status;
    ngx_http_request_t      *r;
    ngx_content_ctx_t       *ctx;
    content_cache_status_t   cache;

    r = read->request;
    status = r->headers_out.status;
    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    ngx_memzero(&cache, sizeof(content_cache_status_t));
    cache.cache = CONTENT_CACHE_URI_MISS;
    cache.detail = ngx_content_from_ngx(read->store->name);

    ctx->answered = 1;

    if (ngx_content_object_headers(r, read->object,
                                   ngx_content_cache_status(r, &cache))
        != NGX_OK
        || (read->object->has_sha256
            && ngx_content_digest_headers(r, read->object->sha256) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NOT_MODIFIED) {
        r->headers_out.status = status;
        r->headers_out.content_type.len = 0;
        ngx_http_clear_content_length(r);
    }

    return NGX_OK;
}


static void
ngx_content_version_changed(ngx_content_read_t *read)
{
    /* it can't */
}


static void
ngx_content_version_failed(ngx_content_read_t *read)
{
    (void) ngx_content_version_fault(read);
}


static ngx_int_t
ngx_content_version_fault(ngx_content_read_t *read)
{
    ngx_uint_t                status;
    ngx_content_main_conf_t  *mcf;

    status = ngx_content_outcome_status(read->outcome);

    if (read->outcome == NGX_CONTENT_ABSENT) {
        return ngx_content_problem(read->request, status,
                                   "there is no such version");
    }

    mcf = ngx_http_get_module_main_conf(read->request, ngx_content_module);
    ngx_content_count(&ngx_content_shared(mcf)->counters, store_faults);

    ngx_log_error(NGX_LOG_ERR, read->request->connection->log, 0,
                  "content: reading a version of \"%V\" failed: %V",
                  &read->key, &read->cause);

    return ngx_content_problem(read->request, status, "the storage failed");
}


/* A write like a COPY, of the key onto itself. */

ngx_int_t
ngx_content_api_restore(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_str_t               key, version;
    ngx_content_copying_t  *c;

    rc = ngx_content_versions_key(r, &key);

    if (rc == NGX_OK) {
        rc = ngx_content_versions_id(r, "version", &version);
    }

    if (rc == NGX_OK && version.len == 0) {
        rc = ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                 "version is missing");
    }

    if (rc == NGX_OK) {
        rc = ngx_content_authorize_token(r, CONTENT_RIGHT_WRITE, &key);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    c = ngx_content_copy_create(r, &key);
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c->restore = 1;
    c->from.key = c->keys[0].key;
    c->from.version = ngx_content_to_ngx(ngx_content_str_dup(c->pool,
                                             ngx_content_from_ngx(version)));
    if (c->from.version.len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_write_conditions(r, c->pool, &c->upload->conditions);

    return rc == NGX_OK ? ngx_content_copy_start(c) : rc;
}
