/* What nodes tell each other: what can be read is written byte by byte alike. */

#include "fuzz.h"
#include "lib/content_notice.h"


static void
check_change(content_str_t text)
{
    int                     rc;
    content_out_t           out;
    content_change_t        change;
    content_change_entry_t  entry;

    if (content_change_read(text, &change) != CONTENT_OK) {
        return;
    }

    out = fuzz_out(text.len);
    HOLDS(content_change_head(&out, change.store, change.target)
          == CONTENT_OK);

    while ((rc = content_change_next(&change, &entry)) == CONTENT_OK) {
        HOLDS(fuzz_is_inside(entry.value, text.data, text.len));
        HOLDS(content_change_entry(&out, entry.kind, entry.value)
              == CONTENT_OK);
    }

    HOLDS(rc == CONTENT_DONE || rc == CONTENT_ERROR);
    HOLDS(rc != CONTENT_DONE || content_str_eq(content_out_done(&out), text));
}


void
fuzz_one(content_str_t input)
{
    content_out_t     out;
    content_notice_t  notice;

    check_change(input);

    if (content_notice_read(input, &notice) != CONTENT_OK) {
        return;
    }

    out = fuzz_out(input.len);
    HOLDS(content_notice_write(&out, &notice) == CONTENT_OK);
    HOLDS(content_str_eq(content_out_done(&out), input));

    if (notice.kind == CONTENT_NOTICE_FORGET) {
        check_change(fuzz_copy(notice.change));
    }
}


#define NUMBER  "0123456789abcdef"


void
fuzz_seeds(void)
{
    fuzz_text("p" NUMBER NUMBER NUMBER "node-1");
    fuzz_text("f" NUMBER NUMBER NUMBER NUMBER "10001at0003tag");
    fuzz_text("k" NUMBER NUMBER "1");
    fuzz_text("wname");
    fuzz_text(NUMBER NUMBER "00001ap0002d/*0000");
}
