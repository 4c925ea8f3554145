/*
 * Keys: how a request's path names an object.
 *
 * A key is the percent-decoded path without its leading "/": valid UTF-8, at
 * most CONTENT_KEY_MAX bytes, no control characters, no "." or ".." segment.
 * It is decoded once, here, and encoded once, by content_key_encode(), on the
 * way to S3 and to the CDN: every spelling of a path in between is a bug of
 * somebody's cache.  Nothing is normalized besides: "//" and a trailing "/"
 * are part of a key, "+" is a plus, and the path "//a" names the key "/a".
 */

#ifndef CONTENT_KEY_H
#define CONTENT_KEY_H

#include "lib/content_str.h"


#define CONTENT_KEY_MAX      1024        /* bytes: S3's limit on a key */
#define CONTENT_KEY_TAG_LEN  21
#define CONTENT_KEY_HASH_LEN 32


/*
 * Decodes a raw request path, with its leading "/" and without its query.
 * Returns CONTENT_OK; CONTENT_ERROR, when *why is a text of static storage
 * that completes "the key is ..." or "the key has ..." and out is as it was;
 * or CONTENT_OVERFLOW, which a buffer of CONTENT_KEY_MAX bytes rules out.
 */
int content_key_decode(content_str_t path, content_out_t *out,
    const char **why);

/*
 * The same rules for a key that is decoded already, such as one from a
 * listing or from JSON.  Returns CONTENT_OK, or CONTENT_ERROR with *why.
 */
int content_key_check(content_str_t key, const char **why);

/*
 * The same for what keys begin with, one byte at least: a "." or ".." at its end
 * may go on.
 */
int content_key_check_beginning(content_str_t text, const char **why);

/*
 * Percent-encodes a key for a URI's path as S3 wants it signed: letters,
 * digits, "-._~" and "/" stay, other bytes become %XX in upper case (Amazon
 * S3 API Reference, "Signature Calculations for the Authorization Header",
 * UriEncode).  Writes at most 3 * key.len bytes.
 */
void content_key_encode(content_out_t *out, content_str_t key);

/* The same with "/" encoded too: names and values of a query. */
void content_key_encode_component(content_out_t *out, content_str_t text);

/* Whether a byte is one that both leave alone (RFC 3986, 2.3). */
int content_key_unreserved(unsigned char c);

/* The SHA-256 of a key: made once a request, for all that is named by it. */
void content_key_hash(content_str_t key,
    unsigned char hash[CONTENT_KEY_HASH_LEN]);

/*
 * An object's own cache tag: "c" and the first 20 hexadecimal digits of the
 * key's SHA-256, without a NUL.  A CDN's tags are short, printable and
 * case-insensitive, which keys are not.
 */
void content_key_tag(const unsigned char hash[CONTENT_KEY_HASH_LEN],
    unsigned char tag[CONTENT_KEY_TAG_LEN]);


#endif
