/*
 * The XML that S3 speaks: errors, listings, multipart uploads, copies
 * (Amazon S3 API Reference, "Actions").
 *
 * Each reader takes a whole document in one buffer, reads it with expat, and
 * takes what it needs by the path of the element, so that it does not care
 * about order, namespaces or elements that it does not know.  A document type
 * declaration is refused, and with it every entity but XML's own five; a
 * document that is not well-formed, is cut, or has another root than the one
 * asked for is CONTENT_ERROR.  expat allocates inside a call and has freed all
 * when it returns.  After an error, what a reader was to write is undefined
 * unless it says otherwise.
 */

#ifndef CONTENT_S3XML_H
#define CONTENT_S3XML_H

#include "lib/content_key.h"
#include "lib/content_str.h"


#define CONTENT_S3XML_TOKEN_MAX  4096


/*
 * <Error>: its code, such as "NoSuchKey", and its message for the log, cut
 * to what buf has left and to some hundred bytes.  Both point into buf, which
 * has size bytes.  A body that is empty, as in answers to HEAD, gives both
 * empty and CONTENT_OK.
 * Returns CONTENT_OK; CONTENT_ERROR when the body is not an S3 error, as when
 * a proxy answered; CONTENT_OVERFLOW when the code does not fit.
 */
int content_s3xml_error(content_str_t body, content_str_t *code,
    content_str_t *message, char *buf, size_t size);

/*
 * The <Region> of such an error: where the bucket is.  Returns CONTENT_OK,
 * CONTENT_ERROR (there is none) or CONTENT_OVERFLOW.
 */
int content_s3xml_region(content_str_t body, content_out_t *region);


/* One <Contents> of a listing; the slices live as long as the call. */

typedef struct {
    content_str_t    key;                /* decoded */
    int64_t          size;               /* bytes */
    content_str_t    etag;               /* as sent, with quotes if any */
    content_str_t    last_modified;      /* for content_date_parse() */
} content_s3xml_entry_t;


/*
 * What to do with the entries of a listing, in the order of the document.
 * Anything but CONTENT_OK ends the listing and is what it returns.  Either
 * function may be NULL.
 */

typedef struct {
    int            (*object)(void *data, const content_s3xml_entry_t *entry);
    int            (*prefix)(void *data, content_str_t prefix);
    void            *data;
} content_s3xml_visitor_t;


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

    unsigned char    token[CONTENT_S3XML_TOKEN_MAX];
    unsigned char    marker[CONTENT_KEY_MAX];
} content_s3xml_page_t;


/*
 * A listing, of ListObjectsV2 or ListObjects.
 *
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
int content_s3xml_list(content_str_t body, content_s3xml_page_t *page,
    const content_s3xml_visitor_t *visitor);


/*
 * A key of a listing, decoded if the document's <EncodingType> is url, into
 * buf of CONTENT_KEY_MAX bytes.  CONTENT_OK or CONTENT_ERROR.
 */
int content_s3xml_key(content_str_t text, unsigned encoded, unsigned char *buf,
    content_str_t *key);


/*
 * CreateMultipartUpload: writes the upload's id.
 * Returns CONTENT_OK; CONTENT_ERROR when there is none; CONTENT_OVERFLOW.
 */
int content_s3xml_upload_id(content_str_t body, content_out_t *id);

/*
 * CompleteMultipartUpload, CopyObject and UploadPartCopy: write the ETag.  S3 sends
 * the status 200 before it knows the outcome, so only the ETag means success
 * (Ceph completes with an empty one: ask by HEAD then); an <Error> gives CONTENT_ERROR with its code in code, which stays empty
 * for a document that is cut or is something else.
 * Returns CONTENT_OK, CONTENT_ERROR or CONTENT_OVERFLOW.
 */
int content_s3xml_completed(content_str_t body, content_out_t *etag,
    content_out_t *code);
int content_s3xml_copied(content_str_t body, content_out_t *etag,
    content_out_t *code);
int content_s3xml_part_copied(content_str_t body, content_out_t *etag,
    content_out_t *code);


/*
 * The body of CompleteMultipartUpload: begin, each part in ascending order,
 * end.  The ETag is the one that UploadPart answered, with its quotes.  A
 * part takes at most CONTENT_S3XML_PART_SIZE + 6 * etag.len bytes, begin and
 * end together as many.
 */
#define CONTENT_S3XML_PART_SIZE  128

void content_s3xml_parts_begin(content_out_t *out);
void content_s3xml_part(content_out_t *out, unsigned number,
    content_str_t etag);
void content_s3xml_parts_end(content_out_t *out);


#endif
