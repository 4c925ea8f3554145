/*
 * What the files of a copy share: COPY, MOVE (ngx_content_copy.c) and the
 * answers (ngx_content_copy_answer.c).
 */

#ifndef NGX_CONTENT_COPY_H
#define NGX_CONTENT_COPY_H

#include "cache/ngx_content_redis_lock.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_conf.h"
#include "store/ngx_content_upload.h"


/* In a pool of its own; the request borrows it, as it does a write. */

typedef struct {
    ngx_pool_t                 *pool;
    ngx_http_request_t         *request;     /* NULL: the client has left */
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;

    ngx_content_changed_t       keys[2];     /* the target; of a MOVE, the
                                                source */
    ngx_content_copy_t          from;
    ngx_uint_t                  step;
    ngx_content_upload_t       *upload;
    ngx_content_remove_t       *remove;
    ngx_content_change_t        change;
    ngx_content_lock_t          lock;        /* of the target, then of the
                                                source of a MOVE */

    ngx_content_outcome_e       outcome;     /* of the copy */
    ngx_content_outcome_e       removed;     /* of the source's removal */
    ngx_str_t                   etag;        /* of the target */
    unsigned                    unlocked:1;  /* can't have it */
    unsigned                    move:1;
    unsigned                    restore:1;   /* of a version */
} ngx_content_copying_t;


/*
 * Begins to copy to key, for the request.  The caller sets from and
 * upload->conditions (strings in pool), then runs it; until then a refused
 * request just returns.  NULL: no memory.
 */
ngx_content_copying_t *ngx_content_copy_create(ngx_http_request_t *r,
    ngx_str_t *key);

/* Goes on without the caller: returns NGX_DONE. */
ngx_int_t ngx_content_copy_start(ngx_content_copying_t *c);

/*
 * What the request asks for: the target, which is no object's own, and the
 * conditions at both ends.  NGX_OK, or the problem that the caller returns.
 */
ngx_int_t ngx_content_copy_target(ngx_http_request_t *r, ngx_str_t *source,
    ngx_str_t *key);
ngx_int_t ngx_content_copy_conditions(ngx_http_request_t *r,
    ngx_content_copying_t *c);

/* Answers the request, when all is done. */
ngx_int_t ngx_content_copy_respond(ngx_content_copying_t *c);


#endif
