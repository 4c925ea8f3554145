/*
 * Who may do what: the tokens file of a location, and the decision about one
 * request.  The file's format is in lib/content_token.h.
 */

#ifndef NGX_CONTENT_TOKENS_H
#define NGX_CONTENT_TOKENS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "lib/content_token.h"


typedef struct {
    ngx_str_t     path;
    ngx_array_t   tokens;         /* content_token_t */
} ngx_content_tokens_t;


/* Slot of content_tokens: reads the file, so that nginx -t finds mistakes. */
char *ngx_content_set_tokens(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Whether the request may use the right at the key.  Returns NGX_OK,
 * NGX_HTTP_UNAUTHORIZED or NGX_HTTP_FORBIDDEN, the last two with the
 * problem's detail set and logged.  key may be NULL for rights that are not
 * tied to a place.
 */
ngx_int_t ngx_content_authorize(ngx_http_request_t *r, unsigned right,
    ngx_str_t *key);

/* The same, whatever content_anonymous says. */
ngx_int_t ngx_content_authorize_token(ngx_http_request_t *r, unsigned right,
    ngx_str_t *key);


#endif
