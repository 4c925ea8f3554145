/*
 * COPY inside the bucket, without the bytes coming here: an upload whose bytes
 * S3 takes from another object.
 *
 *     HEAD of the source   is it there, do its conditions hold; what it keeps
 *     up to content_s3_copy_part_size:
 *         commit()         HEAD of the target, CopyObject
 *     larger, or with other metadata than the source has:
 *         CreateMultipartUpload, UploadPartCopy, a few at a time
 *         HEAD of the source: is it the same still
 *         commit()         HEAD of the target, CompleteMultipartUpload
 *
 * What was looked at is what is copied: its ETag goes along as
 * x-amz-copy-source-if-match.  Ceph does not look at that, hence the second
 * HEAD, or the parts might be of two objects.  CopyObject takes bytes and
 * metadata of one object; with metadata of ours they might be of two.
 */

#include "store/ngx_content_s3_upload.h"
#include "core/ngx_content_str.h"
#include "lib/content_key.h"
#include "lib/content_s3xml.h"


typedef struct {
    ngx_content_s3_head_t      head;          /* of the source */
    content_str_t              source;        /* x-amz-copy-source */
    off_t                      next;          /* where the next part begins */
    ngx_uint_t                 in_flight;
    ngx_content_outcome_e      outcome;       /* the first failure of a part */
    const char                *cause;         /* in the task's pool */
} ngx_content_s3_copy_t;

typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
} ngx_content_s3_copy_part_t;


static ngx_int_t ngx_content_s3_copy_look(ngx_content_upload_t *up,
    ngx_content_s3_head_pt done);
static content_str_t ngx_content_s3_copy_source(ngx_content_upload_t *up);
static void ngx_content_s3_copy_looked(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static void ngx_content_s3_object_copied(ngx_content_call_t *call);
static void ngx_content_s3_copy_target_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static void ngx_content_s3_copy_created(ngx_content_call_t *call);
static void ngx_content_s3_copy_more(ngx_content_upload_t *up);
static ngx_int_t ngx_content_s3_copy_part(ngx_content_upload_t *up);
static ngx_content_call_t *ngx_content_s3_copy_part_call(
    ngx_content_upload_t *up, ngx_content_part_t *part);
static void ngx_content_s3_part_copied(ngx_content_call_t *call);
static void ngx_content_s3_copy_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);
static void ngx_content_s3_copy_looked_again(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);
static ngx_content_outcome_e ngx_content_s3_copy_etag(
    ngx_content_upload_t *up, ngx_content_call_t *call, ngx_uint_t part,
    content_str_t *etag, const char **cause);
static ngx_content_outcome_e ngx_content_s3_copy_changed(
    ngx_content_upload_t *up, const char **cause);


void
ngx_content_s3_copy(ngx_content_upload_t *up)
{
    ngx_content_s3_copy_t  *c;

    c = ngx_pcalloc(up->task.pool, sizeof(ngx_content_s3_copy_t));

    if (c && ngx_content_s3_upload(up)) {
        up->copy->state = c;
        c->source = ngx_content_s3_copy_source(up);

        if (c->source.len
            && ngx_content_s3_copy_look(up, ngx_content_s3_copy_looked)
               == NGX_OK)
        {
            return;
        }
    }

    ngx_content_s3_post_unsent(&up->task);
}


static ngx_int_t
ngx_content_s3_copy_look(ngx_content_upload_t *up, ngx_content_s3_head_pt done)
{
    ngx_content_s3_head_t  *head;

    head = &((ngx_content_s3_copy_t *) up->copy->state)->head;

    head->store = up->task.store;
    head->pool = up->task.pool;
    head->key = up->copy->key;
    head->version = up->copy->version;
    head->done = done;
    head->data = up;

    /* a tag is of one ETag: the digest goes into the copy's metadata */

    head->digest = (done == ngx_content_s3_copy_looked);

    return ngx_content_s3_head(head);
}


/* "/bucket/key", encoded, with "?versionId=" if there is one. */

static content_str_t
ngx_content_s3_copy_source(ngx_content_upload_t *up)
{
    size_t                  size;
    u_char                 *buf;
    content_out_t           out;
    ngx_content_copy_t     *copy;
    ngx_content_s3_conf_t  *conf;

    copy = up->copy;
    conf = up->task.store->conf;

    size = sizeof("//?versionId=") + conf->bucket.len
           + 3 * (copy->key.len + copy->version.len);

    buf = ngx_pnalloc(up->task.pool, size);
    content_out_init(&out, buf, buf ? size : 0);

    content_out_char(&out, '/');
    content_out_str(&out, ngx_content_from_ngx(conf->bucket));
    content_out_char(&out, '/');
    content_key_encode(&out, ngx_content_from_ngx(copy->key));

    if (copy->version.len) {
        content_out_text(&out, "?versionId=");
        content_key_encode(&out, ngx_content_from_ngx(copy->version));
    }

    return content_out_done(&out);
}


static void
ngx_content_s3_copy_looked(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    ngx_uint_t              tagged;
    ngx_content_copy_t     *copy;
    ngx_content_s3_conf_t  *conf;
    ngx_content_s3_copy_t  *c;

    copy = up->copy;
    c = copy->state;
    conf = up->task.store->conf;

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    if (!ngx_content_conditions_hold(&copy->conditions, object, 1)) {
        copy->refused = 1;
        ngx_content_s3_end(up, NGX_CONTENT_PRECONDITION, NULL);
        return;
    }

    copy->etag = ngx_content_to_ngx(object->etag);
    *up->object = *object;
    up->object->etag.len = 0;                /* the copy's is not known yet */
    up->received = object->size;

    /* the SHA-256 was in a tag, and is to be in the metadata */

    tagged = (object->has_sha256 && c->head.object != NULL
              && object->size > NGX_CONTENT_S3_PART_MIN);

    if (object->size <= conf->copy_part_size && !tagged) {
        ngx_content_s3_commit(up);
        return;
    }

    if ((object->size - 1) / conf->copy_part_size >= NGX_CONTENT_S3_PARTS_MAX)
    {
        ngx_content_s3_end(up, NGX_CONTENT_INVALID, NULL);
        return;
    }

    if (ngx_content_s3_create_upload(up, ngx_content_s3_copy_created)
        != NGX_OK)
    {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_s3_end(up, outcome, cause);
    }
}


/* CopyObject */

ngx_int_t
ngx_content_s3_copy_object(ngx_content_upload_t *up)
{
    ngx_content_call_t        *call;
    ngx_content_s3_copy_t     *c;
    ngx_content_s3_request_t   request;

    c = up->copy->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.repeat = CONTENT_REPEAT_ENDED;
    request.key = up->task.key;

    ngx_content_s3_header(&request, "x-amz-copy-source", c->source);
    ngx_content_s3_header(&request, "x-amz-copy-source-if-match",
                          ngx_content_from_ngx(up->copy->etag));
    ngx_content_s3_header(&request, "x-amz-metadata-directive",
                          content_cstr("COPY"));

    call = ngx_content_s3_write_call(up, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = ngx_content_s3_object_copied;

    return ngx_content_call_start(call);
}


static void
ngx_content_s3_object_copied(ngx_content_call_t *call)
{
    const char               *cause;
    content_str_t             etag;
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
        outcome = ngx_content_s3_copy_etag(up, call, 0, &etag, &cause);
    }

    if (outcome == NGX_CONTENT_OK) {
        up->object->etag = etag;

    } else if (outcome == NGX_CONTENT_PRECONDITION
               && !up->conditions.if_none_match && !s3->guard.sent)
    {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    /* the source may have gone since the copy was made */

    if ((outcome == NGX_CONTENT_ABSENT || outcome == NGX_CONTENT_PRECONDITION)
        && ngx_content_s3_call_doubtful(call))
    {
        outcome = NGX_CONTENT_BROKEN;
        cause = "S3: a copy failed, and its source has changed since";
    }

    /* or is it that the source has changed? */

    if (outcome == NGX_CONTENT_PRECONDITION && up->conditions.if_none_match) {
        s3->head.done = ngx_content_s3_copy_target_headed;

        if (ngx_content_s3_head(&s3->head) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_end(up, outcome, cause);
}


static void
ngx_content_s3_copy_target_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    if (outcome == NGX_CONTENT_OK) {
        outcome = NGX_CONTENT_PRECONDITION;

    } else if (outcome == NGX_CONTENT_ABSENT) {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    ngx_content_s3_end(up, outcome, cause);
}


/* Several parts. */

static void
ngx_content_s3_copy_created(ngx_content_call_t *call)
{
    const char             *cause;
    ngx_content_upload_t   *up;
    ngx_content_outcome_e   outcome;

    up = call->data;
    outcome = ngx_content_s3_upload_id(up, call, &cause);

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    ngx_content_s3_copy_more(up);
}


/* Sends parts while there are any; the last that comes back goes on. */

static void
ngx_content_s3_copy_more(ngx_content_upload_t *up)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;
    ngx_content_s3_copy_t  *c;

    c = up->copy->state;

    while (c->outcome == NGX_CONTENT_OK && c->next < up->received
           && c->in_flight < NGX_CONTENT_S3_PARTS)
    {
        if (ngx_content_s3_copy_part(up) != NGX_OK) {
            outcome = ngx_content_s3_unsent(up->task.store, &cause);
            ngx_content_s3_copy_fail(up, outcome, cause);
        }
    }

    if (c->in_flight) {
        return;
    }

    if (c->outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, c->outcome, c->cause);
        return;
    }

    if (ngx_content_s3_copy_look(up, ngx_content_s3_copy_looked_again)
        != NGX_OK)
    {
        outcome = ngx_content_s3_unsent(up->task.store, &cause);
        ngx_content_s3_end(up, outcome, cause);
    }
}


static ngx_int_t
ngx_content_s3_copy_part(ngx_content_upload_t *up)
{
    ngx_content_call_t         *call;
    ngx_content_part_t         *part;
    ngx_content_s3_copy_t      *c;
    ngx_content_s3_conf_t      *conf;
    ngx_content_s3_copy_part_t *copying;

    c = up->copy->state;
    conf = up->task.store->conf;

    part = ngx_pcalloc(up->task.pool, sizeof(ngx_content_part_t));
    copying = ngx_palloc(up->task.pool, sizeof(ngx_content_s3_copy_part_t));

    if (part == NULL || copying == NULL) {
        return NGX_ERROR;
    }

    part->number = up->nparts + 1;
    part->offset = c->next;
    part->size = ngx_min(conf->copy_part_size, up->received - c->next);

    copying->up = up;
    copying->part = part;

    call = ngx_content_s3_copy_part_call(up, part);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->handler = ngx_content_s3_part_copied;
    call->data = copying;

    if (ngx_content_call_start(call) != NGX_OK) {
        return NGX_ERROR;
    }

    *up->last_part = part;
    up->last_part = &part->next;
    up->nparts++;

    c->next += part->size;
    c->in_flight++;

    return NGX_OK;
}


static ngx_content_call_t *
ngx_content_s3_copy_part_call(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    u_char                     number[NGX_INT_T_LEN];
    u_char                     range[sizeof("bytes=-") + 2 * NGX_OFF_T_LEN];
    content_str_t              text;
    ngx_content_s3_copy_t     *c;
    ngx_content_s3_upload_t   *s3;
    ngx_content_s3_request_t   request;

    c = up->copy->state;
    s3 = up->state;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "PUT";
    request.key = up->task.key;

    text.data = number;
    text.len = ngx_sprintf(number, "%ui", part->number) - number;
    ngx_content_s3_param(&request, "partNumber", text);
    ngx_content_s3_param(&request, "uploadId", ngx_content_from_ngx(s3->id));

    text.data = range;
    text.len = ngx_sprintf(range, "bytes=%O-%O", part->offset,
                           part->offset + (off_t) part->size - 1)
               - range;
    ngx_content_s3_header(&request, "x-amz-copy-source", c->source);
    ngx_content_s3_header(&request, "x-amz-copy-source-range", text);
    ngx_content_s3_header(&request, "x-amz-copy-source-if-match",
                          ngx_content_from_ngx(up->copy->etag));

    return ngx_content_s3_call(up->task.store, &request);
}


static void
ngx_content_s3_part_copied(ngx_content_call_t *call)
{
    const char                  *cause;
    content_str_t                etag;
    ngx_content_upload_t        *up;
    ngx_content_outcome_e        outcome;
    ngx_content_s3_copy_t       *c;
    ngx_content_s3_copy_part_t  *copying;

    copying = call->data;
    up = copying->up;
    c = up->copy->state;
    c->in_flight--;

    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_OK) {
        outcome = ngx_content_s3_copy_etag(up, call, 1, &etag, &cause);

    } else if (outcome == NGX_CONTENT_PRECONDITION) {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    if (outcome == NGX_CONTENT_OK) {
        copying->part->etag = ngx_content_to_ngx(etag);

    } else {
        ngx_content_s3_copy_fail(up, outcome, cause);
    }

    ngx_content_s3_copy_more(up);
}


static void
ngx_content_s3_copy_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause)
{
    u_char                 *text;
    ngx_content_s3_copy_t  *c;

    c = up->copy->state;

    if (c->outcome != NGX_CONTENT_OK) {
        return;
    }

    c->outcome = outcome;

    /* it lasts no longer than the call, and others are under way */

    if (cause) {
        text = ngx_pnalloc(up->task.pool, ngx_strlen(cause) + 1);

        if (text) {
            ngx_memcpy(text, cause, ngx_strlen(cause) + 1);
            c->cause = (const char *) text;
        }
    }
}


static void
ngx_content_s3_copy_looked_again(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_upload_t *up = data;

    if (outcome == NGX_CONTENT_ABSENT
        || (object && !content_str_eq(object->etag,
                                      ngx_content_from_ngx(up->copy->etag))))
    {
        outcome = ngx_content_s3_copy_changed(up, &cause);
    }

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_end(up, outcome, cause);
        return;
    }

    ngx_content_s3_commit(up);
}


/* 200 may still carry an error: only the result means that it is done. */

static ngx_content_outcome_e
ngx_content_s3_copy_etag(ngx_content_upload_t *up, ngx_content_call_t *call,
    ngx_uint_t part, content_str_t *etag, const char **cause)
{
    int            rc;
    u_char        *p, text[NGX_CONTENT_S3_CODE];
    content_out_t  out, code;
    content_str_t  body;

    p = ngx_pnalloc(up->task.pool, NGX_CONTENT_S3_ETAG + 2);
    if (p == NULL) {
        *cause = "no memory";
        return NGX_CONTENT_FAILED;
    }

    content_out_init(&out, p + 1, NGX_CONTENT_S3_ETAG);
    content_out_init(&code, text, sizeof(text));

    body = ngx_content_from_ngx(call->body);
    rc = part ? content_s3xml_part_copied(body, &out, &code)
              : content_s3xml_copied(body, &out, &code);

    *etag = content_out_done(&out);

    if (rc != CONTENT_OK || etag->len == 0) {
        *cause = "S3: a copy was answered with 200, but not with its ETag";

        return content_str_eq(content_out_done(&code),
                              content_cstr("SlowDown"))
               ? NGX_CONTENT_UNAVAILABLE : NGX_CONTENT_BROKEN;
    }

    /* Ceph leaves the quotes out */

    if (etag->data[0] != '"') {
        p[0] = '"';
        p[etag->len + 1] = '"';
        etag->data = p;
        etag->len += 2;
    }

    return NGX_CONTENT_OK;
}


/* Somebody has written the source meanwhile. */

static ngx_content_outcome_e
ngx_content_s3_copy_changed(ngx_content_upload_t *up, const char **cause)
{
    ngx_content_copy_t  *copy;

    copy = up->copy;
    *cause = "S3: the source has changed while it was copied";

    if (copy->conditions.if_match.len || copy->conditions.if_unmodified) {
        copy->refused = 1;
        return NGX_CONTENT_PRECONDITION;
    }

    return NGX_CONTENT_UNAVAILABLE;
}
