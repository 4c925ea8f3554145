/* Editors' tokens: src/lib/content_token.h. */

#include "lib/content_token.h"
#include "rows.h"


/* SHA-256 of "secret", of "other" and of the empty string */

#define SECRET \
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
#define OTHER \
    "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
#define EMPTY \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define R  CONTENT_RIGHT_READ
#define W  CONTENT_RIGHT_WRITE
#define P  CONTENT_RIGHT_PURGE
#define A  CONTENT_RIGHT_ADMIN

#define NAME_64 \
    "n123456789n123456789n123456789n123456789n123456789n123456789n123"


static void
lines(void **state)
{
    static const struct {
        const char  *name, *line;
        int          rc;
        unsigned     rights, nprefix;
        const char  *last, *why;
    } rows[] = {
        { "one of each", "ed sha256:" SECRET " read /", 0, R, 1, "/", NULL },
        { "all rights", "ed sha256:" SECRET " read,write,purge,admin /",
          0, R|W|P|A, 1, "/", NULL },
        { "admin alone implies nothing", "ed sha256:" SECRET " admin /",
          0, A, 1, "/", NULL },
        { "tabs, runs of spaces, CRLF",
          "  ed\t sha256:" SECRET "\t\twrite  /a/ \t /b/ \r\n",
          0, W, 2, "/b/", NULL },
        { "upper-case digits",
          "ed sha256:2BB80D537B1DA3E38BD30361AA855686"
          "BDE0EACD7162FEF6A25FE97BF527A25B purge /",
          0, P, 1, "/", NULL },
        { "8 prefixes",
          "ed sha256:" SECRET " read /1 /2 /3 /4 /5 /6 /7 /8",
          0, R, 8, "/8", NULL },
        { "prefix in UTF-8", "ed sha256:" SECRET " read /\303\251/",
          0, R, 1, "/\303\251/", NULL },
        { "name of 64", NAME_64 " sha256:" SECRET " read /",
          0, R, 1, "/", NULL },

        { "empty", "", 1, 0, 0, NULL, NULL },
        { "spaces", " \t \r\n", 1, 0, 0, NULL, NULL },
        { "comment", "# ed sha256:", 1, 0, 0, NULL, NULL },
        { "indented comment", "  \t#", 1, 0, 0, NULL, NULL },

        { "name of 65", NAME_64 "x sha256:" SECRET " read /",
          -1, 0, 0, NULL, "name" },
        { "name with a slash", "e/d sha256:" SECRET " read /",
          -1, 0, 0, NULL, "name" },
        { "name alone", "ed", -1, 0, 0, NULL, "second field" },
        { "another hash", "ed md5:" SECRET " read /",
          -1, 0, 0, NULL, "second field" },
        { "the token itself", "ed secret read /",
          -1, 0, 0, NULL, "second field" },
        { "a digit short", "ed sha256:2bb80d read /",
          -1, 0, 0, NULL, "second field" },
        { "a digit too many", "ed sha256:" SECRET "0 read /",
          -1, 0, 0, NULL, "second field" },
        { "no hex digit",
          "ed sha256:gbb80d537b1da3e38bd30361aa855686"
          "bde0eacd7162fef6a25fe97bf527a25b read /",
          -1, 0, 0, NULL, "second field" },
        { "no rights", "ed sha256:" SECRET, -1, 0, 0, NULL, "third field" },
        { "rights forgotten", "ed sha256:" SECRET " /",
          -1, 0, 0, NULL, "third field" },
        { "unknown right", "ed sha256:" SECRET " read,delete /",
          -1, 0, 0, NULL, "third field" },
        { "rights in capitals", "ed sha256:" SECRET " READ /",
          -1, 0, 0, NULL, "third field" },
        { "only commas", "ed sha256:" SECRET " ,, /",
          -1, 0, 0, NULL, "third field" },
        { "space in the rights", "ed sha256:" SECRET " read, write /",
          -1, 0, 0, NULL, "must begin" },
        { "no prefix", "ed sha256:" SECRET " read", -1, 0, 0, NULL,
          "no prefix" },
        { "comment behind", "ed sha256:" SECRET " read / # me",
          -1, 0, 0, NULL, "must begin" },
        { "9 prefixes",
          "ed sha256:" SECRET " read /1 /2 /3 /4 /5 /6 /7 /8 /9",
          -1, 0, 0, NULL, "more than 8" },
        { "control character", "ed sha256:" SECRET " read /a\001",
          -1, 0, 0, NULL, "control" },
    };

    int              rc;
    size_t           i;
    const char      *why;
    content_token_t  token;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        why = "";
        rc = content_token_parse_line(content_cstr(rows[i].line), &token,
                                      &why);

        if (rc != rows[i].rc) {
            fail_msg("%s: %d %s", rows[i].name, rc, why);
        }

        if (rows[i].why && strstr(why, rows[i].why) == NULL) {
            fail_msg("%s: \"%s\"", rows[i].name, why);
        }

        if (rc != CONTENT_OK) {
            continue;
        }

        if (token.rights != rows[i].rights
            || token.nprefix != rows[i].nprefix
            || !content_str_eq(token.prefix[token.nprefix - 1],
                               content_cstr(rows[i].last)))
        {
            fail_msg("%s: rights %x, %u prefixes", rows[i].name,
                     token.rights, token.nprefix);
        }
    }
}


static void
slices_and_hash(void **state)
{
    char             line[] = "web-1.a_b sha256:" SECRET " read /a/ /b/";
    const char      *why;
    content_token_t  token;

    (void) state;

    assert_int_equal(content_token_parse_line(content_cstr(line), &token,
                                              &why), CONTENT_OK);
    assert_true(content_str_eq(token.name, content_cstr("web-1.a_b")));
    assert_ptr_equal(token.name.data, line);
    assert_memory_equal(token.prefix[0].data, "/a/", 3);
    assert_memory_equal(token.hash, "\x2b\xb8\x0d\x53", 4);
    assert_memory_equal(token.hash + 28, "\xf5\x27\xa2\x5b", 4);
}


static void
find(void **state)
{
    static const char  *file[] = {
        "a sha256:" SECRET " read /",
        "b sha256:" OTHER " read /",
        "c sha256:" EMPTY " read /",
        "d sha256:" SECRET " write /",
    };

    static const struct {
        const char  *name, *presented;
        unsigned     n;
        int          index;
    } rows[] = {
        { "first of three", "secret", 3, 0 },
        { "second", "other", 3, 1 },
        { "second, last of the file", "other", 2, 1 },
        { "behind the end", "other", 1, -1 },
        { "empty file", "secret", 0, -1 },
        { "unknown", "Secret", 3, -1 },
        { "a prefix of one", "secre", 3, -1 },
        { "the hash itself", SECRET, 3, -1 },
        { "nothing, though its hash is listed", "", 3, -1 },
        { "the later of two", "secret", 4, 3 },
    };

    size_t                  i;
    const char             *why;
    content_token_t         tokens[4];
    const content_token_t  *found, *expected;

    (void) state;

    for (i = 0; i < 4; i++) {
        assert_int_equal(content_token_parse_line(content_cstr(file[i]),
                                                  &tokens[i], &why), 0);
    }

    for (i = 0; i < ROWS(rows); i++) {
        found = content_token_find(tokens, rows[i].n,
                                   content_cstr(rows[i].presented));
        expected = rows[i].index < 0 ? NULL : &tokens[rows[i].index];

        if (found != expected) {
            fail_msg("%s", rows[i].name);
        }
    }
}


/* Each byte of the hash counts: one bit anywhere makes another token. */

static void
find_all_bits(void **state)
{
    unsigned         i;
    const char      *why;
    content_token_t  token;

    (void) state;

    assert_int_equal(content_token_parse_line(
        content_cstr("a sha256:" SECRET " read /"), &token, &why), 0);

    for (i = 0; i < 256; i++) {
        token.hash[i / 8] ^= (unsigned char) (1 << i % 8);
        assert_null(content_token_find(&token, 1, content_cstr("secret")));
        token.hash[i / 8] ^= (unsigned char) (1 << i % 8);
    }

    assert_non_null(content_token_find(&token, 1, content_cstr("secret")));
}


static void
bearer(void **state)
{
    static const struct {
        const char  *name, *value, *token;
    } rows[] = {
        { "plain", "Bearer abc", "abc" },
        { "any case", "bEARER abc", "abc" },
        { "all characters", "Bearer azAZ09-._~+/==", "azAZ09-._~+/==" },
        { "spaces around", " Bearer   abc \t", "abc" },
        { "empty", "", NULL },
        { "scheme alone", "Bearer", NULL },
        { "scheme and space", "Bearer ", NULL },
        { "Basic", "Basic YTpi", NULL },
        { "a longer scheme", "Bearers abc", NULL },
        { "two words", "Bearer a b", NULL },
        { "a list", "Bearer a,b", NULL },
        { "only padding", "Bearer ==", NULL },
        { "padding inside", "Bearer a=b", NULL },
        { "quoted", "Bearer \"abc\"", NULL },
        { "not ASCII", "Bearer \303\251", NULL },
        { "control character", "Bearer a\001", NULL },
    };

    int            rc;
    size_t         i;
    content_str_t  token;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rc = content_token_bearer(content_cstr(rows[i].value), &token);

        if (rc != (rows[i].token ? CONTENT_OK : CONTENT_ERROR)
            || (rows[i].token
                && !content_str_eq(token, content_cstr(rows[i].token))))
        {
            fail_msg("%s", rows[i].name);
        }
    }
}


static void
allows(void **state)
{
    static const struct {
        const char  *name, *line;
        unsigned     right;
        const char  *path;
        int          allowed;
    } rows[] = {
        { "everywhere", "t sha256:" SECRET " read /", R, "/x/y", 1 },
        { "the root", "t sha256:" SECRET " read /", R, "/", 1 },
        { "below", "t sha256:" SECRET " read /a/", R, "/a/b", 1 },
        { "the prefix itself", "t sha256:" SECRET " read /a/", R, "/a/", 1 },
        { "beside", "t sha256:" SECRET " read /a/", R, "/ab", 0 },
        { "above", "t sha256:" SECRET " read /a/", R, "/a", 0 },
        { "no path", "t sha256:" SECRET " read /", R, "", 0 },
        { "another case", "t sha256:" SECRET " read /a/", R, "/A/b", 0 },
        { "without its slash", "t sha256:" SECRET " read /a", R, "/ab", 1 },
        { "the second", "t sha256:" SECRET " read /a/ /b/", R, "/b/c", 1 },
        { "neither", "t sha256:" SECRET " read /a/ /b/", R, "/c/", 0 },
        { "another right", "t sha256:" SECRET " read /", W, "/", 0 },
        { "one of both", "t sha256:" SECRET " read /", R|W, "/", 0 },
        { "both", "t sha256:" SECRET " read,write /", R|W, "/", 1 },
        { "admin reads not", "t sha256:" SECRET " admin /", R, "/", 0 },
        { "admin writes not", "t sha256:" SECRET " admin /", W, "/", 0 },
        { "writing is not reading", "t sha256:" SECRET " write /", R, "/", 0 },
        { "no right asked", "t sha256:" SECRET " read /", 0, "/", 0 },
    };

    size_t           i;
    const char      *why;
    content_token_t  token;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(content_token_parse_line(content_cstr(rows[i].line),
                                                  &token, &why), 0);

        if (content_token_allows(&token, rows[i].right,
                                 content_cstr(rows[i].path))
            != rows[i].allowed)
        {
            fail_msg("%s", rows[i].name);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(slices_and_hash),
        cmocka_unit_test(find),
        cmocka_unit_test(find_all_bits),
        cmocka_unit_test(bearer),
        cmocka_unit_test(allows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
