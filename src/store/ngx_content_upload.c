/*
 * The engine of uploads, the same for every store: see ngx_content_upload.h.
 * src/http writes into it, the store's part(), commit() and abort() are
 * called from it.  An upload owns its parts and digests, and is freed with
 * its task's pool.
 *
 * A part that is full is hashed (ngx_content_upload_hash.c), one after the
 * other, for the body's digest; and it is handed to the store: before that, or
 * where the store needs the part's own digest, after it.  Meanwhile the event
 * loop receives the next, and the ones before are on their way.
 */

#include "store/ngx_content_upload.h"
#include "store/ngx_content_upload_hash.h"


#define NGX_CONTENT_PART_CLASS  (256 * 1024)   /* from here on buffers come in
                                                  few sizes, to fit again */


static void ngx_content_upload_cleanup(void *data);
static ngx_int_t ngx_content_upload_fill(ngx_content_upload_t *up,
    ngx_buf_t *b);
static ngx_int_t ngx_content_upload_next_part(ngx_content_upload_t *up);
static size_t ngx_content_part_capacity(ngx_content_upload_t *up);
static void ngx_content_part_free(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_upload_read(ngx_content_reader_t *reader);
static void ngx_content_upload_granted(ngx_content_claim_t *claim);
static void ngx_content_upload_lost(ngx_content_claim_t *claim);
static void ngx_content_upload_cut(ngx_content_upload_t *up);
static void ngx_content_upload_give(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_upload_part_end(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_upload_advance(ngx_content_upload_t *up);


ngx_content_upload_t *
ngx_content_upload_create(ngx_content_store_t *store, ngx_str_t *key,
    off_t expected, ngx_log_t *log)
{
    ngx_pool_cleanup_t    *cln;
    ngx_content_upload_t  *up;

    up = ngx_content_task_create(store, sizeof(ngx_content_upload_t), key,
                                 log);
    if (up == NULL) {
        return NULL;
    }

    up->expected = expected;
    up->last_part = &up->parts;
    up->task.outcome = NGX_CONTENT_OK;
    up->claim.granted = ngx_content_upload_granted;
    up->claim.lost = ngx_content_upload_lost;
    up->reader.read = ngx_content_upload_read;
    up->part_digest = store->ops->part_digest
                      && store->ops->part_digest(store);

    cln = ngx_pool_cleanup_add(up->task.pool, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_content_upload_cleanup;
    cln->data = up;

    up->object = ngx_pcalloc(up->task.pool, sizeof(content_object_t));

    if (up->object == NULL || ngx_content_upload_hash_init(up) != NGX_OK) {
        goto failed;
    }

    return up;

failed:

    ngx_content_task_free(&up->task);

    return NULL;
}


static void
ngx_content_upload_cleanup(void *data)
{
    ngx_content_upload_t *up = data;

    ngx_content_part_t  *part;

    ngx_content_upload_hash_free(up);
    ngx_content_read_cancel(&up->reader);
    ngx_content_claim_end(up->task.store->uploads, &up->claim);

    if (up->filling) {
        ngx_content_part_free(up, up->filling);
    }

    for (part = up->parts; part; part = part->next) {
        ngx_content_part_free(up, part);
    }
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


ngx_int_t
ngx_content_upload_expect(ngx_content_upload_t *up, content_expect_t *expect)
{
    const u_char  *sha256;

    up->expect = expect;
    sha256 = content_expect_sha256(expect);

    if (sha256) {
        ngx_memcpy(up->object->sha256, sha256, 32);
        up->object->has_sha256 = 1;
    }

    return ngx_content_upload_hash_expect(up);
}


ngx_int_t
ngx_content_upload_write(ngx_content_upload_t *up, ngx_buf_t *b)
{
    ngx_int_t  rc;

    for ( ;; ) {
        if (up->task.outcome != NGX_CONTENT_OK) {
            return NGX_ERROR;
        }

        if (b->pos == b->last) {
            return NGX_OK;
        }

        rc = ngx_content_upload_fill(up, b);

        if (rc == NGX_AGAIN) {
            up->blocked = 1;
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "no memory");
        }
    }
}


/* Bytes that were received into the room of the part are there already. */

static ngx_int_t
ngx_content_upload_fill(ngx_content_upload_t *up, ngx_buf_t *b)
{
    size_t               n;
    ngx_int_t            rc;
    ngx_content_part_t  *part;

    part = up->filling;

    if (part == NULL || part->size == part->capacity) {
        rc = ngx_content_upload_next_part(up);

        if (rc != NGX_OK) {
            return rc;
        }

        part = up->filling;
    }

    n = ngx_min((size_t) (b->last - b->pos), part->capacity - part->size);

    if (b->pos != part->data + part->size) {
        ngx_memmove(part->data + part->size, b->pos, n);
    }

    part->size += n;
    b->pos += n;
    up->received += n;

    ngx_content_read_done(up->task.store->uploads, n);

    if (up->received == up->expected || part->size == part->capacity) {
        ngx_content_claim_filled(&up->claim);
    }

    if (part->size == part->capacity && up->received < up->expected
        && up->in_flight < up->task.store->parts_max)
    {
        ngx_content_upload_cut(up);
    }

    return NGX_OK;
}


/*
 * A full part is handed to the store only when more is known to follow: so that a body
 * which fits into one part can be stored in one piece, and the last part is
 * known to be the last.
 */

static ngx_int_t
ngx_content_upload_next_part(ngx_content_upload_t *up)
{
    u_char              *data;
    size_t               capacity;
    ngx_int_t            rc;
    ngx_content_part_t  *part;

    if (up->filling) {
        if (up->in_flight >= up->task.store->parts_max) {
            return NGX_AGAIN;
        }

        ngx_content_upload_cut(up);
    }

    capacity = ngx_content_part_capacity(up);

    rc = ngx_content_claim_buffer(up->task.store->uploads, &up->claim,
                                  capacity, &data);
    if (rc != NGX_OK) {
        return rc;
    }

    part = ngx_pcalloc(up->task.pool, sizeof(ngx_content_part_t));
    if (part == NULL) {
        ngx_content_buffer_free(up->task.store->uploads, data, capacity);
        return NGX_ERROR;
    }

    part->data = data;
    part->capacity = capacity;
    part->number = up->nparts + 1;
    part->offset = (off_t) up->nparts * up->task.store->part_size;

    up->filling = part;

    /* counted, so that the upload outlives it */

    if (part->number == 1 && up->expected > (off_t) capacity
        && up->task.store->ops->begin
        && up->task.store->ops->begin(up) == NGX_OK)
    {
        up->in_flight++;
    }

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
ngx_content_upload_room(ngx_content_upload_t *up, u_char **data, size_t *size)
{
    ngx_content_part_t  *part;

    part = up->filling;

    *data = part ? part->data + part->size : NULL;
    *size = part ? part->capacity - part->size : 0;
}


size_t
ngx_content_upload_turn(ngx_content_upload_t *up)
{
    return ngx_content_read_turn(up->task.store->uploads, &up->reader);
}


static void
ngx_content_upload_read(ngx_content_reader_t *reader)
{
    ngx_content_upload_t  *up;

    up = (ngx_content_upload_t *)
             ((u_char *) reader - offsetof(ngx_content_upload_t, reader));

    up->resume(up);
}


static void
ngx_content_upload_granted(ngx_content_claim_t *claim)
{
    ngx_content_upload_t  *up;

    up = (ngx_content_upload_t *)
             ((u_char *) claim - offsetof(ngx_content_upload_t, claim));

    up->blocked = 0;
    up->resume(up);
}


static void
ngx_content_upload_lost(ngx_content_claim_t *claim)
{
    ngx_content_upload_t  *up;

    up = (ngx_content_upload_t *)
             ((u_char *) claim - offsetof(ngx_content_upload_t, claim));

    ngx_content_upload_give_up(up, NGX_CONTENT_SLOW,
                               "the body came too slowly while other uploads "
                               "waited for memory");
}


void
ngx_content_upload_give_up(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause)
{
    ngx_content_upload_fail(up, outcome, cause);

    up->blocked = 0;
    ngx_content_claim_end(up->task.store->uploads, &up->claim);

    if (up->filling) {
        ngx_content_part_free(up, up->filling);
        up->filling = NULL;
    }

    up->resume(up);
}


/* The part that was filled goes to be hashed, and to the store. */

static void
ngx_content_upload_cut(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->filling;

    up->filling = NULL;
    *up->last_part = part;
    up->last_part = &part->next;
    up->nparts++;
    up->in_flight++;

    if (!up->part_digest) {
        ngx_content_upload_give(up, part);
    }

    if (up->hashing == NULL) {
        ngx_content_upload_hash_part(up, part);
    }
}


static void
ngx_content_upload_give(ngx_content_upload_t *up, ngx_content_part_t *part)
{
    if (up->aborted || up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_upload_stored(up, part, NGX_CONTENT_FAILED, NULL);
        return;
    }

    part->given = 1;
    up->task.store->ops->part(up, part);
}


void
ngx_content_upload_hashed(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_int_t rc)
{
    if (rc != NGX_OK) {
        ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "hashing failed");
    }

    if (part == up->filling) {               /* a body of one part */
        up->in_flight--;
        ngx_content_upload_advance(up);
        return;
    }

    part->hashed = 1;

    if (part->next) {
        ngx_content_upload_hash_part(up, part->next);
    }

    if (up->part_digest) {
        ngx_content_upload_give(up, part);

    } else {
        ngx_content_upload_part_end(up, part);
    }
}


void
ngx_content_upload_begun(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause)
{
    up->in_flight--;

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_upload_fail(up, outcome, cause);
    }

    ngx_content_upload_advance(up);
}


void
ngx_content_upload_stored(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_content_outcome_e outcome, const char *cause)
{
    part->stored = 1;

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_upload_fail(up, outcome, cause);
    }

    ngx_content_upload_part_end(up, part);
}


/* Its bytes are needed until it is both hashed and stored. */

static void
ngx_content_upload_part_end(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    if (part->hashed && part->stored) {
        ngx_content_part_free(up, part);
        up->in_flight--;
    }

    ngx_content_upload_advance(up);
}


/* The first failure is the one that is told. */

void
ngx_content_upload_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause)
{
    if (up->task.outcome != NGX_CONTENT_OK) {
        return;
    }

    up->task.outcome = outcome;
    up->task.cause.len = cause ? ngx_strlen(cause) : 0;
    up->task.cause.data = ngx_pnalloc(up->task.pool, up->task.cause.len + 1);

    if (up->task.cause.data == NULL) {
        up->task.cause.len = 0;
        return;
    }

    ngx_memcpy(up->task.cause.data, cause ? cause : "", up->task.cause.len + 1);
}


/* What can go on now that a part has been stored? */

static void
ngx_content_upload_advance(ngx_content_upload_t *up)
{
    if (up->aborted) {
        if (up->in_flight == 0) {
            up->task.store->ops->abort(up);
        }

        return;
    }

    if (up->blocked && up->task.outcome != NGX_CONTENT_OK) {
    ngx_content_claim_end(up->task.store->uploads, &up->claim);
    }

    if (up->blocked && !up->claim.waiting
        && (up->in_flight < up->task.store->parts_max
            || up->task.outcome != NGX_CONTENT_OK))
    {
        up->blocked = 0;
        up->resume(up);
        return;
    }

    if (up->ended && up->in_flight == 0 && !up->committing) {
        up->committing = 1;

        if (up->task.outcome == NGX_CONTENT_OK) {
            ngx_content_upload_verify(up);
        }

        up->task.store->ops->commit(up);
    }
}


void
ngx_content_upload_end(ngx_content_upload_t *up)
{
    up->ended = 1;
    up->blocked = 0;

    ngx_content_read_cancel(&up->reader);
    ngx_content_claim_end(up->task.store->uploads, &up->claim);

    up->object->size = up->received;

    if (up->task.outcome == NGX_CONTENT_OK && up->filling) {

        /* several parts: the last one goes the way of the others */

        if (up->nparts) {
            ngx_content_upload_cut(up);

        } else {
            up->in_flight++;
            ngx_content_upload_hash_part(up, up->filling);
            return;
        }
    }

    ngx_content_upload_advance(up);
}


void
ngx_content_upload_abort(ngx_content_upload_t *up)
{
    up->aborted = 1;
    up->blocked = 0;

    ngx_content_read_cancel(&up->reader);
    ngx_content_claim_end(up->task.store->uploads, &up->claim);

    if (up->filling) {
        ngx_content_part_free(up, up->filling);
        up->filling = NULL;
    }

    ngx_content_upload_advance(up);
}


ngx_content_part_t *
ngx_content_upload_single(ngx_content_upload_t *up)
{
    return up->nparts == 0 ? up->filling : NULL;
}


void
ngx_content_upload_free(ngx_content_upload_t *up)
{
    ngx_content_task_free(&up->task);
}
