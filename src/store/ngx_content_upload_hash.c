/*
 * Hashing of uploads: see ngx_content_upload_hash.h.  It is most of an upload's
 * work, and would hold up all other requests: it is done in a thread, a whole
 * part at a time, when it is the upload's turn.
 */

#include "store/ngx_content_upload_hash.h"
#include "core/ngx_content_job.h"


#define NGX_CONTENT_HASH_INLINE  (64 * 1024)  /* more goes to a thread */
#define NGX_CONTENT_HASH_STEP    (32 * 1024)  /* fits a processor's cache */


typedef struct {
    ngx_content_upload_t      *up;
    ngx_content_part_t        *part;
    ngx_uint_t                 apart;     /* the part has a digest of its own */
    ngx_int_t                  rc;
} ngx_content_hashing_t;


static EVP_MD_CTX *ngx_content_upload_digest(const EVP_MD *md);
static ngx_int_t ngx_content_upload_hash_begin(ngx_content_turn_t *turn);
static void ngx_content_upload_hash_now(ngx_content_upload_t *up);
static ngx_uint_t ngx_content_upload_hash_apart(ngx_content_upload_t *up);
static void ngx_content_upload_hash_run(void *data);
static ngx_int_t ngx_content_upload_hash_announced(ngx_content_upload_t *up,
    u_char *data, size_t len);
static void ngx_content_upload_hash_done(void *data);


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
ngx_content_upload_hash_part(ngx_content_upload_t *up,
    ngx_content_part_t *part)
{
    up->hashing = part;

    if (part->size > NGX_CONTENT_HASH_INLINE) {
        ngx_content_turn_begin(up->task.store->uploads, &up->turn);
        return;
    }

    ngx_content_upload_hash_now(up);
}


static ngx_int_t
ngx_content_upload_hash_begin(ngx_content_turn_t *turn)
{
    ngx_content_part_t     *part;
    ngx_content_upload_t   *up;
    ngx_content_hashing_t  *job;

    up = (ngx_content_upload_t *)
             ((u_char *) turn - offsetof(ngx_content_upload_t, turn));

    if (up->aborted || up->task.outcome != NGX_CONTENT_OK) {
        part = up->hashing;
        up->hashing = NULL;

        ngx_content_upload_hashed(up, part, NGX_OK);
        return NGX_DECLINED;
    }

    job = ngx_content_job_create(up->task.pool, sizeof(ngx_content_hashing_t),
                                 ngx_content_upload_hash_run,
                                 ngx_content_upload_hash_done, &up->task.log);

    if (job) {
        job->up = up;
        job->part = up->hashing;
        job->apart = ngx_content_upload_hash_apart(up);

        if (ngx_content_job_start(up->task.store->threads, job) == NGX_OK) {
            return NGX_OK;
        }
    }

    /* no thread to be had */

    ngx_content_upload_hash_now(up);

    return NGX_DECLINED;
}


static void
ngx_content_upload_hash_now(ngx_content_upload_t *up)
{
    ngx_content_hashing_t  now;

    now.up = up;
    now.part = up->hashing;
    now.apart = ngx_content_upload_hash_apart(up);

    ngx_content_upload_hash_run(&now);

    up->hashing = NULL;
    ngx_content_upload_hashed(up, now.part, now.rc);
}


/* A body of one part is signed with its own digest. */

static ngx_uint_t
ngx_content_upload_hash_apart(ngx_content_upload_t *up)
{
    return up->part_digest && up->hashing != up->filling;
}


/* In a thread: all digests, step by step, so that memory is read once. */

static void
ngx_content_upload_hash_run(void *data)
{
    ngx_content_hashing_t *job = data;

    size_t                 done, n;
    content_sha256_t      *sha256;
    ngx_content_part_t    *part;
    ngx_content_upload_t  *up;

    up = job->up;
    part = job->part;
    sha256 = NULL;

    job->rc = NGX_ERROR;

    if (job->apart) {
        sha256 = &up->part_sha256;

        if (content_sha256_init(sha256, 1) != CONTENT_OK) {
            return;
        }
    }

    for (done = 0; done < part->size; done += n) {
        n = ngx_min(part->size - done, NGX_CONTENT_HASH_STEP);

        if (content_sha256_update(&up->body_sha256, sha256, part->data + done,
                                  n) != CONTENT_OK
            || ngx_content_upload_hash_announced(up, part->data + done, n)
               != NGX_OK)
        {
            return;
        }
    }

    if (sha256 && content_sha256_final(sha256, part->sha256) != CONTENT_OK) {
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

    up->hashing = NULL;
    ngx_content_upload_hashed(up, job->part, job->rc);

    ngx_content_turn_end(uploads);
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
