/*
 * COPY and MOVE on the server's side (RFC 4918, 9.8 and 9.9), and what copies
 * an older version over the current one.
 *
 *     LOCK     of the target, with Overwrite: F, where storage does not look
 *              and write in one step (ngx_content_write_lock.c)
 *     INTENT   a note for the fleet; without it nothing is changed
 *     COPY     the store copies: the target changes here
 *     HOLD     of a MOVE: the lock of the source
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
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_COPY_STEPS(S)                                            \
    S(LOCK,   lock)                                                          \
    S(INTENT, intent)                                                        \
    S(COPY,   copy)                                                          \
    S(HOLD,   hold)                                                          \
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

static void ngx_content_copy_left(void *data);
static void ngx_content_copy_run(ngx_content_copying_t *c);
static void ngx_content_copy_go_on(ngx_content_copying_t *c);
static void ngx_content_copy_next(ngx_content_copying_t *c,
    ngx_content_copy_step_e step);
static ngx_int_t ngx_content_copy_ask(ngx_content_copying_t *c,
    ngx_content_changed_t *object, ngx_content_conditions_t *conditions);
static void ngx_content_copy_locked(ngx_content_lock_t *lock);
static void ngx_content_copy_give_up(ngx_content_copying_t *c);
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

    ngx_content_change_init(&c->change, pool, c->mcf, c->lcf,
                            ngx_content_copy_changed, c);
    c->change.keys = c->keys;
    c->change.nkeys = 1;

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

    ngx_content_copy_next(c, NGX_CONTENT_COPY_LOCK);
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


/* LOCK, of the target */

static ngx_int_t
ngx_content_copy_lock(ngx_content_copying_t *c)
{
    ngx_content_copy_next(c, NGX_CONTENT_COPY_INTENT);

    return ngx_content_copy_ask(c, &c->keys[0], &c->upload->conditions);
}


static ngx_int_t
ngx_content_copy_ask(ngx_content_copying_t *c, ngx_content_changed_t *object,
    ngx_content_conditions_t *conditions)
{
    ngx_int_t  rc;

    ngx_memzero(&c->lock, sizeof(ngx_content_lock_t));

    c->lock.pool = c->pool;
    c->lock.done = ngx_content_copy_locked;
    c->lock.data = c;

    rc = ngx_content_conditions_lock(&c->lock, c->mcf, c->lcf, object->hash,
                                     conditions);

    if (rc == NGX_DECLINED) {
        c->unlocked = 1;
        return NGX_OK;
    }

    return rc;
}


static void
ngx_content_copy_locked(ngx_content_lock_t *lock)
{
    ngx_content_copying_t  *c;

    c = lock->data;
    c->unlocked = !lock->held;

    ngx_content_copy_go_on(c);
}


/* INTENT */

static ngx_int_t
ngx_content_copy_intent(ngx_content_copying_t *c)
{
    if (c->unlocked) {
        c->outcome = NGX_CONTENT_UNAVAILABLE;
        ngx_content_copy_give_up(c);
        return NGX_OK;
    }

    ngx_content_copy_next(c, NGX_CONTENT_COPY_COPY);

    return ngx_content_change_begin(&c->change);
}


static void
ngx_content_copy_give_up(ngx_content_copying_t *c)
{
    ngx_content_unlock(&c->lock);

    ngx_content_upload_abort(c->upload);
    c->upload = NULL;

    ngx_content_copy_next(c, NGX_CONTENT_COPY_ANSWER);
}


/* COPY */

static ngx_int_t
ngx_content_copy_copy(ngx_content_copying_t *c)
{
    if (c->change.refused) {
        ngx_content_copy_give_up(c);
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
    case NGX_CONTENT_TOO_LARGE:
    case NGX_CONTENT_BUSY:
        c->keys[0].touched = 0;
        break;

    default:
        c->keys[0].replaced = 1;
        c->change.unknown = 1;
        ngx_content_lock_failed(&c->lock, task->outcome);
        ngx_content_count(&ngx_content_shared(c->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: copying \"%V\" to \"%V\" failed: %V",
                      &c->from.key, &c->keys[0].key, &task->cause);
    }

    ngx_content_unlock(&c->lock);

    if (task->outcome == NGX_CONTENT_OK && c->move) {
        ngx_content_copy_next(c, NGX_CONTENT_COPY_HOLD);

    } else {
        ngx_content_copy_next(c, NGX_CONTENT_COPY_CHANGE);
    }
}


/* HOLD: the lock of the source, which goes only if it is what was copied */

static ngx_int_t
ngx_content_copy_hold(ngx_content_copying_t *c)
{
    ngx_content_conditions_t  conditions;

    ngx_content_copy_next(c, NGX_CONTENT_COPY_REMOVE);

    ngx_memzero(&conditions, sizeof(ngx_content_conditions_t));
    conditions.if_match = c->from.etag;

    return ngx_content_copy_ask(c, &c->keys[1], &conditions);
}


/* REMOVE */

static ngx_int_t
ngx_content_copy_remove(ngx_content_copying_t *c)
{
    ngx_content_copy_next(c, NGX_CONTENT_COPY_CHANGE);

    if (c->unlocked) {
        c->removed = NGX_CONTENT_UNAVAILABLE;
        return NGX_OK;
    }

    /* without it whatever is there now would go */

    if (c->from.etag.len == 0) {
        c->removed = NGX_CONTENT_FAILED;
        return NGX_OK;
    }

    c->remove = ngx_content_task_create(c->lcf->store,
                                        sizeof(ngx_content_remove_t),
                                        &c->from.key, ngx_cycle->log);
    if (c->remove == NULL) {
        ngx_content_unlock(&c->lock);
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
        ngx_content_lock_failed(&c->lock, task->outcome);
        ngx_content_count(&ngx_content_shared(c->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: removing \"%V\", which was moved, failed: %V",
                      &c->from.key, &task->cause);
    }

    ngx_content_unlock(&c->lock);

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
