/*
 * The directives of the caches: content_hot, content_fresh, content_memory.
 */

#ifndef NGX_CONTENT_CONF_CACHE_H
#define NGX_CONTENT_CONF_CACHE_H

#include "http/ngx_content_conf.h"


/* Slots of ngx_content_commands[]. */
char *ngx_content_set_hot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_content_set_fresh(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_content_set_memory(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* prev may be conf: the defaults. */
void ngx_content_hot_conf_merge(ngx_content_hot_conf_t *prev,
    ngx_content_hot_conf_t *conf);

/*
 * Into conf->fresh, after conf->hot.  NGX_CONF_ERROR is logged: fresh for
 * longer than anything is kept.
 */
char *ngx_content_fresh_conf_merge(ngx_conf_t *cf,
    ngx_content_fresh_conf_t *prev, ngx_content_loc_conf_t *conf);


#endif
