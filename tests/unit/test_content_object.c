/*
 * The record of an object: what goes in comes out, and nothing that is not a
 * record gets in.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/content_object.h"


#define S(text)  content_string(text)


static content_object_t  full = {
    .etag = S("\"0123456789abcdef\""),
    .size = 5,
    .mtime = 1795345200,
    .has_sha256 = 1,
    .sha256 = { 1, 2, 3, 0, 0xff },
    .type = S("text/html; charset=utf-8"),
    .encoding = S("gzip"),
    .language = S("de"),
    .disposition = S("attachment; filename=\"a.html\""),
    .cache_control = S("public, max-age=60"),
    .tags = S("a,b,c"),
    .nmeta = 3,
    .meta = {
        { S("author"), S("Somebody") },
        { S("Mixed-Case"), S("Value") },
        { S("empty"), S("") }
    }
};

static content_object_t  plain = {
    .etag = S("\"x\""),
    .size = 0,
    .mtime = -1
};


/* A copy in memory of exactly that size, so that ASan sees a read beyond. */

static content_str_t
copy(const void *data, size_t len)
{
    content_str_t  s;

    s.data = malloc(len ? len : 1);
    s.len = len;
    assert_non_null(s.data);
    memcpy(s.data, data, len);

    return s;
}


static content_str_t
encode(const content_object_t *object, const char *body)
{
    content_str_t  b;
    content_out_t  out;
    unsigned char  buf[4096];

    content_out_init(&out, buf, sizeof(buf));

    if (body) {
        b = content_cstr(body);
    }

    assert_int_equal(content_record_encode(&out, object, body ? &b : NULL),
                     CONTENT_OK);

    b = content_out_done(&out);
    assert_int_equal(b.len, content_record_size(object)
                            + (body ? strlen(body) : 0));

    return copy(b.data, b.len);
}


static void
assert_str(content_str_t got, content_str_t want)
{
    assert_true(content_str_eq(got, want));
}


static void
assert_object(const content_object_t *got, const content_object_t *want)
{
    unsigned  i;

    assert_str(got->etag, want->etag);
    assert_true(got->size == want->size);
    assert_true(got->mtime == want->mtime);
    assert_int_equal(got->has_sha256, want->has_sha256);

    if (want->has_sha256) {
        assert_memory_equal(got->sha256, want->sha256, 32);
    }

    assert_str(got->type, want->type);
    assert_str(got->encoding, want->encoding);
    assert_str(got->language, want->language);
    assert_str(got->disposition, want->disposition);
    assert_str(got->cache_control, want->cache_control);
    assert_str(got->tags, want->tags);
    assert_int_equal(got->nmeta, want->nmeta);

    for (i = 0; i < want->nmeta; i++) {
        assert_true(content_str_eq_case(got->meta[i].name,
                                        want->meta[i].name));
        assert_str(got->meta[i].value, want->meta[i].value);
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

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        record = encode(rows[i].object, rows[i].body);

        assert_int_equal(content_record_decode(record, &object, &body, NULL),
                         CONTENT_OK);
        assert_object(&object, rows[i].object);

        if (rows[i].body) {
            assert_non_null(body.data);
            assert_str(body, content_cstr(rows[i].body));

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
    assert_str(object.meta[1].name, content_cstr("mixed-case"));
    assert_str(object.meta[1].value, content_cstr("Value"));
    free(record.data);
}


static void
format_is_pinned(void **state)
{
    content_str_t  record;

    static const unsigned char  want[] =
        "NCR1\x2f\0\0\0" "\0\0\0\0" "\x01" "\0"
        "\0\0\0\0\0\0\0\0" "\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x03\0\"x\"" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0" "\0\0";

    (void) state;

    record = encode(&plain, "");
    assert_int_equal(record.len, sizeof(want) - 1);
    memset(record.data + 8, 0, 4);
    assert_memory_equal(record.data, want, sizeof(want) - 1);
    free(record.data);
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
        assert_str(rest, content_cstr("tail"));

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

    prefix.data[3] = '2';
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


/* Errors are fine, and so are slices inside the record: nothing else is. */

static void
assert_inside(content_str_t record, content_str_t s)
{
    if (s.data == NULL) {
        assert_int_equal(s.len, 0);
        return;
    }

    assert_true(s.data >= record.data);
    assert_true(s.data + s.len <= record.data + record.len);
}


static int
decode_safely(content_str_t record)
{
    int               rc;
    unsigned          i;
    content_str_t     body, rest;
    content_object_t  object;

    rc = content_record_decode(record, &object, &body, &rest);

    if (rc != CONTENT_OK) {
        assert_int_equal(rc, CONTENT_ERROR);
        return rc;
    }

    assert_inside(record, object.etag);
    assert_inside(record, object.type);
    assert_inside(record, object.encoding);
    assert_inside(record, object.language);
    assert_inside(record, object.disposition);
    assert_inside(record, object.cache_control);
    assert_inside(record, object.tags);
    assert_inside(record, body);
    assert_inside(record, rest);
    assert_true(object.nmeta <= CONTENT_OBJECT_META_MAX);
    assert_true(object.size >= 0);

    for (i = 0; i < object.nmeta; i++) {
        assert_inside(record, object.meta[i].name);
        assert_inside(record, object.meta[i].value);
    }

    return rc;
}


static void
every_prefix_is_refused(void **state)
{
    size_t         len;
    content_str_t  record, prefix;

    (void) state;

    record = encode(&full, "hello");

    for (len = 0; len < record.len; len++) {
        prefix = copy(record.data, len);
        assert_int_equal(decode_safely(prefix), CONTENT_ERROR);
        free(prefix.data);
    }

    free(record.data);
}


static void
every_flip_is_harmless(void **state)
{
    int            rc;
    size_t         i, head;
    unsigned       flip;
    content_str_t  record;

    (void) state;

    record = encode(&full, "hello");
    head = record.len - 5;

    for (i = 0; i < record.len; i++) {
        for (flip = 1; flip < 256; flip++) {
            record.data[i] ^= (unsigned char) flip;
            rc = decode_safely(record);
            assert_int_equal(rc, i < head ? CONTENT_ERROR : CONTENT_OK);
            record.data[i] ^= (unsigned char) flip;
        }
    }

    free(record.data);
}


/* FNV-1a as published, over the head as if the checksum were not there. */

static void
forge_checksum(content_str_t record, size_t head)
{
    size_t    i;
    uint32_t  h;

    h = 0x811c9dc5;

    for (i = 0; i < head; i++) {
        if (i < 8 || i > 11) {
            h ^= record.data[i];
            h *= 0x01000193;
        }
    }

    for (i = 0; i < 4; i++) {
        record.data[8 + i] = (unsigned char) (h >> 8 * i);
    }
}


/* The checksum must not be what keeps the parser inside its bounds. */

static void
every_forged_flip_is_harmless(void **state)
{
    size_t         i, head;
    unsigned       flip, accepted;
    content_str_t  record;

    (void) state;

    record = encode(&full, "hello");
    head = record.len - 5;
    accepted = 0;

    for (i = 0; i < head; i++) {
        for (flip = 1; flip < 256; flip++) {
            record.data[i] ^= (unsigned char) flip;
            forge_checksum(record, head);
            accepted += decode_safely(record) == CONTENT_OK;
            record.data[i] ^= (unsigned char) flip;
        }
    }

    assert_true(accepted > 0);          /* or the forgery never got that far */
    free(record.data);
}


/* A forged head of any length: the parser meets the end in every field. */

static void
every_forged_cut_is_refused(void **state)
{
    size_t         len, head;
    content_str_t  record, cut;

    (void) state;

    record = encode(&full, NULL);
    head = record.len;

    for (len = CONTENT_RECORD_PREFIX; len < head; len++) {
        cut = copy(record.data, len);
        cut.data[4] = (unsigned char) len;
        cut.data[5] = (unsigned char) (len >> 8);
        forge_checksum(cut, len);
        assert_int_equal(decode_safely(cut), CONTENT_ERROR);
        free(cut.data);
    }

    free(record.data);
}


static void
forgeries_are_refused(void **state)
{
    size_t         i;
    content_str_t  record;

    static const struct {
        const char     *name;
        size_t          at;
        unsigned char   byte;
    } rows[] = {
        { "unknown flag", 12, 0x02 | 0x04 },
        { "more meta fields than there are", 13, 4 },
        { "fewer", 13, 2 },
        { "negative size", 21, 0x80 },
        { "upper case in a name", 0, 'A' }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        record = encode(&full, NULL);

        if (rows[i].at) {
            record.data[rows[i].at] = rows[i].byte;

        } else {
            *(unsigned char *) memmem(record.data, record.len, "author", 6)
                = rows[i].byte;
        }

        forge_checksum(record, record.len);
        assert_int_equal(decode_safely(record), CONTENT_ERROR);
        free(record.data);
    }
}


/* As many meta fields as there may be; and one more, forged. */

static void
most_meta_fields(void **state)
{
    size_t            head;
    content_str_t     record, longer;
    content_object_t  object;

    (void) state;

    object = plain;
    object.nmeta = CONTENT_OBJECT_META_MAX;
    record = encode(&object, NULL);
    assert_int_equal(decode_safely(record), CONTENT_OK);

    head = record.len + 4;
    longer.len = head;
    longer.data = calloc(1, head);
    assert_non_null(longer.data);
    memcpy(longer.data, record.data, record.len);
    longer.data[4] = (unsigned char) head;
    longer.data[13]++;
    forge_checksum(longer, head);
    assert_int_equal(decode_safely(longer), CONTENT_ERROR);

    free(longer.data);
    free(record.data);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(extremes),
        cmocka_unit_test(names_are_lower_case),
        cmocka_unit_test(format_is_pinned),
        cmocka_unit_test(rest_follows),
        cmocka_unit_test(head_tells_its_length),
        cmocka_unit_test(no_record_carries),
        cmocka_unit_test(largest_head),
        cmocka_unit_test(small_buffers_overflow),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_flip_is_harmless),
        cmocka_unit_test(every_forged_flip_is_harmless),
        cmocka_unit_test(every_forged_cut_is_refused),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(most_meta_fields)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
