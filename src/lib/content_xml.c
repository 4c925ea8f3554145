/*
 * A walk over an XML document: see content_xml.h.  Called by the readers of
 * S3's and STS's answers.
 */

#include <limits.h>
#include <string.h>

#include "lib/content_xml.h"


static int parse(content_xml_t *xml, content_str_t body);
static void fail(content_xml_t *xml, int rc);
static void empty(content_out_t *text);
static void XMLCALL on_start(void *data, const XML_Char *name,
    const XML_Char **atts);
static void XMLCALL on_end(void *data, const XML_Char *name);
static void XMLCALL on_text(void *data, const XML_Char *text, int len);
static void XMLCALL on_doctype(void *data, const XML_Char *name,
    const XML_Char *system_id, const XML_Char *public_id, int internal);


int
content_xml_walk(content_str_t body, content_xml_element_t element,
    void *data, void *buf, size_t size)
{
    int            rc;
    content_xml_t  xml;

    xml.parser = XML_ParserCreate("UTF-8");
    if (xml.parser == NULL) {
        return CONTENT_ERROR;
    }

    xml.element = element;
    xml.data = data;
    xml.rc = CONTENT_OK;
    xml.path[0] = '\0';
    xml.path_len = 0;
    content_out_init(&xml.text, buf, size);

    XML_SetUserData(xml.parser, &xml);
    XML_SetElementHandler(xml.parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml.parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml.parser, on_doctype);

    rc = parse(&xml, body);

    XML_ParserFree(xml.parser);

    return rc;
}


/*
 * Before a slow answer servers send white space to keep the connection, some
 * of them before the XML declaration, where XML does not allow it.
 */

static int
parse(content_xml_t *xml, content_str_t body)
{
    body = content_xml_skip_space(body);

    if (body.len > INT_MAX) {
        return CONTENT_ERROR;
    }

    if (XML_Parse(xml->parser, (char *) body.data, (int) body.len, 1)
        != XML_STATUS_OK)
    {
        return xml->rc != CONTENT_OK ? xml->rc : CONTENT_ERROR;
    }

    return xml->rc;
}


content_str_t
content_xml_skip_space(content_str_t s)
{
    while (s.len && memchr(" \t\r\n", *s.data, 4)) {
        s.data++;
        s.len--;
    }

    return s;
}


static void
fail(content_xml_t *xml, int rc)
{
    xml->rc = rc;
    XML_StopParser(xml->parser, XML_FALSE);
}


static void
empty(content_out_t *text)
{
    text->pos = text->start;
    text->overflow = 0;
}


static void XMLCALL
on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
    size_t          len;
    content_xml_t  *xml;

    (void) atts;

    xml = data;
    len = strlen(name);

    if (xml->path_len + 1 + len >= sizeof(xml->path)) {
        fail(xml, CONTENT_ERROR);
        return;
    }

    if (xml->path_len) {
        xml->path[xml->path_len++] = '/';
    }

    memcpy(xml->path + xml->path_len, name, len + 1);
    xml->path_len += len;

    empty(&xml->text);
}


static void XMLCALL
on_end(void *data, const XML_Char *name)
{
    int             rc;
    size_t          len;
    content_xml_t  *xml;

    xml = data;

    if (xml->rc != CONTENT_OK) {
        return;
    }

    rc = xml->element(xml, xml->path);

    if (rc != CONTENT_OK) {
        fail(xml, rc);
        return;
    }

    len = strlen(name);

    xml->path_len -= xml->path_len > len ? len + 1 : len;
    xml->path[xml->path_len] = '\0';

    empty(&xml->text);
}


static void XMLCALL
on_text(void *data, const XML_Char *text, int len)
{
    content_xml_t  *xml;

    xml = data;

    content_out_mem(&xml->text, text, (size_t) len);
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


int
content_xml_copy(content_xml_t *xml, content_out_t *out)
{
    if (xml->text.overflow) {
        return CONTENT_OVERFLOW;
    }

    content_out_str(out, content_out_done(&xml->text));

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_xml_keep(content_xml_t *xml, void *buf, size_t size,
    content_str_t *value)
{
    content_out_t  out;

    content_out_init(&out, buf, size);

    if (content_xml_copy(xml, &out) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    *value = content_out_done(&out);

    return CONTENT_OK;
}


void
content_xml_escape(content_out_t *out, content_str_t text)
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
