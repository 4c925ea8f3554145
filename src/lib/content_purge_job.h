/*
 * The job of a purge: what became of its items, for the editor who asked for
 * it.  Its id is 16 random bytes.
 */

#ifndef CONTENT_PURGE_JOB_H
#define CONTENT_PURGE_JOB_H

#include "lib/content_str.h"


#define CONTENT_PURGE_ID_SIZE  16          /* bytes: twice as many digits */


typedef enum {
    CONTENT_PURGE_QUEUED = 0,
    CONTENT_PURGE_RUNNING,
    CONTENT_PURGE_DONE,
    CONTENT_PURGE_FAILED                   /* at least one item */
} content_purge_state_t;


typedef struct {
    unsigned char          id[CONTENT_PURGE_ID_SIZE];
    content_purge_state_t  state;
    unsigned               items;
    unsigned               done;
    unsigned               failed;
    unsigned               attempts;       /* calls made */
    content_str_t          error;          /* UTF-8, the last; empty: none */
    int64_t                created;        /* seconds since 1970 */
    int64_t                finished;       /* 0: not yet */
} content_purge_job_t;


/*
 * Writes the body of GET /-/purge/ID.
 * Returns CONTENT_OK or CONTENT_OVERFLOW.
 */
int content_purge_job_write(content_out_t *out,
    const content_purge_job_t *job);

/* Writes 16 random bytes as the 32 digits of a job's id. */
void content_purge_id_write(content_out_t *out,
    const unsigned char id[CONTENT_PURGE_ID_SIZE]);

/*
 * Reads a job's id: exactly what content_purge_id_write() wrote, lower case
 * only, for one job has one URL.  Returns CONTENT_OK or CONTENT_ERROR.
 */
int content_purge_id_parse(content_str_t text,
    unsigned char id[CONTENT_PURGE_ID_SIZE]);


#endif
