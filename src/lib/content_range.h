/*
 * Ranges and entity tags of requests (RFC 9110, 8.8.3, 13.1, 14).  GET asks
 * these where nginx's own filters can't: before the bytes are fetched from a
 * store that is asked for a range itself, and before a write.
 */

#ifndef CONTENT_RANGE_H
#define CONTENT_RANGE_H

#include "lib/content_str.h"


#define CONTENT_RANGE_NONE           0     /* answer the whole object */
#define CONTENT_RANGE_OK             1     /* 206 with *first .. *last */
#define CONTENT_RANGE_SEVERAL        2     /* 206 with parts */
#define CONTENT_RANGE_UNSATISFIABLE  3     /* 416 */

#define CONTENT_RANGE_HEADER_SIZE    80    /* bytes: any Content-Range fits */

/* What content_range_write() writes of a header of len bytes, at most. */
#define CONTENT_RANGE_SET_SIZE(len)  ((len) * 20)


/*
 * Reads a Range header for an object of size bytes (>= 0), of which at most
 * max ranges are answered (0: none).
 *
 * Ranges that are beyond the end do not count; CONTENT_RANGE_UNSATISFIABLE if
 * all are.  If one is left, that is *first .. *last, 0 <= *first <= *last <
 * size, cut at the end of the object: CONTENT_RANGE_OK, whatever came along.
 *
 * CONTENT_RANGE_NONE, as RFC 9110, 14.2 allows or wants: no header (an empty
 * one), another unit, anything malformed in any of the ranges, more ranges than
 * max, ranges that together are longer than the object, and any range of an
 * empty object: some clients ask for "bytes=0-" whatever comes, and a suffix is
 * satisfiable but has no bytes to put into a Content-Range.  Numbers may have
 * any length.
 */
int content_range_parse(content_str_t header, int64_t size, uint64_t max,
    int64_t *first, int64_t *last);

/*
 * The same header (one that is not CONTENT_RANGE_NONE) in the one form that
 * every reader takes alike: "bytes=0-9,20-29", cut at the end, without what is
 * beyond it; if all is, "bytes=SIZE-".
 */
void content_range_write(content_out_t *out, content_str_t header,
    int64_t size);

/*
 * Whether an If-Range that was sent lets the Range count (RFC 9110, 13.1.5): it
 * is the object's strong entity tag, or a date that is the object's mtime
 * exactly.  A weak tag never matches.
 * date is what the text means in seconds since 1970, -1 when it is no date.
 */
int content_range_if(content_str_t if_range, content_str_t etag,
    int64_t mtime, int64_t date);

/* The value of Content-Range in a 206: "bytes 0-9/10". */
void content_range_header(content_out_t *out, int64_t first, int64_t last,
    int64_t size);

/* The value of Content-Range in a 416: a star for the range, "/10". */
void content_range_unsatisfied(content_out_t *out, int64_t size);

/*
 * Whether that is one entity tag, weak or strong, of visible ASCII: what another
 * server calls an ETag may be anything.  Characters beyond ASCII, which RFC
 * 9110, 8.8.3 has for historical reasons, are none here.
 */
int content_etag_check(content_str_t etag);

/*
 * Whether a list of entity tags, as in If-Match and If-None-Match, has the
 * object's.  etag is empty when there is no object: nothing matches then.  A
 * star matches any object.  With weak, W/ is ignored (If-None-Match of GET:
 * RFC 9110, 13.1.2); else tags match only if neither is weak (If-Match,
 * 13.1.1).  Malformed members match nothing.
 */
int content_etag_match(content_str_t header, content_str_t etag, int weak);


#endif
