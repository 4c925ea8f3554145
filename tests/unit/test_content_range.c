/*
 * Range, If-Range, Content-Range, and lists of entity tags.
 */

#include "lib/content_range.h"
#include "rows.h"


#define NONE       CONTENT_RANGE_NONE
#define OK         CONTENT_RANGE_OK
#define SEVERAL    CONTENT_RANGE_SEVERAL
#define UNSAT      CONTENT_RANGE_UNSATISFIABLE

#define MAX        100             /* ranges */

#define BIG        "99999999999999999999999999"


static void
parse(void **state)
{
    int            rc;
    size_t         i;
    int64_t        first, last;
    content_str_t  s;

    static const struct {
        const char  *header;
        int64_t      size;
        int          rc;
        int64_t      first, last;
    } rows[] = {
        { "bytes=0-9", 10, OK, 0, 9 },
        { "bytes=0-0", 10, OK, 0, 0 },
        { "bytes=9-9", 10, OK, 9, 9 },
        { "bytes=3-", 10, OK, 3, 9 },
        { "bytes=3-99", 10, OK, 3, 9 },
        { "bytes=-3", 10, OK, 7, 9 },
        { "bytes=-10", 10, OK, 0, 9 },
        { "bytes=-11", 10, OK, 0, 9 },
        { "bytes=007-08", 10, OK, 7, 8 },
        { "BYTES=1-2", 10, OK, 1, 2 },
        { " bytes=1-2\t", 10, OK, 1, 2 },
        { "bytes= 1-2 ", 10, OK, 1, 2 },
        { "bytes=,1-2 ,", 10, OK, 1, 2 },
        { "bytes=0-", INT64_MAX, OK, 0, INT64_MAX - 1 },
        { "bytes=0-9223372036854775807", 10, OK, 0, 9 },
        { "bytes=0-" BIG, 10, OK, 0, 9 },
        { "bytes=-" BIG, 10, OK, 0, 9 },
        { "bytes=9223372036854775806-", INT64_MAX, OK,
          INT64_MAX - 1, INT64_MAX - 1 },

        { "bytes=10-", 10, UNSAT, 0, 0 },
        { "bytes=10-20", 10, UNSAT, 0, 0 },
        { "bytes=" BIG "-", 10, UNSAT, 0, 0 },
        { "bytes=" BIG "-" BIG, 10, UNSAT, 0, 0 },
        { "bytes=-0", 10, UNSAT, 0, 0 },

        { "", 10, NONE, 0, 0 },
        { "bytes", 10, NONE, 0, 0 },
        { "bytes=", 10, NONE, 0, 0 },
        { "bytes=,", 10, NONE, 0, 0 },
        { "bytes=-", 10, NONE, 0, 0 },
        { "bytes=5", 10, NONE, 0, 0 },
        { "bytes=a-b", 10, NONE, 0, 0 },
        { "bytes=1-b", 10, NONE, 0, 0 },
        { "bytes=1-2x", 10, NONE, 0, 0 },
        { "bytes=-x", 10, NONE, 0, 0 },
        { "bytes=--1", 10, NONE, 0, 0 },
        { "bytes=1--2", 10, NONE, 0, 0 },
        { "bytes=1 - 2", 10, NONE, 0, 0 },
        { "bytes=+1-2", 10, NONE, 0, 0 },
        { "bytes=2-1", 10, NONE, 0, 0 },
        { "bytes=20-11", 10, NONE, 0, 0 },
        { "bytes=-5", 0, NONE, 0, 0 },
        { "bytes=0-", 0, NONE, 0, 0 },
        { "bytes=5-9", 0, NONE, 0, 0 },
        { "bytes=-0", 0, NONE, 0, 0 },
        { "bytes =1-2", 10, NONE, 0, 0 },
        { "bytes 1-2", 10, NONE, 0, 0 },
        { "items=1-2", 10, NONE, 0, 0 },
        { "bytess=1-2", 10, NONE, 0, 0 },
        { "bytes=0-1,x", 10, NONE, 0, 0 },
        { "bytes=x,0-1", 10, NONE, 0, 0 },
        { "bytes=0-1,1-0", 10, NONE, 0, 0 },
        { "bytes=10-,1-0", 10, NONE, 0, 0 },
        { "bytes=0-1,-5", 0, NONE, 0, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        s = copy(rows[i].header, strlen(rows[i].header));

        rc = content_range_parse(s, rows[i].size, MAX, &first, &last);

        if (rc != rows[i].rc) {
            fail_msg("%s: %d", rows[i].header, rc);
        }

        if (rc == OK && (first != rows[i].first || last != rows[i].last)) {
            fail_msg("%s: %jd-%jd", rows[i].header, (intmax_t) first,
                     (intmax_t) last);
        }

        free(s.data);
    }
}


/* How many count, and what nginx's range filter is shown of them. */

static void
several(void **state)
{
    int            rc;
    size_t         i, len;
    int64_t        first, last;
    content_str_t  s;
    content_out_t  out;

    static const struct {
        const char  *header;
        int64_t      size;
        uint64_t     max;
        int          rc;
        const char  *written;
    } rows[] = {
        { "bytes=0-1,3-4", 10, MAX, SEVERAL, "bytes=0-1,3-4" },
        { "bytes=0-0,-1", 10, MAX, SEVERAL, "bytes=0-0,9-9" },
        { "Bytes= 0-1 ,,\t3- ,", 10, MAX, SEVERAL, "bytes=0-1,3-9" },
        { "bytes=3-4,0-" BIG, 10, MAX, NONE, "" },
        { "bytes=3-4,5-" BIG, 10, MAX, SEVERAL, "bytes=3-4,5-9" },
        { "bytes=-1,-1", 10, MAX, SEVERAL, "bytes=9-9,9-9" },
        { "bytes=0-4,5-9", 10, MAX, SEVERAL, "bytes=0-4,5-9" },
        { "bytes=0-4,4-9", 10, MAX, NONE, "" },
        { "bytes=0-,0-,0-", INT64_MAX, MAX, NONE, "" },
        { "bytes=0-9,-1", INT64_MAX, MAX, SEVERAL,
          "bytes=0-9,9223372036854775806-9223372036854775806" },
        { "bytes=-1", INT64_MAX, MAX, OK,
          "bytes=9223372036854775806-9223372036854775806" },

        { "bytes=3-,10-", 10, MAX, OK, "bytes=3-9" },
        { "bytes=-0," BIG "-,2-99", 10, MAX, OK, "bytes=2-9" },
        { "bytes=10-,-0,11-" BIG, 10, MAX, UNSAT, "bytes=10-" },
        { "bytes=" BIG "-", INT64_MAX, MAX, UNSAT,
          "bytes=9223372036854775807-" },

        { "bytes=0-1,3-4", 10, 2, SEVERAL, "bytes=0-1,3-4" },
        { "bytes=0-1,3-4,6-7", 10, 2, NONE, "" },
        { "bytes=0-1,3-4,10-", 10, 2, SEVERAL, "bytes=0-1,3-4" },
        { "bytes=0-1", 10, 1, OK, "bytes=0-1" },
        { "bytes=0-1", 10, 0, NONE, "" },
        { "bytes=10-", 10, 0, NONE, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        s = copy(rows[i].header, strlen(rows[i].header));

        rc = content_range_parse(s, rows[i].size, rows[i].max, &first, &last);

        if (rc != rows[i].rc) {
            fail_msg("%s: %d", rows[i].header, rc);
        }

        if (rc != NONE) {
            len = CONTENT_RANGE_SET_SIZE(s.len);
            content_out_init(&out, malloc(len), len);
            content_range_write(&out, s, rows[i].size);
            assert_text(rows[i].header, content_out_done(&out),
                        rows[i].written);
            free(out.start);
        }

        free(s.data);
    }
}


static void
if_range(void **state)
{
    size_t  i;

    static const struct {
        const char  *name, *if_range, *etag;
        int64_t      mtime, date;
        int          want;
    } rows[] = {
        { "empty", "", "\"a\"", 7, -1, 0 },
        { "same tag", "\"a\"", "\"a\"", 7, -1, 1 },
        { "same tag, spaces", " \"a\"\t", "\"a\"", 7, -1, 1 },
        { "other tag", "\"b\"", "\"a\"", 7, -1, 0 },
        { "a tag that reads as the date", "\"b\"", "\"a\"", 7, 7, 0 },
        { "weak tag", "W/\"a\"", "\"a\"", 7, -1, 0 },
        { "both weak", "W/\"a\"", "W/\"a\"", 7, -1, 0 },
        { "object's is weak", "\"a\"", "W/\"a\"", 7, -1, 0 },
        { "no object's tag", "\"\"", "", 7, -1, 0 },
        { "a list is none", "\"a\", \"b\"", "\"a\"", 7, -1, 0 },
        { "same date", "date", "\"a\"", 7, 7, 1 },
        { "later date", "date", "\"a\"", 7, 8, 0 },
        { "earlier date", "date", "\"a\"", 7, 6, 0 },
        { "no date", "garbage", "\"a\"", 7, -1, 0 },
        { "no date, odd mtime", "garbage", "\"a\"", -1, -1, 0 },
        { "star", "*", "\"a\"", 7, -1, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_range_if(content_cstr(rows[i].if_range),
                             content_cstr(rows[i].etag), rows[i].mtime,
                             rows[i].date)
            != rows[i].want)
        {
            fail_msg("%s", rows[i].name);
        }
    }
}


static void
header(void **state)
{
    content_out_t  out;
    unsigned char  buf[128];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_range_header(&out, 0, 9, 10);
    content_out_text(&out, "; ");
    content_range_header(&out, INT64_MAX - 2, INT64_MAX - 1, INT64_MAX);
    content_out_text(&out, "; ");
    content_range_unsatisfied(&out, 10);

    assert_true(content_str_eq(content_out_done(&out), content_cstr(
        "bytes 0-9/10; "
        "bytes 9223372036854775805-9223372036854775806/9223372036854775807; "
        "bytes */10")));

    content_out_init(&out, buf, CONTENT_RANGE_HEADER_SIZE);
    content_range_header(&out, INT64_MAX - 2, INT64_MAX - 1, INT64_MAX);
    assert_false(out.overflow);

    content_out_init(&out, buf, 11);
    content_range_header(&out, 0, 9, 10);
    assert_true(out.overflow);
}


static void
etag(void **state)
{
    size_t         i;
    content_str_t  s;

    static const struct {
        const char  *header, *etag;
        int          weak, strong;          /* expected of either comparison */
    } rows[] = {
        { "", "\"a\"", 0, 0 },
        { "*", "\"a\"", 1, 1 },
        { " * ", "\"a\"", 1, 1 },
        { "*", "W/\"a\"", 1, 1 },
        { "*", "", 0, 0 },
        { "\"\"", "", 0, 0 },
        { "*, \"b\"", "\"a\"", 0, 0 },
        { "\"*\"", "\"a\"", 0, 0 },

        { "\"a\"", "\"a\"", 1, 1 },
        { "\"a\"", "\"A\"", 0, 0 },
        { "\"a\"", "\"ab\"", 0, 0 },
        { "\"ab\"", "\"a\"", 0, 0 },
        { "\"\"", "\"\"", 1, 1 },

        /* the table of RFC 9110, 8.8.3.2 */
        { "W/\"1\"", "W/\"1\"", 1, 0 },
        { "W/\"1\"", "W/\"2\"", 0, 0 },
        { "W/\"1\"", "\"1\"", 1, 0 },
        { "\"1\"", "W/\"1\"", 1, 0 },
        { "\"1\"", "\"1\"", 1, 1 },

        { "w/\"a\"", "\"a\"", 0, 0 },
        { "W/ \"a\"", "\"a\"", 0, 0 },
        { "W/", "\"a\"", 0, 0 },
        { "W/\"a\", \"a\"", "\"a\"", 1, 1 },
        { "\"x\",\"a\"", "\"a\"", 1, 1 },
        { ",, \"x\" ,\t\"a\" ,", "\"a\"", 1, 1 },
        { "\"x\", W/\"a\", \"y\"", "\"a\"", 1, 0 },

        { "\"x,y\"", "\"x,y\"", 1, 1 },
        { "\"x,\", \"a\"", "\"a\"", 1, 1 },
        { "\"x, \"a\", y\"", "\"a\"", 0, 0 },
        { "\"b,\"a\",c\"", "\"a\"", 0, 0 },
        { "\"\\\", \"a\"", "\"a\"", 1, 1 },

        { "a", "\"a\"", 0, 0 },
        { "a, \"a\"", "\"a\"", 1, 1 },
        { "\"a\"x", "\"a\"", 0, 0 },
        { "\"a\" \"b\"", "\"a\"", 0, 0 },
        { "x\"a\", \"b\"", "\"a\"", 0, 0 },
        { "x\"a\", \"b\"", "\"b\"", 1, 1 },
        { "\"a", "\"a\"", 0, 0 },
        { "\"", "\"a\"", 0, 0 },
        { "\"x, \"a\"", "\"a\"", 0, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        s = copy(rows[i].header, strlen(rows[i].header));

        if (content_etag_match(s, content_cstr(rows[i].etag), 1)
            != rows[i].weak)
        {
            fail_msg("weak: %s", rows[i].header);
        }

        if (content_etag_match(s, content_cstr(rows[i].etag), 0)
            != rows[i].strong)
        {
            fail_msg("strong: %s", rows[i].header);
        }

        free(s.data);
    }
}


/* What another server may say is an ETag. */

static void
one_etag(void **state)
{
    size_t  i;

    (void) state;

    static const struct {
        const char  *etag;
        int          good;
    } rows[] = {
        { "\"0123456789abcdef0123456789abcdef-3\"", 1 },
        { "W/\"a\"", 1 },
        { "\"\"", 1 },
        { "\"a,b\"", 1 },
        { "", 0 },
        { "*", 0 },
        { "abc", 0 },
        { "\"", 0 },
        { "\"abc", 0 },
        { "abc\"", 0 },
        { "\"a\"b\"", 0 },
        { "\"a\", \"b\"", 0 },
        { "\"a\" ", 0 },
        { " \"a\"", 0 },
        { "w/\"a\"", 0 },
        { "W/", 0 },
        { "W/a", 0 },
        { "\"a b\"", 0 },
        { "\"a\tb\"", 0 },
        { "\"a\x01\"", 0 },
        { "\"a\x7f\"", 0 },
        { "\"a\xc3\xa9\"", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (content_etag_check(content_cstr(rows[i].etag)) != rows[i].good) {
            fail_msg("%s", rows[i].etag);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(parse),
        cmocka_unit_test(several),
        cmocka_unit_test(if_range),
        cmocka_unit_test(header),
        cmocka_unit_test(etag),
        cmocka_unit_test(one_etag)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
