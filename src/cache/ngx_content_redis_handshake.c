/*
 * From connected to ready: who the server is, the scripts, the epoch.
 *
 * A table of steps; each sends one command (or has nothing to do) and takes
 * its reply.  At the end the epoch in Redis is one under which nothing can be
 * found that is older than the last write that the node knows of.  The epoch
 * is also renewed from here when the connection is ready.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "lib/content_str.h"
#include "cache/ngx_content_redis_conn.h"
#include "cache/ngx_content_redis_scripts.h"


#define NGX_CONTENT_REDIS_STEPS(step)                                        \
    step(auth,            ok)                                                \
    step(select,          ok)                                                \
    step(server,          server)                                            \
    step(replication,     replication)                                       \
    step(load_claim,      load)                                              \
    step(load_fill,       load)                                              \
    step(load_give_back,  load)                                              \
    step(adopt,           adopt)


/*
 * send: NGX_OK, NGX_DECLINED (nothing to do in this step), NGX_ERROR.
 * take: NGX_OK, NGX_AGAIN (this step once more), NGX_DECLINED (not a server
 * for us), NGX_ERROR (not an answer).
 */

typedef struct {
    const char  *name;
    ngx_int_t  (*send)(ngx_content_redis_conn_t *conn);
    ngx_int_t  (*take)(ngx_content_redis_conn_t *conn, redisReply *reply);
} ngx_content_redis_step_t;


static void ngx_content_redis_next(ngx_content_redis_conn_t *conn);
static void ngx_content_redis_step_reply(redisReply *reply, void *data);
static ngx_int_t ngx_content_redis_words(ngx_content_redis_conn_t *conn,
    const char *word, const char *next, ngx_str_t *last);
static ngx_int_t ngx_content_redis_send_auth(ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_send_select(ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_take_ok(ngx_content_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_content_redis_send_server(ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_take_server(ngx_content_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_content_redis_send_replication(
    ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_take_replication(
    ngx_content_redis_conn_t *conn, redisReply *reply);
static ngx_int_t ngx_content_redis_send_load(ngx_content_redis_conn_t *conn,
    ngx_uint_t script);
static ngx_int_t ngx_content_redis_send_load_claim(
    ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_send_load_fill(
    ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_send_load_give_back(
    ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_take_load(ngx_content_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_content_redis_send_adopt(ngx_content_redis_conn_t *conn);
static ngx_int_t ngx_content_redis_take_adopt(ngx_content_redis_conn_t *conn,
    redisReply *reply);


#define NGX_CONTENT_REDIS_STEP_ENTRY(name, take)                             \
    { #name, ngx_content_redis_send_##name, ngx_content_redis_take_##take },

#define NGX_CONTENT_REDIS_STEP_ENUM(name, take)                              \
    NGX_CONTENT_REDIS_STEP_##name,


enum {
    NGX_CONTENT_REDIS_STEPS(NGX_CONTENT_REDIS_STEP_ENUM)
    NGX_CONTENT_REDIS_STEP_end
};


static ngx_content_redis_step_t  ngx_content_redis_steps[] = {
    NGX_CONTENT_REDIS_STEPS(NGX_CONTENT_REDIS_STEP_ENTRY)
};


static ngx_str_t  ngx_content_redis_scripts[] = {
    ngx_string(NGX_CONTENT_REDIS_SCRIPT_CLAIM),
    ngx_string(NGX_CONTENT_REDIS_SCRIPT_FILL),
    ngx_string(NGX_CONTENT_REDIS_SCRIPT_GIVE_BACK)
};


void
ngx_content_redis_handshake(ngx_content_redis_conn_t *conn)
{
    conn->step = 0;

    ngx_content_redis_guard_reset(conn);
    ngx_content_redis_next(conn);
}


/* Goes on with the handshake, from conn->step to the next that sends. */

static void
ngx_content_redis_next(ngx_content_redis_conn_t *conn)
{
    ngx_int_t  rc;

    for ( /* void */ ; conn->step < NGX_CONTENT_REDIS_STEP_end; conn->step++) {

        rc = ngx_content_redis_steps[conn->step].send(conn);

        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_content_redis_conn_drop(conn, "cannot send");
            return;
        }
    }

    ngx_content_redis_conn_ready(conn);
}


static void
ngx_content_redis_step_reply(redisReply *reply, void *data)
{
    ngx_content_redis_conn_t  *conn = data;

    ngx_int_t                  rc;
    ngx_content_redis_step_t  *step;

    if (reply == NULL) {
        return;
    }

    step = &ngx_content_redis_steps[conn->step];

    rc = step->take(conn, reply);

    if (rc == NGX_ERROR) {
        ngx_content_redis_conn_complain(conn, reply, step->name);
        ngx_content_redis_conn_drop(conn, "the handshake failed");
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_content_redis_conn_drop(conn, "it is not a master");
        return;
    }

    if (rc == NGX_OK) {
        conn->step++;
    }

    ngx_content_redis_next(conn);
}


/* A command of one, two or three words. */

static ngx_int_t
ngx_content_redis_words(ngx_content_redis_conn_t *conn, const char *word,
    const char *next, ngx_str_t *last)
{
    ngx_str_t   argv[3];
    ngx_uint_t  n;

    n = 0;

    argv[n].data = (u_char *) word;
    argv[n++].len = ngx_strlen(word);

    if (next) {
        argv[n].data = (u_char *) next;
        argv[n++].len = ngx_strlen(next);
    }

    if (last) {
        argv[n++] = *last;
    }

    return ngx_content_redis_command(conn, ngx_content_redis_step_reply, conn,
                                     n, argv);
}


static ngx_int_t
ngx_content_redis_send_auth(ngx_content_redis_conn_t *conn)
{
    if (conn->redis->conf->password.len == 0) {
        return NGX_DECLINED;
    }

    return ngx_content_redis_words(conn, "AUTH", NULL,
                                   &conn->redis->conf->password);
}


static ngx_int_t
ngx_content_redis_send_select(ngx_content_redis_conn_t *conn)
{
    u_char     buf[NGX_INT_T_LEN];
    ngx_str_t  db;

    if (conn->redis->conf->db == 0) {
        return NGX_DECLINED;
    }

    db.data = buf;
    db.len = ngx_sprintf(buf, "%ui", conn->redis->conf->db) - buf;

    return ngx_content_redis_words(conn, "SELECT", NULL, &db);
}


static ngx_int_t
ngx_content_redis_take_ok(ngx_content_redis_conn_t *conn, redisReply *reply)
{
    return reply->type == REDIS_REPLY_STATUS ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_content_redis_send_server(ngx_content_redis_conn_t *conn)
{
    return ngx_content_redis_words(conn, "INFO", "server", NULL);
}


static ngx_int_t
ngx_content_redis_take_server(ngx_content_redis_conn_t *conn,
    redisReply *reply)
{
    return ngx_content_redis_history_run(&conn->history, reply);
}


static ngx_int_t
ngx_content_redis_send_replication(ngx_content_redis_conn_t *conn)
{
    return ngx_content_redis_words(conn, "INFO", "replication", NULL);
}


static ngx_int_t
ngx_content_redis_take_replication(ngx_content_redis_conn_t *conn,
    redisReply *reply)
{
    return ngx_content_redis_history_stretch(&conn->history, reply);
}


static ngx_int_t
ngx_content_redis_send_load(ngx_content_redis_conn_t *conn, ngx_uint_t script)
{
    return ngx_content_redis_words(conn, "SCRIPT", "LOAD",
                                   &ngx_content_redis_scripts[script]);
}


static ngx_int_t
ngx_content_redis_send_load_claim(ngx_content_redis_conn_t *conn)
{
    return ngx_content_redis_send_load(conn, NGX_CONTENT_REDIS_CLAIM_SCRIPT);
}


static ngx_int_t
ngx_content_redis_send_load_fill(ngx_content_redis_conn_t *conn)
{
    return ngx_content_redis_send_load(conn, NGX_CONTENT_REDIS_FILL_SCRIPT);
}


static ngx_int_t
ngx_content_redis_send_load_give_back(ngx_content_redis_conn_t *conn)
{
    return ngx_content_redis_send_load(conn,
                                       NGX_CONTENT_REDIS_GIVE_BACK_SCRIPT);
}


static ngx_int_t
ngx_content_redis_take_load(ngx_content_redis_conn_t *conn, redisReply *reply)
{
    ngx_uint_t  script;

    if (reply->type != REDIS_REPLY_STRING
        || (size_t) reply->len != sizeof(conn->sha[0]))
    {
        return NGX_ERROR;
    }

    script = conn->step - NGX_CONTENT_REDIS_STEP_load_claim;
    ngx_memcpy(conn->sha[script], reply->str, sizeof(conn->sha[0]));

    return NGX_OK;
}


/*
 * Whoever leads the node to another server than it has used so far makes a new
 * epoch there: if the node has been there before, it has missed writes since.
 */

static ngx_int_t
ngx_content_redis_send_adopt(ngx_content_redis_conn_t *conn)
{
    ngx_uint_t                   renew;
    ngx_content_redis_shared_t  *shared;

    shared = conn->redis->shared;

    conn->seen = shared->identity;
    conn->dirty = shared->dirty;

    renew = NGX_CONTENT_REDIS_RENEW_NOT;

    if (conn->dirty != shared->settled) {
        renew = NGX_CONTENT_REDIS_RENEW;
    }

    if (conn->seen != 0 && conn->seen != conn->history.identity) {
        renew = NGX_CONTENT_REDIS_RENEW_MOVED;
    }

    return ngx_content_redis_adopt(conn, renew, ngx_content_redis_step_reply,
                                   conn);
}


/*
 * If another worker has led the node elsewhere since, there may be writes that
 * this server missed.  The identity is set before the dirt is settled, so that
 * no worker can go on with the server before.
 */

static ngx_int_t
ngx_content_redis_take_adopt(ngx_content_redis_conn_t *conn,
    redisReply *reply)
{
    ngx_content_redis_shared_t  *shared;

    shared = conn->redis->shared;

    if (!ngx_content_redis_is_epoch(reply)) {
        return NGX_ERROR;
    }

    if (!ngx_atomic_cmp_set(&shared->identity, conn->seen,
                            conn->history.identity)
        && shared->identity != conn->history.identity)
    {
        return NGX_AGAIN;
    }

    ngx_content_redis_settle(shared, conn->dirty);

    return NGX_OK;
}


ngx_int_t
ngx_content_redis_adopt(ngx_content_redis_conn_t *conn, ngx_uint_t renew,
    ngx_content_hiredis_reply_pt fn, void *data)
{
    u_char         random[NGX_CONTENT_REDIS_DIGITS / 2];
    u_char         drawn[NGX_CONTENT_REDIS_DIGITS], ms[NGX_INT_T_LEN];
    ngx_str_t      argv[9];
    content_out_t  out;

    static ngx_str_t  renewals[] = {
        ngx_string("0"), ngx_string("1"), ngx_string("2")
    };

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    content_out_init(&out, drawn, sizeof(drawn));
    content_out_hex(&out, random, sizeof(random));

    ngx_str_set(&argv[0], "EVAL");
    ngx_str_set(&argv[1], NGX_CONTENT_REDIS_SCRIPT_ADOPT);
    ngx_str_set(&argv[2], "2");
    argv[3] = conn->redis->epoch;
    argv[4] = conn->redis->fresh;
    argv[5].data = conn->history.digits;
    argv[5].len = sizeof(conn->history.digits);
    argv[6].data = drawn;
    argv[6].len = sizeof(drawn);
    argv[7] = renewals[renew];
    argv[8].data = ms;
    argv[8].len = ngx_sprintf(ms, "%M", conn->redis->conf->quarantine) - ms;

    if (renew) {
        (void) ngx_atomic_fetch_add(&conn->redis->shared->epochs, 1);
    }

    return ngx_content_redis_command(conn, fn, data, 9, argv);
}


ngx_uint_t
ngx_content_redis_is_epoch(redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
           && reply->len == NGX_CONTENT_REDIS_EPOCH;
}


/*
 * Two counts that only grow: with one that is set back to 0, as many new
 * failures as there were old ones would go unnoticed.
 */

void
ngx_content_redis_settle(ngx_content_redis_shared_t *shared,
    ngx_atomic_uint_t dirty)
{
    ngx_atomic_uint_t  settled;

    do {
        settled = shared->settled;

        if ((ngx_atomic_int_t) (dirty - settled) <= 0) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&shared->settled, settled, dirty));
}


void
ngx_content_redis_script(ngx_uint_t script, ngx_str_t *text)
{
    *text = ngx_content_redis_scripts[script];
}


/* The answers are the hashes that are known already: no callback. */

void
ngx_content_redis_reload(ngx_content_redis_conn_t *conn)
{
    ngx_str_t   argv[3];
    ngx_uint_t  i;

    ngx_str_set(&argv[0], "SCRIPT");
    ngx_str_set(&argv[1], "LOAD");

    for (i = 0; i < NGX_CONTENT_REDIS_SCRIPTS; i++) {
        argv[2] = ngx_content_redis_scripts[i];

        (void) ngx_content_redis_command(conn, NULL, NULL, 3, argv);
    }
}
