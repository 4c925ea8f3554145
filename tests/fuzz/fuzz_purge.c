/*
 * The body of POST /-/purge.  What it names comes to Cloudflare as it was
 * named.
 */

#include <jansson.h>

#include "fuzz.h"
#include "lib/content_purge_value.h"


#define KEPT  256

typedef struct {
    unsigned               n;
    unsigned               nkept;
    content_purge_item_t   kept[KEPT];
} items_t;


static int
take(void *data, const content_purge_item_t *item)
{
    items_t                *items = data;
    content_purge_item_t   *kept;

    if (item->kind != CONTENT_PURGE_EVERYTHING) {
        HOLDS(content_purge_value_check(item->kind, item->value) == NULL);
        HOLDS(fuzz_is_printable(item->value));
    }

    HOLDS(items->n == 0 || items->nkept == KEPT
          || items->kept[items->nkept - 1].kind <= item->kind);
    HOLDS(++items->n <= CONTENT_PURGE_ITEMS_MAX);

    if (items->nkept < KEPT) {
        kept = &items->kept[items->nkept++];
        kept->kind = item->kind;
        kept->value = fuzz_copy(item->value);
    }

    return CONTENT_OK;
}


static void
check_body(const items_t *items, content_purge_kind_t kind, const char *name)
{
    size_t          size;
    json_t         *root, *array;
    unsigned        i, n;
    content_out_t   out;
    content_str_t   text, values[KEPT];

    for (i = 0, n = 0, size = 32; i < items->nkept; i++) {
        if (items->kept[i].kind == kind) {
            values[n++] = items->kept[i].value;
            size += 2 * items->kept[i].value.len + 3;
        }
    }

    out = fuzz_out(size);

    if (n == 0) {
        HOLDS(content_purge_body(&out, kind, values, 0) == CONTENT_ERROR);
        return;
    }

    HOLDS(content_purge_body(&out, kind, values, n) == CONTENT_OK);

    text = content_out_done(&out);
    root = json_loadb((char *) text.data, text.len, 0, NULL);
    array = json_object_get(root, name);
    HOLDS(json_object_size(root) == 1 && json_array_size(array) == n);

    for (i = 0; i < n; i++) {
        HOLDS(content_str_eq(values[i], content_cstr(
                  json_string_value(json_array_get(array, i)))));
    }

    json_decref(root);
}


void
fuzz_one(content_str_t input)
{
    char           *why;
    size_t          size;
    static items_t  items;

    memset(&items, 0, sizeof(items));
    size = input.len % 2 ? 8 : 128;
    why = fuzz_alloc(size);

    if (content_purge_parse(input, take, &items, why, size) != CONTENT_OK) {
        HOLDS(items.n == 0 && why[0] && memchr(why, '\0', size));
        HOLDS(fuzz_is_printable(content_cstr(why)));
        return;
    }

    HOLDS(items.n > 0);
    check_body(&items, CONTENT_PURGE_URL, "files");
    check_body(&items, CONTENT_PURGE_TAG, "tags");
    check_body(&items, CONTENT_PURGE_PREFIX, "prefixes");
    check_body(&items, CONTENT_PURGE_HOST, "hosts");
}


void
fuzz_seeds(void)
{
    fuzz_text("{\"urls\": [\"https://h:8/a?b\"], \"tags\": [\"a\\\"\\\\\"], "
              "\"prefixes\": [\"h/a/\", \"h\"], \"hosts\": [\"h.example\"]}");
    fuzz_text("{\"everything\": true}");
    fuzz_text("{\"tags\": [\"a,b\", \"c d\", \"\\u00e9\", 1], \"x\": []}");
}
