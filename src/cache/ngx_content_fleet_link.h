/*
 * The subscription of a worker: what the fleet tells it.  For
 * ngx_content_fleet*.c only.
 *
 * It is down, or in its handshake, or ready: then the worker's own channel is
 * heard.  The control worker also listens to the fleet's.  When a link ends, a
 * new one is made after a pause; what was published meanwhile is lost to it,
 * which is why ngx_content_fleet_hearing() empties the memory.
 */

#ifndef NGX_CONTENT_FLEET_LINK_H
#define NGX_CONTENT_FLEET_LINK_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_hiredis.h"
#include "cache/ngx_content_fleet.h"
#include "cache/ngx_content_redis_conn.h"


typedef struct {
    ngx_content_fleet_t          *fleet;
    ngx_content_hiredis_t        *hc;        /* NULL: down */
    ngx_event_t                   timer;     /* end of the handshake, or the
                                                next attempt */
    ngx_uint_t                    failures;
    ngx_content_redis_history_t   history;   /* of its server */
    unsigned                      ready:1;   /* hears its own channel */
    unsigned                      listening:1;  /* has asked for the fleet's */
    unsigned                      hearing:1; /* ... and hears it */
} ngx_content_fleet_link_t;


struct ngx_content_fleet_s {
    ngx_content_fleet_conf_t     *conf;
    ngx_content_fleet_shared_t   *shared;
    ngx_content_redis_t          *redis;
    ngx_content_memory_t         *memory;    /* or NULL */
    ngx_content_responses_t      *responses;
    ngx_log_t                    *log;
    ngx_content_fleet_taken_pt    taken;
    void                         *data;

    uint64_t                      worker;    /* drawn */
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


void ngx_content_fleet_link_open(ngx_content_fleet_link_t *link);
void ngx_content_fleet_link_close(ngx_content_fleet_link_t *link);

/* Ends it; the next follows. */
void ngx_content_fleet_link_drop(ngx_content_fleet_link_t *link,
    const char *reason);

/* Asks for the fleet's channel, now or when it is ready. */
void ngx_content_fleet_link_listen(ngx_content_fleet_link_t *link);


/* What comes of it, in ngx_content_fleet.c. */

/* All that is published on the fleet's channel from now on is heard. */
void ngx_content_fleet_hearing(ngx_content_fleet_t *fleet);
void ngx_content_fleet_heard(ngx_content_fleet_t *fleet, ngx_str_t *text);

/* Of ngx_content_fleet_change.c: an acknowledgement. */
void ngx_content_fleet_acked(ngx_content_fleet_t *fleet,
    content_notice_t *notice);

/*
 * Of ngx_content_fleet_sending.c: acknowledges what was forgotten; if older
 * responses are under way, once more when they have ended, which
 * watch() is called for from time to time.
 */
void ngx_content_fleet_acknowledge(ngx_content_fleet_t *fleet,
    content_notice_t *notice);
void ngx_content_fleet_watch(ngx_content_fleet_t *fleet);

/* The words of EVAL: script, then keys and arguments from argv[3] on. */
void ngx_content_fleet_eval(ngx_str_t *argv, const char *script,
    const char *nkeys);


#endif
