/*
 * The signing key: src/lib/content_sigv4_key.h.  What is expected was computed
 * with Python's hmac.
 */

#include "lib/content_digest.h"
#include "lib/content_sigv4_key.h"
#include "rows.h"


#define SECRET      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


static const content_sigv4_scope_t  scope = {
    content_string("20130524"), content_string("us-east-1"),
    content_string("s3")
};


/* One cache through all: each row is another key. */

static void
test_keys(void **state)
{
    size_t                 i;
    unsigned char          mac[CONTENT_SIGV4_HASH_LEN], expected[32];
    content_sigv4_cache_t  cache;
    content_sigv4_scope_t  s;

    static const struct {
        const char  *name, *secret, *day, *region, *service, *mac;
    } rows[] = {
        { "a scope", SECRET, "20130524", "us-east-1", "s3",
          "c288223658c9845ace7f97e5b0a05a09"
          "a0de834c2430cef5a7de692f4a57495a" },
        { "another day", SECRET, "20130525", "us-east-1", "s3",
          "b2faae79deb190639946a89fef2513e1"
          "c5128e21a9b8152249e93e5de426ce88" },
        { "another region", SECRET, "20130525", "us-east-2", "s3",
          "57755b33623ea7cced07d4efa285bbec"
          "f5e59d7c41f1c173cfb9c232b4398485" },
        { "another service", SECRET, "20130525", "us-east-2", "sts",
          "31c65cdbbd96240c3cb8de7d7de06cd5"
          "7949df068f8d9652184fdc79b2283a7b" },
        { "another secret", "another", "20130525", "us-east-2", "sts",
          "26532c73d99d65f4560d05d2ed60af02"
          "70ed1ca67698f04a745539706d327f9a" },
        { "the end of one part, the beginning of the next", "another", "20130525", "us-east-2s", "ts",
          "fa63266e6bd058ef650e47138aa5a06b"
          "acb0d8a9d9fd098a02ab5f5dbf81e335" },
    };

    (void) state;

    memset(&cache, 0, sizeof(cache));

    for (i = 0; i < 2 * ROWS(rows); i++) {
        s.day = content_cstr(rows[i / 2].day);
        s.region = content_cstr(rows[i / 2].region);
        s.service = content_cstr(rows[i / 2].service);

        assert_int_equal(content_sigv4_key(&cache, &s,
                                           content_cstr(rows[i / 2].secret)),
                         CONTENT_OK);
        content_sigv4_mac(&cache, content_cstr("text"), mac);

        assert_int_equal(content_digest_unhex(content_cstr(rows[i / 2].mac),
                                              expected, sizeof(expected)),
                         CONTENT_OK);

        if (memcmp(mac, expected, sizeof(mac)) != 0) {
            fail_msg("%s", rows[i / 2].name);
        }
    }
}


/* A key that the cache claims to have is used, so it is not derived again. */

static void
test_cache_is_used(void **state)
{
    unsigned char          first[CONTENT_SIGV4_HASH_LEN];
    unsigned char          second[CONTENT_SIGV4_HASH_LEN];
    content_sigv4_cache_t  cache;

    (void) state;

    memset(&cache, 0, sizeof(cache));

    assert_int_equal(content_sigv4_key(&cache, &scope, content_cstr(SECRET)),
                     CONTENT_OK);
    assert_true(cache.valid);
    content_sigv4_mac(&cache, content_cstr("text"), first);

    cache.outer.h[0] ^= 1;

    assert_int_equal(content_sigv4_key(&cache, &scope, content_cstr(SECRET)),
                     CONTENT_OK);
    content_sigv4_mac(&cache, content_cstr("text"), second);
    assert_memory_not_equal(first, second, sizeof(first));
}


static void
test_forget(void **state)
{
    content_sigv4_cache_t  cache, empty;

    (void) state;

    memset(&cache, 0, sizeof(cache));
    memset(&empty, 0, sizeof(empty));

    assert_int_equal(content_sigv4_key(&cache, &scope, content_cstr(SECRET)),
                     CONTENT_OK);
    content_sigv4_forget(&cache);
    assert_memory_equal(&cache, &empty, sizeof(cache));
}


static void
test_long_secret(void **state)
{
    unsigned char          text[253];
    content_str_t          secret;
    content_sigv4_cache_t  cache;

    (void) state;

    memset(&cache, 0, sizeof(cache));
    memset(text, 'a', sizeof(text));

    secret.data = text;
    secret.len = 252;
    assert_int_equal(content_sigv4_key(&cache, &scope, secret), CONTENT_OK);

    secret.len = 253;
    assert_int_equal(content_sigv4_key(&cache, &scope, secret),
                     CONTENT_ERROR);
    assert_false(cache.valid);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cache_is_used),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_long_secret)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
