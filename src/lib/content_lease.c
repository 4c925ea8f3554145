/* Leases: see content_lease.h. */

#include "lib/content_lease.h"
#include "lib/content_rules.h"


#define STUCK  800                       /* ms */


/* Clocks of servers drift by some 100 ppm; this is more than a hundred times
   as much, and some for clocks that are read coarsely. */

uint64_t
content_lease_margin(uint64_t lease)
{
    return lease / 16 + 20;
}


uint64_t
content_lease_interval(uint64_t lease)
{
    return lease / 6;
}


uint64_t
content_lease_extend(uint64_t until, uint64_t sent, uint64_t came,
    uint64_t lease)
{
    uint64_t  from, end;

    from = CONTENT_RULE_SENT ? sent : came;
    end = from + lease - content_lease_margin(lease);

    return end > until ? end : until;
}


int
content_lease_valid(uint64_t until, uint64_t now)
{
    return !CONTENT_RULE_LEASE || now < until;
}


int
content_lease_awaited(int64_t age, uint64_t seen, uint64_t now,
    uint64_t lease)
{
    if (!CONTENT_RULE_ACKS) {
        return 0;
    }

    if (age < (int64_t) lease) {
        return 1;
    }

    return seen != CONTENT_LEASE_NEVER && now - seen < lease;
}


uint64_t
content_lease_over(uint64_t published, uint64_t quarantine, uint64_t lease)
{
    if (!CONTENT_RULE_QUARANTINE) {
        quarantine = 0;
    }

    return published + (quarantine > lease ? quarantine : lease);
}


int
content_lease_stuck(uint64_t heard, uint64_t now)
{
    return now > heard && now - heard > STUCK;
}


int
content_lease_late(uint64_t begun, uint64_t now, uint64_t deadline)
{
    return now - begun > deadline / 2;
}
