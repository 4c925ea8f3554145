/*
 * The responses that are under way in all workers of a node, in shared memory:
 * so that a purge of the CDN can be repeated when those have ended that may
 * carry what it has purged.
 *
 * A response is older than a change if its look-up began before the node has
 * forgotten.  Each notes the number of the turn in which it began; who has had
 * the node forget takes a new turn and looks for smaller numbers.
 *
 *     enter()    before the look-up: a store into the worker's own cache line
 *     go_on()    the handler returns, and the response is not at its end yet:
 *                a place in the table, for which that line is too little
 *     leave()    the handler returns
 *     end()      the response is at its end
 *
 * So a response that went to the socket whole, within its handler, which is
 * what most hits from memory do, never touches the table, and still nobody
 * who looks can miss it: it is at hand until its bytes are the kernel's.
 *
 * Places carry their owner's pid: those of the dead are given back by who
 * finds them.  If all are taken, the answer is "some are under way" for a
 * while.  enter() needs a full barrier between it and the look-up: the lock of
 * the memory cache is one, and go_on() is.
 */

#ifndef NGX_CONTENT_RESPONSES_H
#define NGX_CONTENT_RESPONSES_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_CONTENT_RESPONSES        4096
#define NGX_CONTENT_RESPONSES_BOUND  300000  /* ms: nobody waits for longer */


typedef struct {
    ngx_atomic_t              owner;         /* pid; 0: free */
    ngx_atomic_t              begun;         /* turn */
    ngx_atomic_t              hash;
} ngx_content_response_t;

typedef struct ngx_content_responses_s  ngx_content_responses_t;


/* In a fresh zone; NULL: too small. */
ngx_content_responses_t *ngx_content_responses_create(ngx_slab_pool_t *pool);

/* For init_process: what earlier processes have left. */
void ngx_content_responses_init(ngx_content_responses_t *responses);

/* What an object is known by: never 0, which stands for all objects. */
uint32_t ngx_content_responses_hash(uint64_t store, const u_char *key,
    size_t len);

/* Around making an answer with such an object, within one event. */
void ngx_content_responses_enter(ngx_content_responses_t *responses,
    uint32_t hash);
void ngx_content_responses_leave(ngx_content_responses_t *responses);

/*
 * Before leave(), if the answer goes on beyond this event: until end().  NULL:
 * no place was left, and end() is not needed.
 */
ngx_content_response_t *ngx_content_responses_go_on(
    ngx_content_responses_t *responses);
void ngx_content_responses_end(ngx_content_response_t *response);

/* After the node has forgotten: what began before is older than this. */
ngx_atomic_uint_t ngx_content_responses_turn(
    ngx_content_responses_t *responses);

/* Whether older ones of these objects are under way; n 0: of any. */
ngx_uint_t ngx_content_responses_older(ngx_content_responses_t *responses,
    ngx_atomic_uint_t turn, const uint32_t *hashes, ngx_uint_t n);


#endif
