/*
 * Digests as they travel: hexadecimal, base64 with the vectors of RFC 4648,
 * and the digest fields.
 */

#include "lib/content_digest.h"
#include "rows.h"


/* of nothing */
#define EMPTY_256   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define EMPTY_512   "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+" \
                    "DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="

static const unsigned char  empty_256[32] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
    0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
    0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55
};


static void
test_unhex(void **state)
{
    size_t         i;
    unsigned char  bytes[3];

    static const struct {
        const char     *hex;
        size_t          size;
        int             rc;
        unsigned char   bytes[3];
    } rows[] = {
        { "", 0, CONTENT_OK, { 0 } },
        { "00", 1, CONTENT_OK, { 0 } },
        { "09afAF", 3, CONTENT_OK, { 0x09, 0xaf, 0xaf } },
        { "ff", 1, CONTENT_OK, { 0xff } },
        { "f", 1, CONTENT_ERROR, { 0 } },
        { "fff", 1, CONTENT_ERROR, { 0 } },
        { "ffff", 1, CONTENT_ERROR, { 0 } },
        { "ff", 2, CONTENT_ERROR, { 0 } },
        { "", 1, CONTENT_ERROR, { 0 } },
        { "fg", 1, CONTENT_ERROR, { 0 } },
        { "g0", 1, CONTENT_ERROR, { 0 } },
        { "0/", 1, CONTENT_ERROR, { 0 } },
        { "0:", 1, CONTENT_ERROR, { 0 } },
        { "0@", 1, CONTENT_ERROR, { 0 } },
        { "0x", 1, CONTENT_ERROR, { 0 } },
        { " 0", 1, CONTENT_ERROR, { 0 } },
        { "0\x10", 1, CONTENT_ERROR, { 0 } },
        { "0\x01", 1, CONTENT_ERROR, { 0 } }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_digest_unhex(content_cstr(rows[i].hex), bytes,
                                 rows[i].size)
            != rows[i].rc)
        {
            fail_msg("\"%s\"", rows[i].hex);
        }

        if (rows[i].rc == CONTENT_OK) {
            assert_memory_equal(bytes, rows[i].bytes, rows[i].size);
        }
    }
}


static void
test_base64(void **state)
{
    size_t          i;
    content_out_t   out;
    content_str_t   got;
    unsigned char   buf[16];

    static const struct {
        content_str_t   bytes;
        const char     *text;
    } rows[] = {
        { content_string(""), "" },
        { content_string("f"), "Zg==" },
        { content_string("fo"), "Zm8=" },
        { content_string("foo"), "Zm9v" },
        { content_string("foob"), "Zm9vYg==" },
        { content_string("fooba"), "Zm9vYmE=" },
        { content_string("foobar"), "Zm9vYmFy" },
        { content_string("\0\0\0"), "AAAA" },
        { content_string("\xff\xff\xff"), "////" },
        { content_string("\xfb\xef\xbe\xff"), "++++/w==" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        content_digest_base64(&out, rows[i].bytes.data, rows[i].bytes.len);

        got = content_out_done(&out);
        assert_int_equal(got.len, strlen(rows[i].text));
        assert_memory_equal(got.data, rows[i].text, got.len);

        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_digest_unbase64(content_cstr(rows[i].text),
                                                 &out),
                         CONTENT_OK);
        assert_true(content_str_eq(content_out_done(&out), rows[i].bytes));
    }
}


static void
test_unbase64_strict(void **state)
{
    size_t          i;
    content_out_t   out;
    unsigned char   buf[16];

    static const struct {
        const char     *name;
        content_str_t   text;
    } rows[] = {
        { "no padding", content_string("Zg") },
        { "half the padding", content_string("Zg=") },
        { "a digit alone", content_string("Z===") },
        { "only padding", content_string("====") },
        { "padding inside", content_string("Zg==Zg==") },
        { "padding before a digit", content_string("Z=g=") },
        { "bits left over, one byte", content_string("Zh==") },
        { "bits left over, two bytes", content_string("Zm9=") },
        { "URL alphabet, minus", content_string("-A==") },
        { "URL alphabet, underline", content_string("_w==") },
        { "space inside", content_string("Zm 9") },
        { "newline", content_string("Zm9v\nAA") },
        { "newline at the end", content_string("Zm9v\n") },
        { "NUL", content_string("Zm9\0") },
        { "beyond ASCII", content_string("Zm9\xff") }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));

        if (content_digest_unbase64(rows[i].text, &out) != CONTENT_ERROR) {
            fail_msg("%s", rows[i].name);
        }
    }
}


static void
test_unbase64_overflow(void **state)
{
    content_out_t  out;
    unsigned char  buf[2];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_digest_unbase64(content_cstr("Zm9v"), &out),
                     CONTENT_OVERFLOW);
}


static void
test_parse(void **state)
{
    int               rc;
    size_t            i;
    content_digest_t  digest;

    static const struct {
        const char  *name;
        const char  *field;
        int          rc;
        unsigned     sha256;
        unsigned     sha512;
    } rows[] = {
        { "sha-256", "sha-256=:" EMPTY_256 ":", CONTENT_OK, 1, 0 },
        { "sha-512", "sha-512=:" EMPTY_512 ":", CONTENT_OK, 0, 1 },
        { "both", "sha-512=:" EMPTY_512 ":, sha-256=:" EMPTY_256 ":",
          CONTENT_OK, 1, 1 },
        { "no space", "sha-512=:" EMPTY_512 ":,sha-256=:" EMPTY_256 ":",
          CONTENT_OK, 1, 1 },
        { "space everywhere",
          "  sha-512=:" EMPTY_512 ":\t , \tsha-256=:" EMPTY_256 ":  ",
          CONTENT_OK, 1, 1 },
        { "empty", "", CONTENT_OK, 0, 0 },
        { "unknown", "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", CONTENT_OK, 0, 0 },
        { "unknown first", "crc32c=:AAAAAA==:, sha-256=:" EMPTY_256 ":",
          CONTENT_OK, 1, 0 },
        { "unknown, empty", "x=::", CONTENT_OK, 0, 0 },
        { "unknown, odd name", "*a.b_c-1=:AA==:", CONTENT_OK, 0, 0 },
        { "the last one counts",
          "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, "
          "sha-256=:" EMPTY_256 ":", CONTENT_OK, 1, 0 },

        { "no value", "sha-256", CONTENT_ERROR, 0, 0 },
        { "no value, equals sign", "sha-256=", CONTENT_ERROR, 0, 0 },
        { "one colon", "sha-256=:", CONTENT_ERROR, 0, 0 },
        { "empty value", "sha-256=::", CONTENT_ERROR, 0, 0 },
        { "no colons", "sha-256=" EMPTY_256, CONTENT_ERROR, 0, 0 },
        { "not closed", "sha-256=:" EMPTY_256, CONTENT_ERROR, 0, 0 },
        { "quoted", "sha-256=\"" EMPTY_256 "\"", CONTENT_ERROR, 0, 0 },
        { "upper case", "SHA-256=:" EMPTY_256 ":", CONTENT_ERROR, 0, 0 },
        { "the old Digest", "SHA-256=" EMPTY_256, CONTENT_ERROR, 0, 0 },
        { "too short", "sha-256=:AAAA:", CONTENT_ERROR, 0, 0 },
        { "too long", "sha-256=:" EMPTY_512 ":", CONTENT_ERROR, 0, 0 },
        { "too short for 512", "sha-512=:" EMPTY_256 ":",
          CONTENT_ERROR, 0, 0 },
        { "space before the value", "sha-256= :" EMPTY_256 ":",
          CONTENT_ERROR, 0, 0 },
        { "space before the sign", "sha-256 =:" EMPTY_256 ":",
          CONTENT_ERROR, 0, 0 },
        { "comma at the end", "sha-256=:" EMPTY_256 ":,",
          CONTENT_ERROR, 0, 0 },
        { "comma first", ",sha-256=:" EMPTY_256 ":", CONTENT_ERROR, 0, 0 },
        { "two commas", "x=:AA==:,,sha-256=:" EMPTY_256 ":",
          CONTENT_ERROR, 0, 0 },
        { "no comma", "x=:AA==: sha-256=:" EMPTY_256 ":",
          CONTENT_ERROR, 0, 0 },
        { "a parameter", "sha-256=:" EMPTY_256 ":;q=1", CONTENT_ERROR, 0, 0 },
        { "a digit first", "1x=:AA==:", CONTENT_ERROR, 0, 0 },
        { "unknown, no bytes", "x=:A A:", CONTENT_ERROR, 0, 0 },
        { "unknown, a number", "x=1", CONTENT_ERROR, 0, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&digest, 0, sizeof(digest));
        rc = content_digest_parse(content_cstr(rows[i].field), &digest);

        if (rc != rows[i].rc
            || (rc == CONTENT_OK
                && (digest.has_sha256 != rows[i].sha256
                    || digest.has_sha512 != rows[i].sha512)))
        {
            fail_msg("%s: %d, %u, %u", rows[i].name, rc, digest.has_sha256,
                     digest.has_sha512);
        }

        if (rc == CONTENT_OK && digest.has_sha256) {
            assert_memory_equal(digest.sha256, empty_256, 32);
        }

        if (rc == CONTENT_OK && digest.has_sha512) {
            assert_int_equal(digest.sha512[0], 0xcf);
            assert_int_equal(digest.sha512[63], 0x3e);
        }
    }
}


static void
test_parse_lines(void **state)
{
    content_digest_t  digest;

    (void) state;

    memset(&digest, 0, sizeof(digest));

    assert_int_equal(
        content_digest_parse(content_cstr("sha-256=:" EMPTY_256 ":"),
                             &digest), CONTENT_OK);
    assert_int_equal(
        content_digest_parse(content_cstr("sha-512=:" EMPTY_512 ":"),
                             &digest), CONTENT_OK);
    assert_true(digest.has_sha256 && digest.has_sha512);
}


static void
test_wanted(void **state)
{
    size_t  i;

    static const struct {
        const char  *field;
        int          wanted;
    } rows[] = {
        { "sha-256=1", 1 },
        { "sha-256=10", 1 },
        { " sha-256=3 ", 1 },
        { "sha-512=3, sha-256=10, unixsum=0", 1 },
        { "sha-256=0", 0 },
        { "sha-256=11", 0 },
        { "sha-256=-1", 0 },
        { "sha-256=1.5", 0 },
        { "sha-256=", 0 },
        { "sha-256", 0 },
        { "sha-256=1,", 0 },
        { "sha-256=1;q=1", 0 },
        { "sha-256=1 sha-512=1", 0 },
        { "sha-256=9999999999999999999999", 0 },
        { "sha-256=1, sha-256=0", 0 },
        { "sha-256=0, sha-256=1", 1 },
        { "sha-512=10", 0 },
        { "sha-2567=1", 0 },
        { "SHA-256=1", 0 },
        { "", 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_digest_wanted(content_cstr(rows[i].field))
            != rows[i].wanted)
        {
            fail_msg("\"%s\"", rows[i].field);
        }
    }
}


static void
test_md5(void **state)
{
    size_t         i;
    unsigned char  md5[16];

    static const struct {
        const char  *field;
        int          rc;
    } rows[] = {
        { "1B2M2Y8AsgTpgAmY7PhCfg==", CONTENT_OK },
        { " 1B2M2Y8AsgTpgAmY7PhCfg== ", CONTENT_OK },
        { "", CONTENT_ERROR },
        { "1B2M2Y8AsgTpgAmY7PhCfg", CONTENT_ERROR },
        { "1B2M2Y8AsgTpgAmY7PhC", CONTENT_ERROR },
        { EMPTY_256, CONTENT_ERROR },
        { "d41d8cd98f00b204e9800998ecf8427e", CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(content_digest_md5(content_cstr(rows[i].field), md5),
                         rows[i].rc);

        if (rows[i].rc == CONTENT_OK) {
            assert_memory_equal(md5, "\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04"
                                     "\xe9\x80\x09\x98\xec\xf8\x42\x7e", 16);
        }
    }
}


static void
test_write(void **state)
{
    content_out_t  out;
    unsigned char  buf[CONTENT_DIGEST_FIELD_LEN];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_digest_write(&out, empty_256);

    assert_int_equal(content_out_done(&out).len, CONTENT_DIGEST_FIELD_LEN);
    assert_memory_equal(buf, "sha-256=:" EMPTY_256 ":", sizeof(buf));
}


static void
test_eq(void **state)
{
    (void) state;

    assert_true(content_digest_eq("abc", "abc", 3));
    assert_true(content_digest_eq("abc", "abd", 2));
    assert_false(content_digest_eq("abc", "abd", 3));
    assert_false(content_digest_eq("abc", "bbc", 3));
    assert_true(content_digest_eq("a", "b", 0));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_unhex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_unbase64_strict),
        cmocka_unit_test(test_unbase64_overflow),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_lines),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_md5),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_eq)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
