/*
 * A process begins and ends: the hooks of the module.
 */

#ifndef NGX_CONTENT_PROCESS_H
#define NGX_CONTENT_PROCESS_H

#include <ngx_config.h>
#include <ngx_core.h>


/* The master, before workers start: what they have in common. */
ngx_int_t ngx_content_init_module(ngx_cycle_t *cycle);

/* A worker starts: NGX_ERROR, which ends it, only for want of memory. */
ngx_int_t ngx_content_init_process(ngx_cycle_t *cycle);

/* A worker ends, everything above still being there. */
void ngx_content_exit_process(ngx_cycle_t *cycle);


#endif
