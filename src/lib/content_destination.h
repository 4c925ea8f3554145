/*
 * The Destination header of COPY and MOVE (RFC 4918, 10.3).
 */

#ifndef CONTENT_DESTINATION_H
#define CONTENT_DESTINATION_H

#include "lib/content_str.h"


#define CONTENT_DESTINATION_ELSEWHERE  -3


/*
 * Takes the key out of an http or https URL, or out of a path that begins with
 * "/".  host: the request's, without its port; the URL has to name it.  A port
 * is not compared, nor the scheme: proxies in front change both.
 *
 * key: CONTENT_KEY_MAX bytes are enough; empty for the path "/".
 * Returns CONTENT_OK; CONTENT_ERROR with *why, a text of static storage that
 * completes "Destination: ..."; or CONTENT_DESTINATION_ELSEWHERE: another host.
 */
int content_destination(content_str_t value, content_str_t host,
    content_out_t *key, const char **why);


#endif
