/*
 * Editors' tokens: see content_token.h.  The loader of the tokens file calls
 * content_token_parse_line() at configuration time and keeps the tokens with
 * the file's text; the authorisation of a request calls the rest.
 */

#include <string.h>

#include <openssl/crypto.h>

#include "lib/content_digest.h"
#include "lib/content_sha256.h"
#include "lib/content_token.h"


#define HASH_SCHEME  "sha256:"


typedef struct {
    const char  *name;
    unsigned     right;
} right_t;


static int take_field(content_str_t *rest, content_str_t *field);
static int parse_name(content_str_t field, content_str_t *name);
static int parse_hash(content_str_t field,
    unsigned char hash[CONTENT_SHA256_SIZE]);
static int parse_rights(content_str_t field, unsigned *rights);
static int parse_prefixes(content_str_t rest, content_token_t *token,
    const char **why);


static const right_t  rights_table[] = {
    { "read",  CONTENT_RIGHT_READ },
    { "write", CONTENT_RIGHT_WRITE },
    { "purge", CONTENT_RIGHT_PURGE },
    { "admin", CONTENT_RIGHT_ADMIN },
};

#define NRIGHTS  (sizeof(rights_table) / sizeof(rights_table[0]))


int
content_token_parse_line(content_str_t line, content_token_t *token,
    const char **why)
{
    content_str_t  field;

    while (line.len && (line.data[line.len - 1] == '\n'
                        || line.data[line.len - 1] == '\r'))
    {
        line.len--;
    }

    if (!take_field(&line, &field) || field.data[0] == '#') {
        return CONTENT_TOKEN_BLANK;
    }

    memset(token, 0, sizeof(content_token_t));

    if (parse_name(field, &token->name) != CONTENT_OK) {
        *why = "the name must be 1 to 64 characters of A-Z a-z 0-9 . _ -";
        return CONTENT_ERROR;
    }

    if (!take_field(&line, &field)
        || parse_hash(field, token->hash) != CONTENT_OK)
    {
        *why = "the second field must be \"sha256:\" and 64 hex digits";
        return CONTENT_ERROR;
    }

    if (!take_field(&line, &field)
        || parse_rights(field, &token->rights) != CONTENT_OK)
    {
        *why = "the third field must be a list of read, write, purge, admin "
               "without spaces";
        return CONTENT_ERROR;
    }

    return parse_prefixes(line, token, why);
}


/* Returns 1, or 0 at the end of the line. */

static int
take_field(content_str_t *rest, content_str_t *field)
{
    *rest = content_str_trim(*rest);

    field->data = rest->data;
    field->len = 0;

    while (rest->len && *rest->data != ' ' && *rest->data != '\t') {
        rest->data++;
        rest->len--;
        field->len++;
    }

    return field->len != 0;
}


static int
is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
           || (c >= 'a' && c <= 'z');
}


/* The name goes to the log as it is: hence the narrow alphabet. */

static int
parse_name(content_str_t field, content_str_t *name)
{
    size_t  i;

    if (field.len > CONTENT_TOKEN_NAME) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < field.len; i++) {
        if (!is_alnum(field.data[i])
            && memchr("._-", field.data[i], 3) == NULL)
        {
            return CONTENT_ERROR;
        }
    }

    *name = field;

    return CONTENT_OK;
}


static int
parse_hash(content_str_t field, unsigned char hash[CONTENT_SHA256_SIZE])
{
    if (!content_str_starts(field, content_cstr(HASH_SCHEME))) {
        return CONTENT_ERROR;
    }

    field.data += sizeof(HASH_SCHEME) - 1;
    field.len -= sizeof(HASH_SCHEME) - 1;

    return content_digest_unhex(field, hash, CONTENT_SHA256_SIZE);
}


static int
parse_rights(content_str_t field, unsigned *rights)
{
    size_t         i;
    content_str_t  name;

    *rights = 0;

    while (content_str_next(&field, ',', &name)) {

        for (i = 0; i < NRIGHTS; i++) {
            if (content_str_eq(name, content_cstr(rights_table[i].name))) {
                break;
            }
        }

        if (i == NRIGHTS) {
            return CONTENT_ERROR;
        }

        *rights |= rights_table[i].right;
    }

    return *rights ? CONTENT_OK : CONTENT_ERROR;
}


static int
parse_prefixes(content_str_t rest, content_token_t *token, const char **why)
{
    size_t         i;
    content_str_t  field;

    while (take_field(&rest, &field)) {

        if (field.data[0] != '/') {
            *why = "a prefix must begin with \"/\"";
            return CONTENT_ERROR;
        }

        for (i = 0; i < field.len; i++) {
            if (field.data[i] < 0x20 || field.data[i] == 0x7f) {
                *why = "a prefix contains a control character";
                return CONTENT_ERROR;
            }
        }

        if (token->nprefix == CONTENT_TOKEN_PREFIXES) {
            *why = "more than 8 prefixes";
            return CONTENT_ERROR;
        }

        token->prefix[token->nprefix++] = field;
    }

    if (token->nprefix == 0) {
        *why = "no prefix: \"/\" stands for everywhere";
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


const content_token_t *
content_token_find(const content_token_t *tokens, unsigned n,
    content_str_t presented)
{
    unsigned       i, found, mask;
    unsigned char  hash[CONTENT_SHA256_SIZE];

    /* An empty credential must never match, whatever the file says. */

    if (presented.len == 0) {
        return NULL;
    }

    content_sha256_text(presented, hash);

    found = 0;                        /* index + 1 */

    for (i = 0; i < n; i++) {
        mask = CRYPTO_memcmp(hash, tokens[i].hash, sizeof(hash)) != 0;
        mask -= 1;                    /* all ones: equal */
        found = (found & ~mask) | ((i + 1) & mask);
    }

    return found ? &tokens[found - 1] : NULL;
}


int
content_token_bearer(content_str_t authorization, content_str_t *token)
{
    size_t         i;
    content_str_t  scheme;

    authorization = content_str_trim(authorization);

    if (!take_field(&authorization, &scheme)
        || !content_str_eq_case(scheme, content_cstr("Bearer")))
    {
        return CONTENT_ERROR;
    }

    authorization = content_str_trim(authorization);

    for (i = 0; i < authorization.len; i++) {
        if (!is_alnum(authorization.data[i])
            && memchr("-._~+/", authorization.data[i], 6) == NULL)
        {
            break;
        }
    }

    if (i == 0) {
        return CONTENT_ERROR;
    }

    for ( /* void */ ; i < authorization.len; i++) {
        if (authorization.data[i] != '=') {
            return CONTENT_ERROR;
        }
    }

    *token = authorization;

    return CONTENT_OK;
}


int
content_token_allows(const content_token_t *token, unsigned right,
    content_str_t path)
{
    unsigned  i;

    if (right == 0 || (token->rights & right) != right) {
        return 0;
    }

    for (i = 0; i < token->nprefix; i++) {
        if (content_str_starts(path, token->prefix[i])) {
            return 1;
        }
    }

    return 0;
}
