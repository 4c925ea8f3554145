/* The record of an object: nothing that is not a record gets in. */

#include "object.h"
#include "rows.h"


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


/* Of each version, one after the other; NULL: there is no other. */

static content_str_t
record_of(unsigned version)
{
    static const content_str_t  none;

    return version == 1 ? encode_first(&full)
           : version == 2 ? encode(&full, "hello")
           : version == 3 ? encode(&full, NULL) : none;
}


static void
every_prefix_is_refused(void **state)
{
    size_t         len;
    unsigned       version;
    content_str_t  record, prefix;

    (void) state;

    for (version = 1; (record = record_of(version)).data; version++) {

        for (len = 0; len < record.len; len++) {
            prefix = copy(record.data, len);
            assert_int_equal(decode_safely(prefix), CONTENT_ERROR);
            free(prefix.data);
        }

        free(record.data);
    }
}


static void
every_flip_is_harmless(void **state)
{
    int            rc;
    size_t         i, head;
    unsigned       flip, version;
    content_str_t  record;

    (void) state;

    head = content_record_size(&full);

    for (version = 1; (record = record_of(version)).data; version++) {

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
}


/* Version 2, written down once more. */

static uint32_t
mixed(content_str_t record, size_t head)
{
    size_t    i, n, at;
    uint64_t  h, word;

    h = 0;

    for (at = 0; at <= head; at += n) {
        word = 0;
        n = at == 0 ? 8 : head - at < 8 ? head - at : 8;

        for (i = 0; i < n; i++) {
            word |= (uint64_t) record.data[at + i] << 8 * i;
        }

        h = (h ^ word) * 0x9e3779b97f4a7c15;
        h ^= h >> 32;

        if (at == 0) {
            at = 4;                         /* the checksum's own bytes */

        } else if (n < 8) {
            break;
        }
    }

    h *= 0x9e3779b97f4a7c15;

    return (uint32_t) ((h ^ h >> 32) >> 32);
}


/*
 * FNV-1a as published, or version 2, over the head as if the checksum were not
 * there.
 */

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

    if (record.data[3] == '2') {
        h = mixed(record, head);
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
    unsigned       flip, accepted, version;
    content_str_t  record;

    (void) state;

    head = content_record_size(&full);

    for (version = 1; (record = record_of(version)).data; version++) {
        accepted = 0;

        for (i = 0; i < head; i++) {
            for (flip = 1; flip < 256; flip++) {
                record.data[i] ^= (unsigned char) flip;
                forge_checksum(record, head);
                accepted += decode_safely(record) == CONTENT_OK;
                record.data[i] ^= (unsigned char) flip;
            }
        }

        assert_true(accepted > 0);      /* or the forgery never got that far */
        free(record.data);
    }
}


/* A forged head of any length: the parser meets the end in every field. */

static void
every_forged_cut_is_refused(void **state)
{
    size_t         len, head;
    unsigned       version;
    content_str_t  record, cut;

    (void) state;

    head = content_record_size(&full);

    for (version = 1; (record = record_of(version)).data; version++) {

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

    for (i = 0; i < ROWS(rows); i++) {
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
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_flip_is_harmless),
        cmocka_unit_test(every_forged_flip_is_harmless),
        cmocka_unit_test(every_forged_cut_is_refused),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(most_meta_fields)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
