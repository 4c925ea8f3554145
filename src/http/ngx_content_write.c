/*
 * PUT and DELETE: from the request to an answer that can be relied on.
 *
 * A write (ngx_content_write_t) has a pool of its own, because once storage
 * is touched it goes on without its client: the caches have to be told
 * whatever the client does.  The request only borrows it, by a cleanup that
 * clears write->request.
 *
 *     RECEIVE  the body, while it is stored in parts       (PUT)
 *     LOCK     of a write with a condition, if storage does not look and write
 *              in one step (ngx_content_write_lock.c)
 *     INTENT   a note for the fleet; without it nothing is changed
 *     STORE    commit, or remove: the object changes here
 *     CHANGE   the caches and the CDN are told (ngx_content_change.c)
 *     ANSWER   201, 204, or the problem
 *
 * A fault of the storage leaves open whether the object has changed: then the
 * caches are told all the same.
 */

#include "http/ngx_content_http.h"
#include "http/ngx_content_receive.h"
#include "http/ngx_content_write.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_WRITE_STEPS(S)                                           \
    S(RECEIVE, receive)                                                      \
    S(LOCK,    lock)                                                         \
    S(INTENT,  intent)                                                       \
    S(STORE,   store)                                                        \
    S(CHANGE,  change)                                                       \
    S(ANSWER,  answer)

typedef enum {
#define NGX_CONTENT_WRITE_STEP(name, function)  NGX_CONTENT_WRITE_##name,
    NGX_CONTENT_WRITE_STEPS(NGX_CONTENT_WRITE_STEP)
#undef NGX_CONTENT_WRITE_STEP
    NGX_CONTENT_WRITE_END
} ngx_content_write_step_e;


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
static void ngx_content_write_next(ngx_content_write_t *w,
    ngx_content_write_step_e step);
static void ngx_content_write_received(void *data, ngx_int_t rc);
static void ngx_content_write_resume(ngx_content_upload_t *up);
static void ngx_content_write_stored(ngx_content_task_t *task);
static void ngx_content_write_removed(ngx_content_task_t *task);
static void ngx_content_write_judge(ngx_content_write_t *w,
    ngx_content_task_t *task);
static void ngx_content_write_refused(ngx_content_write_t *w);
static void ngx_content_write_changed(ngx_content_change_t *change);


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

    if (rc == NGX_OK) {
        rc = ngx_content_write_check_length(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    w = ngx_content_write_create(r, ctx);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    up = ngx_content_upload_create(w->lcf->store, &w->object.key,
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
                                        sizeof(ngx_content_remove_t),
                                        &w->object.key, r->connection->log);
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

    ngx_content_write_next(w, NGX_CONTENT_WRITE_LOCK);
    ngx_content_write_run(w);

    return NGX_DONE;
}


static ngx_content_write_t *
ngx_content_write_create(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_str_t             key;
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
    key = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                        ngx_content_from_ngx(ctx->key)));
    w->path.data = ngx_pnalloc(pool, 3 * ctx->key.len + 1);

    if (key.len == 0 || w->path.data == NULL) {
        goto failed;
    }

    ngx_content_changed_init(&w->object, &key);

    ngx_content_change_init(&w->change, pool, w->mcf, w->lcf,
                            ngx_content_write_changed, w);
    w->change.keys = &w->object;
    w->change.nkeys = 1;

    content_out_init(&out, w->path.data, 3 * ctx->key.len + 1);
    content_out_char(&out, '/');
    content_key_encode(&out, ngx_content_from_ngx(w->object.key));
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

void
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
                   "content write \"%V\": %s -> %s", &w->object.key,
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

    ngx_content_write_next(w, NGX_CONTENT_WRITE_LOCK);
    ngx_content_write_run(w);
}


/* LOCK */

static ngx_int_t
ngx_content_write_lock(ngx_content_write_t *w)
{
    ngx_content_write_next(w, NGX_CONTENT_WRITE_INTENT);

    return ngx_content_write_lock_begin(w);
}


/* INTENT */

static ngx_int_t
ngx_content_write_intent(ngx_content_write_t *w)
{
    if (w->unlocked) {
        w->outcome = NGX_CONTENT_UNAVAILABLE;
        ngx_content_write_refused(w);
        return NGX_OK;
    }

    ngx_content_write_next(w, NGX_CONTENT_WRITE_STORE);

    /* what has failed so far changes nothing */

    if (w->upload && w->upload->task.outcome != NGX_CONTENT_OK) {
        return NGX_OK;
    }

    return ngx_content_change_begin(&w->change);
}


static void
ngx_content_write_refused(ngx_content_write_t *w)
{
    ngx_content_unlock(&w->lock);

    if (w->upload) {
        ngx_content_upload_abort(w->upload);
        w->upload = NULL;
    }

    if (w->remove) {
        ngx_content_task_free(&w->remove->task);
        w->remove = NULL;
    }

    ngx_content_write_next(w, NGX_CONTENT_WRITE_ANSWER);
}


/* STORE */

static ngx_int_t
ngx_content_write_store(ngx_content_write_t *w)
{
    ngx_content_remove_t  *remove;

    if (w->change.refused) {
        ngx_content_write_refused(w);
        return NGX_OK;
    }

    w->object.touched = 1;

    if (w->upload) {

        /* what has failed so far has changed nothing */

        w->object.touched = (w->upload->task.outcome == NGX_CONTENT_OK);
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

    w->object.replaced = up->replaced;
    w->etag = ngx_content_to_ngx(ngx_content_str_dup(w->pool,
                                                     up->object->etag));

    w->received = up->received;

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
    w->object.replaced = (task->outcome != NGX_CONTENT_ABSENT);

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
    case NGX_CONTENT_TOO_LARGE:
    case NGX_CONTENT_BUSY:
        w->object.touched = 0;
        break;

    case NGX_CONTENT_MISMATCH:
        w->object.touched = 0;
        w->detail = ngx_content_to_ngx(ngx_content_str_dup(w->pool,
                                          ngx_content_from_ngx(task->cause)));
        break;

    default:
        w->object.replaced = w->object.touched;
        w->change.unknown = w->object.touched;


        if (w->object.touched) {
            ngx_content_lock_failed(&w->lock, task->outcome);
        }

        ngx_content_count(&ngx_content_shared(w->mcf)->counters,
                          store_faults);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: writing \"%V\" failed: %V", &w->object.key,
                      &task->cause);
    }

    ngx_content_unlock(&w->lock);
    ngx_content_write_next(w, NGX_CONTENT_WRITE_CHANGE);
}


/* CHANGE */

static ngx_int_t
ngx_content_write_change(ngx_content_write_t *w)
{
    ngx_content_write_next(w, NGX_CONTENT_WRITE_ANSWER);

    return ngx_content_change_end(&w->change);
}


static void
ngx_content_write_changed(ngx_content_change_t *change)
{
    ngx_content_write_go_on(change->data);
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

    rc = ngx_content_write_respond(w);

    /* the write lives in a pool that goes with the request */

    ngx_http_finalize_request(r, rc);

    return NGX_AGAIN;
}
