/* Dates: src/lib/content_date.h. */

#include <time.h>

#include "lib/content_date.h"
#include "rows.h"


#define LAST  253402300799


static const struct {
    int64_t      seconds;
    const char  *date;
} dates[] = {
    { 0,             "Thu, 01 Jan 1970 00:00:00 GMT" },
    { -1,            "Thu, 01 Jan 1970 00:00:00 GMT" },
    { INT64_MIN,     "Thu, 01 Jan 1970 00:00:00 GMT" },
    { 784111777,     "Sun, 06 Nov 1994 08:49:37 GMT" },
    { 951782400,     "Tue, 29 Feb 2000 00:00:00 GMT" },
    { 951868799,     "Tue, 29 Feb 2000 23:59:59 GMT" },
    { 951868800,     "Wed, 01 Mar 2000 00:00:00 GMT" },
    { 1709164799,    "Wed, 28 Feb 2024 23:59:59 GMT" },
    { 1735689599,    "Tue, 31 Dec 2024 23:59:59 GMT" },
    { 4107542399,    "Sun, 28 Feb 2100 23:59:59 GMT" },
    { 4107542400,    "Mon, 01 Mar 2100 00:00:00 GMT" },
    { LAST,          "Fri, 31 Dec 9999 23:59:59 GMT" },
    { LAST + 1,      "Fri, 31 Dec 9999 23:59:59 GMT" },
    { INT64_MAX,     "Fri, 31 Dec 9999 23:59:59 GMT" },
};


static void
is_written(int64_t seconds, const char *date)
{
    char           text[CONTENT_DATE_HTTP + 1];
    content_out_t  out;

    content_out_init(&out, text, sizeof(text));
    content_date_http(&out, seconds);
    content_out_char(&out, '\0');

    assert_false(out.overflow);
    assert_string_equal(text, date);
}


static void
test_dates(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < ROWS(dates); i++) {
        is_written(dates[i].seconds, dates[i].date);
    }
}


/* About each 27th day until the year 9999, at another time each. */

static void
test_as_the_c_library(void **state)
{
    char       text[64];
    time_t     t;
    struct tm  tm;

    (void) state;

    for (t = 0; t <= LAST; t += 2334567) {
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        is_written(t, text);
    }
}


static void
test_overflow(void **state)
{
    char           text[CONTENT_DATE_HTTP - 1];
    content_out_t  out;

    (void) state;

    content_out_init(&out, text, sizeof(text));
    content_date_http(&out, 0);

    assert_true(out.overflow);
}


static void
test_times(void **state)
{
    char           buf[CONTENT_DATE_TIME];
    size_t         i;
    content_out_t  out;

    static const struct {
        int64_t      time;
        const char  *want;
    } rows[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { 1, "1970-01-01T00:00:01Z" },
        { -1, "1969-12-31T23:59:59Z" },
        { 1795341600, "2026-11-22T10:00:00Z" },
        { 951782399, "2000-02-28T23:59:59Z" },
        { 951782400, "2000-02-29T00:00:00Z" },
        { 951868800, "2000-03-01T00:00:00Z" },
        { 978307199, "2000-12-31T23:59:59Z" },
        { 4107542400, "2100-03-01T00:00:00Z" },
        { 4107542399, "2100-02-28T23:59:59Z" },
        { -62135596800, "0001-01-01T00:00:00Z" },
        { -62135596801, "0001-01-01T00:00:00Z" },
        { INT64_MIN, "0001-01-01T00:00:00Z" },
        { 253402300799, "9999-12-31T23:59:59Z" },
        { 253402300800, "9999-12-31T23:59:59Z" },
        { INT64_MAX, "9999-12-31T23:59:59Z" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_date_time(&out, rows[i].time);

        if (!content_str_eq(content_out_done(&out),
                            content_cstr(rows[i].want)))
        {
            fail_msg("%s: %.20s", rows[i].want, buf);
        }
    }
}


/* The C library as the witness: each day of 800 years, at an odd time. */

static void
test_times_as_the_c_library(void **state)
{
    char           want[64], buf[CONTENT_DATE_TIME];
    time_t         t;
    int64_t        day;
    struct tm      tm;
    content_out_t  out;

    (void) state;

    for (day = -146097; day <= 146097; day++) {
        t = day * 86400 + (day & 0xffff);
        assert_non_null(gmtime_r(&t, &tm));
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);

        content_out_init(&out, buf, sizeof(buf));
        content_date_time(&out, t);

        if (!content_str_eq(content_out_done(&out), content_cstr(want))) {
            fail_msg("%s: %.20s", want, buf);
        }
    }
}


static void
test_basic(void **state)
{
    size_t         i;
    char           text[CONTENT_DATE_BASIC + 1];
    content_out_t  out;

    static const struct {
        int64_t      seconds;
        const char  *date;
    } rows[] = {
        { 0, "19700101T000000Z" },
        { 1369353600, "20130524T000000Z" },

        /* the rule of 4, 100 and 400 years */

        { 68169600LL, "19720229T000000Z" },
        { 946684799LL, "19991231T235959Z" },
        { 946684800LL, "20000101T000000Z" },
        { 951782400LL, "20000229T000000Z" },
        { 951868800LL, "20000301T000000Z" },
        { 983318400LL, "20010228T000000Z" },
        { 983404800LL, "20010301T000000Z" },
        { 1104451200LL, "20041231T000000Z" },
        { 4102358400LL, "20991231T000000Z" },
        { 4107456000LL, "21000228T000000Z" },
        { 4107542400LL, "21000301T000000Z" },
        { 7258032000LL, "21991231T000000Z" },
        { 7263216000LL, "22000301T000000Z" },
        { 10418803200LL, "23000228T000000Z" },
        { 13574563200LL, "24000229T000000Z" },
        { 13574649600LL, "24000301T000000Z" },
        { 253402300799LL, "99991231T235959Z" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, text, sizeof(text));
        content_date_basic(&out, rows[i].seconds);
        content_out_char(&out, '\0');

        assert_false(out.overflow);
        assert_string_equal(text, rows[i].date);
    }
}


static void
test_parse(void **state)
{
    int      rc;
    size_t   i;
    int64_t  seconds;

    static const struct {
        const char  *text;
        int          rc;
        int64_t      seconds;
    } rows[] = {
        { "1970-01-01T00:00:00Z", CONTENT_OK, 0 },
        { "2026-11-22T10:00:00.000Z", CONTENT_OK, 1795341600 },
        { "2026-11-22T10:00:00.999Z", CONTENT_OK, 1795341600 },
        { "2026-11-22T10:00:00.123456789Z", CONTENT_OK, 1795341600 },
        { "2026-11-22T10:00:00Z", CONTENT_OK, 1795341600 },
        { "2024-02-29T11:59:59.000Z", CONTENT_OK, 1709207999 },
        { "2024-03-01T00:00:00Z", CONTENT_OK, 1709251200 },
        { "2025-12-31T23:59:59Z", CONTENT_OK, 1767225599 },
        { "2000-02-29T00:00:00Z", CONTENT_OK, 951782400 },
        { "2001-01-01T00:00:00Z", CONTENT_OK, 978307200LL },
        { "2002-01-01T00:00:00Z", CONTENT_OK, 1009843200LL },
        { "2401-01-01T00:00:00Z", CONTENT_OK, 13601088000LL },
        { "2038-01-19T03:14:08Z", CONTENT_OK, 2147483648LL },
        { "2100-02-28T23:59:59Z", CONTENT_OK, 4107542399LL },
        { "2100-03-01T00:00:00Z", CONTENT_OK, 4107542400LL },
        { "9999-12-31T23:59:59Z", CONTENT_OK, 253402300799LL },

        { "", CONTENT_ERROR, 0 },
        { "2026", CONTENT_ERROR, 0 },
        { "2026-11-22", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00.Z", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00.0", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00,0Z", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00.0xZ", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00Z ", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00ZZ", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:00+01:00", CONTENT_ERROR, 0 },
        { "2026-11-22 10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-11-22t10:00:00z", CONTENT_ERROR, 0 },
        { "2026-1-22T10:00:00Z", CONTENT_ERROR, 0 },
        { "+026-11-22T10:00:00Z", CONTENT_ERROR, 0 },
        { "1969-12-31T23:59:59Z", CONTENT_ERROR, 0 },
        { "2026-00-22T10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-13-22T10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-11-00T10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-11-31T10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-02-29T10:00:00Z", CONTENT_ERROR, 0 },
        { "2100-02-29T10:00:00Z", CONTENT_ERROR, 0 },
        { "2026-11-22T24:00:00Z", CONTENT_ERROR, 0 },
        { "2026-11-22T10:60:00Z", CONTENT_ERROR, 0 },
        { "2026-11-22T10:00:60Z", CONTENT_ERROR, 0 },
        { "Sun, 22 Nov 2026 10:00:00 GMT", CONTENT_ERROR, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rc = content_date_parse(content_cstr(rows[i].text), &seconds);

        if (rc != rows[i].rc
            || (rc == CONTENT_OK && seconds != rows[i].seconds))
        {
            fail_msg("\"%s\": %d, %lld", rows[i].text, rc,
                     (long long) seconds);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_as_the_c_library),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_as_the_c_library),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
