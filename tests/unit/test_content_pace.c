/* The token bucket: src/lib/content_pace.h. */

#include "lib/content_pace.h"
#include "rows.h"


#define NEVER  CONTENT_PACE_NEVER


/*
 * A story: each row happens at its time and gives the expected wait.  With
 * `block` it is a block until that time, which gives nothing.
 */

typedef struct {
    uint64_t  now;
    uint32_t  n;
    uint64_t  block, wait;
} step_t;

#define STEPS_MAX  12

static const struct {
    const char  *name;
    uint32_t     count, period, capacity;
    step_t       steps[STEPS_MAX];        /* ends with an empty one */
} stories[] = {
    { "a full bucket is given at once", 5, 60000, 3, {
        { 1000, 1, 0, 0 }, { 1000, 1, 0, 0 }, { 1000, 1, 0, 0 },
        { 1000, 1, 0, 12000 } } },

    { "the wait said is enough, and one less is not", 5, 60000, 1, {
        { 1000, 1, 0, 0 }, { 1000, 1, 0, 12000 }, { 12999, 1, 0, 1 },
        { 13000, 1, 0, 0 }, { 13000, 1, 0, 12000 } } },

    { "a wait is rounded up", 3, 1000, 2, {
        { 1000, 2, 0, 0 }, { 1000, 1, 0, 334 }, { 1333, 1, 0, 1 },
        { 1334, 1, 0, 0 }, { 1334, 1, 0, 333 }, { 1667, 1, 0, 0 },
        { 1667, 1, 0, 333 } } },

    { "all or none", 1, 1000, 10, {
        { 1000, 7, 0, 0 }, { 1000, 4, 0, 1000 }, { 1000, 3, 0, 0 } } },

    { "never more than the capacity", 1, 1000, 2, {
        { 1000, 3, 0, NEVER }, { 1000, 2, 0, 0 },
        { 9000000, 2, 0, 0 }, { 9000000, 1, 0, 1000 } } },

    { "asking for none", 1, 1000, 1, {
        { 1000, 1, 0, 0 }, { 1000, 0, 0, 0 } } },

    { "a block ends with one token, not with a burst", 5, 1000, 25, {
        { 1000, 1, 0, 0 }, { 1000, 1, 31000, 0 }, { 1000, 1, 0, 30000 },
        { 30999, 1, 0, 1 }, { 31000, 1, 0, 0 }, { 31000, 1, 0, 200 },
        { 31200, 1, 0, 0 } } },

    { "after a block the time since its end counts", 5, 1000, 25, {
        { 1000, 25, 0, 0 }, { 1000, 0, 2000, 0 }, { 2600, 3, 0, 0 },
        { 2600, 1, 0, 200 } } },

    { "a shorter block changes nothing", 1, 1000, 5, {
        { 1000, 1, 9000, 0 }, { 1000, 1, 2000, 0 }, { 1000, 1, 0, 8000 } } },

    { "a longer one does", 1, 1000, 5, {
        { 1000, 1, 2000, 0 }, { 1000, 1, 9000, 0 }, { 1000, 1, 0, 8000 } } },

    { "a block in the past", 1, 1000, 2, {
        { 5000, 1, 0, 0 }, { 5000, 1, 3000, 0 }, { 5000, 1, 0, 0 },
        { 5000, 1, 0, 1000 } } },

    { "a lagging clock gives nothing twice", 1, 10, 1, {
        { 1000, 1, 0, 0 }, { 990, 1, 0, 20 }, { 1000, 1, 0, 10 },
        { 990, 1, 0, 20 }, { 1009, 1, 0, 1 }, { 1010, 1, 0, 0 } } },

    { "a clock far behind: counting starts anew", 1, 1000, 1, {
        { 900000, 1, 0, 0 }, { 5000, 1, 0, 1000 }, { 6000, 1, 0, 0 } } },

    { "a clock far behind: a block is void", 1, 1000, 2, {
        { 900000, 1, 0, 0 }, { 900000, 0, 950000, 0 }, { 5000, 1, 0, 0 },
        { 5000, 1, 0, 1000 } } },
};


static void
told(void **state)
{
    size_t           i, k;
    uint64_t         wait;
    const step_t    *step;
    content_pace_t   pace;

    (void) state;

    for (i = 0; i < ROWS(stories); i++) {
        assert_int_equal(content_pace_init(&pace, stories[i].count,
                                           stories[i].period,
                                           stories[i].capacity,
                                           stories[i].steps[0].now), 0);

        for (k = 0; k < STEPS_MAX && stories[i].steps[k].now; k++) {
            step = &stories[i].steps[k];

            if (step->block) {
                content_pace_block(&pace, step->block);
                continue;
            }

            wait = content_pace_take(&pace, step->now, step->n);

            if (wait != step->wait) {
                fail_msg("%s, step %zu: %llu", stories[i].name, k,
                         (unsigned long long) wait);
            }
        }
    }
}


static void
init(void **state)
{
    content_pace_t  pace;

    (void) state;

    assert_int_equal(content_pace_init(&pace, 1, 1, 1, 0), CONTENT_OK);
    assert_int_equal(content_pace_init(&pace, 0, 1, 1, 0), CONTENT_ERROR);
    assert_int_equal(content_pace_init(&pace, 1, 0, 1, 0), CONTENT_ERROR);
    assert_int_equal(content_pace_init(&pace, 1, 1, 0, 0), CONTENT_ERROR);
}


/*
 * Asked every 7 ms for an hour, 7 tokens in 61 s must give the tokens of the
 * bucket and those of the time, not one more or less.
 */

static void
no_drift(void **state)
{
    uint64_t        now, taken;
    content_pace_t  pace;

    (void) state;

    assert_int_equal(content_pace_init(&pace, 7, 61000, 2, 0), 0);

    taken = 0;

    for (now = 0; now <= 3600000; now += 7) {
        taken += content_pace_take(&pace, now, 1) == 0;
    }

    now -= 7;

    assert_int_equal(taken, 2 + now * 7 / 61000);
}


/* Two processes, one 15 ms behind: no more tokens than with one clock. */

static void
no_gain_by_lag(void **state)
{
    uint64_t        now, taken;
    content_pace_t  pace;

    (void) state;

    assert_int_equal(content_pace_init(&pace, 1, 1000, 1, 100), 0);

    taken = 0;

    for (now = 100; now <= 60100; now++) {
        taken += content_pace_take(&pace, now, 1) == 0;
        taken += content_pace_take(&pace, now - 15, 1) == 0;
    }

    assert_int_equal(taken, 1 + 60);
}


static void
largest(void **state)
{
    content_pace_t  pace;

    (void) state;

    assert_int_equal(content_pace_init(&pace, UINT32_MAX, UINT32_MAX,
                                       UINT32_MAX, 0), 0);
    assert_true(content_pace_take(&pace, 0, UINT32_MAX) == 0);
    assert_true(content_pace_take(&pace, 0, UINT32_MAX) == UINT32_MAX);
    assert_true(content_pace_take(&pace, UINT64_MAX, UINT32_MAX) == 0);
    assert_true(content_pace_take(&pace, UINT64_MAX, 1) == 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(told),
        cmocka_unit_test(init),
        cmocka_unit_test(no_drift),
        cmocka_unit_test(no_gain_by_lag),
        cmocka_unit_test(largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
