/*
 * The sweep of the S3 store: multipart uploads that nobody goes on with.
 *
 * An upload is swept if it was begun by the same initiator (all of AWS's
 * sessions of a role are one; where the server does not tell, anybody's), if
 * its key is one that an object of ours can have, and if neither it nor any
 * part of it is younger than the age.  Who the initiator is tells the upload
 * of our own: ngx_content_s3_sweep_own.c.
 */

#include "store/ngx_content_s3_sweep.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_S3_SWEEP_PAGE    "200"        /* uploads, at most */
#define NGX_CONTENT_S3_SWEEP_FAULTS  5            /* then the round ends */


static ngx_int_t ngx_content_s3_sweep_page(ngx_content_s3_sweep_t *s);
static void ngx_content_s3_sweep_listed(ngx_content_call_t *call);
static int ngx_content_s3_sweep_note(void *data,
    const content_s3upload_t *upload);
static ngx_uint_t ngx_content_s3_sweep_may(content_str_t key);
static void ngx_content_s3_sweep_parted(ngx_content_call_t *call);
static void ngx_content_s3_sweep_aborted(ngx_content_call_t *call);
static ngx_uint_t ngx_content_s3_sweep_gone(ngx_content_call_t *call);


static const struct {
    const char                    *name;
    ngx_content_s3_sweep_step_pt   run;
} ngx_content_s3_sweep_steps[] = {
#define NGX_CONTENT_S3_SWEEP_STEP(name, function)                            \
    { #name, ngx_content_s3_sweep_##function },
    NGX_CONTENT_S3_SWEEP_STEPS(NGX_CONTENT_S3_SWEEP_STEP)
#undef NGX_CONTENT_S3_SWEEP_STEP
};


void
ngx_content_s3_sweep(ngx_content_sweep_t *sweep)
{
    ngx_content_s3_sweep_t  *s;

    s = ngx_pcalloc(sweep->task.pool, sizeof(ngx_content_s3_sweep_t));

    if (s == NULL) {
        ngx_content_task_post(&sweep->task, NGX_CONTENT_FAILED, "no memory");
        return;
    }

    s->sweep = sweep;
    s->step = NGX_CONTENT_S3_SWEEP_BEGIN;

    ngx_content_s3_sweep_run(s);
}


void
ngx_content_s3_sweep_run(ngx_content_s3_sweep_t *s)
{
    while (s->step != NGX_CONTENT_S3_SWEEP_END) {
        if (ngx_content_s3_sweep_steps[s->step].run(s) == NGX_AGAIN) {
            return;
        }
    }

    if (s->pool) {
        ngx_destroy_pool(s->pool);
    }

    /* posted: no task ends from inside the call that began it */

    ngx_content_task_post(&s->sweep->task, s->outcome,
                          s->cause.len ? (char *) s->cause.data : NULL);
}


void
ngx_content_s3_sweep_go(ngx_content_s3_sweep_t *s,
    ngx_content_s3_sweep_step_e step)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "content sweep: %s -> %s",
                   ngx_content_s3_sweep_steps[s->step].name,
                   step == NGX_CONTENT_S3_SWEEP_END
                       ? "END" : ngx_content_s3_sweep_steps[step].name);

    s->step = step;
}


void
ngx_content_s3_sweep_fault(ngx_content_s3_sweep_t *s, const char *cause)
{
    size_t  len;

    s->faults++;

    if (s->outcome != NGX_CONTENT_OK) {
        return;
    }

    s->outcome = NGX_CONTENT_BROKEN;

    len = ngx_strlen(cause);
    s->cause.data = ngx_pnalloc(s->sweep->task.pool, len + 1);

    if (s->cause.data) {
        ngx_memcpy(s->cause.data, cause, len + 1);
        s->cause.len = len;
    }
}


ngx_int_t
ngx_content_s3_sweep_call(ngx_content_s3_sweep_t *s,
    ngx_content_s3_request_t *request, ngx_content_call_handler_pt handler)
{
    const char          *cause;
    ngx_content_call_t  *call;

    call = ngx_content_s3_call(s->sweep->task.store, request);

    if (call) {
        call->response_limit = NGX_CONTENT_S3_LIST;
        call->handler = handler;
        call->data = s;

        if (ngx_content_call_start(call) == NGX_OK) {
            return NGX_AGAIN;
        }
    }

    (void) ngx_content_s3_unsent(s->sweep->task.store, &cause);
    ngx_content_s3_sweep_fault(s, cause);
    ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_END);

    return NGX_OK;
}


void
ngx_content_s3_sweep_request(ngx_content_s3_request_t *request,
    const char *method, ngx_str_t *key, ngx_str_t *id)
{
    ngx_memzero(request, sizeof(ngx_content_s3_request_t));
    request->method = method;

    if (key) {
        request->key = *key;
    }

    if (id) {
        ngx_content_s3_param(request, "uploadId", ngx_content_from_ngx(*id));

    } else {
        ngx_content_s3_param(request, "uploads", content_cstr(""));
    }
}


void
ngx_content_s3_sweep_uploads(ngx_content_s3_request_t *request)
{
    ngx_content_s3_sweep_request(request, "GET", NULL, NULL);
    ngx_content_s3_param(request, "encoding-type", content_cstr("url"));
}


/* LIST */

ngx_int_t
ngx_content_s3_sweep_list(ngx_content_s3_sweep_t *s)
{
    ngx_content_s3_request_t  request;

    ngx_content_s3_sweep_uploads(&request);
    ngx_content_s3_param(&request, "max-uploads",
                         content_cstr(NGX_CONTENT_S3_SWEEP_PAGE));

    if (s->page) {
        ngx_content_s3_param(&request, "key-marker", s->page->next_key);
        ngx_content_s3_param(&request, "upload-id-marker", s->page->next_id);
    }

    return ngx_content_s3_sweep_call(s, &request, ngx_content_s3_sweep_listed);
}


static void
ngx_content_s3_sweep_listed(ngx_content_call_t *call)
{
    const char              *cause;
    ngx_content_s3_sweep_t  *s;

    s = call->data;

    if (ngx_content_s3_call_outcome(call, &cause) != NGX_CONTENT_OK) {
        ngx_content_s3_sweep_fault(s, cause);
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_END);

    } else if (ngx_content_s3_sweep_page(s) != NGX_OK
               || content_s3uploads_list(ngx_content_from_ngx(call->body),
                                         s->encoded, s->page,
                                         ngx_content_s3_sweep_note, s)
                  != CONTENT_OK)
    {
        ngx_content_s3_sweep_fault(s, "S3: a list of uploads that makes no "
                                      "sense");
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_END);

    } else {
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_NEXT);
    }

    ngx_content_s3_sweep_run(s);
}


/* Memory of its own for each page: there may be many. */

static ngx_int_t
ngx_content_s3_sweep_page(ngx_content_s3_sweep_t *s)
{
    if (s->pool) {
        ngx_destroy_pool(s->pool);
    }

    s->next = 0;
    s->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);

    if (s->pool == NULL) {
        return NGX_ERROR;
    }

    s->page = ngx_palloc(s->pool, sizeof(content_s3uploads_page_t));

    return s->page ? ngx_array_init(&s->stale, s->pool, 16,
                                    sizeof(ngx_content_s3_stale_t))
                   : NGX_ERROR;
}


/* Below "-/" only what an earlier round has left. */

static int
ngx_content_s3_sweep_note(void *data, const content_s3upload_t *upload)
{
    ngx_content_s3_sweep_t *s = data;

    const char              *why;
    ngx_content_s3_stale_t  *stale;

    if (upload->initiated + s->sweep->age >= s->now
        || !content_s3uploads_same(upload->initiator, s->initiator)
        || content_key_check(upload->key, &why) != CONTENT_OK
        || !ngx_content_s3_sweep_may(upload->key))
    {
        return CONTENT_OK;
    }

    stale = ngx_array_push(&s->stale);
    if (stale == NULL) {
        return CONTENT_ERROR;
    }

    stale->key = ngx_content_to_ngx(ngx_content_str_dup(s->pool, upload->key));
    stale->id = ngx_content_to_ngx(ngx_content_str_dup(s->pool, upload->id));

    return stale->key.len && stale->id.len ? CONTENT_OK : CONTENT_ERROR;
}


/* Below "-/" only the keys of the sweep and of the probe are ours. */

static ngx_uint_t
ngx_content_s3_sweep_may(content_str_t key)
{
    content_str_t  probe;

    probe = content_cstr(NGX_CONTENT_S3_PROBE_KEY);

    return key.len < 2 || ngx_memcmp(key.data, "-/", 2) != 0
           || content_str_eq(key, content_cstr(NGX_CONTENT_S3_SWEEP_KEY))
           || (key.len > probe.len && content_str_starts(key, probe));
}


/* NEXT */

ngx_int_t
ngx_content_s3_sweep_next(ngx_content_s3_sweep_t *s)
{
    s->marker = 0;

    if (ngx_content_sweep_over(s->sweep)
        || s->faults >= NGX_CONTENT_S3_SWEEP_FAULTS)
    {
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_END);

    } else if (s->next < s->stale.nelts) {
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_PARTS);

    } else {
        ngx_content_s3_sweep_go(s, s->page->truncated
                                       && s->page->next_key.len
                                   ? NGX_CONTENT_S3_SWEEP_LIST
                                   : NGX_CONTENT_S3_SWEEP_END);
    }

    return NGX_OK;
}


/* PARTS */

ngx_int_t
ngx_content_s3_sweep_parts(ngx_content_s3_sweep_t *s)
{
    u_char                     number[NGX_INT64_LEN];
    content_str_t              marker;
    ngx_content_s3_stale_t    *stale;
    ngx_content_s3_request_t   request;

    stale = s->stale.elts;
    stale += s->next;

    marker.data = number;
    marker.len = ngx_sprintf(number, "%L", s->marker) - number;

    ngx_content_s3_sweep_request(&request, "GET", &stale->key, &stale->id);

    if (s->marker) {
        ngx_content_s3_param(&request, "part-number-marker", marker);
    }

    return ngx_content_s3_sweep_call(s, &request, ngx_content_s3_sweep_parted);
}


static void
ngx_content_s3_sweep_parted(ngx_content_call_t *call)
{
    const char              *cause;
    content_s3parts_t        parts;
    ngx_content_s3_sweep_t  *s;

    s = call->data;

    if (ngx_content_s3_sweep_gone(call)) {
        s->next++;
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_NEXT);

    } else if (ngx_content_s3_call_outcome(call, &cause) != NGX_CONTENT_OK
               || content_s3uploads_parts(ngx_content_from_ngx(call->body),
                                          &parts)
                  != CONTENT_OK)
    {
        ngx_content_s3_sweep_fault(s, cause ? cause
                                            : "S3: parts that make no sense");
        s->next++;
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_NEXT);

    } else if (parts.newest + s->sweep->age >= s->now) {
        s->next++;                             /* somebody is at it */
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_NEXT);

    } else if (parts.truncated && parts.next > s->marker) {
        s->marker = parts.next;

    } else {
        ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_ABORT);
    }

    ngx_content_s3_sweep_run(s);
}


/* ABORT */

ngx_int_t
ngx_content_s3_sweep_abort(ngx_content_s3_sweep_t *s)
{
    ngx_content_s3_stale_t    *stale;
    ngx_content_s3_request_t   request;

    stale = s->stale.elts;
    stale += s->next;

    ngx_content_s3_sweep_request(&request, "DELETE", &stale->key, &stale->id);

    return ngx_content_s3_sweep_call(s, &request,
                                     ngx_content_s3_sweep_aborted);
}


static void
ngx_content_s3_sweep_aborted(ngx_content_call_t *call)
{
    const char              *cause;
    ngx_content_s3_sweep_t  *s;
    ngx_content_s3_stale_t  *stale;

    s = call->data;
    stale = s->stale.elts;
    stale += s->next++;

    if (ngx_content_s3_sweep_gone(call)) {
        /* another node was first */

    } else if (ngx_content_s3_call_outcome(call, &cause) == NGX_CONTENT_OK) {
        s->sweep->swept++;

        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "content: aborted a multipart upload that nobody goes "
                      "on with, key \"%V\"", &stale->key);

    } else {
        ngx_content_s3_sweep_fault(s, cause);
    }

    ngx_content_s3_sweep_go(s, NGX_CONTENT_S3_SWEEP_NEXT);
    ngx_content_s3_sweep_run(s);
}


/* NoSuchUpload: the bucket was there a moment ago. */

static ngx_uint_t
ngx_content_s3_sweep_gone(ngx_content_call_t *call)
{
    return call->result == NGX_OK && call->status == NGX_HTTP_NOT_FOUND;
}
