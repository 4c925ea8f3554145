"""What needs only an object's metadata is answered from its record, in shared
memory or in Redis, without a request to storage; and what a record says is
never mixed with the bytes of another version.
"""

import pytest

from harness import Nginx, problem, wait_until
from redis_server import Redis

MEMORY = "content_memory 16m max=64k;"
LARGE = bytes(range(256)) * 1024        # beyond what any cache keeps


@pytest.fixture(params=["memory", "redis"])
def origin(request, tmp_path, bucket, proxy):
    """An origin with one cache, of that name."""
    if request.param == "memory":
        with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                   http=MEMORY) as nginx:
            nginx.tier = "memory"
            nginx.records = lambda: nginx.counters()["memory"]["records"]
            yield nginx
    else:
        with (Redis(tmp_path / "redis") as redis,
              Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                    redis=redis, workers=1) as nginx):
            nginx.tier = "redis"
            nginx.records = lambda: len(redis.records())
            wait_until(lambda: nginx.counters()["redis"]["ready"])
            yield nginx


def known(origin, key, body, ask="GET"):
    """Stores body, and asks for it until there is a record: a worker that
    Redis does not answer in time keeps none.  The answer."""
    origin.put(key, body, cache_tag="a,b", x_content_meta_a="1")

    def kept():
        answer = origin.request(ask, key)
        assert answer.status == 200
        return origin.records() == 1 and answer

    return wait_until(kept, what="a record")


def differs(one, other):
    """The headers that two answers have not in common, but for Date."""
    def headers(answer):
        return {(k, v) for k, v in answer.headers.items()
                if k not in ("Date", "Cache-Status")}
    return headers(one) ^ headers(other)


@pytest.mark.parametrize("ask", ["GET", "HEAD"])
def test_metadata_is_answered_without_storage(origin, proxy, key, ask):
    told = known(origin, key, LARGE, ask)
    etag, modified = told.headers["ETag"], told.headers["Last-Modified"]
    proxy.clear()

    head = origin.head(key)
    assert head.status == 200 and not differs(head, told)
    assert head.headers["Cache-Status"] == (
        f"ngx_content; hit; detail={origin.tier}")
    for headers, status in [({"if_none_match": etag}, 304),
                            ({"if_modified_since": modified}, 304),
                            ({"if_match": '"other"'}, 412),
                            ({"range": f"bytes={len(LARGE)}-"}, 416)]:
        assert origin.get(key, **headers).status == status, headers
    assert proxy.requests == []


def test_body_of_a_known_object_is_asked_for_with_its_etag(origin, proxy,
                                                           key):
    etag = known(origin, key, LARGE).headers["ETag"]
    proxy.clear()
    assert origin.get(key).body == LARGE
    ranged = origin.get(key, range="bytes=10-19")
    assert (ranged.status, ranged.body) == (206, LARGE[10:20])
    assert [(r.method, r.headers.get("if-match"), r.headers.get("range"))
            for r in proxy.requests] == [("GET", etag, None),
                                         ("GET", etag, "bytes=10-19")]


def test_version_that_came_behind_our_back_is_sent_whole(origin, bucket, key):
    old = known(origin, key, LARGE).headers["ETag"]
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                             Body=LARGE[::-1])
    for how in ({}, {"range": "bytes=10-19"}):
        answer = origin.get(key, **how)
        assert answer.body == (LARGE[::-1] if answer.status == 200
                               else LARGE[::-1][10:20])
        assert answer.headers["ETag"] != old
    wait_until(lambda: origin.head(key).headers["ETag"] != old)


def test_metadata_that_came_behind_our_back_with_the_same_bytes_is_told(
        origin, bucket, key):
    known(origin, key, LARGE)
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=LARGE,
                             ContentType="text/x-new")
    assert origin.get(key).headers["Content-Type"] == "text/x-new"


def test_write_ends_the_record(origin, key):
    old = known(origin, key, LARGE).headers["ETag"]
    origin.put(key, LARGE[::-1])
    assert origin.head(key).headers["ETag"] != old
    origin.delete(key)
    assert origin.head(key).status == 404


def test_deletion_of_what_is_gone_already_ends_the_record(origin, bucket,
                                                          key):
    known(origin, key, LARGE)
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    assert origin.head(key).status == 200
    problem(origin.delete(key), 404)
    assert origin.head(key).status == 404


def test_metadata_read_before_a_write_are_not_kept_after_it(origin, proxy,
                                                            key):
    """A HEAD whose answer is under way while a write begins and ends."""
    origin.put(key, LARGE)
    proxy.clear()

    def write_between(exchange):
        answer = exchange.fetch()
        origin.put(key, b"new")
        exchange.send(answer[0] + answer[1])

    proxy.fault(write_between, method="HEAD")
    assert origin.head(key).headers["Content-Length"] == str(len(LARGE))
    assert origin.head(key).headers["Content-Length"] == "3"


def test_hot_body_joins_its_metadata_in_redis(tmp_path, bucket, redis, key):
    with Nginx(tmp_path / "n", bucket, redis=redis, workers=1) as nginx:
        wait_until(lambda: nginx.counters()["redis"]["ready"])
        nginx.put(key, b"hello")
        nginx.get(key)
        record, = wait_until(redis.records)
        size = redis.client.strlen(record)
        nginx.get(key)
        wait_until(lambda: redis.client.strlen(record) == size + 5)
        answer = nginx.get(key)
        assert answer.body == b"hello"
        assert answer.headers["Cache-Status"] == (
            "ngx_content; hit; detail=redis")
