/*
 * The digests a client expects: see content_expect.h.  Called by the write
 * path, with the headers before the body is read and with the computed
 * digests when it has ended.
 */

#include "lib/content_expect.h"


static int take_md5(content_expect_t *expect, content_str_t value);
static int take_amz(content_expect_t *expect, content_str_t value);
static int check(content_out_t *out, const char *header,
    const unsigned char *expected, const unsigned char *computed, size_t size);
static int check_digest(content_out_t *out, const char *sha256,
    const char *sha512, const content_digest_t *digest,
    const content_computed_t *computed);


int
content_expect_header(content_expect_t *expect, content_str_t name,
    content_str_t value)
{
    if (content_str_eq(name, content_cstr("content-digest"))) {
        return content_digest_parse(value, &expect->content);
    }

    if (content_str_eq(name, content_cstr("repr-digest"))) {
        return content_digest_parse(value, &expect->repr);
    }

    if (content_str_eq(name, content_cstr("content-md5"))) {
        return take_md5(expect, value);
    }

    if (content_str_eq(name, content_cstr("x-amz-checksum-sha256"))) {
        return take_amz(expect, value);
    }

    return CONTENT_OK;
}


static int
take_md5(content_expect_t *expect, content_str_t value)
{
    if (expect->has_md5) {
        return CONTENT_ERROR;
    }

    expect->has_md5 = 1;

    return content_digest_md5(value, expect->md5);
}


static int
take_amz(content_expect_t *expect, content_str_t value)
{
    content_out_t  out;

    if (expect->has_amz) {
        return CONTENT_ERROR;
    }

    expect->has_amz = 1;
    content_out_init(&out, expect->amz, sizeof(expect->amz));

    if (content_digest_unbase64(content_str_trim(value), &out) != CONTENT_OK
        || out.pos != out.end)
    {
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


const unsigned char *
content_expect_sha256(const content_expect_t *expect)
{
    if (expect->content.has_sha256) {
        return expect->content.sha256;
    }

    if (expect->repr.has_sha256) {
        return expect->repr.sha256;
    }

    return expect->has_amz ? expect->amz : NULL;
}


int
content_expect_sha512(const content_expect_t *expect)
{
    return expect->content.has_sha512 || expect->repr.has_sha512;
}


int
content_expect_md5(const content_expect_t *expect)
{
    return expect->has_md5;
}


int
content_expect_check(const content_expect_t *expect,
    const content_computed_t *computed, content_out_t *out)
{
    if (check_digest(out, "Content-Digest: sha-256", "Content-Digest: sha-512",
                     &expect->content, computed)
        != CONTENT_OK
        || check_digest(out, "Repr-Digest: sha-256", "Repr-Digest: sha-512",
                        &expect->repr, computed)
           != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    if (expect->has_md5
        && check(out, "Content-MD5:", expect->md5, computed->md5,
                 sizeof(computed->md5))
           != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    if (!expect->has_amz) {
        return CONTENT_OK;
    }

    return check(out, "x-amz-checksum-sha256:", expect->amz, computed->sha256,
                 sizeof(computed->sha256));
}


static int
check_digest(content_out_t *out, const char *sha256, const char *sha512,
    const content_digest_t *digest, const content_computed_t *computed)
{
    if (digest->has_sha256
        && check(out, sha256, digest->sha256, computed->sha256,
                 sizeof(computed->sha256))
           != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    if (!digest->has_sha512) {
        return CONTENT_OK;
    }

    return check(out, sha512, digest->sha512, computed->sha512,
                 sizeof(computed->sha512));
}


static int
check(content_out_t *out, const char *header, const unsigned char *expected,
    const unsigned char *computed, size_t size)
{
    if (content_digest_eq(expected, computed, size)) {
        return CONTENT_OK;
    }

    content_out_text(out, header);
    content_out_text(out, " ");
    content_digest_base64(out, expected, size);
    content_out_text(out, " was expected, ");
    content_digest_base64(out, computed, size);
    content_out_text(out, " is what the body hashes to; nothing was changed");

    return CONTENT_ERROR;
}
