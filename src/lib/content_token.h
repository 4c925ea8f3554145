/*
 * Editors' tokens: the lines of the tokens file, and what a request that
 * presents one may do.
 *
 * The file holds hashes only, so that whoever reads it (a backup, a support
 * bundle) can't use what it finds.  The hash is a bare SHA-256: tokens are
 * long and random, made by a generator and not by a person, so there is
 * nothing to guess for which a slow hash would help.
 *
 * One token a line, fields apart by spaces or tabs:
 *
 *     NAME  sha256:<64 hex digits>  read,write,purge,admin  /prefix/ [...]
 */

#ifndef CONTENT_TOKEN_H
#define CONTENT_TOKEN_H

#include "lib/content_digest.h"
#include "lib/content_str.h"


/* None implies another: an admin who also writes has both. */

#define CONTENT_RIGHT_READ    0x01    /* GET, HEAD, list */
#define CONTENT_RIGHT_WRITE   0x02    /* PUT, DELETE */
#define CONTENT_RIGHT_PURGE   0x04    /* POST /-/purge, GET /-/purge/ID */
#define CONTENT_RIGHT_ADMIN   0x08    /* GET /-/status */

#define CONTENT_TOKEN_NAME      64    /* the longest name, bytes */
#define CONTENT_TOKEN_PREFIXES   8

#define CONTENT_TOKEN_BLANK      1    /* no token in this line */


typedef struct {
    content_str_t    name;            /* for the log; [A-Za-z0-9._-] */
    unsigned char    hash[CONTENT_SHA256_SIZE];  /* of the token's text */
    unsigned         rights;          /* CONTENT_RIGHT_* */

    unsigned         nprefix;         /* at least 1 */
    content_str_t    prefix[CONTENT_TOKEN_PREFIXES];
} content_token_t;


/*
 * Reads one line, with or without its line end.  The name and the prefixes
 * are slices of the line, which has to live as long as the token.
 *
 * Returns CONTENT_OK; CONTENT_TOKEN_BLANK for a line that is empty or a
 * comment ("#" first); or CONTENT_ERROR with *why set to a constant text that
 * quotes nothing of the line.  *token is defined after CONTENT_OK only.
 */
int content_token_parse_line(content_str_t line, content_token_t *token,
    const char **why);

/*
 * The entry whose hash is that of the presented text, or NULL.  Every entry
 * is compared, each in constant time, and the winner is picked without a
 * branch, so that the time taken tells nothing about the entries.  Of two
 * entries with the same hash the later one is returned: refuse such a file.
 */
const content_token_t *content_token_find(const content_token_t *tokens,
    unsigned n, content_str_t presented);

/*
 * The credentials of an Authorization header of the Bearer scheme (RFC 6750,
 * 2.1; the scheme in any case, RFC 9110, 11.1), as a slice of its value.
 * Returns CONTENT_OK, or CONTENT_ERROR for another scheme or for anything
 * that is no b64token.
 */
int content_token_bearer(content_str_t authorization, content_str_t *token);

/*
 * Whether the token has the right (or all of several) at the path, which is
 * decoded and begins with "/".  Prefixes are compared as text, byte by byte:
 * "/a/" covers "/a/b" but neither "/ab" nor "/a", and "/a" covers all three.
 */
int content_token_allows(const content_token_t *token, unsigned right,
    content_str_t path);


#endif
