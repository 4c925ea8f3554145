/* A job of purges as text: see content_owed.h. */

#include <string.h>

#include "lib/content_owed.h"


static const char  kinds[] = "utph*";    /* by content_purge_kind_t */


int
content_owed_head(content_out_t *out, uint32_t target, int repeat)
{
    unsigned char  bytes[4];

    bytes[0] = (unsigned char) (target >> 24);
    bytes[1] = (unsigned char) (target >> 16);
    bytes[2] = (unsigned char) (target >> 8);
    bytes[3] = (unsigned char) target;

    content_out_text(out, "1 ");
    content_out_hex(out, bytes, sizeof(bytes));
    content_out_text(out, repeat ? " r\n" : " -\n");

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_owed_item(content_out_t *out, const content_purge_item_t *item)
{
    content_out_char(out, (unsigned char) kinds[item->kind]);
    content_out_char(out, ' ');
    content_out_str(out, item->value);
    content_out_char(out, '\n');

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_owed_read(content_str_t text, content_owed_t *owed)
{
    size_t      i;
    const char *digit;

    static const char  digits[] = "0123456789abcdef";

    if (text.len < CONTENT_OWED_HEAD || memcmp(text.data, "1 ", 2) != 0
        || text.data[10] != ' ' || text.data[12] != '\n'
        || (text.data[11] != 'r' && text.data[11] != '-'))
    {
        return CONTENT_ERROR;
    }

    owed->target = 0;
    owed->repeat = (text.data[11] == 'r');

    for (i = 2; i < 10; i++) {
        digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;

        if (digit == NULL) {
            return CONTENT_ERROR;
        }

        owed->target = owed->target << 4 | (uint32_t) (digit - digits);
    }

    owed->items.data = text.data + CONTENT_OWED_HEAD;
    owed->items.len = text.len - CONTENT_OWED_HEAD;

    return CONTENT_OK;
}


/* None with "everything"; else printable ASCII. */

static int
is_value(const content_purge_item_t *item)
{
    size_t  i;

    for (i = 0; i < item->value.len; i++) {
        if (item->value.data[i] < 0x20 || item->value.data[i] > 0x7e) {
            return 0;
        }
    }

    return item->kind != CONTENT_PURGE_EVERYTHING || item->value.len == 0;
}


int
content_owed_next(content_owed_t *owed, content_purge_item_t *item)
{
    const char     *kind;
    content_str_t  *rest;
    unsigned char  *end;

    rest = &owed->items;

    if (rest->len == 0) {
        return CONTENT_OWED_END;
    }

    end = memchr(rest->data, '\n', rest->len);
    kind = rest->data[0] ? strchr(kinds, rest->data[0]) : NULL;

    if (end == NULL || end < rest->data + 2 || rest->data[1] != ' '
        || kind == NULL)
    {
        return CONTENT_ERROR;
    }

    item->kind = (content_purge_kind_t) (kind - kinds);
    item->value.data = rest->data + 2;
    item->value.len = (size_t) (end - item->value.data);

    if (!is_value(item)) {
        return CONTENT_ERROR;
    }

    rest->len -= (size_t) (end + 1 - rest->data);
    rest->data = end + 1;

    return CONTENT_OK;
}
