/*
 * Listing the file store, in a job: the directories are walked in the order
 * of the keys below them, and subtrees that can hold no key of the answer
 * (outside the prefix, or before the page) are not entered.
 */

#include <ngx_config.h>
#include <dirent.h>

#include "store/ngx_content_file.h"
#include "store/ngx_content_file_change.h"
#include "core/ngx_content_job.h"
#include "core/ngx_content_str.h"
#include "lib/content_key.h"
#include "lib/content_list.h"
#include "lib/content_path.h"


typedef struct {
    content_str_t              key;       /* malloc()ed */
    char                       etag[80];
    int64_t                    size;
    int64_t                    mtime;
    unsigned                   common:1;  /* the prefix of several */
} ngx_content_file_found_t;

typedef struct {
    ngx_content_list_t        *list;
    char                      *root;
    content_str_t              prefix;
    content_str_t              after;
    content_str_t              delimiter;
    ngx_uint_t                 limit;

    /* the walk */
    char                       path[PATH_MAX];
    size_t                     path_len;
    u_char                     key[CONTENT_KEY_MAX + 2];
    size_t                     key_len;

    ngx_content_file_found_t  *found;
    ngx_uint_t                 nfound;
    ngx_content_outcome_e      outcome;
    const char                *cause;
} ngx_content_file_walk_t;

/*
 * One way down from a directory.  order is the piece of the key, with the "/"
 * of a directory.  A continued segment stands twice: for the keys before and
 * for those after its sibling that ends there in a "/".
 */

typedef struct {
    content_path_kind_e        kind;
    char                       name[NAME_MAX + 1];
    size_t                     len;
    u_char                     order[NAME_MAX + 1];
    size_t                     order_len;
    u_char                     least;     /* bounds of the first byte below */
    u_char                     most;
} ngx_content_file_branch_t;


static void ngx_content_file_list_run(void *data);
static void ngx_content_file_list_done(void *data);
static void ngx_content_file_walk(ngx_content_file_walk_t *w, u_char least,
    u_char most);
static ngx_content_file_branch_t *ngx_content_file_branches(
    ngx_content_file_walk_t *w, u_char least, u_char most, size_t *n);
static size_t ngx_content_file_branch(ngx_content_file_branch_t *b,
    const char *name, u_char least, u_char most);
static int ngx_content_file_branch_cmp(const void *one, const void *two);
static ngx_uint_t ngx_content_file_wanted(ngx_content_file_walk_t *w);
static ngx_uint_t ngx_content_file_new(ngx_content_file_walk_t *w,
    content_str_t shown);
static void ngx_content_file_found(ngx_content_file_walk_t *w);
static ngx_int_t ngx_content_file_describe(ngx_content_file_walk_t *w,
    ngx_content_file_found_t *found);
static ngx_int_t ngx_content_file_take(ngx_content_list_t *list,
    ngx_content_file_found_t *found);


void
ngx_content_file_list(ngx_content_list_t *list)
{
    ngx_content_task_t       *task;
    ngx_content_file_conf_t  *conf;
    ngx_content_file_walk_t  *w;

    task = &list->task;
    conf = task->store->conf;

    w = ngx_content_job_create(task->pool, sizeof(ngx_content_file_walk_t),
                               ngx_content_file_list_run,
                               ngx_content_file_list_done, &task->log);
    if (w == NULL) {
        goto failed;
    }

    w->list = list;
    w->prefix = ngx_content_from_ngx(list->prefix);
    w->after = ngx_content_from_ngx(list->after);
    w->delimiter = ngx_content_from_ngx(list->delimiter);
    w->limit = list->limit;

    w->found = ngx_pcalloc(task->pool, (list->limit + 1)
                                       * sizeof(ngx_content_file_found_t));

    if (w->found == NULL || conf->root.len + 16 > sizeof(w->path)) {
        goto failed;
    }

    w->path_len = ngx_sprintf((u_char *) w->path, "%V/objects", &conf->root)
                  - (u_char *) w->path;

    ngx_content_task_run(task, w);
    return;

failed:

    ngx_content_task_post(task, NGX_CONTENT_FAILED, "no memory");
}


static void
ngx_content_file_list_run(void *data)
{
    ngx_content_file_walk_t *w = data;

    w->outcome = NGX_CONTENT_OK;

    ngx_content_file_walk(w, 0, 0xff);
}


static void
ngx_content_file_list_done(void *data)
{
    ngx_content_file_walk_t *w = data;

    ngx_uint_t           i;
    ngx_content_list_t  *list;

    list = w->list;
    list->truncated = (w->nfound > w->limit);

    if (ngx_array_init(&list->entries, list->task.pool, 64,
                       sizeof(ngx_content_entry_t))
        != NGX_OK
        || ngx_array_init(&list->prefixes, list->task.pool, 16,
                          sizeof(ngx_str_t))
           != NGX_OK)
    {
        w->outcome = NGX_CONTENT_FAILED;
    }

    for (i = 0; i < w->nfound; i++) {
        if (i < w->limit && w->outcome == NGX_CONTENT_OK
            && ngx_content_file_take(list, &w->found[i]) != NGX_OK)
        {
            w->outcome = NGX_CONTENT_FAILED;
        }

        free(w->found[i].key.data);
    }

    ngx_content_task_finish(&list->task, w->outcome, w->cause);
}


static ngx_int_t
ngx_content_file_take(ngx_content_list_t *list,
    ngx_content_file_found_t *found)
{
    ngx_str_t            *key;
    ngx_content_entry_t  *entry;

    if (found->common) {
        key = ngx_array_push(&list->prefixes);
        if (key == NULL) {
            return NGX_ERROR;
        }

    } else {
        entry = ngx_array_push(&list->entries);
        if (entry == NULL) {
            return NGX_ERROR;
        }

        entry->etag.data = (u_char *) found->etag;
        entry->etag.len = ngx_strlen(found->etag);
        entry->size = found->size;
        entry->mtime = found->mtime;
        key = &entry->key;
    }

    *key = ngx_content_to_ngx(ngx_content_str_dup(list->task.pool,
                                                  found->key));

    return key->len ? NGX_OK : NGX_ERROR;
}


/* Walks the directory w->path, whose keys start with w->key. */

static void
ngx_content_file_walk(ngx_content_file_walk_t *w, u_char least, u_char most)
{
    size_t                      i, n, path_len, key_len;
    ngx_content_file_branch_t  *b, *branches;

    branches = ngx_content_file_branches(w, least, most, &n);
    path_len = w->path_len;
    key_len = w->key_len;

    for (i = 0; i < n; i++) {
        if (w->nfound > w->limit || w->outcome != NGX_CONTENT_OK) {
            break;
        }

        b = &branches[i];

        if (key_len + b->order_len > CONTENT_KEY_MAX
            || path_len + 1 + b->len >= sizeof(w->path))
        {
            continue;
        }

        ngx_memcpy(w->key + key_len, b->order, b->order_len);
        w->key_len = key_len + b->order_len;

        w->path[path_len] = '/';
        ngx_memcpy(w->path + path_len + 1, b->name, b->len + 1);
        w->path_len = path_len + 1 + b->len;

        if (b->kind == CONTENT_PATH_OBJECT) {
            ngx_content_file_found(w);

        } else if (ngx_content_file_wanted(w)) {
            ngx_content_file_walk(w, b->least, b->most);
        }
    }

    w->path_len = path_len;
    w->path[path_len] = '\0';
    w->key_len = key_len;

    free(branches);
}


static ngx_content_file_branch_t *
ngx_content_file_branches(ngx_content_file_walk_t *w, u_char least,
    u_char most, size_t *n)
{
    DIR                        *dir;
    size_t                      room;
    struct dirent              *entry;
    ngx_content_file_branch_t  *branches, *more;

    *n = 0;
    room = 0;
    branches = NULL;

    w->path[w->path_len] = '\0';

    dir = opendir(w->path);

    if (dir == NULL) {
        if (errno != ENOENT) {
            w->outcome = ngx_content_file_fault();
            w->cause = "opendir() failed";
        }

        return NULL;
    }

    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (*n + 2 > room) {
            room = room ? room * 2 : 64;
            more = realloc(branches, room * sizeof(*branches));

            if (more == NULL) {
                w->outcome = NGX_CONTENT_FAILED;
                w->cause = "no memory";
                break;
            }

            branches = more;
        }

        *n += ngx_content_file_branch(&branches[*n], entry->d_name, least,
                                      most);
    }

    if (entry == NULL && errno) {
        w->outcome = ngx_content_file_fault();
        w->cause = "readdir() failed";
    }

    closedir(dir);

    if (*n) {
        qsort(branches, *n, sizeof(*branches), ngx_content_file_branch_cmp);
    }

    return branches;
}


/* Fills 0, 1 or 2 branches for a directory entry; returns how many. */

static size_t
ngx_content_file_branch(ngx_content_file_branch_t *b, const char *name,
    u_char least, u_char most)
{
    content_str_t  part;

    b->len = strlen(name);
    b->kind = content_path_kind(content_cstr(name), &part);

    if (b->kind == CONTENT_PATH_OTHER
        || (least > 0 && (part.len == 0 || part.data[0] < least))
        || (most < 0xff && part.len && part.data[0] > most))
    {
        return 0;
    }

    ngx_memcpy(b->name, name, b->len + 1);
    ngx_memcpy(b->order, part.data, part.len);
    b->order_len = part.len;
    b->least = 0;
    b->most = 0xff;

    if (b->kind == CONTENT_PATH_DIRECTORY) {
        b->order[b->order_len++] = '/';
    }

    if (b->kind != CONTENT_PATH_CONTINUED) {
        return 1;
    }

    b[1] = b[0];
    b[0].most = '/' - 1;
    b[1].least = '/' + 1;

    return 2;
}


static int
ngx_content_file_branch_cmp(const void *one, const void *two)
{
    int                               rc;
    content_str_t                     x, y;
    u_char                            first[NAME_MAX + 2], second[NAME_MAX + 2];
    const ngx_content_file_branch_t  *a, *b;

    a = one;
    b = two;

    ngx_memcpy(first, a->order, a->order_len);
    x.data = first;
    x.len = a->order_len;

    ngx_memcpy(second, b->order, b->order_len);
    y.data = second;
    y.len = b->order_len;

    /* the second half of a continued segment comes after "segment/" */

    if (a->least) {
        first[x.len++] = a->least;
    }

    if (b->least) {
        second[y.len++] = b->least;
    }

    rc = content_str_cmp(x, y);

    if (rc) {
        return rc;
    }

    /* the object itself before the keys that are longer */

    return (int) a->kind - (int) b->kind;
}


/* Can a key that starts with w->key be in the answer? */

static ngx_uint_t
ngx_content_file_wanted(ngx_content_file_walk_t *w)
{
    content_str_t  key, common;

    key.data = w->key;
    key.len = w->key_len;

    if (!content_str_starts(key, w->prefix)
        && !content_str_starts(w->prefix, key))
    {
        return 0;
    }

    common = content_list_common(key, w->prefix, w->delimiter);

    if (common.len) {
        return ngx_content_file_new(w, common);
    }

    return content_str_starts(w->after, key)
           || content_str_cmp(key, w->after) > 0;
}


/* Behind after, and not the common prefix that was found last. */

static ngx_uint_t
ngx_content_file_new(ngx_content_file_walk_t *w, content_str_t shown)
{
    return content_str_cmp(shown, w->after) > 0
           && (w->nfound == 0
               || !content_str_eq(shown, w->found[w->nfound - 1].key));
}


/* An object, or what is shown in its stead. */

static void
ngx_content_file_found(ngx_content_file_walk_t *w)
{
    content_str_t              key, common;
    ngx_content_file_found_t  *found;

    key.data = w->key;
    key.len = w->key_len;

    if (!content_str_starts(key, w->prefix)) {
        return;
    }

    common = content_list_common(key, w->prefix, w->delimiter);

    if (common.len) {
        key = common;
    }

    found = &w->found[w->nfound];
    found->common = (common.len > 0);

    if (!ngx_content_file_new(w, key)
        || (!found->common
            && ngx_content_file_describe(w, found) != NGX_OK))
    {
        return;
    }

    found->key.len = key.len;
    found->key.data = malloc(key.len);

    if (found->key.data == NULL) {
        w->outcome = NGX_CONTENT_FAILED;
        w->cause = "no memory";
        return;
    }

    ngx_memcpy(found->key.data, key.data, key.len);
    w->nfound++;
}


static ngx_int_t
ngx_content_file_describe(ngx_content_file_walk_t *w,
    ngx_content_file_found_t *found)
{
    const char             *cause;
    ngx_content_file_t      file;
    ngx_content_outcome_e   outcome;

    outcome = ngx_content_file_open(w->path, &file, &cause);

    /* gone meanwhile, or damaged: that is said to who asks for the object */

    if (outcome == NGX_CONTENT_ABSENT || outcome == NGX_CONTENT_BROKEN) {
        return NGX_DECLINED;
    }

    if (outcome != NGX_CONTENT_OK) {
        w->outcome = outcome;
        w->cause = cause;
        return NGX_ERROR;
    }

    ngx_cpystrn((u_char *) found->etag, file.object.etag.data,
                ngx_min(file.object.etag.len + 1, sizeof(found->etag)));
    found->size = file.object.size;
    found->mtime = file.object.mtime;

    ngx_content_file_close(&file);

    return NGX_OK;
}
