/*
 * A job of purges as text, to be kept where it outlives nginx:
 *
 *     "1 TARGET REPEAT\n"        8 digits of the zone at the CDN; "r" or "-"
 *     "KIND VALUE\n"             each item; u, t, p, h, or * without a value
 *
 * Values are printable ASCII, as those of lib/content_purge_value.h.
 */

#ifndef CONTENT_OWED_H
#define CONTENT_OWED_H

#include "lib/content_purge.h"


typedef struct {
    uint32_t       target;
    int            repeat;               /* each item is owed twice */
    content_str_t  items;                /* for content_owed_next() */
} content_owed_t;

#define CONTENT_OWED_HEAD  13            /* bytes; and of an item, beside its */
#define CONTENT_OWED_ITEM  3             /* value */


/* Each returns CONTENT_OK, or CONTENT_OVERFLOW. */
int content_owed_head(content_out_t *out, uint32_t target, int repeat);
int content_owed_item(content_out_t *out, const content_purge_item_t *item);

/* Returns CONTENT_OK, or CONTENT_ERROR: it is none of this version. */
int content_owed_read(content_str_t text, content_owed_t *owed);

/*
 * Takes the next item off owed->items, with its value in the text: CONTENT_OK,
 * CONTENT_ERROR (damaged), or CONTENT_OWED_END.
 */
#define CONTENT_OWED_END  1

int content_owed_next(content_owed_t *owed, content_purge_item_t *item);


#endif
