/*
 * The border between nginx's ngx_str_t and content_str_t of src/lib: the same
 * layout under two names, so that crossing it costs nothing.
 */

#ifndef NGX_CONTENT_STR_H
#define NGX_CONTENT_STR_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "lib/content_str.h"


_Static_assert(sizeof(ngx_str_t) == sizeof(content_str_t)
               && offsetof(ngx_str_t, data) == offsetof(content_str_t, data),
               "content_str_t must have the layout of ngx_str_t");


static ngx_inline content_str_t
ngx_content_from_ngx(ngx_str_t s)
{
    content_str_t  c;

    c.len = s.len;
    c.data = s.data;

    return c;
}


static ngx_inline ngx_str_t
ngx_content_to_ngx(content_str_t c)
{
    ngx_str_t  s;

    s.len = c.len;
    s.data = c.data;

    return s;
}


/* A copy in pool; .data is NULL when there is no memory, or s was empty. */

static ngx_inline content_str_t
ngx_content_str_dup(ngx_pool_t *pool, content_str_t s)
{
    content_str_t  copy;

    copy.len = 0;
    copy.data = NULL;

    if (s.len) {
        copy.data = ngx_pnalloc(pool, s.len);

        if (copy.data) {
            ngx_memcpy(copy.data, s.data, s.len);
            copy.len = s.len;
        }
    }

    return copy;
}


/*
 * Takes the name off a parameter, such as "size=1m".  Returns 0, and s is as it
 * was, if it is another one.
 */

static ngx_inline ngx_uint_t
ngx_content_str_param(ngx_str_t *s, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    if (s->len < len || ngx_memcmp(s->data, name, len) != 0) {
        return 0;
    }

    s->data += len;
    s->len -= len;

    return 1;
}


#endif
