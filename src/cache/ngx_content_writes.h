/*
 * How often objects were changed, in shared memory: so that a writer notices
 * that another one has come between his look at storage and his write.
 *
 * Counted is each change that this node has made, when it has forgotten the
 * object, and each that another node has told it of.  A place stands for many
 * objects: who finds another number than he expects may be wrong, but who finds
 * the same is right.
 */

#ifndef NGX_CONTENT_WRITES_H
#define NGX_CONTENT_WRITES_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_CONTENT_WRITES  8192


/* Zeroed. */

typedef struct {
    ngx_atomic_t              counts[NGX_CONTENT_WRITES];
} ngx_content_writes_t;


/* The place of an object, by ngx_content_responses_hash(). */

static ngx_inline ngx_atomic_t *
ngx_content_writes_of(ngx_content_writes_t *writes, uint32_t hash)
{
    return &writes->counts[hash % NGX_CONTENT_WRITES];
}


#endif
