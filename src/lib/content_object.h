/*
 * An object as the store knows it: its metadata, without its bytes, and the
 * record that carries metadata (and, when it is small, the body) through
 * Redis, shared memory and the head of a file of the file store.
 *
 * All strings are slices of memory that somebody else owns: of the pool that
 * the object was built in, or of the buffer that a record was decoded from.
 */

#ifndef CONTENT_OBJECT_H
#define CONTENT_OBJECT_H

#include "lib/content_digest.h"
#include "lib/content_str.h"


#define CONTENT_OBJECT_META_MAX   32      /* x-content-meta-* of one object */
#define CONTENT_OBJECT_META_SIZE  2048    /* their names and values in all:
                                             S3's limit on user metadata */

#define CONTENT_RECORD_PREFIX     12      /* bytes that tell a head's size */
#define CONTENT_RECORD_HEAD_MAX   65536   /* bytes before the body, at most */


typedef struct {
    content_str_t    name;              /* lower case, without the prefix */
    content_str_t    value;
} content_field_t;


typedef struct {
    content_str_t    etag;              /* strong, with its quotes */
    int64_t          size;              /* bytes */
    int64_t          mtime;             /* seconds since 1970, Last-Modified */

    unsigned         has_sha256:1;
    unsigned char    sha256[CONTENT_SHA256_SIZE];  /* of the body as stored */

    content_str_t    type;              /* Content-Type; empty: none sent */
    content_str_t    encoding;          /* Content-Encoding */
    content_str_t    language;          /* Content-Language */
    content_str_t    disposition;       /* Content-Disposition */
    content_str_t    cache_control;     /* Cache-Control as in the PUT */
    content_str_t    tags;              /* Cache-Tag as stored: "a,b,c" */

    unsigned         nmeta;
    content_field_t  meta[CONTENT_OBJECT_META_MAX];
} content_object_t;


/*
 * An object of which nothing is known yet: size and mtime are -1, all else is
 * empty.  What lies in meta[] stays: nmeta says how many of them there are.
 */
void content_object_init(content_object_t *object);

/* The bytes of *object that are in use: so many are a copy of it. */
size_t content_object_size(const content_object_t *object);

/*
 * The bytes that content_record_encode() writes before the body: the head.
 * An object can be encoded when this is at most CONTENT_RECORD_HEAD_MAX.
 */
size_t content_record_size(const content_object_t *object);

/*
 * Writes a record: its head (a magic with the format's version, the head's
 * length, a checksum of the head, the metadata) and, if body is not NULL, the
 * body, which is the whole object: body->len == object->size.  A record
 * without a body says so, which is not the same as an empty body.  Names of
 * meta fields are written in lower case.
 * Returns CONTENT_OK, CONTENT_OVERFLOW, or CONTENT_ERROR (nothing written)
 * for an object that no record can carry: more than CONTENT_OBJECT_META_MAX
 * meta fields, a head over CONTENT_RECORD_HEAD_MAX, a negative size, or a
 * body of another length than size.
 */
int content_record_encode(content_out_t *out, const content_object_t *object,
    const content_str_t *body);

/*
 * The same in version 1, which every version reads, and without the body: for
 * what is kept for good, in a place that an older version may have to read
 * from.
 */
int content_record_encode_first(content_out_t *out,
    const content_object_t *object);

/*
 * The length of a record's head, from its first CONTENT_RECORD_PREFIX bytes:
 * for a reader that has only read a part of a file.  Not yet proved by the
 * checksum, but never over CONTENT_RECORD_HEAD_MAX.
 * Returns CONTENT_OK, or CONTENT_ERROR when no record begins here.
 */
int content_record_head(content_str_t data, size_t *len);

/*
 * Reads a record, of version 1 or 2; the slices of *object and *body point into
 * data.  When the record has no body, body->data is NULL.  Trailing bytes after the record
 * are an error unless rest is not NULL: then *rest takes them (the file
 * store's body follows its record).
 * Returns CONTENT_OK, or CONTENT_ERROR for anything that this version did not
 * write: another version, a length out of bounds, a cut record, a head that
 * its checksum does not fit (the body has no checksum here).  After an error
 * *object, *body and *rest hold nothing of use.
 */
int content_record_decode(content_str_t data, content_object_t *object,
    content_str_t *body, content_str_t *rest);

/*
 * The same of a head alone, which may lie in another place than what follows
 * it: *has_body tells whether that begins with the object's bytes.
 */
int content_record_decode_head(content_str_t head, content_object_t *object,
    int *has_body);


#endif
