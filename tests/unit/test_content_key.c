/*
 * Keys.  The rows are in vectors/keys.json, which tests/http reads too: what
 * is promised here for a path must hold for a request.  Rows that JSON cannot
 * write, and the rest of the interface, are below.
 */

#include <jansson.h>

#include "lib/content_key.h"
#include "rows.h"


#ifndef VECTORS
#define VECTORS  "tests/unit/vectors"
#endif

#define SPACE  (3 * CONTENT_KEY_MAX)


static content_str_t
member(json_t *row, const char *name)
{
    json_t         *value;
    content_str_t   s;

    value = json_object_get(row, name);

    s.data = (unsigned char *) json_string_value(value);
    s.len = json_string_length(value);

    return s;
}


static void
check_good(const char *name, json_t *row)
{
    const char     *why;
    content_out_t   out;
    content_str_t   key, path;
    unsigned char   buf[CONTENT_KEY_MAX], encoded[1 + SPACE];
    unsigned char   again[CONTENT_KEY_MAX], tag[CONTENT_KEY_TAG_LEN];
    unsigned char   hash[CONTENT_KEY_HASH_LEN];

    content_out_init(&out, buf, sizeof(buf));

    if (content_key_decode(member(row, "path"), &out, &why) != CONTENT_OK) {
        fail_msg("%s: refused: %s", name, why);
    }

    key = content_out_done(&out);
    assert_str(name, key, member(row, "key"));
    assert_int_equal(content_key_check(key, &why), CONTENT_OK);

    content_out_init(&out, encoded, sizeof(encoded));
    content_out_char(&out, '/');
    content_key_encode(&out, key);

    path = content_out_done(&out);
    path.data++;
    path.len--;
    assert_str(name, path, member(row, "encoded"));

    content_out_init(&out, again, sizeof(again));
    assert_int_equal(content_key_decode((content_str_t) { path.len + 1,
                                                          encoded },
                                        &out, &why),
                     CONTENT_OK);
    assert_str(name, content_out_done(&out), key);

    content_key_hash(key, hash);
    content_key_tag(hash, tag);
    assert_str(name, (content_str_t) { sizeof(tag), tag },
               member(row, "tag"));
}


static void
check_bad(const char *name, json_t *row)
{
    const char     *why;
    content_out_t   out;
    unsigned char   buf[CONTENT_KEY_MAX];

    content_out_init(&out, buf, sizeof(buf));

    if (content_key_decode(member(row, "path"), &out, &why)
        != CONTENT_ERROR)
    {
        fail_msg("%s: not refused", name);
    }

    assert_str(name, content_cstr(why), member(row, "why"));
    assert_int_equal(content_out_done(&out).len, 0);
}


static void
test_vectors(void **state)
{
    size_t        i;
    json_t       *rows, *row;
    const char   *name;
    json_error_t  error;

    (void) state;

    rows = json_load_file(VECTORS "/keys.json", JSON_ALLOW_NUL, &error);

    if (rows == NULL) {
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    }

    assert_true(json_array_size(rows) > 50);

    json_array_foreach(rows, i, row) {
        name = json_string_value(json_object_get(row, "name"));

        if (json_is_null(json_object_get(row, "key"))) {
            check_bad(name, row);

        } else {
            check_good(name, row);
        }
    }

    json_decref(rows);
}


static void
test_raw_bytes(void **state)
{
    size_t          i;
    const char     *why;
    content_out_t   out;
    unsigned char   buf[CONTENT_KEY_MAX];

    static const struct {
        content_str_t   path;
        const char     *why;
    } rows[] = {
        { content_string("/a\0b"), "a control character" },
        { content_string("/a\x1b[2J"), "a control character" },
        { content_string("/\xc2\x9b" "2J"), "a control character" },
        { content_string("/caf\xe9"), "invalid UTF-8" },
        { content_string("/\xc3"), "invalid UTF-8" },
        { content_string("/\xc3/a"), "invalid UTF-8" },
        { content_string("/\xe2\x82"), "invalid UTF-8" },
        { content_string("/\xff"), "invalid UTF-8" },

        /* what follows the slice would complete it */
        { { 2, (unsigned char *) "/\xc3\xa9" }, "invalid UTF-8" },
        { { 2, (unsigned char *) "/%20" }, "an invalid percent escape" },
        { { 3, (unsigned char *) "/%20" }, "an invalid percent escape" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));

        assert_int_equal(content_key_decode(rows[i].path, &out, &why),
                         CONTENT_ERROR);
        assert_string_equal(why, rows[i].why);
    }
}


static void
test_decode_appends(void **state)
{
    const char     *why;
    content_out_t   out;
    unsigned char   buf[8];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_out_text(&out, "b/");

    assert_int_equal(content_key_decode(content_cstr("/%0a"), &out, &why),
                     CONTENT_ERROR);
    assert_int_equal(content_key_decode(content_cstr("/a%20b"), &out, &why),
                     CONTENT_OK);
    assert_str("after a prefix", content_out_done(&out),
               content_cstr("b/a b"));

    assert_int_equal(content_key_decode(content_cstr("/long"), &out, &why),
                     CONTENT_OVERFLOW);
}


static void
test_check(void **state)
{
    size_t       i;
    const char  *why;

    static const struct {
        const char  *key;
        int          rc;
    } rows[] = {
        { "a", CONTENT_OK },
        { "a b%20+", CONTENT_OK },
        { "/a//", CONTENT_OK },
        { "", CONTENT_ERROR },
        { "a\nb", CONTENT_ERROR },
        { "a/..", CONTENT_ERROR },
        { ".", CONTENT_ERROR },
        { "\xed\xa0\x80", CONTENT_ERROR }
    }, beginnings[] = {
        { "a", CONTENT_OK },
        { "a/", CONTENT_OK },
        { "a/..", CONTENT_OK },
        { ".", CONTENT_OK },
        { "./", CONTENT_ERROR },
        { "a/../", CONTENT_ERROR },
        { "../..", CONTENT_ERROR },
        { "", CONTENT_ERROR },
        { "a\nb", CONTENT_ERROR },
        { "\xff", CONTENT_ERROR }
    };

    static unsigned char  k[CONTENT_KEY_MAX + 1];

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(content_key_check(content_cstr(rows[i].key), &why),
                         rows[i].rc);
    }

    for (i = 0; i < ROWS(beginnings); i++) {
        assert_int_equal(content_key_check_beginning(
                             content_cstr(beginnings[i].key), &why),
                         beginnings[i].rc);
    }

    memset(k, 'k', sizeof(k));

    assert_int_equal(content_key_check((content_str_t) { sizeof(k) - 1, k },
                                       &why), CONTENT_OK);
    assert_int_equal(content_key_check((content_str_t) { sizeof(k), k },
                                       &why), CONTENT_ERROR);

    /* a character that the slice cuts, and what follows would complete */
    assert_int_equal(content_key_check(
                         (content_str_t) { 1, (unsigned char *) "\xc3\xa9" },
                         &why), CONTENT_ERROR);
}


static void
test_encode_component(void **state)
{
    size_t          i;
    content_out_t   out;
    unsigned char   buf[64];

    static const struct {
        const char  *text;
        const char  *encoded;
    } rows[] = {
        { "", "" },
        { "AZaz09-._~", "AZaz09-._~" },
        { "a/b", "a%2Fb" },
        { "a b+c", "a%20b%2Bc" },
        { "=&?#%", "%3D%26%3F%23%25" },
        { "\xc3\xa9", "%C3%A9" },
        { "\x01\x7f", "%01%7F" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_key_encode_component(&out, content_cstr(rows[i].text));
        assert_str(rows[i].text, content_out_done(&out),
                   content_cstr(rows[i].encoded));
    }
}


static void
test_encode_overflow(void **state)
{
    content_out_t  out;
    unsigned char  buf[5];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_key_encode(&out, content_cstr("a b c"));
    assert_true(out.overflow);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_raw_bytes),
        cmocka_unit_test(test_decode_appends),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_encode_component),
        cmocka_unit_test(test_encode_overflow)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
