/*
 * The numbers of a node, for whoever shows them: GET /-/status as JSON,
 * GET /-/metrics for Prometheus.
 */

#ifndef NGX_CONTENT_SAMPLES_H
#define NGX_CONTENT_SAMPLES_H

#include "http/ngx_content_conf.h"


#define NGX_CONTENT_SAMPLES_MAX    128
#define NGX_CONTENT_SAMPLES_PEERS  60000     /* ms that a silent node is shown */


typedef enum {
    NGX_CONTENT_SAMPLE_COUNTER = 0,          /* only grows, with the zone */
    NGX_CONTENT_SAMPLE_GAUGE,
    NGX_CONTENT_SAMPLE_TIME,                 /* a gauge of milliseconds */
    NGX_CONTENT_SAMPLE_BOOL                  /* a gauge, 0 or 1 */
} ngx_content_sample_kind_e;

typedef struct {
    const char                 *section;     /* those of one stand together */
    const char                 *name;
    ngx_content_sample_kind_e   kind;
    uint64_t                    value;
} ngx_content_sample_t;


/*
 * Writes at most NGX_CONTENT_SAMPLES_MAX, and returns how many: of the node,
 * Redis, memory, uploads, sweep, fleet and purges, as far as they are in use.
 */
ngx_uint_t ngx_content_samples(ngx_content_main_conf_t *mcf,
    ngx_content_sample_t *samples);

/*
 * What a request for them begins with: its body is discarded, and *out gets
 * room for so many bytes of the node, of each peer and of each store.
 * NGX_OK, or what the handler returns.
 */
ngx_int_t ngx_content_samples_begin(ngx_http_request_t *r, content_out_t *out,
    size_t node, size_t peer, size_t store);

/* The next node of the fleet that was heard of lately, from *i on; or NULL. */
ngx_content_fleet_peer_t *ngx_content_samples_peer(
    ngx_content_main_conf_t *mcf, ngx_uint_t *i);

/*
 * The next store whose server has a profile, from *i on, each place but once;
 * or NULL.
 */
ngx_content_profile_t *ngx_content_samples_profile(
    ngx_content_main_conf_t *mcf, ngx_uint_t *i, ngx_str_t *place);


#endif
