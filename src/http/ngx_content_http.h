/*
 * What the files of src/http share: the context of a request, problems, and
 * response headers.
 */

#ifndef NGX_CONTENT_HTTP_H
#define NGX_CONTENT_HTTP_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/ngx_content_str.h"
#include "lib/content_expect.h"
#include "lib/content_key.h"
#include "lib/content_object.h"
#include "lib/content_policy.h"


typedef struct {
    ngx_str_t                key;            /* canonical; of the request */
    u_char                   hash[CONTENT_KEY_HASH_LEN];  /* these two by */
    u_char                   tag[CONTENT_KEY_TAG_LEN];    /* _names() */

    ngx_atomic_uint_t        fence;          /* of the memory cache, before
                                                anything was read */
    content_object_t        *known;          /* by the memory cache, which has
                                                not its body; or NULL */
    int64_t                  age;            /* ms since it was fresh, of what
                                                is answered; 0: it is fresh */
    ngx_uint_t               fault;          /* status of storage's failure,
                                                for which it is answered; 0 */
    const char              *tier;           /* of an object that is answered:
                                                "memory", ...; or NULL */
    int64_t                  size;           /* its bytes */
    ngx_msec_t               redis_time;     /* ms, and one more: 0 is not */
    ngx_msec_t               store_time;     /* asked */
    ngx_uint_t               problem;        /* HTTP status; 0: none yet */
    ngx_str_t                detail;
    ngx_chain_t             *problem_out;    /* the body that replaces
                                                nginx's own */

    void                    *receive;        /* of a PUT whose body comes */
    void                    *get;            /* of a GET whose body comes:
                                                ngx_content_get_t */
    ngx_str_t                authenticate;   /* WWW-Authenticate of a 401 */
    ngx_str_t                allow;          /* Allow of a 405; empty: an
                                                object's */
    unsigned                 by_token:1;     /* not for everybody: no shared
                                                cache may keep the answer */
    unsigned                 expired:1;      /* a cache has it, too old */
    unsigned                 answered:1;     /* the headers are an object's or
                                                our own JSON's */

    /* headers that the answer had before ours: ngx_content_given_find() */

    unsigned                 given_type:1;
    unsigned                 given_disposition:1;
    unsigned                 given_caching:1;
} ngx_content_ctx_t;


/* The context, made when there is none; NULL: no memory. */
ngx_content_ctx_t *ngx_content_ctx(ngx_http_request_t *r);

/*
 * Sets hash and tag of the key, which everything but shared memory goes by: a
 * hit there does without.
 */
void ngx_content_names(ngx_content_ctx_t *ctx);

/*
 * Notes why a request fails, for the problem+json body, and returns status,
 * for the caller to return in turn.  detail is a format for ngx_vslprintf().
 */
ngx_int_t ngx_content_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, ...);

/* Installs the header and the body filter that write problems. */
ngx_int_t ngx_content_problem_init(ngx_conf_t *cf);

/*
 * Adds a response header, unless value is empty.  Neither name nor value is
 * copied.  The header replaces one that nginx keeps a pointer to
 * (Cache-Control), so that "expires" and "add_header" know it.
 */
ngx_int_t ngx_content_header_add(ngx_http_request_t *r, ngx_str_t name,
    content_str_t value);


/* Here, so that the length of a literal is computed by the compiler. */

static ngx_inline ngx_int_t
ngx_content_header(ngx_http_request_t *r, const char *name,
    content_str_t value)
{
    ngx_str_t  s;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    return ngx_content_header_add(r, s, value);
}


/*
 * Notes what an application that has sent the request here (X-Accel-Redirect)
 * has said of the answer: it goes before what we say.  Called before any header
 * of ours is there.
 */
void ngx_content_given_find(ngx_http_request_t *r, ngx_content_ctx_t *ctx);

/*
 * Whether no shared cache may keep the object that is answered: a token was
 * needed for it, or error_page has put it in the place of another.  Then it
 * gets the cache headers of the second function, and no Cache-Tag.
 */
ngx_uint_t ngx_content_uncacheable(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_uncacheable_headers(ngx_http_request_t *r);

/*
 * Fills r->headers_out for the whole object (status 200), cache_status being its
 * Cache-Status; empty: there was no memory for it.
 */
ngx_int_t ngx_content_object_headers(ngx_http_request_t *r,
    const content_object_t *object, content_str_t cache_status);

/*
 * As Cache-Status, in the request's memory; the second of what a cache, detail,
 * has answered that is not fresh, by ctx->age and ctx->fault.  Empty: no memory.
 */
content_str_t ngx_content_cache_status(ngx_http_request_t *r,
    const content_cache_status_t *status);
content_str_t ngx_content_stale_status(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx, content_str_t detail);

/* Conditions and ranges of the request are not about this object. */
ngx_uint_t ngx_content_unconditional(ngx_http_request_t *r);

/*
 * The conditions of GET and HEAD: NGX_OK, NGX_HTTP_NOT_MODIFIED, or a problem
 * (412) that the caller returns.
 */
ngx_int_t ngx_content_conditions(ngx_http_request_t *r, content_str_t etag,
    time_t mtime);

/*
 * The ranges that are asked for (ngx_content_ranges.c): CONTENT_RANGE_NONE, _OK
 * with first and last set, _SEVERAL or _UNSATISFIABLE.
 */
ngx_int_t ngx_content_range(ngx_http_request_t *r, content_str_t etag,
    time_t mtime, int64_t size, int64_t *first, int64_t *last);

/* The problem 416, for the caller to return. */
ngx_int_t ngx_content_range_problem(ngx_http_request_t *r, int64_t size);

/*
 * Before the headers of the whole object are sent (200, its length), what
 * nginx's range filter is to do, which also says that there are ranges
 * (Accept-Ranges).  NGX_OK or NGX_ERROR.
 *
 *     whole   nothing more: the body can't be cut
 *     cut     206 or 416, if ngx_content_range() says so
 *     part    206: what comes is the one range, from first on
 */
void ngx_content_ranges_whole(ngx_http_request_t *r);
ngx_int_t ngx_content_ranges_cut(ngx_http_request_t *r, content_str_t etag,
    time_t mtime, int64_t size);
ngx_int_t ngx_content_ranges_part(ngx_http_request_t *r, int64_t first,
    int64_t size);

/*
 * After that filter has refused the headers (416): takes them back, for the
 * problem, or the page of error_page, has none of them.
 */
void ngx_content_range_refused(ngx_http_request_t *r);

/*
 * Whether the filters of this location leave an object as it is, so that a
 * range of it can be answered without the rest (ngx_content_rehearsal.c):
 * NGX_OK, NGX_DECLINED, or NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_rehearse(ngx_http_request_t *r,
    const content_object_t *object);

/* The first request header of that name (lower case), or NULL. */
ngx_table_elt_t *ngx_content_request_header(ngx_http_request_t *r,
    const char *name);

/*
 * The same into *h, where two would contradict each other.  NGX_OK, or a status,
 * its problem noted: there is a second one.
 */
ngx_int_t ngx_content_request_header_once(ngx_http_request_t *r,
    const char *name, ngx_table_elt_t **h);

/* The problem (400) of a header that may come once, and came again. */
ngx_int_t ngx_content_request_header_twice(ngx_http_request_t *r,
    ngx_table_elt_t *h);

/*
 * What a PUT's headers say that its body hashes to, into *expect, which is
 * zeroed.  NGX_OK, or the problem (400) that the caller returns.
 */
ngx_int_t ngx_content_expect_from_request(ngx_http_request_t *r,
    content_expect_t *expect);

/*
 * Adds Repr-Digest and Content-Digest of an object to the answer, if the
 * request wants them.  r->headers_out.status is set: 304 has no content.
 */
ngx_int_t ngx_content_digest_headers(ngx_http_request_t *r,
    const u_char sha256[CONTENT_SHA256_SIZE]);

/* Whether it wants either: then more may be done to find it. */
ngx_uint_t ngx_content_digest_is_wanted(ngx_http_request_t *r);

/* Sends status with a body of JSON, or of type; body is not copied. */
ngx_int_t ngx_content_send_json(ngx_http_request_t *r, ngx_uint_t status,
    content_str_t body);
ngx_int_t ngx_content_send_text(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, content_str_t body);


/* For preconfiguration. */
ngx_int_t ngx_content_variables_add(ngx_conf_t *cf);


/* The handlers that ngx_content_handler() routes to. */

ngx_int_t ngx_content_handler(ngx_http_request_t *r);
ngx_int_t ngx_content_get(ngx_http_request_t *r, ngx_content_ctx_t *ctx);

/*
 * From shared memory: NGX_DECLINED when it is not there, or only what it is
 * (ctx->known) and its body is wanted.  ctx->fence is set then.
 */
ngx_int_t ngx_content_hit(ngx_http_request_t *r, ngx_content_ctx_t *ctx);

/*
 * The same when storage has failed (ctx->fault): whatever is there may be
 * answered, however old.
 */
ngx_int_t ngx_content_hit_stale(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);

ngx_int_t ngx_content_put(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_delete(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_copy(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_move(ngx_http_request_t *r, ngx_content_ctx_t *ctx);

/* Whether a key is the API's. */
ngx_uint_t ngx_content_is_reserved(ngx_str_t *key);

ngx_int_t ngx_content_api(ngx_http_request_t *r, ngx_content_ctx_t *ctx);

/*
 * Reads a request's body of at most max bytes, then calls received, which
 * takes it in one piece by ngx_content_api_body().  Both return NGX_OK (the
 * first NGX_DONE) or what the caller returns in turn.
 */
ngx_int_t ngx_content_api_read(ngx_http_request_t *r, off_t max,
    ngx_http_client_body_handler_pt received);
ngx_int_t ngx_content_api_body(ngx_http_request_t *r, off_t max,
    content_str_t *json);

/*
 * An argument of the query, decoded into pool by the rules of keys; empty if
 * it is not there.  goes_on: it may be the beginning of a key, as "a/." is of
 * "a/.b".  NGX_OK; NGX_DECLINED: it can't be decoded; NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_api_arg(ngx_http_request_t *r, const char *name,
    ngx_uint_t goes_on, ngx_pool_t *pool, ngx_str_t *value);

/* "limit": 1 to max, which it is if not sent.  NGX_OK or the problem. */
ngx_int_t ngx_content_api_limit(ngx_http_request_t *r, ngx_int_t max,
    ngx_uint_t *limit);

ngx_int_t ngx_content_api_versions(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_version(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_restore(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_delete(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_list(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_status(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_metrics(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_purge(ngx_http_request_t *r, ngx_content_ctx_t *ctx);
ngx_int_t ngx_content_api_purge_job(ngx_http_request_t *r,
    ngx_content_ctx_t *ctx);


#endif
