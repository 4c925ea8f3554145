/*
 * Traces of requests, and what caches would make of them, for `make bench`:
 *
 *     trace zipf KEYS REQUESTS SCAN FILE
 *         REQUESTS keys below KEYS with Zipf's distribution (the n-th of them
 *         1/n as often as the first), and in the middle SCAN keys that are
 *         asked for once, every other one.
 *
 *     trace uniform KEYS REQUESTS FILE
 *         each of KEYS equally likely; REQUESTS 0: each once, in order
 *
 *     trace simulate FILE FROM CAPACITY SIZE0 SIZE1 SIZE2 SIZE3
 *         the hits of S3-FIFO and of LRU in CAPACITY bytes, from request FROM
 *         on; a record takes the size of its key's class.  JSON.
 *
 * A trace is 32-bit numbers in the machine's order; keys.h makes paths of
 * them.  The same arguments make the same trace.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"


#define SMALL_SHARE  10                  /* S3-FIFO: small has a tenth */
#define FREQ_MAX     3


static void *
need(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "trace: out of memory or no such file\n");
        exit(1);
    }

    return p;
}


/* xorshift64* */

static uint64_t
draw(void)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;

    return x * 2685821657736338717ull;
}


static double
draw_unit(void)
{
    return (double) (draw() >> 11) / 9007199254740992.0;
}


static void
put(FILE *f, uint32_t id)
{
    if (fwrite(&id, sizeof(id), 1, f) != 1) {
        perror("trace");
        exit(1);
    }
}


/* The least i with sum[i] >= x. */

static uint32_t
search(const double *sum, uint32_t n, double x)
{
    uint32_t  low, high, mid;

    low = 0;
    high = n - 1;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (sum[mid] < x) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return low;
}


static void
zipf(uint32_t keys, uint32_t requests, uint32_t scan, const char *name)
{
    FILE      *f;
    double    *sum;
    uint32_t   i, scanned;

    f = need(fopen(name, "wb"));
    sum = need(malloc(keys * sizeof(double)));

    for (i = 0; i < keys; i++) {
        sum[i] = (i ? sum[i - 1] : 0) + 1.0 / (double) (i + 1);
    }

    scanned = 0;

    for (i = 0; i < requests; i++) {
        put(f, search(sum, keys, draw_unit() * sum[keys - 1]));

        if (i >= requests / 2 && scanned < scan) {
            put(f, keys + scanned++);
        }
    }

    free(sum);
    fclose(f);
}


static void
uniform(uint32_t keys, uint32_t requests, const char *name)
{
    FILE      *f;
    uint32_t   i;

    f = need(fopen(name, "wb"));

    for (i = 0; i < (requests ? requests : keys); i++) {
        put(f, requests ? (uint32_t) (draw() % keys) : i);
    }

    fclose(f);
}


/* Queues of numbers, each of which is in one of them at most once. */

typedef struct {
    uint32_t   *ids;
    size_t      mask;
    size_t      head;
    size_t      tail;
} fifo_t;


static void
fifo_init(fifo_t *q, size_t most)
{
    size_t  n;

    for (n = 64; n <= most; n *= 2) {
        /* void */
    }

    q->ids = need(malloc(n * sizeof(uint32_t)));
    q->mask = n - 1;
    q->head = 0;
    q->tail = 0;
}


static void
fifo_push(fifo_t *q, uint32_t id)
{
    q->ids[q->tail++ & q->mask] = id;
}


static uint32_t
fifo_pop(fifo_t *q)
{
    return q->ids[q->head++ & q->mask];
}


static size_t
fifo_len(const fifo_t *q)
{
    return q->tail - q->head;
}


/*
 * S3-FIFO as its authors tell it (see src/lib/content_shard.h), without a
 * memory, a hash or a shard.
 */

enum { NOWHERE = 0, SMALL, MAIN };

typedef struct {
    uint64_t    capacity;
    uint64_t    bytes[3];                /* by queue */
    uint8_t    *where;                   /* these three by id */
    uint8_t    *freq;
    uint8_t    *ghost;
    fifo_t      small;
    fifo_t      large;
    fifo_t      ghosts;
} s3fifo_t;

static uint64_t  sizes[KEY_CLASSES];


static uint64_t
size_of(uint32_t id)
{
    return sizes[key_class(id)];
}


static void
s3fifo_init(s3fifo_t *s, uint64_t capacity, uint32_t ids)
{
    memset(s, 0, sizeof(s3fifo_t));

    s->capacity = capacity;
    s->where = need(calloc(ids, 1));
    s->freq = need(calloc(ids, 1));
    s->ghost = need(calloc(ids, 1));

    fifo_init(&s->small, ids);
    fifo_init(&s->large, ids);
    fifo_init(&s->ghosts, (size_t) ids + 1);
}


static void
s3fifo_move(s3fifo_t *s, uint32_t id, int to)
{
    s->bytes[s->where[id]] -= size_of(id);
    s->where[id] = (uint8_t) to;
    s->bytes[to] += size_of(id);
}


/* Remembered: as many as the main queue has records. */

static void
s3fifo_remember(s3fifo_t *s, uint32_t id)
{
    s->ghost[id] = 1;
    fifo_push(&s->ghosts, id);

    while (fifo_len(&s->ghosts) > fifo_len(&s->large) + 1) {
        s->ghost[fifo_pop(&s->ghosts)] = 0;
    }
}


static void
s3fifo_evict(s3fifo_t *s)
{
    uint32_t  id;

    if (fifo_len(&s->small)
        && (s->bytes[SMALL] >= s->capacity / SMALL_SHARE
            || fifo_len(&s->large) == 0))
    {
        id = fifo_pop(&s->small);

        if (s->freq[id]) {
            s->freq[id] = 0;
            s3fifo_move(s, id, MAIN);
            fifo_push(&s->large, id);
            return;
        }

        s3fifo_remember(s, id);

    } else {
        id = fifo_pop(&s->large);

        if (s->freq[id]) {
            s->freq[id]--;
            fifo_push(&s->large, id);
            return;
        }
    }

    s3fifo_move(s, id, NOWHERE);
}


static int
s3fifo(s3fifo_t *s, uint32_t id)
{
    int  to;

    if (s->where[id]) {
        s->freq[id] += (s->freq[id] < FREQ_MAX);
        return 1;
    }

    while (s->bytes[SMALL] + s->bytes[MAIN] + size_of(id) > s->capacity) {
        s3fifo_evict(s);
    }

    to = s->ghost[id] ? MAIN : SMALL;

    s->ghost[id] = 0;
    s->freq[id] = 0;
    s3fifo_move(s, id, to);
    fifo_push(to == MAIN ? &s->large : &s->small, id);

    return 0;
}


/* LRU: a queue with all requests; only a record's last one counts. */

typedef struct {
    uint64_t    capacity;
    uint64_t    bytes;
    uint32_t   *last;                    /* by id: its place; 0: not there */
    uint32_t   *ids;
    uint32_t    head;
    uint32_t    tail;
} lru_t;


static int
lru(lru_t *l, uint32_t id)
{
    int       hit;
    uint32_t  old;

    hit = (l->last[id] != 0);
    l->bytes += hit ? 0 : size_of(id);

    l->ids[++l->tail] = id;
    l->last[id] = l->tail;

    while (l->bytes > l->capacity) {
        old = l->ids[++l->head];

        if (l->last[old] == l->head) {
            l->last[old] = 0;
            l->bytes -= size_of(old);
        }
    }

    return hit;
}


static void
simulate(const char *name, size_t from, uint64_t capacity)
{
    long       bytes;
    FILE      *f;
    lru_t      l;
    size_t     i, n, hits[2];
    uint32_t  *ids, most;
    s3fifo_t   s;

    f = need(fopen(name, "rb"));
    fseek(f, 0, SEEK_END);
    bytes = ftell(f);
    rewind(f);

    n = (size_t) bytes / sizeof(uint32_t);
    ids = need(malloc((size_t) bytes));

    if (fread(ids, sizeof(uint32_t), n, f) != n) {
        perror("trace");
        exit(1);
    }

    for (most = 0, i = 0; i < n; i++) {
        most = ids[i] > most ? ids[i] : most;
    }

    s3fifo_init(&s, capacity, most + 1);

    memset(&l, 0, sizeof(l));
    l.capacity = capacity;
    l.last = need(calloc((size_t) most + 1, sizeof(uint32_t)));
    l.ids = need(calloc(n + 1, sizeof(uint32_t)));

    memset(hits, 0, sizeof(hits));

    for (i = 0; i < n; i++) {
        hits[0] += (size_t) s3fifo(&s, ids[i]) * (i >= from);
        hits[1] += (size_t) lru(&l, ids[i]) * (i >= from);
    }

    printf("{\"requests\": %zu, \"s3fifo\": %.6f, \"lru\": %.6f}\n", n - from,
           (double) hits[0] / (double) (n - from),
           (double) hits[1] / (double) (n - from));
}


static uint32_t
number(const char *text)
{
    return (uint32_t) strtoul(text, NULL, 10);
}


int
main(int argc, char **argv)
{
    int  i;

    if (argc == 6 && strcmp(argv[1], "zipf") == 0) {
        zipf(number(argv[2]), number(argv[3]), number(argv[4]), argv[5]);
        return 0;
    }

    if (argc == 5 && strcmp(argv[1], "uniform") == 0) {
        uniform(number(argv[2]), number(argv[3]), argv[4]);
        return 0;
    }

    if (argc == 5 + KEY_CLASSES && strcmp(argv[1], "simulate") == 0) {
        for (i = 0; i < KEY_CLASSES; i++) {
            sizes[i] = strtoull(argv[5 + i], NULL, 10);
        }

        simulate(argv[2], number(argv[3]), strtoull(argv[4], NULL, 10));
        return 0;
    }

    fprintf(stderr, "trace: see the head of trace.c\n");

    return 2;
}
