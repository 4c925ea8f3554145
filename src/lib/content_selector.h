/*
 * Purges by tag and by prefix, without a walk: for each tag and each prefix
 * there is a place in a table, which holds the number of the last purge that
 * named it.  A record carries the number of the last purge before it was read.
 * It is purged if one of its own places holds a higher one; most records need
 * no look, because there was no purge since.
 *
 * Places are shared by chance: then a record goes that need not have gone.
 */

#ifndef CONTENT_SELECTOR_H
#define CONTENT_SELECTOR_H

#include "lib/content_str.h"


#define CONTENT_SELECTOR_HALF    65536   /* a power of two */
#define CONTENT_SELECTOR_PLACES  (2 * CONTENT_SELECTOR_HALF)

/* One table a memory; zeroed at first.  Tags first, then prefixes. */

typedef struct {
    uint32_t  numbers[CONTENT_SELECTOR_PLACES];
} content_selectors_t;


/*
 * The place of a tag, which ignores case, or of a prefix of keys: bytes, which
 * need not end at a "/".  A purge writes its number there, which is higher
 * than all before.
 */
uint32_t content_selector_tag(uint64_t store, content_str_t tag);
uint32_t content_selector_prefix(uint64_t store, content_str_t prefix);

/*
 * Whether a record was purged since the purge with that number; tags as in
 * Cache-Tag.
 */
int content_selector_purged(const content_selectors_t *selectors,
    uint64_t store, content_str_t key, content_str_t tags, uint32_t since);

/*
 * The prefix of keys that "host/path" of a purge means, in the text: CONTENT_OK,
 * or CONTENT_ERROR: it means all keys, or can't be told.
 */
int content_selector_path(content_str_t text, content_str_t *prefix);


#endif
