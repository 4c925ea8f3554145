/*
 * Records of objects, from Redis, from shared memory and from files.  An input
 * is tried as it is, and with the checksum that it ought to have, which must
 * not be all that keeps the reader inside.
 */

#include "fuzz.h"
#include "lib/content_object.c"


static void
check_slices(const content_object_t *object, content_str_t head)
{
    size_t  i;

    for (i = 0; i < RECORD_STRINGS; i++) {
        HOLDS(fuzz_is_inside(*string_at(object, i), head.data, head.len));
    }

    HOLDS(object->nmeta <= CONTENT_OBJECT_META_MAX && object->size >= 0);

    for (i = 0; i < object->nmeta; i++) {
        HOLDS(fuzz_is_inside(object->meta[i].name, head.data, head.len));
        HOLDS(fuzz_is_inside(object->meta[i].value, head.data, head.len));
    }
}


static content_str_t
written(const content_object_t *object, const content_str_t *body)
{
    content_out_t  out;

    out = fuzz_out(content_record_size(object) + (body ? body->len : 0));
    HOLDS(content_record_encode(&out, object, body) == CONTENT_OK);
    HOLDS(out.pos == out.end);

    return content_out_done(&out);
}


/* What was read is written alike: in version 2, byte by byte. */

static void
check_written(const content_object_t *object, content_str_t body,
    content_str_t data)
{
    content_out_t     out;
    content_str_t     again, rest;
    content_object_t  first;

    again = written(object, body.data ? &body : NULL);
    HOLDS(data.data[3] == '1' || content_str_eq(again, data));

    out = fuzz_out(content_record_size(object));
    HOLDS(content_record_encode_first(&out, object) == CONTENT_OK);
    HOLDS(content_record_decode(content_out_done(&out), &first, &rest, NULL)
          == CONTENT_OK);
    HOLDS(rest.data == NULL);
    HOLDS(content_str_eq(written(&first, NULL), written(object, NULL)));
}


static void
check(content_str_t data)
{
    int               has_body;
    content_str_t     head, body, rest;
    content_object_t  object;

    if (content_record_decode(data, &object, &body, &rest) != CONTENT_OK) {
        HOLDS(content_record_decode(data, &object, &body, NULL)
              == CONTENT_ERROR);
        return;
    }

    HOLDS(content_record_head(data, &head.len) == CONTENT_OK);
    head.data = data.data;

    check_slices(&object, head);
    HOLDS(head.len + body.len + rest.len == data.len);
    HOLDS(body.data == NULL || body.data == data.data + head.len);

    data.len -= rest.len;
    data = fuzz_copy(data);
    head.data = data.data;
    HOLDS(content_record_decode(data, &object, &body, NULL) == CONTENT_OK);
    check_written(&object, body, data);

    HOLDS(content_record_decode_head(head, &object, &has_body) == CONTENT_OK);
    HOLDS(has_body == (body.data != NULL));

    data.len--;
    HOLDS(content_record_decode(data, &object, &body, NULL) == CONTENT_ERROR);
}


void
fuzz_one(content_str_t input)
{
    content_out_t  sum;
    content_str_t  head;

    check(input);

    if (content_record_head(input, &head.len) == CONTENT_OK
        && head.len <= input.len)
    {
        head.data = input.data;
        content_out_init(&sum, head.data + 8, 4);
        put_int(&sum, checksum_of(head), 4);
        check(input);
    }
}


void
fuzz_seeds(void)
{
    content_out_t     out;
    content_str_t     body;
    unsigned char     buf[1024];
    content_object_t  object;

    content_object_init(&object);
    object.size = 0;
    content_out_init(&out, buf, sizeof(buf));
    (void) content_record_encode(&out, &object, NULL);
    fuzz_seed(content_out_done(&out));

    object.etag = content_cstr("\"0123456789abcdef\"");
    object.type = content_cstr("text/html");
    object.cache_control = content_cstr("public, max-age=60");
    object.tags = content_cstr("a,b,c");
    object.size = 5;
    object.mtime = 1795345200;
    object.has_sha256 = 1;
    memset(object.sha256, 7, sizeof(object.sha256));
    object.nmeta = 2;
    object.meta[0].name = content_cstr("author");
    object.meta[0].value = content_cstr("Somebody");
    object.meta[1].name = content_cstr("empty");
    object.meta[1].value = content_cstr("");
    body = content_cstr("hello");

    content_out_init(&out, buf, sizeof(buf));
    (void) content_record_encode(&out, &object, &body);
    content_out_text(&out, "what follows");
    fuzz_seed(content_out_done(&out));

    content_out_init(&out, buf, sizeof(buf));
    (void) content_record_encode_first(&out, &object);
    fuzz_seed(content_out_done(&out));
}
