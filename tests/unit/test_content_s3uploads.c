/*
 * Listings of multipart uploads and of their parts, as S3 and Ceph write
 * them; and whose an upload is.
 */

#include <stdio.h>

#include "lib/content_s3uploads.h"
#include "rows.h"


#define XMLNS  " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define LIST(inside)                                                         \
    "<ListMultipartUploadsResult" XMLNS "><Bucket>b</Bucket>" inside         \
    "</ListMultipartUploadsResult>"
#define UPLOAD(key, id, who, when)                                           \
    "<Upload><Key>" key "</Key><UploadId>" id "</UploadId>" who              \
    "<Owner><ID>owner</ID></Owner><StorageClass>STANDARD</StorageClass>"     \
    "<Initiated>" when "</Initiated></Upload>"
#define WHO(id)  "<Initiator><ID>" id "</ID><DisplayName>d</DisplayName>"    \
                 "</Initiator>"
#define WHEN     "2026-11-22T10:00:00.000Z"
#define WHOLE    "<IsTruncated>false</IsTruncated>"


static int
note(void *data, const content_s3upload_t *upload)
{
    content_out_t *out = data;

    content_out_str(out, upload->key);
    content_out_char(out, '|');
    content_out_str(out, upload->id);
    content_out_char(out, '|');
    content_out_str(out, upload->initiator);
    content_out_char(out, '|');
    content_out_uint(out, (uint64_t) upload->initiated);
    content_out_char(out, ';');

    return CONTENT_OK;
}


static void
test_list(void **state)
{
    int                       rc;
    char                      text[1024], buf[512];
    size_t                    i;
    content_out_t             out;
    content_str_t             got;
    content_s3uploads_page_t  page;

    static const struct {
        const char  *name;
        const char  *body;
        int          rc;
        const char  *expected;           /* the uploads, then the page */
        unsigned     encoded;
    } rows[] = {
        { "none", LIST(WHOLE), CONTENT_OK, "0 [] []", 0 },
        { "one", LIST(WHOLE UPLOAD("a/b", "2~x", WHO("me"), WHEN)),
          CONTENT_OK, "a/b|2~x|me|1795341600;0 [] []", 0 },
        { "two, and more",
          LIST(UPLOAD("a", "1", WHO("me"), WHEN)
               UPLOAD("a", "2", WHO("you"), "2026-11-22T10:00:01Z")
               "<NextKeyMarker>a</NextKeyMarker>"
               "<NextUploadIdMarker>2</NextUploadIdMarker>"
               "<IsTruncated>true</IsTruncated>"),
          CONTENT_OK,
          "a|1|me|1795341600;a|2|you|1795341601;1 [a] [2]", 0 },
        { "nobody is told",
          LIST(WHOLE UPLOAD("a", "1", "", WHEN)),
          CONTENT_OK, "a|1||1795341600;0 [] []", 0 },
        { "what one lacks is not the one's before",
          LIST(WHOLE UPLOAD("a", "1", WHO("me"), WHEN)
               UPLOAD("b", "2", "", WHEN)),
          CONTENT_OK, "a|1|me|1795341600;b|2||1795341600;0 [] []", 0 },
        { "encoded keys, said so at the end",
          LIST("<NextKeyMarker>c%2Fd</NextKeyMarker>" WHOLE
               UPLOAD("a%20b%2B+", "1", "", WHEN)
               "<EncodingType>url</EncodingType>"),
          CONTENT_OK, "a b+ |1||1795341600;0 [c/d] []", 0 },
        { "encoded, which is not said (Ceph)",
          LIST(WHOLE UPLOAD("a%20b%2Fc", "1", "", WHEN)),
          CONTENT_OK, "a b/c|1||1795341600;0 [] []", 1 },
        { "not encoded", LIST(WHOLE UPLOAD("a%20b", "1", "", WHEN)),
          CONTENT_OK, "a%20b|1||1795341600;0 [] []", 0 },

        { "does not say whether it is all", LIST(""), CONTENT_ERROR, "", 0 },
        { "no id", LIST(WHOLE UPLOAD("a", "", "", WHEN)),
          CONTENT_ERROR, "", 0 },
        { "no key", LIST(WHOLE UPLOAD("", "1", "", WHEN)),
          CONTENT_ERROR, "", 0 },
        { "no time", LIST(WHOLE UPLOAD("a", "1", "", "")),
          CONTENT_ERROR, "", 0 },
        { "a time of nowhere", LIST(WHOLE UPLOAD("a", "1", "", "yesterday")),
          CONTENT_ERROR, "", 0 },
        { "cut", "<ListMultipartUploadsResult>" WHOLE
                 UPLOAD("a", "1", "", WHEN), CONTENT_ERROR, "", 0 },
        { "another root", "<ListBucketResult>" WHOLE "</ListBucketResult>",
          CONTENT_ERROR, "", 0 },
        { "an error", "<Error><Code>NoSuchBucket</Code></Error>",
          CONTENT_ERROR, "", 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&out, text, sizeof(text));

        rc = content_s3uploads_list(content_cstr(rows[i].body),
                                    rows[i].encoded, &page, note, &out);
        if (rc != rows[i].rc) {
            fail_msg("%s: got %d, expected %d", rows[i].name, rc, rows[i].rc);
        }

        got = content_out_done(&out);

        if (rc != CONTENT_OK) {
            assert_int_equal(got.len, 0);       /* nothing was visited */
            continue;
        }

        snprintf(buf, sizeof(buf), "%.*s%u [%.*s] [%.*s]", (int) got.len,
                 (char *) got.data, page.truncated, (int) page.next_key.len,
                 (char *) page.next_key.data, (int) page.next_id.len,
                 (char *) page.next_id.data);

        if (strcmp(buf, rows[i].expected) != 0) {
            fail_msg("%s: got %s", rows[i].name, buf);
        }
    }
}


static void
test_parts(void **state)
{
    int                rc;
    size_t             i;
    content_s3parts_t  parts;

#define PARTS(inside)  "<ListPartsResult" XMLNS ">" inside "</ListPartsResult>"
#define PART(when)     "<Part><PartNumber>1</PartNumber><LastModified>" when \
                       "</LastModified><Size>5</Size></Part>"

    static const struct {
        const char  *name;
        const char  *body;
        int          rc;
        unsigned     truncated;
        int64_t      next;
        int64_t      newest;
    } rows[] = {
        { "none", PARTS(WHOLE), CONTENT_OK, 0, 0, 0 },
        { "none, with an empty marker",
          PARTS("<NextPartNumberMarker></NextPartNumberMarker>" WHOLE),
          CONTENT_OK, 0, 0, 0 },
        { "the newest, not the last",
          PARTS(WHOLE PART("2026-11-22T10:00:01Z")
                PART("2026-11-22T10:00:03.123Z")
                PART("2026-11-22T10:00:02Z")),
          CONTENT_OK, 0, 0, 1795341603 },
        { "more",
          PARTS("<NextPartNumberMarker>1000</NextPartNumberMarker>"
                "<IsTruncated>true</IsTruncated>" PART(WHEN)),
          CONTENT_OK, 1, 1000, 1795341600 },
        { "does not say whether it is all", PARTS(PART(WHEN)),
          CONTENT_ERROR, 0, 0, 0 },
        { "no time", PARTS(WHOLE PART("")), CONTENT_ERROR, 0, 0, 0 },
        { "another root", "<Parts>" WHOLE "</Parts>",
          CONTENT_ERROR, 0, 0, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rc = content_s3uploads_parts(content_cstr(rows[i].body), &parts);

        if (rc != rows[i].rc) {
            fail_msg("%s: got %d, expected %d", rows[i].name, rc, rows[i].rc);
        }

        if (rc == CONTENT_OK
            && (parts.truncated != rows[i].truncated
                || parts.next != rows[i].next
                || parts.newest != rows[i].newest))
        {
            fail_msg("%s: got %u %lld %lld", rows[i].name, parts.truncated,
                     (long long) parts.next, (long long) parts.newest);
        }
    }
}


static void
test_same(void **state)
{
    size_t  i;

#define ROLE  "arn:aws:sts::123456789012:assumed-role/"

    static const struct {
        const char  *a;
        const char  *b;
        int          same;
    } rows[] = {
        { "me", "me", 1 },
        { "me", "you", 0 },
        { "", "you", 1 },
        { "me", "", 1 },
        { "arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b", 0 },
        { ROLE "origin/i-1", ROLE "origin/i-2", 1 },
        { ROLE "origin/i-1", ROLE "backup/i-1", 0 },
        { ROLE "origin/i-1", ROLE "origin2/i-1", 0 },
        { ROLE "a", ROLE "b", 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_s3uploads_same(content_cstr(rows[i].a),
                                   content_cstr(rows[i].b))
            != rows[i].same)
        {
            fail_msg("\"%s\" and \"%s\"", rows[i].a, rows[i].b);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
