/*
 * Hashing of uploads: see ngx_content_upload_hash.h.  It is most of an upload's
 * work, and would hold up all other requests: it is done in a thread, slice by
 * slice as the bytes come, when it is the upload's turn.  So when the last byte
 * is there no more than a slice is left.
 */

#include "store/ngx_content_upload_hash.h"
#include "store/ngx_content_upload_part.h"
#include "core/ngx_content_job.h"


#define NGX_CONTENT_HASH_INLINE  (64 * 1024)  /* more goes to a thread */
#define NGX_CONTENT_HASH_STEP    (32 * 1024)  /* fits a processor's cache */
#define NGX_CONTENT_HASH_MIN     (1024 * 1024)      /* a slice, */
#define NGX_CONTENT_HASH_MAX     (2 * 1024 * 1024)  /* unless it is the last */


/* A slice; meanwhile more may be received behind it. */

typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
    u_char                    *data;
    size_t                     size;
    ngx_uint_t                 first;     /* of the part */
    ngx_uint_t                 last;
    ngx_int_t                  rc;
} ngx_content_hashing_t;


static EVP_MD_CTX *ngx_content_upload_digest(const EVP_MD *md);
static ngx_content_part_t *ngx_content_upload_hash_next(
    ngx_content_upload_t *up);
static ngx_uint_t ngx_content_upload_hash_is_whole(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static ngx_int_t ngx_content_upload_hash_begin(ngx_content_turn_t *turn);
static ngx_int_t ngx_content_upload_hash_start(ngx_content_upload_t *up);
static void ngx_content_upload_hash_now(ngx_content_upload_t *up);
static void ngx_content_upload_hash_slice(ngx_content_upload_t *up,
    ngx_content_hashing_t *job);
static ngx_uint_t ngx_content_upload_hash_apart(ngx_content_upload_t *up,
    ngx_content_part_t *part);
static void ngx_content_upload_hash_run(void *data);
static ngx_int_t ngx_content_upload_hash_announced(ngx_content_upload_t *up,
    u_char *data, size_t len);
static void ngx_content_upload_hash_done(void *data);
static void ngx_content_upload_hash_end(ngx_content_hashing_t *job);


ngx_int_t
ngx_content_upload_hash_init(ngx_content_upload_t *up)
{
    up->turn.begin = ngx_content_upload_hash_begin;

    return content_sha256_init(&up->body_sha256, 1) == CONTENT_OK
           ? NGX_OK : NGX_ERROR;
}


void
ngx_content_upload_hash_free(ngx_content_upload_t *up)
{
    ngx_content_turn_cancel(&up->turn);

    content_sha256_free(&up->body_sha256);
    content_sha256_free(&up->part_sha256);
    EVP_MD_CTX_free(up->sha512_digest);
    EVP_MD_CTX_free(up->md5_digest);
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
ngx_content_upload_hash_expect(ngx_content_upload_t *up)
{
    if (content_expect_sha512(up->expect)) {
        up->sha512_digest = ngx_content_upload_digest(EVP_sha512());

        if (up->sha512_digest == NULL) {
            return NGX_ERROR;
        }
    }

    if (content_expect_md5(up->expect)) {
        up->md5_digest = ngx_content_upload_digest(EVP_md5());

        if (up->md5_digest == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_content_upload_hash(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    up->held++;

    while (up->hashing == NULL && !ngx_content_upload_failed(up)) {
        part = ngx_content_upload_hash_next(up);

        if (part == NULL) {
            break;
        }

        up->hashing = part;
        up->digesting = part;

        if (part->size - part->digested > NGX_CONTENT_HASH_INLINE) {
            ngx_content_turn_begin(up->task.store->uploads, &up->turn);

        } else {
            ngx_content_upload_hash_now(up);
        }
    }

    up->held--;
}


/* Parts are hashed in their order; the last of them may be up->filling. */

static ngx_content_part_t *
ngx_content_upload_hash_next(ngx_content_upload_t *up)
{
    ngx_content_part_t  *part;

    part = up->digesting;

    if (part == NULL || part->hashed) {
        part = part ? part->next : up->parts;

        if (part == NULL && up->filling != up->digesting) {
            part = up->filling;
        }
    }

    if (part
        && (part->size - part->digested >= NGX_CONTENT_HASH_MIN
            || ngx_content_upload_hash_is_whole(up, part)))
    {
        return part;
    }

    return NULL;
}


static ngx_uint_t
ngx_content_upload_hash_is_whole(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    return part->cut || part->size == part->capacity
           || up->received == up->expected || up->ended;
}


static ngx_int_t
ngx_content_upload_hash_begin(ngx_content_turn_t *turn)
{
    ngx_int_t              rc;
    ngx_content_upload_t  *up;

    up = (ngx_content_upload_t *)
             ((u_char *) turn - offsetof(ngx_content_upload_t, turn));

    rc = ngx_content_upload_hash_start(up);

    /* unless ngx_content_upload_hash() has called */

    if (rc == NGX_DECLINED && !up->held) {
        ngx_content_upload_hash(up);
        ngx_content_upload_advance(up);
    }

    return rc;
}


/* NGX_DECLINED: it needs no thread, or there is none to be had. */

static ngx_int_t
ngx_content_upload_hash_start(ngx_content_upload_t *up)
{
    if (ngx_content_upload_failed(up)) {
        up->hashing = NULL;
        return NGX_DECLINED;
    }

    if (up->hash_job == NULL) {
        up->hash_job = ngx_content_job_create(up->task.pool,
                                              sizeof(ngx_content_hashing_t),
                                              ngx_content_upload_hash_run,
                                              ngx_content_upload_hash_done,
                                              &up->task.log);
    }

    if (up->hash_job) {
        ngx_content_upload_hash_slice(up, up->hash_job);

        if (ngx_content_job_start(up->task.store->threads, up->hash_job)
            == NGX_OK)
        {
            return NGX_OK;
        }
    }

    ngx_content_upload_hash_now(up);

    return NGX_DECLINED;
}


static void
ngx_content_upload_hash_now(ngx_content_upload_t *up)
{
    ngx_content_hashing_t  now;

    ngx_content_upload_hash_slice(up, &now);
    ngx_content_upload_hash_run(&now);
    ngx_content_upload_hash_end(&now);
}


static void
ngx_content_upload_hash_slice(ngx_content_upload_t *up,
    ngx_content_hashing_t *job)
{
    size_t               left;
    ngx_content_part_t  *part;

    part = up->hashing;
    left = part->size - part->digested;

    job->up = up;
    job->part = part;
    job->data = part->data + part->digested;
    job->size = ngx_min(left, NGX_CONTENT_HASH_MAX);
    job->first = (part->digested == 0);
    job->last = (job->size == left
                 && ngx_content_upload_hash_is_whole(up, part));

    if (job->first) {
        part->apart = ngx_content_upload_hash_apart(up, part);
    }
}


/* A body of one part is signed with its own digest. */

static ngx_uint_t
ngx_content_upload_hash_apart(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    if (up->expected >= 0) {
        return up->part_digest
               && up->expected > (off_t) up->task.store->part_size;
    }

    return up->part_digest && !(up->ended && part == up->filling);
}


/* In a thread: all digests, step by step, so that memory is read once. */

static void
ngx_content_upload_hash_run(void *data)
{
    ngx_content_hashing_t *job = data;

    size_t                 done, n;
    content_sha256_t      *sha256;
    ngx_content_upload_t  *up;

    up = job->up;
    sha256 = job->part->apart ? &up->part_sha256 : NULL;

    job->rc = NGX_ERROR;

    if (sha256 && job->first && content_sha256_init(sha256, 1) != CONTENT_OK) {
        return;
    }

    for (done = 0; done < job->size; done += n) {
        n = ngx_min(job->size - done, NGX_CONTENT_HASH_STEP);

        if (content_sha256_update(&up->body_sha256, sha256, job->data + done,
                                  n) != CONTENT_OK
            || ngx_content_upload_hash_announced(up, job->data + done, n)
               != NGX_OK)
        {
            return;
        }
    }

    if (sha256 && job->last
        && content_sha256_final(sha256, job->part->sha256) != CONTENT_OK)
    {
        return;
    }

    job->rc = NGX_OK;
}


static ngx_int_t
ngx_content_upload_hash_announced(ngx_content_upload_t *up, u_char *data,
    size_t len)
{
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


static void
ngx_content_upload_hash_done(void *data)
{
    ngx_content_hashing_t *job = data;

    ngx_content_upload_t   *up;
    ngx_content_uploads_t  *uploads;

    up = job->up;
    uploads = up->task.store->uploads;

    up->held++;
    ngx_content_upload_hash_end(job);
    up->held--;

    ngx_content_upload_hash(up);
    ngx_content_upload_advance(up);

    ngx_content_turn_end(uploads);
}


static void
ngx_content_upload_hash_end(ngx_content_hashing_t *job)
{
    ngx_content_part_t    *part;
    ngx_content_upload_t  *up;

    up = job->up;
    part = job->part;

    up->hashing = NULL;

    if (job->rc == NGX_OK) {
        part->digested += job->size;
        part->hashed = job->last;
    }

    ngx_content_part_hashed(up, part, job->rc);
}


void
ngx_content_upload_verify(ngx_content_upload_t *up)
{
    u_char              text[CONTENT_EXPECT_TEXT + 1];
    content_out_t       out;
    content_computed_t  computed;

    if (content_sha256_final(&up->body_sha256, computed.sha256) != CONTENT_OK
        || (up->sha512_digest
            && EVP_DigestFinal_ex(up->sha512_digest, computed.sha512, NULL)
               != 1)
        || (up->md5_digest
            && EVP_DigestFinal_ex(up->md5_digest, computed.md5, NULL) != 1))
    {
        ngx_content_upload_fail(up, NGX_CONTENT_FAILED, "hashing failed");
        return;
    }

    ngx_memcpy(up->object->sha256, computed.sha256,
               CONTENT_SHA256_SIZE);
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
