/*
 * The life of a call: see ngx_content_call.h for what it promises.
 *
 * create() makes its pool, start() its easy handle (ngx_content_call_easy.c)
 * and puts it into the engine's queue; from there the engine
 * (ngx_content_curl.c) runs it.  finish() is the one way out of a started
 * call, whether curl is done with it, a time-out fires, it is canceled or the
 * engine goes away.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>

#include "core/ngx_content_call.h"
#include "core/ngx_content_curl_internal.h"


#define NGX_CONTENT_CURL_POOL            4096

#define NGX_CONTENT_CURL_CONNECT_TIMEOUT 5000
#define NGX_CONTENT_CURL_TIMEOUT         60000
#define NGX_CONTENT_CURL_RESPONSE_LIMIT  65536


typedef struct {
    CURLcode                    code;
    ngx_content_call_failure_e  failure;
} ngx_content_call_failure_t;


static void ngx_content_call_add_header(ngx_content_curl_transfer_t *t,
    char *line);
static ngx_int_t ngx_content_call_prepare(ngx_content_curl_transfer_t *t);
static ngx_int_t ngx_content_call_origin(ngx_content_curl_transfer_t *t,
    char *url);
static void ngx_content_call_queue(ngx_content_curl_transfer_t *t);
static void ngx_content_call_pause(ngx_content_curl_transfer_t *t,
    ngx_msec_t delay);
static void ngx_content_call_resume(ngx_content_curl_transfer_t *t);
static void ngx_content_call_free(ngx_content_curl_transfer_t *t);
static void ngx_content_call_timeout(ngx_event_t *ev);
static ngx_msec_int_t ngx_content_call_left(ngx_msec_t since,
    ngx_msec_t limit);


static const ngx_content_call_failure_t  ngx_content_call_failures[] = {

    { CURLE_COULDNT_RESOLVE_HOST,     NGX_CONTENT_CALL_CONNECT },
    { CURLE_COULDNT_CONNECT,          NGX_CONTENT_CALL_CONNECT },
    { CURLE_INTERFACE_FAILED,         NGX_CONTENT_CALL_CONNECT },

    { CURLE_SSL_CONNECT_ERROR,        NGX_CONTENT_CALL_TLS },
    { CURLE_PEER_FAILED_VERIFICATION, NGX_CONTENT_CALL_TLS },
    { CURLE_SSL_CACERT_BADFILE,       NGX_CONTENT_CALL_TLS },
    { CURLE_SSL_CIPHER,               NGX_CONTENT_CALL_TLS },
    { CURLE_SSL_CERTPROBLEM,          NGX_CONTENT_CALL_TLS },
    { CURLE_SSL_ISSUER_ERROR,         NGX_CONTENT_CALL_TLS },
    { CURLE_SSL_ENGINE_INITFAILED,    NGX_CONTENT_CALL_TLS },

    { CURLE_OPERATION_TIMEDOUT,       NGX_CONTENT_CALL_TIMEOUT },

    { CURLE_SEND_ERROR,               NGX_CONTENT_CALL_CUT },
    { CURLE_RECV_ERROR,               NGX_CONTENT_CALL_CUT },
    { CURLE_GOT_NOTHING,              NGX_CONTENT_CALL_CUT },
    { CURLE_PARTIAL_FILE,             NGX_CONTENT_CALL_CUT },

    { CURLE_OUT_OF_MEMORY,            NGX_CONTENT_CALL_SHORT },

    { CURLE_OK,                       NGX_CONTENT_CALL_OTHER }
};


ngx_content_call_t *
ngx_content_call_create(ngx_content_curl_t *engine, ngx_log_t *log)
{
    ngx_pool_t                   *pool;
    ngx_content_call_t           *call;
    ngx_content_curl_transfer_t  *t;

    pool = ngx_create_pool(NGX_CONTENT_CURL_POOL, log);
    if (pool == NULL) {
        return NULL;
    }

    t = ngx_pcalloc(pool, sizeof(ngx_content_curl_transfer_t));
    if (t == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    t->engine = engine;
    t->last = &t->headers;

    t->timer.handler = ngx_content_call_timeout;
    t->timer.data = t;
    t->timer.log = log;

    call = &t->call;
    call->pool = pool;
    call->method = "GET";
    call->connect_timeout = NGX_CONTENT_CURL_CONNECT_TIMEOUT;
    call->timeout = NGX_CONTENT_CURL_TIMEOUT;
    call->response_limit = NGX_CONTENT_CURL_RESPONSE_LIMIT;

    return call;
}


void
ngx_content_call_header(ngx_content_call_t *call, const char *name,
    ngx_str_t *value)
{
    size_t                        len, i;
    u_char                       *line;
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    for (i = 0; i < value->len; i++) {
        if ((value->data[i] < 0x20 && value->data[i] != '\t')
            || value->data[i] == 0x7f)
        {
            t->broken = 1;
            return;
        }
    }

    len = ngx_strlen(name) + sizeof(": ") + value->len;

    line = ngx_pnalloc(call->pool, len);
    if (line == NULL) {
        t->broken = 1;
        return;
    }

    /* to curl "name:" is a header to leave out, "name;" an empty one */

    if (value->len) {
        ngx_snprintf(line, len, "%s: %V%Z", name, value);

    } else {
        ngx_snprintf(line, len, "%s;%Z", name);
    }

    ngx_content_call_add_header(t, (char *) line);
}


static void
ngx_content_call_add_header(ngx_content_curl_transfer_t *t, char *line)
{
    struct curl_slist  *header;

    header = ngx_palloc(t->call.pool, sizeof(struct curl_slist));
    if (header == NULL) {
        t->broken = 1;
        return;
    }

    header->data = line;
    header->next = NULL;

    *t->last = header;
    t->last = &header->next;
}


void
ngx_content_call_text(ngx_content_call_t *call, ngx_str_t *text)
{
    ngx_buf_t                    *b;
    ngx_chain_t                  *cl;
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    b = ngx_calloc_buf(call->pool);
    cl = ngx_alloc_chain_link(call->pool);

    if (b == NULL || cl == NULL) {
        t->broken = 1;
        return;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    call->request_body = cl;
}


ngx_int_t
ngx_content_call_start(ngx_content_call_t *call)
{
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    if (ngx_content_call_prepare(t) != NGX_OK) {
        ngx_content_call_free(t);
        return NGX_ERROR;
    }

    t->started = ngx_current_msec;
    ngx_content_call_queue(t);

    return NGX_OK;
}


static void
ngx_content_call_queue(ngx_content_curl_transfer_t *t)
{
    ngx_content_call_t  *call;

    call = &t->call;

    t->state = NGX_CONTENT_CURL_WAITING;
    ngx_queue_insert_tail(&t->engine->waiting, &t->link);

    /* always set and not cancelable: it keeps an exiting worker alive */

    t->active = ngx_current_msec;
    ngx_add_timer(&t->timer, call->total_timeout
                             ? ngx_min(call->timeout, call->total_timeout)
                             : call->timeout);

    ngx_content_curl_kick(t->engine);
}


static ngx_int_t
ngx_content_call_prepare(ngx_content_curl_transfer_t *t)
{
    char                *url;
    ngx_content_call_t  *call;

    call = &t->call;

    url = (char *) ngx_content_call_string(call->pool, &call->url);

    if (url == NULL || ngx_content_call_origin(t, url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->timeout == 0) {
        call->timeout = NGX_CONTENT_CURL_TIMEOUT;
    }

    /* curl's own: it sends them unless told not to */

    ngx_content_call_add_header(t, "Accept:");
    ngx_content_call_add_header(t, "Expect:");

    t->easy = curl_easy_init();

    if (t->easy == NULL || t->broken) {
        ngx_log_error(NGX_LOG_ERR, call->pool->log, 0,
                      "%s call to \"%V\": no memory or a bad header",
                      call->method, &t->origin);
        return NGX_ERROR;
    }

    if (ngx_content_call_set_easy(t, url) != CURLE_OK) {
        ngx_log_error(NGX_LOG_CRIT, call->pool->log, 0,
                      "%s call to \"%V\": libcurl refused an option",
                      call->method, &t->origin);
        return NGX_ERROR;
    }

    return NGX_OK;
}


u_char *
ngx_content_call_string(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p) {
        *ngx_cpymem(p, s->data, s->len) = '\0';
    }

    return p;
}


/* Finds scheme, host and port of the URL, and what comes behind them. */

static ngx_int_t
ngx_content_call_origin(ngx_content_curl_transfer_t *t, char *url)
{
    char  *end;

    end = strstr(url, "://");
    if (end == NULL) {
        ngx_log_error(NGX_LOG_ERR, t->call.pool->log, 0,
                      "%s call: the URL has no scheme", t->call.method);
        return NGX_ERROR;
    }

    end += sizeof("://") - 1;
    end += strcspn(end, "/?#");

    t->origin.data = (u_char *) url;
    t->origin.len = end - url;
    t->target = *end == '/' ? end : NULL;

    return NGX_OK;
}


void
ngx_content_call_cancel(ngx_content_call_t *call)
{
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    call->handler = NULL;
    call->again = NULL;

    switch (t->state) {

    case NGX_CONTENT_CURL_NEW:
        ngx_content_call_free(t);
        break;

    case NGX_CONTENT_CURL_WAITING:
    case NGX_CONTENT_CURL_RUNNING:
    case NGX_CONTENT_CURL_PAUSED:
    case NGX_CONTENT_CURL_DOOMED:
        ngx_content_call_finish(t);
        break;

    case NGX_CONTENT_CURL_DONE:
        break;
    }
}


/* The first cause is the one: what curl says afterwards follows from it. */

void
ngx_content_call_fail(ngx_content_curl_transfer_t *t,
    ngx_content_call_failure_e failure, const char *text)
{
    if (t->call.failure == NGX_CONTENT_CALL_NONE) {
        t->call.result = NGX_ERROR;
        t->call.failure = failure;
        t->call.error.data = (u_char *) text;
        t->call.error.len = ngx_strlen(text);
    }
}


void
ngx_content_call_conclude(ngx_content_curl_transfer_t *t, CURLcode code)
{
    const ngx_content_call_failure_t  *f;

    if (code == CURLE_OK) {
        if (!t->headed) {
            ngx_content_call_fail(t, NGX_CONTENT_CALL_CUT,
                                  "closed in the midst of the head");
        }

        return;
    }

    /* of a line that is too long for it curl says the same */

    if (code == CURLE_OUT_OF_MEMORY && t->head && !t->headed) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_TOO_LARGE,
                              "no memory for the answer's head");
        return;
    }

    for (f = ngx_content_call_failures; f->code != CURLE_OK; f++) {
        if (f->code == code) {
            break;
        }
    }

    ngx_content_call_fail(t, f->failure,
                          t->text[0] ? t->text : curl_easy_strerror(code));
}


void
ngx_content_call_finish(ngx_content_curl_transfer_t *t)
{
    long                 status, sent;
    ngx_msec_t           delay;
    ngx_content_call_t  *call;

    call = &t->call;
    t->state = NGX_CONTENT_CURL_DONE;

    ngx_queue_remove(&t->link);

    if (t->timer.timer_set) {
        ngx_del_timer(&t->timer);
    }

    if (t->attached) {
        ngx_content_curl_detach(t);
    }

    status = 0;
    sent = 0;

    if (t->easy) {
        (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        (void) curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);

        call->status = status;
        call->sent = sent > 0;
    }

    if (call->again && !t->delivered && call->again(call, &delay) == NGX_AGAIN) {
        ngx_content_call_pause(t, delay);
        return;
    }

    if (call->handler) {
        call->handler(call);
    }

    ngx_content_call_free(t);
}


/* Until the next try nothing is left of this one. */

static void
ngx_content_call_pause(ngx_content_curl_transfer_t *t, ngx_msec_t delay)
{
    ngx_content_call_t  *call;

    call = &t->call;

    curl_easy_cleanup(t->easy);
    t->easy = NULL;

    t->headers = NULL;
    t->last = &t->headers;
    t->target = NULL;
    t->chain = NULL;
    t->offset = 0;
    t->moved = 0;
    t->starving = 0;
    t->connected = 0;
    t->head = 0;
    t->lines = 0;
    t->text[0] = '\0';

    call->sent = 0;
    call->grew = 0;
    call->result = NGX_OK;
    call->failure = NGX_CONTENT_CALL_NONE;
    call->status = 0;
    call->body.len = 0;
    ngx_str_null(&call->error);

    t->state = NGX_CONTENT_CURL_PAUSED;
    ngx_queue_insert_tail(&t->engine->paused, &t->link);

    /* not cancelable either */

    ngx_add_timer(&t->timer, delay);
}


static void
ngx_content_call_resume(ngx_content_curl_transfer_t *t)
{
    ngx_content_call_t  *call;

    call = &t->call;

    if (call->renew(call) == NGX_OK
        && ngx_content_call_prepare(t) == NGX_OK)
    {
        ngx_queue_remove(&t->link);
        ngx_content_call_queue(t);
        return;
    }

    call->again = NULL;
    ngx_content_call_fail(t, NGX_CONTENT_CALL_SHORT,
                          "the request could not be made again");
    ngx_content_call_finish(t);
}


static void
ngx_content_call_free(ngx_content_curl_transfer_t *t)
{
    if (t->easy) {
        curl_easy_cleanup(t->easy);
    }

    ngx_destroy_pool(t->call.pool);
}


/*
 * One timer serves two time-outs and is moved when it fires, not with every
 * byte.  Idleness counts from the connection on: what comes before has the
 * connect time-out, and a call that waits for its turn is not to blame.
 */

static void
ngx_content_call_timeout(ngx_event_t *ev)
{
    ngx_msec_t                    limit;
    ngx_msec_int_t                idle, total;
    ngx_content_call_t           *call;
    ngx_content_curl_transfer_t  *t;

    t = ev->data;
    call = &t->call;

    if (t->state == NGX_CONTENT_CURL_PAUSED) {

        /* else ngx_content_call_grown() sets the timer again */

        if (!ngx_content_call_grows(call)) {
            ngx_content_call_resume(t);
        }

        return;
    }

    if (!t->connected) {
        t->active = ngx_current_msec;
    }

    limit = t->starving ? NGX_CONTENT_CURL_STARVE : call->timeout;
    idle = ngx_content_call_left(t->active, limit);
    total = call->total_timeout
            ? ngx_content_call_left(t->started, call->total_timeout) : idle;

    if (idle > 0 && total > 0) {
        ngx_add_timer(ev, (ngx_msec_t) ngx_min(idle, total));
        return;
    }

    if (idle > 0) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_TIMEOUT, "not done in time");

    } else if (t->starving) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_STARVED,
                              "the body did not go on");

    } else {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_TIMEOUT,
                              "nothing came or went in time");
    }

    ngx_content_call_finish(t);
}


static ngx_msec_int_t
ngx_content_call_left(ngx_msec_t since, ngx_msec_t limit)
{
    return (ngx_msec_int_t) (since + limit - ngx_current_msec);
}
