/*
 * Cache headers of answers, and what a PUT may keep with an object.
 */

#include <stdio.h>

#include "lib/content_policy.h"
#include "rows.h"


#define OWN_TAG   "c0123456789abcdef0123"


static unsigned char  buf[65536];
static char           text[65536];


static const char *
done(const content_out_t *out)
{
    content_str_t  s;

    s = content_out_done(out);
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';

    return text;
}


/* The unit n times. */

static content_str_t
many(const char *unit, size_t n)
{
    size_t       i;
    static char  s[65536];

    s[0] = '\0';

    for (i = 0; i < n; i++) {
        memcpy(s + i * strlen(unit), unit, strlen(unit) + 1);
    }

    return content_cstr(s);
}


static void
cache_tag(void **state)
{
    size_t         i;
    content_out_t  out;

    static const struct {
        const char  *name, *tags, *want;
    } rows[] = {
        { "no tags", "", OWN_TAG },
        { "one", "a", OWN_TAG ",a" },
        { "several", "a,b,c", OWN_TAG ",a,b,c" },
        { "not as parse writes them", " a ,, b", OWN_TAG ",a,b" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_policy_cache_tag(&out, content_cstr(OWN_TAG),
                                 content_cstr(rows[i].tags));
        assert_string_equal(done(&out), rows[i].want);
    }
}


static void
cache_tag_budget(void **state)
{
    size_t         i;
    content_out_t  out;
    content_str_t  tags;

    static const struct {
        const char  *name, *unit;
        size_t       count, want;
    } rows[] = {
        /* 16384 - 21 = 16363 = 1818 * 9 + 1 */
        { "the last does not fit", "tag-1234,", 2000, 21 + 1818 * 9 },
        { "a whole budget", "t,", 9000, 21 + 8181 * 2 }
    };

    (void) state;

    assert_int_equal(strlen(OWN_TAG), CONTENT_POLICY_OWN_TAG);

    for (i = 0; i < ROWS(rows); i++) {
        tags = many(rows[i].unit, rows[i].count);
        content_out_init(&out, buf, sizeof(buf));
        content_policy_cache_tag(&out, content_cstr(OWN_TAG), tags);

        assert_int_equal(strlen(done(&out)), rows[i].want);
        assert_true(rows[i].want <= CONTENT_POLICY_CACHE_TAG_MAX);
        assert_int_not_equal(text[rows[i].want - 1], ',');
    }
}


/* A shorter tag behind one that did not fit must not slip in. */

static void
cache_tag_leaves_out_from_the_end(void **state)
{
    size_t         len;
    content_out_t  out;
    static char    tags[20000];

    (void) state;

    memset(tags, 'x', sizeof(tags));
    len = 16000;
    memcpy(tags + len, ",", 1);
    len += 1 + 400;
    memcpy(tags + len, ",b", 3);

    content_out_init(&out, buf, sizeof(buf));
    content_policy_cache_tag(&out, content_cstr(OWN_TAG), content_cstr(tags));
    assert_int_equal(strlen(done(&out)), 21 + 1 + 16000);
}


static void
cache_control(void **state)
{
    size_t            i;
    content_object_t  object;
    content_policy_t  policy;
    content_str_t     got;

    static const struct {
        const char  *name, *own, *location, *want;
    } rows[] = {
        { "the location's", "", "public, max-age=0", "public, max-age=0" },
        { "the object's own wins", "private", "public", "private" },
        { "none", "", "", "" }
    };

    (void) state;

    memset(&object, 0, sizeof(object));
    memset(&policy, 0, sizeof(policy));

    for (i = 0; i < ROWS(rows); i++) {
        object.cache_control = content_cstr(rows[i].own);
        policy.cache_control = content_cstr(rows[i].location);
        got = content_policy_cache_control(&object, &policy);
        assert_true(content_str_eq(got, content_cstr(rows[i].want)));
    }
}


static void
cdn_cache_control(void **state)
{
    size_t            i;
    content_object_t  object;
    content_policy_t  policy;
    content_str_t     got;

    static const struct {
        const char  *name, *own, *want;
    } rows[] = {
        { "none", "", "max-age=86400" },
        { "public", "public, max-age=60", "max-age=86400" },
        { "private", "private, max-age=60", "private" },
        { "no-store", "no-store", "no-store" },
        { "both", "private, no-store", "no-store" },
        { "upper case", "max-age=1, Private", "private" },
        { "only some fields", "private=\"Set-Cookie\"", "private" },
        { "tabs, empty members", ",\t,no-store\t,", "no-store" },
        { "no spaces", "max-age=0,no-store", "no-store" },
        { "only a part of a name", "not-private, no-stores",
          "max-age=86400" },
        { "in a quoted argument", "x=\"a, private, no-store\", max-age=1",
          "max-age=86400" },
        { "behind a quoted argument", "x=\"a, b\", private", "private" },
        { "escaped quote", "x=\"a\\\", private\"", "max-age=86400" },
        { "escape at the end", "x=\"a, private\\", "private" },
        { "escaped backslash", "x=\"a\\\\\", private", "private" },
        { "a quote never closed", "x=\"a, private", "private" },
        { "a quote out of place", "x\"a, private, b\"", "private" },
        { "as an argument", "x=private", "max-age=86400" },
        { "with a space and more", "private x", "private" },
        { "space before =", "private =\"a\"", "private" },
        { "only an equals sign", "=", "max-age=86400" },
        { "an argument without a name", "=, no-store", "no-store" }
    };

    (void) state;

    memset(&object, 0, sizeof(object));
    policy.cache_control = content_cstr("public, max-age=0");
    policy.cdn_cache_control = content_cstr("max-age=86400");

    for (i = 0; i < ROWS(rows); i++) {
        object.cache_control = content_cstr(rows[i].own);
        got = content_policy_cdn_cache_control(&object, &policy);

        if (!content_str_eq(got, content_cstr(rows[i].want))) {
            fail_msg("%s: %.*s", rows[i].name, (int) got.len, got.data);
        }
    }

    policy.cdn_cache_control = content_cstr("");
    object.cache_control = content_cstr("private");
    got = content_policy_cdn_cache_control(&object, &policy);
    assert_true(content_str_eq(got, content_cstr("private")));
}


static void
cache_status(void **state)
{
    size_t         i;
    content_out_t  out;

    static const struct {
        content_cache_status_t  status;
        const char             *want;
    } rows[] = {
        { { .cache = CONTENT_CACHE_HIT },
          "ngx_content; hit" },
        { { .cache = CONTENT_CACHE_HIT, .detail = content_string("redis") },
          "ngx_content; hit; detail=redis" },
        { { .cache = CONTENT_CACHE_HIT, .stored = 1, .has_ttl = 1,
            .ttl = 376 },
          "ngx_content; hit; ttl=376" },
        { { .cache = CONTENT_CACHE_URI_MISS, .stored = 1 },
          "ngx_content; fwd=uri-miss; stored" },
        { { .cache = CONTENT_CACHE_URI_MISS, .stored = 1, .collapsed = 1,
            .detail = content_string("s3") },
          "ngx_content; fwd=uri-miss; stored; collapsed; detail=s3" },
        { { .cache = CONTENT_CACHE_MISS, .detail = content_string("a b\"\\") },
          "ngx_content; fwd=miss; detail=\"a b\\\"\\\\\"" },
        { { .cache = CONTENT_CACHE_STALE, .has_ttl = 1, .ttl = -412 },
          "ngx_content; fwd=stale; ttl=-412" },
        { { .cache = CONTENT_CACHE_STALE, .fwd_status = 502, .has_ttl = 1,
            .ttl = -412, .detail = content_string("memory") },
          "ngx_content; fwd=stale; fwd-status=502; ttl=-412; detail=memory" },
        { { .cache = CONTENT_CACHE_BYPASS, .stored = 1, .has_ttl = 1,
            .ttl = 0, .detail = content_string("s3/eu:1") },
          "ngx_content; fwd=bypass; stored; ttl=0; detail=s3/eu:1" },
        { { .cache = CONTENT_CACHE_METHOD, .detail = content_string("1x") },
          "ngx_content; fwd=method; detail=\"1x\"" },
        { { .cache = CONTENT_CACHE_REQUEST,
            .detail = content_string("\r\n\xc3\xa9") },
          "ngx_content; fwd=request; detail=\"????\"" },
        { { .cache = CONTENT_CACHE_PARTIAL, .has_ttl = 1, .ttl = INT64_MIN },
          "ngx_content; fwd=partial; ttl=-9223372036854775808" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_policy_cache_status(&out, &rows[i].status);
        assert_string_equal(done(&out), rows[i].want);
    }
}


static void
tags(void **state)
{
    int            rc;
    size_t         i;
    const char    *why;
    content_out_t  out;

    static const struct {
        const char  *name, *header;
        int          rc;
        const char  *want;
    } rows[] = {
        { "none", "", CONTENT_OK, "" },
        { "only commas", " , ,\t,", CONTENT_OK, "" },
        { "one", "a", CONTENT_OK, "a" },
        { "spaces around", " a ,\tb\t, c", CONTENT_OK, "a,b,c" },
        { "empties", ",a,,b,", CONTENT_OK, "a,b" },
        { "duplicates", "a,b,a,c,b", CONTENT_OK, "a,b,c" },
        { "duplicates in another case", "News,b,NEWS,nEWS,c,B", CONTENT_OK,
          "News,b,c" },
        { "one is the other's beginning", "ab,a,abc,b,bc", CONTENT_OK,
          "ab,a,abc,b,bc" },
        { "all of ASCII", "!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~", CONTENT_OK,
          "!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~" },
        { "not folded beyond letters", "[,{,@,`", CONTENT_OK, "[,{,@,`" },
        { "space inside", "a b", CONTENT_ERROR, NULL },
        { "tab inside", "a\tb", CONTENT_ERROR, NULL },
        { "line feed", "a\nb", CONTENT_ERROR, NULL },
        { "DEL", "a\x7f", CONTENT_ERROR, NULL },
        { "UTF-8", "caf\xc3\xa9", CONTENT_ERROR, NULL }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        why = NULL;
        content_out_init(&out, buf, sizeof(buf));
        rc = content_policy_tags_parse(content_cstr(rows[i].header), &out,
                                       &why);

        if (rc != rows[i].rc) {
            fail_msg("%s: %d", rows[i].name, rc);
        }

        if (rc == CONTENT_OK) {
            assert_string_equal(done(&out), rows[i].want);
            assert_null(why);

        } else {
            assert_non_null(why);
        }
    }
}


static void
tags_lengths(void **state)
{
    size_t         i, len;
    const char    *why;
    content_out_t  out;
    static char    s[CONTENT_POLICY_CACHE_TAG_MAX + 64];

    static const struct {
        const char  *name;
        size_t       tag, total;
        int          rc;
    } rows[] = {
        { "the longest tag", 1024, 1024, CONTENT_OK },
        { "a tag too long", 1025, 1025, CONTENT_ERROR },
        { "all there may be", 1000, 16362, CONTENT_OK },
        { "one byte more", 1000, 16363, CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(s, 'x', sizeof(s));
        s[rows[i].total] = '\0';

        for (len = rows[i].tag; len < rows[i].total; len += rows[i].tag) {
            s[len] = ',';
            s[len - 1] = (char) ('A' + len / rows[i].tag);
        }

        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_policy_tags_parse(content_cstr(s), &out,
                                                   &why), rows[i].rc);

        if (rows[i].rc == CONTENT_OK) {
            assert_string_equal(done(&out), s);

            content_out_init(&out, buf, sizeof(buf));
            content_policy_cache_tag(&out, content_cstr(OWN_TAG),
                                     content_cstr(s));
            assert_int_equal(strlen(done(&out)), 22 + rows[i].total);
        }
    }
}


/* A character of tags of which no other is the same in another case. */

static int
is_distinct(unsigned c)
{
    return c != ',' && !(c >= 'A' && c <= 'Z');
}


/*
 * The most different tags that fit, twice: all are kept, and only once.  The
 * short ones come last, when the long ones that begin like them are there.
 */
#define SINGLES  67

static void
tags_most(void **state)
{
    size_t         n, once;
    unsigned       a, b;
    const char    *why;
    content_out_t  out;
    static char    s[65536];

    (void) state;

    n = 0;

    for (a = 0x21; a < 0x7f; a++) {
        for (b = 0x21; b < 0x7f; b++) {
            if (is_distinct(a) && is_distinct(b)
                && n + 3 + SINGLES * 2 <= CONTENT_POLICY_TAGS_MAX)
            {
                n += (size_t) sprintf(s + n, "%c%c,", a, b);
            }
        }
    }

    for (a = 0x21; a < 0x7f; a++) {
        if (is_distinct(a)) {
            n += (size_t) sprintf(s + n, "%c,", a);
        }
    }

    once = n - 1;
    memcpy(s + n, s, once);
    s[n + once] = '\0';

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_policy_tags_parse(content_cstr(s), &out, &why),
                     CONTENT_OK);
    s[once] = '\0';
    assert_string_equal(done(&out), s);
}


static void
tags_overflow(void **state)
{
    size_t         size;
    const char    *why;
    content_out_t  out;
    content_str_t  header = content_string("one, two, three");

    (void) state;

    for (size = 0; size <= 13; size++) {
        content_out_init(&out, buf, size);
        assert_int_equal(content_policy_tags_parse(header, &out, &why),
                         size < 13 ? CONTENT_OVERFLOW : CONTENT_OK);
    }
}


static void
field_check(void **state)
{
    size_t  i;

    static const struct {
        const char     *name;
        content_str_t   value;
        int             rc;
    } rows[] = {
        { "empty", content_string(""), CONTENT_OK },
        { "plain", content_string("attachment; filename=\"a b\""),
          CONTENT_OK },
        { "bounds", content_string("! ~"), CONTENT_OK },
        { "leading space", content_string(" a"), CONTENT_ERROR },
        { "trailing space", content_string("a "), CONTENT_ERROR },
        { "only a space", content_string(" "), CONTENT_ERROR },
        { "CR", content_string("a\rb"), CONTENT_ERROR },
        { "LF", content_string("a\nb"), CONTENT_ERROR },
        { "NUL", content_string("a\0b"), CONTENT_ERROR },
        { "tab", content_string("a\tb"), CONTENT_ERROR },
        { "DEL", content_string("a\x7f"), CONTENT_ERROR },
        { "UTF-8", content_string("\xc3\xa9"), CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_policy_field_check(rows[i].value) != rows[i].rc) {
            fail_msg("%s", rows[i].name);
        }
    }
}


static void
name_check(void **state)
{
    size_t  i;

    static const struct {
        const char     *name;
        content_str_t   value;
        int             rc;
    } rows[] = {
        { "empty", content_string(""), CONTENT_ERROR },
        { "plain", content_string("author-2"), CONTENT_OK },
        { "all marks", content_string("!#$%&'*+-.^_`|~"), CONTENT_OK },
        { "space", content_string("a b"), CONTENT_ERROR },
        { "colon", content_string("a:b"), CONTENT_ERROR },
        { "slash", content_string("a/"), CONTENT_ERROR },
        { "bracket", content_string("(a"), CONTENT_ERROR },
        { "quote", content_string("\"a"), CONTENT_ERROR },
        { "LF", content_string("a\nb"), CONTENT_ERROR },
        { "NUL", content_string("a\0b"), CONTENT_ERROR },
        { "DEL", content_string("a\x7f"), CONTENT_ERROR },
        { "UTF-8", content_string("\xc3\xa9"), CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_policy_name_check(rows[i].value) != rows[i].rc) {
            fail_msg("%s", rows[i].name);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(cache_tag),
        cmocka_unit_test(cache_tag_budget),
        cmocka_unit_test(cache_tag_leaves_out_from_the_end),
        cmocka_unit_test(cache_control),
        cmocka_unit_test(cdn_cache_control),
        cmocka_unit_test(cache_status),
        cmocka_unit_test(tags),
        cmocka_unit_test(tags_lengths),
        cmocka_unit_test(tags_most),
        cmocka_unit_test(tags_overflow),
        cmocka_unit_test(field_check),
        cmocka_unit_test(name_check)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
