/*
 * Secrets of the configuration: a password or an API token comes from the
 * environment of nginx or from a file, never from a directive's text, and is
 * wiped when the next configuration takes over.
 */

#ifndef NGX_CONTENT_SECRET_H
#define NGX_CONTENT_SECRET_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_CONTENT_SECRET_MAX  4096         /* bytes */

/*
 * Reads the arguments "env NAME" or "file PATH" (the file's first line) of a
 * directive into *secret, in the configuration's pool.  Returns NGX_CONF_OK,
 * or NGX_CONF_ERROR after an error that names the directive and never what
 * was found there.
 */
char *ngx_content_secret(ngx_conf_t *cf, ngx_str_t *directive,
    ngx_str_t *source, ngx_str_t *name, ngx_str_t *secret);


#endif
