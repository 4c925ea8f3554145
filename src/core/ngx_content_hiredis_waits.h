/*
 * Who waits for a reply, the oldest first, for ngx_content_hiredis.c only: a
 * ring that grows.
 */

#ifndef NGX_CONTENT_HIREDIS_WAITS_H
#define NGX_CONTENT_HIREDIS_WAITS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "core/ngx_content_hiredis.h"


typedef struct {
    ngx_content_hiredis_reply_pt    fn;       /* or NULL: nobody, but a reply
                                                 will come */
    void                           *data;
    ngx_uint_t                      many;     /* it is not for one, but for the
                                                 so many that follow, an array
                                                 of an element for each; else
                                                 0 */
} ngx_content_hiredis_wait_t;


/* Zeroed but for log. */

typedef struct {
    ngx_content_hiredis_wait_t     *ring;
    ngx_uint_t                      size;     /* of it: a power of two */
    ngx_uint_t                      head;
    ngx_uint_t                      n;
    ngx_log_t                      *log;
} ngx_content_hiredis_waits_t;


/* Makes room for two more: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_content_hiredis_waits_room(ngx_content_hiredis_waits_t *waits);

/* Adds one, for which there is room. */
void ngx_content_hiredis_waits_add(ngx_content_hiredis_waits_t *waits,
    ngx_content_hiredis_reply_pt fn, void *data);

/*
 * The newest n are of one reply, and what was added before them stands for that;
 * of one alone it goes.
 */
void ngx_content_hiredis_waits_join(ngx_content_hiredis_waits_t *waits,
    ngx_uint_t n);

/* Of the oldest; 0 also if nobody waits. */
ngx_uint_t ngx_content_hiredis_waits_many(ngx_content_hiredis_waits_t *waits);

/* Takes the oldest off, of one or more, and gives it the reply. */
void ngx_content_hiredis_waits_call(ngx_content_hiredis_waits_t *waits,
    redisReply *reply);

void ngx_content_hiredis_waits_free(ngx_content_hiredis_waits_t *waits);


#endif
