/*
 * The answer of GET /-/list, written in pieces:
 *
 *     {"prefix":"","objects":[{"key":"a","size":1,"etag":"\"x\"",
 *      "last_modified":"2026-11-22T10:00:00Z"}, ...],
 *      "prefixes":["b/", ...],"omitted":2,"next":"key"}
 *
 * begin, then any number of entries; with a delimiter prefixes, then any
 * number of them; then end.  "omitted" is left out when it is 0.  Pieces may go
 * into different buffers.  All text is UTF-8, as every key is: a caller that has
 * bytes of another kind (a prefix from a query) refuses them before.
 */

#ifndef CONTENT_LIST_H
#define CONTENT_LIST_H

#include "lib/content_str.h"


void content_list_begin(content_out_t *out, content_str_t prefix);

/*
 * first: no entry was written before this one.  size is in bytes, >= 0; mtime
 * in seconds since 1970.
 */
void content_list_entry(content_out_t *out, int first, content_str_t key,
    int64_t size, content_str_t etag, int64_t mtime);

/* The prefixes that many keys have in common, after the entries. */
void content_list_prefixes(content_out_t *out);
void content_list_prefix(content_out_t *out, int first, content_str_t prefix);

/*
 * omitted: how many were left out, because no request can name them.  next: the
 * key or prefix that a next list begins after, or NULL when this was all.
 */
void content_list_end(content_out_t *out, size_t omitted,
    const content_str_t *next);

/* Each piece is at most so long, whatever the text, size and mtime. */
size_t content_list_begin_max(content_str_t prefix);
size_t content_list_entry_max(content_str_t key, content_str_t etag);
size_t content_list_prefixes_max(void);
size_t content_list_prefix_max(content_str_t prefix);
size_t content_list_end_max(const content_str_t *next);

/*
 * What a list with a delimiter shows of key in its stead: key up to the first
 * delimiter behind prefix, and with it (S3's CommonPrefixes).  Empty when key
 * has none there, or the delimiter is empty.  key begins with prefix.
 */
content_str_t content_list_common(content_str_t key, content_str_t prefix,
    content_str_t delimiter);


#endif
