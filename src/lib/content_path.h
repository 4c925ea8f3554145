/*
 * Where the file store keeps a key: one path per key, for any key, below one
 * directory, so that "a" and "a/b" and "a//b" can all exist and a listing can
 * be read off the directories in key order.
 *
 *     key   docs/a.html           path  docs.d/a.html.o
 *     key   docs/                 path  docs.d/.o
 *     key   <300 bytes>           path  <240 bytes>.c/<60 bytes>.o
 *
 * The last two bytes of a name tell what it is: an object (.o), a directory
 * for the keys that go on after a "/" (.d), or one for a segment that is too
 * long for a file name (.c).  A key that content_key_check() accepts needs no
 * other escaping: it has no NUL, and no name is "." or "..".
 */

#ifndef CONTENT_PATH_H
#define CONTENT_PATH_H

#include "lib/content_str.h"


#define CONTENT_PATH_SEGMENT  240       /* NAME_MAX is 255 on Linux */

/* The most that content_path_write() writes for a key of len bytes. */
#define content_path_max(len)  ((len) * 3 + 8)

typedef enum {
    CONTENT_PATH_OTHER = 0,             /* not ours */
    CONTENT_PATH_OBJECT,
    CONTENT_PATH_DIRECTORY,
    CONTENT_PATH_CONTINUED
} content_path_kind_e;

void content_path_write(content_out_t *out, content_str_t key);

/*
 * What a directory entry is.  *part is the piece of the key it stands for,
 * with the "/" of a directory left out.
 */
content_path_kind_e content_path_kind(content_str_t name, content_str_t *part);


#endif
