/*
 * Cloudflare's answers.  An input: the status of HTTP, Retry-After, the body.
 */

#include <jansson.h>

#include "fuzz.h"
#include "lib/content_cloudflare.h"
#include "lib/content_purge_job.h"


/* It goes to the log, and to editors as JSON. */

static void
check_message(const content_cloudflare_answer_t *answer)
{
    size_t                len;
    json_t               *root;
    const char           *p, *token;
    content_out_t         out;
    content_str_t         text;
    content_purge_job_t   job;

    token = "Bearer ***";
    len = strlen(token);

    for (p = answer->message; *p; p++) {
        HOLDS((unsigned char) *p >= 0x20 && *p != 0x7f);
        HOLDS((unsigned char) *p != 0xc2 || (unsigned char) p[1] >= 0xa0);
        text.data = (unsigned char *) p;
        text.len = 7;
        HOLDS(strlen(p) < len
              || !content_str_eq_case(text, content_cstr("bearer "))
              || strncmp(p, token, len) == 0);
    }

    memset(&job, 0, sizeof(job));
    job.error = content_cstr(answer->message);

    out = fuzz_out(1024);
    HOLDS(content_purge_job_write(&out, &job) == CONTENT_OK);

    text = content_out_done(&out);
    root = json_loadb((char *) text.data, text.len, 0, NULL);
    HOLDS(root != NULL);
    p = json_string_value(json_object_get(root, "error"));
    HOLDS(strcmp(p ? p : "", answer->message) == 0);
    json_decref(root);
}


void
fuzz_one(content_str_t input)
{
    int64_t                      status;
    content_str_t                digits, retry_after;
    content_cloudflare_answer_t  answer;

    digits = fuzz_line(&input);
    retry_after = fuzz_line(&input);

    if (content_str_uint(digits, &status) != CONTENT_OK || status > 999) {
        status = 200;
    }

    content_cloudflare_answer((int) status, fuzz_copy(input), retry_after,
                              &answer);

    HOLDS(memchr(answer.message, '\0', sizeof(answer.message)) != NULL);
    HOLDS(answer.status == (int) status);
    HOLDS(answer.after <= CONTENT_CLOUDFLARE_WAIT_MAX);
    HOLDS(answer.verdict != CONTENT_CLOUDFLARE_DONE
          || (status >= 200 && status < 300 && answer.message[0] == '\0'));
    HOLDS(answer.verdict == CONTENT_CLOUDFLARE_DONE || answer.message[0]);
    HOLDS(!answer.limited || answer.after > 0);
    check_message(&answer);
}


void
fuzz_seeds(void)
{
    fuzz_text("200\n\n{\"success\":true,\"errors\":[],\"result\":{}}");
    fuzz_text("200\n\n{\"success\":false,\"errors\":[{\"code\":1016,"
              "\"message\":\"Unable to purge \\u00e9 Bearer abc\"},"
              "{\"code\":1134,\"message\":\"\\u0007\"}]}");
    fuzz_text("429\n30\n");
    fuzz_text("403\n\n{\"errors\":[{\"code\":10000}],\"success\":false}");
    fuzz_text("500\n99999\n<html>");
}
