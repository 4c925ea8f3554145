/*
 * The frequency sketch: how far its answers may be off, windows, clocks, and
 * several processes at once.
 */

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "lib/content_hot.h"
#include "rows.h"


#define WIDTH    12
#define WINDOW   60000


static content_hot_t *
create(unsigned width)
{
    void           *mem;
    size_t          size;
    content_hot_t  *hot;

    size = content_hot_size(width);
    mem = malloc(size);                 /* exactly: ASan guards the bounds */
    assert_non_null(mem);
    memset(mem, 0xaa, size);

    hot = content_hot_init(mem, size, width);
    assert_ptr_equal(hot, mem);

    return hot;
}


static unsigned
touch(content_hot_t *hot, unsigned key, uint64_t now)
{
    unsigned char  hash[32];

    SHA256((unsigned char *) &key, sizeof(key), hash);

    return content_hot_touch(hot, hash, now, WINDOW);
}


static void
sizes(void **state)
{
    size_t  size;
    char    mem[64];

    (void) state;

    assert_int_equal(content_hot_size(CONTENT_HOT_WIDTH_MIN - 1), 0);
    assert_int_equal(content_hot_size(CONTENT_HOT_WIDTH_MAX + 1), 0);
    assert_true(content_hot_size(CONTENT_HOT_WIDTH_MAX) > 8u << 24);

    size = content_hot_size(16);
    assert_true(size >= 8u << 16 && size < (8u << 16) + 64);

    assert_null(content_hot_init(mem, sizeof(mem), CONTENT_HOT_WIDTH_MIN));
    assert_null(content_hot_init(mem, sizeof(mem), 3));
}


static void
every_width(void **state)
{
    unsigned        width, key;
    content_hot_t  *hot;

    (void) state;

    for (width = CONTENT_HOT_WIDTH_MIN; width < 12; width++) {
        hot = create(width);

        for (key = 0; key < 2000; key++) {
            assert_true(touch(hot, key, key * 100) >= 1);
        }

        free(hot);
    }
}


static void
counts(void **state)
{
    unsigned        i, want;
    content_hot_t  *hot;

    (void) state;

    hot = create(WIDTH);

    for (i = 1; i <= 300; i++) {
        want = i < CONTENT_HOT_MAX ? i : CONTENT_HOT_MAX;
        assert_int_equal(touch(hot, 1, 5), want);
    }

    assert_int_equal(touch(hot, 2, 5), 1);

    /* full in both windows */

    for (i = 0; i < 300; i++) {
        want = touch(hot, 1, WINDOW + 5);
    }

    assert_int_equal(want, 2 * CONTENT_HOT_MAX);
    free(hot);
}


static void
windows(void **state)
{
    size_t          i;
    content_hot_t  *hot;

    /* one key, touched at these times of one clock, one after the other */

    static const struct {
        const char  *name;
        uint64_t     now;
        unsigned     want;
    } rows[] = {
        { "first", 1000000, 1 },
        { "same time", 1000000, 2 },
        { "end of the window", 1000000 + WINDOW - 1, 3 },
        { "next window: both count", 1000000 + WINDOW, 4 },
        { "end of that", 1000000 + 2 * WINDOW - 1, 5 },
        { "next: the first is gone", 1000000 + 2 * WINDOW, 3 },
        { "late in the one after", 1000000 + 4 * WINDOW - 1, 2 },
        { "which began on time", 1000000 + 4 * WINDOW, 2 },
        { "two windows later: anew", 1000000 + 6 * WINDOW, 1 },
        { "a little later", 1000000 + 6 * WINDOW + 9, 2 },
        { "a small step back", 1000000 + 6 * WINDOW - 9, 3 },
        { "almost a window back", 1000000 + 5 * WINDOW + 1, 4 },
        { "the window goes on", 1000000 + 6 * WINDOW + 9, 5 },
        { "far back: anew", 1000, 1 },
        { "counting there", 1001, 2 },
        { "zero", 0, 3 },
        { "the end of time", UINT64_MAX, 1 },
        { "counting there", UINT64_MAX, 2 },
        { "zero again", 0, 1 }
    };

    (void) state;

    hot = create(WIDTH);

    for (i = 0; i < ROWS(rows); i++) {
        if (touch(hot, 7, rows[i].now) != rows[i].want) {
            fail_msg("%s", rows[i].name);
        }
    }

    free(hot);
}


static void
windows_of_different_length(void **state)
{
    content_hot_t  *hot;
    unsigned char   hash[32] = { 1 };

    (void) state;

    hot = create(WIDTH);

    assert_int_equal(content_hot_touch(hot, hash, 1000000, 1000), 1);
    assert_int_equal(content_hot_touch(hot, hash, 1000001, 9000), 2);
    assert_int_equal(content_hot_touch(hot, hash, 1000002, 1000), 3);
    assert_int_equal(content_hot_touch(hot, hash, 1001500, 9000), 4);
    assert_int_equal(content_hot_touch(hot, hash, 1001500, 1000), 5);
    assert_int_equal(content_hot_touch(hot, hash, 1004000, 1000), 1);

    free(hot);
}


/*
 * Zipf's law: key k is asked for ASKED / k times, in a random order.  No
 * answer is too small; at most 3.7% are too large by more than e * N / 2^W.
 */

#define KEYS   8000
#define ASKED  200

static unsigned
shuffled(unsigned *order)
{
    unsigned  k, i, n, j, swap;
    uint32_t  random;

    n = 0;

    for (k = 1; k <= KEYS; k++) {
        for (i = 0; i < ASKED / k + 1; i++) {
            order[n++] = k;
        }
    }

    random = 1;

    for (i = n - 1; i > 0; i--) {
        random = random * 1664525u + 1013904223u;
        j = (unsigned) (((uint64_t) random * (i + 1)) >> 32);
        swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }

    return n;
}


static void
zipf(void **state)
{
    double           bound;
    unsigned         i, n, got, off;
    content_hot_t   *hot;
    static unsigned  order[KEYS + ASKED * 8], asked[KEYS + 1];

    (void) state;

    hot = create(WIDTH);
    n = shuffled(order);
    bound = 2.7182818 * n / (1 << WIDTH);
    off = 0;

    for (i = 0; i < n; i++) {
        got = touch(hot, order[i], 1000000 + (uint64_t) i * 2 * WINDOW / n);
        asked[order[i]]++;

        assert_true(got >= asked[order[i]]);
        off += got - asked[order[i]] > bound;
    }

    assert_true(off <= n * 0.037);
    free(hot);
}


/* W = 16 and 24,000 touches: practically nothing is off by more than one. */

static void
as_documented(void **state)
{
    unsigned        key, off;
    content_hot_t  *hot;

    (void) state;

    hot = create(16);
    off = 0;

    for (key = 0; key < 24000; key++) {
        off += touch(hot, key, 1000000) > 2;
    }

    assert_true(off <= 24000 * 0.018);
    free(hot);
}


static void
child(content_hot_t *hot)
{
    unsigned  i, got;

    for (i = 0; i < 50000; i++) {
        got = touch(hot, i % 100, 1000000 + (uint64_t) i * WINDOW / 1000);

        if (got < 1 || got > 2 * CONTENT_HOT_MAX) {
            _exit(1);
        }
    }

    _exit(0);
}


/* Processes that touch and turn at once: answers stay within their range. */

static void
processes(void **state)
{
    int             status;
    pid_t           pid[3];
    size_t          size, i;
    unsigned char  *mem;

    (void) state;

    size = content_hot_size(4);
    mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    assert_non_null(content_hot_init(mem, size, 4));

    for (i = 0; i < ROWS(pid); i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);

        if (pid[i] == 0) {
            child((content_hot_t *) mem);
        }
    }

    for (i = 0; i < ROWS(pid); i++) {
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }

    munmap(mem, size);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(every_width),
        cmocka_unit_test(counts),
        cmocka_unit_test(windows),
        cmocka_unit_test(windows_of_different_length),
        cmocka_unit_test(zipf),
        cmocka_unit_test(as_documented),
        cmocka_unit_test(processes)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
