/*
 * The head of a record of the memory cache: the object's headers, ready but
 * for their place in memory.  Made when the record is stored
 * (ngx_content_keep.c), read when it is answered from (ngx_content_hit.c).
 *
 * After the struct: Content-Type, then for each header the lengths of its name
 * and value (16 bits each), name, a zero, value; at the end the SHA-256 of the
 * body, if it is known.
 */

#ifndef NGX_CONTENT_HEAD_H
#define NGX_CONTENT_HEAD_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "lib/content_object.h"


#define NGX_CONTENT_HEAD_ETAG      0          /* places of two headers */
#define NGX_CONTENT_HEAD_MODIFIED  1


typedef struct {
    int64_t      size;
    int64_t      mtime;
    uint16_t     type;                /* length of Content-Type, which comes
                                         first, and of its part before ";" */
    uint16_t     type_main;
    uint16_t     n;                   /* headers */
    uint8_t      cache_control;       /* 1: among the headers, not the */
    uint8_t      cdn_cache_control;   /* location's */
    uint8_t      has_sha256;
    uint8_t      metadata;            /* 1: the body is not here */
    uint8_t      absent;              /* 1: there is no such object; only the
                                         times count */

    uint32_t     purges;              /* by tag and prefix, that it has
                                         outlived */

    /* of ngx_current_msec, which is the same in all processes */
    uint64_t     soft;                /* fresh until then; 0: absent */
    ngx_atomic_t refresh;             /* then to be refreshed: moved on by who
                                         does it */
    uint64_t     hard;                /* answered from until then; after it only
                                         when storage fails */
} ngx_content_head_t;


/*
 * Writes the head of an object, but for the times.  metadata: its body is kept
 * elsewhere.  tag: its own one, CONTENT_KEY_TAG_LEN bytes.
 */
void ngx_content_head_write(content_out_t *out,
    const content_object_t *object, const u_char *tag, ngx_uint_t metadata);

/* Bytes that it takes at most. */
size_t ngx_content_head_size(const content_object_t *object);


#endif
