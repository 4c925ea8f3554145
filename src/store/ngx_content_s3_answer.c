/*
 * What S3 answers to a read: status line, headers, and of an error its code.
 * Either the headers for the client come of it, or another try, or a fault.
 */

#include "store/ngx_content_s3_read.h"
#include "core/ngx_content_str.h"
#include "lib/content_range.h"
#include "lib/content_s3xml.h"


static ngx_int_t ngx_content_s3_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_provisional(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_read_field(ngx_content_s3_read_t *s3,
    content_str_t name, content_str_t value);
static ngx_int_t ngx_content_s3_process_answer(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
static ngx_uint_t ngx_content_s3_same_object(ngx_content_s3_read_t *s3);
static void ngx_content_s3_process_object(ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_process_range(ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_process_error(ngx_http_request_t *r);
static ngx_int_t ngx_content_s3_error_body(ngx_content_s3_read_t *s3,
    content_str_t *body);
static void ngx_content_s3_error_read(ngx_content_s3_read_t *s3,
    content_str_t body, content_str_t *message);
static ngx_int_t ngx_content_s3_error_end(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3, content_str_t message);
static ngx_int_t ngx_content_s3_changed(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3);
static ngx_int_t ngx_content_s3_fault(ngx_http_request_t *r,
    ngx_content_outcome_e outcome, const char *cause);


ngx_int_t
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

    content_object_init(&s3->object);
    s3->content_range.len = 0;
    s3->chunked = 0;

    ngx_memzero(&s3->answer, sizeof(content_retry_answer_t));
    s3->answer.status = s3->status.code;
    s3->answer.date = -1;
    s3->answer.retry_after = -1;

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

            rc = ngx_content_s3_read_field(s3, name, value);

            if (rc == NGX_OK) {
                continue;
            }

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            rc = NGX_HTTP_PARSE_INVALID_HEADER;
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

    if (s3->status.code >= NGX_HTTP_CONTINUE && s3->status.code < NGX_HTTP_OK
        && s3->status.code != NGX_HTTP_SWITCHING_PROTOCOLS)
    {
        return ngx_content_s3_provisional(r, s3);
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


/*
 * The answer is still to come (RFC 9110, 15.2), in the same buffer: so there
 * are not many of these.
 */

static ngx_int_t
ngx_content_s3_provisional(ngx_http_request_t *r, ngx_content_s3_read_t *s3)
{
    ngx_memzero(&s3->status, sizeof(ngx_http_status_t));
    r->state = 0;
    r->upstream->process_header = ngx_content_s3_process_status;

    return ngx_content_s3_process_status(r);
}


/* The buffer that name and value lie in is soon another's. */

static ngx_int_t
ngx_content_s3_read_field(ngx_content_s3_read_t *s3, content_str_t name,
    content_str_t value)
{
    ngx_pool_t           *pool;
    ngx_http_upstream_t  *u;

    u = s3->read->request->upstream;
    pool = s3->read->request->pool;

    if (content_str_eq_case(name, content_cstr("connection"))) {
        if (content_str_eq_case(value, content_cstr("close"))) {
            u->headers_in.connection_close = 1;
        }

    } else if (content_str_eq_case(name, content_cstr("transfer-encoding"))) {
        s3->chunked = 1;

    } else if (content_str_eq_case(name, content_cstr("content-range"))) {
        s3->content_range = ngx_content_str_dup(pool, value);

    } else if (content_str_eq_case(name, content_cstr("date"))) {
        s3->answer.date = ngx_parse_http_time(value.data, value.len);

    } else if (content_str_eq_case(name, content_cstr("retry-after"))) {
        s3->answer.retry_after = content_retry_after(value,
                                 ngx_parse_http_time(value.data, value.len),
                                 ngx_time());

    } else if (content_str_eq_case(name,
                                   content_cstr("x-amz-bucket-region")))
    {
        s3->answer.region = ngx_content_str_dup(pool, value);

    } else {
        return ngx_content_s3_object_field(&s3->object, name, value, pool);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_process_answer(ngx_http_request_t *r,
    ngx_content_s3_read_t *s3)
{
    ngx_http_upstream_t    *u;
    ngx_content_read_t     *read;
    ngx_content_s3_conf_t  *conf;

    u = r->upstream;
    read = s3->read;

    if (s3->chunked || s3->length < 0 || s3->object.etag.len == 0
        || s3->object.mtime < 0)
    {
        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                "S3: an object without ETag, Last-Modified or length");
    }

    if (read->object && !ngx_content_s3_same_object(s3)) {

        /* another version: after the plain request that is the answer */

        if (!s3->plain) {
            return ngx_content_s3_changed(r, s3);
        }

        read->object = NULL;
        read->changed(read);
    }

    if (ngx_content_s3_process_range(s3) != NGX_OK) {
        return ngx_content_s3_fault(r, NGX_CONTENT_BROKEN,
                                    "S3: not the range that was asked for");
    }

    ngx_content_s3_process_object(s3);

    conf = read->store->conf;
    conf->bucket_seen = ngx_time();
    ngx_content_s3_endpoint_worked(conf, s3->tries.endpoint);

    read->outcome = NGX_CONTENT_OK;

    if (read->headers(read) != NGX_OK) {
        return NGX_ERROR;
    }

    u->headers_in.status_n = r->headers_out.status;
    u->headers_in.content_length_n = r->headers_out.content_length_n;

    return NGX_OK;
}


/* Of one ETag there are not two lengths: what was known, or this, is wrong. */

static ngx_uint_t
ngx_content_s3_same_object(ngx_content_s3_read_t *s3)
{
    content_object_t  *known;

    known = s3->read->object;

    return content_str_eq(known->etag, s3->object.etag)
           && (s3->status.code != NGX_HTTP_OK
               || known->size == s3->object.size);
}


/* Of one ETag there can be many metadata: the latest come with the whole. */

static void
ngx_content_s3_process_object(ngx_content_s3_read_t *s3)
{
    ngx_content_read_t  *read;

    read = s3->read;

    if (read->object && !s3->object.has_sha256) {
        s3->object.has_sha256 = read->object->has_sha256;
        ngx_memcpy(s3->object.sha256, read->object->sha256,
                   CONTENT_SHA256_SIZE);
    }

    if (read->object == NULL || !read->ranged) {
        read->object = &s3->object;
    }
}


/* A server that ignores the range sends it all: then so do we. */

static ngx_int_t
ngx_content_s3_process_range(ngx_content_s3_read_t *s3)
{
    u_char               buf[CONTENT_RANGE_HEADER_SIZE];
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
    ngx_int_t               rc;
    content_str_t           body, message;
    ngx_content_s3_read_t  *s3;

    s3 = r->upstream->input_filter_ctx;

    if (ngx_content_s3_error_body(s3, &body) != NGX_OK) {
        return NGX_AGAIN;
    }

    if ((s3->status.code == NGX_HTTP_PRECONDITION_FAILED
         || s3->status.code == NGX_HTTP_RANGE_NOT_SATISFIABLE)
        && !s3->plain)
    {
        return ngx_content_s3_changed(r, s3);
    }

    ngx_content_s3_error_read(s3, body, &message);

    rc = ngx_content_s3_peer_again(r, s3);

    return rc == NGX_DECLINED ? ngx_content_s3_error_end(r, s3, message) : rc;
}


/* NGX_AGAIN: there is more to come. */

static ngx_int_t
ngx_content_s3_error_body(ngx_content_s3_read_t *s3, content_str_t *body)
{
    u_char     *p;
    size_t      got;
    ngx_buf_t  *b;

    b = &s3->read->request->upstream->buffer;

    got = b->last - b->pos;
    body->data = b->pos;
    body->len = 0;

    if (!s3->chunked && s3->length <= 0) {
        return NGX_OK;
    }

    body->len = got;
    p = ngx_strnstr(b->pos, "</Error>", got);

    if (p) {
        body->len = p + sizeof("</Error>") - 1 - body->data;

    } else if (b->last < b->end
               && (s3->chunked ? ngx_strnstr(b->pos, "0" CRLF CRLF, got) == NULL
                               : (off_t) got < s3->length))
    {
        return NGX_AGAIN;
    }

    /* past the size line of a chunk */

    p = ngx_strlchr(body->data, body->data + body->len, '<');

    if (p) {
        body->len -= p - body->data;
        body->data = p;
    }

    return NGX_OK;
}


/* s3->answer, and the message for the log; all in the request's pool. */

static void
ngx_content_s3_error_read(ngx_content_s3_read_t *s3, content_str_t body,
    content_str_t *message)
{
    char                     text[NGX_CONTENT_S3_ERROR];
    u_char                   region[NGX_CONTENT_S3_REGION];
    ngx_pool_t              *pool;
    content_out_t            out;
    content_retry_answer_t  *answer;

    answer = &s3->answer;
    pool = s3->read->request->pool;

    if (content_s3xml_error(body, &answer->code, message, text, sizeof(text))
        != CONTENT_OK)
    {
        answer->code.len = 0;
        message->len = 0;
    }

    answer->code = ngx_content_str_dup(pool, answer->code);
    *message = ngx_content_str_dup(pool, *message);

    content_out_init(&out, region, sizeof(region));

    if (answer->region.len == 0
        && content_s3xml_region(body, &out) == CONTENT_OK)
    {
        answer->region = ngx_content_str_dup(pool, content_out_done(&out));
    }
}


/* The last word. */

static ngx_int_t
ngx_content_s3_error_end(ngx_http_request_t *r, ngx_content_s3_read_t *s3,
    content_str_t message)
{
    u_char         *p;
    const char     *cause;
    content_str_t   code;

    code = s3->answer.code;

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


/* Another version than was known: once more, with the plain request. */

static ngx_int_t
ngx_content_s3_changed(ngx_http_request_t *r, ngx_content_s3_read_t *s3)
{
    s3->plain = 1;
    s3->read->ranged = 0;
    s3->read->object = NULL;
    s3->read->changed(s3->read);

    s3->tries.free = 1;

    return ngx_content_s3_peer_resend(r, s3);
}


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
