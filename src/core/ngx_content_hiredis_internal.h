/*
 * A connection to Redis inside, for ngx_content_hiredis*.c only: events and
 * writing are in ngx_content_hiredis.c, what comes in _take.c.
 */

#ifndef NGX_CONTENT_HIREDIS_INTERNAL_H
#define NGX_CONTENT_HIREDIS_INTERNAL_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "core/ngx_content_hiredis.h"
#include "core/ngx_content_hiredis_out.h"
#include "core/ngx_content_hiredis_reply.h"
#include "core/ngx_content_hiredis_waits.h"


#define NGX_CONTENT_HIREDIS_IN  (64 * 1024)  /* bytes read in a turn */


/*
 * What has been read and not been taken: at most the begin of one item, while
 * nothing is taken from it.
 */

typedef struct {
    u_char                          buf[NGX_CONTENT_HIREDIS_IN];
    u_char                         *pos;
    u_char                         *last;
} ngx_content_hiredis_in_t;


struct ngx_content_hiredis_s {
    ngx_connection_t               *connection;
    ngx_content_hiredis_closed_pt   closed;
    void                           *data;

    redisReader                    *reader;
    ngx_content_hiredis_replies_t   replies;
    size_t                          owed;        /* bytes that the reader lacks
                                                    of an item */
    size_t                          unfinished;  /* bytes of a reply that it
                                                    has so far */

    ngx_content_hiredis_waits_t     waits;

    ngx_content_hiredis_out_t       out;
    ngx_uint_t                      gets;        /* at its end, to be joined */
    size_t                          gets_at;
    ngx_uint_t                      batch;       /* how often they were */
    ngx_uint_t                      writes;

    ngx_content_hiredis_reply_pt    push;
    void                           *push_data;

    unsigned                        calling:1;   /* a callback, perhaps */
    unsigned                        closing:1;

    ngx_content_hiredis_in_t        in;          /* large: the last */
};


/* Where the next bytes go: room for one of them, or more. */
u_char *ngx_content_hiredis_in_room(ngx_content_hiredis_t *hc, size_t *size);

/*
 * Takes n more bytes that have come there, and gives the replies to who wait,
 * until one of them closes the connection.  NULL, or what is wrong with the
 * bytes.
 */
const char *ngx_content_hiredis_take(ngx_content_hiredis_t *hc, size_t n);


#endif
