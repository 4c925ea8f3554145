/*
 * What a PUT says that an answer says again.  An input: Cache-Control, any
 * text, a key, Cache-Tag.
 */

#include "fuzz.h"
#include "lib/content_policy.h"
#include "lib/content_selector.h"


#define STORE  1
#define OWN    "c0123456789abcdef0123"


static content_selectors_t  selectors;         /* zeroed between inputs */


/* Another directive in front or behind makes no secret of these two. */

static void
check_cache_control(content_str_t text)
{
    content_str_t     cdn;
    content_policy_t  policy;
    content_object_t  object;

    memset(&policy, 0, sizeof(policy));
    content_object_init(&object);

    object.cache_control = fuzz_join("", text, ", pRivate");
    cdn = content_policy_cdn_cache_control(&object, &policy);
    HOLDS(content_str_eq(cdn, content_cstr("private"))
          || content_str_eq(cdn, content_cstr("no-store")));

    object.cache_control = fuzz_join("no-store=\"x\",", text, "");
    cdn = content_policy_cdn_cache_control(&object, &policy);
    HOLDS(content_str_eq(cdn, content_cstr("no-store")));
}


static void
check_status(content_str_t detail)
{
    content_out_t           out;
    content_cache_status_t  status;

    memset(&status, 0, sizeof(status));
    status.detail = detail;
    status.has_ttl = 1;
    status.ttl = INT64_MIN;

    out = fuzz_out(128 + 2 * detail.len);
    content_policy_cache_status(&out, &status);
    HOLDS(!out.overflow);
    HOLDS(content_policy_field_check(content_out_done(&out)) == CONTENT_OK);
}


static void
check_purged(content_str_t key, content_str_t tags, uint32_t place)
{
    selectors.numbers[place] = 2;
    HOLDS(content_selector_purged(&selectors, STORE, key, tags, 1));
    HOLDS(!content_selector_purged(&selectors, STORE, key, tags, 2));
    selectors.numbers[place] = 0;
}


/* A purge takes what has the tag, in any case of letters, or the prefix. */

static void
check_selectors(content_str_t key, content_str_t tags)
{
    size_t         i;
    unsigned       n;
    content_str_t  rest, tag, prefix;

    rest = tags;

    for (n = 0; n < 8 && content_str_next(&rest, ',', &tag); n++) {
        tag = fuzz_copy(tag);

        for (i = 0; i < tag.len; i++) {
            if ((tag.data[i] | 0x20) >= 'a' && (tag.data[i] | 0x20) <= 'z') {
                tag.data[i] ^= 0x20;
            }
        }

        check_purged(key, tags, content_selector_tag(STORE, tag));
    }

    for (prefix = key; prefix.len; prefix.len /= 2) {
        check_purged(key, tags, content_selector_prefix(STORE, prefix));
    }

    HOLDS(!content_selector_purged(&selectors, STORE, key, tags, 0));
}


static void
check_tags(content_str_t header, content_str_t key)
{
    int             rc;
    const char     *why;
    content_out_t   out, again;
    content_str_t   tags, same;

    why = NULL;
    out = fuzz_out(header.len);
    rc = content_policy_tags_parse(header, &out, &why);
    HOLDS(rc == CONTENT_OK || (rc == CONTENT_ERROR && why));

    if (rc != CONTENT_OK) {
        return;
    }

    tags = content_out_done(&out);
    HOLDS(tags.len <= CONTENT_POLICY_TAGS_MAX);
    HOLDS(content_policy_field_check(tags) == CONTENT_OK);

    again = fuzz_out(tags.len);
    HOLDS(content_policy_tags_parse(tags, &again, &why) == CONTENT_OK);
    HOLDS(content_str_eq(content_out_done(&again), tags));

    again = fuzz_out(CONTENT_POLICY_CACHE_TAG_MAX);
    content_policy_cache_tag(&again, content_cstr(OWN), tags);
    same = tags.len ? fuzz_cat(fuzz_join("", content_cstr(OWN), ","), tags)
                    : content_cstr(OWN);
    HOLDS(content_str_eq(content_out_done(&again), same));

    check_selectors(key, tags);
}


void
fuzz_one(content_str_t input)
{
    content_str_t  text, key;

    check_cache_control(fuzz_line(&input));
    text = fuzz_line(&input);
    check_status(text);
    HOLDS(content_policy_field_check(text) == CONTENT_ERROR
          || fuzz_is_printable(text));
    key = fuzz_line(&input);
    check_tags(fuzz_copy(input), key);
}


void
fuzz_seeds(void)
{
    fuzz_text("public, max-age=60\ntoken/1\ndocs/a.html\na, B,,b ,c");
    fuzz_text("no-cache=\"a, b\\\"\", x\nan \"other\\\"\nk\n" OWN ",d");
    fuzz_text("a=\"b, no-store\n\x80\n\xc3\xa9\n\x7f");
}
