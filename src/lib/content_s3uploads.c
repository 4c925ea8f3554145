/*
 * Multipart uploads that are under way: see content_s3uploads.h.  Called by
 * the sweep of the S3 store.
 */

#include <string.h>

#include "lib/content_date.h"
#include "lib/content_s3uploads.h"


#define INITIATOR_MAX  2048


typedef struct {
    content_s3uploads_page_t   *page;
    unsigned                    found:1;
} summary_t;


typedef struct {
    content_s3uploads_page_t   *page;
    content_s3uploads_visit_t   visit;
    void                       *data;

    content_s3upload_t          upload;
    unsigned char               key[CONTENT_KEY_MAX];
    unsigned char               id[CONTENT_S3UPLOADS_ID_MAX];
    unsigned char               initiator[INITIATOR_MAX];
} listing_t;


typedef struct {
    content_s3parts_t          *parts;
    unsigned                    found:1;
} parts_t;


static int summary_element(content_xml_t *xml, const char *path);
static int listing_element(content_xml_t *xml, const char *path);
static int visit(listing_t *l);
static void forget(listing_t *l);
static int parts_element(content_xml_t *xml, const char *path);
static int boolean(content_str_t text, unsigned *value);
static content_str_t without_session(content_str_t initiator);


int
content_s3uploads_list(content_str_t body, unsigned encoded,
    content_s3uploads_page_t *page, content_s3uploads_visit_t visit,
    void *data)
{
    int        rc;
    listing_t  listing;
    summary_t  summary;

    page->truncated = 0;
    page->encoded = encoded;
    page->next_key = (content_str_t) content_null_string;
    page->next_id = (content_str_t) content_null_string;

    summary.page = page;
    summary.found = 0;

    rc = content_s3xml_walk(body, summary_element, &summary);

    if (rc != CONTENT_OK || !summary.found) {
        return rc != CONTENT_OK ? rc : CONTENT_ERROR;
    }

    if (content_s3xml_key(page->next_key, page->encoded, page->key,
                          &page->next_key)
        != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    listing.page = page;
    listing.visit = visit;
    listing.data = data;
    forget(&listing);

    return content_s3xml_walk(body, listing_element, &listing);
}


/* What some servers tell only after the uploads. */

static int
summary_element(content_xml_t *xml, const char *path)
{
    unsigned       truncated;
    summary_t     *summary;
    content_str_t  text;

    summary = xml->data;
    text = content_out_done(&xml->text);

    if (strcmp(path, "ListMultipartUploadsResult/IsTruncated") == 0) {
        if (boolean(text, &truncated) != CONTENT_OK) {
            return CONTENT_ERROR;
        }

        summary->page->truncated = truncated;
        summary->found = 1;

    } else if (strcmp(path, "ListMultipartUploadsResult/EncodingType") == 0) {
        summary->page->encoded |= content_str_eq(text, content_cstr("url"));

    } else if (strcmp(path, "ListMultipartUploadsResult/NextKeyMarker") == 0) {
        return content_xml_keep(xml, summary->page->sent,
                                sizeof(summary->page->sent),
                                &summary->page->next_key);

    } else if (strcmp(path, "ListMultipartUploadsResult/NextUploadIdMarker")
               == 0)
    {
        return content_xml_keep(xml, summary->page->id,
                                sizeof(summary->page->id),
                                &summary->page->next_id);
    }

    return CONTENT_OK;
}


static int
listing_element(content_xml_t *xml, const char *path)
{
    listing_t           *l;
    content_str_t        text;
    content_s3upload_t  *upload;

    static const char    root[] = "ListMultipartUploadsResult/Upload";

    l = xml->data;
    upload = &l->upload;
    text = content_out_done(&xml->text);

    if (strncmp(path, root, sizeof(root) - 1) != 0) {
        return CONTENT_OK;
    }

    path += sizeof(root) - 1;

    if (strcmp(path, "") == 0) {
        return visit(l);
    }

    if (strcmp(path, "/Key") == 0) {
        return content_s3xml_key(text, l->page->encoded, l->key,
                                 &upload->key);
    }

    if (strcmp(path, "/UploadId") == 0) {
        return content_xml_keep(xml, l->id, sizeof(l->id), &upload->id);
    }

    if (strcmp(path, "/Initiator/ID") == 0) {
        return content_xml_keep(xml, l->initiator, sizeof(l->initiator),
                                &upload->initiator);
    }

    if (strcmp(path, "/Initiated") == 0) {
        return content_date_parse(text, &upload->initiated);
    }

    return CONTENT_OK;
}


static int
visit(listing_t *l)
{
    int  rc;

    if (l->upload.key.len == 0 || l->upload.id.len == 0
        || l->upload.initiated == 0)
    {
        return CONTENT_ERROR;
    }

    rc = l->visit(l->data, &l->upload);
    forget(l);

    return rc;
}


static void
forget(listing_t *l)
{
    memset(&l->upload, 0, sizeof(l->upload));
}


int
content_s3uploads_parts(content_str_t body, content_s3parts_t *parts)
{
    int      rc;
    parts_t  p;

    parts->truncated = 0;
    parts->next = 0;
    parts->newest = 0;

    p.parts = parts;
    p.found = 0;

    rc = content_s3xml_walk(body, parts_element, &p);

    return rc == CONTENT_OK && p.found ? CONTENT_OK : CONTENT_ERROR;
}


static int
parts_element(content_xml_t *xml, const char *path)
{
    parts_t       *p;
    int64_t        time;
    unsigned       truncated;
    content_str_t  text;

    p = xml->data;
    text = content_out_done(&xml->text);

    if (strcmp(path, "ListPartsResult/IsTruncated") == 0) {
        if (boolean(text, &truncated) != CONTENT_OK) {
            return CONTENT_ERROR;
        }

        p->parts->truncated = truncated;
        p->found = 1;

    } else if (strcmp(path, "ListPartsResult/NextPartNumberMarker") == 0) {
        return text.len ? content_str_uint(text, &p->parts->next)
                        : CONTENT_OK;

    } else if (strcmp(path, "ListPartsResult/Part/LastModified") == 0) {
        if (content_date_parse(text, &time) != CONTENT_OK) {
            return CONTENT_ERROR;
        }

        if (time > p->parts->newest) {
            p->parts->newest = time;
        }
    }

    return CONTENT_OK;
}


static int
boolean(content_str_t text, unsigned *value)
{
    *value = content_str_eq(text, content_cstr("true"));

    return *value || content_str_eq(text, content_cstr("false"))
           ? CONTENT_OK : CONTENT_ERROR;
}


int
content_s3uploads_same(content_str_t a, content_str_t b)
{
    if (a.len == 0 || b.len == 0) {
        return 1;
    }

    return content_str_eq(without_session(a), without_session(b));
}


/* "arn:aws:sts::123456789012:assumed-role/ROLE/SESSION" */

static content_str_t
without_session(content_str_t initiator)
{
    size_t         i, len;
    content_str_t  role;

    static const content_str_t  mark = content_string(":assumed-role/");

    for (i = 0; i + mark.len <= initiator.len; i++) {
        if (memcmp(initiator.data + i, mark.data, mark.len) != 0) {
            continue;
        }

        len = initiator.len;

        while (len > i + mark.len && initiator.data[len - 1] != '/') {
            len--;
        }

        role = initiator;
        role.len = len > i + mark.len ? len : initiator.len;

        return role;
    }

    return initiator;
}
