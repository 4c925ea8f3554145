/*
 * Purges: see content_purge.h.  The API handler parses requests and writes
 * jobs, the queue writes the bodies of calls.  The parsed JSON lives inside
 * content_purge_parse() only.
 */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lib/content_purge.h"


/* Says what is wrong with a value, or NULL. */
typedef const char *(*check_pt)(content_str_t value);

typedef struct {
    const char  *member;         /* of the editor's request */
    const char  *field;          /* of Cloudflare's */
    size_t       max;            /* bytes of one value */
    check_pt     check;
} kind_t;


static int check_request(json_t *root, char *why, size_t why_size);
static int check_member(const char *name, json_t *member, size_t *items,
    char *why, size_t why_size);
static int check_everything(json_t *root, json_t *member, char *why,
    size_t why_size);
static int check_array(const kind_t *kind, json_t *array, char *why,
    size_t why_size);
static const char *check_value(const kind_t *kind, json_t *json);
static int emit(json_t *root, content_purge_item_pt item, void *data);

static const char *check_url(content_str_t url);
static const char *check_tag(content_str_t tag);
static const char *check_prefix(content_str_t prefix);
static const char *check_host(content_str_t host);
static const char *check_label(content_str_t label);
static const char *check_port(content_str_t port);


static const kind_t  kinds[CONTENT_PURGE_NKINDS] = {
    { "urls",       "files",    CONTENT_PURGE_URL_MAX,  check_url },
    { "tags",       "tags",     CONTENT_PURGE_TAG_MAX,  check_tag },
    { "prefixes",   "prefixes", CONTENT_PURGE_URL_MAX,  check_prefix },
    { "hosts",      "hosts",    CONTENT_PURGE_HOST_MAX, check_host },
    { "everything", "purge_everything", 0, NULL },
};


int
content_purge_parse(content_str_t json, content_purge_item_pt item,
    void *data, char *why, size_t why_size)
{
    int           rc;
    json_t       *root;
    json_error_t  error;

    if (why_size) {
        why[0] = '\0';
    }

    /*
     * Of two members with one name a parser may see either: not a thing to
     * decide a purge on (RFC 8259, 4).
     */

    root = json_loadb((const char *) json.data, json.len,
                      JSON_REJECT_DUPLICATES, &error);

    if (root == NULL) {

        /* jansson's own text quotes the input in pieces, maybe half a
         * character of it: its place is enough. */

        snprintf(why, why_size, "%s at line %d, column %d",
                 json_error_code(&error) == json_error_duplicate_key
                     ? "a member is named twice" : "malformed JSON",
                 error.line, error.column);
        return CONTENT_ERROR;
    }

    rc = check_request(root, why, why_size);

    if (rc == CONTENT_OK) {
        rc = emit(root, item, data);
    }

    json_decref(root);

    return rc;
}


static int
check_request(json_t *root, char *why, size_t why_size)
{
    size_t       items;
    json_t      *member;
    const char  *name;

    if (!json_is_object(root)) {
        snprintf(why, why_size, "the request is not a JSON object");
        return CONTENT_ERROR;
    }

    member = json_object_get(root, "everything");

    if (member) {
        return check_everything(root, member, why, why_size);
    }

    items = 0;

    json_object_foreach(root, name, member) {
        if (check_member(name, member, &items, why, why_size) != CONTENT_OK) {
            return CONTENT_ERROR;
        }
    }

    if (items == 0) {
        snprintf(why, why_size, "the request names nothing to purge");
        return CONTENT_ERROR;
    }

    if (items > CONTENT_PURGE_ITEMS_MAX) {
        snprintf(why, why_size, "%zu items, at most %d are allowed", items,
                 CONTENT_PURGE_ITEMS_MAX);
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
check_everything(json_t *root, json_t *member, char *why, size_t why_size)
{
    if (!json_is_true(member)) {
        snprintf(why, why_size, "everything: can only be true");
        return CONTENT_ERROR;
    }

    if (json_object_size(root) != 1) {
        snprintf(why, why_size,
                 "everything: can't be combined with another member");
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
check_member(const char *name, json_t *member, size_t *items, char *why,
    size_t why_size)
{
    int  i;

    for (i = 0; i < CONTENT_PURGE_EVERYTHING; i++) {
        if (strcmp(name, kinds[i].member) == 0) {
            *items += json_array_size(member);
            return check_array(&kinds[i], member, why, why_size);
        }
    }

    /* Its name is the editor's text, in any script, and is not repeated. */

    snprintf(why, why_size, "unknown member: only urls, tags, prefixes, "
             "hosts and everything are known");

    return CONTENT_ERROR;
}


static int
check_array(const kind_t *kind, json_t *array, char *why, size_t why_size)
{
    size_t       i;
    json_t      *value;
    const char  *wrong;

    if (!json_is_array(array)) {
        snprintf(why, why_size, "%s: is not an array", kind->member);
        return CONTENT_ERROR;
    }

    json_array_foreach(array, i, value) {
        wrong = check_value(kind, value);

        if (wrong) {
            snprintf(why, why_size, "%s[%zu]: %s", kind->member, i, wrong);
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


static content_str_t
json_slice(json_t *json)
{
    content_str_t  s;

    s.data = (unsigned char *) json_string_value(json);
    s.len = json_string_length(json);

    return s;
}


/* What holds for every kind, and then what holds for this one. */

static const char *
check_value(const kind_t *kind, json_t *json)
{
    size_t         i;
    content_str_t  value;

    if (!json_is_string(json)) {
        return "is not a string";
    }

    value = json_slice(json);

    if (value.len == 0) {
        return "is empty";
    }

    if (value.len > kind->max) {
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

    return kind->check(value);
}


static int
emit(json_t *root, content_purge_item_pt item, void *data)
{
    int                    i, rc;
    size_t                 n;
    json_t                *array, *value;
    content_purge_item_t   it;

    if (json_object_get(root, "everything")) {
        memset(&it, 0, sizeof(content_purge_item_t));
        it.kind = CONTENT_PURGE_EVERYTHING;

        return item(data, &it);
    }

    for (i = 0; i < CONTENT_PURGE_EVERYTHING; i++) {
        array = json_object_get(root, kinds[i].member);

        json_array_foreach(array, n, value) {
            it.kind = (content_purge_kind_t) i;
            it.value = json_slice(value);

            rc = item(data, &it);

            if (rc != CONTENT_OK) {
                return rc;
            }
        }
    }

    return CONTENT_OK;
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


int
content_purge_body(content_out_t *out, content_purge_kind_t kind,
    const content_str_t *values, unsigned n)
{
    unsigned  i;

    if (kind != CONTENT_PURGE_EVERYTHING && n == 0) {
        return CONTENT_ERROR;
    }

    content_out_text(out, "{\"");
    content_out_text(out, kinds[kind].field);

    if (kind == CONTENT_PURGE_EVERYTHING) {
        content_out_text(out, "\":true}");
        return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
    }

    content_out_text(out, "\":[");

    for (i = 0; i < n; i++) {
        content_out_text(out, i ? ",\"" : "\"");
        content_out_json(out, values[i]);
        content_out_char(out, '"');
    }

    content_out_text(out, "]}");

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


static void
write_number(content_out_t *out, const char *name, uint64_t value)
{
    content_out_text(out, ",\"");
    content_out_text(out, name);
    content_out_text(out, "\":");
    content_out_uint(out, value);
}


static void
write_error(content_out_t *out, content_str_t error)
{
    content_out_text(out, ",\"error\":");

    if (error.len == 0) {
        content_out_text(out, "null");
        return;
    }

    content_out_char(out, '"');
    content_out_json(out, error);
    content_out_char(out, '"');
}


int
content_purge_job_write(content_out_t *out, const content_purge_job_t *job)
{
    static const char  *states[] = { "queued", "running", "done", "failed" };

    content_out_text(out, "{\"id\":\"");
    content_purge_id_write(out, job->id);
    content_out_text(out, "\",\"state\":\"");
    content_out_text(out, states[job->state]);
    content_out_char(out, '"');

    write_number(out, "items", job->items);
    write_number(out, "done", job->done);
    write_number(out, "failed", job->failed);
    write_number(out, "attempts", job->attempts);
    write_error(out, job->error);
    write_number(out, "created", (uint64_t) job->created);

    if (job->finished) {
        write_number(out, "finished", (uint64_t) job->finished);

    } else {
        content_out_text(out, ",\"finished\":null");
    }

    content_out_char(out, '}');

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


void
content_purge_id_write(content_out_t *out,
    const unsigned char id[CONTENT_PURGE_ID_SIZE])
{
    content_out_hex(out, id, CONTENT_PURGE_ID_SIZE);
}


static int
hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


int
content_purge_id_parse(content_str_t text,
    unsigned char id[CONTENT_PURGE_ID_SIZE])
{
    int     high, low;
    size_t  i;

    if (text.len != 2 * CONTENT_PURGE_ID_SIZE) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < CONTENT_PURGE_ID_SIZE; i++) {
        high = hex_digit(text.data[2 * i]);
        low = hex_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return CONTENT_ERROR;
        }

        id[i] = (unsigned char) (high << 4 | low);
    }

    return CONTENT_OK;
}
