/*
 * Bodies of error answers: see content_problem.h.
 */

#include "lib/content_problem.h"


static const struct {
    int          status;
    const char  *title;
} content_problem_titles[] = {
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" }
};


const char *
content_problem_title(int status)
{
    size_t  i, n;

    n = sizeof(content_problem_titles) / sizeof(content_problem_titles[0]);

    for (i = 0; i < n; i++) {
        if (content_problem_titles[i].status == status) {
            return content_problem_titles[i].title;
        }
    }

    return "Error";
}


/* How many continuation bytes follow from p on, at most n. */

static size_t
continued(const unsigned char *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n && (p[i] & 0xc0) == 0x80; i++) { /* void */ }

    return i;
}


/*
 * The bytes of the character that s begins with, or 0 when it is not well
 * formed: cut, overlong, a surrogate, or beyond U+10FFFF (RFC 3629, 4).
 */
static size_t
utf8_length(content_str_t s)
{
    size_t         len;
    unsigned char  c, low, high;

    c = s.data[0];
    low = 0x80;
    high = 0xbf;

    if (c < 0x80) {
        return 1;
    }

    if (c < 0xc2 || c > 0xf4) {
        return 0;
    }

    len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    switch (c) {
    case 0xe0:
        low = 0xa0;
        break;

    case 0xed:
        high = 0x9f;
        break;

    case 0xf0:
        low = 0x90;
        break;

    case 0xf4:
        high = 0x8f;
        break;
    }

    if (s.len < len || s.data[1] < low || s.data[1] > high
        || continued(s.data + 1, len - 1) != len - 1)
    {
        return 0;
    }

    return len;
}


static void
put_text(content_out_t *out, content_str_t s)
{
    size_t         len;
    content_str_t  c;

    while (s.len) {
        len = utf8_length(s);

        if (len) {
            c.data = s.data;
            c.len = len;
            content_out_json(out, c);

        } else {
            len = 1;
            content_out_text(out, "\xef\xbf\xbd");
        }

        s.data += len;
        s.len -= len;
    }
}


void
content_problem_write(content_out_t *out, int status, content_str_t detail,
    content_str_t key)
{
    content_out_text(out, "{\"title\":\"");
    content_out_text(out, content_problem_title(status));
    content_out_text(out, "\",\"status\":");
    content_out_uint(out, status > 0 ? (uint64_t) status : 0);

    if (detail.len) {
        content_out_text(out, ",\"detail\":\"");
        put_text(out, detail);
        content_out_char(out, '"');
    }

    if (key.len) {
        content_out_text(out, ",\"key\":\"");
        put_text(out, key);
        content_out_char(out, '"');
    }

    content_out_char(out, '}');
}
