"""How long a cache may answer without asking storage: fresh, then refreshed in
the background, then not at all unless storage fails.  That an object is absent
is remembered briefly, a fault never; a write through us ends all of it.
"""

import re
import threading
import time

import pytest

from harness import Nginx, problem, wait_until
from redis_server import Redis
from s3_fault_proxy import (answer, cut, hold,
                            s3_error, stall)

MEMORY = "content_memory 16m max=64k;"
LARGE = bytes(range(256)) * 1024
ALWAYS = 1000
CLOCK = 0.02            # seconds: more than a tick of nginx's clock, and 1ms
AGED = "content_hot hits=1; content_fresh 1ms;"       # stale, not expired
EXPIRED = "content_hot hits=1 ttl=1ms; content_fresh 1ms;"


@pytest.fixture(params=["memory", "redis", "both"])
def start(request, tmp_path, bucket, proxy):
    """start(settings): an origin with these caches."""
    running = []

    def begin(settings):
        redis = None
        if request.param != "memory":
            redis = Redis(tmp_path / "redis")
            running.append(redis)
        nginx = Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                      redis=redis, http=settings
                      + (MEMORY if request.param != "redis" else ""),
                      server="content_s3_timeout 1s;", workers=1)
        running.append(nginx)
        nginx.kept = lambda: (
            nginx.counters().get("memory", {"records": 1})["records"] > 0
            and (redis is None or len(redis.records()) > 0))
        if redis:
            wait_until(lambda: nginx.counters()["redis"]["ready"])
        return nginx

    yield begin
    for server in reversed(running):
        server.stop()


def store_directly(bucket, key, body):
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=body)


def reads(proxy, key):
    return [r for r in proxy.requests
            if r.method in ("GET", "HEAD") and r.path.endswith(key)]


def status(answer):
    return answer.headers["Cache-Status"]


def known(origin, bucket, key, body):
    store_directly(bucket, key, body)
    assert origin.get(key).body == body
    wait_until(origin.kept)
    time.sleep(CLOCK)


STALE = re.compile(r"ngx_content; hit; ttl=-\d+; detail=(memory|redis)$")
FAILED = re.compile(r"ngx_content; fwd=stale; fwd-status=50[234]; ttl=-\d+; "
                    r"detail=(memory|redis)$")


# In the background

def test_what_is_not_fresh_is_answered_and_refreshed(start, bucket, proxy,
                                                     key):
    origin = start(AGED)
    known(origin, bucket, key, b"old")
    store_directly(bucket, key, b"new one")
    go_on = threading.Event()
    proxy.clear()
    proxy.fault(hold(go_on), method="GET")
    told = origin.get(key)
    assert told.body == b"old" and STALE.match(status(told)), status(told)
    wait_until(lambda: reads(proxy, key))
    assert origin.get(key).body == b"old"           # nobody waits for it
    go_on.set()
    wait_until(lambda: origin.get(key).body == b"new one")
    assert origin.counters()["node"]["refreshes"] >= 1
    assert origin.counters()["node"]["hits_stale"] >= 2


def test_metadata_of_what_is_large_is_refreshed(start, bucket, key):
    origin = start(AGED)
    known(origin, bucket, key, LARGE)
    old = origin.head(key).headers["ETag"]
    store_directly(bucket, key, LARGE[::-1])
    wait_until(lambda: origin.head(key).headers["ETag"] != old)


def test_one_request_refreshes(start, bucket, proxy, key):
    origin = start(AGED)
    known(origin, bucket, key, b"body")
    go_on = threading.Event()
    proxy.clear()
    proxy.fault(hold(go_on), times=ALWAYS, method="GET")
    for _ in range(20):
        assert origin.get(key).body == b"body"
    go_on.set()
    assert len(reads(proxy, key)) <= 1


def test_refresh_that_began_before_a_write_keeps_nothing(start, bucket, proxy,
                                                         key):
    origin = start(AGED)
    known(origin, bucket, key, b"old")
    go_on = threading.Event()
    proxy.clear()
    proxy.fault(hold(go_on), method="GET")
    origin.get(key)
    wait_until(lambda: proxy.held)
    origin.put(key, b"new")
    go_on.set()
    for _ in range(5):
        assert origin.get(key).body == b"new"


def test_object_that_is_gone_is_gone_after_a_refresh(start, bucket, key):
    origin = start(AGED)
    known(origin, bucket, key, b"old")
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    wait_until(lambda: origin.get(key).status == 404)


def test_refresh_that_fails_leaves_the_record(start, bucket, proxy, key):
    origin = start(AGED)
    known(origin, bucket, key, b"body")
    proxy.clear()
    proxy.fault(s3_error(500, "InternalError"), times=ALWAYS)
    for _ in range(3):
        told = origin.get(key)
        assert told.body == b"body" and STALE.match(status(told))
    wait_until(lambda: reads(proxy, key))
    assert origin.get(key).body == b"body"


# Expired

def test_what_is_expired_is_asked_for(start, bucket, key):
    origin = start(EXPIRED)
    known(origin, bucket, key, b"old")
    store_directly(bucket, key, b"new")
    told = origin.get(key)
    assert told.body == b"new"
    assert status(told) == "ngx_content; fwd=stale; detail=s3"


FAULTS = [("cut", cut()), ("500", s3_error(500, "InternalError")),
          ("503", s3_error(503, "SlowDown")),
          ("403", s3_error(403, "AccessDenied")), ("stalled", stall()),
          ("404 of a web server", answer(404, b"<p>", "text/html"))]


@pytest.mark.parametrize("fault", [f[1] for f in FAULTS[:-1]],
                         ids=[f[0] for f in FAULTS[:-1]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_expired_copy_is_answered_when_storage_fails(start, bucket, proxy,
                                                     key, method, fault):
    origin = start(EXPIRED)
    known(origin, bucket, key, b"body")
    proxy.fault(fault, times=ALWAYS)
    told = origin.request(method, key)
    assert (told.status, told.headers["Content-Length"]) == (200, "4")
    assert told.body == (b"body" if method == "GET" else b"")
    assert FAILED.match(status(told)), status(told)
    assert origin.get(key, if_none_match=told.headers["ETag"]).status == 304
    assert origin.counters()["node"]["stale_on_error"] == 2
    assert "failed" in origin.read_log()
    proxy.clear()
    assert status(origin.get(key)) == "ngx_content; fwd=stale; detail=s3"


def test_expired_metadata_are_answered_when_storage_fails(start, bucket,
                                                          proxy, key):
    """Whatever needs no body of what is too large for the caches."""
    origin = start(EXPIRED)
    known(origin, bucket, key, LARGE)
    told = origin.head(key)
    etag = told.headers["ETag"]
    date = told.headers["Last-Modified"]
    wait_until(origin.kept)
    time.sleep(CLOCK)
    proxy.fault(s3_error(403, "AccessDenied"), times=ALWAYS)
    for method in ("GET", "HEAD"):
        for condition, outcome in [({"if_none_match": etag}, 304),
                                   ({"if_modified_since": date}, 304),
                                   ({"if_match": '"x"'}, 412)]:
            answer = origin.request(method, key, **condition)
            assert answer.status == outcome, (method, condition)
            if outcome == 304:
                assert FAILED.match(status(answer)), status(answer)
    assert origin.head(key).status == 200
    problem(origin.get(key), 502)
    problem(origin.get(key, if_none_match='"x"'), 502)


def test_expired_copy_lasts_until_storage_has_failed(start, bucket, proxy,
                                                     key):
    """Though others are read from the same cache meanwhile."""
    origin = start(EXPIRED)
    bodies = {key: b"a" * 5_000, key + "-other": b"b" * 40_000}
    for name, body in bodies.items():
        known(origin, bucket, name, body)
    proxy.fault(stall(), times=ALWAYS)
    told = []
    first = threading.Thread(target=lambda: told.append(origin.get(key)))
    before = len(reads(proxy, key))
    first.start()
    wait_until(lambda: len(reads(proxy, key)) > before)
    assert origin.get(key + "-other").body == bodies[key + "-other"]
    first.join()
    assert FAILED.match(status(told[0]))
    assert told[0].body == bodies[key]


def test_absence_is_no_fault(start, bucket, key):
    origin = start(EXPIRED)
    known(origin, bucket, key, b"body")
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    problem(origin.get(key), 404)


def test_written_over_is_not_answered_when_storage_fails(start, bucket, proxy,
                                                         key):
    origin = start(EXPIRED)
    known(origin, bucket, key, b"old")
    origin.put(key, b"new")
    proxy.fault(cut(), times=ALWAYS)
    problem(origin.get(key), 502)


def test_without_error_a_fault_is_told(start, bucket, proxy, key):
    origin = start("content_hot hits=1 ttl=1ms; content_fresh 1ms error=0;")
    store_directly(bucket, key, b"body")
    assert origin.get(key).body == b"body"
    time.sleep(CLOCK)
    proxy.fault(cut(), times=ALWAYS)
    problem(origin.get(key), 502)


# Absent

def test_absence_is_remembered_until_a_write(start, bucket, proxy, key):
    origin = start("content_hot hits=1; content_fresh 1m absent=1h;")
    problem(origin.get(key), 404)
    wait_until(origin.kept)
    proxy.clear()
    for _ in range(3):
        problem(origin.get(key), 404)
        assert origin.head(key).status == 404
        problem(origin.get(key, if_none_match='"a"'), 404)
    assert reads(proxy, key) == []
    store_directly(bucket, key, b"theirs")
    problem(origin.get(key), 404)
    origin.put(key, b"ours")
    assert origin.get(key).body == b"ours"
    origin.delete(key)
    problem(origin.get(key), 404)


def test_absence_is_forgotten(start, bucket, key):
    origin = start("content_hot hits=1; content_fresh 1m absent=1ms;")
    problem(origin.get(key), 404)
    store_directly(bucket, key, b"theirs")
    wait_until(lambda: origin.get(key).body == b"theirs")


def test_absence_that_was_asked_for_before_a_write_is_not_kept(
        start, proxy, key):
    origin = start("content_hot hits=1; content_fresh 1m absent=1h;")
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(origin.get(key)))
    thread.start()
    wait_until(lambda: proxy.held)
    origin.put(key, b"new")
    go_on.set()
    thread.join()
    problem(answers[0], 404)
    assert origin.get(key).body == b"new"


@pytest.mark.parametrize("fault", [f[1] for f in FAULTS],
                         ids=[f[0] for f in FAULTS])
def test_fault_is_never_remembered(start, bucket, proxy, key, fault):
    origin = start("content_hot hits=1; content_fresh 1m absent=1h;")
    store_directly(bucket, key, b"body")
    proxy.fault(fault, times=ALWAYS)
    assert origin.get(key).status >= 500
    assert origin.head(key).status >= 500
    proxy.clear()
    assert origin.get(key).body == b"body"
