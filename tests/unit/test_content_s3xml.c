/*
 * The XML that S3 speaks: documents as S3, Ceph and MinIO write them, and
 * documents that must not be believed.
 */

#include <stdio.h>

#include "lib/content_s3xml.h"
#include "rows.h"
#include "s3xml.h"


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
        { "control characters", "<Error><Code>X&#10;\xc2\x9b</Code><Message>a\n"
          "&#13;b&#x7f;\xc2\x85\xc3\xa9</Message></Error>",
          CONTENT_OK, "X  ", "a  b  \xc3\xa9" },
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

        assert_int(rows[i].name, rc, rows[i].rc);
        assert_text(rows[i].name, code, rows[i].code);
        assert_text(rows[i].name, message, rows[i].message);
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
    assert_text("cut", message, "not her");
    assert_ptr_equal(code.data, buf);
    assert_ptr_equal(message.data, buf + 9);

    assert_int_equal(content_s3xml_error(body, &code, &message, buf, 9),
                     CONTENT_OK);
    assert_text("only the code", code, "NoSuchKey");
    assert_text("only the code", message, "");

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
        { "with a line's end", "<InitiateMultipartUploadResult><UploadId>a&#10;"
          "</UploadId></InitiateMultipartUploadResult>", CONTENT_ERROR, "" },
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

        assert_int(rows[i].name, rc, rows[i].rc);
        assert_text(rows[i].name, content_out_done(&out), rows[i].id);
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
        { "an ETag that ends a header", content_s3xml_completed,
          "<CompleteMultipartUploadResult><ETag>\"a&#13;&#10;X-B: c\"</ETag>"
          "</CompleteMultipartUploadResult>", CONTENT_ERROR, "", "" },
        { "an ETag with a control character", content_s3xml_copied,
          "<CopyObjectResult><ETag>\"a&#127;\"</ETag></CopyObjectResult>",
          CONTENT_ERROR, "", "" },
        { "an ETag with a letter of no header", content_s3xml_part_copied,
          "<CopyPartResult><ETag>\"\xc3\xa9\"</ETag></CopyPartResult>",
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

        assert_int(rows[i].name, rc, rows[i].rc);
        assert_text(rows[i].name, content_out_done(&etag), rows[i].etag);
        assert_text(rows[i].name, content_out_done(&code), rows[i].code);
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

    assert_text("parts", content_out_done(&out),
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
        cmocka_unit_test(test_upload_id),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_result_cut),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_part_size)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
