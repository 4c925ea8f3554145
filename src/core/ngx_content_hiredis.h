/*
 * A connection to Redis on nginx's events.  hiredis parses what comes;
 * connecting, reading, writing, and who waits for which reply are here.
 *
 *     hc = ngx_content_hiredis_connect(&addr, log, closed, data, reason);
 *     if (hc == NULL) { ... reason ... }
 *     ngx_content_hiredis_command(hc, my_reply, my_data, argc, argv);
 *
 * Replies come in the order of the commands.  Each command's callback runs
 * once: with its reply, or with NULL when the connection ends.  A reply is
 * gone when its callback returns; ngx_content_hiredis_keep() saves a large
 * string.
 *
 * Commands are written together, at the end of the turn of the event loop in
 * which they were queued, those of before the connection is made included.
 *
 * The end.  A connection ends by ngx_content_hiredis_close(), or by itself: then
 * closed() runs first, once, with the reason.  Whichever it is, the owner
 * forgets the connection at that moment and may make another; the callbacks
 * that still wait run after it.  Called by a callback, close() only marks the
 * end: no other reply is given to anyone, and what waits hears of it when that
 * callback has returned.  So callbacks of one connection never run within each
 * other.
 *
 * What no command has asked for ends the connection, before the reply that it
 * comes with is believed: that the server has said too much means that replies
 * and commands have got out of step.  So do an array of more than 1,024
 * elements, a reply of more than 16 MiB, and what is no RESP2.
 *
 * The connection is neither idle nor reusable in nginx's sense: nginx never
 * closes it, not when a worker is told to quit and not when it is short of
 * connections, and it does not keep an exiting worker alive.  The owner
 * closes it in exit_process at the latest; one that is left makes nginx log
 * the [alert] "open socket left in connection".
 */

#ifndef NGX_CONTENT_HIREDIS_H
#define NGX_CONTENT_HIREDIS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>


#define NGX_CONTENT_HIREDIS_REASON  128      /* bytes, with the last NUL */


typedef struct ngx_content_hiredis_s  ngx_content_hiredis_t;

/* reply is NULL when the connection ends. */
typedef void (*ngx_content_hiredis_reply_pt)(redisReply *reply, void *data);

/* The connection has ended by itself. */
typedef void (*ngx_content_hiredis_closed_pt)(void *data, const char *reason);


/*
 * Begins to connect.  log has to outlive the connection.  NULL: it failed at
 * once, and reason says why.
 */
ngx_content_hiredis_t *ngx_content_hiredis_connect(ngx_addr_t *addr,
    ngx_log_t *log, ngx_content_hiredis_closed_pt closed, void *data,
    u_char reason[NGX_CONTENT_HIREDIS_REASON]);

/* Ends the connection: see above. */
void ngx_content_hiredis_close(ngx_content_hiredis_t *hc);

/*
 * Queues one command; all words are copied.  NGX_OK: fn will run once, with
 * data; it may be NULL.  NGX_ERROR: it will not, for want of memory.
 */
ngx_int_t ngx_content_hiredis_command(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt fn, void *data, ngx_uint_t argc,
    ngx_str_t *argv);

/*
 * The same with GET of a key, given as it is sent: "$LEN" CRLF KEY CRLF.  Those
 * that nothing else was queued between go as one MGET, which costs Redis less;
 * each callback has its own value, or all of them the error that came instead.
 * What is there but is no string is nil then.
 */
ngx_int_t ngx_content_hiredis_get(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt fn, void *data, u_char *key, size_t len);

/*
 * Which MGET a GET would be a part of that is queued now: a number that is
 * another one when anything else was queued or written, or that MGET is full.
 */
ngx_uint_t ngx_content_hiredis_batch(ngx_content_hiredis_t *hc);

/*
 * Subscribes to a channel.  From now on what comes when no command waits for a
 * reply goes to push, with data, again and again; that it is subscribed
 * comes there, too.  Other commands are over by then, and no GET is queued.
 */
ngx_int_t ngx_content_hiredis_subscribe(ngx_content_hiredis_t *hc,
    ngx_content_hiredis_reply_pt push, void *data, ngx_str_t *channel);

/* Whether bytes have come that were not read yet. */
ngx_uint_t ngx_content_hiredis_unread(ngx_content_hiredis_t *hc);

/*
 * How often what was queued has been handed to the socket: while the number
 * is the same, nothing that was queued meanwhile has left.
 */
ngx_uint_t ngx_content_hiredis_writes(ngx_content_hiredis_t *hc);

/*
 * For a callback: its reply is a string, whose bytes are to last as long as
 * pool, or several pools.  NGX_OK: they do.  NGX_DECLINED: they stand among
 * others, and the caller has to copy what it needs.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_content_hiredis_keep(redisReply *reply, ngx_pool_t *pool);


#endif
