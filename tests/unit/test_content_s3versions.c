/*
 * The XML of ListObjectVersions and GetBucketVersioning.
 */

#include <stdio.h>

#include "lib/content_s3versions.h"
#include "rows.h"


#define LIST(text)  "<ListVersionsResult xmlns=\"http://s3.amazonaws.com/"   \
                    "doc/2006-03-01/\">" text "</ListVersionsResult>"
#define ALL         "<IsTruncated>false</IsTruncated>"
#define MORE        "<IsTruncated>true</IsTruncated>"

#define VERSION(key, id)                                                     \
    "<Version><Key>" key "</Key><VersionId>" id "</VersionId>"               \
    "<IsLatest>false</IsLatest><LastModified>2026-11-25T16:22:13.850Z"       \
    "</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size>"                \
    "<Owner><ID>o</ID></Owner></Version>"

#define MARKER(key, id)                                                      \
    "<DeleteMarker><Key>" key "</Key><VersionId>" id "</VersionId>"          \
    "<IsLatest>true</IsLatest><LastModified>2026-11-25T16:22:13.850Z"        \
    "</LastModified></DeleteMarker>"


static char  told[1024];


static int
tell(void *data, const content_s3version_t *v)
{
    (void) data;

    sprintf(told + strlen(told), "%.*s %.*s%s%s %.*s %d %.*s|",
            (int) v->key.len, (char *) v->key.data,
            (int) v->id.len, (char *) v->id.data,
            v->latest ? " latest" : "", v->deleted ? " deleted" : "",
            (int) v->etag.len, v->etag.len ? (char *) v->etag.data : "",
            (int) v->size, (int) v->last_modified.len,
            (char *) v->last_modified.data);

    return content_str_eq(v->id, content_cstr("stop")) ? -7 : CONTENT_OK;
}


static void
lists(void **state)
{
    int       rc;
    size_t    i;
    unsigned  truncated;

    static const struct {
        const char  *body;
        int          rc;
        unsigned     truncated;
        const char  *told;
    } rows[] = {
        { LIST(ALL), CONTENT_OK, 0, "" },
        { LIST(MORE MARKER("a", "1") VERSION("a", "2") VERSION("ab", "3")),
          CONTENT_OK, 1,
          "a 1 latest deleted  -1 2026-11-25T16:22:13.850Z|"
          "a 2 \"e\" 5 2026-11-25T16:22:13.850Z|"
          "ab 3 \"e\" 5 2026-11-25T16:22:13.850Z|" },
        { LIST(VERSION("a%20b%2B", "2") "<EncodingType>url</EncodingType>"
               ALL), CONTENT_OK, 0,
          "a b+ 2 \"e\" 5 2026-11-25T16:22:13.850Z|" },
        { LIST(VERSION("a%20b", "2") ALL), CONTENT_OK, 0,
          "a%20b 2 \"e\" 5 2026-11-25T16:22:13.850Z|" },
        { LIST(ALL VERSION("a", "stop") VERSION("a", "3")), -7, 0,
          "a stop \"e\" 5 2026-11-25T16:22:13.850Z|" },
        { LIST(ALL VERSION("a", "")), CONTENT_ERROR, 0, "" },
        { LIST(ALL VERSION("a", "1") VERSION("", "2")), CONTENT_ERROR, 0, "" },
        { LIST(ALL MARKER("", "1")), CONTENT_ERROR, 0, "" },
        { LIST(ALL "<DeleteMarker><VersionId>1</VersionId></DeleteMarker>"),
          CONTENT_ERROR, 0, "" },
        { LIST(ALL "<Version><Key>a</Key><VersionId>1</VersionId></Version>"),
          CONTENT_ERROR, 0, "" },
        { LIST(VERSION("a", "1")), CONTENT_ERROR, 0, "" },
        { LIST("<IsTruncated>maybe</IsTruncated>"), CONTENT_ERROR, 0, "" },
        { "<ListVersionsResult>" ALL VERSION("a", "1"), CONTENT_ERROR, 0,
          "" },
        { "<ListBucketResult>" ALL "</ListBucketResult>", CONTENT_ERROR, 0,
          "" },
        { "", CONTENT_ERROR, 0, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        told[0] = '\0';
        truncated = 0;

        rc = content_s3versions_list(content_cstr(rows[i].body), tell, NULL,
                                     &truncated);

        if (rc != rows[i].rc || truncated != rows[i].truncated
            || strcmp(told, rows[i].told) != 0)
        {
            fail_msg("%s: %d, %u, %s", rows[i].body, rc, truncated, told);
        }
    }
}


static void
kept(void **state)
{
    int       rc;
    size_t    i;
    unsigned  got;

    static const struct {
        const char  *body;
        int          rc;
        unsigned     kept;
    } rows[] = {
        { "<VersioningConfiguration/>", CONTENT_OK, 0 },
        { "<VersioningConfiguration><Status>Enabled</Status>"
          "</VersioningConfiguration>", CONTENT_OK, 1 },
        { "<VersioningConfiguration><Status>Suspended</Status><MfaDelete>"
          "Disabled</MfaDelete></VersioningConfiguration>", CONTENT_OK, 1 },
        { "<Error/>", CONTENT_ERROR, 0 },
        { "", CONTENT_ERROR, 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        got = 0;
        rc = content_s3versions_kept(content_cstr(rows[i].body), &got);

        if (rc != rows[i].rc || got != rows[i].kept) {
            fail_msg("%s: %d, %u", rows[i].body, rc, got);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(kept)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
