/*
 * What to do about an answer of S3 that is no success, or about none: take it
 * as the last word, send the request again later, or sign it anew for another
 * clock or region and send it at once.  Asked by the calls and by the reads of
 * the S3 store alike.
 *
 * Waiting is exponential with full jitter: a random time below a limit that
 * doubles with every try (Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015), or Retry-After if that is longer (RFC 9110,
 * 10.2.3).  What would come later than the deadline is not tried.
 */

#ifndef CONTENT_RETRY_H
#define CONTENT_RETRY_H

#include "lib/content_str.h"


#define CONTENT_RETRY_BASE      100      /* ms: below it the first wait */
#define CONTENT_RETRY_CAP       5000     /* ms: below it any wait */

/*
 * S3 refuses what is signed 15 minutes off.  An answer without a code (to a
 * HEAD) is taken for such a refusal if its Date is this far from ours;
 * correcting less than CONTENT_RETRY_SKEW_MIN would change nothing.
 */
#define CONTENT_RETRY_SKEW      (10 * 60)
#define CONTENT_RETRY_SKEW_MIN  30


/*
 * When a request may be sent again.  A write that nobody has answered may be
 * done later still, after the next try and over whatever somebody else has
 * written in between.
 */

typedef enum {
    CONTENT_REPEAT_ANY = 0,      /* always: it reads, or what it writes is
                                    seen by nobody yet */
    CONTENT_REPEAT_ENDED,        /* when S3 has ended the earlier try, whatever
                                    came of it */
    CONTENT_REPEAT_UNDONE        /* only when it was certainly not done */
} content_repeat_e;


typedef enum {
    CONTENT_RETRY_NO = 0,        /* the last word */
    CONTENT_RETRY_WAIT,          /* again, after *delay ms */
    CONTENT_RETRY_CLOCK,         /* again, signed for the clock of date */
    CONTENT_RETRY_REGION         /* again, signed for region */
} content_retry_e;


/* What came. */

typedef struct {
    unsigned        status;      /* 0: no whole answer */
    content_str_t   code;        /* of <Error>; empty: none came */
    content_str_t   region;      /* the bucket's, if it was told */
    int64_t         date;        /* Date, seconds since 1970; -1: none */
    int64_t         retry_after; /* ms; -1: none */
    unsigned        unsent:1;    /* without an answer: no byte went out */
} content_retry_answer_t;


/* What was sent, and what is allowed. */

typedef struct {
    unsigned        tries;       /* made so far, this one included */
    unsigned        tries_max;
    int64_t         elapsed;     /* ms since the first began */
    int64_t         deadline;    /* ms: no try begins later */
    content_str_t   region;      /* that it was signed for */
    int64_t         signed_at;   /* seconds since 1970, as it was signed */
    content_repeat_e  repeat;
    unsigned        clocked:1;   /* signed anew already, for the clock */
    unsigned        moved:1;     /* and for the region */
} content_retry_state_t;


/*
 * random: any 32 bits.  *delay is set with WAIT.  Signing anew counts as no
 * try, but is done once each.
 */
content_retry_e content_retry_decide(const content_retry_state_t *state,
    const content_retry_answer_t *answer, uint32_t random, int64_t *delay);

/* The limit of the wait after that many tries, ms. */
int64_t content_retry_limit(unsigned tries);

/*
 * Retry-After in seconds, or as the time it names less now (-1: none), in ms;
 * -1: neither.
 */
int64_t content_retry_after(content_str_t value, int64_t time, int64_t now);


#endif
