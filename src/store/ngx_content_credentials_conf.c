/*
 * The directive content_s3_credentials: makes a provider of its arguments,
 * and of nginx's environment, as it is when the configuration is read.
 */

#include "store/ngx_content_credentials.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_CREDENTIALS_PROFILE_MAX  65536

#define NGX_CONTENT_CREDENTIALS_EC2  "http://169.254.169.254"
#define NGX_CONTENT_CREDENTIALS_ECS  "http://169.254.170.2"


/*
 * args: what follows the kind's name, n of them.  Returns NGX_CONF_OK, a text
 * that completes "content_s3_credentials" ..., or NGX_CONF_ERROR (logged).
 */

typedef char *(*ngx_content_credentials_set_pt)(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);

static char *ngx_content_credentials_set_env(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);
static char *ngx_content_credentials_set_file(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);
static char *ngx_content_credentials_set_imds(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);
static char *ngx_content_credentials_set_container(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);
static char *ngx_content_credentials_set_web_identity(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n);
static ngx_content_credentials_t *ngx_content_credentials_create(
    ngx_conf_t *cf);
static void ngx_content_credentials_cleanup(void *data);
static ssize_t ngx_content_credentials_read(ngx_conf_t *cf, ngx_str_t *path,
    u_char *buf);
static ngx_int_t ngx_content_credentials_sts_url(ngx_conf_t *cf,
    ngx_str_t *url);
static ngx_int_t ngx_content_credentials_value(ngx_str_t *arg,
    const char *name);
static ngx_int_t ngx_content_credentials_is_url(ngx_str_t *url);
static ngx_int_t ngx_content_credentials_getenv(ngx_conf_t *cf,
    const char *name, ngx_str_t *value);


static const struct {
    const char                       *name;
    ngx_content_credentials_step_e    first;
    ngx_content_credentials_set_pt    set;
} ngx_content_credentials_kinds[] = {
    { "env", NGX_CONTENT_CREDENTIALS_FIXED, ngx_content_credentials_set_env },
    { "file", NGX_CONTENT_CREDENTIALS_FIXED,
      ngx_content_credentials_set_file },
    { "imds", NGX_CONTENT_CREDENTIALS_IMDS_TOKEN,
      ngx_content_credentials_set_imds },
    { "container", NGX_CONTENT_CREDENTIALS_CONTAINER,
      ngx_content_credentials_set_container },
    { "web_identity", NGX_CONTENT_CREDENTIALS_STS,
      ngx_content_credentials_set_web_identity },
    { NULL, 0, NULL }
};


char *
ngx_content_credentials_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                        *rv;
    ngx_uint_t                   i;
    ngx_str_t                   *value;
    ngx_content_credentials_t  **slot, *provider;

    slot = (void *) ((u_char *) conf + cmd->offset);

    if (*slot) {
        return "is duplicate";
    }

    provider = ngx_content_credentials_create(cf);
    if (provider == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = provider;
    value = cf->args->elts;

    for (i = 0; ngx_content_credentials_kinds[i].name; i++) {

        if (ngx_strcmp(value[1].data, ngx_content_credentials_kinds[i].name)
            == 0)
        {
            provider->name = value[1];
            provider->first = ngx_content_credentials_kinds[i].first;

            rv = ngx_content_credentials_kinds[i].set(cf, provider, value + 2,
                                                      cf->args->nelts - 2);

            if (rv == NGX_CONF_OK
                && provider->first != NGX_CONTENT_CREDENTIALS_FIXED
                && ngx_content_credentials_share(cf, provider) != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            return rv;
        }
    }

    return "takes \"env\", \"file\", \"imds\", \"container\" or "
           "\"web_identity\"";
}


static ngx_content_credentials_t *
ngx_content_credentials_create(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_content_credentials_t));
    if (cln == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_content_credentials_t));
    cln->handler = ngx_content_credentials_cleanup;

    return cln->data;
}


static void
ngx_content_credentials_cleanup(void *data)
{
    ngx_content_credentials_t *provider = data;

    content_credentials_wipe(&provider->slots[0]);
    content_credentials_wipe(&provider->slots[1]);

    if (provider->authorization.len) {
        ngx_explicit_memzero(provider->authorization.data,
                             provider->authorization.len);
    }
}


static char *
ngx_content_credentials_set_env(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n)
{
    const char                   *access, *secret, *token;
    content_sigv4_credentials_t   keys;

    if (n) {
        return "takes nothing after \"env\"";
    }

    access = getenv("AWS_ACCESS_KEY_ID");
    secret = getenv("AWS_SECRET_ACCESS_KEY");
    token = getenv("AWS_SESSION_TOKEN");

    keys.access_key = content_cstr(access ? access : "");
    keys.secret_key = content_cstr(secret ? secret : "");
    keys.session_token = content_cstr(token ? token : "");

    return content_credentials_set(&provider->slots[0], &keys) == CONTENT_OK
           ? NGX_CONF_OK
           : "env: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be in "
             "nginx's environment and be valid";
}


static char *
ngx_content_credentials_set_file(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n)
{
    int            rc;
    u_char        *buf;
    ssize_t        size;
    content_str_t  text, profile;

    if (n < 1 || n > 2
        || (n == 2
            && ngx_content_credentials_value(&args[1], "profile=") != NGX_OK))
    {
        return "takes \"file PATH [profile=NAME]\"";
    }

    profile = (n == 2) ? ngx_content_from_ngx(args[1])
                       : content_cstr("default");

    if (ngx_conf_full_name(cf->cycle, &args[0], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    buf = ngx_alloc(NGX_CONTENT_CREDENTIALS_PROFILE_MAX, cf->log);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    size = ngx_content_credentials_read(cf, &args[0], buf);

    if (size == NGX_ERROR) {
        ngx_free(buf);
        return NGX_CONF_ERROR;
    }

    text.data = buf;
    text.len = size;

    rc = content_credentials_profile(&provider->slots[0], text, profile);

    ngx_explicit_memzero(buf, size);
    ngx_free(buf);

    if (rc != CONTENT_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_credentials\": \"%V\" has no "
                           "aws_access_key_id and aws_secret_access_key in "
                           "profile \"%*s\"", &args[0], profile.len,
                           profile.data);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ssize_t
ngx_content_credentials_read(ngx_conf_t *cf, ngx_str_t *path, u_char *buf)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    n = (fd == NGX_INVALID_FILE)
        ? NGX_ERROR
        : ngx_read_fd(fd, buf, NGX_CONTENT_CREDENTIALS_PROFILE_MAX);

    if (n == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"content_s3_credentials\": reading \"%V\" failed",
                           path);
    }

    if (n == NGX_CONTENT_CREDENTIALS_PROFILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_s3_credentials\": \"%V\" is longer than "
                           "64 KB", path);
        ngx_explicit_memzero(buf, n);
        n = NGX_ERROR;
    }

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    return n;
}


static char *
ngx_content_credentials_set_imds(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n)
{
    ngx_str_set(&provider->url, NGX_CONTENT_CREDENTIALS_EC2);

    if (n == 0) {
        return NGX_CONF_OK;
    }

    if (n > 1
        || ngx_content_credentials_value(&args[0], "endpoint=") != NGX_OK
        || ngx_content_credentials_is_url(&args[0]) != NGX_OK)
    {
        return "takes \"imds [endpoint=URL]\"";
    }

    provider->url = args[0];

    if (provider->url.data[provider->url.len - 1] == '/') {
        provider->url.len--;
    }

    return NGX_CONF_OK;
}


/* The names of the variables, and which goes first, are those of AWS. */

static char *
ngx_content_credentials_set_container(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n)
{
    ngx_str_t  relative;

    if (n) {
        return "takes nothing after \"container\"";
    }

    if (ngx_content_credentials_getenv(cf,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", &relative) != NGX_OK
        || ngx_content_credentials_getenv(cf,
               "AWS_CONTAINER_CREDENTIALS_FULL_URI", &provider->url)
           != NGX_OK
        || ngx_content_credentials_getenv(cf,
               "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
               &provider->token_file) != NGX_OK
        || ngx_content_credentials_getenv(cf,
               "AWS_CONTAINER_AUTHORIZATION_TOKEN",
               &provider->authorization) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (relative.len) {

        if (relative.data[0] != '/') {
            return "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must "
                   "begin with \"/\"";
        }

        provider->url.len = sizeof(NGX_CONTENT_CREDENTIALS_ECS) - 1
                            + relative.len;
        provider->url.data = ngx_pnalloc(cf->pool, provider->url.len);

        if (provider->url.data == NULL) {
            return NGX_CONF_ERROR;
        }

        (void) ngx_sprintf(provider->url.data, "%s%V",
                           NGX_CONTENT_CREDENTIALS_ECS, &relative);
    }

    if (provider->url.len == 0) {
        return "container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
               "AWS_CONTAINER_CREDENTIALS_FULL_URI is in nginx's environment";
    }

    if (ngx_content_credentials_is_url(&provider->url) != NGX_OK
        || !content_credentials_url_is_trusted(
                                     ngx_content_from_ngx(provider->url)))
    {
        return "container: AWS_CONTAINER_CREDENTIALS_FULL_URI must be an "
               "https URL, or an http URL of this host or of the agents of "
               "ECS and EKS";
    }

    return NGX_CONF_OK;
}


static char *
ngx_content_credentials_set_web_identity(ngx_conf_t *cf,
    ngx_content_credentials_t *provider, ngx_str_t *args, ngx_uint_t n)
{
    if (n > 1
        || (n == 1
            && (ngx_content_credentials_value(&args[0], "sts=") != NGX_OK
                || ngx_content_credentials_is_url(&args[0]) != NGX_OK)))
    {
        return "takes \"web_identity [sts=URL]\"";
    }

    if (ngx_content_credentials_getenv(cf, "AWS_ROLE_ARN", &provider->role)
        != NGX_OK
        || ngx_content_credentials_getenv(cf, "AWS_WEB_IDENTITY_TOKEN_FILE",
                                          &provider->token_file) != NGX_OK
        || ngx_content_credentials_getenv(cf, "AWS_ROLE_SESSION_NAME",
                                          &provider->session) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (provider->role.len == 0 || provider->token_file.len == 0) {
        return "web_identity: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE "
               "must be in nginx's environment";
    }

    if (provider->session.len == 0) {
        ngx_str_set(&provider->session, "ngx_content");
    }

    if (n == 1) {
        provider->url = args[0];
        return NGX_CONF_OK;
    }

    return ngx_content_credentials_sts_url(cf, &provider->url) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* STS of the region that nginx runs in, which need not be the bucket's. */

static ngx_int_t
ngx_content_credentials_sts_url(ngx_conf_t *cf, ngx_str_t *url)
{
    size_t       size;
    ngx_str_t    region;
    const char  *domain;

    if (ngx_content_credentials_getenv(cf, "AWS_REGION", &region) != NGX_OK
        || (region.len == 0
            && ngx_content_credentials_getenv(cf, "AWS_DEFAULT_REGION",
                                              &region) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (region.len == 0) {
        ngx_str_set(url, "https://sts.amazonaws.com/");
        return NGX_OK;
    }

    domain = (ngx_strncmp(region.data, "cn-", 3) == 0) ? "amazonaws.com.cn"
                                                       : "amazonaws.com";

    size = sizeof("https://sts../") + region.len + ngx_strlen(domain);

    url->data = ngx_pnalloc(cf->pool, size);
    if (url->data == NULL) {
        return NGX_ERROR;
    }

    url->len = ngx_sprintf(url->data, "https://sts.%V.%s/", &region, domain)
               - url->data;

    return ngx_content_credentials_is_url(url);
}


/* Takes "name=" off arg; what remains has a NUL behind, as arguments have. */

static ngx_int_t
ngx_content_credentials_value(ngx_str_t *arg, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    if (arg->len <= len || ngx_strncmp(arg->data, name, len) != 0) {
        return NGX_ERROR;
    }

    arg->data += len;
    arg->len -= len;

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_is_url(ngx_str_t *url)
{
    size_t         i;
    content_str_t  s;

    s = ngx_content_from_ngx(*url);

    if (!content_str_starts(s, content_cstr("http://"))
        && !content_str_starts(s, content_cstr("https://")))
    {
        return NGX_ERROR;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~') {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* A copy, with a NUL behind; empty when it is not set. */

static ngx_int_t
ngx_content_credentials_getenv(ngx_conf_t *cf, const char *name,
    ngx_str_t *value)
{
    const char  *text;

    ngx_str_null(value);
    text = getenv(name);

    if (text == NULL || *text == '\0') {
        return NGX_OK;
    }

    value->len = ngx_strlen(text);
    value->data = ngx_pnalloc(cf->pool, value->len + 1);

    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value->data, text, value->len + 1);

    return NGX_OK;
}
