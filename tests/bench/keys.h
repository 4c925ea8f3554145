/*
 * The objects of a trace: numbers below 2^32, each with a path that tells its
 * size class, so that a server without a disk can make it up (peers.Made).
 */

#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include <stdint.h>
#include <stdio.h>


#define KEY_MAX      32
#define KEY_CLASSES  4


/* The finalizer of MurmurHash3. */

static inline uint32_t
key_mix(uint32_t n)
{
    n ^= n >> 16;
    n *= 0x85ebca6bu;
    n ^= n >> 13;
    n *= 0xc2b2ae35u;

    return n ^ n >> 16;
}


static inline unsigned
key_class(uint32_t n)
{
    return key_mix(n) % KEY_CLASSES;
}


static inline void
key_path(char path[KEY_MAX], uint32_t n)
{
    snprintf(path, KEY_MAX, "/k%u/%08x", key_class(n), (unsigned) n);
}


#endif
