/*
 * The directives content_redis and content_redis_password: see
 * ngx_content_redis.h.  They run in the master, at start and at each reload;
 * what they find lives in the cycle's pool.  Addresses are looked up here, so
 * that nothing has to be in a worker.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "cache/ngx_content_redis.h"
#include "cache/ngx_content_redis_conn.h"


#define NGX_CONTENT_REDIS_PORT      6379
#define NGX_CONTENT_REDIS_PASSWORD  1024     /* the longest */


static char *ngx_content_redis_address(ngx_conf_t *cf,
    ngx_content_redis_conf_t *conf, ngx_str_t *value);
static ngx_int_t ngx_content_redis_host(ngx_conf_t *cf,
    ngx_content_redis_conf_t *conf, ngx_addr_t *addr);
static ngx_uint_t ngx_content_redis_prefix_ok(ngx_str_t *prefix);
static char *ngx_content_redis_password_env(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *password);
static char *ngx_content_redis_password_file(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *password);
static char *ngx_content_redis_password_keep(ngx_conf_t *cf, u_char *data,
    size_t len, ngx_str_t *password);
static void ngx_content_redis_password_wipe(void *data);


void
ngx_content_redis_conf_create(ngx_content_redis_conf_t *conf)
{
    conf->timeout = NGX_CONF_UNSET_MSEC;
}


void
ngx_content_redis_conf_init(ngx_content_redis_conf_t *conf)
{
    ngx_conf_init_msec_value(conf->timeout, 250);

    if (conf->prefix.data == NULL) {
        ngx_str_set(&conf->prefix, "nc:");
    }
}


char *
ngx_content_redis_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *main_conf)
{
    ngx_content_redis_conf_t *conf = (ngx_content_redis_conf_t *)
                                         ((char *) main_conf + cmd->offset);

    ngx_int_t   db;
    ngx_str_t  *value;
    ngx_uint_t  i;

    if (conf->enabled) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "db=", 3) == 0) {
            db = ngx_atoi(value[i].data + 3, value[i].len - 3);

            if (db == NGX_ERROR) {
                goto invalid;
            }

            conf->db = db;
            continue;
        }

        if (ngx_strncmp(value[i].data, "prefix=", 7) == 0) {
            conf->prefix.data = value[i].data + 7;
            conf->prefix.len = value[i].len - 7;

            if (!ngx_content_redis_prefix_ok(&conf->prefix)) {
                goto invalid;
            }

            continue;
        }

        goto invalid;
    }

    return ngx_content_redis_address(cf, conf, &value[1]);

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\" directive",
                       &value[i], &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_content_redis_address(ngx_conf_t *cf, ngx_content_redis_conf_t *conf,
    ngx_str_t *value)
{
    ngx_url_t            u;
    ngx_uint_t           i;
    ngx_addr_t          *addr;
    struct sockaddr_un  *saun;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = NGX_CONTENT_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in address \"%V\" of \"content_redis\"",
                           u.err ? u.err : "nothing found", value);
        return NGX_CONF_ERROR;
    }

    addr = &u.addrs[0];

    if (addr->sockaddr->sa_family == AF_UNIX) {
        saun = (struct sockaddr_un *) addr->sockaddr;
        conf->path = saun->sun_path;

    } else {

        for (i = 0; i < u.naddrs; i++) {
            if (u.addrs[i].sockaddr->sa_family == AF_INET) {
                addr = &u.addrs[i];
                break;
            }
        }

        if (ngx_content_redis_host(cf, conf, addr) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    conf->address = *value;
    conf->enabled = 1;

    return NGX_CONF_OK;
}


/* The numeric host as a C string, which is what hiredis takes. */

static ngx_int_t
ngx_content_redis_host(ngx_conf_t *cf, ngx_content_redis_conf_t *conf,
    ngx_addr_t *addr)
{
    size_t  len;

    conf->host = ngx_pcalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);

    if (conf->host == NULL) {
        return NGX_ERROR;
    }

    len = ngx_sock_ntop(addr->sockaddr, addr->socklen, (u_char *) conf->host,
                        NGX_SOCKADDR_STRLEN, 0);
    conf->host[len] = '\0';
    conf->port = ngx_inet_get_port(addr->sockaddr);

    return NGX_OK;
}


/* Braces would move the hash tag of Redis Cluster away from the object's. */

static ngx_uint_t
ngx_content_redis_prefix_ok(ngx_str_t *prefix)
{
    size_t  i;

    if (prefix->len > NGX_CONTENT_REDIS_PREFIX) {
        return 0;
    }

    for (i = 0; i < prefix->len; i++) {
        if (prefix->data[i] <= ' ' || prefix->data[i] >= 0x7f
            || prefix->data[i] == '{' || prefix->data[i] == '}')
        {
            return 0;
        }
    }

    return 1;
}


char *
ngx_content_redis_password_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *main_conf)
{
    ngx_content_redis_conf_t *conf = (ngx_content_redis_conf_t *)
                                         ((char *) main_conf + cmd->offset);

    ngx_str_t  *value;

    if (conf->password.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "env") == 0) {
        return ngx_content_redis_password_env(cf, &value[2], &conf->password);
    }

    if (ngx_strcmp(value[1].data, "file") == 0) {
        return ngx_content_redis_password_file(cf, &value[2],
                                               &conf->password);
    }

    /* not the value: whoever gets the syntax wrong may have put a secret */

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"content_redis_password\" takes \"env NAME\" or "
                       "\"file PATH\"");

    return NGX_CONF_ERROR;
}


static char *
ngx_content_redis_password_env(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password)
{
    char    *text;
    size_t   len;

    text = getenv((char *) name->data);
    len = text ? ngx_strlen(text) : 0;

    if (len == 0 || len > NGX_CONTENT_REDIS_PASSWORD) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" of "
                           "\"content_redis_password\" is %s", name,
                           len ? "too long" : "not set");
        return NGX_CONF_ERROR;
    }

    return ngx_content_redis_password_keep(cf, (u_char *) text, len, password);
}


static char *
ngx_content_redis_password_file(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password)
{
    char     *rv;
    size_t    len;
    ssize_t   n;
    u_char    buf[NGX_CONTENT_REDIS_PASSWORD + 1];
    ngx_fd_t  fd;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" of "
                           "\"content_redis_password\" failed", name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" of "
                           "\"content_redis_password\" failed", name);
        rv = NGX_CONF_ERROR;
        goto done;
    }

    for (len = 0; len < (size_t) n; len++) {
        if (buf[len] == LF || buf[len] == CR) {
            break;
        }
    }

    if (len == 0 || len > NGX_CONTENT_REDIS_PASSWORD) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "first line of \"%V\" of "
                           "\"content_redis_password\" is %s", name,
                           len ? "too long" : "empty");
        rv = NGX_CONF_ERROR;
        goto done;
    }

    rv = ngx_content_redis_password_keep(cf, buf, len, password);

done:

    ngx_explicit_memzero(buf, sizeof(buf));

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return rv;
}


/* A copy in the cycle's pool, wiped when the next configuration takes over. */

static char *
ngx_content_redis_password_keep(ngx_conf_t *cf, u_char *data, size_t len,
    ngx_str_t *password)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    password->data = ngx_pnalloc(cf->pool, len);

    if (password->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(password->data, data, len);
    password->len = len;

    cln->handler = ngx_content_redis_password_wipe;
    cln->data = password;

    return NGX_CONF_OK;
}


static void
ngx_content_redis_password_wipe(void *data)
{
    ngx_str_t  *password = data;

    ngx_explicit_memzero(password->data, password->len);
}
