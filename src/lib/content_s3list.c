/*
 * Listings of a bucket: see content_s3list.h.  Called by the S3 store with the
 * answers to its requests.
 */

#include <string.h>

#include "lib/content_s3list.h"


#define ETAG_MAX_LEN   256
#define TIME_MAX_LEN   64


typedef struct {
    content_s3list_page_t          *page;
    unsigned                        found:1;
    unsigned char                   marker[CONTENT_S3XML_TEXT_MAX];
                                                   /* as sent */
} summary_t;


typedef struct {
    const content_s3list_page_t     *page;
    const content_s3list_visitor_t  *visitor;

    content_s3list_entry_t           entry;
    unsigned char                    key[CONTENT_KEY_MAX];
    unsigned char                    etag[ETAG_MAX_LEN];
    unsigned char                    time[TIME_MAX_LEN];
} listing_t;


static int summary_element(content_xml_t *xml, const char *path);
static int listing_element(content_xml_t *xml, const char *path);
static int visit_object(listing_t *l);
static int visit_prefix(listing_t *l);
static void forget_entry(content_s3list_entry_t *entry);


int
content_s3list_read(content_str_t body, content_s3list_page_t *page,
    const content_s3list_visitor_t *visitor)
{
    summary_t  summary;
    listing_t  listing;

    page->truncated = 0;
    page->encoded = 0;
    page->next_token = (content_str_t) content_null_string;
    page->next_marker = (content_str_t) content_null_string;

    summary.page = page;
    summary.found = 0;

    if (content_s3xml_walk(body, summary_element, &summary) != CONTENT_OK
        || !summary.found
        || content_s3xml_key(page->next_marker, page->encoded, page->marker,
                             &page->next_marker) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    listing.page = page;
    listing.visitor = visitor;
    forget_entry(&listing.entry);

    return content_s3xml_walk(body, listing_element, &listing);
}


static int
summary_element(content_xml_t *xml, const char *path)
{
    summary_t             *summary;
    content_str_t          text;
    content_s3list_page_t  *page;

    static const content_str_t  url = content_string("url");
    static const content_str_t  yes = content_string("true");
    static const content_str_t  no = content_string("false");

    summary = xml->data;
    page = summary->page;
    text = content_out_done(&xml->text);

    if (strcmp(path, "ListBucketResult/IsTruncated") == 0) {
        summary->found = 1;
        page->truncated = content_str_eq(text, yes);

        return page->truncated || content_str_eq(text, no)
               ? CONTENT_OK : CONTENT_ERROR;
    }

    if (strcmp(path, "ListBucketResult/EncodingType") == 0) {
        page->encoded = content_str_eq(text, url);

    } else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0) {
        return content_xml_keep(xml, page->token, sizeof(page->token),
                                &page->next_token);

    } else if (strcmp(path, "ListBucketResult/NextMarker") == 0) {
        return content_xml_keep(xml, summary->marker, sizeof(summary->marker),
                                &page->next_marker);
    }

    return CONTENT_OK;
}


static int
listing_element(content_xml_t *xml, const char *path)
{
    listing_t              *l;
    content_s3list_entry_t  *entry;

    l = xml->data;
    entry = &l->entry;

    if (strcmp(path, "ListBucketResult/Contents/Key") == 0
        || strcmp(path, "ListBucketResult/CommonPrefixes/Prefix") == 0)
    {
        /* empty when it did not fit, which visit_*() refuse */
        return content_s3xml_key(content_out_done(&xml->text),
                                 l->page->encoded, l->key, &entry->key);
    }

    if (strcmp(path, "ListBucketResult/Contents/Size") == 0) {
        return content_str_uint(content_out_done(&xml->text), &entry->size);
    }

    if (strcmp(path, "ListBucketResult/Contents/ETag") == 0) {
        return content_xml_keep(xml, l->etag, sizeof(l->etag), &entry->etag);
    }

    if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0) {
        return content_xml_keep(xml, l->time, sizeof(l->time),
                                &entry->last_modified);
    }

    if (strcmp(path, "ListBucketResult/Contents") == 0) {
        return visit_object(l);
    }

    if (strcmp(path, "ListBucketResult/CommonPrefixes") == 0) {
        return visit_prefix(l);
    }

    return CONTENT_OK;
}


static int
visit_object(listing_t *l)
{
    int  rc;

    if (l->entry.key.len == 0 || l->entry.size < 0) {
        return CONTENT_ERROR;
    }

    rc = l->visitor->object ? l->visitor->object(l->visitor->data, &l->entry)
                            : CONTENT_OK;
    forget_entry(&l->entry);

    return rc;
}


static int
visit_prefix(listing_t *l)
{
    int  rc;

    if (l->entry.key.len == 0) {
        return CONTENT_ERROR;
    }

    rc = l->visitor->prefix ? l->visitor->prefix(l->visitor->data,
                                                 l->entry.key)
                            : CONTENT_OK;
    forget_entry(&l->entry);

    return rc;
}


static void
forget_entry(content_s3list_entry_t *entry)
{
    memset(entry, 0, sizeof(*entry));
    entry->size = -1;
}
