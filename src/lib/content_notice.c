/* What nodes tell each other: see content_notice.h. */

#include "lib/content_notice.h"


#define LENGTH  4                        /* digits */


static int digits(content_str_t *text, size_t n, uint64_t *number);


static int
result(const content_out_t *out)
{
    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


static void
write_digits(content_out_t *out, uint64_t number, int n)
{
    while (n-- > 0) {
        content_out_char(out, (unsigned char)
                              "0123456789abcdef"[(number >> (4 * n)) & 15]);
    }
}


void
content_notice_number(content_out_t *out, uint64_t number)
{
    write_digits(out, number, CONTENT_NOTICE_ID);
}


int
content_notice_parse(content_str_t *text, uint64_t *number)
{
    return digits(text, CONTENT_NOTICE_ID, number);
}


/* Takes n digits off text. */

static int
digits(content_str_t *text, size_t n, uint64_t *number)
{
    size_t         i;
    unsigned char  c;

    if (text->len < n) {
        return CONTENT_ERROR;
    }

    *number = 0;

    for (i = 0; i < n; i++) {
        c = text->data[i];

        if (c >= '0' && c <= '9') {
            c -= '0';

        } else if (c >= 'a' && c <= 'f') {
            c -= 'a' - 10;

        } else {
            return CONTENT_ERROR;
        }

        *number = *number << 4 | c;
    }

    text->data += n;
    text->len -= n;

    return CONTENT_OK;
}


int
content_notice_write(content_out_t *out, const content_notice_t *notice)
{
    content_out_char(out, (unsigned char) notice->kind);

    switch (notice->kind) {

    case CONTENT_NOTICE_PING:
        content_notice_number(out, notice->node);
        content_notice_number(out, notice->history);
        content_notice_number(out, notice->sent);
        content_out_str(out, notice->name);
        break;

    case CONTENT_NOTICE_FORGET:
        content_notice_number(out, notice->worker);
        content_notice_number(out, notice->serial);
        content_out_str(out, notice->change);
        break;

    case CONTENT_NOTICE_ACK:
        content_notice_number(out, notice->serial);
        content_notice_number(out, notice->node);
        content_out_char(out, notice->under_way ? '1' : '0');
        break;

    case CONTENT_NOTICE_FILLED:
        content_out_str(out, notice->name);
    }

    return result(out);
}


int
content_notice_read(content_str_t text, content_notice_t *notice)
{
    if (text.len == 0) {
        return CONTENT_ERROR;
    }

    notice->kind = (content_notice_kind_e) text.data[0];
    text.data++;
    text.len--;

    switch (notice->kind) {

    case CONTENT_NOTICE_PING:
        if (content_notice_parse(&text, &notice->node) == CONTENT_OK
            && content_notice_parse(&text, &notice->history) == CONTENT_OK
            && content_notice_parse(&text, &notice->sent) == CONTENT_OK)
        {
            notice->name = text;
            return CONTENT_OK;
        }

        break;

    case CONTENT_NOTICE_FORGET:
        if (content_notice_parse(&text, &notice->worker) == CONTENT_OK
            && content_notice_parse(&text, &notice->serial) == CONTENT_OK)
        {
            notice->change = text;
            return CONTENT_OK;
        }

        break;

    case CONTENT_NOTICE_ACK:
        if (content_notice_parse(&text, &notice->serial) == CONTENT_OK
            && content_notice_parse(&text, &notice->node) == CONTENT_OK
            && text.len == 1 && (text.data[0] == '0' || text.data[0] == '1'))
        {
            notice->under_way = (text.data[0] == '1');
            return CONTENT_OK;
        }

        break;

    case CONTENT_NOTICE_FILLED:
        notice->name = text;
        return CONTENT_OK;
    }

    return CONTENT_ERROR;
}


int
content_change_head(content_out_t *out, uint64_t store, uint64_t target)
{
    content_notice_number(out, store);
    content_notice_number(out, target);

    return result(out);
}


int
content_change_entry(content_out_t *out, content_change_kind_e kind,
    content_str_t value)
{
    if (value.len > 0xffff) {
        out->overflow = 1;
        return CONTENT_OVERFLOW;
    }

    content_out_char(out, (unsigned char) kind);
    write_digits(out, value.len, LENGTH);
    content_out_str(out, value);

    return result(out);
}


int
content_change_read(content_str_t text, content_change_t *change)
{
    if (content_notice_parse(&text, &change->store) != CONTENT_OK
        || content_notice_parse(&text, &change->target) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    change->entries = text;

    return CONTENT_OK;
}


int
content_change_next(content_change_t *change, content_change_entry_t *entry)
{
    uint64_t        len;
    content_str_t  *rest;

    rest = &change->entries;

    if (rest->len == 0) {
        return CONTENT_DONE;
    }

    entry->kind = (content_change_kind_e) rest->data[0];
    rest->data++;
    rest->len--;

    switch (entry->kind) {
    case CONTENT_CHANGE_NEW:
    case CONTENT_CHANGE_KEY:
    case CONTENT_CHANGE_TAG:
    case CONTENT_CHANGE_PREFIX:
    case CONTENT_CHANGE_ALL:
        break;

    default:
        return CONTENT_ERROR;
    }

    if (digits(rest, LENGTH, &len) != CONTENT_OK || len > rest->len) {
        return CONTENT_ERROR;
    }

    entry->value.data = rest->data;
    entry->value.len = (size_t) len;

    rest->data += len;
    rest->len -= (size_t) len;

    return CONTENT_OK;
}
