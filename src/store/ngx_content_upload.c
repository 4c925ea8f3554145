/*
 * The engine of uploads, the same for every store: see ngx_content_upload.h.
 * src/http writes into it, the store's part(), commit() and abort() are
 * called from it.  An upload owns its parts (ngx_content_upload_part.c) and
 * digests (_hash.c), and is freed with its task's pool.
 *
 * While the event loop receives a part, its bytes are hashed slice by slice, for
 * the body's digest; the parts before it are on their way to the store, and
 * perhaps the part itself is.
 */

#include "store/ngx_content_upload.h"
#include "store/ngx_content_upload_hash.h"
#include "store/ngx_content_upload_part.h"


static void ngx_content_upload_cleanup(void *data);
static ngx_int_t ngx_content_upload_fill(ngx_content_upload_t *up,
    ngx_buf_t *b);
static ngx_int_t ngx_content_upload_next_part(ngx_content_upload_t *up);
static void ngx_content_upload_read(ngx_content_reader_t *reader);
static void ngx_content_upload_granted(ngx_content_claim_t *claim);
static void ngx_content_upload_lost(ngx_content_claim_t *claim);


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

    ngx_content_upload_hash_free(up);
    ngx_content_read_cancel(&up->reader);
    ngx_content_claim_end(up->task.store->uploads, &up->claim);
    ngx_content_parts_free(up);
}


ngx_int_t
ngx_content_upload_expect(ngx_content_upload_t *up, content_expect_t *expect)
{
    const u_char  *sha256;

    up->expect = expect;
    sha256 = content_expect_sha256(expect);

    if (sha256) {
        ngx_memcpy(up->object->sha256, sha256, CONTENT_SHA256_SIZE);
        up->object->has_sha256 = 1;
    }

    return ngx_content_upload_hash_expect(up);
}


ngx_int_t
ngx_content_upload_write(ngx_content_upload_t *up, ngx_buf_t *b)
{
    off_t      max;
    ngx_int_t  rc;

    max = up->task.store->size_max;

    for ( ;; ) {
        if (up->task.outcome != NGX_CONTENT_OK) {
            return NGX_ERROR;
        }

        if (b->pos == b->last) {
            return NGX_OK;
        }

        if (max && up->received == max) {
            ngx_content_upload_fail(up, NGX_CONTENT_TOO_LARGE, NULL);
            return NGX_ERROR;
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
        && ngx_content_part_may_be_cut(up))
    {
        ngx_content_part_cut(up);

    } else {
        ngx_content_part_came(up);
    }

    return NGX_OK;
}


/*
 * A full part is cut only when more is known to follow: so that a body which
 * fits into one part can be stored in one piece, and the last part is known to
 * be the last.
 */

static ngx_int_t
ngx_content_upload_next_part(ngx_content_upload_t *up)
{
    ngx_int_t            rc;
    ngx_content_part_t  *part;

    if (up->filling) {
        if (!ngx_content_part_may_be_cut(up)) {
            return NGX_AGAIN;
        }

        ngx_content_part_cut(up);
    }

    rc = ngx_content_part_create(up);

    if (rc != NGX_OK) {
        return rc;
    }

    part = up->filling;

    /* counted, so that the upload outlives it */

    if (part->number == 1 && up->expected > (off_t) part->capacity
        && up->task.store->ops->begin
        && up->task.store->ops->begin(up) == NGX_OK)
    {
        up->in_flight++;
    }

    return NGX_OK;
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
    ngx_content_part_drop(up);

    up->resume(up);
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


ngx_uint_t
ngx_content_upload_failed(ngx_content_upload_t *up)
{
    return up->aborted || up->task.outcome != NGX_CONTENT_OK;
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


/* What can go on now that something has ended? */

void
ngx_content_upload_advance(ngx_content_upload_t *up)
{
    ngx_uint_t  idle;

    if (up->held) {
        return;
    }

    up->held++;
    ngx_content_parts_advance(up);
    up->held--;

    idle = (up->in_flight == 0 && up->hashing == NULL);

    if (up->aborted) {
        if (idle) {
            up->task.store->ops->abort(up);
        }

        return;
    }

    if (up->blocked && up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_claim_end(up->task.store->uploads, &up->claim);
    }

    if (up->blocked && !up->claim.waiting
        && (ngx_content_part_may_be_cut(up)
            || up->task.outcome != NGX_CONTENT_OK))
    {
        up->blocked = 0;
        up->resume(up);
        return;
    }

    if (up->ended && idle && !up->committing) {
        up->committing = 1;

        if (up->task.outcome == NGX_CONTENT_OK) {
            ngx_content_upload_verify(up);
        }

        up->task.store->ops->commit(up);
    }
}


void
ngx_content_upload_whole(ngx_content_upload_t *up)
{
    ngx_content_claim_filled(&up->claim);
}


void
ngx_content_upload_end(ngx_content_upload_t *up)
{
    up->ended = 1;
    up->blocked = 0;

    ngx_content_read_cancel(&up->reader);
    ngx_content_claim_end(up->task.store->uploads, &up->claim);

    up->object->size = up->received;

    /* counted, as begin() is */

    if (up->task.outcome == NGX_CONTENT_OK && up->task.store->ops->ending
        && up->task.store->ops->ending(up) == NGX_OK)
    {
        up->in_flight++;
    }

    if (up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_part_drop(up);

    } else if (up->filling && up->nparts) {

        /* several parts: the last one goes the way of the others */

        ngx_content_part_cut(up);

    } else {
        ngx_content_upload_hash(up);
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
    ngx_content_part_drop(up);

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
