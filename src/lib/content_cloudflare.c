/*
 * Cloudflare's purge API: see content_cloudflare.h.  The client of the purge
 * queue calls content_cloudflare_answer() once for each call it made; the
 * parsed JSON lives inside it only.
 */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lib/content_cloudflare.h"


#define BACKOFF_BASE    1000          /* milliseconds */
#define BACKOFF_MAX    60000

#define CODE_RATE       1134


static void read_body(json_t *root, content_cloudflare_answer_t *out);
static void judge(json_t *root, content_str_t retry_after,
    content_cloudflare_answer_t *out);
static void retry(content_str_t retry_after,
    content_cloudflare_answer_t *out);
static void operator_error(content_cloudflare_answer_t *out);
static void default_message(content_cloudflare_answer_t *out);
static void add_error(content_out_t *message, json_t *error);
static void add_text(content_out_t *message, content_str_t text);
static int is_bearer(content_str_t text);


static const content_cloudflare_plan_t  plans[] = {
    { "free",        5, 60000,  25, 100,  800, 100 },
    { "pro",         5,  1000,  25, 100, 1500, 100 },
    { "business",   10,  1000,  50, 100, 1500, 100 },
    { "enterprise", 50,  1000, 500, 100, 3000, 500 },
};


/*
 * The token or the zone id is at fault and no item is.  6003 comes with
 * HTTP 400 when the token's text is no token at all; 7000 and 7003 when the
 * zone id is none.
 */

static const int64_t  operator_codes[] = {
    10000, 6003, 6111, 9103, 9106, 9109, 7000, 7003
};


/*
 * The request as a whole is at fault: no selector, not an array, everything
 * mixed with others, a selector the plan has not.  Halves fare no better.
 */

static const int64_t  shape_codes[] = { 1012, 1014, 1092, 1107 };


#define count_of(array)  (sizeof(array) / sizeof(array[0]))


const content_cloudflare_plan_t *
content_cloudflare_plan(content_str_t name)
{
    size_t  i;

    for (i = 0; i < count_of(plans); i++) {
        if (content_str_eq(name, content_cstr(plans[i].name))) {
            return &plans[i];
        }
    }

    return NULL;
}


static int
listed(int64_t code, const int64_t *codes, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (codes[i] == code) {
            return 1;
        }
    }

    return 0;
}


void
content_cloudflare_answer(int http_status, content_str_t body,
    content_str_t retry_after, content_cloudflare_answer_t *out)
{
    json_t  *root;

    memset(out, 0, sizeof(content_cloudflare_answer_t));
    out->status = http_status;

    root = http_status && body.len
           ? json_loadb((const char *) body.data, body.len, 0, NULL) : NULL;

    read_body(root, out);
    judge(root, retry_after, out);
    json_decref(root);

    if (out->verdict == CONTENT_CLOUDFLARE_AUTH) {
        operator_error(out);

    } else if (out->message[0] == '\0') {
        default_message(out);
    }
}


/* The codes and texts of all errors, as far as they fit. */

static void
read_body(json_t *root, content_cloudflare_answer_t *out)
{
    size_t         i;
    json_t        *errors, *error;
    content_out_t  message;

    content_out_init(&message, out->message, sizeof(out->message) - 1);
    errors = json_object_get(root, "errors");

    json_array_foreach(errors, i, error) {

        if (i == 0) {
            out->code = json_integer_value(json_object_get(error, "code"));
        }

        add_error(&message, error);
    }

    *message.pos = '\0';
}


static void
judge(json_t *root, content_str_t retry_after,
    content_cloudflare_answer_t *out)
{
    json_t  *success;

    success = json_object_get(root, "success");

    if (out->status >= 200 && out->status < 300 && json_is_true(success)) {
        out->verdict = CONTENT_CLOUDFLARE_DONE;
        out->message[0] = '\0';
        return;
    }

    /* Before the codes: a server error's body may name any. */

    if (out->status < 200 || out->status >= 500) {
        retry(retry_after, out);
        return;
    }

    if (out->status == 429 || out->code == CODE_RATE) {
        out->limited = 1;
        retry(retry_after, out);
        return;
    }

    if (out->status == 401 || (out->status >= 403 && out->status <= 405)
        || listed(out->code, operator_codes, count_of(operator_codes)))
    {
        out->verdict = CONTENT_CLOUDFLARE_AUTH;
        out->after = CONTENT_CLOUDFLARE_AUTH_WAIT;
        return;
    }

    if (out->status < 300 && json_is_false(success)) {
        out->verdict = CONTENT_CLOUDFLARE_PARTIAL;
        out->split = 1;
        return;
    }

    /* 409 as Cloudflare's own SDKs do. */

    if (out->status < 400 || out->status == 408 || out->status == 409) {
        retry(retry_after, out);
        return;
    }

    out->verdict = CONTENT_CLOUDFLARE_REJECTED;
    out->split = !listed(out->code, shape_codes, count_of(shape_codes));
}


static void
retry(content_str_t retry_after, content_cloudflare_answer_t *out)
{
    int64_t  seconds;

    out->verdict = CONTENT_CLOUDFLARE_RETRY;
    out->after = out->limited ? CONTENT_CLOUDFLARE_RATE_WAIT : 0;

    if (content_str_uint(content_str_trim(retry_after), &seconds)
        != CONTENT_OK)
    {
        return;
    }

    if (seconds > CONTENT_CLOUDFLARE_WAIT_MAX) {
        seconds = CONTENT_CLOUDFLARE_WAIT_MAX;
    }

    out->after = (unsigned) seconds;

    /* "Refused, come back at once" would spin. */

    if (out->limited && out->after == 0) {
        out->after = 1;
    }
}


static void
operator_error(content_cloudflare_answer_t *out)
{
    const char  *advice;

    if (out->status == 404 || out->status == 405
        || out->code == 7000 || out->code == 7003)
    {
        advice = "no such zone or API: check the zone id, the API's address "
                 "and the purge action";

    } else {
        advice = "not authorised: check the API token, its Cache Purge "
                 "permission and the zone id";
    }

    snprintf(out->message, sizeof(out->message), "%s (HTTP %d, code %lld)",
             advice, out->status, (long long) out->code);
}


static void
default_message(content_cloudflare_answer_t *out)
{
    if (out->verdict == CONTENT_CLOUDFLARE_DONE) {
        return;
    }

    if (out->status == 0) {
        snprintf(out->message, sizeof(out->message), "no answer");

    } else {
        snprintf(out->message, sizeof(out->message),
                 "HTTP %d without a readable error", out->status);
    }
}


/* "1015 Unable to purge ...; 1016 ..." */

static void
add_error(content_out_t *message, json_t *error)
{
    json_t         *text;
    int64_t         code;
    content_str_t   s;

    if (!json_is_object(error)) {
        return;
    }

    code = json_integer_value(json_object_get(error, "code"));
    text = json_object_get(error, "message");

    s.data = (unsigned char *) json_string_value(text);
    s.len = json_string_length(text);

    if (message->pos != message->start) {
        content_out_text(message, "; ");
    }

    content_out_uint(message, code > 0 ? (uint64_t) code : 0);
    content_out_char(message, ' ');
    add_text(message, s);
}


/*
 * Character by character, so that what does not fit is cut between two of
 * them: the writer stops for good at the first that is too much.
 */

static void
add_text(content_out_t *message, content_str_t text)
{
    size_t  n;

    while (text.len) {

        if (is_bearer(text)) {
            content_out_text(message, "Bearer ***");
            return;
        }

        n = content_str_control(text);

        if (n) {
            content_out_char(message, ' ');

        } else {
            for (n = 1; n < text.len && (text.data[n] & 0xc0) == 0x80; n++) {
                /* void */
            }

            content_out_mem(message, text.data, n);
        }

        text.data += n;
        text.len -= n;
    }
}


/* Whatever separates it from the token. */

static int
is_bearer(content_str_t text)
{
    content_str_t  word;

    static const content_str_t  bearer = content_string("Bearer");

    if (text.len <= bearer.len) {
        return 0;
    }

    word.data = text.data;
    word.len = bearer.len;

    text.data += bearer.len;
    text.len -= bearer.len;

    return content_str_eq_case(word, bearer)
           && (*text.data == ' ' || content_str_control(text));
}


unsigned
content_cloudflare_backoff(unsigned attempt, uint32_t random)
{
    uint64_t  ceiling;

    /* 2^6 s is beyond the maximum already. */

    ceiling = attempt < 6 ? (uint64_t) BACKOFF_BASE << attempt : BACKOFF_MAX;

    return (unsigned) ((random * (ceiling + 1)) >> 32);
}
