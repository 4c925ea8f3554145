/* Dates of HTTP: src/lib/content_date.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/content_date.h"


#define LAST  253402300799

#define rows_of(table)  (sizeof(table) / sizeof(table[0]))


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

    for (i = 0; i < rows_of(dates); i++) {
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


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_as_the_c_library),
        cmocka_unit_test(test_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
