/*
 * Credentials for S3: see content_credentials.h.  Called by the providers of
 * the S3 store.
 */

#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "lib/content_credentials.h"
#include "lib/content_date.h"
#include "lib/content_key.h"
#include "lib/content_xml.h"


#define AHEAD       300                    /* seconds */
#define RETRY_MIN   1000                   /* milliseconds */
#define RETRY_MAX   30000

#define XML_RESULT                                                           \
    "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/"     \
    "Credentials/"


typedef struct {
    content_credentials_t  *credentials;
    content_out_t          *code;
    unsigned                code_found:1;
} answer_t;


static int keep(content_credentials_t *c, content_str_t *slot,
    content_str_t value, size_t max);
static int is_whole(const content_credentials_t *c);
static int take_section(content_str_t line, content_str_t name, int *here);
static void take_property(content_str_t line,
    content_sigv4_credentials_t *keys);
static content_str_t strip(content_str_t line);
static content_str_t json_text(json_t *root, const char *name);
static int take_json(content_credentials_t *c, json_t *root,
    content_out_t *code);
static int take_expiration(content_credentials_t *c, content_str_t text);
static int xml_element(content_xml_t *xml, const char *path);
static void write_code(content_out_t *out, content_str_t text);
static int is_address(content_str_t host);


void
content_credentials_wipe(content_credentials_t *c)
{
    OPENSSL_cleanse(c, sizeof(*c));
}


int
content_credentials_usable(const content_credentials_t *c, int64_t now)
{
    return is_whole(c) && (c->expires == 0 || now < c->expires);
}


static int
is_whole(const content_credentials_t *c)
{
    return c->keys.access_key.len && c->keys.secret_key.len;
}


int
content_credentials_set(content_credentials_t *c,
    const content_sigv4_credentials_t *keys)
{
    if (keep(c, &c->keys.access_key, keys->access_key,
             CONTENT_CREDENTIALS_ACCESS_MAX) != CONTENT_OK
        || keep(c, &c->keys.secret_key, keys->secret_key,
                CONTENT_CREDENTIALS_SECRET_MAX) != CONTENT_OK
        || keep(c, &c->keys.session_token, keys->session_token,
                CONTENT_CREDENTIALS_TOKEN_MAX) != CONTENT_OK
        || !is_whole(c))
    {
        content_credentials_wipe(c);
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
keep(content_credentials_t *c, content_str_t *slot, content_str_t value,
    size_t max)
{
    size_t  i;

    if (slot->len || value.len > max || value.len > sizeof(c->buf) - c->used) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') {
            return CONTENT_ERROR;
        }
    }

    if (value.len) {
        slot->data = memcpy(c->buf + c->used, value.data, value.len);
        slot->len = value.len;
        c->used += value.len;
    }

    return CONTENT_OK;
}


/* The shared credentials file: "[NAME]", then lines "name = value". */

int
content_credentials_profile(content_credentials_t *c, content_str_t text,
    content_str_t name)
{
    int                          here;
    content_str_t                line;
    content_sigv4_credentials_t  keys;

    memset(&keys, 0, sizeof(keys));
    here = 0;

    while (content_str_next(&text, '\n', &line)) {
        line = strip(line);

        if (line.len == 0 || *line.data == '#' || *line.data == ';'
            || take_section(line, name, &here) || !here)
        {
            continue;
        }

        take_property(line, &keys);
    }

    return content_credentials_set(c, &keys);
}


static content_str_t
strip(content_str_t line)
{
    if (line.len && line.data[line.len - 1] == '\r') {
        line.len--;
    }

    return content_str_trim(line);
}


static int
take_section(content_str_t line, content_str_t name, int *here)
{
    static const content_str_t  profile = content_string("profile ");

    if (*line.data != '[') {
        return 0;
    }

    line.data++;
    line.len--;

    if (line.len == 0 || line.data[line.len - 1] != ']') {
        *here = 0;
        return 1;
    }

    line.len--;
    line = content_str_trim(line);

    if (content_str_starts(line, profile)) {
        line.data += profile.len;
        line.len -= profile.len;
        line = content_str_trim(line);
    }

    *here = content_str_eq(line, name);

    return 1;
}


static void
take_property(content_str_t line, content_sigv4_credentials_t *keys)
{
    content_str_t   name, value;
    unsigned char  *equals;

    equals = memchr(line.data, '=', line.len);
    if (equals == NULL) {
        return;
    }

    name.data = line.data;
    name.len = (size_t) (equals - line.data);
    name = content_str_trim(name);

    value.data = equals + 1;
    value.len = line.len - (size_t) (value.data - line.data);
    value = content_str_trim(value);

    if (content_str_eq_case(name, content_cstr("aws_access_key_id"))) {
        keys->access_key = value;

    } else if (content_str_eq_case(name,
                                   content_cstr("aws_secret_access_key")))
    {
        keys->secret_key = value;

    } else if (content_str_eq_case(name, content_cstr("aws_session_token"))) {
        keys->session_token = value;
    }
}


/* JSON */

int
content_credentials_json(content_credentials_t *c, content_str_t body,
    content_out_t *code)
{
    int      rc;
    json_t  *root;

    root = body.len ? json_loadb((const char *) body.data, body.len,
                                 JSON_REJECT_DUPLICATES, NULL) : NULL;

    rc = take_json(c, root, code);
    json_decref(root);

    if (rc != CONTENT_OK) {
        content_credentials_wipe(c);
    }

    return rc;
}


static int
take_json(content_credentials_t *c, json_t *root, content_out_t *code)
{
    content_str_t                text;
    content_sigv4_credentials_t  keys;

    text = json_text(root, "Code");

    if (text.len == 0) {
        text = json_text(root, "code");
    }

    if (text.len && !content_str_eq(text, content_cstr("Success"))) {
        write_code(code, text);
        return CONTENT_ERROR;
    }

    keys.access_key = json_text(root, "AccessKeyId");
    keys.secret_key = json_text(root, "SecretAccessKey");
    keys.session_token = json_text(root, "Token");

    if (content_credentials_set(c, &keys) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    return take_expiration(c, json_text(root, "Expiration"));
}


/* What is taken for a time never means "never". */

static int
take_expiration(content_credentials_t *c, content_str_t text)
{
    return content_date_parse(text, &c->expires) == CONTENT_OK
           && c->expires ? CONTENT_OK : CONTENT_ERROR;
}


static content_str_t
json_text(json_t *root, const char *name)
{
    json_t         *value;
    content_str_t   s;

    value = json_object_get(root, name);

    s.data = (unsigned char *) json_string_value(value);
    s.len = json_string_length(value);

    return s;
}


/* XML */

int
content_credentials_xml(content_credentials_t *c, content_str_t body,
    content_out_t *code)
{
    int            rc;
    answer_t       answer;
    unsigned char  text[CONTENT_CREDENTIALS_TOKEN_MAX];

    answer.credentials = c;
    answer.code = code;
    answer.code_found = 0;

    rc = content_xml_walk(body, xml_element, &answer, text, sizeof(text));

    if (rc == CONTENT_OK && is_whole(c) && c->expires) {
        OPENSSL_cleanse(text, sizeof(text));
        return CONTENT_OK;
    }

    OPENSSL_cleanse(text, sizeof(text));
    content_credentials_wipe(c);

    return CONTENT_ERROR;
}


static int
xml_element(content_xml_t *xml, const char *path)
{
    answer_t               *answer;
    content_str_t           text;
    content_credentials_t  *c;

    answer = xml->data;
    c = answer->credentials;
    text = content_out_done(&xml->text);

    if (strcmp(path, XML_RESULT "AccessKeyId") == 0) {
        return keep(c, &c->keys.access_key, text,
                    CONTENT_CREDENTIALS_ACCESS_MAX);
    }

    if (strcmp(path, XML_RESULT "SecretAccessKey") == 0) {
        return keep(c, &c->keys.secret_key, text,
                    CONTENT_CREDENTIALS_SECRET_MAX);
    }

    if (strcmp(path, XML_RESULT "SessionToken") == 0) {
        return xml->text.overflow ? CONTENT_ERROR
               : keep(c, &c->keys.session_token, text,
                      CONTENT_CREDENTIALS_TOKEN_MAX);
    }

    if (strcmp(path, XML_RESULT "Expiration") == 0) {
        return take_expiration(c, text);
    }

    if (strcmp(path, "ErrorResponse/Error/Code") == 0
        && !answer->code_found)
    {
        answer->code_found = 1;
        write_code(answer->code, text);
    }

    return CONTENT_OK;
}


static void
write_code(content_out_t *out, content_str_t text)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text.len && i < CONTENT_CREDENTIALS_CODE_MAX; i++) {
        c = text.data[i];

        if (c == '~' || (!content_key_unreserved(c) && c != ':')) {
            return;
        }

        content_out_char(out, c);
    }
}


/* IAM's own characters for names of roles: they go into a URL as they are. */

int
content_credentials_role(content_str_t body, content_str_t *role)
{
    size_t  i;

    if (!content_str_next(&body, '\n', role)) {
        return CONTENT_ERROR;
    }

    *role = strip(*role);

    for (i = 0; i < role->len; i++) {
        if (role->data[i] == '~'
            || (!content_key_unreserved(role->data[i])
                && !memchr("+=,@", role->data[i], 4)))
        {
            return CONTENT_ERROR;
        }
    }

    return role->len && role->len <= 64 ? CONTENT_OK : CONTENT_ERROR;
}


void
content_credentials_form(content_out_t *out, content_str_t role,
    content_str_t session, content_str_t token)
{
    content_out_text(out, "Action=AssumeRoleWithWebIdentity"
                          "&Version=2011-06-15&RoleArn=");
    content_key_encode_component(out, role);
    content_out_text(out, "&RoleSessionName=");
    content_key_encode_component(out, session);
    content_out_text(out, "&WebIdentityToken=");
    content_key_encode_component(out, token);
}


int
content_credentials_url_is_trusted(content_str_t url)
{
    size_t  i;

    static const char  *hosts[] = {
        "localhost", "[::1]", "169.254.170.2", "169.254.170.23",
        "[fd00:ec2::23]"
    };

    static const content_str_t  http = content_string("http://");
    static const content_str_t  https = content_string("https://");

    if (content_str_starts(url, https)) {
        return url.len > https.len;
    }

    if (!content_str_starts(url, http)) {
        return 0;
    }

    url.data += http.len;
    url.len -= http.len;

    for (i = 0; i < url.len && !memchr("/?#", url.data[i], 3); i++) {
        if (url.data[i] == '@' || url.data[i] == '\\') {
            return 0;
        }
    }

    url.len = i;

    /* the port; a colon before "]" is part of the address */

    while (i > 0 && url.data[i - 1] >= '0' && url.data[i - 1] <= '9') {
        i--;
    }

    if (i > 0 && i < url.len && url.data[i - 1] == ':') {
        url.len = i - 1;
    }

    for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (content_str_eq_case(url, content_cstr(hosts[i]))) {
            return 1;
        }
    }

    return is_address(url);
}


/* 127.A.B.C: a name may begin with "127." too. */

static int
is_address(content_str_t host)
{
    size_t    i, digits;
    unsigned  value, dots;

    if (!content_str_starts(host, content_cstr("127."))) {
        return 0;
    }

    value = 0;
    digits = 0;
    dots = 0;

    for (i = 0; i < host.len; i++) {

        if (host.data[i] == '.' && digits) {
            dots++;
            digits = 0;
            value = 0;
            continue;
        }

        if (host.data[i] < '0' || host.data[i] > '9' || ++digits > 3) {
            return 0;
        }

        value = value * 10 + (host.data[i] - '0');

        if (value > 255) {
            return 0;
        }
    }

    return dots == 3 && digits;
}


int64_t
content_credentials_refresh(int64_t expires, int64_t now, uint32_t random)
{
    int64_t  life, ahead, wait;

    life = expires - now;

    if (life < 1) {
        return 0;
    }

    ahead = life / 5;

    if (ahead < AHEAD) {
        ahead = AHEAD;
    }

    if (ahead > life / 2) {
        ahead = life / 2;
    }

    wait = (life - ahead) * 1000;

    return wait - (wait / 10) * (random % 1024) / 1024;
}


int64_t
content_credentials_retry(unsigned failures, uint32_t random)
{
    int64_t  wait;

    wait = failures > 5 ? RETRY_MAX : RETRY_MIN << (failures ? failures : 1);

    if (wait > RETRY_MAX) {
        wait = RETRY_MAX;
    }

    return wait / 2 + (wait / 2) * (random % 1024) / 1024;
}
