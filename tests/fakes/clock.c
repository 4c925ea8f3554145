/*
 * The clock on the wall, put forward: gettimeofday() of the process that loads
 * this adds the seconds that the file $CLOCK_FILE tells, if it is there.  The
 * clock that only counts on is not touched.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>


int
gettimeofday(struct timeval *tv, void *tz)
{
    int    rc;
    FILE  *file;
    long   seconds = 0;

    rc = (int) syscall(SYS_gettimeofday, tv, tz);
    file = fopen(getenv("CLOCK_FILE"), "r");

    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) {
            tv->tv_sec += seconds;
        }

        fclose(file);
    }

    return rc;
}
