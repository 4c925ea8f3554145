/*
 * Who a Redis server is: the identity of what it has in memory.  Used by the
 * handshakes of both connections of a worker.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "lib/content_rules.h"
#include "lib/content_sha256.h"
#include "lib/content_str.h"
#include "cache/ngx_content_redis_conn.h"


static void ngx_content_redis_history_set(
    ngx_content_redis_history_t *history, ngx_str_t *replid);


ngx_int_t
ngx_content_redis_history_run(ngx_content_redis_history_t *history,
    redisReply *reply)
{
    ngx_str_t  run_id;

    if (ngx_content_redis_info(reply, "run_id:", &run_id) != NGX_OK
        || run_id.len == 0 || run_id.len > sizeof(history->run_id))
    {
        return NGX_ERROR;
    }

    ngx_memcpy(history->run_id, run_id.data, run_id.len);
    history->run_id_len = run_id.len;

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_history_stretch(ngx_content_redis_history_t *history,
    redisReply *reply)
{
    ngx_str_t  role, replid;

    if (ngx_content_redis_info(reply, "role:", &role) != NGX_OK
        || ngx_content_redis_info(reply, "master_replid:", &replid) != NGX_OK
        || replid.len == 0 || replid.len > 64)
    {
        return NGX_ERROR;
    }

    if (role.len != 6 || ngx_strncmp(role.data, "master", 6) != 0) {
        return NGX_DECLINED;
    }

    ngx_content_redis_history_set(history, &replid);

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_info(redisReply *reply, const char *name, ngx_str_t *value)
{
    size_t   len;
    u_char  *p, *last;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    p = (u_char *) reply->str;
    last = p + reply->len;
    len = ngx_strlen(name);

    while ((size_t) (last - p) > len) {

        if (ngx_strncmp(p, name, len) == 0) {
            value->data = p + len;

            for (p += len; p < last && *p != CR && *p != LF; p++) {
                /* void */
            }

            value->len = p - value->data;
            return NGX_OK;
        }

        p = ngx_strlchr(p, last, LF);

        if (p == NULL) {
            break;
        }

        p++;
    }

    return NGX_ERROR;
}


static void
ngx_content_redis_history_set(ngx_content_redis_history_t *history,
    ngx_str_t *replid)
{
    u_char         digest[CONTENT_SHA256_SIZE], text[129], *p;
    content_out_t  out;

    p = text;

    if (CONTENT_RULE_EPOCH) {
        p = ngx_cpymem(p, history->run_id, history->run_id_len);
        *p++ = ':';
        p = ngx_cpymem(p, replid->data, replid->len);
    }

    content_sha256_text((content_str_t) { p - text, text }, digest);

    content_out_init(&out, history->digits, NGX_CONTENT_REDIS_DIGITS);
    content_out_hex(&out, digest, NGX_CONTENT_REDIS_DIGITS / 2);

    ngx_memcpy(&history->identity, digest, sizeof(history->identity));
    history->identity |= 1;                  /* 0 is for: none so far */
}
