/*
 * Texts that S3 is sent, and their digests: see ngx_content_s3.h.
 */

#include "store/ngx_content_s3.h"
#include "lib/content_digest.h"


ngx_int_t
ngx_content_s3_text_sha256(ngx_content_s3_request_t *request, ngx_str_t *text,
    ngx_pool_t *pool)
{
    u_char         *buf;
    content_out_t   out;
    unsigned char   sha256[CONTENT_SHA256_SIZE];

    buf = ngx_pnalloc(pool, 2 * sizeof(sha256));

    if (buf == NULL
        || EVP_Digest(text->data, text->len, sha256, NULL, EVP_sha256(), NULL)
           != 1)
    {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, 2 * sizeof(sha256));
    content_out_hex(&out, sha256, sizeof(sha256));

    request->payload_hash = content_out_done(&out);

    return NGX_OK;
}


ngx_int_t
ngx_content_s3_text_md5(ngx_content_s3_request_t *request, ngx_str_t *text,
    ngx_pool_t *pool)
{
    u_char         *buf;
    content_out_t   out;
    unsigned char   md5[CONTENT_MD5_SIZE];

    buf = ngx_pnalloc(pool, ngx_base64_encoded_length(sizeof(md5)));

    if (buf == NULL
        || EVP_Digest(text->data, text->len, md5, NULL, EVP_md5(), NULL) != 1)
    {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, ngx_base64_encoded_length(sizeof(md5)));
    content_digest_base64(&out, md5, sizeof(md5));

    ngx_content_s3_header(request, "content-md5", content_out_done(&out));

    return NGX_OK;
}
