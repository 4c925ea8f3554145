/*
 * HTTP calls to other servers from a worker's event loop, by libcurl: the S3
 * store's writes and lists, the CDN's purge API, credential endpoints.  Calls
 * that serve one client's GET belong to ngx_http_upstream instead.
 *
 * The engine (ngx_content_curl_t), one per worker, keeps the connections.  A
 * call (ngx_content_call_t, ngx_content_call.h) is one request and its
 * answer; that header comes with this one.
 *
 * Both functions here are called from a process's hooks; neither calls a
 * handler or blocks, but for ngx_content_curl_destroy(), which may send TLS
 * goodbyes.
 *
 * A name in a URL is looked up in a thread of curl's (its "threaded
 * resolver"), which lives as long as the lookup; a numeric address needs
 * none.
 *
 * Every descriptor in use takes one of the worker_connections, idle
 * kept-alive ones take none.
 */

#ifndef NGX_CONTENT_CURL_H
#define NGX_CONTENT_CURL_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "core/ngx_content_call.h"


/*
 * The engine of this process, for init_process: never in the master.  An idle
 * engine does not keep an exiting worker alive, a started call does.
 * Returns NULL when memory or libcurl's initialisation fails, which is logged.
 */
ngx_content_curl_t *ngx_content_curl_create(ngx_cycle_t *cycle);

/*
 * For exit_process, after all who may still cancel a call; not from a handler
 * or on_data.  Drops the calls that were started: their handlers do not run.
 * Calls that were never started are their creators'.
 */
void ngx_content_curl_destroy(ngx_content_curl_t *engine);


#endif
