/*
 * A client that is faster than the server, for `make bench`:
 *
 *     replay trace FILE FROM TO PORT CONNECTIONS
 *         GETs of the keys in a trace (see trace.c), in its order, each
 *         connection taking the next one when it has its answer.
 *
 *     replay misses COUNT PORT PATH
 *         COUNT GETs of one object, sent together on open connections.
 *
 *     replay writes COUNT CORE
 *         What no server can go below: a loop that writes the head and 4 KiB
 *         of an answer to COUNT clients, who are on another core.
 *
 * Prints a JSON document.  One thread; 127.0.0.1; answers must be 200 with a
 * Content-Length.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys.h"


#define HEAD_MAX  8192
#define READ      (64 * 1024)
#define EVENTS    512


typedef struct {
    int       fd;
    size_t    head_len;
    char      head[HEAD_MAX];
    int64_t   left;                      /* of the body; -1: not known yet */
    double    first;                     /* seconds; when it was readable */
} client_t;


static char  buf[READ];


static void
die(const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
    exit(1);
}


static double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}


static void
reset(client_t *c)
{
    c->head_len = 0;
    c->left = -1;
    c->first = 0;
}


static void
connect_to(client_t *c, int port, int epoll)
{
    int                 one;
    struct sockaddr_in  to;
    struct epoll_event  ev;

    one = 1;

    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t) port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (c->fd == -1
        || connect(c->fd, (struct sockaddr *) &to, sizeof(to)) != 0
        || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
    {
        die("connect");
    }

    ev.events = EPOLLIN;
    ev.data.ptr = c;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
        die("epoll_ctl");
    }

    reset(c);
}


static void
ask(client_t *c, const char *path)
{
    int   n;
    char  request[512];

    n = snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);

    if (n >= (int) sizeof(request)
        || send(c->fd, request, (size_t) n, MSG_NOSIGNAL) != n)
    {
        die("send");
    }
}


/* The head is whole: how much body there is. */

static void
take_head(client_t *c)
{
    char  *p;

    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "replay: %.*s\n", 40, c->head);
        exit(1);
    }

    p = strcasestr(c->head, "\r\nContent-Length: ");

    if (p == NULL) {
        fprintf(stderr, "replay: no Content-Length\n");
        exit(1);
    }

    c->left = atoll(p + strlen("\r\nContent-Length: "));
}


/* Some of the answer: 1 when it is complete. */

static int
take(client_t *c)
{
    char     *end;
    size_t    room, use;
    ssize_t   n;

    n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN) {
        return 0;
    }

    if (n <= 0) {
        die("recv");
    }

    if (c->left == -1) {
        room = HEAD_MAX - 1 - c->head_len;
        use = (size_t) n < room ? (size_t) n : room;

        memcpy(c->head + c->head_len, buf, use);
        c->head[c->head_len + use] = '\0';

        end = strstr(c->head, "\r\n\r\n");

        if (end == NULL) {
            c->head_len += use;
            return 0;
        }

        take_head(c);
        n -= (end + 4 - c->head) - (ssize_t) c->head_len;
    }

    c->left -= n;

    return c->left <= 0;
}


static client_t *
clients(int count, int port, int *epoll)
{
    int        i;
    client_t  *c;

    *epoll = epoll_create1(0);
    c = calloc((size_t) count, sizeof(client_t));

    if (*epoll == -1 || c == NULL) {
        die("epoll_create1");
    }

    for (i = 0; i < count; i++) {
        connect_to(&c[i], port, *epoll);
    }

    return c;
}


static uint32_t *
read_trace(const char *name, size_t from, size_t to)
{
    FILE      *f;
    uint32_t  *ids;

    f = fopen(name, "rb");
    ids = malloc((to - from) * sizeof(uint32_t));

    if (f == NULL || ids == NULL
        || fseek(f, (long) (from * sizeof(uint32_t)), SEEK_SET) != 0
        || fread(ids, sizeof(uint32_t), to - from, f) != to - from)
    {
        die(name);
    }

    fclose(f);

    return ids;
}


static void
trace(const char *name, size_t from, size_t to, int port, int connections)
{
    int                  epoll, i, n;
    char                 path[KEY_MAX];
    double               begin, seconds;
    size_t               sent, done;
    uint32_t            *ids;
    client_t            *c, *all;
    struct epoll_event   events[EVENTS];

    ids = read_trace(name, from, to);
    all = clients(connections, port, &epoll);

    begin = now();
    sent = 0;
    done = 0;

    for (i = 0; i < connections && sent < to - from; i++) {
        key_path(path, ids[sent++]);
        ask(&all[i], path);
    }

    while (done < to - from) {
        n = epoll_wait(epoll, events, EVENTS, 10000);

        if (n <= 0) {
            die("no answer for 10 s");
        }

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (!take(c)) {
                continue;
            }

            done++;
            reset(c);

            if (sent < to - from) {
                key_path(path, ids[sent++]);
                ask(c, path);
            }
        }
    }

    seconds = now() - begin;

    printf("{\"requests\": %zu, \"seconds\": %.6f, \"rate\": %.3f}\n", done,
           seconds, (double) done / seconds);
}


/* Waits; the number of events. */

static int
wait_for(int epoll, struct epoll_event *events)
{
    int  n;

    n = epoll_wait(epoll, events, EVENTS, 60000);

    if (n <= 0) {
        die("no answer for 60 s");
    }

    return n;
}


static void
listen_for(client_t *all, int count, int epoll, uint32_t what)
{
    int                 i;
    struct epoll_event  ev;

    for (i = 0; i < count; i++) {
        ev.events = what;
        ev.data.ptr = &all[i];

        if (epoll_ctl(epoll, EPOLL_CTL_MOD, all[i].fd, &ev) != 0) {
            die("epoll_ctl");
        }
    }
}


/*
 * When each client's first byte came.  Nothing is read before all have one: a
 * thousand clients would be as many machines, and one that reads does not keep
 * another one's bytes waiting.
 */

static void
await_first(client_t *all, int count, int epoll)
{
    int                 i, n, left;
    double              when;
    client_t           *c;
    struct epoll_event  events[EVENTS];

    listen_for(all, count, epoll, EPOLLIN|EPOLLONESHOT);

    for (left = count; left; left -= n) {
        n = wait_for(epoll, events);
        when = now();

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;
            c->first = when;
        }
    }

    listen_for(all, count, epoll, EPOLLIN);
}


static void
read_all(int count, int epoll)
{
    int                 i, n, left;
    client_t           *c;
    struct epoll_event  events[EVENTS];

    for (left = count; left; ) {
        n = wait_for(epoll, events);

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (take(c)) {
                close(c->fd);
                left--;
            }
        }
    }
}


static void
misses(int count, int port, const char *path)
{
    int        epoll, i;
    double     begin, first, last, end;
    client_t  *all;

    all = clients(count, port, &epoll);
    begin = now();

    for (i = 0; i < count; i++) {
        ask(&all[i], path);
    }

    await_first(all, count, epoll);
    read_all(count, epoll);

    end = now();
    first = end;
    last = begin;

    for (i = 0; i < count; i++) {
        first = all[i].first < first ? all[i].first : first;
        last = all[i].first > last ? all[i].first : last;
    }

    printf("{\"complete\": %d, \"first_ms\": %.3f, \"last_ms\": %.3f, "
           "\"seconds\": %.6f}\n", count, (first - begin) * 1e3,
           (last - begin) * 1e3, end - begin);
}


/* A listening socket, and its port. */

static int
listen_on(int *port)
{
    int                 fd;
    socklen_t           len;
    struct sockaddr_in  own;

    memset(&own, 0, sizeof(own));
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(own);

    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *) &own, len) != 0
        || listen(fd, 4096) != 0
        || getsockname(fd, (struct sockaddr *) &own, &len) != 0)
    {
        die("listen");
    }

    *port = ntohs(own.sin_port);

    return fd;
}


static void
be_the_clients(int count, int port, int core)
{
    int        i, epoll;
    cpu_set_t  cores;
    client_t  *all;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    (void) sched_setaffinity(0, sizeof(cores), &cores);

    all = clients(count, port, &epoll);

    for (i = 0; i < count; i++) {
        ask(&all[i], "/");
    }

    await_first(all, count, epoll);

    exit(0);
}


static void
writes(int count, int core)
{
    int           i, port, from, *fds;
    char          head[] = "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n";
    double        begin;
    struct iovec  answer[2];

    from = listen_on(&port);
    fds = calloc((size_t) count, sizeof(int));

    if (fds == NULL) {
        die("calloc");
    }

    if (fork() == 0) {
        be_the_clients(count, port, core);
    }

    for (i = 0; i < count; i++) {
        fds[i] = accept(from, NULL, NULL);
    }

    for (i = 0; i < count; i++) {
        if (read(fds[i], buf, READ) <= 0) {
            die("read");
        }
    }

    answer[0].iov_base = head;
    answer[0].iov_len = sizeof(head) - 1;
    answer[1].iov_base = buf;
    answer[1].iov_len = 4096;

    begin = now();

    for (i = 0; i < count; i++) {
        if (writev(fds[i], answer, 2) <= 0) {
            die("writev");
        }
    }

    printf("{\"ms\": %.3f}\n", (now() - begin) * 1e3);
    wait(NULL);
}


int
main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "trace") == 0) {
        trace(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
              atoi(argv[5]), atoi(argv[6]));
        return 0;
    }

    if (argc == 5 && strcmp(argv[1], "misses") == 0) {
        misses(atoi(argv[2]), atoi(argv[3]), argv[4]);
        return 0;
    }

    if (argc == 4 && strcmp(argv[1], "writes") == 0) {
        writes(atoi(argv[2]), atoi(argv[3]));
        return 0;
    }

    fprintf(stderr, "replay: see the head of replay.c\n");

    return 2;
}
