/*
 * What a writer tells the fleet: see ngx_content_fleet.h.
 *
 * An acknowledgement can come before Redis has told who is to acknowledge,
 * for they take different connections: it is noted by the notice's serial.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "lib/content_rules.h"
#include "cache/ngx_content_fleet_internal.h"
#include "cache/ngx_content_fleet_scripts.h"


static ngx_int_t ngx_content_fleet_publish(ngx_content_fleet_notice_t *notice,
    ngx_str_t *change);
static void ngx_content_fleet_published(ngx_content_redis_op_t *op);
static ngx_content_fleet_notice_t *ngx_content_fleet_notice(
    ngx_content_fleet_t *fleet, uint64_t serial);
static ngx_int_t ngx_content_fleet_whom(ngx_content_fleet_notice_t *notice,
    redisReply *reply);
static uint64_t ngx_content_fleet_seen(ngx_content_fleet_t *fleet,
    uint64_t node);
static void ngx_content_fleet_mark(ngx_content_fleet_notice_t *notice,
    uint64_t node, ngx_uint_t sending);
static ngx_uint_t ngx_content_fleet_missing(
    ngx_content_fleet_notice_t *notice, ngx_uint_t mark);
static void ngx_content_fleet_look(ngx_content_fleet_notice_t *notice);
static void ngx_content_fleet_timer(ngx_event_t *ev);
static void ngx_content_fleet_end(ngx_content_fleet_notice_t *notice,
    ngx_content_fleet_state_e state);
static void ngx_content_fleet_ended(ngx_content_fleet_notice_t *notice);


void
ngx_content_fleet_eval(ngx_str_t *argv, const char *script, const char *nkeys)
{
    ngx_str_set(&argv[0], "EVAL");
    argv[1].data = (u_char *) script;
    argv[1].len = ngx_strlen(script);
    argv[2].data = (u_char *) nkeys;
    argv[2].len = ngx_strlen(nkeys);
}


ngx_int_t
ngx_content_fleet_begin(ngx_content_fleet_t *fleet, ngx_str_t *change,
    ngx_content_redis_handler_pt handler, void *data)
{
    ngx_str_t  argv[6];

    ngx_content_fleet_eval(argv, NGX_CONTENT_FLEET_SCRIPT_BEGIN, "1");
    argv[3] = fleet->intents;
    argv[4] = fleet->conf->name;
    argv[5] = *change;

    return ngx_content_redis_call(fleet->redis, 6, argv, handler, data, NULL);
}


ngx_int_t
ngx_content_fleet_begun(ngx_content_redis_op_t *op, ngx_str_t *id)
{
    redisReply  *reply;

    reply = op->reply;

    if (op->result != NGX_CONTENT_REDIS_DONE
        || reply->type != REDIS_REPLY_STRING)
    {
        return NGX_DECLINED;
    }

    id->data = (u_char *) reply->str;
    id->len = reply->len;

    return NGX_OK;
}


void
ngx_content_fleet_settle(ngx_content_fleet_t *fleet, ngx_str_t *id)
{
    ngx_str_t  argv[5];

    ngx_content_fleet_eval(argv, NGX_CONTENT_FLEET_SCRIPT_SETTLE, "1");
    argv[3] = fleet->intents;
    argv[4] = *id;

    (void) ngx_content_redis_call(fleet->redis, 5, argv, NULL, NULL, NULL);
}


ngx_content_fleet_notice_t *
ngx_content_fleet_announce(ngx_content_fleet_t *fleet, ngx_str_t *change,
    ngx_content_fleet_notice_pt handler, void *data)
{
    ngx_content_fleet_notice_t  *notice;

    notice = ngx_calloc(sizeof(ngx_content_fleet_notice_t), fleet->log);
    if (notice == NULL) {
        return NULL;
    }

    notice->fleet = fleet;
    notice->handler = handler;
    notice->data = data;
    notice->serial = ++fleet->serial;

    notice->timer.handler = ngx_content_fleet_timer;
    notice->timer.data = notice;
    notice->timer.log = fleet->log;

    if (ngx_content_fleet_publish(notice, change) != NGX_OK) {
        ngx_free(notice);
        return NULL;
    }

    ngx_queue_insert_tail(&fleet->notices, &notice->queue);
    (void) ngx_atomic_fetch_add(&fleet->shared->announced, 1);

    return notice;
}


static ngx_int_t
ngx_content_fleet_publish(ngx_content_fleet_notice_t *notice,
    ngx_str_t *change)
{
    u_char               *buf, lease[NGX_INT_T_LEN];
    size_t                size;
    ngx_int_t             rc;
    ngx_str_t             argv[9];
    content_out_t         out;
    content_notice_t      text;
    ngx_content_fleet_t  *fleet;

    fleet = notice->fleet;
    size = 1 + 2 * CONTENT_NOTICE_ID + change->len;

    buf = ngx_alloc(size, fleet->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    text.kind = CONTENT_NOTICE_FORGET;
    text.worker = fleet->worker;
    text.serial = notice->serial;
    text.change = ngx_content_from_ngx(*change);

    content_out_init(&out, buf, size);
    (void) content_notice_write(&out, &text);

    ngx_content_fleet_eval(argv, NGX_CONTENT_FLEET_SCRIPT_ANNOUNCE, "3");
    argv[3] = fleet->nodes;
    argv[4] = fleet->fresh;
    argv[5] = fleet->redis->epoch;
    argv[6] = fleet->channel;
    argv[7] = ngx_content_to_ngx(content_out_done(&out));
    argv[8].data = lease;
    argv[8].len = ngx_sprintf(lease, "%M", fleet->conf->lease) - lease;

    rc = ngx_content_redis_call(fleet->redis, 9, argv,
                                ngx_content_fleet_published, notice, NULL);
    ngx_free(buf);

    return rc;
}


static void
ngx_content_fleet_published(ngx_content_redis_op_t *op)
{
    ngx_content_fleet_notice_t  *notice;

    notice = op->data;

    if (op->result != NGX_CONTENT_REDIS_DONE
        || ngx_content_fleet_whom(notice, op->reply) != NGX_OK)
    {
        ngx_content_fleet_end(notice, NGX_CONTENT_FLEET_FAILED);
        return;
    }

    notice->state = NGX_CONTENT_FLEET_PUBLISHED;
    notice->handler(notice);

    ngx_content_fleet_look(notice);
}


/* {time to wait in any case, node, age of its ping, ...} */

static ngx_int_t
ngx_content_fleet_whom(ngx_content_fleet_notice_t *notice, redisReply *reply)
{
    size_t                i;
    uint64_t              now, node, quarantine;
    content_str_t         id;
    ngx_content_fleet_t  *fleet;

    fleet = notice->fleet;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 1
        || reply->element[0]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    now = ngx_content_fleet_now();
    quarantine = (CONTENT_RULE_QUARANTINE && reply->element[0]->integer > 0)
                 ? reply->element[0]->integer : 0;

    notice->earliest = now + quarantine;
    notice->latest = content_lease_over(now, quarantine, fleet->conf->lease);

    for (i = 1; i < reply->elements; i += 2) {
        id.data = (u_char *) reply->element[i]->str;
        id.len = reply->element[i]->len;

        if (reply->element[i]->type != REDIS_REPLY_STRING
            || reply->element[i + 1]->type != REDIS_REPLY_INTEGER
            || content_notice_parse(&id, &node) != CONTENT_OK)
        {
            return NGX_ERROR;
        }

        /* the writer itself sees to its own node */

        if (node == fleet->shared->node
            || !content_lease_awaited(reply->element[i + 1]->integer,
                                      ngx_content_fleet_seen(fleet, node),
                                      now, fleet->conf->lease))
        {
            continue;
        }

        if (notice->nawaited == NGX_CONTENT_FLEET_NODES) {
            notice->earliest = notice->latest;
            continue;
        }

        notice->awaited[notice->nawaited++] = node;
    }

    return NGX_OK;
}


static uint64_t
ngx_content_fleet_seen(ngx_content_fleet_t *fleet, uint64_t node)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_FLEET_PEERS; i++) {
        if (fleet->shared->peers[i].node == node) {
            return fleet->shared->peers[i].seen;
        }
    }

    return CONTENT_LEASE_NEVER;
}


void
ngx_content_fleet_acked(ngx_content_fleet_t *fleet, content_notice_t *ack)
{
    ngx_content_fleet_notice_t  *notice;

    notice = ngx_content_fleet_notice(fleet, ack->serial);
    if (notice == NULL) {
        return;
    }

    if (ack->node != fleet->shared->node) {
        ngx_content_fleet_mark(notice, ack->node, ack->under_way);
    }

    if (notice->state == NGX_CONTENT_FLEET_ENDING) {
        ngx_content_fleet_ended(notice);
        return;
    }

    if (notice->nacked < NGX_CONTENT_FLEET_NODES) {
        notice->acked[notice->nacked++] = ack->node;
    }

    if (notice->state == NGX_CONTENT_FLEET_PUBLISHED) {
        ngx_content_fleet_look(notice);
    }
}


/* That of this worker with the serial, or NULL. */

static ngx_content_fleet_notice_t *
ngx_content_fleet_notice(ngx_content_fleet_t *fleet, uint64_t serial)
{
    ngx_queue_t                 *q;
    ngx_content_fleet_notice_t  *notice;

    for (q = ngx_queue_head(&fleet->notices);
         q != ngx_queue_sentinel(&fleet->notices);
         q = ngx_queue_next(q))
    {
        notice = ngx_queue_data(q, ngx_content_fleet_notice_t, queue);

        if (notice->serial == serial) {
            return notice;
        }
    }

    return NULL;
}


/* That node is sending older bytes, or has ended. */

static void
ngx_content_fleet_mark(ngx_content_fleet_notice_t *notice, uint64_t node,
    ngx_uint_t sending)
{
    ngx_uint_t  i;

    for (i = 0; i < notice->nsending; i++) {
        if (notice->sending[i] == node) {
            break;
        }
    }

    if (sending && i == notice->nsending && i < NGX_CONTENT_FLEET_NODES) {
        notice->sending[notice->nsending++] = node;
    }

    if (!sending && i < notice->nsending) {
        notice->sending[i] = notice->sending[--notice->nsending];
    }
}


/* mark: those that have not answered may be sending, too. */

static ngx_uint_t
ngx_content_fleet_missing(ngx_content_fleet_notice_t *notice, ngx_uint_t mark)
{
    ngx_uint_t  i, n, missing;

    missing = 0;

    for (i = 0; i < notice->nawaited; i++) {
        for (n = 0; n < notice->nacked; n++) {
            if (notice->acked[n] == notice->awaited[i]) {
                break;
            }
        }

        if (n == notice->nacked) {
            missing++;

            if (mark) {
                ngx_content_fleet_mark(notice, notice->awaited[i], 1);
            }
        }
    }

    return missing;
}


/* Whether it has ended; else when to look again. */

static void
ngx_content_fleet_look(ngx_content_fleet_notice_t *notice)
{
    uint64_t              now, until;
    ngx_uint_t            missing;
    ngx_content_fleet_t  *fleet;

    fleet = notice->fleet;
    now = ngx_content_fleet_now();
    missing = ngx_content_fleet_missing(notice, 0);
    until = missing ? notice->latest : notice->earliest;

    if (now < until) {
        if (notice->timer.timer_set) {
            ngx_del_timer(&notice->timer);
        }

        ngx_add_timer(&notice->timer, (ngx_msec_t) (until - now) + 1);
        return;
    }

    if (missing) {
        (void) ngx_atomic_fetch_add(&fleet->shared->waited, 1);
        (void) ngx_content_fleet_missing(notice, 1);

        ngx_log_error(NGX_LOG_WARN, fleet->log, 0,
                      "content fleet: %ui of %ui nodes have not said that "
                      "they forget: their leases are over", missing,
                      notice->nawaited);

        if (notice->nacked == 0 && fleet->link.ready) {

            /* it may be this worker that hears nothing */

            ngx_content_fleet_link_drop(&fleet->link, "no node answers");
        }
    }

    ngx_content_fleet_end(notice, NGX_CONTENT_FLEET_FORGOTTEN);
}


/* nginx's timers count from the last event: the time is looked at again. */

static void
ngx_content_fleet_timer(ngx_event_t *ev)
{
    ngx_content_fleet_notice_t  *notice;

    notice = ev->data;

    if (notice->state == NGX_CONTENT_FLEET_ENDING) {
        notice->nsending = 0;
        ngx_content_fleet_ended(notice);
        return;
    }

    ngx_content_fleet_look(notice);
}


static void
ngx_content_fleet_end(ngx_content_fleet_notice_t *notice,
    ngx_content_fleet_state_e state)
{
    if (notice->timer.timer_set) {
        ngx_del_timer(&notice->timer);
    }

    notice->state = state;

    if (!notice->fleet->closing) {
        notice->handler(notice);
    }

    /* from here on only _sending() asks for it, and keeps no worker alive */

    notice->state = NGX_CONTENT_FLEET_ENDING;

    if (state != NGX_CONTENT_FLEET_FORGOTTEN) {
        notice->nsending = 0;
    }

    notice->timer.cancelable = 1;
    ngx_add_timer(&notice->timer, NGX_CONTENT_RESPONSES_BOUND);

    ngx_content_fleet_ended(notice);
}


/* Frees it, unless some node is still sending. */

static void
ngx_content_fleet_ended(ngx_content_fleet_notice_t *notice)
{
    if (notice->nsending) {
        return;
    }

    if (notice->timer.timer_set) {
        ngx_del_timer(&notice->timer);
    }

    ngx_queue_remove(&notice->queue);
    ngx_free(notice);
}


ngx_uint_t
ngx_content_fleet_sending(ngx_content_fleet_t *fleet, uint64_t serial)
{
    ngx_content_fleet_notice_t  *notice;

    notice = ngx_content_fleet_notice(fleet, serial);

    return notice != NULL && notice->nsending != 0;
}
