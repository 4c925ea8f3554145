/* Which endpoint is asked, after which of them have failed. */

#include "lib/content_endpoints.h"
#include "rows.h"


#define NONE        CONTENT_ENDPOINTS_NONE


static void
test_choose(void **state)
{
    size_t              i, k;
    unsigned            turn, got;
    content_endpoint_t  endpoints[3];

    static const struct {
        const char  *name;
        unsigned     n;
        int64_t      until[3];
        unsigned     avoid;
        unsigned     expected[4];          /* one after the other, at 100 */
    } rows[] = {
        { "one",               1, { 0 },             NONE, { 0, 0, 0, 0 } },
        { "one that failed",   1, { 999 },           0,    { 0, 0, 0, 0 } },
        { "in turn",           3, { 0, 0, 0 },       NONE, { 0, 1, 2, 0 } },
        { "not the failed",    3, { 0, 101, 0 },     NONE, { 0, 2, 0, 2 } },
        { "its time is up",    3, { 0, 100, 0 },     NONE, { 0, 1, 2, 0 } },
        { "not the avoided",   3, { 0, 0, 0 },       0,    { 1, 2, 1, 2 } },
        { "all have failed",   3, { 300, 200, 400 }, NONE, { 1, 1, 1, 1 } },
        { "all, avoiding one", 3, { 300, 200, 400 }, 1,    { 0, 0, 0, 0 } },
        { "the other failed",  2, { 0, 200 },        0,    { 1, 1, 1, 1 } },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        turn = 0;

        for (k = 0; k < 3; k++) {
            endpoints[k].until = rows[i].until[k];
        }

        for (k = 0; k < 4; k++) {
            got = content_endpoints_choose(endpoints, rows[i].n, &turn,
                                           rows[i].avoid, 100);
            if (got != rows[i].expected[k]) {
                fail_msg("%s, turn %zu: %u", rows[i].name, k, got);
            }
        }
    }
}


static void
test_health(void **state)
{
    unsigned            turn;
    content_endpoint_t  endpoints[2];

    (void) state;

    memset(endpoints, 0, sizeof(endpoints));
    content_endpoint_failed(&endpoints[0], 100, 50);

    turn = 0;
    assert_int_equal(content_endpoints_choose(endpoints, 2, &turn, NONE, 149),
                     1);
    turn = 0;
    assert_int_equal(content_endpoints_choose(endpoints, 2, &turn, NONE, 150),
                     0);

    content_endpoint_failed(&endpoints[0], 100, 50);
    content_endpoint_worked(&endpoints[0]);
    turn = 0;
    assert_int_equal(content_endpoints_choose(endpoints, 2, &turn, NONE, 100),
                     0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
