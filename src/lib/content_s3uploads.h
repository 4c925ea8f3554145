/*
 * Multipart uploads that are under way: what ListMultipartUploads and
 * ListParts say of them (Amazon S3 API Reference, "Actions"), and which of
 * them may be given up.
 *
 * The documents are read as those of content_s3xml.h.
 */

#ifndef CONTENT_S3UPLOADS_H
#define CONTENT_S3UPLOADS_H

#include "lib/content_key.h"
#include "lib/content_s3xml.h"
#include "lib/content_str.h"


#define CONTENT_S3UPLOADS_ID_MAX  1024


/* One <Upload>; the slices live as long as the call of the visitor. */

typedef struct {
    content_str_t    key;                /* decoded */
    content_str_t    id;
    content_str_t    initiator;          /* its ID; empty: was not told */
    int64_t          initiated;          /* seconds since 1970, S3's clock */
} content_s3upload_t;

/* Anything but CONTENT_OK ends the listing and is what it returns. */
typedef int (*content_s3uploads_visit_t)(void *data,
    const content_s3upload_t *upload);


/*
 * What a listing says about itself.  The slices point into the struct, which
 * therefore must not be copied.
 */

typedef struct {
    unsigned         truncated:1;        /* there is more, behind: */
    unsigned         encoded:1;
    content_str_t    next_key;           /* key-marker */
    content_str_t    next_id;            /* upload-id-marker */

    unsigned char    key[CONTENT_KEY_MAX];
    unsigned char    sent[CONTENT_S3XML_TEXT_MAX];
    unsigned char    id[CONTENT_S3UPLOADS_ID_MAX];
} content_s3uploads_page_t;


/*
 * ListMultipartUploads, asked for with encoding-type=url.  encoded: keys are,
 * even if the document does not say so.  No upload is visited unless the
 * document is whole.
 * Returns CONTENT_OK, CONTENT_ERROR, or what the visitor returned.
 */
int content_s3uploads_list(content_str_t body, unsigned encoded,
    content_s3uploads_page_t *page, content_s3uploads_visit_t visit,
    void *data);


typedef struct {
    unsigned         truncated:1;        /* there is more, behind: */
    int64_t          next;               /* part-number-marker */
    int64_t          newest;             /* when the last part came; 0: none */
} content_s3parts_t;

/* A page of ListParts.  Returns CONTENT_OK or CONTENT_ERROR. */
int content_s3uploads_parts(content_str_t body, content_s3parts_t *parts);


/*
 * Whether two initiators are one: the same ID; of an assumed role of AWS, any
 * session of it, for a session is named after a machine or a moment.  Where a
 * server does not tell, anybody may be it.
 */
int content_s3uploads_same(content_str_t a, content_str_t b);


#endif
