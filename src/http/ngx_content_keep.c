/* What the caches are given of one object: see ngx_content_keep.h. */

#include "core/ngx_content_str.h"
#include "http/ngx_content_head.h"
#include "http/ngx_content_keep.h"
#include "http/ngx_content_zones.h"


static content_str_t ngx_content_keep_record(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body);
static void ngx_content_keep_redis(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body);
static void ngx_content_keep_put(ngx_content_keep_t *keep, content_str_t data,
    content_str_t body);
static void ngx_content_keep_fill(ngx_content_keep_t *keep,
    content_str_t record, ngx_msec_t ttl);
static uint64_t ngx_content_keep_now(void);
static void ngx_content_keep_forgot(ngx_content_redis_op_t *op);


static const content_str_t  ngx_content_keep_nothing = content_string("");


void
ngx_content_keep_init(ngx_content_keep_t *keep, ngx_http_request_t *r,
    ngx_content_ctx_t *ctx)
{
    ngx_memzero(keep, sizeof(ngx_content_keep_t));

    keep->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    keep->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    keep->pool = r->pool;
    keep->key = ctx->key;
    keep->fence = ctx->fence;

    ngx_memcpy(keep->tag, ctx->tag, CONTENT_KEY_TAG_LEN);

    if (keep->mcf->redis_client) {
        ngx_content_redis_name(keep->name, keep->lcf->store->id, ctx->hash);
    }
}


size_t
ngx_content_keep_max(ngx_content_keep_t *keep)
{
    size_t  redis, memory;

    redis = keep->has_token ? keep->lcf->hot.size : 0;
    memory = (keep->mcf->memory_zone && keep->lcf->hot.enabled)
             ? keep->mcf->memory_max : 0;

    return ngx_max(redis, memory);
}


void
ngx_content_keep_whole(ngx_content_keep_t *keep,
    const content_object_t *object, content_str_t body)
{
    ngx_content_keep_memory(keep, object, body);

    if (keep->has_token) {
        ngx_content_keep_redis(keep, object,
                               (keep->hot
                                && body.len <= keep->lcf->hot.size)
                               ? &body : NULL);
    }
}


void
ngx_content_keep_metadata(ngx_content_keep_t *keep,
    const content_object_t *object)
{
    content_str_t  body;

    body.len = 0;
    body.data = object->size ? NULL : (u_char *) "";

    ngx_content_keep_memory(keep, object, body);

    if (keep->has_token) {
        ngx_content_keep_redis(keep, object, NULL);
    }
}


void
ngx_content_keep_memory(ngx_content_keep_t *keep,
    const content_object_t *object, content_str_t body)
{
    u_char         *buf;
    size_t          size;
    ngx_uint_t      metadata;
    content_out_t   out;

    if (keep->mcf->memory_zone == NULL || !keep->lcf->hot.enabled
        || object->etag.len == 0)
    {
        return;
    }

    metadata = (body.data == NULL || body.len > keep->mcf->memory_max);

    if (metadata) {
        body = ngx_content_keep_record(keep, object, NULL);

        if (body.len == 0) {
            return;
        }
    }

    size = ngx_content_head_size(object);

    buf = ngx_palloc(keep->pool, size);
    if (buf == NULL) {
        return;
    }

    content_out_init(&out, buf, size);
    ngx_content_head_write(&out, object, keep->tag, metadata);

    if (out.overflow) {
        return;
    }

    ngx_content_keep_put(keep, content_out_done(&out), body);
}


void
ngx_content_keep_absent(ngx_content_keep_t *keep)
{
    content_str_t        data;
    ngx_content_head_t   head;

    if (keep->lcf->fresh.absent == 0 || keep->lcf->store->open_first
        || !keep->lcf->hot.enabled)
    {
        return;
    }

    if (keep->mcf->memory_zone) {
        ngx_memzero(&head, sizeof(ngx_content_head_t));
        head.absent = 1;

        data.data = (u_char *) &head;
        data.len = sizeof(ngx_content_head_t);

        ngx_content_keep_put(keep, data, ngx_content_keep_nothing);
    }

    if (keep->has_token) {
        ngx_content_keep_fill(keep, ngx_content_keep_nothing,
                              keep->lcf->fresh.absent);
    }
}


/* To shared memory, with the times. */

static void
ngx_content_keep_put(ngx_content_keep_t *keep, content_str_t data,
    content_str_t body)
{
    ngx_msec_t                 now, ttl, soft, hard;
    ngx_content_head_t        *head;
    ngx_content_loc_conf_t    *lcf;
    ngx_content_memory_t      *memory;
    ngx_content_memory_key_t   mkey;

    lcf = keep->lcf;
    head = (ngx_content_head_t *) data.data;
    now = ngx_current_msec;

    /* where asking costs nothing, what is not fresh is asked for */

    soft = head->absent ? lcf->fresh.absent : lcf->fresh.soft;
    hard = (head->absent || lcf->store->open_first) ? soft : lcf->hot.ttl;
    ttl = head->absent ? hard : lcf->hot.ttl + lcf->fresh.error;

    if (keep->age >= ttl) {
        return;
    }

    head->soft = now + soft - keep->age;
    head->hard = now + hard - keep->age;
    head->refresh = head->soft;

    if (head->absent) {
        head->soft = 0;
    }

    memory = ngx_content_memory(keep->mcf);
    head->purges = ngx_content_memory_purges(memory);

    ngx_content_memory_key(memory, &mkey, lcf->store->id, &keep->key);
    ngx_content_memory_put(memory, &mkey, keep->fence, data, body,
                           ttl - keep->age);
}


/* In the form of lib/content_object.h; empty: it can't be written. */

static content_str_t
ngx_content_keep_record(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body)
{
    u_char         *buf;
    size_t          size;
    content_str_t   none;
    content_out_t   out;

    none.data = NULL;
    none.len = 0;

    size = content_record_size(object) + (body ? body->len : 0);

    buf = ngx_pnalloc(keep->pool, size);
    if (buf == NULL) {
        return none;
    }

    content_out_init(&out, buf, size);

    return content_record_encode(&out, object, body) == CONTENT_OK
           ? content_out_done(&out) : none;
}


static void
ngx_content_keep_redis(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body)
{
    content_str_t  record;

    record = ngx_content_keep_record(keep, object, body);

    if (record.len) {
        ngx_content_keep_fill(keep, record,
                              keep->lcf->hot.ttl + keep->lcf->fresh.error);
    }
}


/* To Redis, with the time: the nodes' clocks need agree by seconds only. */

static void
ngx_content_keep_fill(ngx_content_keep_t *keep, content_str_t record,
    ngx_msec_t ttl)
{
    uint64_t   now;
    ngx_str_t  stored;

    stored.len = sizeof(now) + record.len;
    stored.data = ngx_pnalloc(keep->pool, stored.len);

    if (stored.data == NULL) {
        return;
    }

    now = ngx_content_keep_now();
    ngx_memcpy(ngx_cpymem(stored.data, &now, sizeof(now)), record.data,
               record.len);

    ngx_content_redis_fill(keep->mcf->redis_client, keep->name, &keep->token,
                           &stored, ttl);

    keep->has_token = 0;
    keep->in_redis = 1;
}


ngx_int_t
ngx_content_keep_read(ngx_content_keep_t *keep, ngx_str_t *stored,
    content_str_t *record)
{
    uint64_t  now, then;

    if (stored->len < sizeof(then)) {
        return NGX_ERROR;
    }

    ngx_memcpy(&then, stored->data, sizeof(then));
    now = ngx_content_keep_now();

    keep->age = now > then ? now - then : 0;

    record->data = stored->data + sizeof(then);
    record->len = stored->len - sizeof(then);

    return NGX_OK;
}


ngx_uint_t
ngx_content_keep_purged(ngx_content_keep_t *keep, ngx_content_redis_op_t *op,
    content_str_t tags)
{
    uint64_t       store;
    content_str_t  key, own;

    store = keep->lcf->store->id;
    key = ngx_content_from_ngx(keep->key);

    own.data = keep->tag;
    own.len = CONTENT_KEY_TAG_LEN;

    return ngx_content_redis_purged(op, store, key, tags)
           || ngx_content_redis_purged(op, store, key, own);
}


/* Milliseconds since 1970. */

static uint64_t
ngx_content_keep_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


ngx_uint_t
ngx_content_keep_is_current(ngx_content_keep_t *keep)
{
    ngx_content_memory_key_t  mkey;

    ngx_content_memory_key(ngx_content_memory(keep->mcf), &mkey,
                           keep->lcf->store->id, &keep->key);

    return ngx_content_memory_fence(ngx_content_memory(keep->mcf), &mkey)
           == keep->fence;
}


void
ngx_content_keep_forget(ngx_content_keep_t *keep)
{
    ngx_content_memory_t      *memory;
    ngx_content_memory_key_t   mkey;

    if (keep->mcf->memory_zone && keep->lcf->hot.enabled) {
        memory = ngx_content_memory(keep->mcf);

        ngx_content_memory_key(memory, &mkey, keep->lcf->store->id,
                               &keep->key);
        ngx_content_memory_drop(memory, &mkey);

        keep->fence = ngx_content_memory_fence(memory, &mkey);
    }

    if (keep->in_redis || keep->has_token) {
        (void) ngx_content_redis_end(keep->mcf->redis_client, keep->name,
                                     ngx_content_keep_forgot, NULL, NULL);
        keep->has_token = 0;
        keep->in_redis = 0;
    }
}


static void
ngx_content_keep_forgot(ngx_content_redis_op_t *op)
{
    /* nobody waits for it */
}


void
ngx_content_keep_give_back(ngx_content_keep_t *keep)
{
    if (keep->has_token) {
        ngx_content_redis_give_back(keep->mcf->redis_client, keep->name,
                                    &keep->token);
        keep->has_token = 0;
    }
}
