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


/* From a zeroed link with its fleet: connects, now and whenever it is lost. */
void ngx_content_fleet_link_open(ngx_content_fleet_link_t *link);

/* Ends it for good. */
void ngx_content_fleet_link_close(ngx_content_fleet_link_t *link);

/* Ends it; the next follows. */
void ngx_content_fleet_link_drop(ngx_content_fleet_link_t *link,
    const char *reason);

/* Asks for the fleet's channel, now or when it is ready. */
void ngx_content_fleet_link_listen(ngx_content_fleet_link_t *link);


#endif
