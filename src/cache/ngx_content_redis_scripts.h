/*
 * What runs inside Redis.  A script is atomic, which is what the fencing of
 * ngx_content_redis.h rests on.
 *
 * Keys, P being the prefix and H the name of an object, 48 hexadecimal digits:
 * 16 of its place's id, 32 of the SHA-256 of its key (keys may hold braces and
 * any bytes):
 *
 *     P{H}:r     the record: 40 digits of its stamp (the epoch that it was put
 *                in, and how many purges by tag and prefix there were in that
 *                when its filler asked), the 48 of H, then the record's bytes
 *     P{H}:f     the fill token: its id, and the stamp
 *     P{H}:t     the channels of the workers that are to be told when the
 *                filler is done
 *     P{H}:w     the lock of a write: see ngx_content_redis_lock.h
 *     Pepoch     the epoch: 16 digits that stand for the server's history,
 *                then 16 that are drawn anew whenever all records are dropped.
 *                Drawn, not counted, so that an epoch never comes back, even
 *                when the key was evicted or restored from a backup.
 *                After the first purge by tag or prefix in it also: 8 digits
 *                of their number, and the places of the last 32, 5 digits each
 *     Ppurges    of what epoch it is, 8 digits of the last purge's number; then
 *                of each place of lib/content_selector.h the number of the
 *                last purge there, 4 bytes
 *
 * Where a script would not write anything it calls PERSIST on the epoch, which
 * changes nothing but is a write: see ngx_content_redis.h.
 */

#ifndef NGX_CONTENT_REDIS_SCRIPTS_H
#define NGX_CONTENT_REDIS_SCRIPTS_H


/*
 * KEYS record, fill, epoch, words; ARGV token, milliseconds that the token
 * lives, name of the object, or nothing: a record that is there is to be
 * replaced; the channel of who wants to be told, or nothing.
 * Returns {token, "hit", record}, {token, "token", stamp}, {token, "busy",
 * who fills}, or {token, "lost"}: there is no epoch.  The token comes back so
 * that a reply can't be taken for that of another look-up.
 *
 * A token of another stamp is no hindrance: a purge has come since, and nobody
 * who asks now may join that fill.
 */

#define NGX_CONTENT_REDIS_SCRIPT_CLAIM                                       \
    "local epoch = redis.call('GET', KEYS[3])\n"                             \
    "if not epoch then\n"                                                    \
    "    return {ARGV[1], 'lost'}\n"                                         \
    "end\n"                                                                  \
    "local stamp = string.sub(epoch .. '00000000', 1, 40)\n"                 \
    "local head = redis.call('GETRANGE', KEYS[1], 0, 87)\n"                  \
    "if head == stamp .. ARGV[3] then\n"                                     \
    "    redis.call('PERSIST', KEYS[3])\n"                                   \
    "    return {ARGV[1], 'hit', redis.call('GET', KEYS[1])}\n"              \
    "end\n"                                                                  \
    "if head ~= '' and ARGV[3] ~= '' then\n"                                 \
    "    redis.call('DEL', KEYS[1])\n"                                       \
    "end\n"                                                                  \
    "local fill = redis.call('GET', KEYS[2])\n"                              \
    "if fill and string.sub(fill, 33) == stamp then\n"                       \
    "    redis.call('PERSIST', KEYS[3])\n"                                   \
    "    if ARGV[4] ~= '' then\n"                                            \
    "        redis.call('SADD', KEYS[4], ARGV[4])\n"                         \
    "        redis.call('PEXPIRE', KEYS[4], ARGV[2])\n"                      \
    "    end\n"                                                              \
    "    return {ARGV[1], 'busy', string.sub(fill, 1, 32)}\n"                \
    "end\n"                                                                  \
    "redis.call('SET', KEYS[2], ARGV[1] .. stamp, 'PX', ARGV[2])\n"          \
    "return {ARGV[1], 'token', stamp}\n"


/*
 * Tells everybody who has left word, whatever has become of the fill: they
 * look for themselves.
 */

#define NGX_CONTENT_REDIS_SCRIPT_TELL                                        \
    "local function tell(words, text)\n"                                     \
    "    for _, channel in ipairs(redis.call('SMEMBERS', words)) do\n"       \
    "        redis.call('PUBLISH', channel, text)\n"                         \
    "    end\n"                                                              \
    "    redis.call('DEL', words)\n"                                         \
    "end\n"


/*
 * KEYS record, fill, epoch, words; ARGV token, stamp, what the record's key is
 * to hold, milliseconds to live, what to tell.
 * Returns 1: stored, or 0: the token or the epoch is not the current one.
 */

#define NGX_CONTENT_REDIS_SCRIPT_FILL                                        \
    NGX_CONTENT_REDIS_SCRIPT_TELL                                            \
    "local function fill()\n"                                                \
    "    if redis.call('GET', KEYS[2]) ~= ARGV[1] .. ARGV[2] then\n"         \
    "        return 0\n"                                                     \
    "    end\n"                                                              \
    "    redis.call('DEL', KEYS[2])\n"                                       \
    "    local epoch = redis.call('GET', KEYS[3])\n"                         \
    "    if not epoch"                                                       \
    " or string.sub(epoch, 1, 32) ~= string.sub(ARGV[2], 1, 32) then\n"      \
    "        return 0\n"                                                     \
    "    end\n"                                                              \
    "    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])\n"               \
    "    return 1\n"                                                         \
    "end\n"                                                                  \
    "local stored = fill()\n"                                                \
    "tell(KEYS[4], ARGV[5])\n"                                               \
    "return stored\n"


/*
 * KEYS fill, words; ARGV token, stamp, what to tell.  Returns 1: it was ours
 * and is gone, or 0.
 */

#define NGX_CONTENT_REDIS_SCRIPT_GIVE_BACK                                   \
    NGX_CONTENT_REDIS_SCRIPT_TELL                                            \
    "local gone = 0\n"                                                       \
    "if redis.call('GET', KEYS[1]) == ARGV[1] .. ARGV[2] then\n"             \
    "    gone = redis.call('DEL', KEYS[1])\n"                                \
    "end\n"                                                                  \
    "tell(KEYS[2], ARGV[3])\n"                                               \
    "return gone\n"


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
    "return string.sub(epoch, 1, 32)\n"


/*
 * KEYS epoch, purges; ARGV the history's digits, then the places, 5 digits each.
 * Returns the last number; or nil, and nothing has changed: there is no epoch,
 * it is of another history, its numbers are used up, or the other key is lost.
 */

#define NGX_CONTENT_REDIS_SCRIPT_PURGE                                       \
    "local epoch = redis.call('GET', KEYS[1])\n"                             \
    "if not epoch or string.sub(epoch, 1, 16) ~= ARGV[1] then\n"             \
    "    return false\n"                                                     \
    "end\n"                                                                  \
    "local name = string.sub(epoch, 1, 32)\n"                                \
    "local number = tonumber(string.sub(epoch, 33, 40), 16) or 0\n"          \
    "local lost = redis.call('GETRANGE', KEYS[2], 0, 39)"                    \
    " ~= string.sub(epoch, 1, 40)\n"                                         \
    "if number + #ARGV[2] > 4294967295 or lost and number > 0 then\n"        \
    "    return false\n"                                                     \
    "end\n"                                                                  \
    "if lost then\n"                                                         \
    "    redis.call('SET', KEYS[2], name)\n"                                 \
    "    redis.call('SETRANGE', KEYS[2], 40 + 4 * 131072 - 1, '\\0')\n"      \
    "end\n"                                                                  \
    "for i = 1, #ARGV[2], 5 do\n"                                            \
    "    local place = tonumber(string.sub(ARGV[2], i, i + 4), 16)\n"        \
    "    number = number + 1\n"                                              \
    "    redis.call('SETRANGE', KEYS[2], 40 + 4 * place,"                    \
    " struct.pack('>I4', number))\n"                                         \
    "end\n"                                                                  \
    "local last = string.sub(string.sub(epoch, 41) .. ARGV[2], -160)\n"      \
    "local digits = string.format('%08x', number)\n"                         \
    "redis.call('SETRANGE', KEYS[2], 32, digits)\n"                          \
    "redis.call('SET', KEYS[1], name .. digits .. last)\n"                   \
    "return number\n"


#endif
