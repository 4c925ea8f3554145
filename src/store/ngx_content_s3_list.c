/*
 * Listing S3: one ListObjectsV2 per page, keys in byte order as S3 gives.
 *
 * Where "start-after" lies inside a common prefix, servers differ in whether
 * they show that prefix again.  So one more is asked for, what is not behind
 * "after" is left out, and what is too many is cut off.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_date.h"
#include "lib/content_s3list.h"


static void ngx_content_s3_listed(ngx_content_call_t *call);
static int ngx_content_s3_list_entry(void *data,
    const content_s3list_entry_t *found);
static int ngx_content_s3_list_prefix(void *data, content_str_t found);
static void ngx_content_s3_list_cut(ngx_content_list_t *list);


void
ngx_content_s3_list(ngx_content_list_t *list)
{
    u_char                     number[NGX_INT_T_LEN];
    content_str_t              limit;
    ngx_content_call_t        *call;
    ngx_content_s3_request_t   request;

    limit.data = number;
    limit.len = ngx_sprintf(number, "%ui",
                            list->limit + (list->after.len
                                           && list->delimiter.len))
                - number;

    ngx_memzero(&request, sizeof(ngx_content_s3_request_t));
    request.method = "GET";

    ngx_content_s3_param(&request, "list-type", content_cstr("2"));
    ngx_content_s3_param(&request, "encoding-type", content_cstr("url"));
    ngx_content_s3_param(&request, "max-keys", limit);

    if (list->prefix.len) {
        ngx_content_s3_param(&request, "prefix",
                             ngx_content_from_ngx(list->prefix));
    }

    if (list->after.len) {
        ngx_content_s3_param(&request, "start-after",
                             ngx_content_from_ngx(list->after));
    }

    if (list->delimiter.len) {
        ngx_content_s3_param(&request, "delimiter",
                             ngx_content_from_ngx(list->delimiter));
    }

    call = ngx_content_s3_call(list->task.store, &request);

    if (call) {
        call->response_limit = NGX_CONTENT_S3_LIST;
        call->handler = ngx_content_s3_listed;
        call->data = list;

        if (ngx_content_call_start(call) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_post_unsent(&list->task);
}


static void
ngx_content_s3_listed(ngx_content_call_t *call)
{
    const char               *cause;
    ngx_content_list_t       *list;
    content_s3list_page_t    *page;
    ngx_content_outcome_e     outcome;
    content_s3list_visitor_t  visitor;

    list = call->data;
    outcome = ngx_content_s3_call_outcome(call, &cause);

    if (outcome != NGX_CONTENT_OK) {
        /* the bucket, if anything, is absent */

        if (outcome == NGX_CONTENT_ABSENT
            || outcome == NGX_CONTENT_PRECONDITION)
        {
            outcome = NGX_CONTENT_BROKEN;
        }

        ngx_content_task_finish(&list->task, outcome, cause);
        return;
    }

    page = ngx_palloc(call->pool, sizeof(content_s3list_page_t));

    if (page == NULL
        || ngx_array_init(&list->entries, list->task.pool, 64,
                          sizeof(ngx_content_entry_t))
           != NGX_OK
        || ngx_array_init(&list->prefixes, list->task.pool, 16,
                          sizeof(ngx_str_t))
           != NGX_OK)
    {
        ngx_content_task_finish(&list->task, NGX_CONTENT_FAILED, "no memory");
        return;
    }

    visitor.object = ngx_content_s3_list_entry;
    visitor.prefix = ngx_content_s3_list_prefix;
    visitor.data = list;

    if (content_s3list_read(ngx_content_from_ngx(call->body), page, &visitor)
        != CONTENT_OK)
    {
        ngx_content_task_finish(&list->task, NGX_CONTENT_BROKEN,
                                "S3: a listing that makes no sense");
        return;
    }

    list->truncated = page->truncated;
    ngx_content_s3_list_cut(list);

    ngx_content_task_finish(&list->task, NGX_CONTENT_OK, NULL);
}


static int
ngx_content_s3_list_entry(void *data, const content_s3list_entry_t *found)
{
    ngx_content_list_t *list = data;

    ngx_content_entry_t  *entry;

    entry = ngx_array_push(&list->entries);
    if (entry == NULL) {
        return CONTENT_ERROR;
    }

    entry->key = ngx_content_to_ngx(ngx_content_str_dup(list->task.pool,
                                                        found->key));
    entry->etag = ngx_content_to_ngx(ngx_content_str_dup(list->task.pool,
                                                         found->etag));
    entry->size = found->size;
    entry->mtime = 0;

    (void) content_date_parse(found->last_modified, &entry->mtime);

    return entry->key.len == found->key.len
           && entry->etag.len == found->etag.len ? CONTENT_OK : CONTENT_ERROR;
}


static int
ngx_content_s3_list_prefix(void *data, content_str_t found)
{
    ngx_content_list_t *list = data;

    ngx_str_t  *prefix;

    if (content_str_cmp(found, ngx_content_from_ngx(list->after)) <= 0) {
        return CONTENT_OK;
    }

    prefix = ngx_array_push(&list->prefixes);
    if (prefix == NULL) {
        return CONTENT_ERROR;
    }

    *prefix = ngx_content_to_ngx(ngx_content_str_dup(list->task.pool, found));

    return prefix->len == found.len ? CONTENT_OK : CONTENT_ERROR;
}


/* The last ones, whichever they are, beyond the limit. */

static void
ngx_content_s3_list_cut(ngx_content_list_t *list)
{
    ngx_array_t    *entries, *prefixes;
    content_str_t   key, prefix;

    entries = &list->entries;
    prefixes = &list->prefixes;

    while (entries->nelts + prefixes->nelts > list->limit) {
        list->truncated = 1;

        if (entries->nelts == 0 || prefixes->nelts == 0) {
            (entries->nelts ? entries : prefixes)->nelts--;
            continue;
        }

        key = ngx_content_from_ngx(((ngx_content_entry_t *) entries->elts)
                                   [entries->nelts - 1].key);
        prefix = ngx_content_from_ngx(((ngx_str_t *) prefixes->elts)
                                      [prefixes->nelts - 1]);

        (content_str_cmp(key, prefix) > 0 ? entries : prefixes)->nelts--;
    }
}
