/*
 * Purges: see content_purge.h.  The API handler parses requests, the queue
 * writes the bodies of calls.  The parsed JSON lives inside
 * content_purge_parse() only.
 */

#include <stdio.h>
#include <string.h>

#include "lib/content_json.h"
#include "lib/content_purge.h"
#include "lib/content_purge_value.h"


typedef struct {
    const char  *member;         /* of the editor's request */
    const char  *field;          /* of Cloudflare's */
} kind_t;


static int check_request(json_t *root, char *why, size_t why_size);
static int check_member(const char *name, json_t *member, size_t *items,
    char *why, size_t why_size);
static int check_everything(json_t *root, json_t *member, char *why,
    size_t why_size);
static int check_array(content_purge_kind_t kind, json_t *array, char *why,
    size_t why_size);
static const char *check_value(content_purge_kind_t kind, json_t *value);
static content_str_t json_slice(json_t *json);
static int emit(json_t *root, content_purge_item_pt item, void *data);


static const kind_t  kinds[CONTENT_PURGE_NKINDS] = {
    { "urls",       "files" },
    { "tags",       "tags" },
    { "prefixes",   "prefixes" },
    { "hosts",      "hosts" },
    { "everything", "purge_everything" },
};


int
content_purge_parse(content_str_t json, content_purge_item_pt item,
    void *data, char *why, size_t why_size)
{
    int           rc;
    json_t       *root;
    json_error_t  error;

    if (why_size) {
        why[0] = '\0';
    }

    rc = content_json_parse(json, &root, &error);

    if (rc == CONTENT_ERROR) {

        /* jansson's own text quotes the input in pieces, maybe half a
         * character of it: its place is enough. */

        snprintf(why, why_size, "%s at line %d, column %d",
                 json_error_code(&error) == json_error_duplicate_key
                     ? "a member is named twice" : "malformed JSON",
                 error.line, error.column);
    }

    if (rc != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    rc = check_request(root, why, why_size);

    if (rc == CONTENT_OK) {
        rc = emit(root, item, data);
    }

    json_decref(root);

    return rc;
}


static int
check_request(json_t *root, char *why, size_t why_size)
{
    size_t       items;
    json_t      *member;
    const char  *name;

    if (!json_is_object(root)) {
        snprintf(why, why_size, "the request is not a JSON object");
        return CONTENT_ERROR;
    }

    member = json_object_get(root, "everything");

    if (member) {
        return check_everything(root, member, why, why_size);
    }

    items = 0;

    json_object_foreach(root, name, member) {
        if (check_member(name, member, &items, why, why_size) != CONTENT_OK) {
            return CONTENT_ERROR;
        }
    }

    if (items == 0) {
        snprintf(why, why_size, "the request names nothing to purge");
        return CONTENT_ERROR;
    }

    if (items > CONTENT_PURGE_ITEMS_MAX) {
        snprintf(why, why_size, "%zu items, at most %d are allowed", items,
                 CONTENT_PURGE_ITEMS_MAX);
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
check_everything(json_t *root, json_t *member, char *why, size_t why_size)
{
    if (!json_is_true(member)) {
        snprintf(why, why_size, "everything: can only be true");
        return CONTENT_ERROR;
    }

    if (json_object_size(root) != 1) {
        snprintf(why, why_size,
                 "everything: can't be combined with another member");
        return CONTENT_ERROR;
    }

    return CONTENT_OK;
}


static int
check_member(const char *name, json_t *member, size_t *items, char *why,
    size_t why_size)
{
    int  i;

    for (i = 0; i < CONTENT_PURGE_EVERYTHING; i++) {
        if (strcmp(name, kinds[i].member) == 0) {
            *items += json_array_size(member);
            return check_array((content_purge_kind_t) i, member, why,
                               why_size);
        }
    }

    /* Its name is the editor's text, in any script, and is not repeated. */

    snprintf(why, why_size, "unknown member: only urls, tags, prefixes, "
             "hosts and everything are known");

    return CONTENT_ERROR;
}


static int
check_array(content_purge_kind_t kind, json_t *array, char *why,
    size_t why_size)
{
    size_t       i;
    json_t      *value;
    const char  *wrong;

    if (!json_is_array(array)) {
        snprintf(why, why_size, "%s: is not an array", kinds[kind].member);
        return CONTENT_ERROR;
    }

    json_array_foreach(array, i, value) {
        wrong = check_value(kind, value);

        if (wrong) {
            snprintf(why, why_size, "%s[%zu]: %s", kinds[kind].member, i,
                     wrong);
            return CONTENT_ERROR;
        }
    }

    return CONTENT_OK;
}


static const char *
check_value(content_purge_kind_t kind, json_t *value)
{
    return json_is_string(value)
           ? content_purge_value_check(kind, json_slice(value))
           : "is not a string";
}


static content_str_t
json_slice(json_t *json)
{
    content_str_t  s;

    s.data = (unsigned char *) json_string_value(json);
    s.len = json_string_length(json);

    return s;
}


static int
emit(json_t *root, content_purge_item_pt item, void *data)
{
    int                    i, rc;
    size_t                 n;
    json_t                *array, *value;
    content_purge_item_t   it;

    if (json_object_get(root, "everything")) {
        memset(&it, 0, sizeof(content_purge_item_t));
        it.kind = CONTENT_PURGE_EVERYTHING;

        return item(data, &it);
    }

    for (i = 0; i < CONTENT_PURGE_EVERYTHING; i++) {
        array = json_object_get(root, kinds[i].member);

        json_array_foreach(array, n, value) {
            it.kind = (content_purge_kind_t) i;
            it.value = json_slice(value);

            rc = item(data, &it);

            if (rc != CONTENT_OK) {
                return rc;
            }
        }
    }

    return CONTENT_OK;
}


int
content_purge_body(content_out_t *out, content_purge_kind_t kind,
    const content_str_t *values, unsigned n)
{
    unsigned  i;

    if (kind != CONTENT_PURGE_EVERYTHING && n == 0) {
        return CONTENT_ERROR;
    }

    content_out_text(out, "{\"");
    content_out_text(out, kinds[kind].field);

    if (kind == CONTENT_PURGE_EVERYTHING) {
        content_out_text(out, "\":true}");
        return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
    }

    content_out_text(out, "\":[");

    for (i = 0; i < n; i++) {
        content_out_text(out, i ? ",\"" : "\"");
        content_out_json(out, values[i]);
        content_out_char(out, '"');
    }

    content_out_text(out, "]}");

    return out->overflow ? CONTENT_OVERFLOW : CONTENT_OK;
}
