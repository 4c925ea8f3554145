/*
 * GET and HEAD: finds an object in Redis or in the store, and answers.
 *
 * Called by ngx_content_handler() with the key and the right checked.  What
 * is in shared memory is answered at once (ngx_content_hit.c).  For the rest:
 *
 *     LOOKUP   ask Redis: the record, or the right to fill it
 *     OPEN     ask the store what the object is, if that must be known before
 *              its bytes are fetched (HEAD, conditions, ranges)
 *     CHECK    304, 412, 416, or go on; choose the range
 *     CLAIM    a hot object of which Redis has the metadata alone: ask for the
 *              right to fill the body in
 *     FILL     join a fill that is under way, or begin one
 *     FILLED   it knows the object: go on to its bytes, as they come; or they
 *              are too many for any cache
 *     SEND     from memory, or by the store
 *
 * A record without the body (of shared memory, ctx->known, or of Redis) makes
 * OPEN needless.  What it says may be older than the bytes that come: so the
 * store sends its ETag along as If-Match.
 */

#include "http/ngx_content_get.h"
#include "http/ngx_content_refresh.h"
#include "lib/content_range.h"
#include "lib/content_rules.h"


/* A step returns NGX_OK (next step), NGX_AGAIN (wait) or the request's end. */

typedef ngx_int_t (*ngx_content_get_step_pt)(ngx_content_get_t *get);

#define NGX_CONTENT_GET_STEP(name, function)                                 \
    static ngx_int_t ngx_content_get_##function(ngx_content_get_t *get);
NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP

static void ngx_content_get_cleanup(void *data);
static void ngx_content_get_run(ngx_content_get_t *get);
static void ngx_content_get_resume(ngx_content_get_t *get);
static ngx_content_fill_t *ngx_content_get_joinable(ngx_content_get_t *get);
static ngx_uint_t ngx_content_get_is_hot(ngx_content_get_t *get);
static void ngx_content_get_looked_up(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_get_take_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op);
static void ngx_content_get_take_age(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_take_absence(ngx_content_get_t *get);
static ngx_uint_t ngx_content_get_conditional(ngx_http_request_t *r);
static void ngx_content_get_opened(ngx_content_read_t *read);
static void ngx_content_get_changed(ngx_content_read_t *read);
static ngx_int_t ngx_content_get_met(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_needs_body(ngx_content_get_t *get);
static void ngx_content_get_woken(ngx_content_fill_wait_t *wait);
static void ngx_content_get_failed(ngx_content_read_t *read);


static const struct {
    const char                 *name;
    ngx_content_get_step_pt     run;
} ngx_content_get_steps[] = {
#define NGX_CONTENT_GET_STEP(name, function)                                 \
    { #name, ngx_content_get_##function },
    NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP
};


ngx_int_t
ngx_content_get(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_content_get_t   *get;
    ngx_pool_cleanup_t  *cln;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* CHECK decides about conditions, for all tiers alike */

    r->disable_not_modified = 1;

    rc = ngx_content_hit(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_content_names(ctx);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_content_get_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    get = cln->data;
    ngx_memzero(get, sizeof(ngx_content_get_t));
    cln->handler = ngx_content_get_cleanup;

    get->request = r;
    get->ctx = ctx;
    get->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    get->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    get->read.request = r;
    get->read.store = get->lcf->store;
    get->read.key = ctx->key;
    get->read.digest = ngx_content_digest_is_wanted(r);
    get->read.headers = ngx_content_get_headers;
    get->read.done = ngx_content_get_opened;
    get->read.failed = ngx_content_get_failed;
    get->read.changed = ngx_content_get_changed;
    get->read.data = get;

    ngx_content_keep_init(&get->keep, r, ctx);

    get->wait.handler = ngx_content_get_woken;
    get->wait.data = get;

    /* from here on the steps finalize the request themselves */

    r->main->count++;

    ngx_content_get_run(get);

    return NGX_DONE;
}


static void
ngx_content_get_cleanup(void *data)
{
    ngx_content_get_t *get = data;

    if (get->lookup) {
        ngx_content_redis_detach(get->lookup);
    }

    ngx_content_fill_leave(&get->wait);
    ngx_content_keep_give_back(&get->keep);
}


static void
ngx_content_get_run(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = get->request;

    do {
        rc = ngx_content_get_steps[get->step].run(get);

    } while (rc == NGX_OK && get->step != NGX_CONTENT_GET_END);

    if (rc == NGX_AGAIN && get->step != NGX_CONTENT_GET_END) {

        /* a client that goes away ends the request */

        if (!r->discard_body) {
            r->read_event_handler = ngx_http_test_reading;
        }

        r->write_event_handler = ngx_http_request_empty_handler;
        return;
    }

    /* NGX_DONE: the store goes on, and finalizes the request */

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


static void
ngx_content_get_resume(ngx_content_get_t *get)
{
    ngx_connection_t  *c;

    c = get->request->connection;

    ngx_content_get_run(get);
    ngx_http_run_posted_requests(c);
}


void
ngx_content_get_next(ngx_content_get_t *get, ngx_content_get_step_e step)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, get->request->connection->log, 0,
                   "content get: %s -> %s",
                   ngx_content_get_steps[get->step].name,
                   step == NGX_CONTENT_GET_END
                       ? "END" : ngx_content_get_steps[step].name);

    get->step = step;
}


/* LOOKUP */

static ngx_int_t
ngx_content_get_lookup(ngx_content_get_t *get)
{
    content_object_t  *known;

    ngx_content_get_next(get, NGX_CONTENT_GET_OPEN);

    known = get->ctx->known;

    if (known) {
        get->read.object = known;
    }

    if (ngx_content_get_joinable(get)) {
        ngx_content_get_next(get, NGX_CONTENT_GET_FILL);
        return NGX_OK;
    }

    if (get->mcf->redis_client == NULL || !get->lcf->hot.enabled) {
        return NGX_OK;
    }

    get->keep.hot = ngx_content_get_is_hot(get);

    /* too large for Redis */

    if (known && known->size > (int64_t) get->lcf->hot.size) {
        return NGX_OK;
    }

    /* where asking costs nothing, Redis has no metadata alone */

    if (ngx_content_redis_lookup(get->mcf->redis_client, get->keep.name,
                                 get->keep.hot || !get->read.store->open_first,
                                 ngx_content_get_looked_up, get, &get->lookup)
        != NGX_OK)
    {
        get->lookup = NULL;
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_content_get_is_hot(ngx_content_get_t *get)
{
    return content_hot_touch(ngx_content_shared(get->mcf)->hot,
                             get->ctx->hash, ngx_current_msec,
                             get->lcf->hot.window)
           >= get->lcf->hot.hits;
}


static void
ngx_content_get_looked_up(ngx_content_redis_op_t *op)
{
    ngx_content_get_t *get = op->data;

    get->lookup = NULL;

    switch (op->result) {

    case NGX_CONTENT_REDIS_HIT:
        get->keep.in_redis = 1;

        if (ngx_content_get_take_record(get, op) != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                          "content: the record of \"%V\" in Redis is damaged",
                          &get->read.key);

            ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                              records_damaged);
            ngx_content_keep_forget(&get->keep);
            break;
        }

        if (get->expired
            && (get->keep.hot || !get->read.store->open_first)
            && ngx_content_redis_claim(get->mcf->redis_client,
                                       get->keep.name,
                                       ngx_content_get_looked_up, get,
                                       &get->lookup)
               == NGX_OK)
        {
            return;
        }

        break;

    case NGX_CONTENT_REDIS_TOKEN:
        get->keep.token = op->token;
        get->keep.has_token = 1;
        break;

    case NGX_CONTENT_REDIS_BUSY:
        ngx_memcpy(get->filler, op->filler, NGX_CONTENT_REDIS_ID);
        get->busy = 1;
        break;

    default:
        break;
    }

    ngx_content_get_resume(get);
}


static ngx_int_t
ngx_content_get_take_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op)
{
    content_str_t  record;

    if (ngx_content_redis_keep(op, get->request->pool) != NGX_OK
        || ngx_content_keep_read(&get->keep, &op->record, &record) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (record.len == 0) {
        return ngx_content_get_take_absence(get);
    }

    if (content_record_decode(record, &get->record, &get->body, NULL)
           != CONTENT_OK
        || (get->body.data && (int64_t) get->body.len != get->record.size))
    {
        get->body.data = NULL;
        return NGX_ERROR;
    }

    /* storage may know more than whoever has filled it */

    if (get->read.digest && !get->record.has_sha256
        && get->body.data == NULL && get->record.size)
    {
        return NGX_OK;
    }

    if (get->record.size == 0) {
        get->body.data = (u_char *) "";
        get->body.len = 0;
    }

    ngx_content_get_take_age(get);

    if (get->expired) {
        return NGX_OK;
    }

    ngx_content_keep_memory(&get->keep, &get->record, get->body);
    get->keep.age = 0;
    ngx_content_count(&ngx_content_shared(get->mcf)->counters, hits_redis);

    return NGX_OK;
}


/* A hit; one to be refreshed; or for the case that storage fails. */

static void
ngx_content_get_take_age(ngx_content_get_t *get)
{
    ngx_msec_t                 age;
    ngx_content_fresh_conf_t  *fresh;

    age = get->keep.age;
    fresh = &get->lcf->fresh;

    if (age >= (get->read.store->open_first ? fresh->soft
                                            : get->lcf->hot.ttl))
    {
        get->expired = 1;
        get->ctx->expired = 1;
        get->stale = get->body;
        get->stale_age = age - fresh->soft;
        get->body.data = NULL;
        get->keep.age = 0;
        return;
    }

    get->hit = 1;
    get->read.object = &get->record;
    get->read.outcome = NGX_CONTENT_OK;
    get->ctx->age = 0;

    if (age >= fresh->soft) {
        get->ctx->age = age - fresh->soft + 1;
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          hits_stale);
        ngx_content_refresh(&get->keep, get->ctx->hash, get->record.size);
    }
}


static ngx_int_t
ngx_content_get_take_absence(ngx_content_get_t *get)
{
    if (get->keep.age >= get->lcf->fresh.absent) {
        get->expired = 1;

    } else {
        ngx_content_keep_absent(&get->keep);
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          hits_redis);

        get->opened = 1;
        get->read.outcome = NGX_CONTENT_ABSENT;
        ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);
    }

    get->keep.age = 0;

    return NGX_OK;
}


/* OPEN */

static ngx_int_t
ngx_content_get_open(ngx_content_get_t *get)
{
    ngx_http_request_t  *r;

    r = get->request;

    ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);

    if (get->read.object) {
        return NGX_OK;
    }

    if (!get->read.store->open_first
        && r->method != NGX_HTTP_HEAD
        && !get->read.digest
        && !ngx_content_get_conditional(r))
    {
        return NGX_OK;
    }

    get->opened = 1;
    ngx_content_count(&ngx_content_shared(get->mcf)->counters, store_reads);

    return get->read.store->ops->open(&get->read);
}


/* Conditions and ranges are decided before the bytes are asked for. */

static ngx_uint_t
ngx_content_get_conditional(ngx_http_request_t *r)
{
    if (ngx_content_unconditional(r)) {
        return 0;
    }

    return r->headers_in.if_none_match || r->headers_in.if_modified_since
           || r->headers_in.if_match || r->headers_in.if_unmodified_since
           || r->headers_in.range;
}


static void
ngx_content_get_opened(ngx_content_read_t *read)
{
    ngx_content_get_resume(read->data);
}


/* CHECK */

static ngx_int_t
ngx_content_get_check(ngx_content_get_t *get)
{
    ngx_int_t  rc;

    if (get->opened && get->read.outcome != NGX_CONTENT_OK) {
        return ngx_content_get_stale(get);
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_CLAIM);

    if (get->read.object == NULL) {
        return NGX_OK;
    }

    rc = ngx_content_get_met(get);

    return rc == NGX_DECLINED ? ngx_content_get_needs_body(get) : rc;
}


/* NGX_DECLINED: the body is wanted; else the request's end. */

static ngx_int_t
ngx_content_get_met(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    content_object_t    *object;
    ngx_http_request_t  *r;

    r = get->request;
    object = get->read.object;

    rc = ngx_content_conditions(r, object->etag, object->mtime);

    if (rc == NGX_OK && r->method != NGX_HTTP_HEAD) {
        return NGX_DECLINED;
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_END);

    if (rc != NGX_OK && rc != NGX_HTTP_NOT_MODIFIED) {
        return rc;
    }

    if (rc == NGX_HTTP_NOT_MODIFIED) {
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          not_modified);
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    }

    if (get->opened) {
        ngx_content_keep_metadata(&get->keep, object);
    }

    return ngx_content_get_send_headers(get);
}


static ngx_int_t
ngx_content_get_needs_body(ngx_content_get_t *get)
{
    int64_t            first, last;
    ngx_int_t          rc;
    content_object_t  *object;

    object = get->read.object;

    rc = ngx_content_range(get->request, object->etag, object->mtime,
                           object->size, &first, &last);

    if (rc == CONTENT_RANGE_UNSATISFIABLE) {
        return NGX_HTTP_RANGE_NOT_SATISFIABLE;
    }

    if (get->body.data) {
        return NGX_OK;
    }

    get->hit = 0;

    if (get->read.store->open_first) {

        /* the bytes come with the metadata that they have now */

        if (!get->opened) {
            get->read.object = NULL;
            ngx_content_get_next(get, NGX_CONTENT_GET_OPEN);
        }

        return NGX_OK;
    }

    /* bytes at hand are cut by nginx's range filter */

    if (rc == CONTENT_RANGE_OK) {
        get->read.ranged = 1;
        get->read.first = first;
        get->read.last = last;

        if (get->opened) {
            ngx_content_keep_metadata(&get->keep, object);
        }
    }

    return NGX_OK;
}


/* CLAIM */

static ngx_int_t
ngx_content_get_claim(ngx_content_get_t *get)
{
    ngx_content_get_next(get, NGX_CONTENT_GET_FILL);

    if (!get->keep.in_redis || get->body.data || !get->keep.hot
        || get->read.ranged || get->read.object == NULL
        || get->read.object->size > (int64_t) get->lcf->hot.size
        || ngx_content_redis_claim(get->mcf->redis_client, get->keep.name,
                                   ngx_content_get_looked_up, get,
                                   &get->lookup)
           != NGX_OK)
    {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


/* FILL */

static ngx_int_t
ngx_content_get_fill(ngx_content_get_t *get)
{
    size_t               max;
    ngx_content_fill_t  *fill;

    ngx_content_get_next(get, NGX_CONTENT_GET_SEND);

    if (get->body.data || get->read.ranged || get->large
        || get->read.store->ops->fetch == NULL)
    {
        return NGX_OK;
    }

    fill = ngx_content_get_joinable(get);

    if (fill) {
        get->joined = 1;
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          fills_joined);

    } else {
        max = ngx_content_keep_max(&get->keep);

        if (max == 0
            || (get->read.object && get->read.object->size > (int64_t) max))
        {
            return NGX_OK;
        }

        fill = ngx_content_fill_begin(get->mcf->fills, &get->keep,
                                      get->ctx->hash);
        if (fill == NULL) {
            return NGX_OK;
        }

        ngx_content_count(&ngx_content_shared(get->mcf)->counters, fills);
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_FILLED);
    ngx_content_fill_wait(fill, &get->wait);

    return NGX_AGAIN;
}


/*
 * A fill of the object that began after every write which this request has to
 * see: see ngx_content_fill.h.
 */

static ngx_content_fill_t *
ngx_content_get_joinable(ngx_content_get_t *get)
{
    ngx_content_fill_t        *fill;
    ngx_http_request_t        *r;
    ngx_content_memory_key_t   mkey;

    r = get->request;

    if (r->method == NGX_HTTP_HEAD || get->large || !get->lcf->hot.enabled
        || ngx_content_get_conditional(r))
    {
        return NULL;
    }

    fill = ngx_content_fill_find(get->mcf->fills, get->read.store->id,
                                 get->ctx->hash);
    if (fill == NULL) {
        return NULL;
    }

    if (!CONTENT_RULE_JOIN) {
        return fill;
    }

    if (get->mcf->memory_zone && ngx_content_coherent(get->mcf)) {
        ngx_content_memory_key(ngx_content_memory(get->mcf), &mkey,
                               get->read.store->id, &get->ctx->key);

        return ngx_content_memory_fence(ngx_content_memory(get->mcf), &mkey)
               == fill->keep.fence ? fill : NULL;
    }

    return (get->busy && fill->had_token
            && ngx_memcmp(fill->token.id, get->filler, NGX_CONTENT_REDIS_ID)
               == 0)
           ? fill : NULL;
}


static void
ngx_content_get_woken(ngx_content_fill_wait_t *wait)
{
    ngx_connection_t   *c;
    ngx_content_get_t  *get;

    get = wait->data;
    c = get->request->connection;

    if (get->streaming) {
        ngx_content_get_stream(get);

    } else {
        ngx_content_get_run(get);
    }

    ngx_http_run_posted_requests(c);
}


/* FILLED */

static ngx_int_t
ngx_content_get_filled(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_content_fill_t  *fill;

    fill = get->wait.fill;

    switch (fill->state) {

    case NGX_CONTENT_FILL_ASKING:
        return NGX_AGAIN;

    case NGX_CONTENT_FILL_FAILED:
        get->read.outcome = fill->outcome;
        get->read.cause = fill->cause;

        return ngx_content_get_stale(get);

    default:
        get->read.object = &fill->object;
    }

    if (fill->state == NGX_CONTENT_FILL_LARGE) {
        get->large = 1;
        ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);

        return NGX_OK;
    }

    /* they held for what was known of it before, if it was */

    rc = ngx_content_get_met(get);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_END);
    rc = ngx_content_get_send_headers(get);

    if (rc == NGX_ERROR || rc > NGX_OK || get->request->header_only) {
        return rc;
    }

    get->ctx->get = get;
    ngx_content_get_stream(get);

    return NGX_DONE;
}


/* SEND */

static ngx_int_t
ngx_content_get_send(ngx_content_get_t *get)
{
    ngx_content_get_next(get, NGX_CONTENT_GET_END);

    if (get->body.data) {
        return ngx_content_get_send_memory(get);
    }

    if (!get->read.ranged) {
        get->read.body_max = ngx_content_keep_max(&get->keep);
        get->read.body = ngx_content_get_copy;
    }

    if (!get->opened) {
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          store_reads);
    }

    return get->read.store->ops->send(&get->read);
}


/* What was known of the object was of an older version. */

static void
ngx_content_get_changed(ngx_content_read_t *read)
{
    ngx_content_get_t  *get;

    get = read->data;

    ngx_content_keep_forget(&get->keep);
}


static void
ngx_content_get_failed(ngx_content_read_t *read)
{
    (void) ngx_content_get_fault(read->data);
}
