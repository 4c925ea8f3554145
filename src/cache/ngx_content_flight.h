/*
 * Objects in flight: what one worker reads from storage, for the other workers
 * of the node to see while it comes.  A flight is a slot of a table in shared
 * memory, with the object's record and its bytes behind it.  The worker that
 * reads owns it; the others follow it, and are woken, by an eventfd each, when
 * there is more.  One lock guards all; bytes are copied out under it, so that
 * nobody holds a pin.
 *
 *     owner                        follower
 *     _enter() = NGX_OK            _enter() = NGX_AGAIN
 *     _room(), _move() ...         woken: _look(), _copy() ...
 *     _end()
 *     _leave()                     _leave()
 *
 * A flight can be joined by whoever has the same fence (ngx_content_memory.h)
 * and belongs to the same configuration.  An owner that dies is noticed by the
 * worker that takes its place, and its flights become GONE: the followers go on
 * alone.  What a dead follower has left is cleared by its successor.
 */

#ifndef NGX_CONTENT_FLIGHT_H
#define NGX_CONTENT_FLIGHT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_CONTENT_FLIGHT_SLOTS    256
#define NGX_CONTENT_FLIGHT_WORKERS  64
#define NGX_CONTENT_FLIGHT_HASH     32

/* The owner's states are its own; this one is ours. */
#define NGX_CONTENT_FLIGHT_GONE     255


typedef struct ngx_content_flights_s  ngx_content_flights_t;

typedef void (*ngx_content_flight_pt)(void *data);

typedef struct {
    ngx_uint_t        slot;
    uint64_t          serial;                /* 0: none */
    unsigned          own:1;
} ngx_content_flight_t;

typedef struct {
    ngx_uint_t        state;
    ngx_uint_t        outcome;
    size_t            head;                  /* bytes of the record; 0: not
                                                there yet, or no room */
    size_t            received;              /* of the body */
} ngx_content_flight_view_t;


/* Bytes of a zone for bodies of up to max bytes. */
size_t ngx_content_flight_zone_size(size_t max);
/* Fills a fresh zone. */
ngx_int_t ngx_content_flight_zone(ngx_slab_pool_t *pool);

/* In the master, before there are workers; NULL: not for so many, or one. */
ngx_content_flights_t *ngx_content_flights_create(ngx_cycle_t *cycle,
    ngx_slab_pool_t *pool);

/* In a worker: begins and ends listening.  wake runs when there is more. */
ngx_int_t ngx_content_flights_start(ngx_content_flights_t *flights,
    ngx_cycle_t *cycle, ngx_content_flight_pt wake, void *data);
void ngx_content_flights_stop(ngx_content_flights_t *flights);

/*
 * NGX_OK: a new flight, of the caller; NGX_AGAIN: follows another worker's;
 * NGX_DECLINED: there is no slot.
 */
ngx_int_t ngx_content_flight_enter(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, uint64_t store, const u_char *hash,
    ngx_atomic_uint_t fence);

/* Whether _enter() would be NGX_AGAIN now. */
ngx_uint_t ngx_content_flight_there(ngx_content_flights_t *flights,
    uint64_t store, const u_char *hash, ngx_atomic_uint_t fence);

/*
 * Owner: the record, copied, and room for the body behind it, which stays
 * until _leave(); NULL: there is none.
 */
u_char *ngx_content_flight_room(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_uint_t state, ngx_str_t *record,
    size_t size);

/* Owner: so many bytes of the body are there. */
void ngx_content_flight_move(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, size_t received);
void ngx_content_flight_end(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_uint_t state, ngx_uint_t outcome);

/* Both: forgets the flight. */
void ngx_content_flight_leave(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight);

/* Follower.  NGX_ERROR: it is not there any more. */
ngx_int_t ngx_content_flight_look(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_content_flight_view_t *view);
/* From the beginning of the record on. */
ngx_int_t ngx_content_flight_copy(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, size_t offset, u_char *to, size_t len);


#endif
