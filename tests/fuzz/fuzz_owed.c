/* Jobs of purges that are owed: what can be read is written alike. */

#include "fuzz.h"
#include "lib/content_owed.h"


void
fuzz_one(content_str_t input)
{
    int                   rc;
    content_out_t         out;
    content_owed_t        owed;
    content_purge_item_t  item;

    if (content_owed_read(input, &owed) != CONTENT_OK) {
        return;
    }

    out = fuzz_out(input.len);
    HOLDS(content_owed_head(&out, owed.target, owed.repeat) == CONTENT_OK);

    while ((rc = content_owed_next(&owed, &item)) == CONTENT_OK) {
        HOLDS(item.kind < CONTENT_PURGE_NKINDS);
        HOLDS(fuzz_is_inside(item.value, input.data, input.len));
        HOLDS(fuzz_is_printable(item.value));
        HOLDS(item.kind != CONTENT_PURGE_EVERYTHING || item.value.len == 0);
        HOLDS(content_owed_item(&out, &item) == CONTENT_OK);
    }

    HOLDS(rc == CONTENT_OWED_END || rc == CONTENT_ERROR);
    HOLDS(rc == CONTENT_ERROR
          || content_str_eq(content_out_done(&out), input));
}


void
fuzz_seeds(void)
{
    fuzz_text("1 0123abcd r\nu https://h/a\nt tag\np h/a/\nh h\n* \n");
    fuzz_text("1 00000000 -\n");
}
