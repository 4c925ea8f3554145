/*
 * Digests as they travel: see content_digest.h.  Called by the write path
 * (verify an upload), by the stores (what S3 and a record carry) and by the
 * tokens file; everything works on the caller's memory.
 */

#include <string.h>

#include <openssl/crypto.h>

#include "lib/content_digest.h"


static int hex_digit(unsigned char c);
static int base64_digit(unsigned char c);
static int decode_exactly(content_str_t text, unsigned char *bytes,
    size_t size);
static int take_key(content_str_t *rest, content_str_t *key);
static int take_bytes(content_str_t *rest, content_str_t *text);
static int take_comma(content_str_t *rest);
static int store(content_digest_t *digest, content_str_t key,
    content_str_t text);
static int take_weight(content_str_t *rest, int64_t *weight);


int
content_digest_unhex(content_str_t hex, unsigned char *bytes, size_t size)
{
    int     high, low;
    size_t  i;

    if (hex.len % 2 || hex.len / 2 != size) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < size; i++) {
        high = hex_digit(hex.data[2 * i]);
        low = hex_digit(hex.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return CONTENT_ERROR;
        }

        bytes[i] = (unsigned char) (high << 4 | low);
    }

    return CONTENT_OK;
}


static int
hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


void
content_digest_base64(content_out_t *out, const void *data, size_t len)
{
    size_t                i, n;
    uint32_t              group;
    const unsigned char  *p;

    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    p = data;

    for (i = 0; i < len; i += 3) {
        n = len - i;

        group = (uint32_t) p[i] << 16;
        group |= n > 1 ? (uint32_t) p[i + 1] << 8 : 0;
        group |= n > 2 ? p[i + 2] : 0;

        content_out_char(out, digits[group >> 18]);
        content_out_char(out, digits[group >> 12 & 63]);
        content_out_char(out, n > 1 ? digits[group >> 6 & 63] : '=');
        content_out_char(out, n > 2 ? digits[group & 63] : '=');
    }
}


int
content_digest_unbase64(content_str_t text, content_out_t *out)
{
    int       digit;
    size_t    i, len;
    unsigned  bits, nbits;

    if (text.len % 4) {
        return CONTENT_ERROR;
    }

    len = text.len;

    while (len && text.len - len < 2 && text.data[len - 1] == '=') {
        len--;
    }

    bits = 0;
    nbits = 0;

    for (i = 0; i < len; i++) {
        digit = base64_digit(text.data[i]);

        if (digit < 0) {
            return CONTENT_ERROR;
        }

        bits = (bits << 6 | (unsigned) digit) & 0xfff;
        nbits += 6;

        if (nbits >= 8) {
            nbits -= 8;
            content_out_char(out, (unsigned char) (bits >> nbits));
        }
    }

    if (bits & ((1u << nbits) - 1)) {
        return CONTENT_ERROR;
    }

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


static int
base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '+' ? 62 : c == '/' ? 63 : -1;
}


static int
decode_exactly(content_str_t text, unsigned char *bytes, size_t size)
{
    content_out_t  out;

    content_out_init(&out, bytes, size);

    if (content_digest_unbase64(text, &out) != CONTENT_OK
        || out.pos != out.end)
    {
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


int
content_digest_parse(content_str_t field, content_digest_t *digest)
{
    content_str_t  rest, key, text;

    rest = content_str_trim(field);

    if (rest.len == 0) {
        return CONTENT_OK;
    }

    for ( ;; ) {
        if (take_key(&rest, &key) != CONTENT_OK
            || take_bytes(&rest, &text) != CONTENT_OK
            || store(digest, key, text) != CONTENT_OK)
        {
            return CONTENT_ERROR;
        }

        if (rest.len == 0) {
            return CONTENT_OK;
        }

        if (take_comma(&rest) != CONTENT_OK) {
            return CONTENT_ERROR;
        }
    }
}


/* "key=" of a dictionary's member (RFC 9651, 3.1.2 and 3.2) */

static int
take_key(content_str_t *rest, content_str_t *key)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < rest->len; i++) {
        c = rest->data[i];

        if ((c >= 'a' && c <= 'z') || c == '*') {
            continue;
        }

        if (i && ((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
        {
            continue;
        }

        break;
    }

    if (i == 0 || i == rest->len || rest->data[i] != '=') {
        return CONTENT_ERROR;
    }

    key->data = rest->data;
    key->len = i;

    rest->data += i + 1;
    rest->len -= i + 1;

    return CONTENT_OK;
}


/* ":base64:" (RFC 9651, 3.3.5); *text is what the colons enclose */

static int
take_bytes(content_str_t *rest, content_str_t *text)
{
    unsigned char  *end;

    if (rest->len < 2 || rest->data[0] != ':') {
        return CONTENT_ERROR;
    }

    text->data = rest->data + 1;

    end = memchr(text->data, ':', rest->len - 1);

    if (end == NULL) {
        return CONTENT_ERROR;
    }

    text->len = (size_t) (end - text->data);

    rest->len -= text->len + 2;
    rest->data = end + 1;

    return CONTENT_OK;
}


/* what separates two members; another one has to follow */

static int
take_comma(content_str_t *rest)
{
    *rest = content_str_trim(*rest);

    if (rest->len == 0 || rest->data[0] != ',') {
        return CONTENT_ERROR;
    }

    rest->data++;
    rest->len--;

    *rest = content_str_trim(*rest);

    return CONTENT_OK;
}


static int
store(content_digest_t *digest, content_str_t key, content_str_t text)
{
    size_t  i;

    static const content_str_t  sha256 = content_string("sha-256");
    static const content_str_t  sha512 = content_string("sha-512");

    if (content_str_eq(key, sha256)) {
        digest->has_sha256 = 1;
        return decode_exactly(text, digest->sha256, sizeof(digest->sha256));
    }

    if (content_str_eq(key, sha512)) {
        digest->has_sha512 = 1;
        return decode_exactly(text, digest->sha512, sizeof(digest->sha512));
    }

    for (i = 0; i < text.len; i++) {
        if (base64_digit(text.data[i]) < 0 && text.data[i] != '=') {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


int
content_digest_wanted(content_str_t field)
{
    int            wanted;
    int64_t        weight;
    content_str_t  rest, key;

    rest = content_str_trim(field);
    wanted = 0;

    for ( ;; ) {
        if (take_key(&rest, &key) != CONTENT_OK
            || take_weight(&rest, &weight) != CONTENT_OK)
        {
            return 0;
        }

        if (content_str_eq(key, content_cstr("sha-256"))) {
            wanted = weight > 0;
        }

        if (rest.len == 0) {
            return wanted;
        }

        if (take_comma(&rest) != CONTENT_OK) {
            return 0;
        }
    }
}


/* an integer 0 .. 10 (RFC 9530, 4) */

static int
take_weight(content_str_t *rest, int64_t *weight)
{
    content_str_t  digits;

    digits.data = rest->data;
    digits.len = 0;

    while (digits.len < rest->len && rest->data[digits.len] >= '0'
           && rest->data[digits.len] <= '9')
    {
        digits.len++;
    }

    rest->data += digits.len;
    rest->len -= digits.len;

    if (content_str_uint(digits, weight) != CONTENT_OK || *weight > 10) {
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


int
content_digest_md5(content_str_t field,
    unsigned char md5[CONTENT_MD5_SIZE])
{
    return decode_exactly(content_str_trim(field), md5, CONTENT_MD5_SIZE);
}


void
content_digest_write(content_out_t *out,
    const unsigned char sha256[CONTENT_SHA256_SIZE])
{
    content_out_text(out, "sha-256=:");
    content_digest_base64(out, sha256, CONTENT_SHA256_SIZE);
    content_out_char(out, ':');
}


int
content_digest_eq(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
