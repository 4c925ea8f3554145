/*
 * The pages of the memory cache as those of a file that has no name
 * (memfd_create), so that a large body can be sent from them by sendfile(),
 * without a copy.
 *
 * sendfile() refers to the pages until the peer has acknowledged them, which is
 * long after nginx has ended the request and the record's pin is gone.  So
 * before their place is written again the pages are taken out of the file: the
 * socket keeps the old ones, unchanged, and whoever writes there next gets
 * empty ones.  That drops whole pages only; what covers a part of one would be
 * zeroed where it is.  So large bodies have pages of their own
 * (lib/content_shard.h), and the file has no huge pages.
 *
 * The descriptor belongs to a cycle, the pages to the zone: the next cycle has
 * a copy of the descriptor, made before the older one is closed, and workers
 * inherit that of their cycle.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>

#include "cache/ngx_content_memory_shared.h"


#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL  0x0008U             /* Linux 6.3 */
#endif


#if (NGX_CONTENT_HAVE_MEMFD)

static ngx_fd_t ngx_content_memory_file_create(size_t size);
static ngx_int_t ngx_content_memory_file_try(u_char *mem, size_t size,
    ngx_fd_t fd);


ngx_int_t
ngx_content_memory_file(u_char *mem, size_t size, ngx_fd_t *file,
    ngx_log_t *log)
{
    ngx_fd_t    fd;
    ngx_int_t   rc;
    ngx_err_t   err;

    *file = NGX_INVALID_FILE;

    if (ngx_pagesize != CONTENT_ARENA_PAGE) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "content: large objects in memory are sent by a copy: "
                      "pages have %ui bytes", ngx_pagesize);
        return NGX_OK;
    }

    fd = ngx_content_memory_file_create(size);
    rc = fd == NGX_INVALID_FILE ? NGX_DECLINED
                                : ngx_content_memory_file_try(mem, size, fd);
    if (rc == NGX_OK) {
        *file = fd;
        return NGX_OK;
    }

    err = ngx_errno;

    if (fd != NGX_INVALID_FILE) {
        ngx_content_memory_file_close(fd, log);
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_WARN, log, err,
                      "content: large objects in memory are sent by a copy: "
                      "there is no file of memory");
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, log, err,
                  "content: mremap(%p, %uz) of the memory cache failed", mem,
                  size);
    return NGX_ERROR;
}


static ngx_fd_t
ngx_content_memory_file_create(size_t size)
{
    ngx_fd_t   fd;
    ngx_err_t  err;

    fd = memfd_create("ngx_content", MFD_CLOEXEC|MFD_NOEXEC_SEAL);

    if (fd == -1 && ngx_errno == NGX_EINVAL) {         /* an older kernel */
        fd = memfd_create("ngx_content", MFD_CLOEXEC);
    }

    if (fd != -1 && ftruncate(fd, size) == -1) {
        err = ngx_errno;
        (void) close(fd);
        ngx_set_errno(err);

        return NGX_INVALID_FILE;
    }

    return fd;
}


/*
 * NGX_DECLINED: the memory is as it was.  Mapped elsewhere and tried first: a
 * mapping in place that fails may leave nothing there.
 */

static ngx_int_t
ngx_content_memory_file_try(u_char *mem, size_t size, ngx_fd_t fd)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        return NGX_DECLINED;
    }

    /* EINVAL: a kernel without huge pages */

    if ((madvise(p, size, MADV_NOHUGEPAGE) == -1 && ngx_errno != NGX_EINVAL)
        || madvise(p, ngx_pagesize, MADV_REMOVE) == -1)
    {
        (void) munmap(p, size);
        return NGX_DECLINED;
    }

    return mremap(p, size, size, MREMAP_MAYMOVE|MREMAP_FIXED, mem)
           == MAP_FAILED ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_content_memory_discard(ngx_content_memory_t *memory, u_char *pages,
    size_t size)
{
    if (memory->by_file && madvise(pages, size, MADV_REMOVE) == -1) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "content: madvise(%p, %uz, MADV_REMOVE) failed", pages,
                      size);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_fd_t
ngx_content_memory_file_copy(ngx_fd_t file, ngx_log_t *log)
{
    ngx_fd_t  fd;

    if (file == NGX_INVALID_FILE) {
        return NGX_INVALID_FILE;
    }

    fd = fcntl(file, F_DUPFD_CLOEXEC, 0);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "content: fcntl(F_DUPFD_CLOEXEC) failed, large objects "
                      "in memory are sent by a copy");
    }

    return fd;
}

#else

ngx_int_t
ngx_content_memory_file(u_char *mem, size_t size, ngx_fd_t *file,
    ngx_log_t *log)
{
    *file = NGX_INVALID_FILE;

    return NGX_OK;
}


ngx_int_t
ngx_content_memory_discard(ngx_content_memory_t *memory, u_char *pages,
    size_t size)
{
    return NGX_OK;
}


ngx_fd_t
ngx_content_memory_file_copy(ngx_fd_t file, ngx_log_t *log)
{
    return NGX_INVALID_FILE;
}

#endif


void
ngx_content_memory_file_close(ngx_fd_t file, ngx_log_t *log)
{
    if (file != NGX_INVALID_FILE && ngx_close_file(file) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "content: " ngx_close_file_n
                      " of the memory cache failed");
    }
}


off_t
ngx_content_memory_offset(ngx_content_memory_t *memory, u_char *p)
{
    return p - (u_char *) memory;
}
