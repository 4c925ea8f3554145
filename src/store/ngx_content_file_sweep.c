/*
 * The sweep of the file store: files in ROOT/tmp that nobody writes.  One job,
 * in a thread.
 *
 * A writer holds a lock (flock) on its temporary file from the moment it made
 * it; the kernel lets go of it when the process ends, however it ends.  Who
 * gets the lock has a file without a writer.  The age is for what writers of
 * an older version of this module, which take no lock, still write.
 */

#include <ngx_config.h>
#include <dirent.h>
#include <sys/file.h>

#include "store/ngx_content_file.h"
#include "core/ngx_content_job.h"


#define NGX_CONTENT_FILE_SWEEP_MAX  10000     /* in one round */


typedef struct {
    ngx_content_sweep_t       *sweep;
    char                      *tmp;
    time_t                     before;
    ngx_uint_t                 swept;
    const char                *cause;
} ngx_content_file_sweep_t;


static void ngx_content_file_sweep_run(void *data);
static ngx_int_t ngx_content_file_sweep_one(ngx_content_file_sweep_t *job,
    int dir, const char *name);
static void ngx_content_file_sweep_done(void *data);


void
ngx_content_file_sweep(ngx_content_sweep_t *sweep)
{
    ngx_content_file_conf_t   *conf;
    ngx_content_file_sweep_t  *job;

    conf = sweep->task.store->conf;

    job = ngx_content_job_create(sweep->task.pool,
                                 sizeof(ngx_content_file_sweep_t),
                                 ngx_content_file_sweep_run,
                                 ngx_content_file_sweep_done,
                                 &sweep->task.log);
    if (job) {
        job->sweep = sweep;
        job->before = ngx_time() - sweep->age;
        job->tmp = ngx_pnalloc(sweep->task.pool,
                               conf->root.len + sizeof("/tmp"));

        if (job->tmp) {
            (void) ngx_sprintf((u_char *) job->tmp, "%V/tmp%Z", &conf->root);

            ngx_content_task_run(&sweep->task, job);
            return;
        }
    }

    ngx_content_task_post(&sweep->task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_sweep_run(void *data)
{
    ngx_content_file_sweep_t *job = data;

    DIR            *dir;
    struct dirent  *entry;

    dir = opendir(job->tmp);

    if (dir == NULL) {
        job->cause = "opendir() of tmp failed";
        return;
    }

    while (job->swept < NGX_CONTENT_FILE_SWEEP_MAX
           && (entry = readdir(dir)) != NULL)
    {
        if (entry->d_name[0] == '.') {
            continue;
        }

        if (ngx_content_file_sweep_one(job, dirfd(dir), entry->d_name)
            != NGX_OK)
        {
            job->cause = "unlink() in tmp failed";
            break;
        }
    }

    closedir(dir);
}


/* What is no plain file, or can't be opened, is nothing of ours. */

static ngx_int_t
ngx_content_file_sweep_one(ngx_content_file_sweep_t *job, int dir,
    const char *name)
{
    int          fd;
    ngx_int_t    rc;
    struct stat  st;

    fd = openat(dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        return NGX_OK;
    }

    rc = NGX_OK;

    if (fstat(fd, &st) == 0
        && S_ISREG(st.st_mode)
        && st.st_nlink
        && st.st_mtime < job->before
        && flock(fd, LOCK_EX|LOCK_NB) == 0)
    {
        if (unlinkat(dir, name, 0) == 0) {
            job->swept++;

        } else if (errno != ENOENT) {
            rc = NGX_ERROR;
        }
    }

    close(fd);

    return rc;
}


static void
ngx_content_file_sweep_done(void *data)
{
    ngx_content_file_sweep_t *job = data;

    job->sweep->swept = job->swept;

    ngx_content_task_finish(&job->sweep->task,
                            job->cause ? NGX_CONTENT_BROKEN : NGX_CONTENT_OK,
                            job->cause);
}
