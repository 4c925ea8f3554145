/* Credentials for S3: src/lib/content_credentials.h. */

#include "lib/content_credentials.h"
#include "rows.h"


#define S32   "ssssssssssssssssssssssssssssssss"
#define S64   S32 S32
#define S128  S64 S64
#define S512  S128 S128 S128 S128
#define S4096 S512 S512 S512 S512 S512 S512 S512 S512

#define EXPIRES       1795348800           /* 2026-11-22T12:00:00Z */
#define EXPIRES_TEXT  "2026-11-22T12:00:00Z"

#define JSON_KEYS                                                            \
    "\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"sec/ret+\","             \
    "\"Token\":\"tok==\""
#define JSON_EXPIRES  "\"Expiration\":\"" EXPIRES_TEXT "\""

#define XML(inner)                                                           \
    "<AssumeRoleWithWebIdentityResponse "                                    \
    "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"                 \
    " <AssumeRoleWithWebIdentityResult>\n"                                   \
    "  <SubjectFromWebIdentityToken>sub</SubjectFromWebIdentityToken>\n"     \
    "  <Credentials>\n" inner "</Credentials>\n"                             \
    " </AssumeRoleWithWebIdentityResult>\n"                                  \
    " <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\n"       \
    "</AssumeRoleWithWebIdentityResponse>\n"
#define XML_KEYS                                                             \
    "<SessionToken>tok==</SessionToken>"                                     \
    "<SecretAccessKey>sec/ret+</SecretAccessKey>"                            \
    "<AccessKeyId>AKID</AccessKeyId>"
#define XML_EXPIRES  "<Expiration>" EXPIRES_TEXT "</Expiration>"


static content_credentials_t  credentials;


static void
assert_wiped(const char *name)
{
    size_t          i;
    unsigned char  *p;

    p = (unsigned char *) &credentials;

    for (i = 0; i < sizeof(credentials); i++) {
        if (p[i]) {
            fail_msg("%s: byte %zu is left", name, i);
        }
    }
}


static void
set(void **state)
{
    int                          rc;
    size_t                       i;
    content_sigv4_credentials_t  keys;

    static const struct {
        const char  *name, *access, *secret, *token;
        int          rc;
    } rows[] = {
        { "without a token", "AKID", "secret", "", CONTENT_OK },
        { "with a token", "AKID", "secret", "token", CONTENT_OK },
        { "the longest", S128, S128 S64, S4096 S4096, CONTENT_OK },
        { "access key too long", S128 "s", "secret", "", CONTENT_ERROR },
        { "secret key too long", "AKID", S128 S128, "", CONTENT_ERROR },
        { "token too long", "AKID", "s", S4096 S4096 "s", CONTENT_ERROR },
        { "no access key", "", "secret", "", CONTENT_ERROR },
        { "no secret key", "AKID", "", "", CONTENT_ERROR },
        { "a line break", "AKID", "secret", "to\r\nken", CONTENT_ERROR },
        { "a space", "AK ID", "secret", "", CONTENT_ERROR },
        { "no ASCII", "AKID", "s\xc3\xa9", "", CONTENT_ERROR }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_credentials_wipe(&credentials);

        keys.access_key = content_cstr(rows[i].access);
        keys.secret_key = content_cstr(rows[i].secret);
        keys.session_token = content_cstr(rows[i].token);

        rc = content_credentials_set(&credentials, &keys);
        assert_int(rows[i].name, rc, rows[i].rc);

        if (rc != CONTENT_OK) {
            assert_wiped(rows[i].name);
            continue;
        }

        assert_text(rows[i].name, credentials.keys.access_key, rows[i].access);
        assert_text(rows[i].name, credentials.keys.secret_key, rows[i].secret);
        assert_text(rows[i].name, credentials.keys.session_token,
                   rows[i].token);
    }
}


static void
usable(void **state)
{
    size_t                       i;
    content_sigv4_credentials_t  keys = {
        content_string("AKID"), content_string("secret"), content_null_string
    };

    static const struct {
        const char  *name;
        int64_t      expires, now;
        int          usable;
    } rows[] = {
        { "never expires", 0, 4000000000, 1 },
        { "the last second", 1000, 999, 1 },
        { "expires now", 1000, 1000, 0 },
        { "has expired", 1000, 2000, 0 }
    };

    (void) state;

    content_credentials_wipe(&credentials);
    assert_int("none", content_credentials_usable(&credentials, 0), 0);

    assert_int("set", content_credentials_set(&credentials, &keys),
               CONTENT_OK);

    for (i = 0; i < ROWS(rows); i++) {
        credentials.expires = rows[i].expires;
        assert_int(rows[i].name,
                   content_credentials_usable(&credentials, rows[i].now),
                   rows[i].usable);
    }

    content_credentials_wipe(&credentials);
    assert_wiped("wiped");
}


static void
profile(void **state)
{
    int     rc;
    size_t  i;

    static const char  file[] =
        "# a comment\n"
        "aws_access_key_id = NOSECTION\n"
        "aws_secret_access_key = nosection\n"
        "\n"
        "[default]\n"
        "aws_access_key_id = DEFAULT\r\n"
        "aws_secret_access_key=se=cret \t\r\n"
        "[ spaces ]\n"
        "  AWS_Access_Key_ID =  SPACES  \n"
        "\taws_secret_access_key\t=\tspaces\t\n"
        "; another\n"
        ";aws_session_token = no\n"
        "aws_session_token = token==\n"
        "region = eu-west-1\n"
        "no equals\n"
        "[profile work]\n"
        "aws_access_key_id = WORK\n"
        "aws_access_key_id = WORK2\n"
        "aws_secret_access_key = work\n"
        "[half]\n"
        "aws_access_key_id = HALF\n"
        "[open\n"
        "aws_secret_access_key = open\n"
        "[bad]\n"
        "aws_access_key_id = BAD\n"
        "aws_secret_access_key = two words\n"
        "[last]\n"
        "aws_access_key_id = LAST\n"
        "aws_secret_access_key = last";

    static const struct {
        const char  *name, *profile;
        int          rc;
        const char  *access, *secret, *token;
    } rows[] = {
        { "default", "default", CONTENT_OK, "DEFAULT", "se=cret", "" },
        { "white space", "spaces", CONTENT_OK, "SPACES", "spaces",
          "token==" },
        { "as in the config file, the last counts", "work", CONTENT_OK,
          "WORK2", "work", "" },
        { "without an end of line", "last", CONTENT_OK, "LAST", "last", "" },
        { "no secret", "half", CONTENT_ERROR, "", "", "" },
        { "no header", "open", CONTENT_ERROR, "", "", "" },
        { "a value with a space", "bad", CONTENT_ERROR, "", "", "" },
        { "none of that name", "def", CONTENT_ERROR, "", "", "" },
        { "no name", "", CONTENT_ERROR, "", "", "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        content_credentials_wipe(&credentials);

        rc = content_credentials_profile(&credentials, content_cstr(file),
                                         content_cstr(rows[i].profile));

        assert_int(rows[i].name, rc, rows[i].rc);
        assert_text(rows[i].name, credentials.keys.access_key, rows[i].access);
        assert_text(rows[i].name, credentials.keys.secret_key, rows[i].secret);
        assert_text(rows[i].name, credentials.keys.session_token,
                   rows[i].token);
        assert_int(rows[i].name, credentials.expires, 0);
    }

    content_credentials_wipe(&credentials);
    assert_int("empty", content_credentials_profile(&credentials,
                            content_cstr(""), content_cstr("default")),
               CONTENT_ERROR);
}


typedef int (*reader_t)(content_credentials_t *c, content_str_t body,
    content_out_t *code);

typedef struct {
    const char  *name, *body;
    int          rc;
    const char  *code;
} answer_t;


static void
check_answers(reader_t reader, const answer_t *rows, size_t n)
{
    int            rc;
    size_t         i;
    unsigned char  buf[CONTENT_CREDENTIALS_CODE_MAX];
    content_out_t  code;

    for (i = 0; i < n; i++) {
        content_credentials_wipe(&credentials);
        content_out_init(&code, buf, sizeof(buf));

        rc = reader(&credentials, content_cstr(rows[i].body), &code);

        assert_int(rows[i].name, rc, rows[i].rc);
        assert_text(rows[i].name, content_out_done(&code), rows[i].code);

        if (rc != CONTENT_OK) {
            assert_wiped(rows[i].name);
            continue;
        }

        assert_text(rows[i].name, credentials.keys.access_key, "AKID");
        assert_text(rows[i].name, credentials.keys.secret_key, "sec/ret+");
        assert_text(rows[i].name, credentials.keys.session_token, "tok==");
        assert_int(rows[i].name, credentials.expires, EXPIRES);
    }
}


static void
json(void **state)
{
    static const answer_t  rows[] = {
        { "EC2", "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : "
                 "\"2026-11-22T06:00:00Z\",\n  \"Type\" : \"AWS-HMAC\",\n"
                 JSON_KEYS "," JSON_EXPIRES "}", CONTENT_OK, "" },
        { "a container", "{\"RoleArn\":\"arn:aws:iam::1:role/r\"," JSON_KEYS
                         "," JSON_EXPIRES "}", CONTENT_OK, "" },
        { "EC2's error", "{\"Code\":\"AssumeRoleUnauthorizedAccess\","
                         "\"Message\":\"EC2 cannot assume the role\"}",
          CONTENT_ERROR, "AssumeRoleUnauthorizedAccess" },
        { "a container's error", "{\"code\":\"AccessDenied\",\"message\":"
                                 "\"m\"}", CONTENT_ERROR, "AccessDenied" },
        { "an error with keys", "{\"Code\":\"Failed\"," JSON_KEYS ","
                                JSON_EXPIRES "}", CONTENT_ERROR, "Failed" },
        { "a code that is none", "{\"Code\":\"Bad\\n secret\"}",
          CONTENT_ERROR, "Bad" },
        { "a long code", "{\"Code\":\"" S64 S64 "\"}", CONTENT_ERROR, S64 },
        { "no time", "{" JSON_KEYS "}", CONTENT_ERROR, "" },
        { "time is null", "{" JSON_KEYS ",\"Expiration\":null}",
          CONTENT_ERROR, "" },
        { "time is a number", "{" JSON_KEYS ",\"Expiration\":1795348800}",
          CONTENT_ERROR, "" },
        { "the beginning of time", "{" JSON_KEYS
          ",\"Expiration\":\"1970-01-01T00:00:00Z\"}", CONTENT_ERROR, "" },
        { "no key", "{\"SecretAccessKey\":\"s\"," JSON_EXPIRES "}",
          CONTENT_ERROR, "" },
        { "a key is an object", "{\"AccessKeyId\":{},\"SecretAccessKey\":"
                                "\"s\"," JSON_EXPIRES "}",
          CONTENT_ERROR, "" },
        { "a key with a NUL", "{\"AccessKeyId\":\"a\\u0000b\","
          "\"SecretAccessKey\":\"s\"," JSON_EXPIRES "}", CONTENT_ERROR, "" },
        { "a key twice", "{\"Token\":\"a\"," JSON_KEYS "," JSON_EXPIRES "}",
          CONTENT_ERROR, "" },
        { "cut", "{" JSON_KEYS "," JSON_EXPIRES, CONTENT_ERROR, "" },
        { "an array", "[]", CONTENT_ERROR, "" },
        { "HTML", "<html></html>", CONTENT_ERROR, "" },
        { "nothing", "", CONTENT_ERROR, "" }
    };

    (void) state;

    check_answers(content_credentials_json, rows, ROWS(rows));
}


static void
xml(void **state)
{
    static const answer_t  rows[] = {
        { "STS", XML(XML_KEYS XML_EXPIRES), CONTENT_OK, "" },
        { "with a declaration and fractions of a second",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          XML("<Expiration>2026-11-22T12:00:00.123Z</Expiration>" XML_KEYS),
          CONTENT_OK, "" },
        { "an error", "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/"
          "2011-06-15/\"><Error><Type>Sender</Type><Code>InvalidIdentityToken"
          "</Code><Message>m</Message></Error><RequestId>r</RequestId>"
          "</ErrorResponse>", CONTENT_ERROR, "InvalidIdentityToken" },
        { "two codes", "<ErrorResponse><Error><Code>First</Code><Code>Second"
          "</Code></Error></ErrorResponse>", CONTENT_ERROR, "First" },
        { "an error that is cut", "<ErrorResponse><Error><Code>Expired</Code>",
          CONTENT_ERROR, "Expired" },
        { "no time", XML(XML_KEYS), CONTENT_ERROR, "" },
        { "no such time", XML(XML_KEYS "<Expiration>soon</Expiration>"),
          CONTENT_ERROR, "" },
        { "no keys", XML(XML_EXPIRES), CONTENT_ERROR, "" },
        { "keys twice", XML(XML_KEYS XML_KEYS XML_EXPIRES),
          CONTENT_ERROR, "" },
        { "a token with a line break", XML(XML_KEYS XML_EXPIRES
          "<SessionToken>a\nb</SessionToken>"), CONTENT_ERROR, "" },
        { "a token too long", XML("<AccessKeyId>AKID</AccessKeyId>"
          "<SecretAccessKey>s</SecretAccessKey>" XML_EXPIRES "<SessionToken>"
          S4096 S4096 "s</SessionToken>"), CONTENT_ERROR, "" },
        { "keys elsewhere", "<Credentials>" XML_KEYS XML_EXPIRES
                            "</Credentials>", CONTENT_ERROR, "" },
        { "another action", "<AssumeRoleResponse><AssumeRoleResult>"
          "<Credentials>" XML_KEYS XML_EXPIRES "</Credentials>"
          "</AssumeRoleResult></AssumeRoleResponse>", CONTENT_ERROR, "" },
        { "a document type", "<!DOCTYPE x [<!ENTITY a \"b\">]>"
          XML(XML_KEYS XML_EXPIRES), CONTENT_ERROR, "" },
        { "JSON", "{" JSON_KEYS "," JSON_EXPIRES "}", CONTENT_ERROR, "" },
        { "nothing", "", CONTENT_ERROR, "" }
    };

    (void) state;

    check_answers(content_credentials_xml, rows, ROWS(rows));
}


static void
role(void **state)
{
    int            rc;
    size_t         i;
    content_str_t  got;

    static const struct {
        const char  *name, *body;
        int          rc;
        const char  *role;
    } rows[] = {
        { "a role", "my-role", CONTENT_OK, "my-role" },
        { "all that names may have", "aZ09+=,.@_-\n", CONTENT_OK,
          "aZ09+=,.@_-" },
        { "the first of two", "one\r\ntwo\r\n", CONTENT_OK, "one" },
        { "64 characters", S64, CONTENT_OK, S64 },
        { "65 characters", S64 "s", CONTENT_ERROR, "" },
        { "a path", "../../x", CONTENT_ERROR, "" },
        { "a query", "role?x", CONTENT_ERROR, "" },
        { "a space", "a role", CONTENT_ERROR, "" },
        { "HTML", "<html>", CONTENT_ERROR, "" },
        { "nothing", "", CONTENT_ERROR, "" },
        { "an empty line", "\n", CONTENT_ERROR, "" },
        { "a CR", "\r\n", CONTENT_ERROR, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        rc = content_credentials_role(content_cstr(rows[i].body), &got);
        assert_int(rows[i].name, rc, rows[i].rc);

        if (rc == CONTENT_OK) {
            assert_text(rows[i].name, got, rows[i].role);
        }
    }
}


static void
form(void **state)
{
    unsigned char  buf[512];
    content_out_t  out;

    (void) state;

    content_out_init(&out, buf, sizeof(buf));
    content_credentials_form(&out, content_cstr("arn:aws:iam::1:role/a b"),
                             content_cstr("me@here"),
                             content_cstr("a.b-c_d&e=f"));

    assert_text("form", content_out_done(&out),
               "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
               "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b"
               "&RoleSessionName=me%40here"
               "&WebIdentityToken=a.b-c_d%26e%3Df");

    content_out_init(&out, buf, CONTENT_CREDENTIALS_FORM + 9);
    content_credentials_form(&out, content_cstr("/"), content_cstr("/"),
                             content_cstr("/"));
    assert_int("the size that is promised", out.overflow, 0);
}


static void
trusted(void **state)
{
    size_t  i;

    static const struct {
        const char  *url;
        int          trusted;
    } rows[] = {
        { "https://anywhere.example/x", 1 },
        { "http://127.0.0.1/x", 1 },
        { "http://127.1.2.255:8080/x?y", 1 },
        { "http://localhost:80", 1 },
        { "http://LOCALHOST/", 1 },
        { "http://[::1]:8080/x", 1 },
        { "http://169.254.170.2/v2/x", 1 },
        { "http://169.254.170.23/v1/credentials", 1 },
        { "http://[fd00:ec2::23]/v1/credentials", 1 },

        { "http://169.254.170.24/", 0 },
        { "http://anywhere.example/x", 0 },
        { "http://127.0.0.1.example/", 0 },
        { "http://127.0.0.1.5/", 0 },
        { "http://127.0.0/", 0 },
        { "http://127..0.0.1/", 0 },
        { "http://127.0.0.1./", 0 },
        { "http://127.0.0.256/", 0 },
        { "http://127.0.0.0001/", 0 },
        { "http://128.0.0.1/", 0 },
        { "http://[::2]/", 0 },
        { "http://localhost@example.org/", 0 },
        { "http://localhost:1@example.org/", 0 },
        { "http://example.org/?http://localhost", 0 },
        { "http://example.org#@localhost/", 0 },
        { "http://localhost\\@example.org/", 0 },
        { "http://", 0 },
        { "https://", 0 },
        { "ftp://localhost/", 0 },
        { "localhost", 0 },
        { "", 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int(rows[i].url,
                   content_credentials_url_is_trusted(
                                                content_cstr(rows[i].url)),
                   rows[i].trusted);
    }
}


static void
refresh(void **state)
{
    size_t   i;
    int64_t  soonest;

    static const struct {
        const char  *name;
        int64_t      life, wait;           /* seconds, milliseconds */
    } rows[] = {
        { "6 hours", 21600, 17280000 },
        { "an hour", 3600, 2880000 },
        { "25 minutes", 1500, 1200000 },
        { "15 minutes: 5 before", 900, 600000 },
        { "5 minutes: half", 300, 150000 },
        { "4 seconds", 4, 2000 },
        { "a second", 1, 1000 },
        { "none", 0, 0 },
        { "past", -5, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int(rows[i].name,
                   content_credentials_refresh(1000000 + rows[i].life,
                                               1000000, 0),
                   rows[i].wait);

        soonest = content_credentials_refresh(1000000 + rows[i].life,
                                              1000000, UINT32_MAX);

        if (soonest < rows[i].wait - rows[i].wait / 10
            || (rows[i].wait && soonest >= rows[i].wait))
        {
            fail_msg("%s: at random after %lld", rows[i].name,
                     (long long) soonest);
        }
    }
}


static void
retry(void **state)
{
    size_t   i;
    int64_t  longest;

    static const struct {
        unsigned  failures;
        int64_t   least, most;
    } rows[] = {
        { 1, 1000, 2000 },
        { 2, 2000, 4000 },
        { 3, 4000, 8000 },
        { 4, 8000, 16000 },
        { 5, 15000, 30000 },
        { 6, 15000, 30000 },
        { 4000000000u, 15000, 30000 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        longest = content_credentials_retry(rows[i].failures, UINT32_MAX);

        assert_int("least", content_credentials_retry(rows[i].failures, 0),
                   rows[i].least);
        assert_true(longest <= rows[i].most
                    && longest > rows[i].most - rows[i].most / 100);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(set),
        cmocka_unit_test(usable),
        cmocka_unit_test(profile),
        cmocka_unit_test(json),
        cmocka_unit_test(xml),
        cmocka_unit_test(role),
        cmocka_unit_test(form),
        cmocka_unit_test(trusted),
        cmocka_unit_test(refresh),
        cmocka_unit_test(retry)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
