/*
 * The body of POST /-/delete: {"keys": ["a", "docs/b.html"]}.
 */

#ifndef CONTENT_BATCH_H
#define CONTENT_BATCH_H

#include "lib/content_str.h"


#define CONTENT_BATCH_KEYS_MAX  1000        /* what S3 deletes at once */


/* Takes one key; anything but CONTENT_OK ends the parse and is returned. */
typedef int (*content_batch_pt)(void *data, content_str_t key);


/*
 * Checks all of the document, then calls take for each key, in their order:
 * 1 to CONTENT_BATCH_KEYS_MAX of them, each valid (content_key_check()), none
 * of them twice.  The keys live as long as the call.
 * Returns CONTENT_OK; CONTENT_ERROR with the reason in why, which is empty
 * when there was no memory; or what take returned.
 */
int content_batch_parse(content_str_t json, content_batch_pt take, void *data,
    char *why, size_t why_size);


#endif
