/*
 * The XML of S3's DeleteObjects: the request that names keys, and the answer
 * that tells what became of each (Amazon S3 API Reference, "DeleteObjects").
 */

#ifndef CONTENT_S3DELETE_H
#define CONTENT_S3DELETE_H

#include "lib/content_str.h"


/*
 * Whether XML 1.0 can say a key: U+FFFE and U+FFFF it can't, and white space
 * at its ends is not safe with every server.
 */
int content_s3delete_sayable(content_str_t key);

/*
 * The request: begin, each key, end.  A key takes at most
 * CONTENT_S3DELETE_KEY_SIZE + 6 * key.len bytes, begin and end together as
 * many as CONTENT_S3DELETE_SIZE.
 */
#define CONTENT_S3DELETE_SIZE      128
#define CONTENT_S3DELETE_KEY_SIZE  32

void content_s3delete_begin(content_out_t *out);
void content_s3delete_key(content_out_t *out, content_str_t key);
void content_s3delete_end(content_out_t *out);

/*
 * The answer.  Calls result for each key, in the order of the document: code
 * is empty when it was deleted (or was not there), else S3's word for why not.
 * The document is read twice, so that nothing is told of one that is cut.
 * Returns CONTENT_OK, CONTENT_ERROR, or what result returned.
 */
typedef int (*content_s3delete_pt)(void *data, content_str_t key,
    content_str_t code);

int content_s3delete_results(content_str_t body, content_s3delete_pt result,
    void *data);


#endif
