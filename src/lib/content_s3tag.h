/*
 * The SHA-256 of an object as one of its tags (Amazon S3 API Reference,
 * PutObjectTagging and GetObjectTagging), for objects whose metadata had to be
 * sent before the digest was known:
 *
 *     content-sha256 = 64 digits ":" the ETag without its quotes
 *
 * Tags can be set at any time, also after somebody else has replaced the
 * object: so the tag says whose digest it is, and is believed for that ETag
 * only.
 */

#ifndef CONTENT_S3TAG_H
#define CONTENT_S3TAG_H

#include "lib/content_digest.h"
#include "lib/content_str.h"


#define CONTENT_S3TAG_SIZE  512          /* of content_s3tag_write() */


/*
 * The body of PutObjectTagging.  CONTENT_OK; CONTENT_ERROR when a tag can't
 * hold the ETag: for its length or its characters.
 */
int content_s3tag_write(content_out_t *out,
    const unsigned char sha256[CONTENT_SHA256_SIZE], content_str_t etag);

/*
 * The digest in an answer to GetObjectTagging.  CONTENT_OK; CONTENT_ERROR when
 * there is none for this ETag, or the document is another one.
 */
int content_s3tag_read(content_str_t body, content_str_t etag,
    unsigned char sha256[CONTENT_SHA256_SIZE]);


#endif
