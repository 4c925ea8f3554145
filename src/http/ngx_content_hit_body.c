/*
 * The body of an answer from the memory cache, sent without a copy if it is a
 * large one that is asked for often.
 *
 * It is handed to nginx while the record is pinned.  When the socket does not
 * take it at once, the record is held until the request ends; a small rest, or
 * one for which there is no hold left, is copied.  What the socket has taken is
 * its own: a copy, or pages that the memory gives up before it uses their place
 * again (cache/ngx_content_memory_file.c).
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_hit.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_HIT_REST       4096       /* copied rather than held */


typedef struct {
    ngx_content_memory_t  *memory;
    ngx_uint_t             n;
} ngx_content_hold_t;


static ngx_int_t ngx_content_hit_buf(ngx_http_request_t *r, ngx_buf_t *b,
    content_entry_t *entry);
static ngx_int_t ngx_content_hit_file(ngx_http_request_t *r, ngx_buf_t *b,
    content_entry_t *entry);
static ngx_int_t ngx_content_hit_hold(ngx_http_request_t *r, ngx_buf_t *b);
static void ngx_content_hit_release(void *data);


ngx_int_t
ngx_content_hit_body(ngx_http_request_t *r, content_entry_t *entry)
{
    u_char       *body;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (ngx_content_hit_buf(r, b, entry) != NGX_OK) {
        return NGX_ERROR;
    }

    out.buf = b;
    out.next = NULL;

    rc = ngx_content_hit_output(r, &out);

    /* what the socket did not take */

    body = content_entry_body(entry);

    if (b->pos != b->last && b->pos >= body && b->pos < body + entry->body_len
        && rc != NGX_ERROR
        && ngx_content_hit_hold(r, b) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_content_hit_buf(ngx_http_request_t *r, ngx_buf_t *b,
    content_entry_t *entry)
{
    b->pos = content_entry_body(entry);
    b->last = b->pos + entry->body_len;
    b->memory = entry->body_len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->memory) ? 0 : 1;

    return ngx_content_hit_transformed(r, entry->body_len)
           ? ngx_content_hit_copy(r, b) : ngx_content_hit_file(r, b, entry);
}


/*
 * A large body that is asked for often is given as a part of the memory's file,
 * too: nginx prefers that where it sends by sendfile().
 *
 * Not with "aio threads", where a thread would go on after the record was let
 * go; not if a filter asks for memory that it may change, which nginx copies,
 * and then sends from the file all the same.
 */

static ngx_int_t
ngx_content_hit_file(ngx_http_request_t *r, ngx_buf_t *b,
    content_entry_t *entry)
{
    ngx_connection_t          *c;
    ngx_content_main_conf_t   *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (!content_entry_by_pages(entry)) {
        return NGX_OK;
    }

    c = r->connection;
    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (mcf->memory_file == NGX_INVALID_FILE || !c->sendfile
        || r->http_version >= NGX_HTTP_VERSION_20
        || r->main_filter_need_in_memory || r->filter_need_in_memory
        || r->filter_need_temporary || clcf->aio == NGX_HTTP_AIO_THREADS)
    {
        return NGX_OK;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_ERROR;
    }

    b->file->fd = mcf->memory_file;
    b->file->log = c->log;
    ngx_str_set(&b->file->name, "content_memory");

    b->file_pos = ngx_content_memory_offset(mcf->memory, b->pos);
    b->file_last = b->file_pos + (b->last - b->pos);
    b->in_file = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_content_hit_hold(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_pool_cleanup_t       *cln;
    ngx_content_hold_t       *hold;
    ngx_content_main_conf_t  *mcf;

    if (b->last - b->pos <= NGX_CONTENT_HIT_REST) {
        return ngx_content_hit_copy(r, b);
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_content_hold_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);

    hold = cln->data;
    hold->memory = ngx_content_memory(mcf);

    if (ngx_content_memory_hold(hold->memory, &hold->n) != NGX_OK) {
        return ngx_content_hit_copy(r, b);
    }

    cln->handler = ngx_content_hit_release;

    return NGX_OK;
}


static void
ngx_content_hit_release(void *data)
{
    ngx_content_hold_t *hold = data;

    ngx_content_memory_release(hold->memory, hold->n);
}


ngx_int_t
ngx_content_hit_copy(ngx_http_request_t *r, ngx_buf_t *b)
{
    size_t   size;
    u_char  *p;

    size = b->last - b->pos;

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, b->pos, size);

    b->pos = p;
    b->last = p + size;
    b->in_file = 0;

    return NGX_OK;
}


/*
 * A filter that changes the length (gzip, sub), several ranges, HTTP/2's frames;
 * in a subrequest none of them tells by the length.
 */

ngx_uint_t
ngx_content_hit_transformed(ngx_http_request_t *r, off_t size)
{
#if (NGX_HTTP_V2)
    if (r->stream) {
        return 1;
    }
#endif

    if (r != r->main) {
        return 1;
    }

    return r->headers_out.content_length_n != size
           && (r->headers_out.status != NGX_HTTP_PARTIAL_CONTENT
               || ngx_strlchr(r->headers_in.range->value.data,
                              r->headers_in.range->value.data
                              + r->headers_in.range->value.len, ','));
}
