/*
 * The headers of a PUT that are kept with its object: from the request into a
 * content_object_t.  Called by ngx_content_write.c, before anything is read of
 * the body.
 *
 * A header that is a list may come in several lines, which are one list
 * (RFC 9110, 5.3): to keep one of them alone would lose a "private" or a
 * coding.  Of the others a second line is refused.
 */

#include "http/ngx_content_http.h"
#include "http/ngx_content_receive.h"


#define NGX_CONTENT_RECORD_MAX  (24 * 1024)   /* all that is kept with an
                                                 object, 16 KiB of tags among
                                                 it */


typedef struct {
    const char               *name;
    size_t                    offset;        /* in content_object_t */
    unsigned                  list:1;
} ngx_content_kept_header_t;


static ngx_uint_t ngx_content_is_tags(ngx_table_elt_t *h);
static ngx_int_t ngx_content_object_header(ngx_http_request_t *r,
    ngx_table_elt_t *h, content_object_t *object, content_out_t *tags,
    ngx_pool_t *pool);
static ngx_int_t ngx_content_object_kept(ngx_http_request_t *r,
    ngx_table_elt_t *h, const ngx_content_kept_header_t *kept,
    content_object_t *object, ngx_pool_t *pool);
static ngx_int_t ngx_content_object_field(ngx_http_request_t *r,
    ngx_table_elt_t *h, content_str_t *field, ngx_pool_t *pool);
static ngx_int_t ngx_content_object_meta(ngx_http_request_t *r,
    ngx_table_elt_t *h, content_object_t *object, ngx_pool_t *pool);
static ngx_int_t ngx_content_object_meta_name(ngx_http_request_t *r,
    ngx_table_elt_t *h, content_str_t name);
static ngx_int_t ngx_content_object_tags(ngx_http_request_t *r,
    content_str_t list, content_object_t *object, ngx_pool_t *pool);


static const ngx_content_kept_header_t  ngx_content_kept_headers[] = {
    { "content-type",        offsetof(content_object_t, type),          0 },
    { "content-encoding",    offsetof(content_object_t, encoding),      1 },
    { "content-language",    offsetof(content_object_t, language),      1 },
    { "content-disposition", offsetof(content_object_t, disposition),   0 },
    { "cache-control",       offsetof(content_object_t, cache_control), 1 },
    { NULL, 0, 0 }
};

static content_str_t  ngx_content_meta_prefix =
    content_string("x-content-meta-");


ngx_int_t
ngx_content_object_from_request(ngx_http_request_t *r,
    content_object_t *object, ngx_pool_t *pool)
{
    u_char           *buf;
    size_t            size;
    ngx_int_t         rc;
    ngx_uint_t        i;
    content_out_t     tags;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    /* several Cache-Tag headers are one list (RFC 9110, 5.3) */

    size = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_content_is_tags(&h[i])) {
                size += h[i].value.len + 1;
            }
        }
    }

    buf = ngx_pnalloc(r->pool, size + 1);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&tags, buf, size);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            rc = ngx_content_object_header(r, &h[i], object, &tags, pool);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    rc = ngx_content_object_tags(r, content_out_done(&tags), object, pool);

    if (rc != NGX_OK) {
        return rc;
    }

    if (content_record_size(object) > NGX_CONTENT_RECORD_MAX) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                         "the headers to be kept are more than %d bytes",
                         NGX_CONTENT_RECORD_MAX);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_content_is_tags(ngx_table_elt_t *h)
{
    return h->key.len == sizeof("cache-tag") - 1
           && ngx_strncmp(h->lowcase_key, "cache-tag", h->key.len) == 0;
}


static ngx_int_t
ngx_content_object_header(ngx_http_request_t *r, ngx_table_elt_t *h,
    content_object_t *object, content_out_t *tags, ngx_pool_t *pool)
{
    ngx_uint_t     i;
    content_str_t  name;

    name.data = h->lowcase_key;
    name.len = h->key.len;

    if (content_str_starts(name, ngx_content_meta_prefix)) {
        return ngx_content_object_meta(r, h, object, pool);
    }

    if (ngx_content_is_tags(h)) {
        content_out_str(tags, ngx_content_from_ngx(h->value));
        content_out_char(tags, ',');
        return NGX_OK;
    }

    for (i = 0; ngx_content_kept_headers[i].name; i++) {
        if (content_str_eq(name,
                           content_cstr(ngx_content_kept_headers[i].name)))
        {
            return ngx_content_object_kept(r, h, &ngx_content_kept_headers[i],
                                           object, pool);
        }
    }

    return NGX_OK;
}


/* An empty line adds nothing to those before it, and is none. */

static ngx_int_t
ngx_content_object_kept(ngx_http_request_t *r, ngx_table_elt_t *h,
    const ngx_content_kept_header_t *kept, content_object_t *object,
    ngx_pool_t *pool)
{
    u_char         *p;
    ngx_int_t       rc;
    content_out_t   out;
    content_str_t   value, *field;

    rc = ngx_content_object_field(r, h, &value, pool);

    if (rc != NGX_OK || value.len == 0) {
        return rc;
    }

    field = (content_str_t *) ((u_char *) object + kept->offset);

    if (field->len == 0) {
        *field = value;
        return NGX_OK;
    }

    if (!kept->list) {
        return ngx_content_request_header_twice(r, h);
    }

    p = ngx_pnalloc(pool, field->len + 2 + value.len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, p, field->len + 2 + value.len);
    content_out_str(&out, *field);
    content_out_text(&out, ", ");
    content_out_str(&out, value);

    *field = content_out_done(&out);

    return NGX_OK;
}


static ngx_int_t
ngx_content_object_field(ngx_http_request_t *r, ngx_table_elt_t *h,
    content_str_t *field, ngx_pool_t *pool)
{
    content_str_t  value;

    value = content_str_trim(ngx_content_from_ngx(h->value));

    if (content_policy_field_check(value) != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "%V: printable ASCII only", &h->key);
    }

    *field = ngx_content_str_dup(pool, value);

    return field->len == value.len ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_content_object_meta(ngx_http_request_t *r, ngx_table_elt_t *h,
    content_object_t *object, ngx_pool_t *pool)
{
    size_t            size;
    ngx_int_t         rc;
    ngx_uint_t        i;
    content_str_t     name;
    content_field_t  *f;

    name.data = h->lowcase_key + ngx_content_meta_prefix.len;
    name.len = h->key.len - ngx_content_meta_prefix.len;

    rc = ngx_content_object_meta_name(r, h, name);

    if (rc != NGX_OK) {
        return rc;
    }

    if (object->nmeta == CONTENT_OBJECT_META_MAX) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "X-Content-Meta-*: more than %d",
                                   CONTENT_OBJECT_META_MAX);
    }

    f = &object->meta[object->nmeta++];
    f->name = ngx_content_str_dup(pool, name);

    if (f->name.len != name.len) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_content_object_field(r, h, &f->value, pool);

    size = 0;

    for (i = 0; i < object->nmeta; i++) {
        size += object->meta[i].name.len + object->meta[i].value.len;

        if (i + 1 < object->nmeta
            && content_str_eq(object->meta[i].name, f->name))
        {
            return ngx_content_request_header_twice(r, h);
        }
    }

    if (rc == NGX_OK && size > CONTENT_OBJECT_META_SIZE) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                           "X-Content-Meta-*: more than %d bytes in all",
                           CONTENT_OBJECT_META_SIZE);
    }

    return rc;
}


static ngx_int_t
ngx_content_object_meta_name(ngx_http_request_t *r, ngx_table_elt_t *h,
    content_str_t name)
{
    if (name.len == 0
        || content_str_eq(name, content_cstr("cache-tag"))
        || content_str_eq(name, content_cstr("sha256")))
    {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "%V: this name is reserved", &h->key);
    }

    /* nginx lets it in with ignore_invalid_headers off */

    if (content_policy_name_check(name) != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST,
                                   "X-Content-Meta-*: a name that is no name "
                                   "of a header");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_object_tags(ngx_http_request_t *r, content_str_t list,
    content_object_t *object, ngx_pool_t *pool)
{
    int             rc;
    u_char         *buf;
    const char     *why;
    content_out_t   out;

    if (list.len == 0) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(pool, list.len);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content_out_init(&out, buf, list.len);
    rc = content_policy_tags_parse(list, &out, &why);

    if (rc != CONTENT_OK) {
        return ngx_content_problem(r, NGX_HTTP_BAD_REQUEST, "Cache-Tag: %s",
                                   rc == CONTENT_ERROR ? why : "too long");
    }

    object->tags = content_out_done(&out);

    return NGX_OK;
}
