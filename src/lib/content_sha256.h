/*
 * SHA-256 (FIPS 180-4) of a stream of bytes, alone or of two streams of which
 * the newer bytes are the same: a body, and the part of it that is being sent.
 *
 * libcrypto hashes one stream at a time, and then a processor with SHA
 * instructions mostly waits for the round before.  Two chains of rounds over
 * the same message schedule take the time of one; such processors (x86-64 with
 * the SHA extensions) have that here, all others libcrypto twice.
 *
 * And of a short text, which can't fail.
 */

#ifndef CONTENT_SHA256_H
#define CONTENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "lib/content_digest.h"
#include "lib/content_str.h"


#define CONTENT_SHA256_BLOCK  64


/* Zeroed before the first init(). */

typedef struct {
    EVP_MD_CTX     *md;                  /* libcrypto's, or NULL */
    uint32_t        h[8];
    uint64_t        len;                 /* bytes so far */
    unsigned char   tail[CONTENT_SHA256_BLOCK];
} content_sha256_t;


/*
 * Begins, or begins anew.  own: with the processor's instructions, if it has
 * them; 0: with libcrypto.  CONTENT_OK, or CONTENT_ERROR: no memory.  free()
 * ends what init() began, also a failed one.
 */
int content_sha256_init(content_sha256_t *s, int own);
void content_sha256_free(content_sha256_t *s);

/*
 * b: another one with the same `own`, or NULL.  CONTENT_OK or CONTENT_ERROR:
 * libcrypto failed.
 */
int content_sha256_update(content_sha256_t *a, content_sha256_t *b,
    const void *data, size_t len);

/* Afterwards only init() and free() may follow. */
int content_sha256_final(content_sha256_t *s,
    unsigned char hash[CONTENT_SHA256_SIZE]);

/* Of all of a text, at once.  Asks for no memory: so it can't fail. */
void content_sha256_text(content_str_t text,
    unsigned char hash[CONTENT_SHA256_SIZE]);


#endif
