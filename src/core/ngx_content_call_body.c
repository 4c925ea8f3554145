/*
 * The body of a call's request, as curl takes it: from buffers that stay where
 * they are, so that it can be taken again from its beginning.
 *
 * A body may grow while it is sent (call->body_length).  When curl has taken
 * all that is there it is told to pause, the call is `starving`, and
 * ngx_content_call_grown() has it go on.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>

#include "core/ngx_content_call.h"
#include "core/ngx_content_curl_internal.h"


#define NGX_CONTENT_CURL_SEND_MAX        (256 * 1024)
#define NGX_CONTENT_CURL_WAKE            (256 * 1024)  /* bytes: worth it */


static off_t ngx_content_call_there(ngx_content_call_t *call);
static size_t ngx_content_call_on_read(char *buf, size_t size, size_t n,
    void *data);
static size_t ngx_content_call_starve(ngx_content_curl_transfer_t *t);
static int ngx_content_call_on_seek(void *data, curl_off_t offset, int origin);


int
ngx_content_call_set_body(ngx_content_curl_transfer_t *t)
{
    int                  rc;
    off_t                len;
    CURL                *easy;
    ngx_content_call_t  *call;

    call = &t->call;
    easy = t->easy;

    if (call->request_body == NULL
        && ngx_strcmp(call->method, "PUT") != 0
        && ngx_strcmp(call->method, "POST") != 0)
    {
        return CURLE_OK;
    }

    len = call->body_length ? call->body_length : ngx_content_call_there(call);

    call->grew = ngx_content_call_grows(call);
    t->chain = call->request_body;

    rc = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) len);
    rc |= curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                           ngx_content_call_buffer(len,
                                                   NGX_CONTENT_CURL_SEND_MAX));
    rc |= curl_easy_setopt(easy, CURLOPT_READFUNCTION,
                           ngx_content_call_on_read);
    rc |= curl_easy_setopt(easy, CURLOPT_READDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION,
                           ngx_content_call_on_seek);
    rc |= curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);

    return rc;
}


static off_t
ngx_content_call_there(ngx_content_call_t *call)
{
    off_t         len;
    ngx_chain_t  *cl;

    len = 0;

    for (cl = call->request_body; cl; cl = cl->next) {
        len += cl->buf->last - cl->buf->pos;
    }

    return len;
}


ngx_uint_t
ngx_content_call_grows(ngx_content_call_t *call)
{
    return call->body_length > 0
           && ngx_content_call_there(call) < call->body_length;
}


static size_t
ngx_content_call_on_read(char *buf, size_t size, size_t n, void *data)
{
    size_t                        len, room;
    ngx_buf_t                    *b;
    ngx_content_curl_transfer_t  *t = data;

    room = size * n;

    while (t->chain && room) {
        b = t->chain->buf;

        len = ngx_min(room, (size_t) (b->last - b->pos) - t->offset);

        buf = (char *) ngx_cpymem(buf, b->pos + t->offset, len);
        t->offset += len;
        room -= len;

        if (t->offset < (size_t) (b->last - b->pos)) {
            break;                               /* there is no room left */
        }

        if (t->chain->next == NULL && ngx_content_call_grows(&t->call)) {
            return size * n - room ? size * n - room
                                   : ngx_content_call_starve(t);
        }

        t->chain = t->chain->next;
        t->offset = 0;
    }

    return size * n - room;
}


static size_t
ngx_content_call_starve(ngx_content_curl_transfer_t *t)
{
    t->starving = 1;
    t->active = ngx_current_msec;

    ngx_add_timer(&t->timer, NGX_CONTENT_CURL_STARVE);

    return CURL_READFUNC_PAUSE;
}


void
ngx_content_call_grown(ngx_content_call_t *call)
{
    ngx_buf_t                    *b;
    ngx_uint_t                    grows;
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;
    grows = ngx_content_call_grows(call);

    if (t->state == NGX_CONTENT_CURL_PAUSED && !grows && !t->timer.timer_set) {
        ngx_add_timer(&t->timer, 0);             /* the next try */
        return;
    }

    if (t->state != NGX_CONTENT_CURL_RUNNING || !t->starving) {
        return;
    }

    b = t->chain->buf;

    if (grows && (b->last - b->pos) - t->offset < NGX_CONTENT_CURL_WAKE) {
        return;
    }

    t->starving = 0;
    t->active = ngx_current_msec;

    ngx_content_curl_unpause(t);
}


/* curl rewinds to send the request again on another connection. */

static int
ngx_content_call_on_seek(void *data, curl_off_t offset, int origin)
{
    ngx_content_curl_transfer_t  *t = data;

    if (origin != SEEK_SET || offset != 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }

    t->starving = 0;
    t->chain = t->call.request_body;
    t->offset = 0;

    return CURL_SEEKFUNC_OK;
}
