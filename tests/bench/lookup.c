/*
 * How long a look-up in the shared memory cache takes, with few records and
 * with very many, for `make bench`:
 *
 *     lookup RECORDS [RECORDS ...]
 *
 * The memory is cut into shards as src/cache/ngx_content_memory.c does it.
 * Records are small.  A look-up takes a random one: hash, bucket, comparison
 * of the key, copy of the head.  Prints a JSON list of {records,
 * nanoseconds, bytes a record}.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/content_shard.h"


#define SHARDS   64
#define KEY      24
#define HEAD     300
#define BODY     16
#define RECORD   448                     /* what one takes, with some to spare */
#define LOOKUPS  2000000


static content_shard_t  *shards[SHARDS];
static char              copy[HEAD];


static int
is_pinned(void *data, const content_entry_t *entry)
{
    (void) data;
    (void) entry;

    return 0;
}


/* A key as nginx's module makes it, and a hash of all of it (FNV-1a). */

static content_str_t
key_of(uint32_t n, char buf[KEY + 1], uint32_t *hash)
{
    size_t         i;
    content_str_t  key;

    key.data = (unsigned char *) buf;
    key.len = (size_t) snprintf(buf, KEY + 1, "0000store000/%09u", n);

    *hash = 2166136261u;

    for (i = 0; i < key.len; i++) {
        *hash = (*hash ^ key.data[i]) * 16777619u;
    }

    *hash ^= *hash >> 16;
    *hash *= 0x85ebca6bu;
    *hash ^= *hash >> 13;

    return key;
}


static content_shard_t *
shard_of(uint32_t hash)
{
    return shards[(hash >> 26) & (SHARDS - 1)];
}


static void
fill(uint32_t records)
{
    int               again;
    char              buf[KEY + 1];
    uint32_t          i, hash;
    content_str_t     key;
    content_entry_t  *e;

    for (i = 0; i < records; i++) {
        key = key_of(i, buf, &hash);
        e = content_shard_reserve(shard_of(hash), hash, key, HEAD, BODY, 1,
                                  is_pinned, NULL, &again);
        if (e == NULL) {
            fprintf(stderr, "lookup: no room for record %u\n", i);
            exit(1);
        }

        memset(content_entry_head(e), (int) i, HEAD + BODY);
        content_shard_publish(shard_of(hash), e, is_pinned, NULL);
    }
}


static double
seconds(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}


/* Nanoseconds of one. */

static double
look_up(uint32_t records)
{
    char              buf[KEY + 1];
    double            begin;
    uint32_t          i, n, hash, found;
    content_str_t     key;
    content_entry_t  *e;

    n = 1;
    found = 0;
    begin = seconds();

    for (i = 0; i < LOOKUPS; i++) {
        n = n * 1664525u + 1013904223u;
        key = key_of((uint32_t) ((uint64_t) n * records >> 32), buf, &hash);
        e = content_shard_find(shard_of(hash), hash, key);

        if (e) {
            memcpy(copy, content_entry_head(e), HEAD);
            found++;
        }
    }

    if (found < LOOKUPS / 100 * 99) {
        fprintf(stderr, "lookup: only %u of %u found\n", found, LOOKUPS);
        exit(1);
    }

    return (seconds() - begin) / LOOKUPS * 1e9;
}


static void
measure(uint32_t records)
{
    int                     i;
    char                   *mem;
    size_t                  size;
    double                  ns;
    uint64_t                bytes, entries;
    content_shard_stats_t   stats;

    size = ((size_t) records * RECORD / SHARDS + 256 * 1024) & ~(size_t) 4095;

    mem = mmap(NULL, size * SHARDS, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED) {
        perror("lookup: mmap");
        exit(1);
    }

    for (i = 0; i < SHARDS; i++) {
        shards[i] = content_shard_init(mem + (size_t) i * size, size);
    }

    fill(records);
    (void) look_up(records);
    ns = look_up(records);

    for (bytes = 0, entries = 0, i = 0; i < SHARDS; i++) {
        content_shard_stats(shards[i], &stats);
        bytes += stats.bytes;
        entries += stats.entries;
    }

    printf("{\"records\": %u, \"ns\": %.1f, \"bytes\": %.1f}", records, ns,
           (double) bytes / (double) entries);

    munmap(mem, size * SHARDS);
}


int
main(int argc, char **argv)
{
    int  i;

    printf("[");

    for (i = 1; i < argc; i++) {
        printf(i > 1 ? ", " : "");
        measure((uint32_t) strtoul(argv[i], NULL, 10));
    }

    printf("]\n");

    return 0;
}
