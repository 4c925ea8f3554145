"""What the memory cache keeps, and what drops it: writes, purges, and fills
that come too late.
"""

import concurrent.futures
import threading

import pytest

from harness import Nginx, data, problem, wait_until
from s3_fault_proxy import FaultProxy, hold
from test_memory_answers import (KIB, MEMORY, MIB, files, from_memory, keep,
                                 memory, origin, pair, put, same)


# What is kept

def test_what_has_no_body_keeps_the_metadata(origin, key):
    etag = put(origin, key, data(1000)).headers["ETag"]
    assert origin.head(key).status == 200
    assert origin.get(key, if_none_match=etag).status == 304
    problem(origin.get(key, if_match='"a"'), 412)
    problem(origin.get(key, range="bytes=1000-"), 416)
    assert from_memory(origin.head(key))
    keep(origin, key)


def test_a_range_keeps_the_whole_or_nothing(origin, key):
    put(origin, key, data(1000))
    for _ in range(3):
        assert origin.get(key, range="bytes=10-19").body == data(1000)[10:20]
    assert origin.get(key).body == data(1000)


def test_absence_is_not_kept(origin, key):
    problem(origin.get(key), 404)
    problem(origin.get(key), 404)
    put(origin, key, b"x")
    assert origin.get(key).body == b"x"


def test_body_larger_than_max_is_not_kept(tmp_path, store):
    with Nginx(tmp_path / "n", store,
               http="content_memory 8m max=10k;") as origin:
        put(origin, "/max", data(10 * KIB))
        put(origin, "/more", data(10 * KIB + 1))
        keep(origin, "/max")
        for _ in range(3):
            answer = origin.get("/more")
            assert answer.body == data(10 * KIB + 1)
            assert not from_memory(answer)
        assert from_memory(origin.head("/more"))


@pytest.mark.parametrize("size, largest", [
    ("16m", "1m"), ("68m", "4352k"), ("130m", "8m"), ("192m", "12m")])
def test_the_largest_objects_have_a_place(tmp_path, size, largest):
    """Whatever the memory's parts are."""
    body = data(int(largest[:-1]) << (20 if largest[-1] == "m" else 10))
    with Nginx(tmp_path / "n",
               http=f"content_memory {size} max={largest};") as origin:
        for i in range(4):
            put(origin, f"/{i}", body)
            keep(origin, f"/{i}")
        assert memory(origin)["refused"] == 0


def test_off_is_no_cache(tmp_path):
    with Nginx(tmp_path / "n", http="content_memory off;") as origin:
        put(origin, "/a", b"x")
        for _ in range(3):
            assert not from_memory(origin.get("/a"))
        assert "memory" not in origin.counters()


def test_status_tells(files):
    put(files, "/a", b"x")
    keep(files, "/a")
    status = memory(files)
    assert (status["hits"], status["stored"], status["records"]) == (1, 1, 1)
    assert status["misses"] >= 1
    assert 0 < status["bytes"] <= status["size"] <= 16 * MIB
    assert status["held"] == status["resets"] == status["refused"] == 0


# Writes and purges

def test_put_drops_it(origin, key):
    put(origin, key, b"old", content_type="text/a", cache_tag="old")
    keep(origin, key)
    etag = put(origin, key, b"newer", content_type="text/b").headers["ETag"]
    first, second = keep(origin, key)
    for answer in (first, second):
        assert answer.body == b"newer"
        assert answer.headers["ETag"] == etag
        assert answer.headers["Content-Type"] == "text/b"
        assert "old" not in answer.headers["Cache-Tag"]


def test_delete_drops_it(origin, key):
    put(origin, key, b"old")
    keep(origin, key)
    assert origin.delete(key).status == 204
    problem(origin.get(key), 404)
    problem(origin.delete(key), 404)


def test_a_refused_put_drops_nothing(origin, key):
    put(origin, key, b"old")
    keep(origin, key)
    problem(origin.put(key, b"new", if_none_match="*"), 412)
    problem(origin.put(key, b"new", if_match='"a"'), 412)
    answer = origin.get(key)
    assert answer.body == b"old" and from_memory(answer)


def test_delete_of_what_others_deleted_drops_it(pair, bucket, store, key):
    if store == "file":
        pytest.skip("files are deleted by nobody else")
    origin, _ = pair
    put(origin, key, b"old")
    keep(origin, key)
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    assert from_memory(origin.get(key))
    problem(origin.delete(key), 404)
    problem(origin.get(key), 404)


SELECTIONS = [
    ("url", lambda key: {"urls": [f"https://www.example.com{key}"]}),
    ("tag", lambda key: {"tags": ["red"]}),
    ("prefix", lambda key: {"prefixes": ["www.example.com/a"]}),
    ("host", lambda key: {"hosts": ["www.example.com"]}),
    ("everything", lambda key: {"everything": True}),
]


@pytest.mark.parametrize("with_redis", [False, True],
                         ids=["alone", "over-redis"])
@pytest.mark.parametrize("name, document", SELECTIONS,
                         ids=[row[0] for row in SELECTIONS])
def test_purge_drops_it(tmp_path, request, name, document, with_redis):
    """Also what Redis has, which would fill the memory again."""
    redis = request.getfixturevalue("redis") if with_redis else None
    with Nginx(tmp_path / "n", redis=redis, http=MEMORY,
               server="content_hot hits=1;") as origin:
        # writes that the first one does not see
        with Nginx(tmp_path / "m", server="content_hot off;",
                   start=False) as writer:
            writer.write(server=writer.settings["server"].replace(
                str(writer.files), str(origin.files)))
            writer.start()
            put(writer, "/a", b"old", cache_tag="red")
            if with_redis:
                wait_until(lambda: origin.get("/a").body == b"old"
                           and redis.records())
            wait_until(lambda: from_memory(origin.get("/a")))
            put(writer, "/a", b"new", cache_tag="red")
            assert origin.get("/a").body == b"old"
            assert origin.post("/-/purge", document("/a")).status in (
                200, 202)
            assert origin.get("/a").body == b"new"
            answer = origin.get("/a")
            assert answer.body == b"new" and from_memory(answer)


def test_put_drops_what_redis_would_fill_again(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, http=MEMORY,
               server="content_hot hits=1;") as origin:
        for i in range(20):
            body = b"%d" % i
            put(origin, "/a", body)
            for _ in range(4):
                assert origin.get("/a").body == body
        wait_until(redis.records)
        assert from_memory(origin.get("/a"))
        assert origin.delete("/a").status == 204
        problem(origin.get("/a"), 404)


def test_memory_is_filled_from_redis(tmp_path, redis):
    how = dict(redis=redis, http=MEMORY, server="content_hot hits=1;",
               workers=1)
    with Nginx(tmp_path / "n", **how) as origin:
        put(origin, "/a", data(5000), content_type="text/x", cache_tag="t",
            x_content_meta_a="b")
        stored = origin.get("/a")
        wait_until(redis.records)
    with Nginx(tmp_path / "n", **how) as origin:
        wait_until(lambda: origin.counters()["redis"]["ready"])
        first, second = keep(origin, "/a")
        assert first.headers["Cache-Status"].endswith("hit; detail=redis")
        same(stored, first)
        same(first, second)


# Fills that are too late

@pytest.fixture
def behind_a_proxy(tmp_path, s3, bucket):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy:
        with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                   http=MEMORY) as origin:
            yield origin, proxy


def late_fill(origin, proxy, path, between):
    """GET, whose answer comes from S3 before between() and from the proxy
    after it; what the GET answered."""
    release = threading.Event()
    proxy.fault(hold(release), method="GET", path=path)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(origin.get, path)
        try:
            wait_until(lambda: proxy.held, what="S3 to answer")
            between()
        finally:
            release.set()
        return reader.result()


LATE = [
    ("PUT", b"new", lambda origin, bucket, path:
        put(origin, path, b"new")),
    ("DELETE", None, lambda origin, bucket, path:
        origin.delete(path)),
    ("PUT twice", b"new", lambda origin, bucket, path:
        (put(origin, path, b"newer"), put(origin, path, b"new"))),
    ("purge of the URL", b"new", lambda origin, bucket, path:
        (bucket.client.put_object(Bucket=bucket.name, Key=path[1:],
                                  Body=b"new"),
         origin.post("/-/purge", {"urls": [f"https://a.example{path}"]}))),
    ("purge of everything", b"new", lambda origin, bucket, path:
        (bucket.client.put_object(Bucket=bucket.name, Key=path[1:],
                                  Body=b"new"),
         origin.post("/-/purge", {"everything": True}))),
]


@pytest.mark.parametrize("name, body, change", LATE,
                         ids=[row[0] for row in LATE])
def test_a_fill_from_before_a_change_is_not_kept(
        behind_a_proxy, bucket, key, name, body, change):
    origin, proxy = behind_a_proxy
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=b"old")
    late = late_fill(origin, proxy, key,
                     lambda: change(origin, bucket, key))
    assert late.body == b"old"
    if body is None:
        problem(origin.get(key), 404)
        return
    assert origin.get(key).body == body
    assert memory(origin)["fenced"] >= 1
    assert keep_soon(origin, key).body == body


def keep_soon(origin, path):
    return wait_until(lambda: (answer := origin.get(path))
                      and from_memory(answer) and answer)
