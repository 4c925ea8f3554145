/*
 * GET from S3 to a client, by ngx_http_upstream: pooled connections, nginx's
 * buffers and backpressure, nothing copied but for the record of a small hot
 * object.
 *
 * open() asks by HEAD what the object is; send() fetches the bytes.  When the
 * object is known beforehand the request carries If-Match, so that a range is
 * never cut out of another version; if that fails, the request is made once
 * more without range and condition, and answered with what is there now.
 *
 * An error of S3 never reaches the client: its outcome is noted in the read,
 * the upstream is finalized with the status of the outcome, and read->failed
 * tells src/http, which writes the problem.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_range.h"
#include "lib/content_s3xml.h"


typedef struct {
    ngx_content_read_t        *read;
    ngx_content_s3_head_t      head;

    ngx_http_status_t          status;
    content_object_t           object;         /* as the headers tell it */
    content_str_t              content_range;
    off_t                      length;         /* of the answer; -1: unknown */

    ngx_event_free_peer_pt     free_peer;      /* the balancer's own */
    void                      *peer_data;

    unsigned                   plain:1;        /* no Range, no If-Match */
    unsigned                   chunked:1;
} ngx_content_s3_read_t;


static ngx_content_s3_read_t *ngx_content_s3_read(ngx_content_read_t *read);
static void ngx_content_s3_read_cleanup(void *data);
static void ngx_content_s3_refuse(ngx_content_read_t *read);
static void ngx_content_s3_opened(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause);
static ngx_int_t ngx_content_s3_create_request(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_read_headers(ngx_content_s3_read_t *s3,
    ngx_content_s3_request_t *request);
static ngx_int_t ngx_content_s3_write_request(ngx_http_request_t *r,
    ngx_content_s3_conf_t *conf, ngx_content_s3_request_t *request,
    ngx_content_s3_signed_t *sign);
static ngx_int_t ngx_content_s3_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_process_status(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_process_header(ngx_http_request_t *r);
static void ngx_content_s3_read_field(ngx_content_s3_read_t *s3,
    content_str_t name, content_str_t value);
static ngx_int_t ngx_content_s3_process_answer(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_process_range(ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_process_error(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_again(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
static void ngx_content_s3_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_int_t ngx_content_s3_fault(ngx_http_request_t *r,
    ngx_content_outcome_e outcome, const char *cause);
static void ngx_content_s3_abort_request(ngx_http_request_t *r);
static void ngx_content_s3_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_content_s3_input_filter_init(void *data);
static ngx_int_t ngx_content_s3_input_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);


/* open(): what is it? */

ngx_int_t
ngx_content_s3_open(ngx_content_read_t *read)
{
    ngx_content_s3_read_t  *s3;

    s3 = ngx_content_s3_read(read);

    if (s3 == NULL) {
        read->outcome = NGX_CONTENT_FAILED;
        return NGX_OK;
    }

    s3->head.store = read->store;
    s3->head.pool = read->request->pool;
    s3->head.key = read->key;
    s3->head.version = read->version;
    s3->head.digest = read->digest;
    s3->head.done = ngx_content_s3_opened;
    s3->head.data = read;

    if (ngx_content_s3_head(&s3->head) != NGX_OK) {
        ngx_content_s3_refuse(read);
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static ngx_content_s3_read_t *
ngx_content_s3_read(ngx_content_read_t *read)
{
    ngx_pool_cleanup_t  *cln;

    if (read->state) {
        return read->state;
    }

    cln = ngx_pool_cleanup_add(read->request->pool,
                               sizeof(ngx_content_s3_read_t));
    if (cln == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_content_s3_read_t));

    cln->handler = ngx_content_s3_read_cleanup;
    read->state = cln->data;
    ((ngx_content_s3_read_t *) cln->data)->read = read;

    return read->state;
}


static void
ngx_content_s3_read_cleanup(void *data)
{
    ngx_content_s3_read_t *s3 = data;

    if (s3->head.call) {
        ngx_content_call_cancel(s3->head.call);
    }
}


/* Nothing can be asked: no credentials, no memory. */

static void
ngx_content_s3_refuse(ngx_content_read_t *read)
{
    const char  *cause;

    read->outcome = ngx_content_s3_unsent(read->store, &cause);
    read->cause = ngx_content_to_ngx(content_cstr(cause));
}


static void
ngx_content_s3_opened(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_read_t *read = data;

    read->outcome = outcome;
    read->object = object;

    read->cause = ngx_content_to_ngx(ngx_content_str_dup(read->request->pool,
                                        content_cstr(cause ? cause : "")));
    read->done(read);
}


/* send(): the bytes. */

ngx_int_t
ngx_content_s3_send(ngx_content_read_t *read)
{
    ngx_http_request_t     *r;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;
    ngx_content_s3_conf_t  *conf;

    r = read->request;
    conf = read->store->conf;
    s3 = ngx_content_s3_read(read);

    if (s3 == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_content_credentials_get(conf->credentials, NULL) == NULL) {
        ngx_content_s3_refuse(read);
        read->failed(read);

        return ngx_content_outcome_status(read->outcome);
    }

    if (ngx_http_upstream_create(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    u = r->upstream;

    ngx_str_set(&u->schema, "s3://");
    u->output.tag = (ngx_buf_tag_t) &ngx_content_s3_send;
    u->conf = &conf->upstream;
#if (NGX_HTTP_SSL)
    u->ssl = (conf->upstream.ssl != NULL);
#endif

    u->create_request = ngx_content_s3_create_request;
    u->reinit_request = ngx_content_s3_reinit_request;
    u->process_header = ngx_content_s3_process_status;
    u->abort_request = ngx_content_s3_abort_request;
    u->finalize_request = ngx_content_s3_finalize_request;

    u->pipe = ngx_pcalloc(r->pool, sizeof(ngx_event_pipe_t));
    if (u->pipe == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    u->buffering = 1;
    u->input_filter_init = ngx_content_s3_input_filter_init;
    u->input_filter_ctx = s3;

    u->pipe->input_filter = ngx_content_s3_input_filter;
    u->pipe->input_ctx = s3;

    ngx_http_upstream_init(r);

    return NGX_DONE;
}


static ngx_int_t
ngx_content_s3_create_request(ngx_http_request_t *r)
{
    ngx_content_s3_conf_t     *conf;
    ngx_content_s3_read_t     *s3;
    ngx_content_s3_signed_t    sign;
    ngx_content_s3_request_t   request;

    s3 = r->upstream->input_filter_ctx;
    conf = s3->read->store->conf;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    request.key = s3->read->key;

    if (s3->read->version.len) {
        ngx_content_s3_param(&request, "versionId",
                             ngx_content_from_ngx(s3->read->version));
    }

    if (ngx_content_s3_read_headers(s3, &request) != NGX_OK
        || ngx_content_s3_sign(conf, r->pool, &request, &sign) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_content_s3_write_request(r, conf, &request, &sign);
}


static ngx_int_t
ngx_content_s3_read_headers(ngx_content_s3_read_t *s3,
    ngx_content_s3_request_t *request)
{
    u_char              *p;
    content_str_t        range;
    ngx_content_read_t  *read;

    read = s3->read;

    if (s3->plain || read->object == NULL) {
        return NGX_OK;
    }

    ngx_content_s3_header(request, "if-match", read->object->etag);

    if (!read->ranged) {
        return NGX_OK;
    }

    p = ngx_pnalloc(read->request->pool, NGX_OFF_T_LEN * 2 + 8);
    if (p == NULL) {
        return NGX_ERROR;
    }

    range.data = p;
    range.len = ngx_sprintf(p, "bytes=%O-%O", read->first, read->last) - p;

    ngx_content_s3_header(request, "range", range);

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_write_request(ngx_http_request_t *r,
    ngx_content_s3_conf_t *conf, ngx_content_s3_request_t *request,
    ngx_content_s3_signed_t *sign)
{
    size_t          size;
    ngx_buf_t      *b;
    ngx_uint_t      i;
    ngx_chain_t    *cl;

    size = sign->path.len + conf->host.len + sign->authorization.len
           + request->payload_hash.len + sign->token.len + 512;

    for (i = 0; i < request->nheaders; i++) {
        size += request->headers[i].name.len + request->headers[i].value.len
                + sizeof(": " CRLF);
    }

    b = ngx_create_temp_buf(r->pool, size);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_slprintf(b->last, b->end,
                           "%s %V HTTP/1.1" CRLF "Host: %V" CRLF
                           "Authorization: %V" CRLF "x-amz-date: %V" CRLF
                           "x-amz-content-sha256: %*s" CRLF,
                           request->method, &sign->path, &conf->host,
                           &sign->authorization, &sign->date,
                           request->payload_hash.len,
                           request->payload_hash.data);

    for (i = 0; i < request->nheaders; i++) {
        b->last = ngx_slprintf(b->last, b->end, "%*s: %*s" CRLF,
                               request->headers[i].name.len,
                               request->headers[i].name.data,
                               request->headers[i].value.len,
                               request->headers[i].value.data);
    }

    if (sign->token.len) {
        b->last = ngx_slprintf(b->last, b->end,
                               "x-amz-security-token: %V" CRLF, &sign->token);
    }

    b->last = ngx_slprintf(b->last, b->end, CRLF);
    b->last_buf = 0;
    b->flush = 1;

    cl->buf = b;
    cl->next = NULL;

    r->upstream->request_bufs = cl;

    return NGX_OK;
}


/* Another try: the same request, or the plain one; signed anew. */

static ngx_int_t
ngx_content_s3_reinit_request(ngx_http_request_t *r)
{
    ngx_content_s3_read_t  *s3;

    s3 = r->upstream->input_filter_ctx;

    ngx_memzero(&s3->status, sizeof(ngx_http_status_t));
    r->upstream->process_header = ngx_content_s3_process_status;
    r->state = 0;

    if (ngx_content_s3_create_request(r) != NGX_OK) {
        ngx_content_s3_refuse(s3->read);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* The answer. */

static ngx_int_t
ngx_content_s3_process_status(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;

    u = r->upstream;
    s3 = u->input_filter_ctx;

    rc = ngx_http_parse_status_line(r, &u->buffer, &s3->status);

    if (rc == NGX_AGAIN) {
        return rc;
    }

    if (rc == NGX_ERROR) {
        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                                    "S3: no HTTP status line");
    }

    u->state->status = s3->status.code;
    u->headers_in.status_n = s3->status.code;
    u->headers_in.connection_close = (s3->status.http_version
                                      < NGX_HTTP_VERSION_11);

    ngx_memzero(&s3->object, sizeof(content_object_t));
    s3->object.mtime = -1;
    s3->object.size = -1;
    s3->content_range.len = 0;
    s3->chunked = 0;

    u->process_header = ngx_content_s3_process_header;

    return ngx_content_s3_process_header(r);
}


static ngx_int_t
ngx_content_s3_process_header(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    content_str_t           name, value;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;

    u = r->upstream;
    s3 = u->input_filter_ctx;

    for ( ;; ) {
        rc = ngx_http_parse_header_line(r, &u->buffer, 1);

        if (rc == NGX_OK) {
            name.data = r->header_name_start;
            name.len = r->header_name_end - r->header_name_start;
            value.data = r->header_start;
            value.len = r->header_end - r->header_start;

            name = ngx_content_str_dup(r->pool, name);
            value = ngx_content_str_dup(r->pool, value);

            ngx_content_s3_read_field(s3, name, value);
            continue;
        }

        if (rc == NGX_HTTP_PARSE_HEADER_DONE) {
            break;
        }

        if (rc == NGX_AGAIN) {
            return rc;
        }

        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                                    "S3: a malformed response header");
    }

    s3->length = s3->object.size;

    if (s3->status.code == NGX_HTTP_OK
        || s3->status.code == NGX_HTTP_PARTIAL_CONTENT)
    {
        return ngx_content_s3_process_answer(r, s3);
    }

    u->process_header = ngx_content_s3_process_error;

    return ngx_content_s3_process_error(r);
}


static void
ngx_content_s3_read_field(ngx_content_s3_read_t *s3, content_str_t name,
    content_str_t value)
{
    ngx_http_upstream_t  *u;

    u = s3->read->request->upstream;

    if (content_str_eq_case(name, content_cstr("connection"))) {
        if (content_str_eq_case(value, content_cstr("close"))) {
            u->headers_in.connection_close = 1;
        }

    } else if (content_str_eq_case(name, content_cstr("transfer-encoding"))) {
        s3->chunked = 1;

    } else if (content_str_eq_case(name, content_cstr("content-range"))) {
        s3->content_range = value;

    } else {
        ngx_content_s3_object_field(&s3->object, name, value);
    }
}


static ngx_int_t
ngx_content_s3_process_answer(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3)
{
    ngx_http_upstream_t  *u;
    ngx_content_read_t   *read;

    u = r->upstream;
    read = s3->read;

    if (s3->chunked || s3->length < 0 || s3->object.etag.len == 0
        || s3->object.mtime < 0)
    {
        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                "S3: an object without ETag, Last-Modified or length");
    }

    if (read->object
        && !content_str_eq(read->object->etag, s3->object.etag))
    {
        /* another version: after the plain request that is the answer */

        if (!s3->plain) {
            return ngx_content_s3_again(r, s3);
        }

        read->object = NULL;
        read->changed(read);
    }

    if (ngx_content_s3_process_range(s3) != NGX_OK) {
        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                                    "S3: not the range that was asked for");
    }

    /* of one ETag there can be many metadata: the latest with the whole */

    if (read->object && !s3->object.has_sha256) {
        s3->object.has_sha256 = read->object->has_sha256;
        ngx_memcpy(s3->object.sha256, read->object->sha256, 32);
    }

    if (read->object == NULL || !read->ranged) {
        read->object = &s3->object;
    }

    read->outcome = NGX_CONTENT_OK;
    ((ngx_content_s3_conf_t *) read->store->conf)->bucket_seen = ngx_time();

    if (read->headers(read) != NGX_OK) {
        return NGX_ERROR;
    }

    u->headers_in.status_n = r->headers_out.status;
    u->headers_in.content_length_n = s3->length;

    return NGX_OK;
}


/* A server that ignores the range sends it all: then so do we. */

static ngx_int_t
ngx_content_s3_process_range(ngx_content_s3_read_t *s3)
{
    u_char               buf[80];
    content_out_t        out;
    ngx_content_read_t  *read;

    read = s3->read;

    if (s3->status.code == NGX_HTTP_OK) {
        read->ranged = 0;
        return NGX_OK;
    }

    if (!read->ranged || s3->plain || read->object == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, sizeof(buf));
    content_range_header(&out, read->first, read->last, read->object->size);

    return (content_str_eq(content_out_done(&out), s3->content_range)
            && s3->length == read->last - read->first + 1)
           ? NGX_OK : NGX_ERROR;
}


/* Waits for the error's code, which tells a missing key from a bucket. */

static ngx_int_t
ngx_content_s3_process_error(ngx_http_request_t *r)
{
    char                    text[1024];
    u_char                 *p;
    size_t                  got;
    const char             *cause;
    content_str_t           body, code, message;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;

    u = r->upstream;
    s3 = u->input_filter_ctx;

    got = u->buffer.last - u->buffer.pos;
    body.data = u->buffer.pos;
    body.len = got;

    code.len = 0;
    message.len = 0;

    if (s3->chunked || s3->length > 0) {
        p = ngx_strnstr(u->buffer.pos, "</Error>", got);

        if (p) {
            body.len = p + sizeof("</Error>") - 1 - body.data;

        } else if (u->buffer.last < u->buffer.end
                   && (s3->chunked
                       ? ngx_strnstr(u->buffer.pos, "0" CRLF CRLF, got) == NULL
                       : (off_t) got < s3->length))
        {
            return NGX_AGAIN;
        }

        /* past the size line of a chunk */

        p = ngx_strlchr(body.data, body.data + body.len, '<');

        if (p) {
            body.len -= p - body.data;
            body.data = p;
        }

        if (content_s3xml_error(body, &code, &message, text, sizeof(text))
            != CONTENT_OK)
        {
            code.len = 0;
            message.len = 0;
        }
    }

    if ((s3->status.code == NGX_HTTP_PRECONDITION_FAILED
         || s3->status.code == NGX_HTTP_RANGE_NOT_SATISFIABLE)
        && !s3->plain)
    {
        return ngx_content_s3_again(r, s3);
    }

    /* a 404 of somebody else (a balancer, a proxy) proves nothing */

    if (code.len == 0) {
        return ngx_content_s3_fault(r,
                        s3->status.code == NGX_HTTP_NOT_FOUND
                            ? NGX_CONTENT_BROKEN
                            : ngx_content_s3_outcome(s3->status.code, code),
                        "S3: an error that is not S3's");
    }

    /* no id of a version, or that of a deletion */

    if (s3->read->version.len
        && (s3->status.code == NGX_HTTP_BAD_REQUEST
            || s3->status.code == NGX_HTTP_NOT_ALLOWED))
    {
        return ngx_content_s3_fault(r, NGX_CONTENT_ABSENT,
                                    "S3: no such version");
    }

    p = ngx_pnalloc(r->pool, code.len + message.len + 32);
    cause = "S3: an error";

    if (p) {
        cause = (char *) p;
        p = ngx_sprintf(p, "S3: %ui %*s %*s", s3->status.code, code.len,
                        code.data, message.len, message.data);
        *p = '\0';
    }

    return ngx_content_s3_fault(r, ngx_content_s3_outcome(s3->status.code,
                                                          code), cause);
}


/*
 * Once more, with the plain request: by way of the upstream's own retry, for
 * which the balancer has to have one more try.
 */

static ngx_int_t
ngx_content_s3_again(ngx_http_request_t *r, ngx_content_s3_read_t *s3)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    s3->plain = 1;
    s3->read->ranged = 0;
    s3->read->object = NULL;
    s3->read->changed(s3->read);

    s3->free_peer = u->peer.free;
    s3->peer_data = u->peer.data;
    u->peer.free = ngx_content_s3_free_peer;
    u->peer.data = s3;
    u->peer.tries = 2;

    u->headers_in.status_n = NGX_HTTP_TOO_MANY_REQUESTS;

    return NGX_OK;
}


static void
ngx_content_s3_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_content_s3_read_t *s3 = data;

    pc->free = s3->free_peer;
    pc->data = s3->peer_data;

    /* the server is not to blame */

    pc->free(pc, pc->data, state & ~NGX_PEER_FAILED);
    pc->tries = 1;
}


/* Notes a fault, and returns what makes the upstream end with its status. */

static ngx_int_t
ngx_content_s3_fault(ngx_http_request_t *r, ngx_content_outcome_e outcome,
    const char *cause)
{
    ngx_content_s3_read_t  *s3;

    s3 = r->upstream->input_filter_ctx;

    /* the upstream can end with these only */

    if (outcome != NGX_CONTENT_ABSENT && outcome != NGX_CONTENT_UNAVAILABLE
        && outcome != NGX_CONTENT_TIMEOUT)
    {
        outcome = NGX_CONTENT_BROKEN;
    }

    s3->read->outcome = outcome;
    s3->read->cause.data = (u_char *) cause;
    s3->read->cause.len = ngx_strlen(cause);

    switch (outcome) {

    case NGX_CONTENT_ABSENT:
        r->upstream->headers_in.status_n = NGX_HTTP_NOT_FOUND;
        return NGX_OK;

    case NGX_CONTENT_UNAVAILABLE:
    case NGX_CONTENT_TIMEOUT:
        r->upstream->headers_in.status_n = ngx_content_outcome_status(outcome);
        r->upstream->peer.tries = ngx_max(r->upstream->peer.tries, 2);
        return NGX_OK;

    default:
        return NGX_HTTP_UPSTREAM_INVALID_HEADER;
    }
}


static void
ngx_content_s3_abort_request(ngx_http_request_t *r)
{
    return;
}


/* The end: a failure that nobody noted is one of the connection. */

static void
ngx_content_s3_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_content_read_t     *read;
    ngx_content_s3_read_t  *s3;

    s3 = r->upstream->input_filter_ctx;
    read = s3->read;

    if (rc < NGX_HTTP_SPECIAL_RESPONSE || r->upstream->header_sent
        || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        return;
    }

    if (read->outcome == NGX_CONTENT_OK) {
        read->outcome = (rc == NGX_HTTP_GATEWAY_TIME_OUT)
                        ? NGX_CONTENT_TIMEOUT : NGX_CONTENT_BROKEN;
        ngx_str_set(&read->cause, "S3: no connection, or it was cut");
    }

    read->failed(read);
}


/* The body. */

static ngx_int_t
ngx_content_s3_input_filter_init(void *data)
{
    ngx_content_s3_read_t *s3 = data;

    ngx_content_read_t   *read;
    ngx_http_upstream_t  *u;

    read = s3->read;
    u = read->request->upstream;

    u->pipe->length = s3->length;
    u->length = s3->length;

    if (s3->length == 0) {
        u->keepalive = !u->headers_in.connection_close;
    }

    if (s3->length > (off_t) read->body_max || read->ranged) {
        read->body = NULL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_input_filter(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    off_t                   size;
    u_char                 *data;
    ngx_int_t               rc;
    ngx_content_read_t     *read;
    ngx_http_upstream_t    *u;
    ngx_content_s3_read_t  *s3;

    s3 = p->input_ctx;
    read = s3->read;
    u = read->request->upstream;

    data = buf->pos;
    size = ngx_min(buf->last - buf->pos, p->length);

    rc = ngx_event_pipe_copy_input_filter(p, buf);

    if (rc != NGX_OK) {
        return rc;
    }

    if (read->body && size > 0 && !p->upstream_done) {
        (void) read->body(read, data, size);
    }

    if (p->length == 0 && !p->upstream_done) {
        u->keepalive = !u->headers_in.connection_close;
    }

    return NGX_OK;
}
