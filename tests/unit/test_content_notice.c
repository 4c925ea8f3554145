/* What nodes tell each other: src/lib/content_notice.h. */

#include "lib/content_notice.h"
#include "rows.h"


#define ONE    "0000000000000001"
#define BIG    "fedcba9876543210"


static const struct {
    const char  *text;
    int          result;
} notices[] = {
    { "p" ONE BIG ONE, CONTENT_OK },
    { "p" ONE BIG ONE "web1", CONTENT_OK },
    { "f" ONE BIG, CONTENT_OK },
    { "f" ONE BIG "anything", CONTENT_OK },
    { "k" ONE BIG "0", CONTENT_OK },
    { "k" ONE BIG "1", CONTENT_OK },
    { "w", CONTENT_OK },
    { "w" ONE BIG, CONTENT_OK },
    { "", CONTENT_ERROR },
    { "x" ONE BIG ONE, CONTENT_ERROR },
    { "p" ONE BIG, CONTENT_ERROR },
    { "p" ONE BIG "000000000000000A", CONTENT_ERROR },
    { "f" ONE "fedcba987654321", CONTENT_ERROR },
    { "k" ONE BIG, CONTENT_ERROR },
    { "k" ONE BIG "2", CONTENT_ERROR },
    { "k" ONE BIG "10", CONTENT_ERROR },
};


/* What is read is written again as it was. */

static void
test_notices(void **state)
{
    size_t            i;
    unsigned char     buf[128];
    content_out_t     out;
    content_notice_t  notice;

    (void) state;

    for (i = 0; i < ROWS(notices); i++) {
        memset(&notice, 0, sizeof(notice));

        if (content_notice_read(content_cstr(notices[i].text), &notice)
            != notices[i].result)
        {
            fail_msg("\"%s\"", notices[i].text);
        }

        if (notices[i].result != CONTENT_OK) {
            continue;
        }

        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_notice_write(&out, &notice), CONTENT_OK);
        assert_true(content_str_eq(content_out_done(&out),
                                   content_cstr(notices[i].text)));

        content_out_init(&out, buf, strlen(notices[i].text) - 1);
        assert_int_equal(content_notice_write(&out, &notice),
                         CONTENT_OVERFLOW);
    }
}


static void
test_numbers(void **state)
{
    content_notice_t  notice;

    (void) state;

    assert_int_equal(content_notice_read(content_cstr("p" ONE BIG ONE),
                                         &notice), CONTENT_OK);
    assert_true(notice.node == 1);
    assert_true(notice.history == 0xfedcba9876543210);
}


static void
test_change(void **state)
{
    size_t                  i;
    unsigned char           buf[256];
    content_out_t           out;
    content_change_t        change;
    content_change_entry_t  entry;

    static const struct {
        content_change_kind_e  kind;
        content_str_t          value;
    } entries[] = {
        { CONTENT_CHANGE_NEW, content_string("a") },
        { CONTENT_CHANGE_KEY, content_string("b/\0\n\xff") },
        { CONTENT_CHANGE_TAG, content_string("x") },
        { CONTENT_CHANGE_PREFIX, content_string("docs/") },
        { CONTENT_CHANGE_ALL, content_string("") },
    };

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_change_head(&out, 7, 9);

    for (i = 0; i < ROWS(entries); i++) {
        content_change_entry(&out, entries[i].kind, entries[i].value);
    }

    assert_int_equal(content_change_read(content_out_done(&out), &change),
                     CONTENT_OK);
    assert_int_equal(change.store, 7);
    assert_int_equal(change.target, 9);

    for (i = 0; i < ROWS(entries); i++) {
        assert_int_equal(content_change_next(&change, &entry), CONTENT_OK);
        assert_int_equal(entry.kind, entries[i].kind);
        assert_true(content_str_eq(entry.value, entries[i].value));
    }

    assert_int_equal(content_change_next(&change, &entry), CONTENT_DONE);
}


static const struct {
    const char  *text;
    int          result;
} damaged[] = {
    { "", CONTENT_DONE },
    { "10001a", CONTENT_OK },
    { "10002a", CONTENT_ERROR },
    { "1000", CONTENT_ERROR },
    { "1", CONTENT_ERROR },
    { "z0001a", CONTENT_ERROR },
    { "1000ga", CONTENT_ERROR },
};


static void
test_damaged(void **state)
{
    size_t                  i;
    content_change_t        change;
    content_change_entry_t  entry;

    (void) state;

    for (i = 0; i < ROWS(damaged); i++) {
        change.entries = content_cstr(damaged[i].text);

        if (content_change_next(&change, &entry) != damaged[i].result) {
            fail_msg("\"%s\"", damaged[i].text);
        }
    }

    assert_int_equal(content_change_read(content_cstr(ONE "12"), &change),
                     CONTENT_ERROR);
}


static void
test_too_long(void **state)
{
    unsigned char   buf[16];
    content_out_t   out;
    content_str_t   value;

    (void) state;

    value.data = buf;
    value.len = 0x10000;

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_change_entry(&out, CONTENT_CHANGE_KEY, value),
                     CONTENT_OVERFLOW);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
