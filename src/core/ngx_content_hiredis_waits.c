/* Who waits for a reply: see ngx_content_hiredis_waits.h. */

#include "core/ngx_content_hiredis_waits.h"


#define NGX_CONTENT_HIREDIS_WAITS  64            /* at first */


ngx_int_t
ngx_content_hiredis_waits_room(ngx_content_hiredis_waits_t *waits)
{
    ngx_uint_t                   i, size;
    ngx_content_hiredis_wait_t  *ring;

    if (waits->n + 2 <= waits->size) {
        return NGX_OK;
    }

    size = waits->size ? 2 * waits->size : NGX_CONTENT_HIREDIS_WAITS;

    ring = ngx_alloc(size * sizeof(ngx_content_hiredis_wait_t), waits->log);
    if (ring == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < waits->n; i++) {
        ring[i] = waits->ring[(waits->head + i) & (waits->size - 1)];
    }

    ngx_content_hiredis_waits_free(waits);

    waits->ring = ring;
    waits->size = size;
    waits->head = 0;

    return NGX_OK;
}


void
ngx_content_hiredis_waits_add(ngx_content_hiredis_waits_t *waits,
    ngx_content_hiredis_reply_pt fn, void *data)
{
    ngx_content_hiredis_wait_t  *wait;

    wait = &waits->ring[(waits->head + waits->n++) & (waits->size - 1)];

    wait->fn = fn;
    wait->data = data;
    wait->many = 0;
}


void
ngx_content_hiredis_waits_join(ngx_content_hiredis_waits_t *waits,
    ngx_uint_t n)
{
    ngx_uint_t                   i;
    ngx_content_hiredis_wait_t  *ring;

    if (waits->n <= n) {                /* answered before it was sent */
        return;
    }

    ring = waits->ring;
    i = waits->head + waits->n - n - 1;

    if (n > 1) {
        ring[i & (waits->size - 1)].many = n;
        return;
    }

    ring[i & (waits->size - 1)] = ring[(i + 1) & (waits->size - 1)];
    waits->n--;
}


ngx_uint_t
ngx_content_hiredis_waits_many(ngx_content_hiredis_waits_t *waits)
{
    return waits->n ? waits->ring[waits->head & (waits->size - 1)].many : 0;
}


/* The ring may be another when the callback returns: nothing is seen of it. */

void
ngx_content_hiredis_waits_call(ngx_content_hiredis_waits_t *waits,
    redisReply *reply)
{
    ngx_content_hiredis_wait_t  wait;

    wait = waits->ring[waits->head++ & (waits->size - 1)];
    waits->n--;

    if (wait.fn) {
        wait.fn(reply, wait.data);
    }
}


void
ngx_content_hiredis_waits_free(ngx_content_hiredis_waits_t *waits)
{
    if (waits->ring) {
        ngx_free(waits->ring);
        waits->ring = NULL;
    }
}
