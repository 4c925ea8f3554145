/*
 * A worker's part in the fleet: see ngx_content_fleet.h.  Here are the control
 * role and the lease; what is done about what is heard is in
 * ngx_content_fleet_heard.c, what a writer does in ngx_content_fleet_change.c.
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
#include "cache/ngx_content_fleet_internal.h"
#include "cache/ngx_content_fleet_scripts.h"


#define NGX_CONTENT_FLEET_TICK  200          /* ms */
#define NGX_CONTENT_FLEET_GONE  20           /* leases; then struck off */


static ngx_int_t ngx_content_fleet_names(ngx_content_fleet_t *fleet,
    ngx_pool_t *pool);
static ngx_int_t ngx_content_fleet_draw(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_tick(ngx_event_t *ev);
static void ngx_content_fleet_role(ngx_content_fleet_t *fleet, uint64_t now);
static void ngx_content_fleet_give_up(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_ping(ngx_content_fleet_t *fleet);
static void ngx_content_fleet_ponged(ngx_content_redis_op_t *op);


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

    (void) ngx_atomic_cmp_set(&fleet->shared->node, 0, drawn[1] | 1);

    fleet->worker = (fleet->shared->node & NGX_CONTENT_FLEET_HALF)
                    | (drawn[0] & ~NGX_CONTENT_FLEET_HALF);

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


ngx_uint_t
ngx_content_fleet_heard_all(ngx_content_fleet_shared_t *shared)
{
    return ngx_content_fleet_may(shared) ? shared->emptied : 0;
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


void
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
