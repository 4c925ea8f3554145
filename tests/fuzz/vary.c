/*
 * Variations of an input: of its bytes, and of what stands between two
 * delimiters, which is how a field comes to be there twice, or not at all.
 */

#include "fuzz.h"


#define PIECE  256


/* Below n, which is not 0.  xorshift64* (Vigna, 2016). */

static size_t
any(uint64_t *state, size_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;

    return (size_t) (*state * 0x2545f4914f6cdd1du >> 32) % n;
}


static unsigned char
any_byte(uint64_t *state)
{
    static const unsigned char  likely[] =
        "\0\n\r\t \"'\\,;:=/?#%&<>[]{}()*+-._~@W0189afAFzZ\x7f\x80\x9f\xc2\xff";

    return any(state, 3) ? likely[any(state, sizeof(likely) - 1)]
                         : (unsigned char) any(state, 256);
}


/* A place where something begins, or any. */

static size_t
any_place(uint64_t *state, content_str_t s)
{
    size_t  i, place;

    place = any(state, s.len + 1);

    for (i = place; i < s.len && i < place + PIECE; i++) {
        if (memchr("\n\"<,;:{[ /&=", s.data[i], 12)) {
            return i;
        }
    }

    return place;
}


/* Puts n bytes in the place of len, if there is room. */

static void
put(content_str_t *s, size_t room, size_t place, size_t len, const void *from,
    size_t n)
{
    unsigned char  piece[PIECE];

    if (s->len - len + n > room) {
        return;
    }

    memcpy(piece, from, n);                   /* of s itself, maybe */
    memmove(s->data + place + n, s->data + place + len, s->len - place - len);
    memcpy(s->data + place, piece, n);
    s->len += n - len;
}


void
fuzz_vary(content_str_t *s, size_t room, uint64_t *state)
{
    size_t         place, len;
    unsigned char  c;
    content_str_t  from;

    place = any_place(state, *s);
    c = any_byte(state);

    switch (any(state, 4)) {

    case 0:
        place = any(state, s->len + 1);
        put(s, room, place, place < s->len, &c, 1);
        return;

    case 1:
        put(s, room, place, 0, &c, 1);
        return;

    case 2:
        len = any_place(state, *s);
        put(s, room, len < place ? len : place,
            len < place ? place - len : len - place, "", 0);
        return;
    }

    from = any(state, 2) ? *s : fuzz_any_seed(any(state, FUZZ_SEEDS_MAX));
    len = any_place(state, from);
    from.data += len;
    from.len -= len;
    len = any_place(state, from);
    put(s, room, place, 0, from.data, len < PIECE ? len : PIECE);
}
