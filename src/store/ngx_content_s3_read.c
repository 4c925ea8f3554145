/*
 * GET from S3 to a client, by ngx_http_upstream: pooled connections, nginx's
 * buffers and backpressure, nothing copied but for the record of a small hot
 * object.
 *
 * open() (_open.c) asks by HEAD what the object is; send() fetches the bytes.
 * When the object is known beforehand the request carries If-Match, so that a
 * range is never cut out of another version; if that fails, the request is
 * made once more without range and condition, and answered with what is there
 * now.
 *
 * An error of S3 never reaches the client: its outcome is noted in the read,
 * the upstream is finalized with the status of the outcome, and read->failed
 * tells src/http, which writes the problem.
 */

#include "store/ngx_content_s3_read.h"
#include "core/ngx_content_str.h"


static ngx_int_t ngx_content_s3_read_headers(ngx_content_s3_read_t *s3,
    ngx_content_s3_request_t *request);
static ngx_int_t ngx_content_s3_write_request(ngx_http_request_t *r,
    ngx_content_s3_endpoint_t *endpoint, ngx_content_s3_request_t *request,
    ngx_content_s3_signed_t *sign);
static ngx_int_t ngx_content_s3_request_buf(ngx_http_request_t *r,
    ngx_buf_t *b);
static void ngx_content_s3_write_header(content_out_t *out,
    content_str_t name, content_str_t value);
static ngx_int_t ngx_content_s3_reinit_request(ngx_http_request_t *r);
static void ngx_content_s3_abort_request(ngx_http_request_t *r);
static void ngx_content_s3_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_content_s3_input_filter_init(void *data);
static ngx_int_t ngx_content_s3_input_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);


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


ngx_int_t
ngx_content_s3_create_request(ngx_http_request_t *r)
{
    ngx_content_s3_conf_t     *conf;
    ngx_content_s3_read_t     *s3;
    ngx_content_s3_signed_t    sign;
    ngx_content_s3_request_t   request;

    s3 = r->upstream->input_filter_ctx;
    conf = s3->read->store->conf;

    ngx_content_s3_tries_begin(&s3->tries, conf);

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";
    request.key = s3->read->key;

    if (s3->read->version.len) {
        ngx_content_s3_param(&request, "versionId",
                             ngx_content_from_ngx(s3->read->version));
    }

    if (ngx_content_s3_read_headers(s3, &request) != NGX_OK
        || ngx_content_s3_sign(conf, s3->tries.endpoint, r->pool, &request,
                               &sign)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_content_s3_write_request(r, s3->tries.endpoint, &request, &sign);
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
    ngx_content_s3_endpoint_t *endpoint, ngx_content_s3_request_t *request,
    ngx_content_s3_signed_t *sign)
{
    size_t          size;
    ngx_buf_t      *b;
    ngx_uint_t      i;
    content_out_t   out;

    size = sign->path.len + endpoint->host.len + sign->authorization.len
           + request->payload_hash.len + sign->token.len + 512;

    for (i = 0; i < request->nheaders; i++) {
        size += request->headers[i].name.len + request->headers[i].value.len
                + sizeof(": " CRLF);
    }

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, b->last, size);

    content_out_text(&out, request->method);
    content_out_char(&out, ' ');
    content_out_str(&out, ngx_content_from_ngx(sign->path));
    content_out_text(&out, " HTTP/1.1" CRLF);

    ngx_content_s3_write_header(&out, content_cstr("Host"),
                                ngx_content_from_ngx(endpoint->host));
    ngx_content_s3_write_header(&out, content_cstr("Authorization"),
                                ngx_content_from_ngx(sign->authorization));
    ngx_content_s3_write_header(&out, content_cstr("x-amz-date"),
                                ngx_content_from_ngx(sign->date));
    ngx_content_s3_write_header(&out, content_cstr("x-amz-content-sha256"),
                                request->payload_hash);

    for (i = 0; i < request->nheaders; i++) {
        ngx_content_s3_write_header(&out, request->headers[i].name,
                                    request->headers[i].value);
    }

    if (sign->token.len) {
        ngx_content_s3_write_header(&out, content_cstr("x-amz-security-token"),
                                    ngx_content_from_ngx(sign->token));
    }

    content_out_text(&out, CRLF);

    b->last = out.pos;
    b->flush = 1;

    return ngx_content_s3_request_buf(r, b);
}


static ngx_int_t
ngx_content_s3_request_buf(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    r->upstream->request_bufs = cl;

    return NGX_OK;
}


static void
ngx_content_s3_write_header(content_out_t *out, content_str_t name,
    content_str_t value)
{
    content_out_str(out, name);
    content_out_text(out, ": ");
    content_out_str(out, value);
    content_out_text(out, CRLF);
}


/* Another try: its request was made when the one before had ended. */

static ngx_int_t
ngx_content_s3_reinit_request(ngx_http_request_t *r)
{
    ngx_content_s3_read_t  *s3;

    s3 = r->upstream->input_filter_ctx;

    ngx_memzero(&s3->status, sizeof(ngx_http_status_t));
    r->upstream->process_header = ngx_content_s3_process_status;
    r->state = 0;

    return NGX_OK;
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

    ngx_content_s3_peer_stop(s3);

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
