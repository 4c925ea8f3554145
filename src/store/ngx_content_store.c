/*
 * What all stores share: the life of a task, and what an outcome means to a
 * client.
 */

#include "store/ngx_content_store.h"
#include "core/ngx_content_job.h"
#include "core/ngx_content_str.h"
#include "lib/content_range.h"


static void ngx_content_task_posted(ngx_event_t *ev);


void *
ngx_content_task_create(ngx_content_store_t *store, size_t size,
    ngx_str_t *key, ngx_log_t *log)
{
    ngx_pool_t          *pool;
    ngx_content_task_t  *task;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    task = ngx_pcalloc(pool, size);
    if (task == NULL) {
        goto failed;
    }

    task->key.data = ngx_pnalloc(pool, key->len + 1);
    if (task->key.data == NULL) {
        goto failed;
    }

    task->key.len = key->len;
    task->key.data[key->len] = '\0';

    /* a task about the whole place has no key */

    if (key->len) {
        ngx_memcpy(task->key.data, key->data, key->len);
    }

    /* the request's log handler would print a request that may be gone */

    task->log = *log;
    task->log.handler = NULL;
    task->log.data = NULL;
    task->log.action = NULL;

    task->store = store;
    task->pool = pool;

    return task;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


void
ngx_content_task_finish(ngx_content_task_t *task,
    ngx_content_outcome_e outcome, const char *cause)
{
    size_t  len;

    task->outcome = outcome;
    ngx_str_null(&task->cause);

    if (cause) {
        len = ngx_strlen(cause);
        task->cause.data = ngx_pnalloc(task->pool, len);

        if (task->cause.data) {
            ngx_memcpy(task->cause.data, cause, len);
            task->cause.len = len;
        }
    }

    if (task->done) {
        task->done(task);

    } else {
        ngx_content_task_free(task);
    }
}


void
ngx_content_task_free(ngx_content_task_t *task)
{
    ngx_destroy_pool(task->pool);
}


void
ngx_content_task_post(ngx_content_task_t *task,
    ngx_content_outcome_e outcome, const char *cause)
{
    task->post.outcome = outcome;
    task->post.cause = cause;

    task->post.event.handler = ngx_content_task_posted;
    task->post.event.data = task;
    task->post.event.log = &task->log;

    ngx_post_event(&task->post.event, &ngx_posted_events);
}


static void
ngx_content_task_posted(ngx_event_t *ev)
{
    ngx_content_task_t  *task = ev->data;

    ngx_content_task_finish(task, task->post.outcome, task->post.cause);
}


void
ngx_content_task_run(ngx_content_task_t *task, void *job)
{
    if (ngx_content_job_start(task->store->threads, job) != NGX_OK) {
        ngx_content_task_post(task, NGX_CONTENT_BUSY, "no free thread");
    }
}


/* 64 bits of a SHA-256: two places never share an id by chance. */

uint64_t
ngx_content_store_id(ngx_str_t *kind, ngx_str_t *where, ngx_str_t *what)
{
    u_char       hash[EVP_MAX_MD_SIZE];
    uint64_t     id;
    EVP_MD_CTX  *md;

    id = 0;
    md = EVP_MD_CTX_new();

    if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1
        && EVP_DigestUpdate(md, kind->data, kind->len) == 1
        && EVP_DigestUpdate(md, ":", 1) == 1
        && EVP_DigestUpdate(md, where->data, where->len) == 1
        && EVP_DigestUpdate(md, "/", 1) == 1
        && EVP_DigestUpdate(md, what->data, what->len) == 1
        && EVP_DigestFinal_ex(md, hash, NULL) == 1)
    {
        ngx_memcpy(&id, hash, sizeof(id));
    }

    EVP_MD_CTX_free(md);

    return id;
}


/*
 * In the order of RFC 9110, 13.2.2: If-Match makes If-Unmodified-Since
 * meaningless, and so does an object that is not there (13.1.4).
 */

ngx_uint_t
ngx_content_conditions_hold(const ngx_content_conditions_t *conditions,
    const content_object_t *object, ngx_uint_t exists)
{
    content_str_t  if_match;

    if_match = ngx_content_from_ngx(conditions->if_match);

    if (if_match.len) {
        if (object == NULL || !content_etag_match(if_match, object->etag, 0)) {
            return 0;
        }

    } else if (conditions->if_unmodified && exists) {
        if (object == NULL || object->mtime > conditions->unmodified_since) {
            return 0;
        }
    }

    return !(conditions->if_none_match && exists);
}


ngx_uint_t
ngx_content_outcome_status(ngx_content_outcome_e outcome)
{
    switch (outcome) {

    case NGX_CONTENT_OK:
        return NGX_HTTP_OK;

    case NGX_CONTENT_ABSENT:
        return NGX_HTTP_NOT_FOUND;

    case NGX_CONTENT_PRECONDITION:
        return NGX_HTTP_PRECONDITION_FAILED;

    case NGX_CONTENT_INVALID:
    case NGX_CONTENT_MISMATCH:
        return NGX_HTTP_BAD_REQUEST;

    case NGX_CONTENT_TOO_LARGE:
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    case NGX_CONTENT_BROKEN:
        return NGX_HTTP_BAD_GATEWAY;

    case NGX_CONTENT_UNAVAILABLE:
    case NGX_CONTENT_BUSY:
    case NGX_CONTENT_SLOW:             /* nginx sends no answer with 408 */
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    case NGX_CONTENT_TIMEOUT:
        return NGX_HTTP_GATEWAY_TIME_OUT;

    case NGX_CONTENT_FULL:
        return NGX_HTTP_INSUFFICIENT_STORAGE;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}
