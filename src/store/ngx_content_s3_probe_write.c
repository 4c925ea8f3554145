/*
 * What only a write can tell of S3, asked with one small object that is
 * removed at the end.  Its bytes are always the same: a left-over is simply
 * overwritten.
 *
 * If the first write (`put`) is not allowed, or would stay as a version, no
 * other is tried.  After it, a fault leaves one thing unknown and ends nothing:
 * what was begun is to be removed.
 */

#include "store/ngx_content_s3_probe.h"
#include "core/ngx_content_str.h"
#include "lib/content_s3uploads.h"
#include "lib/content_s3xml.h"


#define NGX_CONTENT_S3_PROBE_BODY  "The probe of ngx_content: may be deleted.\n"
#define NGX_CONTENT_S3_PROBE_TAGS                                            \
    "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>"    \
    "<Tag><Key>probe</Key><Value>1</Value></Tag></TagSet></Tagging>"

/* the ETag of nothing that is there */
#define NGX_CONTENT_S3_PROBE_OTHER  "\"00000000000000000000000000000000\""


static ngx_int_t ngx_content_s3_probe_begins(ngx_content_s3_probe_t *s3,
    const char *method, ngx_str_t *text);
static ngx_int_t ngx_content_s3_probe_puts(ngx_content_s3_probe_t *s3,
    const char *condition, content_str_t value);
static ngx_int_t ngx_content_s3_probe_key(ngx_content_s3_probe_t *s3);
static ngx_content_found_e ngx_content_s3_probe_refusal(
    ngx_content_call_t *call);
static ngx_content_found_e ngx_content_s3_probe_found(
    ngx_content_call_t *call, ngx_content_found_e done,
    ngx_content_found_e precondition);
static ngx_uint_t ngx_content_s3_probe_ok(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_probe_keep(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call, const char *header, ngx_str_t *value);


/*
 * What the steps say that have nothing else to do: of done, and of 412.  After
 * `other`, WORKS is that If-Match is looked at, in a form that the next tell.
 */

#define NGX_CONTENT_S3_PROBE_TAKE(step, fact, done, precondition)            \
    ngx_int_t                                                                \
    ngx_content_s3_probe_take_##step(ngx_content_s3_probe_t *s3,             \
        ngx_content_call_t *call)                                            \
    {                                                                        \
        s3->probe->found[NGX_CONTENT_FACT_##fact] =                          \
            ngx_content_s3_probe_found(call, NGX_CONTENT_FOUND_##done,       \
                                       NGX_CONTENT_FOUND_##precondition);    \
        return NGX_OK;                                                       \
    }

NGX_CONTENT_S3_PROBE_TAKE(create, IF_NONE_MATCH, IGNORED, WORKS)
NGX_CONTENT_S3_PROBE_TAKE(other, IF_MATCH, IGNORED, WORKS)
NGX_CONTENT_S3_PROBE_TAKE(quoted, IF_MATCH, QUOTED, WORKS)
NGX_CONTENT_S3_PROBE_TAKE(bare, IF_MATCH, UNQUOTED, NOTHING)
NGX_CONTENT_S3_PROBE_TAKE(tag, TAGS, WORKS, NOTHING)
NGX_CONTENT_S3_PROBE_TAKE(delete, DELETE, IGNORED, WORKS)


static ngx_str_t  ngx_content_s3_probe_body =
    ngx_string(NGX_CONTENT_S3_PROBE_BODY);
static ngx_str_t  ngx_content_s3_probe_tags =
    ngx_string(NGX_CONTENT_S3_PROBE_TAGS);


/* A request about the object, if it is there; text: its body, or NULL. */

static ngx_int_t
ngx_content_s3_probe_begins(ngx_content_s3_probe_t *s3, const char *method,
    ngx_str_t *text)
{
    if (s3->probe->found[NGX_CONTENT_FACT_WRITES] != NGX_CONTENT_FOUND_WORKS) {
        return NGX_DECLINED;
    }

    s3->request.method = method;
    s3->request.key = s3->key;

    if (text == NULL) {
        return NGX_OK;
    }

    s3->text = *text;

    return ngx_content_s3_text_sha256(&s3->request, &s3->text, s3->probe->pool);
}


/* PutObject, with a condition. */

static ngx_int_t
ngx_content_s3_probe_puts(ngx_content_s3_probe_t *s3, const char *condition,
    content_str_t value)
{
    ngx_content_s3_header(&s3->request, condition, value);

    return ngx_content_s3_probe_begins(s3, "PUT", &ngx_content_s3_probe_body);
}


ngx_int_t
ngx_content_s3_probe_ask_put(ngx_content_s3_probe_t *s3)
{
    ngx_content_probe_t    *probe;
    ngx_content_s3_conf_t  *conf;

    probe = s3->probe;
    conf = probe->store->conf;

    if (conf->probe != NGX_CONTENT_S3_PROBE_ON) {
        return NGX_DECLINED;
    }

    if (probe->profile->versioning == 2) {
        probe->found[NGX_CONTENT_FACT_WRITES] = NGX_CONTENT_FOUND_VERSIONS;
        return NGX_DECLINED;
    }

    if (ngx_content_s3_probe_key(s3) != NGX_OK) {
        return NGX_ERROR;
    }

    s3->request.method = "PUT";
    s3->request.key = s3->key;
    s3->text = ngx_content_s3_probe_body;

    return ngx_content_s3_text_sha256(&s3->request, &s3->text, s3->probe->pool);
}


/* Another node that asks at the same time must not see this one's object. */

static ngx_int_t
ngx_content_s3_probe_key(ngx_content_s3_probe_t *s3)
{
    ngx_str_t  *host;

    host = (ngx_str_t *) &ngx_cycle->hostname;

    s3->key.len = sizeof(NGX_CONTENT_S3_PROBE_KEY) - 1 + host->len;
    s3->key.data = ngx_pnalloc(s3->probe->pool, s3->key.len);

    if (s3->key.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(s3->key.data, NGX_CONTENT_S3_PROBE_KEY "%V", host);

    return NGX_OK;
}


/* Of a bucket whose versioning could not be asked for, this may tell. */

ngx_int_t
ngx_content_s3_probe_take_put(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    ngx_content_found_e  *writes;

    writes = &s3->probe->found[NGX_CONTENT_FACT_WRITES];
    *writes = ngx_content_s3_probe_found(call, NGX_CONTENT_FOUND_WORKS,
                                         NGX_CONTENT_FOUND_REFUSED);

    if (*writes == NGX_CONTENT_FOUND_NOTHING) {
        return NGX_ERROR;
    }

    if (*writes != NGX_CONTENT_FOUND_WORKS) {
        return NGX_OK;
    }

    if (ngx_content_s3_probe_keep(s3, call, "etag", &s3->etag) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_content_s3_probe_keep(s3, call, "x-amz-version-id", &s3->version)
        == NGX_OK
        && !content_str_eq(ngx_content_from_ngx(s3->version),
                           content_cstr("null")))
    {
        *writes = NGX_CONTENT_FOUND_VERSIONS;
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_unsigned(ngx_content_s3_probe_t *s3)
{
    ngx_int_t  rc;

    rc = ngx_content_s3_probe_begins(s3, "PUT", &ngx_content_s3_probe_body);
    s3->request.payload_hash = content_cstr(CONTENT_SIGV4_UNSIGNED);

    return rc;
}


ngx_int_t
ngx_content_s3_probe_take_unsigned(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    s3->probe->found[NGX_CONTENT_FACT_UNSIGNED] =
        ngx_content_s3_probe_found(call, NGX_CONTENT_FOUND_WORKS,
                                   NGX_CONTENT_FOUND_NOTHING);

    return ngx_content_s3_probe_keep(s3, call, "etag", &s3->etag) == NGX_ERROR
           ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_create(ngx_content_s3_probe_t *s3)
{
    return ngx_content_s3_probe_puts(s3, "if-none-match", content_cstr("*"));
}


ngx_int_t
ngx_content_s3_probe_ask_other(ngx_content_s3_probe_t *s3)
{
    return ngx_content_s3_probe_puts(s3, "if-match",
                                  content_cstr(NGX_CONTENT_S3_PROBE_OTHER));
}


ngx_int_t
ngx_content_s3_probe_ask_quoted(ngx_content_s3_probe_t *s3)
{
    if (s3->probe->found[NGX_CONTENT_FACT_IF_MATCH] != NGX_CONTENT_FOUND_WORKS
        || s3->etag.len < 3 || s3->etag.data[0] != '"')
    {
        return NGX_DECLINED;
    }

    return ngx_content_s3_probe_puts(s3, "if-match",
                                     ngx_content_from_ngx(s3->etag));
}


ngx_int_t
ngx_content_s3_probe_ask_bare(ngx_content_s3_probe_t *s3)
{
    content_str_t  etag;

    if (s3->probe->found[NGX_CONTENT_FACT_IF_MATCH] != NGX_CONTENT_FOUND_WORKS
        || s3->etag.len < 3 || s3->etag.data[0] != '"')
    {
        return NGX_DECLINED;
    }

    etag.data = s3->etag.data + 1;
    etag.len = s3->etag.len - 2;

    return ngx_content_s3_probe_puts(s3, "if-match", etag);
}


ngx_int_t
ngx_content_s3_probe_ask_tag(ngx_content_s3_probe_t *s3)
{
    ngx_int_t  rc;

    rc = ngx_content_s3_probe_begins(s3, "PUT", &ngx_content_s3_probe_tags);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_content_s3_param(&s3->request, "tagging", content_cstr(""));

    return ngx_content_s3_text_md5(&s3->request, &s3->text, s3->probe->pool);
}


ngx_int_t
ngx_content_s3_probe_ask_begin(ngx_content_s3_probe_t *s3)
{
    ngx_content_s3_param(&s3->request, "uploads", content_cstr(""));

    return ngx_content_s3_probe_begins(s3, "POST", NULL);
}


ngx_int_t
ngx_content_s3_probe_take_begin(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    content_out_t  out;

    if (!ngx_content_s3_probe_ok(call)) {
        return NGX_OK;
    }

    s3->upload.data = ngx_pnalloc(s3->probe->pool, CONTENT_S3UPLOADS_ID_MAX);
    if (s3->upload.data == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, s3->upload.data, CONTENT_S3UPLOADS_ID_MAX);

    if (content_s3xml_upload_id(ngx_content_from_ngx(call->body), &out)
        == CONTENT_OK)
    {
        s3->upload = ngx_content_to_ngx(content_out_done(&out));
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_part(ngx_content_s3_probe_t *s3)
{
    if (s3->upload.len == 0) {
        return NGX_DECLINED;
    }

    ngx_content_s3_param(&s3->request, "partNumber", content_cstr("1"));
    ngx_content_s3_param(&s3->request, "uploadId",
                         ngx_content_from_ngx(s3->upload));

    return ngx_content_s3_probe_begins(s3, "PUT", &ngx_content_s3_probe_body);
}


ngx_int_t
ngx_content_s3_probe_take_part(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    return ngx_content_s3_probe_keep(s3, call, "etag", &s3->part) == NGX_ERROR
           ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_complete(ngx_content_s3_probe_t *s3)
{
    size_t         size;
    u_char        *buf;
    ngx_str_t      text;
    content_out_t  out;

    if (s3->part.len == 0) {
        return NGX_DECLINED;
    }

    size = 2 * CONTENT_S3XML_PART_SIZE + 6 * s3->part.len;

    buf = ngx_pnalloc(s3->probe->pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);
    content_s3xml_parts_begin(&out);
    content_s3xml_part(&out, 1, ngx_content_from_ngx(s3->part));
    content_s3xml_parts_end(&out);
    text = ngx_content_to_ngx(content_out_done(&out));

    ngx_content_s3_param(&s3->request, "uploadId",
                         ngx_content_from_ngx(s3->upload));
    ngx_content_s3_header(&s3->request, "if-none-match", content_cstr("*"));

    return ngx_content_s3_probe_begins(s3, "POST", &text);
}


/* A 200 says nothing yet: its body may be an error. */

ngx_int_t
ngx_content_s3_probe_take_complete(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    u_char               etag[NGX_CONTENT_S3_ETAG];
    u_char               code[NGX_CONTENT_S3_CODE];
    content_out_t        etag_out, code_out;
    ngx_content_found_e  found;

    found = ngx_content_s3_probe_found(call, NGX_CONTENT_FOUND_IGNORED,
                                       NGX_CONTENT_FOUND_WORKS);

    if (found == NGX_CONTENT_FOUND_IGNORED) {
        content_out_init(&etag_out, etag, sizeof(etag));
        content_out_init(&code_out, code, sizeof(code));

        if (content_s3xml_completed(ngx_content_from_ngx(call->body),
                                    &etag_out, &code_out)
            == CONTENT_OK)
        {
            s3->upload.len = 0;

        } else {
            found = content_str_eq(content_out_done(&code_out),
                                   content_cstr("PreconditionFailed"))
                    ? NGX_CONTENT_FOUND_WORKS : NGX_CONTENT_FOUND_NOTHING;
        }
    }

    s3->probe->found[NGX_CONTENT_FACT_COMPLETE] = found;

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_abort(ngx_content_s3_probe_t *s3)
{
    if (s3->upload.len == 0) {
        return NGX_DECLINED;
    }

    ngx_content_s3_param(&s3->request, "uploadId",
                         ngx_content_from_ngx(s3->upload));

    return ngx_content_s3_probe_begins(s3, "DELETE", NULL);
}


/* What is still there is left to the sweep. */

ngx_int_t
ngx_content_s3_probe_take_abort(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_ask_delete(ngx_content_s3_probe_t *s3)
{
    ngx_content_s3_header(&s3->request, "if-match",
                          content_cstr(NGX_CONTENT_S3_PROBE_OTHER));

    return ngx_content_s3_probe_begins(s3, "DELETE", NULL);
}


/* In any case, whatever the DELETE before has done. */

ngx_int_t
ngx_content_s3_probe_ask_remove(ngx_content_s3_probe_t *s3)
{
    if (s3->etag.len == 0) {
        return NGX_DECLINED;
    }

    s3->request.method = "DELETE";
    s3->request.key = s3->key;

    if (s3->version.len) {
        ngx_content_s3_param(&s3->request, "versionId",
                             ngx_content_from_ngx(s3->version));
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_probe_take_remove(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome != NGX_CONTENT_OK && outcome != NGX_CONTENT_ABSENT) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: S3 at \"%V\": the probe's object \"%V\" is "
                      "left: %s", &s3->probe->store->place, &s3->key,
                      cause ? cause : "");
    }

    return NGX_OK;
}


/* What an answer says of a request: done, 412, or refused for its kind. */

static ngx_content_found_e
ngx_content_s3_probe_found(ngx_content_call_t *call, ngx_content_found_e done,
    ngx_content_found_e precondition)
{
    if (ngx_content_s3_probe_ok(call)) {
        return done;
    }

    if (call->result == NGX_OK
        && call->status == NGX_HTTP_PRECONDITION_FAILED)
    {
        return precondition;
    }

    return ngx_content_s3_probe_refusal(call);
}


static ngx_content_found_e
ngx_content_s3_probe_refusal(ngx_content_call_t *call)
{
    if (call->result != NGX_OK) {
        return NGX_CONTENT_FOUND_NOTHING;
    }

    switch (call->status) {

    case NGX_HTTP_FORBIDDEN:
        return NGX_CONTENT_FOUND_DENIED;

    case NGX_HTTP_BAD_REQUEST:
    case NGX_HTTP_NOT_ALLOWED:
    case NGX_HTTP_NOT_IMPLEMENTED:
        return NGX_CONTENT_FOUND_REFUSED;

    default:
        return NGX_CONTENT_FOUND_NOTHING;
    }
}


static ngx_uint_t
ngx_content_s3_probe_ok(ngx_content_call_t *call)
{
    return call->result == NGX_OK && call->status >= 200 && call->status < 300;
}


/* NGX_DECLINED: no success, or no such header; NGX_ERROR: no memory. */

static ngx_int_t
ngx_content_s3_probe_keep(ngx_content_s3_probe_t *s3,
    ngx_content_call_t *call, const char *header, ngx_str_t *value)
{
    ngx_str_t  seen;

    if (!ngx_content_s3_probe_ok(call)
        || ngx_content_call_response_header(call, header, &seen) != NGX_OK
        || seen.len == 0)
    {
        return NGX_DECLINED;
    }

    *value = ngx_content_to_ngx(ngx_content_str_dup(s3->probe->pool,
                                            ngx_content_from_ngx(seen)));

    return value->len ? NGX_OK : NGX_ERROR;
}
