/*
 * The XML that S3 speaks: errors, multipart uploads, copies, and what
 * the readers of other documents have in common
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
#include "lib/content_xml.h"


#define CONTENT_S3XML_TEXT_MAX  4096     /* bytes of a text that is read */


/* content_xml_walk() with room for such texts. */
int content_s3xml_walk(content_str_t body, content_xml_element_t element,
    void *data);


/*
 * <Error>: its code, such as "NoSuchKey", and its message for the log, cut
 * to what buf has left and to some hundred bytes; neither has a control
 * character.  Both point into buf, which has size bytes.  A body that is empty, as in answers to HEAD, gives both
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


/*
 * A key of a listing, decoded if the document's <EncodingType> is url, into
 * buf of CONTENT_KEY_MAX bytes.  CONTENT_OK or CONTENT_ERROR.
 */
int content_s3xml_key(content_str_t text, unsigned encoded, unsigned char *buf,
    content_str_t *key);


/*
 * CreateMultipartUpload: writes the upload's id.  It, regions and ETags are
 * visible ASCII, as they go into headers and queries: anything else is an
 * error.
 * Returns CONTENT_OK; CONTENT_ERROR when there is none; CONTENT_OVERFLOW.
 */
int content_s3xml_upload_id(content_str_t body, content_out_t *id);

/*
 * CompleteMultipartUpload, CopyObject and UploadPartCopy: write the ETag.
 * S3 sends the status 200 before it knows the outcome, so only the ETag means
 * success (Ceph completes with an empty one: ask by HEAD then); an <Error>
 * gives CONTENT_ERROR with its code in code, which stays empty for a document
 * that is cut or is something else.
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
