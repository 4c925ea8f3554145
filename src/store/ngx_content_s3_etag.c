/*
 * The ETag of an object that was uploaded in parts, as S3 makes it: the MD5 of
 * the MD5s of the parts, which are their ETags, and how many there are.  It is
 * documented for objects that are not encrypted with keys of the client or of
 * KMS (AWS, "Checking object integrity"), and other servers do the same; so
 * it is relied on where it was seen to be true.
 */

#include <openssl/evp.h>

#include "store/ngx_content_s3_upload.h"
#include "lib/content_digest.h"


#define NGX_CONTENT_S3_PARTS_ETAG  (2 * CONTENT_MD5_SIZE                     \
                                    + sizeof("\"-10000\""))


static ngx_uint_t ngx_content_s3_etag_md5(ngx_content_upload_t *up,
    EVP_MD_CTX *md, u_char *md5);


content_str_t
ngx_content_s3_etag_of_parts(ngx_content_upload_t *up)
{
    u_char         *buf, md5[CONTENT_MD5_SIZE];
    EVP_MD_CTX     *md;
    ngx_uint_t      made;
    content_out_t   out;

    md = EVP_MD_CTX_new();
    made = md && ngx_content_s3_etag_md5(up, md, md5);

    EVP_MD_CTX_free(md);

    buf = ngx_pnalloc(up->task.pool, NGX_CONTENT_S3_PARTS_ETAG);

    if (!made || buf == NULL) {
        return content_cstr("");
    }

    content_out_init(&out, buf, NGX_CONTENT_S3_PARTS_ETAG);
    content_out_char(&out, '"');
    content_out_hex(&out, md5, CONTENT_MD5_SIZE);
    content_out_char(&out, '-');
    content_out_uint(&out, up->nparts);
    content_out_char(&out, '"');

    return content_out_done(&out);
}


static ngx_uint_t
ngx_content_s3_etag_md5(ngx_content_upload_t *up, EVP_MD_CTX *md, u_char *md5)
{
    content_str_t        hex;
    ngx_content_part_t  *part;

    if (EVP_DigestInit_ex(md, EVP_md5(), NULL) != 1) {
        return 0;
    }

    for (part = up->parts; part; part = part->next) {
        hex.data = part->etag.data + 1;
        hex.len = 2 * CONTENT_MD5_SIZE;

        if (part->etag.len != hex.len + 2
            || content_digest_unhex(hex, md5, CONTENT_MD5_SIZE) != CONTENT_OK
            || EVP_DigestUpdate(md, md5, CONTENT_MD5_SIZE) != 1)
        {
            return 0;
        }
    }

    return EVP_DigestFinal_ex(md, md5, NULL) == 1;
}
