/* What the tests of an object's record have in common. */

#ifndef OBJECT_H
#define OBJECT_H

#include "lib/content_object.h"
#include "rows.h"


#define S(text)  content_string(text)


static content_object_t  full = {
    .etag = S("\"0123456789abcdef\""),
    .size = 5,
    .mtime = 1795345200,
    .has_sha256 = 1,
    .sha256 = { 1, 2, 3, 0, 0xff },
    .type = S("text/html; charset=utf-8"),
    .encoding = S("gzip"),
    .language = S("de"),
    .disposition = S("attachment; filename=\"a.html\""),
    .cache_control = S("public, max-age=60"),
    .tags = S("a,b,c"),
    .nmeta = 3,
    .meta = {
        { S("author"), S("Somebody") },
        { S("Mixed-Case"), S("Value") },
        { S("empty"), S("") }
    }
};

static content_object_t  plain = {
    .etag = S("\"x\""),
    .size = 0,
    .mtime = -1
};


static inline content_str_t
encode(const content_object_t *object, const char *body)
{
    content_str_t  b;
    content_out_t  out;
    unsigned char  buf[4096];

    content_out_init(&out, buf, sizeof(buf));

    if (body) {
        b = content_cstr(body);
    }

    assert_int_equal(content_record_encode(&out, object, body ? &b : NULL),
                     CONTENT_OK);

    b = content_out_done(&out);
    assert_int_equal(b.len, content_record_size(object)
                            + (body ? strlen(body) : 0));

    return copy(b.data, b.len);
}


/* The same in version 1, which has no body. */

static inline content_str_t
encode_first(const content_object_t *object)
{
    content_str_t  b;
    content_out_t  out;
    unsigned char  buf[4096];

    content_out_init(&out, buf, sizeof(buf));

    assert_int_equal(content_record_encode_first(&out, object), CONTENT_OK);

    b = content_out_done(&out);
    assert_int_equal(b.len, content_record_size(object));

    return copy(b.data, b.len);
}


#endif
