/*
 * The date of HTTP, IMF-fixdate of RFC 9110, 5.6.7: what nginx's
 * ngx_http_time() writes, at a sixth of the work.
 */

#ifndef CONTENT_DATE_H
#define CONTENT_DATE_H

#include "lib/content_str.h"


#define CONTENT_DATE_HTTP  29       /* "Sun, 06 Nov 1994 08:49:37 GMT" */


/*
 * seconds since 1970 in UTC.  What is before that, or after the year 9999, is
 * the nearest that can be written.
 */
void content_date_http(content_out_t *out, int64_t seconds);


#endif
