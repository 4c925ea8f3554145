/*
 * The S3 store: objects in one bucket of any S3-compatible server.
 *
 * Bytes for clients come through ngx_http_upstream (ngx_content_s3_read.c);
 * everything else (HEAD, PUT, multipart uploads, DELETE, lists) through the
 * libcurl engine, since it outlives a client's request.  All requests are
 * signed here, with Signature V4 (lib/content_sigv4.h).
 *
 * What S3 has no place for travels as user metadata: Cache-Tag as
 * x-amz-meta-cache-tag, the SHA-256 of the body as x-amz-meta-sha256, and
 * X-Content-Meta-NAME as x-amz-meta-NAME.
 */

#ifndef NGX_CONTENT_S3_H
#define NGX_CONTENT_S3_H

#include "core/ngx_content_curl.h"
#include "lib/content_endpoints.h"
#include "lib/content_retry.h"
#include "lib/content_sigv4.h"
#include "store/ngx_content_credentials.h"
#include "store/ngx_content_store.h"


#define NGX_CONTENT_S3_PATH     0
#define NGX_CONTENT_S3_VIRTUAL  1

#define NGX_CONTENT_S3_PROBE_OFF   0
#define NGX_CONTENT_S3_PROBE_READ  1              /* nothing is written */
#define NGX_CONTENT_S3_PROBE_ON    2

/* The probe's object; the name of the host follows.  No client reaches it. */
#define NGX_CONTENT_S3_PROBE_KEY   "-/the probe/"

#define NGX_CONTENT_S3_PARTS    3              /* stored at once, an upload */

/* S3's own limits */

#define NGX_CONTENT_S3_PARTS_MIN  2            /* of an upload */
#define NGX_CONTENT_S3_PARTS_MAX  10000
#define NGX_CONTENT_S3_PART_MIN   (5 * 1024 * 1024)
#define NGX_CONTENT_S3_PART_MAX   (5LL * 1024 * 1024 * 1024)
#define NGX_CONTENT_S3_LIST     (8 * 1024 * 1024)

/* The longest ETag and error code that are taken from a result in XML. */
#define NGX_CONTENT_S3_ETAG     256
#define NGX_CONTENT_S3_CODE     64

#define NGX_CONTENT_S3_REGION   64             /* the longest name of one */
#define NGX_CONTENT_S3_ERROR    1024           /* bytes of an error's code and
                                                  message, at most */


typedef struct {
    ngx_str_t                      authority;  /* "host:port" */
    ngx_str_t                      origin;     /* "http://host:port" */
    ngx_str_t                      host;       /* for Host and signature */
    ngx_http_upstream_srv_conf_t  *upstream;   /* its addresses, for reads */
} ngx_content_s3_endpoint_t;


typedef struct {
    /* directives */
    ngx_array_t                   *urls;       /* ngx_content_s3_endpoint_t,
                                                  without the host */
    ngx_msec_t                     fail_timeout;
    ngx_str_t                      bucket;
    ngx_str_t                      region;
    ngx_uint_t                     style;
    ngx_str_t                      ca_file;
    ngx_msec_t                     connect_timeout;
    ngx_msec_t                     timeout;
    ngx_uint_t                     tries;
    ngx_msec_t                     retry_timeout;
    ngx_uint_t                     probe;
    ngx_uint_t                     sign_payload; /* content_sigv4_payload_e */
    size_t                         part_size;
    ngx_uint_t                     max_parts;  /* of an upload */
    off_t                          copy_part_size;
    ngx_content_credentials_t     *credentials;

    /* made of them */
    ngx_content_s3_endpoint_t     *endpoints;
    ngx_uint_t                     nendpoints;
    ngx_str_t                      authority;  /* of the first */
    ngx_uint_t                     secure;     /* https */
    ngx_str_t                      base;       /* "/" or "/bucket/" */
    ngx_http_upstream_conf_t       upstream;

    /* of this process */
    content_sigv4_cache_t          cache;
    content_endpoint_t            *health;     /* of the endpoints */
    unsigned                       turn;
    time_t                         bucket_seen; /* a 404 is no missing bucket
                                                   shortly after */
    int64_t                        skew;       /* the server's clock less
                                                  ours, seconds */
    ngx_str_t                      region_told; /* by the server; empty: as
                                                   configured */
    u_char                         region_text[NGX_CONTENT_S3_REGION];
    unsigned                       bare_if_match:1; /* without its quotes */
    unsigned                       if_match_known:1; /* probed or learnt */
    unsigned                       if_match_works:1; /* one has held */
    unsigned                       no_if_match:1;   /* not on writes */
    unsigned                       etag_of_parts:1; /* is by their MD5s */
    unsigned                       no_tags:1;       /* not to be written */
    unsigned                       no_tags_read:1;
} ngx_content_s3_conf_t;


void ngx_content_s3_conf_create(ngx_content_s3_conf_t *conf);
void ngx_content_s3_conf_merge(ngx_content_s3_conf_t *prev,
    ngx_content_s3_conf_t *conf);

/* Slot of content_s3_endpoint, by cmd->offset. */
char *ngx_content_s3_endpoint_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Errors are logged to cf and name the directive. */
ngx_content_store_t *ngx_content_s3_create(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf,
    ngx_thread_pool_t *threads);


/* Between the files of this store. */

typedef struct {
    const char                    *method;
    ngx_str_t                      key;        /* empty: the bucket */
    content_field_t                params[8];
    ngx_uint_t                     nparams;
    content_field_t                headers[CONTENT_SIGV4_HEADERS_MAX];
    ngx_uint_t                     nheaders;
    content_str_t                  payload_hash;  /* empty: no body */
    content_repeat_e               repeat;     /* if no condition forbids it */
} ngx_content_s3_request_t;

typedef struct {
    ngx_str_t                      path;       /* encoded, with "?query" */
    ngx_str_t                      date;
    ngx_str_t                      authorization;
    ngx_str_t                      token;      /* x-amz-security-token, unless
                                                  empty; the provider's, until
                                                  the next event */
} ngx_content_s3_signed_t;

/*
 * A parameter of the query; a header, unless its value is empty.  In any order,
 * for the signature sorts them.  Nothing is copied.
 */
void ngx_content_s3_param(ngx_content_s3_request_t *request, const char *name,
    content_str_t value);
void ngx_content_s3_header(ngx_content_s3_request_t *request,
    const char *name, content_str_t value);

/*
 * What the signature says of a body of text: its SHA-256; and Content-MD5,
 * which AWS wants of some requests besides.  Strings in pool.
 */
ngx_int_t ngx_content_s3_text_sha256(ngx_content_s3_request_t *request,
    ngx_str_t *text, ngx_pool_t *pool);
ngx_int_t ngx_content_s3_text_md5(ngx_content_s3_request_t *request,
    ngx_str_t *text, ngx_pool_t *pool);

/* The headers that keep an object's metadata; strings in pool. */
ngx_int_t ngx_content_s3_object_headers(ngx_content_s3_request_t *request,
    content_object_t *object, ngx_pool_t *pool);

/*
 * Takes one response header into object, if it is of those that are kept:
 * then it is copied into pool.  NGX_OK; NGX_DECLINED: the ETag or the length is
 * none, or what there is one of was another before; NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_s3_object_field(content_object_t *object,
    content_str_t name, content_str_t value, ngx_pool_t *pool);

/* NGX_ERROR: see ngx_content_s3_unsent(). */
ngx_int_t ngx_content_s3_sign(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint, ngx_pool_t *pool,
    ngx_content_s3_request_t *request, ngx_content_s3_signed_t *result);

/* What a location needs of its endpoints, once the bucket is known. */
ngx_int_t ngx_content_s3_endpoints(ngx_conf_t *cf,
    ngx_content_s3_conf_t *conf);

/*
 * The endpoint that the next try goes to; avoid: has just failed, or NULL.
 * One that failed, to connect or to answer, is left alone for
 * content_s3_fail_timeout if there is another.
 */
ngx_content_s3_endpoint_t *ngx_content_s3_endpoint_choose(
    ngx_content_s3_conf_t *conf, ngx_content_s3_endpoint_t *avoid);
void ngx_content_s3_endpoint_worked(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint);
void ngx_content_s3_endpoint_failed(ngx_content_s3_conf_t *conf,
    ngx_content_s3_endpoint_t *endpoint);

/*
 * Whether the bodies of uploads are signed with their SHA-256, by what is
 * configured and what the probe has found.
 */
ngx_uint_t ngx_content_s3_signs_payload(ngx_content_store_t *store);

/* For the signature: the configured region, or that which the server told. */
ngx_str_t *ngx_content_s3_region(ngx_content_s3_conf_t *conf);

/*
 * The tries of one request; zeroed at first.  begin() before a try is signed.
 * again() with an answer that is no success: NGX_AGAIN, sign and send it again
 * after *delay, or NGX_OK: it is the last word.
 */

typedef struct {
    ngx_msec_t                     started;
    ngx_uint_t                     made;
    int64_t                        signed_at;
    ngx_str_t                      region_used;
    ngx_content_s3_endpoint_t     *endpoint;   /* of this try */
    ngx_content_s3_endpoint_t     *failed;     /* the last that has */
    content_repeat_e               repeat;
    unsigned                       clocked:1;
    unsigned                       moved:1;
    unsigned                       doubtful:1; /* one that failed may have been
                                                  carried out */
    unsigned                       free:1;     /* the next one does not count */
    unsigned                       anew:1;     /* the time counts from the next
                                                  one on */
} ngx_content_s3_tries_t;

void ngx_content_s3_tries_begin(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf);
ngx_int_t ngx_content_s3_tries_again(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf, content_retry_answer_t *answer,
    ngx_msec_t *delay);

/*
 * A signed call, not started yet; NULL: see ngx_content_s3_unsent().  It is
 * tried again by itself, within content_s3_tries and content_s3_retry_timeout:
 * the handler sees the last try.  What must not be done twice is `fresh`.  The
 * request is copied.
 */
ngx_content_call_t *ngx_content_s3_call(ngx_content_store_t *store,
    ngx_content_s3_request_t *request);

/*
 * For its handler: whether S3 may have carried out a try that it failed with.
 * Then what the last try was refused for may be what the other has done, or has
 * come after it.
 */
ngx_uint_t ngx_content_s3_call_doubtful(ngx_content_call_t *call);

/*
 * Why a request could not be signed or sent at all: UNAVAILABLE when there
 * are no credentials, else FAILED.
 */
ngx_content_outcome_e ngx_content_s3_unsent(ngx_content_store_t *store,
    const char **cause);

/* Ends the task so: its done follows. */
void ngx_content_s3_post_unsent(ngx_content_task_t *task);

/*
 * What the answer means, by status and the error's code; *cause is a text in
 * the call's or a static memory.
 */
ngx_content_outcome_e ngx_content_s3_outcome(ngx_uint_t status,
    content_str_t code);
ngx_content_outcome_e ngx_content_s3_call_outcome(ngx_content_call_t *call,
    const char **cause);

/*
 * HEAD: done with OK and object (in pool), ABSENT, or a fault.  With `digest`
 * the SHA-256 is looked for in a tag, too, if it is not among the metadata.
 */

typedef void (*ngx_content_s3_head_pt)(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);

typedef struct {
    ngx_content_store_t           *store;
    ngx_pool_t                    *pool;
    ngx_str_t                      key;
    ngx_str_t                      version;    /* empty: the current one */
    ngx_content_call_t            *call;       /* under way, or NULL */
    ngx_content_s3_head_pt         done;
    void                          *data;
    content_object_t              *object;     /* while its tag is read */
    unsigned                       digest:1;
} ngx_content_s3_head_t;

ngx_int_t ngx_content_s3_head(ngx_content_s3_head_t *head);

/*
 * The second half of it.  NGX_OK: done will be called, with OK and object;
 * NGX_DECLINED: there is nothing to look for; NGX_ERROR: it was not sent.
 */
ngx_int_t ngx_content_s3_tag_read(ngx_content_s3_head_t *head,
    content_object_t *object);

/*
 * If-Match on a write: the ETag that was seen when the conditions were
 * checked has to be there still.  Zeroed: there is none.
 *
 * FINAL: *outcome is the last word (it may have been changed); LOOK: refused,
 * and only a HEAD tells why: if the ETag is guard->etag still, say so to
 * guard_stands() and send again; RESEND: send again.
 */

typedef struct {
    content_str_t                  etag;       /* empty: no guard */
    unsigned                       sent:1;
    unsigned                       bare:1;     /* as it was sent */
    unsigned                       again:1;    /* the second try */
    unsigned                       refused:1;  /* in both forms */
    unsigned                       put:1;      /* of a PutObject: others may
                                                  not be looked at */
} ngx_content_s3_guard_t;

typedef enum {
    NGX_CONTENT_S3_FINAL = 0,
    NGX_CONTENT_S3_LOOK,
    NGX_CONTENT_S3_RESEND
} ngx_content_s3_verdict_e;

void ngx_content_s3_guard_set(ngx_content_s3_guard_t *guard,
    const ngx_content_conditions_t *conditions,
    const content_object_t *object);
void ngx_content_s3_guard_header(ngx_content_s3_guard_t *guard,
    ngx_content_store_t *store, ngx_content_s3_request_t *request);
ngx_content_s3_verdict_e ngx_content_s3_guard_verdict(
    ngx_content_s3_guard_t *guard, ngx_content_s3_conf_t *conf,
    ngx_content_call_t *call, ngx_content_outcome_e *outcome);
void ngx_content_s3_guard_stands(ngx_content_s3_guard_t *guard,
    ngx_content_s3_conf_t *conf);

/* What the headers of an answer tell; NGX_ERROR: that is not enough. */
ngx_int_t ngx_content_s3_call_object(ngx_content_call_t *call,
    ngx_pool_t *pool, content_object_t *object);

/* The functions of ngx_content_store_ops_t: see ngx_content_store.h. */

ngx_int_t ngx_content_s3_open(ngx_content_read_t *read);
ngx_int_t ngx_content_s3_send(ngx_content_read_t *read);
void ngx_content_s3_stat(ngx_content_stat_t *stat);
void ngx_content_s3_copy(ngx_content_upload_t *up);
void ngx_content_s3_fetch(ngx_content_fetch_t *fetch);
void ngx_content_s3_fetch_cancel(ngx_content_fetch_t *fetch);
void ngx_content_s3_remove_many(ngx_content_removals_t *removals);
void ngx_content_s3_remove(ngx_content_remove_t *remove);
void ngx_content_s3_versions(ngx_content_versions_t *versions);
void ngx_content_s3_list(ngx_content_list_t *list);
ngx_int_t ngx_content_s3_begin(ngx_content_upload_t *up);
void ngx_content_s3_part(ngx_content_upload_t *up, ngx_content_part_t *part);
void ngx_content_s3_part_grown(ngx_content_upload_t *up,
    ngx_content_part_t *part);
void ngx_content_s3_part_cancel(ngx_content_upload_t *up,
    ngx_content_part_t *part);
ngx_int_t ngx_content_s3_ending(ngx_content_upload_t *up);
void ngx_content_s3_commit(ngx_content_upload_t *up);
void ngx_content_s3_abort(ngx_content_upload_t *up);
void ngx_content_s3_probe(ngx_content_probe_t *probe);
void ngx_content_s3_sweep(ngx_content_sweep_t *sweep);


#endif
