/* Leases: src/lib/content_lease.h. */

#include "lib/content_lease.h"
#include "rows.h"


#define NEVER  CONTENT_LEASE_NEVER


static const struct {
    const char  *name;
    uint64_t     until, sent, came, lease, result;
} extensions[] = {
    { "from when the ping was sent", 0, 1000, 1400, 3000, 4000 - 207 },
    { "a ping that came late gives little", 0, 1000, 3700, 3000, 3793 },
    { "never back", 9000, 1000, 1001, 3000, 9000 },
};


static void
test_extend(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < ROWS(extensions); i++) {
        if (content_lease_extend(extensions[i].until, extensions[i].sent,
                                 extensions[i].came, extensions[i].lease)
            != extensions[i].result)
        {
            fail_msg("%s", extensions[i].name);
        }
    }
}


static void
test_valid(void **state)
{
    (void) state;

    assert_true(content_lease_valid(1000, 999));
    assert_false(content_lease_valid(1000, 1000));
    assert_false(content_lease_valid(0, 0));
}


static const struct {
    const char  *name;
    int64_t      age;
    uint64_t     seen, now;
    int          result;
} nodes[] = {
    { "has just pinged", 0, NEVER, 9000, 1 },
    { "its lease may end this moment", 2999, NEVER, 9000, 1 },
    { "its lease is over", 3000, NEVER, 9000, 0 },
    { "Redis's clock was set back", -50000, NEVER, 9000, 1 },
    { "was set forward, but the ping was heard here", 50000, 6001, 9000, 1 },
    { "that was long ago, too", 50000, 6000, 9000, 0 },
};


static void
test_awaited(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < ROWS(nodes); i++) {
        if (content_lease_awaited(nodes[i].age, nodes[i].seen, nodes[i].now,
                                  3000)
            != nodes[i].result)
        {
            fail_msg("%s", nodes[i].name);
        }
    }
}


/* A writer that gives up waiting does so after the lease has ended. */

static void
test_writer_outlasts_lease(void **state)
{
    uint64_t  lease, sent;

    (void) state;

    for (lease = CONTENT_LEASE_MIN; lease < 60000; lease = lease * 2 + 1) {
        sent = 1000;

        assert_true(content_lease_extend(0, sent, sent + 10, lease)
                    < content_lease_over(sent, 0, lease));
        assert_true(content_lease_margin(lease)
                    + 2 * content_lease_interval(lease) < lease);
    }

    assert_int_equal(content_lease_over(1000, 5000, 3000), 6000);
    assert_int_equal(content_lease_over(1000, 10, 3000), 4000);
}


static void
test_stuck(void **state)
{
    (void) state;

    assert_false(content_lease_stuck(5000, 5000));
    assert_false(content_lease_stuck(5000, 5800));
    assert_true(content_lease_stuck(5000, 5801));
    assert_false(content_lease_stuck(5001, 5000));
}


static void
test_late(void **state)
{
    (void) state;

    assert_false(content_lease_late(1000, 1000, 60000));
    assert_false(content_lease_late(1000, 31000, 60000));
    assert_true(content_lease_late(1000, 31001, 60000));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_awaited),
        cmocka_unit_test(test_writer_outlasts_lease),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
