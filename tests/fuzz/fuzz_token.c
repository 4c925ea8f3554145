/* Tokens.  An input: an Authorization header, a line of the tokens file. */

#include "fuzz.h"
#include "lib/content_token.h"


static void
check_bearer(content_str_t authorization)
{
    size_t         i;
    content_str_t  token, same;

    if (content_token_bearer(authorization, &token) != CONTENT_OK) {
        return;
    }

    HOLDS(fuzz_is_inside(token, authorization.data, authorization.len));
    HOLDS(token.len > 0 && fuzz_is_printable(token));

    for (i = 0; i < token.len; i++) {
        HOLDS(token.data[i] != ' ' && token.data[i] != ',');
    }

    HOLDS(content_token_bearer(fuzz_join("bEARER\t ", token, " "), &same)
          == CONTENT_OK);
    HOLDS(content_str_eq(token, same));
}


static void
check_line(content_str_t line)
{
    int               rc;
    unsigned          i;
    const char       *why;
    content_token_t   token;

    why = NULL;
    rc = content_token_parse_line(line, &token, &why);

    if (rc != CONTENT_OK) {
        HOLDS(rc == CONTENT_TOKEN_BLANK || (rc == CONTENT_ERROR && why));
        return;
    }

    HOLDS(token.name.len > 0 && token.name.len <= CONTENT_TOKEN_NAME);
    HOLDS(token.rights > 0 && token.rights < 16);
    HOLDS(token.nprefix > 0 && token.nprefix <= CONTENT_TOKEN_PREFIXES);
    HOLDS(!content_token_allows(&token, 0, content_cstr("/")));
    HOLDS(!content_token_allows(&token, token.rights, content_cstr("")));

    for (i = 0; i < token.nprefix; i++) {
        HOLDS(token.prefix[i].data[0] == '/');
        HOLDS(content_token_allows(&token, token.rights, token.prefix[i]));
        HOLDS(!content_token_allows(&token, 16, token.prefix[i]));
    }
}


void
fuzz_one(content_str_t input)
{
    check_bearer(fuzz_line(&input));
    check_line(fuzz_copy(input));
}


#define HASH                                                                 \
    "sha256:0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"


void
fuzz_seeds(void)
{
    fuzz_text("Bearer abc.DEF-1~+/==\nalice " HASH " read,write /a/ /b\n");
    fuzz_text("basic x\nb_2.c\t" HASH "\tadmin,,purge  /\r\n");
    fuzz_text("Bearer =\n# a comment");
}
