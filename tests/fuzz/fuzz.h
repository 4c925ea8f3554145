/*
 * What the fuzzing targets have in common.  A target is a parser of src/lib
 * that reads bytes from outside, and what has to hold for any of them.
 *
 * Each is built twice: with libFuzzer, which looks for new inputs
 * (`make fuzz`), and with replay.c, which takes the seeds and the same few
 * thousand variations of them each time (`make unit`).
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/content_str.h"


/* Of a target: */

void fuzz_one(content_str_t input);
void fuzz_seeds(void);                  /* calls fuzz_seed() for each */


/* At most FUZZ_SEEDS_MAX; keeps a copy. */

#define FUZZ_SEEDS_MAX  128

void fuzz_seed(content_str_t seed);
void fuzz_text(const char *seed);


/* What has to hold.  If not, the input is shown and the program ends. */

#define HOLDS(condition)                                                     \
    ((condition) ? (void) 0 : fuzz_fail(__FILE__, __LINE__, #condition))

void fuzz_fail(const char *file, int line, const char *condition);


/*
 * Memory of exactly that size, so that the sanitizer sees each byte that is
 * touched beyond; it lives until the input is done with.
 */

void *fuzz_alloc(size_t size);
content_str_t fuzz_copy(content_str_t s);
content_out_t fuzz_out(size_t size);

/* Takes a line off *rest, without its end: for inputs of several parts. */

content_str_t fuzz_line(content_str_t *rest);

content_str_t fuzz_join(const char *before, content_str_t s,
    const char *after);
content_str_t fuzz_cat(content_str_t a, content_str_t b);

int fuzz_is_inside(content_str_t s, const void *start, size_t size);
int fuzz_is_printable(content_str_t s);                     /* 0x20 .. 0x7e */


/* Run by either program. */

void fuzz_run(content_str_t input);
unsigned fuzz_get_seeds(void);                             /* how many */
content_str_t fuzz_any_seed(size_t number);

/*
 * Changes an input, of which all room bytes can be written to.  *state is any
 * number but 0.
 */

void fuzz_vary(content_str_t *input, size_t room, uint64_t *state);

#endif
