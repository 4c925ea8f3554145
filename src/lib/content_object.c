/*
 * The record of an object: see content_object.h.  Stores and caches encode an
 * object on a write or a fill and decode it on a read; a record is never
 * changed in place.
 *
 * Integers are little-endian, nothing is aligned:
 *
 *      0   4  magic and version, "NCR2" or "NCR1"
 *      4   4  length of the head, from the magic to the body
 *      8   4  checksum of the head, except of these four bytes
 *     12   1  flags
 *     13   1  number of meta fields
 *     14   8  size of the object
 *     22   8  mtime, two's complement
 *     30  32  SHA-256, when flagged
 *             the strings of content_record_strings, in that order
 *             the meta fields, each as two strings: name, value
 *             the body, when flagged: size bytes
 *
 * A string is its length in two bytes, then its bytes.  The versions differ in
 * the checksum alone, which took as long as all else about a hit in Redis.
 */

#include <string.h>

#include "lib/content_object.h"


#define RECORD_BODY    0x01
#define RECORD_SHA256  0x02

#define RECORD_FIXED   30
#define RECORD_STRING  2            /* bytes of a string's length */


static const unsigned char  content_record_magic[4] = { 'N', 'C', 'R', '2' };
static const unsigned char  content_record_first[4] = { 'N', 'C', 'R', '1' };

static const size_t  content_record_strings[] = {
    offsetof(content_object_t, etag),
    offsetof(content_object_t, type),
    offsetof(content_object_t, encoding),
    offsetof(content_object_t, language),
    offsetof(content_object_t, disposition),
    offsetof(content_object_t, cache_control),
    offsetof(content_object_t, tags)
};

#define RECORD_STRINGS                                                       \
    (sizeof(content_record_strings) / sizeof(content_record_strings[0]))


static content_str_t *
string_at(const content_object_t *object, size_t i)
{
    return (content_str_t *) ((char *) object + content_record_strings[i]);
}


static void
put_int(content_out_t *out, uint64_t value, unsigned bytes)
{
    for ( /* void */ ; bytes; bytes--) {
        content_out_char(out, (unsigned char) (value & 0xff));
        value >>= 8;
    }
}


static uint64_t
get_int(const unsigned char *p, unsigned bytes)
{
    uint64_t  value;

    value = 0;

    while (bytes) {
        value = value << 8 | p[--bytes];
    }

    return value;
}


static void
put_string(content_out_t *out, content_str_t s)
{
    put_int(out, s.len, RECORD_STRING);
    content_out_str(out, s);
}


static void
put_name(content_out_t *out, content_str_t s)
{
    size_t         i;
    unsigned char  c;

    put_int(out, s.len, RECORD_STRING);

    for (i = 0; i < s.len; i++) {
        c = s.data[i];
        content_out_char(out, c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
}


/*
 * Version 1: FNV-1a, 32 bits (draft-eastlake-fnv), over the head without the
 * checksum's own bytes.  Each step is a bijection of the state, so that a change
 * of one byte is always seen.  It guards against accidents, not against an
 * enemy.
 */
static uint32_t
checksum_first(const unsigned char *head, size_t len)
{
    size_t    i;
    uint32_t  h;

    h = 2166136261u;

    for (i = 0; i < 8; i++) {
        h = (h ^ head[i]) * 16777619u;
    }

    for (i = CONTENT_RECORD_PREFIX; i < len; i++) {
        h = (h ^ head[i]) * 16777619u;
    }

    return h;
}


/* A step of version 2: a bijection of h, and of the word. */

static uint64_t
mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}


/* As get_int(p, 8), but one load where the processor has one. */

static uint64_t
get_word(const unsigned char *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16
           | (uint64_t) p[3] << 24 | (uint64_t) p[4] << 32
           | (uint64_t) p[5] << 40 | (uint64_t) p[6] << 48
           | (uint64_t) p[7] << 56;
}


/*
 * Version 2: the same eight bytes at a time, which is five times as fast.  The
 * last word is filled up with zeros: the head's length is in the first.  What
 * comes of it is the upper half, which all bits of the last step have gone into.
 */
static uint32_t
checksum(const unsigned char *head, size_t len)
{
    uint64_t              h;
    const unsigned char  *p, *end;

    h = mix(0, get_word(head));
    end = head + len;

    for (p = head + CONTENT_RECORD_PREFIX; end - p >= 8; p += 8) {
        h = mix(h, get_word(p));
    }

    h = mix(h, get_int(p, (unsigned) (end - p)));

    return (uint32_t) (mix(h, 0) >> 32);
}


void
content_object_init(content_object_t *object)
{
    memset(object, 0, offsetof(content_object_t, meta));

    object->size = -1;
    object->mtime = -1;
}


size_t
content_object_size(const content_object_t *object)
{
    return offsetof(content_object_t, meta)
           + object->nmeta * sizeof(content_field_t);
}


size_t
content_record_size(const content_object_t *object)
{
    size_t    i, size;
    unsigned  n;

    size = RECORD_FIXED + (object->has_sha256 ? sizeof(object->sha256) : 0);

    for (i = 0; i < RECORD_STRINGS; i++) {
        size += RECORD_STRING + string_at(object, i)->len;
    }

    for (n = 0; n < object->nmeta; n++) {
        size += RECORD_STRING + object->meta[n].name.len;
        size += RECORD_STRING + object->meta[n].value.len;
    }

    return size;
}


static int
encodable(const content_object_t *object, const content_str_t *body)
{
    if (object->nmeta > CONTENT_OBJECT_META_MAX || object->size < 0) {
        return 0;
    }

    if (body && body->len != (uint64_t) object->size) {
        return 0;
    }

    return content_record_size(object) <= CONTENT_RECORD_HEAD_MAX;
}


static void
put_head(content_out_t *out, const unsigned char *magic,
    const content_object_t *object, unsigned flags)
{
    size_t    i;
    unsigned  n;

    content_out_mem(out, magic, sizeof(content_record_magic));
    put_int(out, content_record_size(object), 4);
    put_int(out, 0, 4);

    put_int(out, flags, 1);
    put_int(out, object->nmeta, 1);
    put_int(out, (uint64_t) object->size, 8);
    put_int(out, (uint64_t) object->mtime, 8);

    if (flags & RECORD_SHA256) {
        content_out_mem(out, object->sha256, sizeof(object->sha256));
    }

    for (i = 0; i < RECORD_STRINGS; i++) {
        put_string(out, *string_at(object, i));
    }

    for (n = 0; n < object->nmeta; n++) {
        put_name(out, object->meta[n].name);
        put_string(out, object->meta[n].value);
    }
}


/* Of the version that its magic tells. */

static uint32_t
checksum_of(content_str_t head)
{
    return memcmp(head.data, content_record_first,
                  sizeof(content_record_first)) == 0
           ? checksum_first(head.data, head.len)
           : checksum(head.data, head.len);
}


static int
encode(content_out_t *out, const unsigned char *magic,
    const content_object_t *object, const content_str_t *body)
{
    unsigned       flags;
    content_out_t  sum;
    content_str_t  head;

    if (!encodable(object, body)) {
        return CONTENT_ERROR;
    }

    flags = (body ? RECORD_BODY : 0)
            | (object->has_sha256 ? RECORD_SHA256 : 0);

    head.data = out->pos;
    put_head(out, magic, object, flags);

    if (out->overflow) {
        return CONTENT_OVERFLOW;
    }

    head.len = (size_t) (out->pos - head.data);

    content_out_init(&sum, head.data + 8, 4);
    put_int(&sum, checksum_of(head), 4);

    if (body) {
        content_out_str(out, *body);
    }

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}


int
content_record_encode(content_out_t *out, const content_object_t *object,
    const content_str_t *body)
{
    return encode(out, content_record_magic, object, body);
}


int
content_record_encode_first(content_out_t *out, const content_object_t *object)
{
    return encode(out, content_record_first, object, NULL);
}


int
content_record_head(content_str_t data, size_t *len)
{
    if (data.len < CONTENT_RECORD_PREFIX
        || (memcmp(data.data, content_record_magic,
                   sizeof(content_record_magic)) != 0
            && memcmp(data.data, content_record_first,
                      sizeof(content_record_first)) != 0))
    {
        return CONTENT_ERROR;
    }

    *len = (size_t) get_int(data.data + 4, 4);

    if (*len < RECORD_FIXED || *len > CONTENT_RECORD_HEAD_MAX) {
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


/* Takes len bytes off *in. */

static int
take(content_str_t *in, uint64_t len, content_str_t *s)
{
    if (in->len < len) {
        return CONTENT_ERROR;
    }

    s->data = in->data;
    s->len = (size_t) len;

    in->data += s->len;
    in->len -= s->len;

    return CONTENT_OK;
}


static int
take_string(content_str_t *in, content_str_t *s)
{
    content_str_t  len;

    if (take(in, RECORD_STRING, &len) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    return take(in, (uint64_t) len.data[0] | (uint64_t) len.data[1] << 8, s);
}


static int
take_name(content_str_t *in, content_str_t *s)
{
    size_t  i;

    if (take_string(in, s) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] >= 'A' && s->data[i] <= 'Z') {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


/* Everything of known place: returns the flags, or CONTENT_ERROR. */

static int
take_fixed(content_str_t *in, content_object_t *object)
{
    uint64_t       mtime;
    unsigned       flags;
    content_str_t  s;

    if (take(in, RECORD_FIXED, &s) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    flags = s.data[12];
    object->nmeta = s.data[13];
    object->size = (int64_t) get_word(s.data + 14);

    mtime = get_word(s.data + 22);
    memcpy(&object->mtime, &mtime, sizeof(mtime));

    if (flags & ~(unsigned) (RECORD_BODY | RECORD_SHA256)
        || object->nmeta > CONTENT_OBJECT_META_MAX
        || object->size < 0)
    {
        return CONTENT_ERROR;
    }

    object->has_sha256 = (flags & RECORD_SHA256) != 0;

    if (object->has_sha256) {
        if (take(in, sizeof(object->sha256), &s) != CONTENT_OK) {
            return CONTENT_ERROR;
        }

        memcpy(object->sha256, s.data, sizeof(object->sha256));
    }

    return (int) flags;
}


static int
take_strings(content_str_t *in, content_object_t *object)
{
    size_t    i;
    unsigned  n;

    for (i = 0; i < RECORD_STRINGS; i++) {
        if (take_string(in, string_at(object, i)) != CONTENT_OK) {
            return CONTENT_ERROR;
        }
    }

    for (n = 0; n < object->nmeta; n++) {
        if (take_name(in, &object->meta[n].name) != CONTENT_OK
            || take_string(in, &object->meta[n].value) != CONTENT_OK)
        {
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


int
content_record_decode_head(content_str_t head, content_object_t *object,
    int *has_body)
{
    int     flags;
    size_t  len;

    if (content_record_head(head, &len) != CONTENT_OK
        || head.len != len
        || get_int(head.data + 8, 4) != checksum_of(head))
    {
        return CONTENT_ERROR;
    }

    flags = take_fixed(&head, object);

    if (flags == CONTENT_ERROR
        || take_strings(&head, object) != CONTENT_OK
        || head.len != 0)
    {
        return CONTENT_ERROR;
    }

    *has_body = (flags & RECORD_BODY) != 0;

    return CONTENT_OK;
}


int
content_record_decode(content_str_t data, content_object_t *object,
    content_str_t *body, content_str_t *rest)
{
    int            has_body;
    size_t         len;
    content_str_t  head;

    if (content_record_head(data, &len) != CONTENT_OK
        || take(&data, len, &head) != CONTENT_OK
        || content_record_decode_head(head, object, &has_body) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    body->data = NULL;
    body->len = 0;

    if (has_body
        && take(&data, (uint64_t) object->size, body) != CONTENT_OK)
    {
        return CONTENT_ERROR;
    }

    if (rest) {
        *rest = data;
        return CONTENT_OK;
    }

    return data.len ? CONTENT_ERROR : CONTENT_OK;
}
