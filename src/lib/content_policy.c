/*
 * Cache headers of answers, and the checks of what is kept with an object:
 * see content_policy.h.
 */

#include <string.h>

#include "lib/content_policy.h"


/*
 * A hash set of the tags seen so far: where each begins in the output, plus
 * one.  CONTENT_POLICY_TAGS_MAX bytes hold at most 5,483 different tags (67
 * of one byte, then of two), so there is always a free slot.
 */
#define TAG_SLOTS  8192

typedef struct {
    content_out_t  *out;
    unsigned char  *start;          /* of the tags in the output */
    uint16_t        slot[TAG_SLOTS];
} content_tag_set_t;


static const char *const  content_cache_text[] = {
    [CONTENT_CACHE_HIT] = "hit",
    [CONTENT_CACHE_BYPASS] = "fwd=bypass",
    [CONTENT_CACHE_METHOD] = "fwd=method",
    [CONTENT_CACHE_URI_MISS] = "fwd=uri-miss",
    [CONTENT_CACHE_MISS] = "fwd=miss",
    [CONTENT_CACHE_REQUEST] = "fwd=request",
    [CONTENT_CACHE_STALE] = "fwd=stale",
    [CONTENT_CACHE_PARTIAL] = "fwd=partial"
};


static int
is_alpha(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}


/* RFC 9110, 5.6.2 */

static int
is_tchar(unsigned char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9')
           || (c && strchr("!#$%&'*+-.^_`|~", c));
}


void
content_policy_cache_tag(content_out_t *out, content_str_t own_tag,
    content_str_t tags)
{
    size_t         len;
    content_str_t  tag;

    content_out_str(out, own_tag);
    len = own_tag.len;

    while (content_str_next(&tags, ',', &tag)) {
        len += 1 + tag.len;

        if (len > CONTENT_POLICY_CACHE_TAG_MAX) {
            return;
        }

        content_out_char(out, ',');
        content_out_str(out, tag);
    }
}


/*
 * The place of the quote that closes the one at i, or i when there is none.
 * RFC 9110, 5.6.4.
 */
static size_t
closing_quote(content_str_t s, size_t i)
{
    size_t  n;

    for (n = i + 1; n < s.len; n++) {
        if (s.data[n] == '\\') {
            n++;

        } else if (s.data[n] == '"') {
            return n;
        }
    }

    return i;
}


/* Takes the text up to the next comma outside quotes off *rest. */

static content_str_t
next_directive(content_str_t *rest)
{
    size_t         i;
    content_str_t  s;

    for (i = 0; i < rest->len && rest->data[i] != ','; i++) {
        if (rest->data[i] == '"' && i && rest->data[i - 1] == '=') {
            i = closing_quote(*rest, i);
        }
    }

    s.data = rest->data;
    s.len = i;

    i += i < rest->len;
    rest->data += i;
    rest->len -= i;

    return content_str_trim(s);
}


/*
 * Whether a Cache-Control value has the directive, with or without an
 * argument (RFC 9111, 5.2; names are case-insensitive).  What stands in a
 * quoted argument is not a directive.  Malformed values are read so that
 * rather too much is found: a quote that is never closed hides nothing.
 */
static int
has_directive(content_str_t cache_control, const char *name)
{
    size_t         len;
    content_str_t  directive, wanted;

    wanted = content_cstr(name);

    while (cache_control.len) {
        directive = next_directive(&cache_control);

        for (len = 0; len < directive.len; len++) {
            if (!is_tchar(directive.data[len])) {
                break;
            }
        }

        directive.len = len;

        if (content_str_eq_case(directive, wanted)) {
            return 1;
        }
    }

    return 0;
}


content_str_t
content_policy_cache_control(const content_object_t *object,
    const content_policy_t *policy)
{
    return object->cache_control.len ? object->cache_control
                                     : policy->cache_control;
}


content_str_t
content_policy_cdn_cache_control(const content_object_t *object,
    const content_policy_t *policy)
{
    if (object->cache_control.len == 0) {
        return policy->cdn_cache_control;
    }

    if (has_directive(object->cache_control, "no-store")) {
        return content_cstr("no-store");
    }

    if (has_directive(object->cache_control, "private")) {
        return content_cstr("private");
    }

    return policy->cdn_cache_control;
}


/* RFC 8941, 3.3.4 */

static int
is_token(content_str_t s)
{
    size_t  i;

    if (s.len == 0 || (!is_alpha(s.data[0]) && s.data[0] != '*')) {
        return 0;
    }

    for (i = 1; i < s.len; i++) {
        if (!is_tchar(s.data[i]) && s.data[i] != ':' && s.data[i] != '/') {
            return 0;
        }
    }

    return 1;
}


/* A token where it is one, else a string (RFC 8941, 3.3.3): ASCII only. */

static void
put_detail(content_out_t *out, content_str_t s)
{
    size_t         i;
    unsigned char  c;

    if (is_token(s)) {
        content_out_str(out, s);
        return;
    }

    content_out_char(out, '"');

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '"' || c == '\\') {
            content_out_char(out, '\\');
        }

        content_out_char(out, c >= 0x20 && c <= 0x7e ? c : '?');
    }

    content_out_char(out, '"');
}


void
content_policy_cache_status(content_out_t *out,
    const content_cache_status_t *status)
{
    content_out_text(out, "ngx_content; ");
    content_out_text(out, content_cache_text[status->cache]);

    if (status->fwd_status && status->cache != CONTENT_CACHE_HIT) {
        content_out_text(out, "; fwd-status=");
        content_out_uint(out, status->fwd_status);
    }

    if (status->stored && status->cache != CONTENT_CACHE_HIT) {
        content_out_text(out, "; stored");
    }

    if (status->collapsed) {
        content_out_text(out, "; collapsed");
    }

    if (status->has_ttl) {
        content_out_text(out, status->ttl < 0 ? "; ttl=-" : "; ttl=");
        content_out_uint(out, status->ttl < 0 ? 0 - (uint64_t) status->ttl
                                              : (uint64_t) status->ttl);
    }

    if (status->detail.len) {
        content_out_text(out, "; detail=");
        put_detail(out, status->detail);
    }
}


static const char *
tag_fault(content_str_t tag)
{
    size_t  i;

    if (tag.len > CONTENT_POLICY_TAG_MAX) {
        return "a tag in Cache-Tag is longer than 1024 bytes";
    }

    for (i = 0; i < tag.len; i++) {
        if (tag.data[i] <= 0x20 || tag.data[i] >= 0x7f) {
            return "a tag in Cache-Tag has a byte that is not printable "
                   "ASCII, or a space";
        }
    }

    return NULL;
}


/* FNV-1a over the lower-case tag. */

static uint32_t
tag_hash(content_str_t tag)
{
    size_t         i;
    uint32_t       h;
    unsigned char  c;

    h = 2166136261u;

    for (i = 0; i < tag.len; i++) {
        c = tag.data[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 16777619u;
    }

    return h ^ h >> 16;
}


/* Whether the output has the tag at that place, up to a comma or its end. */

static int
tag_at(const content_tag_set_t *set, size_t place, content_str_t tag)
{
    content_str_t  s;

    s.data = set->start + place;
    s.len = (size_t) (set->out->pos - s.data);

    if (s.len < tag.len || (s.len > tag.len && s.data[tag.len] != ',')) {
        return 0;
    }

    s.len = tag.len;

    return content_str_eq_case(s, tag);
}


/*
 * Looks for the tag; returns 1 when it is there.  Else the next tag to be
 * written, at place, is taken to be this one.
 */
static int
tag_seen(content_tag_set_t *set, content_str_t tag, size_t place)
{
    size_t  i;

    i = tag_hash(tag) % TAG_SLOTS;

    while (set->slot[i]) {
        if (tag_at(set, set->slot[i] - 1u, tag)) {
            return 1;
        }

        i = (i + 1) % TAG_SLOTS;
    }

    set->slot[i] = (uint16_t) (place + 1);

    return 0;
}


int
content_policy_tags_parse(content_str_t header, content_out_t *out,
    const char **why)
{
    size_t             len, comma;
    content_str_t      tag;
    content_tag_set_t  set;

    set.out = out;
    set.start = out->pos;
    memset(set.slot, 0, sizeof(set.slot));

    while (content_str_next(&header, ',', &tag)) {
        *why = tag_fault(tag);

        if (*why) {
            return CONTENT_ERROR;
        }

        len = (size_t) (out->pos - set.start);
        comma = len ? 1 : 0;

        if (tag_seen(&set, tag, len + comma)) {
            continue;
        }

        if (len + comma + tag.len > CONTENT_POLICY_TAGS_MAX) {
            *why = "Cache-Tag is longer than 16 KB with the object's own tag";
            return CONTENT_ERROR;
        }

        if (comma) {
            content_out_char(out, ',');
        }

        content_out_str(out, tag);

        if (out->overflow) {
            return CONTENT_OVERFLOW;
        }
    }

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_policy_name_check(content_str_t name)
{
    size_t  i;

    for (i = 0; i < name.len; i++) {
        if (!is_tchar(name.data[i])) {
            return CONTENT_ERROR;
        }
    }

    return name.len ? CONTENT_OK : CONTENT_ERROR;
}


int
content_policy_field_check(content_str_t value)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e) {
            return CONTENT_ERROR;
        }
    }

    if (value.len
        && (value.data[0] == ' ' || value.data[value.len - 1] == ' '))
    {
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}
