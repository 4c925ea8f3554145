/* What a node owes, in Redis: see ngx_content_owed.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_owed.h"
#include "cache/ngx_content_fleet_internal.h"
#include "cache/ngx_content_redis_conn.h"


#define NGX_CONTENT_OWED_LOOK    1000        /* ms */
#define NGX_CONTENT_OWED_PAUSE   10000       /* ms, when some could not be
                                                taken */
#define NGX_CONTENT_OWED_SCAN    "200"       /* texts of a reply, about */
#define NGX_CONTENT_OWED_CURSOR  20          /* digits, at most */


/* KEYS names, owed; ARGV name or nothing, id, text. */

#define NGX_CONTENT_OWED_SCRIPT_NOTE                                         \
    "if ARGV[1] ~= '' then\n"                                                \
    "    redis.call('SADD', KEYS[1], ARGV[1])\n"                             \
    "end\n"                                                                  \
    "return redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])\n"


/*
 * What nodes have left that do not ping any more becomes this one's.
 * KEYS names, owed, nodes; ARGV name, what the keys of others begin with, how
 * many.  Returns {id, text, ...}, of one node.
 */

#define NGX_CONTENT_OWED_SCRIPT_INHERIT                                      \
    "local live = {[ARGV[1]] = true}\n"                                      \
    "for _, node in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do\n"       \
    "    live[string.sub(node, 18)] = true\n"                                \
    "end\n"                                                                  \
    "for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do\n"            \
    "    if not live[name] then\n"                                           \
    "        local key = ARGV[2] .. name\n"                                  \
    "        local found = redis.call('HSCAN', key, 0, 'COUNT', ARGV[3])[2]\n" \
    "        for i = 1, #found, 2 do\n"                                      \
    "            redis.call('SADD', KEYS[1], ARGV[1])\n"                     \
    "            redis.call('HSET', KEYS[2], found[i], found[i + 1])\n"      \
    "            redis.call('HDEL', key, found[i])\n"                        \
    "        end\n"                                                          \
    "        if redis.call('EXISTS', key) == 0 then\n"                       \
    "            redis.call('SREM', KEYS[1], name)\n"                        \
    "        end\n"                                                          \
    "        if #found > 0 then\n"                                           \
    "            return found\n"                                             \
    "        end\n"                                                          \
    "    end\n"                                                              \
    "end\n"                                                                  \
    "return {}\n"


struct ngx_content_owed_s {
    ngx_content_redis_t          *redis;
    ngx_content_fleet_t          *fleet;     /* or NULL */
    ngx_content_owed_pt           taken;
    void                         *data;
    ngx_str_t                     name;
    ngx_str_t                     names;     /* keys */
    ngx_str_t                     own;
    ngx_str_t                     others;    /* what theirs begin with */
    ngx_event_t                   timer;
    u_char                        cursor[NGX_CONTENT_OWED_CURSOR];
    size_t                        cursor_len;
    ngx_msec_t                    next;      /* when to read own again, if
                                                busy */
    unsigned                      asked:1;   /* for own, or for others' */
    unsigned                      read:1;    /* own, to the end */
    unsigned                      busy:1;    /* not all of it was taken */
};


static void ngx_content_owed_look(ngx_event_t *ev);
static void ngx_content_owed_scan(ngx_content_owed_t *owed);
static void ngx_content_owed_scanned(ngx_content_redis_op_t *op);
static void ngx_content_owed_inherit(ngx_content_owed_t *owed);
static void ngx_content_owed_inherited(ngx_content_redis_op_t *op);
static void ngx_content_owed_take(ngx_content_owed_t *owed,
    redisReply *reply);


ngx_content_owed_t *
ngx_content_owed_create(ngx_cycle_t *cycle, ngx_content_redis_t *redis,
    ngx_content_fleet_t *fleet, ngx_str_t *name, ngx_content_owed_pt taken,
    void *data)
{
    u_char              *p;
    ngx_content_owed_t  *owed;

    owed = ngx_pcalloc(cycle->pool, sizeof(ngx_content_owed_t));
    if (owed == NULL) {
        return NULL;
    }

    owed->redis = redis;
    owed->fleet = fleet;
    owed->taken = taken;
    owed->data = data;
    owed->name = *name;

    if (ngx_content_redis_key_of(redis, cycle->pool, "{fleet}:owed",
                                 &owed->names)
        != NGX_OK
        || ngx_content_redis_key_of(redis, cycle->pool, "{fleet}:owed:",
                                    &owed->others)
           != NGX_OK)
    {
        return NULL;
    }

    p = ngx_pnalloc(cycle->pool, owed->others.len + name->len);
    if (p == NULL) {
        return NULL;
    }

    owed->own.data = p;
    owed->own.len = ngx_sprintf(p, "%V%V", &owed->others, name) - p;

    owed->cursor[0] = '0';
    owed->cursor_len = 1;

    owed->timer.handler = ngx_content_owed_look;
    owed->timer.data = owed;
    owed->timer.log = cycle->log;
    owed->timer.cancelable = 1;

    ngx_add_timer(&owed->timer, 1);

    return owed;
}


void
ngx_content_owed_destroy(ngx_content_owed_t *owed)
{
    if (owed->timer.timer_set) {
        ngx_del_timer(&owed->timer);
    }
}


ngx_int_t
ngx_content_owed_note(ngx_content_owed_t *owed, ngx_str_t *id,
    ngx_str_t *text, ngx_content_redis_handler_pt handler, void *data)
{
    ngx_str_t  argv[8];

    ngx_content_fleet_eval(argv, NGX_CONTENT_OWED_SCRIPT_NOTE, "2");
    argv[3] = owed->names;
    argv[4] = owed->own;
    argv[5] = owed->name;
    argv[6] = *id;
    argv[7] = *text;

    if (owed->fleet == NULL) {
        ngx_str_set(&argv[5], "");
    }

    return ngx_content_redis_call(owed->redis, 8, argv, handler, data, NULL);
}


void
ngx_content_owed_strike(ngx_content_owed_t *owed, ngx_str_t *id)
{
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "HDEL");
    argv[1] = owed->own;
    argv[2] = *id;

    (void) ngx_content_redis_call(owed->redis, 3, argv, NULL, NULL, NULL);
}


static void
ngx_content_owed_look(ngx_event_t *ev)
{
    ngx_content_owed_t  *owed;

    owed = ev->data;

    ngx_add_timer(ev, NGX_CONTENT_OWED_LOOK);

    if (owed->asked || ngx_exiting) {
        return;
    }

    if (!owed->read) {
        ngx_content_owed_scan(owed);

    } else if (owed->busy) {
        if ((ngx_msec_int_t) (owed->next - ngx_current_msec) <= 0) {
            owed->busy = 0;
            ngx_content_owed_scan(owed);
        }

    } else if (owed->fleet && ngx_content_fleet_controls(owed->fleet)) {
        ngx_content_owed_inherit(owed);
    }
}


static void
ngx_content_owed_scan(ngx_content_owed_t *owed)
{
    ngx_str_t  argv[5];

    owed->read = 0;

    ngx_str_set(&argv[0], "HSCAN");
    argv[1] = owed->own;
    argv[2].data = owed->cursor;
    argv[2].len = owed->cursor_len;
    ngx_str_set(&argv[3], "COUNT");
    ngx_str_set(&argv[4], NGX_CONTENT_OWED_SCAN);

    owed->asked = (ngx_content_redis_call(owed->redis, 5, argv,
                                          ngx_content_owed_scanned, owed,
                                          NULL)
                   == NGX_OK);
}


/* {cursor, {id, text, ...}} */

static void
ngx_content_owed_scanned(ngx_content_redis_op_t *op)
{
    redisReply          *reply, *cursor;
    ngx_content_owed_t  *owed;

    owed = op->data;
    reply = op->reply;
    owed->asked = 0;

    if (op->result != NGX_CONTENT_REDIS_DONE
        || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || (size_t) reply->element[0]->len > sizeof(owed->cursor))
    {
        return;
    }

    cursor = reply->element[0];

    ngx_memcpy(owed->cursor, cursor->str, cursor->len);
    owed->cursor_len = cursor->len;

    ngx_content_owed_take(owed, reply->element[1]);

    if (cursor->len == 1 && cursor->str[0] == '0') {
        owed->read = 1;
        return;
    }

    ngx_content_owed_scan(owed);
}


static void
ngx_content_owed_inherit(ngx_content_owed_t *owed)
{
    ngx_str_t  argv[9];

    ngx_content_fleet_eval(argv, NGX_CONTENT_OWED_SCRIPT_INHERIT, "3");
    argv[3] = owed->names;
    argv[4] = owed->own;
    argv[5] = owed->fleet->nodes;
    argv[6] = owed->name;
    argv[7] = owed->others;
    ngx_str_set(&argv[8], NGX_CONTENT_OWED_SCAN);

    owed->asked = (ngx_content_redis_call(owed->redis, 9, argv,
                                          ngx_content_owed_inherited, owed,
                                          NULL)
                   == NGX_OK);
}


static void
ngx_content_owed_inherited(ngx_content_redis_op_t *op)
{
    redisReply          *reply;
    ngx_content_owed_t  *owed;

    owed = op->data;
    reply = op->reply;
    owed->asked = 0;

    /* what was found may be this node's all the same */

    if (op->result != NGX_CONTENT_REDIS_DONE) {
        owed->read = 0;
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return;
    }

    ngx_content_owed_take(owed, reply);
    ngx_content_owed_inherit(owed);
}


/* What can't be taken stays this node's, and is read again. */

static void
ngx_content_owed_take(ngx_content_owed_t *owed, redisReply *reply)
{
    size_t      i;
    ngx_str_t   id, text;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return;
    }

    for (i = 0; i + 1 < reply->elements; i += 2) {

        if (reply->element[i]->type != REDIS_REPLY_STRING
            || reply->element[i + 1]->type != REDIS_REPLY_STRING)
        {
            continue;
        }

        id.data = (u_char *) reply->element[i]->str;
        id.len = reply->element[i]->len;
        text.data = (u_char *) reply->element[i + 1]->str;
        text.len = reply->element[i + 1]->len;

        if (owed->taken(owed->data, &id, &text) != NGX_OK) {
            owed->busy = 1;
            owed->next = ngx_current_msec + NGX_CONTENT_OWED_PAUSE;
        }
    }
}
