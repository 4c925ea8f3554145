/*
 * A worker's part in the fleet: see ngx_content_fleet.h.  Here are the control
 * role, the lease, and what is done about what is heard; what a writer does is
 * in ngx_content_fleet_change.c.
 *
 * Two workers that both believe to have the role, one having been taken for
 * dead, do no harm: each hears all that is published after its subscription,
 * each subscription has emptied the memory, and a lease rests on a ping that
 * has come back over one of them.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "core/ngx_content_str.h"
#include "lib/content_rules.h"
#include "cache/ngx_content_fleet_link.h"
#include "cache/ngx_content_redis_await.h"
#include "cache/ngx_content_fleet_scripts.h"


#define NGX_CONTENT_FLEET_TICK    200        /* ms */
#define NGX_CONTENT_FLEET_CLAIMS  "16"       /* intents at once */
#define NGX_CONTENT_FLEET_GONE    20         /* leases, then it is struck off */


static ngx_int_t ngx_content_fleet_names(ngx_content_fleet_t *fleet,
    ngx_pool_t *pool);
static ngx_int_t ngx_content_fleet_draw(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_tick(ngx_event_t *ev);
static void ngx_content_fleet_role(ngx_content_fleet_t *fleet, uint64_t now);
static void ngx_content_fleet_give_up(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_ping(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_ponged(ngx_content_redis_op_t *op);
static void ngx_content_fleet_came_back(ngx_content_fleet_t *fleet,
    content_notice_t *notice);
static void ngx_content_fleet_peer(ngx_content_fleet_t *fleet,
    content_notice_t *notice, uint64_t now);
static void ngx_content_fleet_forget(ngx_content_fleet_t *fleet,
    content_notice_t *notice);
static void ngx_content_fleet_drop(ngx_content_fleet_t *fleet,
    content_change_t *change, content_change_entry_t *entry);
static void ngx_content_fleet_claim(ngx_content_fleet_t *fleet, uint64_t now);
static void ngx_content_fleet_claimed(ngx_content_redis_op_t *op);


ngx_content_fleet_t *
ngx_content_fleet_create(ngx_cycle_t *cycle, ngx_content_fleet_conf_t *conf,
    ngx_content_fleet_shared_t *shared, ngx_content_redis_t *redis,
    ngx_content_memory_t *memory, ngx_content_responses_t *responses,
    ngx_content_fleet_taken_pt taken, void *data)
{
    ngx_content_fleet_t  *fleet;

    fleet = ngx_pcalloc(cycle->pool, sizeof(ngx_content_fleet_t));
    if (fleet == NULL) {
        return NULL;
    }

    fleet->conf = conf;
    fleet->shared = shared;
    fleet->redis = redis;
    fleet->memory = memory;
    fleet->responses = responses;
    fleet->log = cycle->log;
    fleet->taken = taken;
    fleet->data = data;
    fleet->link.fleet = fleet;
    ngx_queue_init(&fleet->notices);
    ngx_queue_init(&fleet->watches);

    if (ngx_content_fleet_draw(fleet) != NGX_OK
        || ngx_content_fleet_names(fleet, cycle->pool) != NGX_OK)
    {
        return NULL;
    }

    fleet->timer.handler = ngx_content_fleet_tick;
    fleet->timer.data = fleet;
    fleet->timer.log = cycle->log;
    fleet->timer.cancelable = 1;

    ngx_content_fleet_link_open(&fleet->link);
    ngx_add_timer(&fleet->timer, 1);

    return fleet;
}


void
ngx_content_fleet_destroy(ngx_content_fleet_t *fleet)
{
    fleet->closing = 1;

    ngx_content_fleet_give_up(fleet);
    ngx_content_fleet_link_close(&fleet->link);

    if (fleet->timer.timer_set) {
        ngx_del_timer(&fleet->timer);
    }
}


/* Ids: of the node, which lives as long as its memory, and of this worker. */

static ngx_int_t
ngx_content_fleet_draw(ngx_content_fleet_t *fleet)
{
    uint64_t  drawn[2];

    if (RAND_bytes((u_char *) drawn, sizeof(drawn)) != 1) {
        return NGX_ERROR;
    }

    fleet->worker = drawn[0];
    (void) ngx_atomic_cmp_set(&fleet->shared->node, 0, drawn[1] | 1);

    return NGX_OK;
}


static ngx_int_t
ngx_content_fleet_names(ngx_content_fleet_t *fleet, ngx_pool_t *pool)
{
    u_char         own[sizeof("{fleet}:") + CONTENT_NOTICE_ID];
    content_out_t  out;

    content_out_init(&out, own, sizeof(own));
    content_out_text(&out, "{fleet}:");
    content_notice_number(&out, fleet->worker);
    content_out_char(&out, '\0');

    fleet->node = ngx_pnalloc(pool, CONTENT_NOTICE_ID + 1
                                    + fleet->conf->name.len);
    if (fleet->node == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, fleet->node,
                     CONTENT_NOTICE_ID + 1 + fleet->conf->name.len);
    content_notice_number(&out, fleet->shared->node);
    content_out_char(&out, ' ');
    content_out_str(&out, ngx_content_from_ngx(fleet->conf->name));
    fleet->node_len = content_out_done(&out).len;

    if (ngx_content_redis_key_of(fleet->redis, pool, (char *) own,
                                 &fleet->own)
        != NGX_OK
        || ngx_content_redis_key_of(fleet->redis, pool, "{fleet}",
                                    &fleet->channel)
           != NGX_OK
        || ngx_content_redis_key_of(fleet->redis, pool, "{fleet}:nodes",
                                    &fleet->nodes)
           != NGX_OK
        || ngx_content_redis_key_of(fleet->redis, pool, "{fleet}:intents",
                                    &fleet->intents)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    fleet->fresh = fleet->redis->fresh;

    return NGX_OK;
}


/* It counts on while the machine sleeps. */

uint64_t
ngx_content_fleet_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_BOOTTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/*
 * The clock is read anew: nginx's own may be as old as the event that is being
 * handled, and the process may have been stopped since.
 */

ngx_uint_t
ngx_content_fleet_may(ngx_content_fleet_shared_t *shared)
{
    return content_lease_valid(shared->until, ngx_content_fleet_now());
}


/* The role. */

static void
ngx_content_fleet_tick(ngx_event_t *ev)
{
    uint64_t              now;
    ngx_content_fleet_t  *fleet;

    fleet = ev->data;

    if (ngx_exiting) {
        ngx_content_fleet_give_up(fleet);
        return;
    }

    now = ngx_content_fleet_now();

    ngx_content_fleet_role(fleet, now);

    if (fleet->control) {
        if (now - fleet->pinged >= content_lease_interval(fleet->conf->lease))
        {
            ngx_content_fleet_ping(fleet);
        }

        ngx_content_fleet_claim(fleet, now);
    }

    ngx_content_fleet_watch(fleet);

    ngx_add_timer(ev, ngx_min(NGX_CONTENT_FLEET_TICK,
                              content_lease_interval(fleet->conf->lease)));
}


static void
ngx_content_fleet_role(ngx_content_fleet_t *fleet, uint64_t now)
{
    ngx_atomic_uint_t            owner;
    ngx_content_fleet_shared_t  *shared;

    shared = fleet->shared;
    owner = shared->control;

    if (owner == (ngx_atomic_uint_t) ngx_pid) {
        shared->heard = now;
        fleet->control = 1;
        ngx_content_fleet_link_listen(&fleet->link);
        return;
    }

    if (fleet->control) {

        /* somebody has taken it: this worker stood still */

        fleet->control = 0;
        ngx_content_fleet_link_drop(&fleet->link, "another worker listens");
        return;
    }

    if (owner && (kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != ESRCH)
        && !content_lease_stuck(shared->heard, now))
    {
        return;
    }

    if (ngx_atomic_cmp_set(&shared->control, owner, ngx_pid)) {
        shared->heard = now;
        fleet->control = 1;
        fleet->claimed = now;

        (void) ngx_atomic_fetch_add(&shared->roles, 1);

        ngx_content_fleet_link_listen(&fleet->link);
    }
}


static void
ngx_content_fleet_give_up(ngx_content_fleet_t *fleet)
{
    fleet->control = 0;
    (void) ngx_atomic_cmp_set(&fleet->shared->control, ngx_pid, 0);
}


ngx_uint_t
ngx_content_fleet_controls(ngx_content_fleet_t *fleet)
{
    return fleet->control && fleet->link.hearing;
}


void
ngx_content_fleet_hearing(ngx_content_fleet_t *fleet)
{
    if (fleet->memory && CONTENT_RULE_EMPTY) {
        ngx_content_memory_clear(fleet->memory);
    }

    (void) ngx_atomic_fetch_add(&fleet->shared->emptied, 1);

    ngx_content_fleet_ping(fleet);
}


/* The lease. */

static void
ngx_content_fleet_ping(ngx_content_fleet_t *fleet)
{
    u_char            buf[128 + NGX_CONTENT_FLEET_NAME], gone[NGX_INT_T_LEN];
    ngx_str_t         argv[9];
    content_out_t     out;
    content_notice_t  notice;

    if (!fleet->link.hearing) {
        return;
    }

    fleet->pinged = ngx_content_fleet_now();

    notice.kind = CONTENT_NOTICE_PING;
    notice.node = fleet->shared->node;
    notice.history = fleet->redis->shared->identity;
    notice.sent = fleet->pinged;
    notice.name = ngx_content_from_ngx(fleet->conf->name);

    content_out_init(&out, buf, sizeof(buf));
    (void) content_notice_write(&out, &notice);

    ngx_content_fleet_eval(argv, NGX_CONTENT_FLEET_SCRIPT_PING, "2");
    argv[3] = fleet->nodes;
    argv[4] = fleet->intents;
    argv[5].data = fleet->node;
    argv[5].len = fleet->node_len;
    argv[6] = fleet->channel;
    argv[7] = ngx_content_to_ngx(content_out_done(&out));
    argv[8].data = gone;
    argv[8].len = ngx_sprintf(gone, "%M", NGX_CONTENT_FLEET_GONE
                                          * fleet->conf->lease)
                  - gone;

    (void) ngx_content_redis_call(fleet->redis, 9, argv,
                                  ngx_content_fleet_ponged, fleet, NULL);
}


static void
ngx_content_fleet_ponged(ngx_content_redis_op_t *op)
{
    redisReply           *reply;
    ngx_content_fleet_t  *fleet;

    fleet = op->data;
    reply = op->reply;

    if (op->result == NGX_CONTENT_REDIS_DONE
        && reply->type == REDIS_REPLY_INTEGER)
    {
        fleet->shared->intents = reply->integer;
    }
}


/*
 * A ping of this node.  One that was published on another server (or on this
 * one before it was another's replica) proves nothing about what is heard
 * here.
 */

static void
ngx_content_fleet_came_back(ngx_content_fleet_t *fleet,
    content_notice_t *notice)
{
    uint64_t           now;
    ngx_atomic_uint_t  until, end;

    if (notice->history != fleet->link.history.identity) {
        ngx_content_fleet_link_drop(&fleet->link,
                                    "its server is another one now");
        return;
    }

    if (!fleet->link.hearing) {
        return;
    }

    now = ngx_content_fleet_now();

    do {
        until = fleet->shared->until;
        end = content_lease_extend(until, notice->sent, now,
                                   fleet->conf->lease);
    } while (!ngx_atomic_cmp_set(&fleet->shared->until, until, end));

    (void) ngx_atomic_fetch_add(&fleet->shared->pings, 1);
}


/* Only the control worker writes there. */

static void
ngx_content_fleet_peer(ngx_content_fleet_t *fleet, content_notice_t *notice,
    uint64_t now)
{
    ngx_uint_t                 i;
    ngx_content_fleet_peer_t  *peer, *oldest;

    peer = fleet->shared->peers;
    oldest = peer;

    for (i = 0; i < NGX_CONTENT_FLEET_PEERS; i++, peer++) {
        if (peer->node == notice->node) {
            oldest = peer;
            break;
        }

        if (peer->seen < oldest->seen) {
            oldest = peer;
        }
    }

    oldest->node = notice->node;
    oldest->seen = now;
    oldest->lag = notice->node == fleet->shared->node ? now - notice->sent
                                                      : 0;
    oldest->name_len = ngx_min(notice->name.len, NGX_CONTENT_FLEET_NAME);
    ngx_memcpy(oldest->name, notice->name.data, oldest->name_len);
}


/* What is heard. */

void
ngx_content_fleet_heard(ngx_content_fleet_t *fleet, ngx_str_t *text)
{
    content_notice_t  notice;

    if (content_notice_read(ngx_content_from_ngx(*text), &notice)
        != CONTENT_OK)
    {
        ngx_log_error(NGX_LOG_ERR, fleet->log, 0,
                      "content fleet: heard what is no notice");
        return;
    }

    switch (notice.kind) {

    case CONTENT_NOTICE_PING:
        ngx_content_fleet_peer(fleet, &notice, ngx_content_fleet_now());

        if (notice.node == fleet->shared->node) {
            ngx_content_fleet_came_back(fleet, &notice);
        }

        break;

    case CONTENT_NOTICE_FORGET:
        ngx_content_fleet_forget(fleet, &notice);
        break;

    case CONTENT_NOTICE_ACK:
        ngx_content_fleet_acked(fleet, &notice);
        break;

    case CONTENT_NOTICE_FILLED:
        ngx_content_redis_await_told(fleet->redis, notice.name);
    }
}


static void
ngx_content_fleet_forget(ngx_content_fleet_t *fleet, content_notice_t *notice)
{
    int                     rc;
    content_change_t        change;
    content_change_entry_t  entry;

    rc = content_change_read(notice->change, &change);

    while (rc == CONTENT_OK) {
        rc = content_change_next(&change, &entry);

        if (rc == CONTENT_OK) {
            ngx_content_fleet_drop(fleet, &change, &entry);
        }
    }

    if (rc != CONTENT_DONE && fleet->memory) {

        /* of another version: whatever it was about */

        ngx_content_memory_clear(fleet->memory);
    }

    (void) ngx_atomic_fetch_add(&fleet->shared->forgotten, 1);

    ngx_content_fleet_acknowledge(fleet, notice);
}


static void
ngx_content_fleet_drop(ngx_content_fleet_t *fleet, content_change_t *change,
    content_change_entry_t *entry)
{
    ngx_str_t                 key;
    ngx_content_memory_key_t  mkey;

    if (fleet->memory == NULL) {
        return;
    }

    switch (entry->kind) {

    case CONTENT_CHANGE_TAG:
        ngx_content_memory_purge_tag(fleet->memory, change->store,
                                     entry->value);
        return;

    case CONTENT_CHANGE_PREFIX:
        ngx_content_memory_purge_prefix(fleet->memory, change->store,
                                        entry->value);
        return;

    case CONTENT_CHANGE_ALL:
        ngx_content_memory_clear(fleet->memory);
        return;

    default:
        break;
    }

    if (entry->value.len > NGX_CONTENT_MEMORY_KEY - 12) {
        ngx_content_memory_clear(fleet->memory);
        return;
    }

    key = ngx_content_to_ngx(entry->value);

    ngx_content_memory_key(fleet->memory, &mkey, change->store, &key);
    ngx_content_memory_drop(fleet->memory, &mkey);
}


/* Intents that nobody has settled within their deadline. */

static void
ngx_content_fleet_claim(ngx_content_fleet_t *fleet, uint64_t now)
{
    u_char      deadline[NGX_INT_T_LEN];
    ngx_str_t   argv[8];
    ngx_msec_t  pause;

    pause = ngx_max(fleet->conf->deadline / 4, 200);

    if (!CONTENT_RULE_TAKEOVER || fleet->shared->intents == 0
        || now - fleet->claimed < pause)
    {
        return;
    }

    fleet->claimed = now;

    ngx_str_set(&argv[0], "XAUTOCLAIM");
    argv[1] = fleet->intents;
    ngx_str_set(&argv[2], "fleet");
    argv[3] = fleet->conf->name;
    argv[4].data = deadline;
    argv[4].len = ngx_sprintf(deadline, "%M", fleet->conf->deadline)
                  - deadline;
    ngx_str_set(&argv[5], "0-0");
    ngx_str_set(&argv[6], "COUNT");
    ngx_str_set(&argv[7], NGX_CONTENT_FLEET_CLAIMS);

    (void) ngx_content_redis_call(fleet->redis, 8, argv,
                                  ngx_content_fleet_claimed, fleet, NULL);
}


/* {where to go on, {{id, {"n", node, "c", change}}, ...}, ...} */

static void
ngx_content_fleet_claimed(ngx_content_redis_op_t *op)
{
    size_t                i;
    ngx_str_t             id, change;
    redisReply           *reply, *list, *e, *fields;
    ngx_content_fleet_t  *fleet;

    fleet = op->data;
    reply = op->reply;

    if (op->result != NGX_CONTENT_REDIS_DONE
        || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
    {
        return;
    }

    list = reply->element[1];

    for (i = 0; list->type == REDIS_REPLY_ARRAY && i < list->elements; i++) {
        e = list->element[i];

        if (e->type != REDIS_REPLY_ARRAY || e->elements != 2
            || e->element[0]->type != REDIS_REPLY_STRING
            || e->element[1]->type != REDIS_REPLY_ARRAY
            || e->element[1]->elements != 4
            || e->element[1]->element[3]->type != REDIS_REPLY_STRING)
        {
            continue;
        }

        fields = e->element[1];

        id.data = (u_char *) e->element[0]->str;
        id.len = e->element[0]->len;
        change.data = (u_char *) fields->element[3]->str;
        change.len = fields->element[3]->len;

        (void) ngx_atomic_fetch_add(&fleet->shared->taken, 1);

        ngx_log_error(NGX_LOG_NOTICE, fleet->log, 0,
                      "content fleet: takes over the intent %V, which nobody "
                      "has settled", &id);

        fleet->taken(fleet->data, &id, &change);
    }
}
