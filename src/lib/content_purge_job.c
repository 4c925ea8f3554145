/*
 * Jobs of purges: see content_purge_job.h.  Called by the API, and by what
 * keeps the ids of jobs that are owed.
 */

#include "lib/content_digest.h"
#include "lib/content_purge_job.h"


static void write_number(content_out_t *out, const char *name,
    uint64_t value);
static void write_error(content_out_t *out, content_str_t error);


int
content_purge_job_write(content_out_t *out, const content_purge_job_t *job)
{
    static const char  *states[] = { "queued", "running", "done", "failed" };

    content_out_text(out, "{\"id\":\"");
    content_purge_id_write(out, job->id);
    content_out_text(out, "\",\"state\":\"");
    content_out_text(out, states[job->state]);
    content_out_char(out, '"');

    write_number(out, "items", job->items);
    write_number(out, "done", job->done);
    write_number(out, "failed", job->failed);
    write_number(out, "attempts", job->attempts);
    write_error(out, job->error);
    write_number(out, "created", (uint64_t) job->created);

    if (job->finished) {
        write_number(out, "finished", (uint64_t) job->finished);

    } else {
        content_out_text(out, ",\"finished\":null");
    }

    content_out_char(out, '}');

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


static void
write_number(content_out_t *out, const char *name, uint64_t value)
{
    content_out_text(out, ",\"");
    content_out_text(out, name);
    content_out_text(out, "\":");
    content_out_uint(out, value);
}


static void
write_error(content_out_t *out, content_str_t error)
{
    content_out_text(out, ",\"error\":");

    if (error.len == 0) {
        content_out_text(out, "null");
        return;
    }

    content_out_char(out, '"');
    content_out_json(out, error);
    content_out_char(out, '"');
}


void
content_purge_id_write(content_out_t *out,
    const unsigned char id[CONTENT_PURGE_ID_SIZE])
{
    content_out_hex(out, id, CONTENT_PURGE_ID_SIZE);
}


/* Its digits are of one case, for a job has one URL. */

int
content_purge_id_parse(content_str_t text,
    unsigned char id[CONTENT_PURGE_ID_SIZE])
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] >= 'A' && text.data[i] <= 'F') {
            return CONTENT_ERROR;
        }
    }

    return content_digest_unhex(text, id, CONTENT_PURGE_ID_SIZE);
}
