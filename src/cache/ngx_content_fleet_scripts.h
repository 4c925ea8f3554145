/*
 * What the fleet has Redis do, for ngx_content_fleet*.c only.  Keys, P being
 * the prefix:
 *
 *     P{fleet}:nodes       sorted set: "ID NAME", when it has last pinged
 *     P{fleet}:intents     stream: "n" node, "c" change; its group is "fleet"
 *     P{fleet}:new         until when leases that were given under another
 *                          history of Redis may be valid (set by the epoch)
 *
 * Nothing here expires, so that a Redis which is full, and may evict what
 * does, keeps it.
 *
 * Channels: P{fleet}, heard by the control worker of every node, and
 * P{fleet}:ID, heard by the one worker of that id.
 */

#ifndef NGX_CONTENT_FLEET_SCRIPTS_H
#define NGX_CONTENT_FLEET_SCRIPTS_H


#define NGX_CONTENT_FLEET_CLOCK                                              \
    "local t = redis.call('TIME')\n"                                         \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"


/*
 * KEYS nodes, intents; ARGV node, channel, the ping, milliseconds after which
 * a node that does not ping is struck off.  Returns the number of intents.
 */

#define NGX_CONTENT_FLEET_SCRIPT_PING                                        \
    NGX_CONTENT_FLEET_CLOCK                                                  \
    "redis.call('ZADD', KEYS[1], now, ARGV[1])\n"                            \
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4])\n"       \
    "redis.call('PUBLISH', ARGV[2], ARGV[3])\n"                              \
    "return redis.call('XLEN', KEYS[2])\n"


/*
 * KEYS nodes, new, epoch; ARGV channel, the notice, the lease.
 * Returns {milliseconds until the time in KEYS[2], or less; node, age of its last
 * ping in milliseconds, node, age, ...}.  Without an epoch Redis has lost all
 * that it knew (FLUSHALL), so who has a lease too: the wait is a whole one.
 */

#define NGX_CONTENT_FLEET_SCRIPT_ANNOUNCE                                    \
    NGX_CONTENT_FLEET_CLOCK                                                  \
    "redis.call('PERSIST', KEYS[3])\n"                                       \
    "redis.call('PUBLISH', ARGV[1], ARGV[2])\n"                              \
    "local nodes = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')\n"     \
    "local answer = {(redis.call('GET', KEYS[2]) or now) - now}\n"           \
    "if redis.call('EXISTS', KEYS[3]) == 0 then\n"                           \
    "    answer[1] = tonumber(ARGV[3])\n"                                    \
    "end\n"                                                                  \
    "for i = 1, #nodes, 2 do\n"                                              \
    "    answer[#answer + 1] = string.sub(nodes[i], 1, 16)\n"                \
    "    answer[#answer + 1] = now - nodes[i + 1]\n"                         \
    "end\n"                                                                  \
    "return answer\n"


/*
 * KEYS intents; ARGV node, change.  Returns the intent's id.  It is pending
 * for the node from the beginning, so that its idle time counts.
 */

#define NGX_CONTENT_FLEET_SCRIPT_BEGIN                                       \
    "local id = redis.call('XADD', KEYS[1], '*', 'n', ARGV[1],"              \
    " 'c', ARGV[2])\n"                                                       \
    "local r = redis.pcall('XCLAIM', KEYS[1], 'fleet', ARGV[1], 0, id,"      \
    " 'FORCE', 'JUSTID')\n"                                                  \
    "if r.err then\n"                                                        \
    "    redis.call('XGROUP', 'CREATE', KEYS[1], 'fleet', '$')\n"            \
    "    redis.call('XCLAIM', KEYS[1], 'fleet', ARGV[1], 0, id,"             \
    " 'FORCE', 'JUSTID')\n"                                                  \
    "end\n"                                                                  \
    "return id\n"


/* KEYS intents; ARGV id. */

#define NGX_CONTENT_FLEET_SCRIPT_SETTLE                                      \
    "redis.call('XACK', KEYS[1], 'fleet', ARGV[1])\n"                        \
    "return redis.call('XDEL', KEYS[1], ARGV[1])\n"


#endif
