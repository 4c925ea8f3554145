/*
 * Leases: until when a node may answer from its memory without asking, and
 * how long a writer has to wait for a node that does not answer.
 *
 * A node publishes a ping on the channel of the invalidations.  When it comes
 * back, everything published before it has come, too: so the node may trust
 * its memory until the lease has passed since the ping was sent.  A writer
 * whose invalidation is published waits for the acknowledgements of all nodes
 * that can hold a lease, or until the lease has passed: a lease that is valid
 * then rests on a ping sent after the publishing.
 *
 * All times are milliseconds of a clock of one machine that never goes back
 * and counts while the machine sleeps.  Clocks of two machines are compared
 * by their rates only, for which the margin is.
 */

#ifndef CONTENT_LEASE_H
#define CONTENT_LEASE_H

#include <stdint.h>


#define CONTENT_LEASE_MIN    300         /* ms */
#define CONTENT_LEASE_NEVER  UINT64_MAX  /* a time that is not known */

/* How much sooner than the writers believe a node lets its lease end. */
uint64_t content_lease_margin(uint64_t lease);

/* How often a node pings: several may be late before the lease ends. */
uint64_t content_lease_interval(uint64_t lease);

/* The new end: a ping sent at "sent" has come back at "came". */
uint64_t content_lease_extend(uint64_t until, uint64_t sent, uint64_t came,
    uint64_t lease);

/* Whether memory may be used now. */
int content_lease_valid(uint64_t until, uint64_t now);

/*
 * Whether a writer has to wait for a node.  age: of its last ping, by Redis's
 * clock, which may have been set; seen: when that came here, or
 * CONTENT_LEASE_NEVER.
 */
int content_lease_awaited(int64_t age, uint64_t seen, uint64_t now,
    uint64_t lease);

/* When a writer need not wait any longer, whoever is missing. */
uint64_t content_lease_over(uint64_t published, uint64_t quarantine,
    uint64_t lease);

/*
 * Whether an intent that was asked for at "begun" is too old to begin with
 * storage: what storage needs must be over before the deadline, when others
 * take the intent over.
 */
int content_lease_late(uint64_t begun, uint64_t now, uint64_t deadline);

/*
 * Whether somebody else should do the node's talking: the worker that did has
 * not been heard of for too long.
 */
int content_lease_stuck(uint64_t heard, uint64_t now);


#endif
