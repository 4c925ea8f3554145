/*
 * Signature Version 4.  The first rows are the examples of the Amazon S3 API
 * Reference ("Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk"); the others were signed with
 * botocore's S3SigV4Auth (1.29), for what the examples leave out.
 */

#include <stdio.h>

#include "lib/content_key.h"
#include "lib/content_sigv4.h"
#include "rows.h"


#define ACCESS_KEY   "AKIAIOSFODNN7EXAMPLE"
#define SECRET_KEY   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY                                                                \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define AWS_HOST     "examplebucket.s3.amazonaws.com"
#define AWS_TIME     1369353600           /* 2013-05-24T00:00:00Z */
#define TIME         1763806500           /* 2025-11-22T10:15:00Z */
#define PAIRS        10


typedef struct {
    const char  *name;
    const char  *value;
} pair_t;


typedef struct {
    const char  *name;

    const char  *method;
    const char  *host;
    const char  *key;                    /* not encoded */
    pair_t       params[PAIRS];
    pair_t       headers[PAIRS];
    const char  *payload_hash;
    int64_t      now;
    const char  *secret;
    const char  *token;
    const char  *region;

    const char  *query;
    const char  *date;
    const char  *signed_headers;
    const char  *signature;
} row_t;


static const row_t  rows[] = {
    {
        .name = "S3 example: GET object",
        .method = "GET", .host = AWS_HOST, .key = "/test.txt",
        .headers = { { "range", "bytes=0-9" } },
        .payload_hash = EMPTY, .now = AWS_TIME,
        .query = "", .date = "20130524T000000Z",
        .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
        .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd"
                     "91039c6036bdb41"
    },
    {
        .name = "S3 example: PUT object",
        .method = "PUT", .host = AWS_HOST, .key = "/test$file.text",
        .headers = {
            { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
            { "date", "Fri, 24 May 2013 00:00:00 GMT" }
        },
        .payload_hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e4"
                        "2034a8b803f8b072",
        .now = AWS_TIME,
        .query = "", .date = "20130524T000000Z",
        .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;"
                          "x-amz-storage-class",
        .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b"
                     "5971af0ece108bd"
    },
    {
        .name = "S3 example: GET bucket lifecycle",
        .method = "GET", .host = AWS_HOST, .key = "/",
        .params = { { "lifecycle", "" } },
        .payload_hash = EMPTY, .now = AWS_TIME,
        .query = "lifecycle=", .date = "20130524T000000Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7"
                     "a200a0136783543"
    },
    {
        .name = "S3 example: list objects",
        .method = "GET", .host = AWS_HOST, .key = "/",
        .params = { { "prefix", "J" }, { "max-keys", "2" } },
        .payload_hash = EMPTY, .now = AWS_TIME,
        .query = "max-keys=2&prefix=J", .date = "20130524T000000Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670"
                     "ed5711ef69dc6f7"
    },
    {
        .name = "an awkward key, a port",
        .method = "GET", .host = "b.example:8000",
        .key = "/a b+c(d)'@\xc3\xa9%/x//",
        .payload_hash = EMPTY, .now = TIME,
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "dad2531d268ff105d4ab5c56c8ce5e05b8d05b94132165ef2"
                     "bfccc06ec00e758"
    },
    {
        .name = "a slash before the key",
        .method = "GET", .host = "b.example", .key = "//a",
        .payload_hash = EMPTY, .now = TIME,
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "e62185f7e47fa666d75fe9d51440aa50ef2ed1690d8edab76"
                     "ad9674a1c99a1b3"
    },
    {
        .name = "an awkward query",
        .method = "GET", .host = "b.example", .key = "/b",
        .params = {
            { "prefix", "a b+c/%\xc3\xa9~*" }, { "list-type", "2" },
            { "encoding-type", "url" },
            { "continuation-token", "1/a=b&c==" }
        },
        .payload_hash = EMPTY, .now = TIME,
        .query = "continuation-token=1%2Fa%3Db%26c%3D%3D&encoding-type=url"
                 "&list-type=2&prefix=a%20b%2Bc%2F%25%C3%A9~%2A",
        .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "974ba0a33cea1fa3f17a783e9f968da3682ef61a809f1926d"
                     "1daaa7548199c79"
    },
    {
        .name = "the query's order: encoded, names before values",
        .method = "GET", .host = "b.example", .key = "/b",
        .params = {
            { "a-b", "1" }, { "a", "2" }, { "a", "1" }, { "a.", "0" },
            { "A", "9" }, { "a b", "3" }, { "a~", "4" }, { "a/", "5" },
            { "a", "" }
        },
        .payload_hash = EMPTY, .now = TIME,
        .query = "A=9&a=&a=1&a=2&a%20b=3&a%2F=5&a-b=1&a.=0&a~=4",
        .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "086e947d95709064332ccfb248a11882823fc954d51cc0331"
                     "6ba6c7124b1c6c3"
    },
    {
        .name = "a session token",
        .method = "GET", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = TIME, .token = "FwoGZXIvYXdzEXAMPLE//=",
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date;"
                          "x-amz-security-token",
        .signature = "5e6724970eee528a34a73b7251fee50cfd931b8ee78b0e908"
                     "8794b1a64a40797"
    },
    {
        .name = "another region",
        .method = "HEAD", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = TIME, .region = "auto",
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "5987e3fa7c2e774f10c9edaed6f892b7dfead943d6269c94c"
                     "8c7a31739d86733"
    },
    {
        .name = "an unsigned payload",
        .method = "PUT", .host = "b.example", .key = "/b/k",
        .params = { { "uploadId", "a/b+c" }, { "partNumber", "10" } },
        .headers = { { "content-type", "text/plain; charset=utf-8" } },
        .payload_hash = CONTENT_SIGV4_UNSIGNED, .now = TIME,
        .query = "partNumber=10&uploadId=a%2Fb%2Bc",
        .date = "20251122T101500Z",
        .signed_headers = "content-type;host;x-amz-content-sha256;x-amz-date",
        .signature = "4bbe725bed82504b3a7e2d724ad355945df092a7b5d0a4642"
                     "d5b7cf0f6fa8221"
    },
    {
        .name = "spaces in values, a name that begins another",
        .method = "PUT", .host = "b.example", .key = "/b/k",
        .headers = {
            { "x-amz-meta-b", "  two   spaces  " }, { "x-amz-meta-a-b", "1" },
            { "x-amz-meta-a", "2" }, { "x-amz-meta-empty", "" },
            { "cache-control", "max-age=60, public" },
            { "if-none-match", "*" }
        },
        .payload_hash = EMPTY, .now = TIME,
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "cache-control;host;if-none-match;"
                          "x-amz-content-sha256;x-amz-date;x-amz-meta-a;"
                          "x-amz-meta-a-b;x-amz-meta-b;x-amz-meta-empty",
        .signature = "60e794dab8f3a678c08c1adc8de6685750608320e01649b04"
                     "66a1d2200af52ff"
    },
    {
        .name = "slash and plus in the secret",
        .method = "GET", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = TIME,
        .secret = "/+leading/and+inside/==",
        .query = "", .date = "20251122T101500Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "10725733275aeafa98660a8da3c98d032b1095139afaf2ecc"
                     "559fd3d7ac11dd4"
    },
    {
        .name = "a leap day",
        .method = "DELETE", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = 1709207999,
        .query = "", .date = "20240229T115959Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "2136011c3586d4f8654db5ba49b5824232cbe210fd63da587"
                     "64cd6ca51551ef0"
    },
    {
        .name = "the last second of a year",
        .method = "GET", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = 1767225599,
        .query = "", .date = "20251231T235959Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "ecca265991041d92ddfa4003abbf1230700f6286692ed8292"
                     "a42767251633c8c"
    },
    {
        .name = "the first second",
        .method = "GET", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = 0,
        .query = "", .date = "19700101T000000Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "a42f737edbe1eb9e161dcc38ceee276f0ca5ad59422f7758c"
                     "04f3e9aaad5793b"
    },
    {
        .name = "a century without a leap day",
        .method = "GET", .host = "b.example", .key = "/b/k",
        .payload_hash = EMPTY, .now = 4107542399,
        .query = "", .date = "21000228T235959Z",
        .signed_headers = "host;x-amz-content-sha256;x-amz-date",
        .signature = "76853b2bf30040969e030e9c7701127d135dbe064210288c3"
                     "f956a54dd3aa3a4"
    }
};


static unsigned
fields(content_field_t *list, const pair_t *pairs)
{
    unsigned  n;

    for (n = 0; n < PAIRS && pairs[n].name; n++) {
        list[n].name = content_cstr(pairs[n].name);
        list[n].value = content_cstr(pairs[n].value);
    }

    return n;
}


static void
check_row(const row_t *row, content_sigv4_cache_t *cache)
{
    content_out_t                path, query, authorization;
    unsigned char                date[CONTENT_SIGV4_DATE_LEN];
    unsigned char                path_buf[256], query_buf[256], buf[512];
    char                         expected[512];
    content_field_t              params[PAIRS], headers[PAIRS];
    content_sigv4_request_t      request;
    content_sigv4_credentials_t  credentials;
    const char                  *region;

    region = row->region ? row->region : "us-east-1";

    credentials.access_key = content_cstr(ACCESS_KEY);
    credentials.secret_key = content_cstr(row->secret ? row->secret
                                                      : SECRET_KEY);
    credentials.session_token = content_cstr(row->token ? row->token : "");

    content_out_init(&path, path_buf, sizeof(path_buf));
    content_key_encode(&path, content_cstr(row->key));

    request.method = content_cstr(row->method);
    request.host = content_cstr(row->host);
    request.path = content_out_done(&path);
    request.region = content_cstr(region);
    request.service = content_cstr("s3");
    request.payload_hash = content_cstr(row->payload_hash);
    request.now = row->now;
    request.params = params;
    request.nparams = fields(params, row->params);
    request.headers = headers;
    request.nheaders = fields(headers, row->headers);

    content_out_init(&query, query_buf, sizeof(query_buf));
    content_out_char(&query, '?');
    content_out_init(&authorization, buf, sizeof(buf));

    assert_int_equal(content_sigv4_sign(&request, &credentials, cache, &query,
                                        date, &authorization),
                     CONTENT_OK);

    content_out_char(&query, '\0');
    assert_string_equal((char *) query_buf + 1, row->query);

    assert_memory_equal(date, row->date, CONTENT_SIGV4_DATE_LEN);

    snprintf(expected, sizeof(expected),
             "AWS4-HMAC-SHA256 Credential=" ACCESS_KEY "/%.8s/%s/s3/"
             "aws4_request, SignedHeaders=%s, Signature=%s",
             row->date, region, row->signed_headers, row->signature);

    content_out_char(&authorization, '\0');
    assert_string_equal((char *) buf, expected);
}


static void
test_vectors(void **state)
{
    size_t                 i;
    content_sigv4_cache_t  cache;

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&cache, 0, sizeof(cache));
        print_message("  %s\n", rows[i].name);
        check_row(&rows[i], &cache);
    }
}


/*
 * One cache through all rows, in which the region, the secret and the day
 * change alone at least once.
 */

static void
test_cache_follows(void **state)
{
    size_t                 i;
    content_sigv4_cache_t  cache;

    (void) state;

    memset(&cache, 0, sizeof(cache));

    for (i = 0; i < ROWS(rows); i++) {
        check_row(&rows[i], &cache);
        check_row(&rows[i], &cache);
    }
}


typedef struct {
    const char       *name;
    content_field_t   headers[2];
    unsigned          nheaders;
    unsigned          nparams;
    int64_t           now;
    size_t            query_size;
    size_t            size;
    int               rc;
} refusal_t;


#define HEADER(name, value)                                                  \
    { { content_string(name), content_string(value) } }, 1


static void
test_refusals(void **state)
{
    int                          rc;
    size_t                       i;
    content_out_t                query, authorization;
    unsigned char                date[CONTENT_SIGV4_DATE_LEN];
    unsigned char                query_buf[256], buf[256];
    content_field_t              params[CONTENT_SIGV4_PARAMS_MAX + 1];
    content_sigv4_cache_t        cache;
    content_sigv4_request_t      request;
    content_sigv4_credentials_t  credentials;

    static const refusal_t  refusals[] = {
        { "fine", HEADER("range", "bytes=0-9"), 0, TIME, 256, 256,
          CONTENT_OK },
        { "latin-1 in a value", HEADER("range", "\xe9"), 0, TIME, 256, 256,
          CONTENT_OK },
        { "upper case", HEADER("Range", "a"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "no name", HEADER("", "a"), 0, TIME, 256, 256, CONTENT_ERROR },
        { "colon in a name", HEADER("a:b", "a"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "semicolon in a name", HEADER("a;b", "a"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "space in a name", HEADER("a b", "a"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "newline in a value", HEADER("a", "x\ny"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "tab in a value", HEADER("a", "x\ty"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "DEL in a value", HEADER("a", "\x7f"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "NUL in a value", HEADER("a", "\0"), 0, TIME, 256, 256,
          CONTENT_ERROR },
        { "one of our own", HEADER("x-amz-date", "20130524T000000Z"), 0,
          TIME, 256, 256, CONTENT_ERROR },
        { "twice",
          { { content_string("a"), content_string("1") },
            { content_string("a"), content_string("2") } }, 2, 0,
          TIME, 256, 256, CONTENT_ERROR },
        { "as many parameters as may be", HEADER("a", "1"),
          CONTENT_SIGV4_PARAMS_MAX, TIME, 256, 256, CONTENT_OK },
        { "too many parameters", HEADER("a", "1"),
          CONTENT_SIGV4_PARAMS_MAX + 1, TIME, 256, 256, CONTENT_ERROR },
        { "before 1970", HEADER("a", "1"), 0, -1, 256, 256, CONTENT_ERROR },
        { "the last second", HEADER("a", "1"), 0, 253402300799LL, 256, 256,
          CONTENT_OK },
        { "after 9999", HEADER("a", "1"), 0, 253402300800LL, 256, 256,
          CONTENT_ERROR },
        { "the query does not fit", HEADER("a", "1"), 2, TIME, 4, 256,
          CONTENT_OVERFLOW },
        { "the authorization does not fit", HEADER("a", "1"), 0, TIME, 256,
          100, CONTENT_OVERFLOW }
    };

    (void) state;

    memset(&cache, 0, sizeof(cache));
    memset(&credentials, 0, sizeof(credentials));
    memset(&request, 0, sizeof(request));
    memset(params, 0, sizeof(params));

    credentials.secret_key = content_cstr(SECRET_KEY);
    request.params = params;

    for (i = 0; i < ROWS(refusals); i++) {
        request.headers = refusals[i].headers;
        request.nheaders = refusals[i].nheaders;
        request.nparams = refusals[i].nparams;
        request.now = refusals[i].now;

        content_out_init(&query, query_buf, refusals[i].query_size);

        if (refusals[i].query_size < sizeof(query_buf)) {
            content_out_text(&query, "abc");
        }

        content_out_init(&authorization, buf, refusals[i].size);

        rc = content_sigv4_sign(&request, &credentials, &cache, &query, date,
                                &authorization);

        if (rc != refusals[i].rc) {
            fail_msg("%s: %d, expected %d", refusals[i].name, rc,
                     refusals[i].rc);
        }
    }
}


static void
test_header_count(void **state)
{
    size_t                       i;
    content_out_t                query, authorization;
    unsigned char                date[CONTENT_SIGV4_DATE_LEN];
    unsigned char                names[CONTENT_SIGV4_HEADERS_MAX + 1][2];
    unsigned char                buf[1024];
    content_field_t              many[CONTENT_SIGV4_HEADERS_MAX + 1];
    content_sigv4_cache_t        cache;
    content_sigv4_request_t      request;
    content_sigv4_credentials_t  credentials;

    (void) state;

    memset(&cache, 0, sizeof(cache));
    memset(&credentials, 0, sizeof(credentials));
    memset(&request, 0, sizeof(request));

    for (i = 0; i < ROWS(many); i++) {
        names[i][0] = (unsigned char) ('a' + i / 26);
        names[i][1] = (unsigned char) ('a' + i % 26);
        many[i].name = (content_str_t) { 2, names[i] };
        many[i].value = content_cstr("1");
    }

    credentials.secret_key = content_cstr(SECRET_KEY);
    credentials.session_token = content_cstr("token");
    request.headers = many;
    request.now = TIME;

    for (i = 0; i < 2; i++) {
        request.nheaders = CONTENT_SIGV4_HEADERS_MAX + (unsigned) i;

        content_out_init(&query, buf, 0);
        content_out_init(&authorization, buf, sizeof(buf));

        assert_int_equal(content_sigv4_sign(&request, &credentials, &cache,
                                            &query, date, &authorization),
                         i == 0 ? CONTENT_OK : CONTENT_ERROR);
    }
}


static void
test_payload(void **state)
{
    size_t  i;

    static const struct {
        content_sigv4_payload_e  payload;
        int                      secure;
        int                      refused;
        int                      signs;
    } payloads[] = {
        { CONTENT_SIGV4_PAYLOAD_AUTO, 0, 0, 1 },
        { CONTENT_SIGV4_PAYLOAD_AUTO, 0, 1, 1 },
        { CONTENT_SIGV4_PAYLOAD_AUTO, 1, 0, 0 },
        { CONTENT_SIGV4_PAYLOAD_AUTO, 1, 1, 1 },
        { CONTENT_SIGV4_PAYLOAD_ON,   0, 0, 1 },
        { CONTENT_SIGV4_PAYLOAD_ON,   1, 0, 1 },
        { CONTENT_SIGV4_PAYLOAD_OFF,  0, 0, 0 },
        { CONTENT_SIGV4_PAYLOAD_OFF,  1, 0, 0 },
        { CONTENT_SIGV4_PAYLOAD_OFF,  1, 1, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(payloads); i++) {
        print_message("  payload, row %zu\n", i);
        assert_int_equal(content_sigv4_signs_payload(payloads[i].payload,
                                                     payloads[i].secure,
                                                     payloads[i].refused),
                         payloads[i].signs);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_cache_follows),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_header_count),
        cmocka_unit_test(test_payload)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
