/*
 * GET and HEAD: finds an object in Redis or in the store, and answers.
 *
 * Called by ngx_content_handler() with the key and the right checked.  What
 * is in shared memory is answered at once (ngx_content_hit.c).  For the rest
 * the
 * state (ngx_content_get_t) lives in the request's pool; what is under way
 * when the client goes (a look-up, a HEAD to S3) is let go by its cleanup.
 *
 *     LOOKUP   ask Redis: the record, or the right to fill it
 *     OPEN     ask the store what the object is, if that must be known before
 *              its bytes are fetched (HEAD, conditions, ranges)
 *     CHECK    304, 412, 416, or go on; choose the range
 *     SEND     from memory, or by the store
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_range.h"

#define NGX_CONTENT_GET_STEPS(S)                                             \
    S(LOOKUP, lookup)                                                        \
    S(OPEN,   open)                                                          \
    S(CHECK,  check)                                                         \
    S(SEND,   send)

typedef enum {
#define NGX_CONTENT_GET_STEP(name, function)  NGX_CONTENT_GET_##name,
    NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP
    NGX_CONTENT_GET_END
} ngx_content_get_step_e;


typedef struct {
    ngx_http_request_t         *request;
    ngx_content_ctx_t          *ctx;
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;

    ngx_content_get_step_e      step;
    ngx_content_read_t          read;

    u_char                      name[NGX_CONTENT_REDIS_NAME];
    ngx_content_redis_op_t     *lookup;      /* under way */
    ngx_content_redis_token_t   token;       /* if has_token */
    content_object_t            record;      /* of a hit */
    content_str_t               body;        /* of a hit, in memory */

    u_char                     *copy;        /* of the body, for the fill */
    size_t                      copied;

    unsigned                    has_token:1;
    unsigned                    hit:1;
    unsigned                    opened:1;
} ngx_content_get_t;


/* A step returns NGX_OK (next step), NGX_AGAIN (wait) or the request's end. */

typedef ngx_int_t (*ngx_content_get_step_pt)(ngx_content_get_t *get);

#define NGX_CONTENT_GET_STEP(name, function)                                 \
    static ngx_int_t ngx_content_get_##function(ngx_content_get_t *get);
NGX_CONTENT_GET_STEPS(NGX_CONTENT_GET_STEP)
#undef NGX_CONTENT_GET_STEP

static void ngx_content_get_cleanup(void *data);
static void ngx_content_get_run(ngx_content_get_t *get);
static void ngx_content_get_resume(ngx_content_get_t *get);
static void ngx_content_get_next(ngx_content_get_t *get,
    ngx_content_get_step_e step);
static ngx_uint_t ngx_content_get_is_hot(ngx_content_get_t *get);
static size_t ngx_content_copy_max(ngx_content_get_t *get);
static void ngx_content_get_looked_up(ngx_content_redis_op_t *op);
static void ngx_content_get_take_record(ngx_content_get_t *get,
    ngx_str_t *record);
static void ngx_content_get_ended(ngx_content_redis_op_t *op);
static ngx_uint_t ngx_content_get_conditional(ngx_http_request_t *r);
static void ngx_content_get_opened(ngx_content_read_t *read);
static ngx_int_t ngx_content_get_fault(ngx_content_get_t *get);
static void ngx_content_get_failed(ngx_content_read_t *read);
static ngx_int_t ngx_content_get_headers(ngx_content_read_t *read);
static ngx_int_t ngx_content_get_partial(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_send_headers(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_send_memory(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_copy(ngx_content_read_t *read, u_char *data,
    size_t len);
static void ngx_content_get_copied(ngx_content_get_t *get);
static void ngx_content_get_fill(ngx_content_get_t *get, content_str_t body);


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
    get->read.headers = ngx_content_get_headers;
    get->read.done = ngx_content_get_opened;
    get->read.failed = ngx_content_get_failed;
    get->read.data = get;

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

    if (get->has_token) {
        ngx_content_redis_give_back(get->mcf->redis_client, get->name,
                                    &get->token);
    }
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


static void
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
    ngx_content_get_next(get, NGX_CONTENT_GET_OPEN);

    if (get->mcf->redis_client == NULL || !get->lcf->hot.enabled) {
        return NGX_OK;
    }

    ngx_content_redis_name(get->name, get->read.store->id, get->ctx->hash);

    if (ngx_content_redis_lookup(get->mcf->redis_client, get->name,
                                 ngx_content_get_is_hot(get),
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
        ngx_content_get_take_record(get, &op->record);
        break;

    case NGX_CONTENT_REDIS_TOKEN:
        get->token = op->token;
        get->has_token = 1;
        break;

    default:
        break;
    }

    ngx_content_get_resume(get);
}


/* A record that is not understood is as good as none, and is taken away. */

static void
ngx_content_get_take_record(ngx_content_get_t *get, ngx_str_t *record)
{
    content_str_t  data;

    data = ngx_content_str_dup(get->request->pool,
                               ngx_content_from_ngx(*record));

    if (data.len == 0
        || content_record_decode(data, &get->record, &get->body, NULL)
           != CONTENT_OK
        || get->body.data == NULL
        || (int64_t) get->body.len != get->record.size)
    {
        ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                      "content: the record of \"%V\" in Redis is damaged",
                      &get->read.key);

        (void) ngx_content_redis_end(get->mcf->redis_client, get->name,
                                     ngx_content_get_ended, NULL, NULL);
        return;
    }

    get->hit = 1;
    get->read.object = &get->record;
    get->read.outcome = NGX_CONTENT_OK;

    ngx_content_keep(get->request, get->ctx, &get->record, get->body);
    ngx_content_count(&ngx_content_shared(get->mcf)->counters, hits_redis);
}


static void
ngx_content_get_ended(ngx_content_redis_op_t *op)
{
    /* nobody waits for it */
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

    ngx_content_count(&ngx_content_shared(get->mcf)->counters, store_reads);

    if (!get->read.store->open_first
        && r->method != NGX_HTTP_HEAD
        && !ngx_content_get_conditional(r))
    {
        return NGX_OK;
    }

    get->opened = 1;

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
    ngx_int_t            rc;
    int64_t              first, last;
    content_object_t    *object;
    ngx_http_request_t  *r;

    if (get->opened && get->read.outcome != NGX_CONTENT_OK) {
        return ngx_content_get_fault(get);
    }

    ngx_content_get_next(get, NGX_CONTENT_GET_SEND);

    r = get->request;
    object = get->read.object;

    if (object == NULL) {
        return NGX_OK;
    }

    rc = ngx_content_conditions(r, object->etag, object->mtime);

    if (rc == NGX_HTTP_NOT_MODIFIED) {
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          not_modified);
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
        return ngx_content_get_send_headers(get);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_content_get_send_headers(get);
    }

    switch (ngx_content_range(r, object->etag, object->mtime, object->size,
                              &first, &last))
    {
    case CONTENT_RANGE_UNSATISFIABLE:
        return NGX_HTTP_RANGE_NOT_SATISFIABLE;

    case CONTENT_RANGE_OK:

        /* bytes at hand are cut by nginx's range filter */

        if (get->body.data == NULL && !get->read.store->open_first) {
            get->read.ranged = 1;
            get->read.first = first;
            get->read.last = last;
        }

        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_content_get_fault(ngx_content_get_t *get)
{
    ngx_uint_t               status;
    ngx_content_counters_t  *counters;

    counters = &ngx_content_shared(get->mcf)->counters;
    status = ngx_content_outcome_status(get->read.outcome);

    if (get->read.outcome == NGX_CONTENT_ABSENT) {
        ngx_content_count(counters, absent);

        return ngx_content_problem(get->request, status,
                                   "there is no such object");
    }

    ngx_content_count(counters, store_faults);

    ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                  "content: reading \"%V\" failed: %V", &get->read.key,
                  &get->read.cause);

    return ngx_content_problem(get->request, status, "the storage failed");
}


static void
ngx_content_get_failed(ngx_content_read_t *read)
{
    (void) ngx_content_get_fault(read->data);
}


/* SEND */

/* The largest body that one of the caches would take. */

static size_t
ngx_content_copy_max(ngx_content_get_t *get)
{
    size_t  redis, memory;

    redis = get->has_token ? get->lcf->hot.size : 0;
    memory = (get->mcf->memory_zone && get->lcf->hot.enabled)
             ? get->mcf->memory_max : 0;

    return ngx_max(redis, memory);
}


static ngx_int_t
ngx_content_get_send(ngx_content_get_t *get)
{
    ngx_content_get_next(get, NGX_CONTENT_GET_END);

    if (get->body.data) {
        return ngx_content_get_send_memory(get);
    }

    if (!get->read.ranged) {
        get->read.body_max = ngx_content_copy_max(get);
        get->read.body = get->read.body_max ? ngx_content_get_copy : NULL;
    }

    return get->read.store->ops->send(&get->read);
}


/* Called once the object is known, by whoever knows it first. */

static ngx_int_t
ngx_content_get_headers(ngx_content_read_t *read)
{
    ngx_uint_t               status;
    ngx_http_request_t      *r;
    ngx_content_get_t       *get;
    content_cache_status_t   cache;

    static content_str_t  redis = content_string("redis");
    static content_str_t  bytes = content_string("bytes");
    static content_str_t  nothing = content_string("");

    get = read->data;
    r = read->request;
    status = r->headers_out.status;

    ngx_memzero(&cache, sizeof(content_cache_status_t));

    if (get->hit) {
        cache.cache = CONTENT_CACHE_HIT;
        cache.detail = redis;

    } else {
        cache.cache = CONTENT_CACHE_URI_MISS;
        cache.detail = ngx_content_from_ngx(read->store->name);
    }

    get->ctx->answered = 1;

    /* of nothing, nothing will pass by */

    if (read->body && read->object->size == 0) {
        ngx_content_keep(r, get->ctx, read->object, nothing);
    }

    if (ngx_content_object_headers(r, read->object, &cache) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NOT_MODIFIED) {
        r->headers_out.status = status;
        r->headers_out.content_type.len = 0;
        ngx_http_clear_content_length(r);
    }

    if (read->object->has_sha256
        && ngx_content_digest_headers(r, read->object->sha256) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NOT_MODIFIED) {
        return NGX_OK;
    }

    if (read->ranged) {
        return ngx_content_get_partial(get);
    }

    /* where nginx's range filter does not say so itself */

    if ((r->method == NGX_HTTP_HEAD
         || (!read->store->open_first && get->body.data == NULL))
        && ngx_content_header(r, "Accept-Ranges", bytes) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_get_partial(ngx_content_get_t *get)
{
    u_char              *buf;
    content_out_t        out;
    ngx_http_request_t  *r;

    r = get->request;

    buf = ngx_pnalloc(r->pool, 80);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, 80);
    content_range_header(&out, get->read.first, get->read.last,
                         get->read.object->size);

    if (ngx_content_header(r, "Content-Range", content_out_done(&out))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_PARTIAL_CONTENT;
    r->headers_out.content_length_n = get->read.last - get->read.first + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_content_get_send_headers(ngx_content_get_t *get)
{
    ngx_int_t  rc;

    ngx_content_get_next(get, NGX_CONTENT_GET_END);

    rc = ngx_content_get_headers(&get->read);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_send_header(get->request);
}


static ngx_int_t
ngx_content_get_send_memory(ngx_content_get_t *get)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = get->request;

    rc = ngx_content_get_headers(&get->read);

    if (rc != NGX_OK) {
        return rc;
    }

    r->allow_ranges = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = get->body.data;
    b->last = get->body.data + get->body.len;
    b->memory = get->body.len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->memory) ? 0 : 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* The store lets the body pass by here, for the record. */

static ngx_int_t
ngx_content_get_copy(ngx_content_read_t *read, u_char *data, size_t len)
{
    ngx_content_get_t  *get;

    get = read->data;

    if (get->copy == NULL) {
        get->copy = ngx_pnalloc(read->request->pool, read->object->size + 1);

        if (get->copy == NULL) {
            read->body = NULL;
            return NGX_OK;
        }
    }

    if (get->copied + len > (size_t) read->object->size) {
        read->body = NULL;
        return NGX_OK;
    }

    ngx_memcpy(get->copy + get->copied, data, len);
    get->copied += len;

    if (get->copied == (size_t) read->object->size) {
        ngx_content_get_copied(get);
    }

    return NGX_OK;
}


static void
ngx_content_get_copied(ngx_content_get_t *get)
{
    content_str_t  body;

    body.data = get->copy;
    body.len = get->copied;

    ngx_content_keep(get->request, get->ctx, get->read.object, body);

    if (get->has_token && body.len <= get->lcf->hot.size) {
        ngx_content_get_fill(get, body);
    }
}


static void
ngx_content_get_fill(ngx_content_get_t *get, content_str_t body)
{
    u_char         *buf;
    size_t          size;
    ngx_str_t       record;
    content_out_t   out;

    size = content_record_size(get->read.object) + body.len;

    buf = ngx_pnalloc(get->request->pool, size);
    if (buf == NULL) {
        return;
    }

    content_out_init(&out, buf, size);

    if (content_record_encode(&out, get->read.object, &body) != CONTENT_OK) {
        return;
    }

    record = ngx_content_to_ngx(content_out_done(&out));

    ngx_content_redis_fill(get->mcf->redis_client, get->name,
                           &get->token, &record, get->lcf->hot.ttl);

    get->has_token = 0;
}
