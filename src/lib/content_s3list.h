/*
 * A listing of a bucket, of ListObjectsV2 or ListObjects (Amazon S3 API
 * Reference).  The documents are read as those of content_s3xml.h.
 */

#ifndef CONTENT_S3LIST_H
#define CONTENT_S3LIST_H

#include "lib/content_s3xml.h"


/* One <Contents> of a listing; the slices live as long as the call. */

typedef struct {
    content_str_t    key;                /* decoded */
    int64_t          size;               /* bytes */
    content_str_t    etag;               /* as sent, with quotes if any */
    content_str_t    last_modified;      /* for content_date_parse() */
} content_s3list_entry_t;


/*
 * What to do with the entries of a listing, in the order of the document.
 * Anything but CONTENT_OK ends the listing and is what it returns.  Either
 * function may be NULL.
 */

typedef struct {
    int            (*object)(void *data, const content_s3list_entry_t *entry);
    int            (*prefix)(void *data, content_str_t prefix);
    void            *data;
} content_s3list_visitor_t;


/*
 * What a listing says about itself.  The slices point into the struct, which
 * therefore must not be copied.
 */

typedef struct {
    unsigned         truncated:1;        /* there is more */
    unsigned         encoded:1;          /* keys came with encoding-type=url */

    content_str_t    next_token;         /* of version 2: to be sent back as
                                            continuation-token, as it is */
    content_str_t    next_marker;        /* of version 1, decoded; S3 sends it
                                            with a delimiter only */

    unsigned char    token[CONTENT_S3XML_TEXT_MAX];
    unsigned char    marker[CONTENT_KEY_MAX];
} content_s3list_page_t;


/*
 * Ask for encoding-type=url: without it, keys with characters that XML 1.0
 * cannot say make the document unreadable.  Whether keys are decoded depends
 * on the <EncodingType> of the answer, as some servers ignore the parameter.
 * Decoding takes "%XX" for a byte and "+" for a space: S3 sends a space as
 * "+", Ceph as "%20", and both a plus as "%2B".
 *
 * The document is read twice, first for *page, which some servers send after
 * the entries: so no entry is visited unless the document is whole.
 * Keys are not held against content_key_check(): what others put into the
 * bucket is for the visitor to judge.
 *
 * Returns CONTENT_OK, CONTENT_ERROR, or what the visitor returned.  A key of
 * more than CONTENT_KEY_MAX bytes is an error; S3 has none.
 */
int content_s3list_read(content_str_t body, content_s3list_page_t *page,
    const content_s3list_visitor_t *visitor);


#endif
