/*
 * The JSON of a list of objects: see content_list.h.
 */

#include <string.h>

#include "lib/content_list.h"


#define LIST_BEGIN_1   "{\"prefix\":\""
#define LIST_BEGIN_2   "\",\"objects\":["

#define LIST_ENTRY_1   ",{\"key\":\""
#define LIST_ENTRY_2   "\",\"size\":"
#define LIST_ENTRY_3   ",\"etag\":\""
#define LIST_ENTRY_4   "\",\"last_modified\":\""
#define LIST_ENTRY_5   "\"}"

#define LIST_PREFIXES  "],\"prefixes\":["
#define LIST_PREFIX_1  ",\""
#define LIST_PREFIX_2  "\""

#define LIST_END_1     "],\"next\":"
#define LIST_END_2     "}"

#define LIST_JSON      6        /* the longest a byte becomes: \u001f */
#define LIST_SIZE      19       /* digits of INT64_MAX */
#define LIST_TIME      20

#define DAY            86400
#define DAYS_4         1461                     /* days of 4 years */
#define DAYS_100       (25 * DAYS_4 - 1)        /* of 100 years */
#define DAYS_400       (4 * DAYS_100 + 1)       /* of 400 years */
#define DAYS_1970      719162                   /* from 0001-01-01 */

#define TIME_FIRST     (-(int64_t) DAYS_1970 * DAY)
#define TIME_LAST      ((int64_t) (25 * DAYS_400 - 366 - DAYS_1970) * DAY - 1)


typedef struct {
    unsigned  year;
    unsigned  month;                /* 1 .. 12 */
    unsigned  day;                  /* 1 .. 31 */
} content_date_t;


void
content_list_begin(content_out_t *out, content_str_t prefix)
{
    content_out_text(out, LIST_BEGIN_1);
    content_out_json(out, prefix);
    content_out_text(out, LIST_BEGIN_2);
}


void
content_list_entry(content_out_t *out, int first, content_str_t key,
    int64_t size, content_str_t etag, int64_t mtime)
{
    content_out_text(out, LIST_ENTRY_1 + (first ? 1 : 0));
    content_out_json(out, key);
    content_out_text(out, LIST_ENTRY_2);
    content_out_uint(out, (uint64_t) size);
    content_out_text(out, LIST_ENTRY_3);
    content_out_json(out, etag);
    content_out_text(out, LIST_ENTRY_4);
    content_list_time(out, mtime);
    content_out_text(out, LIST_ENTRY_5);
}


void
content_list_prefixes(content_out_t *out)
{
    content_out_text(out, LIST_PREFIXES);
}


void
content_list_prefix(content_out_t *out, int first, content_str_t prefix)
{
    content_out_text(out, LIST_PREFIX_1 + (first ? 1 : 0));
    content_out_json(out, prefix);
    content_out_text(out, LIST_PREFIX_2);
}


void
content_list_end(content_out_t *out, const content_str_t *next)
{
    content_out_text(out, LIST_END_1);

    if (next) {
        content_out_char(out, '"');
        content_out_json(out, *next);
        content_out_char(out, '"');

    } else {
        content_out_text(out, "null");
    }

    content_out_text(out, LIST_END_2);
}


size_t
content_list_begin_max(content_str_t prefix)
{
    return strlen(LIST_BEGIN_1 LIST_BEGIN_2) + LIST_JSON * prefix.len;
}


size_t
content_list_entry_max(content_str_t key, content_str_t etag)
{
    return strlen(LIST_ENTRY_1 LIST_ENTRY_2 LIST_ENTRY_3 LIST_ENTRY_4
                  LIST_ENTRY_5)
           + LIST_SIZE + LIST_TIME + LIST_JSON * (key.len + etag.len);
}


size_t
content_list_prefixes_max(void)
{
    return strlen(LIST_PREFIXES);
}


size_t
content_list_prefix_max(content_str_t prefix)
{
    return strlen(LIST_PREFIX_1 LIST_PREFIX_2) + LIST_JSON * prefix.len;
}


size_t
content_list_end_max(const content_str_t *next)
{
    return strlen(LIST_END_1 LIST_END_2)
           + (next ? strlen("\"\"") + LIST_JSON * next->len : strlen("null"));
}


content_str_t
content_list_common(content_str_t key, content_str_t prefix,
    content_str_t delimiter)
{
    size_t         i;
    content_str_t  rest;

    for (i = prefix.len; delimiter.len && i + delimiter.len <= key.len; i++) {
        rest.data = key.data + i;
        rest.len = key.len - i;

        if (content_str_starts(rest, delimiter)) {
            key.len = i + delimiter.len;
            return key;
        }
    }

    return content_cstr("");
}


/* Takes as many whole units as there are off *days, at most max. */

static unsigned
take_years(unsigned *days, unsigned unit, unsigned max)
{
    unsigned  n;

    n = *days / unit;

    if (n > max) {
        n = max;                /* the last day of a leap year */
    }

    *days -= n * unit;

    return n;
}


/* days: since 0001-01-01 in the proleptic Gregorian calendar. */

static content_date_t
date_of(unsigned days)
{
    int             leap;
    unsigned        n400, n100, n4, n1, length;
    content_date_t  date;

    static const unsigned  months[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    n400 = take_years(&days, DAYS_400, 24);
    n100 = take_years(&days, DAYS_100, 3);
    n4 = take_years(&days, DAYS_4, 24);
    n1 = take_years(&days, 365, 3);

    date.year = n400 * 400 + n100 * 100 + n4 * 4 + n1 + 1;
    leap = n1 == 3 && (n4 != 24 || n100 == 3);

    for (date.month = 1; /* void */ ; date.month++) {
        length = months[date.month - 1] + (date.month == 2 && leap);

        if (days < length) {
            break;
        }

        days -= length;
    }

    date.day = days + 1;

    return date;
}


static void
put_digits(content_out_t *out, unsigned value, unsigned digits)
{
    unsigned  i, unit;

    unit = 1;

    for (i = 1; i < digits; i++) {
        unit *= 10;
    }

    for ( /* void */ ; unit; unit /= 10) {
        content_out_char(out, (unsigned char) ('0' + value / unit % 10));
    }
}


void
content_list_time(content_out_t *out, int64_t time)
{
    unsigned        second;
    content_date_t  date;

    if (time < TIME_FIRST) {
        time = TIME_FIRST;
    }

    if (time > TIME_LAST) {
        time = TIME_LAST;
    }

    time -= TIME_FIRST;
    date = date_of((unsigned) (time / DAY));
    second = (unsigned) (time % DAY);

    put_digits(out, date.year, 4);
    content_out_char(out, '-');
    put_digits(out, date.month, 2);
    content_out_char(out, '-');
    put_digits(out, date.day, 2);
    content_out_char(out, 'T');
    put_digits(out, second / 3600, 2);
    content_out_char(out, ':');
    put_digits(out, second / 60 % 60, 2);
    content_out_char(out, ':');
    put_digits(out, second % 60, 2);
    content_out_char(out, 'Z');
}
