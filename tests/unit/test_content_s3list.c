/* Listings of a bucket: as S3, Ceph and MinIO write them, and others. */

#include <stdio.h>

#include "lib/content_s3list.h"
#include "rows.h"
#include "s3xml.h"


/* Listings: each entry is written as "key size etag time|", a prefix "p|". */

static int
on_object(void *data, const content_s3list_entry_t *entry)
{
    content_out_t  *out;

    out = data;

    content_out_str(out, entry->key);
    content_out_char(out, ' ');
    content_out_uint(out, (uint64_t) entry->size);
    content_out_char(out, ' ');
    content_out_str(out, entry->etag);
    content_out_char(out, ' ');
    content_out_str(out, entry->last_modified);
    content_out_char(out, '|');

    return CONTENT_OK;
}


static int
on_prefix(void *data, content_str_t prefix)
{
    content_out_str(data, prefix);
    content_out_char(data, '|');

    return CONTENT_OK;
}


#define CONTENTS(key)                                                        \
    "<Contents><Key>" key "</Key><Size>1</Size></Contents>"
#define LIST(inner)                                                          \
    XML "<ListBucketResult" XMLNS "><IsTruncated>false</IsTruncated>" inner  \
    "</ListBucketResult>"
#define URL  "<EncodingType>url</EncodingType>"


typedef struct {
    const char  *name;
    const char  *body;
    int          rc;
    const char  *entries;
    unsigned     truncated;
    const char  *token;
    const char  *marker;
} listing_row_t;


static void
check_listing(const listing_row_t *row)
{
    int                      rc;
    content_out_t            out;
    unsigned char            buf[4096];
    content_s3list_page_t     page;
    content_s3list_visitor_t  visitor;

    content_out_init(&out, buf, sizeof(buf));

    visitor.object = on_object;
    visitor.prefix = on_prefix;
    visitor.data = &out;

    rc = content_s3list_read(content_cstr(row->body), &page, &visitor);

    assert_int(row->name, rc, row->rc);
    assert_text(row->name, content_out_done(&out), row->entries);

    if (rc == CONTENT_OK) {
        assert_int(row->name, page.truncated, (int) row->truncated);
        assert_text(row->name, page.next_token, row->token);
        assert_text(row->name, page.next_marker, row->marker);
    }
}


static void
test_list(void **state)
{
    size_t  i;

    static const listing_row_t  rows[] = {
        { "S3, version 2",
          XML "<ListBucketResult" XMLNS "><Name>b</Name><Prefix>a+b%2F"
          "</Prefix><NextContinuationToken>1/a%2Bb+c==</NextContinuationToken>"
          "<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>" URL
          "<IsTruncated>true</IsTruncated>"
          "<Contents><Key>a+b/c%2Bd</Key>"
          "<LastModified>2026-11-22T10:00:00.000Z</LastModified>"
          "<ETag>&quot;9b2c&quot;</ETag><Size>434234</Size>"
          "<StorageClass>STANDARD</StorageClass></Contents>"
          "<Contents><Key>a+b/%ED%95%9C</Key><Size>0</Size></Contents>"
          "</ListBucketResult>", CONTENT_OK,
          "a b/c+d 434234 \"9b2c\" 2026-11-22T10:00:00.000Z|"
          "a b/\xed\x95\x9c 0  |", 1, "1/a%2Bb+c==", "" },
        { "the order of Ceph: token after the entries",
          XML "<ListBucketResult" XMLNS "><Name>b</Name><Prefix></Prefix>"
          "<MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated>" URL
          "<Contents><Key>a%20b%2Bc%2Fd</Key><LastModified>"
          "2026-11-22T10:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag>"
          "<Size>5</Size><Owner><ID>o</ID></Owner><Type>Normal</Type>"
          "</Contents><NextContinuationToken>a b+c/d</NextContinuationToken>"
          "<KeyCount>1</KeyCount></ListBucketResult>", CONTENT_OK,
          "a b+c/d 5 \"1\" 2026-11-22T10:00:00.000Z|", 1, "a b+c/d", "" },
        { "the order of MinIO: the encoding last",
          "<ListBucketResult>" CONTENTS("a+b%2Bc") "<NextMarker>x+y%2Bz"
          "</NextMarker><IsTruncated>true</IsTruncated>" URL
          "</ListBucketResult>", CONTENT_OK, "a b+c 1  |", 1, "", "x y+z" },
        { "version 1, with a delimiter",
          XML "<ListBucketResult><Marker/><NextMarker>b/</NextMarker>"
          "<Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>"
          CONTENTS("a") "<CommonPrefixes><Prefix>b/</Prefix>"
          "<Prefix>b b/</Prefix></CommonPrefixes></ListBucketResult>",
          CONTENT_OK, "a 1  |b b/|", 1, "", "b/" },
        { "prefixes",
          LIST(URL "<CommonPrefixes><Prefix>run+books/</Prefix>"
               "</CommonPrefixes><CommonPrefixes><Prefix>%ED%95%9C/</Prefix>"
               "</CommonPrefixes>" CONTENTS("z")),
          CONTENT_OK, "run books/|\xed\x95\x9c/|z 1  |", 0, "", "" },
        { "not encoded, though asked for",
          LIST(CONTENTS("a+b%20c") CONTENTS("100%")),
          CONTENT_OK, "a+b%20c 1  |100% 1  |", 0, "", "" },
        { "XML's escapes",
          LIST(CONTENTS("a&amp;b&lt;&gt;&quot;&apos;&#x20;<![CDATA[&]]>")),
          CONTENT_OK, "a&b<>\"' & 1  |", 0, "", "" },
        { "keys that XML cannot say",
          LIST(URL CONTENTS("a%01%0A%EF%BF%BF%FF")),
          CONTENT_OK, "a\x01\n\xef\xbf\xbf\xff 1  |", 0, "", "" },
        { "white space is part of a key",
          LIST(CONTENTS(" a ")), CONTENT_OK, " a  1  |", 0, "", "" },
        { "nothing is left over from the entry before",
          LIST("<Contents><Key>a</Key><ETag>e</ETag><LastModified>t"
               "</LastModified><Size>1</Size></Contents>" CONTENTS("b")),
          CONTENT_OK, "a 1 e t|b 1  |", 0, "", "" },
        { "an inner key is not the key",
          LIST("<Contents><Key>a</Key><X><Key>b</Key></X><Size>1</Size>"
               "</Contents><Key>c</Key><Size>9</Size>"),
          CONTENT_OK, "a 1  |", 0, "", "" },
        { "nothing", LIST(""), CONTENT_OK, "", 0, "", "" },
        { "a key of 1,024 bytes", LIST(CONTENTS(KEY_1024)),
          CONTENT_OK, KEY_1024 " 1  |", 0, "", "" },
        { "a key of 1,024 bytes, encoded",
          LIST(URL CONTENTS("%6B" KEY_256 KEY_256 KEY_256
                            KEY_64 KEY_64 KEY_64 "kkkkkkkkkkkkkkkkkkkkkkkkkk"
                            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")),
          CONTENT_OK, KEY_1024 " 1  |", 0, "", "" },

        { "a key of 1,025 bytes", LIST(CONTENTS(KEY_1024 "k")),
          CONTENT_ERROR, "", 0, "", "" },
        { "a key of 1,025 bytes, encoded",
          LIST(URL CONTENTS(KEY_1024 "%6B")), CONTENT_ERROR, "", 0, "", "" },
        { "a key beyond any buffer", LIST(CONTENTS(TEXT_4096 "k")),
          CONTENT_ERROR, "", 0, "", "" },
        { "a token beyond any buffer",
          LIST("<NextContinuationToken>" TEXT_4096 "k"
               "</NextContinuationToken>"), CONTENT_ERROR, "", 0, "", "" },
        { "a bad escape", LIST(URL CONTENTS("a%2")),
          CONTENT_ERROR, "", 0, "", "" },
        { "a bad escape in the marker",
          LIST(URL "<NextMarker>%zz</NextMarker>"),
          CONTENT_ERROR, "", 0, "", "" },
        { "no key", LIST("<Contents><Size>1</Size></Contents>"),
          CONTENT_ERROR, "", 0, "", "" },
        { "an empty key", LIST(CONTENTS("")), CONTENT_ERROR, "", 0, "", "" },
        { "no size", LIST("<Contents><Key>a</Key></Contents>"),
          CONTENT_ERROR, "", 0, "", "" },
        { "a negative size",
          LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
          CONTENT_ERROR, "", 0, "", "" },
        { "a prefix that is none", LIST("<CommonPrefixes/>"),
          CONTENT_ERROR, "", 0, "", "" },
        { "cut after an entry: no entry is visited",
          "<ListBucketResult><IsTruncated>false</IsTruncated>"
          CONTENTS("a"), CONTENT_ERROR, "", 0, "", "" },
        { "no word on whether there is more",
          "<ListBucketResult>" CONTENTS("a") "</ListBucketResult>",
          CONTENT_ERROR, "", 0, "", "" },
        { "neither true nor false",
          "<ListBucketResult><IsTruncated>yes</IsTruncated>"
          "</ListBucketResult>", CONTENT_ERROR, "", 0, "", "" },
        { "another root",
          "<ListVersionsResult><IsTruncated>false</IsTruncated>"
          CONTENTS("a") "</ListVersionsResult>", CONTENT_ERROR, "", 0,
          "", "" },
        { "an error", "<Error><Code>NoSuchBucket</Code></Error>",
          CONTENT_ERROR, "", 0, "", "" },
        { "no body", "", CONTENT_ERROR, "", 0, "", "" },
        { "entities",
          LAUGHS "<ListBucketResult><IsTruncated>false</IsTruncated>"
          CONTENTS("&b;") "</ListBucketResult>", CONTENT_ERROR, "", 0, "", "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        check_listing(&rows[i]);
    }
}


static int
stop_at_b(void *data, const content_s3list_entry_t *entry)
{
    int  *n;

    n = data;
    (*n)++;

    return entry->key.data[0] == 'b' ? 7 : CONTENT_OK;
}


static void
test_list_stops(void **state)
{
    int                      n;
    content_s3list_page_t     page;
    content_s3list_visitor_t  visitor;

    (void) state;

    n = 0;
    visitor.object = stop_at_b;
    visitor.prefix = NULL;
    visitor.data = &n;

    assert_int_equal(
        content_s3list_read(content_cstr(LIST(CONTENTS("a") CONTENTS("b")
                                             CONTENTS("c"))),
                           &page, &visitor), 7);
    assert_int_equal(n, 2);
}


static void
test_list_without_functions(void **state)
{
    content_s3list_page_t     page;
    content_s3list_visitor_t  visitor = { NULL, NULL, NULL };

    (void) state;

    assert_int_equal(
        content_s3list_read(content_cstr(LIST(URL CONTENTS("a")
                                             "<CommonPrefixes><Prefix>p/"
                                             "</Prefix></CommonPrefixes>")),
                           &page, &visitor), CONTENT_OK);
    assert_true(page.encoded);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_stops),
        cmocka_unit_test(test_list_without_functions)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
