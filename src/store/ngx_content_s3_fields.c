/*
 * The way of an object's metadata into the headers of S3 and out of them.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_digest.h"


typedef struct {
    content_str_t             name;
    size_t                    offset;        /* of a content_str_t */
} ngx_content_s3_field_t;


static ngx_int_t ngx_content_s3_object_meta(content_object_t *object,
    content_str_t name, content_str_t value, ngx_pool_t *pool);
static ngx_int_t ngx_content_s3_object_keep(content_str_t *slot,
    content_str_t value, ngx_pool_t *pool);


static const ngx_content_s3_field_t  ngx_content_s3_fields[] = {
    { content_string("content-type"),
      offsetof(content_object_t, type) },
    { content_string("content-encoding"),
      offsetof(content_object_t, encoding) },
    { content_string("content-language"),
      offsetof(content_object_t, language) },
    { content_string("content-disposition"),
      offsetof(content_object_t, disposition) },
    { content_string("cache-control"),
      offsetof(content_object_t, cache_control) },
    { content_string("x-amz-meta-cache-tag"),
      offsetof(content_object_t, tags) },
    { content_null_string, 0 }
};

static content_str_t  ngx_content_s3_meta = content_string("x-amz-meta-");
static content_str_t  ngx_content_s3_sha256 =
    content_string("x-amz-meta-sha256");


ngx_int_t
ngx_content_s3_object_headers(ngx_content_s3_request_t *request,
    content_object_t *object, ngx_pool_t *pool)
{
    u_char                        *p;
    ngx_uint_t                     i;
    content_out_t                  out;
    content_str_t                 *value, name;
    const ngx_content_s3_field_t  *f;

    for (f = ngx_content_s3_fields; f->name.len; f++) {
        value = (content_str_t *) ((u_char *) object + f->offset);
        ngx_content_s3_header(request, (char *) f->name.data, *value);
    }

    if (object->has_sha256) {
        p = ngx_pnalloc(pool, 2 * CONTENT_SHA256_SIZE);
        if (p == NULL) {
            return NGX_ERROR;
        }

        content_out_init(&out, p, 2 * CONTENT_SHA256_SIZE);
        content_out_hex(&out, object->sha256, CONTENT_SHA256_SIZE);
        ngx_content_s3_header(request, (char *) ngx_content_s3_sha256.data,
                              content_out_done(&out));
    }

    for (i = 0; i < object->nmeta; i++) {
        name.len = ngx_content_s3_meta.len + object->meta[i].name.len;

        p = ngx_pnalloc(pool, name.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        content_out_init(&out, p, name.len + 1);
        content_out_str(&out, ngx_content_s3_meta);
        content_out_str(&out, object->meta[i].name);
        content_out_char(&out, '\0');

        ngx_content_s3_header(request, (char *) p, object->meta[i].value);
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_object_field(content_object_t *object, content_str_t name,
    content_str_t value, ngx_pool_t *pool)
{
    const ngx_content_s3_field_t  *f;

    for (f = ngx_content_s3_fields; f->name.len; f++) {
        if (content_str_eq_case(name, f->name)) {

            /* S3's own choice where no type was sent */

            if (f->offset == offsetof(content_object_t, type)
                && content_str_eq(value, content_cstr("binary/octet-stream")))
            {
                value.len = 0;
            }

            return ngx_content_s3_object_keep(
                (content_str_t *) ((u_char *) object + f->offset), value,
                pool);
        }
    }

    if (content_str_eq_case(name, content_cstr("etag"))) {
        return ngx_content_s3_object_keep(&object->etag, value, pool);

    } else if (content_str_eq_case(name, content_cstr("content-length"))) {
        (void) content_str_uint(value, &object->size);

    } else if (content_str_eq_case(name, content_cstr("last-modified"))) {
        object->mtime = ngx_parse_http_time(value.data, value.len);

    } else if (content_str_eq_case(name, ngx_content_s3_sha256)) {
        object->has_sha256 = (content_digest_unhex(value, object->sha256,
                                                   CONTENT_SHA256_SIZE)
                              == CONTENT_OK);

    } else if (name.len > ngx_content_s3_meta.len
               && ngx_strncasecmp(name.data, ngx_content_s3_meta.data,
                                  ngx_content_s3_meta.len)
                  == 0)
    {
        name.data += ngx_content_s3_meta.len;
        name.len -= ngx_content_s3_meta.len;

        return ngx_content_s3_object_meta(object, name, value, pool);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_object_meta(content_object_t *object, content_str_t name,
    content_str_t value, ngx_pool_t *pool)
{
    content_field_t  *meta;

    if (object->nmeta == CONTENT_OBJECT_META_MAX) {
        return NGX_OK;
    }

    meta = &object->meta[object->nmeta];

    if (ngx_content_s3_object_keep(&meta->name, name, pool) != NGX_OK
        || ngx_content_s3_object_keep(&meta->value, value, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_strlow(meta->name.data, meta->name.data, meta->name.len);
    object->nmeta++;

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_object_keep(content_str_t *slot, content_str_t value,
    ngx_pool_t *pool)
{
    *slot = ngx_content_str_dup(pool, value);

    return slot->len == value.len ? NGX_OK : NGX_ERROR;
}
