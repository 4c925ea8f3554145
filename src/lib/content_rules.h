/*
 * The rules of docs/coherence.md, each in one place of the code behind
 * CONTENT_RULE_<RULE>.  All are on.  A build with -DCONTENT_BREAK_<RULE>
 * (BREAK=<RULE> scripts/build-module.sh) leaves one out: only to see that the
 * consistency checker notices.  Never ship such a build.
 */

#ifndef CONTENT_RULES_H
#define CONTENT_RULES_H

#define CONTENT_RULE_ON  1
#define CONTENT_RULE_OFF 0


/* An intent is in Redis before storage is touched. */
#ifdef CONTENT_BREAK_INTENT
#define CONTENT_RULE_INTENT       CONTENT_RULE_OFF
#else
#define CONTENT_RULE_INTENT       CONTENT_RULE_ON
#endif

/* END deletes the fill token together with the record. */
#ifdef CONTENT_BREAK_TOKEN
#define CONTENT_RULE_TOKEN        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_TOKEN        CONTENT_RULE_ON
#endif

/* Shared memory takes what was read behind its present fence only. */
#ifdef CONTENT_BREAK_FENCE
#define CONTENT_RULE_FENCE        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_FENCE        CONTENT_RULE_ON
#endif

/* The invalidation is published to all nodes. */
#ifdef CONTENT_BREAK_PUBLISH
#define CONTENT_RULE_PUBLISH      CONTENT_RULE_OFF
#else
#define CONTENT_RULE_PUBLISH      CONTENT_RULE_ON
#endif

/* The writer waits for the acknowledgements. */
#ifdef CONTENT_BREAK_ACKS
#define CONTENT_RULE_ACKS         CONTENT_RULE_OFF
#else
#define CONTENT_RULE_ACKS         CONTENT_RULE_ON
#endif

/* Shared memory answers under a valid lease only. */
#ifdef CONTENT_BREAK_LEASE
#define CONTENT_RULE_LEASE        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_LEASE        CONTENT_RULE_ON
#endif

/* A lease counts from when its ping was sent, not from when it came back. */
#ifdef CONTENT_BREAK_SENT
#define CONTENT_RULE_SENT         CONTENT_RULE_OFF
#else
#define CONTENT_RULE_SENT         CONTENT_RULE_ON
#endif

/* A new subscription empties shared memory before any lease. */
#ifdef CONTENT_BREAK_EMPTY
#define CONTENT_RULE_EMPTY        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_EMPTY        CONTENT_RULE_ON
#endif

/* Another history of Redis is another epoch. */
#ifdef CONTENT_BREAK_EPOCH
#define CONTENT_RULE_EPOCH        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_EPOCH        CONTENT_RULE_ON
#endif

/* After that, writes wait until no lease of the history before is left. */
#ifdef CONTENT_BREAK_QUARANTINE
#define CONTENT_RULE_QUARANTINE   CONTENT_RULE_OFF
#else
#define CONTENT_RULE_QUARANTINE   CONTENT_RULE_ON
#endif

/* Intents that nobody has settled are taken over. */
#ifdef CONTENT_BREAK_TAKEOVER
#define CONTENT_RULE_TAKEOVER     CONTENT_RULE_OFF
#else
#define CONTENT_RULE_TAKEOVER     CONTENT_RULE_ON
#endif

/* After an unknown outcome there is a second END, past the deadline. */
#ifdef CONTENT_BREAK_SECOND
#define CONTENT_RULE_SECOND       CONTENT_RULE_OFF
#else
#define CONTENT_RULE_SECOND       CONTENT_RULE_ON
#endif

/* The CDN is purged after the nodes have forgotten. */
#ifdef CONTENT_BREAK_PURGE
#define CONTENT_RULE_PURGE        CONTENT_RULE_OFF
#else
#define CONTENT_RULE_PURGE        CONTENT_RULE_ON
#endif

/* A request joins a fill only if that is still good. */
#ifdef CONTENT_BREAK_JOIN
#define CONTENT_RULE_JOIN         CONTENT_RULE_OFF
#else
#define CONTENT_RULE_JOIN         CONTENT_RULE_ON
#endif

/* The purge is repeated when older responses under way have ended. */
#ifdef CONTENT_BREAK_REPEAT
#define CONTENT_RULE_REPEAT       CONTENT_RULE_OFF
#else
#define CONTENT_RULE_REPEAT       CONTENT_RULE_ON
#endif


#endif
