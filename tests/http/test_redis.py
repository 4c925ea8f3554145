"""Hot objects come from Redis, with the answers that storage gives; never
anything older than what was last answered to an editor.
"""

import concurrent.futures
import os
import random
import time

import pytest

from harness import Nginx, problem, tier, wait_until
from proxy import Proxy
from readers import never_older
from redis_server import Redis

PATIENCE = 2            # seconds that no request may take while Redis is ill


@pytest.fixture
def origin(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis) as nginx:
        yield nginx


def heat(origin, path, token=None):
    """Asks until Redis answers; the answer."""
    def ask():
        answer = origin.get(path, token=token)
        assert answer.status == 200, answer
        return tier(answer) == "redis" and answer
    return wait_until(ask, what=f"{path} to come from Redis")


def asks(origin, path, body, times=6):
    """All of them are answered from storage, soon."""
    for _ in range(times):
        start = time.monotonic()
        answer = origin.get(path)
        assert (answer.status, answer.body) == (200, body)
        assert time.monotonic() - start < PATIENCE
        assert tier(answer) != "redis"


# Hot objects

def test_hot_object_comes_from_redis(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"hello")
        first = origin.get(key)
        hot = heat(origin, key)
        assert hot.body == b"hello"
        assert hot.headers["Cache-Status"] == "ngx_content; hit; detail=redis"
        assert tier(first) != "redis"
        assert origin.counters()["node"]["hits_redis"] >= 1
        assert len(redis.records()) == 1


def test_hit_has_the_headers_that_storage_gives(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"hello", content_type="text/x-a; b=c",
                   cache_tag="a,b", cache_control="max-age=3",
                   content_language="de", content_encoding="br",
                   content_disposition="inline", x_content_meta_a="1")
        first, hot = origin.get(key), heat(origin, key)
        differ = ("Date", "Cache-Status")
        assert ({k: v for k, v in first.headers.items() if k not in differ}
                == {k: v for k, v in hot.headers.items() if k not in differ})


def test_record_needs_as_many_requests_as_configured(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, workers=1,
               http="content_hot hits=5;") as origin:
        origin.put("/warm", b"x")
        heat(origin, "/warm")
        redis.client.delete(*redis.records())
        origin.put("/a", b"x")
        for _ in range(4):
            assert tier(origin.get("/a")) == "file"
        assert redis.records() == []
        origin.get("/a")
        wait_until(redis.records)
        assert tier(origin.get("/a")) == "redis"


def test_object_asked_for_once_is_not_stored(origin, redis):
    for i in range(20):
        origin.put(f"/{i}", b"x")
        origin.get(f"/{i}")
    assert redis.records() == []


@pytest.mark.parametrize("size, kept", [(0, True), (1, True), (4096, True),
                                        (4097, False), (100_000, False)])
def test_only_what_is_small_enough_is_stored(tmp_path, redis, store, key,
                                             size, kept):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot size=4k;") as origin:
        body = random.Random(size).randbytes(size)
        origin.put(key, body)
        if kept:
            assert heat(origin, key).body == body
        else:
            asks(origin, key, body)
            assert redis.bodies() == []


def test_largest_records_come_back_whole(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot size=2m;") as origin:
        body = random.Random(1).randbytes(2 << 20)
        origin.put(key, body)
        for _ in range(3):
            assert heat(origin, key).body == body


def test_record_lives_as_long_as_configured(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis,
               http="content_hot ttl=90s; content_fresh 9s error=0;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        record, = redis.records()
        assert 80_000 < redis.client.pttl(record) <= 90_000


def test_every_key_in_redis_but_the_epoch_expires(origin, redis):
    for i in range(3):
        origin.put(f"/{i}", b"x")
        heat(origin, f"/{i}")
    for name in redis.client.keys("*"):
        if name != b"nc:epoch":
            assert redis.client.ttl(name) > 0, name


def test_expired_record_is_filled_again(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis,
               http="content_hot ttl=200ms;"
                    "content_fresh 200ms error=0;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        wait_until(lambda: not redis.records())
        assert origin.get("/a").body == b"x"
        heat(origin, "/a")


def test_prefix_and_database_are_used(tmp_path, redis):
    with Nginx(tmp_path / "n",
               redis=f"{redis.address} db=3 prefix=site:") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        assert redis.client.keys("*") == []
        redis.client.execute_command("SELECT", 3)
        assert {k[:5] for k in redis.client.keys("*")} == {b"site:"}


def test_redis_over_tcp_with_a_password_is_used(tmp_path):
    with Redis(tmp_path / "redis", password="secret-1") as redis:
        redis.client.config_set("port", 0)
        (tmp_path / "password").write_text("secret-1\n")
        with Nginx(tmp_path / "n", redis=redis, http="content_redis_password "
                   f"file {tmp_path}/password;") as origin:
            origin.put("/a", b"x")
            heat(origin, "/a")


def test_hot_off_uses_no_redis(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis,
               location="content_hot off;") as origin:
        origin.put("/a", b"x")
        asks(origin, "/a", b"x")
        assert redis.records() == []


def test_missing_objects_are_not_stored(origin, redis):
    for _ in range(6):
        problem(origin.get("/absent"), 404)
    assert redis.records() == []


def test_rights_are_checked_before_redis_answers(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis, anonymous="off") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a", token="editor-token-Zk3v9Qw1")
        problem(origin.get("/a"), 401)


def test_many_readers_of_a_hot_object_are_answered(tmp_path, redis, store,
                                                   key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        body = os.urandom(60_000)
        origin.put(key, body)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: origin.get(key), range(200)))
        assert all(a.status == 200 and a.body == body for a in answers)
        assert any(tier(a) == "redis" for a in answers)


# Conditions and ranges on what comes from memory

@pytest.mark.parametrize("headers, status", [
    ({"If-None-Match": "{etag}"}, 304), ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": '"x"'}, 200), ({"If-Match": '"x"'}, 412),
    ({"If-Match": "{etag}"}, 200),
    ({"If-Match": "{etag}",
      "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412),
    ({"If-Modified-Since": "{date}"}, 304)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hit_honours_conditions(origin, method, headers, status):
    origin.put("/a", b"hello")
    hot = heat(origin, "/a")
    headers = {k: v.format(etag=hot.headers["ETag"],
                           date=hot.headers["Last-Modified"])
               for k, v in headers.items()}
    answer = origin.request(method, "/a", **headers)
    assert answer.status == status
    if status != 412:
        assert tier(answer) == "redis"


@pytest.mark.parametrize("value, status, body", [
    ("bytes=0-0", 206, b"0"), ("bytes=-2", 206, b"89"),
    ("bytes=5-", 206, b"56789"), ("bytes=10-", 416, None),
    ("bytes=0-1,4-5", 206, None), ("x=0-1", 200, b"0123456789")])
def test_hit_honours_ranges(origin, value, status, body):
    origin.put("/a", b"0123456789")
    heat(origin, "/a")
    answer = origin.get("/a", range=value)
    assert answer.status == status
    if status == 416:
        problem(answer, 416)
        assert answer.headers["Content-Range"] == "bytes */10"
    if body is not None:
        assert answer.body == body


def test_range_does_not_fill_redis_with_a_part(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"0123456789")
        for _ in range(6):
            assert origin.get(key, range="bytes=2-4").body == b"234"
        for _ in range(3):
            assert origin.get(key).body == b"0123456789"


def test_head_alone_fills_nothing_wrong(origin):
    origin.put("/a", b"hello")
    for _ in range(5):
        assert origin.head("/a").headers["Content-Length"] == "5"
    assert origin.get("/a").body == b"hello"


# Writes drop it

def test_put_drops_the_record(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"0")
        for i in range(1, 6):
            heat(origin, key)
            assert origin.put(key, b"%d" % i).status == 204
            assert redis.records() == []
            assert origin.get(key).body == b"%d" % i


def test_delete_drops_the_record(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"x")
        heat(origin, key)
        assert origin.delete(key).status == 204
        assert redis.records() == []
        problem(origin.get(key), 404)


def test_refused_write_drops_nothing_wrong(origin):
    origin.put("/a", b"x")
    heat(origin, "/a")
    assert origin.put("/a", b"y", if_match='"no"').status == 412
    assert origin.get("/a").body == b"x"


def test_write_in_one_nginx_is_seen_in_another(tmp_path, redis, bucket, key):
    with Nginx(tmp_path / "a", bucket, redis=redis) as one, \
         Nginx(tmp_path / "b", bucket, redis=redis) as two:
        one.put(key, b"0")
        for i in range(1, 6):
            heat(two, key)
            heat(one, key)
            writer, reader = (one, two) if i % 2 else (two, one)
            writer.put(key, b"%d" % i)
            assert reader.get(key).body == b"%d" % i


def test_reader_never_sees_older_than_what_was_answered(tmp_path, redis,
                                                        store, key):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot hits=1;") as origin:
        never_older(origin, key, "redis")


def test_purge_of_a_url_drops_its_record_only(origin, redis):
    for path in ("/a%20b", "/c"):
        origin.put(path, b"x")
        heat(origin, path)
    origin.post("/-/purge", {"urls": ["https://www.example.com/a%20b?v=1"]})
    assert len(redis.records()) == 1
    assert tier(origin.get("/c")) == "redis"
    assert tier(origin.get("/a%20b")) == "file"


@pytest.mark.parametrize("body", [
    {"hosts": ["www.example.com"]}, {"everything": True},
    {"prefixes": ["www.example.com/%78"]}])
def test_purges_that_name_no_objects_drop_all_records(origin, body):
    for path in ("/a", "/b"):
        origin.put(path, b"x")
        heat(origin, path)
    origin.post("/-/purge", body)
    for path in ("/a", "/b"):
        assert tier(origin.get(path)) == "file"


# The right to fill comes before what is filled

def test_bytes_are_read_after_the_right_to_keep_them(tmp_path, redis):
    """Redis has the metadata alone, from a HEAD.  While a GET asks for the
    right to put the bytes there, the object is replaced by another node."""
    with (Proxy(tmp_path / "proxy.sock", redis.socket) as slow,
          Nginx(tmp_path / "n0", redis=redis) as other,
          Nginx(tmp_path / "n1", redis=f"unix:{slow.path}", workers=1,
                http="content_redis_timeout 10s;", start=False) as node):
        node.write(server=node.settings["server"].replace(
            str(node.files), str(other.files)))
        node.start()
        other.put("/a", b"old")
        wait_until(lambda: node.head("/a").status == 200 and redis.records(),
                   what="a record of the metadata")
        assert not redis.bodies()

        held = slow.hold(1)                     # the look-up passes
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            got = pool.submit(node.get, "/a")
            assert held.wait(10)
            assert other.put("/a", b"new").status == 204
            slow.go_on()
            assert got.result().status == 200

        wait_until(lambda: tier(node.get("/a")) == "redis",
                   what="a hit from Redis")
        assert node.get("/a").body == b"new"
        assert other.get("/a").body == b"new"
