/*
 * An upload: bytes come in as the client sends them, are cut into parts,
 * hashed in a thread, and handed to the store a few at a time; where the store
 * can take a part that grows, before it is whole.
 *
 *     create -> write, write, ... -> end -> task.done
 *                                 \-> abort
 *
 * Memory is bounded by part_size * (parts_max + 1) an upload, and by
 * content_upload_memory for all of a worker (ngx_content_uploads.h): write()
 * says NGX_AGAIN when no more can be taken, and up->resume is called when it
 * can again.
 * Nothing can be seen of an upload before it has ended well; a failure or an
 * abort leaves the older object whole.
 */

#ifndef NGX_CONTENT_UPLOAD_H
#define NGX_CONTENT_UPLOAD_H

#include "store/ngx_content_store.h"


/*
 * expected: Content-Length, or -1.  The caller fills up->object (strings in
 * up->task.pool), up->conditions, up->resume, task.done and task.data.
 * Returns NULL when there is no memory.
 */
ngx_content_upload_t *ngx_content_upload_create(ngx_content_store_t *store,
    ngx_str_t *key, off_t expected, ngx_log_t *log);

/*
 * Before the first write(): what the body has to hash to.  end() then fails
 * with MISMATCH if it does not.  A SHA-256 that is known so early is kept even
 * where metadata goes before the bytes.  *expect lives as long as the upload.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_content_upload_expect(ngx_content_upload_t *up,
    content_expect_t *expect);

/*
 * Takes the bytes of b (a copy is made, unless they lie in the room), and moves
 * b->pos along.  NGX_OK: all of them; NGX_AGAIN: not all, stop until resume;
 * NGX_ERROR: the upload has failed, task.done will say why: the caller still
 * has to call end() or abort().
 */
ngx_int_t ngx_content_upload_write(ngx_content_upload_t *up, ngx_buf_t *b);

/*
 * How many bytes may be read now, so that others have their turn; 0: none
 * until resume.
 */
size_t ngx_content_upload_turn(ngx_content_upload_t *up);

/*
 * Where the next bytes may be received to, to be written without a copy: *size
 * bytes at *data, until the next call.  *size 0: there is no room yet; write()
 * makes some.
 */
void ngx_content_upload_room(ngx_content_upload_t *up, u_char **data,
    size_t *size);

/*
 * up->resume: write() may be called again, or the upload has failed
 * (up->task.outcome), also while bytes are awaited.
 */

/*
 * The body has come: the upload is not taken for a slow one while the caller
 * has yet to do something before end().
 */
void ngx_content_upload_whole(ngx_content_upload_t *up);

/* The body is complete.  task.done follows: OK, or why nothing was changed. */
void ngx_content_upload_end(ngx_content_upload_t *up);

/* The body will never be complete.  Neither done nor resume is called. */
void ngx_content_upload_abort(ngx_content_upload_t *up);


/* For the stores. */

/*
 * What begin() or ending() began has ended, or what a store has counted in
 * up->in_flight by itself; a failure is the upload's.
 */
void ngx_content_upload_begun(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);

/* A part has been stored, or could not be. */
void ngx_content_upload_stored(ngx_content_upload_t *up,
    ngx_content_part_t *part, ngx_content_outcome_e outcome,
    const char *cause);

/* While the body still comes: it fails, and the client is told. */
void ngx_content_upload_give_up(ngx_content_upload_t *up,
    ngx_content_outcome_e outcome, const char *cause);

/* The whole body lies in one part that was not handed to part() yet. */
ngx_content_part_t *ngx_content_upload_single(ngx_content_upload_t *up);

/* abort() of a store ends here: frees the upload with all its parts. */
void ngx_content_upload_free(ngx_content_upload_t *up);


#endif
