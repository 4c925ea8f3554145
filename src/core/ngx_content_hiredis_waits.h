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
} ngx_content_hiredis_wait_t;


/* Zeroed but for log. */

typedef struct {
    ngx_content_hiredis_wait_t     *ring;
    ngx_uint_t                      size;     /* of it: a power of two */
    ngx_uint_t                      head;
    ngx_uint_t                      n;
    ngx_log_t                      *log;
} ngx_content_hiredis_waits_t;


/* Makes room for one more: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_content_hiredis_waits_room(ngx_content_hiredis_waits_t *waits);

/* Adds one, for which there is room. */
void ngx_content_hiredis_waits_add(ngx_content_hiredis_waits_t *waits,
    ngx_content_hiredis_reply_pt fn, void *data);

/* Takes the oldest off, of one or more, and gives it the reply. */
void ngx_content_hiredis_waits_call(ngx_content_hiredis_waits_t *waits,
    redisReply *reply);

void ngx_content_hiredis_waits_free(ngx_content_hiredis_waits_t *waits);


#endif
