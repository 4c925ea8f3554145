/*
 * What one worker has fetched, for the others: a zone of its own, there only
 * if the configuration has a provider that fetches.  A worker that starts,
 * after a reload too, so has credentials before its first request, and one
 * fetch serves all workers.
 *
 * An entry is found by a hash of all that its provider asks with: another
 * role or endpoint is another entry.  It is overwritten when something newer
 * comes, or when it has expired and the place is needed.
 */

#include <ngx_config.h>
#include <openssl/evp.h>

#include "store/ngx_content_credentials.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_CREDENTIALS_ENTRIES  8
#define NGX_CONTENT_CREDENTIALS_ZONE     (32 * 4096)


typedef struct {
    u_char                   id[NGX_CONTENT_CREDENTIALS_ID];
    content_credentials_t    credentials;    /* its slices are valid in all
                                                workers: the zone has one
                                                address */
} ngx_content_credentials_entry_t;

typedef struct {
    ngx_content_credentials_entry_t   entries[NGX_CONTENT_CREDENTIALS_ENTRIES];
} ngx_content_credentials_shared_t;


static ngx_int_t ngx_content_credentials_zone_init(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_content_credentials_identify(
    ngx_content_credentials_t *provider);
static ngx_content_credentials_entry_t *ngx_content_credentials_find(
    ngx_content_credentials_t *provider, ngx_uint_t vacant);


static ngx_str_t  ngx_content_credentials_zone =
    ngx_string("ngx_content_credentials");


ngx_int_t
ngx_content_credentials_share(ngx_conf_t *cf,
    ngx_content_credentials_t *provider)
{
    ngx_shm_zone_t  *zone;

    if (ngx_content_credentials_identify(provider) != NGX_OK) {
        return NGX_ERROR;
    }

    /* any address that is the same in all configurations serves as a tag */

    zone = ngx_shared_memory_add(cf, &ngx_content_credentials_zone,
                                 NGX_CONTENT_CREDENTIALS_ZONE,
                                 &ngx_content_credentials_zone);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_content_credentials_zone_init;
    provider->zone = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data) {                            /* a reload */
        zone->data = data;
        return NGX_OK;
    }

    if (!zone->shm.exists) {
        pool->data = ngx_slab_calloc(pool,
                                     sizeof(ngx_content_credentials_shared_t));
        if (pool->data == NULL) {
            return NGX_ERROR;
        }
    }

    zone->data = pool->data;

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_identify(ngx_content_credentials_t *provider)
{
    int          ok;
    ngx_uint_t   i;
    EVP_MD_CTX  *md;

    ngx_str_t  *parts[] = {
        &provider->name, &provider->url, &provider->authorization,
        &provider->token_file, &provider->role, &provider->session
    };

    md = EVP_MD_CTX_new();
    ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

    for (i = 0; ok && i < sizeof(parts) / sizeof(parts[0]); i++) {
        ok = EVP_DigestUpdate(md, &parts[i]->len, sizeof(size_t))
             && EVP_DigestUpdate(md, parts[i]->data, parts[i]->len);
    }

    ok = ok && EVP_DigestFinal_ex(md, provider->id, NULL);

    EVP_MD_CTX_free(md);

    return ok ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_content_credentials_adopt(ngx_content_credentials_t *provider)
{
    ngx_int_t                         rc;
    ngx_slab_pool_t                  *pool;
    content_credentials_t            *next;
    ngx_content_credentials_entry_t  *entry;

    rc = NGX_DECLINED;
    pool = (ngx_slab_pool_t *) provider->zone->shm.addr;
    next = &provider->slots[!provider->current];

    content_credentials_wipe(next);

    ngx_shmtx_lock(&pool->mutex);

    entry = ngx_content_credentials_find(provider, 0);

    if (entry && content_credentials_usable(&entry->credentials, ngx_time())
        && entry->credentials.expires
           > provider->slots[provider->current].expires
        && content_credentials_set(next, &entry->credentials.keys)
           == CONTENT_OK)
    {
        next->expires = entry->credentials.expires;
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&pool->mutex);

    return rc;
}


void
ngx_content_credentials_publish(ngx_content_credentials_t *provider)
{
    ngx_slab_pool_t                  *pool;
    content_credentials_t            *c;
    ngx_content_credentials_entry_t  *entry;

    pool = (ngx_slab_pool_t *) provider->zone->shm.addr;
    c = &provider->slots[provider->current];

    ngx_shmtx_lock(&pool->mutex);

    entry = ngx_content_credentials_find(provider, 1);

    if (entry && entry->credentials.expires < c->expires) {
        content_credentials_wipe(&entry->credentials);

        if (content_credentials_set(&entry->credentials, &c->keys)
            == CONTENT_OK)
        {
            entry->credentials.expires = c->expires;
            ngx_memcpy(entry->id, provider->id, sizeof(entry->id));
        }
    }

    ngx_shmtx_unlock(&pool->mutex);
}


/* The provider's entry; else, if vacant, one that holds nothing of use. */

static ngx_content_credentials_entry_t *
ngx_content_credentials_find(ngx_content_credentials_t *provider,
    ngx_uint_t vacant)
{
    ngx_uint_t                         i;
    ngx_content_credentials_entry_t   *entry, *found;
    ngx_content_credentials_shared_t  *shared;

    found = NULL;
    shared = provider->zone->data;

    for (i = 0; i < NGX_CONTENT_CREDENTIALS_ENTRIES; i++) {
        entry = &shared->entries[i];

        if (ngx_memcmp(entry->id, provider->id, sizeof(entry->id)) == 0) {
            return entry;
        }

        if (vacant && found == NULL
            && !content_credentials_usable(&entry->credentials, ngx_time()))
        {
            found = entry;
        }
    }

    return found;
}
