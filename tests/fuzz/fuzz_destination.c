/* Destination of COPY and MOVE.  An input: the request's host, the header. */

#include "fuzz.h"
#include "lib/content_destination.h"
#include "lib/content_key.h"


static int
read_into(content_out_t *out, content_str_t value, content_str_t host)
{
    int          rc;
    const char  *why;

    why = NULL;
    *out = fuzz_out(CONTENT_KEY_MAX);
    rc = content_destination(value, host, out, &why);

    HOLDS(rc == CONTENT_OK || rc == CONTENT_DESTINATION_ELSEWHERE
          || (rc == CONTENT_ERROR && why));
    HOLDS(!out->overflow);

    return rc;
}


/* A path is the same as the URL that has it, at this host and no other. */

static void
check_url(content_str_t path, content_str_t host, content_str_t key)
{
    size_t         i;
    content_out_t  out;
    content_str_t  url;

    for (i = 0; i < host.len; i++) {
        if (!content_key_unreserved(host.data[i])) {
            return;
        }
    }

    if (host.len == 0) {
        return;
    }

    url = fuzz_cat(fuzz_join("HTTPS://", host, ":8443"), path);
    HOLDS(read_into(&out, url, host) == CONTENT_OK);
    HOLDS(content_str_eq(content_out_done(&out), key));

    url = fuzz_cat(fuzz_join("http://", host, "x"), path);
    HOLDS(read_into(&out, url, host) == CONTENT_DESTINATION_ELSEWHERE);

    url = fuzz_cat(fuzz_join("http://", host, "@elsewhere"), path);
    HOLDS(read_into(&out, url, host) == CONTENT_ERROR);
}


void
fuzz_one(content_str_t input)
{
    const char     *why;
    content_out_t   out;
    content_str_t   host, key;

    host = fuzz_line(&input);
    input = content_str_trim(fuzz_copy(input));

    if (read_into(&out, input, host) != CONTENT_OK) {
        return;
    }

    key = content_out_done(&out);
    HOLDS(key.len == 0 || content_key_check(key, &why) == CONTENT_OK);

    if (input.len && input.data[0] == '/') {
        check_url(input, host, key);
    }
}


void
fuzz_seeds(void)
{
    fuzz_text("example.org\n/docs/a%20b.html");
    fuzz_text("example.org\nhttps://EXAMPLE.org:443/a?b");
    fuzz_text("[::1]\nhttp://[::1]:8080/a");
    fuzz_text("h\nhttp://u@h/");
    fuzz_text("h\n//a/%2e%2E/b");
}
