/* The sweep: see ngx_content_sweep.h. */

#include "store/ngx_content_sweep.h"


#define NGX_CONTENT_SWEEP_INTERVAL_MIN  1000              /* ms */
#define NGX_CONTENT_SWEEP_INTERVAL_MAX  (3600 * 1000)
#define NGX_CONTENT_SWEEP_ROUND         (60 * 1000)       /* at most */


struct ngx_content_sweeper_s {
    ngx_event_t                  event;
    ngx_content_store_t         *store;
    ngx_content_sweep_shared_t  *shared;
    ngx_atomic_t                *next;        /* of the place */
};


static ngx_atomic_t *ngx_content_sweep_place(
    ngx_content_sweep_shared_t *shared, uint64_t id);
static void ngx_content_sweep_timer(ngx_event_t *ev);
static void ngx_content_sweep_begin(ngx_content_sweeper_t *sweeper);
static void ngx_content_sweep_done(ngx_content_task_t *task);
static ngx_msec_t ngx_content_sweep_interval(ngx_content_store_t *store);


char *
ngx_content_sweep_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    time_t     *age, n;
    ngx_str_t  *value;

    age = (time_t *) ((char *) conf + cmd->offset);

    if (*age != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        *age = 0;
        return NGX_CONF_OK;
    }

    n = ngx_parse_time(&value[1], 1);

    if (n == (time_t) NGX_ERROR || n == 0) {
        return "takes a time or \"off\"";
    }

    *age = n;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_content_sweep_conf(ngx_conf_t *cf, ngx_content_store_t *store, time_t age)
{
    if (age && age < store->sweep_min) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_sweep\" must be at least %T seconds, "
                           "four times what storage is waited for",
                           store->sweep_min);
        return NGX_ERROR;
    }

    store->sweep_age = age;

    return NGX_OK;
}


ngx_int_t
ngx_content_sweep_start(ngx_cycle_t *cycle, ngx_content_store_t *store,
    ngx_content_sweep_shared_t *shared)
{
    ngx_content_sweeper_t  *sweeper;

    if (store->sweep_age == 0 || store->ops->sweep == NULL) {
        return NGX_OK;
    }

    sweeper = ngx_pcalloc(cycle->pool, sizeof(ngx_content_sweeper_t));
    if (sweeper == NULL) {
        return NGX_ERROR;
    }

    sweeper->store = store;
    sweeper->shared = shared;
    sweeper->next = ngx_content_sweep_place(shared, store->id);

    if (sweeper->next == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "content: more than %d places, this one is not swept",
                      NGX_CONTENT_SWEEP_PLACES);
        return NGX_OK;
    }

    sweeper->event.handler = ngx_content_sweep_timer;
    sweeper->event.data = sweeper;
    sweeper->event.log = cycle->log;
    sweeper->event.cancelable = 1;

    ngx_add_timer(&sweeper->event, ngx_content_sweep_interval(store));

    return NGX_OK;
}


static ngx_atomic_t *
ngx_content_sweep_place(ngx_content_sweep_shared_t *shared, uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_CONTENT_SWEEP_PLACES; i++) {
        if (shared->places[i].id == 0) {
            (void) ngx_atomic_cmp_set(&shared->places[i].id, 0, id);
        }

        if (shared->places[i].id == id) {
            return &shared->places[i].next;
        }
    }

    return NULL;
}


/*
 * Whoever moves the place's time on has it, until he is through or the time of
 * a round is over; the others come again later.
 */

static void
ngx_content_sweep_timer(ngx_event_t *ev)
{
    ngx_msec_t              now;
    ngx_atomic_uint_t       next;
    ngx_content_sweeper_t  *sweeper;

    sweeper = ev->data;
    now = ngx_current_msec;
    next = *sweeper->next;

    ngx_add_timer(ev, ngx_content_sweep_interval(sweeper->store));

    if ((next == 0 || (ngx_msec_int_t) (now - next) >= 0)
        && ngx_atomic_cmp_set(sweeper->next, next,
                              now + NGX_CONTENT_SWEEP_ROUND))
    {
        ngx_content_sweep_begin(sweeper);
    }
}


static void
ngx_content_sweep_begin(ngx_content_sweeper_t *sweeper)
{
    ngx_str_t             none;
    ngx_content_sweep_t  *sweep;

    ngx_str_null(&none);

    sweep = ngx_content_task_create(sweeper->store,
                                    sizeof(ngx_content_sweep_t), &none,
                                    ngx_cycle->log);
    if (sweep == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sweeper->shared->rounds, 1);

    sweep->age = sweeper->store->sweep_age;
    sweep->deadline = ngx_current_msec + NGX_CONTENT_SWEEP_ROUND / 2;
    sweep->task.done = ngx_content_sweep_done;
    sweep->task.data = sweeper;

    sweeper->store->ops->sweep(sweep);
}


static void
ngx_content_sweep_done(ngx_content_task_t *task)
{
    ngx_content_sweep_t         *sweep = (ngx_content_sweep_t *) task;

    ngx_content_sweeper_t       *sweeper;
    ngx_content_sweep_shared_t  *shared;

    sweeper = task->data;
    shared = sweeper->shared;

    *sweeper->next = ngx_current_msec
                     + ngx_content_sweep_interval(task->store) / 2;

    (void) ngx_atomic_fetch_add(task->store->open_first ? &shared->files
                                                        : &shared->uploads,
                                sweep->swept);

    if (sweep->swept) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "content: swept %ui uploads that nobody goes on with, "
                      "store %V", sweep->swept, &task->store->name);
    }

    if (task->outcome != NGX_CONTENT_OK) {
        (void) ngx_atomic_fetch_add(&shared->failed, 1);

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "content: sweep ended early: %V", &task->cause);
    }

    ngx_content_task_free(task);
}


ngx_uint_t
ngx_content_sweep_over(ngx_content_sweep_t *sweep)
{
    return ngx_exiting || ngx_terminate
           || (ngx_msec_int_t) (ngx_current_msec - sweep->deadline) >= 0;
}


/* A fourth of the age, an hour at most, give or take an eighth of it. */

static ngx_msec_t
ngx_content_sweep_interval(ngx_content_store_t *store)
{
    ngx_msec_t  interval;

    interval = (ngx_msec_t) store->sweep_age * 1000 / 4;
    interval = ngx_min(interval, NGX_CONTENT_SWEEP_INTERVAL_MAX);
    interval = ngx_max(interval, NGX_CONTENT_SWEEP_INTERVAL_MIN);

    return interval - interval / 8 + ngx_random() % (interval / 4);
}
