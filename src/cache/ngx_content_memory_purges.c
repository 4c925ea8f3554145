/*
 * Purges by tag and by prefix of the memory cache: each gets a number, which a
 * table has in the selector's place (lib/content_selector.h).  Records are not
 * looked for: who finds one compares its number.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_memory_shared.h"


static uint32_t ngx_content_memory_purge_begin(ngx_content_memory_t *memory);
static void ngx_content_memory_purge_end(ngx_content_memory_t *memory);


void
ngx_content_memory_purge_tag(ngx_content_memory_t *memory, uint64_t store,
    content_str_t tag)
{
    uint32_t  number;

    number = ngx_content_memory_purge_begin(memory);
    memory->selectors.numbers[content_selector_tag(store, tag)] = number;
    ngx_content_memory_purge_end(memory);
}


void
ngx_content_memory_purge_prefix(ngx_content_memory_t *memory, uint64_t store,
    content_str_t prefix)
{
    uint32_t  number;

    number = ngx_content_memory_purge_begin(memory);
    memory->selectors.numbers[content_selector_prefix(store, prefix)] = number;
    ngx_content_memory_purge_end(memory);
}


/*
 * One purge at a time: its number is in the table before it counts, so that
 * nobody notes it who has not seen what it purges.
 */

static uint32_t
ngx_content_memory_purge_begin(ngx_content_memory_t *memory)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  owner;

    for (i = 1; !ngx_atomic_cmp_set(&memory->purging, 0, ngx_pid); i++) {
        ngx_cpu_pause();

        owner = memory->purging;

        if (i % NGX_CONTENT_MEMORY_SPIN == 0 && owner
            && kill((ngx_pid_t) owner, 0) == -1 && ngx_errno == ESRCH
            && ngx_atomic_cmp_set(&memory->purging, owner, ngx_pid))
        {
            break;
        }
    }

    return (uint32_t) memory->purges + 1;
}


static void
ngx_content_memory_purge_end(ngx_content_memory_t *memory)
{
    ngx_memory_barrier();
    memory->purges++;
    ngx_memory_barrier();
    memory->purging = 0;
}


uint32_t
ngx_content_memory_purges(ngx_content_memory_t *memory)
{
    return (uint32_t) memory->purges;
}


ngx_uint_t
ngx_content_memory_purged(ngx_content_memory_t *memory, uint64_t store,
    content_str_t key, content_str_t tags, uint32_t since)
{
    return content_selector_purged(&memory->selectors, store, key, tags,
                                   since);
}
