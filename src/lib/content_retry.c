/*
 * Which answers are worth another try: see content_retry.h, and the table for
 * operators in docs/faults.md, which says the same in words.
 */

#include "lib/content_retry.h"


/* What is known of a try; 0: it would fail again. */

typedef enum {
    UNDONE = 1,                  /* nothing was done */
    ENDED,                       /* it may have been done, but is not later */
    UNKNOWN                      /* it may be done, now or later */
} certainty_e;

typedef struct {
    const char   *code;
    certainty_e   certainty;
} code_t;

/* How little may be known for a repetition, by content_repeat_e. */

static const certainty_e  suffices[] = { UNKNOWN, ENDED, UNDONE };


static int wrong_clock(const content_retry_state_t *state,
    const content_retry_answer_t *answer);
static int wrong_region(const content_retry_state_t *state,
    const content_retry_answer_t *answer);
static int passing(const content_retry_answer_t *answer);


/* Amazon S3 API Reference, "Error responses" */

static const code_t  codes[] = {
    { "SlowDown",            UNDONE },
    { "ServiceUnavailable",  UNDONE },
    { "TooManyRequests",     UNDONE },
    { "RequestTimeout",      UNDONE },      /* 400: the body came too slowly */
    { "InternalError",       ENDED },
    { NULL, 0 }
};


content_retry_e
content_retry_decide(const content_retry_state_t *state,
    const content_retry_answer_t *answer, uint32_t random, int64_t *delay)
{
    int      certainty;
    int64_t  wait;

    if (wrong_clock(state, answer)) {
        return CONTENT_RETRY_CLOCK;
    }

    if (wrong_region(state, answer)) {
        return CONTENT_RETRY_REGION;
    }

    certainty = passing(answer);

    if (certainty == 0 || certainty > (int) suffices[state->repeat]
        || state->tries >= state->tries_max)
    {
        return CONTENT_RETRY_NO;
    }

    wait = random % (content_retry_limit(state->tries) + 1);

    if (wait < answer->retry_after) {
        wait = answer->retry_after;
    }

    if (state->elapsed + wait >= state->deadline) {
        return CONTENT_RETRY_NO;
    }

    *delay = wait;

    return CONTENT_RETRY_WAIT;
}


int64_t
content_retry_limit(unsigned tries)
{
    int64_t  limit;

    limit = CONTENT_RETRY_BASE;

    while (tries > 1 && limit < CONTENT_RETRY_CAP) {
        limit *= 2;
        tries--;
    }

    return limit < CONTENT_RETRY_CAP ? limit : CONTENT_RETRY_CAP;
}


int64_t
content_retry_after(content_str_t value, int64_t time, int64_t now)
{
    int64_t  seconds;

    if (content_str_uint(value, &seconds) != CONTENT_OK) {
        if (time < 0) {
            return -1;
        }

        seconds = time > now ? time - now : 0;
    }

    /* no one waits longer anyway, and milliseconds overflow */

    return seconds > 86400 ? 86400 * 1000 : seconds * 1000;
}


/* Corrected once; if the clock is not off after all, it is a plain refusal. */

static int
wrong_clock(const content_retry_state_t *state,
    const content_retry_answer_t *answer)
{
    int64_t  off;

    if (answer->status != 403 || answer->date < 0 || state->clocked) {
        return 0;
    }

    off = answer->date - state->signed_at;
    off = off < 0 ? -off : off;

    if (answer->code.len == 0) {
        return off > CONTENT_RETRY_SKEW;
    }

    return content_str_eq(answer->code, content_cstr("RequestTimeTooSkewed"))
           && off > CONTENT_RETRY_SKEW_MIN;
}


/*
 * The bucket is elsewhere: S3 says 301 or 307, 400 to a signature for another
 * region, and the region in a header or in the error.
 */

static int
wrong_region(const content_retry_state_t *state,
    const content_retry_answer_t *answer)
{
    return (answer->status == 301 || answer->status == 307
            || answer->status == 400)
           && answer->region.len && !state->moved
           && !content_str_eq(answer->region, state->region);
}


static int
passing(const content_retry_answer_t *answer)
{
    const code_t  *c;

    for (c = codes; c->code && answer->status; c++) {
        if (content_str_eq(answer->code, content_cstr(c->code))) {
            return c->certainty;
        }
    }

    switch (answer->status) {

    case 0:
        return answer->unsent ? UNDONE : UNKNOWN;

    case 429:
    case 500:
    case 502:                    /* of a balancer, as 503 without a code is */
    case 503:
    case 504:
        return UNKNOWN;

    default:
        return 0;
    }
}
