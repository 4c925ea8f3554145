/*
 * Purges: the request of an editor, and the body of a call to Cloudflare.
 *
 * A request (POST /-/purge) names what to purge; every selector becomes one
 * item of the queue.  The queue collects items of one kind and makes one call
 * of them.  The job counts what became of the items: content_purge_job.h.
 *
 * What Cloudflare takes: developers.cloudflare.com/api, "Purge Cached
 * Content" and "Invalidate Cached Content" (the same bodies).
 */

#ifndef CONTENT_PURGE_H
#define CONTENT_PURGE_H

#include "lib/content_str.h"


#define CONTENT_PURGE_ITEMS_MAX   10000    /* of one request */


typedef enum {
    CONTENT_PURGE_URL = 0,                 /* absolute, http or https */
    CONTENT_PURGE_TAG,
    CONTENT_PURGE_PREFIX,                  /* host[/path] */
    CONTENT_PURGE_HOST,
    CONTENT_PURGE_EVERYTHING,              /* has no value */
    CONTENT_PURGE_NKINDS
} content_purge_kind_t;


typedef struct {
    content_purge_kind_t  kind;
    content_str_t         value;           /* printable ASCII */
} content_purge_item_t;


/*
 * Gets one item; its value is gone when the function returns.  Anything but
 * CONTENT_OK ends the walk.
 */
typedef int (*content_purge_item_pt)(void *data,
    const content_purge_item_t *item);


/*
 * Reads the body of POST /-/purge:
 *
 *     {"urls": [...], "tags": [...], "prefixes": [...], "hosts": [...]}
 *     {"everything": true}
 *
 * All of it is checked before the first call of item(), so that nothing of a
 * malformed request is queued.  Items come in the order of the kinds above,
 * repeated ones as often as they are named.  An empty array is allowed, a
 * request without any item is not.
 *
 * Returns CONTENT_OK; what item() returned when that was not CONTENT_OK; or
 * CONTENT_ERROR with a text in why (NUL-terminated, cut to why_size,
 * printable ASCII) for the editor, which names the member and the index:
 * "tags[3]: contains a space".  *why is empty unless the request is at fault.
 */
int content_purge_parse(content_str_t json, content_purge_item_pt item,
    void *data, char *why, size_t why_size);

/*
 * Writes the body of one call: n values of one kind, which may not be mixed.
 * For CONTENT_PURGE_EVERYTHING the values are not looked at.  Values that
 * content_purge_parse() gave take at most 2 * len + 3 bytes each, the rest at
 * most 32.  How many fit one call: content_cloudflare_plan_t.
 * Returns CONTENT_OK, CONTENT_OVERFLOW, or CONTENT_ERROR when n is 0.
 */
int content_purge_body(content_out_t *out, content_purge_kind_t kind,
    const content_str_t *values, unsigned n);


#endif
