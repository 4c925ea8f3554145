/*
 * The Destination header of COPY and MOVE.
 */

#include "lib/content_destination.h"
#include "lib/content_key.h"
#include "rows.h"


#define ELSEWHERE  CONTENT_DESTINATION_ELSEWHERE


static void
destinations(void **state)
{
    int             rc;
    size_t          i;
    const char     *why;
    content_out_t   key;
    unsigned char   buf[CONTENT_KEY_MAX];

    static const struct {
        const char  *value, *host;
        int          rc;
        const char  *key;
    } rows[] = {
        { "/a", "o.test", CONTENT_OK, "a" },
        { " /a/b \t", "o.test", CONTENT_OK, "a/b" },
        { "/a%20b+c", "o.test", CONTENT_OK, "a b+c" },
        { "/", "o.test", CONTENT_OK, "" },
        { "//x", "o.test", CONTENT_OK, "/x" },
        { "http://o.test/a", "o.test", CONTENT_OK, "a" },
        { "HTTPS://O.Test:8443/a%3Fb", "o.test", CONTENT_OK, "a?b" },
        { "http://o.test", "o.test", CONTENT_OK, "" },
        { "http://o.test//x/", "o.test", CONTENT_OK, "/x/" },
        { "http://[::1]:80/a", "[::1]", CONTENT_OK, "a" },
        { "http://[::1]/a", "[::1]", CONTENT_OK, "a" },
        { "http://other.test/a", "o.test", ELSEWHERE, "" },
        { "http://o.test.evil/a", "o.test", ELSEWHERE, "" },
        { "http://o.tes/a", "o.test", ELSEWHERE, "" },
        { "http://o.test/a", "", ELSEWHERE, "" },
        { "http://x@o.test/a", "o.test", CONTENT_ERROR, "" },
        { "http:///a", "o.test", CONTENT_ERROR, "" },
        { "http://", "o.test", CONTENT_ERROR, "" },
        { "ftp://o.test/a", "o.test", CONTENT_ERROR, "" },
        { "a", "o.test", CONTENT_ERROR, "" },
        { "", "o.test", CONTENT_ERROR, "" },
        { "/a?b", "o.test", CONTENT_ERROR, "" },
        { "/a#b", "o.test", CONTENT_ERROR, "" },
        { "http://o.test?b", "o.test", ELSEWHERE, "" },
        { "/a/../b", "o.test", CONTENT_ERROR, "" },
        { "/%ff", "o.test", CONTENT_ERROR, "" },
        { "/%0", "o.test", CONTENT_ERROR, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_out_init(&key, buf, sizeof(buf));
        why = NULL;

        rc = content_destination(content_cstr(rows[i].value),
                                 content_cstr(rows[i].host), &key, &why);

        if (rc != rows[i].rc || (rc == CONTENT_ERROR && why == NULL)
            || !content_str_eq(content_out_done(&key),
                               content_cstr(rows[i].key)))
        {
            fail_msg("%s: %d, %.*s", rows[i].value, rc,
                     (int) content_out_done(&key).len, buf);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(destinations)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
