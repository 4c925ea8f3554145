/*
 * A call as libcurl sees it: the options of its easy handle, the callbacks by
 * which curl hands over the answer, and the answer's headers.  How it takes the
 * body of the request is ngx_content_call_body.c.
 *
 * The callbacks run with curl on the stack: they note what happened and tell
 * curl to go on or to stop.  What a stop brings about is the engine's, when
 * curl has returned.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>

#include "core/ngx_content_call.h"
#include "core/ngx_content_curl_internal.h"


#define NGX_CONTENT_CURL_BUFFER_MIN      16384
#define NGX_CONTENT_CURL_RECV_MAX        262144

/* With those of 1xx.  What curl does with lines takes the square of them. */

#define NGX_CONTENT_CURL_HEAD_MAX        262144
#define NGX_CONTENT_CURL_LINES_MAX       512


static int ngx_content_call_set_request(ngx_content_curl_transfer_t *t,
    char *url);
static int ngx_content_call_set_callbacks(ngx_content_curl_transfer_t *t);
static int ngx_content_call_set_transport(ngx_content_curl_transfer_t *t);
static int ngx_content_call_on_connected(void *data, char *peer, char *local,
    int peer_port, int local_port);
static size_t ngx_content_call_on_header(char *buf, size_t size, size_t n,
    void *data);
static ngx_uint_t ngx_content_call_is_line(u_char *line, size_t len);
static size_t ngx_content_call_on_write(char *buf, size_t size, size_t n,
    void *data);
static int ngx_content_call_on_progress(void *data, curl_off_t dltotal,
    curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow);
static void ngx_content_call_header_value(struct curl_header *header,
    ngx_str_t *value);
static ngx_int_t ngx_content_call_collect(ngx_content_curl_transfer_t *t,
    u_char *data, size_t len);
static ngx_int_t ngx_content_call_grow(ngx_content_curl_transfer_t *t,
    size_t size);


int
ngx_content_call_set_easy(ngx_content_curl_transfer_t *t, char *url)
{
    int  rc;

    rc = ngx_content_call_set_request(t, url);
    rc |= ngx_content_call_set_body(t);
    rc |= ngx_content_call_set_callbacks(t);
    rc |= ngx_content_call_set_transport(t);

    return rc;
}


static int
ngx_content_call_set_request(ngx_content_curl_transfer_t *t, char *url)
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
ngx_content_call_set_callbacks(ngx_content_curl_transfer_t *t)
{
    int    rc;
    CURL  *easy;

    easy = t->easy;

    rc = curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *) t);
    rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->text);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION,
                           ngx_content_call_on_connected);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION,
                           ngx_content_call_on_header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                           ngx_content_call_on_write);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
                           ngx_content_curl_on_close);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t->engine);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION,
                           ngx_content_call_on_progress);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);

    return rc;
}


static int
ngx_content_call_set_transport(ngx_content_curl_transfer_t *t)
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
                           ngx_content_call_buffer(size,
                                                   NGX_CONTENT_CURL_RECV_MAX));

    if (call->ca_file.len) {
        file = ngx_content_call_string(call->pool, &call->ca_file);
        if (file == NULL) {
            return CURLE_OUT_OF_MEMORY;
        }

        /* the system's directory would be trusted as well */

        rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, (char *) file);
        rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }

    return rc;
}


long
ngx_content_call_buffer(off_t wanted, off_t max)
{
    return (long) ngx_min(ngx_max(wanted, NGX_CONTENT_CURL_BUFFER_MIN), max);
}


static int
ngx_content_call_on_connected(void *data, char *peer, char *local,
    int peer_port, int local_port)
{
    ngx_content_curl_transfer_t  *t = data;

    t->connected = 1;
    t->active = ngx_current_msec;

    return CURL_PREREQFUNC_OK;
}


static size_t
ngx_content_call_on_header(char *buf, size_t size, size_t n, void *data)
{
    ngx_content_curl_transfer_t  *t = data;

    t->active = ngx_current_msec;
    t->head += size * n;

    if (t->head > NGX_CONTENT_CURL_HEAD_MAX
        || ++t->lines > NGX_CONTENT_CURL_LINES_MAX)
    {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_TOO_LARGE,
                              "the answer's head is too large");
        return 0;
    }

    if (!ngx_content_call_is_line((u_char *) buf, size * n)) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_OTHER,
                              "a malformed response header");
        return 0;
    }

    /* curl takes half a head for a whole; 1xx have heads of their own */

    if (buf[0] == '\r' || buf[0] == '\n') {
        t->headed = 1;

    } else if (size * n > 5 && ngx_strncmp(buf, "HTTP/", 5) == 0) {
        t->headed = 0;
    }

    return size * n;
}


/* Of a line with NUL or CR in it curl would show the front as the whole. */

static ngx_uint_t
ngx_content_call_is_line(u_char *line, size_t len)
{
    if (len && line[len - 1] == LF) {
        len--;
    }

    if (len && line[len - 1] == CR) {
        len--;
    }

    return memchr(line, '\0', len) == NULL && memchr(line, CR, len) == NULL;
}


static size_t
ngx_content_call_on_write(char *buf, size_t size, size_t n, void *data)
{
    long                          status;
    ngx_int_t                     rc;
    ngx_content_call_t           *call;
    ngx_content_curl_transfer_t  *t = data;

    call = &t->call;
    t->active = ngx_current_msec;
    status = 0;

    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = status;

    if (call->on_data == NULL || status < 200 || status > 299) {
        rc = ngx_content_call_collect(t, (u_char *) buf, size * n);
        return rc == NGX_OK ? size * n : CURL_WRITEFUNC_ERROR;
    }

    t->delivered = 1;

    if (call->on_data(call, (u_char *) buf, size * n) != NGX_OK) {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_CANCELED,
                              "stopped by on_data");
        return CURL_WRITEFUNC_ERROR;
    }

    return size * n;
}


/* The bytes that went out: reading into curl's buffer is not sending. */

static int
ngx_content_call_on_progress(void *data, curl_off_t dltotal, curl_off_t dlnow,
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
ngx_content_call_collect(ngx_content_curl_transfer_t *t, u_char *data,
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
        ngx_content_call_fail(t, NGX_CONTENT_CALL_TOO_LARGE,
                              "the answer is too large");
        return NGX_ERROR;
    }

    if (ngx_content_call_grow(t, ngx_max(call->body.len + len,
                                         (size_t) ngx_max(announced, 0)))
        != NGX_OK)
    {
        ngx_content_call_fail(t, NGX_CONTENT_CALL_SHORT, "no memory");
        return NGX_ERROR;
    }

    ngx_memcpy(call->body.data + call->body.len, data, len);
    call->body.len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_content_call_grow(ngx_content_curl_transfer_t *t, size_t size)
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

    ngx_content_call_header_value(header, value);

    return NGX_OK;
}


/* An empty one has the end of its line in curl 7.88. */

static void
ngx_content_call_header_value(struct curl_header *header, ngx_str_t *value)
{
    value->data = (u_char *) header->value;
    value->len = strcspn(header->value, "\r\n");
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
    ngx_content_call_header_value(header, value);

    return NGX_OK;
}
