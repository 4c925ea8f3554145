/*
 * What a purge may name: see content_purge_value.h.  Called by
 * content_purge_parse() for each value of a request.
 */

#include <string.h>

#include "lib/content_purge_value.h"


/* Says what is wrong with a value, or NULL. */
typedef const char *(*check_pt)(content_str_t value);


static const char *check_url(content_str_t url);
static const char *check_port(content_str_t port);
static const char *check_tag(content_str_t tag);
static const char *check_prefix(content_str_t prefix);
static const char *check_host(content_str_t host);
static const char *check_label(content_str_t label);
static int has(content_str_t s, unsigned char c);
static content_str_t cut(content_str_t *s, const char *stops);


static const struct {
    size_t    max;                         /* bytes */
    check_pt  check;
} kinds[CONTENT_PURGE_EVERYTHING] = {
    { CONTENT_PURGE_URL_MAX,  check_url },
    { CONTENT_PURGE_TAG_MAX,  check_tag },
    { CONTENT_PURGE_URL_MAX,  check_prefix },
    { CONTENT_PURGE_HOST_MAX, check_host },
};


/* What holds for every kind, and then what holds for this one. */

const char *
content_purge_value_check(content_purge_kind_t kind, content_str_t value)
{
    size_t  i;

    if (value.len == 0) {
        return "is empty";
    }

    if (value.len > kinds[kind].max) {
        return "is too long";
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] == ' ') {
            return "contains a space";
        }

        if (value.data[i] < 0x20 || value.data[i] == 0x7f) {
            return "contains a control character";
        }

        if (value.data[i] > 0x7f) {
            return "contains a character outside ASCII";
        }
    }

    return kinds[kind].check(value);
}


/*
 * An absolute URL with a host (RFC 3986, 4.3).  The path is left as it is:
 * how it is encoded is part of Cloudflare's cache key.
 */

static const char *
check_url(content_str_t url)
{
    size_t         i;
    const char    *wrong;
    content_str_t  scheme, rest, port;

    scheme = url;
    rest = cut(&scheme, ":");

    if ((!content_str_eq_case(scheme, content_cstr("https"))
         && !content_str_eq_case(scheme, content_cstr("http")))
        || !content_str_starts(rest, content_cstr("://")))
    {
        return "does not begin with https:// or http://";
    }

    if (has(url, '#')) {
        return "has a fragment";
    }

    for (i = 0; i < url.len; i++) {
        if (strchr("\"<>\\^`{|}", url.data[i])) {
            return "contains a character that must be percent-encoded";
        }
    }

    rest.data += 3;
    rest.len -= 3;
    (void) cut(&rest, "/?");

    if (has(rest, '@')) {
        return "has a user name";
    }

    port = cut(&rest, ":");
    wrong = check_host(rest);

    return wrong ? wrong : check_port(port);
}


/* Nothing, or ":" and a number. */

static const char *
check_port(content_str_t port)
{
    int64_t  n;

    if (port.len == 0) {
        return NULL;
    }

    port.data++;
    port.len--;

    if (content_str_uint(port, &n) != CONTENT_OK || n < 1 || n > 65535) {
        return "has a malformed port";
    }

    return NULL;
}


static const char *
check_tag(content_str_t tag)
{
    return has(tag, ',') ? "contains a comma" : NULL;
}


static const char *
check_prefix(content_str_t prefix)
{
    size_t         i, slashes;
    content_str_t  host;

    for (i = 0; i + 2 < prefix.len; i++) {
        if (memcmp(prefix.data + i, "://", 3) == 0) {
            return "has a scheme";
        }
    }

    if (has(prefix, '?')) {
        return "has a query";
    }

    if (has(prefix, '#')) {
        return "has a fragment";
    }

    slashes = 0;

    for (i = 0; i < prefix.len; i++) {
        slashes += prefix.data[i] == '/';
    }

    if (slashes > CONTENT_PURGE_SLASHES_MAX) {
        return "has more than 31 \"/\"";
    }

    host = prefix;
    (void) cut(&host, "/");

    return check_host(host);
}


/*
 * A host name without a port (Cloudflare selects by name only, and has no
 * wildcards).  Underscores are no host name's in RFC 952 but occur in DNS.
 */

static const char *
check_host(content_str_t host)
{
    const char     *wrong;
    content_str_t   label;

    if (host.len == 0) {
        return "has no host";
    }

    if (host.len > CONTENT_PURGE_HOST_MAX) {
        return "has a host name that is too long";
    }

    if (has(host, ':')) {
        return "has a port";
    }

    for ( ;; ) {
        label = host;
        host = cut(&label, ".");
        wrong = check_label(label);

        if (wrong || host.len == 0) {
            return wrong;
        }

        host.data++;                      /* the dot */
        host.len--;
    }
}


static const char *
check_label(content_str_t label)
{
    size_t         i;
    unsigned char  c;

    if (label.len == 0 || label.len > 63
        || label.data[0] == '-' || label.data[label.len - 1] == '-')
    {
        return "has a malformed host name";
    }

    for (i = 0; i < label.len; i++) {
        c = label.data[i];

        if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z')
            && c != '-' && c != '_')
        {
            return "has a malformed host name";
        }
    }

    return NULL;
}


static int
has(content_str_t s, unsigned char c)
{
    return s.len != 0 && memchr(s.data, c, s.len) != NULL;
}


/* Cuts s at the first byte of `stops`; the rest begins with that byte. */

static content_str_t
cut(content_str_t *s, const char *stops)
{
    size_t         i;
    content_str_t  rest;

    for (i = 0; i < s->len; i++) {
        if (strchr(stops, s->data[i])) {
            break;
        }
    }

    rest.data = s->data + i;
    rest.len = s->len - i;
    s->len = i;

    return rest;
}
