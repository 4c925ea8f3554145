/*
 * The engine of uploads, the same for every store: see ngx_content_upload.h.
 * src/http writes into it, the store's part(), commit() and abort() are
 * called from it.  An upload owns its parts and digests, and is freed with
 * its task's pool.
 *
 * Hashing is most of the work, and would hold up all other requests: it is
 * done in a thread, a whole part at a time, before the store gets the part.
 * One part of an upload after the other, for the body's digest; meanwhile the
 * event loop receives the next, and the ones before are on their way.
 */

#include "store/ngx_content_upload.h"
#include "core/ngx_content_job.h"


#define NGX_CONTENT_PART_MIN     (64 * 1024)
#define NGX_CONTENT_HASH_INLINE  (64 * 1024)  /* more goes to a thread */
#define NGX_CONTENT_HASH_STEP    (32 * 1024)  /* fits a processor's cache */


typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
    ngx_int_t                  rc;
} ngx_content_hashing_t;


static void ngx_content_upload_cleanup(void *data);
static EVP_MD_CTX *ngx_content_upload_digest(const EVP_MD *md);
static ngx_int_t ngx_content_upload_hash(ngx_content_upload_t *up,
    u_char *data, size_t len);
static ngx_int_t ngx_content_upload_fill(ngx_content_upload_t *up,
    u_char **data, size_t *len);
static ngx_content_part_t *ngx_content_part_create(ngx_content_upload_t *up);
static ngx_int_t ngx_content_part_grow(ngx_content_upload_t *up,
    ngx_content_part_t *part, size_t need);
static void ngx_content_upload_cut(ngx_content_upload_t *up);
static void ngx_content_upload_hash_part(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_upload_hash_run(void *data);
static void ngx_content_upload_hash_done(void *data);
static void ngx_content_upload_hashed(ngx_content_upload_t *up,
    ngx_content_part_t *part, ngx_int_t rc);
static void ngx_content_upload_fail(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);
static void ngx_content_upload_advance(ngx_content_upload_t *up);
static void ngx_content_upload_verify(ngx_content_upload_t *up);


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

    cln = ngx_pool_cleanup_add(up->task.pool, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_content_upload_cleanup;
    cln->data = up;

    up->object = ngx_pcalloc(up->task.pool, sizeof(content_object_t));
    up->body_digest = ngx_content_upload_digest(EVP_sha256());
    up->part_digest = EVP_MD_CTX_new();

    if (up->object == NULL || up->body_digest == NULL
        || up->part_digest == NULL)
    {
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

    EVP_MD_CTX_free(up->body_digest);
    EVP_MD_CTX_free(up->part_digest);
    EVP_MD_CTX_free(up->sha512_digest);
    EVP_MD_CTX_free(up->md5_digest);

    if (up->filling) {
        ngx_free(up->filling->data);
    }

    for (part = up->parts; part; part = part->next) {
        if (part->data) {
            ngx_free(part->data);
        }
    }
}


static EVP_MD_CTX *
ngx_content_upload_digest(const EVP_MD *md)
{
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();

    if (ctx && EVP_DigestInit_ex(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return NULL;
    }

    return ctx;
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

    if (content_expect_sha512(expect)) {
        up->sha512_digest = ngx_content_upload_digest(EVP_sha512());

        if (up->sha512_digest == NULL) {
            return NGX_ERROR;
        }
    }

    if (content_expect_md5(expect)) {
        up->md5_digest = ngx_content_upload_digest(EVP_md5());

        if (up->md5_digest == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_content_upload_write(ngx_content_upload_t *up, u_char *data, size_t len)
{
    if (up->task.outcome != NGX_CONTENT_OK) {
        return NGX_ERROR;
    }

    if (len == 0) {
        return up->blocked ? NGX_AGAIN : NGX_OK;
    }

    up->received += len;

    while (len && up->task.outcome == NGX_CONTENT_OK) {
        if (ngx_content_upload_fill(up, &data, &len) != NGX_OK) {
            ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "no memory");
            return NGX_ERROR;
        }
    }

    if (up->task.outcome != NGX_CONTENT_OK) {
        return NGX_ERROR;
    }

    if (up->in_flight >= up->task.store->parts_max) {
        up->blocked = 1;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_upload_hash(ngx_content_upload_t *up, u_char *data, size_t len)
{
    if (EVP_DigestUpdate(up->body_digest, data, len) != 1) {
        return NGX_ERROR;
    }

    if (up->sha512_digest
        && EVP_DigestUpdate(up->sha512_digest, data, len) != 1)
    {
        return NGX_ERROR;
    }

    if (up->md5_digest && EVP_DigestUpdate(up->md5_digest, data, len) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Moves bytes into the part that is being filled.  A full part is handed to
 * the store only when more follows: so that a body which fits into one part
 * can be stored in one piece, and the last part is known to be the last.
 */

static ngx_int_t
ngx_content_upload_fill(ngx_content_upload_t *up, u_char **data, size_t *len)
{
    size_t               n;
    ngx_content_part_t  *part;

    part = up->filling;

    if (part && part->size == up->task.store->part_size) {
        ngx_content_upload_cut(up);
        part = NULL;
    }

    if (part == NULL) {
        part = ngx_content_part_create(up);
        if (part == NULL) {
            return NGX_ERROR;
        }
    }

    n = ngx_min(*len, up->task.store->part_size - part->size);

    if (ngx_content_part_grow(up, part, part->size + n) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(part->data + part->size, *data, n);
    part->size += n;

    *data += n;
    *len -= n;

    return NGX_OK;
}


static ngx_content_part_t *
ngx_content_part_create(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = ngx_pcalloc(up->task.pool, sizeof(ngx_content_part_t));
    if (part == NULL) {
        return NULL;
    }

    part->number = up->nparts + 1;
    part->offset = (off_t) up->nparts * up->task.store->part_size;

    up->filling = part;

    return part;
}


/*
 * Room for need bytes: at once for all that is expected, else by doubling, so
 * that a small upload takes little memory.
 */

static ngx_int_t
ngx_content_part_grow(ngx_content_upload_t *up, ngx_content_part_t *part,
    size_t need)
{
    size_t   capacity;
    u_char  *p;

    if (need <= part->capacity) {
        return NGX_OK;
    }

    if (up->expected >= 0) {
        capacity = (size_t) ngx_min((off_t) up->task.store->part_size,
                                    up->expected - part->offset);

    } else {
        capacity = ngx_max(part->capacity * 2, NGX_CONTENT_PART_MIN);
    }

    capacity = ngx_min(ngx_max(capacity, need), up->task.store->part_size);

    p = ngx_alloc(capacity, &up->task.log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (part->data) {
        ngx_memcpy(p, part->data, part->size);
        ngx_free(part->data);
    }

    part->data = p;
    part->capacity = capacity;

    return NGX_OK;
}


/* The part that was filled goes to be hashed, and from there to the store. */

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

    if (up->hashing == NULL) {
        ngx_content_upload_hash_part(up, part);
    }
}


/* Here and now what is small, or when there is no thread to be had. */

static void
ngx_content_upload_hash_part(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    ngx_content_hashing_t  *job, now;

    up->hashing = part;

    job = NULL;

    if (part->size > NGX_CONTENT_HASH_INLINE) {
        job = ngx_content_job_create(up->task.pool,
                                     sizeof(ngx_content_hashing_t),
                                     ngx_content_upload_hash_run,
                                     ngx_content_upload_hash_done,
                                     &up->task.log);
    }

    if (job) {
        job->up = up;
        job->part = part;

        if (ngx_content_job_start(up->task.store->threads, job) == NGX_OK) {
            return;
        }
    }

    now.up = up;
    now.part = part;

    ngx_content_upload_hash_run(&now);
    ngx_content_upload_hash_done(&now);
}


/* In a thread: all digests, step by step, so that memory is read once. */

static void
ngx_content_upload_hash_run(void *data)
{
    ngx_content_hashing_t *job = data;

    size_t                 done, n;
    ngx_uint_t             own;
    ngx_content_part_t    *part;
    ngx_content_upload_t  *up;

    up = job->up;
    part = job->part;
    own = up->task.store->part_digest;

    job->rc = NGX_ERROR;

    if (own && EVP_DigestInit_ex(up->part_digest, EVP_sha256(), NULL) != 1) {
        return;
    }

    for (done = 0; done < part->size; done += n) {
        n = ngx_min(part->size - done, NGX_CONTENT_HASH_STEP);

        if (ngx_content_upload_hash(up, part->data + done, n) != NGX_OK
            || (own && EVP_DigestUpdate(up->part_digest, part->data + done, n)
                       != 1))
        {
            return;
        }
    }

    if (own && EVP_DigestFinal_ex(up->part_digest, part->sha256, NULL) != 1) {
        return;
    }

    job->rc = NGX_OK;
}


static void
ngx_content_upload_hash_done(void *data)
{
    ngx_content_hashing_t *job = data;

    ngx_content_upload_hashed(job->up, job->part, job->rc);
}


static void
ngx_content_upload_hashed(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_int_t rc)
{
    up->hashing = NULL;

    if (rc != NGX_OK) {
        ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "hashing failed");
    }

    if (part == up->filling) {               /* a body of one part */
        up->in_flight--;
        ngx_content_upload_advance(up);
        return;
    }

    if (part->next) {
        ngx_content_upload_hash_part(up, part->next);
    }

    if (up->aborted || up->task.outcome != NGX_CONTENT_OK) {
        ngx_content_upload_stored(up, part, NGX_CONTENT_FAILED, NULL);
        return;
    }

    part->given = 1;
    up->task.store->ops->part(up, part);
}


void
ngx_content_upload_stored(ngx_content_upload_t *up, ngx_content_part_t *part,
    ngx_content_outcome_e outcome, const char *cause)
{
    ngx_free(part->data);
    part->data = NULL;

    up->in_flight--;

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_upload_fail(up, outcome, cause);
    }

    ngx_content_upload_advance(up);
}


/* The first failure is the one that is told. */

static void
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

    if (up->blocked
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


/* The body's digests, and whether they are what was expected. */

static void
ngx_content_upload_verify(ngx_content_upload_t *up)
{
    u_char              text[CONTENT_EXPECT_TEXT + 1];
    content_out_t       out;
    content_computed_t  computed;

    if (EVP_DigestFinal_ex(up->body_digest, computed.sha256, NULL) != 1
        || (up->sha512_digest
            && EVP_DigestFinal_ex(up->sha512_digest, computed.sha512, NULL)
               != 1)
        || (up->md5_digest
            && EVP_DigestFinal_ex(up->md5_digest, computed.md5, NULL) != 1))
    {
        ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "hashing failed");
        return;
    }

    ngx_memcpy(up->object->sha256, computed.sha256, 32);
    up->object->has_sha256 = 1;

    if (up->expect == NULL) {
        return;
    }

    content_out_init(&out, text, CONTENT_EXPECT_TEXT);

    if (content_expect_check(up->expect, &computed, &out) != CONTENT_OK) {
        *out.pos = '\0';
        ngx_content_upload_fail(up, NGX_CONTENT_MISMATCH, (char *) text);
    }
}


void
ngx_content_upload_abort(ngx_content_upload_t *up)
{
    up->aborted = 1;
    up->blocked = 0;

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
