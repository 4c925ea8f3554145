/*
 * AWS Signature Version 4: see content_sigv4.h.  Called by the S3 store for
 * each request that it sends.
 *
 * The canonical request is never built in memory: it goes piece by piece into
 * a running SHA-256, so that no buffer bounds the length of a key or of the
 * metadata.
 */

/* Why: content_sigv4_key.c. */

#define OPENSSL_API_COMPAT  0x10101000L

#include <string.h>

#include "lib/content_date.h"
#include "lib/content_key.h"
#include "lib/content_sigv4.h"


#define HASH_LEN       CONTENT_SIGV4_HASH_LEN
#define DAY_LEN        8                   /* of the date: "20130524" */
#define HEADERS_MAX    (CONTENT_SIGV4_HEADERS_MAX + 4)


typedef struct {
    const content_field_t  *items[HEADERS_MAX];
    unsigned                n;
} sorted_t;


static int write_date(unsigned char *date, int64_t now);
static int write_query(content_out_t *out,
    const content_sigv4_request_t *request);
static int compare_params(const content_field_t *a, const content_field_t *b);
static int compare_encoded(content_str_t a, content_str_t b);
static int sort_headers(sorted_t *sorted,
    const content_sigv4_request_t *request, const content_field_t *own,
    unsigned nown);
static int is_signable(const content_field_t *header);
static int compare_names(const content_field_t *a, const content_field_t *b);
static void insert(sorted_t *sorted, const content_field_t *item,
    int (*compare)(const content_field_t *, const content_field_t *));
static void hash_request(const content_sigv4_request_t *request,
    content_str_t query, const sorted_t *headers, unsigned char *hash);
static void hash_text(SHA256_CTX *sha, const char *text);
static void hash_str(SHA256_CTX *sha, content_str_t s);
static void hash_value(SHA256_CTX *sha, content_str_t value);
static void hash_names(SHA256_CTX *sha, const sorted_t *headers);
static int sign_hash(const content_sigv4_scope_t *scope,
    const content_sigv4_cache_t *cache, content_str_t date,
    const unsigned char *hash, unsigned char *signature);
static void write_scope(content_out_t *out,
    const content_sigv4_scope_t *scope);
static void write_authorization(content_out_t *out,
    const content_sigv4_scope_t *scope, content_str_t access_key,
    const sorted_t *headers, const unsigned char *signature);


int
content_sigv4_sign(const content_sigv4_request_t *request,
    const content_sigv4_credentials_t *credentials,
    content_sigv4_cache_t *cache, content_out_t *query,
    unsigned char date[CONTENT_SIGV4_DATE_LEN], content_out_t *authorization)
{
    sorted_t               headers;
    content_str_t          stamp, canonical;
    unsigned char         *start, hash[HASH_LEN], signature[HASH_LEN];
    content_sigv4_scope_t  scope;
    content_field_t        own[] = {
        { content_string("host"), request->host },
        { content_string("x-amz-content-sha256"), request->payload_hash },
        { content_string("x-amz-date"), { CONTENT_SIGV4_DATE_LEN, date } },
        { content_string("x-amz-security-token"), credentials->session_token }
    };

    stamp.data = date;
    stamp.len = CONTENT_SIGV4_DATE_LEN;

    scope.day.data = date;
    scope.day.len = DAY_LEN;
    scope.region = request->region;
    scope.service = request->service;

    start = query->pos;

    if (write_date(date, request->now) != CONTENT_OK
        || write_query(query, request) != CONTENT_OK
        || sort_headers(&headers, request, own,
                        credentials->session_token.len ? 4 : 3) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    if (query->overflow) {
        return CONTENT_OVERFLOW;
    }

    canonical.data = start;
    canonical.len = (size_t) (query->pos - start);

    hash_request(request, canonical, &headers, hash);

    if (content_sigv4_key(cache, &scope, credentials->secret_key)
           != CONTENT_OK
        || sign_hash(&scope, cache, stamp, hash, signature) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    write_authorization(authorization, &scope, credentials->access_key,
                        &headers, signature);

    return authorization->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_sigv4_signs_payload(content_sigv4_payload_e payload, int secure,
    int refused)
{
    switch (payload) {

    case CONTENT_SIGV4_PAYLOAD_ON:
        return 1;

    case CONTENT_SIGV4_PAYLOAD_OFF:
        return 0;

    default:
        return !secure || refused;
    }
}


static int
write_date(unsigned char *date, int64_t now)
{
    content_out_t  out;

    if (now < 0 || now > CONTENT_DATE_LAST) {
        return CONTENT_ERROR;
    }

    content_out_init(&out, date, CONTENT_SIGV4_DATE_LEN);
    content_date_basic(&out, now);

    return CONTENT_OK;
}


static int
write_query(content_out_t *out, const content_sigv4_request_t *request)
{
    unsigned  i;
    sorted_t  sorted;

    if (request->nparams > CONTENT_SIGV4_PARAMS_MAX) {
        return CONTENT_ERROR;
    }

    sorted.n = 0;

    for (i = 0; i < request->nparams; i++) {
        insert(&sorted, &request->params[i], compare_params);
    }

    for (i = 0; i < sorted.n; i++) {
        if (i) {
            content_out_char(out, '&');
        }

        content_key_encode_component(out, sorted.items[i]->name);
        content_out_char(out, '=');
        content_key_encode_component(out, sorted.items[i]->value);
    }

    return CONTENT_OK;
}


static int
compare_params(const content_field_t *a, const content_field_t *b)
{
    int  order;

    order = compare_encoded(a->name, b->name);

    return order ? order : compare_encoded(a->value, b->value);
}


/*
 * The order is that of the encoded texts.  There, every byte that is encoded
 * begins with "%", which is less than all unreserved characters, and among
 * each other they keep their order: no need to encode for comparing.
 */

static int
compare_encoded(content_str_t a, content_str_t b)
{
    int     x, y;
    size_t  i;

    for (i = 0; i < a.len && i < b.len; i++) {
        x = a.data[i] | content_key_unreserved(a.data[i]) << 8;
        y = b.data[i] | content_key_unreserved(b.data[i]) << 8;

        if (x != y) {
            return x < y ? -1 : 1;
        }
    }

    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}


static int
sort_headers(sorted_t *sorted, const content_sigv4_request_t *request,
    const content_field_t *own, unsigned nown)
{
    unsigned  i;

    if (request->nheaders > CONTENT_SIGV4_HEADERS_MAX) {
        return CONTENT_ERROR;
    }

    sorted->n = 0;

    for (i = 0; i < nown; i++) {
        insert(sorted, &own[i], compare_names);
    }

    for (i = 0; i < request->nheaders; i++) {
        insert(sorted, &request->headers[i], compare_names);
    }

    for (i = 0; i < sorted->n; i++) {
        if (!is_signable(sorted->items[i])) {
            return CONTENT_ERROR;
        }

        if (i && compare_names(sorted->items[i - 1], sorted->items[i]) == 0) {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


static int
is_signable(const content_field_t *header)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < header->name.len; i++) {
        c = header->name.data[i];

        if (c <= ' ' || c >= 0x7f || c == ':' || c == ';'
            || (c >= 'A' && c <= 'Z'))
        {
            return 0;
        }
    }

    for (i = 0; i < header->value.len; i++) {
        c = header->value.data[i];

        if (c < ' ' || c == 0x7f) {
            return 0;
        }
    }

    return header->name.len != 0;
}


static int
compare_names(const content_field_t *a, const content_field_t *b)
{
    int     order;
    size_t  len;

    len = a->name.len < b->name.len ? a->name.len : b->name.len;
    order = len ? memcmp(a->name.data, b->name.data, len) : 0;

    if (order || a->name.len == b->name.len) {
        return order;
    }

    return a->name.len < b->name.len ? -1 : 1;
}


static void
insert(sorted_t *sorted, const content_field_t *item,
    int (*compare)(const content_field_t *, const content_field_t *))
{
    unsigned  i;

    for (i = sorted->n++; i && compare(sorted->items[i - 1], item) > 0; i--) {
        sorted->items[i] = sorted->items[i - 1];
    }

    sorted->items[i] = item;
}


static void
hash_request(const content_sigv4_request_t *request, content_str_t query,
    const sorted_t *headers, unsigned char *hash)
{
    unsigned    i;
    SHA256_CTX  sha;

    SHA256_Init(&sha);

    hash_str(&sha, request->method);
    hash_text(&sha, "\n");
    hash_str(&sha, request->path);
    hash_text(&sha, "\n");
    hash_str(&sha, query);
    hash_text(&sha, "\n");

    for (i = 0; i < headers->n; i++) {
        hash_str(&sha, headers->items[i]->name);
        hash_text(&sha, ":");
        hash_value(&sha, headers->items[i]->value);
        hash_text(&sha, "\n");
    }

    hash_text(&sha, "\n");
    hash_names(&sha, headers);
    hash_text(&sha, "\n");
    hash_str(&sha, request->payload_hash);

    SHA256_Final(hash, &sha);
}


static void
hash_text(SHA256_CTX *sha, const char *text)
{
    SHA256_Update(sha, text, strlen(text));
}


static void
hash_str(SHA256_CTX *sha, content_str_t s)
{
    SHA256_Update(sha, s.data, s.len);
}


/* trimmed, and a run of spaces is one space */

static void
hash_value(SHA256_CTX *sha, content_str_t value)
{
    content_str_t  word;
    const char    *space;

    space = "";

    while (content_str_next(&value, ' ', &word)) {
        hash_text(sha, space);
        hash_str(sha, word);

        space = " ";
    }
}


static void
hash_names(SHA256_CTX *sha, const sorted_t *headers)
{
    unsigned  i;

    for (i = 0; i < headers->n; i++) {
        hash_text(sha, i ? ";" : "");
        hash_str(sha, headers->items[i]->name);
    }
}


static int
sign_hash(const content_sigv4_scope_t *scope,
    const content_sigv4_cache_t *cache, content_str_t date,
    const unsigned char *hash, unsigned char *signature)
{
    content_out_t  out;
    unsigned char  text[512];

    content_out_init(&out, text, sizeof(text));

    content_out_text(&out, "AWS4-HMAC-SHA256\n");
    content_out_str(&out, date);
    content_out_char(&out, '\n');
    write_scope(&out, scope);
    content_out_char(&out, '\n');
    content_out_hex(&out, hash, HASH_LEN);

    if (out.overflow) {
        return CONTENT_ERROR;
    }

    content_sigv4_mac(cache, content_out_done(&out), signature);

    return CONTENT_OK;
}


static void
write_scope(content_out_t *out, const content_sigv4_scope_t *scope)
{
    content_out_str(out, scope->day);
    content_out_char(out, '/');
    content_out_str(out, scope->region);
    content_out_char(out, '/');
    content_out_str(out, scope->service);
    content_out_text(out, "/aws4_request");
}


static void
write_authorization(content_out_t *out, const content_sigv4_scope_t *scope,
    content_str_t access_key, const sorted_t *headers,
    const unsigned char *signature)
{
    unsigned  i;

    content_out_text(out, "AWS4-HMAC-SHA256 Credential=");
    content_out_str(out, access_key);
    content_out_char(out, '/');
    write_scope(out, scope);

    content_out_text(out, ", SignedHeaders=");

    for (i = 0; i < headers->n; i++) {
        content_out_text(out, i ? ";" : "");
        content_out_str(out, headers->items[i]->name);
    }

    content_out_text(out, ", Signature=");
    content_out_hex(out, signature, HASH_LEN);
}
