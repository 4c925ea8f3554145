/* The Destination header: see content_destination.h. */

#include <string.h>

#include "lib/content_destination.h"
#include "lib/content_key.h"


static int take_authority(content_str_t *rest, content_str_t *authority);
static content_str_t without_port(content_str_t authority);


int
content_destination(content_str_t value, content_str_t host,
    content_out_t *key, const char **why)
{
    content_str_t  path, authority;

    path = content_str_trim(value);

    if (path.len == 0 || path.data[0] != '/') {

        if (take_authority(&path, &authority) != CONTENT_OK) {
            *why = "neither an http URL nor a path";
            return CONTENT_ERROR;
        }

        if (!content_str_eq_case(without_port(authority), host)) {
            return CONTENT_DESTINATION_ELSEWHERE;
        }
    }

    if (path.len && (memchr(path.data, '?', path.len)
                     || memchr(path.data, '#', path.len)))
    {
        *why = "has a query or a fragment; a \"?\" in a key is sent as %3F";
        return CONTENT_ERROR;
    }

    if (path.len <= 1) {
        return CONTENT_OK;
    }

    return content_key_decode(path, key, why) == CONTENT_OK ? CONTENT_OK
                                                            : CONTENT_ERROR;
}


/* Leaves the path in *rest: empty, or from its "/" on. */

static int
take_authority(content_str_t *rest, content_str_t *authority)
{
    size_t                i;
    content_str_t         scheme;
    const unsigned char  *slash;

    static const content_str_t  schemes[] = {
        content_string("http://"), content_string("https://")
    };

    for (i = 0; i < 2; i++) {
        scheme.data = rest->data;
        scheme.len = schemes[i].len;

        if (rest->len > scheme.len && content_str_eq_case(scheme, schemes[i]))
        {
            break;
        }
    }

    if (i == 2) {
        return CONTENT_ERROR;
    }

    authority->data = rest->data + scheme.len;
    authority->len = rest->len - scheme.len;

    slash = memchr(authority->data, '/', authority->len);

    if (slash) {
        authority->len = (size_t) (slash - authority->data);
    }

    rest->data = authority->data + authority->len;
    rest->len -= scheme.len + authority->len;

    return authority->len && !memchr(authority->data, '@', authority->len)
           ? CONTENT_OK : CONTENT_ERROR;
}


/* A colon inside of the brackets is an IPv6 address's. */

static content_str_t
without_port(content_str_t authority)
{
    size_t  i;

    for (i = authority.len; i > 0 && authority.data[i - 1] != ']'; i--) {
        if (authority.data[i - 1] == ':') {
            authority.len = i - 1;
            break;
        }
    }

    return authority;
}
