/*
 * What a purge may name: URLs, tags, prefixes and hosts that Cloudflare takes
 * (developers.cloudflare.com/cache/how-to/purge-cache).
 */

#ifndef CONTENT_PURGE_VALUE_H
#define CONTENT_PURGE_VALUE_H

#include "lib/content_purge.h"


#define CONTENT_PURGE_URL_MAX      4096    /* bytes, of a prefix too: a key of
                                              1,024 bytes all encoded, a host
                                              and a query */
#define CONTENT_PURGE_TAG_MAX      1024    /* Cloudflare: through the API */
#define CONTENT_PURGE_HOST_MAX      253    /* RFC 1035, 2.3.4 as text */
#define CONTENT_PURGE_SLASHES_MAX    31    /* Cloudflare: in a prefix */


/*
 * What is wrong with a value of that kind, for the editor ("contains a
 * space"), or NULL.  kind: all but CONTENT_PURGE_EVERYTHING.
 */
const char *content_purge_value_check(content_purge_kind_t kind,
    content_str_t value);


#endif
