/*
 * Dates, as S3 writes them, and Retry-After.  The first eight bytes of an
 * input are a time too.
 */

#include <time.h>

#include "fuzz.h"
#include "lib/content_date.h"
#include "lib/content_retry.h"


/* The C library's opinion. */

static void
check_time(int64_t seconds)
{
    char           expected[64];
    time_t         t;
    int64_t        same;
    struct tm      tm;
    content_out_t  out;

    out = fuzz_out(CONTENT_DATE_TIME);
    content_date_time(&out, seconds);
    HOLDS(out.pos == out.end && !out.overflow);

    if (seconds < 0 || seconds > CONTENT_DATE_LAST) {
        return;
    }

    HOLDS(content_date_parse(content_out_done(&out), &same) == CONTENT_OK);
    HOLDS(same == seconds);

    t = (time_t) seconds;
    HOLDS(gmtime_r(&t, &tm) != NULL);
    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
    HOLDS(content_str_eq(content_out_done(&out), content_cstr(expected)));

    out = fuzz_out(CONTENT_DATE_BASIC);
    content_date_basic(&out, seconds);
    strftime(expected, sizeof(expected), "%Y%m%dT%H%M%SZ", &tm);
    HOLDS(content_str_eq(content_out_done(&out), content_cstr(expected)));

    out = fuzz_out(CONTENT_DATE_HTTP);
    content_date_http(&out, seconds);
    strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    HOLDS(content_str_eq(content_out_done(&out), content_cstr(expected)));
}


void
fuzz_one(content_str_t input)
{
    int64_t        seconds, wait;
    content_out_t  out;

    if (content_date_parse(input, &seconds) == CONTENT_OK) {
        HOLDS(seconds >= 0 && seconds <= CONTENT_DATE_LAST);
        HOLDS(input.len >= CONTENT_DATE_TIME);

        out = fuzz_out(CONTENT_DATE_TIME);
        content_date_time(&out, seconds);
        HOLDS(memcmp(out.start, input.data, CONTENT_DATE_TIME - 1) == 0);
    }

    if (input.len >= sizeof(seconds)) {
        memcpy(&seconds, input.data, sizeof(seconds));
        check_time(seconds);
        check_time(seconds >> 25);
    }

    wait = content_retry_after(input, -1, 0);
    HOLDS(wait >= -1 && wait <= 86400 * 1000);
}


void
fuzz_seeds(void)
{
    fuzz_text("2026-11-22T10:00:00.000Z");
    fuzz_text("2000-02-29T23:59:59Z");
    fuzz_text("120");
    fuzz_seed((content_str_t) content_string("\xff\xff\xff\x7f\0\0\0\0"));
}
