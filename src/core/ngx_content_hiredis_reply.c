/*
 * Replies in a pool: see ngx_content_hiredis_reply.h.
 *
 * Called by hiredis's reader for each element of what it parses.  A NULL makes
 * it fail with "Out of memory"; replies->refused then knows better.  What a
 * function has made it puts into the array that it belongs to.
 */

#include "core/ngx_content_hiredis.h"
#include "core/ngx_content_hiredis_reply.h"


/* With AddressSanitizer each has a pool of its own: it knows what has ended. */

#if defined(__SANITIZE_ADDRESS__)
#define NGX_CONTENT_HIREDIS_FRESH     1
#else
#define NGX_CONTENT_HIREDIS_FRESH     0
#endif

#define NGX_CONTENT_HIREDIS_POOL      8192
#define NGX_CONTENT_HIREDIS_ELEMENTS  4096   /* of all arrays of a reply: ours
                                                have some hundred at most */


/* A string that outlives its reply: who is the last to need it frees it. */

struct ngx_content_hiredis_kept_s {
    void          *data;
    ngx_uint_t     n;             /* how many need it */
};


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_content_hiredis_elements_t;
#else
typedef int     ngx_content_hiredis_elements_t;
#endif


static redisReply *ngx_content_hiredis_object(const redisReadTask *task);
static redisReply *ngx_content_hiredis_text(const redisReadTask *task,
    const char *text, size_t len);
static void *ngx_content_hiredis_refuse(const redisReadTask *task,
    const char *why);
static void *ngx_content_hiredis_string(const redisReadTask *task, char *text,
    size_t len);
static void *ngx_content_hiredis_array(const redisReadTask *task,
    ngx_content_hiredis_elements_t n);
static void *ngx_content_hiredis_integer(const redisReadTask *task,
    long long n);
static void *ngx_content_hiredis_nil(const redisReadTask *task);
static ngx_pool_large_t *ngx_content_hiredis_alone(
    ngx_content_hiredis_object_t *object);
static ngx_content_hiredis_kept_t *ngx_content_hiredis_detach(
    ngx_pool_t *pool, ngx_pool_large_t *large);
static ngx_int_t ngx_content_hiredis_need(ngx_content_hiredis_kept_t *kept,
    ngx_pool_t *pool);
static void ngx_content_hiredis_release(void *data);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_content_hiredis_double(const redisReadTask *task, double n,
    char *text, size_t len);
static void *ngx_content_hiredis_bool(const redisReadTask *task, int n);
#endif


static redisReplyObjectFunctions  ngx_content_hiredis_functions = {
    .createString = ngx_content_hiredis_string,
    .createArray = ngx_content_hiredis_array,
    .createInteger = ngx_content_hiredis_integer,
    .createNil = ngx_content_hiredis_nil,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_content_hiredis_double,
    .createBool = ngx_content_hiredis_bool,
#endif
    .freeObject = NULL
};


redisReader *
ngx_content_hiredis_reader(ngx_content_hiredis_replies_t *replies)
{
    redisReader  *reader;

    replies->pool = ngx_create_pool(NGX_CONTENT_HIREDIS_POOL, replies->log);
    if (replies->pool == NULL) {
        return NULL;
    }

    reader = redisReaderCreateWithFunctions(&ngx_content_hiredis_functions);

    if (reader == NULL) {
        ngx_content_hiredis_replies_free(replies);
        return NULL;
    }

    reader->privdata = replies;
    replies->elements = 0;

    return reader;
}


/* A pool that has grown for one reply, or is to release it, does not stay. */

ngx_int_t
ngx_content_hiredis_replies_reset(ngx_content_hiredis_replies_t *replies)
{
    replies->elements = 0;

    if (replies->pool->d.next == NULL && replies->pool->cleanup == NULL
        && !NGX_CONTENT_HIREDIS_FRESH)
    {
        ngx_reset_pool(replies->pool);
        return NGX_OK;
    }

    ngx_content_hiredis_replies_free(replies);

    replies->pool = ngx_create_pool(NGX_CONTENT_HIREDIS_POOL, replies->log);

    return replies->pool ? NGX_OK : NGX_ERROR;
}


void
ngx_content_hiredis_replies_free(ngx_content_hiredis_replies_t *replies)
{
    if (replies->pool) {
        ngx_destroy_pool(replies->pool);
        replies->pool = NULL;
    }
}


void
ngx_content_hiredis_replies_at(ngx_content_hiredis_object_t *object,
    u_char *text, size_t len)
{
    ngx_memzero(object, sizeof(ngx_content_hiredis_object_t));

    object->reply.type = REDIS_REPLY_STRING;
    object->reply.str = (char *) text;
    object->reply.len = len;
}


/* An element of the task's type, in its place. */

static redisReply *
ngx_content_hiredis_object(const redisReadTask *task)
{
    redisReply                     *parent;
    ngx_content_hiredis_object_t   *object;
    ngx_content_hiredis_replies_t  *replies;

    replies = task->privdata;

    object = ngx_pcalloc(replies->pool, sizeof(ngx_content_hiredis_object_t));
    if (object == NULL) {
        return NULL;
    }

    object->pool = replies->pool;
    object->reply.type = task->type;

    if (task->parent) {
        parent = task->parent->obj;
        parent->element[task->idx] = &object->reply;
    }

    return &object->reply;
}


static redisReply *
ngx_content_hiredis_text(const redisReadTask *task, const char *text,
    size_t len)
{
    redisReply                     *reply;
    ngx_content_hiredis_replies_t  *replies;

    replies = task->privdata;

    reply = ngx_content_hiredis_object(task);
    if (reply == NULL) {
        return NULL;
    }

    reply->str = ngx_pnalloc(replies->pool, len + 1);
    if (reply->str == NULL) {
        return NULL;
    }

    ngx_memcpy(reply->str, text, len);
    reply->str[len] = '\0';
    reply->len = len;

    return reply;
}


static void *
ngx_content_hiredis_refuse(const redisReadTask *task, const char *why)
{
    ngx_content_hiredis_replies_t  *replies;

    replies = task->privdata;
    replies->refused = why;

    return NULL;
}


static void *
ngx_content_hiredis_string(const redisReadTask *task, char *text, size_t len)
{
    return ngx_content_hiredis_text(task, text, len);
}


/*
 * A server that announces an array of two thousand million elements would
 * have us allocate them all, and the worker stand still.  Arrays in arrays take
 * a thousand times the bytes that announce them, too.
 */

static void *
ngx_content_hiredis_array(const redisReadTask *task,
    ngx_content_hiredis_elements_t n)
{
    redisReply                     *reply;
    ngx_content_hiredis_replies_t  *replies;

    replies = task->privdata;

    if ((size_t) n > NGX_CONTENT_HIREDIS_ELEMENTS - replies->elements) {
        return ngx_content_hiredis_refuse(task, "it has sent arrays of too "
                                          "many elements");
    }

    replies->elements += n;

    reply = ngx_content_hiredis_object(task);
    if (reply == NULL) {
        return NULL;
    }

    reply->element = ngx_pcalloc(replies->pool, n * sizeof(redisReply *));
    if (reply->element == NULL) {
        return NULL;
    }

    reply->elements = n;

    return reply;
}


static void *
ngx_content_hiredis_integer(const redisReadTask *task, long long n)
{
    redisReply  *reply;

    reply = ngx_content_hiredis_object(task);

    if (reply) {
        reply->integer = n;
    }

    return reply;
}


/* Which the task takes for a string or an array. */

static void *
ngx_content_hiredis_nil(const redisReadTask *task)
{
    redisReply  *reply;

    reply = ngx_content_hiredis_object(task);

    if (reply) {
        reply->type = REDIS_REPLY_NIL;
    }

    return reply;
}


#if (HIREDIS_MAJOR >= 1)

/* Of RESP3, which nobody has asked the server to speak. */

static void *
ngx_content_hiredis_double(const redisReadTask *task, double n, char *text,
    size_t len)
{
    return ngx_content_hiredis_refuse(task, "it has sent what is no RESP2");
}


static void *
ngx_content_hiredis_bool(const redisReadTask *task, int n)
{
    return ngx_content_hiredis_refuse(task, "it has sent what is no RESP2");
}

#endif


/* The reply itself needs it until it was given to all who wait for it. */

ngx_int_t
ngx_content_hiredis_keep(redisReply *reply, ngx_pool_t *pool)
{
    ngx_pool_large_t              *large;
    ngx_content_hiredis_object_t  *object;

    object = (ngx_content_hiredis_object_t *) reply;

    if (object->kept == NULL) {
        large = ngx_content_hiredis_alone(object);

        if (large == NULL) {
            return NGX_DECLINED;
        }

        object->kept = ngx_content_hiredis_detach(object->pool, large);
    }

    return object->kept ? ngx_content_hiredis_need(object->kept, pool)
                        : NGX_ERROR;
}


/* A string that its pool has allocated by itself, as it does large ones. */

static ngx_pool_large_t *
ngx_content_hiredis_alone(ngx_content_hiredis_object_t *object)
{
    ngx_pool_large_t  *large;

    large = object->pool ? object->pool->large : NULL;

    while (large && large->alloc != object->reply.str) {
        large = large->next;
    }

    return large;
}


static ngx_content_hiredis_kept_t *
ngx_content_hiredis_detach(ngx_pool_t *pool, ngx_pool_large_t *large)
{
    ngx_content_hiredis_kept_t  *kept;

    kept = ngx_alloc(sizeof(ngx_content_hiredis_kept_t), pool->log);
    if (kept == NULL) {
        return NULL;
    }

    kept->data = large->alloc;
    kept->n = 0;

    if (ngx_content_hiredis_need(kept, pool) != NGX_OK) {
        ngx_free(kept);
        return NULL;
    }

    large->alloc = NULL;

    return kept;
}


static ngx_int_t
ngx_content_hiredis_need(ngx_content_hiredis_kept_t *kept, ngx_pool_t *pool)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_content_hiredis_release;
    cln->data = kept;
    kept->n++;

    return NGX_OK;
}


static void
ngx_content_hiredis_release(void *data)
{
    ngx_content_hiredis_kept_t *kept = data;

    if (--kept->n == 0) {
        ngx_free(kept->data);
        ngx_free(kept);
    }
}
