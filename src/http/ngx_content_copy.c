/*
 * COPY and MOVE on the server's side (RFC 4918, 9.8 and 9.9), and what copies
 * an older version over the current one.
 *
 *     INTENT   a note for the fleet; without it nothing is changed
 *     COPY     the store copies: the target changes here
 *     REMOVE   of a MOVE: the source goes, if it is what was copied still
 *     CHANGE   the caches and the CDN are told of both
 *     ANSWER   201, 204, or the problem
 *
 * Once begun it goes on without its client, as a write does.  A MOVE is never
 * half of one without saying so: if the source stays, the answer is a problem.
 */

#include "http/ngx_content_copy.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"
#include "lib/content_destination.h"


#define NGX_CONTENT_COPY_STEPS(S)                                            \
    S(INTENT, intent)                                                        \
    S(COPY,   copy)                                                          \
    S(REMOVE, remove)                                                        \
    S(CHANGE, change)                                                        \
    S(ANSWER, answer)

typedef enum {
    NGX_CONTENT_COPY_BEGIN = 0,              /* headers are being checked */
#define NGX_CONTENT_COPY_STEP(name, function)  NGX_CONTENT_COPY_##name,
    NGX_CONTENT_COPY_STEPS(NGX_CONTENT_COPY_STEP)
#undef NGX_CONTENT_COPY_STEP
    NGX_CONTENT_COPY_END
} ngx_content_copy_step_e;


/* A step returns NGX_OK: go on, or NGX_AGAIN: wait for _copy_run(). */

typedef ngx_int_t (*ngx_content_copy_step_pt)(ngx_content_copying_t *c);

#define NGX_CONTENT_COPY_STEP(name, function)                                \
    static ngx_int_t ngx_content_copy_##function(ngx_content_copying_t *c);
NGX_CONTENT_COPY_STEPS(NGX_CONTENT_COPY_STEP)
#undef NGX_CONTENT_COPY_STEP

static ngx_int_t ngx_content_copy_target(ngx_http_request_t *r,
    ngx_str_t *source, ngx_str_t *key);
static ngx_int_t ngx_content_copy_conditions(ngx_http_request_t *r,
    ngx_content_copying_t *c);
static void ngx_content_copy_left(void *data);
static void ngx_content_copy_run(ngx_content_copying_t *c);
static void ngx_content_copy_go_on(ngx_content_copying_t *c);
static void ngx_content_copy_next(ngx_content_copying_t *c,
    ngx_content_copy_step_e step);
static void ngx_content_copy_copied(ngx_content_task_t *task);
static void ngx_content_copy_judge(ngx_content_copying_t *c,
    ngx_content_task_t *task);
static void ngx_content_copy_removed(ngx_content_task_t *task);
static void ngx_content_copy_changed(ngx_content_change_t *change);


static const struct {
    const char                *name;
    ngx_content_copy_step_pt   run;
} ngx_content_copy_steps[] = {
    { "BEGIN", NULL },
#define NGX_CONTENT_COPY_STEP(name, function)                                \
    { #name, ngx_content_copy_##function },
    NGX_CONTENT_COPY_STEPS(NGX_CONTENT_COPY_STEP)
#undef NGX_CONTENT_COPY_STEP
    { "END", NULL }
};


ngx_int_t
ngx_content_copy(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_str_t               target;
    ngx_content_copying_t  *c;

    rc = ngx_content_write_check(r);

    if (rc == NGX_OK) {
        rc = ngx_content_copy_target(r, &ctx->key, &target);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_authorize(r, CONTENT_RIGHT_WRITE, &target);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    c = ngx_content_copy_create(r, &target);
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c->from.key = ngx_content_to_ngx(ngx_content_str_dup(c->pool,
                                          ngx_content_from_ngx(ctx->key)));
    if (c->from.key.len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_copy_conditions(r, c);

    return rc == NGX_OK ? ngx_content_copy_start(c) : rc;
}


ngx_int_t
ngx_content_move(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t  rc;

    /* what is moved can be read under its new name */

    rc = ngx_content_authorize(r, CONTENT_RIGHT_READ, &ctx->key);

    return rc == NGX_OK ? ngx_content_copy(r, ctx) : rc;
}


static ngx_int_t
ngx_content_copy_target(ngx_http_request_t *r, ngx_str_t *source,
    ngx_str_t *key)
{
    int               rc;
    u_char           *buf;
    const char       *why;
    content_out_t     out;
    ngx_table_elt_t  *h;

    h = ngx_content_request_header(r, "destination");

    if (h == NULL) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Destination is missing");
    }

    buf = ngx_pnalloc(r->pool, CONTENT_KEY_MAX);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, CONTENT_KEY_MAX);

    rc = content_destination(ngx_content_from_ngx(h->value),
                             ngx_content_from_ngx(r->headers_in.server),
                             &out, &why);

    if (rc == CONTENT_DESTINATION_ELSEWHERE) {
        return ngx_content_problem(r, NGX_HTTP_BAD_GATEWAY,
                                   "Destination: is on another server");
    }

    if (rc != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Destination: %s", why);
    }

    *key = ngx_content_to_ngx(content_out_done(&out));

    if (key->len == 0 || ngx_content_is_reserved(key)) {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "Destination: no object can be there");
    }

    if (key->len == source->len
        && ngx_memcmp(key->data, source->data, key->len) == 0)
    {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "Destination: is the object itself");
    }

    return NGX_OK;
}


/*
 * The conditions of RFC 9110 are about what the request names: the source.
 * What there may be at the target says Overwrite (RFC 4918, 10.6).  A
 * condition that is not understood here must not be passed over.
 */

static ngx_int_t
ngx_content_copy_conditions(ngx_http_request_t *r, ngx_content_copying_t *c)
{
    u_char            f;
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    f = 't';
    h = ngx_content_request_header(r, "overwrite");

    if (h) {
        f = h->value.len == 1 ? ngx_tolower(h->value.data[0]) : 0;
    }

    if (f != 't' && f != 'f') {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "Overwrite: takes T or F");
    }

    if (r->headers_in.if_none_match
        || ngx_content_request_header(r, "if"))
    {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                       "If and If-None-Match are not taken here: for a new "
                       "object send Overwrite: F");
    }

    c->upload->conditions.if_none_match = (f == 'f');

    rc = ngx_content_write_parse_conditions(r, c->pool, &c->from.conditions);

    if (rc != NGX_OK) {
        return rc;
    }

    if (c->lcf->require_conditions && f != 'f') {
        return ngx_content_problem(r, NGX_CONTENT_PRECONDITION_REQUIRED,
                                   "a copy here needs Overwrite: F");
    }

    return NGX_OK;
}


ngx_content_copying_t *
ngx_content_copy_create(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_str_t               copy;
    ngx_pool_t             *pool;
    ngx_pool_cleanup_t     *cln;
    ngx_content_copying_t  *c;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);

    if (cln == NULL || pool == NULL) {
        goto failed;
    }

    c = ngx_pcalloc(pool, sizeof(ngx_content_copying_t));
    copy = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                                  ngx_content_from_ngx(*key)));

    if (c == NULL || copy.len == 0) {
        goto failed;
    }

    c->pool = pool;
    c->request = r;
    c->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    c->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    c->move = (r->method == NGX_HTTP_MOVE);

    ngx_content_changed_init(&c->keys[0], &copy);

    c->change.pool = pool;
    c->change.mcf = c->mcf;
    c->change.lcf = c->lcf;
    c->change.keys = c->keys;
    c->change.nkeys = 1;
    c->change.done = ngx_content_copy_changed;
    c->change.data = c;

    c->upload = ngx_content_upload_create(c->lcf->store, &copy, -1,
                                          r->connection->log);
    if (c->upload == NULL) {
        goto failed;
    }

    c->upload->copy = &c->from;
    c->upload->task.done = ngx_content_copy_copied;
    c->upload->task.data = c;

    cln->handler = ngx_content_copy_left;
    cln->data = c;

    return c;

failed:

    if (pool) {
        ngx_destroy_pool(pool);
    }

    return NULL;
}


ngx_int_t
ngx_content_copy_start(ngx_content_copying_t *c)
{
    if (c->move) {
        ngx_content_changed_init(&c->keys[1], &c->from.key);
        c->change.nkeys = 2;
    }

    ngx_content_count(&ngx_content_shared(c->mcf)->counters, copies);

    c->request->main->count++;

    ngx_content_copy_next(c, NGX_CONTENT_COPY_INTENT);
    ngx_content_copy_run(c);

    return NGX_DONE;
}


/* The client has left, or has its answer. */

static void
ngx_content_copy_left(void *data)
{
    ngx_content_copying_t *c = data;

    c->request = NULL;

    if (c->step == NGX_CONTENT_COPY_BEGIN) {
        ngx_content_upload_abort(c->upload);
        ngx_content_copy_next(c, NGX_CONTENT_COPY_END);
    }

    if (c->step == NGX_CONTENT_COPY_END) {
        ngx_destroy_pool(c->pool);
    }
}


static void
ngx_content_copy_run(ngx_content_copying_t *c)
{
    while (c->step != NGX_CONTENT_COPY_END) {
        if (ngx_content_copy_steps[c->step].run(c) == NGX_AGAIN) {
            return;
        }
    }

    /* with a request, its cleanup ends the copy */

    if (c->request == NULL) {
        ngx_destroy_pool(c->pool);
    }
}


/* From a completion: no event of the client's connection is being handled. */

static void
ngx_content_copy_go_on(ngx_content_copying_t *c)
{
    ngx_connection_t  *connection;

    connection = c->request ? c->request->connection : NULL;

    ngx_content_copy_run(c);

    if (connection) {
        ngx_http_run_posted_requests(connection);
    }
}


static void
ngx_content_copy_next(ngx_content_copying_t *c, ngx_content_copy_step_e step)
{
    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "content copy \"%V\" to \"%V\": %s -> %s", &c->from.key,
                   &c->keys[0].key, ngx_content_copy_steps[c->step].name,
                   ngx_content_copy_steps[step].name);

    c->step = step;
}


/* INTENT */

static ngx_int_t
ngx_content_copy_intent(ngx_content_copying_t *c)
{
    ngx_content_copy_next(c, NGX_CONTENT_COPY_COPY);

    return ngx_content_change_begin(&c->change);
}


/* COPY */

static ngx_int_t
ngx_content_copy_copy(ngx_content_copying_t *c)
{
    if (c->change.refused) {
        ngx_content_upload_abort(c->upload);
        c->upload = NULL;
        ngx_content_copy_next(c, NGX_CONTENT_COPY_ANSWER);
        return NGX_OK;
    }

    c->keys[0].touched = 1;
    c->lcf->store->ops->copy(c->upload);

    return NGX_AGAIN;
}


static void
ngx_content_copy_copied(ngx_content_task_t *task)
{
    ngx_content_upload_t *up = (ngx_content_upload_t *) task;

    ngx_content_copying_t  *c;

    c = task->data;

    c->keys[0].replaced = up->replaced;
    c->etag = ngx_content_to_ngx(ngx_content_str_dup(c->pool,
                                                     up->object->etag));

    /* it was the task's, which ends */

    c->from.etag = ngx_content_to_ngx(ngx_content_str_dup(c->pool,
                                         ngx_content_from_ngx(c->from.etag)));

    ngx_content_copy_judge(c, task);

    c->upload = NULL;
    ngx_content_task_free(task);

    ngx_content_copy_go_on(c);
}


static void
ngx_content_copy_judge(ngx_content_copying_t *c, ngx_content_task_t *task)
{
    c->outcome = task->outcome;

    switch (task->outcome) {

    case NGX_CONTENT_OK:
        break;

    case NGX_CONTENT_ABSENT:
    case NGX_CONTENT_PRECONDITION:
    case NGX_CONTENT_INVALID:
        c->keys[0].touched = 0;
        break;

    default:
        c->keys[0].replaced = 1;
        c->change.unknown = 1;
        ngx_content_count(&ngx_content_shared(c->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: copying \"%V\" to \"%V\" failed: %V",
                      &c->from.key, &c->keys[0].key, &task->cause);
    }

    if (task->outcome == NGX_CONTENT_OK && c->move) {
        ngx_content_copy_next(c, NGX_CONTENT_COPY_REMOVE);

    } else {
        ngx_content_copy_next(c, NGX_CONTENT_COPY_CHANGE);
    }
}


/* REMOVE */

static ngx_int_t
ngx_content_copy_remove(ngx_content_copying_t *c)
{
    ngx_content_copy_next(c, NGX_CONTENT_COPY_CHANGE);

    c->remove = ngx_content_task_create(c->lcf->store,
                                        sizeof(ngx_content_remove_t),
                                        &c->from.key, ngx_cycle->log);
    if (c->remove == NULL) {
        c->removed = NGX_CONTENT_FAILED;
        return NGX_OK;
    }

    c->keys[1].touched = 1;
    c->keys[1].replaced = 1;

    c->remove->conditions.if_match = c->from.etag;
    c->remove->task.done = ngx_content_copy_removed;
    c->remove->task.data = c;

    c->lcf->store->ops->remove(c->remove);

    return NGX_AGAIN;
}


static void
ngx_content_copy_removed(ngx_content_task_t *task)
{
    ngx_content_copying_t  *c;

    c = task->data;
    c->removed = task->outcome;

    switch (task->outcome) {

    case NGX_CONTENT_OK:
        break;

    case NGX_CONTENT_ABSENT:                 /* somebody else was faster */
        c->removed = NGX_CONTENT_OK;
        break;

    case NGX_CONTENT_PRECONDITION:
        c->keys[1].touched = 0;
        break;

    default:
        c->change.unknown = 1;
        ngx_content_count(&ngx_content_shared(c->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: removing \"%V\", which was moved, failed: %V",
                      &c->from.key, &task->cause);
    }

    c->remove = NULL;
    ngx_content_task_free(task);

    ngx_content_copy_go_on(c);
}


/* CHANGE */

static ngx_int_t
ngx_content_copy_change(ngx_content_copying_t *c)
{
    ngx_content_copy_next(c, NGX_CONTENT_COPY_ANSWER);

    return ngx_content_change_end(&c->change);
}


static void
ngx_content_copy_changed(ngx_content_change_t *change)
{
    ngx_content_copy_go_on(change->data);
}


/* ANSWER */

static ngx_int_t
ngx_content_copy_answer(ngx_content_copying_t *c)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    ngx_content_copy_next(c, NGX_CONTENT_COPY_END);

    r = c->request;

    if (r == NULL) {
        return NGX_OK;
    }

    rc = ngx_content_copy_respond(c);

    /* the copy lives in a pool that goes with the request */

    ngx_http_finalize_request(r, rc);

    return NGX_AGAIN;
}
