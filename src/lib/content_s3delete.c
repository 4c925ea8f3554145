/* DeleteObjects: see content_s3delete.h.  Called by the S3 store. */

#include <string.h>

#include "lib/content_key.h"
#include "lib/content_s3delete.h"
#include "lib/content_xml.h"


#define CODE_MAX_LEN  128


typedef struct {
    content_s3delete_pt  result;           /* NULL: only look */
    void                *data;
    unsigned             found:1;          /* it is a DeleteResult */
    content_str_t        key;
    content_str_t        code;
    unsigned char        key_buf[CONTENT_KEY_MAX];
    unsigned char        code_buf[CODE_MAX_LEN];
} results_t;


static int results_element(content_xml_t *xml, const char *path);
static int visit(results_t *r, int deleted);


int
content_s3delete_sayable(content_str_t key)
{
    size_t  i;

    if (key.len == 0 || key.data[0] == ' ' || key.data[key.len - 1] == ' ') {
        return 0;
    }

    for (i = 0; i + 2 < key.len; i++) {
        if (key.data[i] == 0xef && key.data[i + 1] == 0xbf
            && key.data[i + 2] >= 0xbe)
        {
            return 0;
        }
    }

    return 1;
}


void
content_s3delete_begin(content_out_t *out)
{
    content_out_text(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/"
                          "2006-03-01/\">");
}


void
content_s3delete_key(content_out_t *out, content_str_t key)
{
    content_out_text(out, "<Object><Key>");
    content_xml_escape(out, key);
    content_out_text(out, "</Key></Object>");
}


void
content_s3delete_end(content_out_t *out)
{
    content_out_text(out, "</Delete>");
}


int
content_s3delete_results(content_str_t body, content_s3delete_pt result,
    void *data)
{
    int            rc;
    results_t      r;
    unsigned char  text[2 * CONTENT_KEY_MAX];

    memset(&r, 0, sizeof(r));
    r.data = data;

    rc = content_xml_walk(body, results_element, &r, text, sizeof(text));

    if (rc != CONTENT_OK || !r.found) {
        return CONTENT_ERROR;
    }

    r.result = result;

    return content_xml_walk(body, results_element, &r, text, sizeof(text));
}


static int
results_element(content_xml_t *xml, const char *path)
{
    results_t  *r;

    r = xml->data;

    if (strcmp(path, "DeleteResult/Deleted/Key") == 0
        || strcmp(path, "DeleteResult/Error/Key") == 0)
    {
        return content_xml_keep(xml, r->key_buf, sizeof(r->key_buf), &r->key);
    }

    if (strcmp(path, "DeleteResult/Error/Code") == 0) {
        return content_xml_keep(xml, r->code_buf, sizeof(r->code_buf),
                                &r->code);
    }

    if (strcmp(path, "DeleteResult/Deleted") == 0) {
        return visit(r, 1);
    }

    if (strcmp(path, "DeleteResult/Error") == 0) {
        return visit(r, 0);
    }

    if (strcmp(path, "DeleteResult") == 0) {
        r->found = 1;
    }

    return CONTENT_OK;
}


static int
visit(results_t *r, int deleted)
{
    int  rc;

    static const content_str_t  unknown = content_string("without a code");

    if (r->key.len == 0) {
        return CONTENT_ERROR;
    }

    if (deleted) {
        r->code.len = 0;

    } else if (r->code.len == 0) {
        r->code = unknown;
    }

    rc = r->result ? r->result(r->data, r->key, r->code) : CONTENT_OK;

    r->key.len = 0;
    r->code.len = 0;

    return rc;
}
