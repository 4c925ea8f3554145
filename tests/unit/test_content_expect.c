/*
 * The digests a client expects of its body: which headers say so, and what a
 * body that does not fit is told.  The body is empty; OTHER is of "a".
 */

#include <openssl/evp.h>

#include "lib/content_expect.h"
#include "rows.h"


#define EMPTY_256   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define EMPTY_512   "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+" \
                    "DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
#define EMPTY_MD5   "1B2M2Y8AsgTpgAmY7PhCfg=="

#define OTHER_256   "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="
#define OTHER_512   "H0D8ktokFpR1CXnubPWC8tXX0o4YM13gWrxU0FYOD1MChgxlK/CNVg" \
                    "JSql50IQVG82n7u86MEs/HlXsmUv6adQ=="
#define OTHER_MD5   "DMF1ucDxtqgxw5niaXcmYQ=="

static const char  *names[] = { "content-digest", "repr-digest",
                                "content-md5", "x-amz-checksum-sha256" };


static void
compute(content_computed_t *computed)
{
    assert_int_equal(EVP_Digest("", 0, computed->sha256, NULL, EVP_sha256(),
                                NULL), 1);
    assert_int_equal(EVP_Digest("", 0, computed->sha512, NULL, EVP_sha512(),
                                NULL), 1);
    assert_int_equal(EVP_Digest("", 0, computed->md5, NULL, EVP_md5(), NULL),
                     1);
}


static void
test_check(void **state)
{
    int                 rc;
    char                text[CONTENT_EXPECT_TEXT + 1];
    size_t              i, n;
    content_out_t       out;
    content_expect_t    expect;
    content_computed_t  computed;

    static const struct {
        const char  *values[4];         /* of names */
        const char  *names_it;          /* NULL: all holds */
        const char  *expected;
        const char  *computed;
    } rows[] = {
        { { NULL }, NULL, NULL, NULL },
        { { "sha-256=:" EMPTY_256 ":" }, NULL, NULL, NULL },
        { { "sha-512=:" EMPTY_512 ":" }, NULL, NULL, NULL },
        { { NULL, "sha-256=:" EMPTY_256 ":" }, NULL, NULL, NULL },
        { { NULL, "sha-512=:" EMPTY_512 ":" }, NULL, NULL, NULL },
        { { NULL, NULL, EMPTY_MD5 }, NULL, NULL, NULL },
        { { NULL, NULL, NULL, EMPTY_256 }, NULL, NULL, NULL },
        { { "sha-256=:" EMPTY_256 ":", "sha-512=:" EMPTY_512 ":", EMPTY_MD5,
            EMPTY_256 }, NULL, NULL, NULL },
        { { "md5=:" OTHER_MD5 ":" }, NULL, NULL, NULL },

        { { "sha-256=:" OTHER_256 ":" },
          "Content-Digest: sha-256", OTHER_256, EMPTY_256 },
        { { "sha-512=:" OTHER_512 ":" },
          "Content-Digest: sha-512", OTHER_512, EMPTY_512 },
        { { "sha-256=:" EMPTY_256 ":, sha-512=:" OTHER_512 ":" },
          "Content-Digest: sha-512", OTHER_512, EMPTY_512 },
        { { NULL, "sha-256=:" OTHER_256 ":" },
          "Repr-Digest: sha-256", OTHER_256, EMPTY_256 },
        { { NULL, "sha-512=:" OTHER_512 ":" },
          "Repr-Digest: sha-512", OTHER_512, EMPTY_512 },
        { { NULL, NULL, OTHER_MD5 }, "Content-MD5", OTHER_MD5, EMPTY_MD5 },
        { { NULL, NULL, NULL, OTHER_256 },
          "x-amz-checksum-sha256", OTHER_256, EMPTY_256 },
        { { "sha-256=:" EMPTY_256 ":", "sha-256=:" EMPTY_256 ":", OTHER_MD5,
            EMPTY_256 }, "Content-MD5", OTHER_MD5, EMPTY_MD5 }
    };

    (void) state;

    compute(&computed);

    for (i = 0; i < ROWS(rows); i++) {
        memset(&expect, 0, sizeof(expect));

        for (n = 0; n < ROWS(names); n++) {
            if (rows[i].values[n]) {
                assert_int_equal(
                    content_expect_header(&expect, content_cstr(names[n]),
                                          content_cstr(rows[i].values[n])),
                    CONTENT_OK);
            }
        }

        memset(text, 0, sizeof(text));
        content_out_init(&out, text, CONTENT_EXPECT_TEXT);
        rc = content_expect_check(&expect, &computed, &out);

        assert_int_equal(rc, rows[i].names_it ? CONTENT_ERROR : CONTENT_OK);
        assert_false(out.overflow);

        if (rows[i].names_it
            && (strstr(text, rows[i].names_it) != text
                || strstr(text, rows[i].expected) == NULL
                || strstr(text, rows[i].computed) == NULL))
        {
            fail_msg("row %d: %s", (int) i, text);
        }
    }
}


static void
test_header_malformed(void **state)
{
    size_t            i;
    content_expect_t  expect;

    static const struct {
        const char  *name;
        const char  *value;
        int          rc;
    } rows[] = {
        { "content-digest", "sha-256=:" EMPTY_MD5 ":", CONTENT_ERROR },
        { "content-digest", "sha-256=" EMPTY_256, CONTENT_ERROR },
        { "repr-digest", "nonsense", CONTENT_ERROR },
        { "content-md5", EMPTY_256, CONTENT_ERROR },
        { "content-md5", "", CONTENT_ERROR },
        { "x-amz-checksum-sha256", EMPTY_MD5, CONTENT_ERROR },
        { "x-amz-checksum-sha256", EMPTY_256 "-2", CONTENT_ERROR },
        { "x-amz-checksum-sha256", EMPTY_512, CONTENT_ERROR },
        { "x-amz-checksum-sha256", "", CONTENT_ERROR },
        { "x-amz-checksum-crc32", "nonsense", CONTENT_OK },
        { "content-type", "nonsense", CONTENT_OK }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&expect, 0, sizeof(expect));

        if (content_expect_header(&expect, content_cstr(rows[i].name),
                                  content_cstr(rows[i].value))
            != rows[i].rc)
        {
            fail_msg("%s: %s", rows[i].name, rows[i].value);
        }
    }
}


static void
test_header_twice(void **state)
{
    int               rc;
    size_t            i;
    content_expect_t  expect;

    static const struct {
        const char  *name;
        const char  *value;
        int          rc;
    } rows[] = {
        { "content-digest", "sha-256=:" EMPTY_256 ":", CONTENT_OK },
        { "repr-digest", "sha-256=:" EMPTY_256 ":", CONTENT_OK },
        { "content-md5", EMPTY_MD5, CONTENT_ERROR },
        { "x-amz-checksum-sha256", EMPTY_256, CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&expect, 0, sizeof(expect));

        rc = content_expect_header(&expect, content_cstr(rows[i].name),
                                   content_cstr(rows[i].value));
        assert_int_equal(rc, CONTENT_OK);

        rc = content_expect_header(&expect, content_cstr(rows[i].name),
                                   content_cstr(rows[i].value));
        assert_int_equal(rc, rows[i].rc);
    }
}


static void
test_needed(void **state)
{
    size_t            i;
    content_expect_t  expect;

    static const struct {
        const char  *name;
        const char  *value;
        int          sha256;
        int          sha512;
        int          md5;
    } rows[] = {
        { "content-type", "text/plain", 0, 0, 0 },
        { "content-digest", "sha-256=:" EMPTY_256 ":", 1, 0, 0 },
        { "content-digest", "sha-512=:" EMPTY_512 ":", 0, 1, 0 },
        { "repr-digest", "sha-256=:" EMPTY_256 ":", 1, 0, 0 },
        { "repr-digest", "sha-512=:" EMPTY_512 ":", 0, 1, 0 },
        { "content-md5", EMPTY_MD5, 0, 0, 1 },
        { "x-amz-checksum-sha256", EMPTY_256, 1, 0, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&expect, 0, sizeof(expect));

        assert_int_equal(
            content_expect_header(&expect, content_cstr(rows[i].name),
                                  content_cstr(rows[i].value)), CONTENT_OK);
        assert_int_equal(content_expect_sha256(&expect) != NULL,
                         rows[i].sha256);
        assert_int_equal(content_expect_sha512(&expect), rows[i].sha512);
        assert_int_equal(content_expect_md5(&expect), rows[i].md5);

        if (rows[i].sha256) {
            assert_int_equal(content_expect_sha256(&expect)[0], 0xe3);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_header_malformed),
        cmocka_unit_test(test_header_twice),
        cmocka_unit_test(test_needed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
