/*
 * The signing key: see content_sigv4_key.h.  Called by content_sigv4_sign().
 */

/*
 * OpenSSL 3 counts SHA256_Update() and its like as old.  But what takes their
 * place finds its algorithm by name each time, with locks and allocations,
 * and HMAC() hashes its key anew: together more than the signature itself.
 */

#define OPENSSL_API_COMPAT  0x10101000L

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "lib/content_sigv4_key.h"


#define HASH_LEN  CONTENT_SIGV4_HASH_LEN


static void hash_scope(const content_sigv4_scope_t *scope,
    content_str_t secret, unsigned char *hash);
static void hash_str(SHA256_CTX *sha, content_str_t s);
static void prepare(content_sigv4_cache_t *cache, const unsigned char *key);
static int derive_key(unsigned char *key, const content_sigv4_scope_t *scope,
    content_str_t secret);
static int hmac(const void *key, size_t len, content_str_t data,
    unsigned char *mac);


int
content_sigv4_key(content_sigv4_cache_t *cache,
    const content_sigv4_scope_t *scope, content_str_t secret)
{
    unsigned char  hash[HASH_LEN], key[HASH_LEN];

    hash_scope(scope, secret, hash);

    if (cache->valid && CRYPTO_memcmp(cache->scope, hash, HASH_LEN) == 0) {
        return CONTENT_OK;
    }

    cache->valid = 0;

    if (derive_key(key, scope, secret) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    prepare(cache, key);
    OPENSSL_cleanse(key, sizeof(key));

    memcpy(cache->scope, hash, HASH_LEN);
    cache->valid = 1;

    return CONTENT_OK;
}


void
content_sigv4_mac(const content_sigv4_cache_t *cache, content_str_t text,
    unsigned char mac[CONTENT_SIGV4_HASH_LEN])
{
    SHA256_CTX     sha;
    unsigned char  digest[HASH_LEN];

    sha = cache->inner;
    hash_str(&sha, text);
    SHA256_Final(digest, &sha);

    sha = cache->outer;
    SHA256_Update(&sha, digest, sizeof(digest));
    SHA256_Final(mac, &sha);

    OPENSSL_cleanse(&sha, sizeof(sha));
}


void
content_sigv4_forget(content_sigv4_cache_t *cache)
{
    OPENSSL_cleanse(cache, sizeof(*cache));
}


/* The day has a fixed length, and no other part but the secret has a NUL. */

static void
hash_scope(const content_sigv4_scope_t *scope, content_str_t secret,
    unsigned char *hash)
{
    SHA256_CTX  sha;

    SHA256_Init(&sha);

    hash_str(&sha, scope->day);
    hash_str(&sha, scope->region);
    SHA256_Update(&sha, "", 1);
    hash_str(&sha, scope->service);
    SHA256_Update(&sha, "", 1);
    hash_str(&sha, secret);

    SHA256_Final(hash, &sha);
    OPENSSL_cleanse(&sha, sizeof(sha));
}


static void
hash_str(SHA256_CTX *sha, content_str_t s)
{
    SHA256_Update(sha, s.data, s.len);
}


/* RFC 2104, 4: what HMAC makes of its key is the same for a day. */

static void
prepare(content_sigv4_cache_t *cache, const unsigned char *key)
{
    unsigned       i;
    unsigned char  inner[SHA256_CBLOCK], outer[SHA256_CBLOCK];

    for (i = 0; i < SHA256_CBLOCK; i++) {
        inner[i] = (i < HASH_LEN ? key[i] : 0) ^ 0x36;
        outer[i] = (i < HASH_LEN ? key[i] : 0) ^ 0x5c;
    }

    SHA256_Init(&cache->inner);
    SHA256_Update(&cache->inner, inner, sizeof(inner));
    SHA256_Init(&cache->outer);
    SHA256_Update(&cache->outer, outer, sizeof(outer));

    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
}


static int
derive_key(unsigned char *key, const content_sigv4_scope_t *scope,
    content_str_t secret)
{
    int            rc;
    content_out_t  out;
    content_str_t  first;
    unsigned char  text[256];

    static const content_str_t  last = content_string("aws4_request");

    content_out_init(&out, text, sizeof(text));
    content_out_text(&out, "AWS4");
    content_out_str(&out, secret);

    first = content_out_done(&out);

    rc = first.len != 0
         && hmac(first.data, first.len, scope->day, key)
         && hmac(key, HASH_LEN, scope->region, key)
         && hmac(key, HASH_LEN, scope->service, key)
         && hmac(key, HASH_LEN, last, key)
         ? CONTENT_OK : CONTENT_ERROR;

    OPENSSL_cleanse(text, sizeof(text));

    return rc;
}


static int
hmac(const void *key, size_t len, content_str_t data, unsigned char *mac)
{
    return HMAC(EVP_sha256(), key, (int) len, data.data, data.len, mac, NULL)
           != NULL;
}
