/*
 * The adapter between an asynchronous hiredis context and nginx's event loop.
 *
 *     ac = redisAsyncConnectUnix(path);
 *     if (ac == NULL || ac->err) { ... redisAsyncFree(ac) ... }
 *     if (ngx_content_hiredis_attach(ac, log) != NGX_OK) { ... free ... }
 *     redisAsyncSetDisconnectCallback(ac, ...);
 *     redisAsyncCommand(ac, ...);
 *
 * hiredis owns the descriptor and closes it; the adapter owns an
 * ngx_connection_t that watches it, and gives that back when hiredis ends the
 * context, by redisAsyncFree() or by itself.  After that nothing is left, and
 * nobody may look at the context.
 *
 * Commands are written together, at the end of the turn of the event loop in
 * which they were queued.
 *
 * The connection is neither idle nor reusable in nginx's sense: nginx never
 * closes it, not when a worker is told to quit and not when it is short of
 * connections, and it does not keep an exiting worker alive.  Whoever attached
 * a context therefore frees it in exit_process at the latest; one that is
 * left makes nginx log the [alert] "open socket left in connection".
 */

#ifndef NGX_CONTENT_HIREDIS_H
#define NGX_CONTENT_HIREDIS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>
#include <hiredis/async.h>


/*
 * Takes over the event hooks of a context that is connecting or connected.
 * log has to outlive the context.  Returns NGX_OK, or NGX_ERROR when there is
 * no free worker connection, which is logged; the context is then unchanged
 * and still the caller's.
 */
ngx_int_t ngx_content_hiredis_attach(redisAsyncContext *ac, ngx_log_t *log);

/*
 * For a reply callback: whether the server has sent bytes beyond the reply to
 * the last command that waits for one.  Unless subscribed, hiredis would
 * abort() the process over them: free the context then.
 */
ngx_uint_t ngx_content_hiredis_stray(redisAsyncContext *ac);

/*
 * How often what was queued has been handed to the socket: while the number
 * is the same, nothing that was queued meanwhile has left.
 */
ngx_uint_t ngx_content_hiredis_writes(redisAsyncContext *ac);


#endif
