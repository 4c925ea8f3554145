/* The SHA-256 of an object in a tag: src/lib/content_s3tag.h. */

#include "lib/content_s3tag.h"
#include "rows.h"


#define HEX  "000102030405060708090a0b0c0d0e0f" \
             "101112131415161718191a1b1c1d1e1f"
#define TAG(key, value)  "<Tag><Key>" key "</Key><Value>" value "</Value></Tag>"
#define SET(tags)  "<?xml version=\"1.0\"?><Tagging xmlns=\"x\"><TagSet>" \
                   tags "</TagSet></Tagging>"
#define OURS(etag)  TAG("content-sha256", HEX ":" etag)
#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X191 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"


static void
digest(unsigned char sha256[32])
{
    int  i;

    for (i = 0; i < 32; i++) {
        sha256[i] = (unsigned char) i;
    }
}


static const struct {
    const char  *etag;
    int          rc;
} writes[] = {
    { "\"d41d8cd98f00b204e9800998ecf8427e-12\"", CONTENT_OK },
    { "bare-1", CONTENT_OK },
    { X191, CONTENT_OK },
    { X191 "x", CONTENT_ERROR },
    { "", CONTENT_ERROR },
    { "\"\"", CONTENT_ERROR },
    { "a<b", CONTENT_ERROR },
    { "a&b", CONTENT_ERROR },
    { "a\"b", CONTENT_ERROR },
    { "a b", CONTENT_ERROR },
    { "\xc3\xa4", CONTENT_ERROR },
};

/* What is written can be read, for that ETag. */

static void
test_write(void **state)
{
    size_t         i;
    content_out_t  out;
    unsigned char  buf[CONTENT_S3TAG_SIZE], sha256[32], again[32];

    (void) state;

    digest(sha256);

    for (i = 0; i < ROWS(writes); i++) {
        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_s3tag_write(&out, sha256,
                                             content_cstr(writes[i].etag)),
                         writes[i].rc);

        if (writes[i].rc == CONTENT_OK) {
            assert_false(out.overflow);
            assert_int_equal(content_s3tag_read(content_out_done(&out),
                                                content_cstr(writes[i].etag),
                                                again),
                             CONTENT_OK);
            assert_memory_equal(sha256, again, 32);
        }
    }
}


static const struct {
    const char  *name, *body, *etag;
    int          rc;
} reads[] = {
    { "ours", SET(OURS("e-2")), "\"e-2\"", CONTENT_OK },
    { "ours, the ETag without quotes", SET(OURS("e-2")), "e-2", CONTENT_OK },
    { "among others", SET(TAG("a", "b") OURS("e-2") TAG("c", "")), "\"e-2\"",
      CONTENT_OK },
    { "behind a long one", SET(TAG("a", X191 X191) OURS("e-2")), "\"e-2\"",
      CONTENT_OK },
    { "the value first",
      SET("<Tag><Value>" HEX ":e-2</Value><Key>content-sha256</Key></Tag>"),
      "\"e-2\"", CONTENT_OK },
    { "of another object", SET(OURS("e-2")), "\"e-3\"", CONTENT_ERROR },
    { "of a longer ETag", SET(OURS("e-22")), "\"e-2\"", CONTENT_ERROR },
    { "of no ETag", SET(TAG("content-sha256", HEX)), "\"e-2\"",
      CONTENT_ERROR },
    { "another key", SET(TAG("content-sha25", HEX ":e-2")), "\"e-2\"",
      CONTENT_ERROR },
    { "a longer key", SET(TAG("content-sha256x", HEX ":e-2")), "\"e-2\"",
      CONTENT_ERROR },
    { "key and value of two tags",
      SET("<Tag><Key>content-sha256</Key></Tag>"
          "<Tag><Value>" HEX ":e-2</Value></Tag>"), "\"e-2\"",
      CONTENT_ERROR },
    { "no digits", SET(TAG("content-sha256",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        ":e-2")), "\"e-2\"", CONTENT_ERROR },
    { "ours, and one that begins alike", SET(OURS("e-2") TAG("content-sha256",
        "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1ezz"
        ":e-2")), "\"e-2\"", CONTENT_OK },
    { "no tags", SET(""), "\"e-2\"", CONTENT_ERROR },
    { "an error", "<Error><Code>NoSuchKey</Code></Error>", "\"e-2\"",
      CONTENT_ERROR },
    { "cut", "<Tagging><TagSet>" OURS("e-2"), "\"e-2\"", CONTENT_ERROR },
    { "no XML", "It works!", "\"e-2\"", CONTENT_ERROR },
    { "nothing", "", "\"e-2\"", CONTENT_ERROR },
};

static void
test_read(void **state)
{
    size_t         i;
    unsigned char  sha256[32], expected[32];

    (void) state;

    digest(expected);

    for (i = 0; i < ROWS(reads); i++) {
        if (content_s3tag_read(content_cstr(reads[i].body),
                               content_cstr(reads[i].etag), sha256)
            != reads[i].rc)
        {
            fail_msg("%s", reads[i].name);
        }

        if (reads[i].rc == CONTENT_OK) {
            assert_memory_equal(sha256, expected, 32);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
