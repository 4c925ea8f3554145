/*
 * The digests that a client expects.  An input: Content-Digest, Repr-Digest,
 * Content-MD5, x-amz-checksum-sha256.
 */

#include "fuzz.h"
#include "lib/content_expect.h"


/* Base64 has one spelling. */

static void
check_base64(content_str_t text)
{
    content_out_t  out, same;

    out = fuzz_out(text.len);

    if (content_digest_unbase64(text, &out) == CONTENT_OK) {
        same = fuzz_out(text.len);
        content_digest_base64(&same, out.start,
                              (size_t) (out.pos - out.start));
        HOLDS(content_str_eq(content_out_done(&same), text));
    }
}


static void
check_written(const content_digest_t *digest)
{
    content_out_t     out;
    content_digest_t  same;

    if (digest->has_sha256) {
        out = fuzz_out(CONTENT_DIGEST_FIELD_LEN);
        content_digest_write(&out, digest->sha256);
        HOLDS(out.pos == out.end && !out.overflow);

        memset(&same, 0, sizeof(same));
        HOLDS(content_digest_parse(content_out_done(&out), &same)
              == CONTENT_OK);
        HOLDS(same.has_sha256 && !same.has_sha512);
        HOLDS(memcmp(same.sha256, digest->sha256, sizeof(same.sha256)) == 0);
    }
}


/* Several lines of a field are one dictionary (RFC 9110, 5.3). */

static void
check_lines(content_str_t a, content_str_t b)
{
    content_digest_t  two, one;

    memset(&two, 0, sizeof(two));
    memset(&one, 0, sizeof(one));

    if (content_digest_parse(a, &two) != CONTENT_OK
        || content_digest_parse(b, &two) != CONTENT_OK
        || content_str_trim(a).len == 0 || content_str_trim(b).len == 0)
    {
        return;
    }

    HOLDS(content_digest_parse(fuzz_cat(fuzz_join("", a, ","), b), &one)
          == CONTENT_OK);
    HOLDS(memcmp(&one, &two, sizeof(one)) == 0);
    check_written(&one);
}


void
fuzz_one(content_str_t input)
{
    size_t              i;
    content_out_t       out;
    content_str_t       value[4];
    content_expect_t    expect;
    content_computed_t  computed;

    static const char  *names[] = { "content-digest", "repr-digest",
                                    "content-md5", "x-amz-checksum-sha256" };

    memset(&expect, 0, sizeof(expect));

    for (i = 0; i < 4; i++) {
        value[i] = fuzz_line(&input);
        check_base64(value[i]);
        (void) content_digest_wanted(value[i]);
    }

    check_lines(value[0], value[1]);

    for (i = 0; i < 4; i++) {
        if (value[i].len
            && content_expect_header(&expect, content_cstr(names[i]), value[i])
               != CONTENT_OK)
        {
            return;
        }
    }

    out = fuzz_out(CONTENT_EXPECT_TEXT);
    memset(&computed, 0, sizeof(computed));
    (void) content_expect_check(&expect, &computed, &out);
    HOLDS(!out.overflow);
}


#define SHA256  "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define SHA512                                                               \
    "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv"       \
    "Y7kxvUdBeoGlODJ6+SfaPg=="


void
fuzz_seeds(void)
{
    fuzz_text("sha-256=:" SHA256 ":\n\n1B2M2Y8AsgTpgAmY7PhCfg==\n");
    fuzz_text("sha-512=:" SHA512 ":, md5=:AA==:\nsha-256=:" SHA256 ":");
    fuzz_text("\nsha-256=:" SHA256 ":,\tsha-512=:" SHA512 ":\n\n");
    fuzz_text("sha-256=10, unixsum=0\n*=:AQ==:\n\n" SHA256);
}
