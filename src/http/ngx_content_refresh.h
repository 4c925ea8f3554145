/*
 * Refreshing in the background what the caches have and is not fresh any more
 * (stale-while-revalidate, RFC 5861), outside any client's request: an answer
 * from the cache never waits for it.
 *
 * Redis is asked first: another node may have refreshed its record.  Then the
 * object is read anew by a fill, which others may join; of one that no cache
 * keeps whole only the metadata are.  A fault changes nothing; the next attempt
 * is NGX_CONTENT_REFRESH_PAUSE later.
 */

#ifndef NGX_CONTENT_REFRESH_H
#define NGX_CONTENT_REFRESH_H

#include "http/ngx_content_keep.h"


#define NGX_CONTENT_REFRESH_PAUSE  10000     /* ms, of a node */


/*
 * keep: the object, with the fence as it is now and without a token; copied.
 * size: as it is known.
 */
void ngx_content_refresh(ngx_content_keep_t *keep, const u_char *hash,
    int64_t size);


#endif
