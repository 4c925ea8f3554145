/* What the fuzzing targets have in common: see fuzz.h. */

#include "fuzz.h"


#define BLOCKS  4096


static content_str_t  current;
static content_str_t  kept_seeds[FUZZ_SEEDS_MAX];
static unsigned       nseeds;
static void          *blocks[BLOCKS];
static unsigned       nblocks;


void
fuzz_run(content_str_t input)
{
    current = input;
    fuzz_one(input);

    while (nblocks) {
        free(blocks[--nblocks]);
    }
}


void
fuzz_fail(const char *file, int line, const char *condition)
{
    size_t  i;

    fprintf(stderr, "%s:%d: does not hold: %s\ninput: \"", file, line,
            condition);

    for (i = 0; i < current.len && i < 4096; i++) {
        if (current.data[i] >= 0x20 && current.data[i] < 0x7f
            && current.data[i] != '"' && current.data[i] != '\\')
        {
            fputc(current.data[i], stderr);

        } else {
            fprintf(stderr, "\\%03o", current.data[i]);
        }
    }

    fprintf(stderr, "\"\n");
    abort();
}


void *
fuzz_alloc(size_t size)
{
    void  *p;

    p = malloc(size ? size : 1);

    if (p == NULL || nblocks == BLOCKS) {
        abort();
    }

    blocks[nblocks++] = p;

    return p;
}


content_str_t
fuzz_copy(content_str_t s)
{
    return fuzz_join("", s, "");
}


content_str_t
fuzz_join(const char *before, content_str_t s, const char *after)
{
    content_out_t  out;

    out = fuzz_out(strlen(before) + s.len + strlen(after));

    content_out_text(&out, before);
    content_out_str(&out, s);
    content_out_text(&out, after);

    return content_out_done(&out);
}


content_str_t
fuzz_cat(content_str_t a, content_str_t b)
{
    content_out_t  out;

    out = fuzz_out(a.len + b.len);

    content_out_str(&out, a);
    content_out_str(&out, b);

    return content_out_done(&out);
}


content_out_t
fuzz_out(size_t size)
{
    content_out_t  out;

    content_out_init(&out, fuzz_alloc(size), size);

    return out;
}


content_str_t
fuzz_line(content_str_t *rest)
{
    content_str_t   line;
    unsigned char  *end;

    line = *rest;
    end = line.len ? memchr(line.data, '\n', line.len) : NULL;

    if (end) {
        line.len = (size_t) (end - line.data);
    }

    rest->data += line.len + (end != NULL);
    rest->len -= line.len + (end != NULL);

    return fuzz_copy(line);
}


int
fuzz_is_inside(content_str_t s, const void *start, size_t size)
{
    const unsigned char  *p = start;

    return s.len == 0
           || (s.data >= p && s.len <= size
               && (size_t) (s.data - p) <= size - s.len);
}


int
fuzz_is_printable(content_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < 0x20 || s.data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


void
fuzz_seed(content_str_t seed)
{
    content_str_t  *kept;

    if (nseeds == FUZZ_SEEDS_MAX) {
        abort();
    }

    kept = &kept_seeds[nseeds++];
    kept->len = seed.len;
    kept->data = malloc(seed.len + 1);

    if (kept->data == NULL) {
        abort();
    }

    memcpy(kept->data, seed.data, seed.len);
}


void
fuzz_text(const char *seed)
{
    fuzz_seed(content_cstr(seed));
}


unsigned
fuzz_get_seeds(void)
{
    fuzz_seeds();

    return nseeds;
}


content_str_t
fuzz_any_seed(size_t number)
{
    return kept_seeds[number % nseeds];
}
