/* Cloudflare's purge API: src/lib/content_cloudflare.h. */

#include "lib/content_cloudflare.h"
#include "rows.h"


#define OK_BODY                                                              \
    "{\"errors\":[],\"messages\":[],\"result\":"                             \
    "{\"id\":\"023e105f4ecef8ad9ca31a8372d0c353\"},\"success\":true}"

#define FAILED(errors)                                                       \
    "{\"success\":false,\"errors\":[" errors "],\"messages\":[],"            \
    "\"result\":null}"

#define ERROR(code, message)                                                 \
    "{\"code\":" code ",\"message\":\"" message "\"}"

#define DONE      CONTENT_CLOUDFLARE_DONE
#define RETRY     CONTENT_CLOUDFLARE_RETRY
#define REJECTED  CONTENT_CLOUDFLARE_REJECTED
#define PARTIAL   CONTENT_CLOUDFLARE_PARTIAL
#define AUTH      CONTENT_CLOUDFLARE_AUTH


static void
answers(void **state)
{
    static const struct {
        const char                    *name;
        int                            status;
        const char                    *body, *retry_after;
        content_cloudflare_verdict_t   verdict;
        unsigned                       after, limited, split;
        int64_t                        code;
        const char                    *message;
    } rows[] = {
        { "taken", 200, OK_BODY, "", DONE, 0, 0, 0, 0, "" },
        { "taken, 202", 202, OK_BODY, "", DONE, 0, 0, 0, 0, "" },

        { "no answer", 0, "", "", RETRY, 0, 0, 0, 0, "no answer" },
        { "no answer, a body left over", 0, FAILED(ERROR("1", "x")), "",
          RETRY, 0, 0, 0, 0, "no answer" },
        { "200 without a body", 200, "", "", RETRY, 0, 0, 0, 0,
          "HTTP 200 without a readable error" },
        { "200 with HTML", 200, "<html>", "", RETRY, 0, 0, 0, 0,
          "HTTP 200 without a readable error" },
        { "200 cut", 200, "{\"success\":true", "", RETRY, 0, 0, 0, 0,
          "HTTP 200 without a readable error" },
        { "200 with an array", 200, "[true]", "", RETRY, 0, 0, 0, 0,
          "HTTP 200 without a readable error" },
        { "200 without success", 200, "{\"errors\":[]}", "", RETRY, 0, 0, 0,
          0, "HTTP 200 without a readable error" },
        { "success as text", 200, "{\"success\":\"true\"}", "", RETRY, 0, 0,
          0, 0, "HTTP 200 without a readable error" },
        { "a redirect", 301, OK_BODY, "", RETRY, 0, 0, 0, 0,
          "HTTP 301 without a readable error" },
        { "408", 408, "", "", RETRY, 0, 0, 0, 0,
          "HTTP 408 without a readable error" },
        { "409", 409, "", "", RETRY, 0, 0, 0, 0,
          "HTTP 409 without a readable error" },
        { "500", 500, FAILED(ERROR("1017", "Internal")), "", RETRY, 0, 0, 0,
          1017, "1017 Internal" },
        { "503 with Retry-After", 503, "<html>", "7", RETRY, 7, 0, 0, 0,
          "HTTP 503 without a readable error" },
        { "500 that says success", 500, OK_BODY, "", RETRY, 0, 0, 0, 0,
          "HTTP 500 without a readable error" },
        { "502 that names a token's code", 502,
          FAILED(ERROR("10000", "Auth down")), "", RETRY, 0, 0, 0, 10000,
          "10000 Auth down" },

        { "429", 429, FAILED(ERROR("1134", "Unable to purge, rate limit "
          "reached. Please wait")), "12", RETRY, 12, 1, 0, 1134,
          "1134 Unable to purge, rate limit reached. Please wait" },
        { "429 without Retry-After", 429, "", "", RETRY, 30, 1, 0, 0,
          "HTTP 429 without a readable error" },
        { "429 until a date", 429, "", "Fri, 31 Dec 2027 23:59:59 GMT",
          RETRY, 30, 1, 0, 0, "HTTP 429 without a readable error" },
        { "429 at once", 429, "", "0", RETRY, 1, 1, 0, 0,
          "HTTP 429 without a readable error" },
        { "429 negative", 429, "", "-5", RETRY, 30, 1, 0, 0,
          "HTTP 429 without a readable error" },
        { "429 spaces", 429, "", " 9 ", RETRY, 9, 1, 0, 0,
          "HTTP 429 without a readable error" },
        { "429 for a year", 429, "", "31536000", RETRY, 3600, 1, 0, 0,
          "HTTP 429 without a readable error" },
        { "429 for ever", 429, "", "99999999999999999999", RETRY, 30, 1, 0,
          0, "HTTP 429 without a readable error" },
        { "the limit in a 200", 200, FAILED(ERROR("1134", "limit")), "",
          RETRY, 30, 1, 0, 1134, "1134 limit" },
        { "the limit in a 400", 400, FAILED(ERROR("1134", "limit")), "3",
          RETRY, 3, 1, 0, 1134, "1134 limit" },

        { "400", 400, FAILED(ERROR("1015", "Unable to purge x")), "",
          REJECTED, 0, 0, 1, 1015, "1015 Unable to purge x" },
        { "413", 413, "<html>", "", REJECTED, 0, 0, 1, 0,
          "HTTP 413 without a readable error" },
        { "no selector", 400, FAILED(ERROR("1012", "must contain")), "",
          REJECTED, 0, 0, 0, 1012, "1012 must contain" },
        { "not an array", 400, FAILED(ERROR("1014", "array")), "",
          REJECTED, 0, 0, 0, 1014, "1014 array" },
        { "mixed with everything", 400, FAILED(ERROR("1092", "cannot")), "",
          REJECTED, 0, 0, 0, 1092, "1092 cannot" },
        { "not of this plan", 400, FAILED(ERROR("1107", "Only enterprise")),
          "", REJECTED, 0, 0, 0, 1107, "1107 Only enterprise" },
        { "400 that says success", 400, OK_BODY, "", REJECTED, 0, 0, 1, 0,
          "HTTP 400 without a readable error" },

        { "some refused", 200, FAILED(ERROR("1015", "Unable to purge u") ","
          ERROR("1016", "Unable to purge any urls")), "", PARTIAL, 0, 0, 1,
          1015, "1015 Unable to purge u; 1016 Unable to purge any urls" },
        { "some refused, not said which", 200, FAILED(""), "", PARTIAL, 0, 0,
          1, 0, "HTTP 200 without a readable error" },
        { "errors of no known form", 200, FAILED("1,{\"x\":2},"
          "{\"code\":\"a\",\"message\":3}"), "", PARTIAL, 0, 0, 1, 0,
          "0 ; 0 " },

        { "401", 401, "", "", AUTH, 60, 0, 0, 0,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 401, code 0)" },
        { "403", 403, FAILED(ERROR("10000", "Authentication error")), "",
          AUTH, 60, 0, 0, 10000,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 403, code 10000)" },
        { "403 with HTML", 403, "<html>", "", AUTH, 60, 0, 0, 0,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 403, code 0)" },
        { "10000 in a 400", 400, FAILED(ERROR("10000", "x")), "", AUTH, 60,
          0, 0, 10000,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 400, code 10000)" },
        { "10000 in a 200", 200, FAILED(ERROR("10000", "x")), "", AUTH, 60,
          0, 0, 10000,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 200, code 10000)" },
        { "malformed token", 400, FAILED(ERROR("6003", "Invalid request "
          "headers")), "", AUTH, 60, 0, 0, 6003,
          "not authorised: check the API token, its Cache Purge permission "
          "and the zone id (HTTP 400, code 6003)" },
        { "no such zone", 400, FAILED(ERROR("7003", "Could not route")), "",
          AUTH, 60, 0, 0, 7003,
          "no such zone or API: check the zone id, the API's address and "
          "the purge action (HTTP 400, code 7003)" },
        { "404", 404, "<html>", "", AUTH, 60, 0, 0, 0,
          "no such zone or API: check the zone id, the API's address and "
          "the purge action (HTTP 404, code 0)" },
        { "405", 405, "", "", AUTH, 60, 0, 0, 0,
          "no such zone or API: check the zone id, the API's address and "
          "the purge action (HTTP 405, code 0)" },

        { "control characters", 500, FAILED(ERROR("1", "a\\nb\\u001b[0m"
          "\\u007f\303\251")), "", RETRY, 0, 0, 0, 1,
          "1 a b [0m \303\251" },
        { "an echoed header", 400, FAILED(ERROR("1", "Authorization: "
          "bearer s3cret bad") "," ERROR("2", "x")), "", REJECTED, 0, 0, 1,
          1, "1 Authorization: Bearer ***; 2 x" },
        { "C1 control characters", 500, FAILED(ERROR("1", "a\\u009b0m"
          "\\u0085\\u00a0")), "", RETRY, 0, 0, 0, 1, "1 a 0m \302\240" },
        { "an echoed header, other white space", 400, FAILED(ERROR("1",
          "Bearer\\ts3cret") "," ERROR("2", "bearer\\u0085s3cret") ","
          ERROR("3", "Bearers")), "", REJECTED, 0, 0, 1,
          1, "1 Bearer ***; 2 Bearer ***; 3 Bearers" },
    };

    size_t                       i;
    content_cloudflare_answer_t  a;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&a, 0x55, sizeof(content_cloudflare_answer_t));

        content_cloudflare_answer(rows[i].status,
                                  content_cstr(rows[i].body),
                                  content_cstr(rows[i].retry_after), &a);

        if (a.verdict != rows[i].verdict || a.after != rows[i].after
            || a.limited != rows[i].limited || a.split != rows[i].split
            || a.code != rows[i].code || a.status != rows[i].status
            || strcmp(a.message, rows[i].message) != 0)
        {
            fail_msg("%s: verdict %d after %u limited %u split %u code %d "
                     "\"%s\"", rows[i].name, a.verdict, a.after, a.limited,
                     a.split, (int) a.code, a.message);
        }
    }
}


/* A text of two-byte characters is cut between two of them. */

static void
long_message(void **state)
{
    char                         body[2048];
    unsigned                     i;
    content_out_t                out;
    content_cloudflare_answer_t  a;

    (void) state;

    content_out_init(&out, body, sizeof(body));
    content_out_text(&out, "{\"success\":false,\"errors\":[{\"code\":101,"
                           "\"message\":\"");

    for (i = 0; i < 400; i++) {
        content_out_text(&out, "\303\251");
    }

    content_out_text(&out, "\"},{\"code\":1016,\"message\":\"x\"}]}");

    content_cloudflare_answer(200, content_out_done(&out), content_cstr(""),
                              &a);

    assert_int_equal(a.verdict, PARTIAL);
    assert_int_equal(strlen(a.message), 4 + 250);
    assert_int_equal((unsigned char) a.message[253], 0xa9);
    assert_int_equal((unsigned char) a.message[252], 0xc3);
}


static void
plan(void **state)
{
    static const struct {
        const char  *name;
        unsigned     calls, period, bucket, items, urls, urls_per_call;
    } rows[] = {
        { "free", 5, 60000, 25, 100, 800, 100 },
        { "pro", 5, 1000, 25, 100, 1500, 100 },
        { "business", 10, 1000, 50, 100, 1500, 100 },
        { "enterprise", 50, 1000, 500, 100, 3000, 500 },
    };

    size_t                            i;
    const content_cloudflare_plan_t  *p;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        p = content_cloudflare_plan(content_cstr(rows[i].name));

        if (p == NULL || strcmp(p->name, rows[i].name) != 0
            || p->calls != rows[i].calls || p->period != rows[i].period
            || p->bucket != rows[i].bucket || p->items != rows[i].items
            || p->urls != rows[i].urls
            || p->urls_per_call != rows[i].urls_per_call)
        {
            fail_msg("%s", rows[i].name);
        }
    }

    assert_null(content_cloudflare_plan(content_cstr("Free")));
    assert_null(content_cloudflare_plan(content_cstr("")));
    assert_null(content_cloudflare_plan(content_cstr("enterprises")));
}


static void
backoff(void **state)
{
    static const struct {
        unsigned  attempt;
        uint32_t  random;
        unsigned  wait;
    } rows[] = {
        { 0, 0, 0 },           { 0, UINT32_MAX, 1000 },
        { 0, 1u << 31, 500 },  { 1, UINT32_MAX, 2000 },
        { 2, UINT32_MAX, 4000 }, { 5, UINT32_MAX, 32000 },
        { 6, UINT32_MAX, 60000 }, { 7, UINT32_MAX, 60000 },
        { 6, 0, 0 },           { 64, UINT32_MAX, 60000 },
        { UINT32_MAX, UINT32_MAX, 60000 }, { UINT32_MAX, 1u << 31, 30000 },
    };

    size_t  i;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (content_cloudflare_backoff(rows[i].attempt, rows[i].random)
            != rows[i].wait)
        {
            fail_msg("attempt %u, random %u: %u", rows[i].attempt,
                     rows[i].random,
                     content_cloudflare_backoff(rows[i].attempt,
                                                rows[i].random));
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(long_message),
        cmocka_unit_test(plan),
        cmocka_unit_test(backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
