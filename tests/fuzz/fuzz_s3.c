/* S3's answers: each reader gets each document, also one that is cut. */

#include "fuzz.h"
#include "lib/content_digest.h"
#include "lib/content_s3delete.h"
#include "lib/content_s3list.h"
#include "lib/content_s3tag.h"
#include "lib/content_s3uploads.h"
#include "lib/content_s3versions.h"
#include "lib/content_s3xml.h"


#define DOCUMENT  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* The visitors count what they see. */

static int
count(void *data)
{
    ++*(unsigned *) data;

    return CONTENT_OK;
}


static int
on_object(void *data, const content_s3list_entry_t *entry)
{
    HOLDS(entry->key.len > 0 && entry->key.len <= CONTENT_KEY_MAX);
    HOLDS(entry->size >= 0);

    return count(data);
}


static int
on_prefix(void *data, content_str_t prefix)
{
    HOLDS(prefix.len > 0 && prefix.len <= CONTENT_KEY_MAX);

    return count(data);
}


static int
on_version(void *data, const content_s3version_t *version)
{
    HOLDS(version->key.len > 0 && version->key.len <= CONTENT_KEY_MAX);
    HOLDS(version->id.len > 0);
    HOLDS(version->deleted || version->size >= 0);

    return count(data);
}


static int
on_upload(void *data, const content_s3upload_t *upload)
{
    HOLDS(upload->key.len > 0 && upload->key.len <= CONTENT_KEY_MAX);
    HOLDS(upload->id.len > 0 && upload->initiated > 0);
    HOLDS(content_s3uploads_same(upload->initiator, upload->initiator));

    return count(data);
}


static int
on_result(void *data, content_str_t key, content_str_t code)
{
    HOLDS(key.len > 0 && key.len <= CONTENT_KEY_MAX && code.len <= 128);

    return count(data);
}


static int
read_list(content_str_t body, unsigned *visits)
{
    int                       rc;
    content_s3list_page_t     page;
    content_s3list_visitor_t  visitor = { on_object, on_prefix, NULL };

    visitor.data = visits;
    rc = content_s3list_read(body, &page, &visitor);

    if (rc == CONTENT_OK) {
        HOLDS(fuzz_is_inside(page.next_token, &page, sizeof(page)));
        HOLDS(fuzz_is_inside(page.next_marker, &page, sizeof(page)));
    }

    return rc;
}


static int
read_versions(content_str_t body, unsigned *visits)
{
    unsigned  truncated;

    return content_s3versions_list(body, on_version, visits, &truncated);
}


static int
read_uploads(content_str_t body, unsigned *visits)
{
    int                       rc;
    content_s3uploads_page_t  page;

    rc = content_s3uploads_list(body, body.len & 1, &page, on_upload, visits);

    if (rc == CONTENT_OK) {
        HOLDS(fuzz_is_inside(page.next_key, &page, sizeof(page)));
        HOLDS(fuzz_is_inside(page.next_id, &page, sizeof(page)));
    }

    return rc;
}


static int
read_results(content_str_t body, unsigned *visits)
{
    return content_s3delete_results(body, on_result, visits);
}


/* Of a document that is cut nothing is visited. */

static void
check_list(int (*read)(content_str_t body, unsigned *visits),
    content_str_t body)
{
    unsigned  visits;

    visits = 0;

    if (read(body, &visits) != CONTENT_OK) {
        return;
    }

    while (strchr(" \t\r\n", body.data[body.len - 1])) {
        body.len--;
    }

    body.len--;                         /* its last ">" */
    visits = 0;
    HOLDS(read(body, &visits) != CONTENT_OK && visits == 0);
}


static int
is_line(content_str_t text)
{
    for ( /* void */ ; text.len; text.data++, text.len--) {
        if (content_str_control(text)) {
            return 0;
        }
    }

    return 1;
}


static void
check_error(content_str_t body, size_t size)
{
    char           *buf;
    content_str_t   code, message;

    buf = fuzz_alloc(size);

    if (content_s3xml_error(body, &code, &message, buf, size) == CONTENT_OK) {
        HOLDS(fuzz_is_inside(code, buf, size));
        HOLDS(fuzz_is_inside(message, buf, size));
        HOLDS(code.len + message.len <= size);
        HOLDS(is_line(code) && is_line(message));
    }
}


static void
check_results(content_str_t body)
{
    content_out_t  id, region, etag, code;

    id = fuzz_out(32);
    region = fuzz_out(32);
    etag = fuzz_out(96);
    code = fuzz_out(32);

    HOLDS(content_s3xml_upload_id(body, &id) != CONTENT_OK
          || content_out_done(&id).len > 0);
    HOLDS(content_s3xml_region(body, &region) != CONTENT_OK
          || content_out_done(&region).len > 0);

    (void) content_s3xml_completed(body, &etag, &code);
    (void) content_s3xml_copied(body, &etag, &code);
    (void) content_s3xml_part_copied(body, &etag, &code);

    HOLDS(fuzz_is_printable(content_out_done(&id)));
    HOLDS(fuzz_is_printable(content_out_done(&region)));
    HOLDS(fuzz_is_printable(content_out_done(&etag)));
    HOLDS(is_line(content_out_done(&code)));
}


/* Whether body has text, in any case of letters; a NUL ends it. */

static int
has(content_str_t body, const char *text)
{
    char  *p;

    p = memcpy(fuzz_alloc(body.len + 1), body.data, body.len);
    p[body.len] = '\0';

    return strcasestr(p, text) != NULL;
}


/* A digest is one that the document has: spelled out, if nothing hides it. */

static void
check_tag(content_str_t body)
{
    content_out_t  out;
    unsigned char  sha256[CONTENT_SHA256_SIZE];
    content_str_t  etag = content_string("\"abc\"");

    if (content_s3tag_read(body, etag, sha256) != CONTENT_OK) {
        return;
    }

    out = fuzz_out(2 * sizeof(sha256) + 1);
    content_out_hex(&out, sha256, sizeof(sha256));
    content_out_char(&out, '\0');
    HOLDS(has(body, (char *) out.start) || has(body, "&") || has(body, "<!")
          || has(body, "<?"));

    out = fuzz_out(CONTENT_S3TAG_SIZE);
    HOLDS(content_s3tag_write(&out, sha256, etag) == CONTENT_OK);
    HOLDS(content_s3tag_read(content_out_done(&out), etag, sha256)
          == CONTENT_OK);
}


void
fuzz_one(content_str_t input)
{
    size_t             i;
    unsigned           kept;
    content_s3parts_t  parts;

    static const struct {
        const char  *root;              /* the others look no further */
        int        (*read)(content_str_t body, unsigned *visits);
    } lists[] = {
        { "<ListBucketResult", read_list },
        { "<ListVersionsResult", read_versions },
        { "<ListMultipartUploadsResult", read_uploads },
        { "<DeleteResult", read_results }
    };

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (has(input, lists[i].root)) {
            check_list(lists[i].read, input);
            return;
        }
    }

    (void) content_s3versions_kept(input, &kept);

    if (content_s3uploads_parts(input, &parts) == CONTENT_OK) {
        HOLDS(parts.next >= 0 && parts.newest >= 0);
    }

    check_error(input, 16);
    check_error(input, 1024);
    check_results(input);
    check_tag(input);
}


#define DIGITS_16  "0123456789abcdef"
#define TAG(digits)                                                          \
    "<Tag><Key>content-sha256</Key><Value>" digits ":abc</Value></Tag>"


void
fuzz_seeds(void)
{
    fuzz_text(DOCUMENT "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
        "2006-03-01/\"><EncodingType>url</EncodingType><Contents>"
        "<Key>a%2Bb+c</Key><LastModified>2026-11-22T10:00:00.000Z"
        "</LastModified><ETag>&quot;x&quot;</ETag><Size>5</Size></Contents>"
        "<Contents><Key>b</Key><Size>0</Size></Contents>"
        "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
        "<IsTruncated>true</IsTruncated><NextMarker>d%2F</NextMarker>"
        "<NextContinuationToken>t=</NextContinuationToken>"
        "</ListBucketResult>");
    fuzz_text("<ListVersionsResult><Version><Key>a</Key><VersionId>1"
        "</VersionId><ETag>e</ETag><Size>1</Size><IsLatest>true</IsLatest>"
        "<LastModified>2026-11-22T10:00:00Z</LastModified></Version>"
        "<DeleteMarker><Key>a</Key><VersionId>null</VersionId></DeleteMarker>"
        "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        "</ListVersionsResult>");
    fuzz_text("<VersioningConfiguration><Status>Enabled</Status>"
        "</VersioningConfiguration>");
    fuzz_text(" \n<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
        "<NextKeyMarker>k%20</NextKeyMarker><NextUploadIdMarker>2~i"
        "</NextUploadIdMarker><Upload><Key>a</Key><UploadId>2~x</UploadId>"
        "<Initiator><ID>arn:aws:sts::1:assumed-role/r/s</ID></Initiator>"
        "<Initiated>2026-11-22T10:00:00.000Z</Initiated></Upload>"
        "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
    fuzz_text("<ListPartsResult><IsTruncated>true</IsTruncated>"
        "<NextPartNumberMarker>2</NextPartNumberMarker><Part><LastModified>"
        "2026-11-22T10:00:00.000Z</LastModified></Part></ListPartsResult>");
    fuzz_text("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b"
        "</Key><Code>AccessDenied</Code></Error></DeleteResult>");
    fuzz_text(DOCUMENT "<Error><Code>PermanentRedirect</Code><Message>no"
        "</Message><Region>eu-west-1</Region></Error>");
    fuzz_text("<InitiateMultipartUploadResult><UploadId>2~x</UploadId>"
        "</InitiateMultipartUploadResult>");
    fuzz_text("<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag>"
        "</CompleteMultipartUploadResult>");
    fuzz_text("<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>");
    fuzz_text("<CopyPartResult><ETag>\"e\"</ETag></CopyPartResult>");
    fuzz_text("<Tagging><TagSet>" TAG(DIGITS_16 DIGITS_16 DIGITS_16 DIGITS_16)
        TAG("fedcba9876543210" DIGITS_16 DIGITS_16 DIGITS_16)
        "</TagSet></Tagging>");
}
