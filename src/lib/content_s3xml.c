/*
 * The XML that S3 speaks: see content_s3xml.h.  Called by the S3 store with
 * the answers to its requests, and by the readers of larger documents
 * (content_s3list.c and others).
 *
 * One element function for each kind of document.
 */

#include <string.h>

#include "lib/content_digest.h"
#include "lib/content_s3xml.h"


#define NAMESPACE      "http://s3.amazonaws.com/doc/2006-03-01/"


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


static int error_element(content_xml_t *xml, const char *path);
static int copy_code(content_xml_t *xml, content_out_t *out);
static int result(content_str_t body, const char *path, content_out_t *value,
    content_out_t *code);
static int result_element(content_xml_t *xml, const char *path);
static int is_visible(content_str_t text);
static int decode_url(content_str_t text, content_out_t *out);


int
content_s3xml_walk(content_str_t body, content_xml_element_t element,
    void *data)
{
    unsigned char  buf[CONTENT_S3XML_TEXT_MAX];

    return content_xml_walk(body, element, data, buf, sizeof(buf));
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

    if (content_xml_skip_space(body).len == 0) {
        return CONTENT_OK;
    }

    content_out_init(&code_out, buf, size);
    content_out_init(&message_out, text, sizeof(text));

    error.code = &code_out;
    error.message = &message_out;
    error.found = 0;

    rc = content_s3xml_walk(body, error_element, &error);

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
error_element(content_xml_t *xml, const char *path)
{
    error_t        *error;
    content_out_t  *out;
    content_str_t   text;

    error = xml->data;

    if (strcmp(path, "Error/Code") == 0) {
        error->found = 1;
        return copy_code(xml, error->code);
    }

    if (strcmp(path, "Error/Message") == 0) {
        out = error->message;
        text.data = xml->text.start;
        text.len = (size_t) (xml->text.pos - xml->text.start);

        if (text.len > (size_t) (out->end - out->pos)) {
            text.len = (size_t) (out->end - out->pos);
        }

        content_out_line(out, text);
    }

    return CONTENT_OK;
}


static int
copy_code(content_xml_t *xml, content_out_t *out)
{
    if (xml->text.overflow) {
        return CONTENT_OVERFLOW;
    }

    content_out_line(out, content_out_done(&xml->text));

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
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


int
content_s3xml_part_copied(content_str_t body, content_out_t *etag,
    content_out_t *code)
{
    return result(body, "CopyPartResult/ETag", etag, code);
}


int
content_s3xml_region(content_str_t body, content_out_t *region)
{
    return result(body, "Error/Region", region, NULL);
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

    rc = content_s3xml_walk(body, result_element, &r);

    if (rc != CONTENT_OK) {
        return rc;
    }

    return r.found ? CONTENT_OK : CONTENT_ERROR;
}


static int
result_element(content_xml_t *xml, const char *path)
{
    result_t  *r;

    r = xml->data;

    if (strcmp(path, r->path) == 0) {
        if (r->found || (xml->text.pos == xml->text.start && r->code == NULL)
            || !is_visible(content_out_done(&xml->text)))
        {
            return CONTENT_ERROR;
        }

        r->found = 1;
        return content_xml_copy(xml, r->value);
    }

    if (strcmp(path, "Error/Code") == 0 && r->code) {
        (void) copy_code(xml, r->code);             /* an error, fits or not */
    }

    return CONTENT_OK;
}


/* These texts are sent on in headers. */

static int
is_visible(content_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


int
content_s3xml_key(content_str_t text, unsigned encoded, unsigned char *buf,
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
    content_xml_escape(out, etag);
    content_out_text(out, "</ETag></Part>");
}


void
content_s3xml_parts_end(content_out_t *out)
{
    content_out_text(out, "</CompleteMultipartUpload>");
}
