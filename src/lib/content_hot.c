/*
 * The frequency sketch: see content_hot.h.
 *
 * Counters are read and written as relaxed atomics, which are plain moves:
 * two workers may lose a count, neither can see anything but a byte.  The
 * window is turned by whoever moves begin_ms on with compare-and-swap; a
 * worker that is killed right after that leaves counts that live a window
 * longer, and nothing worse.
 */

#include <stdatomic.h>
#include <string.h>

#include "lib/content_hot.h"


#define HOT_ROWS    4
#define HOT_TABLES  2


typedef _Atomic unsigned char  content_hot_counter_t;

struct content_hot_s {
    _Atomic uint64_t       begin_ms;        /* of the current window */
    _Atomic uint32_t       current;         /* the table it counts in: 0, 1 */
    uint32_t               log2_width;
    content_hot_counter_t  counter[];       /* by table, row, column */
};


static size_t
table_size(unsigned log2_width)
{
    return (size_t) HOT_ROWS << log2_width;
}


size_t
content_hot_size(unsigned log2_width)
{
    if (log2_width < CONTENT_HOT_WIDTH_MIN
        || log2_width > CONTENT_HOT_WIDTH_MAX)
    {
        return 0;
    }

    return sizeof(content_hot_t) + HOT_TABLES * table_size(log2_width);
}


content_hot_t *
content_hot_init(void *mem, size_t size, unsigned log2_width)
{
    size_t          need;
    content_hot_t  *hot;

    need = content_hot_size(log2_width);

    if (need == 0 || size < need) {
        return NULL;
    }

    memset(mem, 0, need);

    hot = mem;
    hot->log2_width = log2_width;

    return hot;
}


static content_hot_counter_t *
table(content_hot_t *hot, unsigned n)
{
    return hot->counter + n * table_size(hot->log2_width);
}


/* Others may count in the table meanwhile: what they add may stay or go. */

static void
clear(content_hot_t *hot, unsigned n)
{
    memset((void *) table(hot, n), 0, table_size(hot->log2_width));
}


static void
turn(content_hot_t *hot, uint64_t now_ms, uint64_t window_ms)
{
    int       anew;
    uint64_t  begin, elapsed;
    unsigned  next;

    begin = atomic_load_explicit(&hot->begin_ms, memory_order_relaxed);

    elapsed = now_ms >= begin ? now_ms - begin : begin - now_ms;

    if (elapsed < window_ms) {
        return;
    }

    anew = now_ms < begin || elapsed - window_ms >= window_ms;

    if (!atomic_compare_exchange_strong(&hot->begin_ms, &begin,
                                        anew ? now_ms : begin + window_ms))
    {
        return;
    }

    next = ~atomic_load(&hot->current) & 1;

    clear(hot, next);

    if (anew) {
        clear(hot, !next);
    }

    atomic_store(&hot->current, next);
}


/* The column of a row: the key's hash has 32 bits for each. */

static size_t
column(const content_hot_t *hot, const unsigned char *hash, unsigned row)
{
    uint32_t              bits;
    const unsigned char  *p;

    p = hash + row * 4;
    bits = (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;

    return ((size_t) row << hot->log2_width)
           + (bits & ((1u << hot->log2_width) - 1));
}


/* The least of a key's counters: each is its count and what it shares. */

static unsigned
least(const content_hot_t *hot, content_hot_counter_t *counter,
    const unsigned char *hash)
{
    unsigned  row, value, min;

    min = CONTENT_HOT_MAX;

    for (row = 0; row < HOT_ROWS; row++) {
        value = atomic_load_explicit(&counter[column(hot, hash, row)],
                                     memory_order_relaxed);

        if (value < min) {
            min = value;
        }
    }

    return min;
}


/*
 * Raises the counters that are below count: the others stand for other keys
 * already, and are left alone ("conservative update"), so that the sketch
 * overestimates less.
 */
static void
raise_to(const content_hot_t *hot, content_hot_counter_t *counter,
    const unsigned char *hash, unsigned count)
{
    unsigned                row;
    content_hot_counter_t  *c;

    for (row = 0; row < HOT_ROWS; row++) {
        c = &counter[column(hot, hash, row)];

        if (atomic_load_explicit(c, memory_order_relaxed) < count) {
            atomic_store_explicit(c, (unsigned char) count,
                                  memory_order_relaxed);
        }
    }
}


unsigned
content_hot_touch(content_hot_t *hot, const unsigned char hash[32],
    uint64_t now_ms, uint64_t window_ms)
{
    unsigned                current, count;
    content_hot_counter_t  *counter;

    turn(hot, now_ms, window_ms);

    current = atomic_load_explicit(&hot->current, memory_order_relaxed) & 1;
    counter = table(hot, current);

    count = least(hot, counter, hash);

    if (count < CONTENT_HOT_MAX) {
        count++;
        raise_to(hot, counter, hash, count);
    }

    return count + least(hot, table(hot, !current), hash);
}
