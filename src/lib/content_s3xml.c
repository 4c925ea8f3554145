/*
 * The XML that S3 speaks: see content_s3xml.h.  Called by the S3 store with
 * the answers to its requests.
 *
 * The upper half is a walk over a document that calls a function with the
 * path and the text of each element as it ends; the lower half is one such
 * function for each kind of document.
 */

#include <limits.h>
#include <string.h>

#include <expat.h>

#include "lib/content_digest.h"
#include "lib/content_s3xml.h"


#define PATH_MAX_LEN   256                 /* also what bounds the depth */
#define TEXT_MAX_LEN   CONTENT_S3XML_TOKEN_MAX
#define ETAG_MAX_LEN   256
#define TIME_MAX_LEN   64

#define NAMESPACE      "http://s3.amazonaws.com/doc/2006-03-01/"


typedef struct walk_s  walk_t;

typedef int (*walk_element_t)(walk_t *walk, const char *path);

struct walk_s {
    XML_Parser      parser;
    walk_element_t  element;               /* called at an element's end */
    void           *data;                  /* the element function's */
    int             rc;

    char            path[PATH_MAX_LEN];    /* "Root/Child", NUL-terminated */
    size_t          path_len;

    content_out_t   text;                  /* of the innermost element */
    unsigned char   buf[TEXT_MAX_LEN];
};


typedef struct {
    content_out_t  *code;
    content_out_t  *message;
    unsigned        found:1;
} error_t;


typedef struct {
    const char     *path;                  /* of the element that counts */
    content_out_t  *value;
    content_out_t  *code;                  /* of an error, or NULL: then the
                                              value may not be empty */
    unsigned        found:1;
} result_t;


typedef struct {
    content_s3xml_page_t           *page;
    unsigned char                   marker[TEXT_MAX_LEN];    /* as sent */
    unsigned                        found:1;
} summary_t;


typedef struct {
    const content_s3xml_page_t     *page;
    const content_s3xml_visitor_t  *visitor;

    content_s3xml_entry_t           entry;
    unsigned char                   key[CONTENT_KEY_MAX];
    unsigned char                   etag[ETAG_MAX_LEN];
    unsigned char                   time[TIME_MAX_LEN];
} listing_t;


static int walk(content_str_t body, walk_element_t element, void *data);
static int parse(walk_t *w, content_str_t body);
static content_str_t skip_space(content_str_t s);
static void fail(walk_t *w, int rc);
static void XMLCALL on_start(void *data, const XML_Char *name,
    const XML_Char **atts);
static void XMLCALL on_end(void *data, const XML_Char *name);
static void XMLCALL on_text(void *data, const XML_Char *text, int len);
static void XMLCALL on_doctype(void *data, const XML_Char *name,
    const XML_Char *system_id, const XML_Char *public_id, int internal);
static int copy_text(walk_t *w, content_out_t *out);
static int keep_text(walk_t *w, unsigned char *buf, size_t size,
    content_str_t *value);
static int error_element(walk_t *w, const char *path);
static int result(content_str_t body, const char *path, content_out_t *value,
    content_out_t *code);
static int result_element(walk_t *w, const char *path);
static int summary_element(walk_t *w, const char *path);
static int listing_element(walk_t *w, const char *path);
static int visit_object(listing_t *l);
static int visit_prefix(listing_t *l);
static void forget_entry(content_s3xml_entry_t *entry);
static int decode_key(content_str_t text, unsigned encoded,
    unsigned char *buf, content_str_t *key);
static int decode_url(content_str_t text, content_out_t *out);
static void escape(content_out_t *out, content_str_t text);
static int take_number(content_str_t *rest, size_t width,
    unsigned char delimiter, unsigned *value);
static int is_zone(content_str_t s);
static unsigned month_days(unsigned year, unsigned month);
static int is_leap(unsigned year);
static int64_t days(unsigned year, unsigned month, unsigned day);


/* Returns CONTENT_OK, CONTENT_ERROR, or what the element function returned. */

static int
walk(content_str_t body, walk_element_t element, void *data)
{
    int     rc;
    walk_t  w;

    w.parser = XML_ParserCreate("UTF-8");
    if (w.parser == NULL) {
        return CONTENT_ERROR;
    }

    w.element = element;
    w.data = data;
    w.rc = CONTENT_OK;
    w.path[0] = '\0';
    w.path_len = 0;
    content_out_init(&w.text, w.buf, sizeof(w.buf));

    XML_SetUserData(w.parser, &w);
    XML_SetElementHandler(w.parser, on_start, on_end);
    XML_SetCharacterDataHandler(w.parser, on_text);
    XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);

    rc = parse(&w, body);

    XML_ParserFree(w.parser);

    return rc;
}


/*
 * Before a slow answer servers send white space to keep the connection, some
 * of them before the XML declaration, where XML does not allow it.
 */

static int
parse(walk_t *w, content_str_t body)
{
    body = skip_space(body);

    if (body.len > INT_MAX) {
        return CONTENT_ERROR;
    }

    if (XML_Parse(w->parser, (char *) body.data, (int) body.len, 1)
        != XML_STATUS_OK)
    {
        return w->rc != CONTENT_OK ? w->rc : CONTENT_ERROR;
    }

    return w->rc;
}


static content_str_t
skip_space(content_str_t s)
{
    while (s.len && memchr(" \t\r\n", *s.data, 4)) {
        s.data++;
        s.len--;
    }

    return s;
}


static void
fail(walk_t *w, int rc)
{
    w->rc = rc;
    XML_StopParser(w->parser, XML_FALSE);
}


static void XMLCALL
on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
    size_t   len;
    walk_t  *w;

    (void) atts;

    w = data;
    len = strlen(name);

    if (w->path_len + 1 + len >= sizeof(w->path)) {
        fail(w, CONTENT_ERROR);
        return;
    }

    if (w->path_len) {
        w->path[w->path_len++] = '/';
    }

    memcpy(w->path + w->path_len, name, len + 1);
    w->path_len += len;

    content_out_init(&w->text, w->buf, sizeof(w->buf));
}


static void XMLCALL
on_end(void *data, const XML_Char *name)
{
    int      rc;
    size_t   len;
    walk_t  *w;

    w = data;

    if (w->rc != CONTENT_OK) {
        return;
    }

    rc = w->element(w, w->path);

    if (rc != CONTENT_OK) {
        fail(w, rc);
        return;
    }

    len = strlen(name);

    w->path_len -= w->path_len > len ? len + 1 : len;
    w->path[w->path_len] = '\0';

    content_out_init(&w->text, w->buf, sizeof(w->buf));
}


static void XMLCALL
on_text(void *data, const XML_Char *text, int len)
{
    walk_t  *w;

    w = data;

    content_out_mem(&w->text, text, (size_t) len);
}


static void XMLCALL
on_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
    const XML_Char *public_id, int internal)
{
    (void) name;
    (void) system_id;
    (void) public_id;
    (void) internal;

    fail(data, CONTENT_ERROR);
}


/*
 * Only a text that somebody asks for may fail to fit: errors quote requests
 * of any length in elements that nobody reads.
 */

static int
copy_text(walk_t *w, content_out_t *out)
{
    if (w->text.overflow) {
        return CONTENT_OVERFLOW;
    }

    content_out_str(out, content_out_done(&w->text));

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


static int
keep_text(walk_t *w, unsigned char *buf, size_t size, content_str_t *value)
{
    content_out_t  out;

    content_out_init(&out, buf, size);

    if (copy_text(w, &out) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    *value = content_out_done(&out);

    return CONTENT_OK;
}


int
content_s3xml_error(content_str_t body, content_str_t *code,
    content_str_t *message, char *buf, size_t size)
{
    int            rc;
    error_t        error;
    content_out_t  code_out, message_out;
    unsigned char  text[512];

    *code = (content_str_t) content_null_string;
    *message = (content_str_t) content_null_string;

    if (skip_space(body).len == 0) {
        return CONTENT_OK;
    }

    content_out_init(&code_out, buf, size);
    content_out_init(&message_out, text, sizeof(text));

    error.code = &code_out;
    error.message = &message_out;
    error.found = 0;

    rc = walk(body, error_element, &error);

    if (rc != CONTENT_OK || !error.found) {
        return rc != CONTENT_OK ? rc : CONTENT_ERROR;
    }

    *code = content_out_done(&code_out);
    *message = content_out_done(&message_out);

    if (message->len > size - code->len) {
        message->len = size - code->len;
    }

    if (message->len) {
        message->data = memcpy(buf + code->len, message->data, message->len);
    }

    return CONTENT_OK;
}


static int
error_element(walk_t *w, const char *path)
{
    error_t        *error;
    content_out_t  *out;
    content_str_t   text;

    error = w->data;

    if (strcmp(path, "Error/Code") == 0) {
        error->found = 1;
        return copy_text(w, error->code);
    }

    if (strcmp(path, "Error/Message") == 0) {
        out = error->message;
        text.data = w->buf;
        text.len = (size_t) (w->text.pos - w->text.start);

        if (text.len > (size_t) (out->end - out->pos)) {
            text.len = (size_t) (out->end - out->pos);
        }

        content_out_str(out, text);
    }

    return CONTENT_OK;
}


int
content_s3xml_upload_id(content_str_t body, content_out_t *id)
{
    return result(body, "InitiateMultipartUploadResult/UploadId", id, NULL);
}


int
content_s3xml_completed(content_str_t body, content_out_t *etag,
    content_out_t *code)
{
    return result(body, "CompleteMultipartUploadResult/ETag", etag, code);
}


int
content_s3xml_copied(content_str_t body, content_out_t *etag,
    content_out_t *code)
{
    return result(body, "CopyObjectResult/ETag", etag, code);
}


static int
result(content_str_t body, const char *path, content_out_t *value,
    content_out_t *code)
{
    int       rc;
    result_t  r;

    r.path = path;
    r.value = value;
    r.code = code;
    r.found = 0;

    rc = walk(body, result_element, &r);

    if (rc != CONTENT_OK) {
        return rc;
    }

    return r.found ? CONTENT_OK : CONTENT_ERROR;
}


static int
result_element(walk_t *w, const char *path)
{
    result_t  *r;

    r = w->data;

    if (strcmp(path, r->path) == 0) {
        if (r->found || (w->text.pos == w->text.start && r->code == NULL)) {
            return CONTENT_ERROR;
        }

        r->found = 1;
        return copy_text(w, r->value);
    }

    if (strcmp(path, "Error/Code") == 0 && r->code) {
        (void) copy_text(w, r->code);      /* an error, fits or not */
    }

    return CONTENT_OK;
}


int
content_s3xml_list(content_str_t body, content_s3xml_page_t *page,
    const content_s3xml_visitor_t *visitor)
{
    summary_t  summary;
    listing_t  listing;

    page->truncated = 0;
    page->encoded = 0;
    page->next_token = (content_str_t) content_null_string;
    page->next_marker = (content_str_t) content_null_string;

    summary.page = page;
    summary.found = 0;

    if (walk(body, summary_element, &summary) != CONTENT_OK
        || !summary.found
        || decode_key(page->next_marker, page->encoded, page->marker,
                      &page->next_marker) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    listing.page = page;
    listing.visitor = visitor;
    forget_entry(&listing.entry);

    return walk(body, listing_element, &listing);
}


static int
summary_element(walk_t *w, const char *path)
{
    summary_t             *summary;
    content_str_t          text;
    content_s3xml_page_t  *page;

    static const content_str_t  url = content_string("url");
    static const content_str_t  yes = content_string("true");
    static const content_str_t  no = content_string("false");

    summary = w->data;
    page = summary->page;
    text = content_out_done(&w->text);

    if (strcmp(path, "ListBucketResult/IsTruncated") == 0) {
        summary->found = 1;
        page->truncated = content_str_eq(text, yes);

        return page->truncated || content_str_eq(text, no)
               ? CONTENT_OK : CONTENT_ERROR;
    }

    if (strcmp(path, "ListBucketResult/EncodingType") == 0) {
        page->encoded = content_str_eq(text, url);

    } else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0) {
        return keep_text(w, page->token, sizeof(page->token),
                         &page->next_token);

    } else if (strcmp(path, "ListBucketResult/NextMarker") == 0) {
        return keep_text(w, summary->marker, sizeof(summary->marker),
                         &page->next_marker);
    }

    return CONTENT_OK;
}


static int
listing_element(walk_t *w, const char *path)
{
    listing_t              *l;
    content_s3xml_entry_t  *entry;

    l = w->data;
    entry = &l->entry;

    if (strcmp(path, "ListBucketResult/Contents/Key") == 0
        || strcmp(path, "ListBucketResult/CommonPrefixes/Prefix") == 0)
    {
        /* empty when it did not fit, which visit_*() refuse */
        return decode_key(content_out_done(&w->text), l->page->encoded, l->key,
                          &entry->key);
    }

    if (strcmp(path, "ListBucketResult/Contents/Size") == 0) {
        return content_str_uint(content_out_done(&w->text), &entry->size);
    }

    if (strcmp(path, "ListBucketResult/Contents/ETag") == 0) {
        return keep_text(w, l->etag, sizeof(l->etag), &entry->etag);
    }

    if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0) {
        return keep_text(w, l->time, sizeof(l->time), &entry->last_modified);
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
forget_entry(content_s3xml_entry_t *entry)
{
    memset(entry, 0, sizeof(*entry));
    entry->size = -1;
}


static int
decode_key(content_str_t text, unsigned encoded, unsigned char *buf,
    content_str_t *key)
{
    content_out_t  out;

    content_out_init(&out, buf, CONTENT_KEY_MAX);

    if (!encoded) {
        content_out_str(&out, text);

    } else if (decode_url(text, &out) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    *key = content_out_done(&out);

    return out.overflow ? CONTENT_ERROR : CONTENT_OK;
}


static int
decode_url(content_str_t text, content_out_t *out)
{
    size_t         i;
    content_str_t  hex;
    unsigned char  c;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '+') {
            c = ' ';

        } else if (c == '%') {
            hex.data = text.data + i + 1;
            hex.len = text.len - i > 2 ? 2 : 0;

            if (content_digest_unhex(hex, &c, 1) != CONTENT_OK) {
                return CONTENT_ERROR;
            }

            i += 2;
        }

        content_out_char(out, c);
    }

    return CONTENT_OK;
}


void
content_s3xml_parts_begin(content_out_t *out)
{
    content_out_text(out, "<CompleteMultipartUpload xmlns=\"" NAMESPACE "\">");
}


void
content_s3xml_part(content_out_t *out, unsigned number, content_str_t etag)
{
    content_out_text(out, "<Part><PartNumber>");
    content_out_uint(out, number);
    content_out_text(out, "</PartNumber><ETag>");
    escape(out, etag);
    content_out_text(out, "</ETag></Part>");
}


void
content_s3xml_parts_end(content_out_t *out)
{
    content_out_text(out, "</CompleteMultipartUpload>");
}


static void
escape(content_out_t *out, content_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        switch (text.data[i]) {

        case '&':
            content_out_text(out, "&amp;");
            break;

        case '<':
            content_out_text(out, "&lt;");
            break;

        case '>':
            content_out_text(out, "&gt;");
            break;

        case '"':
            content_out_text(out, "&quot;");
            break;

        default:
            content_out_char(out, text.data[i]);
        }
    }
}


/* The C library's strptime() knows locales, and timegm() is not in C11. */

int
content_s3xml_time(content_str_t text, int64_t *seconds)
{
    size_t    i;
    unsigned  v[6];

    static const struct {
        size_t         width;
        unsigned char  delimiter;
        unsigned       low;
        unsigned       high;
    } parts[] = {
        { 4, '-', 1970, 9999 },
        { 2, '-', 1, 12 },
        { 2, 'T', 1, 31 },
        { 2, ':', 0, 23 },
        { 2, ':', 0, 59 },
        { 2, '\0', 0, 59 }
    };

    for (i = 0; i < 6; i++) {
        if (take_number(&text, parts[i].width, parts[i].delimiter, &v[i])
            != CONTENT_OK || v[i] < parts[i].low || v[i] > parts[i].high)
        {
            return CONTENT_ERROR;
        }
    }

    if (v[2] > month_days(v[0], v[1]) || !is_zone(text)) {
        return CONTENT_ERROR;
    }

    *seconds = days(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60
               + v[5];

    return CONTENT_OK;
}


/* a number of width digits and the delimiter after it, if it is not NUL */

static int
take_number(content_str_t *rest, size_t width, unsigned char delimiter,
    unsigned *value)
{
    int64_t        n;
    size_t         len;
    content_str_t  digits;

    len = width + (delimiter != '\0');
    digits.data = rest->data;
    digits.len = width;

    if (rest->len < len
        || content_str_uint(digits, &n) != CONTENT_OK
        || (delimiter && rest->data[width] != delimiter))
    {
        return CONTENT_ERROR;
    }

    *value = (unsigned) n;
    rest->data += len;
    rest->len -= len;

    return CONTENT_OK;
}


/* "Z", or a fraction and "Z" */

static int
is_zone(content_str_t s)
{
    int64_t  fraction;

    if (s.len == 0 || s.data[s.len - 1] != 'Z') {
        return 0;
    }

    s.len--;

    if (s.len == 0) {
        return 1;
    }

    if (s.data[0] != '.') {
        return 0;
    }

    s.data++;
    s.len--;

    return content_str_uint(s, &fraction) == CONTENT_OK;
}


static unsigned
month_days(unsigned year, unsigned month)
{
    static const unsigned char  table[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    return table[month - 1] + (month == 2 && is_leap(year));
}


static int
is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}


/* from 1970-01-01 to a day of that year or a later one */

static int64_t
days(unsigned year, unsigned month, unsigned day)
{
    int64_t   n;
    unsigned  past, m;

    past = year - 1;
    n = (int64_t) past * 365 + past / 4 - past / 100 + past / 400 - 719162;

    for (m = 1; m < month; m++) {
        n += month_days(year, m);
    }

    return n + day - 1;
}
