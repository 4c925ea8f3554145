/*
 * The provider of credentials at work: see ngx_content_credentials.h.
 *
 * A timer wakes it when it is time to fetch; a fetch is one call or a few,
 * each a step (ngx_content_credentials_steps.c).  What they bring goes into
 * the slot that is not in use; when it is complete the slots change places.
 */

#include "store/ngx_content_credentials.h"


#define NGX_CONTENT_CREDENTIALS_CONNECT  2000      /* ms */
#define NGX_CONTENT_CREDENTIALS_TIMEOUT  5000      /* ms, a call */
#define NGX_CONTENT_CREDENTIALS_LOOK     60000     /* ms: the longest sleep, as
                                                      clocks are set and
                                                      machines suspended */


static void ngx_content_credentials_wake(ngx_event_t *ev);
static void ngx_content_credentials_schedule(
    ngx_content_credentials_t *provider, int64_t wait);
static uint64_t ngx_content_credentials_now(void);
static void ngx_content_credentials_ask(ngx_content_credentials_t *provider);
static void ngx_content_credentials_done(ngx_content_call_t *call);
static void ngx_content_credentials_forget(
    ngx_content_credentials_t *provider, ngx_content_call_t *call);
static void ngx_content_credentials_succeed(
    ngx_content_credentials_t *provider);
static void ngx_content_credentials_change(
    ngx_content_credentials_t *provider);
static void ngx_content_credentials_fail(ngx_content_credentials_t *provider);


content_sigv4_credentials_t *
ngx_content_credentials_get(ngx_content_credentials_t *provider,
    const char **cause)
{
    content_credentials_t  *c;

    c = &provider->slots[provider->current];

    if (content_credentials_usable(c, ngx_time())) {
        return &c->keys;
    }

    /* another worker may have been faster, or luckier */

    if (provider->engine
        && ngx_content_credentials_adopt(provider) == NGX_OK)
    {
        ngx_content_credentials_change(provider);
        return &provider->slots[provider->current].keys;
    }

    if (cause) {
        *cause = c->expires ? "the S3 credentials have expired"
                            : "no S3 credentials yet";
    }

    return NULL;
}


void
ngx_content_credentials_start(ngx_content_credentials_t *provider,
    ngx_content_curl_t *engine)
{
    if (provider->first == NGX_CONTENT_CREDENTIALS_FIXED || provider->engine) {
        return;
    }

    provider->engine = engine;

    provider->timer.handler = ngx_content_credentials_wake;
    provider->timer.data = provider;
    provider->timer.log = ngx_cycle->log;
    provider->timer.cancelable = 1;

    /* before the first request: those of the workers before a reload */

    if (ngx_content_credentials_adopt(provider) == NGX_OK) {
        ngx_content_credentials_change(provider);

    } else {
        ngx_content_credentials_schedule(provider, 0);
    }
}


void
ngx_content_credentials_stop(ngx_content_credentials_t *provider)
{
    if (provider->timer.timer_set) {
        ngx_del_timer(&provider->timer);
    }

    if (provider->call) {
        ngx_content_credentials_forget(provider, provider->call);
        ngx_content_call_cancel(provider->call);
        provider->call = NULL;
    }

    if (provider->engine) {
        content_credentials_wipe(&provider->slots[0]);
        content_credentials_wipe(&provider->slots[1]);
        provider->engine = NULL;
    }
}


/* When to fetch. */

static void
ngx_content_credentials_wake(ngx_event_t *ev)
{
    uint64_t                    now;
    ngx_content_credentials_t  *provider;

    provider = ev->data;

    if (provider->call) {
        return;                    /* began before what others had was taken;
                                      its end sets the timer */
    }

    now = ngx_content_credentials_now();

    if (now < provider->due) {
        ngx_content_credentials_schedule(provider, provider->due - now);
        return;
    }

    if (ngx_content_credentials_adopt(provider) == NGX_OK) {
        ngx_content_credentials_change(provider);
        return;
    }

    provider->step = provider->first;
    ngx_content_credentials_ask(provider);
}


static void
ngx_content_credentials_schedule(ngx_content_credentials_t *provider,
    int64_t wait)
{
    provider->due = ngx_content_credentials_now() + wait;

    ngx_add_timer(&provider->timer,
                  ngx_min(wait, NGX_CONTENT_CREDENTIALS_LOOK));
}


static uint64_t
ngx_content_credentials_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


/* A fetch. */

static void
ngx_content_credentials_ask(ngx_content_credentials_t *provider)
{
    ngx_int_t            rc;
    ngx_content_call_t  *call;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "content credentials: %s",
                   ngx_content_credentials_steps[provider->step].name);

    call = ngx_content_call_create(provider->engine, ngx_cycle->log);

    if (call == NULL) {
        (void) ngx_content_credentials_error(provider, "no memory");
        ngx_content_credentials_fail(provider);
        return;
    }

    call->connect_timeout = NGX_CONTENT_CREDENTIALS_CONNECT;
    call->timeout = NGX_CONTENT_CREDENTIALS_TIMEOUT;
    call->total_timeout = NGX_CONTENT_CREDENTIALS_TIMEOUT;
    call->handler = ngx_content_credentials_done;
    call->data = provider;

    rc = ngx_content_credentials_steps[provider->step].ask(provider, call);

    if (rc != NGX_OK) {
        ngx_content_call_cancel(call);

    } else if (ngx_content_call_start(call) == NGX_OK) {
        provider->call = call;
        return;

    } else {
        (void) ngx_content_credentials_error(provider, "the call can't be "
                                             "made");
        ngx_str_null(&provider->form);
    }

    ngx_content_credentials_fail(provider);
}


static void
ngx_content_credentials_done(ngx_content_call_t *call)
{
    ngx_int_t                   rc;
    ngx_content_credentials_t  *provider;

    provider = call->data;
    provider->call = NULL;

    rc = (call->result == NGX_OK)
         ? ngx_content_credentials_steps[provider->step].take(provider, call)
         : ngx_content_credentials_error(provider, "%V", &call->error);

    ngx_content_credentials_forget(provider, call);

    switch (rc) {

    case NGX_OK:
        ngx_content_credentials_succeed(provider);
        break;

    case NGX_AGAIN:
        ngx_content_credentials_ask(provider);
        break;

    default:
        ngx_content_credentials_fail(provider);
        break;
    }
}


static void
ngx_content_credentials_forget(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    if (call->body.len) {
        ngx_explicit_memzero(call->body.data, call->body.len);
    }

    if (provider->form.len) {
        ngx_explicit_memzero(provider->form.data, provider->form.len);
        ngx_str_null(&provider->form);
    }
}


static void
ngx_content_credentials_succeed(ngx_content_credentials_t *provider)
{
    ngx_content_credentials_change(provider);
    ngx_content_credentials_publish(provider);

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "content: fetched S3 credentials (%V), good for %L s",
                  &provider->name,
                  provider->slots[provider->current].expires - ngx_time());
}


/* From now on those in the other slot count. */

static void
ngx_content_credentials_change(ngx_content_credentials_t *provider)
{
    content_credentials_t  *c;

    content_credentials_wipe(&provider->slots[provider->current]);
    provider->current = !provider->current;
    provider->failures = 0;

    c = &provider->slots[provider->current];

    ngx_content_credentials_schedule(provider,
        content_credentials_refresh(c->expires, ngx_time(), ngx_random()));
}


static void
ngx_content_credentials_fail(ngx_content_credentials_t *provider)
{
    int64_t                 wait, left;
    content_credentials_t  *c;

    ngx_explicit_memzero(provider->imds_token, sizeof(provider->imds_token));

    provider->failures++;
    wait = content_credentials_retry(provider->failures, ngx_random());

    c = &provider->slots[provider->current];
    left = c->expires - ngx_time();

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "content: fetching S3 credentials (%V) failed: %s; the "
                  "old ones are good for %L s, next try in %L ms",
                  &provider->name, provider->cause, ngx_max(left, 0), wait);

    ngx_content_credentials_schedule(provider, wait);
}
