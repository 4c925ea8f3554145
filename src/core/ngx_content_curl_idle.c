/*
 * The connections that curl keeps for later calls.  What a server sends there
 * meanwhile was asked by nobody, and would be taken for the answer to the next
 * request: curl 7.88 looks only whether a connection has ended before it uses
 * it again (cf_socket_is_alive() in its lib/cf-socket.c).  So they are looked
 * at before each call, and those with bytes to read are made to have ended.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_curl_internal.h"


static void ngx_content_curl_spoil(curl_socket_t fd);


void
ngx_content_curl_idle_add(ngx_content_curl_t *engine, curl_socket_t fd)
{
    struct pollfd  *idle;

    if (engine->nidle == NGX_CONTENT_CURL_IDLE) {
        ngx_content_curl_spoil(fd);
        return;
    }

    idle = &engine->idle[engine->nidle++];

    idle->fd = fd;
    idle->events = POLLIN;
}


void
ngx_content_curl_idle_remove(ngx_content_curl_t *engine, curl_socket_t fd)
{
    ngx_uint_t  i;

    for (i = 0; i < engine->nidle; i++) {
        if (engine->idle[i].fd == fd) {
            engine->idle[i] = engine->idle[--engine->nidle];
            return;
        }
    }
}


void
ngx_content_curl_idle_check(ngx_content_curl_t *engine)
{
    ngx_uint_t  i;

    if (engine->nidle == 0 || poll(engine->idle, engine->nidle, 0) <= 0) {
        return;
    }

    for (i = engine->nidle; i-- > 0; /* void */ ) {
        if (engine->idle[i].revents) {
            ngx_content_curl_spoil(engine->idle[i].fd);
            engine->idle[i] = engine->idle[--engine->nidle];
        }
    }
}


/* What has come already can be read after shutdown(), too. */

static void
ngx_content_curl_spoil(curl_socket_t fd)
{
    u_char  buf[4096];

    (void) shutdown(fd, SHUT_RDWR);

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) { /* void */ }
}


int
ngx_content_curl_on_close(void *data, curl_socket_t fd)
{
    ngx_content_curl_idle_remove(data, fd);

    return close(fd);
}
