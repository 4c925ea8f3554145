/* Secrets from files and the environment: see ngx_content_secret.h. */

#include "core/ngx_content_secret.h"


static char *ngx_content_secret_env(ngx_conf_t *cf, ngx_str_t *directive,
    ngx_str_t *name, ngx_str_t *secret);
static char *ngx_content_secret_file(ngx_conf_t *cf, ngx_str_t *directive,
    ngx_str_t *name, ngx_str_t *secret);
static char *ngx_content_secret_keep(ngx_conf_t *cf, u_char *data, size_t len,
    ngx_str_t *secret);
static void ngx_content_secret_wipe(void *data);


char *
ngx_content_secret(ngx_conf_t *cf, ngx_str_t *directive, ngx_str_t *source,
    ngx_str_t *name, ngx_str_t *secret)
{
    if (ngx_strcmp(source->data, "env") == 0) {
        return ngx_content_secret_env(cf, directive, name, secret);
    }

    if (ngx_strcmp(source->data, "file") == 0) {
        return ngx_content_secret_file(cf, directive, name, secret);
    }

    /* not the value: whoever gets the syntax wrong may have put a secret */

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" takes \"env NAME\" or \"file PATH\"",
                       directive);

    return NGX_CONF_ERROR;
}


static char *
ngx_content_secret_env(ngx_conf_t *cf, ngx_str_t *directive, ngx_str_t *name,
    ngx_str_t *secret)
{
    char    *text;
    size_t   len;

    text = getenv((char *) name->data);
    len = text ? ngx_strlen(text) : 0;

    if (len == 0 || len > NGX_CONTENT_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" of \"%V\" is %s",
                           name, directive, len ? "too long" : "not set");
        return NGX_CONF_ERROR;
    }

    return ngx_content_secret_keep(cf, (u_char *) text, len, secret);
}


static char *
ngx_content_secret_file(ngx_conf_t *cf, ngx_str_t *directive, ngx_str_t *name,
    ngx_str_t *secret)
{
    char     *rv;
    size_t    len;
    ssize_t   n;
    u_char    buf[NGX_CONTENT_SECRET_MAX + 1];
    ngx_fd_t  fd;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" of \"%V\" failed", name,
                           directive);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" of \"%V\" failed", name,
                           directive);
        rv = NGX_CONF_ERROR;
        goto done;
    }

    for (len = 0; len < (size_t) n; len++) {
        if (buf[len] == LF || buf[len] == CR) {
            break;
        }
    }

    if (len == 0 || len > NGX_CONTENT_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "first line of \"%V\" of \"%V\" is %s", name,
                           directive, len ? "too long" : "empty");
        rv = NGX_CONF_ERROR;
        goto done;
    }

    rv = ngx_content_secret_keep(cf, buf, len, secret);

done:

    ngx_explicit_memzero(buf, sizeof(buf));

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return rv;
}


static char *
ngx_content_secret_keep(ngx_conf_t *cf, u_char *data, size_t len,
    ngx_str_t *secret)
{
    ngx_str_t           *kept;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    kept = cln->data;
    kept->len = len;
    kept->data = ngx_pnalloc(cf->pool, len);

    if (kept->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(kept->data, data, len);
    cln->handler = ngx_content_secret_wipe;

    *secret = *kept;

    return NGX_CONF_OK;
}


static void
ngx_content_secret_wipe(void *data)
{
    ngx_str_t  *secret = data;

    ngx_explicit_memzero(secret->data, secret->len);
}
