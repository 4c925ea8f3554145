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
 *              right to fill the body in; then, of files, OPEN
 *     WAIT     for the record, if another node is about to fill it
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
#include "http/ngx_content_zones.h"
#include "lib/content_range.h"


/* A step returns NGX_OK (next step), NGX_AGAIN (wait) or the request's end. */

typedef ngx_int_t (*ngx_content_get_step_pt)(ngx_content_get_t *get);

static ngx_content_get_t *ngx_content_get_create(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static ngx_int_t ngx_content_get_hit(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static ngx_uint_t ngx_content_get_goes_on(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_content_get_end_response(void *data);
static void ngx_content_get_cleanup(void *data);
static void ngx_content_get_opened(ngx_content_read_t *read);
static void ngx_content_get_changed(ngx_content_read_t *read);
static ngx_int_t ngx_content_get_needs_body(ngx_content_get_t *get);
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
    ngx_int_t           rc;
    ngx_content_get_t  *get;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* CHECK decides about conditions, for all tiers alike */

    r->disable_not_modified = 1;

    rc = ngx_content_get_hit(r, ctx);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ngx_content_range_refused(r);
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_content_names(ctx);

    get = ngx_content_get_create(r, ctx);
    if (get == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* from here on the steps finalize the request themselves */

    r->main->count++;

    ngx_content_get_run(get);

    return NGX_DONE;
}


static ngx_content_get_t *
ngx_content_get_create(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_content_get_t   *get;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_content_get_t));
    if (cln == NULL) {
        return NULL;
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

    get->came = ngx_content_fills_now(get->mcf->fills);
    get->wait.handler = ngx_content_get_woken;
    get->wait.data = get;

    return get;
}


/*
 * The look into shared memory, and what of the response is under way when it
 * has returned: see ngx_content_responses.h.
 */

static ngx_int_t
ngx_content_get_hit(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_pool_cleanup_t       *cln;
    ngx_content_loc_conf_t   *lcf;
    ngx_content_main_conf_t  *mcf;
    ngx_content_responses_t  *responses;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    responses = ngx_content_shared(mcf)->responses;

    ngx_content_responses_enter(responses,
        ngx_content_responses_hash(lcf->store->id, ctx->key.data,
                                   ctx->key.len));

    rc = ngx_content_hit(r, ctx);

    if (ngx_content_get_goes_on(r, rc)) {
        cln = ngx_pool_cleanup_add(r->pool, 0);

        if (cln) {
            cln->data = ngx_content_responses_go_on(responses);
            cln->handler = ngx_content_get_end_response;

        } else {
            rc = NGX_ERROR;
        }
    }

    ngx_content_responses_leave(responses);

    return rc;
}


/*
 * Whether bytes of the response are yet to be given to the kernel.  What an
 * HTTP/2 or HTTP/3 connection has queued can't be seen from its stream.
 */

static ngx_uint_t
ngx_content_get_goes_on(ngx_http_request_t *r, ngx_int_t rc)
{
    return rc == NGX_DECLINED || r != r->main || r->postponed || r->out
           || r->buffered || r->connection->buffered
           || r->http_version >= NGX_HTTP_VERSION_20;
}


static void
ngx_content_get_end_response(void *data)
{
    if (data) {
        ngx_content_responses_end(data);
    }
}


static void
ngx_content_get_cleanup(void *data)
{
    ngx_content_get_t *get = data;

    if (get->lookup) {
        ngx_content_redis_detach(get->lookup);
    }

    if (get->timer.timer_set) {
        ngx_del_timer(&get->timer);
    }

    ngx_content_redis_await_end(&get->await);
    ngx_content_fill_leave(&get->wait);
    ngx_content_keep_give_back(&get->keep);
}


void
ngx_content_get_run(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = get->request;

    ngx_content_get_in_time(get);

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

        if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
            ngx_content_range_refused(r);
        }

        /* a request can outlive its answer, until its own body has come */

        ngx_content_fill_ignore(&get->wait);
        ngx_http_finalize_request(r, rc);
    }
}


/*
 * Behind a page that has been sent, nginx limits the wait for its parts by
 * send_timeout, too; but it is not the client who is slow.
 */

void
ngx_content_get_in_time(ngx_content_get_t *get)
{
    ngx_connection_t  *c;

    c = get->request->connection;

    if (get->request == c->data && !c->write->delayed) {
        c->write->timedout = 0;
    }
}


void
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


/* OPEN */

ngx_int_t
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
    get->since = ngx_current_msec;
    ngx_content_count(&ngx_content_shared(get->mcf)->counters, store_reads);

    return get->read.store->ops->open(&get->read);
}


/* Conditions and ranges are decided before the bytes are asked for. */

ngx_uint_t
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

ngx_int_t
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

ngx_int_t
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

    /* bytes at hand are cut by nginx's range filter */

    if (get->body.data) {
        return NGX_OK;
    }

    get->hit = 0;

    /* the bytes come with the metadata that they have now */

    if (get->read.store->open_first
        || (rc != CONTENT_RANGE_OK && rc != CONTENT_RANGE_UNSATISFIABLE))
    {
        return NGX_OK;
    }

    switch (ngx_content_rehearse(get->request, object)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_OK;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == CONTENT_RANGE_UNSATISFIABLE) {
        return ngx_content_range_problem(get->request, object->size);
    }

    get->read.ranged = 1;
    get->read.first = first;
    get->read.last = last;

    if (get->opened) {
        ngx_content_keep_metadata(&get->keep, object);
    }

    return NGX_OK;
}


/* SEND */

ngx_int_t
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
        get->since = ngx_current_msec;
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
