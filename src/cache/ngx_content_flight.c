/* Objects in flight: see ngx_content_flight.h. */

#include <sys/eventfd.h>

#include "cache/ngx_content_flight.h"


typedef struct {
    ngx_pid_t            owner;              /* 0: free, or only followed */
    uint64_t             serial;
    uint64_t             generation;         /* of the configuration */
    uint64_t             followers;          /* a bit each */
    uint64_t             store;
    u_char               hash[NGX_CONTENT_FLIGHT_HASH];
    ngx_atomic_uint_t    fence;
    ngx_uint_t           state;
    ngx_uint_t           outcome;
    ngx_uint_t           ended;              /* not to be joined */
    u_char              *data;               /* record, body */
    size_t               head;
    size_t               received;
} ngx_content_flight_slot_t;

typedef struct {
    uint64_t                    serial;
    uint64_t                    generation;
    ngx_content_flight_slot_t   slots[NGX_CONTENT_FLIGHT_SLOTS];
} ngx_content_flight_table_t;

struct ngx_content_flights_s {
    ngx_slab_pool_t             *pool;
    ngx_content_flight_table_t  *table;
    uint64_t                     generation;
    ngx_uint_t                   workers;
    int                          fds[NGX_CONTENT_FLIGHT_WORKERS];

    /* of this worker */
    ngx_connection_t            *connection;
    ngx_content_flight_pt        wake;
    void                        *data;
};


static void ngx_content_flights_close(void *data);
static void ngx_content_flights_inherit(ngx_content_flights_t *flights);
static void ngx_content_flights_heard(ngx_event_t *ev);
static void ngx_content_flights_tell(ngx_content_flights_t *flights,
    uint64_t workers);
static ngx_content_flight_slot_t *ngx_content_flight_find(
    ngx_content_flights_t *flights, uint64_t store, const u_char *hash,
    ngx_atomic_uint_t fence);
static ngx_content_flight_slot_t *ngx_content_flight_new(
    ngx_content_flights_t *flights);
static ngx_content_flight_slot_t *ngx_content_flight_slot(
    ngx_content_flights_t *flights, ngx_content_flight_t *flight);
static void ngx_content_flight_free(ngx_content_flights_t *flights,
    ngx_content_flight_slot_t *slot);


size_t
ngx_content_flight_zone_size(size_t max)
{
    return ngx_max(16 * 1024 * 1024, 8 * max);
}


ngx_int_t
ngx_content_flight_zone(ngx_slab_pool_t *pool)
{
    pool->data = ngx_slab_calloc(pool, sizeof(ngx_content_flight_table_t));
    pool->log_nomem = 0;

    return pool->data ? NGX_OK : NGX_ERROR;
}


ngx_content_flights_t *
ngx_content_flights_create(ngx_cycle_t *cycle, ngx_slab_pool_t *pool)
{
    ngx_uint_t              i;
    ngx_core_conf_t        *ccf;
    ngx_pool_cleanup_t     *cln;
    ngx_content_flights_t  *flights;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->worker_processes < 2
        || ccf->worker_processes > NGX_CONTENT_FLIGHT_WORKERS)
    {
        return NULL;
    }

    flights = ngx_pcalloc(cycle->pool, sizeof(ngx_content_flights_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (flights == NULL || cln == NULL) {
        return NULL;
    }

    flights->pool = pool;
    flights->table = pool->data;

    ngx_shmtx_lock(&pool->mutex);
    flights->generation = ++flights->table->generation;
    ngx_shmtx_unlock(&pool->mutex);

    cln->handler = ngx_content_flights_close;
    cln->data = flights;

    for (i = 0; i < (ngx_uint_t) ccf->worker_processes; i++) {
        flights->fds[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (flights->fds[i] == -1) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NULL;
        }

        flights->workers++;
    }

    return flights;
}


static void
ngx_content_flights_close(void *data)
{
    ngx_uint_t              i;
    ngx_content_flights_t  *flights = data;

    for (i = 0; i < flights->workers; i++) {
        (void) close(flights->fds[i]);
    }
}


ngx_int_t
ngx_content_flights_start(ngx_content_flights_t *flights, ngx_cycle_t *cycle,
    ngx_content_flight_pt wake, void *data)
{
    ngx_connection_t  *c;

    flights->wake = wake;
    flights->data = data;

    c = ngx_get_connection(flights->fds[ngx_worker], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = flights;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->handler = ngx_content_flights_heard;
    c->read->channel = 1;                /* no connection that is left open */
    c->write->channel = 1;

    if (ngx_add_event(c->read, NGX_READ_EVENT, 0) != NGX_OK) {
        ngx_free_connection(c);
        return NGX_ERROR;
    }

    flights->connection = c;

    ngx_content_flights_inherit(flights);

    return NGX_OK;
}


void
ngx_content_flights_stop(ngx_content_flights_t *flights)
{
    if (flights->connection) {
        (void) ngx_del_event(flights->connection->read, NGX_READ_EVENT, 0);
        flights->connection->fd = (ngx_socket_t) -1;
        ngx_free_connection(flights->connection);
        flights->connection = NULL;
    }
}


/* What the worker that had this place, and all that died, have left. */

static void
ngx_content_flights_inherit(ngx_content_flights_t *flights)
{
    uint64_t                    workers;
    ngx_uint_t                  i;
    ngx_content_flight_slot_t  *slot;

    workers = 0;

    ngx_shmtx_lock(&flights->pool->mutex);

    for (i = 0; i < NGX_CONTENT_FLIGHT_SLOTS; i++) {
        slot = &flights->table->slots[i];

        if (slot->serial == 0) {
            continue;
        }

        if (slot->generation == flights->generation) {
            slot->followers &= ~((uint64_t) 1 << ngx_worker);
        }

        if (slot->owner && kill(slot->owner, 0) == -1 && ngx_errno == ESRCH) {
            slot->owner = 0;
            slot->ended = 1;
            slot->state = NGX_CONTENT_FLIGHT_GONE;

            if (slot->generation == flights->generation) {
                workers |= slot->followers;
            }
        }

        if (slot->owner == 0
            && (slot->followers == 0
                || slot->generation != flights->generation))
        {
            ngx_content_flight_free(flights, slot);
        }
    }

    ngx_shmtx_unlock(&flights->pool->mutex);

    ngx_content_flights_tell(flights, workers);
}


static void
ngx_content_flights_heard(ngx_event_t *ev)
{
    uint64_t                n;
    ngx_connection_t       *c;
    ngx_content_flights_t  *flights;

    c = ev->data;
    flights = c->data;

    if (read(c->fd, &n, sizeof(n)) == sizeof(n)) {
        flights->wake(flights->data);
    }
}


static void
ngx_content_flights_tell(ngx_content_flights_t *flights, uint64_t workers)
{
    uint64_t    one;
    ngx_uint_t  i;

    one = 1;

    for (i = 0; workers && i < flights->workers; i++) {
        if (workers & ((uint64_t) 1 << i)) {
            workers &= ~((uint64_t) 1 << i);
            (void) (write(flights->fds[i], &one, sizeof(one)) + 1);
        }
    }
}


ngx_int_t
ngx_content_flight_enter(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, uint64_t store, const u_char *hash,
    ngx_atomic_uint_t fence)
{
    ngx_int_t                   rc;
    ngx_content_flight_slot_t  *slot;

    rc = NGX_AGAIN;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_find(flights, store, hash, fence);

    if (slot) {
        slot->followers |= (uint64_t) 1 << ngx_worker;

    } else {
        rc = NGX_OK;
        slot = ngx_content_flight_new(flights);

        if (slot == NULL) {
            rc = NGX_DECLINED;
            goto done;
        }

        slot->store = store;
        slot->fence = fence;
        ngx_memcpy(slot->hash, hash, NGX_CONTENT_FLIGHT_HASH);
    }

    flight->own = (rc == NGX_OK);
    flight->slot = slot - flights->table->slots;
    flight->serial = slot->serial;

done:

    ngx_shmtx_unlock(&flights->pool->mutex);

    return rc;
}


ngx_uint_t
ngx_content_flight_there(ngx_content_flights_t *flights, uint64_t store,
    const u_char *hash, ngx_atomic_uint_t fence)
{
    ngx_uint_t  there;

    ngx_shmtx_lock(&flights->pool->mutex);
    there = ngx_content_flight_find(flights, store, hash, fence) != NULL;
    ngx_shmtx_unlock(&flights->pool->mutex);

    return there;
}


/* Another worker's; the lock is held. */

static ngx_content_flight_slot_t *
ngx_content_flight_find(ngx_content_flights_t *flights, uint64_t store,
    const u_char *hash, ngx_atomic_uint_t fence)
{
    ngx_uint_t                  i;
    ngx_content_flight_slot_t  *slot;

    for (i = 0; i < NGX_CONTENT_FLIGHT_SLOTS; i++) {
        slot = &flights->table->slots[i];

        if (slot->serial && !slot->ended && slot->fence == fence
            && slot->store == store && slot->owner != ngx_pid
            && slot->generation == flights->generation
            && ngx_memcmp(slot->hash, hash, NGX_CONTENT_FLIGHT_HASH) == 0)
        {
            return slot;
        }
    }

    return NULL;
}


static ngx_content_flight_slot_t *
ngx_content_flight_new(ngx_content_flights_t *flights)
{
    ngx_uint_t                  i;
    ngx_content_flight_slot_t  *slot;

    for (i = 0; i < NGX_CONTENT_FLIGHT_SLOTS; i++) {
        slot = &flights->table->slots[i];

        if (slot->serial == 0) {
            ngx_memzero(slot, sizeof(ngx_content_flight_slot_t));
            slot->serial = ++flights->table->serial;
            slot->generation = flights->generation;
            slot->owner = ngx_pid;
            return slot;
        }
    }

    return NULL;
}


u_char *
ngx_content_flight_room(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_uint_t state, ngx_str_t *record,
    size_t size)
{
    u_char                     *data;
    uint64_t                    workers;
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);
    data = ngx_slab_alloc_locked(flights->pool, record->len + size + 1);

    if (data) {
        ngx_memcpy(data, record->data, record->len);
        slot->data = data;
        slot->head = record->len;
        slot->state = state;

    } else {
        slot->state = NGX_CONTENT_FLIGHT_GONE;
        slot->ended = 1;
    }

    workers = slot->followers;

    ngx_shmtx_unlock(&flights->pool->mutex);

    ngx_content_flights_tell(flights, workers);

    return data ? data + record->len : NULL;
}


void
ngx_content_flight_move(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, size_t received)
{
    uint64_t                    workers;
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);
    slot->received = received;
    workers = slot->followers;

    ngx_shmtx_unlock(&flights->pool->mutex);

    ngx_content_flights_tell(flights, workers);
}


void
ngx_content_flight_end(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_uint_t state, ngx_uint_t outcome)
{
    uint64_t                    workers;
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);

    if (slot->state != NGX_CONTENT_FLIGHT_GONE) {
        slot->state = state;
    }

    slot->outcome = outcome;
    slot->ended = 1;
    workers = slot->followers;

    ngx_shmtx_unlock(&flights->pool->mutex);

    ngx_content_flights_tell(flights, workers);
}


/* The last one frees it. */

void
ngx_content_flight_leave(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight)
{
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);

    if (slot) {
        if (flight->own) {
            slot->owner = 0;
            slot->ended = 1;

        } else {
            slot->followers &= ~((uint64_t) 1 << ngx_worker);
        }

        if (slot->owner == 0 && slot->followers == 0) {
            ngx_content_flight_free(flights, slot);
        }
    }

    ngx_shmtx_unlock(&flights->pool->mutex);

    flight->serial = 0;
}


ngx_int_t
ngx_content_flight_look(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, ngx_content_flight_view_t *view)
{
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);

    if (slot) {
        view->state = slot->state;
        view->outcome = slot->outcome;
        view->head = slot->head;
        view->received = slot->received;
    }

    ngx_shmtx_unlock(&flights->pool->mutex);

    return slot ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_content_flight_copy(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight, size_t offset, u_char *to, size_t len)
{
    ngx_content_flight_slot_t  *slot;

    ngx_shmtx_lock(&flights->pool->mutex);

    slot = ngx_content_flight_slot(flights, flight);

    if (slot) {
        ngx_memcpy(to, slot->data + offset, len);
    }

    ngx_shmtx_unlock(&flights->pool->mutex);

    return slot ? NGX_OK : NGX_ERROR;
}


/* NULL: it was given to another flight.  The lock is held. */

static ngx_content_flight_slot_t *
ngx_content_flight_slot(ngx_content_flights_t *flights,
    ngx_content_flight_t *flight)
{
    ngx_content_flight_slot_t  *slot;

    slot = &flights->table->slots[flight->slot];

    return slot->serial == flight->serial ? slot : NULL;
}


static void
ngx_content_flight_free(ngx_content_flights_t *flights,
    ngx_content_flight_slot_t *slot)
{
    if (slot->data) {
        ngx_slab_free_locked(flights->pool, slot->data);
    }

    slot->data = NULL;
    slot->serial = 0;
}
