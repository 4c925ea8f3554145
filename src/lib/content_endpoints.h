/*
 * Which of several endpoints of one service to ask: in turn, but not one that
 * has failed lately, as nginx's upstream does with fail_timeout.  When all
 * have failed, the one whose time is up first.
 */

#ifndef CONTENT_ENDPOINTS_H
#define CONTENT_ENDPOINTS_H

#include "lib/content_str.h"


/* Zeroed: it works. */

typedef struct {
    int64_t  until;              /* ms: not asked before */
} content_endpoint_t;

#define CONTENT_ENDPOINTS_NONE  ((unsigned) -1)


/*
 * Returns an index below n, which is not 0.  *turn belongs to the caller and
 * is zeroed at first.  avoid: has just failed for this request, or NONE.
 */
unsigned content_endpoints_choose(const content_endpoint_t *endpoints,
    unsigned n, unsigned *turn, unsigned avoid, int64_t now);

void content_endpoint_failed(content_endpoint_t *endpoint, int64_t now,
    int64_t fail_timeout);
void content_endpoint_worked(content_endpoint_t *endpoint);


#endif
