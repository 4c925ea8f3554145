/*
 * Storing a record in the memory cache.  Its memory is reserved under the
 * shard's lock, filled without it, for a body of a megabyte takes a while, and
 * published under it again.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_memory_shared.h"
#include "lib/content_rules.h"


#define NGX_CONTENT_MEMORY_ROUNDS  64        /* to make room for a record */


static content_entry_t *ngx_content_memory_reserve(
    ngx_content_memory_t *memory, ngx_content_memory_shard_t *s,
    ngx_content_memory_key_t *mkey, ngx_atomic_uint_t fence, size_t head,
    size_t body, ngx_msec_t ttl);
static void ngx_content_memory_publish(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_content_memory_key_t *mkey,
    ngx_atomic_uint_t fence, content_entry_t *entry);
static ngx_int_t ngx_content_memory_admit(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_content_memory_key_t *mkey,
    ngx_atomic_uint_t fence);


void
ngx_content_memory_put(ngx_content_memory_t *memory,
    ngx_content_memory_key_t *mkey, ngx_atomic_uint_t fence,
    content_str_t head, content_str_t body, ngx_msec_t ttl)
{
    content_entry_t             *entry;
    ngx_content_memory_shard_t  *s;

    s = ngx_content_memory_shard(memory, mkey->hash);

    entry = ngx_content_memory_reserve(memory, s, mkey, fence, head.len,
                                       body.len, ttl);
    if (entry == NULL) {
        return;
    }

    ngx_memcpy(content_entry_head(entry), head.data, head.len);
    ngx_memcpy(content_entry_body(entry), body.data, body.len);

    ngx_content_memory_publish(memory, s, mkey, fence, entry);
}


/*
 * The lock is let go between the rounds, so that readers do not wait for the
 * eviction of thousands of small records, or for pages.
 */

static content_entry_t *
ngx_content_memory_reserve(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_content_memory_key_t *mkey,
    ngx_atomic_uint_t fence, size_t head, size_t body, ngx_msec_t ttl)
{
    int               again;
    uint32_t          expires;
    ngx_uint_t        i;
    content_str_t     key;
    content_entry_t  *entry;

    key.data = mkey->data;
    key.len = mkey->len;
    expires = (uint32_t) (ngx_current_msec / 1000 + (ttl + 999) / 1000);

    for (i = 0; i < NGX_CONTENT_MEMORY_ROUNDS; i++) {

        if (ngx_content_memory_lock(memory, s, 0) != NGX_OK) {
            return NULL;
        }

        if (ngx_content_memory_admit(memory, s, mkey, fence) != NGX_OK) {
            ngx_content_memory_unlock(s);
            return NULL;
        }

        entry = content_shard_reserve(s->shard, mkey->hash, key, head, body,
                                      expires, ngx_content_memory_pinned,
                                      memory, &again);
        if (entry) {
            ngx_content_memory_self(memory)->working =
                                                   (ngx_atomic_uint_t) entry;
        }

        if (entry || !again) {
            ngx_content_memory_unlock(s);
            return entry;
        }

        ngx_content_memory_unlock_spent(memory, s);
    }

    return NULL;
}


static void
ngx_content_memory_publish(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_content_memory_key_t *mkey,
    ngx_atomic_uint_t fence, content_entry_t *entry)
{
    ngx_content_memory_worker_t  *self;

    self = ngx_content_memory_self(memory);

    if (ngx_content_memory_lock(memory, s, 0) != NGX_OK) {
        self->working = 0;
        return;
    }

    /* while it was worked on, nobody has refilled a shard that was emptied */

    if (ngx_content_memory_admit(memory, s, mkey, fence) == NGX_OK) {
        content_shard_publish(s->shard, entry, ngx_content_memory_pinned,
                              memory);
        (void) ngx_atomic_fetch_add(&memory->stored, 1);
    }

    self->working = 0;

    ngx_content_memory_unlock(s);
}


/* Under the lock: a drop either has moved the fence or will find the record. */

static ngx_int_t
ngx_content_memory_admit(ngx_content_memory_t *memory,
    ngx_content_memory_shard_t *s, ngx_content_memory_key_t *mkey,
    ngx_atomic_uint_t fence)
{
    if (ngx_content_memory_usable(memory, s)
        && (!CONTENT_RULE_FENCE
            || fence == ngx_content_memory_fence(memory, mkey)))
    {
        return NGX_OK;
    }

    (void) ngx_atomic_fetch_add(&memory->fenced, 1);

    return NGX_BUSY;
}
