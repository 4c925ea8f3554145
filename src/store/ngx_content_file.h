/*
 * The file store: objects as files below one directory.
 *
 *     ROOT/objects/...   one file an object (lib/content_path.h has the names)
 *     ROOT/tmp/          uploads that have not ended
 *     ROOT/lock/         256 files that order the writers of one key
 *
 * A file is a head (NGX_CONTENT_FILE_HEAD bytes, or a multiple: magic, length
 * of the head, the record of lib/content_object.h), then the body, so that
 * metadata and bytes change in one rename() and sendfile() starts on a page.
 *
 * A write is durable when it ends: the file is synced before it is renamed,
 * the directory after.
 */

#ifndef NGX_CONTENT_FILE_H
#define NGX_CONTENT_FILE_H

#include "store/ngx_content_store.h"
#include "store/ngx_content_sweep.h"


#define NGX_CONTENT_FILE_HEAD       4096
#define NGX_CONTENT_FILE_HEAD_MAX   (32 * 1024)
#define NGX_CONTENT_FILE_PART       (1024 * 1024)


typedef struct {
    ngx_str_t    root;                /* directive content_file_root */
} ngx_content_file_conf_t;


/* Slot of content_file_root, by cmd->offset: relative to nginx's prefix. */
char *ngx_content_set_file_root(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Makes the directories; errors are logged to cf and name the directive. */
ngx_content_store_t *ngx_content_file_create(ngx_conf_t *cf,
    ngx_content_file_conf_t *conf, ngx_thread_pool_t *threads);


/* Between the files of this store; all of it may block, and runs in jobs. */

typedef struct {
    int                 fd;
    off_t               body;         /* offset of the body */
    content_object_t    object;       /* slices of head */
    u_char             *head;         /* malloc()ed */
    time_t              changed;
} ngx_content_file_t;

/* ROOT/DIRECTORY/KEY's path, NUL-terminated, in pool; NULL: no memory. */
u_char *ngx_content_file_path(ngx_pool_t *pool, ngx_content_file_conf_t *conf,
    content_str_t key);

/*
 * Opens an object and reads its head.  OK, ABSENT, or a fault with *cause a
 * static text; after OK ngx_content_file_close() is due.
 */
ngx_content_outcome_e ngx_content_file_open(const char *path,
    ngx_content_file_t *file, const char **cause);
void ngx_content_file_close(ngx_content_file_t *file);

/* The head of a new file: its length, and its bytes (buf has that length). */
size_t ngx_content_file_head_size(const content_object_t *object);
ngx_int_t ngx_content_file_head_write(u_char *buf, size_t size,
    const content_object_t *object);

void ngx_content_file_list(ngx_content_list_t *list);
void ngx_content_file_copy(ngx_content_upload_t *up);
void ngx_content_file_remove_many(ngx_content_removals_t *removals);
void ngx_content_file_remove(ngx_content_remove_t *remove);
void ngx_content_file_part(ngx_content_upload_t *up, ngx_content_part_t *part);
void ngx_content_file_commit(ngx_content_upload_t *up);
void ngx_content_file_abort(ngx_content_upload_t *up);
void ngx_content_file_sweep(ngx_content_sweep_t *sweep);


#endif
