/*
 * SHA-256 of two streams at once: see content_sha256.h.  The rounds are written
 * with the instructions of the x86 SHA extensions (Intel's manual, SHA256RNDS2,
 * SHA256MSG1, SHA256MSG2); what is left, blocks and padding, is FIPS 180-4, 5.
 */

/*
 * SHA256() of OpenSSL 3 finds its algorithm by name each time, with locks and
 * allocations that cost more than the digest of a key, and may fail; the
 * functions below it, which it counts as old, do without.
 */

#define OPENSSL_API_COMPAT  0x10101000L

#include <string.h>

#include <openssl/sha.h>

#include "lib/content_sha256.h"
#include "lib/content_str.h"


#define CONTENT_SHA256_STEP  (32 * 1024)   /* fits a processor's cache */


static int content_sha256_supported(void);
static int content_sha256_evp(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len);
static void content_sha256_own(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len);
static size_t content_sha256_head(content_sha256_t *s,
    const unsigned char *data, size_t len);
static void content_sha256_body(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len);
static void content_sha256_blocks(uint32_t *a, uint32_t *b,
    const unsigned char *data, size_t blocks);


static const uint32_t  content_sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};


int
content_sha256_init(content_sha256_t *s, int own)
{
    if (own && content_sha256_supported()) {
        memcpy(s->h, content_sha256_start, sizeof(s->h));
        s->len = 0;
        return CONTENT_OK;
    }

    if (s->md == NULL) {
        s->md = EVP_MD_CTX_new();
    }

    return s->md && EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) == 1
           ? CONTENT_OK : CONTENT_ERROR;
}


void
content_sha256_free(content_sha256_t *s)
{
    EVP_MD_CTX_free(s->md);
    s->md = NULL;
}


void
content_sha256_text(content_str_t text,
    unsigned char hash[CONTENT_SHA256_SIZE])
{
    SHA256_CTX  sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, text.data, text.len);
    SHA256_Final(hash, &sha);
}


int
content_sha256_update(content_sha256_t *a, content_sha256_t *b,
    const void *data, size_t len)
{
    if (a->md) {
        return content_sha256_evp(a, b, data, len);
    }

    /* one block for both only where both begin one here */

    if (b == NULL
        || a->len % CONTENT_SHA256_BLOCK == b->len % CONTENT_SHA256_BLOCK)
    {
        content_sha256_own(a, b, data, len);

    } else {
        content_sha256_own(a, NULL, data, len);
        content_sha256_own(b, NULL, data, len);
    }

    return CONTENT_OK;
}


int
content_sha256_final(content_sha256_t *s,
    unsigned char hash[CONTENT_SHA256_SIZE])
{
    size_t         n, i;
    uint64_t       bits;
    unsigned char  pad[2 * CONTENT_SHA256_BLOCK];

    if (s->md) {
        return EVP_DigestFinal_ex(s->md, hash, NULL) == 1 ? CONTENT_OK
                                                          : CONTENT_ERROR;
    }

    /* a bit, zeros, and the length in bits fill up the last block */

    bits = s->len * 8;
    n = CONTENT_SHA256_BLOCK - s->len % CONTENT_SHA256_BLOCK;

    if (n < 9) {
        n += CONTENT_SHA256_BLOCK;
    }

    memset(pad, 0, sizeof(pad));
    pad[0] = 0x80;

    for (i = 0; i < 8; i++) {
        pad[n - 1 - i] = (unsigned char) (bits >> 8 * i);
    }

    content_sha256_own(s, NULL, pad, n);

    for (i = 0; i < CONTENT_SHA256_SIZE; i++) {
        hash[i] = (unsigned char) (s->h[i / 4] >> 8 * (3 - i % 4));
    }

    return CONTENT_OK;
}


/* Step by step, so that memory is read once. */

static int
content_sha256_evp(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len)
{
    size_t  n;

    for ( /* void */ ; len; len -= n, data += n) {
        n = len < CONTENT_SHA256_STEP ? len : CONTENT_SHA256_STEP;

        if (EVP_DigestUpdate(a->md, data, n) != 1
            || (b && EVP_DigestUpdate(b->md, data, n) != 1))
        {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


static void
content_sha256_own(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len)
{
    size_t  n;

    n = content_sha256_head(a, data, len);

    if (b) {
        (void) content_sha256_head(b, data, len);
    }

    if (n < len) {
        content_sha256_body(a, b, data + n, len - n);
    }
}


/* Fills up a block that was begun.  Returns how many bytes that took. */

static size_t
content_sha256_head(content_sha256_t *s, const unsigned char *data, size_t len)
{
    size_t  have, n;

    have = s->len % CONTENT_SHA256_BLOCK;

    if (have == 0) {
        return 0;
    }

    n = CONTENT_SHA256_BLOCK - have;
    n = len < n ? len : n;

    memcpy(s->tail + have, data, n);
    s->len += n;

    if (have + n == CONTENT_SHA256_BLOCK) {
        content_sha256_blocks(s->h, NULL, s->tail, 1);
    }

    return n;
}


/* From the beginning of a block; b may be NULL. */

static void
content_sha256_body(content_sha256_t *a, content_sha256_t *b,
    const unsigned char *data, size_t len)
{
    size_t  whole;

    whole = len - len % CONTENT_SHA256_BLOCK;

    content_sha256_blocks(a->h, b ? b->h : NULL, data,
                          whole / CONTENT_SHA256_BLOCK);

    memcpy(a->tail, data + whole, len - whole);
    a->len += len;

    if (b) {
        memcpy(b->tail, data + whole, len - whole);
        b->len += len;
    }
}


#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>


static const uint32_t  content_sha256_k[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
    0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
    0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};


static int
content_sha256_supported(void)
{
    unsigned int  a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1)
           && (c & bit_SSSE3)
           && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}


/* The instructions want the words a, b, e, f in one register, and the rest. */

#define CONTENT_SHA256_TARGET  __attribute__((target("sha,sse4.1,ssse3")))

typedef struct {
    __m128i  abef;
    __m128i  cdgh;
} content_sha256_chain_t;

CONTENT_SHA256_TARGET
static inline content_sha256_chain_t
content_sha256_load(const uint32_t *h)
{
    __m128i                 dcba, hgfe;
    content_sha256_chain_t  chain;

    dcba = _mm_loadu_si128((const __m128i *) h);
    hgfe = _mm_loadu_si128((const __m128i *) (h + 4));

    dcba = _mm_shuffle_epi32(dcba, 0xb1);
    hgfe = _mm_shuffle_epi32(hgfe, 0x1b);

    chain.abef = _mm_alignr_epi8(dcba, hgfe, 8);
    chain.cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);

    return chain;
}


CONTENT_SHA256_TARGET
static inline void
content_sha256_store(uint32_t *h, content_sha256_chain_t chain)
{
    __m128i  feba, dchg;

    feba = _mm_shuffle_epi32(chain.abef, 0x1b);
    dchg = _mm_shuffle_epi32(chain.cdgh, 0xb1);

    _mm_storeu_si128((__m128i *) h, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *) (h + 4), _mm_alignr_epi8(dchg, feba, 8));
}


/* Four rounds, of which wk are the message words with their constants. */

CONTENT_SHA256_TARGET
static inline void
content_sha256_rounds(content_sha256_chain_t *chain, __m128i wk)
{
    chain->cdgh = _mm_sha256rnds2_epu32(chain->cdgh, chain->abef, wk);
    chain->abef = _mm_sha256rnds2_epu32(chain->abef, chain->cdgh,
                                        _mm_shuffle_epi32(wk, 0x0e));
}


/* b may be NULL. */

CONTENT_SHA256_TARGET
static void
content_sha256_blocks(uint32_t *a, uint32_t *b, const unsigned char *data,
    size_t blocks)
{
    int                      i;
    __m128i                  w[4], wk, order, next;
    content_sha256_chain_t   one, two, one_was, two_was;

    order = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);

    one = content_sha256_load(a);
    two = content_sha256_load(b ? b : a);

    for ( /* void */ ; blocks; blocks--, data += CONTENT_SHA256_BLOCK) {
        one_was = one;
        two_was = two;

#pragma GCC unroll 16
        for (i = 0; i < 16; i++) {
            if (i < 4) {
                next = _mm_loadu_si128((const __m128i *) data + i);
                next = _mm_shuffle_epi8(next, order);

            } else {
                next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) % 4],
                                                           w[(i + 2) % 4], 4));
                next = _mm_sha256msg2_epu32(next, w[(i + 3) % 4]);
            }

            w[i % 4] = next;
            wk = _mm_add_epi32(next, _mm_load_si128(
                              (const __m128i *) &content_sha256_k[4 * i]));

            content_sha256_rounds(&one, wk);
            content_sha256_rounds(&two, wk);
        }

        one.abef = _mm_add_epi32(one.abef, one_was.abef);
        one.cdgh = _mm_add_epi32(one.cdgh, one_was.cdgh);
        two.abef = _mm_add_epi32(two.abef, two_was.abef);
        two.cdgh = _mm_add_epi32(two.cdgh, two_was.cdgh);
    }

    content_sha256_store(a, one);

    if (b) {
        content_sha256_store(b, two);
    }
}

#else

static int
content_sha256_supported(void)
{
    return 0;
}


static void
content_sha256_blocks(uint32_t *a, uint32_t *b, const unsigned char *data,
    size_t blocks)
{
    /* never called */
}

#endif
