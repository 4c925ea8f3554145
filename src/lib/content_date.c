/*
 * The date of HTTP: see content_date.h.
 *
 * Years are counted from March, so that the leap day is the last of a year.
 * Four hundred of them, an era, have the same number of days, 146,097; within
 * an era a century has 36,524 and four years have 1,461, but for the last of
 * each kind.  Months from March on begin at 153 days in five.
 */

#include "lib/content_date.h"


#define DATE_LAST   253402300799    /* Fri, 31 Dec 9999 23:59:59 GMT */
#define DATE_ERA    146097          /* days */
#define DATE_MARCH  719468          /* days from 1 March 0000 to 1970 */


typedef struct {
    unsigned  year;
    unsigned  month;                /* 0: January */
    unsigned  day;                  /* 1 to 31 */
} date_t;


static date_t
date_of(unsigned days)
{
    date_t    date;
    unsigned  era, day, year, month;

    days += DATE_MARCH;
    era = days / DATE_ERA;
    day = days % DATE_ERA;

    year = (day - day / 1460 + day / 36524 - day / (DATE_ERA - 1)) / 365;
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;

    date.day = day - (153 * month + 2) / 5 + 1;
    date.month = (month + 2) % 12;
    date.year = 400 * era + year + (month >= 10);

    return date;
}


static unsigned char *
put_two(unsigned char *p, unsigned n)
{
    *p++ = (unsigned char) ('0' + n / 10);
    *p++ = (unsigned char) ('0' + n % 10);

    return p;
}


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

    seconds = seconds < 0 ? 0 : seconds > DATE_LAST ? DATE_LAST : seconds;

    days = (unsigned) (seconds / 86400);
    rest = (unsigned) (seconds % 86400);
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
