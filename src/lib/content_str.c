/*
 * Slices and bounded writers: see content_str.h.  Everything in src/lib
 * builds on these two; nothing here allocates.
 */

#include <string.h>

#include "lib/content_str.h"


/* The two digits of each byte. */

#define HEX_ROW(high)                                                        \
    high "0" high "1" high "2" high "3" high "4" high "5" high "6" high "7"  \
    high "8" high "9" high "a" high "b" high "c" high "d" high "e" high "f"

static const char  content_hex[] =
    HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3")
    HEX_ROW("4") HEX_ROW("5") HEX_ROW("6") HEX_ROW("7")
    HEX_ROW("8") HEX_ROW("9") HEX_ROW("a") HEX_ROW("b")
    HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");


static int
lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}


int
content_str_eq(content_str_t a, content_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


int
content_str_eq_case(content_str_t a, content_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        if (a.data[i] != b.data[i] && lower(a.data[i]) != lower(b.data[i])) {
            return 0;
        }
    }

    return 1;
}


int
content_str_starts(content_str_t s, content_str_t prefix)
{
    return s.len >= prefix.len
           && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}


int
content_str_cmp(content_str_t a, content_str_t b)
{
    int     rc;
    size_t  len;

    len = a.len < b.len ? a.len : b.len;
    rc = len ? memcmp(a.data, b.data, len) : 0;

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


content_str_t
content_str_trim(content_str_t s)
{
    while (s.len && (*s.data == ' ' || *s.data == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


size_t
content_str_control(content_str_t s)
{
    if (s.len == 0) {
        return 0;
    }

    if (s.data[0] < 0x20 || s.data[0] == 0x7f) {
        return 1;
    }

    return s.len > 1 && s.data[0] == 0xc2 && s.data[1] >= 0x80
           && s.data[1] <= 0x9f ? 2 : 0;
}


int
content_str_next(content_str_t *rest, unsigned char delimiter,
    content_str_t *member)
{
    unsigned char  *end;

    while (rest->len) {
        end = memchr(rest->data, delimiter, rest->len);

        member->data = rest->data;
        member->len = end ? (size_t) (end - rest->data) : rest->len;

        rest->data += member->len + (end != NULL);
        rest->len -= member->len + (end != NULL);

        *member = content_str_trim(*member);

        if (member->len) {
            return 1;
        }
    }

    return 0;
}


int
content_str_uint(content_str_t s, int64_t *value)
{
    size_t   i;
    int64_t  n;

    if (s.len == 0 || s.len > 18) {
        return CONTENT_ERROR;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return CONTENT_ERROR;
        }

        n = n * 10 + (s.data[i] - '0');
    }

    *value = n;

    return CONTENT_OK;
}


void
content_out_init(content_out_t *out, void *buf, size_t size)
{
    out->start = buf;
    out->pos = buf;
    out->end = out->start + size;
    out->overflow = 0;
}


void
content_out_mem(content_out_t *out, const void *data, size_t len)
{
    if (out->overflow || (size_t) (out->end - out->pos) < len) {
        out->overflow = 1;
        return;
    }

    if (len) {
        memcpy(out->pos, data, len);
        out->pos += len;
    }
}


void
content_out_char(content_out_t *out, unsigned char c)
{
    if (out->overflow || out->pos == out->end) {
        out->overflow = 1;
        return;
    }

    *out->pos++ = c;
}


void
content_out_str(content_out_t *out, content_str_t s)
{
    content_out_mem(out, s.data, s.len);
}


void
content_out_text(content_out_t *out, const char *text)
{
    content_out_mem(out, text, strlen(text));
}


void
content_out_uint(content_out_t *out, uint64_t value)
{
    char    digits[20];
    size_t  n;

    n = sizeof(digits);

    do {
        digits[--n] = (char) ('0' + value % 10);
        value /= 10;
    } while (value);

    content_out_mem(out, digits + n, sizeof(digits) - n);
}


void
content_out_hex(content_out_t *out, const void *data, size_t len)
{
    size_t                i;
    unsigned char        *to;
    const unsigned char  *p;

    if (out->overflow || (size_t) (out->end - out->pos) / 2 < len) {
        out->overflow = 1;
        return;
    }

    p = data;
    to = out->pos;

    for (i = 0; i < len; i++) {
        memcpy(to, &content_hex[2 * p[i]], 2);
        to += 2;
    }

    out->pos = to;
}


void
content_out_line(content_out_t *out, content_str_t s)
{
    size_t  n;

    while (s.len) {
        n = content_str_control(s);

        content_out_char(out, n ? ' ' : *s.data);

        n = n ? n : 1;
        s.data += n;
        s.len -= n;
    }
}


void
content_out_json(content_out_t *out, content_str_t s)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '"' || c == '\\') {
            content_out_char(out, '\\');
            content_out_char(out, c);

        } else if (c < 0x20) {
            content_out_text(out, "\\u00");
            content_out_hex(out, &c, 1);

        } else {
            content_out_char(out, c);
        }
    }
}


content_str_t
content_out_done(const content_out_t *out)
{
    content_str_t  s;

    s.data = out->start;
    s.len = out->overflow ? 0 : (size_t) (out->pos - out->start);

    return s;
}
