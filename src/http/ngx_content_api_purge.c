/*
 * POST /-/purge and GET /-/purge/ID: what CI calls on deploy.
 *
 * A purge is a change without storage: first the copies here and of the fleet,
 * then the CDN's, then the answer.  A few URLs are dropped one by one.  Tags
 * and prefixes leave the rest alone, here and in Redis (lib/content_selector.h).
 * More URLs, hosts and everything empty both.
 */

#include "http/ngx_content_api_wait.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_write.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_PURGE_BODY  (8 * 1024 * 1024)
#define NGX_CONTENT_PURGE_ENDS  64       /* more URLs than that: a new epoch */
#define NGX_CONTENT_PURGE_WHY   256

/* Bytes of answers: Location, the JSON of a job that begins, and of any. */
#define NGX_CONTENT_PURGE_LOCATION  64
#define NGX_CONTENT_PURGE_QUEUED    192
#define NGX_CONTENT_PURGE_JOB       2048


/* It outlives its client: what was dropped here is purged there. */

typedef struct {
    ngx_pool_t                 *pool;
    ngx_http_request_t         *request;     /* NULL: the client has left */
    ngx_content_main_conf_t    *mcf;
    ngx_content_loc_conf_t     *lcf;
    ngx_array_t                 items;       /* content_purge_item_t */
    ngx_content_change_t        change;
    unsigned                    begun:1;
    ngx_pool_cleanup_t         *cleanup;     /* of the request: clears it */
} ngx_content_purging_t;


static void ngx_content_purge_received(ngx_http_request_t *r);
static ngx_int_t ngx_content_purge_begin(ngx_http_request_t *r);
static int ngx_content_purge_item(void *data,
    const content_purge_item_t *item);
static ngx_content_purging_t *ngx_content_purge_new(ngx_http_request_t *r);
static ngx_int_t ngx_content_purge_change(ngx_content_purging_t *p);
static void ngx_content_purge_select(ngx_content_purging_t *p,
    content_purge_item_t *item);
static void ngx_content_purge_changed(ngx_content_change_t *change);
static void ngx_content_purge_run(ngx_content_purging_t *p);
static void ngx_content_purge_end(ngx_content_purging_t *p);
static ngx_int_t ngx_content_purge_key(ngx_content_purging_t *p,
    content_str_t url, ngx_str_t *key);
static ngx_int_t ngx_content_purge_answer(ngx_http_request_t *r,
    ngx_content_purging_t *p, u_char *id);


ngx_int_t
ngx_content_api_purge(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    return ngx_content_api_read(r, NGX_CONTENT_PURGE_BODY,
                                ngx_content_purge_received);
}


static void
ngx_content_purge_received(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_content_purge_begin(r);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_content_purge_begin(ngx_http_request_t *r)
{
    int                     rc;
    char                    why[NGX_CONTENT_PURGE_WHY];
    ngx_int_t               n;
    content_str_t           json;
    ngx_content_purging_t  *p;

    n = ngx_content_api_body(r, NGX_CONTENT_PURGE_BODY, &json);

    if (n != NGX_OK) {
        return n;
    }

    p = ngx_content_purge_new(r);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = content_purge_parse(json, ngx_content_purge_item, p, why,
                             sizeof(why));

    if (rc != CONTENT_OK) {
        ngx_destroy_pool(p->pool);

        return why[0] ? ngx_content_problem(r, NGX_HTTP_BAD_REQUEST, "%s",
                                            why)
                      : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_content_purge_change(p) != NGX_OK) {
        ngx_destroy_pool(p->pool);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_content_api_borrow(r, &p->request, p->cleanup);

    if (ngx_content_change_begin(&p->change) == NGX_OK) {
        ngx_content_purge_run(p);
    }

    return NGX_OK;
}


/* In a pool of its own; its cleanup does nothing yet. */

static ngx_content_purging_t *
ngx_content_purge_new(ngx_http_request_t *r)
{
    ngx_pool_t             *pool;
    ngx_content_purging_t  *p;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    p = ngx_pcalloc(pool, sizeof(ngx_content_purging_t));

    if (p == NULL
        || ngx_array_init(&p->items, pool, 16, sizeof(content_purge_item_t))
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    p->pool = pool;
    p->request = r;
    p->mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    p->lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    p->cleanup = ngx_pool_cleanup_add(r->pool, 0);

    if (p->cleanup == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    return p;
}


static int
ngx_content_purge_item(void *data, const content_purge_item_t *item)
{
    ngx_content_purging_t *p = data;

    content_purge_item_t  *copy;

    copy = ngx_array_push(&p->items);
    if (copy == NULL) {
        return CONTENT_OVERFLOW;
    }

    copy->kind = item->kind;
    copy->value = ngx_content_str_dup(p->pool, item->value);

    return copy->value.len == item->value.len ? CONTENT_OK : CONTENT_OVERFLOW;
}


/* What changes: objects by their URLs, tags and prefixes, or everything. */

static ngx_int_t
ngx_content_purge_change(ngx_content_purging_t *p)
{
    ngx_uint_t              i;
    ngx_content_change_t   *change;

    change = &p->change;

    ngx_content_change_init(change, p->pool, p->mcf, p->lcf,
                            ngx_content_purge_changed, p);
    change->items = p->items.elts;
    change->nitems = p->items.nelts;

    change->keys = ngx_palloc(p->pool, NGX_CONTENT_PURGE_ENDS
                                       * sizeof(ngx_content_changed_t));
    change->selectors = ngx_palloc(p->pool, change->nitems
                                            * sizeof(content_change_entry_t));

    if (change->keys == NULL || change->selectors == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < change->nitems && !change->everything; i++) {
        ngx_content_purge_select(p, &change->items[i]);
    }

    if (change->everything) {
        change->nkeys = 0;
        change->nselectors = 0;
    }

    return NGX_OK;
}


static void
ngx_content_purge_select(ngx_content_purging_t *p, content_purge_item_t *item)
{
    ngx_str_t                key;
    ngx_content_change_t    *change;
    content_change_entry_t  *selector;

    change = &p->change;
    selector = &change->selectors[change->nselectors];

    switch (item->kind) {

    case CONTENT_PURGE_URL:
        if (change->nkeys == NGX_CONTENT_PURGE_ENDS) {
            break;
        }

        if (ngx_content_purge_key(p, item->value, &key) == NGX_OK) {
            ngx_content_changed_init(&change->keys[change->nkeys], &key);
            change->keys[change->nkeys++].touched = 1;
        }

        return;

    case CONTENT_PURGE_TAG:
        selector->kind = CONTENT_CHANGE_TAG;
        selector->value = item->value;
        change->nselectors++;
        return;

    case CONTENT_PURGE_PREFIX:
        selector->kind = CONTENT_CHANGE_PREFIX;

        if (content_selector_path(item->value, &selector->value)
            != CONTENT_OK)
        {
            break;
        }

        change->nselectors++;
        return;

    default:
        break;
    }

    change->everything = 1;
}


/* From its begin(), then its end(). */

static void
ngx_content_purge_changed(ngx_content_change_t *change)
{
    ngx_connection_t       *c;
    ngx_content_purging_t  *p;

    p = change->data;
    c = p->request ? p->request->connection : NULL;

    ngx_content_purge_run(p);

    if (c) {
        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_content_purge_run(ngx_content_purging_t *p)
{
    if (!p->begun) {
        p->begun = 1;

        if (!p->change.refused
            && ngx_content_change_end(&p->change) == NGX_AGAIN)
        {
            return;
        }
    }

    ngx_content_purge_end(p);
}


/* The key that a URL names, or NGX_DECLINED: none. */

static ngx_int_t
ngx_content_purge_key(ngx_content_purging_t *p, content_str_t url,
    ngx_str_t *key)
{
    u_char         *path, *query, *end;
    const char     *why;
    content_out_t   out;
    content_str_t   raw;

    /* content_purge_parse() has checked: scheme://host, no fragment */

    end = url.data + url.len;
    path = ngx_strlchr(ngx_strlchr(url.data, end, ':') + 3, end, '/');

    if (path == NULL) {
        return NGX_DECLINED;
    }

    query = ngx_strlchr(path, end, '?');

    raw.data = path;
    raw.len = (query ? query : end) - path;

    key->data = ngx_pnalloc(p->pool, raw.len);
    if (key->data == NULL) {
        return NGX_DECLINED;
    }

    content_out_init(&out, key->data, raw.len);

    if (content_key_decode(raw, &out, &why) != CONTENT_OK) {
        return NGX_DECLINED;
    }

    *key = ngx_content_to_ngx(content_out_done(&out));

    return NGX_OK;
}


static void
ngx_content_purge_end(ngx_content_purging_t *p)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = p->request;

    if (r) {
        rc = ngx_content_change_problem(r, &p->change);

        if (rc == NGX_OK) {
            rc = !p->change.purged
                 ? ngx_content_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                "the purge queue is full: try again later")
                 : ngx_content_purge_answer(r, p, p->change.job);
        }

        /* the request may outlive p */

        p->cleanup->handler = NULL;
        ngx_http_finalize_request(r, rc);
    }

    ngx_destroy_pool(p->pool);
}


static ngx_int_t
ngx_content_purge_answer(ngx_http_request_t *r, ngx_content_purging_t *p,
    u_char *id)
{
    u_char         *buf;
    content_out_t   location, out;

    buf = ngx_pnalloc(r->pool, NGX_CONTENT_PURGE_LOCATION
                               + NGX_CONTENT_PURGE_QUEUED);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&location, buf, NGX_CONTENT_PURGE_LOCATION);
    content_out_text(&location, "/-/purge/");
    content_purge_id_write(&location, id);

    content_out_init(&out, buf + NGX_CONTENT_PURGE_LOCATION,
                     NGX_CONTENT_PURGE_QUEUED);
    content_out_text(&out, "{\"id\":\"");
    content_purge_id_write(&out, id);
    content_out_text(&out, p->lcf->purge.target
                           ? "\",\"state\":\"queued\",\"items\":"
                           : "\",\"state\":\"done\",\"items\":");
    content_out_uint(&out, p->items.nelts);
    content_out_char(&out, '}');

    if (ngx_content_header(r, "Location", content_out_done(&location))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_content_send_json(r, NGX_HTTP_ACCEPTED, content_out_done(&out));
}


/* GET /-/purge/ID */

ngx_int_t
ngx_content_api_purge_job(ngx_http_request_t *r, ngx_content_ctx_t *ctx)
{
    u_char                    error[NGX_CONTENT_PURGE_ERROR], *buf;
    u_char                    id[CONTENT_PURGE_ID_SIZE];
    ngx_int_t                 rc;
    content_out_t             out;
    content_str_t             text;
    content_purge_job_t       job;
    ngx_content_main_conf_t  *mcf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    text.data = ctx->key.data + sizeof("-/purge/") - 1;
    text.len = ctx->key.len - (sizeof("-/purge/") - 1);

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);

    if (content_purge_id_parse(text, id) != CONTENT_OK
        || ngx_content_purge_queue_job(ngx_content_shared(mcf)->purge, id,
                                       &job, error)
           != NGX_OK)
    {
        return ngx_content_problem(r, NGX_HTTP_NOT_FOUND,
                                   "there is no such purge job (any more)");
    }

    buf = ngx_pnalloc(r->pool, NGX_CONTENT_PURGE_JOB);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, NGX_CONTENT_PURGE_JOB);

    if (content_purge_job_write(&out, &job) != CONTENT_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_content_send_json(r, NGX_HTTP_OK, content_out_done(&out));
}
