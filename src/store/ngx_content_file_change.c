/*
 * The step of a write that others see, in the file store: a temporary file
 * takes its name, or a name goes.  Called by ngx_content_file_write.c and
 * ngx_content_file_copy.c; all but change_init() and temp_open() in jobs.
 *
 * Writers of one key are ordered by an advisory lock, so that a condition
 * (If-Match and the like) and the rename that depends on it are one step,
 * among all the processes that share the directory.  Readers take no lock.
 */

#include <ngx_config.h>
#include <sys/file.h>

#include "store/ngx_content_file_change.h"
#include "core/ngx_content_str.h"


#define NGX_CONTENT_FILE_TRIES  16     /* against a directory that a delete
                                          of its last object takes away */


static void ngx_content_file_temp_cleanup(void *data);
static void ngx_content_file_change_check(ngx_content_file_change_t *change);
static ngx_int_t ngx_content_file_mkdirs(char *path, const char *root);


/* Temporary files. */

ngx_content_file_temp_t *
ngx_content_file_temp_open(ngx_content_task_t *task, size_t head)
{
    ngx_pool_cleanup_t       *cln;
    ngx_content_file_conf_t  *conf;
    ngx_content_file_temp_t  *temp;

    conf = task->store->conf;

    cln = ngx_pool_cleanup_add(task->pool, sizeof(ngx_content_file_temp_t));
    if (cln == NULL) {
        return NULL;
    }

    temp = cln->data;
    temp->head = head;

    temp->path = ngx_pnalloc(task->pool, conf->root.len + 64);
    if (temp->path == NULL) {
        return NULL;
    }

    (void) ngx_sprintf(temp->path, "%V/tmp/%P-%xT-%xL%xL%Z", &conf->root,
                       ngx_pid, ngx_time(), (uint64_t) ngx_random(),
                       (uint64_t) ngx_random());

    /* in the event loop, as nginx opens its own temporary files */

    temp->fd = open((const char *) temp->path,
                    O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (temp->fd == -1) {
        ngx_log_error(NGX_LOG_CRIT, &task->log, ngx_errno,
                      "content: open() \"%s\" failed", temp->path);
        return NULL;
    }

    cln->handler = ngx_content_file_temp_cleanup;

    /* says that it has a living writer, to ngx_content_file_sweep.c */

    if (flock(temp->fd, LOCK_EX|LOCK_NB) == -1) {
        ngx_log_error(NGX_LOG_CRIT, &task->log, ngx_errno,
                      "content: flock() \"%s\" failed", temp->path);
        return NULL;
    }

    return temp;
}


static void
ngx_content_file_temp_cleanup(void *data)
{
    ngx_content_file_temp_t *temp = data;

    close(temp->fd);

    /* after a rename there is nothing left under this name */

    (void) unlink((const char *) temp->path);
}


ngx_content_outcome_e
ngx_content_file_pwrite(int fd, u_char *data, size_t size, off_t offset,
    const char **cause)
{
    ssize_t  n;

    while (size) {
        n = pwrite(fd, data, size, offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            *cause = "pwrite() failed";

            return ngx_content_file_fault();
        }

        data += n;
        size -= n;
        offset += n;
    }

    return NGX_CONTENT_OK;
}


ngx_content_outcome_e
ngx_content_file_fault(void)
{
    switch (errno) {

    case ENOSPC:
    case EDQUOT:
        return NGX_CONTENT_FULL;

    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return NGX_CONTENT_FAILED;

    default:
        return NGX_CONTENT_BROKEN;
    }
}


/* The change. */

ngx_int_t
ngx_content_file_change_init(ngx_content_file_change_t *change,
    ngx_content_task_t *task, ngx_content_conditions_t *conditions)
{
    u_char                   *root;
    ngx_content_file_conf_t  *conf;

    conf = task->store->conf;

    change->path = (char *) ngx_content_file_path(task->pool, conf,
                                            ngx_content_from_ngx(task->key));
    change->lock = ngx_pnalloc(task->pool, conf->root.len + 16);
    root = ngx_pnalloc(task->pool, conf->root.len + sizeof("/objects"));

    if (change->path == NULL || change->lock == NULL || root == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(root, "%V/objects%Z", &conf->root);
    (void) ngx_sprintf(change->lock, "%V/lock/%02xi%Z", &conf->root,
                 (ngx_int_t) (ngx_crc32_short(task->key.data, task->key.len)
                              & 0xff));

    change->root = (char *) root;
    change->conditions = conditions;
    change->locked = -1;

    return NGX_OK;
}


void
ngx_content_file_change_begin(ngx_content_file_change_t *change)
{
    change->outcome = NGX_CONTENT_OK;
    change->locked = open((const char *) change->lock,
                          O_RDWR|O_CREAT|O_CLOEXEC, 0600);

    if (change->locked == -1) {
        ngx_content_file_change_fail(change, "open() of lock failed");
        return;
    }

    while (flock(change->locked, LOCK_EX) == -1) {
        if (errno != EINTR) {
            ngx_content_file_change_fail(change, "flock() failed");
            return;
        }
    }

    ngx_content_file_change_check(change);
}


static void
ngx_content_file_change_check(ngx_content_file_change_t *change)
{
    const char             *cause;
    ngx_content_file_t      file;
    ngx_content_outcome_e   found;

    cause = NULL;
    found = ngx_content_file_open(change->path, &file, &cause);

    if (found == NGX_CONTENT_FAILED) {
        change->outcome = found;
        change->cause = cause;
        return;
    }

    /* a file that is damaged may be replaced, but meets no condition */

    change->existed = (found != NGX_CONTENT_ABSENT);

    if (!ngx_content_conditions_hold(change->conditions,
                                     found == NGX_CONTENT_OK ? &file.object
                                                             : NULL,
                                     change->existed))
    {
        change->outcome = NGX_CONTENT_PRECONDITION;
    }

    if (found == NGX_CONTENT_OK) {
        ngx_content_file_close(&file);
    }
}


void
ngx_content_file_change_end(ngx_content_file_change_t *change)
{
    if (change->locked != -1) {
        close(change->locked);
    }
}


void
ngx_content_file_change_fail(ngx_content_file_change_t *change,
    const char *cause)
{
    change->outcome = ngx_content_file_fault();
    change->cause = cause;
}


void
ngx_content_file_publish(ngx_content_file_change_t *change,
    ngx_content_file_temp_t *temp)
{
    ngx_uint_t   i, made;
    const char  *path;

    path = (const char *) temp->path;

    ngx_content_file_change_begin(change);

    if (change->outcome != NGX_CONTENT_OK) {
        goto done;
    }

    made = 0;

    for (i = 0; rename(path, change->path) == -1; i++) {

        if (errno != ENOENT || i == NGX_CONTENT_FILE_TRIES) {
            ngx_content_file_change_fail(change, "rename() failed");
            goto done;
        }

        /* a parent may go again, when its last object is deleted */

        if (ngx_content_file_mkdirs((char *) change->path, change->root)
            != NGX_OK
            && errno != ENOENT)
        {
            ngx_content_file_change_fail(change, "mkdir() failed");
            goto done;
        }

        made = 1;
    }

    if (ngx_content_file_sync_dir(change->path, change->root, made)
        != NGX_OK)
    {
        ngx_content_file_change_fail(change, "fsync() of directory failed");
    }

done:

    ngx_content_file_change_end(change);
}


/* Directories.  path is written to, and left as it was. */

static ngx_int_t
ngx_content_file_mkdirs(char *path, const char *root)
{
    char  *p;

    for (p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';

        if (mkdir(path, 0700) == -1 && errno != EEXIST) {
            *p = '/';
            return NGX_ERROR;
        }

        *p = '/';
    }

    return NGX_OK;
}


/* Syncs the directory of path; all: and those above it, up to root. */

ngx_int_t
ngx_content_file_sync_dir(const char *path, const char *root, ngx_uint_t all)
{
    int    fd, rc;
    char   dir[PATH_MAX], *p;

    ngx_cpystrn((u_char *) dir, (u_char *) path, sizeof(dir));

    do {
        p = strrchr(dir, '/');
        *p = '\0';

        fd = open(dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

        /* it was taken away as empty: that is recorded in its parent */

        if (fd == -1 && errno == ENOENT && strlen(dir) > strlen(root)) {
            all = 1;
            continue;
        }

        if (fd == -1) {
            return NGX_ERROR;
        }

        rc = fsync(fd);
        close(fd);

        if (rc == -1) {
            return NGX_ERROR;
        }

    } while (all && strlen(dir) > strlen(root));

    return NGX_OK;
}


/* Takes away the directories that have become empty. */

void
ngx_content_file_rmdirs(char *path, const char *root)
{
    char  *p, *stop;

    stop = path + strlen(root);

    for ( ;; ) {
        p = strrchr(path, '/');

        if (p == stop) {
            return;
        }

        *p = '\0';

        if (rmdir(path) == -1) {
            return;
        }
    }
}
