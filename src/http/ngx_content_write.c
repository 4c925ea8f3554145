/*
 * PUT and DELETE: from the request to an answer that can be relied on.
 *
 * A write (ngx_content_write_t) has a pool of its own, because once storage
 * is touched it goes on without its client: the caches have to be told
 * whatever the client does.  The request only borrows it, by a cleanup that
 * clears write->request.
 *
 *     RECEIVE  the body, while it is stored in parts       (PUT)
 *     STORE    commit, or remove: the object changes here
 *     DROP     the record in Redis, and the right to fill it
 *     FORGET   the record in shared memory
 *     PURGE    queue the CDN's purge
 *     ANSWER   201, 204, or the problem
 *
 * A fault of the storage leaves open whether the object has changed: then the
 * caches are told all the same.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_receive.h"
#include "store/ngx_content_upload.h"


#define NGX_CONTENT_PRECONDITION_REQUIRED  428    /* RFC 6585, 3 */

#define NGX_CONTENT_WRITE_STEPS(S)                                           \
    S(RECEIVE, receive)                                                      \
    S(STORE,   store)                                                        \
    S(DROP,    drop)                                                         \
    S(FORGET,  forget)                                                       \
    S(PURGE,   purge)                                                        \
    S(ANSWER,  answer)

typedef enum {
#define NGX_CONTENT_WRITE_STEP(name, function)  NGX_CONTENT_WRITE_##name,
    NGX_CONTENT_WRITE_STEPS(NGX_CONTENT_WRITE_STEP)
#undef NGX_CONTENT_WRITE_STEP
    NGX_CONTENT_WRITE_END
} ngx_content_write_step_e;


typedef struct {
    ngx_pool_t                 *pool;
    ngx_http_request_t         *request;     /* NULL: the client has left */
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;
    ngx_str_t                   key;
    u_char                      hash[CONTENT_KEY_HASH_LEN];
    ngx_str_t                   path;        /* encoded, with its "/" */

    ngx_content_write_step_e    step;
    ngx_content_upload_t       *upload;      /* PUT */
    ngx_content_remove_t       *remove;      /* DELETE */

    ngx_content_outcome_e       outcome;
    ngx_str_t                   etag;
    ngx_str_t                   detail;      /* of MISMATCH, for the client */
    unsigned                    replaced:1;  /* there was something before */
    unsigned                    touched:1;   /* storage may have changed */
    unsigned                    purged:1;    /* job is set */
    unsigned                    lost:1;      /* the purge queue was full */
    u_char                      job[CONTENT_PURGE_ID_SIZE];
} ngx_content_write_t;


/* A step returns NGX_OK: go on, or NGX_AGAIN: wait for _write_run(). */

typedef ngx_int_t (*ngx_content_write_step_pt)(ngx_content_write_t *w);

#define NGX_CONTENT_WRITE_STEP(name, function)                               \
    static ngx_int_t ngx_content_write_##function(ngx_content_write_t *w);
NGX_CONTENT_WRITE_STEPS(NGX_CONTENT_WRITE_STEP)
#undef NGX_CONTENT_WRITE_STEP

static ngx_content_write_t *ngx_content_write_create(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
static void ngx_content_write_left(void *data);
static void ngx_content_write_run(ngx_content_write_t *w);
static void ngx_content_write_go_on(ngx_content_write_t *w);
static void ngx_content_write_next(ngx_content_write_t *w,
    ngx_content_write_step_e step);
static void ngx_content_write_received(void *data, ngx_int_t rc);
static void ngx_content_write_resume(ngx_content_upload_t *up);
static void ngx_content_write_stored(ngx_content_task_t *task);
static void ngx_content_write_removed(ngx_content_task_t *task);
static void ngx_content_write_judge(ngx_content_write_t *w,
    ngx_content_task_t *task);
static void ngx_content_write_dropped(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_write_item(ngx_content_write_t *w,
    content_purge_item_t *item, u_char tag[CONTENT_KEY_TAG_LEN]);
static ngx_int_t ngx_content_write_success(ngx_content_write_t *w);
static ngx_int_t ngx_content_write_problem(ngx_content_write_t *w);
static ngx_int_t ngx_content_write_expect(ngx_http_request_t *r,
    ngx_content_upload_t *up);
static ngx_int_t ngx_content_write_check(ngx_http_request_t *r);
static ngx_int_t ngx_content_write_conditions(ngx_http_request_t *r,
    ngx_pool_t *pool, ngx_content_conditions_t *conditions);


static const struct {
    const char                  *name;
    ngx_content_write_step_pt    run;
} ngx_content_write_steps[] = {
#define NGX_CONTENT_WRITE_STEP(name, function)                               \
    { #name, ngx_content_write_##function },
    NGX_CONTENT_WRITE_STEPS(NGX_CONTENT_WRITE_STEP)
#undef NGX_CONTENT_WRITE_STEP
};


ngx_int_t
ngx_content_put(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_content_write_t   *w;
    ngx_content_upload_t  *up;

    rc = ngx_content_write_check(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* HTTP/2 frames tell where a body ends */

    if (r->headers_in.content_length_n < 0 && !r->headers_in.chunked
        && r->http_version < NGX_HTTP_VERSION_20)
    {
        return ngx_content_problem(r, NGX_HTTP_LENGTH_REQUIRED,
                      "a PUT needs Content-Length or a chunked body");
    }

    w = ngx_content_write_create(r, ctx);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    up = ngx_content_upload_create(w->lcf->store, &w->key,
                                   r->headers_in.content_length_n,
                                   r->connection->log);
    if (up == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->upload = up;
    up->task.done = ngx_content_write_stored;
    up->task.data = w;
    up->resume = ngx_content_write_resume;

    rc = ngx_content_object_from_request(r, up->object, up->task.pool);

    if (rc == NGX_OK) {
        rc = ngx_content_write_expect(r, up);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_write_conditions(r, up->task.pool, &up->conditions);
    }

    /* a refused request: its cleanup aborts the upload */

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_content_count(&ngx_content_shared(w->mcf)->counters, puts);

    return ngx_content_receive(r, up, ngx_content_write_received, w);
}


ngx_int_t
ngx_content_delete(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_content_write_t  *w;

    rc = ngx_content_write_check(r);

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    w = ngx_content_write_create(r, ctx);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->remove = ngx_content_task_create(w->lcf->store,
                                        sizeof(ngx_content_remove_t), &w->key,
                                        r->connection->log);
    if (w->remove == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->remove->task.done = ngx_content_write_removed;
    w->remove->task.data = w;

    rc = ngx_content_write_conditions(r, w->remove->task.pool,
                                      &w->remove->conditions);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_content_count(&ngx_content_shared(w->mcf)->counters, deletes);

    r->main->count++;

    ngx_content_write_next(w, NGX_CONTENT_WRITE_STORE);
    ngx_content_write_run(w);

    return NGX_DONE;
}


/* What a write may not carry, before anything is done. */

static ngx_int_t
ngx_content_write_check(ngx_http_request_t *r)
{
    if (r->args.len) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
               "a write takes no query; a \"?\" in a key is sent as %%3F");
    }

    if (ngx_content_request_header(r, "content-range")) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
               "Content-Range: a part of an object can't be written");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_write_expect(ngx_http_request_t *r, ngx_content_upload_t *up)
{
    ngx_int_t          rc;
    content_expect_t  *expect;

    expect = ngx_pcalloc(up->task.pool, sizeof(content_expect_t));
    if (expect == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_expect_from_request(r, expect);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_content_upload_expect(up, expect) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_content_write_conditions(ngx_http_request_t *r, ngx_pool_t *pool,
    ngx_content_conditions_t *conditions)
{
    ngx_table_elt_t         *h;
    ngx_content_loc_conf_t  *lcf;

    h = r->headers_in.if_none_match;

    if (h) {
        if (h->value.len != 1 || h->value.data[0] != '*') {
            return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                           "If-None-Match: a write takes \"*\" only");
        }

        conditions->if_none_match = 1;
    }

    h = r->headers_in.if_match;

    if (h) {
        conditions->if_match = ngx_content_to_ngx(
              ngx_content_str_dup(pool, ngx_content_from_ngx(h->value)));

        if (conditions->if_match.len == 0) {
            return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                       "If-Match is empty");
        }
    }

    /* what is no date is to be ignored (RFC 9110, 13.1.4) */

    h = r->headers_in.if_unmodified_since;

    if (h) {
        conditions->unmodified_since = ngx_parse_http_time(h->value.data,
                                                           h->value.len);
        conditions->if_unmodified = (conditions->unmodified_since
                                     != NGX_ERROR);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (lcf->require_conditions && conditions->if_match.len == 0
        && !conditions->if_none_match && !conditions->if_unmodified)
    {
        return ngx_content_problem(r, NGX_CONTENT_PRECONDITION_REQUIRED,
                    "a write here needs If-Match, If-Unmodified-Since, or, "
                    "for a new object, If-None-Match: *");
    }

    return NGX_OK;
}


static ngx_content_write_t *
ngx_content_write_create(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_pool_t           *pool;
    content_out_t         out;
    ngx_pool_cleanup_t   *cln;
    ngx_content_write_t  *w;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);

    if (cln == NULL || pool == NULL) {
        goto failed;
    }

    w = ngx_pcalloc(pool, sizeof(ngx_content_write_t));
    if (w == NULL) {
        goto failed;
    }

    w->pool = pool;
    w->request = r;
    w->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    w->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    w->key = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                        ngx_content_from_ngx(ctx->key)));
    w->path.data = ngx_pnalloc(pool, 3 * ctx->key.len + 1);

    if (w->key.len == 0 || w->path.data == NULL) {
        goto failed;
    }

    ngx_memcpy(w->hash, ctx->hash, CONTENT_KEY_HASH_LEN);

    content_out_init(&out, w->path.data, 3 * ctx->key.len + 1);
    content_out_char(&out, '/');
    content_key_encode(&out, ngx_content_from_ngx(w->key));
    w->path = ngx_content_to_ngx(content_out_done(&out));

    cln->handler = ngx_content_write_left;
    cln->data = w;

    return w;

failed:

    if (pool) {
        ngx_destroy_pool(pool);
    }

    return NULL;
}


/* The client has left, or has its answer. */

static void
ngx_content_write_left(void *data)
{
    ngx_content_write_t *w = data;

    w->request = NULL;

    if (w->step == NGX_CONTENT_WRITE_RECEIVE) {

        /* nothing has been changed, and nothing will be */

        if (w->upload) {
            ngx_content_upload_abort(w->upload);
        }

        if (w->remove) {
            ngx_content_task_free(&w->remove->task);
        }

        ngx_content_write_next(w, NGX_CONTENT_WRITE_END);
    }

    if (w->step == NGX_CONTENT_WRITE_END) {
        ngx_destroy_pool(w->pool);
    }
}


static void
ngx_content_write_run(ngx_content_write_t *w)
{
    while (w->step != NGX_CONTENT_WRITE_END) {
        if (ngx_content_write_steps[w->step].run(w) == NGX_AGAIN) {
            return;
        }
    }

    /* with a request, its cleanup ends the write */

    if (w->request == NULL) {
        ngx_destroy_pool(w->pool);
    }
}


/* From a completion: no event of the client's connection is being handled. */

static void
ngx_content_write_go_on(ngx_content_write_t *w)
{
    ngx_connection_t  *c;

    c = w->request ? w->request->connection : NULL;

    ngx_content_write_run(w);

    if (c) {
        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_content_write_next(ngx_content_write_t *w, ngx_content_write_step_e step)
{
    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "content write \"%V\": %s -> %s", &w->key,
                   ngx_content_write_steps[w->step].name,
                   step == NGX_CONTENT_WRITE_END
                       ? "END" : ngx_content_write_steps[step].name);

    w->step = step;
}


/* RECEIVE: ngx_content_receive.c feeds the upload, and ends in _received(). */

static ngx_int_t
ngx_content_write_receive(ngx_content_write_t *w)
{
    return NGX_AGAIN;
}


static void
ngx_content_write_resume(ngx_content_upload_t *up)
{
    ngx_connection_t     *c;
    ngx_content_write_t  *w;

    w = up->task.data;

    if (w->request) {
        c = w->request->connection;
        ngx_content_receive_resume(w->request);
        ngx_http_run_posted_requests(c);
    }
}


/* The body is there (NGX_OK), or will not be (the request's end). */

static void
ngx_content_write_received(void *data, ngx_int_t rc)
{
    ngx_content_write_t *w = data;

    if (rc != NGX_OK) {
        ngx_http_finalize_request(w->request, rc);
        return;
    }

    ngx_content_write_next(w, NGX_CONTENT_WRITE_STORE);
    ngx_content_write_run(w);
}


/* STORE */

static ngx_int_t
ngx_content_write_store(ngx_content_write_t *w)
{
    ngx_content_remove_t  *remove;

    w->touched = 1;

    if (w->upload) {

        /* what has failed so far has changed nothing */

        w->touched = (w->upload->task.outcome == NGX_CONTENT_OK);
        ngx_content_upload_end(w->upload);

    } else {
        remove = w->remove;
        remove->task.store->ops->remove(remove);
    }

    return NGX_AGAIN;
}


static void
ngx_content_write_stored(ngx_content_task_t *task)
{
    ngx_content_upload_t *up = (ngx_content_upload_t *) task;

    ngx_content_write_t     *w;
    ngx_content_counters_t  *counters;

    w = task->data;
    counters = &ngx_content_shared(w->mcf)->counters;

    w->replaced = up->replaced;
    w->etag = ngx_content_to_ngx(ngx_content_str_dup(w->pool,
                                                     up->object->etag));

    (void) ngx_atomic_fetch_add(&counters->bytes_in, up->received);

    if (task->outcome != NGX_CONTENT_OK) {
        ngx_content_count(counters, puts_failed);
    }

    ngx_content_write_judge(w, task);

    w->upload = NULL;
    ngx_content_task_free(task);

    ngx_content_write_go_on(w);
}


static void
ngx_content_write_removed(ngx_content_task_t *task)
{
    ngx_content_write_t  *w;

    w = task->data;
    w->replaced = (task->outcome != NGX_CONTENT_ABSENT);

    ngx_content_write_judge(w, task);

    w->remove = NULL;
    ngx_content_task_free(task);

    ngx_content_write_go_on(w);
}


static void
ngx_content_write_judge(ngx_content_write_t *w, ngx_content_task_t *task)
{
    w->outcome = task->outcome;

    switch (task->outcome) {

    case NGX_CONTENT_OK:
        break;

    case NGX_CONTENT_ABSENT:

        /* somebody else has deleted it: the caches may not know */

        break;

    case NGX_CONTENT_PRECONDITION:
    case NGX_CONTENT_INVALID:
        w->touched = 0;
        break;

    case NGX_CONTENT_MISMATCH:
        w->touched = 0;
        w->detail = ngx_content_to_ngx(ngx_content_str_dup(w->pool,
                                          ngx_content_from_ngx(task->cause)));
        break;

    default:
        w->replaced = w->touched;
        ngx_content_count(&ngx_content_shared(w->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: writing \"%V\" failed: %V", &w->key,
                      &task->cause);
    }

    ngx_content_write_next(w, w->touched ? NGX_CONTENT_WRITE_DROP
                                         : NGX_CONTENT_WRITE_ANSWER);
}


/* DROP */

static ngx_int_t
ngx_content_write_drop(ngx_content_write_t *w)
{
    u_char  name[NGX_CONTENT_REDIS_NAME];

    ngx_content_write_next(w, NGX_CONTENT_WRITE_FORGET);

    if (w->mcf->redis_client == NULL) {
        return NGX_OK;
    }

    ngx_content_redis_name(name, w->lcf->store->id, w->hash);

    if (ngx_content_redis_end(w->mcf->redis_client, name,
                              ngx_content_write_dropped, w, NULL)
        != NGX_OK)
    {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static void
ngx_content_write_dropped(ngx_content_redis_op_t *op)
{
    ngx_content_write_go_on(op->data);
}


/* FORGET: after Redis, or it could be filled from there again. */

static ngx_int_t
ngx_content_write_forget(ngx_content_write_t *w)
{
    ngx_content_memory_key_t  mkey;

    ngx_content_write_next(w, NGX_CONTENT_WRITE_PURGE);

    if (w->mcf->memory_zone) {
        ngx_content_memory_key(ngx_content_memory(w->mcf), &mkey,
                               w->lcf->store->id, &w->key);
        ngx_content_memory_drop(ngx_content_memory(w->mcf), &mkey);
    }

    return NGX_OK;
}


/* PURGE */

static ngx_int_t
ngx_content_write_purge(ngx_content_write_t *w)
{
    u_char                tag[CONTENT_KEY_TAG_LEN];
    ngx_int_t             rc;
    content_purge_item_t  item;

    ngx_content_write_next(w, NGX_CONTENT_WRITE_ANSWER);

    if (!w->replaced || w->lcf->purge.target == 0) {
        return NGX_OK;
    }

    rc = ngx_content_write_item(w, &item, tag);

    if (rc == NGX_OK) {
        rc = ngx_content_purge_enqueue(w->mcf->purge, &w->lcf->purge, &item,
                                       1, w->job);
    }

    if (rc == NGX_BUSY || rc == NGX_ERROR) {
        w->lost = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: the purge of \"%V\" can't be queued: raise "
                      "\"content_zone\"", &w->key);
        return NGX_OK;
    }

    w->purged = (rc == NGX_OK);

    return NGX_OK;
}


/* By the object's own tag, or by its URL. */

static ngx_int_t
ngx_content_write_item(ngx_content_write_t *w, content_purge_item_t *item,
    u_char tag[CONTENT_KEY_TAG_LEN])
{
    u_char     *p;
    ngx_str_t  *base;

    if (!w->lcf->purge.by_url) {
        content_key_tag(w->hash, tag);

        item->kind = CONTENT_PURGE_TAG;
        item->value.data = tag;
        item->value.len = CONTENT_KEY_TAG_LEN;

        return NGX_OK;
    }

    base = &w->lcf->purge.url_base;

    p = ngx_pnalloc(w->pool, base->len + w->path.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    item->kind = CONTENT_PURGE_URL;
    item->value.data = p;
    item->value.len = ngx_sprintf(p, "%V%V", base, &w->path) - p;

    return NGX_OK;
}


/* ANSWER */

static ngx_int_t
ngx_content_write_answer(ngx_content_write_t *w)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    ngx_content_write_next(w, NGX_CONTENT_WRITE_END);

    r = w->request;

    if (r == NULL) {
        return NGX_OK;
    }

    rc = (w->outcome == NGX_CONTENT_OK) ? ngx_content_write_success(w)
                                        : ngx_content_write_problem(w);

    /* the write lives in a pool that goes with the request */

    ngx_http_finalize_request(r, rc);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_content_write_success(ngx_content_write_t *w)
{
    u_char              *p;
    ngx_uint_t           put;
    content_str_t        etag, path;
    content_out_t        out;
    ngx_http_request_t  *r;

    static content_str_t  job = content_string("/-/purge/");

    r = w->request;
    put = (r->method == NGX_HTTP_PUT);

    r->headers_out.status = (put && !w->replaced) ? NGX_HTTP_CREATED
                                                  : NGX_HTTP_NO_CONTENT;
    r->headers_out.content_length_n = put && !w->replaced ? 0 : -1;

    /* the body was stored byte for byte: RFC 9110, 9.3.4 allows an ETag */

    etag = ngx_content_str_dup(r->pool, ngx_content_from_ngx(w->etag));

    if (put && ngx_content_header(r, "ETag", etag) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    path = ngx_content_str_dup(r->pool, ngx_content_from_ngx(w->path));

    if (put && ngx_content_header(r, "Location", path) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (w->purged) {
        p = ngx_pnalloc(r->pool, job.len + 2 * CONTENT_PURGE_ID_SIZE);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        content_out_init(&out, p, job.len + 2 * CONTENT_PURGE_ID_SIZE);
        content_out_str(&out, job);
        content_purge_id_write(&out, w->job);

        if (ngx_content_header(r, "X-Content-Purge", content_out_done(&out))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (w->lost
        && ngx_content_header(r, "X-Content-Purge", content_cstr("lost"))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->header_only = 1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_content_write_problem(ngx_content_write_t *w)
{
    ngx_uint_t  status;

    status = ngx_content_outcome_status(w->outcome);

    switch (w->outcome) {

    case NGX_CONTENT_ABSENT:
        return ngx_content_problem(w->request, status,
                                   "there is no such object");

    case NGX_CONTENT_PRECONDITION:
        return ngx_content_problem(w->request, status,
                    "If-Match, If-None-Match or If-Unmodified-Since does not "
                    "hold; nothing was changed");

    case NGX_CONTENT_MISMATCH:
        return ngx_content_problem(w->request, status, "%V", &w->detail);

    case NGX_CONTENT_FULL:
        return ngx_content_problem(w->request, status,
                                   "the storage has no room");

    case NGX_CONTENT_INVALID:
        return ngx_content_problem(w->request, status,
                    "the storage takes no such object: its key or what is "
                    "kept with it is too long");

    default:
        return ngx_content_problem(w->request, status, w->touched
                    ? "the storage failed; whether the object has changed is "
                      "not known"
                    : "the storage failed; nothing was changed");
    }
}
