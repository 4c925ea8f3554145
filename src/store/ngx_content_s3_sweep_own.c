/*
 * The upload of our own, by which a sweep begins: see ngx_content_s3_sweep.h.
 *
 * Who we are, what time it is there, and whether keys in the list are encoded
 * (Ceph does as it is asked, but does not say so) is told by it: it is begun,
 * looked for in the list and given up.
 */

#include "store/ngx_content_s3_sweep.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_sweep_begun(ngx_content_call_t *call);
static void ngx_content_s3_sweep_found(ngx_content_call_t *call);
static int ngx_content_s3_sweep_find(void *data,
    const content_s3upload_t *upload);
static void ngx_content_s3_sweep_let_go(ngx_content_call_t *call);


static ngx_str_t  ngx_content_s3_sweep_key =
    ngx_string(NGX_CONTENT_S3_SWEEP_KEY);


/* BEGIN */

ngx_int_t
ngx_content_s3_sweep_begin(ngx_content_s3_sweep_t *s)
{
    ngx_content_s3_request_t  request;

    ngx_content_s3_sweep_request(&request, "POST", &ngx_content_s3_sweep_key,
                                 NULL);

    return ngx_content_s3_sweep_call(s, &request, ngx_content_s3_sweep_begun);
}


static void
ngx_content_s3_sweep_begun(ngx_content_call_t *call)
{
    const char              *cause;
    content_out_t            out;
    ngx_content_s3_sweep_t  *s;

    s = call->data;

    if (ngx_content_s3_call_outcome(call, &cause) == NGX_CONTENT_OK) {
        s->own.data = ngx_pnalloc(s->sweep->task.pool,
                                  CONTENT_S3UPLOADS_ID_MAX);
        content_out_init(&out, s->own.data,
                         s->own.data ? CONTENT_S3UPLOADS_ID_MAX : 0);

        if (content_s3xml_upload_id(ngx_content_from_ngx(call->body), &out)
            == CONTENT_OK)
        {
            s->own = ngx_content_to_ngx(content_out_done(&out));

        } else {
            cause = "S3: CreateMultipartUpload without an id";
        }
    }

    if (cause) {
        ngx_content_s3_sweep_fault(s, cause);
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_END);

    } else {
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_WHO);
    }

    ngx_content_s3_sweep_run(s);
}


/* WHO */

ngx_int_t
ngx_content_s3_sweep_who(ngx_content_s3_sweep_t *s)
{
    ngx_content_s3_request_t  request;

    ngx_content_s3_sweep_uploads(&request);
    ngx_content_s3_param(&request, "prefix",
                         ngx_content_from_ngx(ngx_content_s3_sweep_key));

    return ngx_content_s3_sweep_call(s, &request, ngx_content_s3_sweep_found);
}


static void
ngx_content_s3_sweep_found(ngx_content_call_t *call)
{
    const char                *cause;
    ngx_content_s3_sweep_t    *s;
    content_s3uploads_page_t  *page;

    s = call->data;
    page = ngx_palloc(call->pool, sizeof(content_s3uploads_page_t));

    if (ngx_content_s3_call_outcome(call, &cause) != NGX_CONTENT_OK) {
        ngx_content_s3_sweep_fault(s, cause);

    } else if (page == NULL
               || content_s3uploads_list(ngx_content_from_ngx(call->body), 0,
                                         page, ngx_content_s3_sweep_find, s)
                  != CONTENT_OK
               || s->now == 0)
    {
        ngx_content_s3_sweep_fault(s, "S3: a list of uploads without the one "
                                      "that was begun");
    }

    ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_LET);
    ngx_content_s3_sweep_run(s);
}


static int
ngx_content_s3_sweep_find(void *data, const content_s3upload_t *upload)
{
    ngx_content_s3_sweep_t *s = data;

    if (content_str_eq(upload->id, ngx_content_from_ngx(s->own))) {
        s->now = upload->initiated;
        s->encoded = !content_str_eq(upload->key,
                              ngx_content_from_ngx(ngx_content_s3_sweep_key));
        s->initiator = ngx_content_str_dup(s->sweep->task.pool,
                                           upload->initiator);

        if (s->initiator.len != upload->initiator.len) {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


/* LET */

ngx_int_t
ngx_content_s3_sweep_let(ngx_content_s3_sweep_t *s)
{
    ngx_content_s3_request_t  request;

    ngx_content_s3_sweep_request(&request, "DELETE",
                                 &ngx_content_s3_sweep_key, &s->own);

    return ngx_content_s3_sweep_call(s, &request, ngx_content_s3_sweep_let_go);
}


static void
ngx_content_s3_sweep_let_go(ngx_content_call_t *call)
{
    ngx_content_s3_sweep_t  *s;

    s = call->data;

    ngx_content_s3_sweep_go(s, s->faults ? NGX_CONTENT_S3_SWEEP_END
                                         : NGX_CONTENT_S3_SWEEP_LIST);
    ngx_content_s3_sweep_run(s);
}
