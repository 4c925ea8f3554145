/* Turns, and who misses them: see content_endpoints.h. */

#include "lib/content_endpoints.h"


unsigned
content_endpoints_choose(const content_endpoint_t *endpoints, unsigned n,
    unsigned *turn, unsigned avoid, int64_t now)
{
    unsigned  i, k, best;

    best = CONTENT_ENDPOINTS_NONE;

    for (k = 0; k < n; k++) {
        i = (*turn + k) % n;

        if (i == avoid && n > 1) {
            continue;
        }

        if (endpoints[i].until <= now) {
            *turn = (i + 1) % n;
            return i;
        }

        if (best == CONTENT_ENDPOINTS_NONE
            || endpoints[i].until < endpoints[best].until)
        {
            best = i;
        }
    }

    return best;
}


void
content_endpoint_failed(content_endpoint_t *endpoint, int64_t now,
    int64_t fail_timeout)
{
    endpoint->until = now + fail_timeout;
}


void
content_endpoint_worked(content_endpoint_t *endpoint)
{
    endpoint->until = 0;
}
