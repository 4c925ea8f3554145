"""Concurrent requests for what no cache has: storage is read once, all get its
bytes as they come, nobody gets bytes older than an acknowledged write, and
neither a client nor storage that stands still or goes away holds the others.
"""

import array
import fcntl
import os
import pathlib
import random
import signal
import termios
import threading
import zlib

import pytest

from harness import EDITOR, Nginx, problem, request_head, wait_until
from readers import Crowd
from s3_fault_proxy import cut, cut_body, hold, s3_error

MIB = 1 << 20
MEMORY = "content_memory 64m max=2m;"
BODY = random.Random(1).randbytes(MIB)
SMALL = BODY[:50_000]               # Redis takes it, too


@pytest.fixture
def origin(tmp_path, bucket, proxy):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), http=MEMORY,
               workers=1, connections=4096) as nginx:
        yield nginx


def put(origin, proxy, key, body):
    origin.put(key, body)
    proxy.clear()


def reads(proxy, key):
    return [r for r in proxy.requests
            if r.method == "GET" and r.path.endswith(key)]


def in_pieces(event, size):
    """The head and `size` bytes, and what is left when event is set."""
    def act(exchange):
        head, body = exchange.fetch()
        exchange.send(head + body[:size])
        event.wait(30)
        exchange.send(body[size:])
    return act


def get_later(origin, key, answers, **how):
    thread = threading.Thread(target=lambda: answers.append(
        origin.get(key, **how)))
    thread.start()
    return thread


def test_a_thousand_misses_are_one_read_streamed_as_it_comes(origin, proxy,
                                                             key):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(origin.port, key, 1000)
    crowd.read(lambda: crowd.streaming() == 1000)
    assert len(reads(proxy, key)) == 1
    go_on.set()
    crowd.read(lambda: False)
    assert crowd.all_got(BODY)
    assert len(reads(proxy, key)) == 1
    collapsed = [head for _, _, head in crowd.got.values()
                 if b"fwd=uri-miss; collapsed; detail=s3" in head]
    assert len(collapsed) == 999
    assert origin.counters()["node"]["fills_joined"] == 999
    assert "detail=memory" in origin.get(key).headers["Cache-Status"]


def stands_still(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


def bytes_there(client):
    """So many that the client could read."""
    number = array.array("i", [0])
    fcntl.ioctl(client, termios.FIONREAD, number)
    return number[0]


def test_each_has_a_first_byte_before_any_has_many(origin, proxy, key):
    """Looked at while the worker stands still, at a moment when it has begun
    to answer: as long as one client has nothing, no other has more than a
    head and a small piece."""
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    crowd = Crowd(origin.port, key, 1000)
    wait_until(lambda: origin.counters()["node"]["fills_joined"] == 999)
    worker, = origin.workers()
    go_on.set()
    crowd.first_byte()
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_until(lambda: stands_still(worker))
        there = [bytes_there(client) for client in crowd.clients]
    finally:
        os.kill(worker, signal.SIGCONT)
    assert min(there) > 0 or max(there) < 8192
    crowd.read(lambda: False)
    assert crowd.all_got(BODY)


def test_many_misses_are_one_read_with_redis_alone(tmp_path, bucket, redis,
                                                   proxy, key):
    body = BODY[:60_000]
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               workers=1, http="content_hot hits=1;") as origin:
        wait_until(lambda: origin.counters()["redis"]["ready"])
        put(origin, proxy, key, body)
        go_on = threading.Event()
        proxy.fault(in_pieces(go_on, 1000), method="GET")
        crowd = Crowd(origin.port, key, 100)
        crowd.read(lambda: crowd.streaming() == 100)
        go_on.set()
        crowd.read(lambda: False)
        assert crowd.all_got(body)
        assert len(reads(proxy, key)) == 1


def test_who_began_may_leave(origin, proxy, key):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, 1000), method="GET")
    first = origin.connect()
    first.send(request_head("GET", key, {"Host": "a"}))
    assert b"200" in first.line()
    answers = []
    thread = get_later(origin, key, answers)
    wait_until(lambda: origin.counters()["node"]["fills_joined"] == 1)
    first.reset()
    go_on.set()
    thread.join()
    assert answers[0].body == BODY
    assert len(reads(proxy, key)) == 1


def test_all_may_leave_and_the_cache_has_it(origin, proxy, key):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, 1000), method="GET")
    first = origin.connect()
    first.send(request_head("GET", key, {"Host": "a"}))
    assert b"200" in first.line()
    first.reset()
    go_on.set()
    wait_until(lambda: origin.counters()["memory"]["stored"] == 1)
    assert origin.get(key).body == BODY
    assert len(reads(proxy, key)) == 1


def test_slow_client_does_not_slow_the_others(origin, proxy, key):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, 1000), method="GET")
    with origin.connect(receive=4096) as slow:
        slow.send(request_head("GET", key, {"Host": "a",
                                            "Connection": "close"}))
        answers = []
        thread = get_later(origin, key, answers)
        wait_until(lambda: origin.counters()["node"]["fills_joined"] == 1)
        go_on.set()
        thread.join()
        assert answers[0].body == BODY
        assert slow.answer().body == BODY
    assert len(reads(proxy, key)) == 1


def test_answered_before_the_fill_has_ended(origin, proxy, bucket, key):
    """A 304 that only the fill's object allows; the request stays until its
    own body has come, and hears no more of the fill."""
    put(origin, proxy, key, b"old")
    assert origin.head(key).status == 200       # its metadata are in memory
    etag = bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                                    Body=BODY)["ETag"]
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    worker = origin.workers()
    with origin.connect() as client:
        client.send(request_head("GET", key, {
            "Host": "a", "If-None-Match": etag, "Content-Length": "1"}))
        assert b"304" in client.line()
        go_on.set()
        wait_until(lambda: origin.counters()["memory"]["stored"] == 2)
        client.send(b"x")
        assert origin.get(key).body == BODY
    assert origin.workers() == worker
    assert len(reads(proxy, key)) == 1


@pytest.mark.parametrize("write", ["PUT", "DELETE"])
def test_fill_from_before_a_write_is_not_joined_after_it(origin, proxy, key,
                                                         write):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = get_later(origin, key, answers)
    wait_until(lambda: proxy.held)
    new = b"new" if write == "PUT" else None
    assert origin.request(write, key, new, token=EDITOR).status == 204
    for _ in range(2):
        answer = origin.get(key)
        assert (answer.body == new if new else answer.status == 404)
    go_on.set()
    thread.join()
    assert answers[0].body == BODY
    answer = origin.get(key)
    assert (answer.body == new if new else answer.status == 404)


@pytest.mark.parametrize("sent", [0, 1, 300_000, MIB - 1])
def test_reading_that_is_cut_is_taken_up_again(origin, proxy, key, sent):
    put(origin, proxy, key, BODY)
    proxy.fault(cut_body(sent), method="GET")
    answer = origin.get(key)
    assert answer.body == BODY and answer.complete
    asked = reads(proxy, key)
    assert len(asked) == 2
    assert asked[1].headers.get("if-match") == (
        answer.headers["ETag"] if sent else None)


def test_reading_that_is_refused_for_a_moment_is_tried_again(origin, proxy,
                                                             key):
    put(origin, proxy, key, BODY)
    proxy.fault(s3_error(503, "SlowDown"), method="GET")
    assert origin.get(key).body == BODY


def test_versions_are_never_mixed(origin, proxy, bucket, key):
    put(origin, proxy, key, BODY)

    def change_and_cut(exchange):
        head, body = exchange.fetch()
        bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                                 Body=BODY[::-1])
        exchange.send(head + body[:300_000])
        exchange.hang_up()

    proxy.fault(change_and_cut, method="GET")
    answer = origin.get(key)
    assert not answer.complete and BODY.startswith(answer.body)
    assert origin.get(key).body == BODY[::-1]


def test_fault_is_told_to_all_and_kept_by_nobody(origin, proxy, key):
    put(origin, proxy, key, BODY)
    go_on = threading.Event()

    def refuse(exchange):
        go_on.wait(30)
        s3_error(403, "AccessDenied")(exchange)

    proxy.fault(refuse, method="GET")
    answers = []
    threads = [get_later(origin, key, answers) for _ in range(20)]
    wait_until(lambda: origin.counters()["node"]["fills_joined"] == 19)
    go_on.set()
    for thread in threads:
        thread.join()
    for answer in answers:
        problem(answer, 502)
    assert origin.counters()["node"]["store_faults"] == 1
    assert origin.get(key).body == BODY


def test_absence_is_told_to_all(origin, proxy, key):
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    threads = [get_later(origin, key, answers) for _ in range(20)]
    wait_until(lambda: origin.counters()["node"]["fills_joined"] == 19)
    go_on.set()
    for thread in threads:
        thread.join()
    for answer in answers:
        problem(answer, 404)
    assert len(reads(proxy, key)) == 1


def test_what_is_too_large_is_read_by_each(origin, proxy, key):
    large = BODY * 3
    put(origin, proxy, key, large)
    answers = []
    threads = [get_later(origin, key, answers) for _ in range(8)]
    for thread in threads:
        thread.join()
    assert [a.body == large for a in answers] == [True] * 8


def test_requests_with_conditions_join_when_theirs_hold(origin, proxy, key):
    """Each asks S3 what the object is; its bytes are read once."""
    put(origin, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    threads = [get_later(origin, key, answers, if_none_match='"other"')
               for _ in range(20)]
    wait_until(lambda: origin.counters()["node"]["fills_joined"] == 19)
    go_on.set()
    for thread in threads:
        thread.join()
    assert [answer.body == BODY for answer in answers] == [True] * 20
    assert len(reads(proxy, key)) == 1


def test_empty_object_is_filled(origin, proxy, key):
    put(origin, proxy, key, b"")
    answers = []
    threads = [get_later(origin, key, answers) for _ in range(8)]
    for thread in threads:
        thread.join()
    assert [(a.status, a.body, a.headers["Content-Length"])
            for a in answers] == [(200, b"", "0")] * 8


def test_storage_that_is_away_is_a_fault_soon(tmp_path, bucket, proxy, key):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), http=MEMORY,
               workers=1) as origin:
        put(origin, proxy, key, BODY)
        proxy.fault(cut(), times=1000)
        problem(origin.get(key), 502)


def test_compressed_answers_come_out_of_a_fill(tmp_path, bucket, proxy, key):
    """A filter that changes the bytes leaves those of the others alone."""
    text = b"hello, world\n" * 40_000
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               http=MEMORY + "gzip on; gzip_proxied any; gzip_types *;",
               ) as origin:
        put(origin, proxy, key, text)
        go_on = threading.Event()
        proxy.fault(in_pieces(go_on, 100_000), method="GET")
        answers = []
        threads = [get_later(origin, key, answers, **how) for how in
                   ({}, {"accept_encoding": "gzip"}) * 5]
        wait_until(lambda: origin.counters()["node"]["fills_joined"] == 9)
        go_on.set()
        for thread in threads:
            thread.join()
        for answer in answers:
            packed = answer.headers.get("Content-Encoding") == "gzip"
            assert (zlib.decompress(answer.body, 31) if packed
                    else answer.body) == text


# Without a lease, and without Redis

@pytest.fixture(params=["redis", "both"])
def lost(request, tmp_path, bucket, proxy, redis, key):
    """A node that has lost its Redis, and S3 with the object SMALL."""
    http = "content_hot hits=1;" + (MEMORY if request.param == "both" else "")
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               fleet="on lease=1s", http=http, workers=1,
               connections=4096) as node:
        wait_until(lambda: node.counters()["fleet"]["lease"] > 0)
        redis.stop()
        wait_until(lambda: node.counters()["fleet"]["lease"] == 0
                   and not node.counters()["redis"]["ready"])
        bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=SMALL)
        proxy.clear()
        yield node


def begun_or_joined(origin):
    node = origin.counters()["node"]
    return node["fills"] + node["fills_joined"]


def test_a_crowd_without_a_lease_waits_for_the_next_reading(lost, proxy, key):
    """One is under way, all others want the next one; on a slow machine the
    next may begin before all have come."""
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = get_later(lost, key, answers)
    wait_until(lambda: reads(proxy, key))
    crowd = Crowd(lost.port, key, 200)
    wait_until(lambda: begun_or_joined(lost) == 201)
    go_on.set()
    crowd.read(lambda: False)
    thread.join()
    assert answers[0].body == SMALL
    assert crowd.all_got(SMALL)
    assert 2 <= len(reads(proxy, key)) <= 4


def test_without_a_lease_an_earlier_reading_is_not_joined(lost, proxy, bucket,
                                                          key):
    """And one that stands still does not hold the next one for long."""
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = get_later(lost, key, answers)
    wait_until(lambda: proxy.held)
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                             Body=SMALL[::-1])
    assert lost.get(key).body == SMALL[::-1]
    assert len(reads(proxy, key)) == 2
    go_on.set()
    thread.join()
    assert answers[0].body == SMALL


def test_next_reading_that_nobody_waits_for_is_left_out(lost, proxy, key):
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = get_later(lost, key, answers)
    wait_until(lambda: reads(proxy, key))
    with lost.connect() as client:
        client.send(request_head("GET", key, {"Host": "a"}))
        wait_until(lambda: begun_or_joined(lost) == 2)
        client.reset()
    go_on.set()
    thread.join()
    assert answers[0].body == SMALL
    assert lost.get(key).body == SMALL
    assert len(reads(proxy, key)) == 2          # the first and the last


def test_crowd_that_asked_redis_in_vain_is_one_reading(tmp_path, bucket, redis,
                                                       proxy, key):
    """All had come before it began."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               workers=1, http="content_hot hits=1; content_redis_timeout 60s;"
               ) as origin:
        wait_until(lambda: origin.counters()["redis"]["ready"])
        put(origin, proxy, key, SMALL)
        before = origin.counters()["redis"]["lookups"]
        redis.pause()
        crowd = Crowd(origin.port, key, 100)
        wait_until(lambda: origin.counters()["redis"]["lookups"]
                   == before + 100)
        redis.kill()
        crowd.read(lambda: False)
        assert crowd.all_got(SMALL)
        assert len(reads(proxy, key)) == 1
