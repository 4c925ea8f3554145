/*
 * Bodies of error answers: JSON, whatever bytes go in.
 */

#include <jansson.h>

#include "lib/content_problem.h"
#include "rows.h"


#define R        "\xef\xbf\xbd"         /* U+FFFD */
#define T404     "{\"title\":\"Not Found\",\"status\":404"


static content_str_t
write_problem(int status, content_str_t detail, content_str_t key)
{
    content_out_t         out;
    static unsigned char  buf[8192];

    content_out_init(&out, buf, CONTENT_PROBLEM_MAX(detail.len + key.len));
    content_problem_write(&out, status, detail, key);
    assert_false(out.overflow);

    return content_out_done(&out);
}


static void
titles(void **state)
{
    size_t  i;

    static const struct {
        int          status;
        const char  *title;
    } rows[] = {
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 404, "Not Found" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 429, "Too Many Requests" },
        { 504, "Gateway Timeout" },
        { 507, "Insufficient Storage" },
        { 299, "Error" },
        { 0, "Error" },
        { -1, "Error" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_string_equal(content_problem_title(rows[i].status),
                            rows[i].title);
    }
}


static void
members(void **state)
{
    size_t         i;
    content_str_t  got;

    static const struct {
        int          status;
        const char  *detail, *key, *want;
    } rows[] = {
        { 404, "", "", T404 "}" },
        { 404, "no such object", "", T404 ",\"detail\":\"no such object\"}" },
        { 404, "", "a/b", T404 ",\"key\":\"a/b\"}" },
        { 404, "x", "a", T404 ",\"detail\":\"x\",\"key\":\"a\"}" },
        { 404, "a \"b\" \\", "\n\x7f", T404
          ",\"detail\":\"a \\\"b\\\" \\\\\",\"key\":\"\\u000a\x7f\"}" },
        { 999, "", "", "{\"title\":\"Error\",\"status\":999}" },
        { -5, "", "", "{\"title\":\"Error\",\"status\":0}" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        got = write_problem(rows[i].status, content_cstr(rows[i].detail),
                            content_cstr(rows[i].key));

        if (!content_str_eq(got, content_cstr(rows[i].want))) {
            fail_msg("%.*s", (int) got.len, got.data);
        }
    }
}


/* The text lies in memory of its exact length: ASan sees a read beyond. */

static void
utf8(void **state)
{
    size_t         i;
    json_t        *json;
    content_str_t  s, got, none = content_null_string;

    static const struct {
        const char  *name, *text, *want;
    } rows[] = {
        { "two bytes", "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf" },
        { "three", "\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf" },
        { "around surrogates", "\xed\x9f\xbf\xee\x80\x80",
          "\xed\x9f\xbf\xee\x80\x80" },
        { "four", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
          "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { "lone continuation", "a\x80z", "a" R "z" },
        { "cut", "a\xe2\x82", "a" R R },
        { "cut by a letter", "\xe2\x82z", R R "z" },
        { "cut at the first", "\xf0", R },
        { "overlong, two", "\xc0\x80\xc1\xbf", R R R R },
        { "overlong, three", "\xe0\x9f\xbf", R R R },
        { "overlong, four", "\xf0\x8f\xbf\xbf", R R R R },
        { "surrogate", "\xed\xa0\x80", R R R },
        { "beyond", "\xf4\x90\x80\x80", R R R R },
        { "never a byte", "\xff\xfe\xf5", R R R },
        { "third byte wrong", "\xf0\x90z\x80", R R "z" R }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        s = copy(rows[i].text, strlen(rows[i].text));
        got = write_problem(404, none, s);
        free(s.data);

        json = json_loadb((char *) got.data, got.len, 0, NULL);

        if (json == NULL) {
            fail_msg("%s: %.*s", rows[i].name, (int) got.len, got.data);
        }

        assert_string_equal(json_string_value(json_object_get(json, "key")),
                            rows[i].want);
        json_decref(json);
    }
}


/* Any two bytes, and the longest that text can become. */

static void
any_bytes(void **state)
{
    unsigned       a, b;
    json_t        *json;
    content_str_t  s, got;
    unsigned char  text[3], controls[1024];

    (void) state;

    for (a = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            text[0] = (unsigned char) a;
            text[1] = (unsigned char) b;
            text[2] = (unsigned char) a;
            s.data = text;
            s.len = 3;

            got = write_problem(500, s, s);
            json = json_loadb((char *) got.data, got.len, JSON_ALLOW_NUL,
                              NULL);
            assert_non_null(json);
            json_decref(json);
        }
    }

    memset(controls, 1, sizeof(controls));
    s.data = controls;
    s.len = 512;
    got = write_problem(431, s, s);
    assert_true(got.len > 6 * sizeof(controls));
}


static void
overflow(void **state)
{
    size_t         size;
    content_out_t  out;
    unsigned char  buf[64];
    content_str_t  none = content_null_string;

    (void) state;

    for (size = 0; size < strlen(T404 "}"); size++) {
        content_out_init(&out, buf, size);
        content_problem_write(&out, 404, none, none);
        assert_true(out.overflow);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(titles),
        cmocka_unit_test(members),
        cmocka_unit_test(utf8),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(overflow)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
