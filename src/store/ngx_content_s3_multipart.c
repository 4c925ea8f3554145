/*
 * A multipart upload: a body of several parts, which are sent while the client
 * still sends.
 *
 *     begin()     CreateMultipartUpload, while the first part is received
 *     part()      the same at the first, if the length was not known; then
 *                 UploadPart as soon as the upload's id is known; the part may
 *                 grow meanwhile
 *     complete()  CompleteMultipartUpload; HEAD if that told no ETag, and it
 *                 is not known yet that it can be computed (_s3_etag.c)
 *     discard()   AbortMultipartUpload, if there is one; not while S3 may be
 *                 completing it
 *
 * A part is signed with its SHA-256, so that the server refuses what was
 * changed on the way; or it is not signed, and sent while it is received and
 * hashed (content_s3_sign_payload).
 */

#include "store/ngx_content_s3_upload.h"
#include "store/ngx_content_upload.h"
#include "core/ngx_content_str.h"
#include "lib/content_range.h"
#include "lib/content_s3xml.h"


#define NGX_CONTENT_S3_UPLOAD_ID  1024


static void ngx_content_s3_upload_created(ngx_content_call_t *call);
static ngx_int_t ngx_content_s3_upload_part(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_s3_part_uploaded(ngx_content_call_t *call);
static void ngx_content_s3_completed(ngx_content_call_t *call);
static ngx_uint_t ngx_content_s3_complete_ended(ngx_content_call_t *call);
static ngx_content_outcome_e ngx_content_s3_completed_etag(
    ngx_content_upload_t *up, ngx_content_call_t *call, const char **cause);
static void ngx_content_s3_complete_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


ngx_int_t
ngx_content_s3_begin(ngx_content_upload_t *up)
{
    if (ngx_content_s3_upload(up) == NULL) {
        return NGX_ERROR;
    }

    return ngx_content_s3_create_upload(up, ngx_content_s3_upload_created);
}


void
ngx_content_s3_part(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_int_t                 rc;
    const char               *cause;
    ngx_content_outcome_e     outcome;
    ngx_content_s3_upload_t  *s3;

    s3 = ngx_content_s3_upload(up);

    if (s3 == NULL) {
        rc = NGX_ERROR;

    } else if (s3->id.len) {
        rc = ngx_content_s3_upload_part(up, part);

    } else if (s3->started) {
        rc = NGX_OK;                 /* goes when the id is there */

    } else {
        rc = ngx_content_s3_create_upload(up, ngx_content_s3_upload_created);

        if (rc == NGX_OK) {
            up->in_flight++;         /* as for begin() */
        }
    }

    if (rc != NGX_OK) {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_upload_stored(up, part, outcome, cause);
    }
}


ngx_int_t
ngx_content_s3_create_upload(ngx_content_upload_t *up,
    ngx_content_call_handler_pt handler)
{
    ngx_content_call_t        *call;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    s3 = up->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "POST";
    request.key = up->task.key;
    ngx_content_s3_param(&request, "uploads", content_cstr(""));

    if (ngx_content_s3_object_headers(&request, up->object, up->task.pool)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call = ngx_content_s3_call(up->task.store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = handler;
    call->data = up;

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_ERROR;
    }

    s3->started = 1;
    s3->told = up->object->has_sha256;

    return NGX_OK;
}


ngx_content_outcome_e
ngx_content_s3_upload_id(ngx_content_upload_t *up, ngx_content_call_t *call,
    const char **cause)
{
    u_char                   *buf;
    content_out_t             out;
    ngx_content_outcome_e     outcome;
    ngx_content_s3_upload_t  *s3;

    s3 = up->state;
    outcome = ngx_content_s3_call_outcome(call, cause);

    if (outcome != NGX_CONTENT_OK) {
        return outcome == NGX_CONTENT_ABSENT ? NGX_CONTENT_BROKEN : outcome;
    }

    buf = ngx_pnalloc(up->task.pool, NGX_CONTENT_S3_UPLOAD_ID);
    content_out_init(&out, buf, buf ? NGX_CONTENT_S3_UPLOAD_ID : 0);

    if (content_s3xml_upload_id(ngx_content_from_ngx(call->body), &out)
        != CONTENT_OK)
    {
        *cause = "S3: CreateMultipartUpload without an id";
        return NGX_CONTENT_BROKEN;
    }

    s3->id = ngx_content_to_ngx(content_out_done(&out));
    ngx_content_s3_lease(up);

    return NGX_CONTENT_OK;
}


static void
ngx_content_s3_upload_created(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_part_t     *part;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;

    up = call->data;
    outcome = ngx_content_s3_upload_id(up, call, &cause);

    /* the parts that wait for the id; the upload outlives them, see begin() */

    for (part = up->parts; part; part = part->next) {

        /* is still to be hashed, or was canceled */

        if (!part->given || part->stored) {
            continue;
        }

        if (outcome == NGX_CONTENT_OK && !up->aborted
            && ngx_content_s3_upload_part(up, part) == NGX_OK)
        {
            continue;
        }

        if (outcome == NGX_CONTENT_OK) {
            outcome = ngx_content_s3_unsent(up->task.store, &cause);
        }

        ngx_content_upload_stored(up, part, outcome, cause);
    }

    ngx_content_upload_begun(up, outcome, cause);
}


static ngx_int_t
ngx_content_s3_upload_part(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_content_call_t        *call;
    ngx_content_s3_body_t     *body;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    s3 = up->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.key = up->task.key;

    body = ngx_content_s3_body(up, part, &request);
    if (body == NULL) {
        return NGX_ERROR;
    }

    ngx_content_s3_param(&request, "partNumber", content_cstr("1"));
    request.params[0].value.data = body->number;
    request.params[0].value.len = ngx_sprintf(body->number, "%ui",
                                              part->number)
                                  - body->number;
    ngx_content_s3_param(&request, "uploadId", ngx_content_from_ngx(s3->id));

    call = ngx_content_s3_call(up->task.store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->request_body = &body->chain;
    call->body_length = part->length;
    call->handler = ngx_content_s3_part_uploaded;
    call->data = body;

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_ERROR;
    }

    body->call = call;
    part->state = body;

    return NGX_OK;
}


/* Before the upload's id is there, nothing is under way. */

void
ngx_content_s3_part_grown(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_content_s3_body_t  *body;

    body = part->state;

    if (body) {
        body->buf.last = part->data + part->size;
        ngx_content_call_grown(body->call);
    }
}


void
ngx_content_s3_part_cancel(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_content_s3_body_t  *body;

    body = part->state;

    if (body) {
        part->state = NULL;
        ngx_content_call_cancel(body->call);
    }
}


static void
ngx_content_s3_part_uploaded(ngx_content_call_t *call)
{
    ngx_str_t               value;
    const char             *cause;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_body_t  *body;

    body = call->data;
    up = body->up;
    body->part->state = NULL;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_OK) {
        if (ngx_content_call_response_header(call, "etag", &value) == NGX_OK
            && content_etag_check(ngx_content_from_ngx(value)))
        {
            body->part->etag = ngx_content_to_ngx(
                ngx_content_str_dup(up->task.pool,
                                    ngx_content_from_ngx(value)));
        }

        if (body->part->etag.len == 0) {
            outcome = NGX_CONTENT_BROKEN;
            cause = "S3: UploadPart without an ETag";
        }

    } else if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_BROKEN;
    }

    if (outcome == NGX_CONTENT_OK) {
        ngx_content_s3_lease(up);
    }

    ngx_content_upload_stored(up, body->part, outcome, cause);
}


ngx_int_t
ngx_content_s3_complete(ngx_content_upload_t *up)
{
    u_char                    *buf;
    size_t                     size;
    ngx_str_t                  text;
    content_out_t              out;
    ngx_content_call_t        *call;
    ngx_content_part_t        *part;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    s3 = up->state;
    size = 2 * CONTENT_S3XML_PART_SIZE;

    for (part = up->parts; part; part = part->next) {
        size += CONTENT_S3XML_PART_SIZE + 6 * part->etag.len;
    }

    buf = ngx_pnalloc(up->task.pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);
    content_s3xml_parts_begin(&out);

    for (part = up->parts; part; part = part->next) {
        content_s3xml_part(&out, part->number,
                           ngx_content_from_ngx(part->etag));
    }

    content_s3xml_parts_end(&out);
    text = ngx_content_to_ngx(content_out_done(&out));

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "POST";
    request.key = up->task.key;
    ngx_content_s3_param(&request, "uploadId", ngx_content_from_ngx(s3->id));

    if (ngx_content_s3_text_sha256(&request, &text, up->task.pool) != NGX_OK) {
        return NGX_ERROR;
    }

    call = ngx_content_s3_write_call(up, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    ngx_content_call_text(call, &text);
    call->handler = ngx_content_s3_completed;
    call->fresh = 1;                 /* must not be replayed unseen */

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_completed(ngx_content_call_t *call)
{
    ngx_str_t                 version;
    const char               *cause;
    ngx_content_upload_t     *up;
    ngx_content_outcome_e     outcome;
    ngx_content_s3_upload_t  *s3;

    up = call->data;
    s3 = up->state;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (ngx_content_s3_refused(up, call, &outcome) == NGX_OK) {
        return;
    }

    if (outcome == NGX_CONTENT_OK) {
        outcome = ngx_content_s3_completed_etag(up, call, &cause);

    } else if (outcome == NGX_CONTENT_ABSENT) {
        outcome = NGX_CONTENT_BROKEN;
    }

    if (outcome != NGX_CONTENT_OK) {
        if (!ngx_content_s3_complete_ended(call)) {
            s3->id.len = 0;                   /* left to the sweep */
        }

        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    s3->id.len = 0;                           /* nothing to abort any more */

    if (ngx_content_call_response_header(call, "x-amz-version-id", &version)
        == NGX_OK)
    {
        s3->version = ngx_content_to_ngx(
            ngx_content_str_dup(up->task.pool, ngx_content_from_ngx(version)));
    }

    if (up->object->etag.len) {
        ngx_content_s3_tag_end(up);
        return;
    }

    s3->head.done = ngx_content_s3_complete_headed;

    if (ngx_content_s3_head(&s3->head) != NGX_OK) {
        ngx_content_s3_end(up, NGX_CONTENT_OK, NULL);
    }
}


/*
 * Whether S3 is certainly not at it any more.  An abort that comes meanwhile
 * destroys the object on Ceph: both succeed, and hours later the parts are
 * gone that the object is made of.  Only S3's own word counts, for a balancer
 * gives up sooner than who is behind it.
 */

static ngx_uint_t
ngx_content_s3_complete_ended(ngx_content_call_t *call)
{
    char           buf[NGX_CONTENT_S3_ERROR];
    content_str_t  code, message;

    if (call->result != NGX_OK) {
        return !call->sent;
    }

    return content_s3xml_error(ngx_content_from_ngx(call->body), &code,
                               &message, buf, sizeof(buf))
           == CONTENT_OK
           && code.len;
}


/*
 * 200 may still carry an error: only the result means that it is done.  Leaves
 * the object without an ETag if neither S3 nor the parts tell it.
 */

static ngx_content_outcome_e
ngx_content_s3_completed_etag(ngx_content_upload_t *up,
    ngx_content_call_t *call, const char **cause)
{
    u_char                  buf[NGX_CONTENT_S3_ETAG];
    u_char                  text[NGX_CONTENT_S3_CODE];
    content_out_t           etag, code;
    ngx_content_s3_conf_t  *conf;

    conf = up->task.store->conf;

    content_out_init(&etag, buf, sizeof(buf));
    content_out_init(&code, text, sizeof(text));

    if (content_s3xml_completed(ngx_content_from_ngx(call->body), &etag, &code)
        != CONTENT_OK)
    {
        *cause = "S3: CompleteMultipartUpload answered 200 with an error";
        return NGX_CONTENT_BROKEN;
    }

    if (content_out_done(&etag).len) {
        up->object->etag = ngx_content_str_dup(up->task.pool,
                                               content_out_done(&etag));

    } else if (conf->etag_of_parts) {
        up->object->etag = ngx_content_s3_etag_of_parts(up);
    }

    return NGX_CONTENT_OK;
}


/*
 * Ceph does not say the ETag in its answer.  Where the length is another one,
 * or the ETag is not that of our parts, another upload may have ended meanwhile,
 * and the ETag be that one's: with it our client would overwrite what it never
 * saw, so it gets none.  Where it is that of our parts, that is how this server
 * makes it, and the next upload need not ask.
 */

static void
ngx_content_s3_complete_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    content_str_t           etag;
    ngx_content_s3_conf_t  *conf;

    conf = up->task.store->conf;
    etag = ngx_content_s3_etag_of_parts(up);

    if (outcome != NGX_CONTENT_OK || object->size != up->received
        || (etag.len && !content_str_eq(etag, object->etag)))
    {
        ngx_content_s3_end(up, NGX_CONTENT_OK, NULL);
        return;
    }

    up->object->etag = object->etag;

    if (etag.len == 0) {
        ngx_content_s3_end(up, NGX_CONTENT_OK, NULL);
        return;
    }

    conf->etag_of_parts = 1;
    ngx_content_s3_tag_end(up);
}


void
ngx_content_s3_discard(ngx_content_upload_t *up)
{
    ngx_content_call_t        *call;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    s3 = up->state;

    if (s3 == NULL || s3->id.len == 0) {
        return;
    }

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "DELETE";
    request.key = up->task.key;
    ngx_content_s3_param(&request, "uploadId", ngx_content_from_ngx(s3->id));

    call = ngx_content_s3_call(up->task.store, &request);

    if (call) {
        (void) ngx_content_call_start(call);
    }
}
