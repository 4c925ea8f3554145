/*
 * Removing many objects: DeleteObjects for all keys that XML can say, then a
 * DeleteObject each for the others.
 *
 * S3 says of each key that it is deleted, or why not; a key that the answer
 * passes over counts as failed.  Whether it was there S3 does not say.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_s3delete.h"


typedef struct {
    ngx_content_removals_t    *removals;
    ngx_content_removal_t    **sorted;     /* by key, those of the batch */
    ngx_uint_t                 nsorted;
    ngx_uint_t                 single;     /* the next that goes alone */
} ngx_content_s3_removals_t;


static ngx_int_t ngx_content_s3_remove_batch(ngx_content_s3_removals_t *s3);
static int ngx_content_s3_removal_cmp(const void *one, const void *two);
static ngx_int_t ngx_content_s3_remove_body(ngx_content_s3_removals_t *s3,
    ngx_pool_t *pool, ngx_str_t *text);
static void ngx_content_s3_batch_removed(ngx_content_call_t *call);
static void ngx_content_s3_batch_failed(ngx_content_s3_removals_t *s3,
    ngx_content_outcome_e outcome, const char *cause);
static int ngx_content_s3_batch_result(void *data, content_str_t key,
    content_str_t code);
static ngx_content_outcome_e ngx_content_s3_removal_outcome(
    content_str_t code);
static void ngx_content_s3_remove_singles(ngx_content_s3_removals_t *s3);
static void ngx_content_s3_single_removed(ngx_content_call_t *call);


void
ngx_content_s3_remove_many(ngx_content_removals_t *removals)
{
    ngx_uint_t                  i;
    content_str_t               key;
    ngx_content_s3_removals_t  *s3;

    s3 = ngx_pcalloc(removals->task.pool, sizeof(ngx_content_s3_removals_t));

    if (s3) {
        s3->removals = removals;
        s3->sorted = ngx_palloc(removals->task.pool,
                                removals->nkeys
                                * sizeof(ngx_content_removal_t *));
    }

    if (s3 == NULL || s3->sorted == NULL) {
        ngx_content_task_post(&removals->task, NGX_CONTENT_FAILED,
                              "no memory");
        return;
    }

    for (i = 0; i < removals->nkeys; i++) {
        key = ngx_content_from_ngx(removals->keys[i].key);

        if (content_s3delete_sayable(key)) {
            s3->sorted[s3->nsorted++] = &removals->keys[i];
        }
    }

    if (ngx_content_s3_remove_batch(s3) == NGX_OK) {
        return;
    }

    /* nothing was sent */

    ngx_content_s3_post_unsent(&removals->task);
}


static ngx_int_t
ngx_content_s3_remove_batch(ngx_content_s3_removals_t *s3)
{
    ngx_str_t                  text;
    ngx_pool_t                *pool;
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    if (s3->nsorted == 0) {
        ngx_content_s3_remove_singles(s3);
        return NGX_OK;
    }

    ngx_qsort(s3->sorted, s3->nsorted, sizeof(ngx_content_removal_t *),
              ngx_content_s3_removal_cmp);

    pool = s3->removals->task.pool;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "POST";
    request.repeat = CONTENT_REPEAT_ENDED;
    ngx_content_s3_param(&request, "delete", content_cstr(""));

    /* S3 insists on MD5 here */

    if (ngx_content_s3_remove_body(s3, pool, &text) != NGX_OK
        || ngx_content_s3_text_sha256(&request, &text, pool) != NGX_OK
        || ngx_content_s3_text_md5(&request, &text, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    call = ngx_content_s3_call(s3->removals->task.store, &request);
    if (call == NULL) {
        return NGX_ERROR;
    }

    ngx_content_call_text(call, &text);
    call->response_limit = NGX_CONTENT_S3_LIST;
    call->handler = ngx_content_s3_batch_removed;
    call->data = s3;

    return ngx_content_call_start(call);
}


static int
ngx_content_s3_removal_cmp(const void *one, const void *two)
{
    ngx_content_removal_t *const *a = one;
    ngx_content_removal_t *const *b = two;

    return content_str_cmp(ngx_content_from_ngx((*a)->key),
                           ngx_content_from_ngx((*b)->key));
}


static ngx_int_t
ngx_content_s3_remove_body(ngx_content_s3_removals_t *s3, ngx_pool_t *pool,
    ngx_str_t *text)
{
    u_char         *buf;
    size_t          size;
    ngx_uint_t      i;
    content_out_t   out;

    size = CONTENT_S3DELETE_SIZE;

    for (i = 0; i < s3->nsorted; i++) {
        size += CONTENT_S3DELETE_KEY_SIZE + 6 * s3->sorted[i]->key.len;
    }

    buf = ngx_pnalloc(pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);
    content_s3delete_begin(&out);

    for (i = 0; i < s3->nsorted; i++) {
        content_s3delete_key(&out,
                             ngx_content_from_ngx(s3->sorted[i]->key));
    }

    content_s3delete_end(&out);

    *text = ngx_content_to_ngx(content_out_done(&out));

    return text->len ? NGX_OK : NGX_ERROR;
}


static void
ngx_content_s3_batch_removed(ngx_content_call_t *call)
{
    ngx_uint_t                  i;
    const char                 *cause;
    ngx_content_outcome_e       outcome;
    ngx_content_s3_removals_t  *s3;

    s3 = call->data;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome == NGX_CONTENT_ABSENT || outcome == NGX_CONTENT_PRECONDITION
        || outcome == NGX_CONTENT_INVALID || outcome == NGX_CONTENT_TOO_LARGE)
    {
        outcome = NGX_CONTENT_BROKEN;
    }

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_s3_batch_failed(s3, outcome, cause);
        return;
    }

    /* what the answer passes over, nobody knows of */

    for (i = 0; i < s3->nsorted; i++) {
        s3->sorted[i]->outcome = NGX_CONTENT_BROKEN;
    }

    if (content_s3delete_results(ngx_content_from_ngx(call->body),
                                 ngx_content_s3_batch_result, s3)
        != CONTENT_OK)
    {
        ngx_content_s3_batch_failed(s3, NGX_CONTENT_BROKEN,
                              "S3: DeleteObjects answered 200 with an error");
        return;
    }

    ngx_content_s3_remove_singles(s3);
}


static void
ngx_content_s3_batch_failed(ngx_content_s3_removals_t *s3,
    ngx_content_outcome_e outcome, const char *cause)
{
    ngx_uint_t  i;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "content: removing %ui objects failed: %s", s3->nsorted,
                  cause ? cause : "S3: an answer that makes no sense");

    for (i = 0; i < s3->nsorted; i++) {
        s3->sorted[i]->outcome = outcome;
    }

    ngx_content_s3_remove_singles(s3);
}


static int
ngx_content_s3_batch_result(void *data, content_str_t key, content_str_t code)
{
    ngx_content_s3_removals_t *s3 = data;

    int                     rc;
    ngx_uint_t              low, high, i;
    ngx_content_removal_t  *removal;

    low = 0;
    high = s3->nsorted;

    while (low < high) {
        i = low + (high - low) / 2;
        removal = s3->sorted[i];

        rc = content_str_cmp(key, ngx_content_from_ngx(removal->key));

        if (rc == 0) {
            removal->outcome = ngx_content_s3_removal_outcome(code);

            if (code.len) {
                ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                              "content: removing \"%V\" failed: S3: %*s",
                              &removal->key, code.len, code.data);
            }

            return CONTENT_OK;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return CONTENT_OK;                     /* not one of ours */
}


static ngx_content_outcome_e
ngx_content_s3_removal_outcome(content_str_t code)
{
    if (code.len == 0 || content_str_eq(code, content_cstr("NoSuchKey"))) {
        return NGX_CONTENT_OK;
    }

    return (content_str_eq(code, content_cstr("SlowDown"))
            || content_str_eq(code, content_cstr("ServiceUnavailable")))
           ? NGX_CONTENT_UNAVAILABLE : NGX_CONTENT_BROKEN;
}


/* One after the other: they are rare. */

static void
ngx_content_s3_remove_singles(ngx_content_s3_removals_t *s3)
{
    const char                *cause;
    ngx_content_call_t        *call;
    ngx_content_removal_t     *removal;
    ngx_content_removals_t    *removals;
    ngx_content_s3_request_t   request;

    removals = s3->removals;

    for ( /* void */ ; s3->single < removals->nkeys; s3->single++) {
        removal = &removals->keys[s3->single];

        if (content_s3delete_sayable(ngx_content_from_ngx(removal->key))) {
            continue;
        }

        ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
        request.method = "DELETE";
        request.repeat = CONTENT_REPEAT_ENDED;
        request.key = removal->key;

        call = ngx_content_s3_call(removals->task.store, &request);

        if (call) {
            call->handler = ngx_content_s3_single_removed;
            call->data = s3;

            if (ngx_content_call_start(call) == NGX_OK) {
                return;
            }
        }

        removal->outcome = ngx_content_s3_unsent(removals->task.store, &cause);
    }

    ngx_content_task_post(&removals->task, NGX_CONTENT_OK, NULL);
}


static void
ngx_content_s3_single_removed(ngx_content_call_t *call)
{
    const char                 *cause;
    ngx_content_removal_t      *removal;
    ngx_content_s3_removals_t  *s3;

    s3 = call->data;
    removal = &s3->removals->keys[s3->single++];

    removal->outcome = ngx_content_s3_call_outcome(call, &cause);

    if (removal->outcome == NGX_CONTENT_ABSENT) {
        removal->outcome = NGX_CONTENT_OK;

    } else if (removal->outcome != NGX_CONTENT_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "content: removing \"%V\" failed: %s", &removal->key,
                      cause);
    }

    ngx_content_s3_remove_singles(s3);
}
