/*
 * The XML that S3 speaks: documents as S3, Ceph and MinIO write them, and
 * documents that must not be believed.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/content_s3xml.h"


#define ROWS(rows)  (sizeof(rows) / sizeof(rows[0]))

#define XML         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS       " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

#define KEY_64      KEY_32 KEY_32
#define KEY_32      "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY_256     KEY_64 KEY_64 KEY_64 KEY_64
#define KEY_249                                                              \
    KEY_64 KEY_64 KEY_64 KEY_32 "kkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY_250     KEY_249 "k"
#define KEY_1024    KEY_256 KEY_256 KEY_256 KEY_256
#define TEXT_4096   KEY_1024 KEY_1024 KEY_1024 KEY_1024

#define LAUGHS                                                               \
    "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>"
#define EXTERNAL                                                             \
    "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"


static void
assert_str(const char *name, content_str_t got, const char *expected)
{
    if (!content_str_eq(got, content_cstr(expected))) {
        fail_msg("%s: got \"%.*s\", expected \"%s\"", name, (int) got.len,
                 (char *) got.data, expected);
    }
}


static void
assert_rc(const char *name, int got, int expected)
{
    if (got != expected) {
        fail_msg("%s: got %d, expected %d", name, got, expected);
    }
}


static void
test_error(void **state)
{
    int            rc;
    char           buf[256];
    size_t         i;
    content_str_t  code, message;

    static const struct {
        const char  *name;
        const char  *body;
        int          rc;
        const char  *code;
        const char  *message;
    } rows[] = {
        { "S3", XML "<Error><Code>NoSuchKey</Code><Message>The specified key "
                    "does not exist.</Message><Key>a</Key><RequestId>1"
                    "</RequestId></Error>",
          CONTENT_OK, "NoSuchKey", "The specified key does not exist." },
        { "Ceph, without a message",
          XML "<Error><Code>NoSuchBucket</Code><BucketName>b</BucketName>"
              "<RequestId>tx0</RequestId></Error>",
          CONTENT_OK, "NoSuchBucket", "" },
        { "the message first",
          "<Error><Message>m</Message><Code>SlowDown</Code></Error>",
          CONTENT_OK, "SlowDown", "m" },
        { "escapes",
          "<Error><Code>A&amp;B</Code><Message>&lt;&#233;&gt;<![CDATA[<&]]>"
          "</Message></Error>",
          CONTENT_OK, "A&B", "<\xc3\xa9><&" },
        { "a namespace", "<Error" XMLNS "><Code>X</Code></Error>",
          CONTENT_OK, "X", "" },
        { "white space around",
          " \r\n" XML "<Error>\n  <Code>X</Code>\n</Error>\n",
          CONTENT_OK, "X", "" },
        { "a long element that nobody reads",
          "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>"
          TEXT_4096 "k</CanonicalRequest><Message>m</Message></Error>",
          CONTENT_OK, "SignatureDoesNotMatch", "m" },
        { "a code elsewhere",
          "<Error><Detail><Code>Y</Code></Detail><Code>X</Code></Error>",
          CONTENT_OK, "X", "" },
        { "no body", "", CONTENT_OK, "", "" },
        { "white space only", " \r\n\t", CONTENT_OK, "", "" },

        { "HTML", "<html><body><h1>502 Bad Gateway</h1></body></html>",
          CONTENT_ERROR, "", "" },
        { "HTML, not well-formed", "<!DOCTYPE html><html><br></html>",
          CONTENT_ERROR, "", "" },
        { "text", "upstream timed out", CONTENT_ERROR, "", "" },
        { "JSON", "{\"Code\":\"NoSuchKey\"}", CONTENT_ERROR, "", "" },
        { "no code", "<Error><Message>m</Message></Error>",
          CONTENT_ERROR, "", "" },
        { "cut", "<Error><Code>NoSuchKey</Code>", CONTENT_ERROR, "", "" },
        { "another root", "<Errors><Error><Code>X</Code></Error></Errors>",
          CONTENT_ERROR, "", "" },
        { "something after the root",
          "<Error><Code>X</Code></Error><Error/>", CONTENT_ERROR, "", "" },
        { "a document type", LAUGHS "<Error><Code>X</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "entities", LAUGHS "<Error><Code>&b;</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "an external entity", EXTERNAL "<Error><Code>&a;</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "an unknown entity", "<Error><Code>&nbsp;</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "invalid UTF-8", "<Error><Code>\xff</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "a path too long",
          "<Error><" KEY_256 "/><Code>X</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "a path of one byte too many",
          "<Error><" KEY_250 "/><Code>X</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "the longest path",
          "<Error><" KEY_249 "/><Code>X</Code></Error>",
          CONTENT_OK, "X", "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rc = content_s3xml_error(content_cstr(rows[i].body), &code, &message,
                                 buf, sizeof(buf));

        assert_rc(rows[i].name, rc, rows[i].rc);
        assert_str(rows[i].name, code, rows[i].code);
        assert_str(rows[i].name, message, rows[i].message);
    }
}


static void
test_error_fits(void **state)
{
    char           buf[16];
    content_str_t  body, code, message;

    (void) state;

    body = content_cstr("<Error><Code>NoSuchKey</Code>"
                        "<Message>not here</Message></Error>");

    assert_int_equal(content_s3xml_error(body, &code, &message, buf, 16),
                     CONTENT_OK);
    assert_str("cut", message, "not her");
    assert_ptr_equal(code.data, buf);
    assert_ptr_equal(message.data, buf + 9);

    assert_int_equal(content_s3xml_error(body, &code, &message, buf, 9),
                     CONTENT_OK);
    assert_str("only the code", code, "NoSuchKey");
    assert_str("only the code", message, "");

    assert_int_equal(content_s3xml_error(body, &code, &message, buf, 8),
                     CONTENT_OVERFLOW);
}


static void
test_error_deep(void **state)
{
    char           buf[64];
    size_t         i;
    content_out_t  out;
    content_str_t  code, message;
    unsigned char  body[8192];

    (void) state;

    content_out_init(&out, body, sizeof(body));

    for (i = 0; i < 1000; i++) {
        content_out_text(&out, "<a>");
    }

    assert_int_equal(content_s3xml_error(content_out_done(&out), &code,
                                         &message, buf, sizeof(buf)),
                     CONTENT_ERROR);
}


/* Listings: each entry is written as "key size etag time|", a prefix "p|". */

static int
on_object(void *data, const content_s3xml_entry_t *entry)
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
    content_s3xml_page_t     page;
    content_s3xml_visitor_t  visitor;

    content_out_init(&out, buf, sizeof(buf));

    visitor.object = on_object;
    visitor.prefix = on_prefix;
    visitor.data = &out;

    rc = content_s3xml_list(content_cstr(row->body), &page, &visitor);

    assert_rc(row->name, rc, row->rc);
    assert_str(row->name, content_out_done(&out), row->entries);

    if (rc == CONTENT_OK) {
        assert_rc(row->name, page.truncated, (int) row->truncated);
        assert_str(row->name, page.next_token, row->token);
        assert_str(row->name, page.next_marker, row->marker);
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
stop_at_b(void *data, const content_s3xml_entry_t *entry)
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
    content_s3xml_page_t     page;
    content_s3xml_visitor_t  visitor;

    (void) state;

    n = 0;
    visitor.object = stop_at_b;
    visitor.prefix = NULL;
    visitor.data = &n;

    assert_int_equal(
        content_s3xml_list(content_cstr(LIST(CONTENTS("a") CONTENTS("b")
                                             CONTENTS("c"))),
                           &page, &visitor), 7);
    assert_int_equal(n, 2);
}


static void
test_list_without_functions(void **state)
{
    content_s3xml_page_t     page;
    content_s3xml_visitor_t  visitor = { NULL, NULL, NULL };

    (void) state;

    assert_int_equal(
        content_s3xml_list(content_cstr(LIST(URL CONTENTS("a")
                                             "<CommonPrefixes><Prefix>p/"
                                             "</Prefix></CommonPrefixes>")),
                           &page, &visitor), CONTENT_OK);
    assert_true(page.encoded);
}


static void
test_upload_id(void **state)
{
    int            rc;
    size_t         i;
    content_out_t  out;
    unsigned char  buf[16];

    static const struct {
        const char  *name;
        const char  *body;
        int          rc;
        const char  *id;
    } rows[] = {
        { "S3", XML "<InitiateMultipartUploadResult" XMLNS "><Bucket>b"
                    "</Bucket><Key>k</Key><UploadId>VXBsb2FkIElE</UploadId>"
                    "</InitiateMultipartUploadResult>",
          CONTENT_OK, "VXBsb2FkIElE" },
        { "Ceph", XML "<InitiateMultipartUploadResult" XMLNS "><Bucket>b"
                      "</Bucket><Key>k</Key><UploadId>2~a-B_9</UploadId>"
                      "</InitiateMultipartUploadResult>",
          CONTENT_OK, "2~a-B_9" },
        { "none", "<InitiateMultipartUploadResult/>", CONTENT_ERROR, "" },
        { "empty", "<InitiateMultipartUploadResult><UploadId/>"
                   "</InitiateMultipartUploadResult>", CONTENT_ERROR, "" },
        { "too long", "<InitiateMultipartUploadResult><UploadId>0123456789"
                      "abcdefg</UploadId></InitiateMultipartUploadResult>",
          CONTENT_OVERFLOW, "" },
        { "two", "<InitiateMultipartUploadResult><UploadId>a</UploadId>"
                 "<UploadId>b</UploadId></InitiateMultipartUploadResult>",
          CONTENT_ERROR, "a" },
        { "an error", "<Error><Code>SlowDown</Code></Error>",
          CONTENT_ERROR, "" },
        { "no body", "", CONTENT_ERROR, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, buf, sizeof(buf));
        rc = content_s3xml_upload_id(content_cstr(rows[i].body), &out);

        assert_rc(rows[i].name, rc, rows[i].rc);
        assert_str(rows[i].name, content_out_done(&out), rows[i].id);
    }
}


typedef int (*result_t)(content_str_t body, content_out_t *etag,
    content_out_t *code);


static void
test_results(void **state)
{
    int            rc;
    size_t         i;
    content_out_t  etag, code;
    unsigned char  etag_buf[64], code_buf[24];

    static const struct {
        const char  *name;
        result_t     read;
        const char  *body;
        int          rc;
        const char  *etag;
        const char  *code;
    } rows[] = {
        { "completed", content_s3xml_completed,
          XML "<CompleteMultipartUploadResult" XMLNS "><Location>http://h/b/k"
          "</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;3858-2&quot;"
          "</ETag></CompleteMultipartUploadResult>",
          CONTENT_OK, "\"3858-2\"", "" },
        { "completed after a while", content_s3xml_completed,
          XML "\n \n  <CompleteMultipartUploadResult><ETag>a-1</ETag>"
          "</CompleteMultipartUploadResult>", CONTENT_OK, "a-1", "" },
        { "white space before the declaration", content_s3xml_completed,
          "  \n" XML "<CompleteMultipartUploadResult><ETag>a-1</ETag>"
          "</CompleteMultipartUploadResult>", CONTENT_OK, "a-1", "" },
        { "an error with status 200", content_s3xml_completed,
          XML "\n \n<Error><Code>InternalError</Code><Message>We encountered "
          "an internal error. Please try again.</Message></Error>",
          CONTENT_ERROR, "", "InternalError" },
        { "an error with an ETag", content_s3xml_completed,
          "<Error><Code>InvalidPart</Code><ETag>x</ETag></Error>",
          CONTENT_ERROR, "", "InvalidPart" },
        { "a code that does not fit", content_s3xml_completed,
          "<Error><Code>0123456789012345678901234</Code></Error>",
          CONTENT_ERROR, "", "" },
        { "no ETag", content_s3xml_completed,
          "<CompleteMultipartUploadResult/>", CONTENT_ERROR, "", "" },
        { "completed by Ceph, with an empty ETag", content_s3xml_completed,
          "<CompleteMultipartUploadResult><ETag></ETag>"
          "</CompleteMultipartUploadResult>", CONTENT_OK, "", "" },
        { "white space only", content_s3xml_completed, XML "  \n",
          CONTENT_ERROR, "", "" },
        { "no body", content_s3xml_completed, "", CONTENT_ERROR, "", "" },
        { "the other root", content_s3xml_completed,
          "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>",
          CONTENT_ERROR, "", "" },

        { "copied", content_s3xml_copied,
          XML "<CopyObjectResult" XMLNS "><LastModified>"
          "2026-11-22T10:00:00.000Z</LastModified><ETag>\"9b2c\"</ETag>"
          "</CopyObjectResult>", CONTENT_OK, "\"9b2c\"", "" },
        { "copied by Ceph, with progress", content_s3xml_copied,
          XML "<CopyObjectResult" XMLNS "><Progress>4194304</Progress>"
          "<Progress>8388608</Progress><LastModified>"
          "2026-11-22T10:00:00.000Z</LastModified><ETag>9b2c</ETag>"
          "</CopyObjectResult>", CONTENT_OK, "9b2c", "" },
        { "not copied, with status 200", content_s3xml_copied,
          XML "<Error><Code>SlowDown</Code></Error>",
          CONTENT_ERROR, "", "SlowDown" },
        { "an ETag too long", content_s3xml_copied,
          "<CopyObjectResult><ETag>" KEY_64 "k</ETag></CopyObjectResult>",
          CONTENT_OVERFLOW, "", "" },
        { "a part copied", content_s3xml_part_copied,
          XML "<CopyPartResult" XMLNS "><LastModified>"
          "2026-11-22T10:00:00.000Z</LastModified><ETag>\"9b2c\"</ETag>"
          "</CopyPartResult>", CONTENT_OK, "\"9b2c\"", "" },
        { "a part not copied, with status 200", content_s3xml_part_copied,
          XML "<Error><Code>InternalError</Code></Error>",
          CONTENT_ERROR, "", "InternalError" },
        { "an object for a part", content_s3xml_part_copied,
          "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>",
          CONTENT_ERROR, "", "" },
        { "the other root for a copy", content_s3xml_copied,
          "<CompleteMultipartUploadResult><ETag>x</ETag>"
          "</CompleteMultipartUploadResult>", CONTENT_ERROR, "", "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&etag, etag_buf, sizeof(etag_buf));
        content_out_init(&code, code_buf, sizeof(code_buf));

        rc = rows[i].read(content_cstr(rows[i].body), &etag, &code);

        assert_rc(rows[i].name, rc, rows[i].rc);
        assert_str(rows[i].name, content_out_done(&etag), rows[i].etag);
        assert_str(rows[i].name, content_out_done(&code), rows[i].code);
    }
}


static void
test_result_cut(void **state)
{
    content_out_t  etag, code;
    unsigned char  etag_buf[64], code_buf[64];

    (void) state;

    content_out_init(&etag, etag_buf, sizeof(etag_buf));
    content_out_init(&code, code_buf, sizeof(code_buf));

    assert_int_equal(
        content_s3xml_completed(
            content_cstr("<CompleteMultipartUploadResult><ETag>a</ETag>"),
            &etag, &code), CONTENT_ERROR);
}


static void
test_parts(void **state)
{
    content_out_t  out;
    unsigned char  buf[512];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_s3xml_parts_begin(&out);
    content_s3xml_part(&out, 1, content_cstr("\"a54357aff0632cce46d9\""));
    content_s3xml_part(&out, 10000, content_cstr("<&>"));
    content_s3xml_parts_end(&out);

    assert_str("parts", content_out_done(&out),
               "<CompleteMultipartUpload" XMLNS ">"
               "<Part><PartNumber>1</PartNumber>"
               "<ETag>&quot;a54357aff0632cce46d9&quot;</ETag></Part>"
               "<Part><PartNumber>10000</PartNumber>"
               "<ETag>&lt;&amp;&gt;</ETag></Part>"
               "</CompleteMultipartUpload>");
}


static void
test_part_size(void **state)
{
    content_out_t  out;
    unsigned char  buf[CONTENT_S3XML_PART_SIZE + 6 * 3];

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_s3xml_part(&out, UINT32_MAX, content_cstr("\"\"\""));
    assert_false(out.overflow);

    content_out_init(&out, buf, CONTENT_S3XML_PART_SIZE);
    content_s3xml_parts_begin(&out);
    content_s3xml_parts_end(&out);
    assert_false(out.overflow);

    content_out_init(&out, buf, 64);
    content_s3xml_parts_begin(&out);
    assert_true(out.overflow);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_error_fits),
        cmocka_unit_test(test_error_deep),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_stops),
        cmocka_unit_test(test_list_without_functions),
        cmocka_unit_test(test_upload_id),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_result_cut),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_part_size)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
