/*
 * An object's bytes from S3 for nobody's request: a GET by the engine of
 * core/ngx_content_curl.h.  For objects that a cache is to keep; a client's
 * own GET goes by ngx_http_upstream (ngx_content_s3_read.c).
 *
 * A fetch that takes up where another was cut asks for the whole object once
 * more, with its ETag, and leaves out what is known: such objects are small.
 */

#include "core/ngx_content_str.h"
#include "store/ngx_content_s3.h"


typedef struct {
    ngx_content_fetch_t   *fetch;
    ngx_content_call_t    *call;
    off_t                  received;
    unsigned               headed:1;         /* head() has run */
    unsigned               stopped:1;        /* it did not want more */
    unsigned               broken:1;         /* no object in the headers */
} ngx_content_s3_fetch_t;


static ngx_content_call_t *ngx_content_s3_fetch_call(
    ngx_content_fetch_t *fetch);
static ngx_int_t ngx_content_s3_fetch_data(ngx_content_call_t *call,
    u_char *data, size_t len);
static ngx_int_t ngx_content_s3_fetch_head(ngx_content_s3_fetch_t *s3);
static void ngx_content_s3_fetch_done(ngx_content_call_t *call);
static ngx_content_outcome_e ngx_content_s3_fetch_outcome(
    ngx_content_s3_fetch_t *s3, const char **cause);
static ngx_content_outcome_e ngx_content_s3_fetch_missed(
    ngx_content_s3_fetch_t *s3, ngx_content_outcome_e outcome,
    const char **cause);


void
ngx_content_s3_fetch(ngx_content_fetch_t *fetch)
{
    ngx_content_call_t      *call;
    ngx_content_s3_fetch_t  *s3;

    s3 = ngx_pcalloc(fetch->task.pool, sizeof(ngx_content_s3_fetch_t));

    if (s3) {
        s3->fetch = fetch;
        fetch->state = s3;

        call = ngx_content_s3_fetch_call(fetch);

        if (call && ngx_content_call_start(call) == NGX_OK) {
            s3->call = call;
            return;
        }
    }

    ngx_content_s3_post_unsent(&fetch->task);
}


static ngx_content_call_t *
ngx_content_s3_fetch_call(ngx_content_fetch_t *fetch)
{
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    request.key = fetch->task.key;

    if (fetch->if_match.len) {
        ngx_content_s3_header(&request, "if-match",
                              ngx_content_from_ngx(fetch->if_match));
    }

    call = ngx_content_s3_call(fetch->task.store, &request);

    if (call) {
        call->on_data = ngx_content_s3_fetch_data;
        call->handler = ngx_content_s3_fetch_done;
        call->data = fetch->state;
    }

    return call;
}


void
ngx_content_s3_fetch_cancel(ngx_content_fetch_t *fetch)
{
    ngx_content_s3_fetch_t  *s3;

    s3 = fetch->state;

    if (s3 == NULL || s3->call == NULL) {

        /* its end is posted */

        fetch->task.done = NULL;
        return;
    }

    ngx_content_call_cancel(s3->call);
    ngx_content_task_free(&fetch->task);
}


static ngx_int_t
ngx_content_s3_fetch_data(ngx_content_call_t *call, u_char *data, size_t len)
{
    off_t                    skip;
    ngx_content_fetch_t     *fetch;
    ngx_content_s3_fetch_t  *s3;

    s3 = call->data;
    fetch = s3->fetch;

    if (call->status != NGX_HTTP_OK) {
        s3->broken = 1;
        return NGX_ERROR;
    }

    if (!s3->headed && ngx_content_s3_fetch_head(s3) != NGX_OK) {
        return NGX_ERROR;
    }

    skip = fetch->offset - s3->received;
    s3->received += len;

    if (skip > 0) {
        skip = ngx_min(skip, (off_t) len);
        data += skip;
        len -= skip;
    }

    if (len) {
        fetch->body(fetch, data, len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_fetch_head(ngx_content_s3_fetch_t *s3)
{
    ngx_content_fetch_t    *fetch;
    ngx_content_s3_conf_t  *conf;

    fetch = s3->fetch;
    conf = fetch->task.store->conf;

    s3->headed = 1;

    if (ngx_content_s3_call_object(s3->call, fetch->task.pool, &fetch->object)
        != NGX_OK)
    {
        s3->broken = 1;
        return NGX_ERROR;
    }

    conf->bucket_seen = ngx_time();

    if (fetch->head(fetch) != NGX_OK) {
        s3->stopped = 1;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_content_s3_fetch_done(ngx_content_call_t *call)
{
    const char              *cause;
    ngx_content_outcome_e    outcome;
    ngx_content_s3_fetch_t  *s3;

    s3 = call->data;

    outcome = ngx_content_s3_fetch_outcome(s3, &cause);

    s3->call = NULL;
    ngx_content_task_finish(&s3->fetch->task, outcome, cause);
}


static ngx_content_outcome_e
ngx_content_s3_fetch_outcome(ngx_content_s3_fetch_t *s3, const char **cause)
{
    ngx_content_call_t     *call;
    ngx_content_fetch_t    *fetch;
    ngx_content_outcome_e   outcome;

    call = s3->call;
    fetch = s3->fetch;

    /* an empty object has no data that would have shown its headers */

    if (call->result == NGX_OK && call->status == NGX_HTTP_OK && !s3->headed) {
        (void) ngx_content_s3_fetch_head(s3);
    }

    *cause = NULL;

    if (s3->stopped) {
        return NGX_CONTENT_OK;
    }

    if (s3->broken) {
        *cause = "S3: an object without ETag, Last-Modified or length";
        return NGX_CONTENT_BROKEN;
    }

    outcome = ngx_content_s3_call_outcome(call, cause);

    fetch->again = (outcome == NGX_CONTENT_UNAVAILABLE
                    || (call->result != NGX_OK
                        && (call->failure == NGX_CONTENT_CALL_CUT
                            || call->failure == NGX_CONTENT_CALL_CONNECT)));

    switch (outcome) {

    case NGX_CONTENT_OK:

        if (call->status != NGX_HTTP_OK
            || s3->received != fetch->object.size)
        {
            *cause = "S3: not the object that was announced";
            return NGX_CONTENT_BROKEN;
        }

        return outcome;

    case NGX_CONTENT_ABSENT:
    case NGX_CONTENT_PRECONDITION:
        return ngx_content_s3_fetch_missed(s3, outcome, cause);

    case NGX_CONTENT_INVALID:
    case NGX_CONTENT_TOO_LARGE:
    case NGX_CONTENT_FULL:
        return NGX_CONTENT_BROKEN;

    default:
        return outcome;
    }
}


static ngx_content_outcome_e
ngx_content_s3_fetch_missed(ngx_content_s3_fetch_t *s3,
    ngx_content_outcome_e outcome, const char **cause)
{
    /* a 404 without S3's word proves nothing, where a word could be */

    if (outcome == NGX_CONTENT_ABSENT && s3->call->body.len == 0) {
        *cause = "S3: an error that is not S3's";
        return NGX_CONTENT_BROKEN;
    }

    /* RFC 9110, 13.1.1: what is not there has no such ETag */

    return s3->fetch->if_match.len ? NGX_CONTENT_PRECONDITION
           : outcome == NGX_CONTENT_ABSENT ? outcome
           : NGX_CONTENT_BROKEN;
}
