/*
 * Ranges and entity tags of requests: see content_range.h.
 */

#include <string.h>

#include "lib/content_range.h"


/*
 * Reads digits to the end; what is over INT64_MAX is INT64_MAX, as a number
 * may have any length and only has to be seen as beyond the object's end.
 */
static int
range_number(content_str_t s, int64_t *value)
{
    size_t   i;
    int64_t  n, digit;

    if (s.len == 0) {
        return CONTENT_ERROR;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return CONTENT_ERROR;
        }

        digit = s.data[i] - '0';

        if (n > (INT64_MAX - digit) / 10) {
            n = INT64_MAX;

        } else {
            n = n * 10 + digit;
        }
    }

    *value = n;

    return CONTENT_OK;
}


/* "-500": the last bytes. */

static int
range_suffix(content_str_t spec, int64_t size, int64_t *first, int64_t *last)
{
    int64_t  length;

    spec.data++;
    spec.len--;

    if (range_number(spec, &length) != CONTENT_OK) {
        return CONTENT_RANGE_NONE;
    }

    if (length == 0) {
        return CONTENT_RANGE_UNSATISFIABLE;
    }

    *first = length < size ? size - length : 0;
    *last = size - 1;

    return CONTENT_RANGE_OK;
}


/* "0-499" or "500-". */

static int
range_int(content_str_t spec, int64_t size, int64_t *first, int64_t *last)
{
    int64_t         from, to;
    content_str_t   s;
    unsigned char  *dash;

    dash = memchr(spec.data, '-', spec.len);

    if (dash == NULL) {
        return CONTENT_RANGE_NONE;
    }

    s.data = spec.data;
    s.len = (size_t) (dash - spec.data);

    if (range_number(s, &from) != CONTENT_OK) {
        return CONTENT_RANGE_NONE;
    }

    s.data = dash + 1;
    s.len = spec.len - s.len - 1;

    to = INT64_MAX;

    if (s.len && range_number(s, &to) != CONTENT_OK) {
        return CONTENT_RANGE_NONE;
    }

    if (to < from) {
        return CONTENT_RANGE_NONE;
    }

    if (from >= size) {
        return CONTENT_RANGE_UNSATISFIABLE;
    }

    *first = from;
    *last = to < size ? to : size - 1;

    return CONTENT_RANGE_OK;
}


static int
range_spec(content_str_t spec, int64_t size, int64_t *first, int64_t *last)
{
    return spec.data[0] == '-' ? range_suffix(spec, size, first, last)
                               : range_int(spec, size, first, last);
}


/* What follows "bytes="; nothing, if the header does not begin so. */

static content_str_t
range_set(content_str_t header)
{
    content_str_t  unit;

    static const content_str_t  bytes = content_string("bytes=");

    header = content_str_trim(header);

    unit = header;
    unit.len = bytes.len;

    if (header.len < bytes.len || !content_str_eq_case(unit, bytes)) {
        header.len = 0;
        return header;
    }

    header.data += bytes.len;
    header.len -= bytes.len;

    return header;
}


int
content_range_parse(content_str_t header, int64_t size, uint64_t max,
    int64_t *first, int64_t *last)
{
    int            rc;
    int64_t        from, to, left;
    uint64_t       n;
    content_str_t  set, spec;

    if (size == 0 || max == 0) {
        return CONTENT_RANGE_NONE;
    }

    set = range_set(header);
    rc = CONTENT_RANGE_NONE;
    left = size;
    n = 0;

    while (content_str_next(&set, ',', &spec)) {
        rc = range_spec(spec, size, &from, &to);

        if (rc == CONTENT_RANGE_NONE) {
            return CONTENT_RANGE_NONE;
        }

        if (rc == CONTENT_RANGE_UNSATISFIABLE) {
            continue;
        }

        left = (to - from < left) ? left - (to - from + 1) : -1;

        if (n++ == 0) {
            *first = from;
            *last = to;
        }

        if (left < 0 || n > max) {
            return CONTENT_RANGE_NONE;
        }
    }

    if (n == 0) {
        return rc;
    }

    return n == 1 ? CONTENT_RANGE_OK : CONTENT_RANGE_SEVERAL;
}


void
content_range_write(content_out_t *out, content_str_t header, int64_t size)
{
    char           separator;
    int64_t        from, to;
    content_str_t  set, spec;

    set = range_set(header);
    separator = '=';

    content_out_text(out, "bytes");

    while (content_str_next(&set, ',', &spec)) {
        if (range_spec(spec, size, &from, &to) != CONTENT_RANGE_OK) {
            continue;
        }

        content_out_char(out, separator);
        content_out_uint(out, (uint64_t) from);
        content_out_char(out, '-');
        content_out_uint(out, (uint64_t) to);
        separator = ',';
    }

    if (separator == '=') {
        content_out_char(out, '=');
        content_out_uint(out, (uint64_t) size);
        content_out_char(out, '-');
    }
}


static int
is_weak(content_str_t etag)
{
    static const content_str_t  weak = content_string("W/");

    return content_str_starts(etag, weak);
}


int
content_range_if(content_str_t if_range, content_str_t etag, int64_t mtime,
    int64_t date)
{
    if_range = content_str_trim(if_range);

    if (if_range.len && (if_range.data[0] == '"' || is_weak(if_range))) {
        return !is_weak(if_range) && content_str_eq(if_range, etag);
    }

    return date != -1 && date == mtime;
}


void
content_range_header(content_out_t *out, int64_t first, int64_t last,
    int64_t size)
{
    content_out_text(out, "bytes ");
    content_out_uint(out, (uint64_t) first);
    content_out_char(out, '-');
    content_out_uint(out, (uint64_t) last);
    content_out_char(out, '/');
    content_out_uint(out, (uint64_t) size);
}


void
content_range_unsatisfied(content_out_t *out, int64_t size)
{
    content_out_text(out, "bytes */");
    content_out_uint(out, (uint64_t) size);
}


/*
 * The length of the entity tag that s begins with: [W/] and then anything in
 * quotes, there is no escape (RFC 9110, 8.8.3).  0 when there is none.
 */
static size_t
etag_length(content_str_t s)
{
    size_t          open;
    unsigned char  *close;

    open = is_weak(s) ? 2 : 0;

    if (s.len <= open || s.data[open] != '"') {
        return 0;
    }

    close = memchr(s.data + open + 1, '"', s.len - open - 1);

    return close ? (size_t) (close - s.data) + 1 : 0;
}


int
content_etag_check(content_str_t etag)
{
    size_t  i;

    if (etag.len == 0 || etag_length(etag) != etag.len) {
        return 0;
    }

    for (i = 0; i < etag.len; i++) {
        if (etag.data[i] <= ' ' || etag.data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


/*
 * Takes the next member of a list of entity tags off *rest, trimmed: up to
 * the next comma that is not inside a tag.  Returns 0 at the end.
 */
static int
next_etag(content_str_t *rest, content_str_t *member)
{
    size_t          len;
    content_str_t   s;
    unsigned char  *comma;

    s = content_str_trim(*rest);

    if (s.len == 0) {
        return 0;
    }

    len = etag_length(s);
    comma = memchr(s.data + len, ',', s.len - len);

    member->data = s.data;
    member->len = comma ? (size_t) (comma - s.data) : s.len;

    rest->data = s.data + member->len + (comma != NULL);
    rest->len = s.len - member->len - (comma != NULL);

    *member = content_str_trim(*member);

    return 1;
}


static content_str_t
without_weak(content_str_t etag)
{
    if (is_weak(etag)) {
        etag.data += 2;
        etag.len -= 2;
    }

    return etag;
}


int
content_etag_match(content_str_t header, content_str_t etag, int weak)
{
    content_str_t  member;

    if (etag.len == 0) {
        return 0;
    }

    header = content_str_trim(header);

    if (header.len == 1 && header.data[0] == '*') {
        return 1;
    }

    if (weak) {
        etag = without_weak(etag);

    } else if (is_weak(etag)) {
        return 0;
    }

    while (next_etag(&header, &member)) {
        if (content_str_eq(weak ? without_weak(member) : member, etag)) {
            return 1;
        }
    }

    return 0;
}
