/*
 * AWS Signature Version 4 in the Authorization header, as S3 has it: the path
 * is encoded once, and x-amz-content-sha256 is signed always (Amazon S3 API
 * Reference, "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk").
 *
 * The caller sends exactly what was signed: the path it gave, the query that
 * comes back, the headers it gave, and besides
 *
 *     Host:                  request->host
 *     X-Amz-Content-Sha256:  request->payload_hash
 *     X-Amz-Date:            the date that comes back
 *     X-Amz-Security-Token:  credentials->session_token, unless empty
 *     Authorization:         what comes back
 *
 * Every x-amz-* header and Content-Type belong into the signed headers: S3
 * demands the former and some releases of Ceph the latter.
 */

#ifndef CONTENT_SIGV4_H
#define CONTENT_SIGV4_H

#include "lib/content_date.h"
#include "lib/content_object.h"
#include "lib/content_sigv4_key.h"
#include "lib/content_str.h"


#define CONTENT_SIGV4_DATE_LEN    CONTENT_DATE_BASIC
#define CONTENT_SIGV4_PARAMS_MAX  32
#define CONTENT_SIGV4_HEADERS_MAX (CONTENT_OBJECT_META_MAX + 16)

#define CONTENT_SIGV4_UNSIGNED    "UNSIGNED-PAYLOAD"


/* Slices of memory that the caller owns and wipes. */

typedef struct {
    content_str_t           access_key;
    content_str_t           secret_key;
    content_str_t           session_token;     /* empty: none */
} content_sigv4_credentials_t;


typedef struct {
    content_str_t           method;
    content_str_t           host;              /* with the port, if one is
                                                  sent */
    content_str_t           path;              /* encoded, as sent:
                                                  content_key_encode() */
    content_str_t           region;
    content_str_t           service;           /* "s3" */
    content_str_t           payload_hash;      /* SHA-256 of the body, in lower
                                                  case hexadecimal, or
                                                  CONTENT_SIGV4_UNSIGNED */
    int64_t                 now;               /* seconds since 1970 */

    const content_field_t  *params;            /* not encoded, in any order */
    unsigned                nparams;

    const content_field_t  *headers;           /* names in lower case, in any
                                                  order; without those above */
    unsigned                nheaders;
} content_sigv4_request_t;


/*
 * Signs a request.  Writes the query string without its "?" into query (empty
 * when there are no parameters; a parameter without a value ends in "="), the
 * value of X-Amz-Date into date, and that of Authorization into
 * authorization.  Both writers may hold something before.
 *
 * Returns CONTENT_OK; CONTENT_OVERFLOW when a writer is too small;
 * CONTENT_ERROR for too many parameters or headers, a header name twice or
 * not in lower case, a control character in a header's value (a tab too:
 * servers don't agree on how it is signed), a secret key of more than 252
 * bytes, or a time before 1970 or after 9999.
 */
int content_sigv4_sign(const content_sigv4_request_t *request,
    const content_sigv4_credentials_t *credentials,
    content_sigv4_cache_t *cache, content_out_t *query,
    unsigned char date[CONTENT_SIGV4_DATE_LEN], content_out_t *authorization);

/*
 * Whether a body is signed with its SHA-256, or else as CONTENT_SIGV4_UNSIGNED.
 * Of its own accord (AUTO) only where nothing else guards it on the way: not
 * over TLS, unless the server is known to refuse what is not signed.
 */

typedef enum {
    CONTENT_SIGV4_PAYLOAD_AUTO = 0,
    CONTENT_SIGV4_PAYLOAD_ON,
    CONTENT_SIGV4_PAYLOAD_OFF
} content_sigv4_payload_e;

int content_sigv4_signs_payload(content_sigv4_payload_e payload, int secure,
    int refused);


#endif
