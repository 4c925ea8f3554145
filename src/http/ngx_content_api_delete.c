/*
 * POST /-/delete: many objects at once.
 *
 *     RECEIVE  the JSON is read and all of it checked, and the right to write
 *              at each key, before anything is done
 *     INTENT   a note for the fleet; without it nothing is removed
 *     REMOVE   the store removes them; each key has an outcome of its own
 *     CHANGE   the caches and the CDN are told, in one job
 *     ANSWER   200 when all are gone, 207 with what became of each when not
 *
 * Once begun it goes on without its client, as a write does.
 */

#include "http/ngx_content_api_wait.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"
#include "http/ngx_content_zones.h"
#include "lib/content_batch.h"


#define NGX_CONTENT_DELETE_BODY   (8 * 1024 * 1024)
#define NGX_CONTENT_DELETE_WHY    256
#define NGX_CONTENT_MULTI_STATUS  207


typedef struct {
    ngx_pool_t                 *pool;
    ngx_http_request_t         *request;     /* NULL: the client has left */
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;
    ngx_array_t                 keys;        /* ngx_str_t */
    ngx_content_removals_t     *removals;
    ngx_content_outcome_e      *outcomes;    /* one a key */
    ngx_content_change_t        change;
    ngx_pool_cleanup_t         *cleanup;     /* of the request: clears it */
    unsigned                    begun:1;     /* INTENT has ended */
} ngx_content_deleting_t;


static void ngx_content_delete_received(ngx_http_request_t *r);
static ngx_int_t ngx_content_delete_begin(ngx_http_request_t *r);
static ngx_content_deleting_t *ngx_content_delete_create(
    ngx_http_request_t *r);
static ngx_int_t ngx_content_delete_parse(ngx_content_deleting_t *d,
    content_str_t json);
static int ngx_content_delete_key(void *data, content_str_t key);
static ngx_int_t ngx_content_delete_allowed(ngx_content_deleting_t *d);
static ngx_int_t ngx_content_delete_prepare(ngx_content_deleting_t *d);
static void ngx_content_delete_start(ngx_content_deleting_t *d);
static void ngx_content_delete_removed(ngx_content_task_t *task);
static void ngx_content_delete_judge(ngx_content_deleting_t *d, ngx_uint_t i,
    ngx_content_outcome_e outcome);
static void ngx_content_delete_changed(ngx_content_change_t *change);
static void ngx_content_delete_end(ngx_content_deleting_t *d);
static ngx_int_t ngx_content_delete_answer(ngx_content_deleting_t *d);
static void ngx_content_delete_results(ngx_content_deleting_t *d,
    content_out_t *out, ngx_uint_t failed);


ngx_int_t
ngx_content_api_delete(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_content_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if (lcf->require_conditions) {
        return ngx_content_problem(r, NGX_CONTENT_PRECONDITION_REQUIRED,
                       "a write here needs a condition, which many keys "
                       "can't have: delete them one by one");
    }

    return ngx_content_api_read(r, NGX_CONTENT_DELETE_BODY,
                                ngx_content_delete_received);
}


static void
ngx_content_delete_received(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_content_delete_begin(r);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_content_delete_begin(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    content_str_t            json;
    ngx_content_deleting_t  *d;

    rc = ngx_content_api_body(r, NGX_CONTENT_DELETE_BODY, &json);

    if (rc != NGX_OK) {
        return rc;
    }

    d = ngx_content_delete_create(r);
    if (d == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_delete_parse(d, json);

    if (rc == NGX_OK) {
        rc = ngx_content_delete_allowed(d);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_delete_prepare(d);
    }

    if (rc != NGX_OK) {
        ngx_destroy_pool(d->pool);
        return rc;
    }

    ngx_content_api_borrow(r, &d->request, d->cleanup);

    if (ngx_content_change_begin(&d->change) == NGX_OK) {
        ngx_content_delete_start(d);
    }

    return NGX_OK;
}


/* INTENT has ended; REMOVE */

static void
ngx_content_delete_start(ngx_content_deleting_t *d)
{
    d->begun = 1;

    if (d->change.refused) {
        ngx_content_task_free(&d->removals->task);
        d->removals = NULL;
        ngx_content_delete_end(d);
        return;
    }

    d->lcf->store->ops->remove_many(d->removals);
}


static ngx_content_deleting_t *
ngx_content_delete_create(ngx_http_request_t *r)
{
    ngx_pool_t              *pool;
    ngx_content_deleting_t  *d;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    d = ngx_pcalloc(pool, sizeof(ngx_content_deleting_t));

    if (d) {
        d->cleanup = ngx_pool_cleanup_add(r->pool, 0);
    }

    if (d == NULL || d->cleanup == NULL
        || ngx_array_init(&d->keys, pool, 64, sizeof(ngx_str_t)) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    d->pool = pool;
    d->request = r;
    d->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    d->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    return d;
}


static ngx_int_t
ngx_content_delete_parse(ngx_content_deleting_t *d, content_str_t json)
{
    char  why[NGX_CONTENT_DELETE_WHY];

    if (content_batch_parse(json, ngx_content_delete_key, d, why, sizeof(why))
        == CONTENT_OK)
    {
        return NGX_OK;
    }

    return why[0] ? ngx_content_problem(d->request, NGX_HTTP_BAD_REQUEST,
                                        "%s", why)
                  : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static int
ngx_content_delete_key(void *data, content_str_t key)
{
    ngx_content_deleting_t *d = data;

    ngx_str_t  *copy;

    copy = ngx_array_push(&d->keys);
    if (copy == NULL) {
        return CONTENT_OVERFLOW;
    }

    *copy = ngx_content_to_ngx(ngx_content_str_dup(d->pool, key));

    return copy->len ? CONTENT_OK : CONTENT_OVERFLOW;
}


static ngx_int_t
ngx_content_delete_allowed(ngx_content_deleting_t *d)
{
    ngx_int_t    rc;
    ngx_str_t   *key;
    ngx_uint_t   i;

    key = d->keys.elts;

    for (i = 0; i < d->keys.nelts; i++) {
        if (ngx_content_is_reserved(&key[i])) {
            return ngx_content_problem(d->request, NGX_HTTP_BAD_REQUEST,
                                       "keys[%ui]: keys below \"-/\" are "
                                       "reserved", i);
        }

        rc = ngx_content_authorize(d->request, CONTENT_RIGHT_WRITE, &key[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_delete_prepare(ngx_content_deleting_t *d)
{
    ngx_str_t               *key, none;
    ngx_uint_t               i, n;
    ngx_content_removals_t  *removals;

    n = d->keys.nelts;
    key = d->keys.elts;
    ngx_str_set(&none, "");

    ngx_content_change_init(&d->change, d->pool, d->mcf, d->lcf,
                            ngx_content_delete_changed, d);
    d->change.nkeys = n;
    d->change.keys = ngx_palloc(d->pool, n * sizeof(ngx_content_changed_t));
    d->outcomes = ngx_palloc(d->pool, n * sizeof(ngx_content_outcome_e));

    removals = ngx_content_task_create(d->lcf->store,
                                       sizeof(ngx_content_removals_t), &none,
                                       d->request->connection->log);

    if (d->change.keys == NULL || d->outcomes == NULL || removals == NULL) {
        goto failed;
    }

    removals->nkeys = n;
    removals->keys = ngx_pcalloc(removals->task.pool,
                                 n * sizeof(ngx_content_removal_t));
    if (removals->keys == NULL) {
        goto failed;
    }

    for (i = 0; i < n; i++) {
        ngx_content_changed_init(&d->change.keys[i], &key[i]);
        removals->keys[i].key = key[i];        /* its pool lives longer */
    }

    removals->task.done = ngx_content_delete_removed;
    removals->task.data = d;
    d->removals = removals;

    return NGX_OK;

failed:

    if (removals) {
        ngx_content_task_free(&removals->task);
    }

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* REMOVE has ended; CHANGE */

static void
ngx_content_delete_removed(ngx_content_task_t *task)
{
    ngx_content_removals_t *removals = (ngx_content_removals_t *) task;

    ngx_uint_t               i;
    ngx_content_deleting_t  *d;

    d = task->data;

    if (task->outcome != NGX_CONTENT_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: removing %ui objects failed: %V",
                      removals->nkeys, &task->cause);
    }

    for (i = 0; i < removals->nkeys; i++) {
        ngx_content_delete_judge(d, i, task->outcome != NGX_CONTENT_OK
                                           ? task->outcome
                                           : removals->keys[i].outcome);
    }

    d->removals = NULL;
    ngx_content_task_free(task);

    if (ngx_content_change_end(&d->change) == NGX_OK) {
        ngx_content_delete_end(d);
    }
}


/* As after a DELETE of one. */

static void
ngx_content_delete_judge(ngx_content_deleting_t *d, ngx_uint_t i,
    ngx_content_outcome_e outcome)
{
    ngx_content_changed_t    *changed;
    ngx_content_counters_t   *counters;

    counters = &ngx_content_shared(d->mcf)->counters;
    changed = &d->change.keys[i];

    d->outcomes[i] = outcome;
    changed->touched = (outcome != NGX_CONTENT_BUSY);
    changed->replaced = changed->touched && outcome != NGX_CONTENT_ABSENT;

    ngx_content_count(counters, deletes);

    if (changed->touched && outcome != NGX_CONTENT_OK
        && outcome != NGX_CONTENT_ABSENT)
    {
        d->change.unknown = 1;
        ngx_content_count(counters, store_faults);
    }
}


static void
ngx_content_delete_changed(ngx_content_change_t *change)
{
    ngx_content_deleting_t  *d;

    d = change->data;

    if (d->begun) {
        ngx_content_delete_end(d);

    } else {
        ngx_content_delete_start(d);
    }
}


/* ANSWER */

static void
ngx_content_delete_end(ngx_content_deleting_t *d)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = d->request;

    if (r == NULL) {
        ngx_destroy_pool(d->pool);
        return;
    }

    c = r->connection;
    rc = ngx_content_delete_answer(d);

    /* the request may outlive d */

    d->cleanup->handler = NULL;
    ngx_destroy_pool(d->pool);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_content_delete_answer(ngx_content_deleting_t *d)
{
    size_t          size;
    u_char         *buf;
    ngx_int_t       rc;
    ngx_uint_t      i, failed;
    content_out_t   out;

    rc = ngx_content_change_problem(d->request, &d->change);

    if (rc != NGX_OK) {
        return rc;
    }

    size = 64;
    failed = 0;

    for (i = 0; i < d->change.nkeys; i++) {
        size += 6 * d->change.keys[i].key.len + 32;
        failed += (d->outcomes[i] != NGX_CONTENT_OK
                   && d->outcomes[i] != NGX_CONTENT_ABSENT);
    }

    buf = ngx_pnalloc(d->request->pool, size);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, size);
    content_out_text(&out, "{\"deleted\":[");
    ngx_content_delete_results(d, &out, 0);
    content_out_text(&out, "],\"failed\":[");
    ngx_content_delete_results(d, &out, 1);
    content_out_text(&out, "]}");

    if (ngx_content_change_header(d->request, &d->change) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_content_send_json(d->request,
                                 failed ? NGX_CONTENT_MULTI_STATUS
                                        : NGX_HTTP_OK,
                                 content_out_done(&out));
}


static void
ngx_content_delete_results(ngx_content_deleting_t *d, content_out_t *out,
    ngx_uint_t failed)
{
    ngx_uint_t              i;
    const char             *comma;
    content_str_t           key;
    ngx_content_outcome_e   outcome;

    comma = "";

    for (i = 0; i < d->change.nkeys; i++) {
        outcome = d->outcomes[i];

        if ((outcome != NGX_CONTENT_OK && outcome != NGX_CONTENT_ABSENT)
            != failed)
        {
            continue;
        }

        key = ngx_content_from_ngx(d->change.keys[i].key);

        content_out_text(out, comma);
        content_out_text(out, failed ? "{\"key\":\"" : "\"");
        content_out_json(out, key);
        content_out_text(out, "\"");

        if (failed) {
            content_out_text(out, ",\"status\":");
            content_out_uint(out, ngx_content_outcome_status(outcome));
            content_out_text(out, "}");
        }

        comma = ",";
    }
}
