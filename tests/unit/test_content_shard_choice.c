/*
 * What a shard evicts, and how well it chooses, beside plain simulations of
 * S3-FIFO and of LRU.
 */

#include <stdio.h>

#include "rows.h"
#include "shard.h"


static void
a_scan_spares_what_is_asked_for(void **state)
{
    uint32_t          n, hot;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    for (hot = 0; hot < 100; hot++) {
        assert_non_null(put(shard, hot, 50, 1000, &nobody));
        assert_non_null(find(shard, hot));
    }

    for (n = 1000; n < 100000; n++) {
        assert_non_null(put(shard, n, 50, 1000, &nobody));

        if (n % 10 == 0) {
            (void) find(shard, n / 10 % 100);
        }
    }

    for (hot = 0; hot < 100; hot++) {
        assert_non_null(find(shard, hot));
    }

    free(shard);
}


static void
evicted_from_the_small_queue_comes_back_into_the_main_one(void **state)
{
    uint32_t          n;
    content_shard_t  *shard;

    (void) state;

    shard = create(SIZE);

    for (n = 0; n < 3000; n++) {
        assert_non_null(put(shard, n, 0, 1000, &nobody));
    }

    for (n = 2000; find(shard, n); n++) {
        /* void */
    }

    /* it was asked for twice, with others in between */

    assert_non_null(put(shard, n, 0, 1000, &nobody));

    for (n = 10000; n < 10500; n++) {
        assert_non_null(put(shard, n, 0, 1000, &nobody));
    }

    for (n = 2000; n < 3000 && !find(shard, n); n++) {
        /* void */
    }

    assert_true(n < 3000);

    free(shard);
}


/*
 * Simulations: records by number, of the sizes that they take in a shard, no
 * memory, no fingerprints.  Lists as arrays of numbers.
 */

#define HOT       20000
#define REQUESTS  240000
#define IDS       (HOT + REQUESTS)

typedef struct {
    uint32_t   *ids;                     /* a ring; 0xffffffff: taken out */
    size_t      head;
    size_t      tail;
    uint64_t    bytes;
} fifo_t;

typedef struct {
    uint64_t    capacity;
    uint32_t   *size;                    /* by id */
    uint8_t    *where;                   /* 0: nowhere, 1: small, 2: main */
    uint8_t    *freq;
    uint8_t    *ghost;
    uint64_t    main_entries;
    fifo_t      small;
    fifo_t      large;
    fifo_t      ghosts;
} s3fifo_t;


static void
fifo_init(fifo_t *q)
{
    memset(q, 0, sizeof(fifo_t));
    q->ids = malloc((size_t) 8 * IDS * sizeof(uint32_t));
    assert_non_null(q->ids);
}


static void
fifo_push(fifo_t *q, uint32_t id, uint32_t size)
{
    assert_true(q->tail < (size_t) 8 * IDS);
    q->ids[q->tail++] = id;
    q->bytes += size;
}


static uint32_t
fifo_pop(fifo_t *q, const uint32_t *size)
{
    uint32_t  id;

    id = q->ids[q->head++];
    q->bytes -= size ? size[id] : 0;

    return id;
}


static void
s3fifo_init(s3fifo_t *s, uint64_t capacity, uint32_t *size)
{
    memset(s, 0, sizeof(s3fifo_t));
    s->capacity = capacity;
    s->size = size;
    s->where = calloc(IDS, 1);
    s->freq = calloc(IDS, 1);
    s->ghost = calloc(IDS, 1);
    assert_true(s->where && s->freq && s->ghost);

    fifo_init(&s->small);
    fifo_init(&s->large);
    fifo_init(&s->ghosts);
}


static void
s3fifo_free(s3fifo_t *s)
{
    free(s->small.ids);
    free(s->large.ids);
    free(s->ghosts.ids);
    free(s->where);
    free(s->freq);
    free(s->ghost);
}


static void
s3fifo_evict_main(s3fifo_t *s)
{
    uint32_t  id;

    for ( ;; ) {
        id = fifo_pop(&s->large, s->size);

        if (s->freq[id] == 0) {
            s->where[id] = 0;
            s->main_entries--;
            return;
        }

        s->freq[id]--;
        fifo_push(&s->large, id, s->size[id]);
    }
}


static void
s3fifo_evict_small(s3fifo_t *s)
{
    uint32_t  id;

    id = fifo_pop(&s->small, s->size);

    if (s->freq[id] > 0) {
        s->freq[id] = 0;
        s->where[id] = 2;
        s->main_entries++;
        fifo_push(&s->large, id, s->size[id]);
        return;
    }

    s->where[id] = 0;
    s->ghost[id] = 1;
    fifo_push(&s->ghosts, id, 0);

    while (s->ghosts.tail - s->ghosts.head > s->main_entries + 100) {
        s->ghost[fifo_pop(&s->ghosts, NULL)] = 0;
    }
}


static int
s3fifo(s3fifo_t *s, uint32_t id)
{
    if (s->where[id]) {
        s->freq[id] += (s->freq[id] < 3);
        return 1;
    }

    while (s->small.bytes + s->large.bytes + s->size[id] > s->capacity) {
        if (s->small.bytes >= s->capacity / 10 || s->main_entries == 0) {
            s3fifo_evict_small(s);

        } else {
            s3fifo_evict_main(s);
        }
    }

    s->freq[id] = 0;

    if (s->ghost[id]) {
        s->ghost[id] = 0;
        s->where[id] = 2;
        s->main_entries++;
        fifo_push(&s->large, id, s->size[id]);

    } else {
        s->where[id] = 1;
        fifo_push(&s->small, id, s->size[id]);
    }

    return 0;
}


/* LRU: a queue with all requests; only a record's last one counts. */

typedef struct {
    uint64_t    capacity;
    uint64_t    bytes;
    uint32_t   *size;
    uint32_t   *last;                    /* by id: its place; 0: not there */
    uint32_t   *ids;
    uint32_t    head;
    uint32_t    tail;
} lru_t;


static void
lru_init(lru_t *l, uint64_t capacity, uint32_t *size)
{
    memset(l, 0, sizeof(lru_t));
    l->capacity = capacity;
    l->size = size;
    l->last = calloc(IDS, sizeof(uint32_t));
    l->ids = calloc(REQUESTS + 1, sizeof(uint32_t));
    assert_true(l->last && l->ids);
}


static void
lru_free(lru_t *l)
{
    free(l->last);
    free(l->ids);
}


static int
lru(lru_t *l, uint32_t id)
{
    int       hit;
    uint32_t  old;

    hit = (l->last[id] != 0);

    if (!hit) {
        l->bytes += l->size[id];
    }

    l->ids[++l->tail] = id;
    l->last[id] = l->tail;

    while (l->bytes > l->capacity) {
        old = l->ids[++l->head];

        if (l->last[old] == l->head) {
            l->last[old] = 0;
            l->bytes -= l->size[old];
        }
    }

    return hit;
}


/* Zipf-Mandelbrot: the larger flat is, the less the first ones stand out. */

static double *
zipf(unsigned flat)
{
    double  *sum;
    size_t   i;

    sum = malloc(HOT * sizeof(double));
    assert_non_null(sum);

    for (i = 0; i < HOT; i++) {
        sum[i] = (i ? sum[i - 1] : 0) + 1.0 / (double) (i + 1 + flat);
    }

    for (i = 0; i < HOT; i++) {
        sum[i] /= sum[HOT - 1];
    }

    return sum;
}


static uint32_t
draw(const double *sum, uint32_t rnd)
{
    double  x;
    size_t  low, high, mid;

    x = rnd / 4294967296.0;
    low = 0;
    high = HOT - 1;

    while (low < high) {
        mid = (low + high) / 2;

        if (sum[mid] < x) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return (uint32_t) low;
}


/* The bytes that a record takes in a shard. */

static uint32_t
body_of(uint32_t id, uint32_t spread)
{
    return 100 + (spread ? hash_of(id) % spread : 0);
}


static uint32_t
taken_by(uint32_t id, uint32_t spread)
{
    return (uint32_t) ((sizeof(content_entry_t) + 16 + 56
                        + body_of(id, spread) + CONTENT_ARENA_HEAD + 15)
                       / 16 * 16);
}


static uint32_t *
all_sizes(uint32_t spread)
{
    uint32_t  i, *size;

    size = malloc(IDS * sizeof(uint32_t));
    assert_non_null(size);

    for (i = 0; i < IDS; i++) {
        size[i] = taken_by(i, spread);
    }

    return size;
}


static int
shard_get(content_shard_t *shard, uint32_t id, uint32_t spread)
{
    char  buf[32];

    if (find(shard, id)) {
        return 1;
    }

    assert_non_null(insert(shard, hash_of(id), key_of(id, buf), 50,
                           body_of(id, spread), 1, &nobody));
    return 0;
}


typedef struct {
    const char  *name;
    unsigned     flat;
    unsigned     scan;                   /* of 16 requests */
    unsigned     burst;                  /* scans come so many at once */
    uint32_t     spread;                 /* of sizes */
    double       least;                  /* of S3-FIFO's hits */
} load_t;


static void
compare(const load_t *load)
{
    double            *sum;
    lru_t              l;
    uint32_t           i, id, n, hits[3], hot, *size;
    s3fifo_t           s;
    content_shard_t   *shard;

    shard = create(2 * SIZE);
    sum = zipf(load->flat);
    size = all_sizes(load->spread);

    s3fifo_init(&s, stats_of(shard).size, size);
    lru_init(&l, stats_of(shard).size, size);

    memset(hits, 0, sizeof(hits));
    hot = 0;
    n = HOT;

    for (i = 0; i < REQUESTS; i++) {
        if (i / load->burst % 16 < load->scan) {
            id = n++;

        } else {
            id = draw(sum, hash_of(i ^ 0x5bd1e995));
        }

        /* once they are warm */

        if (id < HOT && i > REQUESTS / 4) {
            hot++;
            hits[0] += (uint32_t) shard_get(shard, id, load->spread);
            hits[1] += (uint32_t) s3fifo(&s, id);
            hits[2] += (uint32_t) lru(&l, id);

        } else {
            (void) shard_get(shard, id, load->spread);
            (void) s3fifo(&s, id);
            (void) lru(&l, id);
        }
    }

    print_message("%s: hits %.4f, S3-FIFO %.4f, LRU %.4f, %.0f%% full\n",
                  load->name, (double) hits[0] / hot, (double) hits[1] / hot,
                  (double) hits[2] / hot,
                  100.0 * (double) stats_of(shard).bytes
                  / (double) stats_of(shard).size);

    if (hits[0] < load->least * hits[1] || hits[0] <= hits[2]) {
        fail_msg("%s: of %u: %u hits, S3-FIFO %u, LRU %u", load->name, hot,
                 hits[0], hits[1], hits[2]);
    }

    s3fifo_free(&s);
    lru_free(&l);
    free(size);
    free(sum);
    free(shard);
}


static void
chooses_as_well_as_s3fifo(void **state)
{
    size_t  i;

    static const load_t  loads[] = {
        { "no scan",             0,  0,  1,    0,     0.97 },
        { "a scan of a half",    0,  8,  1,    0,     0.97 },
        { "mostly scan",         0,  12, 1,    0,     0.97 },
        { "scans in bursts",     0,  8,  2000, 0,     0.97 },
        { "flat",                40, 8,  1,    0,     0.97 },
        { "of many sizes",       0,  8,  1,    1500,  0.97 },

        /* 200 records of a hundredth: what lies idle between them counts */

        { "of large sizes",      0,  8,  1,    20000, 0.9  },
    };

    (void) state;

    for (i = 0; i < ROWS(loads); i++) {
        compare(&loads[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_scan_spares_what_is_asked_for),
        cmocka_unit_test(
            evicted_from_the_small_queue_comes_back_into_the_main_one),
        cmocka_unit_test(chooses_as_well_as_s3fifo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
