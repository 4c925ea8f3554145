/*
 * A token bucket: see content_pace.h.  The purge queue asks it before every
 * call to the CDN's API.
 */

#include "lib/content_pace.h"


static void step_back(content_pace_t *pace, uint64_t now);
static void unblock(content_pace_t *pace);
static void refill(content_pace_t *pace, uint64_t now);


int
content_pace_init(content_pace_t *pace, uint32_t count, uint32_t period,
    uint32_t capacity, uint64_t now)
{
    if (count == 0 || period == 0 || capacity == 0) {
        return CONTENT_ERROR;
    }

    pace->level = (uint64_t) capacity * period;
    pace->last = now;
    pace->until = 0;
    pace->count = count;
    pace->period = period;
    pace->capacity = capacity;

    return CONTENT_OK;
}


uint64_t
content_pace_take(content_pace_t *pace, uint64_t now, uint32_t n)
{
    uint64_t  need;

    if (n > pace->capacity) {
        return CONTENT_PACE_NEVER;
    }

    if (now < pace->last) {
        step_back(pace, now);
    }

    if (pace->until) {
        if (now < pace->until) {
            return pace->until - now;
        }

        unblock(pace);
    }

    refill(pace, now);

    need = (uint64_t) n * pace->period;

    if (need <= pace->level) {
        pace->level -= need;
        return 0;
    }

    need -= pace->level;

    /* A caller whose clock lags has to wait for the lag as well. */

    return (need + pace->count - 1) / pace->count
           + (now < pace->last ? pace->last - now : 0);
}


static void
step_back(content_pace_t *pace, uint64_t now)
{
    if (pace->last - now > CONTENT_PACE_LAG) {
        pace->last = now;
        pace->until = 0;
    }
}


static void
unblock(content_pace_t *pace)
{
    if (pace->level > pace->period) {
        pace->level = pace->period;
    }

    pace->last = pace->until;
    pace->until = 0;
}


static void
refill(content_pace_t *pace, uint64_t now)
{
    uint64_t  full, elapsed;

    if (now <= pace->last) {
        return;
    }

    full = (uint64_t) pace->capacity * pace->period;
    elapsed = now - pace->last;
    pace->last = now;

    /* Divided, for elapsed * count can overflow. */

    if (elapsed > (full - pace->level) / pace->count) {
        pace->level = full;

    } else {
        pace->level += elapsed * pace->count;
    }
}


void
content_pace_block(content_pace_t *pace, uint64_t until)
{
    if (until > pace->last && until > pace->until) {
        pace->until = until;
    }
}
