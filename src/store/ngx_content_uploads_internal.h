/*
 * What the uploads of a worker share, between the files that keep it:
 * ngx_content_uploads.c (memory) and _turns.c.
 */

#ifndef NGX_CONTENT_UPLOADS_INTERNAL_H
#define NGX_CONTENT_UPLOADS_INTERNAL_H

#include "store/ngx_content_uploads.h"


#define NGX_CONTENT_READ_ROUND      (512 * 1024)   /* bytes an iteration */


/* At the beginning of a buffer that is kept. */

typedef struct ngx_content_kept_s  ngx_content_kept_t;

struct ngx_content_kept_s {
    ngx_content_kept_t            *next;
    size_t                         size;
};

struct ngx_content_uploads_s {
    size_t                         limit;
    ngx_msec_t                     patience;
    ngx_content_uploads_shared_t  *shared;
    ngx_log_t                     *log;

    size_t                         used;
    size_t                         kept_size;
    ngx_content_kept_t            *kept;
    ngx_queue_t                    waiting;       /* claims, oldest first */
    ngx_queue_t                    filling;       /* claims, oldest first */
    ngx_uint_t                     nwaiting;

    ngx_queue_t                    readers;       /* that wait */
    ngx_content_reader_t          *reading;       /* whose turn it is */
    size_t                         round_left;
    size_t                         turn_left;

    ngx_queue_t                    turns;         /* that wait */
    ngx_uint_t                     hashing;
    ngx_uint_t                     hashing_max;

    ngx_event_t                    round;         /* posted */
    ngx_event_t                    grant;         /* posted */
    ngx_event_t                    tick;          /* while somebody waits: it
                                                     keeps an exiting worker
                                                     alive, since who waits has
                                                     no timer */
    ngx_event_t                    idle;          /* while nobody uploads */
};


/* The event of a round of reading. */
void ngx_content_read_round(ngx_event_t *ev);


#endif
