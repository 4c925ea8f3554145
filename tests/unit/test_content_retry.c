/*
 * Which answers of S3 are worth another try, when, and signed how.
 */

#include "lib/content_retry.h"
#include "rows.h"


#define NOW         1700000000
#define HOUR        3600


#define ANY     CONTENT_REPEAT_ANY
#define ENDED   CONTENT_REPEAT_ENDED
#define UNDONE  CONTENT_REPEAT_UNDONE

static void
test_decide(void **state)
{
    size_t                  i;
    int64_t                 delay;
    content_retry_e         verdict;
    content_retry_state_t   sent;
    content_retry_answer_t  answer;

    static const struct {
        const char       *name;
        unsigned          status;
        const char       *code;
        content_repeat_e  repeat;
        unsigned          unsent;
        content_retry_e   expected;
    } rows[] = {
        { "slow down",      503, "SlowDown",           ANY, 0, CONTENT_RETRY_WAIT },
        { "once, slow",     503, "SlowDown",           UNDONE, 0, CONTENT_RETRY_WAIT },
        { "429",            429, "TooManyRequests",    UNDONE, 0, CONTENT_RETRY_WAIT },
        { "429, no code",   429, "",                   ANY, 0, CONTENT_RETRY_WAIT },
        { "503, no code",   503, "",                   ANY, 0, CONTENT_RETRY_WAIT },
        { "once, balancer", 503, "",                   UNDONE, 0, CONTENT_RETRY_NO },
        { "500",            500, "InternalError",      ANY, 0, CONTENT_RETRY_WAIT },
        { "once, 500",      500, "InternalError",      UNDONE, 0, CONTENT_RETRY_NO },
        { "write, 500",     500, "InternalError",      ENDED, 0, CONTENT_RETRY_WAIT },
        { "write, slow",    503, "SlowDown",           ENDED, 0, CONTENT_RETRY_WAIT },
        { "write, cut",       0, "",                   ENDED, 0, CONTENT_RETRY_NO },
        { "write, unsent",    0, "",                   ENDED, 1, CONTENT_RETRY_WAIT },
        { "write, balancer", 504, "",                  ENDED, 0, CONTENT_RETRY_NO },
        { "502",            502, "",                   ANY, 0, CONTENT_RETRY_WAIT },
        { "504",            504, "",                   ANY, 0, CONTENT_RETRY_WAIT },
        { "a slow body",    400, "RequestTimeout",     UNDONE, 0, CONTENT_RETRY_WAIT },
        { "cut",              0, "",                   ANY, 0, CONTENT_RETRY_WAIT },
        { "once, cut",        0, "",                   UNDONE, 0, CONTENT_RETRY_NO },
        { "unsent",           0, "",                   UNDONE, 1, CONTENT_RETRY_WAIT },
        { "not found",      404, "NoSuchKey",          ANY, 0, CONTENT_RETRY_NO },
        { "no bucket",      404, "NoSuchBucket",       ANY, 0, CONTENT_RETRY_NO },
        { "denied",         403, "AccessDenied",       ANY, 0, CONTENT_RETRY_NO },
        { "refused",        412, "PreconditionFailed", ANY, 0, CONTENT_RETRY_NO },
        { "no such thing",  501, "NotImplemented",     ANY, 0, CONTENT_RETRY_NO },
        { "full",           507, "",                   ANY, 0, CONTENT_RETRY_NO },
        { "success",        200, "",                   ANY, 0, CONTENT_RETRY_NO },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&sent, 0, sizeof(sent));
        sent.tries = 1;
        sent.tries_max = 3;
        sent.deadline = 10000;
        sent.repeat = rows[i].repeat;

        memset(&answer, 0, sizeof(answer));
        answer.status = rows[i].status;
        answer.code = content_cstr(rows[i].code);
        answer.date = -1;
        answer.retry_after = -1;
        answer.unsent = rows[i].unsent;

        verdict = content_retry_decide(&sent, &answer, 7, &delay);

        if (verdict != rows[i].expected) {
            fail_msg("%s: %d", rows[i].name, verdict);
        }
    }
}


static void
test_limits(void **state)
{
    size_t                  i;
    int64_t                 delay;
    content_retry_state_t   sent;
    content_retry_answer_t  answer;

    static const struct {
        const char  *name;
        unsigned     tries;
        int64_t      elapsed;
        int64_t      retry_after;
        uint32_t     random;
        int64_t      delay;                /* -1: no more */
    } rows[] = {
        { "at once",               1,    0,    -1,          0,     0 },
        { "all of the first",      1,    0,    -1,        100,   100 },
        { "no more than that",     1,    0,    -1,        101,     0 },
        { "all of the second",     2,    0,    -1,        200,   200 },
        { "as it was asked to",    1,    0,  2000,         50,  2000 },
        { "longer than asked to",  1,    0,    10,         50,    50 },
        { "asked beyond the end",  1,    0, 10000,         50,    -1 },
        { "just before the end",   1, 9950,    -1,         49,    49 },
        { "at the end",            1, 9950,    -1,         50,    -1 },
        { "tries are used up",     3,    0,    -1,          0,    -1 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&sent, 0, sizeof(sent));
        sent.tries = rows[i].tries;
        sent.tries_max = 3;
        sent.elapsed = rows[i].elapsed;
        sent.deadline = 10000;

        memset(&answer, 0, sizeof(answer));
        answer.status = 503;
        answer.date = -1;
        answer.retry_after = rows[i].retry_after;

        delay = -1;
        (void) content_retry_decide(&sent, &answer, rows[i].random, &delay);

        if (delay != rows[i].delay) {
            fail_msg("%s: %ld", rows[i].name, (long) delay);
        }
    }

    assert_int_equal(content_retry_limit(1), CONTENT_RETRY_BASE);
    assert_int_equal(content_retry_limit(3), 4 * CONTENT_RETRY_BASE);
    assert_int_equal(content_retry_limit(1000), CONTENT_RETRY_CAP);
}


static void
test_signed_anew(void **state)
{
    size_t                  i;
    int64_t                 delay;
    content_retry_e         verdict;
    content_retry_state_t   sent;
    content_retry_answer_t  answer;

    static const struct {
        const char       *name;
        unsigned          status;
        const char       *code;
        int64_t           date;
        const char       *region;
        unsigned          before;          /* it was signed anew already */
        content_retry_e   expected;
    } rows[] = {
        { "late", 403, "RequestTimeTooSkewed", NOW + HOUR, "", 0,
          CONTENT_RETRY_CLOCK },
        { "early", 403, "RequestTimeTooSkewed", NOW - HOUR, "", 0,
          CONTENT_RETRY_CLOCK },
        { "twice", 403, "RequestTimeTooSkewed", NOW - HOUR, "", 1,
          CONTENT_RETRY_NO },
        { "not at all", 403, "RequestTimeTooSkewed", NOW + 1, "", 0,
          CONTENT_RETRY_NO },
        { "no Date", 403, "RequestTimeTooSkewed", -1, "", 0,
          CONTENT_RETRY_NO },
        { "of a HEAD", 403, "", NOW + HOUR, "", 0, CONTENT_RETRY_CLOCK },
        { "of a HEAD, a little", 403, "", NOW + 60, "", 0, CONTENT_RETRY_NO },
        { "another refusal", 403, "AccessDenied", NOW + HOUR, "", 0,
          CONTENT_RETRY_NO },
        { "elsewhere", 301, "PermanentRedirect", NOW, "eu-west-1", 0,
          CONTENT_RETRY_REGION },
        { "for a while", 307, "TemporaryRedirect", NOW, "eu-west-1", 0,
          CONTENT_RETRY_REGION },
        { "wrongly signed", 400, "AuthorizationHeaderMalformed", NOW,
          "eu-west-1", 0, CONTENT_RETRY_REGION },
        { "of a HEAD, elsewhere", 400, "", NOW, "eu-west-1", 0,
          CONTENT_RETRY_REGION },
        { "elsewhere again", 301, "PermanentRedirect", NOW, "eu-west-1", 1,
          CONTENT_RETRY_NO },
        { "elsewhere, but here", 301, "PermanentRedirect", NOW, "us-east-1",
          0, CONTENT_RETRY_NO },
        { "nobody knows where", 301, "PermanentRedirect", NOW, "", 0,
          CONTENT_RETRY_NO },
        { "an answer that tells it", 404, "NoSuchKey", NOW, "eu-west-1", 0,
          CONTENT_RETRY_NO },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&sent, 0, sizeof(sent));
        sent.tries = 3;                    /* they need none */
        sent.tries_max = 3;
        sent.deadline = 10000;
        sent.signed_at = NOW;
        sent.region = content_cstr("us-east-1");
        sent.clocked = rows[i].before;
        sent.moved = rows[i].before;

        memset(&answer, 0, sizeof(answer));
        answer.status = rows[i].status;
        answer.code = content_cstr(rows[i].code);
        answer.region = content_cstr(rows[i].region);
        answer.date = rows[i].date;
        answer.retry_after = -1;

        verdict = content_retry_decide(&sent, &answer, 7, &delay);

        if (verdict != rows[i].expected) {
            fail_msg("%s: %d", rows[i].name, verdict);
        }
    }
}


static void
test_after(void **state)
{
    size_t  i;

    static const struct {
        const char  *value;
        int64_t      time;
        int64_t      expected;
    } rows[] = {
        { "0",          -1,       0 },
        { "3",          -1,       3000 },
        { "9999999999", -1,       86400000 },
        { "-1",         -1,       -1 },
        { "soon",       -1,       -1 },
        { "",           -1,       -1 },
        { "a date",     NOW + 5,  5000 },
        { "a date",     NOW - 5,  0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(content_retry_after(content_cstr(rows[i].value),
                                             rows[i].time, NOW),
                         rows[i].expected);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_decide),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_signed_anew),
        cmocka_unit_test(test_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
