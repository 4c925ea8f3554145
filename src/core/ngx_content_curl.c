/*
 * The adapter between libcurl's multi interface and nginx's event loop: see
 * ngx_content_curl.h for what it promises to the S3 store and the CDN client.
 *
 * curl says by its socket callback which descriptors to watch, and by its
 * timer callback when to be called; nginx's events call it back through
 * ngx_content_curl_run(), and nothing else does its work.  While curl is on
 * the stack (engine->inside) it must not be called, so what its callbacks
 * bring about is queued and settled when it has returned.
 *
 * A transfer is the private side of a call.  It waits for a free place at its
 * host, runs, perhaps ends early (doomed: to be finished by settle), and is
 * finished once: it leaves curl, the handler runs, its pool is destroyed.
 * Where it is says the state, and the one queue that it is in: the host's
 * waiting, the engine's running or the engine's doomed.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "core/ngx_content_curl.h"


#define NGX_CONTENT_CURL_POOL            4096
#define NGX_CONTENT_CURL_KEPT            32         /* idle connections */

#define NGX_CONTENT_CURL_CONNECT_TIMEOUT 5000
#define NGX_CONTENT_CURL_TIMEOUT         60000
#define NGX_CONTENT_CURL_RESPONSE_LIMIT  65536

/* curl allocates these for each call: no larger than the call needs. */

#define NGX_CONTENT_CURL_BUFFER_MIN      16384
#define NGX_CONTENT_CURL_SEND_MAX        524288
#define NGX_CONTENT_CURL_RECV_MAX        262144


typedef enum {
    NGX_CONTENT_CURL_NEW = 0,
    NGX_CONTENT_CURL_WAITING,
    NGX_CONTENT_CURL_RUNNING,
    NGX_CONTENT_CURL_DOOMED,
    NGX_CONTENT_CURL_DONE
} ngx_content_curl_state_e;


struct ngx_content_curl_s {
    ngx_pool_t                *pool;
    ngx_log_t                 *log;
    CURLM                     *multi;
    CURLSH                    *share;       /* TLS sessions */
    ngx_uint_t                 max_per_host;
    ngx_event_t                event;       /* curl's timer, and the kick */
    ngx_queue_t                sockets;     /* ngx_connection_t.queue */
    ngx_queue_t                hosts;
    ngx_queue_t                running;
    ngx_queue_t                doomed;
    unsigned                   inside:1;    /* curl is on the stack */
};


/*
 * curl could limit the connections per host by itself, but counts the time
 * that a transfer waits for one towards its time-outs (curl issue 4486).
 */

typedef struct {
    ngx_queue_t                link;
    ngx_queue_t                waiting;
    ngx_uint_t                 running;
    ngx_str_t                  origin;      /* "https://host:port" */
} ngx_content_curl_host_t;


typedef struct {
    ngx_content_call_t         call;        /* first: the one is the other */

    ngx_content_curl_t        *engine;
    ngx_content_curl_host_t   *host;
    ngx_content_curl_state_e   state;
    ngx_queue_t                link;
    ngx_event_t                timer;
    CURL                      *easy;

    char                      *target;      /* path and query of the URL */
    struct curl_slist         *headers;
    struct curl_slist        **last;

    ngx_chain_t               *chain;       /* the next byte to send */
    size_t                     offset;
    size_t                     body_size;   /* allocated */

    ngx_msec_t                 started;
    ngx_msec_t                 active;      /* when the last byte moved */
    curl_off_t                 moved;       /* bytes, both directions */

    unsigned                   attached:1;  /* added to the multi handle */
    unsigned                   connected:1;
    unsigned                   broken:1;    /* start() is to fail */
    unsigned                   accept:1;    /* given as headers */
    unsigned                   expect:1;

    char                       text[CURL_ERROR_SIZE];
} ngx_content_curl_transfer_t;


typedef struct {
    CURLcode                    code;
    ngx_content_call_failure_e  failure;
} ngx_content_curl_failure_t;


static ngx_int_t ngx_content_curl_setup(ngx_content_curl_t *engine);
static void ngx_content_curl_drop(ngx_queue_t *queue);
static void ngx_content_curl_kick(ngx_content_curl_t *engine);
static void ngx_content_curl_event(ngx_event_t *ev);
static void ngx_content_curl_socket_event(ngx_event_t *ev);
static void ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd,
    int mask);
static void ngx_content_curl_settle(ngx_content_curl_t *engine);

static int ngx_content_curl_on_timer(CURLM *multi, long ms, void *data);
static int ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socket);
static ngx_connection_t *ngx_content_curl_watch(ngx_content_curl_t *engine,
    curl_socket_t fd);
static ngx_int_t ngx_content_curl_interest(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_content_curl_release(ngx_connection_t *c, ngx_uint_t flags);

static ngx_int_t ngx_content_curl_prepare(ngx_content_curl_transfer_t *t);
static u_char *ngx_content_curl_string(ngx_pool_t *pool, ngx_str_t *s);
static ngx_int_t ngx_content_curl_origin(ngx_content_curl_transfer_t *t,
    char *url);
static int ngx_content_curl_set_request(ngx_content_curl_transfer_t *t,
    char *url);
static int ngx_content_curl_set_body(ngx_content_curl_transfer_t *t);
static int ngx_content_curl_set_callbacks(ngx_content_curl_transfer_t *t);
static int ngx_content_curl_set_transport(ngx_content_curl_transfer_t *t);
static long ngx_content_curl_buffer(off_t wanted, off_t max);
static void ngx_content_curl_add_header(ngx_content_curl_transfer_t *t,
    char *line);

static ngx_content_curl_host_t *ngx_content_curl_host(
    ngx_content_curl_t *engine, ngx_str_t *origin);
static void ngx_content_curl_pump(ngx_content_curl_t *engine);
static void ngx_content_curl_attach(ngx_content_curl_transfer_t *t);
static void ngx_content_curl_detach(ngx_content_curl_transfer_t *t);

static void ngx_content_curl_fail(ngx_content_curl_transfer_t *t,
    ngx_content_call_failure_e failure, const char *text);
static void ngx_content_curl_doom(ngx_content_curl_transfer_t *t);
static void ngx_content_curl_conclude(ngx_content_curl_transfer_t *t,
    CURLcode code);
static void ngx_content_curl_finish(ngx_content_curl_transfer_t *t);
static void ngx_content_curl_free(ngx_content_curl_transfer_t *t);

static void ngx_content_curl_timeout(ngx_event_t *ev);
static ngx_msec_int_t ngx_content_curl_left(ngx_msec_t since,
    ngx_msec_t limit);

static int ngx_content_curl_on_connected(void *data, char *peer, char *local,
    int peer_port, int local_port);
static size_t ngx_content_curl_on_read(char *buf, size_t size, size_t n,
    void *data);
static int ngx_content_curl_on_seek(void *data, curl_off_t offset, int origin);
static size_t ngx_content_curl_on_header(char *buf, size_t size, size_t n,
    void *data);
static size_t ngx_content_curl_on_write(char *buf, size_t size, size_t n,
    void *data);
static int ngx_content_curl_on_progress(void *data, curl_off_t dltotal,
    curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow);
static ngx_int_t ngx_content_curl_collect(ngx_content_curl_transfer_t *t,
    u_char *data, size_t len);
static ngx_int_t ngx_content_curl_grow(ngx_content_curl_transfer_t *t,
    size_t size);


static const ngx_content_curl_failure_t  ngx_content_curl_failures[] = {

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

    { CURLE_OK,                       NGX_CONTENT_CALL_OTHER }
};


ngx_content_curl_t *
ngx_content_curl_create(ngx_cycle_t *cycle, ngx_uint_t max_per_host)
{
    ngx_content_curl_t  *engine;

    engine = ngx_pcalloc(cycle->pool, sizeof(ngx_content_curl_t));
    if (engine == NULL) {
        return NULL;
    }

    /* counted by curl: destroy() takes it back */

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "curl_global_init() failed");
        return NULL;
    }

    engine->pool = cycle->pool;
    engine->log = cycle->log;
    engine->max_per_host = max_per_host;

    ngx_queue_init(&engine->sockets);
    ngx_queue_init(&engine->hosts);
    ngx_queue_init(&engine->running);
    ngx_queue_init(&engine->doomed);

    engine->event.handler = ngx_content_curl_event;
    engine->event.data = engine;
    engine->event.log = cycle->log;
    engine->event.cancelable = 1;

    if (ngx_content_curl_setup(engine) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "could not initialise libcurl");
        ngx_content_curl_destroy(engine);
        return NULL;
    }

    return engine;
}


static ngx_int_t
ngx_content_curl_setup(ngx_content_curl_t *engine)
{
    int     rc;
    CURLM  *multi;

    multi = curl_multi_init();
    if (multi == NULL) {
        return NGX_ERROR;
    }

    engine->multi = multi;

    rc = 0;
    rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                            ngx_content_curl_on_socket);
    rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, engine);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                            ngx_content_curl_on_timer);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, engine);
    rc |= curl_multi_setopt(multi, CURLMOPT_PIPELINING,
                            (long) CURLPIPE_NOTHING);
    rc |= curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                            (long) NGX_CONTENT_CURL_KEPT);

    /* connections and names are the multi handle's, sessions were not */

    engine->share = curl_share_init();
    if (engine->share == NULL) {
        return NGX_ERROR;
    }

    rc |= curl_share_setopt(engine->share, CURLSHOPT_SHARE,
                            CURL_LOCK_DATA_SSL_SESSION);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_content_curl_destroy(ngx_content_curl_t *engine)
{
    ngx_queue_t              *q;
    ngx_content_curl_host_t  *host;

    ngx_content_curl_drop(&engine->running);
    ngx_content_curl_drop(&engine->doomed);

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);
        ngx_content_curl_drop(&host->waiting);
    }

    if (engine->multi) {
        curl_multi_cleanup(engine->multi);
    }

    if (engine->share) {
        curl_share_cleanup(engine->share);
    }

    /* what curl closed without telling */

    while (!ngx_queue_empty(&engine->sockets)) {
        q = ngx_queue_head(&engine->sockets);
        ngx_content_curl_release(ngx_queue_data(q, ngx_connection_t, queue),
                                 NGX_CLOSE_EVENT);
    }

    if (engine->event.timer_set) {
        ngx_del_timer(&engine->event);
    }

    if (engine->event.posted) {
        ngx_delete_posted_event(&engine->event);
    }

    ERR_clear_error();
    curl_global_cleanup();
}


static void
ngx_content_curl_drop(ngx_queue_t *queue)
{
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        t->call.handler = NULL;
        ngx_content_curl_finish(t);
    }
}


/*
 * The next iteration of the event loop, not this one: curl asks to be called
 * at once for as long as data is there, and others have a turn in between.
 */

static void
ngx_content_curl_kick(ngx_content_curl_t *engine)
{
    if (!engine->event.posted) {
        ngx_post_event(&engine->event, &ngx_posted_next_events);
    }
}


static void
ngx_content_curl_event(ngx_event_t *ev)
{
    ngx_content_curl_t  *engine;

    engine = ev->data;

    ngx_content_curl_pump(engine);

    /* adding a handle makes curl ask for the call that follows */

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    ngx_content_curl_run(engine, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_content_curl_socket_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_content_curl_run(c->data, c->fd,
                         ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


static void
ngx_content_curl_run(ngx_content_curl_t *engine, curl_socket_t fd, int mask)
{
    int        running;
    CURLMcode  rc;

    engine->inside = 1;
    rc = curl_multi_socket_action(engine->multi, fd, mask, &running);
    engine->inside = 0;

    /* nginx logs an alert for what others leave in OpenSSL's error queue */

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_socket_action(%d) failed: %s",
                      (int) fd, curl_multi_strerror(rc));
    }

    ngx_content_curl_settle(engine);
}


/* A handler may end other calls: look at nothing of the queues afterwards. */

static void
ngx_content_curl_settle(ngx_content_curl_t *engine)
{
    int                           left;
    CURLMsg                      *msg;
    ngx_queue_t                  *q;
    ngx_content_curl_transfer_t  *t;

    while (!ngx_queue_empty(&engine->doomed)) {
        q = ngx_queue_head(&engine->doomed);
        t = ngx_queue_data(q, ngx_content_curl_transfer_t, link);

        ngx_content_curl_finish(t);
    }

    while ((msg = curl_multi_info_read(engine->multi, &left)) != NULL) {

        if (msg->msg == CURLMSG_DONE
            && curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                                 (char **) &t) == CURLE_OK)
        {
            ngx_content_curl_conclude(t, msg->data.result);
            ngx_content_curl_finish(t);
        }
    }
}


static int
ngx_content_curl_on_timer(CURLM *multi, long ms, void *data)
{
    ngx_content_curl_t  *engine = data;

    /* ngx_add_timer() alone would leave a timer that is set nearby */

    if (engine->event.timer_set) {
        ngx_del_timer(&engine->event);
    }

    if (ms == 0) {
        ngx_content_curl_kick(engine);

    } else if (ms > 0) {
        ngx_add_timer(&engine->event, (ngx_msec_t) ms);
    }

    return 0;
}


/*
 * An error returned to curl would fail all transfers: the one that cannot be
 * watched is doomed instead.
 */

static int
ngx_content_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socket)
{
    ngx_connection_t             *c = socket;
    ngx_content_curl_t           *engine = data;
    ngx_content_curl_transfer_t  *t;

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            ngx_content_curl_release(c, 0);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_content_curl_watch(engine, fd);
    }

    if (c
        && ngx_content_curl_interest(c->read, NGX_READ_EVENT,
                                     what & CURL_POLL_IN) == NGX_OK
        && ngx_content_curl_interest(c->write, NGX_WRITE_EVENT,
                                     what & CURL_POLL_OUT) == NGX_OK)
    {
        return 0;
    }

    /* handles of curl's own have no transfer */

    t = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &t);

    if (t) {
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_OTHER,
                              "no worker connection for it");
        ngx_content_curl_doom(t);
    }

    return 0;
}


static ngx_connection_t *
ngx_content_curl_watch(ngx_content_curl_t *engine, curl_socket_t fd)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(fd, engine->log);
    if (c == NULL) {
        return NULL;
    }

    c->data = engine;

    c->read->handler = ngx_content_curl_socket_event;
    c->read->log = engine->log;
    c->write->handler = ngx_content_curl_socket_event;
    c->write->log = engine->log;

    ngx_queue_insert_tail(&engine->sockets, &c->queue);

    (void) curl_multi_assign(engine->multi, fd, c);

    return c;
}


static ngx_int_t
ngx_content_curl_interest(ngx_event_t *ev, ngx_int_t event, ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


/* The descriptor stays open: it is curl's. */

static void
ngx_content_curl_release(ngx_connection_t *c, ngx_uint_t flags)
{
    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_queue_remove(&c->queue);
    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


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

    t->timer.handler = ngx_content_curl_timeout;
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

    if (ngx_strcasecmp((u_char *) name, (u_char *) "accept") == 0) {
        t->accept = 1;

    } else if (ngx_strcasecmp((u_char *) name, (u_char *) "expect") == 0) {
        t->expect = 1;
    }

    ngx_content_curl_add_header(t, (char *) line);
}


static void
ngx_content_curl_add_header(ngx_content_curl_transfer_t *t, char *line)
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

    if (ngx_content_curl_prepare(t) != NGX_OK) {
        ngx_content_curl_free(t);
        return NGX_ERROR;
    }

    t->state = NGX_CONTENT_CURL_WAITING;
    ngx_queue_insert_tail(&t->host->waiting, &t->link);

    /* always set and not cancelable: it keeps an exiting worker alive */

    t->started = ngx_current_msec;
    t->active = ngx_current_msec;
    ngx_add_timer(&t->timer, call->total_timeout
                             ? ngx_min(call->timeout, call->total_timeout)
                             : call->timeout);

    ngx_content_curl_kick(t->engine);

    return NGX_OK;
}


static ngx_int_t
ngx_content_curl_prepare(ngx_content_curl_transfer_t *t)
{
    int                  rc;
    char                *url;
    ngx_content_call_t  *call;

    call = &t->call;

    url = (char *) ngx_content_curl_string(call->pool, &call->url);

    if (url == NULL || ngx_content_curl_origin(t, url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->timeout == 0) {
        call->timeout = NGX_CONTENT_CURL_TIMEOUT;
    }

    /* curl's own: it sends them unless told not to */

    if (!t->accept) {
        ngx_content_curl_add_header(t, "Accept:");
    }

    if (!t->expect) {
        ngx_content_curl_add_header(t, "Expect:");
    }

    t->easy = curl_easy_init();

    if (t->easy == NULL || t->broken) {
        ngx_log_error(NGX_LOG_ERR, call->pool->log, 0,
                      "%s call to \"%V\": no memory or a bad header",
                      call->method, &t->host->origin);
        return NGX_ERROR;
    }

    rc = ngx_content_curl_set_request(t, url);
    rc |= ngx_content_curl_set_body(t);
    rc |= ngx_content_curl_set_callbacks(t);
    rc |= ngx_content_curl_set_transport(t);

    if (rc != CURLE_OK) {
        ngx_log_error(NGX_LOG_CRIT, call->pool->log, 0,
                      "%s call to \"%V\": libcurl refused an option",
                      call->method, &t->host->origin);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static u_char *
ngx_content_curl_string(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p) {
        *ngx_cpymem(p, s->data, s->len) = '\0';
    }

    return p;
}


/* Finds scheme, host and port of the URL, and the host's queue. */

static ngx_int_t
ngx_content_curl_origin(ngx_content_curl_transfer_t *t, char *url)
{
    char       *end;
    ngx_str_t   origin;

    end = strstr(url, "://");
    if (end == NULL) {
        ngx_log_error(NGX_LOG_ERR, t->call.pool->log, 0,
                      "%s call: the URL has no scheme", t->call.method);
        return NGX_ERROR;
    }

    end += sizeof("://") - 1;
    end += strcspn(end, "/?#");

    origin.data = (u_char *) url;
    origin.len = end - url;

    t->target = *end == '/' ? end : NULL;
    t->host = ngx_content_curl_host(t->engine, &origin);

    return t->host ? NGX_OK : NGX_ERROR;
}


static int
ngx_content_curl_set_request(ngx_content_curl_transfer_t *t, char *url)
{
    int    rc;
    CURL  *easy;

    easy = t->easy;

    rc = curl_easy_setopt(easy, CURLOPT_URL, url);
    rc |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                           (long) CURL_HTTP_VERSION_1_1);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);

    /* a signature covers the target as it is, not as curl would write it */

    if (t->target) {
        rc |= curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, t->target);
    }

    if (ngx_strcmp(t->call.method, "HEAD") == 0) {
        rc |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);

    } else {
        rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->call.method);
    }

    return rc;
}


static int
ngx_content_curl_set_body(ngx_content_curl_transfer_t *t)
{
    int                  rc;
    off_t                len;
    CURL                *easy;
    ngx_chain_t         *cl;
    ngx_content_call_t  *call;

    call = &t->call;
    easy = t->easy;

    if (call->request_body == NULL
        && ngx_strcmp(call->method, "PUT") != 0
        && ngx_strcmp(call->method, "POST") != 0)
    {
        return CURLE_OK;
    }

    len = 0;

    for (cl = call->request_body; cl; cl = cl->next) {
        len += cl->buf->last - cl->buf->pos;
    }

    t->chain = call->request_body;

    rc = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) len);
    rc |= curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                           ngx_content_curl_buffer(len,
                                                   NGX_CONTENT_CURL_SEND_MAX));
    rc |= curl_easy_setopt(easy, CURLOPT_READFUNCTION,
                           ngx_content_curl_on_read);
    rc |= curl_easy_setopt(easy, CURLOPT_READDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION,
                           ngx_content_curl_on_seek);
    rc |= curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);

    return rc;
}


static int
ngx_content_curl_set_callbacks(ngx_content_curl_transfer_t *t)
{
    int    rc;
    CURL  *easy;

    easy = t->easy;

    rc = curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *) t);
    rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->text);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION,
                           ngx_content_curl_on_connected);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION,
                           ngx_content_curl_on_header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                           ngx_content_curl_on_write);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION,
                           ngx_content_curl_on_progress);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);

    return rc;
}


static int
ngx_content_curl_set_transport(ngx_content_curl_transfer_t *t)
{
    int                  rc;
    size_t               size;
    CURL                *easy;
    u_char              *file;
    ngx_content_call_t  *call;

    call = &t->call;
    easy = t->easy;

    size = call->on_data ? NGX_CONTENT_CURL_RECV_MAX : call->response_limit;

    rc = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_SHARE, t->engine->share);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long) call->fresh);
    rc |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long) call->connect_timeout);
    rc |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                           ngx_content_curl_buffer(size,
                                                   NGX_CONTENT_CURL_RECV_MAX));

    if (call->ca_file.len) {
        file = ngx_content_curl_string(call->pool, &call->ca_file);
        if (file == NULL) {
            return CURLE_OUT_OF_MEMORY;
        }

        /* the system's directory would be trusted as well */

        rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, (char *) file);
        rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }

    return rc;
}


static long
ngx_content_curl_buffer(off_t wanted, off_t max)
{
    return (long) ngx_min(ngx_max(wanted, NGX_CONTENT_CURL_BUFFER_MIN), max);
}


void
ngx_content_call_cancel(ngx_content_call_t *call)
{
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    call->handler = NULL;
    call->on_data = NULL;

    switch (t->state) {

    case NGX_CONTENT_CURL_NEW:
        ngx_content_curl_free(t);
        break;

    case NGX_CONTENT_CURL_WAITING:
    case NGX_CONTENT_CURL_RUNNING:
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_CANCELED, "canceled");

        if (t->engine->inside) {
            ngx_content_curl_doom(t);

        } else {
            ngx_content_curl_finish(t);
        }

        break;

    case NGX_CONTENT_CURL_DOOMED:
    case NGX_CONTENT_CURL_DONE:
        break;
    }
}


ngx_int_t
ngx_content_call_response_header(ngx_content_call_t *call, const char *name,
    ngx_str_t *value)
{
    struct curl_header           *header;
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    if (curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header)
        != CURLHE_OK)
    {
        return NGX_DECLINED;
    }

    value->data = (u_char *) header->value;
    value->len = ngx_strlen(header->value);

    return NGX_OK;
}


/* A worker calls few hosts: they are remembered as long as it lives. */

static ngx_content_curl_host_t *
ngx_content_curl_host(ngx_content_curl_t *engine, ngx_str_t *origin)
{
    ngx_queue_t              *q;
    ngx_content_curl_host_t  *host;

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);

        if (host->origin.len == origin->len
            && ngx_memcmp(host->origin.data, origin->data, origin->len) == 0)
        {
            return host;
        }
    }

    host = ngx_pcalloc(engine->pool, sizeof(ngx_content_curl_host_t));
    if (host == NULL) {
        return NULL;
    }

    host->origin.data = ngx_pstrdup(engine->pool, origin);
    if (host->origin.data == NULL) {
        return NULL;
    }

    host->origin.len = origin->len;

    ngx_queue_init(&host->waiting);
    ngx_queue_insert_tail(&engine->hosts, &host->link);

    return host;
}


static void
ngx_content_curl_pump(ngx_content_curl_t *engine)
{
    ngx_queue_t                  *q, *next;
    ngx_content_curl_host_t      *host;
    ngx_content_curl_transfer_t  *t;

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);

        while (!ngx_queue_empty(&host->waiting)
               && (engine->max_per_host == 0
                   || host->running < engine->max_per_host))
        {
            next = ngx_queue_head(&host->waiting);
            t = ngx_queue_data(next, ngx_content_curl_transfer_t, link);

            ngx_content_curl_attach(t);
        }
    }
}


static void
ngx_content_curl_attach(ngx_content_curl_transfer_t *t)
{
    CURLMcode            rc;
    ngx_content_curl_t  *engine;

    engine = t->engine;

    t->state = NGX_CONTENT_CURL_RUNNING;
    ngx_queue_remove(&t->link);
    ngx_queue_insert_tail(&engine->running, &t->link);

    engine->inside = 1;
    rc = curl_multi_add_handle(engine->multi, t->easy);
    engine->inside = 0;

    if (rc != CURLM_OK) {
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_OTHER,
                              curl_multi_strerror(rc));
        ngx_content_curl_doom(t);
        return;
    }

    t->attached = 1;
    t->host->running++;
}


static void
ngx_content_curl_detach(ngx_content_curl_transfer_t *t)
{
    CURLMcode            rc;
    ngx_content_curl_t  *engine;

    engine = t->engine;

    engine->inside = 1;
    rc = curl_multi_remove_handle(engine->multi, t->easy);
    engine->inside = 0;

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_CRIT, engine->log, 0,
                      "curl_multi_remove_handle() failed: %s",
                      curl_multi_strerror(rc));
    }

    t->attached = 0;
    t->host->running--;

    if (!ngx_queue_empty(&t->host->waiting)) {
        ngx_content_curl_kick(engine);
    }
}


/* The first cause is the one: what curl says afterwards follows from it. */

static void
ngx_content_curl_fail(ngx_content_curl_transfer_t *t,
    ngx_content_call_failure_e failure, const char *text)
{
    if (t->call.failure == NGX_CONTENT_CALL_NONE) {
        t->call.result = NGX_ERROR;
        t->call.failure = failure;
        t->call.error.data = (u_char *) text;
        t->call.error.len = ngx_strlen(text);
    }
}


static void
ngx_content_curl_doom(ngx_content_curl_transfer_t *t)
{
    if (t->state == NGX_CONTENT_CURL_DOOMED) {
        return;
    }

    t->state = NGX_CONTENT_CURL_DOOMED;

    ngx_queue_remove(&t->link);
    ngx_queue_insert_tail(&t->engine->doomed, &t->link);

    ngx_content_curl_kick(t->engine);
}


static void
ngx_content_curl_conclude(ngx_content_curl_transfer_t *t, CURLcode code)
{
    const ngx_content_curl_failure_t  *f;

    if (code == CURLE_OK) {
        return;
    }

    for (f = ngx_content_curl_failures; f->code != CURLE_OK; f++) {
        if (f->code == code) {
            break;
        }
    }

    ngx_content_curl_fail(t, f->failure,
                          t->text[0] ? t->text : curl_easy_strerror(code));
}


static void
ngx_content_curl_finish(ngx_content_curl_transfer_t *t)
{
    long                 status, sent;
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

    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);

    call->status = status;
    call->sent = sent > 0;

    if (call->handler) {
        call->handler(call);
    }

    ngx_content_curl_free(t);
}


static void
ngx_content_curl_free(ngx_content_curl_transfer_t *t)
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
ngx_content_curl_timeout(ngx_event_t *ev)
{
    ngx_msec_int_t                idle, total;
    ngx_content_call_t           *call;
    ngx_content_curl_transfer_t  *t;

    t = ev->data;
    call = &t->call;

    if (!t->connected) {
        t->active = ngx_current_msec;
    }

    idle = ngx_content_curl_left(t->active, call->timeout);
    total = call->total_timeout
            ? ngx_content_curl_left(t->started, call->total_timeout) : idle;

    if (idle > 0 && total > 0) {
        ngx_add_timer(ev, (ngx_msec_t) ngx_min(idle, total));
        return;
    }

    ngx_content_curl_fail(t, NGX_CONTENT_CALL_TIMEOUT,
                          idle > 0 ? "not done in time"
                                   : "nothing came or went in time");
    ngx_content_curl_finish(t);
}


static ngx_msec_int_t
ngx_content_curl_left(ngx_msec_t since, ngx_msec_t limit)
{
    return (ngx_msec_int_t) (since + limit - ngx_current_msec);
}


static int
ngx_content_curl_on_connected(void *data, char *peer, char *local,
    int peer_port, int local_port)
{
    ngx_content_curl_transfer_t  *t = data;

    t->connected = 1;
    t->active = ngx_current_msec;

    return CURL_PREREQFUNC_OK;
}


static size_t
ngx_content_curl_on_read(char *buf, size_t size, size_t n, void *data)
{
    size_t                        len, room;
    ngx_buf_t                    *b;
    ngx_content_curl_transfer_t  *t = data;

    if (t->state != NGX_CONTENT_CURL_RUNNING) {
        return CURL_READFUNC_ABORT;
    }

    room = size * n;

    while (t->chain && room) {
        b = t->chain->buf;

        len = ngx_min(room, (size_t) (b->last - b->pos) - t->offset);

        buf = (char *) ngx_cpymem(buf, b->pos + t->offset, len);
        t->offset += len;
        room -= len;

        if (t->offset == (size_t) (b->last - b->pos)) {
            t->chain = t->chain->next;
            t->offset = 0;
        }
    }

    return size * n - room;
}


/* curl rewinds to send the request again on another connection. */

static int
ngx_content_curl_on_seek(void *data, curl_off_t offset, int origin)
{
    ngx_content_curl_transfer_t  *t = data;

    if (origin != SEEK_SET || offset != 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }

    t->chain = t->call.request_body;
    t->offset = 0;

    return CURL_SEEKFUNC_OK;
}


static size_t
ngx_content_curl_on_header(char *buf, size_t size, size_t n, void *data)
{
    ngx_content_curl_transfer_t  *t = data;

    t->active = ngx_current_msec;

    return size * n;
}


static size_t
ngx_content_curl_on_write(char *buf, size_t size, size_t n, void *data)
{
    ngx_int_t                     rc;
    ngx_content_call_t           *call;
    ngx_content_curl_transfer_t  *t = data;

    call = &t->call;
    t->active = ngx_current_msec;

    if (t->state != NGX_CONTENT_CURL_RUNNING) {
        return CURL_WRITEFUNC_ERROR;
    }

    if (call->on_data == NULL) {
        rc = ngx_content_curl_collect(t, (u_char *) buf, size * n);
        return rc == NGX_OK ? size * n : CURL_WRITEFUNC_ERROR;
    }

    if (call->on_data(call, (u_char *) buf, size * n) != NGX_OK) {
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_CANCELED,
                              "stopped by on_data");
        return CURL_WRITEFUNC_ERROR;
    }

    return size * n;
}


/* The bytes that went out: reading into curl's buffer is not sending. */

static int
ngx_content_curl_on_progress(void *data, curl_off_t dltotal, curl_off_t dlnow,
    curl_off_t ultotal, curl_off_t ulnow)
{
    ngx_content_curl_transfer_t  *t = data;

    if (dlnow + ulnow != t->moved) {
        t->moved = dlnow + ulnow;
        t->active = ngx_current_msec;
    }

    return 0;
}


static ngx_int_t
ngx_content_curl_collect(ngx_content_curl_transfer_t *t, u_char *data,
    size_t len)
{
    ngx_content_call_t  *call;
    curl_off_t           announced;

    call = &t->call;
    announced = -1;

    if (call->body.len == 0) {
        (void) curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                                 &announced);
    }

    if (len > call->response_limit - call->body.len
        || announced > (curl_off_t) call->response_limit)
    {
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_TOO_LARGE,
                              "the answer is too large");
        return NGX_ERROR;
    }

    if (ngx_content_curl_grow(t, ngx_max(call->body.len + len,
                                         (size_t) ngx_max(announced, 0)))
        != NGX_OK)
    {
        ngx_content_curl_fail(t, NGX_CONTENT_CALL_OTHER, "no memory");
        return NGX_ERROR;
    }

    ngx_memcpy(call->body.data + call->body.len, data, len);
    call->body.len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_content_curl_grow(ngx_content_curl_transfer_t *t, size_t size)
{
    u_char              *p;
    ngx_content_call_t  *call;

    call = &t->call;

    if (size <= t->body_size) {
        return NGX_OK;
    }

    size = ngx_max(size, 2 * t->body_size);

    p = ngx_palloc(call->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (call->body.data) {
        ngx_memcpy(p, call->body.data, call->body.len);
        (void) ngx_pfree(call->pool, call->body.data);
    }

    call->body.data = p;
    t->body_size = size;

    return NGX_OK;
}


ngx_int_t
ngx_content_call_response_next(ngx_content_call_t *call, void **state,
    ngx_str_t *name, ngx_str_t *value)
{
    struct curl_header           *header;
    ngx_content_curl_transfer_t  *t;

    t = (ngx_content_curl_transfer_t *) call;

    header = curl_easy_nextheader(t->easy, CURLH_HEADER, -1, *state);

    if (header == NULL) {
        return NGX_DECLINED;
    }

    *state = header;

    name->data = (u_char *) header->name;
    name->len = ngx_strlen(header->name);
    value->data = (u_char *) header->value;
    value->len = ngx_strlen(header->value);

    return NGX_OK;
}
