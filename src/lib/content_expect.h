/*
 * What a client says that the body of its PUT hashes to, and whether it does:
 * Content-Digest and Repr-Digest (RFC 9530), Content-MD5 (RFC 1864), and
 * x-amz-checksum-sha256 (S3's "Checking object integrity").
 *
 * All of them speak of the same bytes: a PUT carries the whole representation,
 * content codings included (RFC 9530, 2 and 3), and that is what is stored.
 * Whoever has the bytes computes the digests that are asked for.
 */

#ifndef CONTENT_EXPECT_H
#define CONTENT_EXPECT_H

#include "lib/content_digest.h"


#define CONTENT_EXPECT_TEXT  320     /* of content_expect_check(), at most */


/* Zeroed: nothing is expected. */

typedef struct {
    content_digest_t  content;       /* Content-Digest */
    content_digest_t  repr;          /* Repr-Digest */
    unsigned          has_md5:1;     /* Content-MD5 */
    unsigned          has_amz:1;     /* x-amz-checksum-sha256 */
    unsigned char     md5[CONTENT_MD5_SIZE];
    unsigned char     amz[CONTENT_SHA256_SIZE];
} content_expect_t;


/* The digests of a body; those that nothing is expected of are not read. */

typedef struct {
    unsigned char     sha256[CONTENT_SHA256_SIZE];
    unsigned char     sha512[CONTENT_SHA512_SIZE];
    unsigned char     md5[CONTENT_MD5_SIZE];
} content_computed_t;


/*
 * Takes one request header (name in lower case) if it is one of the four;
 * several lines of a digest field are one dictionary.  The two others may
 * come once.  Algorithms other than sha-256 and sha-512 are skipped.
 * Returns CONTENT_OK, also for any other header, or CONTENT_ERROR when the
 * value is malformed.
 */
int content_expect_header(content_expect_t *expect, content_str_t name,
    content_str_t value);

/* A SHA-256 that is expected, or NULL (the first, of several). */
const unsigned char *content_expect_sha256(const content_expect_t *expect);

/* Which of the others have to be computed? */
int content_expect_sha512(const content_expect_t *expect);
int content_expect_md5(const content_expect_t *expect);

/*
 * CONTENT_OK when all that is expected holds; else CONTENT_ERROR, and out
 * names the first header that does not, with both values in base64.
 */
int content_expect_check(const content_expect_t *expect,
    const content_computed_t *computed, content_out_t *out);


#endif
