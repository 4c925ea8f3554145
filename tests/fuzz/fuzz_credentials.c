/*
 * Credentials.  An input: a profile, or a URL; then a file or an answer, which
 * each reader gets.
 */

#include "fuzz.h"
#include "lib/content_credentials.h"


static content_credentials_t  credentials;


static void
check_key(content_str_t key, size_t max)
{
    HOLDS(key.len <= max && fuzz_is_printable(key));
    HOLDS(key.len == 0 || !memchr(key.data, ' ', key.len));
    HOLDS(fuzz_is_inside(key, credentials.buf, sizeof(credentials.buf)));
}


/* Either whole, or wiped. */

static void
check(int rc, int expires)
{
    const content_credentials_t  *c = &credentials;

    static const content_credentials_t  wiped;

    HOLDS(rc == CONTENT_OK || rc == CONTENT_ERROR);

    if (rc != CONTENT_OK) {
        HOLDS(memcmp(c, &wiped, sizeof(wiped)) == 0);
        return;
    }

    HOLDS(content_credentials_usable(c, 0));
    HOLDS(expires ? c->expires > 0 : c->expires == 0);
    check_key(c->keys.access_key, CONTENT_CREDENTIALS_ACCESS_MAX);
    check_key(c->keys.secret_key, CONTENT_CREDENTIALS_SECRET_MAX);
    check_key(c->keys.session_token, CONTENT_CREDENTIALS_TOKEN_MAX);
    content_credentials_wipe(&credentials);
}


static void
check_code(content_out_t *out)
{
    size_t         i;
    content_str_t  code;

    HOLDS(!out->overflow);
    code = content_out_done(out);
    HOLDS(code.len <= CONTENT_CREDENTIALS_CODE_MAX);
    HOLDS(fuzz_is_printable(code));

    for (i = 0; i < code.len; i++) {
        HOLDS(!strchr(" ~/\"'\\&<>", code.data[i]));
    }
}


/* A user's name that looks like a host is none. */

static void
check_url(content_str_t text)
{
    size_t  i;

    (void) content_credentials_url_is_trusted(text);

    for (i = 0; i < text.len; i++) {
        if (memchr("/?#", text.data[i], 3)) {
            return;
        }
    }

    HOLDS(!content_credentials_url_is_trusted(
              fuzz_join("http://", text, "@a.example")));
}


void
fuzz_one(content_str_t input)
{
    content_str_t  name, role;
    content_out_t  code;

    name = fuzz_line(&input);
    input = fuzz_copy(input);

    check(content_credentials_profile(&credentials, input, name), 0);

    code = fuzz_out(2 * CONTENT_CREDENTIALS_CODE_MAX);
    check(content_credentials_json(&credentials, input, &code), 1);
    check_code(&code);

    code = fuzz_out(2 * CONTENT_CREDENTIALS_CODE_MAX);
    check(content_credentials_xml(&credentials, input, &code), 1);
    check_code(&code);

    if (content_credentials_role(input, &role) == CONTENT_OK) {
        HOLDS(fuzz_is_inside(role, input.data, input.len));
        HOLDS(role.len > 0 && role.len <= 64 && fuzz_is_printable(role));
        HOLDS(!memchr(role.data, '/', role.len));
    }

    check_url(name);
}


void
fuzz_seeds(void)
{
    fuzz_text("default\n[profile other]\naws_access_key_id = X\n"
              "[default]\r\n# a comment\r\naws_access_key_id = AKIA\r\n"
              "aws_secret_access_key=s/e+c\r\naws_session_token = t\r\n");
    fuzz_text("http://127.0.0.1:80/a\n{\"Code\":\"Success\",\"AccessKeyId\":"
              "\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
              "\"Expiration\":\"2026-11-22T10:00:00Z\"}");
    fuzz_text("http://[::1]:80/\n{\"code\":\"NotReady\"}");
    fuzz_text("https://h/\n<AssumeRoleWithWebIdentityResponse>"
              "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A"
              "</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
              "<SessionToken>t</SessionToken><Expiration>"
              "2026-11-22T10:00:00Z</Expiration></Credentials>"
              "</AssumeRoleWithWebIdentityResult>"
              "</AssumeRoleWithWebIdentityResponse>");
    fuzz_text("x\n<ErrorResponse><Error><Code>InvalidIdentityToken."
              "ExpiredTokenException</Code></Error></ErrorResponse>");
    fuzz_text("x\nrole-1@a\n");
}
