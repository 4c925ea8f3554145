/* Turns at reading and at hashing: see ngx_content_uploads.h. */

#include "store/ngx_content_uploads_internal.h"


#define NGX_CONTENT_READ_TURN       (256 * 1024)   /* of one upload */


static void ngx_content_turn_next(ngx_content_uploads_t *uploads);


/* Reading. */

size_t
ngx_content_read_turn(ngx_content_uploads_t *uploads,
    ngx_content_reader_t *reader)
{
    if (reader->waiting) {
        return 0;
    }

    if (uploads->reading == reader) {
        if (uploads->turn_left) {
            return uploads->turn_left;
        }

    } else if (ngx_queue_empty(&uploads->readers) && uploads->round_left) {
        return ngx_min(uploads->round_left, NGX_CONTENT_READ_TURN);
    }

    reader->waiting = 1;
    ngx_queue_insert_tail(&uploads->readers, &reader->link);

    if (!uploads->round.posted) {
        ngx_post_event(&uploads->round, &ngx_posted_next_events);
    }

    return 0;
}


void
ngx_content_read_done(ngx_content_uploads_t *uploads, size_t bytes)
{
    uploads->round_left -= ngx_min(uploads->round_left, bytes);
    uploads->turn_left -= ngx_min(uploads->turn_left, bytes);

    if (!uploads->round.posted) {
        ngx_post_event(&uploads->round, &ngx_posted_next_events);
    }
}


void
ngx_content_read_cancel(ngx_content_reader_t *reader)
{
    if (reader->waiting) {
        reader->waiting = 0;
        ngx_queue_remove(&reader->link);
    }
}


/* An iteration of the event loop: whoever has waited longest goes first. */

void
ngx_content_read_round(ngx_event_t *ev)
{
    ngx_content_uploads_t *uploads = ev->data;

    ngx_queue_t           *q;
    ngx_content_reader_t  *reader;

    uploads->round_left = NGX_CONTENT_READ_ROUND;

    while (uploads->round_left && !ngx_queue_empty(&uploads->readers)) {
        q = ngx_queue_head(&uploads->readers);
        reader = ngx_queue_data(q, ngx_content_reader_t, link);

        ngx_content_read_cancel(reader);

        uploads->reading = reader;
        uploads->turn_left = ngx_min(uploads->round_left,
                                     NGX_CONTENT_READ_TURN);

        reader->read(reader);              /* may be gone now */

        uploads->reading = NULL;
    }

    if (!ngx_queue_empty(&uploads->readers) && !uploads->round.posted) {
        ngx_post_event(&uploads->round, &ngx_posted_next_events);
    }
}


/* Turns. */

void
ngx_content_turn_begin(ngx_content_uploads_t *uploads,
    ngx_content_turn_t *turn)
{
    turn->waiting = 1;
    ngx_queue_insert_tail(&uploads->turns, &turn->link);

    ngx_content_turn_next(uploads);
}


void
ngx_content_turn_end(ngx_content_uploads_t *uploads)
{
    uploads->hashing--;
    ngx_content_turn_next(uploads);
}


static void
ngx_content_turn_next(ngx_content_uploads_t *uploads)
{
    ngx_queue_t         *q;
    ngx_content_turn_t  *turn;

    while (uploads->hashing < uploads->hashing_max
           && !ngx_queue_empty(&uploads->turns))
    {
        q = ngx_queue_head(&uploads->turns);
        turn = ngx_queue_data(q, ngx_content_turn_t, link);

        ngx_queue_remove(q);
        turn->waiting = 0;

        uploads->hashing++;

        if (turn->begin(turn) != NGX_OK) {
            uploads->hashing--;
        }
    }
}


void
ngx_content_turn_cancel(ngx_content_turn_t *turn)
{
    if (turn->waiting) {
        turn->waiting = 0;
        ngx_queue_remove(&turn->link);
    }
}
