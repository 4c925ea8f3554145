/*
 * The XML of DeleteObjects.
 */

#include "lib/content_s3delete.h"
#include "rows.h"


#define XMLNS  " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""


static char  told[1024];


static void
requests(void **state)
{
    unsigned char  buf[512];
    content_out_t  out;

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_s3delete_begin(&out);
    content_s3delete_key(&out, content_cstr("a&<>\"'b"));
    content_s3delete_key(&out, content_cstr("caf\xc3\xa9"));
    content_s3delete_end(&out);

    assert_true(content_str_eq(content_out_done(&out), content_cstr(
        "<Delete" XMLNS "><Object><Key>a&amp;&lt;&gt;&quot;'b</Key></Object>"
        "<Object><Key>caf\xc3\xa9</Key></Object></Delete>")));
}


static void
sayable(void **state)
{
    size_t  i;

    static const struct {
        const char  *key;
        int          sayable;
    } rows[] = {
        { "a", 1 }, { "a b", 1 }, { " a", 0 }, { "a ", 0 }, { " ", 0 },
        { "", 0 }, { "a\xef\xbf\xbf", 0 }, { "\xef\xbf\xbe" "b", 0 },
        { "\xef\xbf\xbd", 1 }, { "\xef\xbe\xbf", 1 },
        { "\xf4\x8f\xbf\xbf", 1 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_s3delete_sayable(content_cstr(rows[i].key))
            != rows[i].sayable)
        {
            fail_msg("%s", rows[i].key);
        }
    }
}


static int
tell(void *data, content_str_t key, content_str_t code)
{
    (void) data;

    strncat(told, (char *) key.data, key.len);
    strcat(told, "=");

    if (code.len) {
        strncat(told, (char *) code.data, code.len);
    }

    strcat(told, "|");

    return content_str_eq(key, content_cstr("stop")) ? -7 : CONTENT_OK;
}


static void
results(void **state)
{
    int     rc;
    size_t  i;

    static const struct {
        const char  *body;
        int          rc;
        const char  *told;
    } rows[] = {
        { "<DeleteResult" XMLNS "><Deleted><Key>a&amp;b</Key></Deleted>"
          "<Error><Code>AccessDenied</Code><Key>c</Key><Message>no</Message>"
          "</Error><Deleted><Key>d</Key><DeleteMarker>true</DeleteMarker>"
          "<DeleteMarkerVersionId>x</DeleteMarkerVersionId></Deleted>"
          "</DeleteResult>", CONTENT_OK, "a&b=|c=AccessDenied|d=|" },
        { "<DeleteResult/>", CONTENT_OK, "" },
        { "<DeleteResult><Error><Key>a</Key></Error></DeleteResult>",
          CONTENT_OK, "a=without a code|" },
        { "<DeleteResult><Deleted><Key>stop</Key></Deleted><Deleted>"
          "<Key>b</Key></Deleted></DeleteResult>", -7, "stop=|" },
        { "<DeleteResult><Deleted></Deleted></DeleteResult>", CONTENT_ERROR,
          "" },
        { "<DeleteResult><Deleted><Key>a</Key></Deleted>", CONTENT_ERROR,
          "" },
        { "<Error><Code>SlowDown</Code></Error>", CONTENT_ERROR, "" },
        { "<html/>", CONTENT_ERROR, "" },
        { "", CONTENT_ERROR, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        told[0] = '\0';
        rc = content_s3delete_results(content_cstr(rows[i].body), tell, NULL);

        if (rc != rows[i].rc || strcmp(told, rows[i].told) != 0) {
            fail_msg("%s: %d, %s", rows[i].body, rc, told);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(sayable),
        cmocka_unit_test(results)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
