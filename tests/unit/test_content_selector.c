/* Purges by tag and by prefix: src/lib/content_selector.h. */

#include <stdio.h>

#include "lib/content_selector.h"
#include "rows.h"


static content_selectors_t  selectors;


/* One purge, number 5, in store 1; the record was read since "since". */

static const struct {
    const char  *tag, *prefix;
    uint64_t     store;
    const char  *key, *tags;
    uint32_t     since;
    int          purged;
} rows[] = {
    { "a", NULL, 1, "k", "a", 4, 1 },
    { "a", NULL, 1, "k", "a", 5, 0 },
    { "a", NULL, 1, "k", "b,a", 0, 1 },
    { "A-x", NULL, 1, "k", "b, a-X", 4, 1 },
    { "a", NULL, 1, "k", "b", 4, 0 },
    { "a", NULL, 1, "a", "", 4, 0 },
    { "a", NULL, 2, "k", "a", 4, 0 },
    { NULL, "docs/", 1, "docs/a", "", 4, 1 },
    { NULL, "docs/", 1, "docs/a", "", 5, 0 },
    { NULL, "docs/", 1, "docs/a/b/c", "x", 4, 1 },
    { NULL, "docs/a", 1, "docs/abc", "", 4, 1 },
    { NULL, "docs/a", 1, "docs/a", "", 4, 1 },
    { NULL, "docs/", 1, "docs", "", 4, 0 },
    { NULL, "docs/", 1, "doc/s", "docs/", 4, 0 },
    { NULL, "docs/", 2, "docs/a", "", 4, 0 },
};


static void
test_purged(void **state)
{
    size_t    i;
    uint32_t  place;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&selectors, 0, sizeof(selectors));

        if (rows[i].tag) {
            place = content_selector_tag(1, content_cstr(rows[i].tag));

        } else {
            place = content_selector_prefix(1, content_cstr(rows[i].prefix));
        }

        selectors.numbers[place] = 5;

        if (content_selector_purged(&selectors, rows[i].store,
                                    content_cstr(rows[i].key),
                                    content_cstr(rows[i].tags), rows[i].since)
            != rows[i].purged)
        {
            fail_msg("row %zu", i);
        }
    }
}


/* Of 10,000 objects with a tag each, the purge of one takes few others. */

static void
test_others_stay(void **state)
{
    int            i, gone;
    char           tag[16], key[32];

    (void) state;

    memset(&selectors, 0, sizeof(selectors));
    selectors.numbers[content_selector_tag(1, content_cstr("t77"))] = 1;
    selectors.numbers[content_selector_prefix(1, content_cstr("p/77/"))] = 2;

    for (i = 0, gone = 0; i < 10000; i++) {
        snprintf(tag, sizeof(tag), "t%d", i);
        snprintf(key, sizeof(key), "p/%d/object", i);
        gone += content_selector_purged(&selectors, 1, content_cstr(key),
                                        content_cstr(tag), 0);
    }

    assert_in_range(gone, 1, 20);
}


static const struct {
    const char  *text, *prefix;              /* NULL: all keys */
} paths[] = {
    { "x.test/docs/", "docs/" },
    { "x.test/docs/a", "docs/a" },
    { "x.test/", NULL },
    { "x.test", NULL },
    { "x.test/a%20b", NULL },
};


static void
test_path(void **state)
{
    int            rc;
    size_t         i;
    content_str_t  prefix;

    (void) state;

    for (i = 0; i < ROWS(paths); i++) {
        rc = content_selector_path(content_cstr(paths[i].text), &prefix);

        if (paths[i].prefix == NULL) {
            assert_int_equal(rc, CONTENT_ERROR);
            continue;
        }

        assert_int_equal(rc, CONTENT_OK);
        assert_true(content_str_eq(prefix, content_cstr(paths[i].prefix)));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_purged),
        cmocka_unit_test(test_others_stay),
        cmocka_unit_test(test_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
