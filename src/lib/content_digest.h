/*
 * Digests as they travel: hexadecimal, base64, and the header fields
 * Content-Digest, Repr-Digest (RFC 9530) and Content-MD5 (RFC 1864).
 *
 * Nothing here computes a digest: SHA-256 of what arrives does
 * content_sha256.h, the others libcrypto.
 */

#ifndef CONTENT_DIGEST_H
#define CONTENT_DIGEST_H

#include "lib/content_str.h"


#define CONTENT_MD5_SIZE          16     /* bytes */
#define CONTENT_SHA256_SIZE       32
#define CONTENT_SHA512_SIZE       64

#define CONTENT_DIGEST_FIELD_LEN  54     /* of content_digest_write() */


/* What a client said that its bytes have to hash to. */

typedef struct {
    unsigned         has_sha256:1;
    unsigned         has_sha512:1;
    unsigned char    sha256[CONTENT_SHA256_SIZE];
    unsigned char    sha512[CONTENT_SHA512_SIZE];
} content_digest_t;


/*
 * Decodes exactly size bytes, that is 2 * size digits of either case.
 * Returns CONTENT_OK or CONTENT_ERROR; bytes is undefined after an error.
 */
int content_digest_unhex(content_str_t hex, unsigned char *bytes, size_t size);

/* The standard alphabet, with padding (RFC 4648, 4). */
void content_digest_base64(content_out_t *out, const void *data, size_t len);

/*
 * Decodes base64 strictly: padded, no white space, and no bits left over in
 * the last digit (RFC 4648, 3.2 to 3.5), so that there is one spelling only.
 * Returns CONTENT_OK, CONTENT_ERROR, or CONTENT_OVERFLOW; after an error out
 * holds a part of the bytes.
 */
int content_digest_unbase64(content_str_t text, content_out_t *out);

/*
 * Adds one line of a Content-Digest or Repr-Digest field to *digest, which
 * starts out zeroed: a dictionary of byte sequences (RFC 9651, 3.2 and 3.3.5).
 * sha-256 and sha-512 are kept, the last one where a key repeats; other
 * algorithms are skipped.  Parameters, of which RFC 9530 defines none, make a
 * field malformed.
 * Returns CONTENT_OK, or CONTENT_ERROR when the field is malformed or a
 * digest has the wrong length.
 */
int content_digest_parse(content_str_t field, content_digest_t *digest);

/*
 * Whether a line of Want-Content-Digest or Want-Repr-Digest asks for sha-256:
 * a dictionary of integers 0 .. 10, of which 0 means "not acceptable"
 * (RFC 9530, 4).  A malformed line asks for nothing.
 */
int content_digest_wanted(content_str_t field);

/* Content-MD5: base64 of 16 bytes.  Returns CONTENT_OK or CONTENT_ERROR. */
int content_digest_md5(content_str_t field,
    unsigned char md5[CONTENT_MD5_SIZE]);

/* Writes "sha-256=:...:", CONTENT_DIGEST_FIELD_LEN bytes. */
void content_digest_write(content_out_t *out,
    const unsigned char sha256[CONTENT_SHA256_SIZE]);

/* Whether len bytes are equal, in a time that does not depend on them. */
int content_digest_eq(const void *a, const void *b, size_t len);


#endif
