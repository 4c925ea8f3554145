/*
 * The parts of an upload: see ngx_content_upload_part.h.
 *
 * A part is handed to the store when it is whole; after it is hashed, where the
 * store needs the part's own digest.  Or, where the store takes parts that
 * grow, as soon as the client has shown that the rest will follow quickly: then
 * its bytes are on their way while it is received, and when it is whole little
 * is left to be waited for.
 */

#include "store/ngx_content_upload.h"
#include "store/ngx_content_upload_hash.h"
#include "store/ngx_content_upload_part.h"


#define NGX_CONTENT_PART_CLASS  (256 * 1024)   /* from here on buffers come in
                                                  few sizes, to fit again */
#define NGX_CONTENT_PART_EARLY  (1024 * 1024)  /* the least that shows it */
#define NGX_CONTENT_PART_QUICK  1024           /* bytes a ms */


static size_t ngx_content_part_capacity(ngx_content_upload_t *up);
static ngx_uint_t ngx_content_part_listed(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_part_list(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static ngx_uint_t ngx_content_part_is_early(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_part_early(ngx_content_upload_t *up);
static void ngx_content_part_give(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_part_settle(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_part_free(ngx_content_upload_t *up,
    ngx_content_part_t *part);


ngx_int_t
ngx_content_part_create(ngx_content_upload_t *up)
{
    u_char               *data;
    size_t                capacity;
    ngx_int_t             rc;
    ngx_content_part_t   *part;
    ngx_content_store_t  *store;

    store = up->task.store;
    capacity = ngx_content_part_capacity(up);

    rc = ngx_content_claim_buffer(store->uploads, &up->claim, capacity, &data);
    if (rc != NGX_OK) {
        return rc;
    }

    part = ngx_pcalloc(up->task.pool, sizeof(ngx_content_part_t));
    if (part == NULL) {
        ngx_content_buffer_free(store->uploads, data, capacity);
        return NGX_ERROR;
    }

    part->data = data;
    part->capacity = capacity;
    part->number = up->nparts + 1;
    part->offset = (off_t) up->nparts * store->part_size;
    part->since = ngx_current_msec;

    part->length = store->part_size;

    if (up->expected >= 0) {
        part->length = ngx_min(up->expected - up->received,
                               (off_t) store->part_size);
    }

    up->filling = part;

    return NGX_OK;
}


/*
 * All that is expected, up to a part: memory is claimed for it now, so that no
 * upload that has begun a part waits in the middle of it.
 */

static size_t
ngx_content_part_capacity(ngx_content_upload_t *up)
{
    off_t   left;
    size_t  part_size, size;

    part_size = up->task.store->part_size;
    left = up->expected - up->received;

    if (up->expected < 0 || left > (off_t) part_size / 2) {
        return part_size;
    }

    if (left < NGX_CONTENT_PART_CLASS) {
        return ngx_max(left, 1);
    }

    for (size = NGX_CONTENT_PART_CLASS; (off_t) size < left; size *= 2) {
        /* void */
    }

    return ngx_min(size, part_size);
}


void
ngx_content_part_came(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->filling;

    if (part->given && !part->stored) {
        up->task.store->ops->part_grown(up, part);

    } else {
        ngx_content_part_early(up);
    }

    ngx_content_upload_hash(up);
}


/* A part in up->parts is counted in up->in_flight until it is settled. */

static ngx_uint_t
ngx_content_part_listed(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    return part->number <= up->nparts;
}


static void
ngx_content_part_list(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    *up->last_part = part;
    up->last_part = &part->next;
    up->nparts++;
    up->in_flight++;
}


/* More than one part, for one alone goes with commit(). */

static ngx_uint_t
ngx_content_part_is_early(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_content_store_t  *store;

    store = up->task.store;

    return store->ops->part_grown
           && !up->part_digest
           && up->expected > (off_t) store->part_size
           && part->size >= NGX_CONTENT_PART_EARLY
           && part->size / NGX_CONTENT_PART_QUICK
              >= ngx_current_msec - part->since
           && up->in_flight < store->parts_max
           && !ngx_content_upload_failed(up);
}


static void
ngx_content_part_early(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->filling;

    if (part == NULL || ngx_content_part_listed(up, part)
        || !ngx_content_part_is_early(up, part))
    {
        return;
    }

    ngx_content_part_list(up, part);
    ngx_content_part_give(up, part);
}


ngx_uint_t
ngx_content_part_may_be_cut(ngx_content_upload_t *up)
{
    return up->filling == NULL
           || ngx_content_part_listed(up, up->filling)
           || up->in_flight < up->task.store->parts_max;
}


void
ngx_content_part_cut(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->filling;

    up->filling = NULL;
    part->cut = 1;
    part->length = part->size;

    if (!ngx_content_part_listed(up, part)) {
        ngx_content_part_list(up, part);
    }

    if (part->given) {
        if (!part->stored) {
            up->task.store->ops->part_grown(up, part);
        }

    } else if (!up->part_digest || part->hashed) {
        ngx_content_part_give(up, part);
    }

    ngx_content_part_settle(up, part);
    ngx_content_upload_hash(up);
}


/* A thread may still read it: then it is settled after that. */

void
ngx_content_part_drop(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->filling;

    if (part == NULL) {
        return;
    }

    up->filling = NULL;
    part->cut = 1;

    if (!ngx_content_part_listed(up, part)) {
        ngx_content_part_list(up, part);
    }

    if (part->given && !part->stored) {
        up->task.store->ops->part_cancel(up, part);
        part->stored = 1;
    }

    ngx_content_part_settle(up, part);
}


static void
ngx_content_part_give(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    if (ngx_content_upload_failed(up)) {
        return;
    }

    part->given = 1;
    up->task.store->ops->part(up, part);
}


void
ngx_content_part_hashed(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_int_t rc)
{
    if (rc != NGX_OK) {
        ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "hashing failed");
    }

    if (part->hashed && part->cut && !part->given) {
        ngx_content_part_give(up, part);
    }

    ngx_content_part_settle(up, part);
}


void
ngx_content_upload_stored(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_content_outcome_e outcome, const char *cause)
{
    part->stored = 1;

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_upload_fail(up, outcome, cause);
    }

    ngx_content_part_settle(up, part);
    ngx_content_upload_advance(up);
}


void
ngx_content_parts_advance(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    if (!ngx_content_upload_failed(up)) {
        ngx_content_part_early(up);
        return;
    }

    for (part = up->parts; part; part = part->next) {
        ngx_content_part_settle(up, part);
    }
}


/*
 * Its bytes are needed until it is both hashed and stored; when the upload has
 * failed, as long as somebody reads them.
 */

static void
ngx_content_part_settle(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    ngx_uint_t  failed;

    failed = ngx_content_upload_failed(up);

    if (part->data == NULL || !part->cut || up->hashing == part
        || (part->given ? !part->stored : !failed)
        || (!part->hashed && !failed))
    {
        return;
    }

    ngx_content_part_free(up, part);
    up->in_flight--;
}


static void
ngx_content_part_free(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    if (part->data) {
        ngx_content_buffer_free(up->task.store->uploads, part->data,
                                part->capacity);
        part->data = NULL;
    }
}


void
ngx_content_parts_free(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    if (up->filling) {
        ngx_content_part_free(up, up->filling);
    }

    for (part = up->parts; part; part = part->next) {
        ngx_content_part_free(up, part);
    }
}
