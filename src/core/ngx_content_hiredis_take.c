/*
 * What comes from Redis, as replies to who wait: see
 * ngx_content_hiredis_internal.h.
 */

#include "core/ngx_content_hiredis_internal.h"


#define NGX_CONTENT_HIREDIS_REPLY  (16 * 1024 * 1024)

/*
 * Of what was read the reader is given so much at once.  Whenever it has made a
 * reply it moves what is left to the front of its buffer: with all of a turn
 * in there that would cost more than all else.  The bites of a longer reply
 * grow.
 */

#define NGX_CONTENT_HIREDIS_BITE   2048

#define NGX_CONTENT_HIREDIS_UNASKED                                          \
    "it has sent bytes that no command had asked for"


static const char *ngx_content_hiredis_parse(ngx_content_hiredis_t *hc,
    size_t rest, ngx_uint_t *made);
static const char *ngx_content_hiredis_give(ngx_content_hiredis_t *hc,
    redisReply *reply, size_t rest);
static ngx_uint_t ngx_content_hiredis_unasked(ngx_content_hiredis_t *hc,
    ngx_uint_t waiting, size_t rest);


const char *
ngx_content_hiredis_take(ngx_content_hiredis_t *hc, u_char *p, size_t len)
{
    size_t       bite, n;
    ngx_uint_t   made;
    const char  *wrong;

    wrong = NULL;
    bite = NGX_CONTENT_HIREDIS_BITE;

    while (len && wrong == NULL && !hc->closing) {

        n = ngx_min(len, bite);

        if (redisReaderFeed(hc->reader, (char *) p, n) != REDIS_OK) {
            return hc->reader->errstr;
        }

        p += n;
        len -= n;
        hc->unfinished += n;

        wrong = ngx_content_hiredis_parse(hc, len, &made);

        bite = made ? NGX_CONTENT_HIREDIS_BITE : 2 * bite;
    }

    return wrong;
}


/* Takes the replies that are whole; rest: bytes that the reader lacks still. */

static const char *
ngx_content_hiredis_parse(ngx_content_hiredis_t *hc, size_t rest,
    ngx_uint_t *made)
{
    void        *reply;
    const char  *wrong;

    *made = 0;

    for ( ;; ) {

        if (ngx_content_hiredis_unasked(hc, 0, rest)) {
            return NGX_CONTENT_HIREDIS_UNASKED;
        }

        if (redisReaderGetReply(hc->reader, &reply) != REDIS_OK) {
            return hc->replies.refused ? hc->replies.refused
                                       : hc->reader->errstr;
        }

        if (reply == NULL) {
            break;
        }

        *made = 1;
        hc->unfinished = 0;

        wrong = ngx_content_hiredis_give(hc, reply, rest);

        if (wrong || hc->closing) {
            return wrong;
        }

        if (ngx_content_hiredis_replies_reset(&hc->replies) != NGX_OK) {
            return "no memory";
        }
    }

    return hc->unfinished > NGX_CONTENT_HIREDIS_REPLY
           ? "it has sent too long a reply" : NULL;
}


static const char *
ngx_content_hiredis_give(ngx_content_hiredis_t *hc, redisReply *reply,
    size_t rest)
{
    if (hc->waits.n == 0) {
        hc->push(reply, hc->push_data);
        return NULL;
    }

    if (ngx_content_hiredis_unasked(hc, 1, rest)) {
        return NGX_CONTENT_HIREDIS_UNASKED;
    }

    ngx_content_hiredis_waits_call(&hc->waits, reply);

    return NULL;
}


/*
 * Whether there are bytes behind the last reply that was asked for: so many
 * wait still, including who is about to be given one.
 */

static ngx_uint_t
ngx_content_hiredis_unasked(ngx_content_hiredis_t *hc, ngx_uint_t waiting,
    size_t rest)
{
    return hc->push == NULL && hc->waits.n == waiting
           && (rest || hc->reader->pos < hc->reader->len);
}
