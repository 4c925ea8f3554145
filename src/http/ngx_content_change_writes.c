/*
 * A new object is not purged from the CDN, for that has no older one.  But where
 * storage does not look and write in one step, two writers can both find that
 * there is none; and the CDN may fetch what the first has made before the
 * second makes it anew.  So each counts his change (ngx_content_writes.h), and
 * whoever finds that another has counted one, between his look and the end of
 * his change, purges the object all the same.  Of two that overlap, whoever ends
 * last finds the other's, and by then both have written.
 *
 * In a fleet the same holds between nodes.  Each waits until the others have
 * acknowledged his notice, and a node counts what it acknowledges.  So if the
 * other's notice has not come when this change looks, this one's has come there
 * before the other looks.  It holds for a node that hears all: one that can't
 * say so purges.
 */

#include "http/ngx_content_change.h"
#include "http/ngx_content_zones.h"


static ngx_atomic_t *ngx_content_change_writes_of(
    ngx_content_change_t *change, ngx_content_changed_t *changed);
static ngx_uint_t ngx_content_change_was_told(ngx_content_change_t *change);


void
ngx_content_change_note_writes(ngx_content_change_t *change)
{
    ngx_uint_t              i;
    ngx_content_changed_t  *changed;

    for (i = 0; i < change->nkeys; i++) {
        changed = &change->keys[i];
        changed->writes = *ngx_content_change_writes_of(change, changed);
    }

    if (change->mcf->fleet) {
        change->heard = ngx_content_fleet_heard_all(
                                   &ngx_content_shared(change->mcf)->fleet);
    }
}


void
ngx_content_change_count_writes(ngx_content_change_t *change)
{
    ngx_uint_t              i;
    ngx_content_changed_t  *changed;

    for (i = 0; i < change->nkeys; i++) {
        changed = &change->keys[i];

        if (changed->touched) {
            (void) ngx_atomic_fetch_add(
                         ngx_content_change_writes_of(change, changed), 1);
        }
    }
}


static ngx_atomic_t *
ngx_content_change_writes_of(ngx_content_change_t *change,
    ngx_content_changed_t *changed)
{
    uint32_t               hash;
    ngx_content_shared_t  *shared;

    shared = ngx_content_shared(change->mcf);

    hash = ngx_content_responses_hash(change->lcf->store->id,
                                      changed->key.data, changed->key.len);

    return ngx_content_writes_of(&shared->fleet.writes, hash);
}


ngx_uint_t
ngx_content_change_met_others(ngx_content_change_t *change,
    ngx_content_changed_t *changed)
{
    ngx_uint_t     i, own;
    ngx_atomic_t  *count;

    if (!change->lcf->store->unguarded) {
        return 0;
    }

    own = 0;
    count = ngx_content_change_writes_of(change, changed);

    for (i = 0; i < change->nkeys; i++) {
        own += change->keys[i].touched
               && ngx_content_change_writes_of(change, &change->keys[i])
                  == count;
    }

    return *count != changed->writes + own
           || !ngx_content_change_was_told(change);
}


/* Of all that others have changed meanwhile; who has not answered may have. */

static ngx_uint_t
ngx_content_change_was_told(ngx_content_change_t *change)
{
    ngx_content_fleet_t  *fleet;

    fleet = change->mcf->fleet;

    return fleet == NULL
           || (change->heard && change->serial && !change->failed
               && change->heard == ngx_content_fleet_heard_all(
                                    &ngx_content_shared(change->mcf)->fleet)
               && !ngx_content_fleet_sending(fleet, change->serial));
}
