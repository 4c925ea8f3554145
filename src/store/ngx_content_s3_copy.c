/*
 * COPY inside the bucket, without the bytes coming here: an upload whose bytes
 * S3 takes from another object.
 *
 *     HEAD of the source   is it there, do its conditions hold; what it keeps
 *     up to content_s3_copy_part_size:
 *         commit()         HEAD of the target, CopyObject
 *                          (ngx_content_s3_copy_object.c)
 *     larger, or with other metadata than the source has:
 *                          in parts (ngx_content_s3_copy_parts.c)
 *
 * What was looked at is what is copied: its ETag goes along as
 * x-amz-copy-source-if-match.
 */

#include "store/ngx_content_s3_copy.h"
#include "core/ngx_content_str.h"
#include "lib/content_key.h"
#include "lib/content_s3xml.h"


static content_str_t ngx_content_s3_copy_source(ngx_content_upload_t *up);
static void ngx_content_s3_copy_looked(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


void
ngx_content_s3_copy(ngx_content_upload_t *up)
{
    ngx_content_s3_copy_t  *c;

    c = ngx_pcalloc(up->task.pool, sizeof(ngx_content_s3_copy_t));

    if (c && ngx_content_s3_upload(up)) {
        up->copy->state = c;
        c->source = ngx_content_s3_copy_source(up);

        /* a tag is of one ETag: the digest goes into the copy's metadata */

        if (c->source.len
            && ngx_content_s3_copy_look(up, 1, ngx_content_s3_copy_looked)
               == NGX_OK)
        {
            return;
        }
    }

    ngx_content_s3_post_unsent(&up->task);
}


ngx_int_t
ngx_content_s3_copy_look(ngx_content_upload_t *up, ngx_uint_t digest,
    ngx_content_s3_head_pt done)
{
    ngx_content_s3_head_t  *head;

    head = &((ngx_content_s3_copy_t *) up->copy->state)->head;

    head->store = up->task.store;
    head->pool = up->task.pool;
    head->key = up->copy->key;
    head->version = up->copy->version;
    head->done = done;
    head->data = up;
    head->digest = digest;

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

    if ((object->size - 1) / conf->copy_part_size >= (off_t) conf->max_parts) {
        ngx_content_s3_end(up, NGX_CONTENT_INVALID, NULL);
        return;
    }

    ngx_content_s3_copy_parts(up);
}


/* Only the result means that it is done. */

ngx_content_outcome_e
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


ngx_content_outcome_e
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
