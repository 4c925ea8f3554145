/*
 * The fleet, between its files: for ngx_content_fleet*.c, and for what else
 * works in its part of Redis (ngx_content_owed.c).
 */

#ifndef NGX_CONTENT_FLEET_INTERNAL_H
#define NGX_CONTENT_FLEET_INTERNAL_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_fleet.h"
#include "cache/ngx_content_fleet_link.h"


/* What the ids of a node's workers have of its own. */
#define NGX_CONTENT_FLEET_HALF  0xffffffff00000000ULL


struct ngx_content_fleet_s {
    ngx_content_fleet_conf_t     *conf;
    ngx_content_fleet_shared_t   *shared;
    ngx_content_redis_t          *redis;
    ngx_content_memory_t         *memory;    /* or NULL */
    ngx_content_responses_t      *responses;
    ngx_log_t                    *log;
    ngx_content_fleet_taken_pt    taken;
    void                         *data;

    uint64_t                      worker;    /* the node's first half, then
                                                drawn */
    uint64_t                      serial;
    u_char                       *node;      /* "ID NAME", as Redis has it */
    size_t                        node_len;
    ngx_str_t                     channel;
    ngx_str_t                     own;       /* channel */
    ngx_str_t                     nodes;     /* keys */
    ngx_str_t                     intents;
    ngx_str_t                     fresh;

    ngx_content_fleet_link_t      link;
    ngx_event_t                   timer;
    uint64_t                      pinged;    /* when */
    uint64_t                      claimed;
    ngx_queue_t                   notices;   /* under way */
    ngx_queue_t                   watches;   /* ngx_content_fleet_watch_t */
    ngx_uint_t                    nwatches;
    unsigned                      control:1; /* has the role */
    unsigned                      closing:1;
};


/* Of ngx_content_fleet.c. */

/* All that is published on the fleet's channel from now on is heard. */
void ngx_content_fleet_hearing(ngx_content_fleet_t *fleet);

/*
 * A ping of this node, which extends its lease.  One that was published on
 * another server (or on this one before it was another's replica) proves
 * nothing about what is heard here.
 */
void ngx_content_fleet_came_back(ngx_content_fleet_t *fleet,
    content_notice_t *notice);

/* Of ngx_content_fleet_heard.c: a message of either channel. */
void ngx_content_fleet_heard(ngx_content_fleet_t *fleet, ngx_str_t *text);

/*
 * Of ngx_content_fleet_claim.c: looks for intents to take over, from time to
 * time; to be called by the control worker as often as it likes.
 */
void ngx_content_fleet_claim(ngx_content_fleet_t *fleet, uint64_t now);

/* Of ngx_content_fleet_change.c: an acknowledgement. */
void ngx_content_fleet_acked(ngx_content_fleet_t *fleet,
    content_notice_t *notice);

/* The words of EVAL: script, then keys and arguments from argv[3] on. */
void ngx_content_fleet_eval(ngx_str_t *argv, const char *script,
    const char *nkeys);

/*
 * Of ngx_content_fleet_sending.c: acknowledges what was forgotten; if older
 * responses are under way, once more when they have ended, which
 * watch() is called for from time to time.
 */
void ngx_content_fleet_acknowledge(ngx_content_fleet_t *fleet,
    content_notice_t *notice);
void ngx_content_fleet_watch(ngx_content_fleet_t *fleet);


#endif
