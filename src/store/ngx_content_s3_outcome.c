/*
 * What an answer of S3 means: docs/faults.md has it as a table.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_s3xml.h"


ngx_content_outcome_e
ngx_content_s3_unsent(ngx_content_store_t *store, const char **cause)
{
    ngx_content_s3_conf_t  *conf;

    conf = store->conf;

    if (ngx_content_credentials_get(conf->credentials, cause) == NULL) {
        return NGX_CONTENT_UNAVAILABLE;
    }

    *cause = "no memory";

    return NGX_CONTENT_FAILED;
}


void
ngx_content_s3_post_unsent(ngx_content_task_t *task)
{
    const char             *cause;
    ngx_content_outcome_e   outcome;

    outcome = ngx_content_s3_unsent(task->store, &cause);
    ngx_content_task_post(task, outcome, cause);
}


/*
 * A 404 is the truth only about a key: without the bucket nothing is known.
 * 403 is no answer either: S3 says so of missing keys when the credentials
 * may not list the bucket.
 */

ngx_content_outcome_e
ngx_content_s3_outcome(ngx_uint_t status, content_str_t code)
{
    if (status >= 200 && status < 300) {
        return NGX_CONTENT_OK;
    }

    switch (status) {

    case NGX_HTTP_NOT_FOUND:
        return (code.len == 0
                || content_str_eq(code, content_cstr("NoSuchKey"))
                || content_str_eq(code, content_cstr("NoSuchVersion")))
               ? NGX_CONTENT_ABSENT : NGX_CONTENT_BROKEN;

    case NGX_HTTP_BAD_REQUEST:
        if (content_str_eq(code, content_cstr("EntityTooLarge"))) {
            return NGX_CONTENT_TOO_LARGE;
        }

        return (content_str_eq(code, content_cstr("MetadataTooLarge"))
                || content_str_eq(code, content_cstr("KeyTooLongError")))
               ? NGX_CONTENT_INVALID : NGX_CONTENT_BROKEN;

    case NGX_HTTP_FORBIDDEN:
        return content_str_eq(code, content_cstr("QuotaExceeded"))
               ? NGX_CONTENT_FULL : NGX_CONTENT_BROKEN;

    case NGX_HTTP_PRECONDITION_FAILED:
        return NGX_CONTENT_PRECONDITION;

    case NGX_HTTP_CONFLICT:                  /* somebody else writes */
    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_CONTENT_UNAVAILABLE;

    case NGX_HTTP_GATEWAY_TIME_OUT:
        return NGX_CONTENT_TIMEOUT;

    case NGX_HTTP_INSUFFICIENT_STORAGE:
        return NGX_CONTENT_FULL;

    default:
        return NGX_CONTENT_BROKEN;
    }
}


ngx_content_outcome_e
ngx_content_s3_call_outcome(ngx_content_call_t *call, const char **cause)
{
    char            buf[NGX_CONTENT_S3_ERROR];
    u_char         *p;
    content_str_t   code, message;

    static char  text[NGX_CONTENT_S3_ERROR];    /* used before the next call
                                                   ends */

    *cause = NULL;

    if (call->result != NGX_OK) {
        p = ngx_snprintf((u_char *) text, sizeof(text) - 1, "S3: %V",
                         &call->error);
        *p = '\0';
        *cause = text;

        switch (call->failure) {

        case NGX_CONTENT_CALL_TIMEOUT:
            return NGX_CONTENT_TIMEOUT;

        case NGX_CONTENT_CALL_SHORT:
            return NGX_CONTENT_FAILED;

        default:
            return NGX_CONTENT_BROKEN;
        }
    }

    if (call->status >= 200 && call->status < 300) {
        return NGX_CONTENT_OK;
    }

    if (content_s3xml_error(ngx_content_from_ngx(call->body), &code, &message,
                            buf, sizeof(buf))
        != CONTENT_OK)
    {
        /* not S3's word: a 404 of somebody else proves nothing */

        *cause = "S3: an error that is not S3's";

        return call->status == NGX_HTTP_NOT_FOUND ? NGX_CONTENT_BROKEN
               : ngx_content_s3_outcome(call->status, code);
    }

    p = ngx_snprintf((u_char *) text, sizeof(text) - 1, "S3: %ui %*s %*s",
                     call->status, code.len, code.data, message.len,
                     message.data);
    *p = '\0';
    *cause = text;

    return ngx_content_s3_outcome(call->status, code);
}
