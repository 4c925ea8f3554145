/*
 * A call to S3, signed, and sent again where that may help: lib/content_retry.c
 * decides.  What was asked for is kept with the call, since every try is signed
 * anew: for its own time, or for the clock or the region that the answer before
 * has told.
 *
 * A call that is `fresh` must not be done twice, and is sent again only when
 * the first was certainly not carried out.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_s3xml.h"


typedef struct {
    ngx_content_store_t       *store;
    ngx_content_s3_request_t   request;
    ngx_content_s3_tries_t     tries;
} ngx_content_s3_call_t;


static ngx_content_s3_request_t *ngx_content_s3_call_copy(ngx_pool_t *pool,
    ngx_content_s3_request_t *to, ngx_content_s3_request_t *from);
static ngx_int_t ngx_content_s3_call_make(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_call_again(ngx_content_call_t *call,
    ngx_msec_t *delay);
static ngx_uint_t ngx_content_s3_call_starved(ngx_content_call_t *call,
    content_retry_answer_t *answer);
static void ngx_content_s3_call_answer(ngx_content_call_t *call,
    content_retry_answer_t *answer, u_char *buf, size_t size);
static void ngx_content_s3_call_log(ngx_content_call_t *call,
    content_retry_answer_t *answer, ngx_msec_t delay);


ngx_content_call_t *
ngx_content_s3_call(ngx_content_store_t *store,
    ngx_content_s3_request_t *request)
{
    ngx_content_call_t     *call;
    ngx_content_s3_conf_t  *conf;
    ngx_content_s3_call_t  *s3;

    conf = store->conf;

    call = ngx_content_call_create(store->engine, ngx_cycle->log);
    if (call == NULL) {
        return NULL;
    }

    s3 = ngx_pcalloc(call->pool, sizeof(ngx_content_s3_call_t));

    if (s3 == NULL
        || ngx_content_s3_call_copy(call->pool, &s3->request, request) == NULL)
    {
        goto failed;
    }

    s3->store = store;

    call->method = request->method;
    call->ca_file = conf->ca_file;
    call->connect_timeout = conf->connect_timeout;
    call->timeout = conf->timeout;
    call->again = ngx_content_s3_call_again;
    call->renew = ngx_content_s3_call_make;
    call->again_data = s3;

    if (ngx_content_s3_call_make(call) != NGX_OK) {
        goto failed;
    }

    return call;

failed:

    ngx_content_call_cancel(call);

    return NULL;
}


ngx_uint_t
ngx_content_s3_call_doubtful(ngx_content_call_t *call)
{
    ngx_content_s3_call_t *s3 = call->again_data;

    return s3->tries.doubtful;
}


/* What the caller gave may be gone when the request is signed anew. */

static ngx_content_s3_request_t *
ngx_content_s3_call_copy(ngx_pool_t *pool, ngx_content_s3_request_t *to,
    ngx_content_s3_request_t *from)
{
    ngx_uint_t  i;

    to->method = from->method;
    to->repeat = from->repeat;
    to->key = ngx_content_to_ngx(ngx_content_str_dup(pool,
                                        ngx_content_from_ngx(from->key)));
    to->payload_hash = ngx_content_str_dup(pool, from->payload_hash);

    if (to->key.len != from->key.len
        || to->payload_hash.len != from->payload_hash.len)
    {
        return NULL;
    }

    to->nparams = from->nparams;

    for (i = 0; i < from->nparams; i++) {
        to->params[i].name = from->params[i].name;
        to->params[i].value = ngx_content_str_dup(pool, from->params[i].value);

        if (to->params[i].value.len != from->params[i].value.len) {
            return NULL;
        }
    }

    to->nheaders = from->nheaders;

    for (i = 0; i < from->nheaders; i++) {
        to->headers[i].name.len = from->headers[i].name.len;
        to->headers[i].name.data = ngx_pnalloc(pool,
                                               from->headers[i].name.len + 1);
        to->headers[i].value = ngx_content_str_dup(pool,
                                                   from->headers[i].value);

        if (to->headers[i].name.data == NULL
            || to->headers[i].value.len != from->headers[i].value.len)
        {
            return NULL;
        }

        ngx_memcpy(to->headers[i].name.data, from->headers[i].name.data,
                   from->headers[i].name.len + 1);
    }

    return to;
}


/* The URL and the headers of a try. */

static ngx_int_t
ngx_content_s3_call_make(ngx_content_call_t *call)
{
    u_char                    *p;
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_content_s3_conf_t     *conf;
    ngx_content_s3_call_t     *s3;
    ngx_content_s3_signed_t    sign;
    ngx_content_s3_request_t   *request;
    ngx_content_s3_endpoint_t  *endpoint;

    s3 = call->again_data;
    conf = s3->store->conf;
    request = &s3->request;

    ngx_content_s3_tries_begin(&s3->tries, conf);
    endpoint = s3->tries.endpoint;

    if (ngx_content_s3_sign(conf, endpoint, call->pool, request, &sign)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->url.len = endpoint->origin.len + sign.path.len;

    p = ngx_pnalloc(call->pool, call->url.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    call->url.data = p;
    (void) ngx_sprintf(p, "%V%V", &endpoint->origin, &sign.path);

    if (conf->style == NGX_CONTENT_S3_VIRTUAL) {
        ngx_content_call_header(call, "Host", &endpoint->host);
    }

    ngx_content_call_header(call, "Authorization", &sign.authorization);
    ngx_content_call_header(call, "x-amz-date", &sign.date);

    value = ngx_content_to_ngx(request->payload_hash);
    ngx_content_call_header(call, "x-amz-content-sha256", &value);

    if (sign.token.len) {
        ngx_content_call_header(call, "x-amz-security-token", &sign.token);
    }

    for (i = 0; i < request->nheaders; i++) {
        value = ngx_content_to_ngx(request->headers[i].value);
        ngx_content_call_header(call, (char *) request->headers[i].name.data,
                                &value);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_call_again(ngx_content_call_t *call, ngx_msec_t *delay)
{
    u_char                   text[512];
    ngx_int_t                rc;
    ngx_content_s3_call_t   *s3;
    content_retry_answer_t   answer;

    s3 = call->again_data;

    if (call->result == NGX_OK && call->status >= 200 && call->status < 300) {
        ngx_content_s3_endpoint_worked(s3->store->conf, s3->tries.endpoint);
        return NGX_OK;
    }

    /* an answer beyond its limit, or no memory: that comes again */

    if (call->result != NGX_OK
        && (call->failure == NGX_CONTENT_CALL_TOO_LARGE
            || call->failure == NGX_CONTENT_CALL_SHORT
            || call->failure == NGX_CONTENT_CALL_OTHER
            || call->failure == NGX_CONTENT_CALL_TLS))
    {
        return NGX_OK;
    }

    s3->tries.repeat = call->fresh ? CONTENT_REPEAT_UNDONE
                                   : s3->request.repeat;

    ngx_content_s3_call_answer(call, &answer, text, sizeof(text));

    /* what the client has taken is not taken from the patience with S3 */

    if (call->grew) {
        s3->tries.started = ngx_current_msec;
    }

    if (ngx_content_s3_call_starved(call, &answer)) {
        s3->tries.free = 1;
        *delay = 0;
        rc = NGX_AGAIN;

    } else {
        rc = ngx_content_s3_tries_again(&s3->tries, s3->store->conf, &answer,
                                        delay);
    }

    if (rc == NGX_AGAIN) {
        s3->tries.anew = call->grew;
        ngx_content_s3_call_log(call, &answer, *delay);
    }

    return rc;
}


/*
 * Whether the try may have failed because the client was slow, with a body that
 * grew.  That is true of no more than one try of a call: the next has the whole
 * body from its beginning.
 */

static ngx_uint_t
ngx_content_s3_call_starved(ngx_content_call_t *call,
    content_retry_answer_t *answer)
{
    if (!call->grew) {
        return 0;
    }

    if (call->result != NGX_OK) {
        return call->failure == NGX_CONTENT_CALL_STARVED
               || (call->failure == NGX_CONTENT_CALL_CUT && call->sent);
    }

    return content_str_eq(answer->code, content_cstr("RequestTimeout"));
}


static void
ngx_content_s3_call_answer(ngx_content_call_t *call,
    content_retry_answer_t *answer, u_char *buf, size_t size)
{
    ngx_str_t      value;
    content_out_t  out;
    content_str_t  message;

    ngx_memzero(answer, sizeof(content_retry_answer_t));
    answer->date = -1;
    answer->retry_after = -1;

    if (call->result != NGX_OK) {
        answer->unsent = !call->sent;
        return;
    }

    answer->status = call->status;

    if (content_s3xml_error(ngx_content_from_ngx(call->body), &answer->code,
                            &message, (char *) buf, size / 2)
        != CONTENT_OK)
    {
        answer->code.len = 0;
    }

    if (ngx_content_call_response_header(call, "date", &value) == NGX_OK) {
        answer->date = ngx_parse_http_time(value.data, value.len);
    }

    if (ngx_content_call_response_header(call, "retry-after", &value)
        == NGX_OK)
    {
        answer->retry_after = content_retry_after(ngx_content_from_ngx(value),
                                 ngx_parse_http_time(value.data, value.len),
                                 ngx_time());
    }

    if (ngx_content_call_response_header(call, "x-amz-bucket-region", &value)
        == NGX_OK)
    {
        answer->region = ngx_content_from_ngx(value);
        return;
    }

    content_out_init(&out, buf + size / 2, size / 2);

    if (content_s3xml_region(ngx_content_from_ngx(call->body), &out)
        == CONTENT_OK)
    {
        answer->region = content_out_done(&out);
    }
}


static void
ngx_content_s3_call_log(ngx_content_call_t *call,
    content_retry_answer_t *answer, ngx_msec_t delay)
{
    ngx_content_s3_call_t  *s3;

    s3 = call->again_data;

    if (answer->status) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "content: S3: %s \"%V\": %ui %*s: again in %M ms",
                      call->method, &s3->request.key, answer->status,
                      answer->code.len, answer->code.data, delay);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                  "content: S3: %s \"%V\": %V: again in %M ms", call->method,
                  &s3->request.key, &call->error, delay);
}
