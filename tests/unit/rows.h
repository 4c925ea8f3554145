/*
 * What every unit test begins with: cmocka and what it needs, the number of
 * rows of a table, and assertions that name the row.
 */

#ifndef ROWS_H
#define ROWS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/content_str.h"


#define ROWS(table)  (sizeof(table) / sizeof(table[0]))


static inline void
assert_str(const char *name, content_str_t got, content_str_t expected)
{
    if (!content_str_eq(got, expected)) {
        fail_msg("%s: got \"%.*s\", expected \"%.*s\"", name, (int) got.len,
                 (char *) got.data, (int) expected.len,
                 (char *) expected.data);
    }
}


static inline void
assert_text(const char *name, content_str_t got, const char *expected)
{
    assert_str(name, got, content_cstr(expected));
}


static inline void
assert_int(const char *name, int64_t got, int64_t expected)
{
    if (got != expected) {
        fail_msg("%s: got %lld, expected %lld", name, (long long) got,
                 (long long) expected);
    }
}


/* In memory of exactly that size, so that ASan sees a read beyond. */

static inline content_str_t
copy(const void *data, size_t len)
{
    content_str_t  s;

    s.data = malloc(len ? len : 1);
    s.len = len;
    assert_non_null(s.data);
    memcpy(s.data, data, len);

    return s;
}


#endif
