/*
 * What a node tells of responses that are older than a change: with its
 * acknowledgement, whether there are any; later, that they have ended.
 *
 * A watch that is lost (its worker dies, there are too many) tells nothing
 * more: the writer waits no longer than NGX_CONTENT_RESPONSES_BOUND.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "cache/ngx_content_fleet_internal.h"


#define NGX_CONTENT_FLEET_WATCHES  256       /* at once */


typedef struct {
    ngx_queue_t          queue;
    uint64_t             worker;             /* who is to be told */
    uint64_t             serial;
    uint64_t             since;
    ngx_atomic_uint_t    turn;
    ngx_uint_t           n;                  /* 0: responses of any object */
    uint32_t             hashes[1];          /* n */
} ngx_content_fleet_watch_t;


static ngx_content_fleet_watch_t *ngx_content_fleet_watch_create(
    ngx_content_fleet_t *fleet, content_notice_t *notice);
static ngx_uint_t ngx_content_fleet_watch_objects(content_str_t text,
    uint32_t *hashes);
static void ngx_content_fleet_tell(ngx_content_fleet_t *fleet,
    uint64_t worker, uint64_t serial, ngx_uint_t sending);


void
ngx_content_fleet_acknowledge(ngx_content_fleet_t *fleet,
    content_notice_t *notice)
{
    ngx_uint_t                  sending;
    ngx_content_fleet_watch_t  *watch;

    watch = ngx_content_fleet_watch_create(fleet, notice);

    sending = watch == NULL
              || ngx_content_responses_older(fleet->responses, watch->turn,
                                             watch->hashes, watch->n);

    ngx_content_fleet_tell(fleet, notice->worker, notice->serial, sending);

    if (watch == NULL) {
        return;
    }

    if (!sending || fleet->nwatches == NGX_CONTENT_FLEET_WATCHES) {
        ngx_free(watch);
        return;
    }

    ngx_queue_insert_tail(&fleet->watches, &watch->queue);
    fleet->nwatches++;
}


static ngx_content_fleet_watch_t *
ngx_content_fleet_watch_create(ngx_content_fleet_t *fleet,
    content_notice_t *notice)
{
    ngx_uint_t                  n;
    ngx_content_fleet_watch_t  *watch;

    n = ngx_content_fleet_watch_objects(notice->change, NULL);

    watch = ngx_alloc(sizeof(ngx_content_fleet_watch_t)
                      + n * sizeof(uint32_t), fleet->log);
    if (watch == NULL) {
        return NULL;
    }

    (void) ngx_content_fleet_watch_objects(notice->change, watch->hashes);

    watch->worker = notice->worker;
    watch->serial = notice->serial;
    watch->since = ngx_content_fleet_now();
    watch->turn = ngx_content_responses_turn(fleet->responses);
    watch->n = n;

    return watch;
}


/* How many a change names; 0: any, or it can't be told.  hashes: or NULL. */

static ngx_uint_t
ngx_content_fleet_watch_objects(content_str_t text, uint32_t *hashes)
{
    int                     rc;
    ngx_uint_t              n;
    content_change_t        change;
    content_change_entry_t  entry;

    n = 0;
    rc = content_change_read(text, &change);

    while (rc == CONTENT_OK) {
        rc = content_change_next(&change, &entry);

        if (rc != CONTENT_OK) {
            break;
        }

        if (entry.kind != CONTENT_CHANGE_KEY
            && entry.kind != CONTENT_CHANGE_NEW)
        {
            return 0;
        }

        if (hashes) {
            hashes[n] = ngx_content_responses_hash(change.store,
                                                   entry.value.data,
                                                   entry.value.len);
        }

        n++;
    }

    return rc == CONTENT_DONE ? n : 0;
}


void
ngx_content_fleet_watch(ngx_content_fleet_t *fleet)
{
    ngx_queue_t                *q, *next;
    ngx_content_fleet_watch_t  *watch;

    for (q = ngx_queue_head(&fleet->watches);
         q != ngx_queue_sentinel(&fleet->watches);
         q = next)
    {
        next = ngx_queue_next(q);
        watch = ngx_queue_data(q, ngx_content_fleet_watch_t, queue);

        if (ngx_content_responses_older(fleet->responses, watch->turn,
                                        watch->hashes, watch->n)
            && ngx_content_fleet_now() - watch->since
               < NGX_CONTENT_RESPONSES_BOUND)
        {
            continue;
        }

        ngx_content_fleet_tell(fleet, watch->worker, watch->serial, 0);

        ngx_queue_remove(q);
        ngx_free(watch);
        fleet->nwatches--;
    }
}


/* On the channel of the worker that has announced the change. */

static void
ngx_content_fleet_tell(ngx_content_fleet_t *fleet, uint64_t worker,
    uint64_t serial, ngx_uint_t sending)
{
    u_char            text[64], channel[NGX_CONTENT_REDIS_PREFIX + 64];
    ngx_str_t         argv[3];
    content_out_t     out, to;
    content_notice_t  ack;

    ack.kind = CONTENT_NOTICE_ACK;
    ack.serial = serial;
    ack.node = fleet->shared->node;
    ack.under_way = sending;

    content_out_init(&out, text, sizeof(text));
    (void) content_notice_write(&out, &ack);

    content_out_init(&to, channel, sizeof(channel));
    content_out_str(&to, ngx_content_from_ngx(fleet->channel));
    content_out_char(&to, ':');
    content_notice_number(&to, worker);

    ngx_str_set(&argv[0], "PUBLISH");
    argv[1] = ngx_content_to_ngx(content_out_done(&to));
    argv[2] = ngx_content_to_ngx(content_out_done(&out));

    (void) ngx_content_redis_call(fleet->redis, 3, argv, NULL, NULL, NULL);
}
