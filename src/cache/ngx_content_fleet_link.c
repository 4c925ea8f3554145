/* A worker's subscription: see ngx_content_fleet_link.h. */

#include "cache/ngx_content_fleet_internal.h"
#include "cache/ngx_content_redis_await.h"


#define NGX_CONTENT_FLEET_HANDSHAKE  1000    /* ms, for all of it */
#define NGX_CONTENT_FLEET_DELAY_MIN  20      /* ms before the next attempt */
#define NGX_CONTENT_FLEET_DELAY_MAX  1000


static void ngx_content_fleet_link_connect(ngx_content_fleet_link_t *link);
static void ngx_content_fleet_link_timer(ngx_event_t *ev);
static void ngx_content_fleet_link_schedule(ngx_content_fleet_link_t *link,
    ngx_msec_t delay);
static void ngx_content_fleet_link_greet(ngx_content_fleet_link_t *link);
static ngx_int_t ngx_content_fleet_link_info(ngx_content_fleet_link_t *link,
    const char *section, ngx_content_hiredis_reply_pt fn);
static void ngx_content_fleet_link_auth(redisReply *reply, void *data);
static void ngx_content_fleet_link_server(redisReply *reply, void *data);
static void ngx_content_fleet_link_room(redisReply *reply, void *data);
static void ngx_content_fleet_link_replication(redisReply *reply, void *data);
static void ngx_content_fleet_link_subscribe(ngx_content_fleet_link_t *link,
    ngx_str_t *channel);
static void ngx_content_fleet_link_message(redisReply *reply, void *data);
static ngx_uint_t ngx_content_fleet_link_is(redisReply *reply,
    ngx_str_t *text);
static void ngx_content_fleet_link_lost(void *data, const char *reason);


void
ngx_content_fleet_link_open(ngx_content_fleet_link_t *link)
{
    link->timer.handler = ngx_content_fleet_link_timer;
    link->timer.data = link;
    link->timer.log = link->fleet->log;
    link->timer.cancelable = 1;

    ngx_content_fleet_link_connect(link);
}


static void
ngx_content_fleet_link_connect(ngx_content_fleet_link_t *link)
{
    u_char                     reason[NGX_CONTENT_HIREDIS_REASON];
    ngx_content_redis_conf_t  *conf;

    conf = link->fleet->redis->conf;

    link->hc = ngx_content_hiredis_connect(&conf->addr, link->fleet->log,
                                           ngx_content_fleet_link_lost, link,
                                           reason);
    if (link->hc == NULL) {
        ngx_content_fleet_link_lost(link, (char *) reason);
        return;
    }

    ngx_content_fleet_link_schedule(link, NGX_CONTENT_FLEET_HANDSHAKE);
    ngx_content_fleet_link_greet(link);
}


static void
ngx_content_fleet_link_timer(ngx_event_t *ev)
{
    ngx_content_fleet_link_t  *link;

    link = ev->data;

    if (link->hc == NULL) {
        ngx_content_fleet_link_connect(link);
        return;
    }

    ngx_content_fleet_link_drop(link, "no answer to the handshake");
}


static void
ngx_content_fleet_link_schedule(ngx_content_fleet_link_t *link,
    ngx_msec_t delay)
{
    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_add_timer(&link->timer, delay);
}


void
ngx_content_fleet_link_drop(ngx_content_fleet_link_t *link,
    const char *reason)
{
    ngx_content_hiredis_t  *hc;

    hc = link->hc;

    if (hc == NULL) {
        return;
    }

    ngx_content_fleet_link_lost(link, reason);
    ngx_content_hiredis_close(hc);
}


void
ngx_content_fleet_link_close(ngx_content_fleet_link_t *link)
{
    ngx_content_fleet_link_drop(link, "exiting");

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }
}


static void
ngx_content_fleet_link_lost(void *data, const char *reason)
{
    ngx_content_fleet_link_t *link = data;

    ngx_uint_t  level;
    ngx_msec_t  delay;

    link->hc = NULL;
    ngx_content_redis_await_channel(link->fleet->redis, NULL);
    link->ready = 0;
    link->listening = 0;
    link->hearing = 0;

    if (link->fleet->closing) {
        return;
    }

    level = link->failures ? NGX_LOG_INFO : NGX_LOG_WARN;

    ngx_log_error(level, link->fleet->log, 0,
                  "content fleet: nothing is heard: %s", reason);

    delay = NGX_CONTENT_FLEET_DELAY_MIN << ngx_min(link->failures, 10);
    delay = ngx_min(delay, NGX_CONTENT_FLEET_DELAY_MAX / 2);
    link->failures++;

    ngx_content_fleet_link_schedule(link, delay + ngx_random() % delay);
}


/*
 * The handshake: who the server is, then the subscription.  When the link is
 * dropped, the callbacks that wait run without a reply.
 */

static void
ngx_content_fleet_link_greet(ngx_content_fleet_link_t *link)
{
    ngx_str_t  *password, auth[2];

    password = &link->fleet->redis->conf->password;

    ngx_str_set(&auth[0], "AUTH");
    auth[1] = *password;

    if ((password->len
         && ngx_content_hiredis_command(link->hc, ngx_content_fleet_link_auth,
                                        link, 2, auth)
            != NGX_OK)
        || ngx_content_fleet_link_info(link, "server",
                                       ngx_content_fleet_link_server)
           != NGX_OK
        || ngx_content_fleet_link_info(link, "memory",
                                       ngx_content_fleet_link_room)
           != NGX_OK
        || ngx_content_fleet_link_info(link, "replication",
                                       ngx_content_fleet_link_replication)
           != NGX_OK)
    {
        ngx_content_fleet_link_drop(link, "cannot send");
    }
}


static ngx_int_t
ngx_content_fleet_link_info(ngx_content_fleet_link_t *link,
    const char *section, ngx_content_hiredis_reply_pt fn)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "INFO");
    argv[1].data = (u_char *) section;
    argv[1].len = ngx_strlen(section);

    return ngx_content_hiredis_command(link->hc, fn, link, 2, argv);
}


static void
ngx_content_fleet_link_auth(redisReply *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_content_fleet_link_drop(link, reply->str);
    }
}


static void
ngx_content_fleet_link_server(redisReply *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    if (reply
        && ngx_content_redis_history_run(&link->history, reply) != NGX_OK)
    {
        ngx_content_fleet_link_drop(link, "no answer to INFO");
    }
}


/* Which nodes there are must not be forgotten for want of room. */

static void
ngx_content_fleet_link_room(redisReply *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    ngx_str_t  limit, policy;

    if (reply == NULL) {
        return;
    }

    if (ngx_content_redis_info(reply, "maxmemory:", &limit) == NGX_OK
        && ngx_content_redis_info(reply, "maxmemory_policy:", &policy)
           == NGX_OK
        && !(limit.len == 1 && limit.data[0] == '0')
        && ngx_strncmp(policy.data, "allkeys", 7) == 0)
    {
        ngx_content_fleet_link_drop(link, "its maxmemory-policy may evict "
                            "what the fleet needs: set volatile-lfu");
    }
}


static void
ngx_content_fleet_link_replication(redisReply *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    if (reply == NULL) {
        return;
    }

    if (ngx_content_redis_history_stretch(&link->history, reply) != NGX_OK) {
        ngx_content_fleet_link_drop(link, "it is not a master");
        return;
    }

    ngx_content_fleet_link_subscribe(link, &link->fleet->own);
}


static void
ngx_content_fleet_link_subscribe(ngx_content_fleet_link_t *link,
    ngx_str_t *channel)
{
    if (ngx_content_hiredis_subscribe(link->hc, ngx_content_fleet_link_message,
                                      link, channel)
        != NGX_OK)
    {
        ngx_content_fleet_link_drop(link, "cannot send");
    }
}


void
ngx_content_fleet_link_listen(ngx_content_fleet_link_t *link)
{
    if (link->ready && !link->listening) {
        link->listening = 1;
        ngx_content_fleet_link_subscribe(link, &link->fleet->channel);
    }
}


/* {"subscribe", channel, count} or {"message", channel, text} */

static void
ngx_content_fleet_link_message(redisReply *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    ngx_str_t             text;
    ngx_content_fleet_t  *fleet;

    static ngx_str_t  message = ngx_string("message");
    static ngx_str_t  subscribe = ngx_string("subscribe");

    fleet = link->fleet;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        ngx_content_fleet_link_drop(link, "it does not speak as expected");
        return;
    }

    if (ngx_content_fleet_link_is(reply->element[0], &message)
        && reply->element[2]->type == REDIS_REPLY_STRING)
    {
        text.data = (u_char *) reply->element[2]->str;
        text.len = reply->element[2]->len;

        ngx_content_fleet_heard(fleet, &text);
        return;
    }

    if (!ngx_content_fleet_link_is(reply->element[0], &subscribe)) {
        return;
    }

    if (ngx_content_fleet_link_is(reply->element[1], &fleet->own)) {
        ngx_del_timer(&link->timer);

        link->ready = 1;
        link->failures = 0;
        ngx_content_redis_await_channel(fleet->redis, &fleet->own);

        if (fleet->control) {
            ngx_content_fleet_link_listen(link);
        }

        return;
    }

    link->hearing = 1;
    ngx_content_fleet_hearing(fleet);
}


static ngx_uint_t
ngx_content_fleet_link_is(redisReply *reply, ngx_str_t *text)
{
    return reply->type == REDIS_REPLY_STRING
           && (size_t) reply->len == text->len
           && ngx_memcmp(reply->str, text->data, text->len) == 0;
}
