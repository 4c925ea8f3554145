/*
 * The lease of a multipart upload: its worker gives it up when it has stored
 * no part for half of content_sweep.  So whoever finds an upload without a new
 * part for the whole of that time knows that nobody goes on with it, on any
 * node, without asking (ngx_content_s3_sweep.c).
 */

#include "store/ngx_content_s3_upload.h"
#include "store/ngx_content_upload.h"


static void ngx_content_s3_lease_timer(ngx_event_t *ev);
static void ngx_content_s3_lease_cleanup(void *data);


void
ngx_content_s3_lease(ngx_content_upload_t *up)
{
    ngx_event_t              *ev;
    ngx_pool_cleanup_t       *cln;
    ngx_content_s3_upload_t  *s3;

    s3 = up->state;
    ev = &s3->lease;

    if (up->task.store->sweep_age == 0 || up->copy) {
        return;
    }

    if (ev->handler == NULL) {
        cln = ngx_pool_cleanup_add(up->task.pool, 0);
        if (cln == NULL) {
            return;
        }

        cln->handler = ngx_content_s3_lease_cleanup;
        cln->data = ev;

        ev->handler = ngx_content_s3_lease_timer;
        ev->data = up;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;
    }

    ngx_add_timer(ev, (ngx_msec_t) up->task.store->sweep_age * 500);
}


/* Once all bytes are here, S3 only is waited for, and that has its limits. */

static void
ngx_content_s3_lease_timer(ngx_event_t *ev)
{
    ngx_content_upload_t *up = ev->data;

    if (!up->ended && !up->aborted) {
        ngx_content_upload_give_up(up, NGX_CONTENT_SLOW,
                                   "the body came too slowly: no part of it "
                                   "for half of content_sweep");
    }
}


static void
ngx_content_s3_lease_cleanup(void *data)
{
    ngx_event_t *ev = data;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}
