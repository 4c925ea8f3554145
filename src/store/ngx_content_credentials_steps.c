/*
 * The steps of fetching credentials: for each a function that asks, and one
 * that takes the answer.  Run by ngx_content_credentials.c.
 */

#include "store/ngx_content_credentials.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_CREDENTIALS_JWT      20000     /* STS takes no longer */
#define NGX_CONTENT_CREDENTIALS_HEADER   4096

#define NGX_CONTENT_CREDENTIALS_IMDS                                         \
    "/latest/meta-data/iam/security-credentials/"


#define NGX_CONTENT_CREDENTIALS_STEP(name, function)                         \
    static ngx_int_t ngx_content_credentials_ask_##function(                 \
        ngx_content_credentials_t *provider, ngx_content_call_t *call);      \
    static ngx_int_t ngx_content_credentials_take_##function(                \
        ngx_content_credentials_t *provider, ngx_content_call_t *call);
NGX_CONTENT_CREDENTIALS_STEPS(NGX_CONTENT_CREDENTIALS_STEP)
#undef NGX_CONTENT_CREDENTIALS_STEP

static ngx_int_t ngx_content_credentials_refused(
    ngx_content_credentials_t *provider, ngx_content_call_t *call,
    content_str_t code);
static ngx_int_t ngx_content_credentials_answer(
    ngx_content_credentials_t *provider, ngx_content_call_t *call,
    int (*read)(content_credentials_t *c, content_str_t body,
                content_out_t *code));
static ngx_int_t ngx_content_credentials_url(
    ngx_content_credentials_t *provider, ngx_content_call_t *call,
    const char *path, ngx_str_t *last);
static ssize_t ngx_content_credentials_file(
    ngx_content_credentials_t *provider, u_char *buf, size_t size);


const ngx_content_credentials_step_t  ngx_content_credentials_steps[] = {
#define NGX_CONTENT_CREDENTIALS_STEP(name, function)                         \
    { #name, ngx_content_credentials_ask_##function,                         \
      ngx_content_credentials_take_##function },
    NGX_CONTENT_CREDENTIALS_STEPS(NGX_CONTENT_CREDENTIALS_STEP)
#undef NGX_CONTENT_CREDENTIALS_STEP
};


/* Notes the cause of a failure. */

ngx_int_t
ngx_content_credentials_error(ngx_content_credentials_t *provider,
    const char *cause, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, cause);
    p = ngx_vslprintf(provider->cause,
                      provider->cause + sizeof(provider->cause) - 1, cause,
                      args);
    va_end(args);

    *p = '\0';

    return NGX_ERROR;
}


/* Of what a server says only the code is logged: a text may quote secrets. */

static ngx_int_t
ngx_content_credentials_refused(ngx_content_credentials_t *provider,
    ngx_content_call_t *call, content_str_t code)
{
    return ngx_content_credentials_error(provider, "%s answered %ui%s%*s",
                ngx_content_credentials_steps[provider->step].name,
                call->status, code.len ? " " : "", code.len, code.data);
}


/* The answer that has the credentials. */

static ngx_int_t
ngx_content_credentials_answer(ngx_content_credentials_t *provider,
    ngx_content_call_t *call,
    int (*read)(content_credentials_t *c, content_str_t body,
                content_out_t *code))
{
    int                     rc;
    u_char                  buf[CONTENT_CREDENTIALS_CODE_MAX];
    content_out_t           code;
    content_credentials_t  *next;

    next = &provider->slots[!provider->current];

    content_credentials_wipe(next);
    content_out_init(&code, buf, sizeof(buf));

    rc = read(next, ngx_content_from_ngx(call->body), &code);

    if (call->status != 200 || code.pos != code.start) {
        content_credentials_wipe(next);
        return ngx_content_credentials_refused(provider, call,
                                               content_out_done(&code));
    }

    if (rc != CONTENT_OK) {
        return ngx_content_credentials_error(provider,
                                             "the answer has no credentials");
    }

    if (!content_credentials_usable(next, ngx_time())) {
        content_credentials_wipe(next);
        return ngx_content_credentials_error(provider,
                                "the credentials have expired already");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_url(ngx_content_credentials_t *provider,
    ngx_content_call_t *call, const char *path, ngx_str_t *last)
{
    call->url.len = provider->url.len + ngx_strlen(path) + last->len;
    call->url.data = ngx_pnalloc(call->pool, call->url.len);

    if (call->url.data == NULL) {
        return ngx_content_credentials_error(provider, "no memory");
    }

    (void) ngx_sprintf(call->url.data, "%V%s%V", &provider->url, path, last);

    return NGX_OK;
}


/*
 * EC2, by IMDSv2 alone: a PUT for a session token, then, with it, the name of
 * the role, then the role's credentials (Amazon EC2 User Guide, "Use the
 * Instance Metadata Service", "Retrieve security credentials from instance
 * metadata").
 */

static ngx_int_t
ngx_content_credentials_ask_imds_token(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    static ngx_str_t  none = ngx_null_string;
    static ngx_str_t  ttl = ngx_string("300");

    call->method = "PUT";
    ngx_content_call_header(call, "X-aws-ec2-metadata-token-ttl-seconds",
                            &ttl);

    return ngx_content_credentials_url(provider, call, "/latest/api/token",
                                       &none);
}


static ngx_int_t
ngx_content_credentials_take_imds_token(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    if (call->status != 200) {
        return ngx_content_credentials_refused(provider, call,
                                               content_cstr(""));
    }

    if (call->body.len == 0 || call->body.len > sizeof(provider->imds_token)) {
        return ngx_content_credentials_error(provider,
                                             "that is no IMDSv2 token");
    }

    ngx_memcpy(provider->imds_token, call->body.data, call->body.len);
    provider->imds_token_len = call->body.len;
    provider->step = NGX_CONTENT_CREDENTIALS_IMDS_ROLE;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_content_credentials_ask_imds_role(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    ngx_str_t  token;

    static ngx_str_t  none = ngx_null_string;

    token.data = provider->imds_token;
    token.len = provider->imds_token_len;
    ngx_content_call_header(call, "X-aws-ec2-metadata-token", &token);

    return ngx_content_credentials_url(provider, call,
                                       NGX_CONTENT_CREDENTIALS_IMDS, &none);
}


static ngx_int_t
ngx_content_credentials_take_imds_role(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    content_str_t  role;

    if (call->status == 404) {
        return ngx_content_credentials_error(provider,
                                "no role is attached to the instance");
    }

    if (call->status != 200) {
        return ngx_content_credentials_refused(provider, call,
                                               content_cstr(""));
    }

    if (content_credentials_role(ngx_content_from_ngx(call->body), &role)
        != CONTENT_OK)
    {
        return ngx_content_credentials_error(provider, "that is no role");
    }

    ngx_memcpy(provider->imds_role, role.data, role.len);
    provider->imds_role_len = role.len;
    provider->step = NGX_CONTENT_CREDENTIALS_IMDS_KEYS;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_content_credentials_ask_imds_keys(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    ngx_str_t  token, role;

    token.data = provider->imds_token;
    token.len = provider->imds_token_len;
    ngx_content_call_header(call, "X-aws-ec2-metadata-token", &token);

    role.data = provider->imds_role;
    role.len = provider->imds_role_len;

    return ngx_content_credentials_url(provider, call,
                                       NGX_CONTENT_CREDENTIALS_IMDS, &role);
}


static ngx_int_t
ngx_content_credentials_take_imds_keys(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    ngx_explicit_memzero(provider->imds_token, sizeof(provider->imds_token));

    return ngx_content_credentials_answer(provider, call,
                                          content_credentials_json);
}


/* ECS and EKS: one GET, with a token that is in the environment or a file. */

static ngx_int_t
ngx_content_credentials_ask_container(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    u_char     buf[NGX_CONTENT_CREDENTIALS_HEADER];
    ssize_t    n;
    ngx_str_t  value;

    value = provider->authorization;

    if (provider->token_file.len) {
        n = ngx_content_credentials_file(provider, buf, sizeof(buf));

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        value.data = buf;
        value.len = n;
    }

    if (value.len) {
        ngx_content_call_header(call, "Authorization", &value);
    }

    ngx_explicit_memzero(buf, sizeof(buf));
    call->url = provider->url;

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_take_container(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    return ngx_content_credentials_answer(provider, call,
                                          content_credentials_json);
}


/* STS: a POST with the identity that the file holds now. */

static ngx_int_t
ngx_content_credentials_ask_sts(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    size_t         size;
    ssize_t        n;
    u_char        *form, *identity;
    content_str_t  token;
    content_out_t  out;

    static ngx_str_t  type =
                         ngx_string("application/x-www-form-urlencoded");

    identity = ngx_pnalloc(call->pool, NGX_CONTENT_CREDENTIALS_JWT);

    if (identity == NULL) {
        return ngx_content_credentials_error(provider, "no memory");
    }

    n = ngx_content_credentials_file(provider, identity,
                                     NGX_CONTENT_CREDENTIALS_JWT);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    token.data = identity;
    token.len = n;

    size = CONTENT_CREDENTIALS_FORM
           + 3 * (provider->role.len + provider->session.len + token.len);

    form = ngx_pnalloc(call->pool, size);
    content_out_init(&out, form, form ? size : 0);
    content_credentials_form(&out, ngx_content_from_ngx(provider->role),
                             ngx_content_from_ngx(provider->session), token);

    ngx_explicit_memzero(identity, n);

    if (out.overflow) {
        return ngx_content_credentials_error(provider, "no memory");
    }

    provider->form = ngx_content_to_ngx(content_out_done(&out));

    call->method = "POST";
    call->url = provider->url;
    ngx_content_call_header(call, "Content-Type", &type);
    ngx_content_call_text(call, &provider->form);

    return NGX_OK;
}


static ngx_int_t
ngx_content_credentials_take_sts(ngx_content_credentials_t *provider,
    ngx_content_call_t *call)
{
    return ngx_content_credentials_answer(provider, call,
                                          content_credentials_xml);
}


/*
 * The token file, without white space at its end; others replace it now and
 * then.  It is small and local: read here, as nginx reads files of its own.
 */

static ssize_t
ngx_content_credentials_file(ngx_content_credentials_t *provider, u_char *buf,
    size_t size)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(provider->token_file.data, NGX_FILE_RDONLY,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return ngx_content_credentials_error(provider,
                                ngx_open_file_n " \"%V\" failed (%d: %s)",
                                &provider->token_file, ngx_errno,
                                strerror(ngx_errno));
    }

    n = ngx_read_fd(fd, buf, size);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed",
                      &provider->token_file);
    }

    if (n == (ssize_t) size) {
        ngx_explicit_memzero(buf, size);
        return ngx_content_credentials_error(provider, "\"%V\" is too long",
                                             &provider->token_file);
    }

    while (n > 0 && buf[n - 1] <= ' ') {
        n--;
    }

    return n > 0 ? n
           : ngx_content_credentials_error(provider,
                                "nothing can be read from \"%V\"",
                                &provider->token_file);
}
