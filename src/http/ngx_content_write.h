/*
 * What the files of a write share: see ngx_content_write.c.
 */

#ifndef NGX_CONTENT_WRITE_H
#define NGX_CONTENT_WRITE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "cache/ngx_content_redis_lock.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_conf.h"
#include "store/ngx_content_upload.h"


#define NGX_CONTENT_PRECONDITION_REQUIRED  428    /* RFC 6585, 3 */


/* A PUT or DELETE, in a pool of its own. */

typedef struct {
    ngx_pool_t                 *pool;
    ngx_http_request_t         *request;     /* NULL: the client has left */
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;
    ngx_content_changed_t       object;      /* key, hash, what became of it */
    ngx_str_t                   path;        /* encoded, with its "/" */

    ngx_uint_t                  step;
    ngx_content_upload_t       *upload;      /* PUT */
    ngx_content_remove_t       *remove;      /* DELETE */
    ngx_content_change_t        change;
    ngx_content_lock_t          lock;
    unsigned                    unlocked:1;  /* can't have it: refused */

    ngx_content_outcome_e       outcome;
    off_t                       received;    /* bytes of the body */
    ngx_str_t                   etag;
    ngx_str_t                   detail;      /* of MISMATCH, for the client */
} ngx_content_write_t;


/*
 * What a write's headers must not or have to carry, before anything is done:
 * NGX_OK, or the problem that the caller returns.
 */
ngx_int_t ngx_content_write_check(ngx_http_request_t *r);
ngx_int_t ngx_content_write_check_length(ngx_http_request_t *r);

/*
 * The conditions, strings in pool; NGX_OK or the problem (400).  The first
 * also refuses a write without one where one is required (428).
 */
ngx_int_t ngx_content_write_conditions(ngx_http_request_t *r, ngx_pool_t *pool,
    ngx_content_conditions_t *conditions);
ngx_int_t ngx_content_write_parse_conditions(ngx_http_request_t *r,
    ngx_pool_t *pool, ngx_content_conditions_t *conditions);

/* What the body has to hash to; NGX_OK or the problem. */
ngx_int_t ngx_content_write_expect(ngx_http_request_t *r,
    ngx_content_upload_t *up);

/*
 * Takes the lock of a write that needs it: NGX_OK: go on, or NGX_AGAIN:
 * _write_go_on() will be called.  Then it is refused if it is unlocked.
 */
ngx_int_t ngx_content_write_lock_begin(ngx_content_write_t *w);

/*
 * The same for any write: takes the lock of the object if the store needs it
 * for such conditions.  The caller has set lock's pool, done and data.  NGX_OK:
 * it is not needed; NGX_AGAIN: done will be called; NGX_DECLINED: it is not to
 * be had.
 */
ngx_int_t ngx_content_conditions_lock(ngx_content_lock_t *lock,
    ngx_content_main_conf_t *mcf, ngx_content_loc_conf_t *lcf, u_char *hash,
    const ngx_content_conditions_t *conditions);

/*
 * The write has failed: if it may yet happen, it must not meet the next one's,
 * and nobody gets the lock before it has expired.
 */
void ngx_content_lock_failed(ngx_content_lock_t *lock,
    ngx_content_outcome_e outcome);

/* The problem (503) of who can't have the lock. */
ngx_int_t ngx_content_lock_problem(ngx_http_request_t *r,
    const ngx_content_lock_t *lock);

/* Goes on with the steps, from a completion. */
void ngx_content_write_go_on(ngx_content_write_t *w);

/* Answers the request of a write whose outcome is known. */
ngx_int_t ngx_content_write_respond(ngx_content_write_t *w);

/*
 * What a change could not do: NGX_OK, or the problem (503, 504) that the
 * caller returns instead of its success.
 */
ngx_int_t ngx_content_change_problem(ngx_http_request_t *r,
    const ngx_content_change_t *change);

/* X-Content-Purge: what became of the CDN's purge. */
ngx_int_t ngx_content_change_header(ngx_http_request_t *r,
    const ngx_content_change_t *change);


#endif
