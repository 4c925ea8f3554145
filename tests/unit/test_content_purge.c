/* Purges: src/lib/content_purge.h. */

#include <stdio.h>

#include "lib/content_purge.h"
#include "rows.h"


#define TEN(s)  s s s s s s s s s s

#define LABEL_63  TEN("abcdef") "abc"
#define LABEL_61  TEN("abcdef") "a"
#define SLASHES_31  "h" TEN("/a") TEN("/a") TEN("/a") "/a"


/* Items as text, "kind=value;", and how many. */

typedef struct {
    char      text[8192];
    size_t    len;
    unsigned  n, stop_at;
} list_t;


static int
collect(void *data, const content_purge_item_t *item)
{
    list_t  *list;

    list = data;

    if (list->stop_at && list->n + 1 == list->stop_at) {
        return CONTENT_OVERFLOW;
    }

    list->n++;

    if (list->len + item->value.len + 16 < sizeof(list->text)) {
        list->len += (size_t) snprintf(list->text + list->len,
                                       sizeof(list->text) - list->len,
                                       "%d=%.*s;", item->kind,
                                       (int) item->value.len,
                                       (char *) item->value.data);
    }

    return CONTENT_OK;
}


static void
accepted(void **state)
{
    static const struct {
        const char  *name, *json, *items;
    } rows[] = {
        { "a URL", "{\"urls\":[\"https://h.example/a%20b?x=1&y=(2)\"]}",
          "0=https://h.example/a%20b?x=1&y=(2);" },
        { "a URL without a path", "{\"urls\":[\"HTTP://h:8080\"]}",
          "0=HTTP://h:8080;" },
        { "a URL of a query only", "{\"urls\":[\"https://h?a@b:c\"]}",
          "0=https://h?a@b:c;" },
        { "a tag", "{\"tags\":[\"a\",\"b!~:\\\"\\\\\"]}", "1=a;1=b!~:\"\\;" },
        { "a prefix", "{\"prefixes\":[\"h.example/a/\",\"h\"]}",
          "2=h.example/a/;2=h;" },
        { "a prefix with a colon", "{\"prefixes\":[\"h/a:b//c\"]}",
          "2=h/a:b//c;" },
        { "a prefix of 31 slashes", "{\"prefixes\":[\"" SLASHES_31 "\"]}",
          "2=" SLASHES_31 ";" },
        { "a host", "{\"hosts\":[\"a-b_c.1.Example\"]}",
          "3=a-b_c.1.Example;" },
        { "a label of 63", "{\"hosts\":[\"" LABEL_63 "\"]}",
          "3=" LABEL_63 ";" },
        { "a host of 253",
          "{\"hosts\":[\"" LABEL_63 "." LABEL_63 "." LABEL_63 "."
          LABEL_61 "\"]}",
          "3=" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 ";" },
        { "everything", " {\"everything\" : true}\n", "4=;" },
        { "in the order of the kinds, repeated ones kept",
          "{\"hosts\":[\"h\"],\"tags\":[\"t\",\"t\"],\"urls\":"
          "[\"http://u\"]}",
          "0=http://u;1=t;1=t;3=h;" },
        { "an empty array beside another", "{\"urls\":[],\"tags\":[\"t\"]}",
          "1=t;" },
        { "an escaped letter", "{\"tags\":[\"\\u0041\"]}", "1=A;" },
    };

    int            rc;
    char           why[256];
    list_t         list;
    size_t         i;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&list, 0, sizeof(list_t));
        rc = content_purge_parse(content_cstr(rows[i].json), collect, &list,
                                 why, sizeof(why));

        if (rc != CONTENT_OK || why[0] != '\0'
            || strcmp(list.text, rows[i].items) != 0)
        {
            fail_msg("%s: %d %s %s", rows[i].name, rc, why, list.text);
        }
    }
}


static void
refused(void **state)
{
    static const struct {
        const char  *name, *json, *why;
    } rows[] = {
        { "nothing", "", "malformed JSON at line" },
        { "cut", "{\"tags\":[\"a\"", "malformed JSON at line 1" },
        { "something behind", "{\"tags\":[\"a\"]} x", "malformed JSON" },
        { "not UTF-8", "{\"tags\":[\"\377\"]}", "malformed JSON" },
        { "NUL", "{\"tags\":[\"a\\u0000\"]}", "malformed JSON" },
        { "a member twice", "{\"tags\":[\"a\"],\n\"tags\":[\"b\"]}",
          "a member is named twice at line 2" },
        { "an array", "[\"a\"]", "the request is not a JSON object" },
        { "an empty object", "{}", "the request names nothing to purge" },
        { "empty arrays", "{\"tags\":[],\"urls\":[]}",
          "the request names nothing to purge" },
        { "an unknown member", "{\"files\":[\"https://h/\"]}",
          "unknown member: only urls, tags, prefixes, hosts and everything "
          "are known" },
        { "a misspelt one beside a good one",
          "{\"tags\":[\"a\"],\"Urls\":[\"https://h/\"]}",
          "unknown member" },
        { "a string for an array", "{\"tags\":\"a\"}",
          "tags: is not an array" },
        { "null for an array", "{\"hosts\":null}", "hosts: is not an array" },
        { "a number", "{\"tags\":[\"a\",1]}", "tags[1]: is not a string" },
        { "an object", "{\"urls\":[{\"url\":\"https://h/\"}]}",
          "urls[0]: is not a string" },

        { "everything false", "{\"everything\":false}",
          "everything: can only be true" },
        { "everything as text", "{\"everything\":\"true\"}",
          "everything: can only be true" },
        { "everything and tags", "{\"everything\":true,\"tags\":[\"a\"]}",
          "everything: can't be combined with another member" },
        { "everything and nothing", "{\"tags\":[],\"everything\":true}",
          "everything: can't be combined with another member" },
        { "everything and an unknown", "{\"everything\":true,\"x\":1}",
          "everything: can't be combined with another member" },

        { "an empty tag", "{\"tags\":[\"\"]}", "tags[0]: is empty" },
        { "a space", "{\"tags\":[\"a\",\"b\",\"c\",\"d e\"]}",
          "tags[3]: contains a space" },
        { "a comma", "{\"tags\":[\"a,b\"]}", "tags[0]: contains a comma" },
        { "a tab", "{\"tags\":[\"a\\tb\"]}",
          "tags[0]: contains a control character" },
        { "DEL", "{\"tags\":[\"a\\u007f\"]}",
          "tags[0]: contains a control character" },
        { "beyond ASCII", "{\"tags\":[\"\303\251\"]}",
          "tags[0]: contains a character outside ASCII" },

        { "a relative URL", "{\"urls\":[\"/a\"]}",
          "urls[0]: does not begin with https:// or http://" },
        { "another scheme", "{\"urls\":[\"ftp://h/\"]}",
          "urls[0]: does not begin with https:// or http://" },
        { "a scheme without a host", "{\"urls\":[\"https:/a\"]}",
          "urls[0]: does not begin with https:// or http://" },
        { "a bare host", "{\"urls\":[\"h.example/a\"]}",
          "urls[0]: does not begin with https:// or http://" },
        { "an empty host", "{\"urls\":[\"https:///a\"]}",
          "urls[0]: has no host" },
        { "a fragment", "{\"urls\":[\"https://h/#a\"]}",
          "urls[0]: has a fragment" },
        { "a user", "{\"urls\":[\"https://u@h/\"]}",
          "urls[0]: has a user name" },
        { "a space in a URL", "{\"urls\":[\"https://h/a b\"]}",
          "urls[0]: contains a space" },
        { "a raw letter", "{\"urls\":[\"https://h/\303\251\"]}",
          "urls[0]: contains a character outside ASCII" },
        { "a brace", "{\"urls\":[\"https://h/{a}\"]}",
          "urls[0]: contains a character that must be percent-encoded" },
        { "an empty port", "{\"urls\":[\"https://h:/\"]}",
          "urls[0]: has a malformed port" },
        { "port 0", "{\"urls\":[\"https://h:0/\"]}",
          "urls[0]: has a malformed port" },
        { "port 65536", "{\"urls\":[\"https://h:65536/\"]}",
          "urls[0]: has a malformed port" },
        { "an IPv6 address", "{\"urls\":[\"https://[::1]/\"]}",
          "urls[0]: has a malformed host name" },
        { "a wildcard", "{\"urls\":[\"https://*.h/\"]}",
          "urls[0]: has a malformed host name" },

        { "a prefix with a scheme", "{\"prefixes\":[\"https://h/\"]}",
          "prefixes[0]: has a scheme" },
        { "a prefix with a query", "{\"prefixes\":[\"h/?a\"]}",
          "prefixes[0]: has a query" },
        { "a prefix with a fragment", "{\"prefixes\":[\"h/#a\"]}",
          "prefixes[0]: has a fragment" },
        { "a prefix with a port", "{\"prefixes\":[\"h:80/\"]}",
          "prefixes[0]: has a port" },
        { "a prefix without a host", "{\"prefixes\":[\"/a\"]}",
          "prefixes[0]: has no host" },
        { "a prefix of 32 slashes", "{\"prefixes\":[\"" SLASHES_31 "/\"]}",
          "prefixes[0]: has more than 31 \"/\"" },

        { "a host with a port", "{\"hosts\":[\"h:443\"]}",
          "hosts[0]: has a port" },
        { "a host with a path", "{\"hosts\":[\"h/\"]}",
          "hosts[0]: has a malformed host name" },
        { "a dot first", "{\"hosts\":[\".h\"]}",
          "hosts[0]: has a malformed host name" },
        { "a dot last", "{\"hosts\":[\"h.\"]}",
          "hosts[0]: has a malformed host name" },
        { "a hyphen first", "{\"hosts\":[\"-h\"]}",
          "hosts[0]: has a malformed host name" },
        { "a hyphen last", "{\"hosts\":[\"a.h-\"]}",
          "hosts[0]: has a malformed host name" },
        { "a label of 64", "{\"hosts\":[\"" LABEL_63 "a\"]}",
          "hosts[0]: has a malformed host name" },
        { "a host of 254",
          "{\"hosts\":[\"" LABEL_63 "." LABEL_63 "." LABEL_63 "."
          LABEL_61 "a\"]}", "hosts[0]: is too long" },
        { "a URL whose host has 254",
          "{\"urls\":[\"https://" LABEL_63 "." LABEL_63 "." LABEL_63 "."
          LABEL_61 "a/\"]}", "urls[0]: has a host name that is too long" },

        { "the last of many is bad",
          "{\"urls\":[\"https://h/\"],\"tags\":[\"a\"],"
          "\"hosts\":[\"h\",\"\"]}", "hosts[1]: is empty" },
    };

    int            rc;
    char           why[256];
    list_t         list;
    size_t         i;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&list, 0, sizeof(list_t));
        rc = content_purge_parse(content_cstr(rows[i].json), collect, &list,
                                 why, sizeof(why));

        if (rc != CONTENT_ERROR
            || strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
        {
            fail_msg("%s: %d \"%s\"", rows[i].name, rc, why);
        }

        if (list.n != 0) {
            fail_msg("%s: %u items were given", rows[i].name, list.n);
        }
    }
}


/* {"tags":["aaa...", ...]}: n tags of len bytes */

static content_str_t
many_tags(char *buf, size_t size, const char *member, const char *head,
    unsigned n, size_t len)
{
    unsigned       i;
    size_t         k;
    content_out_t  out;

    content_out_init(&out, buf, size);
    content_out_text(&out, "{\"");
    content_out_text(&out, member);
    content_out_text(&out, "\":[");

    for (i = 0; i < n; i++) {
        content_out_text(&out, i ? ",\"" : "\"");
        content_out_text(&out, head);

        for (k = strlen(head); k < len; k++) {
            content_out_char(&out, 'a');
        }

        content_out_char(&out, '"');
    }

    content_out_text(&out, "]}");
    assert_false(out.overflow);

    return content_out_done(&out);
}


static void
bounds(void **state)
{
    static const struct {
        const char  *name, *member, *head;
        unsigned     n;
        size_t       len;
        const char  *why;
    } rows[] = {
        { "10,000 items", "tags", "", 10000, 1, "" },
        { "10,001 items", "tags", "", 10001, 1,
          "10001 items, at most 10000 are allowed" },
        { "a tag of 1,024", "tags", "", 1, 1024, "" },
        { "a tag of 1,025", "tags", "", 1, 1025, "tags[0]: is too long" },
        { "a URL of 4,096", "urls", "https://h/", 1, 4096, "" },
        { "a URL of 4,097", "urls", "https://h/", 1, 4097,
          "urls[0]: is too long" },
        { "a prefix of 4,097", "prefixes", "h/", 1, 4097,
          "prefixes[0]: is too long" },
    };

    static char    buf[65536];

    int            rc;
    char           why[256];
    list_t         list;
    size_t         i;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&list, 0, sizeof(list_t));
        rc = content_purge_parse(many_tags(buf, sizeof(buf), rows[i].member,
                                           rows[i].head, rows[i].n,
                                           rows[i].len),
                                 collect, &list, why, sizeof(why));

        if (strcmp(why, rows[i].why) != 0
            || rc != (rows[i].why[0] ? CONTENT_ERROR : CONTENT_OK)
            || list.n != (rows[i].why[0] ? 0 : rows[i].n))
        {
            fail_msg("%s: %d \"%s\" %u", rows[i].name, rc, why, list.n);
        }
    }
}


static void
callback_stops(void **state)
{
    char    why[64];
    list_t  list;

    (void) state;

    memset(&list, 0, sizeof(list_t));
    list.stop_at = 2;

    assert_int_equal(content_purge_parse(
        content_cstr("{\"tags\":[\"a\",\"b\",\"c\"]}"), collect, &list, why,
        sizeof(why)), CONTENT_OVERFLOW);
    assert_int_equal(list.n, 1);
    assert_string_equal(why, "");
}


static void
short_why(void **state)
{
    char    why[8] = "xxxxxxx";
    list_t  list;

    (void) state;

    memset(&list, 0, sizeof(list_t));

    assert_int_equal(content_purge_parse(content_cstr("{\"tags\":[1]}"),
                                         collect, &list, why, 6),
                     CONTENT_ERROR);
    assert_string_equal(why, "tags[");
    assert_int_equal(why[6], 'x');

    assert_int_equal(content_purge_parse(content_cstr("{}"), collect, &list,
                                         NULL, 0), CONTENT_ERROR);
}


static void
body(void **state)
{
    static content_str_t  values[] = {
        content_string("a"), content_string("b\"\\")
    };

    static const struct {
        const char            *name;
        content_purge_kind_t   kind;
        unsigned               n;
        const char            *json;
    } rows[] = {
        { "URLs", CONTENT_PURGE_URL, 2, "{\"files\":[\"a\",\"b\\\"\\\\\"]}" },
        { "tags", CONTENT_PURGE_TAG, 2, "{\"tags\":[\"a\",\"b\\\"\\\\\"]}" },
        { "prefixes", CONTENT_PURGE_PREFIX, 1, "{\"prefixes\":[\"a\"]}" },
        { "hosts", CONTENT_PURGE_HOST, 1, "{\"hosts\":[\"a\"]}" },
        { "everything", CONTENT_PURGE_EVERYTHING, 0,
          "{\"purge_everything\":true}" },
    };

    char           buf[64];
    size_t         i, len, size;
    content_out_t  out;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        len = strlen(rows[i].json);

        for (size = 0; size <= len; size++) {
            content_out_init(&out, buf, size);

            if (content_purge_body(&out, rows[i].kind, values, rows[i].n)
                != (size < len ? CONTENT_OVERFLOW : CONTENT_OK))
            {
                fail_msg("%s in %zu bytes", rows[i].name, size);
            }
        }

        if (!content_str_eq(content_out_done(&out),
                            content_cstr(rows[i].json)))
        {
            fail_msg("%s: %.*s", rows[i].name,
                     (int) content_out_done(&out).len, buf);
        }
    }

    content_out_init(&out, buf, sizeof(buf));
    assert_int_equal(content_purge_body(&out, CONTENT_PURGE_TAG, values, 0),
                     CONTENT_ERROR);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(bounds),
        cmocka_unit_test(callback_stops),
        cmocka_unit_test(short_why),
        cmocka_unit_test(body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
