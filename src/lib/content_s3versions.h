/*
 * The XML of S3's ListObjectVersions and GetBucketVersioning (Amazon S3 API
 * Reference).
 */

#ifndef CONTENT_S3VERSIONS_H
#define CONTENT_S3VERSIONS_H

#include "lib/content_str.h"


/* One <Version> or <DeleteMarker>; the slices live as long as the call. */

typedef struct {
    content_str_t    key;                /* decoded */
    content_str_t    id;
    content_str_t    etag;               /* empty if deleted */
    content_str_t    last_modified;      /* for content_date_parse() */
    int64_t          size;               /* bytes; -1 if deleted */
    unsigned         latest:1;
    unsigned         deleted:1;          /* it marks a deletion */
} content_s3version_t;

typedef int (*content_s3versions_pt)(void *data,
    const content_s3version_t *version);

/*
 * Calls version for each, in the order of the document, once it is known to be
 * whole.  Ask for encoding-type=url, as for a listing of objects.
 * Returns CONTENT_OK with *truncated, CONTENT_ERROR, or what version returned.
 */
int content_s3versions_list(content_str_t body, content_s3versions_pt version,
    void *data, unsigned *truncated);

/*
 * Whether the bucket keeps versions, or has kept some: *kept.
 * Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_s3versions_kept(content_str_t body, unsigned *kept);


#endif
