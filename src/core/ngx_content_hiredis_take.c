/*
 * What comes from Redis, as replies to who wait: see
 * ngx_content_hiredis_internal.h.
 *
 * RESP is made of items: a line, or a string's line with its bytes.  A reply
 * that is a string, as a record is, and that is there whole is given where it
 * lies: that costs no copy.  Everything else is hiredis's to read: the reader is
 * fed by items, so that it never holds bytes of the reply after the next one,
 * which it would have to move.
 */

#include "core/ngx_content_hiredis_internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif


#define NGX_CONTENT_HIREDIS_REPLY  (16 * 1024 * 1024)

#define NGX_CONTENT_HIREDIS_UNASKED                                          \
    "it has sent bytes that no command had asked for"


static size_t ngx_content_hiredis_item(ngx_content_hiredis_in_t *in,
    size_t *line);
static const char *ngx_content_hiredis_begin(ngx_content_hiredis_t *hc,
    ngx_uint_t many, size_t line);
static const char *ngx_content_hiredis_in_place(ngx_content_hiredis_t *hc,
    size_t line, size_t size);
static const char *ngx_content_hiredis_feed(ngx_content_hiredis_t *hc,
    size_t size);
static const char *ngx_content_hiredis_give(ngx_content_hiredis_t *hc,
    redisReply *reply);
static ngx_uint_t ngx_content_hiredis_unasked(ngx_content_hiredis_t *hc,
    ngx_uint_t waiting);


/* An item that was not there whole fits when it stands at the front. */

u_char *
ngx_content_hiredis_in_room(ngx_content_hiredis_t *hc, size_t *size)
{
    size_t                     len;
    ngx_content_hiredis_in_t  *in;

    in = &hc->in;
    len = in->last - in->pos;

#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(in->buf, sizeof(in->buf));
#endif

    if (len) {
        ngx_memmove(in->buf, in->pos, len);
    }

    in->pos = in->buf;
    in->last = in->buf + len;

    *size = sizeof(in->buf) - len;

    return in->last;
}


const char *
ngx_content_hiredis_take(ngx_content_hiredis_t *hc, size_t n)
{
    size_t                     size, line, len;
    ngx_uint_t                 many;
    const char                *wrong;
    ngx_content_hiredis_in_t  *in;

    in = &hc->in;
    in->last += n;
    wrong = NULL;

    while (in->pos < in->last && wrong == NULL && !hc->closing) {

        if (ngx_content_hiredis_unasked(hc, 0)) {
            return NGX_CONTENT_HIREDIS_UNASKED;
        }

        if (hc->owed) {
            wrong = ngx_content_hiredis_feed(hc, hc->owed);
            continue;
        }

        len = in->last - in->pos;
        size = ngx_content_hiredis_item(in, &line);

        if (size > len && size <= sizeof(in->buf)) {
            break;                      /* the rest has room here */
        }

        many = hc->unfinished ? 0 : ngx_content_hiredis_waits_many(&hc->waits);

        if (many && *in->pos != '-') {
            wrong = ngx_content_hiredis_begin(hc, many, line);
            continue;
        }

        wrong = (size <= len && size > line && hc->unfinished == 0)
                ? ngx_content_hiredis_in_place(hc, line, size)
                : ngx_content_hiredis_feed(hc, size);
    }

    return wrong;
}


/*
 * How many bytes the item takes that begins here, and its line: a string is the
 * one that takes more.  If the line has no end yet, as many as there is room.
 */

static size_t
ngx_content_hiredis_item(ngx_content_hiredis_in_t *in, size_t *line)
{
    u_char     *lf;
    ngx_int_t   n;

    lf = ngx_strlchr(in->pos, in->last, LF);

    if (lf == NULL) {
        *line = sizeof(in->buf);
        return sizeof(in->buf);
    }

    *line = lf + 1 - in->pos;

    if (*in->pos != '$' || *line < sizeof("$" CRLF)) {
        return *line;
    }

    n = ngx_atoi(in->pos + 1, *line - (sizeof("$" CRLF) - 1));

    /* none, or what hiredis has to say no to */

    if (n == NGX_ERROR || lf[-1] != CR) {
        return *line;
    }

    return *line + n + sizeof(CRLF) - 1;
}


/* The line of an array whose elements are given one by one. */

static const char *
ngx_content_hiredis_begin(ngx_content_hiredis_t *hc, ngx_uint_t many,
    size_t line)
{
    u_char  *p;

    p = hc->in.pos;

    if (*p != '*' || line < sizeof("*" CRLF)
        || ngx_atoi(p + 1, line - (sizeof("*" CRLF) - 1)) != (ngx_int_t) many)
    {
        return "it has not answered as many as it was asked for";
    }

    hc->in.pos += line;
    ngx_content_hiredis_waits_call(&hc->waits, NULL);

    return NULL;
}


static const char *
ngx_content_hiredis_in_place(ngx_content_hiredis_t *hc, size_t line,
    size_t size)
{
    size_t                         len;
    u_char                        *text;
    const char                    *wrong;
    ngx_content_hiredis_object_t   object;

    text = hc->in.pos + line;
    len = size - line - (sizeof(CRLF) - 1);

    if (ngx_memcmp(text + len, CRLF, sizeof(CRLF) - 1) != 0) {
        return "it has sent a string without an end";
    }

    hc->in.pos += size;

    text[len] = '\0';
    ngx_content_hiredis_replies_at(&object, text, len);

    wrong = ngx_content_hiredis_give(hc, &object.reply);

#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(text, len);
#endif

    return wrong;
}


/* Gives the reader an item, or what there is of it. */

static const char *
ngx_content_hiredis_feed(ngx_content_hiredis_t *hc, size_t size)
{
    void        *reply;
    size_t       n;
    const char  *wrong;

    n = ngx_min(size, (size_t) (hc->in.last - hc->in.pos));

    if (redisReaderFeed(hc->reader, (char *) hc->in.pos, n) != REDIS_OK) {
        return hc->reader->errstr;
    }

    hc->in.pos += n;
    hc->owed = size - n;
    hc->unfinished += n;

    if (redisReaderGetReply(hc->reader, &reply) != REDIS_OK) {
        return hc->replies.refused ? hc->replies.refused
                                   : hc->reader->errstr;
    }

    if (reply == NULL) {
        return hc->unfinished > NGX_CONTENT_HIREDIS_REPLY
               ? "it has sent too long a reply" : NULL;
    }

    hc->unfinished = 0;

    wrong = ngx_content_hiredis_give(hc, reply);

    if (wrong || hc->closing) {
        return wrong;
    }

    return ngx_content_hiredis_replies_reset(&hc->replies) == NGX_OK
           ? NULL : "no memory";
}


static const char *
ngx_content_hiredis_give(ngx_content_hiredis_t *hc, redisReply *reply)
{
    ngx_uint_t  n;

    if (hc->waits.n == 0) {
        hc->push(reply, hc->push_data);
        return NULL;
    }

    /* an error is all that many may be given together */

    n = 1 + ngx_content_hiredis_waits_many(&hc->waits);

    if (ngx_content_hiredis_unasked(hc, n)) {
        return NGX_CONTENT_HIREDIS_UNASKED;
    }

    while (n-- && !hc->closing) {
        ngx_content_hiredis_waits_call(&hc->waits, reply);
    }

    return NULL;
}


/*
 * Whether there are bytes behind the last reply that was asked for: so many
 * wait still, including who is about to be given one.
 */

static ngx_uint_t
ngx_content_hiredis_unasked(ngx_content_hiredis_t *hc, ngx_uint_t waiting)
{
    return hc->push == NULL && hc->waits.n == waiting
           && hc->in.pos < hc->in.last;
}
