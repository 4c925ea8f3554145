"""POST /-/delete: all of the JSON is checked before anything is done; each key
is told what became of it; caches and CDN learn of every one.
"""

import hashlib
import re

import pytest

import edge
from harness import EDITOR, Nginx, path_of, problem
from s3_fault_proxy import (answer, change, cut,
                            cut_after_forwarding, s3_error)

ALWAYS = 1000


def delete(origin, keys, **how):
    return origin.post("/-/delete", {"keys": keys}, **how)


def fill(origin, prefix, names):
    keys = [prefix[1:] + "/" + name for name in names]
    for key in keys:
        assert origin.put(path_of(key), key.encode()).status in (201, 204)
    return keys


def there(origin, keys):
    return [k for k in keys if origin.get(path_of(k)).status == 200]


NAMES = ["a", "a/", "a/b", "b c", "d+e&f<g>\"'h", "\u00e9", "e\u0301", "😀", " i ",
         "j ", " ", "k\uffff", "\ufffe", "\u2028l", "100%25", "]]>", "&amp;"]


def test_named_ones_go_and_others_stay(origin, key):
    keys = fill(origin, key, NAMES)
    other = fill(origin, key + "-2", ["a", "b"])
    answered = delete(origin, keys)
    assert answered.status == 200
    assert answered.json() == {"deleted": keys, "failed": []}
    assert there(origin, keys) == []
    assert there(origin, other) == other


def test_what_is_not_there_is_deleted_too(origin, key):
    keys = fill(origin, key, ["a", "b"])
    absent = [key[1:] + "/none"]
    answered = delete(origin, keys + absent)
    assert answered.status == 200
    assert answered.json()["deleted"] == keys + absent


def test_a_thousand_at_once(origin, key):
    keys = fill(origin, key, [str(i) for i in range(20)])
    keys += [f"{key[1:]}/none-{i}" for i in range(980)]
    answered = delete(origin, keys)
    assert answered.status == 200
    assert answered.json()["deleted"] == keys
    assert there(origin, keys[:20]) == []
    problem(delete(origin, keys + ["one-more"]), 400, "1001 keys")


@pytest.mark.parametrize("document, words", [
    (b"", ["JSON"]), (b"{", ["JSON"]), (b"[]", ["keys"]), (b"{}", ["keys"]),
    ({"keys": []}, ["0 keys"]), ({"keys": "a"}, ["keys"]),
    ({"keys": ["{key}"], "prefix": "x"}, ["keys"]),
    ({"keys": ["{key}", 1]}, ["keys[1]"]),
    ({"keys": ["{key}", "{key}"]}, ["keys[1]", "twice"]),
    ({"keys": ["{key}", ""]}, ["keys[1]"]),
    ({"keys": ["{key}", "a/../b"]}, ["keys[1]"]),
    ({"keys": ["{key}", "a\nb"]}, ["keys[1]"]),
    ({"keys": ["{key}", "x" * 1025]}, ["keys[1]"]),
    ({"keys": ["{key}", "-/x"]}, ["keys[1]", "reserved"]),
], ids=str)
def test_one_mistake_and_nothing_is_deleted(origin, key, document, words):
    origin.put(key, b"x")
    if isinstance(document, dict) and isinstance(document["keys"], list):
        document = {**document, "keys": [
            k.format(key=key[1:]) if isinstance(k, str) else k
            for k in document["keys"]]}
    problem(origin.post("/-/delete", document), 400, *words)
    assert origin.get(key).status == 200


NEWS, READER = "news-token-Gc93lRn8", "reader-token-Fb82kQm7"


def test_right_to_write_each_key_is_needed(tmp_path, place):
    tokens = [("editor", EDITOR, "read,write", "/"),
              ("news", NEWS, "read,write", "/news/"),
              ("reader", READER, "read", "/")]
    with Nginx(tmp_path / "n", place, tokens=tokens) as origin:
        for path in ("/news/a", "/news/b", "/c"):
            origin.put(path, b"x")
        problem(delete(origin, ["news/a", "c"], token=NEWS), 403)
        problem(delete(origin, ["news/a"], token=READER), 403)
        problem(delete(origin, ["news/a"], token=None), 401)
        problem(delete(origin, ["news/a"], token="wrong"), 401)
        assert there(origin, ["news/a", "news/b", "c"]) == [
            "news/a", "news/b", "c"]
        assert delete(origin, ["news/a", "news/b"], token=NEWS).status == 200
        assert there(origin, ["news/a", "news/b", "c"]) == ["c"]


def test_where_conditions_are_required_it_is_refused(tmp_path, place):
    with Nginx(tmp_path / "n", place,
               server="content_require_conditions on;") as origin:
        origin.put("/a", b"x", if_none_match="*")
        problem(delete(origin, ["a"]), 428)
        assert origin.get("/a").status == 200


def test_caches_are_told_of_every_key(store, redis, tmp_path, key):
    with edge.start_fake_cloudflare() as fake:
        with Nginx(tmp_path / "n", store, redis=redis, purge=fake,
                   http="content_memory 16m max=512k;",
                   server="content_hot hits=1; content_purge_plan enterprise;"
                   ) as origin:
            keys = fill(origin, key, ["a", "b", "c"])
            for _ in range(3):
                assert there(origin, keys) == keys
            answered = delete(origin, keys[:2])
            assert answered.status == 200
            assert there(origin, keys) == keys[2:]

            job = origin.finished_job(answered.headers["X-Content-Purge"])
            assert job["state"] == "done"
            purged = [tag for call in fake.calls()
                      for tag in call["body"]["tags"]]
            assert sorted(purged) == sorted(
                "c" + hashlib.sha256(k.encode()).hexdigest()[:20]
                for k in keys[:2])


# Faults of S3

@pytest.fixture
def faulty(tmp_path, bucket, proxy):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               server="content_s3_timeout 2s;") as nginx:
        yield nginx


def refused(code):
    """200, and of each key this code."""
    def act(exchange):
        keys = re.findall(rb"<Key>[^<]*</Key>", exchange.request.body)
        answer(200, b"<DeleteResult>" + b"".join(
            b"<Error>%b<Code>%b</Code></Error>" % (k, code.encode())
            for k in keys) + b"</DeleteResult>")(exchange)
    return act


def test_key_that_xml_cannot_say_may_be_gone_already(faulty, proxy, key):
    keys = fill(faulty, key, ["\ufffe"])
    proxy.fault(s3_error(404, "NoSuchKey"), method="DELETE")
    assert delete(faulty, keys).json() == {"deleted": keys, "failed": []}
    assert proxy.pending() == 0


@pytest.mark.parametrize("name, fault, status", [
    ("cut", cut(), 502), ("500", s3_error(500, "InternalError"), 502),
    ("503", s3_error(503, "SlowDown"), 503),
    ("busy, each", refused("ServiceUnavailable"), 503),
    ("refused, each", refused("AccessDenied"), 502),
    ("no bucket", s3_error(404, "NoSuchBucket"), 502),
    ("200 with an error", answer(200, b"<Error><Code>InternalError</Code>"
                                      b"</Error>"), 502),
    ("200 with nothing", answer(200, b""), 502),
    ("200 with no key", answer(200, b"<DeleteResult/>"), 502)],
    ids=lambda x: x if isinstance(x, str) else "")
def test_fault_is_told_of_every_key(faulty, proxy, key, name, fault, status):
    keys = fill(faulty, key, ["a", "b"])
    proxy.fault(fault, times=ALWAYS, method="POST", query="delete")
    answered = delete(faulty, keys)
    assert answered.status == 207
    assert answered.json() == {"deleted": [], "failed": [
        {"key": k, "status": status} for k in keys]}
    proxy.clear()
    assert there(faulty, keys) == keys


def test_some_may_fail(faulty, proxy, key):
    keys = fill(faulty, key, ["a", "b", "c", "d"])
    name = [k.encode() for k in keys]

    def edit(_head, _body):
        body = (b"<DeleteResult><Deleted><Key>%b</Key></Deleted>"
                b"<Error><Key>%b</Key><Code>AccessDenied</Code></Error>"
                b"<Error><Key>%b</Key><Code>SlowDown</Code></Error>"
                b"<Deleted><Key>other</Key></Deleted></DeleteResult>"
                % tuple(name[:3]))
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body), body)

    proxy.fault(change(edit), method="POST", query="delete")
    answered = delete(faulty, keys)
    assert answered.status == 207
    assert answered.json() == {"deleted": keys[:1], "failed": [
        {"key": keys[1], "status": 502}, {"key": keys[2], "status": 503},
        {"key": keys[3], "status": 502}]}


def test_lost_answer_drops_the_caches(tmp_path, bucket, proxy, redis, key):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               server="content_hot hits=1;", workers=1) as origin:
        keys = fill(origin, key, ["a"])
        for _ in range(2):
            assert there(origin, keys) == keys
        proxy.fault(cut_after_forwarding(), times=ALWAYS, method="POST",
                    query="delete")
        assert delete(origin, keys).status == 207
        proxy.clear()
        assert there(origin, keys) == []
