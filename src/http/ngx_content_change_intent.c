/*
 * What a change says of itself in Redis before anything is changed, in a fleet:
 * its intent.  For the step INTENT of ngx_content_change.c.
 */

#include "core/ngx_content_str.h"
#include "http/ngx_content_change.h"
#include "http/ngx_content_zones.h"
#include "lib/content_rules.h"


#define NGX_CONTENT_NOTE_PAUSE  10           /* ms, while Redis is connected
                                                to for the first time */


static ngx_int_t ngx_content_change_note_ask(ngx_content_change_t *change);
static void ngx_content_change_note_again(ngx_event_t *ev);
static void ngx_content_change_begun(ngx_content_redis_op_t *op);
static void ngx_content_change_refuse(ngx_content_change_t *change);


ngx_int_t
ngx_content_change_note(ngx_content_change_t *change)
{
    ngx_int_t  rc;

    if (change->mcf->fleet == NULL || !CONTENT_RULE_INTENT) {
        return NGX_OK;
    }

    rc = ngx_content_change_note_ask(change);

    if (rc != NGX_AGAIN) {
        ngx_content_change_refuse(change);
        return NGX_OK;
    }

    return rc;
}


/* A worker takes requests before it has its connection to Redis. */

static ngx_int_t
ngx_content_change_note_ask(ngx_content_change_t *change)
{
    ngx_str_t             text;
    ngx_content_fleet_t  *fleet;

    fleet = change->mcf->fleet;
    change->begun = ngx_content_fleet_now();

    if (ngx_content_change_text(change, 1, &text) == NGX_OK
        && ngx_content_fleet_begin(fleet, &text, ngx_content_change_begun,
                                   change)
           == NGX_OK)
    {
        return NGX_AGAIN;
    }

    if (!ngx_content_redis_starting(change->mcf->redis_client)) {
        return NGX_DECLINED;
    }

    change->timer.handler = ngx_content_change_note_again;
    change->timer.data = change;
    change->timer.log = ngx_cycle->log;

    ngx_add_timer(&change->timer, NGX_CONTENT_NOTE_PAUSE);

    return NGX_AGAIN;
}


static void
ngx_content_change_note_again(ngx_event_t *ev)
{
    ngx_content_change_t  *change;

    change = ev->data;

    if (ngx_content_change_note_ask(change) != NGX_AGAIN) {
        ngx_content_change_refuse(change);
        ngx_content_change_go_on(change);
    }
}


static void
ngx_content_change_begun(ngx_content_redis_op_t *op)
{
    ngx_str_t              id;
    ngx_content_change_t  *change;

    change = op->data;

    if (ngx_content_fleet_begun(op, &id) == NGX_OK) {
        change->intent = ngx_content_to_ngx(ngx_content_str_dup(change->pool,
                                                ngx_content_from_ngx(id)));
    }

    if (change->intent.len == 0
        || content_lease_late(change->begun, ngx_content_fleet_now(),
                              change->mcf->fleet_conf.deadline))
    {
        ngx_content_change_refuse(change);
    }

    ngx_content_change_go_on(change);
}


static void
ngx_content_change_refuse(ngx_content_change_t *change)
{
    change->refused = 1;
    ngx_content_count(&ngx_content_shared(change->mcf)->fleet, refused);
}


ngx_int_t
ngx_content_change_text(ngx_content_change_t *change, ngx_uint_t all,
    ngx_str_t *text)
{
    u_char                 *buf;
    size_t                  size;
    ngx_uint_t              i;
    content_out_t           out;
    ngx_content_changed_t  *c;

    static content_str_t  nothing = content_string("");

    size = CONTENT_CHANGE_HEAD_SIZE + CONTENT_CHANGE_ENTRY_SIZE;

    for (i = 0; i < change->nkeys; i++) {
        size += CONTENT_CHANGE_ENTRY_SIZE + change->keys[i].key.len;
    }

    for (i = 0; i < change->nselectors; i++) {
        size += CONTENT_CHANGE_ENTRY_SIZE + change->selectors[i].value.len;
    }

    buf = ngx_pnalloc(change->pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);
    (void) content_change_head(&out, change->lcf->store->id,
                               change->lcf->purge.target);

    for (i = 0; i < change->nkeys; i++) {
        c = &change->keys[i];

        if (all || c->touched) {
            (void) content_change_entry(&out,
                                        (all || c->replaced)
                                            ? CONTENT_CHANGE_KEY
                                            : CONTENT_CHANGE_NEW,
                                        ngx_content_from_ngx(c->key));
        }
    }

    for (i = 0; i < change->nselectors; i++) {
        (void) content_change_entry(&out, change->selectors[i].kind,
                                    change->selectors[i].value);
    }

    if (change->everything) {
        (void) content_change_entry(&out, CONTENT_CHANGE_ALL, nothing);
    }

    *text = ngx_content_to_ngx(content_out_done(&out));

    return out.overflow ? NGX_ERROR : NGX_OK;
}
