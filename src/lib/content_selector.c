/* Purges by tag and by prefix: see content_selector.h. */

#include <string.h>

#include "lib/content_selector.h"


/* FNV-1a: the hash of a prefix is a step on the way to that of the key. */

#define FNV_START  14695981039346656037u
#define FNV_PRIME  1099511628211u


static uint64_t
step(uint64_t h, unsigned char c)
{
    return (h ^ c) * FNV_PRIME;
}


static uint64_t
start(uint64_t store)
{
    int       i;
    uint64_t  h;

    h = FNV_START;

    for (i = 0; i < 64; i += 8) {
        h = step(h, (unsigned char) (store >> i));
    }

    return h;
}


static uint32_t
fold(uint64_t h)
{
    h ^= h >> 32;
    h ^= h >> 16;

    return (uint32_t) (h & (CONTENT_SELECTOR_HALF - 1));
}


static uint32_t
place_of_prefix(uint64_t h)
{
    return CONTENT_SELECTOR_HALF + fold(h);
}


uint32_t
content_selector_tag(uint64_t store, content_str_t tag)
{
    size_t         i;
    uint64_t       h;
    unsigned char  c;

    h = start(store);

    for (i = 0; i < tag.len; i++) {
        c = tag.data[i];
        h = step(h, (c >= 'A' && c <= 'Z') ? c | 0x20 : c);
    }

    return fold(h);
}


uint32_t
content_selector_prefix(uint64_t store, content_str_t prefix)
{
    size_t    i;
    uint64_t  h;

    h = start(store);

    for (i = 0; i < prefix.len; i++) {
        h = step(h, prefix.data[i]);
    }

    return place_of_prefix(h);
}


int
content_selector_purged(const content_selectors_t *selectors, uint64_t store,
    content_str_t key, content_str_t tags, uint32_t since)
{
    size_t         i;
    uint64_t       h;
    content_str_t  tag;

    h = start(store);

    for (i = 0; i < key.len; i++) {
        h = step(h, key.data[i]);

        if (selectors->numbers[place_of_prefix(h)] > since) {
            return 1;
        }
    }

    while (content_str_next(&tags, ',', &tag)) {
        if (selectors->numbers[content_selector_tag(store, tag)] > since) {
            return 1;
        }
    }

    return 0;
}


int
content_selector_path(content_str_t text, content_str_t *prefix)
{
    unsigned char  *slash;

    slash = memchr(text.data, '/', text.len);

    /* an encoded one could be written in other ways */

    if (slash == NULL || memchr(text.data, '%', text.len)) {
        return CONTENT_ERROR;
    }

    prefix->data = slash + 1;
    prefix->len = (size_t) (text.data + text.len - prefix->data);

    return prefix->len ? CONTENT_OK : CONTENT_ERROR;
}
