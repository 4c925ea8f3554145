/* What an object is: a HEAD of its own, for nobody's request. */

#include "store/ngx_content_s3.h"


static void ngx_content_s3_stat_headed(void *data,
    ngx_content_outcome_e outcome, content_object_t *object,
    const char *cause);


void
ngx_content_s3_stat(ngx_content_stat_t *stat)
{
    ngx_content_s3_head_t  *head;

    head = ngx_pcalloc(stat->task.pool, sizeof(ngx_content_s3_head_t));

    if (head) {
        head->store = stat->task.store;
        head->pool = stat->task.pool;
        head->key = stat->task.key;
        head->done = ngx_content_s3_stat_headed;
        head->data = stat;

        if (ngx_content_s3_head(head) == NGX_OK) {
            return;
        }
    }

    ngx_content_s3_post_unsent(&stat->task);
}


static void
ngx_content_s3_stat_headed(void *data, ngx_content_outcome_e outcome,
    content_object_t *object, const char *cause)
{
    ngx_content_stat_t *stat = data;

    stat->object = object;
    ngx_content_task_finish(&stat->task, outcome, cause);
}
