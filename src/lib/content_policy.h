/*
 * Which cache headers an answer carries, and which header values may be kept
 * with an object.  PUT asks the checks, every answer with an object asks the
 * writers.
 */

#ifndef CONTENT_POLICY_H
#define CONTENT_POLICY_H

#include "lib/content_object.h"


/*
 * Cloudflare: a Cache-Tag header of at most 16 KB, tags of at most 1,024
 * characters where they are to be purged through its API.
 */
#define CONTENT_POLICY_CACHE_TAG_MAX  16384
#define CONTENT_POLICY_OWN_TAG        21      /* "c" and 20 hex digits */
#define CONTENT_POLICY_TAG_MAX        1024

/* Stored tags, so that they and ",", the object's own tag fit the header. */
#define CONTENT_POLICY_TAGS_MAX                                              \
    (CONTENT_POLICY_CACHE_TAG_MAX - CONTENT_POLICY_OWN_TAG - 1)


typedef struct {
    content_str_t    cache_control;      /* of the location, for browsers */
    content_str_t    cdn_cache_control;  /* of the location, for the CDN */
} content_policy_t;


/* How the answer was found: "hit", or why not (RFC 9211, 2.2). */

typedef enum {
    CONTENT_CACHE_HIT = 0,
    CONTENT_CACHE_BYPASS,           /* the cache was told not to handle it */
    CONTENT_CACHE_METHOD,           /* the method wants the store */
    CONTENT_CACHE_URI_MISS,         /* nothing was held for the key */
    CONTENT_CACHE_MISS,             /* a miss of another or unknown kind */
    CONTENT_CACHE_REQUEST,          /* the request did not allow the copy */
    CONTENT_CACHE_STALE,            /* the copy was too old */
    CONTENT_CACHE_PARTIAL           /* the copy lacked the wanted range */
} content_cache_t;


typedef struct {
    content_cache_t  cache;
    unsigned         stored:1;      /* the answer was stored; not on a hit */
    unsigned         collapsed:1;   /* with others' requests into one */
    unsigned         fwd_status;    /* of who was asked; 0: not told */
    unsigned         has_ttl:1;
    int64_t          ttl;           /* seconds of freshness left, may be < 0 */
    content_str_t    detail;        /* any text; empty: none */
} content_cache_status_t;


/*
 * Cache-Tag: own_tag, then the stored tags as far as they fit into
 * CONTENT_POLICY_CACHE_TAG_MAX bytes, separated by "," without a space; the
 * first that does not fit and all after it are left out.
 */
void content_policy_cache_tag(content_out_t *out, content_str_t own_tag,
    content_str_t tags);

/*
 * Cache-Control: what was stored with the PUT, or else the location's.  May
 * be empty: no header.  The slice belongs to object or policy.
 */
content_str_t content_policy_cache_control(const content_object_t *object,
    const content_policy_t *policy);

/*
 * CDN-Cache-Control (RFC 9213): the location's, unless the Cache-Control that
 * was stored with the object says no-store or private: then "no-store" or
 * "private", for this header would override that one.  Never empty in these
 * cases, even where the location's is.  private="field", too, counts as
 * private, as a cache may treat it (RFC 9111, 5.2.2.7).
 */
content_str_t content_policy_cdn_cache_control(const content_object_t *object,
    const content_policy_t *policy);

/* One member of Cache-Status (RFC 9211): "ngx_content; hit; detail=redis". */
void content_policy_cache_status(content_out_t *out,
    const content_cache_status_t *status);

/*
 * The Cache-Tag of a PUT, with several such headers joined by commas: writes
 * "a,b,c" without spaces, empty members and duplicates (ASCII case ignored,
 * the first one's spelling and place kept), behind whatever *out holds.
 * Writes nothing for an empty list.
 * Returns CONTENT_OK, CONTENT_OVERFLOW, or CONTENT_ERROR with *why a text for
 * the editor: a byte other than 0x21..0x7e in a tag, a tag longer than
 * CONTENT_POLICY_TAG_MAX, all together longer than CONTENT_POLICY_TAGS_MAX.
 */
int content_policy_tags_parse(content_str_t header, content_out_t *out,
    const char **why);

/*
 * Whether a header's value can be kept with an object and answered again:
 * bytes 0x20..0x7e only, so no CR, LF or NUL, with no space at either end.
 * An empty value can.  Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_policy_field_check(content_str_t value);

/*
 * Whether it is the name of a header, or the end of one: a token (RFC 9110,
 * 5.6.2).  Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_policy_name_check(content_str_t name);


#endif
