/*
 * Where the S3 store has its credentials from: the directive
 * content_s3_credentials.
 *
 * A provider (ngx_content_credentials_t) lives as long as the configuration;
 * locations that inherit the directive share it.  "env" and "file" are read
 * with the configuration and never change.  The others (EC2's metadata
 * service, the endpoint of ECS and EKS, STS) are asked by a worker outside any
 * request: when there are none, and again well before they expire.  What one
 * worker has fetched all take, by shared memory, and new workers start with.
 * Until new ones are there the old ones are used, up to their last second;
 * replaced ones are wiped.  A request never waits for credentials, and never
 * has them fetched.
 */

#ifndef NGX_CONTENT_CREDENTIALS_H
#define NGX_CONTENT_CREDENTIALS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_curl.h"
#include "lib/content_credentials.h"


#define NGX_CONTENT_CREDENTIALS_SESSION  512       /* bytes; EC2's have 56 */
#define NGX_CONTENT_CREDENTIALS_ROLE     64
#define NGX_CONTENT_CREDENTIALS_ID       32        /* SHA-256 */


/* What has to be asked, one after the other. */

#define NGX_CONTENT_CREDENTIALS_STEPS(S)                                     \
    S(IMDS_TOKEN, imds_token)                                                \
    S(IMDS_ROLE,  imds_role)                                                 \
    S(IMDS_KEYS,  imds_keys)                                                 \
    S(CONTAINER,  container)                                                 \
    S(STS,        sts)

typedef enum {
#define NGX_CONTENT_CREDENTIALS_STEP(name, function)                         \
    NGX_CONTENT_CREDENTIALS_##name,
    NGX_CONTENT_CREDENTIALS_STEPS(NGX_CONTENT_CREDENTIALS_STEP)
#undef NGX_CONTENT_CREDENTIALS_STEP
    NGX_CONTENT_CREDENTIALS_FIXED              /* nothing */
} ngx_content_credentials_step_e;


typedef struct {
    /* of the configuration */
    ngx_str_t                        name;         /* "env", "imds", ... */
    ngx_content_credentials_step_e   first;
    ngx_str_t                        url;
    ngx_str_t                        authorization; /* container: the header */
    ngx_str_t                        token_file;   /* container: the header;
                                                      STS: the identity; with
                                                      a NUL behind */
    ngx_str_t                        role;         /* STS */
    ngx_str_t                        session;

    ngx_shm_zone_t                  *zone;         /* NULL: FIXED */
    u_char                           id[NGX_CONTENT_CREDENTIALS_ID];

    content_credentials_t            slots[2];
    ngx_uint_t                       current;      /* of slots */

    /* of this process */
    ngx_content_curl_t              *engine;       /* NULL: not started */
    ngx_event_t                      timer;
    uint64_t                         due;          /* ms since 1970 */
    unsigned                         failures;     /* in a row */

    ngx_content_credentials_step_e   step;
    ngx_content_call_t              *call;         /* under way */
    ngx_str_t                        form;         /* its body, a secret */
    u_char                           imds_token[
                                          NGX_CONTENT_CREDENTIALS_SESSION];
    size_t                           imds_token_len;
    u_char                           imds_role[NGX_CONTENT_CREDENTIALS_ROLE];
    size_t                           imds_role_len;

    u_char                           cause[256];   /* of the last failure,
                                                      NUL-terminated */
} ngx_content_credentials_t;


/*
 * Slot, by cmd->offset of an ngx_content_credentials_t *, of
 *     content_s3_credentials env
 *                          | file PATH [profile=NAME]
 *                          | imds [endpoint=URL]
 *                          | container
 *                          | web_identity [sts=URL]
 */
char *ngx_content_credentials_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * For init_process and exit_process, before the engine goes.  Both may be
 * called more than once for a provider.
 */
void ngx_content_credentials_start(ngx_content_credentials_t *provider,
    ngx_content_curl_t *engine);
void ngx_content_credentials_stop(ngx_content_credentials_t *provider);

/*
 * What to sign with, for use before the next event; what another worker has
 * fetched if this one has none.  NULL: nobody has any, and *cause (if not NULL)
 * is a static text that says why.
 */
content_sigv4_credentials_t *ngx_content_credentials_get(
    ngx_content_credentials_t *provider, const char **cause);


/* Between the files of this provider. */

/*
 * A step.  ask fills a call: NGX_OK or NGX_ERROR.  take reads its answer:
 * NGX_OK (the slot that is not in use is complete), NGX_AGAIN (the next step
 * is set) or NGX_ERROR.  Errors leave a cause.
 */

typedef ngx_int_t (*ngx_content_credentials_step_pt)(
    ngx_content_credentials_t *provider, ngx_content_call_t *call);

typedef struct {
    const char                       *name;
    ngx_content_credentials_step_pt   ask;
    ngx_content_credentials_step_pt   take;
} ngx_content_credentials_step_t;

extern const ngx_content_credentials_step_t  ngx_content_credentials_steps[];

/* Notes the cause of a failure (ngx_vslprintf()), and returns NGX_ERROR. */
ngx_int_t ngx_content_credentials_error(ngx_content_credentials_t *provider,
    const char *cause, ...);

/*
 * The credentials that workers share.
 * share: for a provider that is complete, while the configuration is read.
 * adopt: NGX_OK when there are newer ones than those in use; they are in the
 * other slot.  publish: those in use.
 */
ngx_int_t ngx_content_credentials_share(ngx_conf_t *cf,
    ngx_content_credentials_t *provider);
ngx_int_t ngx_content_credentials_adopt(ngx_content_credentials_t *provider);
void ngx_content_credentials_publish(ngx_content_credentials_t *provider);


#endif
