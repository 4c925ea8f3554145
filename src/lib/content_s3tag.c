/* The SHA-256 of an object in a tag: see content_s3tag.h. */

#include <string.h>

#include "lib/content_digest.h"
#include "lib/content_s3tag.h"
#include "lib/content_xml.h"


#define TAG_KEY        "content-sha256"
#define TAG_VALUE_MAX  256                /* S3's own limit, characters */
#define HEX_LEN        64


typedef struct {
    content_str_t   etag;                 /* bare */
    unsigned char  *sha256;
    unsigned char   key[sizeof(TAG_KEY)];
    unsigned char   value[TAG_VALUE_MAX];
    content_str_t   tag_key, tag_value;   /* of the tag that is being read */
    unsigned        found:1;
} tag_t;


static content_str_t bare(content_str_t etag);
static int is_allowed(unsigned char c);
static int element(content_xml_t *xml, const char *path);
static void take(tag_t *tag);


int
content_s3tag_write(content_out_t *out,
    const unsigned char sha256[CONTENT_SHA256_SIZE], content_str_t etag)
{
    size_t  i;

    etag = bare(etag);

    if (etag.len == 0 || etag.len > TAG_VALUE_MAX - HEX_LEN - 1) {
        return CONTENT_ERROR;
    }

    for (i = 0; i < etag.len; i++) {
        if (!is_allowed(etag.data[i])) {
            return CONTENT_ERROR;
        }
    }

    content_out_text(out, "<Tagging xmlns="
                          "\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                          "<TagSet><Tag><Key>" TAG_KEY "</Key><Value>");
    content_out_hex(out, sha256, CONTENT_SHA256_SIZE);
    content_out_char(out, ':');
    content_out_str(out, etag);
    content_out_text(out, "</Value></Tag></TagSet></Tagging>");

    return CONTENT_OK;
}


static content_str_t
bare(content_str_t etag)
{
    if (etag.len >= 2 && etag.data[0] == '"'
        && etag.data[etag.len - 1] == '"')
    {
        etag.data++;
        etag.len -= 2;
    }

    return etag;
}


/* What AWS allows in a tag's value, of ASCII, without the space. */

static int
is_allowed(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || (c && strchr("+-=._:/@", c));
}


int
content_s3tag_read(content_str_t body, content_str_t etag,
    unsigned char sha256[CONTENT_SHA256_SIZE])
{
    tag_t          tag;
    unsigned char  buf[TAG_VALUE_MAX];

    memset(&tag, 0, sizeof(tag));
    tag.etag = bare(etag);
    tag.sha256 = sha256;

    return content_xml_walk(body, element, &tag, buf, sizeof(buf))
           == CONTENT_OK && tag.found ? CONTENT_OK : CONTENT_ERROR;
}


static int
element(content_xml_t *xml, const char *path)
{
    tag_t  *tag;

    tag = xml->data;

    /* other tags may be longer: what does not fit is not ours */

    if (strcmp(path, "Tagging/TagSet/Tag/Key") == 0) {
        if (content_xml_keep(xml, tag->key, sizeof(tag->key), &tag->tag_key)
            != CONTENT_OK)
        {
            tag->tag_key.len = 0;
        }

    } else if (strcmp(path, "Tagging/TagSet/Tag/Value") == 0) {
        if (content_xml_keep(xml, tag->value, sizeof(tag->value),
                             &tag->tag_value)
            != CONTENT_OK)
        {
            tag->tag_value.len = 0;
        }

    } else if (strcmp(path, "Tagging/TagSet/Tag") == 0) {
        take(tag);
        tag->tag_key.len = 0;
        tag->tag_value.len = 0;
    }

    return CONTENT_OK;
}


static void
take(tag_t *tag)
{
    content_str_t  hex, etag;
    unsigned char  sha256[CONTENT_SHA256_SIZE];

    if (!content_str_eq(tag->tag_key, content_cstr(TAG_KEY))
        || tag->tag_value.len <= HEX_LEN
        || tag->tag_value.data[HEX_LEN] != ':')
    {
        return;
    }

    hex.data = tag->tag_value.data;
    hex.len = HEX_LEN;
    etag.data = hex.data + HEX_LEN + 1;
    etag.len = tag->tag_value.len - HEX_LEN - 1;

    if (content_str_eq(etag, tag->etag)
        && content_digest_unhex(hex, sha256, sizeof(sha256)) == CONTENT_OK)
    {
        memcpy(tag->sha256, sha256, sizeof(sha256));
        tag->found = 1;
    }
}
