/*
 * Dates: see content_date.h.  gmtime_r(), timegm() and strptime() are not in
 * C11, and the last knows locales.
 *
 * Years are counted from March, so that the leap day is the last of a year.
 * Four hundred of them, an era, have the same number of days, 146,097; within
 * an era a century has 36,524 and four years have 1,461, but for the last of
 * each kind.  Months from March on begin at 153 days in five.
 */

#include "lib/content_date.h"


#define DATE_DAY    86400           /* seconds */
#define DATE_ERA    146097          /* days */
#define DATE_MARCH  719468          /* days from 1 March 0000 to 1970 */
#define DATE_FIRST  (-719162LL * DATE_DAY)      /* 1 January 0001 */


typedef struct {
    unsigned  year;
    unsigned  month;                /* 0: January */
    unsigned  day;                  /* 1 to 31 */
} date_t;


static date_t date_of(int64_t days);
static int64_t days_of(date_t date);
static unsigned char *put_two(unsigned char *p, unsigned n);
static void put_time(content_out_t *out, int64_t seconds, char in_date,
    char in_time);
static void put_digits(content_out_t *out, unsigned n, char delimiter);
static int take_number(content_str_t *rest, size_t width,
    unsigned char delimiter, unsigned *value);
static int is_zone(content_str_t s);


void
content_date_http(content_out_t *out, int64_t seconds)
{
    date_t          date;
    unsigned        days, rest;
    unsigned char  *p, text[CONTENT_DATE_HTTP];

    /* 1 January 1970 was a Thursday */

    static const char  week[] = "Thu, Fri, Sat, Sun, Mon, Tue, Wed, ";
    static const char  months[] =
        " Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec ";

    seconds = seconds < 0 ? 0
              : seconds > CONTENT_DATE_LAST ? CONTENT_DATE_LAST : seconds;

    days = (unsigned) (seconds / DATE_DAY);
    rest = (unsigned) (seconds % DATE_DAY);
    date = date_of(days);

    memcpy(text, week + days % 7 * 5, 5);
    p = put_two(text + 5, date.day);
    memcpy(p, months + date.month * 5, 5);
    p = put_two(p + 5, date.year / 100);
    p = put_two(p, date.year % 100);
    *p++ = ' ';
    p = put_two(p, rest / 3600);
    *p++ = ':';
    p = put_two(p, rest / 60 % 60);
    *p++ = ':';
    p = put_two(p, rest % 60);
    memcpy(p, " GMT", 4);

    content_out_mem(out, text, sizeof(text));
}


void
content_date_time(content_out_t *out, int64_t seconds)
{
    put_time(out, seconds, '-', ':');
}


void
content_date_basic(content_out_t *out, int64_t seconds)
{
    put_time(out, seconds, '\0', '\0');
}


int
content_date_parse(content_str_t text, int64_t *seconds)
{
    size_t    i;
    date_t    date;
    int64_t   days;
    unsigned  v[6];

    static const struct {
        size_t         width;
        unsigned char  delimiter;
        unsigned       low;
        unsigned       high;
    } parts[] = {
        { 4, '-', 1970, 9999 },
        { 2, '-', 1, 12 },
        { 2, 'T', 1, 31 },
        { 2, ':', 0, 23 },
        { 2, ':', 0, 59 },
        { 2, '\0', 0, 59 }
    };

    for (i = 0; i < 6; i++) {
        if (take_number(&text, parts[i].width, parts[i].delimiter, &v[i])
            != CONTENT_OK || v[i] < parts[i].low || v[i] > parts[i].high)
        {
            return CONTENT_ERROR;
        }
    }

    date.year = v[0];
    date.month = v[1] - 1;
    date.day = v[2];

    days = days_of(date);

    /* 31 November is another day by its number */

    if (date_of(days).day != date.day || !is_zone(text)) {
        return CONTENT_ERROR;
    }

    *seconds = days * DATE_DAY + v[3] * 3600 + v[4] * 60 + v[5];

    return CONTENT_OK;
}


/* days since 1970, and not before year 1 */

static date_t
date_of(int64_t days)
{
    date_t    date;
    unsigned  era, day, year, month;

    day = (unsigned) (days + DATE_MARCH);
    era = day / DATE_ERA;
    day = day % DATE_ERA;

    year = (day - day / 1460 + day / 36524 - day / (DATE_ERA - 1)) / 365;
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;

    date.day = day - (153 * month + 2) / 5 + 1;
    date.month = (month + 2) % 12;
    date.year = 400 * era + year + (month >= 10);

    return date;
}


static int64_t
days_of(date_t date)
{
    unsigned  year, month;

    year = date.year - (date.month < 2);
    month = (date.month + 10) % 12;                /* 0: March */

    return (int64_t) (365 * year + year / 4 - year / 100 + year / 400
                      + (153 * month + 2) / 5 + date.day - 1)
           - DATE_MARCH;
}


static unsigned char *
put_two(unsigned char *p, unsigned n)
{
    *p++ = (unsigned char) ('0' + n / 10);
    *p++ = (unsigned char) ('0' + n % 10);

    return p;
}


/* With these delimiters, NUL: none. */

static void
put_time(content_out_t *out, int64_t seconds, char in_date, char in_time)
{
    date_t    date;
    int64_t   days;
    unsigned  rest;

    seconds = seconds < DATE_FIRST ? DATE_FIRST
              : seconds > CONTENT_DATE_LAST ? CONTENT_DATE_LAST : seconds;

    rest = (unsigned) ((seconds - DATE_FIRST) % DATE_DAY);
    days = (seconds - rest) / DATE_DAY;
    date = date_of(days);

    put_digits(out, date.year / 100, '\0');
    put_digits(out, date.year % 100, in_date);
    put_digits(out, date.month + 1, in_date);
    put_digits(out, date.day, 'T');
    put_digits(out, rest / 3600, in_time);
    put_digits(out, rest / 60 % 60, in_time);
    put_digits(out, rest % 60, 'Z');
}


/* Two, and what stands behind them. */

static void
put_digits(content_out_t *out, unsigned n, char delimiter)
{
    unsigned char  digits[2];

    (void) put_two(digits, n);
    content_out_mem(out, digits, sizeof(digits));

    if (delimiter) {
        content_out_char(out, (unsigned char) delimiter);
    }
}


/* a number of width digits and the delimiter after it, if it is not NUL */

static int
take_number(content_str_t *rest, size_t width, unsigned char delimiter,
    unsigned *value)
{
    int64_t        n;
    size_t         len;
    content_str_t  digits;

    len = width + (delimiter != '\0');
    digits.data = rest->data;
    digits.len = width;

    if (rest->len < len
        || content_str_uint(digits, &n) != CONTENT_OK
        || (delimiter && rest->data[width] != delimiter))
    {
        return CONTENT_ERROR;
    }

    *value = (unsigned) n;
    rest->data += len;
    rest->len -= len;

    return CONTENT_OK;
}


/* "Z", or a fraction and "Z" */

static int
is_zone(content_str_t s)
{
    int64_t  fraction;

    if (s.len == 0 || s.data[s.len - 1] != 'Z') {
        return 0;
    }

    s.len--;

    if (s.len == 0) {
        return 1;
    }

    if (s.data[0] != '.') {
        return 0;
    }

    s.data++;
    s.len--;

    return content_str_uint(s, &fraction) == CONTENT_OK;
}
