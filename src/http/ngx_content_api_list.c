/*
 * GET /-/list: the keys of the store in order, page by page; with a delimiter
 * those behind it as one common prefix, as S3 lists.  What lies below "-/" is
 * no object that can be asked for, and is not listed.  Nor is what others have
 * put into a bucket under names that are no keys, which may not even be text;
 * but that is counted.
 */

#include "http/ngx_content_api_wait.h"
#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_list.h"


#define NGX_CONTENT_LIST_LIMIT      1000
#define NGX_CONTENT_LIST_DELIMITER  64      /* bytes */


typedef struct {
    ngx_uint_t  count;                      /* of this kind */
    size_t      omitted;                    /* of all */
} ngx_content_list_shown_t;


static ngx_int_t ngx_content_list_args(ngx_http_request_t *r,
    ngx_content_list_t *list);
static ngx_int_t ngx_content_list_answer(ngx_http_request_t *r,
    ngx_content_task_t *task);
static ngx_uint_t ngx_content_list_takes(ngx_content_list_shown_t *shown,
    ngx_str_t *name, ngx_uint_t whole);
static ngx_uint_t ngx_content_list_is_key(ngx_str_t *name, ngx_uint_t whole);
static content_str_t ngx_content_list_next(ngx_content_list_t *list);
static size_t ngx_content_list_size(ngx_content_list_t *list,
    content_str_t *next);


/* GET /-/list?prefix=&after=&limit=&delimiter= */

ngx_int_t
ngx_content_api_list(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_content_list_t      *list;
    ngx_content_loc_conf_t  *lcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    list = ngx_content_task_create(lcf->store, sizeof(ngx_content_list_t),
                                   &ctx->key, r->connection->log);
    if (list == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_list_args(r, list);

    /* to read what one knows of is one thing, to be told all names another */

    if (rc == NGX_OK) {
        rc = ngx_content_authorize_token(r, CONTENT_RIGHT_READ,
                                         &list->prefix);
    }

    if (rc != NGX_OK) {
        ngx_content_task_free(&list->task);
        return rc;
    }

    rc = ngx_content_api_wait(r, &list->task, "listing", &list->prefix,
                              ngx_content_list_answer);
    if (rc == NGX_DONE) {
        lcf->store->ops->list(list);
    }

    return rc;
}


static ngx_int_t
ngx_content_list_args(ngx_http_request_t *r, ngx_content_list_t *list)
{
    ngx_int_t    rc;
    ngx_pool_t  *pool;

    pool = list->task.pool;
    rc = ngx_content_api_arg(r, "prefix", 1, pool, &list->prefix);

    if (rc == NGX_OK) {
        rc = ngx_content_api_arg(r, "after", 1, pool, &list->after);
    }

    if (rc == NGX_OK) {
        rc = ngx_content_api_arg(r, "delimiter", 1, pool, &list->delimiter);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "prefix, after and delimiter must be valid "
                                   "UTF-8, without control characters");
    }

    if (list->delimiter.len > NGX_CONTENT_LIST_DELIMITER) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "delimiter has more than %d bytes",
                                   NGX_CONTENT_LIST_DELIMITER);
    }

    return ngx_content_api_limit(r, NGX_CONTENT_LIST_LIMIT, &list->limit);
}


static ngx_int_t
ngx_content_list_answer(ngx_http_request_t *r, ngx_content_task_t *task)
{
    ngx_content_list_t *list = (ngx_content_list_t *) task;

    size_t                size;
    u_char               *buf;
    ngx_str_t            *prefix;
    ngx_uint_t            i;
    content_out_t         out;
    content_str_t         next;
    ngx_content_entry_t  *entry;

    ngx_content_list_shown_t  shown;

    next = ngx_content_list_next(list);

    if (list->truncated && next.len == 0) {
        return ngx_content_problem(r, NGX_HTTP_BAD_GATEWAY,
                        "none of the next %ui names in the storage is a key; "
                        "a larger limit may go on behind them", list->limit);
    }

    size = ngx_content_list_size(list, &next);

    buf = ngx_pnalloc(r->pool, size);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, size);
    content_list_begin(&out, ngx_content_from_ngx(list->prefix));

    shown.omitted = 0;
    shown.count = 0;
    entry = list->entries.elts;

    for (i = 0; i < list->entries.nelts; i++) {
        if (ngx_content_list_takes(&shown, &entry[i].key, 1)) {
            content_list_entry(&out, shown.count == 1,
                               ngx_content_from_ngx(entry[i].key),
                               entry[i].size,
                               ngx_content_from_ngx(entry[i].etag),
                               entry[i].mtime);
        }
    }

    if (list->delimiter.len) {
        content_list_prefixes(&out);
        shown.count = 0;
        prefix = list->prefixes.elts;

        for (i = 0; i < list->prefixes.nelts; i++) {
            if (ngx_content_list_takes(&shown, &prefix[i], 0)) {
                content_list_prefix(&out, shown.count == 1,
                                    ngx_content_from_ngx(prefix[i]));
            }
        }
    }

    content_list_end(&out, shown.omitted, next.len ? &next : NULL);

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


static ngx_uint_t
ngx_content_list_takes(ngx_content_list_shown_t *shown, ngx_str_t *name,
    ngx_uint_t whole)
{
    if (ngx_content_is_reserved(name)) {
        return 0;
    }

    if (!ngx_content_list_is_key(name, whole)) {
        shown->omitted++;
        return 0;
    }

    shown->count++;

    return 1;
}


/* Not whole: what keys may begin with. */

static ngx_uint_t
ngx_content_list_is_key(ngx_str_t *name, ngx_uint_t whole)
{
    const char     *why;
    content_str_t   text;

    text = ngx_content_from_ngx(*name);

    return (whole ? content_key_check(text, &why)
                  : content_key_check_beginning(text, &why)) == CONTENT_OK;
}


/*
 * What the next page begins after: the last key or prefix that a request can
 * name; empty: nothing.  What is no key behind it is seen once more.
 */

static content_str_t
ngx_content_list_next(ngx_content_list_t *list)
{
    ngx_str_t            *prefixes;
    ngx_uint_t            i;
    content_str_t         key, prefix;
    ngx_content_entry_t  *entries;

    key = content_cstr("");
    prefix = content_cstr("");

    if (!list->truncated) {
        return key;
    }

    entries = list->entries.elts;
    prefixes = list->prefixes.elts;

    for (i = list->entries.nelts; i && key.len == 0; i--) {
        if (ngx_content_list_is_key(&entries[i - 1].key, 0)) {
            key = ngx_content_from_ngx(entries[i - 1].key);
        }
    }

    for (i = list->prefixes.nelts; i && prefix.len == 0; i--) {
        if (ngx_content_list_is_key(&prefixes[i - 1], 0)) {
            prefix = ngx_content_from_ngx(prefixes[i - 1]);
        }
    }

    return content_str_cmp(key, prefix) < 0 ? prefix : key;
}


static size_t
ngx_content_list_size(ngx_content_list_t *list, content_str_t *next)
{
    size_t                size;
    ngx_str_t            *prefix;
    ngx_uint_t            i;
    ngx_content_entry_t  *entry;

    size = content_list_begin_max(ngx_content_from_ngx(list->prefix))
           + content_list_end_max(next->len ? next : NULL);

    entry = list->entries.elts;

    for (i = 0; i < list->entries.nelts; i++) {
        size += content_list_entry_max(ngx_content_from_ngx(entry[i].key),
                                       ngx_content_from_ngx(entry[i].etag));
    }

    prefix = list->prefixes.elts;

    for (i = 0; i < list->prefixes.nelts; i++) {
        size += content_list_prefix_max(ngx_content_from_ngx(prefix[i]));
    }

    return size + content_list_prefixes_max();
}
