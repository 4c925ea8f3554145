/*
 * The sender of purges: one per worker, on nobody's request.  It looks at the
 * shared queue shortly after something was added, whenever a call has ended,
 * and once in a while for what other workers have left; takes a batch, makes
 * one call of it, and settles or queues it again by Cloudflare's answer.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "cdn/ngx_content_purge.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_PURGE_COLLECT  20       /* ms: so that a batch fills */
#define NGX_CONTENT_PURGE_LOOK     1000     /* ms */
#define NGX_CONTENT_PURGE_CALLS    4        /* at once, a worker */
#define NGX_CONTENT_PURGE_GRACE    10000    /* ms beyond the call's time-out
                                               until another may repeat it */


struct ngx_content_purge_s {
    ngx_content_purge_shared_t   *shared;
    ngx_content_curl_t           *curl;
    ngx_array_t                  *targets;
    ngx_event_t                   timer;
    ngx_queue_t                   calls;      /* ngx_content_purge_call_t */
    ngx_uint_t                    ncalls;
    ngx_msec_t                    exiting;    /* since; 0: not */
    ngx_content_purge_paid_pt     paid;       /* or NULL */
    void                         *data;
};

typedef struct {
    ngx_content_purge_t          *purge;
    ngx_content_purge_conf_t     *conf;
    ngx_queue_t                   queue;
    ngx_content_call_t           *call;
    ngx_content_purge_batch_t     batch;
} ngx_content_purge_call_t;


static ngx_content_purge_conf_t *ngx_content_purge_target(
    ngx_content_purge_t *purge, uint32_t target);
static const content_cloudflare_plan_t *ngx_content_purge_limits(void *data,
    uint32_t target);
static void ngx_content_purge_tell(ngx_content_purge_t *purge);
static void ngx_content_purge_wake(ngx_event_t *ev);
static void ngx_content_purge_schedule(ngx_content_purge_t *purge,
    ngx_msec_t wait);
static ngx_msec_t ngx_content_purge_next(ngx_content_purge_t *purge);
static ngx_int_t ngx_content_purge_send(ngx_content_purge_call_t *pc);
static ngx_int_t ngx_content_purge_text(ngx_content_purge_call_t *pc,
    ngx_str_t *text);
static void ngx_content_purge_done(ngx_content_call_t *call);
static void ngx_content_purge_judge(ngx_content_purge_call_t *pc,
    content_cloudflare_answer_t *answer);


ngx_content_purge_t *
ngx_content_purge_create(ngx_cycle_t *cycle,
    ngx_content_purge_shared_t *shared, ngx_content_curl_t *curl,
    ngx_array_t *targets)
{
    ngx_content_purge_t  *purge;

    purge = ngx_pcalloc(cycle->pool, sizeof(ngx_content_purge_t));
    if (purge == NULL) {
        return NULL;
    }

    purge->shared = shared;
    purge->curl = curl;
    purge->targets = targets;

    ngx_queue_init(&purge->calls);

    purge->timer.handler = ngx_content_purge_wake;
    purge->timer.data = purge;
    purge->timer.log = cycle->log;
    purge->timer.cancelable = 1;

    if (targets->nelts) {
        ngx_add_timer(&purge->timer, NGX_CONTENT_PURGE_LOOK);
    }

    return purge;
}


/* The items of calls under way go back, to be sent by who comes next. */

void
ngx_content_purge_destroy(ngx_content_purge_t *purge)
{
    ngx_queue_t               *q;
    ngx_content_purge_call_t  *pc;

    static content_str_t  none = content_string("");

    if (purge->timer.timer_set) {
        ngx_del_timer(&purge->timer);
    }

    while (!ngx_queue_empty(&purge->calls)) {
        q = ngx_queue_head(&purge->calls);
        ngx_queue_remove(q);

        pc = ngx_queue_data(q, ngx_content_purge_call_t, queue);

        ngx_content_purge_queue_retry(purge->shared, &pc->batch, 0, 0, 0,
                                      none);
        ngx_content_call_cancel(pc->call);
    }

    if (purge->shared->pending > purge->shared->owed) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: %uA purges are still queued; they are lost "
                      "unless other workers go on",
                      purge->shared->pending - purge->shared->owed);
    }

    if (purge->shared->owed) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "content: %uA purges are still queued; they are kept "
                      "in Redis", purge->shared->owed);
    }
}


void
ngx_content_purge_id(u_char id[CONTENT_PURGE_ID_SIZE])
{
    ngx_uint_t  i;

    if (RAND_bytes(id, CONTENT_PURGE_ID_SIZE) == 1) {
        return;
    }

    for (i = 0; i < CONTENT_PURGE_ID_SIZE; i++) {
        id[i] = (u_char) ngx_random();
    }
}


void
ngx_content_purge_owing(ngx_content_purge_t *purge,
    ngx_content_purge_paid_pt paid, void *data)
{
    purge->paid = paid;
    purge->data = data;
}


ngx_uint_t
ngx_content_purge_owes(ngx_content_purge_t *purge,
    const u_char id[CONTENT_PURGE_ID_SIZE])
{
    return ngx_content_purge_queue_owes(purge->shared, id);
}


ngx_int_t
ngx_content_purge_enqueue(ngx_content_purge_t *purge,
    uint32_t target, const content_purge_item_t *items, ngx_uint_t n,
    const u_char id[CONTENT_PURGE_ID_SIZE], ngx_uint_t owed,
    ngx_uint_t *repeat)
{
    ngx_int_t  rc;

    rc = ngx_content_purge_queue_add(purge->shared, target, items, n, id,
                                     owed, repeat);

    if (rc != NGX_BUSY && target) {
        ngx_content_purge_schedule(purge, NGX_CONTENT_PURGE_COLLECT);
    }

    return rc;
}


void
ngx_content_purge_repeat(ngx_content_purge_t *purge, ngx_uint_t repeat)
{
    ngx_content_purge_queue_repeat(purge->shared, repeat);
    ngx_content_purge_schedule(purge, NGX_CONTENT_PURGE_COLLECT);
}


static ngx_content_purge_conf_t *
ngx_content_purge_target(ngx_content_purge_t *purge, uint32_t target)
{
    ngx_uint_t                  i;
    ngx_content_purge_conf_t  **conf;

    conf = purge->targets->elts;

    for (i = 0; i < purge->targets->nelts; i++) {
        if (conf[i]->target == target) {
            return conf[i];
        }
    }

    return NULL;
}


static const content_cloudflare_plan_t *
ngx_content_purge_limits(void *data, uint32_t target)
{
    ngx_content_purge_conf_t  *conf;

    conf = ngx_content_purge_target(data, target);

    return conf ? conf->plan : NULL;
}


/* The sooner of two times; an idle timer keeps no exiting worker alive. */

static void
ngx_content_purge_schedule(ngx_content_purge_t *purge, ngx_msec_t wait)
{
    wait = ngx_min(wait, NGX_CONTENT_PURGE_LOOK);

    if (purge->timer.timer_set) {
        if ((ngx_msec_int_t) (purge->timer.timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) wait)
        {
            return;
        }

        ngx_del_timer(&purge->timer);
    }

    if (ngx_exiting && purge->exiting == 0) {
        purge->exiting = ngx_current_msec;
    }

    purge->timer.cancelable = purge->shared->pending == 0
                              || (purge->exiting
                                  && ngx_current_msec - purge->exiting
                                     > NGX_CONTENT_PURGE_DRAIN);

    ngx_add_timer(&purge->timer, wait);
}


/* Of what has ended, whoever has seen to it, those who keep it are told. */

static void
ngx_content_purge_tell(ngx_content_purge_t *purge)
{
    u_char  id[CONTENT_PURGE_ID_SIZE];

    while (purge->paid
           && ngx_content_purge_queue_paid(purge->shared, id) == NGX_OK)
    {
        purge->paid(purge->data, id);
    }
}


static void
ngx_content_purge_wake(ngx_event_t *ev)
{
    ngx_msec_t            wait;
    ngx_content_purge_t  *purge;

    purge = ev->data;
    wait = NGX_CONTENT_PURGE_LOOK;

    ngx_content_purge_tell(purge);

    while (purge->shared->pending && purge->ncalls < NGX_CONTENT_PURGE_CALLS) {
        wait = ngx_content_purge_next(purge);

        if (wait) {
            break;
        }
    }

    ngx_content_purge_schedule(purge, ngx_max(wait, 1));
}


/* One batch, one call.  0: sent; else after how many ms to look again. */

static ngx_msec_t
ngx_content_purge_next(ngx_content_purge_t *purge)
{
    ngx_msec_t                 wait, until;
    ngx_uint_t                 i;
    ngx_content_call_t        *call;
    ngx_content_purge_call_t  *pc;
    ngx_content_purge_conf_t **conf;

    static content_str_t  failed = content_string("no memory");

    call = ngx_content_call_create(purge->curl, ngx_cycle->log);
    if (call == NULL) {
        return NGX_CONTENT_PURGE_LOOK;
    }

    pc = ngx_pcalloc(call->pool, sizeof(ngx_content_purge_call_t));
    if (pc == NULL) {
        ngx_content_call_cancel(call);
        return NGX_CONTENT_PURGE_LOOK;
    }

    until = ngx_current_msec + NGX_CONTENT_PURGE_GRACE;
    conf = purge->targets->elts;

    for (i = 0; i < purge->targets->nelts; i++) {
        until = ngx_max(until, ngx_current_msec + NGX_CONTENT_PURGE_GRACE
                               + conf[i]->timeout);
    }

    wait = ngx_content_purge_queue_take(purge->shared, &pc->batch, call->pool,
                                        until, ngx_content_purge_limits,
                                        purge);
    if (wait || pc->batch.n == 0) {
        ngx_content_call_cancel(call);
        return wait ? wait : NGX_CONTENT_PURGE_LOOK;
    }

    pc->purge = purge;
    pc->call = call;
    pc->conf = ngx_content_purge_target(purge, pc->batch.target);

    if (ngx_content_purge_send(pc) != NGX_OK) {
        ngx_content_purge_queue_retry(purge->shared, &pc->batch,
                                      NGX_CONTENT_PURGE_LOOK, 0, 0, failed);
        ngx_content_call_cancel(call);
        return NGX_CONTENT_PURGE_LOOK;
    }

    /* a call that can't start is gone: its items come back when they expire */

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_CONTENT_PURGE_LOOK;
    }

    ngx_queue_insert_tail(&purge->calls, &pc->queue);
    purge->ncalls++;

    return 0;
}


static ngx_int_t
ngx_content_purge_send(ngx_content_purge_call_t *pc)
{
    u_char                    *p;
    ngx_str_t                  text, value;
    ngx_content_call_t        *call;
    ngx_content_purge_conf_t  *conf;

    static ngx_str_t  json = ngx_string("application/json");

    call = pc->call;
    conf = pc->conf;

    if (ngx_content_purge_text(pc, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    call->url.len = conf->api.len + conf->zone_id.len
                    + sizeof("/zones//invalidate_cache");
    p = ngx_pnalloc(call->pool, call->url.len);

    value.len = sizeof("Bearer ") - 1 + conf->token.len;
    value.data = ngx_pnalloc(call->pool, value.len);

    if (p == NULL || value.data == NULL) {
        return NGX_ERROR;
    }

    call->url.data = p;
    call->url.len = ngx_sprintf(p, "%V/zones/%V/%s", &conf->api,
                                &conf->zone_id,
                                conf->action == NGX_CONTENT_PURGE_SOFT
                                    ? "invalidate_cache" : "purge_cache")
                    - p;

    (void) ngx_sprintf(value.data, "Bearer %V", &conf->token);

    call->method = "POST";
    call->connect_timeout = conf->timeout;
    call->timeout = conf->timeout;
    call->total_timeout = conf->timeout;
    call->handler = ngx_content_purge_done;
    call->data = pc;

    ngx_content_call_header(call, "Authorization", &value);
    ngx_content_call_header(call, "Content-Type", &json);
    ngx_content_call_text(call, &text);

    return NGX_OK;
}


static ngx_int_t
ngx_content_purge_text(ngx_content_purge_call_t *pc, ngx_str_t *text)
{
    size_t          size;
    u_char         *buf;
    ngx_uint_t      i;
    content_out_t   out;

    size = 64;

    for (i = 0; i < pc->batch.n; i++) {
        size += 2 * pc->batch.values[i].len + 3;
    }

    buf = ngx_pnalloc(pc->call->pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);

    if (content_purge_body(&out, pc->batch.kind, pc->batch.values,
                           pc->batch.n)
        != CONTENT_OK)
    {
        return NGX_ERROR;
    }

    *text = ngx_content_to_ngx(content_out_done(&out));

    return NGX_OK;
}


static void
ngx_content_purge_done(ngx_content_call_t *call)
{
    ngx_str_t                     after;
    ngx_content_purge_t          *purge;
    ngx_content_purge_call_t     *pc;
    content_cloudflare_answer_t   answer;

    pc = call->data;
    purge = pc->purge;

    ngx_queue_remove(&pc->queue);
    purge->ncalls--;

    ngx_str_null(&after);

    if (call->result == NGX_OK) {
        (void) ngx_content_call_response_header(call, "retry-after", &after);
    }

    content_cloudflare_answer(call->result == NGX_OK ? (int) call->status : 0,
                              ngx_content_from_ngx(call->body),
                              ngx_content_from_ngx(after), &answer);

    ngx_content_purge_judge(pc, &answer);
    ngx_content_purge_tell(purge);
    ngx_content_purge_schedule(purge, 1);
}


static void
ngx_content_purge_judge(ngx_content_purge_call_t *pc,
    content_cloudflare_answer_t *answer)
{
    ngx_msec_t                   delay;
    ngx_uint_t                   again, level;
    content_str_t                error;
    ngx_content_purge_shared_t  *shared;

    shared = pc->purge->shared;
    error = content_cstr(answer->message);

    if (answer->verdict == CONTENT_CLOUDFLARE_DONE) {
        ngx_content_purge_queue_settle(shared, &pc->batch, 0, error);
        return;
    }

    again = answer->verdict == CONTENT_CLOUDFLARE_RETRY
            || answer->verdict == CONTENT_CLOUDFLARE_AUTH
            || (answer->split && pc->batch.n > 1);

    level = (answer->verdict == CONTENT_CLOUDFLARE_RETRY) ? NGX_LOG_WARN
                                                          : NGX_LOG_ERR;
    ngx_log_error(level, ngx_cycle->log, 0,
                  "content: purge of %ui items in zone %V: %s (%V), %s",
                  pc->batch.n, &pc->conf->zone_id, answer->message,
                  &pc->call->error, again ? "will be repeated" : "given up");

    if (!again) {
        ngx_content_purge_queue_settle(shared, &pc->batch, 1, error);
        return;
    }

    if (answer->split) {
        ngx_content_purge_queue_retry(shared, &pc->batch, 0, 1, 0, error);
        return;
    }

    delay = content_cloudflare_backoff(pc->batch.attempt,
                                       (uint32_t) ngx_random());
    delay = ngx_max(delay, (ngx_msec_t) answer->after * 1000);

    ngx_content_purge_queue_retry(shared, &pc->batch, delay, 0,
                                  answer->limited, error);
}
