/*
 * How often a key was asked for lately: a count-min sketch for the admission
 * of bodies to Redis, in memory that the caller gives (of the shared zone).
 * The workers touch it without a lock.
 *
 * Time is cut into windows.  There are two tables of counters, for the
 * current window and for the one before; the answer is the sum of both, so it
 * covers at least the last window and at most the last two.
 *
 * Error bound (Cormode and Muthukrishnan, 2005): with 2^W counters a row and
 * four rows, a table's count is never too small, and it is too large by more
 * than e * N / 2^W with a probability of at most e^-4 (1.8%; so 3.7% for the
 * two tables), N being the touches of any key in the table's window.  So
 * W = 16 (512 KiB) keeps it within 1 up to some 24,000 touches a window.  Two
 * things make it too small: workers that touch the same counter at the same
 * time lose a count, and a counter stops at 255.
 *
 * The hash is public: who wants to can find keys that share counters, and
 * have a cold object cached.  That is all a wrong answer does.
 */

#ifndef CONTENT_HOT_H
#define CONTENT_HOT_H

#include "lib/content_str.h"


#define CONTENT_HOT_WIDTH_MIN  4       /* log2 of the counters of a row */
#define CONTENT_HOT_WIDTH_MAX  24
#define CONTENT_HOT_MAX        255     /* a threshold above is never reached
                                          for sure */


typedef struct content_hot_s  content_hot_t;


/* Bytes that a sketch takes, or 0 when log2_width is out of bounds. */
size_t content_hot_size(unsigned log2_width);

/*
 * Makes an empty sketch in mem, which is aligned for uint64_t and may be
 * mapped at different addresses in different processes.  Nobody may touch the
 * sketch meanwhile; to keep it over a reload, don't call this again.
 * Returns mem, or NULL when log2_width is out of bounds or size too small.
 */
content_hot_t *content_hot_init(void *mem, size_t size, unsigned log2_width);

/*
 * Counts one request for the key whose SHA-256 is hash, and returns the
 * estimate of how often it was asked for within the last one to two windows,
 * this time included: 1 .. 2 * CONTENT_HOT_MAX.
 *
 * now_ms is of any clock that all processes share; window_ms > 0.  Callers
 * with different windows may share a sketch: the shortest one rules.  When
 * the clock jumps (backwards or forwards) by a window or two, counting starts
 * anew; smaller steps back are ignored.
 */
unsigned content_hot_touch(content_hot_t *hot, const unsigned char hash[32],
    uint64_t now_ms, uint64_t window_ms);


#endif
