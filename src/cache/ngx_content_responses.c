/* Responses under way: see ngx_content_responses.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "cache/ngx_content_responses.h"


/* What a worker is at, on a cache line of its own. */

typedef struct {
    ngx_content_response_t   at;             /* begun 0: nothing */
    u_char                   pad[64 - sizeof(ngx_content_response_t)];
} ngx_content_responses_hand_t;

struct ngx_content_responses_s {
    ngx_atomic_t                  turn;
    ngx_atomic_t                  full;      /* there was no place: until when
                                                that counts, by
                                                ngx_current_msec; 0: never */
    u_char                        pad[64 - 2 * sizeof(ngx_atomic_t)];
    ngx_content_responses_hand_t  hands[NGX_MAX_PROCESSES];
    ngx_content_response_t        places[NGX_CONTENT_RESPONSES];
};


static void ngx_content_responses_free(ngx_content_response_t *response,
    ngx_atomic_uint_t owner);
static ngx_uint_t ngx_content_responses_is(ngx_content_response_t *response,
    ngx_atomic_uint_t turn, const uint32_t *hashes, ngx_uint_t n);
static ngx_uint_t ngx_content_responses_dead(ngx_atomic_uint_t owner);


ngx_content_responses_t *
ngx_content_responses_create(ngx_slab_pool_t *pool)
{
    ngx_content_responses_t  *responses;

    responses = ngx_slab_calloc(pool, sizeof(ngx_content_responses_t));

    if (responses) {
        responses->turn = 1;
    }

    return responses;
}


void
ngx_content_responses_init(ngx_content_responses_t *responses)
{
    ngx_uint_t               i;
    ngx_atomic_uint_t        owner;
    ngx_content_response_t  *hand;

    hand = &responses->hands[ngx_process_slot].at;
    hand->begun = 0;
    hand->owner = ngx_pid;

    for (i = 0; i < NGX_CONTENT_RESPONSES; i++) {
        owner = responses->places[i].owner;

        if (owner && (owner == (ngx_atomic_uint_t) ngx_pid
                      || ngx_content_responses_dead(owner)))
        {
            ngx_content_responses_free(&responses->places[i], owner);
        }
    }
}


uint32_t
ngx_content_responses_hash(uint64_t store, const u_char *key, size_t len)
{
    uint32_t  hash;

    hash = ngx_murmur_hash2((u_char *) key, len)
           ^ (uint32_t) store ^ (uint32_t) (store >> 32);

    return hash ? hash : 1;
}


void
ngx_content_responses_enter(ngx_content_responses_t *responses, uint32_t hash)
{
    ngx_content_response_t  *hand;

    hand = &responses->hands[ngx_process_slot].at;

    hand->hash = hash;
    ngx_memory_barrier();
    hand->begun = responses->turn;
}


void
ngx_content_responses_leave(ngx_content_responses_t *responses)
{
    ngx_memory_barrier();
    responses->hands[ngx_process_slot].at.begun = 0;
}


ngx_content_response_t *
ngx_content_responses_go_on(ngx_content_responses_t *responses)
{
    ngx_uint_t               i;
    ngx_content_response_t  *hand, *place;

    static ngx_uint_t  last;

    hand = &responses->hands[ngx_process_slot].at;

    for (i = 0; i < NGX_CONTENT_RESPONSES; i++) {
        last = (last + 1) % NGX_CONTENT_RESPONSES;
        place = &responses->places[last];

        /* a place that was just taken is of turn 0: older than all */

        if (place->owner == 0
            && ngx_atomic_cmp_set(&place->owner, 0, ngx_pid))
        {
            place->hash = hand->hash;
            ngx_memory_barrier();
            place->begun = hand->begun;
            ngx_memory_barrier();
            return place;
        }
    }

    responses->full = ngx_current_msec + NGX_CONTENT_RESPONSES_BOUND;

    return NULL;
}


void
ngx_content_responses_end(ngx_content_response_t *response)
{
    ngx_content_responses_free(response, ngx_pid);
}


/* Without a turn and a hash: whoever takes it is older than all, at first. */

static void
ngx_content_responses_free(ngx_content_response_t *response,
    ngx_atomic_uint_t owner)
{
    response->begun = 0;
    response->hash = 0;
    (void) ngx_atomic_cmp_set(&response->owner, owner, 0);
}


ngx_atomic_uint_t
ngx_content_responses_turn(ngx_content_responses_t *responses)
{
    return ngx_atomic_fetch_add(&responses->turn, 1) + 1;
}


/* First what is at hand: it may get a place meanwhile, but not lose one. */

ngx_uint_t
ngx_content_responses_older(ngx_content_responses_t *responses,
    ngx_atomic_uint_t turn, const uint32_t *hashes, ngx_uint_t n)
{
    ngx_uint_t               i;
    ngx_atomic_uint_t        owner;
    ngx_content_response_t  *place;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        place = &responses->hands[i].at;

        if (place->begun
            && ngx_content_responses_is(place, turn, hashes, n)
            && !ngx_content_responses_dead(place->owner))
        {
            return 1;
        }
    }

    ngx_memory_barrier();

    for (i = 0; i < NGX_CONTENT_RESPONSES; i++) {
        place = &responses->places[i];
        owner = place->owner;

        if (owner == 0
            || !ngx_content_responses_is(place, turn, hashes, n))
        {
            continue;
        }

        if (!ngx_content_responses_dead(owner)) {
            return 1;
        }

        ngx_content_responses_free(place, owner);
    }

    return responses->full
           && (ngx_msec_int_t) (responses->full - ngx_current_msec) > 0;
}


static ngx_uint_t
ngx_content_responses_is(ngx_content_response_t *response,
    ngx_atomic_uint_t turn, const uint32_t *hashes, ngx_uint_t n)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  hash;

    if (response->begun >= turn) {
        return 0;
    }

    hash = response->hash;

    if (n == 0 || hash == 0) {
        return 1;
    }

    for (i = 0; i < n; i++) {
        if (hashes[i] == hash) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_content_responses_dead(ngx_atomic_uint_t owner)
{
    return owner != (ngx_atomic_uint_t) ngx_pid
           && kill((ngx_pid_t) owner, 0) == -1 && ngx_errno == ESRCH;
}
