/*
 * Bodies of error answers: application/problem+json (RFC 9457).
 */

#ifndef CONTENT_PROBLEM_H
#define CONTENT_PROBLEM_H

#include "lib/content_str.h"


/*
 * The reason phrase of a status (RFC 9110, 15; RFC 6585; RFC 4918 for 507),
 * or "Error" for one that is not known.
 */
const char *content_problem_title(int status);

/*
 * Writes {"title":"Not Found","status":404,"detail":"...","key":"..."}; an
 * empty detail or key leaves the member out.  "type" is left out always: then
 * it is "about:blank", and the title is the reason phrase (RFC 9457, 4.2.1).
 * detail and key may be any bytes: each that is not part of well-formed UTF-8
 * becomes U+FFFD.  Nothing longer than CONTENT_PROBLEM_MAX(bytes) is written,
 * bytes being those of detail and key.
 */
void content_problem_write(content_out_t *out, int status,
    content_str_t detail, content_str_t key);

#define CONTENT_PROBLEM_MAX(bytes)  (128 + 6 * (bytes))


#endif
