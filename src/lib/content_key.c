/*
 * Keys: see content_key.h.  Called by routing for each request, by the S3
 * store and the CDN client when they name an object, and by listings.
 */

#include <string.h>

#include "lib/content_digest.h"
#include "lib/content_key.h"
#include "lib/content_sha256.h"


static int decode(content_str_t path, content_out_t *out, const char **why);
static int check(content_str_t key, int whole, const char **why);
static const char *check_text(content_str_t key);
static const char *check_segments(content_str_t key, int whole);
static size_t utf8_char(const unsigned char *p, size_t len, uint32_t *code);
static void encode(content_out_t *out, content_str_t text,
    unsigned char except);


int
content_key_decode(content_str_t path, content_out_t *out, const char **why)
{
    unsigned char  *start;
    content_str_t   key;

    if (path.len == 0 || path.data[0] != '/') {
        *why = "without a leading \"/\"";
        return CONTENT_ERROR;
    }

    path.data++;
    path.len--;

    start = out->pos;

    if (decode(path, out, why) != CONTENT_OK) {
        out->pos = start;
        return CONTENT_ERROR;
    }

    if (out->overflow) {
        return CONTENT_OVERFLOW;
    }

    key.data = start;
    key.len = (size_t) (out->pos - start);

    if (content_key_check(key, why) != CONTENT_OK) {
        out->pos = start;
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


/*
 * The length is counted here too, so that a key that is too long says so
 * instead of overflowing a buffer of CONTENT_KEY_MAX bytes.
 */

static int
decode(content_str_t path, content_out_t *out, const char **why)
{
    size_t         i, n;
    content_str_t  hex;
    unsigned char  c;

    for (i = 0, n = 0; i < path.len; i++, n++) {
        c = path.data[i];

        if (n == CONTENT_KEY_MAX) {
            *why = "longer than 1,024 bytes";
            return CONTENT_ERROR;
        }

        if (c == '%') {
            hex.data = path.data + i + 1;
            hex.len = path.len - i > 2 ? 2 : 0;

            if (content_digest_unhex(hex, &c, 1) != CONTENT_OK) {
                *why = "an invalid percent escape";
                return CONTENT_ERROR;
            }

            i += 2;
        }

        content_out_char(out, c);
    }

    return CONTENT_OK;
}


int
content_key_check(content_str_t key, const char **why)
{
    return check(key, 1, why);
}


int
content_key_check_beginning(content_str_t text, const char **why)
{
    return check(text, 0, why);
}


static int
check(content_str_t key, int whole, const char **why)
{
    if (key.len == 0) {
        *why = "empty";
        return CONTENT_ERROR;
    }

    if (key.len > CONTENT_KEY_MAX) {
        *why = "longer than 1,024 bytes";
        return CONTENT_ERROR;
    }

    *why = check_text(key);

    if (*why == NULL) {
        *why = check_segments(key, whole);
    }

    return *why ? CONTENT_ERROR : CONTENT_OK;
}


/*
 * Control characters are Unicode's: C0, DEL, and C1, which terminals and logs
 * take for commands just the same.
 */

static const char *
check_text(content_str_t key)
{
    size_t    i, n;
    uint32_t  code;

    for (i = 0; i < key.len; i += n) {
        if (key.data[i] >= 0x20 && key.data[i] < 0x7f) {
            n = 1;
            continue;                   /* most are */
        }

        n = utf8_char(key.data + i, key.len - i, &code);

        if (n == 0) {
            return "invalid UTF-8";
        }

        if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
            return "a control character";
        }
    }

    return NULL;
}


/*
 * Clients and proxies resolve these before they send a path, so such a key
 * could not be reached, and in a file store ".." would leave the root.  Unless
 * the key is whole, its last one may go on.
 */

static const char *
check_segments(content_str_t key, int whole)
{
    size_t                len;
    const unsigned char  *p, *end, *slash;

    end = key.data + key.len;

    for (p = key.data; p; p = slash ? slash + 1 : NULL) {
        slash = memchr(p, '/', (size_t) (end - p));

        if (slash == NULL && !whole) {
            return NULL;
        }

        len = (size_t) ((slash ? slash : end) - p);

        if (len == 1 && p[0] == '.') {
            return "a \".\" segment";
        }

        if (len == 2 && p[0] == '.' && p[1] == '.') {
            return "a \"..\" segment";
        }
    }

    return NULL;
}


/*
 * The length of the character at p, or 0 where there is none: a cut, an
 * overlong form, a surrogate, beyond U+10FFFF (RFC 3629, 3 and 4).
 */

static size_t
utf8_char(const unsigned char *p, size_t len, uint32_t *code)
{
    size_t  n, i;

    static const uint32_t  lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }

    n = (p[0] & 0xe0) == 0xc0 ? 2
        : (p[0] & 0xf0) == 0xe0 ? 3
        : (p[0] & 0xf8) == 0xf0 ? 4 : 0;

    if (n == 0 || n > len) {
        return 0;
    }

    *code = p[0] & (0xffu >> (n + 1));

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        *code = *code << 6 | (p[i] & 0x3f);
    }

    if (*code < lowest[n] || *code > 0x10ffff
        || (*code >= 0xd800 && *code <= 0xdfff))
    {
        return 0;
    }

    return n;
}


void
content_key_encode(content_out_t *out, content_str_t key)
{
    encode(out, key, '/');
}


void
content_key_encode_component(content_out_t *out, content_str_t text)
{
    encode(out, text, '-');
}


/* except is one more byte that stays as it is */

static void
encode(content_out_t *out, content_str_t text, unsigned char except)
{
    size_t         i;
    unsigned char  c;

    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (content_key_unreserved(c) || c == except) {
            content_out_char(out, c);

        } else {
            content_out_char(out, '%');
            content_out_char(out, hex[c >> 4]);
            content_out_char(out, hex[c & 15]);
        }
    }
}


int
content_key_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9')
           || c == '-' || c == '.' || c == '_' || c == '~';
}


void
content_key_hash(content_str_t key, unsigned char hash[CONTENT_KEY_HASH_LEN])
{
    content_sha256_text(key, hash);
}


void
content_key_tag(const unsigned char hash[CONTENT_KEY_HASH_LEN],
    unsigned char tag[CONTENT_KEY_TAG_LEN])
{
    content_out_t  out;

    content_out_init(&out, tag, CONTENT_KEY_TAG_LEN);
    content_out_char(&out, 'c');
    content_out_hex(&out, hash, (CONTENT_KEY_TAG_LEN - 1) / 2);
}
