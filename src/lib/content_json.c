/*
 * See content_json.h.  Whether memory was short is noted where jansson asks for
 * it, by functions that it knows for the whole process and calls without any
 * context: hence the one variable, of a thread's own.
 */

#include <stdlib.h>

#include "lib/content_json.h"


static void *content_json_malloc(size_t size);


static _Thread_local int  content_json_short;


int
content_json_parse(content_str_t text, json_t **root, json_error_t *error)
{
    json_set_alloc_funcs(content_json_malloc, free);

    content_json_short = 0;

    *root = json_loadb((const char *) text.data, text.len,
                       JSON_REJECT_DUPLICATES, error);

    if (*root) {
        return CONTENT_OK;
    }

    return content_json_short ? CONTENT_OVERFLOW : CONTENT_ERROR;
}


static void *
content_json_malloc(size_t size)
{
    void  *p;

    p = malloc(size);

    if (p == NULL) {
        content_json_short = 1;
    }

    return p;
}
