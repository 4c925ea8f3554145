/*
 * Cloudflare's purge API: what a plan allows, what an answer means, and how
 * long to wait before the next try.
 *
 * The same holds for POST /zones/ID/purge_cache and /invalidate_cache: they
 * take the same bodies, answer alike and draw on one budget
 * (developers.cloudflare.com/cache/how-to/purge-cache, "Availability and
 * limits", and the API reference).
 */

#ifndef CONTENT_CLOUDFLARE_H
#define CONTENT_CLOUDFLARE_H

#include "lib/content_str.h"


/*
 * Limits count per account, over all zones.  The URL rate has no documented
 * bucket (it is "a moving average"): a bucket of one second's worth keeps it.
 * Some accounts were held to 30 URLs a call: let the operator lower it.
 */
typedef struct {
    const char  *name;
    unsigned     calls;           /* by tag, host, prefix or everything ... */
    unsigned     period;          /* ... in this many milliseconds */
    unsigned     bucket;          /* calls at once */
    unsigned     items;           /* tags, hosts or prefixes a call */
    unsigned     urls;            /* a second */
    unsigned     urls_per_call;
} content_cloudflare_plan_t;


/* free, pro, business or enterprise; NULL for any other name. */
const content_cloudflare_plan_t *content_cloudflare_plan(content_str_t name);


typedef enum {

    /* Taken.  No proof that anything was cached or evicted. */
    CONTENT_CLOUDFLARE_DONE = 0,

    /* Same call again, later: no answer, 408, 409, 429 (or code 1134), 5xx,
     * a redirect, or a 2xx that can't be understood. */
    CONTENT_CLOUDFLARE_RETRY,

    /* Never again as it is: any other 4xx. */
    CONTENT_CLOUDFLARE_REJECTED,

    /* 200 with success:false: some items were refused (each an error, the
     * last one 1016).  Which ones the API does not promise to say: messages
     * have been seen to quote a URL, in no documented form.  So nothing can
     * be taken for done.  See `split`. */
    CONTENT_CLOUDFLARE_PARTIAL,

    /* The call did not reach the zone, whatever its items are: 401, 403,
     * 404, 405, or a code for a bad token or zone id.  An operator can mend
     * that, so the items are kept and tried again slowly; log it loudly. */
    CONTENT_CLOUDFLARE_AUTH

} content_cloudflare_verdict_t;


#define CONTENT_CLOUDFLARE_RATE_WAIT    30    /* 429 without Retry-After */
#define CONTENT_CLOUDFLARE_AUTH_WAIT    60
#define CONTENT_CLOUDFLARE_WAIT_MAX   3600    /* however long Retry-After is */

typedef struct {
    content_cloudflare_verdict_t  verdict;

    /* RETRY, AUTH: seconds to wait at least; 0: content_cloudflare_backoff()
     * alone decides. */
    unsigned  after;

    /* 429 or 1134: the account's budget is spent, so that all calls have to
     * wait and not this one only (content_pace_block()). */
    unsigned  limited:1;

    /* PARTIAL, REJECTED: one bad item may have failed a batch.  Send the
     * halves of a batch of several; give up a batch of one.  Purging twice
     * what had been taken does no harm. */
    unsigned  split:1;

    int       status;             /* of HTTP; 0: no answer */
    int64_t   code;               /* Cloudflare's first error code; 0: none */

    /* For the log and the job: UTF-8 without control characters, NUL-
     * terminated.  Made from the answer alone; never holds the API token:
     * what follows "Bearer " in an echoed header is left out, and where the
     * token is at fault Cloudflare's text is not used at all. */
    char      message[256];
} content_cloudflare_answer_t;


/*
 * Reads the answer to one call.  http_status is 0 when there was none
 * (resolving, connecting, TLS, time-out); retry_after is the value of that
 * header or empty: seconds, or a date, which is ignored.  Any bytes are a
 * valid input.
 */
void content_cloudflare_answer(int http_status, content_str_t body,
    content_str_t retry_after, content_cloudflare_answer_t *out);

/*
 * Milliseconds before the next try, when the attempt-th try (0 is the first)
 * has failed: evenly spread from 0 to 1 s * 2^attempt, at most to 60 s, by 32
 * random bits ("full jitter": retries of many nodes don't meet again).
 */
unsigned content_cloudflare_backoff(unsigned attempt, uint32_t random);


#endif
