/*
 * Dates as text, in UTC, and seconds since 1970.
 */

#ifndef CONTENT_DATE_H
#define CONTENT_DATE_H

#include "lib/content_str.h"


#define CONTENT_DATE_HTTP   29      /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define CONTENT_DATE_TIME   20      /* "1994-11-06T08:49:37Z" */
#define CONTENT_DATE_BASIC  16      /* "19941106T084937Z" */

#define CONTENT_DATE_LAST   253402300799LL      /* the end of the year 9999 */


/*
 * IMF-fixdate of RFC 9110, 5.6.7: what nginx's ngx_http_time() writes, at a
 * sixth of the work.  What is before 1970, or after the year 9999, is the
 * nearest that can be written.
 */
void content_date_http(content_out_t *out, int64_t seconds);

/*
 * RFC 3339.  A time before year 1 or after year 9999, which has no such form,
 * is written as the first or the last that has.
 */
void content_date_time(content_out_t *out, int64_t seconds);

/* The same in the basic format of ISO 8601, as AWS signs it. */
void content_date_basic(content_out_t *out, int64_t seconds);

/*
 * "2026-11-22T10:00:00.000Z" in seconds since 1970, as S3 and its like write
 * it: years from 1970 to 9999, the fraction is optional and is cut off.
 * Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_date_parse(content_str_t text, int64_t *seconds);


#endif
