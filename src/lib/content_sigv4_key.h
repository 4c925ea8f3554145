/*
 * The key that AWS Signature Version 4 signs with, made of the secret key for
 * one day, region and service (Amazon S3 API Reference, "Signature
 * Calculations for the Authorization Header", step 3).
 */

#ifndef CONTENT_SIGV4_KEY_H
#define CONTENT_SIGV4_KEY_H

#include <openssl/sha.h>

#include "lib/content_str.h"


#define CONTENT_SIGV4_HASH_LEN  32


/*
 * The signing key of a day, so that its four HMACs are computed once a day
 * and not for each request.  The caller keeps one per store and zeroes it at
 * first; it may be shared by nothing that runs at the same time.  It holds a
 * secret: content_sigv4_forget() before the memory goes.
 */

typedef struct {
    unsigned                valid:1;
    unsigned char           scope[CONTENT_SIGV4_HASH_LEN];
                                               /* SHA-256 of all that the key
                                                  is derived from */
    SHA256_CTX              inner;             /* of HMAC with that key, when */
    SHA256_CTX              outer;             /* it has taken the key in */
} content_sigv4_cache_t;


typedef struct {
    content_str_t           day;               /* "20130524" */
    content_str_t           region;
    content_str_t           service;
} content_sigv4_scope_t;


/*
 * Has the key of a scope in cache.  Returns CONTENT_OK, or CONTENT_ERROR for a
 * secret of more than 252 bytes.
 */
int content_sigv4_key(content_sigv4_cache_t *cache,
    const content_sigv4_scope_t *scope, content_str_t secret);

/* HMAC-SHA256 of text with that key. */
void content_sigv4_mac(const content_sigv4_cache_t *cache, content_str_t text,
    unsigned char mac[CONTENT_SIGV4_HASH_LEN]);

/* Wipes the key. */
void content_sigv4_forget(content_sigv4_cache_t *cache);


#endif
