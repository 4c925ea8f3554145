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

#include "lib/content_str.h"


#define CONTENT_OBJECT_META_MAX   32      /* x-content-meta-* of one object */
#define CONTENT_OBJECT_META_SIZE  2048    /* their names and values in all:
                                             S3's limit on user metadata */

typedef struct {
    content_str_t    name;               /* lower case, without the prefix */
    content_str_t    value;
} content_field_t;


typedef struct {
    content_str_t    etag;               /* strong, with its quotes */
    int64_t          size;               /* bytes */
    int64_t          mtime;              /* seconds since 1970, Last-Modified */

    unsigned         has_sha256:1;
    unsigned char    sha256[32];         /* of the body as stored */

    content_str_t    type;               /* Content-Type; empty: none was sent */
    content_str_t    encoding;           /* Content-Encoding */
    content_str_t    language;           /* Content-Language */
    content_str_t    disposition;        /* Content-Disposition */
    content_str_t    cache_control;      /* Cache-Control as sent with the PUT */
    content_str_t    tags;               /* Cache-Tag as stored: "a,b,c" */

    unsigned         nmeta;
    content_field_t  meta[CONTENT_OBJECT_META_MAX];
} content_object_t;


/* The most bytes that content_record_encode() writes before the body. */
size_t content_record_size(const content_object_t *object);

/*
 * Writes a record: a magic with the format's version, the metadata, the
 * length of the body and, if body is not NULL, the body.  A record without a
 * body says so, which is not the same as an empty body.
 * Returns CONTENT_OK or CONTENT_OVERFLOW.
 */
int content_record_encode(content_out_t *out, const content_object_t *object,
    const content_str_t *body);

/*
 * Reads a record; the slices of *object and *body point into data.  When the
 * record has no body, body->data is NULL.  Trailing bytes after the record
 * are an error unless rest is not NULL: then *rest takes them (the file
 * store's body follows its record).
 * Returns CONTENT_OK, or CONTENT_ERROR for anything that this version did not
 * write: another version, a length out of bounds, a cut record.
 */
int content_record_decode(content_str_t data, content_object_t *object,
    content_str_t *body, content_str_t *rest);


#endif
