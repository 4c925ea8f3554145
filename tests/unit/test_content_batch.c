/*
 * The body of POST /-/delete.
 */

#include <stdio.h>

#include "lib/content_batch.h"
#include "rows.h"


static char  taken[65536];


static int
take(void *data, content_str_t key)
{
    (void) data;

    strncat(taken, (char *) key.data, key.len);
    strcat(taken, "|");

    return content_str_eq(key, content_cstr("stop")) ? -7 : CONTENT_OK;
}


static void
parse(void **state)
{
    int     rc;
    char    why[256];
    size_t  i;

    static const struct {
        const char  *json;
        int          rc;
        const char  *keys, *why;
    } rows[] = {
        { "{\"keys\":[\"a\"]}", CONTENT_OK, "a|", "" },
        { " {\"keys\": [\"b/c\", \"a b\", \"caf\\u00e9\", \"/\"]} ",
          CONTENT_OK, "b/c|a b|caf\xc3\xa9|/|", "" },
        { "{\"keys\":[\"a\",\"stop\",\"b\"]}", -7, "a|stop|", "" },
        { "", CONTENT_ERROR, "", "malformed JSON" },
        { "{\"keys\":[\"a\"]} x", CONTENT_ERROR, "", "malformed JSON" },
        { "{\"keys\":[\"a\"],\"keys\":[]}", CONTENT_ERROR, "", "malformed" },
        { "{\"keys\":[\"a\\ud800\"]}", CONTENT_ERROR, "", "malformed" },
        { "[\"a\"]", CONTENT_ERROR, "", "member keys" },
        { "{}", CONTENT_ERROR, "", "member keys" },
        { "{\"keys\":\"a\"}", CONTENT_ERROR, "", "member keys" },
        { "{\"keys\":[\"a\"],\"prefix\":\"b\"}", CONTENT_ERROR, "",
          "member keys" },
        { "{\"keys\":[]}", CONTENT_ERROR, "", "0 keys" },
        { "{\"keys\":[\"a\",1]}", CONTENT_ERROR, "", "keys[1]: is not a" },
        { "{\"keys\":[\"a\",\"b\",\"a\"]}", CONTENT_ERROR, "",
          "keys[2]: is named twice" },
        { "{\"keys\":[\"\"]}", CONTENT_ERROR, "", "keys[0]" },
        { "{\"keys\":[\"a\",\"../b\"]}", CONTENT_ERROR, "", "keys[1]" },
        { "{\"keys\":[\"a\\u0000b\"]}", CONTENT_ERROR, "", "" },
        { "{\"keys\":[\"a\\nb\"]}", CONTENT_ERROR, "", "keys[0]" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        taken[0] = '\0';

        rc = content_batch_parse(content_cstr(rows[i].json), take, NULL, why,
                                 sizeof(why));

        if (rc != rows[i].rc || strcmp(taken, rows[i].keys) != 0
            || strstr(why, rows[i].why) == NULL
            || (rc == CONTENT_ERROR && why[0] == '\0'))
        {
            fail_msg("%s: %d, %s, %s", rows[i].json, rc, taken, why);
        }
    }
}


/* The most that is taken, and one more. */

static void
limit(void **state)
{
    int     n, rc;
    char    why[256];
    size_t  len, i;

    static char  json[65536];

    (void) state;

    for (n = CONTENT_BATCH_KEYS_MAX; n <= CONTENT_BATCH_KEYS_MAX + 1; n++) {
        taken[0] = '\0';
        len = (size_t) sprintf(json, "{\"keys\":[\"k\"");

        for (i = 1; i < (size_t) n; i++) {
            len += (size_t) sprintf(json + len, ",\"k%zu\"", i);
        }

        sprintf(json + len, "]}");

        rc = content_batch_parse(content_cstr(json), take, NULL, why,
                                 sizeof(why));
        assert_int_equal(rc, n > CONTENT_BATCH_KEYS_MAX ? CONTENT_ERROR
                                                        : CONTENT_OK);
        assert_int_equal(taken[0] == '\0', n > CONTENT_BATCH_KEYS_MAX);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(parse),
        cmocka_unit_test(limit)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
