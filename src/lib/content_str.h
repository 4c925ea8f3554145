/*
 * Strings and bounded writers for src/lib.
 *
 * content_str_t is a slice: not NUL-terminated, owns nothing, and has the
 * layout of nginx's ngx_str_t, so that the layers above pass theirs without a
 * copy.  content_out_t writes into a caller's buffer; it never writes past
 * the end, and once something did not fit it stays in error, so that a
 * function may write all it has and check once.
 */

#ifndef CONTENT_STR_H
#define CONTENT_STR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


/* Result codes of src/lib: 0 is success, as in libc. */

#define CONTENT_OK         0
#define CONTENT_ERROR     -1    /* the input is malformed */
#define CONTENT_OVERFLOW  -2    /* the caller's buffer is too small */


typedef struct {
    size_t          len;
    unsigned char  *data;
} content_str_t;


typedef struct {
    unsigned char  *start;
    unsigned char  *pos;        /* next byte to write; pos - start is the length */
    unsigned char  *end;
    unsigned        overflow:1;
} content_out_t;


#define content_string(text)                                                 \
    { sizeof(text) - 1, (unsigned char *) text }
#define content_null_string  { 0, NULL }


/* Here, so that the length of a literal is computed by the compiler. */

static inline content_str_t
content_cstr(const char *text)
{
    content_str_t  s;

    s.data = (unsigned char *) text;
    s.len = strlen(text);

    return s;
}



int content_str_eq(content_str_t a, content_str_t b);
int content_str_eq_case(content_str_t a, content_str_t b);   /* ASCII */
int content_str_starts(content_str_t s, content_str_t prefix);

/* Less than, equal to or more than 0: in the order of bytes, as memcmp(). */
int content_str_cmp(content_str_t a, content_str_t b);

/* Without leading and trailing spaces and tabs (RFC 9110, 5.6.3 OWS). */
content_str_t content_str_trim(content_str_t s);

/*
 * The length of the control character that s begins with, or 0: Unicode's,
 * that is C0, DEL, and C1 in UTF-8, which terminals take for commands too.
 */
size_t content_str_control(content_str_t s);

/*
 * Takes the next member of a list such as "a, b,,c" off *rest: trimmed, empty
 * members skipped (RFC 9110, 5.6.1).  Returns 1, or 0 at the end of the list.
 * Knows nothing of quoted strings.
 */
int content_str_next(content_str_t *rest, unsigned char delimiter,
    content_str_t *member);

/*
 * A non-negative decimal number of at most 18 digits and nothing else.
 * Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_str_uint(content_str_t s, int64_t *value);


void content_out_init(content_out_t *out, void *buf, size_t size);
void content_out_char(content_out_t *out, unsigned char c);
void content_out_mem(content_out_t *out, const void *data, size_t len);
void content_out_str(content_out_t *out, content_str_t s);
void content_out_text(content_out_t *out, const char *text);
void content_out_uint(content_out_t *out, uint64_t value);
void content_out_hex(content_out_t *out, const void *data, size_t len);

/* Text for a line of the log: a space for each control character. */

void content_out_line(content_out_t *out, content_str_t s);

/* The text between the quotes of a JSON string (RFC 8259, 7). */
void content_out_json(content_out_t *out, content_str_t s);

/* What was written so far; empty after an overflow. */
content_str_t content_out_done(const content_out_t *out);


#endif
