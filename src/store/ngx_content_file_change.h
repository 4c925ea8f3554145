/*
 * Between the files of the file store that write: temporary files, and the
 * step in which one takes its name.
 */

#ifndef NGX_CONTENT_FILE_CHANGE_H
#define NGX_CONTENT_FILE_CHANGE_H

#include "store/ngx_content_file.h"


/* A file below tmp, which goes with the task unless it was renamed. */

typedef struct {
    int                          fd;
    u_char                      *path;
    size_t                       head;           /* bytes before the body */
} ngx_content_file_temp_t;

/* In the event loop; NULL: it can't be opened (logged), or no memory. */
ngx_content_file_temp_t *ngx_content_file_temp_open(ngx_content_task_t *task,
    size_t head);

/* All of data, or a fault with *cause a static text. */
ngx_content_outcome_e ngx_content_file_pwrite(int fd, u_char *data,
    size_t size, off_t offset, const char **cause);

/* What errno means: FULL, FAILED (no memory, no descriptor) or BROKEN. */
ngx_content_outcome_e ngx_content_file_fault(void);


/*
 * A change of the object task->key: begin() takes its lock, looks at what is
 * there and checks the conditions; end() lets go of the lock.  Unless outcome
 * is OK after begin(), nothing may be changed.
 */

typedef struct {
    const char                  *path;           /* of the object */
    const char                  *root;
    u_char                      *lock;
    ngx_content_conditions_t    *conditions;
    ngx_content_outcome_e        outcome;
    const char                  *cause;
    int                          locked;
    unsigned                     existed:1;      /* set by begin() */
} ngx_content_file_change_t;

ngx_int_t ngx_content_file_change_init(ngx_content_file_change_t *change,
    ngx_content_task_t *task, ngx_content_conditions_t *conditions);
void ngx_content_file_change_begin(ngx_content_file_change_t *change);
void ngx_content_file_change_end(ngx_content_file_change_t *change);

/* Notes a fault, by errno. */
void ngx_content_file_change_fail(ngx_content_file_change_t *change,
    const char *cause);

/* begin(), the rename to the object's name, made durable, end(). */
void ngx_content_file_publish(ngx_content_file_change_t *change,
    ngx_content_file_temp_t *temp);

/* Syncs the directory of path; all: and those above it, up to root. */
ngx_int_t ngx_content_file_sync_dir(const char *path, const char *root,
    ngx_uint_t all);

/* Takes away the directories of path that have become empty. */
void ngx_content_file_rmdirs(char *path, const char *root);


#endif
