/*
 * The hosts that an engine calls: calls to one are counted, and wait for each
 * other.  See ngx_content_curl.h.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "core/ngx_content_curl_internal.h"


/* A worker calls few hosts: they are remembered as long as it lives. */

ngx_content_curl_host_t *
ngx_content_curl_host(ngx_content_curl_t *engine, ngx_str_t *origin)
{
    ngx_queue_t              *q;
    ngx_content_curl_host_t  *host;

    for (q = ngx_queue_head(&engine->hosts);
         q != ngx_queue_sentinel(&engine->hosts);
         q = ngx_queue_next(q))
    {
        host = ngx_queue_data(q, ngx_content_curl_host_t, link);

        if (host->origin.len == origin->len
            && ngx_memcmp(host->origin.data, origin->data, origin->len) == 0)
        {
            return host;
        }
    }

    host = ngx_pcalloc(engine->pool, sizeof(ngx_content_curl_host_t));
    if (host == NULL) {
        return NULL;
    }

    host->origin.data = ngx_pstrdup(engine->pool, origin);
    if (host->origin.data == NULL) {
        return NULL;
    }

    host->origin.len = origin->len;

    ngx_queue_init(&host->waiting);
    ngx_queue_insert_tail(&engine->hosts, &host->link);

    return host;
}
