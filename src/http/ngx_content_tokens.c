/*
 * Tokens and rights: see ngx_content_tokens.h.  The file is read when the
 * configuration is, so a reload of nginx reloads it too; requests only look.
 */

#include "http/ngx_content_conf.h"
#include "http/ngx_content_http.h"
#include "http/ngx_content_zones.h"


#define NGX_CONTENT_TOKENS_MAX  (1024 * 1024)    /* bytes of a file */


static ngx_int_t ngx_content_tokens_read(ngx_conf_t *cf, ngx_str_t *path,
    content_str_t *text);
static char *ngx_content_tokens_parse(ngx_conf_t *cf,
    ngx_content_tokens_t *tokens, content_str_t text);
static const content_token_t *ngx_content_token(ngx_content_loc_conf_t *lcf,
    ngx_table_elt_t *authorization);
static ngx_int_t ngx_content_unauthorized(ngx_http_request_t *r,
    const char *detail, const char *challenge);


char *
ngx_content_set_tokens(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_loc_conf_t *lcf = conf;

    ngx_str_t             *value;
    content_str_t          text;
    ngx_content_tokens_t  *tokens;

    if (lcf->tokens != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    tokens = ngx_pcalloc(cf->pool, sizeof(ngx_content_tokens_t));
    if (tokens == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    tokens->path = value[1];

    if (ngx_conf_full_name(cf->cycle, &tokens->path, 1) != NGX_OK
        || ngx_array_init(&tokens->tokens, cf->pool, 8,
                          sizeof(content_token_t))
           != NGX_OK
        || ngx_content_tokens_read(cf, &tokens->path, &text) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    lcf->tokens = tokens;

    return ngx_content_tokens_parse(cf, tokens, text);
}


static ngx_int_t
ngx_content_tokens_read(ngx_conf_t *cf, ngx_str_t *path, content_str_t *text)
{
    off_t             size;
    ssize_t           n;
    ngx_file_t        file;
    ngx_file_info_t   fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *path;
    file.log = cf->log;
    file.fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"content_tokens\": " ngx_open_file_n
                           " \"%V\" failed", path);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"content_tokens\": " ngx_fd_info_n
                           " \"%V\" failed", path);
        goto done;
    }

    size = ngx_file_size(&fi);

    if (size > NGX_CONTENT_TOKENS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content_tokens\": \"%V\" is larger than 1 MiB",
                           path);
        goto done;
    }

    text->len = (size_t) size;
    text->data = ngx_pnalloc(cf->pool, text->len + 1);

    if (text->data) {
        n = ngx_read_file(&file, text->data, text->len, 0);
    }

    if (n != NGX_ERROR) {
        text->len = n;
    }

done:

    (void) ngx_close_file(file.fd);

    return n == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static char *
ngx_content_tokens_parse(ngx_conf_t *cf, ngx_content_tokens_t *tokens,
    content_str_t text)
{
    int               rc;
    u_char           *end;
    const char       *why;
    ngx_uint_t        line, i;
    content_str_t     s;
    content_token_t   token, *slot, *known;

    for (line = 1; text.len; line++) {
        end = ngx_strlchr(text.data, text.data + text.len, LF);

        s.data = text.data;
        s.len = end ? (size_t) (end - text.data) : text.len;
        text.data += s.len + (end != NULL);
        text.len -= s.len + (end != NULL);

        rc = content_token_parse_line(s, &token, &why);

        if (rc == CONTENT_TOKEN_BLANK) {
            continue;
        }

        known = tokens->tokens.elts;

        for (i = 0; rc == CONTENT_OK && i < tokens->tokens.nelts; i++) {
            if (ngx_memcmp(known[i].hash, token.hash, CONTENT_SHA256_SIZE)
                == 0)
            {
                why = "the same hash as an earlier line";
                rc = CONTENT_ERROR;
            }
        }

        if (rc != CONTENT_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"content_tokens\": \"%V\" line %ui: %s",
                               &tokens->path, line, why);
            return NGX_CONF_ERROR;
        }

        slot = ngx_array_push(&tokens->tokens);
        if (slot == NULL) {
            return NGX_CONF_ERROR;
        }

        *slot = token;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_content_authorize(ngx_http_request_t *r, unsigned right, ngx_str_t *key)
{
    ngx_content_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);

    if ((lcf->anonymous & right) == right) {
        return NGX_OK;
    }

    return ngx_content_authorize_token(r, right, key);
}


ngx_int_t
ngx_content_authorize_token(ngx_http_request_t *r, unsigned right,
    ngx_str_t *key)
{
    content_str_t            path;
    ngx_content_ctx_t       *ctx;
    const content_token_t   *token;
    ngx_content_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_content_module);
    ctx = ngx_http_get_module_ctx(r, ngx_content_module);

    if (r->headers_in.authorization == NULL) {
        return ngx_content_unauthorized(r, "a bearer token is needed",
                                        "Bearer realm=\"ngx_content\"");
    }

    token = ngx_content_token(lcf, r->headers_in.authorization);

    if (token == NULL) {
        return ngx_content_unauthorized(r, "the bearer token is not known",
                         "Bearer realm=\"ngx_content\", error=\"invalid_token\"");
    }

    path = token->prefix[0];

    if (key) {
        path.len = key->len + 1;
        path.data = ngx_pnalloc(r->pool, path.len);

        if (path.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        path.data[0] = '/';

        if (key->len) {
            ngx_memcpy(path.data + 1, key->data, key->len);
        }
    }

    if (!content_token_allows(token, right, path)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "content: token \"%*s\" may not do this",
                      token->name.len, token->name.data);

        return ngx_content_problem(r, NGX_HTTP_FORBIDDEN,
                       "the token's rights or prefixes do not cover this");
    }

    ctx->by_token = 1;

    return NGX_OK;
}


/* The one that is presented, or NULL. */

static const content_token_t *
ngx_content_token(ngx_content_loc_conf_t *lcf, ngx_table_elt_t *authorization)
{
    content_str_t  presented;

    if (lcf->tokens == NULL
        || content_token_bearer(ngx_content_from_ngx(authorization->value),
                                &presented)
           != CONTENT_OK)
    {
        return NULL;
    }

    return content_token_find(lcf->tokens->tokens.elts,
                              lcf->tokens->tokens.nelts, presented);
}


static ngx_int_t
ngx_content_unauthorized(ngx_http_request_t *r, const char *detail,
    const char *challenge)
{
    ngx_content_ctx_t        *ctx;
    ngx_content_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_content_module);
    ngx_content_count(&ngx_content_shared(mcf)->counters, denied);

    ctx = ngx_http_get_module_ctx(r, ngx_content_module);
    ctx->authenticate.data = (u_char *) challenge;
    ctx->authenticate.len = ngx_strlen(challenge);

    return ngx_content_problem(r, NGX_HTTP_UNAUTHORIZED, "%s", detail);
}
