/*
 * The API below /-/: routes, and the answers that need no more than one
 * look: the list of objects and the status of the node.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "lib/content_list.h"


#define NGX_CONTENT_LIST_LIMIT  1000


typedef ngx_int_t (*ngx_content_api_pt)(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

typedef struct {
    const char             *path;           /* below "-/" */
    unsigned                prefix:1;       /* something follows path */
    ngx_uint_t              methods;
    const char             *allow;
    ngx_content_api_pt      handler;
} ngx_content_route_t;


typedef struct {
    ngx_http_request_t     *request;        /* NULL: the client has left */
    ngx_content_list_t     *list;
} ngx_content_listing_t;


static ngx_int_t ngx_content_list_args(ngx_http_request_t *r,
    ngx_content_list_t *list);
static ngx_int_t ngx_content_list_arg(ngx_http_request_t *r, const char *name,
    ngx_uint_t goes_on, ngx_pool_t *pool, ngx_str_t *value);
static void ngx_content_list_left(void *data);
static void ngx_content_listed(ngx_content_task_t *task);
static ngx_int_t ngx_content_list_answer(ngx_http_request_t *r,
    ngx_content_list_t *list);
static void ngx_content_status_memory(content_out_t *out,
    ngx_content_memory_t *memory);
static void ngx_content_status_number(content_out_t *out, const char *name,
    uint64_t value);


static const ngx_content_route_t  ngx_content_routes[] = {
    { "list",   0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET", ngx_content_api_list },
    { "status", 0, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_status },
    { "purge",  0, NGX_HTTP_POST, "POST", ngx_content_api_purge },
    { "purge/", 1, NGX_HTTP_GET|NGX_HTTP_HEAD, "GET",
      ngx_content_api_purge_job },
    { NULL, 0, 0, NULL, NULL }
};


ngx_int_t
ngx_content_api(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    size_t                      len;
    ngx_str_t                   path;
    const ngx_content_route_t  *route;

    path.data = ctx->key.data + 2;
    path.len = ctx->key.len - 2;

    for (route = ngx_content_routes; route->path; route++) {
        len = ngx_strlen(route->path);

        if (path.len < len || (path.len > len) != route->prefix
            || ngx_strncmp(path.data, route->path, len) != 0)
        {
            continue;
        }

        if (!(r->method & route->methods)) {
            ctx->allow.data = (u_char *) route->allow;
            ctx->allow.len = ngx_strlen(route->allow);

            return ngx_content_problem(r, NGX_HTTP_NOT_ALLOWED,
                                       "this takes %s", route->allow);
        }

        return route->handler(r, ctx);
    }

    if (r->method & (NGX_HTTP_PUT|NGX_HTTP_DELETE)) {
        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                                   "keys below \"-/\" are reserved");
    }

    return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                               "the API has list, status and purge");
}


/* GET /-/list?prefix=&after=&limit= */

ngx_int_t
ngx_content_api_list(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_pool_cleanup_t      *cln;
    ngx_content_list_t      *list;
    ngx_content_listing_t   *listing;
    ngx_content_loc_conf_t  *lcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_content_listing_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

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

    listing = cln->data;
    listing->request = r;
    listing->list = list;
    cln->handler = ngx_content_list_left;

    list->task.done = ngx_content_listed;
    list->task.data = listing;

    r->main->count++;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    lcf->store->ops->list(list);

    return NGX_DONE;
}


static ngx_int_t
ngx_content_list_args(ngx_http_request_t *r, ngx_content_list_t *list)
{
    ngx_int_t  n;
    ngx_str_t  limit;

    if (ngx_content_list_arg(r, "prefix", 1, list->task.pool, &list->prefix)
        != NGX_OK
        || ngx_content_list_arg(r, "after", 0, list->task.pool, &list->after)
           != NGX_OK)
    {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "prefix and after must be valid UTF-8, "
                                   "without control characters");
    }

    list->limit = NGX_CONTENT_LIST_LIMIT;

    if (ngx_http_arg(r, (u_char *) "limit", 5, &limit) == NGX_OK) {
        n = ngx_atoi(limit.data, limit.len);

        if (n < 1 || n > NGX_CONTENT_LIST_LIMIT) {
            return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                       "limit must be 1 to %d",
                                       NGX_CONTENT_LIST_LIMIT);
        }

        list->limit = n;
    }

    return NGX_OK;
}


/*
 * Decoded; the rules of keys hold.  A prefix may go on, as "a/." may be the
 * beginning of "a/.b": then one more letter is decoded, and cut off.
 */

static ngx_int_t
ngx_content_list_arg(ngx_http_request_t *r, const char *name,
    ngx_uint_t goes_on, ngx_pool_t *pool, ngx_str_t *value)
{
    u_char         *buf;
    ngx_str_t       raw;
    const char     *why;
    content_out_t   out;
    content_str_t   path;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK
        || raw.len == 0)
    {
        return NGX_OK;
    }

    buf = ngx_pnalloc(pool, 2 * raw.len + 4);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    buf[0] = '/';
    ngx_memcpy(buf + 1, raw.data, raw.len);
    buf[raw.len + 1] = 'x';

    path.data = buf;
    path.len = raw.len + 1;

    content_out_init(&out, buf + raw.len + 2, raw.len + 1);

    if (content_key_decode(path, &out, &why) == CONTENT_OK) {
        *value = ngx_content_to_ngx(content_out_done(&out));
        return NGX_OK;
    }

    path.len++;

    if (!goes_on || content_key_decode(path, &out, &why) != CONTENT_OK) {
        return NGX_ERROR;
    }

    *value = ngx_content_to_ngx(content_out_done(&out));
    value->len--;

    return NGX_OK;
}


static void
ngx_content_list_left(void *data)
{
    ngx_content_listing_t *listing = data;

    if (listing->list) {
        listing->list->task.done = NULL;
    }
}


static void
ngx_content_listed(ngx_content_task_t *task)
{
    ngx_int_t                rc;
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_content_list_t      *list;
    ngx_content_listing_t   *listing;

    list = (ngx_content_list_t *) task;
    listing = task->data;
    r = listing->request;
    c = r->connection;

    listing->list = NULL;

    if (task->outcome == NGX_CONTENT_OK) {
        rc = ngx_content_list_answer(r, list);

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "content: listing \"%V\" failed: %V", &list->prefix,
                      &task->cause);

        rc = ngx_content_problem(r, ngx_content_outcome_status(task->outcome),
                                 "the storage failed");
    }

    ngx_content_task_free(task);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_content_list_answer(ngx_http_request_t *r, ngx_content_list_t *list)
{
    size_t                size;
    u_char               *buf;
    ngx_uint_t            i, n;
    content_out_t         out;
    content_str_t         prefix, next;
    ngx_content_entry_t  *entry;

    entry = list->entries.elts;
    n = list->entries.nelts;
    prefix = ngx_content_from_ngx(list->prefix);
    next = content_cstr("");

    if (list->truncated && n) {
        next = ngx_content_from_ngx(entry[n - 1].key);
    }

    size = content_list_begin_max(prefix)
           + content_list_end_max(list->truncated ? &next : NULL);

    for (i = 0; i < n; i++) {
        size += content_list_entry_max(ngx_content_from_ngx(entry[i].key),
                                       ngx_content_from_ngx(entry[i].etag));
    }

    buf = ngx_pnalloc(r->pool, size);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, size);
    content_list_begin(&out, prefix);

    for (i = 0; i < n; i++) {
        content_list_entry(&out, i == 0, ngx_content_from_ngx(entry[i].key),
                           entry[i].size, ngx_content_from_ngx(entry[i].etag),
                           entry[i].mtime);
    }

    content_list_end(&out, next.len ? &next : NULL);

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


/* GET /-/status: counters since the zone was made, and Redis's state. */

ngx_int_t
ngx_content_api_status(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    u_char                      *buf;
    ngx_int_t                    rc;
    content_out_t                out;
    ngx_content_shared_t        *shared;
    ngx_content_counters_t      *counters;
    ngx_content_main_conf_t     *mcf;
    ngx_content_redis_shared_t  *redis;

    rc = ngx_content_authorize(r, CONTENT_RIGHT_ADMIN, NULL);

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    shared = ngx_content_shared(mcf);
    counters = &shared->counters;
    redis = &shared->redis;

    buf = ngx_pnalloc(r->pool, 4096);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, 4096);
    content_out_text(&out, "{\"node\":{");

#define NGX_CONTENT_COUNTER(name)                                            \
    ngx_content_status_number(&out, #name, counters->name);
    NGX_CONTENT_COUNTERS(NGX_CONTENT_COUNTER)
#undef NGX_CONTENT_COUNTER

    out.pos--;
    content_out_text(&out, "},\"redis\":{\"ready\":");
    content_out_text(&out, mcf->redis_client
                           && ngx_content_redis_ready(mcf->redis_client)
                           ? "true," : "false,");

    ngx_content_status_number(&out, "lookups", redis->lookups);
    ngx_content_status_number(&out, "hits", redis->hits);
    ngx_content_status_number(&out, "tokens", redis->tokens);
    ngx_content_status_number(&out, "busy", redis->busy);
    ngx_content_status_number(&out, "away", redis->away);
    ngx_content_status_number(&out, "timeouts", redis->timeouts);
    ngx_content_status_number(&out, "errors", redis->errors);
    ngx_content_status_number(&out, "fills", redis->fills);
    ngx_content_status_number(&out, "fills_refused", redis->fills_refused);
    ngx_content_status_number(&out, "ends", redis->ends);
    ngx_content_status_number(&out, "ends_failed", redis->ends_failed);
    ngx_content_status_number(&out, "epochs", redis->epochs);
    ngx_content_status_number(&out, "reconnects", redis->reconnects);

    out.pos--;

    if (mcf->memory_zone) {
        ngx_content_status_memory(&out, ngx_content_memory(mcf));
    }

    content_out_text(&out, "},\"purge\":{");

    ngx_content_status_number(&out, "pending", shared->purge->pending);
    ngx_content_status_number(&out, "calls", shared->purge->calls);
    ngx_content_status_number(&out, "items_done", shared->purge->items_done);
    ngx_content_status_number(&out, "items_failed",
                              shared->purge->items_failed);
    ngx_content_status_number(&out, "retries", shared->purge->retries);

    out.pos--;
    content_out_text(&out, "}}");

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}


static void
ngx_content_status_memory(content_out_t *out, ngx_content_memory_t *memory)
{
    ngx_content_memory_stats_t  stats;

    ngx_content_memory_stats(memory, &stats);

    content_out_text(out, "},\"memory\":{");

    ngx_content_status_number(out, "hits", stats.hits);
    ngx_content_status_number(out, "misses", stats.misses);
    ngx_content_status_number(out, "stored", stats.stored);
    ngx_content_status_number(out, "fenced", stats.fenced);
    ngx_content_status_number(out, "resets", stats.resets);
    ngx_content_status_number(out, "held", stats.held);
    ngx_content_status_number(out, "records", stats.shards.entries);
    ngx_content_status_number(out, "bytes", stats.shards.bytes);
    ngx_content_status_number(out, "size", stats.shards.size);
    ngx_content_status_number(out, "evicted", stats.shards.evicted);
    ngx_content_status_number(out, "refused", stats.shards.refused);

    out->pos--;
}


/* With a comma behind it; the last one's is taken back. */

static void
ngx_content_status_number(content_out_t *out, const char *name,
    uint64_t value)
{
    content_out_char(out, '"');
    content_out_text(out, name);
    content_out_text(out, "\":");
    content_out_uint(out, value);
    content_out_char(out, ',');
}
