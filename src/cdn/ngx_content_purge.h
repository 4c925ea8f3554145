/*
 * Purges of the CDN: what changed here is told to Cloudflare, in the
 * background, in batches, paced by the plan's limits, and tried again until
 * it is taken or refused for good.
 *
 *     enqueue() -> shared queue -> sender of any worker -> purge_cache
 *
 * A job groups what one request asked for; its state can be asked for as long
 * as it is among the NGX_CONTENT_PURGE_JOBS latest.
 *
 * The queue lies in shared memory: it outlives a worker that crashes (its
 * calls are made again by another) and a reload.  A worker that is told to
 * quit waits up to NGX_CONTENT_PURGE_DRAIN for the queue to drain.  What is
 * still queued when nginx is stopped is lost, and logged, unless it is owed:
 * then the caller keeps it, and queues it again when nginx is back.
 */

#ifndef NGX_CONTENT_PURGE_H
#define NGX_CONTENT_PURGE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "cdn/ngx_content_purge_queue.h"
#include "core/ngx_content_curl.h"
#include "lib/content_cloudflare.h"
#include "lib/content_purge.h"
#include "lib/content_purge_job.h"


#define NGX_CONTENT_PURGE_OFF         0
#define NGX_CONTENT_PURGE_CLOUDFLARE  1

#define NGX_CONTENT_PURGE_HARD        0         /* purge_cache */
#define NGX_CONTENT_PURGE_SOFT        1         /* invalidate_cache */

#define NGX_CONTENT_PURGE_DRAIN       30000     /* ms */


typedef struct {
    /* directives */
    ngx_uint_t                         provider;
    ngx_str_t                          api;
    ngx_str_t                          zone_id;
    ngx_str_t                          token;      /* a secret */
    ngx_uint_t                         action;
    const content_cloudflare_plan_t   *plan;
    ngx_str_t                          url_base;   /* purge by URL below it;
                                                      empty: by tag */
    ngx_uint_t                         by_url;
    ngx_msec_t                         timeout;

    /* made of them */
    uint32_t                           target;     /* names api and zone in
                                                      the queue; 0: none */
} ngx_content_purge_conf_t;


typedef struct ngx_content_purge_s  ngx_content_purge_t;

/* An owed job has ended; it may be another worker's. */
typedef void (*ngx_content_purge_paid_pt)(void *data,
    u_char id[CONTENT_PURGE_ID_SIZE]);


/* Defaults are set by the merge alone. */
void ngx_content_purge_conf_create(ngx_content_purge_conf_t *conf);
void ngx_content_purge_conf_merge(ngx_content_purge_conf_t *prev,
    ngx_content_purge_conf_t *conf);

/*
 * For an origin's location: what is needed is there.  Errors are logged and
 * name the directive.
 */
char *ngx_content_purge_conf_check(ngx_conf_t *cf,
    ngx_content_purge_conf_t *conf);

/*
 * Slots, by cmd->offset: "content_purge_token env NAME | file PATH",
 * "content_purge_plan NAME", "content_purge_by tags | urls BASE".
 */
char *ngx_content_purge_token_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_content_purge_plan_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_content_purge_by_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/*
 * The sender of this process, for init_process.  targets: all the confs that
 * are in use (ngx_content_purge_conf_t *).  NULL: no memory.
 */
ngx_content_purge_t *ngx_content_purge_create(ngx_cycle_t *cycle,
    ngx_content_purge_shared_t *shared, ngx_content_curl_t *curl,
    ngx_array_t *targets);

/* For exit_process, before the engine goes: gives back what was taken. */
void ngx_content_purge_destroy(ngx_content_purge_t *purge);

/* Draws the id of a job. */
void ngx_content_purge_id(u_char id[CONTENT_PURGE_ID_SIZE]);

/*
 * Queues one job with n items, all or none, and sends soon.  target is a
 * conf's, or of a conf that there was.
 * Without a CDN (conf->target 0) the job is done at once.
 * Returns NGX_OK; NGX_DECLINED: queued, but there are too many open jobs for
 * another id; or NGX_BUSY: the queue is full.
 *
 * repeat, if not NULL: once more when _repeat() is called with *repeat, or
 * after NGX_CONTENT_PURGE_REPEAT, whatever becomes of this worker.
 *
 * owed: the caller keeps the job where it outlives nginx, and is told of its
 * end by what _owing() has set, in some worker.
 */
ngx_int_t ngx_content_purge_enqueue(ngx_content_purge_t *purge,
    uint32_t target, const content_purge_item_t *items, ngx_uint_t n,
    const u_char id[CONTENT_PURGE_ID_SIZE], ngx_uint_t owed,
    ngx_uint_t *repeat);
void ngx_content_purge_repeat(ngx_content_purge_t *purge, ngx_uint_t repeat);

/* Who is told of owed jobs that have ended; one for all. */
void ngx_content_purge_owing(ngx_content_purge_t *purge,
    ngx_content_purge_paid_pt paid, void *data);

/* Whether an owed job is in the queue. */
ngx_uint_t ngx_content_purge_owes(ngx_content_purge_t *purge,
    const u_char id[CONTENT_PURGE_ID_SIZE]);


#endif
