/* Jobs of purges: src/lib/content_purge_job.h. */

#include "lib/content_purge_job.h"
#include "rows.h"


#define ID  "000102030405060708090a0b0c0d0eff"

static const unsigned char  id[16] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255
};


static void
job(void **state)
{
    static const struct {
        const char             *name;
        content_purge_state_t   state;
        const char             *error;
        int64_t                 finished;
        const char             *json;
    } rows[] = {
        { "queued", CONTENT_PURGE_QUEUED, "", 0,
          "{\"id\":\"" ID "\",\"state\":\"queued\",\"items\":5,\"done\":3,"
          "\"failed\":1,\"attempts\":2,\"error\":null,"
          "\"created\":1795341600,\"finished\":null}" },
        { "running", CONTENT_PURGE_RUNNING, "429 \"slow\"\n", 0,
          "{\"id\":\"" ID "\",\"state\":\"running\",\"items\":5,\"done\":3,"
          "\"failed\":1,\"attempts\":2,\"error\":\"429 \\\"slow\\\"\\u000a\","
          "\"created\":1795341600,\"finished\":null}" },
        { "done", CONTENT_PURGE_DONE, "", 1795341660,
          "{\"id\":\"" ID "\",\"state\":\"done\",\"items\":5,\"done\":3,"
          "\"failed\":1,\"attempts\":2,\"error\":null,"
          "\"created\":1795341600,\"finished\":1795341660}" },
        { "failed", CONTENT_PURGE_FAILED, "x", 1795341660,
          "{\"id\":\"" ID "\",\"state\":\"failed\",\"items\":5,\"done\":3,"
          "\"failed\":1,\"attempts\":2,\"error\":\"x\","
          "\"created\":1795341600,\"finished\":1795341660}" },
    };

    char                 buf[512];
    size_t               i, len;
    content_out_t        out;
    content_purge_job_t  one;

    (void) state;

    memset(&one, 0, sizeof(content_purge_job_t));
    memcpy(one.id, id, sizeof(id));
    one.items = 5;
    one.done = 3;
    one.failed = 1;
    one.attempts = 2;
    one.created = 1795341600;

    for (i = 0; i < ROWS(rows); i++) {
        one.state = rows[i].state;
        one.error = content_cstr(rows[i].error);
        one.finished = rows[i].finished;
        len = strlen(rows[i].json);

        content_out_init(&out, buf, len - 1);
        assert_int_equal(content_purge_job_write(&out, &one),
                         CONTENT_OVERFLOW);

        content_out_init(&out, buf, len);
        assert_int_equal(content_purge_job_write(&out, &one), CONTENT_OK);

        if (memcmp(buf, rows[i].json, len) != 0) {
            fail_msg("%s: %.*s", rows[i].name, (int) len, buf);
        }
    }
}


static void
ids(void **state)
{
    static const struct {
        const char  *name, *text;
        int          rc;
    } rows[] = {
        { "an id", ID, CONTENT_OK },
        { "empty", "", CONTENT_ERROR },
        { "a digit short", "000102030405060708090a0b0c0d0ef", CONTENT_ERROR },
        { "a digit too many", ID "0", CONTENT_ERROR },
        { "upper case", "000102030405060708090A0B0C0D0EFF", CONTENT_ERROR },
        { "no hex", "000102030405060708090a0b0c0d0efg", CONTENT_ERROR },
        { "a slash", "000102030405060708090a0b0c0d0e/f", CONTENT_ERROR },
    };

    char           buf[32];
    size_t         i;
    content_out_t  out;
    unsigned char  got[16];

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_purge_id_parse(content_cstr(rows[i].text), got)
            != rows[i].rc)
        {
            fail_msg("%s", rows[i].name);
        }
    }

    assert_int_equal(content_purge_id_parse(content_cstr(ID), got), 0);
    assert_memory_equal(got, id, 16);

    content_out_init(&out, buf, sizeof(buf));
    content_purge_id_write(&out, id);
    assert_memory_equal(buf, ID, 32);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(job),
        cmocka_unit_test(ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
