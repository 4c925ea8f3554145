/*
 * A fuzzing target as a unit test, without libFuzzer: the seeds, and
 * variations of them that are the same in each run.
 */

#include "fuzz.h"
#include "rows.h"


#define VARIATIONS  10000
#define ROOM        65536


static unsigned  nseeds;


static void
run(content_str_t s)
{
    s = copy(s.data, s.len);
    fuzz_run(s);
    free(s.data);
}


static void
test_seeds(void **unused)
{
    unsigned  i;

    (void) unused;

    for (i = 0; i < nseeds; i++) {
        run(fuzz_any_seed(i));
    }
}


static void
test_variations(void **unused)
{
    unsigned              i, n;
    uint64_t              state;
    content_str_t         s;
    static unsigned char  room[ROOM];

    (void) unused;

    state = 1;

    for (i = 0; i < VARIATIONS; i++) {
        s = fuzz_any_seed(i);
        s.data = memcpy(room, s.data, s.len);

        for (n = 0; n <= i / nseeds % 6; n++) {
            fuzz_vary(&s, ROOM, &state);
        }

        run(s);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_variations)
    };

    nseeds = fuzz_get_seeds();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
