/*
 * What nodes tell each other through Redis, as bytes: notices on the channel
 * of the fleet, what concerns one worker on a channel of its own, and
 * the intents, which say of a change what a notice says.
 *
 *     ping     "p", node, history, when it was sent, the node's name
 *     forget   "f", worker, serial, change
 *     ack      "k", serial, node, "1" or "0": older answers are under way
 *     filled   "w", an object's name in Redis: who was to fill it is done
 *
 *     change   store, target, then entries: kind, length, value
 *
 * Numbers are 16 hexadecimal digits, a length 4.
 */

#ifndef CONTENT_NOTICE_H
#define CONTENT_NOTICE_H

#include "lib/content_str.h"


#define CONTENT_NOTICE_ID  16

typedef enum {
    CONTENT_NOTICE_PING = 'p',
    CONTENT_NOTICE_FORGET = 'f',
    CONTENT_NOTICE_ACK = 'k',
    CONTENT_NOTICE_FILLED = 'w'
} content_notice_kind_e;

typedef struct {
    content_notice_kind_e  kind;
    uint64_t               node;         /* PING, ACK */
    uint64_t               history;      /* PING */
    uint64_t               sent;         /* PING */
    content_str_t          name;         /* PING, FILLED; in the notice's
                                            memory */
    uint64_t               worker;       /* FORGET */
    uint64_t               serial;       /* FORGET, ACK */
    int                    under_way;    /* ACK */
    content_str_t          change;       /* FORGET; in the notice's memory */
} content_notice_t;

/* What an entry of a change names. */

typedef enum {
    CONTENT_CHANGE_NEW = '0',            /* a key that did not exist */
    CONTENT_CHANGE_KEY = '1',            /* one that the CDN may have */
    CONTENT_CHANGE_TAG = 't',
    CONTENT_CHANGE_PREFIX = 'p',         /* of keys */
    CONTENT_CHANGE_ALL = '*'             /* the value is empty */
} content_change_kind_e;

typedef struct {
    uint64_t               store;        /* id of the place */
    uint64_t               target;       /* of the CDN's purge; 0: none */
    content_str_t          entries;      /* for content_change_next() */
} content_change_t;

typedef struct {
    content_change_kind_e  kind;
    content_str_t          value;
} content_change_entry_t;


/* Returns CONTENT_OK, or CONTENT_OVERFLOW. */
int content_notice_write(content_out_t *out, const content_notice_t *notice);

/* Returns CONTENT_OK, or CONTENT_ERROR: it is no notice. */
int content_notice_read(content_str_t text, content_notice_t *notice);

#define CONTENT_CHANGE_HEAD_SIZE   (2 * CONTENT_NOTICE_ID)
#define CONTENT_CHANGE_ENTRY_SIZE  5     /* and the value */

/* Each returns CONTENT_OK, or CONTENT_OVERFLOW. */
int content_change_head(content_out_t *out, uint64_t store, uint64_t target);
int content_change_entry(content_out_t *out, content_change_kind_e kind,
    content_str_t value);

/* Returns CONTENT_OK, or CONTENT_ERROR. */
int content_change_read(content_str_t text, content_change_t *change);

/*
 * Takes the next entry off change->entries: CONTENT_OK, CONTENT_ERROR
 * (damaged), or CONTENT_DONE: there is none.
 */
#define CONTENT_DONE  1

int content_change_next(content_change_t *change,
    content_change_entry_t *entry);

/* A number as it is written here, and back: CONTENT_OK or CONTENT_ERROR. */
void content_notice_number(content_out_t *out, uint64_t number);
int content_notice_parse(content_str_t *text, uint64_t *number);


#endif
