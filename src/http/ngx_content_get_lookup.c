/*
 * What a GET asks Redis: the record, or the right to fill it; and what it makes
 * of the answer.
 */

#include "http/ngx_content_get.h"
#include "http/ngx_content_refresh.h"
#include "http/ngx_content_zones.h"


static ngx_uint_t ngx_content_get_wants(ngx_content_get_t *get);
static ngx_uint_t ngx_content_get_is_hot(ngx_content_get_t *get);
static void ngx_content_get_looked_up(ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_get_take_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_get_read_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op);
static ngx_int_t ngx_content_get_take_object(ngx_content_get_t *get,
    ngx_content_redis_op_t *op, content_str_t record);
static void ngx_content_get_take_age(ngx_content_get_t *get);
static void ngx_content_get_keep_stale(ngx_content_get_t *get);
static ngx_int_t ngx_content_get_take_absence(ngx_content_get_t *get,
    ngx_content_redis_op_t *op);


static const content_str_t  none = content_string("");


/* LOOKUP */

ngx_int_t
ngx_content_get_lookup(ngx_content_get_t *get)
{
    content_object_t  *known;

    ngx_content_get_next(get, NGX_CONTENT_GET_OPEN);

    known = get->ctx->known;

    if (known) {
        get->read.object = known;
    }

    /* conditions first, without its bytes */

    if (!ngx_content_get_conditional(get->request)
        && ngx_content_get_joinable(get))
    {
        ngx_content_get_next(get, NGX_CONTENT_GET_FILL);
        return NGX_OK;
    }

    if (get->mcf->redis_client == NULL || !get->lcf->hot.enabled) {
        return NGX_OK;
    }

    get->busy = 0;

    if (get->asks == 0) {
        get->keep.hot = ngx_content_get_is_hot(get);
    }

    get->since = ngx_current_msec;

    /* too large for Redis */

    if (known && known->size > (int64_t) get->lcf->hot.size) {
        return NGX_OK;
    }

    /* where asking costs nothing, Redis has no metadata alone */

    if (ngx_content_redis_lookup(get->mcf->redis_client, get->keep.name,
                                 ngx_content_get_wants(get),
                                 ngx_content_get_looked_up, get, &get->lookup)
        != NGX_OK)
    {
        get->lookup = NULL;
        return NGX_OK;
    }

    get->asked = 1;

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_content_get_wants(ngx_content_get_t *get)
{
    ngx_uint_t  wants;

    wants = get->await.waiting ? NGX_CONTENT_REDIS_LEAVE_WORD : 0;

    if (get->keep.hot || !get->read.store->open_first) {
        wants |= NGX_CONTENT_REDIS_WANT_TOKEN;
    }

    return wants;
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
    get->ctx->redis_time += ngx_current_msec - get->since
                            + (get->ctx->redis_time == 0);
    get->since = ngx_current_msec;

    switch (op->result) {

    case NGX_CONTENT_REDIS_HIT:
        get->keep.in_redis = 1;

        if (ngx_content_get_take_record(get, op) != NGX_OK) {
            break;
        }

        if (get->expired
            && (get->keep.hot || !get->read.store->open_first)
            && ngx_content_redis_claim(get->mcf->redis_client,
                                       get->keep.name,
                                       ngx_content_get_wants(get),
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


/* NGX_OK, or it is as if there were none. */

static ngx_int_t
ngx_content_get_take_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op)
{
    ngx_int_t  rc;

    rc = ngx_content_get_read_record(get, op);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    get->keep.age = 0;

    /* it stays, for others and for later */

    if (rc == NGX_ABORT) {
        get->keep.in_redis = 0;
        ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                      "content: no memory for the record of \"%V\" in Redis",
                      &get->read.key);
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_ERR, get->request->connection->log, 0,
                  "content: the record of \"%V\" in Redis is damaged",
                  &get->read.key);

    ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                      records_damaged);
    ngx_content_keep_forget(&get->keep);

    return NGX_ERROR;
}


/* NGX_ERROR: it is damaged; NGX_ABORT: no memory for it. */

static ngx_int_t
ngx_content_get_read_record(ngx_content_get_t *get,
    ngx_content_redis_op_t *op)
{
    ngx_int_t      rc;
    content_str_t  record;

    if (ngx_content_keep_read(&get->keep, &op->record, &record) != NGX_OK) {
        return NGX_ERROR;
    }

    get->expired = 0;

    if (record.len == 0) {
        return ngx_content_get_take_absence(get, op);
    }

    rc = ngx_content_get_take_object(get, op, record);

    if (rc != NGX_OK) {
        get->body.data = NULL;
        get->lent = 0;
        return rc;
    }

    /* as if there were none, but for the claim */

    if (ngx_content_keep_purged(&get->keep, op, get->record->tags)) {
        get->record = NULL;
        get->body.data = NULL;
        get->keep.age = 0;
        get->expired = 1;
        return NGX_OK;
    }

    /* storage may know more than whoever has filled it */

    if (get->read.digest && !get->record->has_sha256
        && get->body.data == NULL && get->record->size)
    {
        return NGX_OK;
    }

    if (get->record->size == 0) {
        get->body.data = (u_char *) "";
        get->body.len = 0;
    }

    ngx_content_get_take_age(get);

    if (get->expired) {
        return NGX_OK;
    }

    ngx_content_keep_memory(&get->keep, get->record, get->body);
    get->keep.age = 0;
    ngx_content_count(&ngx_content_shared(get->mcf)->counters, hits_redis);

    return NGX_OK;
}


/*
 * Of a record that does not last the head is copied, which the headers point
 * into; the body is sent from where it lies.
 */

static ngx_int_t
ngx_content_get_take_object(ngx_content_get_t *get,
    ngx_content_redis_op_t *op, content_str_t record)
{
    int               whole;
    size_t            size;
    ngx_int_t         rc;
    content_str_t     head;
    content_object_t  object;

    rc = ngx_content_redis_keep(op, get->request->pool);

    if (rc == NGX_ERROR) {
        return NGX_ABORT;
    }

    if (content_record_head(record, &head.len) != CONTENT_OK
        || head.len > record.len)
    {
        return NGX_ERROR;
    }

    get->body.data = record.data + head.len;
    get->body.len = record.len - head.len;
    get->lent = (rc == NGX_DECLINED);

    head.data = record.data;

    if (get->lent) {
        head = ngx_content_str_dup(get->request->pool, head);

        if (head.data == NULL) {
            return NGX_ABORT;
        }
    }

    if (content_record_decode_head(head, &object, &whole) != CONTENT_OK
        || (int64_t) get->body.len != (whole ? object.size : 0))
    {
        return NGX_ERROR;
    }

    size = content_object_size(&object);

    get->record = ngx_palloc(get->request->pool, size);
    if (get->record == NULL) {
        return NGX_ABORT;
    }

    ngx_memcpy(get->record, &object, size);

    if (!whole) {
        get->body.data = NULL;
    }

    /* what may have come before is of an older one */

    get->stale.data = NULL;

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
        get->stale_age = age - fresh->soft;
        get->keep.age = 0;

        ngx_content_get_keep_stale(get);
        return;
    }

    get->hit = 1;
    get->read.object = get->record;
    get->read.outcome = NGX_CONTENT_OK;
    get->ctx->age = 0;

    if (age >= fresh->soft) {
        get->ctx->age = age - fresh->soft + 1;
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          hits_stale);
        ngx_content_refresh(&get->keep, get->ctx->hash, get->record->size);
    }
}


/* Until storage has answered; without memory there is none. */

static void
ngx_content_get_keep_stale(ngx_content_get_t *get)
{
    get->stale = get->body;
    get->body.data = NULL;

    if (get->lent && get->stale.len) {
        get->stale = ngx_content_str_dup(get->request->pool, get->stale);
        get->lent = 0;
    }
}


static ngx_int_t
ngx_content_get_take_absence(ngx_content_get_t *get,
    ngx_content_redis_op_t *op)
{
    get->record = NULL;
    get->stale.data = NULL;

    if (get->keep.age >= get->lcf->fresh.absent
        || ngx_content_keep_purged(&get->keep, op, none))
    {
        get->expired = 1;

    } else {
        ngx_content_keep_absent(&get->keep);
        ngx_content_count(&ngx_content_shared(get->mcf)->counters,
                          hits_redis);

        get->hit = 1;
        get->opened = 1;
        get->read.outcome = NGX_CONTENT_ABSENT;
        ngx_content_get_next(get, NGX_CONTENT_GET_CHECK);
    }

    get->keep.age = 0;

    return NGX_OK;
}


/*
 * CLAIM: what is kept by the right has to be read after it was given.  Where
 * the bytes are those that were opened, OPEN comes only now.
 */

ngx_int_t
ngx_content_get_claim(ngx_content_get_t *get)
{
    ngx_uint_t         claim, open;
    content_object_t  *object;

    object = get->read.object;
    open = get->read.store->open_first && get->body.data == NULL
           && !get->opened;

    claim = get->keep.in_redis && get->keep.hot && get->body.data == NULL
            && !get->read.ranged && object != NULL
            && object->size <= (int64_t) get->lcf->hot.size
            && (open ? !get->claimed : !get->read.store->open_first);

    if (open) {
        get->read.object = NULL;
    }

    ngx_content_get_next(get, open ? NGX_CONTENT_GET_OPEN
                                   : NGX_CONTENT_GET_WAIT);

    if (!claim
        || ngx_content_redis_claim(get->mcf->redis_client, get->keep.name,
                                   ngx_content_get_wants(get),
                                   ngx_content_get_looked_up, get,
                                   &get->lookup)
           != NGX_OK)
    {
        return NGX_OK;
    }

    get->claimed = 1;

    return NGX_AGAIN;
}
