/*
 * JSON from outside, parsed by jansson, which says of a text that it had no
 * memory for the same as of one that is malformed.
 */

#ifndef CONTENT_JSON_H
#define CONTENT_JSON_H

#include <jansson.h>

#include "lib/content_str.h"


/*
 * Of two members with one name a parser may see either: such a text is refused
 * (RFC 8259, 4), as json_error_duplicate_key.
 * CONTENT_OK: *root is the caller's.  CONTENT_ERROR: malformed, see *error.
 * CONTENT_OVERFLOW: no memory.
 */
int content_json_parse(content_str_t text, json_t **root, json_error_t *error);


#endif
