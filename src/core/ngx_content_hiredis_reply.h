/*
 * What hiredis's reader builds replies of, for ngx_content_hiredis*.c only.
 *
 * They are the redisReply of hiredis, but made in a pool that the connection
 * empties after each, instead of by malloc one by one.
 */

#ifndef NGX_CONTENT_HIREDIS_REPLY_H
#define NGX_CONTENT_HIREDIS_REPLY_H

#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>


typedef struct {
    ngx_pool_t    *pool;
    ngx_log_t     *log;
    const char    *refused;       /* why one could not be made, or NULL */
    size_t         elements;      /* of all arrays of the reply so far */
} ngx_content_hiredis_replies_t;


/* A reply as it is made: keep() finds by it what is to last. */

typedef struct ngx_content_hiredis_kept_s  ngx_content_hiredis_kept_t;

typedef struct {
    redisReply                   reply;   /* the first */
    ngx_pool_t                  *pool;    /* NULL: of a string that lies
                                             elsewhere */
    ngx_content_hiredis_kept_t  *kept;    /* NULL: nobody has asked for it */
} ngx_content_hiredis_object_t;


/*
 * A reader whose replies are in replies->pool; NULL: no memory.  replies has
 * log set and has to outlive the reader.
 */
redisReader *ngx_content_hiredis_reader(
    ngx_content_hiredis_replies_t *replies);

/* The last reply is done with; NGX_ERROR: no memory for the next. */
ngx_int_t ngx_content_hiredis_replies_reset(
    ngx_content_hiredis_replies_t *replies);

/* Makes object a string of these bytes, behind which there is a NUL. */
void ngx_content_hiredis_replies_at(ngx_content_hiredis_object_t *object,
    u_char *text, size_t len);

/* After redisReaderFree(). */
void ngx_content_hiredis_replies_free(ngx_content_hiredis_replies_t *replies);


#endif
