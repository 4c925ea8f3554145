/* The body of POST /-/delete: keys as JSON. */

#include "fuzz.h"
#include "lib/content_batch.h"
#include "lib/content_key.h"


typedef struct {
    unsigned       n;
    content_str_t  last;
} keys_t;


static int
take(void *data, content_str_t key)
{
    keys_t      *keys = data;
    const char  *why;

    HOLDS(content_key_check(key, &why) == CONTENT_OK);
    HOLDS(!content_str_eq(key, keys->last));
    HOLDS(++keys->n <= CONTENT_BATCH_KEYS_MAX);

    keys->last = fuzz_copy(key);

    return CONTENT_OK;
}


void
fuzz_one(content_str_t input)
{
    char    *why;
    keys_t   keys;

    why = fuzz_alloc(32);
    memset(&keys, 0, sizeof(keys));

    if (content_batch_parse(input, take, &keys, why, 32) == CONTENT_OK) {
        HOLDS(keys.n > 0);
    } else {
        HOLDS(keys.n == 0 && why[0] && memchr(why, '\0', 32));
    }
}


void
fuzz_seeds(void)
{
    fuzz_text("{\"keys\": [\"a\", \"docs/b.html\", \"\\u00e9\"]}");
    fuzz_text("{\"keys\": [\"a\", \"a\"]}");
    fuzz_text("{\"keys\": [1, \"..\"], \"x\": {}}");
}
