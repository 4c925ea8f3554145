/*
 * Reading small XML documents: a walk that calls a function with the path and
 * the text of each element as it ends, so that a reader does not care about
 * order, namespaces or elements that it does not know.
 *
 * A document type declaration is refused, and with it every entity but XML's
 * own five; a document that is not well-formed or is cut is CONTENT_ERROR.
 * expat allocates inside a call and has freed all when it returns.
 */

#ifndef CONTENT_XML_H
#define CONTENT_XML_H

#include <expat.h>

#include "lib/content_str.h"


#define CONTENT_XML_PATH_MAX  256          /* also what bounds the depth */


typedef struct content_xml_s  content_xml_t;

/* path is "Root/Child"; anything but CONTENT_OK ends the walk. */
typedef int (*content_xml_element_t)(content_xml_t *xml, const char *path);

struct content_xml_s {
    void                   *data;          /* the element function's */
    content_out_t           text;          /* of the innermost element */

    /* the rest belongs to content_xml.c */

    XML_Parser              parser;
    content_xml_element_t   element;
    int                     rc;
    char                    path[CONTENT_XML_PATH_MAX];
    size_t                  path_len;
};


/*
 * Walks over a whole document in one buffer; white space before it is
 * skipped.  The texts are written into buf, which is the caller's.
 * Returns CONTENT_OK, CONTENT_ERROR, or what the element function returned.
 */
int content_xml_walk(content_str_t body, content_xml_element_t element,
    void *data, void *buf, size_t size);

/*
 * For the element function: the text to the end of out, or into buf as
 * *value.  Only a text that somebody asks for may fail to fit: errors quote
 * requests of any length in elements that nobody reads.
 * Return CONTENT_OK; CONTENT_OVERFLOW and CONTENT_ERROR.
 */
int content_xml_copy(content_xml_t *xml, content_out_t *out);
int content_xml_keep(content_xml_t *xml, void *buf, size_t size,
    content_str_t *value);

content_str_t content_xml_skip_space(content_str_t s);

/* Writes text for an element: at most 6 bytes for one. */
void content_xml_escape(content_out_t *out, content_str_t text);


#endif
