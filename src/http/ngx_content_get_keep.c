/*
 * What a GET leaves in the caches: the object whole, when it is small enough
 * for one of them, else what it is, so that HEAD, 304, 412, 416 and the
 * choice of a range need no storage.  Called by the steps of
 * ngx_content_get.c, and by the store while the body passes by.
 *
 * Everything kept here came from storage after the fence was taken
 * (ctx->fence, for shared memory) or the token was given (for Redis).
 */

#include "http/ngx_content_get.h"


static void ngx_content_get_copied(ngx_content_get_t *get);
static void ngx_content_get_fill(ngx_content_get_t *get,
    const content_str_t *body);
static void ngx_content_get_forgot(ngx_content_redis_op_t *op);


size_t
ngx_content_get_keep_max(ngx_content_get_t *get)
{
    size_t  redis, memory;

    redis = (get->has_token && get->hot) ? get->lcf->hot.size : 0;
    memory = (get->mcf->memory_zone && get->lcf->hot.enabled)
             ? get->mcf->memory_max : 0;

    return ngx_max(redis, memory);
}


ngx_int_t
ngx_content_get_keep_body(ngx_content_read_t *read, u_char *data, size_t len)
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

    if (get->has_token) {
        ngx_content_get_fill(get, (get->hot
                                   && body.len <= get->lcf->hot.size)
                                  ? &body : NULL);
    }
}


void
ngx_content_get_keep_metadata(ngx_content_get_t *get)
{
    content_str_t      nothing;
    content_object_t  *object;

    object = get->read.object;

    if (object->size == 0) {
        nothing.data = (u_char *) "";
        nothing.len = 0;

        ngx_content_keep(get->request, get->ctx, object, nothing);

    } else {
        ngx_content_keep_metadata(get->request, get->ctx, object);
    }

    if (get->has_token) {
        ngx_content_get_fill(get, NULL);
    }
}


static void
ngx_content_get_fill(ngx_content_get_t *get, const content_str_t *body)
{
    u_char         *buf;
    size_t          size;
    ngx_str_t       record;
    content_out_t   out;

    size = content_record_size(get->read.object) + (body ? body->len : 0);

    buf = ngx_pnalloc(get->request->pool, size);
    if (buf == NULL) {
        return;
    }

    content_out_init(&out, buf, size);

    if (content_record_encode(&out, get->read.object, body) != CONTENT_OK) {
        return;
    }

    record = ngx_content_to_ngx(content_out_done(&out));

    ngx_content_redis_fill(get->mcf->redis_client, get->name,
                           &get->token, &record, get->lcf->hot.ttl);

    get->has_token = 0;
    get->in_redis = 1;
}


void
ngx_content_get_forget(ngx_content_get_t *get)
{
    ngx_content_memory_t      *memory;
    ngx_content_memory_key_t   mkey;

    if (get->mcf->memory_zone && get->lcf->hot.enabled) {
        memory = ngx_content_memory(get->mcf);

        ngx_content_memory_key(memory, &mkey, get->lcf->store->id,
                               &get->ctx->key);
        ngx_content_memory_drop(memory, &mkey);

        get->ctx->fence = ngx_content_memory_fence(memory, &mkey);
    }

    if (get->in_redis || get->has_token) {
        (void) ngx_content_redis_end(get->mcf->redis_client, get->name,
                                     ngx_content_get_forgot, NULL, NULL);
        get->has_token = 0;
        get->in_redis = 0;
    }
}


static void
ngx_content_get_forgot(ngx_content_redis_op_t *op)
{
    /* nobody waits for it */
}
