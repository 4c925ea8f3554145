/*
 * The JSON of a list of objects: see content_list.h.
 */

#include <string.h>

#include "lib/content_date.h"
#include "lib/content_list.h"


#define LIST_BEGIN_1   "{\"prefix\":\""
#define LIST_BEGIN_2   "\",\"objects\":["

#define LIST_ENTRY_1   ",{\"key\":\""
#define LIST_ENTRY_2   "\",\"size\":"
#define LIST_ENTRY_3   ",\"etag\":\""
#define LIST_ENTRY_4   "\",\"last_modified\":\""
#define LIST_ENTRY_5   "\"}"

#define LIST_PREFIXES  "],\"prefixes\":["
#define LIST_PREFIX_1  ",\""
#define LIST_PREFIX_2  "\""

#define LIST_OMITTED   ",\"omitted\":"

#define LIST_END_1     "]"
#define LIST_END_2     ",\"next\":"
#define LIST_END_3     "}"

#define LIST_JSON      6        /* the longest a byte becomes: \u001f */
#define LIST_SIZE      19       /* digits of INT64_MAX */


void
content_list_begin(content_out_t *out, content_str_t prefix)
{
    content_out_text(out, LIST_BEGIN_1);
    content_out_json(out, prefix);
    content_out_text(out, LIST_BEGIN_2);
}


void
content_list_entry(content_out_t *out, int first, content_str_t key,
    int64_t size, content_str_t etag, int64_t mtime)
{
    content_out_text(out, LIST_ENTRY_1 + (first ? 1 : 0));
    content_out_json(out, key);
    content_out_text(out, LIST_ENTRY_2);
    content_out_uint(out, (uint64_t) size);
    content_out_text(out, LIST_ENTRY_3);
    content_out_json(out, etag);
    content_out_text(out, LIST_ENTRY_4);
    content_date_time(out, mtime);
    content_out_text(out, LIST_ENTRY_5);
}


void
content_list_prefixes(content_out_t *out)
{
    content_out_text(out, LIST_PREFIXES);
}


void
content_list_prefix(content_out_t *out, int first, content_str_t prefix)
{
    content_out_text(out, LIST_PREFIX_1 + (first ? 1 : 0));
    content_out_json(out, prefix);
    content_out_text(out, LIST_PREFIX_2);
}


void
content_list_end(content_out_t *out, size_t omitted,
    const content_str_t *next)
{
    content_out_text(out, LIST_END_1);

    if (omitted) {
        content_out_text(out, LIST_OMITTED);
        content_out_uint(out, omitted);
    }

    content_out_text(out, LIST_END_2);

    if (next) {
        content_out_char(out, '"');
        content_out_json(out, *next);
        content_out_char(out, '"');

    } else {
        content_out_text(out, "null");
    }

    content_out_text(out, LIST_END_3);
}


size_t
content_list_begin_max(content_str_t prefix)
{
    return strlen(LIST_BEGIN_1 LIST_BEGIN_2) + LIST_JSON * prefix.len;
}


size_t
content_list_entry_max(content_str_t key, content_str_t etag)
{
    return strlen(LIST_ENTRY_1 LIST_ENTRY_2 LIST_ENTRY_3 LIST_ENTRY_4
                  LIST_ENTRY_5)
           + LIST_SIZE + CONTENT_DATE_TIME + LIST_JSON * (key.len + etag.len);
}


size_t
content_list_prefixes_max(void)
{
    return strlen(LIST_PREFIXES);
}


size_t
content_list_prefix_max(content_str_t prefix)
{
    return strlen(LIST_PREFIX_1 LIST_PREFIX_2) + LIST_JSON * prefix.len;
}


size_t
content_list_end_max(const content_str_t *next)
{
    return strlen(LIST_END_1 LIST_OMITTED LIST_END_2 LIST_END_3) + LIST_SIZE
           + (next ? strlen("\"\"") + LIST_JSON * next->len : strlen("null"));
}


content_str_t
content_list_common(content_str_t key, content_str_t prefix,
    content_str_t delimiter)
{
    size_t         i;
    content_str_t  rest;

    for (i = prefix.len; delimiter.len && i + delimiter.len <= key.len; i++) {
        rest.data = key.data + i;
        rest.len = key.len - i;

        if (content_str_starts(rest, delimiter)) {
            key.len = i + delimiter.len;
            return key;
        }
    }

    return content_cstr("");
}
