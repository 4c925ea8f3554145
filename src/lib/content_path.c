/* The file store's names: see content_path.h. */

#include <string.h>

#include "lib/content_path.h"


static void
segment(content_out_t *out, content_str_t part, const char *suffix)
{
    while (part.len > CONTENT_PATH_SEGMENT) {
        content_out_mem(out, part.data, CONTENT_PATH_SEGMENT);
        content_out_text(out, ".c/");
        part.data += CONTENT_PATH_SEGMENT;
        part.len -= CONTENT_PATH_SEGMENT;
    }

    content_out_str(out, part);
    content_out_text(out, suffix);
}


void
content_path_write(content_out_t *out, content_str_t key)
{
    content_str_t   part;
    unsigned char  *slash;

    for ( ;; ) {
        slash = key.len ? memchr(key.data, '/', key.len) : NULL;

        if (slash == NULL) {
            segment(out, key, ".o");
            return;
        }

        part.data = key.data;
        part.len = (size_t) (slash - key.data);
        segment(out, part, ".d/");

        key.data += part.len + 1;
        key.len -= part.len + 1;
    }
}


content_path_kind_e
content_path_kind(content_str_t name, content_str_t *part)
{
    if (name.len < 2 || name.data[name.len - 2] != '.') {
        return CONTENT_PATH_OTHER;
    }

    part->data = name.data;
    part->len = name.len - 2;

    switch (name.data[name.len - 1]) {

    case 'o':
        return CONTENT_PATH_OBJECT;

    case 'd':
        return CONTENT_PATH_DIRECTORY;

    case 'c':
        return part->len == CONTENT_PATH_SEGMENT ? CONTENT_PATH_CONTINUED
                                                 : CONTENT_PATH_OTHER;

    default:
        return CONTENT_PATH_OTHER;
    }
}
