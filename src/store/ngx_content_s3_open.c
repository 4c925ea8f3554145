/*
 * The beginning of a read from S3: what is it?  A HEAD, and the state that
 * lives as long as the client's request.
 */

#include "store/ngx_content_s3_read.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_read_cleanup(void *data);
static void ngx_content_s3_opened(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause);


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


ngx_content_s3_read_t *
ngx_content_s3_read(ngx_content_read_t *read)
{
    ngx_pool_cleanup_t     *cln;
    ngx_content_s3_read_t  *s3;

    if (read->state) {
        return read->state;
    }

    cln = ngx_pool_cleanup_add(read->request->pool,
                               sizeof(ngx_content_s3_read_t));
    if (cln == NULL) {
        return NULL;
    }

    s3 = cln->data;

    ngx_memzero(s3, offsetof(ngx_content_s3_read_t, object));
    content_object_init(&s3->object);

    s3->read = read;
    read->state = s3;
    cln->handler = ngx_content_s3_read_cleanup;

    return s3;
}


static void
ngx_content_s3_read_cleanup(void *data)
{
    ngx_content_s3_read_t *s3 = data;

    ngx_content_s3_peer_stop(s3);

    if (s3->head.call) {
        ngx_content_call_cancel(s3->head.call);
    }
}


/* Nothing can be asked: no credentials, no memory. */

void
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
