/*
 * Keys: from the path of a request, or as they are, from a listing.  Each is
 * the same key after every way that it is written and read back.
 */

#include <jansson.h>

#include "fuzz.h"
#include "lib/content_key.h"
#include "lib/content_path.h"
#include "lib/content_problem.h"
#include "lib/content_s3delete.h"
#include "lib/content_s3xml.h"


static void
check_decodes(content_str_t path, content_str_t key)
{
    const char     *why;
    content_out_t   out;

    out = fuzz_out(CONTENT_KEY_MAX);
    HOLDS(content_key_decode(path, &out, &why) == CONTENT_OK);
    HOLDS(content_str_eq(content_out_done(&out), key));
}


/* However it is spelled, a key is one key. */

static void
check_spellings(content_str_t key)
{
    size_t          i;
    content_out_t   out;
    content_str_t   same;
    unsigned char   buf[CONTENT_KEY_MAX];

    out = fuzz_out(3 * key.len);
    content_key_encode(&out, key);
    HOLDS(!out.overflow);
    check_decodes(fuzz_join("/", content_out_done(&out), ""), key);

    out = fuzz_out(1 + 3 * key.len);
    content_out_char(&out, '/');

    for (i = 0; i < key.len; i++) {
        content_out_char(&out, '%');
        content_out_hex(&out, key.data + i, 1);
    }

    check_decodes(content_out_done(&out), key);

    out = fuzz_out(3 * key.len);
    content_key_encode_component(&out, key);
    HOLDS(!out.overflow);
    HOLDS(content_s3xml_key(content_out_done(&out), 1, buf, &same)
          == CONTENT_OK);
    HOLDS(content_str_eq(same, key));
}


/* The file store reads keys off its directories. */

static void
check_path(content_str_t key)
{
    content_out_t        out, same;
    content_str_t        path, name, part;
    unsigned char       *slash;
    content_path_kind_e  kind;

    out = fuzz_out(content_path_max(key.len));
    same = fuzz_out(key.len);
    content_path_write(&out, key);
    HOLDS(!out.overflow);
    path = content_out_done(&out);

    do {
        slash = memchr(path.data, '/', path.len);
        name = path;

        if (slash) {
            name.len = (size_t) (slash - path.data);
            path.len -= name.len + 1;
            path.data = slash + 1;
        }

        kind = content_path_kind(name, &part);

        HOLDS(name.len <= 255 && !content_str_eq(name, content_cstr("..")));
        HOLDS(kind != CONTENT_PATH_OTHER);
        HOLDS((kind == CONTENT_PATH_OBJECT) == (slash == NULL));

        content_out_str(&same, part);

        if (kind == CONTENT_PATH_DIRECTORY) {
            content_out_char(&same, '/');
        }
    } while (slash);

    HOLDS(content_str_eq(content_out_done(&same), key));
}


static int
delete_element(content_xml_t *xml, const char *path)
{
    if (strcmp(path, "Delete/Object/Key") == 0) {
        return content_xml_copy(xml, xml->data);
    }

    return CONTENT_OK;
}


static void
check_xml(content_str_t key)
{
    content_out_t  out, same;

    if (!content_s3delete_sayable(key)) {
        return;
    }

    out = fuzz_out(CONTENT_S3DELETE_SIZE + CONTENT_S3DELETE_KEY_SIZE
                   + 6 * key.len);
    same = fuzz_out(key.len);

    content_s3delete_begin(&out);
    content_s3delete_key(&out, key);
    content_s3delete_end(&out);
    HOLDS(!out.overflow);

    HOLDS(content_s3xml_walk(content_out_done(&out), delete_element, &same)
          == CONTENT_OK);
    HOLDS(content_str_eq(content_out_done(&same), key));
}


/* Also what is no key goes into an error's text. */

static void
check_json(content_str_t key, int valid)
{
    json_t         *root;
    content_out_t   out;
    content_str_t   text;

    out = fuzz_out(CONTENT_PROBLEM_MAX(2 * key.len));
    content_problem_write(&out, 404, key, key);
    HOLDS(!out.overflow);

    text = content_out_done(&out);
    root = json_loadb((char *) text.data, text.len, JSON_ALLOW_NUL, NULL);
    HOLDS(root != NULL);

    if (valid) {
        text.data = (unsigned char *)
                    json_string_value(json_object_get(root, "key"));
        text.len = json_string_length(json_object_get(root, "key"));
        HOLDS(content_str_eq(text, key));
    }

    json_decref(root);
}


void
fuzz_one(content_str_t input)
{
    const char     *why;
    content_out_t   out;
    content_str_t   key;

    check_json(input, 0);

    out = fuzz_out(CONTENT_KEY_MAX);
    why = NULL;
    key = input;

    if (content_key_decode(input, &out, &why) == CONTENT_OK) {
        key = fuzz_copy(content_out_done(&out));
        HOLDS(content_key_check(key, &why) == CONTENT_OK);

    } else {
        HOLDS(why != NULL && out.pos == out.start && !out.overflow);
    }

    if (content_key_check(key, &why) != CONTENT_OK) {
        HOLDS(why != NULL);
        return;
    }

    check_spellings(key);
    check_path(key);
    check_xml(key);
    check_json(key, 1);
}


void
fuzz_seeds(void)
{
    size_t       i;
    json_t      *vectors, *vector;
    const char  *path;

    vectors = json_load_file("tests/unit/vectors/keys.json", 0, NULL);
    HOLDS(vectors != NULL);

    json_array_foreach(vectors, i, vector) {
        path = json_string_value(json_object_get(vector, "path"));

        if (path) {
            fuzz_text(path);
        }
    }

    json_decref(vectors);

    fuzz_text("docs/\xc3\xa9\xef\xbf\xbd/a b+c%");
    fuzz_text("/a%2Fb//%2e.%2E/");
}
