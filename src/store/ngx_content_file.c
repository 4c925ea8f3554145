/*
 * The file store: configuration, names, heads, and reading.  Called by
 * src/http through the ops table; writing is in ngx_content_file_write.c,
 * listing in ngx_content_file_list.c.
 *
 * Reading opens the file and reads its head in the event loop, as nginx's own
 * static module opens files there; the body goes out by nginx's file buffers
 * (sendfile, aio threads, directio as configured).
 */

#include "store/ngx_content_file.h"
#include "store/ngx_content_file_change.h"
#include "core/ngx_content_str.h"
#include "core/ngx_content_job.h"
#include "lib/content_path.h"


#define NGX_CONTENT_FILE_MAGIC  "NCFILE1\n"


typedef struct {
    ngx_content_stat_t        *stat;
    const char                *path;
    ngx_content_file_t         file;
    ngx_content_outcome_e      outcome;
    const char                *cause;
} ngx_content_file_stat_t;


static ngx_int_t ngx_content_file_mkdir(ngx_conf_t *cf, ngx_str_t *root,
    const char *name);
static ngx_int_t ngx_content_file_read_open(ngx_content_read_t *read);
static void ngx_content_file_read_cleanup(void *data);
static ngx_int_t ngx_content_file_read_send(ngx_content_read_t *read);
static void ngx_content_file_read_body(ngx_content_read_t *read,
    ngx_content_file_t *file);
static void ngx_content_file_stat(ngx_content_stat_t *stat);
static void ngx_content_file_stat_run(void *data);
static void ngx_content_file_stat_done(void *data);
static ngx_int_t ngx_content_file_object_dup(ngx_pool_t *pool,
    content_object_t *dst, const content_object_t *src);
static ngx_content_outcome_e ngx_content_file_head(ngx_content_file_t *file,
    const char **cause);
static ngx_content_outcome_e ngx_content_file_head_read(
    ngx_content_file_t *file, const char **cause);


static const ngx_content_store_ops_t  ngx_content_file_ops = {
    .open = ngx_content_file_read_open,
    .send = ngx_content_file_read_send,
    .stat = ngx_content_file_stat,
    .remove = ngx_content_file_remove,
    .remove_many = ngx_content_file_remove_many,
    .copy = ngx_content_file_copy,
    .list = ngx_content_file_list,
    .part = ngx_content_file_part,
    .commit = ngx_content_file_commit,
    .abort = ngx_content_file_abort,
    .sweep = ngx_content_file_sweep
};


char *
ngx_content_set_file_root(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_content_file_conf_t *file = (void *) ((u_char *) conf + cmd->offset);

    ngx_str_t  *value;

    if (file->root.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    file->root = value[1];

    if (ngx_conf_full_name(cf->cycle, &file->root, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    while (file->root.len > 1 && file->root.data[file->root.len - 1] == '/') {
        file->root.len--;
    }

    return NGX_CONF_OK;
}


ngx_content_store_t *
ngx_content_file_create(ngx_conf_t *cf, ngx_content_file_conf_t *conf,
    ngx_thread_pool_t *threads)
{
    ngx_uint_t             i;
    ngx_content_store_t   *store;

    static const char  *dirs[] = { "", "/objects", "/tmp", "/lock" };

    if (conf->root.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"content file\" needs \"content_file_root\"");
        return NULL;
    }

    for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        if (ngx_content_file_mkdir(cf, &conf->root, dirs[i]) != NGX_OK) {
            return NULL;
        }
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_content_store_t));
    if (store == NULL) {
        return NULL;
    }

    ngx_str_set(&store->name, "file");
    store->ops = &ngx_content_file_ops;
    store->conf = conf;
    store->id = ngx_content_store_id(&store->name, &conf->root, &conf->root);
    store->threads = threads;
    store->part_size = NGX_CONTENT_FILE_PART;
    store->parts_max = 2;
    store->open_first = 1;

    return store;
}


/*
 * Made here, so that an error names the directive; and told to nginx, which
 * gives it to the user that the workers run as, as its temporary paths.
 */

static ngx_int_t
ngx_content_file_mkdir(ngx_conf_t *cf, ngx_str_t *root, const char *name)
{
    u_char      *full;
    ngx_path_t  *path;

    full = ngx_pnalloc(cf->pool, root->len + ngx_strlen(name) + 1);
    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));

    if (full == NULL || path == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(full, "%V%s%Z", root, name);

    if (ngx_create_dir(full, 0700) == NGX_FILE_ERROR
        && ngx_errno != NGX_EEXIST)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"content_file_root\": mkdir \"%s\" failed", full);
        return NGX_ERROR;
    }

    path->name.data = full;
    path->name.len = ngx_strlen(full);
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    return ngx_add_path(cf, &path);
}


u_char *
ngx_content_file_path(ngx_pool_t *pool, ngx_content_file_conf_t *conf,
    content_str_t key)
{
    size_t         size;
    u_char        *path;
    content_out_t  out;

    size = conf->root.len + sizeof("/objects/") + content_path_max(key.len);

    path = ngx_pnalloc(pool, size);
    if (path == NULL) {
        return NULL;
    }

    content_out_init(&out, path, size);
    content_out_str(&out, ngx_content_from_ngx(conf->root));
    content_out_text(&out, "/objects/");
    content_path_write(&out, key);
    content_out_char(&out, '\0');

    return out.overflow ? NULL : path;
}


/* Reading for a client. */

static ngx_int_t
ngx_content_file_read_open(ngx_content_read_t *read)
{
    u_char              *path;
    const char          *cause;
    ngx_pool_t          *pool;
    ngx_content_file_t  *file;
    ngx_pool_cleanup_t  *cln;

    pool = read->request->pool;
    cause = NULL;

    path = ngx_content_file_path(pool, read->store->conf,
                                 ngx_content_from_ngx(read->key));
    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_content_file_t));

    if (path == NULL || cln == NULL) {
        read->outcome = NGX_CONTENT_FAILED;
        return NGX_OK;
    }

    file = cln->data;

    read->outcome = ngx_content_file_open((const char *) path, file, &cause);

    if (cause) {
        read->cause.data = (u_char *) cause;
        read->cause.len = ngx_strlen(cause);
    }

    if (read->outcome == NGX_CONTENT_OK) {
        cln->handler = ngx_content_file_read_cleanup;
        read->object = &file->object;
        read->state = file;
    }

    return NGX_OK;
}


static void
ngx_content_file_read_cleanup(void *data)
{
    ngx_content_file_close(data);
}


static ngx_int_t
ngx_content_file_read_send(ngx_content_read_t *read)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;
    ngx_content_file_t  *file;

    r = read->request;
    file = read->state;

    rc = read->headers(read);

    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    ngx_content_file_read_body(read, file);

    b->file_pos = file->body;
    b->file_last = file->body + file->object.size;
    b->in_file = file->object.size ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->in_file) ? 0 : 1;

    b->file->fd = file->fd;
    b->file->name = read->key;
    b->file->log = r->connection->log;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* A small body, for the one who keeps a copy. */

static void
ngx_content_file_read_body(ngx_content_read_t *read, ngx_content_file_t *file)
{
    u_char   *buf;
    ssize_t   size;

    size = file->object.size;

    if (read->body == NULL || size == 0 || size > (ssize_t) read->body_max) {
        return;
    }

    buf = ngx_pnalloc(read->request->pool, size);

    if (buf && pread(file->fd, buf, size, file->body) == size) {
        (void) read->body(read, buf, size);
    }
}


/* stat, for writers: in a job, since it has no request to answer. */

static void
ngx_content_file_stat(ngx_content_stat_t *stat)
{
    ngx_content_task_t       *task;
    ngx_content_file_stat_t  *job;

    task = &stat->task;

    job = ngx_content_job_create(task->pool, sizeof(ngx_content_file_stat_t),
                                 ngx_content_file_stat_run,
                                 ngx_content_file_stat_done, &task->log);
    if (job == NULL) {
        goto failed;
    }

    job->stat = stat;
    job->path = (char *) ngx_content_file_path(task->pool, task->store->conf,
                                             ngx_content_from_ngx(task->key));

    if (job->path) {
        ngx_content_task_run(task, job);
        return;
    }

failed:

    ngx_content_task_post(task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_stat_run(void *data)
{
    ngx_content_file_stat_t *job = data;

    job->outcome = ngx_content_file_open(job->path, &job->file, &job->cause);
}


static void
ngx_content_file_stat_done(void *data)
{
    ngx_content_file_stat_t *job = data;

    ngx_content_stat_t  *stat;

    stat = job->stat;

    if (job->outcome == NGX_CONTENT_OK) {
        stat->object = ngx_pcalloc(stat->task.pool, sizeof(content_object_t));

        if (stat->object == NULL
            || ngx_content_file_object_dup(stat->task.pool, stat->object,
                                           &job->file.object)
               != NGX_OK)
        {
            job->outcome = NGX_CONTENT_FAILED;
        }

        ngx_content_file_close(&job->file);
    }

    ngx_content_task_finish(&stat->task, job->outcome, job->cause);
}


/* The object with the head's bytes, which its slices point into. */

static ngx_int_t
ngx_content_file_object_dup(ngx_pool_t *pool, content_object_t *dst,
    const content_object_t *src)
{
    u_char         *buf;
    size_t          size;
    content_out_t   out;
    content_str_t   body;

    size = content_record_size(src);

    buf = ngx_pnalloc(pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    content_out_init(&out, buf, size);

    if (content_record_encode(&out, src, NULL) != CONTENT_OK
        || content_record_decode(content_out_done(&out), dst, &body, NULL)
           != CONTENT_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Heads. */

ngx_content_outcome_e
ngx_content_file_open(const char *path, ngx_content_file_t *file,
    const char **cause)
{
    ngx_content_outcome_e  outcome;

    file->head = NULL;
    file->fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

    if (file->fd == -1) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return NGX_CONTENT_ABSENT;
        }

        *cause = (errno == EACCES) ? "open() failed: permission denied"
                                   : "open() failed";
        return ngx_content_file_fault();
    }

    outcome = ngx_content_file_head_read(file, cause);

    if (outcome != NGX_CONTENT_OK) {
        ngx_content_file_close(file);
    }

    return outcome;
}


void
ngx_content_file_close(ngx_content_file_t *file)
{
    close(file->fd);
    free(file->head);
}


static ngx_content_outcome_e
ngx_content_file_head_read(ngx_content_file_t *file, const char **cause)
{
    struct stat            sb;
    ngx_content_outcome_e  outcome;

    outcome = ngx_content_file_head(file, cause);

    if (outcome != NGX_CONTENT_OK) {
        return outcome;
    }

    if (fstat(file->fd, &sb) == -1) {
        *cause = "fstat() failed";
        return NGX_CONTENT_BROKEN;
    }

    if (sb.st_size != file->body + file->object.size) {
        *cause = "the file has not the size its head tells";
        return NGX_CONTENT_BROKEN;
    }

    file->changed = sb.st_mtime;

    return NGX_CONTENT_OK;
}


static ngx_content_outcome_e
ngx_content_file_head(ngx_content_file_t *file, const char **cause)
{
    size_t         size, magic;
    ssize_t        n;
    content_str_t  data, body, rest;

    magic = sizeof(NGX_CONTENT_FILE_MAGIC) - 1;
    size = NGX_CONTENT_FILE_HEAD;

    for ( ;; ) {
        free(file->head);
        file->head = malloc(size);

        if (file->head == NULL) {
            *cause = "no memory";
            return NGX_CONTENT_FAILED;
        }

        n = pread(file->fd, file->head, size, 0);

        if (n != (ssize_t) size
            || ngx_memcmp(file->head, NGX_CONTENT_FILE_MAGIC, magic) != 0)
        {
            *cause = "the file has no head of ours";
            return NGX_CONTENT_BROKEN;
        }

        file->body = (off_t) file->head[magic] * NGX_CONTENT_FILE_HEAD;

        if (file->body == (off_t) size) {
            break;
        }

        if (file->body < (off_t) size
            || file->body > NGX_CONTENT_FILE_HEAD_MAX)
        {
            *cause = "the file's head has an impossible length";
            return NGX_CONTENT_BROKEN;
        }

        size = file->body;
    }

    data.data = file->head + magic + 1;
    data.len = size - magic - 1;

    if (content_record_decode(data, &file->object, &body, &rest)
        != CONTENT_OK)
    {
        *cause = "the file's head is damaged";
        return NGX_CONTENT_BROKEN;
    }

    return NGX_CONTENT_OK;
}


size_t
ngx_content_file_head_size(const content_object_t *object)
{
    size_t  size;

    /* the entity tag is not known yet: room for one */

    size = sizeof(NGX_CONTENT_FILE_MAGIC) + content_record_size(object) + 128;

    return ngx_align(size, NGX_CONTENT_FILE_HEAD);
}


ngx_int_t
ngx_content_file_head_write(u_char *buf, size_t size,
    const content_object_t *object)
{
    content_out_t  out;

    ngx_memzero(buf, size);

    content_out_init(&out, buf, size);
    content_out_text(&out, NGX_CONTENT_FILE_MAGIC);
    content_out_char(&out, (u_char) (size / NGX_CONTENT_FILE_HEAD));

    if (content_record_encode_first(&out, object) != CONTENT_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}
