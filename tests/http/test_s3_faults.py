"""When S3 fails, clients are told so (502, 503, 504; never 404), no cache
keeps it, and nothing is half: not a body, not an object, not a record.
"""

import concurrent.futures
import os
import re
import threading
import time

import pytest

import edge
from harness import EDITOR, Nginx, data, problem, request_head, wait_until
from s3_fault_proxy import (answer, change, cut, cut_after_forwarding,
                            cut_body, cut_head, first, hold, raw, s3_error,
                            stall, stall_body)

MIB = 1 << 20
ALWAYS = 1000               # a fault that no retry gets round
SETTINGS = ("content_s3_timeout 1s; content_s3_connect_timeout 1s;"
            "content_hot hits=1;")


@pytest.fixture
def redis(shared_redis):
    shared_redis.client.flushall()
    return shared_redis


@pytest.fixture
def origin(tmp_path, bucket, proxy, redis):
    """One worker that has not spoken with S3 yet."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               server=SETTINGS, workers=1) as nginx:
        yield nginx


def store_directly(bucket, key, body):
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=body)


# One fault for every request

HTML = b"<html><body><h1>It works!</h1></body></html>"

FAULTS = [
    # name, fault (None: nobody listens), status
    ("refused", None, 502),
    ("cut", cut(), 502),
    ("reset", cut(reset=True), 502),
    ("cut in the head", cut_head(), 502),
    ("stalled", stall(), 504),
    ("500", s3_error(500, "InternalError"), 502),
    ("500 without a word", answer(500), 502),
    ("501", s3_error(501, "NotImplemented"), 502),
    ("502 of a balancer", answer(502, HTML, "text/html"), 502),
    ("503", s3_error(503, "SlowDown"), 503),
    ("503 of a balancer", answer(503, HTML, "text/html"), 503),
    ("429", s3_error(429, "TooManyRequests"), 503),
    ("504 of a balancer", answer(504, HTML, "text/html"), 504),
    ("400", s3_error(400, "AuthorizationHeaderMalformed"), 502),
    ("401", answer(401, HTML, "text/html"), 502),
    ("403", s3_error(403, "AccessDenied"), 502),
    ("403, chunked", s3_error(403, "SignatureDoesNotMatch", chunked=True),
     502),
    ("skewed clock", s3_error(403, "RequestTimeTooSkewed"), 502),
    ("no such bucket", s3_error(404, "NoSuchBucket"), 502),
    ("no such bucket, chunked", s3_error(404, "NoSuchBucket", chunked=True),
     502),
    ("404 of a web server", answer(404, HTML, "text/html"), 502),
    ("404 without a word", answer(404), 502),
    ("301", s3_error(301, "PermanentRedirect", Location="http://x/"), 502),
    ("307", answer(307, Location="http://127.0.0.1:1/"), 502),
    ("no HTTP", raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502),
    ("garbage", raw(bytes(range(256)) * 8), 502),
    ("a header without end", raw(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nX: "
                                 + b"x" * 100_000), 502),
    ("a malformed header", raw(b"HTTP/1.1 200 OK\r\n\x00\x01\x02\r\n"
                               b"Content-Length: 0\r\n\r\n"), 502),
    ("status 999", raw(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"),
     502),
    ("status 0", raw(b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n"), 502),
]


def order(origin, what, key):
    if what == "LIST":
        return origin.get("/-/list", token=EDITOR)
    if what == "RANGE":
        return origin.get(key, range="bytes=1-3")
    body = b"new" if what == "PUT" else None
    return origin.request(what, key, body, token=EDITOR)


@pytest.mark.parametrize("name, fault, status", FAULTS,
                         ids=[f[0] for f in FAULTS])
@pytest.mark.parametrize("what", ["GET", "HEAD", "RANGE", "PUT", "DELETE",
                                  "LIST"])
def test_fault_is_told_and_never_a_404(origin, proxy, bucket, redis, key,
                                       what, name, fault, status):
    store_directly(bucket, key, b"old body")
    if fault:
        proxy.fault(fault, times=ALWAYS)
    else:
        proxy.refuse()

    told = order(origin, what, key)

    if what == "HEAD":
        assert told.status == status
        assert told.headers["Content-Type"] == "application/problem+json"
        assert told.headers["Cache-Control"] == "no-store"
    else:
        document = problem(told, status)
        assert "AccessDenied" not in str(document)
    assert ("Retry-After" in told.headers) == (status == 503)
    assert redis.records() == []

    proxy.clear()
    if not fault:
        proxy.accept()
    for _ in range(2):
        healthy = origin.get(key)
        assert (healthy.status, healthy.body) == (200, b"old body")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
def test_head_without_its_last_line_is_no_answer(origin, proxy, bucket, key,
                                                 method):
    """It may have had more lines."""
    def without_last_line(exchange):
        head, _ = exchange.fetch()
        exchange.send(head[:-len(b"\r\n")])
        exchange.hang_up()

    store_directly(bucket, key, b"old body")
    proxy.fault(without_last_line, times=ALWAYS, method=method)
    assert order(origin, method, key).status == 502


def test_absent_object_is_still_a_404(origin, key):
    problem(origin.get(key), 404)
    assert origin.head(key).status == 404
    problem(origin.delete(key), 404)


def test_absent_object_is_a_404_however_the_server_says_it(origin, proxy,
                                                           key):
    proxy.fault(s3_error(404, "NoSuchKey", chunked=True), method="GET")
    problem(origin.get(key), 404)


def test_fault_is_logged_with_key_and_cause(origin, proxy, key):
    proxy.fault(s3_error(403, "AccessDenied"), times=ALWAYS)
    origin.get(key)
    assert f'"{key[1:]}" failed' in origin.read_log()
    assert "403 AccessDenied" in origin.read_log()


# Bodies

@pytest.mark.parametrize("size, sent", [(1000, 0), (1000, 999),
                                        (60_000, 30_000),
                                        (3 * MIB, 2 * MIB),
                                        (3 * MIB, 3 * MIB - 1)])
@pytest.mark.parametrize("fault", [cut_body, stall_body])
@pytest.mark.parametrize("ranged", [False, True], ids=["whole", "range"])
def test_short_body_is_not_passed_off_as_whole(origin, proxy, bucket, redis,
                                               key, size, sent, fault,
                                               ranged):
    body = data(size)
    store_directly(bucket, key, body)
    proxy.fault(fault(sent), times=ALWAYS, method="GET")
    how = {"range": f"bytes=0-{size - 1}"} if ranged else {}
    got = origin.get(key, **how)
    if got.status in (502, 504):            # nothing had been sent yet
        problem(got, got.status)
    else:
        assert got.status in (200, 206)
        assert not got.complete
        assert body.startswith(got.body) and len(got.body) <= sent
    assert redis.bodies() == []
    proxy.clear()
    assert origin.get(key).body == body


@pytest.mark.parametrize("name, is_, becomes, size", [
    ("another", b"bytes 1-3/", b"bytes 2-4/", 3),
    ("of another length", b"bytes 1-3/", b"bytes 1-3/9", 3),
    ("shorter", b"Length: 3", b"Length: 2", 2),
    ("longer", b"Length: 3", b"Length: 4", 4)])
def test_another_range_than_was_asked_for_is_a_fault(origin, proxy, bucket,
                                                     key, name, is_, becomes,
                                                     size):
    store_directly(bucket, key, b"hello")
    proxy.fault(change(lambda head, body: (
        re.sub(b"(?i)" + is_, becomes, head), (body + b"x")[:size])),
        times=ALWAYS, method="GET")
    problem(origin.get(key, range="bytes=1-3"), 502)


def test_reset_in_the_midst_of_a_body_is_seen(origin, proxy, bucket, redis,
                                              key):
    store_directly(bucket, key, data(MIB))
    proxy.fault(cut_body(1000, reset=True), times=ALWAYS, method="GET")
    got = origin.get(key)
    assert got.status == 502 or not got.complete
    assert redis.bodies() == []


def test_body_that_trickles_is_passed_on(origin, proxy, bucket, key):
    body = data(500)
    store_directly(bucket, key, body)

    def trickle(exchange):
        head, _ = exchange.fetch()
        exchange.send(head)
        for i in range(0, 500, 100):
            time.sleep(0.3)                 # five times: beyond the time-out
            exchange.send(body[i:i + 100])

    proxy.fault(trickle, method="GET")
    assert origin.get(key).body == body


@pytest.mark.parametrize("name, old, new", [
    ("no ETag", rb"(?i)\r\nETag:[^\r]*", b""),
    ("no date", rb"(?i)\r\nLast-Modified:[^\r]*", b""),
    ("no length", rb"(?i)\r\nContent-Length:[^\r]*", b""),
    ("length is no number", rb"(?i)Content-Length:[^\r]*",
     b"Content-Length: many"),
    ("negative length", rb"(?i)Content-Length:[^\r]*", b"Content-Length: -5"),
    ("huge length", rb"(?i)Content-Length:[^\r]*",
     b"Content-Length: 99999999999999999999"),
    ("date is none", rb"(?i)Last-Modified:[^\r]*", b"Last-Modified: now"),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answer_that_lacks_something_is_502(origin, proxy, bucket, redis, key,
                                            method, name, old, new):
    store_directly(bucket, key, b"hello")
    proxy.fault(change(lambda head, body: (re.sub(old, new, head), body)),
                times=ALWAYS, method=method)
    told = origin.request(method, key)
    assert told.status == 502, name
    assert told.headers["Cache-Control"] == "no-store"
    assert redis.records() == []


# Connections that went idle

def test_connections_that_the_server_dropped_are_made_again(origin, proxy,
                                                            key):
    body = data(100_000)
    for i in range(6):
        assert origin.put(key, body).status == (204 if i else 201)
        proxy.drop()
        assert origin.get(key).body == body
        proxy.drop()
        assert origin.head(key).status == 200
        proxy.drop()
        assert origin.get(key, range="bytes=1-2").body == body[1:3]
        proxy.drop()


def test_connections_are_used_again(origin, proxy, key):
    origin.put(key, b"x" * 100_000)         # too large for Redis
    for _ in range(20):
        assert origin.get(key).status == 200
        assert origin.head(key).status == 200
    assert len(proxy.connections) <= 4


@pytest.fixture
def patient(tmp_path, bucket, proxy):
    """What ends here ends by no time-out."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               server="content_s3_timeout 120s;") as nginx:
        yield nginx


def test_client_that_leaves_ends_the_request_to_s3(patient, proxy, bucket,
                                                   key):
    store_directly(bucket, key, b"x")
    proxy.fault(stall(), times=ALWAYS)
    with patient.connect() as connection:
        connection.send(request_head("GET", key, {"Host": "o",
                                                  "Range": "bytes=0-0"}))
        wait_until(lambda: proxy.requests)
    wait_until(lambda: not proxy.connections)


# Versions

def test_range_is_never_cut_out_of_another_version(origin, proxy, bucket,
                                                   key):
    old, new = b"o" * 1000, b"n" * 1500
    store_directly(bucket, key, old)
    proxy.fault(first(lambda: store_directly(bucket, key, new)),
                method="GET")
    got = origin.get(key, range="bytes=100-199")
    assert got.status in (200, 206)
    if got.status == 200:
        assert got.body == new
    else:
        assert got.headers["Content-Range"] == "bytes 100-199/1500"
        assert got.body == new[100:200]
    assert got.headers["ETag"] == origin.head(key).headers["ETag"]


def test_condition_is_answered_with_one_version(origin, proxy, bucket, key):
    store_directly(bucket, key, b"old")
    etag = origin.head(key).headers["ETag"]
    proxy.fault(first(lambda: store_directly(bucket, key, b"newer")),
                method="GET")
    got = origin.get(key, if_match=etag)
    if got.status == 412:
        problem(got, 412)
    else:
        assert got.status == 200
        assert (got.headers["ETag"], got.body) == (
            origin.head(key).headers["ETag"], b"newer")


def test_object_that_vanishes_before_its_bytes_is_404(origin, proxy, bucket,
                                                      key):
    store_directly(bucket, key, b"x" * 1000)
    proxy.fault(first(lambda: bucket.client.delete_object(
        Bucket=bucket.name, Key=key[1:])), method="GET")
    problem(origin.get(key, range="bytes=100-199"), 404)


def test_server_that_ignores_ranges_is_answered_whole(origin, proxy, bucket,
                                                      key):
    body = data(1000)
    store_directly(bucket, key, body)

    def ignore(exchange):
        exchange.request.head = re.sub(rb"(?i)\r\nrange:[^\r]*", b"",
                                       exchange.request.head)
        exchange.send(answer_of_boto(bucket, key))

    proxy.fault(ignore, method="GET")
    got = origin.get(key, range="bytes=1-2")
    assert (got.status, got.body) == (200, body)


def answer_of_boto(bucket, key):
    """What S3 answers to a plain GET, written by hand."""
    got = bucket.client.get_object(Bucket=bucket.name, Key=key[1:])
    body = got["Body"].read()
    modified = got["ResponseMetadata"]["HTTPHeaders"]["last-modified"]
    return (f"HTTP/1.1 200 OK\r\nETag: {got['ETag']}\r\n"
            f"Last-Modified: {modified}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


@pytest.mark.parametrize("edit", [
    lambda head, body: (head.replace(b"bytes 1-2/", b"bytes 2-3/"), body),
    lambda head, body: (head.replace(b"bytes 1-2/1000", b"bytes 1-2/999"),
                        body),
    lambda head, body: (head.replace(b"Content-Range", b"X-Range"), body)])
def test_range_that_was_not_asked_for_is_502(origin, proxy, bucket, key,
                                             edit):
    store_directly(bucket, key, data(1000))
    proxy.fault(change(edit), times=ALWAYS, method="GET")
    problem(origin.get(key, range="bytes=1-2"), 502)


def test_fill_that_began_before_a_put_leaves_no_record(origin, proxy, bucket,
                                                       redis, key):
    store_directly(bucket, key, b"old")
    release = threading.Event()
    proxy.fault(hold(release), method="GET")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(origin.get, key)
        wait_until(lambda: proxy.requests)
        assert origin.put(key, b"new").status == 204
        release.set()
        assert slow.result().body == b"old"     # it began before
    for _ in range(5):
        assert origin.get(key).body == b"new"
    assert len(redis.records()) <= 1


# Writes

def heat(origin, key):
    wait_until(lambda: origin.get(key).headers["Cache-Status"]
               .endswith("detail=redis"))


@pytest.mark.parametrize("what", ["PUT", "DELETE"])
@pytest.mark.parametrize("fault", [cut_after_forwarding(),
                                   cut_after_forwarding(reset=True)],
                         ids=["cut", "reset"])
def test_write_of_unknown_end_drops_the_old_record(origin, proxy, bucket, key,
                                                   what, fault):
    store_directly(bucket, key, b"old")
    heat(origin, key)
    proxy.fault(fault, times=ALWAYS, method=what)
    told = order(origin, what, key)
    if told.status >= 300:
        problem(told, 502)
    proxy.clear()
    if what == "PUT":
        assert origin.get(key).body == b"new"
    else:
        problem(origin.get(key), 404)


def test_write_that_times_out_drops_the_old_record(origin, proxy, bucket,
                                                   key):
    store_directly(bucket, key, b"old")
    heat(origin, key)

    def late(exchange):
        exchange.fetch()
        exchange.wait()

    proxy.fault(late, times=ALWAYS, method="PUT")
    problem(origin.put(key, b"new"), 504)
    proxy.clear()
    assert origin.get(key).body == b"new"


def test_client_that_leaves_a_write_does_not_undo_it(origin, proxy, bucket,
                                                     key):
    store_directly(bucket, key, b"old")
    heat(origin, key)
    release = threading.Event()
    proxy.fault(hold(release), method="PUT")
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 3}) + b"new")
        wait_until(lambda: any(r.method == "PUT" for r in proxy.requests))
        connection.reset()
    release.set()
    wait_until(lambda: origin.get(key).body == b"new")
    for _ in range(5):
        assert origin.get(key).body == b"new"


def test_write_of_unknown_end_is_purged(tmp_path, bucket, proxy, key):
    store_directly(bucket, key, b"old")
    with edge.start_fake_cloudflare() as fake, \
         Nginx(tmp_path / "n", bucket.through(proxy.endpoint), purge=fake,
               server=SETTINGS) as origin:
        proxy.fault(cut_after_forwarding(), times=ALWAYS, method="PUT")
        problem(origin.put(key, b"new"), 502)
        call, = fake.calls(least=1)
        proxy.clear()
        assert call["body"]["tags"] == [origin.get(key).headers["Cache-Tag"]]


def test_put_that_is_answered_by_a_web_server_is_no_success(origin, proxy,
                                                            bucket, key):
    store_directly(bucket, key, b"old")
    proxy.fault(answer(200, HTML, "text/html"), times=ALWAYS, method="PUT")
    problem(origin.put(key, b"new"), 502)
    proxy.clear()
    assert origin.get(key).body == b"old"


def test_put_is_repeated_or_fails_but_is_never_half(origin, proxy, bucket,
                                                    key):
    body = data(3 * MIB)
    for fault in (cut(), cut(reset=True), s3_error(500, "InternalError"),
                  s3_error(503, "SlowDown")):
        store_directly(bucket, key, b"old")
        proxy.fault(fault, method="PUT")
        told = origin.put(key, body)
        assert told.status in (204, 502, 503)
        assert origin.get(key).body == (body if told.status == 204
                                        else b"old")
        proxy.clear()


def test_deletion_of_what_is_gone_meanwhile(origin, proxy, bucket, key):
    store_directly(bucket, key, b"old")
    proxy.fault(s3_error(404, "NoSuchKey"), method="DELETE")
    assert order(origin, "DELETE", key).status == 204
    assert proxy.pending() == 0


# Lists

@pytest.mark.parametrize("name, fault", [
    ("HTML", answer(200, HTML, "text/html")), ("empty", answer(200)),
    ("an error in a 200", s3_error(200, "InternalError")),
    ("another document", answer(200, b"<?xml version='1.0'?><a><b/></a>")),
    ("cut", cut_body(100)),
    ("entity bomb", answer(200, b"""<?xml version="1.0"?><!DOCTYPE a [
        <!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
        <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
        <ListBucketResult><Name>&c;</Name></ListBucketResult>""")),
    ("external entity", answer(200, b"""<?xml version="1.0"?><!DOCTYPE a [
        <!ENTITY x SYSTEM "file:///etc/passwd">]><ListBucketResult>
        <IsTruncated>false</IsTruncated><Contents><Key>&x;</Key><Size>1</Size>
        <ETag>"a"</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified>
        </Contents></ListBucketResult>""")),
])
def test_list_that_makes_no_sense_is_502(origin, proxy, name, fault):
    proxy.fault(fault, times=ALWAYS, method="GET")
    problem(origin.get("/-/list", token=EDITOR), 502)


def test_list_that_stalls_is_504(origin, proxy):
    proxy.fault(stall_body(50), times=ALWAYS, method="GET")
    problem(origin.get("/-/list", token=EDITOR), 504)


# Faults do not spread

def test_stalled_requests_delay_no_others(patient, proxy, bucket, key):
    store_directly(bucket, key, b"x" * 100_000)
    proxy.fault(stall(), times=ALWAYS, path="-stalled")
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        stalled = [pool.submit(patient.get, f"{key}-{i}-stalled")
                   for i in range(20)]
        stalled += [pool.submit(patient.put, key + "-stalled", b"x")
                    for _ in range(5)]
        wait_until(lambda: len(proxy.requests) >= 20)
        for _ in range(10):
            assert patient.get(key).status == 200
        assert not any(s.done() for s in stalled)
        proxy.clear()


def processor_time(pid):
    """Seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_worker_that_waits_for_an_answer_does_nothing(origin, proxy, key):
    """A socket that has room is not looked at again and again."""
    assert origin.put(key, b"x").status == 201
    heat(origin, key)                           # so there is Redis's, too
    worker, = origin.workers()
    proxy.drop()                                # S3's is a new one
    proxy.fault(stall(), times=ALWAYS)
    before = processor_time(worker)
    problem(origin.get("/-/list", token=EDITOR), 504)   # after a second
    assert processor_time(worker) - before < 0.3
