/*
 * The record of an object: what goes in comes out.  What is no record:
 * test_content_object_forged.c.
 */

#include "object.h"
#include "rows.h"


static void
assert_object(const content_object_t *got, const content_object_t *want)
{
    unsigned  i;

    assert_str("etag", got->etag, want->etag);
    assert_true(got->size == want->size);
    assert_true(got->mtime == want->mtime);
    assert_int_equal(got->has_sha256, want->has_sha256);

    if (want->has_sha256) {
        assert_memory_equal(got->sha256, want->sha256, 32);
    }

    assert_str("type", got->type, want->type);
    assert_str("encoding", got->encoding, want->encoding);
    assert_str("language", got->language, want->language);
    assert_str("disposition", got->disposition, want->disposition);
    assert_str("cache_control", got->cache_control, want->cache_control);
    assert_str("tags", got->tags, want->tags);
    assert_int_equal(got->nmeta, want->nmeta);

    for (i = 0; i < want->nmeta; i++) {
        assert_true(content_str_eq_case(got->meta[i].name,
                                        want->meta[i].name));
        assert_str("meta", got->meta[i].value, want->meta[i].value);
    }
}


/* In memory that was something else's. */

static void
nothing_is_known(void **state)
{
    content_object_t  object, want;

    (void) state;

    memset(&object, 0xa5, sizeof(object));
    content_object_init(&object);

    memset(&want, 0, sizeof(want));
    want.size = -1;
    want.mtime = -1;

    assert_object(&object, &want);
}


static void
copy_of_what_is_in_use(void **state)
{
    size_t            i;
    content_object_t  copy;

    static const content_object_t  *const rows[] = { &full, &plain };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&copy, 0xa5, sizeof(copy));
        memcpy(&copy, rows[i], content_object_size(rows[i]));

        assert_object(&copy, rows[i]);
    }
}


static void
round_trip(void **state)
{
    size_t            i;
    content_str_t     record, body;
    content_object_t  object;

    static const struct {
        const char        *name;
        content_object_t  *object;
        const char        *body;
    } rows[] = {
        { "all fields, body", &full, "hello" },
        { "all fields, no body", &full, NULL },
        { "few fields, empty body", &plain, "" },
        { "few fields, no body", &plain, NULL }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        record = encode(rows[i].object, rows[i].body);

        assert_int_equal(content_record_decode(record, &object, &body, NULL),
                         CONTENT_OK);
        assert_object(&object, rows[i].object);

        if (rows[i].body) {
            assert_non_null(body.data);
            assert_text(rows[i].name, body, rows[i].body);

        } else {
            assert_null(body.data);
            assert_int_equal(body.len, 0);
        }

        free(record.data);
    }
}


static void
extremes(void **state)
{
    size_t            i;
    content_str_t     record, body;
    content_object_t  object, got;

    static const int64_t  numbers[] = { 0, 1, INT64_MAX };
    static const int64_t  times[] = { INT64_MIN, -1, INT64_MAX };

    (void) state;

    for (i = 0; i < 3; i++) {
        object = plain;
        object.size = numbers[i];
        object.mtime = times[i];
        record = encode(&object, NULL);

        assert_int_equal(content_record_decode(record, &got, &body, NULL),
                         CONTENT_OK);
        assert_object(&got, &object);
        free(record.data);
    }
}


static void
names_are_lower_case(void **state)
{
    content_str_t     record, body;
    content_object_t  object;

    (void) state;

    record = encode(&full, NULL);
    assert_int_equal(content_record_decode(record, &object, &body, NULL),
                     CONTENT_OK);
    assert_text("name", object.meta[1].name, "mixed-case");
    assert_text("value", object.meta[1].value, "Value");
    free(record.data);
}


static void
format_is_pinned(void **state)
{
    content_str_t  record;

    static const unsigned char  want[] =
        "NCR2\x2f\0\0\0" "\0\0\0\0" "\x01" "\0"
        "\0\0\0\0\0\0\0\0" "\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x03\0\"x\"" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0";

    (void) state;

    record = encode(&plain, "");
    assert_int_equal(record.len, sizeof(want) - 1);
    assert_memory_equal(record.data, want, 8);
    assert_memory_equal(record.data + 12, want + 12, sizeof(want) - 1 - 12);
    free(record.data);
}


/* As the first version of this module has written it, with its checksum. */

static void
first_version_is_pinned(void **state)
{
    int               has_body;
    content_str_t     record, body;
    content_object_t  object;

    static const unsigned char  want[] =
        "NCR1\x2f\0\0\0" "\x31\x3b\x1a\x69" "\0" "\0"
        "\0\0\0\0\0\0\0\0" "\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x03\0\"x\"" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0";

    (void) state;

    record = encode_first(&plain);
    assert_int_equal(record.len, sizeof(want) - 1);
    assert_memory_equal(record.data, want, sizeof(want) - 1);

    assert_int_equal(content_record_decode(record, &object, &body, NULL),
                     CONTENT_OK);
    assert_object(&object, &plain);
    assert_null(body.data);

    assert_int_equal(content_record_decode_head(record, &object, &has_body),
                     CONTENT_OK);
    assert_object(&object, &plain);
    free(record.data);
}


static void
head_alone(void **state)
{
    int               has_body;
    size_t            i;
    content_str_t     record, head, longer;
    content_object_t  object;

    static const char  *bodies[] = { NULL, "hello" };

    (void) state;

    for (i = 0; i < 2; i++) {
        record = encode(&full, bodies[i]);
        head = copy(record.data, content_record_size(&full));

        assert_int_equal(content_record_decode_head(head, &object, &has_body),
                         CONTENT_OK);
        assert_object(&object, &full);
        assert_int_equal(has_body, bodies[i] != NULL);

        longer = record;
        longer.len = head.len + 1;

        if (longer.len <= record.len) {
            assert_int_equal(content_record_decode_head(longer, &object,
                                                        &has_body),
                             CONTENT_ERROR);
        }

        head.len--;
        assert_int_equal(content_record_decode_head(head, &object, &has_body),
                         CONTENT_ERROR);

        free(head.data);
        free(record.data);
    }
}


static void
rest_follows(void **state)
{
    size_t            i;
    content_str_t     record, longer, body, rest;
    content_object_t  object;

    static const char  *bodies[] = { NULL, "hello" };

    (void) state;

    for (i = 0; i < 2; i++) {
        record = encode(&full, bodies[i]);
        longer.len = record.len + 4;
        longer.data = malloc(longer.len);
        assert_non_null(longer.data);
        memcpy(longer.data, record.data, record.len);
        memcpy(longer.data + record.len, "tail", 4);

        assert_int_equal(content_record_decode(longer, &object, &body, NULL),
                         CONTENT_ERROR);
        assert_int_equal(content_record_decode(longer, &object, &body, &rest),
                         CONTENT_OK);
        assert_text("rest", rest, "tail");

        assert_int_equal(content_record_decode(record, &object, &body, &rest),
                         CONTENT_OK);
        assert_int_equal(rest.len, 0);

        free(longer.data);
        free(record.data);
    }
}


static void
head_tells_its_length(void **state)
{
    size_t         len;
    content_str_t  record, prefix;

    (void) state;

    record = encode(&full, "hello");

    prefix = copy(record.data, CONTENT_RECORD_PREFIX);
    assert_int_equal(content_record_head(prefix, &len), CONTENT_OK);
    assert_int_equal(len, record.len - 5);

    prefix.len--;
    assert_int_equal(content_record_head(prefix, &len), CONTENT_ERROR);
    prefix.len++;

    prefix.data[7] = 0x7f;
    assert_int_equal(content_record_head(prefix, &len), CONTENT_ERROR);
    prefix.data[7] = 0;

    prefix.data[3] = '3';
    assert_int_equal(content_record_head(prefix, &len), CONTENT_ERROR);

    free(prefix.data);
    free(record.data);
}


static void
no_record_carries(void **state)
{
    size_t                   i;
    content_str_t            body = S("hello");
    content_out_t            out;
    content_object_t         bad[4];
    static unsigned char     big[CONTENT_RECORD_HEAD_MAX], buf[1 << 17];

    (void) state;

    for (i = 0; i < 4; i++) {
        bad[i] = full;
    }

    bad[0].nmeta = CONTENT_OBJECT_META_MAX + 1;
    bad[1].size = -1;
    bad[2].size = 6;                            /* the body has 5 */
    bad[3].tags.data = big;
    bad[3].tags.len = sizeof(big);

    for (i = 0; i < 4; i++) {
        content_out_init(&out, buf, sizeof(buf));
        assert_int_equal(content_record_encode(&out, &bad[i], &body),
                         CONTENT_ERROR);
        assert_ptr_equal(out.pos, out.start);
    }
}


static void
largest_head(void **state)
{
    content_str_t         record, body;
    content_out_t         out;
    content_object_t      object, got;
    static unsigned char  big[CONTENT_RECORD_HEAD_MAX], buf[1 << 17];

    (void) state;

    object = plain;
    memset(big, 'x', sizeof(big));
    object.tags.data = big;
    object.tags.len = CONTENT_RECORD_HEAD_MAX - content_record_size(&plain);

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_record_encode(&out, &object, NULL), CONTENT_OK);

    record = content_out_done(&out);
    assert_int_equal(record.len, CONTENT_RECORD_HEAD_MAX);
    assert_int_equal(content_record_decode(record, &got, &body, NULL),
                     CONTENT_OK);
    assert_object(&got, &object);
}


static void
small_buffers_overflow(void **state)
{
    size_t         size, full_size;
    content_str_t  body = S("hello"), buf;
    content_out_t  out;

    (void) state;

    full_size = content_record_size(&full) + body.len;

    for (size = 0; size < full_size; size++) {
        buf = copy("", 0);
        buf.data = realloc(buf.data, size ? size : 1);
        assert_non_null(buf.data);

        content_out_init(&out, buf.data, size);
        assert_int_equal(content_record_encode(&out, &full, &body),
                         CONTENT_OVERFLOW);
        free(buf.data);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(copy_of_what_is_in_use),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(extremes),
        cmocka_unit_test(names_are_lower_case),
        cmocka_unit_test(format_is_pinned),
        cmocka_unit_test(first_version_is_pinned),
        cmocka_unit_test(head_alone),
        cmocka_unit_test(rest_follows),
        cmocka_unit_test(head_tells_its_length),
        cmocka_unit_test(no_record_carries),
        cmocka_unit_test(largest_head),
        cmocka_unit_test(small_buffers_overflow)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
