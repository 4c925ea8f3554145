/* The file store's names: every key has one path, and gives it back. */

#include "lib/content_path.h"
#include "rows.h"


#define A60   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A240  A60 A60 A60 A60


static const struct {
    const char           *name;
    const char           *key;
    const char           *path;
} paths[] = {
    { "one segment",         "a",             "a.o" },
    { "two segments",        "a/b.html",      "a.d/b.html.o" },
    { "a trailing slash",    "a/",            "a.d/.o" },
    { "an empty segment",    "a//b",          "a.d/.d/b.o" },
    { "a leading slash",     "/a",            ".d/a.o" },
    { "names like ours",     "a.o/b.d",       "a.o.d/b.d.o" },
    { "240 bytes",           A240,            A240 ".o" },
    { "241 bytes",           A240 "b",        A240 ".c/b.o" },
    { "480 bytes",           A240 A240,       A240 ".c/" A240 ".o" },
    { "481 bytes, directory", A240 A240 "b/c",
                             A240 ".c/" A240 ".c/b.d/c.o" },
};

static const struct {
    const char           *name;
    content_path_kind_e   kind;
    const char           *part;
} kinds[] = {
    { "a.o",       CONTENT_PATH_OBJECT,    "a" },
    { ".o",        CONTENT_PATH_OBJECT,    "" },
    { "a.o.d",     CONTENT_PATH_DIRECTORY, "a.o" },
    { ".d",        CONTENT_PATH_DIRECTORY, "" },
    { A240 ".c",   CONTENT_PATH_CONTINUED, A240 },
    { "short.c",   CONTENT_PATH_OTHER,     NULL },
    { ".",         CONTENT_PATH_OTHER,     NULL },
    { "..",        CONTENT_PATH_OTHER,     NULL },
    { "a",         CONTENT_PATH_OTHER,     NULL },
    { "a.x",       CONTENT_PATH_OTHER,     NULL },
    { "",          CONTENT_PATH_OTHER,     NULL },
};


static void
path_of_key(void **state)
{
    char           buf[4096];
    size_t         i;
    content_out_t  out;
    content_str_t  key, path;

    (void) state;

    for (i = 0; i < ROWS(paths); i++) {
        key = content_cstr(paths[i].key);

        content_out_init(&out, buf, content_path_max(key.len));
        content_path_write(&out, key);
        path = content_out_done(&out);

        if (!content_str_eq(path, content_cstr(paths[i].path))) {
            fail_msg("%s: %.*s", paths[i].name, (int) path.len, path.data);
        }
    }
}


static void
kind_of_name(void **state)
{
    size_t               i;
    content_str_t        part;
    content_path_kind_e  kind;

    (void) state;

    for (i = 0; i < ROWS(kinds); i++) {
        kind = content_path_kind(content_cstr(kinds[i].name), &part);

        if (kind != kinds[i].kind
            || (kinds[i].part
                && !content_str_eq(part, content_cstr(kinds[i].part))))
        {
            fail_msg("\"%s\"", kinds[i].name);
        }
    }
}


/* The worst key is all slashes: the bound of the header holds. */

static void
longest_path(void **state)
{
    char           key[1024], buf[content_path_max(sizeof(key))];
    content_out_t  out;
    content_str_t  s;

    (void) state;

    memset(key, '/', sizeof(key));
    s.data = (unsigned char *) key;
    s.len = sizeof(key);

    content_out_init(&out, buf, sizeof(buf));
    content_path_write(&out, s);

    assert_false(out.overflow);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(path_of_key),
        cmocka_unit_test(kind_of_name),
        cmocka_unit_test(longest_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
