/*
 * Changes of objects: see ngx_content_change.h.
 *
 * The order matters: Redis before shared memory, or that could be filled from
 * Redis again; the CDN last, or it could fetch what is still here.
 *
 * In a fleet a step that Redis does not answer is tried again, for about as
 * long as a lease lasts.  Then the change has failed, and its intent stays for
 * whoever takes it over; it stays as well while storage may still apply what
 * it did not answer for.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_zones.h"
#include "lib/content_rules.h"


#define NGX_CONTENT_CHANGE_PAUSE  100        /* ms, before the next try */

#define NGX_CONTENT_CHANGE_STEPS(S)                                          \
    S(INTENT,  intent)                                                       \
    S(DROP,    drop)                                                         \
    S(FORGET,  forget)                                                       \
    S(AWAIT,   await)                                                        \
    S(PURGE,   purge)                                                        \
    S(SETTLE,  settle)

typedef enum {
#define NGX_CONTENT_CHANGE_STEP(name, function)  NGX_CONTENT_CHANGE_##name,
    NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP
    NGX_CONTENT_CHANGE_END
} ngx_content_change_step_e;


/* A step returns NGX_OK: go on, or NGX_AGAIN: wait for _change_go_on(). */

typedef ngx_int_t (*ngx_content_change_step_pt)(ngx_content_change_t *change);

#define NGX_CONTENT_CHANGE_STEP(name, function)                              \
    static ngx_int_t ngx_content_change_##function(                          \
        ngx_content_change_t *change);
NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP

static ngx_int_t ngx_content_change_run(ngx_content_change_t *change);
static void ngx_content_change_next(ngx_content_change_t *change,
    ngx_content_change_step_e step);
static ngx_uint_t ngx_content_change_touched(ngx_content_change_t *change);
static void ngx_content_change_drop_records(ngx_content_change_t *change);
static void ngx_content_change_asked(ngx_content_change_t *change,
    ngx_int_t rc);
static ngx_int_t ngx_content_change_drop_selected(
    ngx_content_change_t *change);
static void ngx_content_change_announce(ngx_content_change_t *change);
static void ngx_content_change_dropped(ngx_content_redis_op_t *op);
static void ngx_content_change_noticed(ngx_content_fleet_notice_t *notice);
static void ngx_content_change_answered(ngx_content_change_t *change);
static void ngx_content_change_again(ngx_event_t *ev);
static void ngx_content_change_ignored(ngx_content_fleet_notice_t *notice);


static const struct {
    const char                  *name;
    ngx_content_change_step_pt   run;
} ngx_content_change_steps[] = {
#define NGX_CONTENT_CHANGE_STEP(name, function)                              \
    { #name, ngx_content_change_##function },
    NGX_CONTENT_CHANGE_STEPS(NGX_CONTENT_CHANGE_STEP)
#undef NGX_CONTENT_CHANGE_STEP
};


void
ngx_content_change_init(ngx_content_change_t *change, ngx_pool_t *pool,
    ngx_content_main_conf_t *mcf, ngx_content_loc_conf_t *lcf,
    ngx_content_change_pt done, void *data)
{
    change->pool = pool;
    change->mcf = mcf;
    change->lcf = lcf;
    change->done = done;
    change->data = data;
}


void
ngx_content_changed_init(ngx_content_changed_t *changed, ngx_str_t *key)
{
    ngx_memzero(changed, sizeof(ngx_content_changed_t));

    changed->key = *key;
    content_key_hash(ngx_content_from_ngx(*key), changed->hash);
}


ngx_int_t
ngx_content_change_begin(ngx_content_change_t *change)
{
    change->step = NGX_CONTENT_CHANGE_INTENT;

    ngx_content_change_note_writes(change);

    return ngx_content_change_run(change);
}


ngx_int_t
ngx_content_change_end(ngx_content_change_t *change)
{
    change->step = CONTENT_RULE_PURGE ? NGX_CONTENT_CHANGE_DROP
                                      : NGX_CONTENT_CHANGE_PURGE;

    if (!ngx_content_change_touched(change)) {
        change->step = NGX_CONTENT_CHANGE_SETTLE;
    }

    return ngx_content_change_run(change);
}


static ngx_uint_t
ngx_content_change_touched(ngx_content_change_t *change)
{
    ngx_uint_t  i;

    for (i = 0; i < change->nkeys; i++) {
        if (change->keys[i].touched) {
            return 1;
        }
    }

    return change->everything || change->nselectors || change->nitems;
}


static ngx_int_t
ngx_content_change_run(ngx_content_change_t *change)
{
    while (change->step != NGX_CONTENT_CHANGE_END) {
        if (ngx_content_change_steps[change->step].run(change) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    return NGX_OK;
}


static void
ngx_content_change_next(ngx_content_change_t *change,
    ngx_content_change_step_e step)
{
    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "content change of %ui: %s -> %s", change->nkeys,
                   ngx_content_change_steps[change->step].name,
                   step == NGX_CONTENT_CHANGE_END
                       ? "END" : ngx_content_change_steps[step].name);

    change->step = step;
}


void
ngx_content_change_go_on(ngx_content_change_t *change)
{
    if (ngx_content_change_run(change) == NGX_OK) {
        change->done(change);
    }
}


/* INTENT */

static ngx_int_t
ngx_content_change_intent(ngx_content_change_t *change)
{
    ngx_content_change_next(change, NGX_CONTENT_CHANGE_END);

    return ngx_content_change_note(change);
}


/* DROP: the END of each key, then the notice, in this order. */

static ngx_int_t
ngx_content_change_drop(ngx_content_change_t *change)
{
    ngx_content_change_next(change, NGX_CONTENT_CHANGE_FORGET);

    if (change->mcf->redis_client == NULL) {
        ngx_content_redis_missed(&ngx_content_shared(change->mcf)->redis);
        return NGX_OK;
    }

    change->unheard = 0;
    change->pending = 1;                     /* held until all are sent */

    ngx_content_change_drop_records(change);

    if (change->mcf->fleet && CONTENT_RULE_PUBLISH) {
        ngx_content_change_announce(change);
    }

    if (--change->pending) {
        return NGX_AGAIN;
    }

    if (change->unheard && change->mcf->fleet) {
        ngx_content_change_answered(change);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static void
ngx_content_change_drop_records(ngx_content_change_t *change)
{
    u_char                  name[NGX_CONTENT_REDIS_NAME];
    ngx_uint_t              i;
    ngx_content_redis_t    *redis;
    ngx_content_changed_t  *changed;

    redis = change->mcf->redis_client;

    if (change->everything) {
        ngx_content_change_asked(change,
                                 ngx_content_redis_epoch(redis,
                                       ngx_content_change_dropped, change,
                                       NULL));
        return;
    }

    if (change->nselectors) {
        ngx_content_change_asked(change,
                                 ngx_content_change_drop_selected(change));
    }

    for (i = 0; i < change->nkeys; i++) {
        changed = &change->keys[i];

        if (!changed->touched) {
            continue;
        }

        ngx_content_redis_name(name, change->lcf->store->id, changed->hash);

        ngx_content_change_asked(change,
                                 ngx_content_redis_end(redis, name,
                                       ngx_content_change_dropped, change,
                                       NULL));
    }
}


static void
ngx_content_change_asked(ngx_content_change_t *change, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        change->pending++;

    } else {
        change->unheard = 1;
    }
}


static ngx_int_t
ngx_content_change_drop_selected(ngx_content_change_t *change)
{
    uint64_t                 store;
    uint32_t                *places;
    ngx_uint_t               i;
    content_change_entry_t  *selector;

    store = change->lcf->store->id;

    places = ngx_palloc(change->pool, change->nselectors * sizeof(uint32_t));
    if (places == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < change->nselectors; i++) {
        selector = &change->selectors[i];

        places[i] = (selector->kind == CONTENT_CHANGE_TAG)
                    ? content_selector_tag(store, selector->value)
                    : content_selector_prefix(store, selector->value);
    }

    return ngx_content_redis_purge(change->mcf->redis_client, places,
                                   change->nselectors,
                                   ngx_content_change_dropped, change, NULL);
}


static void
ngx_content_change_announce(ngx_content_change_t *change)
{
    ngx_str_t  text;

    if (change->unheard
        || ngx_content_change_text(change, 0, &text) != NGX_OK)
    {
        change->unheard = 1;
        return;
    }

    change->notice = ngx_content_fleet_announce(change->mcf->fleet, &text,
                                                ngx_content_change_noticed,
                                                change);
    if (change->notice) {
        change->serial = change->notice->serial;
        change->pending++;

    } else {
        change->unheard = 1;
    }
}


/* AWAY is fine for a node that is alone: it uses nothing older. */

static void
ngx_content_change_dropped(ngx_content_redis_op_t *op)
{
    ngx_content_change_t  *change;

    change = op->data;

    if (op->result != NGX_CONTENT_REDIS_DONE) {
        change->unheard = 1;
    }

    if (--change->pending == 0) {
        ngx_content_change_answered(change);
    }
}


static void
ngx_content_change_noticed(ngx_content_fleet_notice_t *notice)
{
    ngx_content_change_t  *change;

    change = notice->data;

    switch (notice->state) {

    case NGX_CONTENT_FLEET_FORGOTTEN:
        change->notice = NULL;

        if (change->waiting) {
            change->waiting = 0;
            ngx_content_change_go_on(change);
        }

        return;

    case NGX_CONTENT_FLEET_FAILED:
        change->notice = NULL;
        change->unheard = 1;
        break;

    default:
        break;
    }

    if (--change->pending == 0) {
        ngx_content_change_answered(change);
    }
}


/* All that was asked of Redis has been answered, or will not be. */

static void
ngx_content_change_answered(ngx_content_change_t *change)
{
    ngx_content_main_conf_t  *mcf;

    mcf = change->mcf;

    if (!change->unheard || mcf->fleet == NULL) {
        ngx_content_change_go_on(change);
        return;
    }

    change->timer.handler = ngx_content_change_again;
    change->timer.data = change;
    change->timer.log = ngx_cycle->log;

    ngx_add_timer(&change->timer, NGX_CONTENT_CHANGE_PAUSE);
}


static void
ngx_content_change_again(ngx_event_t *ev)
{
    ngx_content_change_t  *change;

    change = ev->data;

    if (change->notice) {

        /* published, but not all records were dropped before: once more */

        change->notice->handler = ngx_content_change_ignored;
        change->notice = NULL;
    }

    if (++change->tries * NGX_CONTENT_CHANGE_PAUSE
        < change->mcf->fleet_conf.lease)
    {
        change->step = NGX_CONTENT_CHANGE_DROP;

    } else {
        change->failed = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: Redis has not confirmed that \"%V\"%s has "
                      "changed; the intent %V stays",
                      change->nkeys ? &change->keys[0].key : &change->intent,
                      change->nkeys > 1 ? " and others" : "",
                      &change->intent);
    }

    ngx_content_change_go_on(change);
}


static void
ngx_content_change_ignored(ngx_content_fleet_notice_t *notice)
{
    /* its change has made another */
}


/* FORGET */

static ngx_int_t
ngx_content_change_forget(ngx_content_change_t *change)
{
    ngx_content_change_next(change, NGX_CONTENT_CHANGE_AWAIT);

    if (change->mcf->memory_zone) {
        ngx_content_change_forget_records(change);
    }

    ngx_content_memory_changed(change->mcf);
    ngx_content_change_count_writes(change);

    change->turn = ngx_content_responses_turn(
                               ngx_content_shared(change->mcf)->responses);

    return NGX_OK;
}


/* AWAIT */

static ngx_int_t
ngx_content_change_await(ngx_content_change_t *change)
{
    ngx_content_change_next(change, CONTENT_RULE_PURGE
                                    ? NGX_CONTENT_CHANGE_PURGE
                                    : NGX_CONTENT_CHANGE_SETTLE);

    if (change->notice == NULL) {
        return NGX_OK;
    }

    change->waiting = 1;

    return NGX_AGAIN;
}


/* PURGE */

static ngx_int_t
ngx_content_change_purge(ngx_content_change_t *change)
{
    ngx_content_change_next(change, CONTENT_RULE_PURGE
                                    ? NGX_CONTENT_CHANGE_SETTLE
                                    : NGX_CONTENT_CHANGE_DROP);

    return ngx_content_change_enqueue(change);
}


/* SETTLE: not while storage may still apply the write. */

static ngx_int_t
ngx_content_change_settle(ngx_content_change_t *change)
{
    ngx_content_change_next(change, NGX_CONTENT_CHANGE_END);

    if (change->intent.len && !change->failed && !change->unowed
        && !(change->unknown && CONTENT_RULE_SECOND))
    {
        ngx_content_fleet_settle(change->mcf->fleet, &change->intent);
    }

    return NGX_OK;
}
