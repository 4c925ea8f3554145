/*
 * What runs inside Redis.  A script is atomic, which is what the fencing of
 * ngx_content_redis.h rests on.
 *
 * Keys, P being the prefix and H the name of an object, 48 hexadecimal digits:
 * 16 of its place's id, 32 of the SHA-256 of its key (keys may hold braces and
 * any bytes):
 *
 *     P{H}:r     the record: 32 digits of the epoch that it was put in, the 48
 *                of H, then the record's bytes
 *     P{H}:f     the fill token
 *     Pepoch     the epoch: 16 digits that stand for the server's history,
 *                then 16 that are drawn anew whenever all records are dropped.
 *                Drawn, not counted, so that an epoch never comes back, even
 *                when the key was evicted or restored from a backup.
 *
 * Where a script would not write anything it calls PERSIST on the epoch, which
 * changes nothing but is a write: see ngx_content_redis.h.
 */

#ifndef NGX_CONTENT_REDIS_SCRIPTS_H
#define NGX_CONTENT_REDIS_SCRIPTS_H


/*
 * KEYS record, fill, epoch; ARGV token, milliseconds that the token lives,
 * name of the object, or nothing: a record that is there is to be replaced.
 * Returns {token, "hit", record}, {token, "token", epoch}, {token, "busy",
 * who fills}, or {token, "lost"}: there is no epoch.  The token comes back so that a reply
 * can't be taken for that of another look-up.
 */

#define NGX_CONTENT_REDIS_SCRIPT_CLAIM                                       \
    "local epoch = redis.call('GET', KEYS[3])\n"                             \
    "if not epoch then\n"                                                    \
    "    return {ARGV[1], 'lost'}\n"                                         \
    "end\n"                                                                  \
    "local head = redis.call('GETRANGE', KEYS[1], 0, 79)\n"                  \
    "if head == epoch .. ARGV[3] then\n"                                     \
    "    redis.call('PERSIST', KEYS[3])\n"                                   \
    "    return {ARGV[1], 'hit', redis.call('GET', KEYS[1])}\n"              \
    "end\n"                                                                  \
    "if head ~= '' and ARGV[3] ~= '' then\n"                                 \
    "    redis.call('DEL', KEYS[1])\n"                                       \
    "end\n"                                                                  \
    "if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then\n"     \
    "    return {ARGV[1], 'token', epoch}\n"                                 \
    "end\n"                                                                  \
    "return {ARGV[1], 'busy', redis.call('GET', KEYS[2])}\n"


/*
 * KEYS record, fill, epoch; ARGV token, epoch, what the record's key is to
 * hold, milliseconds to live.
 * Returns 1: stored, or 0: the token or the epoch is not the current one.
 */

#define NGX_CONTENT_REDIS_SCRIPT_FILL                                        \
    "if redis.call('GET', KEYS[2]) ~= ARGV[1] then\n"                        \
    "    return 0\n"                                                         \
    "end\n"                                                                  \
    "redis.call('DEL', KEYS[2])\n"                                           \
    "if redis.call('GET', KEYS[3]) ~= ARGV[2] then\n"                        \
    "    return 0\n"                                                         \
    "end\n"                                                                  \
    "redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])\n"                   \
    "return 1\n"


/* KEYS fill; ARGV token.  Returns 1: it was ours and is gone, or 0. */

#define NGX_CONTENT_REDIS_SCRIPT_GIVE_BACK                                   \
    "if redis.call('GET', KEYS[1]) == ARGV[1] then\n"                        \
    "    return redis.call('DEL', KEYS[1])\n"                                \
    "end\n"                                                                  \
    "return 0\n"


/*
 * KEYS epoch, new; ARGV the history's digits, newly drawn digits, whether to
 * make a new epoch: "0": only if the one there belongs to another history,
 * "1": in any case, "2": in any case, and leases may have been given elsewhere;
 * milliseconds that leases of another history may last, or 0: there are none.
 * Returns the epoch that holds from now on.
 */

#define NGX_CONTENT_REDIS_SCRIPT_ADOPT                                       \
    "local epoch = redis.call('GET', KEYS[1])\n"                             \
    "local same = epoch and string.sub(epoch, 1, 16) == ARGV[1]\n"           \
    "if (ARGV[3] == '2' or not same) and ARGV[4] ~= '0' then\n"              \
    "    local t = redis.call('TIME')\n"                                     \
    "    redis.call('SET', KEYS[2],"                                         \
    " t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[4])\n"                    \
    "end\n"                                                                  \
    "if ARGV[3] ~= '0' or not same then\n"                                   \
    "    epoch = ARGV[1] .. ARGV[2]\n"                                       \
    "    redis.call('SET', KEYS[1], epoch)\n"                                \
    "else\n"                                                                 \
    "    redis.call('PERSIST', KEYS[1])\n"                                   \
    "end\n"                                                                  \
    "return epoch\n"


#endif
