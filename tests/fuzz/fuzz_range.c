/*
 * Range, If-Range and If-Match.  An input: the header Range, the object's
 * size, its entity tag, a list of tags.
 */

#include "fuzz.h"
#include "lib/content_range.h"


#define MAX  1000                   /* ranges */


static void
check_range(content_str_t header, int64_t size)
{
    int            rc;
    int64_t        first, last, first_2, last_2;
    content_out_t  out, again;

    rc = content_range_parse(header, size, MAX, &first, &last);

    if (rc == CONTENT_RANGE_NONE) {
        return;
    }

    /* what is written is read alike */

    out = fuzz_out(CONTENT_RANGE_SET_SIZE(header.len));
    content_range_write(&out, header, size);
    HOLDS(!out.overflow);
    HOLDS(content_range_parse(content_out_done(&out), size, MAX, &first_2,
                              &last_2) == rc);

    again = fuzz_out(CONTENT_RANGE_SET_SIZE(content_out_done(&out).len));
    content_range_write(&again, content_out_done(&out), size);
    HOLDS(content_str_eq(content_out_done(&again), content_out_done(&out)));

    if (rc == CONTENT_RANGE_OK) {
        HOLDS(0 <= first && first <= last && last < size);
        HOLDS(first == first_2 && last == last_2);

        out = fuzz_out(CONTENT_RANGE_HEADER_SIZE);
        content_range_header(&out, first, last, size);
        HOLDS(!out.overflow);
    }

    out = fuzz_out(CONTENT_RANGE_HEADER_SIZE);
    content_range_unsatisfied(&out, size);
    HOLDS(!out.overflow);
}


/* The tag at the head of any list is found; the tag alone is what it is. */

static void
check_etag(content_str_t tag, content_str_t list)
{
    content_str_t  etag, weak, both;

    HOLDS(!content_etag_match(list, tag, 0) || content_etag_match(list, tag, 1));
    HOLDS(!content_etag_match(list, content_cstr(""), 1));

    if (tag.len && memchr(tag.data, '"', tag.len)) {
        return;
    }

    etag = fuzz_join("\"", tag, "\"");
    weak = fuzz_join("W/", etag, "");
    both = fuzz_cat(fuzz_join("", etag, ", "), list);

    HOLDS(content_etag_match(etag, etag, 0));
    HOLDS(content_etag_match(weak, etag, 1));
    HOLDS(content_etag_match(content_cstr("*"), etag, 0));
    HOLDS(!content_etag_match(weak, etag, 0));
    HOLDS(!content_etag_match(etag, weak, 0));
    HOLDS(content_range_if(etag, etag, 0, -1));
    HOLDS(!content_range_if(weak, weak, 0, 0));
    HOLDS(content_etag_match(both, etag, 0));
}


void
fuzz_one(content_str_t input)
{
    int64_t        size;
    content_str_t  range, digits, tag;

    range = fuzz_line(&input);
    digits = fuzz_line(&input);
    tag = fuzz_line(&input);

    if (content_str_uint(digits, &size) != CONTENT_OK) {
        size = digits.len & 1 ? INT64_MAX : 0;
    }

    check_range(range, size);
    check_etag(tag, fuzz_copy(input));
    (void) content_range_if(range, tag, size, -1);
}


void
fuzz_seeds(void)
{
    fuzz_text("bytes=0-499\n1000\nabc\n\"x\", \"abc\"");
    fuzz_text("Bytes= 500-\n1000\n\n*");
    fuzz_text("bytes=-500\n100\na,b\nW/\"a,b\" , \"b");
    fuzz_text("bytes=9223372036854775806-9223372036854775807\nx\nabc\n\"abc");
    fuzz_text("bytes=0-0,2-3\n10\nabc\nW/\"x\",,\"y\"");
}
