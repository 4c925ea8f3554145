/*
 * The JSON of a list of objects.
 */

#include <stdio.h>

#include <jansson.h>

#include "lib/content_list.h"
#include "rows.h"


#define ENTRY    "{\"key\":\"a\",\"size\":1,\"etag\":\"\\\"x\\\"\","         \
                 "\"last_modified\":\"2026-11-22T10:00:00Z\"}"


static unsigned char  buf[16384];


static void
answers(void **state)
{
    unsigned       i, n;
    content_out_t  out;
    content_str_t  next;

    static const struct {
        const char  *prefix;
        unsigned     entries;
        size_t       omitted;
        const char  *next, *want;
    } rows[] = {
        { "", 0, 0, NULL, "{\"prefix\":\"\",\"objects\":[],\"next\":null}" },
        { "p/\"", 1, 0, NULL,
          "{\"prefix\":\"p/\\\"\",\"objects\":[" ENTRY "],\"next\":null}" },
        { "", 3, 0, "a\\b",
          "{\"prefix\":\"\",\"objects\":[" ENTRY "," ENTRY "," ENTRY
          "],\"next\":\"a\\\\b\"}" },
        { "", 0, 12, NULL,
          "{\"prefix\":\"\",\"objects\":[],\"omitted\":12,\"next\":null}" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_list_begin(&out, content_cstr(rows[i].prefix));

        for (n = 0; n < rows[i].entries; n++) {
            content_list_entry(&out, n == 0, content_cstr("a"), 1,
                               content_cstr("\"x\""), 1795341600);
        }

        next = content_cstr(rows[i].next ? rows[i].next : "");
        content_list_end(&out, rows[i].omitted,
                         rows[i].next ? &next : NULL);

        if (!content_str_eq(content_out_done(&out),
                            content_cstr(rows[i].want)))
        {
            fail_msg("%.*s", (int) content_out_done(&out).len, buf);
        }
    }
}


static void
common(void **state)
{
    unsigned       i;
    content_str_t  got;

    static const struct {
        const char  *key, *prefix, *delimiter, *want;
    } rows[] = {
        { "a/b/c", "", "/", "a/" },
        { "a/b/c", "a", "/", "a/" },
        { "a/b/c", "a/", "/", "a/b/" },
        { "a/b/c", "a/b/", "/", "" },
        { "a/", "", "/", "a/" },
        { "a/", "a/", "/", "" },
        { "a//b", "a/", "/", "a//" },
        { "/", "", "/", "/" },
        { "a", "", "/", "" },
        { "a/b", "", "", "" },
        { "a-=-=b", "a", "-=", "a-=" },
        { "a-=b-", "a-=", "-=", "" },
        { "a-", "", "-=", "" },
        { "", "", "/", "" },
        { "\xe2\x82\xac-\xe2\x82\xac", "\xe2\x82\xac", "\xe2\x82\xac",
          "\xe2\x82\xac-\xe2\x82\xac" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        got = content_list_common(content_cstr(rows[i].key),
                                  content_cstr(rows[i].prefix),
                                  content_cstr(rows[i].delimiter));

        if (!content_str_eq(got, content_cstr(rows[i].want))) {
            fail_msg("%s: %.*s", rows[i].key, (int) got.len, got.data);
        }
    }
}


static void
prefixes(void **state)
{
    content_out_t  out;
    content_str_t  next = content_string("b/");

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_list_begin(&out, content_cstr(""));
    content_list_prefixes(&out);
    content_list_prefix(&out, 1, content_cstr("a\"/"));
    content_list_prefix(&out, 0, next);
    content_list_end(&out, 0, &next);

    assert_true(content_str_eq(content_out_done(&out), content_cstr(
        "{\"prefix\":\"\",\"objects\":[],\"prefixes\":[\"a\\\"/\",\"b/\"],"
        "\"next\":\"b/\"}")));
}


static void
values(void **state)
{
    json_t        *json, *entry;
    content_out_t  out;
    content_str_t  key = content_string("caf\xc3\xa9/\t\"\\/\x7f.html");

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_list_begin(&out, key);
    content_list_entry(&out, 1, key, INT64_MAX, content_cstr(""), -1);
    content_list_end(&out, 0, &key);

    json = json_loadb((char *) buf, content_out_done(&out).len, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "prefix")),
                        (char *) key.data);
    assert_string_equal(json_string_value(json_object_get(json, "next")),
                        (char *) key.data);

    entry = json_array_get(json_object_get(json, "objects"), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "key")),
                        (char *) key.data);
    assert_true(json_integer_value(json_object_get(entry, "size"))
                == INT64_MAX);
    assert_string_equal(json_string_value(json_object_get(entry, "etag")), "");
    assert_string_equal(
        json_string_value(json_object_get(entry, "last_modified")),
        "1969-12-31T23:59:59Z");
    json_decref(json);
}


/* Text that grows most fills the bounds exactly; one byte less overflows. */

static void
bounds(void **state)
{
    size_t         less;
    content_out_t  out;
    content_str_t  key, etag = content_string("\x01\x02");
    unsigned char  controls[1024];

    (void) state;

    memset(controls, 1, sizeof(controls));
    key.data = controls;
    key.len = sizeof(controls);

    for (less = 0; less < 2; less++) {
        content_out_init(&out, buf, content_list_begin_max(key) - less);
        content_list_begin(&out, key);
        assert_int_equal(out.overflow, less);

        content_out_init(&out, buf, content_list_entry_max(key, etag) - less);
        content_list_entry(&out, 0, key, INT64_MAX, etag, INT64_MAX);
        assert_int_equal(out.overflow, less);

        content_out_init(&out, buf, content_list_prefixes_max() - less);
        content_list_prefixes(&out);
        assert_int_equal(out.overflow, less);

        content_out_init(&out, buf, content_list_prefix_max(key) - less);
        content_list_prefix(&out, 0, key);
        assert_int_equal(out.overflow, less);

        content_out_init(&out, buf, content_list_end_max(&key) - less);
        content_list_end(&out, INT64_MAX, &key);
        assert_int_equal(out.overflow, less);

        content_out_init(&out, buf, content_list_end_max(NULL) - less);
        content_list_end(&out, INT64_MAX, NULL);
        assert_int_equal(out.overflow, less);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(common),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(values),
        cmocka_unit_test(bounds)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
