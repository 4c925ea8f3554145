/*
 * A token bucket: how many calls may leave, and when the next one may.
 *
 * Plain data without pointers, so that it lives in shared memory and several
 * processes share one budget; the caller holds a lock around every call.
 * Times are milliseconds of one monotonic clock.
 *
 * The level is counted in units of 1/period of a token: every millisecond
 * adds exactly `count` units, and a token is `period` units.  So a rate such
 * as 5 a minute is kept exactly, without floating point and without rounding
 * that adds up.
 */

#ifndef CONTENT_PACE_H
#define CONTENT_PACE_H

#include "lib/content_str.h"


/* content_pace_take() of more than the bucket can ever hold. */
#define CONTENT_PACE_NEVER  UINT64_MAX

/*
 * Processes that cache the time lag one another by some milliseconds.  Such a
 * small step back is ignored, or each pair of them would refill the bucket
 * for the same time twice.  A larger step back is another clock: counting
 * starts anew from it, and a block made by the old clock is void.
 */
#define CONTENT_PACE_LAG    60000


typedef struct {
    uint64_t  level;        /* units */
    uint64_t  last;         /* the level counts up to this time */
    uint64_t  until;        /* blocked until this time; 0: not blocked */
    uint32_t  count;        /* tokens ... */
    uint32_t  period;       /* ... in this many milliseconds */
    uint32_t  capacity;     /* tokens */
} content_pace_t;


/*
 * A full bucket: `count` tokens every `period` milliseconds, at most
 * `capacity`.  Returns CONTENT_OK, or CONTENT_ERROR when one of them is 0.
 */
int content_pace_init(content_pace_t *pace, uint32_t count, uint32_t period,
    uint32_t capacity, uint64_t now);

/*
 * Takes n tokens, all or none.  Returns 0 when they were taken; else how many
 * milliseconds to wait before asking again: no earlier call can succeed, and
 * that one does if nobody else took any; CONTENT_PACE_NEVER when n is more
 * than the capacity.
 */
uint64_t content_pace_take(content_pace_t *pace, uint64_t now, uint32_t n);

/*
 * Nothing is given before the time `until` (now plus Retry-After): somebody
 * else has emptied the account's bucket.  Then there is one token and not a
 * burst, which would only be refused again.  A shorter block never ends a
 * longer one.
 */
void content_pace_block(content_pace_t *pace, uint64_t until);


#endif
