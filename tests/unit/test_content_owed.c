/* A job of purges as text: src/lib/content_owed.h. */

#include <stdio.h>

#include "lib/content_owed.h"
#include "rows.h"


static const struct {
    content_purge_kind_t  kind;
    const char           *value;
} items[] = {
    { CONTENT_PURGE_URL, "https://example.com/a?b c" },
    { CONTENT_PURGE_TAG, "a-tag" },
    { CONTENT_PURGE_PREFIX, "example.com/p" },
    { CONTENT_PURGE_HOST, "example.com" },
    { CONTENT_PURGE_EVERYTHING, "" },
};


static void
test_round_trip(void **state)
{
    size_t                i, repeat;
    unsigned char         buf[256];
    content_out_t         out;
    content_owed_t        owed;
    content_purge_item_t  item;

    (void) state;

    for (repeat = 0; repeat < 2; repeat++) {
        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_owed_head(&out, 0x89abcdef, (int) repeat),
                         CONTENT_OK);
        assert_int_equal(content_out_done(&out).len, CONTENT_OWED_HEAD);

        for (i = 0; i < ROWS(items); i++) {
            item.kind = items[i].kind;
            item.value = content_cstr(items[i].value);
            assert_int_equal(content_owed_item(&out, &item), CONTENT_OK);
        }

        assert_int_equal(content_owed_read(content_out_done(&out), &owed),
                         CONTENT_OK);
        assert_int_equal(owed.target, 0x89abcdef);
        assert_int_equal(owed.repeat, repeat);

        for (i = 0; i < ROWS(items); i++) {
            assert_int_equal(content_owed_next(&owed, &item), CONTENT_OK);
            assert_int_equal(item.kind, items[i].kind);
            assert_true(content_str_eq(item.value,
                                       content_cstr(items[i].value)));
        }

        assert_int_equal(content_owed_next(&owed, &item), CONTENT_OWED_END);
    }
}


static const struct {
    const char  *text;
    int          head, next;             /* what reading them returns */
} texts[] = {
    { "1 00000001 -\n", CONTENT_OK, CONTENT_OWED_END },
    { "1 00000001 r\nt a\n", CONTENT_OK, CONTENT_OK },
    { "1 00000001 -\nt \n", CONTENT_OK, CONTENT_OK },
    { "", CONTENT_ERROR, 0 },
    { "1 00000001 -", CONTENT_ERROR, 0 },
    { "2 00000001 -\nt a\n", CONTENT_ERROR, 0 },
    { "1 0000000A -\nt a\n", CONTENT_ERROR, 0 },
    { "1 00000001 x\nt a\n", CONTENT_ERROR, 0 },
    { "1 00000001 -\nt a", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\nt\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\nx a\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\n\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\ntag\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\nt \xc3\xa9\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\nt a\r\n", CONTENT_OK, CONTENT_ERROR },
    { "1 00000001 -\n* a\n", CONTENT_OK, CONTENT_ERROR },
};


static void
test_read(void **state)
{
    size_t                i;
    content_owed_t        owed;
    content_purge_item_t  item;

    (void) state;

    for (i = 0; i < ROWS(texts); i++) {
        if (content_owed_read(content_cstr(texts[i].text), &owed)
            != texts[i].head)
        {
            fail_msg("row %zu", i);
        }

        if (texts[i].head == CONTENT_OK
            && content_owed_next(&owed, &item) != texts[i].next)
        {
            fail_msg("item of row %zu", i);
        }
    }
}


static void
test_overflow(void **state)
{
    unsigned char         buf[CONTENT_OWED_HEAD + CONTENT_OWED_ITEM];
    content_out_t         out;
    content_purge_item_t  item;

    (void) state;

    item.kind = CONTENT_PURGE_TAG;
    item.value = content_cstr("a");

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_owed_head(&out, 1, 0), CONTENT_OK);
    assert_int_equal(content_owed_item(&out, &item), CONTENT_OVERFLOW);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
