/* SHA-256 of one stream and of two: src/lib/content_sha256.h. */

#include "lib/content_digest.h"
#include "lib/content_sha256.h"
#include "rows.h"


#define BYTES  (256 * 1024)


static unsigned char  bytes[BYTES];


static int
fill(void **state)
{
    size_t    i;
    uint32_t  x;

    (void) state;

    for (i = 0, x = 1; i < BYTES; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char) (x >> 24);
    }

    return 0;
}


/* What libcrypto says, all at once. */

static void
check(content_sha256_t *s, const unsigned char *data, size_t len)
{
    unsigned int   n;
    unsigned char  hash[CONTENT_SHA256_SIZE], expected[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(data, len, expected, &n, EVP_sha256(), NULL),
                     1);
    assert_int_equal(content_sha256_final(s, hash), CONTENT_OK);
    assert_memory_equal(hash, expected, CONTENT_SHA256_SIZE);
}


/* FIPS 180-4's own examples (NIST, "Examples with intermediate values"). */

static const struct {
    const char  *text, *hash;
} examples[] = {
    { "abc",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
};

static void
test_examples(void **state)
{
    int               own;
    size_t            i;
    unsigned char     hash[32], expected[32];
    content_sha256_t  s;

    (void) state;

    for (own = 0; own < 2; own++) {
        for (i = 0; i < ROWS(examples); i++) {
            memset(&s, 0, sizeof(s));
            assert_int_equal(content_sha256_init(&s, own), CONTENT_OK);
            assert_int_equal(content_sha256_update(&s, NULL, examples[i].text,
                                                   strlen(examples[i].text)),
                             CONTENT_OK);
            assert_int_equal(content_sha256_final(&s, hash), CONTENT_OK);
            assert_int_equal(content_digest_unhex(
                                 content_cstr(examples[i].hash), expected, 32),
                             CONTENT_OK);
            assert_memory_equal(hash, expected, 32);
            content_sha256_free(&s);

            memset(hash, 0, sizeof(hash));
            content_sha256_text(content_cstr(examples[i].text), hash);
            assert_memory_equal(hash, expected, 32);
        }
    }
}


/* Every length around the ends of blocks, where padding may need another. */

static void
test_lengths(void **state)
{
    int               own;
    size_t            len;
    content_sha256_t  s;

    (void) state;

    for (own = 0; own < 2; own++) {
        memset(&s, 0, sizeof(s));

        for (len = 0; len <= 300; len++) {
            assert_int_equal(content_sha256_init(&s, own), CONTENT_OK);
            assert_int_equal(content_sha256_update(&s, NULL, bytes, len),
                             CONTENT_OK);
            check(&s, bytes, len);
        }

        content_sha256_free(&s);
    }
}


/*
 * A body in pieces; its part begins anew at `part`.  Where that is no multiple
 * of a block, the two can't share blocks, and are right all the same.
 */

static const struct {
    const char  *name;
    size_t       len, piece, part;
} bodies[] = {
    { "one piece, one part",            100000, 100000, 0 },
    { "blocks",                         64 * 1024, 64, 32 * 1024 },
    { "a part at a block's beginning",  100001, 4096, 65536 },
    { "single bytes",                   300, 1, 128 },
    { "pieces that are no blocks",      99999, 1000, 64000 },
    { "pieces of almost a block",       20000, 63, 63 * 64 },
    { "pieces of a little more",        20000, 65, 65 * 64 },
    { "a part in the midst of a block", 100000, 1000, 50000 },
    { "by one byte",                    100000, 97, 97 },
    { "more than a step",               BYTES, BYTES / 2, BYTES / 2 },
};

static void
test_body_and_part(void **state)
{
    int               own;
    size_t            i, done, n;
    content_sha256_t  body, part;

    (void) state;

    for (own = 0; own < 2; own++) {
        memset(&body, 0, sizeof(body));
        memset(&part, 0, sizeof(part));

        for (i = 0; i < ROWS(bodies); i++) {
            assert_int_equal(content_sha256_init(&body, own), CONTENT_OK);
            assert_int_equal(content_sha256_init(&part, own), CONTENT_OK);

            for (done = 0; done < bodies[i].len; done += n) {
                if (done && done == bodies[i].part) {
                    check(&part, bytes, done);
                    assert_int_equal(content_sha256_init(&part, own),
                                     CONTENT_OK);
                }

                n = bodies[i].len - done;
                n = n < bodies[i].piece ? n : bodies[i].piece;

                assert_int_equal(content_sha256_update(&body, &part,
                                                       bytes + done, n),
                                 CONTENT_OK);
            }

            check(&body, bytes, bodies[i].len);
            check(&part, bytes + bodies[i].part,
                  bodies[i].len - bodies[i].part);
        }

        content_sha256_free(&body);
        content_sha256_free(&part);
    }
}


/* The bytes may begin anywhere in memory. */

static void
test_unaligned(void **state)
{
    size_t            i;
    content_sha256_t  s;

    (void) state;

    memset(&s, 0, sizeof(s));

    for (i = 0; i < 16; i++) {
        assert_int_equal(content_sha256_init(&s, 1), CONTENT_OK);
        assert_int_equal(content_sha256_update(&s, NULL, bytes + i, 1000),
                         CONTENT_OK);
        check(&s, bytes + i, 1000);
    }

    content_sha256_free(&s);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_body_and_part),
        cmocka_unit_test(test_unaligned),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
