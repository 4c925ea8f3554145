/* What a change drops from the node's own memory.  For ngx_content_change.c. */

#include "http/ngx_content_change.h"
#include "http/ngx_content_zones.h"


void
ngx_content_change_forget_records(ngx_content_change_t *change)
{
    uint64_t                   store;
    ngx_uint_t                 i;
    content_change_entry_t    *selector;
    ngx_content_memory_t      *memory;
    ngx_content_memory_key_t   mkey;

    memory = ngx_content_memory(change->mcf);
    store = change->lcf->store->id;

    if (change->everything) {
        ngx_content_memory_clear(memory);
        return;
    }

    for (i = 0; i < change->nselectors; i++) {
        selector = &change->selectors[i];

        if (selector->kind == CONTENT_CHANGE_TAG) {
            ngx_content_memory_purge_tag(memory, store, selector->value);

        } else {
            ngx_content_memory_purge_prefix(memory, store, selector->value);
        }
    }

    for (i = 0; i < change->nkeys; i++) {
        if (change->keys[i].touched) {
            ngx_content_memory_key(memory, &mkey, store,
                                   &change->keys[i].key);
            ngx_content_memory_drop(memory, &mkey);
        }
    }
}
