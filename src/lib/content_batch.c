/*
 * Keys from JSON: see content_batch.h.  The parsed JSON lives inside of
 * content_batch_parse() only.
 */

#include <stdio.h>
#include <string.h>

#include "lib/content_batch.h"
#include "lib/content_json.h"
#include "lib/content_key.h"


static int check_keys(json_t *root, char *why, size_t why_size);
static int check_key(json_t *value, json_t *seen, const char **wrong);
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

    rc = content_json_parse(json, &root, &error);

    if (rc == CONTENT_ERROR) {
        snprintf(why, why_size, "malformed JSON at line %d, column %d",
                 error.line, error.column);
    }

    if (rc != CONTENT_OK) {
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
    int          rc;
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

    rc = CONTENT_OK;

    json_array_foreach(keys, i, value) {
        wrong = NULL;
        rc = check_key(value, seen, &wrong);

        if (rc != CONTENT_OK) {
            if (wrong) {
                snprintf(why, why_size, "keys[%zu]: %s", i, wrong);
            }

            break;
        }
    }

    json_decref(seen);

    return rc;
}


/* CONTENT_ERROR without a word of what is wrong: no memory. */

static int
check_key(json_t *value, json_t *seen, const char **wrong)
{
    if (!json_is_string(value)) {
        *wrong = "is not a string";
        return CONTENT_ERROR;
    }

    if (content_key_check(text_of(value), wrong) != CONTENT_OK) {
        return CONTENT_ERROR;
    }

    if (json_object_get(seen, json_string_value(value))) {
        *wrong = "is named twice";
        return CONTENT_ERROR;
    }

    return json_object_set_new(seen, json_string_value(value), json_true())
           == 0 ? CONTENT_OK : CONTENT_ERROR;
}


static content_str_t
text_of(json_t *value)
{
    content_str_t  text;

    text.data = (unsigned char *) json_string_value(value);
    text.len = json_string_length(value);

    return text;
}
