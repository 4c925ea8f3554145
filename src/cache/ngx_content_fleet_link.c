/* A worker's subscription: see ngx_content_fleet_link.h. */

#include "cache/ngx_content_fleet_link.h"


#define NGX_CONTENT_FLEET_HANDSHAKE  1000    /* ms, for all of it */
#define NGX_CONTENT_FLEET_DELAY_MIN  20      /* ms before the next attempt */
#define NGX_CONTENT_FLEET_DELAY_MAX  1000


static void ngx_content_fleet_link_connect(ngx_content_fleet_link_t *link);
static void ngx_content_fleet_link_timer(ngx_event_t *ev);
static void ngx_content_fleet_link_schedule(ngx_content_fleet_link_t *link,
    ngx_msec_t delay);
static void ngx_content_fleet_link_greet(ngx_content_fleet_link_t *link);
static void ngx_content_fleet_link_auth(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_content_fleet_link_server(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_content_fleet_link_room(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_content_fleet_link_replication(redisAsyncContext *ac,
    void *reply, void *data);
static void ngx_content_fleet_link_subscribe(ngx_content_fleet_link_t *link,
    ngx_str_t *channel);
static void ngx_content_fleet_link_message(redisAsyncContext *ac, void *reply,
    void *data);
static ngx_uint_t ngx_content_fleet_link_is(redisReply *reply,
    ngx_str_t *text);
static void ngx_content_fleet_link_disconnected(const redisAsyncContext *ac,
    int status);
static void ngx_content_fleet_link_lost(ngx_content_fleet_link_t *link,
    const char *reason);


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
    redisAsyncContext         *ac;
    ngx_content_redis_conf_t  *conf;

    conf = link->fleet->redis->conf;

    ac = conf->path ? redisAsyncConnectUnix(conf->path)
                    : redisAsyncConnect(conf->host, conf->port);

    if (ac == NULL || ac->err
        || ngx_content_hiredis_attach(ac, link->fleet->log) != NGX_OK)
    {
        ngx_content_fleet_link_lost(link, (ac && ac->err) ? ac->errstr
                                                          : "no connection");
        if (ac) {
            redisAsyncFree(ac);
        }

        return;
    }

    ac->data = link;
    (void) redisAsyncSetDisconnectCallback(ac,
                                        ngx_content_fleet_link_disconnected);

    link->ac = ac;

    ngx_content_fleet_link_schedule(link, NGX_CONTENT_FLEET_HANDSHAKE);
    ngx_content_fleet_link_greet(link);
}


static void
ngx_content_fleet_link_timer(ngx_event_t *ev)
{
    ngx_content_fleet_link_t  *link;

    link = ev->data;

    if (link->ac == NULL) {
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
    redisAsyncContext  *ac;

    ac = link->ac;

    if (ac == NULL) {
        return;
    }

    ngx_content_fleet_link_lost(link, reason);
    redisAsyncFree(ac);
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
ngx_content_fleet_link_disconnected(const redisAsyncContext *ac, int status)
{
    ngx_content_fleet_link_t  *link;

    link = ac->data;

    if (link->ac == ac) {
        ngx_content_fleet_link_lost(link, ac->err ? ac->errstr : "closed");
    }
}


static void
ngx_content_fleet_link_lost(ngx_content_fleet_link_t *link,
    const char *reason)
{
    ngx_uint_t  level;
    ngx_msec_t  delay;

    link->ac = NULL;
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


/* The handshake: who the server is, then the subscription. */

static void
ngx_content_fleet_link_greet(ngx_content_fleet_link_t *link)
{
    ngx_str_t  *password;

    password = &link->fleet->redis->conf->password;

    if ((password->len
         && redisAsyncCommand(link->ac, ngx_content_fleet_link_auth, link,
                              "AUTH %b", password->data, password->len)
            != REDIS_OK)
        || redisAsyncCommand(link->ac, ngx_content_fleet_link_server, link,
                             "INFO server")
           != REDIS_OK
        || redisAsyncCommand(link->ac, ngx_content_fleet_link_room, link,
                             "INFO memory")
           != REDIS_OK
        || redisAsyncCommand(link->ac, ngx_content_fleet_link_replication,
                             link, "INFO replication")
           != REDIS_OK)
    {
        ngx_content_fleet_link_drop(link, "cannot send");
    }
}


static void
ngx_content_fleet_link_auth(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    redisReply  *r = reply;

    if (r && link->ac == ac && r->type == REDIS_REPLY_ERROR) {
        ngx_content_fleet_link_drop(link, r->str);
    }
}


static void
ngx_content_fleet_link_server(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    if (reply && link->ac == ac
        && ngx_content_redis_history_run(&link->history, reply) != NGX_OK)
    {
        ngx_content_fleet_link_drop(link, "no answer to INFO");
    }
}


/* Which nodes there are must not be forgotten for want of room. */

static void
ngx_content_fleet_link_room(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    ngx_str_t  limit, policy;

    if (reply == NULL || link->ac != ac) {
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
ngx_content_fleet_link_replication(redisAsyncContext *ac, void *reply,
    void *data)
{
    ngx_content_fleet_link_t *link = data;

    if (reply == NULL || link->ac != ac) {
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
    if (redisAsyncCommand(link->ac, ngx_content_fleet_link_message, link,
                          "SUBSCRIBE %b", channel->data, channel->len)
        != REDIS_OK)
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
ngx_content_fleet_link_message(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_content_fleet_link_t *link = data;

    ngx_str_t             text;
    redisReply           *r = reply;
    ngx_content_fleet_t  *fleet;

    static ngx_str_t  message = ngx_string("message");
    static ngx_str_t  subscribe = ngx_string("subscribe");

    if (r == NULL || link->ac != ac) {
        return;
    }

    fleet = link->fleet;

    if (r->type != REDIS_REPLY_ARRAY || r->elements != 3) {
        ngx_content_fleet_link_drop(link, "it does not speak as expected");
        return;
    }

    if (ngx_content_fleet_link_is(r->element[0], &message)
        && r->element[2]->type == REDIS_REPLY_STRING)
    {
        text.data = (u_char *) r->element[2]->str;
        text.len = r->element[2]->len;

        ngx_content_fleet_heard(fleet, &text);
        return;
    }

    if (!ngx_content_fleet_link_is(r->element[0], &subscribe)) {
        return;
    }

    if (ngx_content_fleet_link_is(r->element[1], &fleet->own)) {
        ngx_del_timer(&link->timer);

        link->ready = 1;
        link->failures = 0;

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
