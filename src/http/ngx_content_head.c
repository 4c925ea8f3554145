/* The head of a record of the memory cache: see ngx_content_head.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_content_head.h"
#include "lib/content_date.h"
#include "lib/content_key.h"
#include "lib/content_policy.h"


static void ngx_content_head_init(ngx_content_head_t *head,
    const content_object_t *object, ngx_uint_t metadata);
static void ngx_content_head_caching(content_out_t *out,
    ngx_content_head_t *head, const content_object_t *object);
static void ngx_content_head_field(content_out_t *out,
    ngx_content_head_t *head, const char *prefix, content_str_t name,
    content_str_t value);


size_t
ngx_content_head_size(const content_object_t *object)
{
    /* names, lengths and fixed headers above what a record takes */

    return content_record_size(object) + 1024
           + object->nmeta * sizeof("X-Content-Meta-....");
}


void
ngx_content_head_write(content_out_t *out, const content_object_t *object,
    const u_char *own_tag, ngx_uint_t metadata)
{
    u_char              date[CONTENT_DATE_HTTP];
    u_char              tags[CONTENT_POLICY_CACHE_TAG_MAX];
    ngx_uint_t          i;
    content_str_t       own;
    content_out_t       tag, modified;
    ngx_content_head_t  head;

    ngx_content_head_init(&head, object, metadata);

    content_out_mem(out, &head, sizeof(ngx_content_head_t));
    content_out_str(out, object->type);

    content_out_init(&modified, date, sizeof(date));
    content_date_http(&modified, object->mtime);

    ngx_content_head_field(out, &head, "", content_cstr("ETag"),
                           object->etag);
    ngx_content_head_field(out, &head, "", content_cstr("Last-Modified"),
                           content_out_done(&modified));
    ngx_content_head_field(out, &head, "", content_cstr("Content-Encoding"),
                           object->encoding);
    ngx_content_head_field(out, &head, "", content_cstr("Content-Language"),
                           object->language);
    ngx_content_head_field(out, &head, "",
                           content_cstr("Content-Disposition"),
                           object->disposition);

    for (i = 0; i < object->nmeta; i++) {
        ngx_content_head_field(out, &head, "X-Content-Meta-",
                               object->meta[i].name, object->meta[i].value);
    }

    own.data = (u_char *) own_tag;
    own.len = CONTENT_KEY_TAG_LEN;

    content_out_init(&tag, tags, sizeof(tags));
    content_policy_cache_tag(&tag, own, object->tags);
    ngx_content_head_field(out, &head, "", content_cstr("Cache-Tag"),
                           content_out_done(&tag));

    ngx_content_head_caching(out, &head, object);

    if (object->has_sha256) {
        content_out_mem(out, object->sha256, CONTENT_SHA256_SIZE);
    }

    if (!out->overflow) {
        ngx_memcpy(out->start, &head, sizeof(ngx_content_head_t));
    }
}


static void
ngx_content_head_init(ngx_content_head_t *head, const content_object_t *object,
    ngx_uint_t metadata)
{
    u_char  *p;

    ngx_memzero(head, sizeof(ngx_content_head_t));
    head->size = object->size;
    head->mtime = object->mtime;
    head->has_sha256 = object->has_sha256;
    head->metadata = metadata;
    head->type = (uint16_t) object->type.len;
    head->type_main = head->type;

    p = ngx_strlchr(object->type.data, object->type.data + object->type.len,
                    ';');
    if (p) {
        head->type_main = (uint16_t) (p - object->type.data);
    }
}


/* The object's own word on caching; the location's is added on the way. */

static void
ngx_content_head_caching(content_out_t *out, ngx_content_head_t *head,
    const content_object_t *object)
{
    content_str_t     value;
    content_policy_t  none;

    static content_str_t  empty = content_string("");

    none.cache_control = empty;
    none.cdn_cache_control = empty;

    value = content_policy_cache_control(object, &none);
    head->cache_control = (value.len != 0);
    ngx_content_head_field(out, head, "", content_cstr("Cache-Control"),
                           value);

    value = content_policy_cdn_cache_control(object, &none);
    head->cdn_cache_control = (value.len != 0);
    ngx_content_head_field(out, head, "", content_cstr("CDN-Cache-Control"),
                           value);
}


static void
ngx_content_head_field(content_out_t *out, ngx_content_head_t *head,
    const char *prefix, content_str_t name, content_str_t value)
{
    uint16_t  lengths[2];

    if (value.len == 0) {
        return;
    }

    lengths[0] = (uint16_t) (ngx_strlen(prefix) + name.len);
    lengths[1] = (uint16_t) value.len;

    content_out_mem(out, lengths, 4);
    content_out_text(out, prefix);
    content_out_str(out, name);
    content_out_char(out, '\0');
    content_out_str(out, value);

    head->n++;
}
