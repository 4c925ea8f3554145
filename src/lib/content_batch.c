/*
 * Keys from JSON: see content_batch.h.  The parsed JSON lives inside of
 * content_batch_parse() only.
 */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lib/content_batch.h"
#include "lib/content_key.h"


static int check_keys(json_t *root, char *why, size_t why_size);
static const char *check_key(json_t *value, json_t *seen);
static content_str_t text_of(json_t *value);


int
content_batch_parse(content_str_t json, content_batch_pt take, void *data,
    char *why, size_t why_size)
{
    int           rc;
    size_t        i;
    json_t       *root, *value;
    json_error_t  error;

    why[0] = '\0';

    root = json_loadb((const char *) json.data, json.len,
                      JSON_REJECT_DUPLICATES, &error);

    if (root == NULL) {
        snprintf(why, why_size, "malformed JSON at line %d, column %d",
                 error.line, error.column);
        return CONTENT_ERROR;
    }

    rc = check_keys(root, why, why_size);

    if (rc == CONTENT_OK) {
        json_array_foreach(json_object_get(root, "keys"), i, value) {
            rc = take(data, text_of(value));

            if (rc != CONTENT_OK) {
                break;
            }
        }
    }

    json_decref(root);

    return rc;
}


static int
check_keys(json_t *root, char *why, size_t why_size)
{
    size_t       i, n;
    json_t      *keys, *value, *seen;
    const char  *wrong;

    keys = json_object_get(root, "keys");

    if (!json_is_array(keys) || json_object_size(root) != 1) {
        snprintf(why, why_size, "not an object with the member keys, an "
                 "array, alone");
        return CONTENT_ERROR;
    }

    n = json_array_size(keys);

    if (n == 0 || n > CONTENT_BATCH_KEYS_MAX) {
        snprintf(why, why_size, "%zu keys; 1 to %d are taken", n,
                 CONTENT_BATCH_KEYS_MAX);
        return CONTENT_ERROR;
    }

    seen = json_object();
    if (seen == NULL) {
        return CONTENT_ERROR;
    }

    wrong = NULL;

    json_array_foreach(keys, i, value) {
        wrong = check_key(value, seen);

        if (wrong) {
            snprintf(why, why_size, "keys[%zu]: %s", i, wrong);
            break;
        }
    }

    json_decref(seen);

    return wrong ? CONTENT_ERROR : CONTENT_OK;
}


static const char *
check_key(json_t *value, json_t *seen)
{
    const char  *why;

    if (!json_is_string(value)) {
        return "is not a string";
    }

    if (content_key_check(text_of(value), &why) != CONTENT_OK) {
        return why;
    }

    if (json_object_get(seen, json_string_value(value))) {
        return "is named twice";
    }

    return json_object_set_new(seen, json_string_value(value), json_true())
           == 0 ? NULL : "there is no memory for it";
}


static content_str_t
text_of(json_t *value)
{
    content_str_t  text;

    text.data = (unsigned char *) json_string_value(value);
    text.len = json_string_length(value);

    return text;
}
