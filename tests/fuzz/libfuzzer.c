/*
 * What libFuzzer calls.  The seeds are written into the directory that
 * FUZZ_SEEDS names before it is read.
 */

#include "fuzz.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char            path[4096];
    FILE           *file;
    unsigned        i, n;
    const char     *directory;
    content_str_t   seed;

    (void) argc;
    (void) argv;

    directory = getenv("FUZZ_SEEDS");
    n = fuzz_get_seeds();

    for (i = 0; directory && i < n; i++) {
        seed = fuzz_any_seed(i);
        snprintf(path, sizeof(path), "%s/seed-%u", directory, i);
        file = fopen(path, "wb");

        if (file == NULL || fwrite(seed.data, 1, seed.len, file) != seed.len
            || fclose(file) != 0)
        {
            perror(path);
            exit(2);
        }
    }

    return 0;
}


/* The bytes must not be written to: targets get a copy. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    content_str_t  input;

    input.len = size;
    input.data = malloc(size ? size : 1);

    if (size) {
        memcpy(input.data, data, size);
    }

    fuzz_run(input);
    free(input.data);

    return 0;
}


/*
 * Of four, two are libFuzzer's, one is of vary.c, and one too but of a seed:
 * what has been found by and by is small, and has lost what seeds are made of.
 */

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t       state;
    unsigned       n;
    content_str_t  s = { size, data }, whole;

    if (seed % 2) {
        return LLVMFuzzerMutate(data, size, max);
    }

    whole = fuzz_any_seed(seed / 16);

    if (seed % 4 && whole.len <= max) {
        memcpy(data, whole.data, whole.len);
        s.len = whole.len;
    }

    state = seed | 1;

    for (n = 0; n <= seed / 4 % 4; n++) {
        fuzz_vary(&s, max, &state);
    }

    return s.len;
}
