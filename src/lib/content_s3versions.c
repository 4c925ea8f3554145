/* Versions of objects: see content_s3versions.h.  Called by the S3 store. */

#include <string.h>

#include "lib/content_key.h"
#include "lib/content_s3versions.h"
#include "lib/content_s3xml.h"


#define ID_MAX_LEN    1024


typedef struct {
    content_s3versions_pt  visit;              /* NULL: only look */
    void                  *data;
    unsigned               found:1;
    unsigned               truncated:1;
    unsigned               encoded:1;
    content_s3version_t    version;
    unsigned char          key[CONTENT_KEY_MAX];
    unsigned char          id[ID_MAX_LEN];
    unsigned char          etag[256];
    unsigned char          time[64];
} versions_t;

typedef struct {
    unsigned               found:1;
    unsigned               kept:1;
} status_t;


static int versions_element(content_xml_t *xml, const char *path);
static int version_field(content_xml_t *xml, versions_t *v,
    const char *name);
static int visit(versions_t *v, unsigned deleted);
static void forget(content_s3version_t *version);
static int status_element(content_xml_t *xml, const char *path);


int
content_s3versions_list(content_str_t body, content_s3versions_pt version,
    void *data, unsigned *truncated)
{
    versions_t  v;

    memset(&v, 0, sizeof(v));
    forget(&v.version);
    v.data = data;

    if (content_s3xml_walk(body, versions_element, &v) != CONTENT_OK
        || !v.found)
    {
        return CONTENT_ERROR;
    }

    *truncated = v.truncated;
    v.visit = version;

    return content_s3xml_walk(body, versions_element, &v);
}


static int
versions_element(content_xml_t *xml, const char *path)
{
    versions_t     *v;
    content_str_t   text;

    static const char  version[] = "ListVersionsResult/Version/";
    static const char  marker[] = "ListVersionsResult/DeleteMarker/";

    v = xml->data;
    text = content_out_done(&xml->text);

    if (strncmp(path, version, sizeof(version) - 1) == 0) {
        return version_field(xml, v, path + sizeof(version) - 1);
    }

    if (strncmp(path, marker, sizeof(marker) - 1) == 0) {
        return version_field(xml, v, path + sizeof(marker) - 1);
    }

    if (strcmp(path, "ListVersionsResult/Version") == 0) {
        return visit(v, 0);
    }

    if (strcmp(path, "ListVersionsResult/DeleteMarker") == 0) {
        return visit(v, 1);
    }

    if (strcmp(path, "ListVersionsResult/EncodingType") == 0) {
        v->encoded = content_str_eq(text, content_cstr("url"));

    } else if (strcmp(path, "ListVersionsResult/IsTruncated") == 0) {
        v->found = 1;
        v->truncated = content_str_eq(text, content_cstr("true"));

        return v->truncated || content_str_eq(text, content_cstr("false"))
               ? CONTENT_OK : CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
version_field(content_xml_t *xml, versions_t *v, const char *name)
{
    content_str_t         text;
    content_s3version_t  *version;

    version = &v->version;
    text = content_out_done(&xml->text);

    /* how keys are written is known only when all has been read once */

    if (strcmp(name, "Key") == 0) {
        version->key = text;

        return v->visit ? content_s3xml_key(text, v->encoded, v->key,
                                            &version->key)
                        : CONTENT_OK;
    }

    if (strcmp(name, "VersionId") == 0) {
        return content_xml_keep(xml, v->id, sizeof(v->id), &version->id);
    }

    if (strcmp(name, "ETag") == 0) {
        return content_xml_keep(xml, v->etag, sizeof(v->etag),
                                &version->etag);
    }

    if (strcmp(name, "LastModified") == 0) {
        return content_xml_keep(xml, v->time, sizeof(v->time),
                                &version->last_modified);
    }

    if (strcmp(name, "Size") == 0) {
        return content_str_uint(text, &version->size);
    }

    if (strcmp(name, "IsLatest") == 0) {
        version->latest = content_str_eq(text, content_cstr("true"));
    }

    return CONTENT_OK;
}


static int
visit(versions_t *v, unsigned deleted)
{
    int  rc;

    v->version.deleted = deleted;

    if (v->version.key.len == 0 || v->version.id.len == 0
        || (!deleted && v->version.size < 0))
    {
        return CONTENT_ERROR;
    }

    rc = v->visit ? v->visit(v->data, &v->version) : CONTENT_OK;
    forget(&v->version);

    return rc;
}


static void
forget(content_s3version_t *version)
{
    memset(version, 0, sizeof(*version));
    version->size = -1;
}


int
content_s3versions_kept(content_str_t body, unsigned *kept)
{
    status_t  status;

    memset(&status, 0, sizeof(status));

    if (content_s3xml_walk(body, status_element, &status) != CONTENT_OK
        || !status.found)
    {
        return CONTENT_ERROR;
    }

    *kept = status.kept;

    return CONTENT_OK;
}


static int
status_element(content_xml_t *xml, const char *path)
{
    status_t  *status;

    status = xml->data;

    if (strcmp(path, "VersioningConfiguration/Status") == 0) {
        status->kept = 1;                      /* Enabled, or Suspended */

    } else if (strcmp(path, "VersioningConfiguration") == 0) {
        status->found = 1;
    }

    return CONTENT_OK;
}
