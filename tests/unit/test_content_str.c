/*
 * Slices and bounded writers.
 */

#include "lib/content_str.h"
#include "rows.h"


static void
assert_written(const content_out_t *out, const char *expected)
{
    content_str_t  got;

    got = content_out_done(out);

    if (!content_str_eq(got, content_cstr(expected))) {
        fail_msg("got \"%.*s\", expected \"%s\"", (int) got.len,
                 (char *) got.data, expected);
    }
}


static void
test_eq(void **state)
{
    size_t  i;

    static const struct {
        content_str_t  a;
        content_str_t  b;
        int            eq;
        int            eq_case;
        int            starts;               /* a starts with b */
    } rows[] = {
        { content_string(""), content_string(""), 1, 1, 1 },
        { content_null_string, content_null_string, 1, 1, 1 },
        { content_null_string, content_string(""), 1, 1, 1 },
        { content_null_string, content_string("a"), 0, 0, 0 },
        { content_string("a"), content_null_string, 0, 0, 1 },
        { content_string("abc"), content_string("abc"), 1, 1, 1 },
        { content_string("abc"), content_string("aBC"), 0, 1, 0 },
        { content_string("abc"), content_string("ab"), 0, 0, 1 },
        { content_string("ab"), content_string("abc"), 0, 0, 0 },
        { content_string("abc"), content_string("abd"), 0, 0, 0 },
        { content_string("a\0b"), content_string("a\0b"), 1, 1, 1 },
        { content_string("a\0b"), content_string("a\0c"), 0, 0, 0 },
        { content_string("AZ"), content_string("az"), 0, 1, 0 },
        { content_string("@["), content_string("`{"), 0, 0, 0 },
        { content_string("\xc9"), content_string("\xe9"), 0, 0, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_str_eq(rows[i].a, rows[i].b) != rows[i].eq
            || content_str_eq_case(rows[i].a, rows[i].b) != rows[i].eq_case
            || content_str_starts(rows[i].a, rows[i].b) != rows[i].starts)
        {
            fail_msg("row %zu", i);
        }
    }
}


static void
test_trim(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *trimmed;
    } rows[] = {
        { "", "" },
        { " \t ", "" },
        { "a", "a" },
        { " \ta b\t ", "a b" },
        { "a\r\n", "a\r\n" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_true(content_str_eq(
                        content_str_trim(content_cstr(rows[i].text)),
                        content_cstr(rows[i].trimmed)));
    }
}


static void
test_line(void **state)
{
    size_t         i;
    content_out_t  out;
    unsigned char  buf[16];

    static const struct {
        const char  *text;
        const char  *line;
    } rows[] = {
        { "", "" },
        { "a b", "a b" },
        { "a\r\n\x1b[0m\x7f", "a   [0m " },
        { "\xc2\x80\xc2\x9f\xc2\xa0", "  \xc2\xa0" },
        { "\xc3\x80", "\xc3\x80" },
        { "\xc2", "\xc2" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_out_line(&out, content_cstr(rows[i].text));
        assert_text(rows[i].line, content_out_done(&out), rows[i].line);
    }
}


static void
test_next(void **state)
{
    size_t         i;
    content_out_t  out;
    content_str_t  rest, member;
    unsigned char  buf[64];

    static const struct {
        const char  *list;
        const char  *members;                /* each with a "|" after it */
    } rows[] = {
        { "", "" },
        { " ", "" },
        { ",", "" },
        { " , ,, ", "" },
        { "a", "a|" },
        { "a,b", "a|b|" },
        { " a ,\tb c\t,,d,", "a|b c|d|" },
        { ",a", "a|" },
        { "a;b", "a;b|" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rest = content_cstr(rows[i].list);
        content_out_init(&out, buf, sizeof(buf));

        while (content_str_next(&rest, ',', &member)) {
            content_out_str(&out, member);
            content_out_char(&out, '|');
        }

        assert_written(&out, rows[i].members);
        assert_int_equal(content_str_next(&rest, ',', &member), 0);
    }
}


static void
test_uint(void **state)
{
    int      rc;
    size_t   i;
    int64_t  value;

    static const struct {
        const char  *text;
        int          rc;
        int64_t      value;
    } rows[] = {
        { "0", CONTENT_OK, 0 },
        { "7", CONTENT_OK, 7 },
        { "007", CONTENT_OK, 7 },
        { "999999999999999999", CONTENT_OK, 999999999999999999LL },
        { "1000000000000000000", CONTENT_ERROR, 0 },
        { "0000000000000000000", CONTENT_ERROR, 0 },
        { "", CONTENT_ERROR, 0 },
        { "-1", CONTENT_ERROR, 0 },
        { "+1", CONTENT_ERROR, 0 },
        { " 1", CONTENT_ERROR, 0 },
        { "1 ", CONTENT_ERROR, 0 },
        { "1.0", CONTENT_ERROR, 0 },
        { "0x1", CONTENT_ERROR, 0 },
        { "/", CONTENT_ERROR, 0 },
        { ":", CONTENT_ERROR, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        value = -7;
        rc = content_str_uint(content_cstr(rows[i].text), &value);

        if (rc != rows[i].rc
            || value != (rc == CONTENT_OK ? rows[i].value : -7))
        {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
}


static void
test_out(void **state)
{
    content_out_t  out;
    unsigned char  buf[128];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    assert_written(&out, "");

    content_out_char(&out, 'c');
    content_out_mem(&out, "mem", 3);
    content_out_mem(&out, NULL, 0);
    content_out_str(&out, content_cstr("str"));
    content_out_str(&out, (content_str_t) content_null_string);
    content_out_text(&out, "text");
    assert_written(&out, "cmemstrtext");
}


static void
test_out_uint(void **state)
{
    size_t         i;
    content_out_t  out;
    unsigned char  buf[20];

    static const struct {
        uint64_t     value;
        const char  *text;
    } rows[] = {
        { 0, "0" },
        { 9, "9" },
        { 10, "10" },
        { UINT64_MAX, "18446744073709551615" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_out_uint(&out, rows[i].value);
        assert_written(&out, rows[i].text);
    }
}


static void
test_out_hex(void **state)
{
    content_out_t  out;
    unsigned char  buf[10];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_out_hex(&out, "\x00\x09\x0a\xaf\xff", 5);
    assert_written(&out, "00090aafff");

    content_out_init(&out, buf, sizeof(buf) - 1);
    content_out_hex(&out, "\x00\x09\x0a\xaf\xff", 5);
    assert_int_equal(out.overflow, 1);
    assert_int_equal(content_out_done(&out).len, 0);
}


static void
test_out_json(void **state)
{
    size_t         i;
    content_out_t  out;
    unsigned char  buf[32];

    static const struct {
        content_str_t   text;
        const char     *escaped;
    } rows[] = {
        { content_string(""), "" },
        { content_string("plain / text"), "plain / text" },
        { content_string("a\"b\\c"), "a\\\"b\\\\c" },
        { content_string("\0\n\x1f"), "\\u0000\\u000a\\u001f" },
        { content_string("\x7f caf\xc3\xa9"), "\x7f caf\xc3\xa9" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_out_json(&out, rows[i].text);
        assert_written(&out, rows[i].escaped);
    }
}


static void
test_overflow(void **state)
{
    content_out_t  out;
    unsigned char  buf[5];

    (void) state;

    buf[4] = '!';
    content_out_init(&out, buf, 4);

    content_out_text(&out, "abcd");
    assert_false(out.overflow);
    assert_written(&out, "abcd");

    content_out_mem(&out, "", 0);
    assert_false(out.overflow);

    content_out_char(&out, 'e');
    assert_true(out.overflow);
    assert_written(&out, "");
    assert_int_equal(buf[4], '!');
}


static void
test_overflow_stays(void **state)
{
    content_out_t  out;
    unsigned char  buf[4];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));

    content_out_text(&out, "too long");
    content_out_char(&out, 'a');
    assert_true(out.overflow);
    assert_written(&out, "");

    content_out_init(&out, buf, sizeof(buf));
    content_out_char(&out, 'a');
    assert_written(&out, "a");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_eq),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_uint),
        cmocka_unit_test(test_out),
        cmocka_unit_test(test_out_uint),
        cmocka_unit_test(test_out_hex),
        cmocka_unit_test(test_out_json),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_overflow_stays)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
