/* What the caches are given of one object: see ngx_content_keep.h. */

#include "core/ngx_content_str.h"
#include "http/ngx_content_head.h"
#include "http/ngx_content_keep.h"


static content_str_t ngx_content_keep_record(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body);
static void ngx_content_keep_redis(ngx_content_keep_t *keep,
    const content_object_t *object, const content_str_t *body);
static void ngx_content_keep_forgot(ngx_content_redis_op_t *op);


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
    u_char                    *buf;
    size_t                     size;
    ngx_uint_t                 metadata;
    content_out_t              out;
    ngx_content_memory_t      *memory;
    ngx_content_memory_key_t   mkey;

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

    memory = ngx_content_memory(keep->mcf);

    ngx_content_memory_key(memory, &mkey, keep->lcf->store->id, &keep->key);
    ngx_content_memory_put(memory, &mkey, keep->fence, content_out_done(&out),
                           body, keep->lcf->hot.ttl);
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
    ngx_str_t  record;

    record = ngx_content_to_ngx(ngx_content_keep_record(keep, object, body));

    if (record.len == 0) {
        return;
    }

    ngx_content_redis_fill(keep->mcf->redis_client, keep->name, &keep->token,
                           &record, keep->lcf->hot.ttl);

    keep->has_token = 0;
    keep->in_redis = 1;
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
