/*
 * Intents that nobody has settled within their deadline: the control worker
 * claims them from Redis, a few at a time, and hands each to the function that
 * ngx_content_fleet_create() was given.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "lib/content_rules.h"
#include "cache/ngx_content_fleet_internal.h"


#define NGX_CONTENT_FLEET_CLAIMS  "16"       /* intents at once */


static void ngx_content_fleet_claimed(ngx_content_redis_op_t *op);


void
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
