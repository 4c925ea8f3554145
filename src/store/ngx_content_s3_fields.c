/*
 * The way of an object's metadata into the headers of S3 and out of them.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"
#include "lib/content_digest.h"
#include "lib/content_policy.h"
#include "lib/content_range.h"


typedef struct {
    content_str_t             name;
    size_t                    offset;        /* of a content_str_t */
} ngx_content_s3_field_t;


static ngx_int_t ngx_content_s3_object_etag(content_object_t *object,
    content_str_t value, ngx_pool_t *pool);
static ngx_int_t ngx_content_s3_object_once(int64_t *slot, int64_t value);
static ngx_int_t ngx_content_s3_object_sha256(content_object_t *object,
    content_str_t value);
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
    int64_t                        size;
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
        return ngx_content_s3_object_etag(object, value, pool);

    } else if (content_str_eq_case(name, content_cstr("content-length"))) {
        return content_str_uint(value, &size) == CONTENT_OK
               ? ngx_content_s3_object_once(&object->size, size)
               : NGX_DECLINED;

    } else if (content_str_eq_case(name, content_cstr("last-modified"))) {
        return ngx_content_s3_object_once(&object->mtime,
                                   ngx_parse_http_time(value.data, value.len));

    } else if (content_str_eq_case(name, ngx_content_s3_sha256)) {
        return ngx_content_s3_object_sha256(object, value);

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


/* What is said twice has to be the same: else which of both is true? */

static ngx_int_t
ngx_content_s3_object_etag(content_object_t *object, content_str_t value,
    ngx_pool_t *pool)
{
    if (object->etag.len) {
        return content_str_eq(object->etag, value) ? NGX_OK : NGX_DECLINED;
    }

    return content_etag_check(value)
           ? ngx_content_s3_object_keep(&object->etag, value, pool)
           : NGX_DECLINED;
}


static ngx_int_t
ngx_content_s3_object_once(int64_t *slot, int64_t value)
{
    if (*slot >= 0 && *slot != value) {
        return NGX_DECLINED;
    }

    *slot = value;

    return NGX_OK;
}


/* Others may have metadata of that name: what is no digest is not looked at. */

static ngx_int_t
ngx_content_s3_object_sha256(content_object_t *object, content_str_t value)
{
    u_char  sha256[CONTENT_SHA256_SIZE];

    if (content_digest_unhex(value, sha256, CONTENT_SHA256_SIZE)
        != CONTENT_OK)
    {
        return NGX_OK;
    }

    if (object->has_sha256
        && ngx_memcmp(object->sha256, sha256, CONTENT_SHA256_SIZE) != 0)
    {
        return NGX_DECLINED;
    }

    object->has_sha256 = 1;
    ngx_memcpy(object->sha256, sha256, CONTENT_SHA256_SIZE);

    return NGX_OK;
}


static ngx_int_t
ngx_content_s3_object_meta(content_object_t *object, content_str_t name,
    content_str_t value, ngx_pool_t *pool)
{
    content_field_t  *meta;

    if (object->nmeta == CONTENT_OBJECT_META_MAX
        || content_policy_name_check(name) != CONTENT_OK)
    {
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


/*
 * With a control character it is no value (RFC 9110, 5.5), and clients would
 * read no header behind it: then it is as if it was not there.
 */

static ngx_int_t
ngx_content_s3_object_keep(content_str_t *slot, content_str_t value,
    ngx_pool_t *pool)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if ((value.data[i] < ' ' && value.data[i] != '\t')
            || value.data[i] == 0x7f)
        {
            value.len = 0;
        }
    }

    *slot = ngx_content_str_dup(pool, value);

    return slot->len == value.len ? NGX_OK : NGX_ERROR;
}
