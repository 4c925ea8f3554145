/*
 * LD_PRELOAD for nginx in the tests: the Nth call that wants something fails,
 * in a worker, once a test says so.  tests/http/shortage.py builds it, and
 * writes what is wanted into the page that they share:
 *
 *   kinds    which calls count (KIND_...); 0: none, nothing fails
 *   first    the number of the call that fails first, from 1
 *   times    so many fail from there on
 *   calls    so many have been counted
 *   failed   so many have failed
 *
 * Memory is what malloc() and its like give, and what nginx's pools give the
 * module: a pool asks malloc() so seldom that most failures would not be seen.
 * The module's calls come here because the test loads a copy of it in which
 * "ngx_palloc" and others are spelt "oom_palloc".  What nginx's own code asks of
 * a pool is not counted, its malloc() is.  A call within another counts once.
 *
 * Each failure's stack is written to the file SHORTAGE_LOG.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>


enum {
    KIND_MEMORY = 1,            /* ENOMEM */
    KIND_DESCRIPTOR = 2,        /* EMFILE */
    KIND_SPACE = 4,             /* ENOSPC, of calls that write files */
    KIND_ZONE = 8,              /* the slab of a shared memory zone */
    KIND_CONNECTION = 16,       /* ngx_get_connection() by the module */
    KIND_EVENT = 32             /* ENOSPC, of descriptors to be watched */
};


typedef struct {
    _Atomic int64_t  kinds;
    _Atomic int64_t  first;
    _Atomic int64_t  times;
    _Atomic int64_t  calls;
    _Atomic int64_t  failed;
} shared_t;


static shared_t          *shared;
static pid_t              master;
static int                log_fd = -1;
static _Thread_local int  within __attribute__((tls_model("initial-exec")));


static void __attribute__((constructor))
begin(void)
{
    int    fd;
    void  *stack[4];
    char  *name;

    master = getpid();
    (void) backtrace(stack, 4);             /* the first one allocates */

    name = getenv("SHORTAGE_LOG");
    if (name != NULL) {
        log_fd = open(name, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0644);
    }

    name = getenv("SHORTAGE");
    fd = (name != NULL) ? open(name, O_RDWR|O_CLOEXEC) : -1;
    if (fd != -1) {
        shared = mmap(NULL, sizeof(shared_t), PROT_READ|PROT_WRITE, MAP_SHARED,
                      fd, 0);
        if (shared == MAP_FAILED) {
            shared = NULL;
        }
        close(fd);
    }
}


static void
tell(int64_t n)
{
    int    depth;
    void  *stack[24];

    if (log_fd != -1) {
        within++;
        dprintf(log_fd, "failed: call %lld\n", (long long) n);
        depth = backtrace(stack, 24);
        backtrace_symbols_fd(stack + 2, depth - 2, log_fd);
        within--;
    }
}


static int
fails(int64_t kind, int error)
{
    int64_t  n, first;

    if (shared == NULL || within || !(shared->kinds & kind)
        || getpid() == master)
    {
        return 0;
    }

    n = atomic_fetch_add(&shared->calls, 1) + 1;
    first = shared->first;

    if (n < first || n - first >= shared->times) {
        return 0;
    }

    atomic_fetch_add(&shared->failed, 1);
    tell(n);
    errno = error;
    return 1;
}


/* The function of this name that would have been called without us. */
#define NEXT(name)                                                            \
    static __typeof__(name)  *next;                                           \
    if (next == NULL) {                                                       \
        within++;                                                             \
        next = (__typeof__(name) *) (uintptr_t) dlsym(RTLD_NEXT, #name);      \
        within--;                                                             \
    }


/*
 * Memory.  dlsym() itself may want some: so what comes next, the sanitizer's
 * functions or else libc's, is known by other names.
 */

#define MEMORY(name)                                                          \
    extern __typeof__(name)  __libc_##name;                                   \
    extern __typeof__(name)  __interceptor_##name __attribute__((weak));

#define REAL(name)                                                            \
    (__interceptor_##name != NULL ? __interceptor_##name : __libc_##name)

MEMORY(malloc)
MEMORY(calloc)
MEMORY(realloc)
MEMORY(memalign)

extern __typeof__(posix_memalign)  __interceptor_posix_memalign
    __attribute__((weak));


void *
malloc(size_t size)
{
    return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(malloc)(size);
}


void *
calloc(size_t n, size_t size)
{
    return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(calloc)(n, size);
}


void *
realloc(void *p, size_t size)
{
    return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(realloc)(p, size);
}


void *
memalign(size_t alignment, size_t size)
{
    return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(memalign)(alignment, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    void  *got;

    if (fails(KIND_MEMORY, ENOMEM)) {
        return ENOMEM;
    }

    if (__interceptor_posix_memalign != NULL) {
        return __interceptor_posix_memalign(p, alignment, size);
    }

    got = __libc_memalign(alignment, size);
    if (got == NULL) {
        return ENOMEM;
    }

    *p = got;
    return 0;
}


void *
mmap64(void *p, size_t size, int protection, int flags, int fd, off64_t at)
{
    NEXT(mmap64)
    return fails(KIND_MEMORY, ENOMEM)
           ? MAP_FAILED : next(p, size, protection, flags, fd, at);
}


void *
mremap(void *p, size_t size, size_t wanted, int flags, ...)
{
    void     *place;
    va_list   args;
    NEXT(mremap)

    va_start(args, flags);
    place = (flags & MREMAP_FIXED) ? va_arg(args, void *) : NULL;
    va_end(args);

    return fails(KIND_MEMORY, ENOMEM)
           ? MAP_FAILED : next(p, size, wanted, flags, place);
}


/* nginx's own, as the module calls them: found in the program itself. */

#define NGX(result, failure, kind, name, declared, passed)                    \
    result oom_##name declared;                                               \
    result                                                                    \
    oom_##name declared                                                       \
    {                                                                         \
        result        got;                                                    \
        static result (*next) declared;                                       \
                                                                              \
        if (next == NULL) {                                                   \
            within++;                                                         \
            next = (result (*) declared) (uintptr_t) dlsym(RTLD_DEFAULT,      \
                                                           "ngx_" #name);     \
            within--;                                                         \
        }                                                                     \
                                                                              \
        if (fails(kind, ENOMEM)) {                                            \
            return failure;                                                   \
        }                                                                     \
                                                                              \
        within++;                                                             \
        got = next passed;                                                    \
        within--;                                                             \
        return got;                                                           \
    }

#define POOL(name, declared, passed)                                          \
    NGX(void *, NULL, KIND_MEMORY, name, declared, passed)

POOL(palloc, (void *pool, size_t size), (pool, size))
POOL(pnalloc, (void *pool, size_t size), (pool, size))
POOL(pcalloc, (void *pool, size_t size), (pool, size))
POOL(alloc, (size_t size, void *log), (size, log))
POOL(calloc, (size_t size, void *log), (size, log))
POOL(create_pool, (size_t size, void *log), (size, log))
POOL(pool_cleanup_add, (void *pool, size_t size), (pool, size))
POOL(pstrdup, (void *pool, void *text), (pool, text))
POOL(array_create, (void *pool, uintptr_t n, size_t size), (pool, n, size))
POOL(array_push, (void *array), (array))
POOL(array_push_n, (void *array, uintptr_t n), (array, n))
POOL(list_push, (void *list), (list))
POOL(alloc_chain_link, (void *pool), (pool))
POOL(create_temp_buf, (void *pool, size_t size), (pool, size))
POOL(chain_get_free_buf, (void *pool, void *chain), (pool, chain))
POOL(thread_task_alloc, (void *pool, size_t size), (pool, size))

/* A full queue of threads is NGX_ERROR. */
NGX(intptr_t, -1, KIND_MEMORY, thread_task_post, (void *pool, void *task),
    (pool, task))

#define ZONE(name, declared, passed)                                          \
    NGX(void *, NULL, KIND_ZONE, name, declared, passed)

ZONE(slab_alloc, (void *pool, size_t size), (pool, size))
ZONE(slab_alloc_locked, (void *pool, size_t size), (pool, size))
ZONE(slab_calloc, (void *pool, size_t size), (pool, size))
ZONE(slab_calloc_locked, (void *pool, size_t size), (pool, size))

NGX(void *, NULL, KIND_CONNECTION, get_connection, (int s, void *log),
    (s, log))


/*
 * Descriptors.  That accept() fails is nginx's own affair: it waits for half a
 * second, and so does the client.
 */

int
open64(const char *path, int flags, ...)
{
    va_list  args;
    mode_t   mode;
    NEXT(open64)

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fails(KIND_DESCRIPTOR, EMFILE) ? -1 : next(path, flags, mode);
}


int
openat64(int dir, const char *path, int flags, ...)
{
    va_list  args;
    mode_t   mode;
    NEXT(openat64)

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fails(KIND_DESCRIPTOR, EMFILE) ? -1 : next(dir, path, flags, mode);
}


DIR *
opendir(const char *path)
{
    NEXT(opendir)
    return fails(KIND_DESCRIPTOR, EMFILE) ? NULL : next(path);
}


int
socket(int domain, int type, int protocol)
{
    NEXT(socket)
    return fails(KIND_DESCRIPTOR, EMFILE) ? -1 : next(domain, type, protocol);
}


int
socketpair(int domain, int type, int protocol, int s[2])
{
    NEXT(socketpair)
    return fails(KIND_DESCRIPTOR, EMFILE)
           ? -1 : next(domain, type, protocol, s);
}


int
pipe(int s[2])
{
    NEXT(pipe)
    return fails(KIND_DESCRIPTOR, EMFILE) ? -1 : next(s);
}


int
epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    NEXT(epoll_ctl)
    return what == EPOLL_CTL_ADD && fails(KIND_EVENT, ENOSPC)
           ? -1 : next(epoll, what, fd, event);
}


/* Space on the disk; nginx's log is no file in which we fail. */

static int
is_file(int fd)
{
    int          flags;
    struct stat  info;

    flags = fcntl(fd, F_GETFL);
    return flags != -1 && !(flags & O_APPEND)
           && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}


static int
no_space(int fd)
{
    return shared != NULL && (shared->kinds & KIND_SPACE) && is_file(fd)
           && fails(KIND_SPACE, ENOSPC);
}


ssize_t
write(int fd, const void *data, size_t size)
{
    NEXT(write)
    return no_space(fd) ? -1 : next(fd, data, size);
}


ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    NEXT(pwrite64)
    return no_space(fd) ? -1 : next(fd, data, size, at);
}


ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    NEXT(pwritev64)
    return no_space(fd) ? -1 : next(fd, iov, n, at);
}


ssize_t
copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at,
    size_t size, unsigned flags)
{
    NEXT(copy_file_range)
    return no_space(to) ? -1 : next(from, from_at, to, to_at, size, flags);
}


int
ftruncate64(int fd, off64_t size)
{
    NEXT(ftruncate64)
    return no_space(fd) ? -1 : next(fd, size);
}


int
fsync(int fd)
{
    NEXT(fsync)
    return fails(KIND_SPACE, ENOSPC) ? -1 : next(fd);
}


int
rename(const char *from, const char *to)
{
    NEXT(rename)
    return fails(KIND_SPACE, ENOSPC) ? -1 : next(from, to);
}


int
mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir)
    return fails(KIND_SPACE, ENOSPC) ? -1 : next(path, mode);
}
