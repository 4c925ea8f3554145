/*
 * Counters of the whole node, in shared memory: added to by any worker
 * without a lock, read by GET /-/status.  They only grow, and live as long as
 * the zone.
 */

#ifndef NGX_CONTENT_COUNTERS_H
#define NGX_CONTENT_COUNTERS_H

#include <ngx_config.h>
#include <ngx_core.h>


/* One line a counter: its name, for code and for the answer. */

#define NGX_CONTENT_COUNTERS(C)                                              \
    C(requests)                                                              \
    C(hits_redis)                                                            \
    C(records_damaged)                                                       \
    C(fills)                                                                 \
    C(fills_joined)                                                          \
    C(fills_followed)                                                        \
    C(busy_waits)                                                            \
    C(busy_woken)                                                            \
    C(hits_stale)                                                            \
    C(stale_on_error)                                                        \
    C(refreshes)                                                             \
    C(store_reads)                                                           \
    C(store_faults)                                                          \
    C(absent)                                                                \
    C(not_modified)                                                          \
    C(puts)                                                                  \
    C(puts_failed)                                                           \
    C(deletes)                                                               \
    C(copies)                                                                \
    C(bytes_in)                                                              \
    C(denied)

typedef struct {
#define NGX_CONTENT_COUNTER(name)  ngx_atomic_t  name;
    NGX_CONTENT_COUNTERS(NGX_CONTENT_COUNTER)
#undef NGX_CONTENT_COUNTER
} ngx_content_counters_t;


#define ngx_content_count(counters, name)                                    \
    ((void) ngx_atomic_fetch_add(&(counters)->name, 1))


#endif
