"""What passes is tried again, signed anew where the server says why, and
never done twice where that would matter.
"""

import datetime
import email.utils
import re
import signal

import pytest

from harness import (EDITOR, Nginx, data, problem, request_head,
                     wait_until)
from s3_fault_proxy import (FaultProxy, answer, cut, cut_body, s3_error,
                            stall)

MIB = 1 << 20
ALWAYS = 1000
SETTINGS = ("content_s3_timeout 1s; content_s3_connect_timeout 1s;"
            "content_s3_retry_timeout 20s;")


@pytest.fixture
def origin(tmp_path, bucket, proxy):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               server=SETTINGS, workers=1, level="info") as nginx:
        yield nginx


# name, fault, whether S3 has ended the try: else a write is not sent again, for
# the first one might come later
PASSING = [
    ("503", s3_error(503, "SlowDown"), True),
    ("429", s3_error(429, "TooManyRequests"), True),
    ("500", s3_error(500, "InternalError"), True),
    ("502 of a balancer", answer(502, b"<html>", "text/html"), False),
    ("503 of a balancer", answer(503, b"<html>", "text/html"), False),
    ("asked to wait", s3_error(503, "SlowDown", Retry_After="1"), True),
    ("cut", cut(), False),
    ("reset", cut(reset=True), False),
    ("stalled", stall(), False),
]


@pytest.mark.parametrize("name, fault, ended", PASSING,
                         ids=[f[0] for f in PASSING])
def test_fault_that_passes_is_not_seen(origin, proxy, key, name, fault, ended):
    for body in (b"small", data(12 * MIB)):
        for fits in ({"method": "HEAD"}, {"method": "PUT"},
                     {"method": "POST", "query": "uploads"}):
            if "query" in fits and len(body) < MIB:
                continue
            if fits["method"] == "PUT" and len(body) < MIB and not ended:
                continue                        # a part may be sent again
            proxy.fault(fault, times=2, **fits)
            assert origin.put(key, body, token=EDITOR).status in (201, 204)
            assert proxy.pending() == 0
        proxy.fault(fault, times=2, method="GET")
        assert origin.get(key).body == body
        assert proxy.pending() == 0
    proxy.fault(fault, times=2, method="GET", query="list-type")
    assert key[1:] in str(origin.get("/-/list", token=EDITOR).json())
    if ended:
        proxy.fault(fault, times=2, method="DELETE")
    assert origin.delete(key, token=EDITOR).status == 204
    assert proxy.pending() == 0
    problem(origin.get(key), 404)


def test_list_that_is_cut_is_asked_for_again(origin, proxy, key):
    assert origin.put(key, b"x", token=EDITOR).status == 201
    proxy.fault(cut_body(200), times=2, method="GET", query="list-type")
    assert key[1:] in str(origin.get("/-/list", token=EDITOR).json())
    assert proxy.pending() == 0


def test_tries_are_bounded(origin, proxy):
    proxy.fault(s3_error(503, "SlowDown"), times=ALWAYS)
    problem(origin.get("/-/list", token=EDITOR), 503)
    assert len(proxy.requests) == 3
    for request in proxy.requests:              # and none has two signatures
        assert request.head.lower().count(b"\r\nauthorization:") == 1


def test_waiting_for_too_long_is_not_waiting(origin, proxy):
    proxy.fault(s3_error(503, "SlowDown", Retry_After="60"), times=ALWAYS)
    problem(origin.get("/-/list", token=EDITOR), 503)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("fault", [cut(), stall(),
                                   s3_error(500, "InternalError")],
                         ids=["cut", "stalled", "500"])
@pytest.mark.parametrize("what", ["conditional", "complete"])
def test_what_must_not_be_done_twice_is_not(origin, proxy, key, what, fault):
    if what == "complete":
        proxy.fault(fault, method="POST", query="uploadId")
        told = origin.put(key, data(12 * MIB), token=EDITOR)
    else:
        proxy.fault(fault, method="PUT")
        told = origin.put(key, b"x", token=EDITOR, if_none_match="*")
    assert told.status in (502, 503, 504)
    assert proxy.pending() == 0


@pytest.mark.parametrize("fault", [stall(), answer(502, b"<html>")],
                         ids=["stalled", "balancer"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_write_that_may_come_later_is_not_sent_again(origin, proxy, key,
                                                     method, fault):
    """It could come after the second try, over another writer's object."""
    origin.put(key, b"x", token=EDITOR)
    before = len(proxy.requests)
    proxy.fault(fault, method=method)
    told = origin.request(method, key, b"y" if method == "PUT" else None,
                          token=EDITOR)
    assert told.status in (502, 504)
    assert proxy.pending() == 0
    sent = [r for r in proxy.requests[before:] if r.method == method]
    assert len(sent) == 1


@pytest.mark.parametrize("what", ["conditional", "complete"])
def test_what_was_surely_not_done_is_tried_again(origin, proxy, key, what):
    fault = s3_error(503, "SlowDown")
    if what == "complete":
        proxy.fault(fault, times=2, method="POST", query="uploadId")
        told = origin.put(key, data(12 * MIB), token=EDITOR)
    else:
        proxy.fault(fault, times=2, method="PUT")
        told = origin.put(key, b"x", token=EDITOR, if_none_match="*")
    assert told.status == 201
    assert proxy.pending() == 0


def test_client_that_leaves_ends_the_waiting(origin, proxy, key):
    proxy.fault(s3_error(503, "SlowDown", Retry_After="15"), times=ALWAYS)
    with origin.connect() as connection:
        connection.send(f"GET {key} HTTP/1.1\r\nHost: o\r\n\r\n".encode())
        wait_until(lambda: "again in 15000 ms" in origin.read_log())
    origin.stop()               # would wait for the try that is to come
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("fault, seen", [
    (stall(), ""),
    (s3_error(503, "SlowDown", Retry_After="15"), "again in 15000 ms")],
    ids=["answer", "next try"])
def test_client_that_leaves_ends_the_call(origin, proxy, key, fault, seen):
    """There is no other try, and nothing that the worker waits for."""
    proxy.fault(fault, times=ALWAYS, method="HEAD")
    with origin.connect() as connection:
        connection.send(request_head("HEAD", key, {"Host": "o"}))
        wait_until(lambda: proxy.requests and seen in origin.read_log())
    wait_until(lambda: seen or not proxy.connections)
    origin.stop()
    assert len(proxy.requests) == 1


# Another clock

def ahead(hours):
    """A server whose clock is ahead: refuses what is signed for another."""
    def act(exchange):
        there = (datetime.datetime.now(datetime.timezone.utc)
                 + datetime.timedelta(hours=hours))
        told = email.utils.format_datetime(there).replace("+0000", "GMT")
        signed = datetime.datetime.strptime(
            exchange.request.headers["x-amz-date"] + "+0000",
            "%Y%m%dT%H%M%SZ%z")
        if abs((there - signed).total_seconds()) > 900:
            s3_error(403, "RequestTimeTooSkewed", Date=told)(exchange)
        elif exchange.request.path.endswith("/"):
            answer(200, Date=told)(exchange)        # the bucket is there
        else:
            s3_error(404, "NoSuchKey", Date=told)(exchange)
    return act


@pytest.mark.parametrize("hours", [1, -24])
def test_clock_is_corrected_once(origin, proxy, key, hours):
    proxy.fault(ahead(hours), times=ALWAYS)
    for _ in range(3):
        problem(origin.get(key), 404)
        problem(origin.delete(key, token=EDITOR), 404)
    assert origin.read_log().count("signing by it") == 1
    assert len(re.findall(r"HEAD|GET", str(proxy.requests))) <= 8


def test_clock_that_is_never_right_is_502(origin, proxy):
    proxy.fault(s3_error(403, "RequestTimeTooSkewed",
                         Date="Thu, 01 Jan 2015 00:00:00 GMT"), times=ALWAYS)
    problem(origin.get("/-/list", token=EDITOR), 502)
    assert len(proxy.requests) == 2


# Another region

def elsewhere(status, code, told_in_body):
    """A server whose bucket is in eu-west-1."""
    def act(exchange):
        if "/eu-west-1/s3/" in exchange.request.headers["authorization"]:
            exchange.forward()
            return
        region = "" if not told_in_body else "<Region>eu-west-1</Region>"
        how = {} if told_in_body and exchange.request.method != "HEAD" else {
            "x_amz_bucket_region": "eu-west-1"}
        answer(status, f"<Error><Code>{code}</Code><Message>no</Message>"
                       f"{region}</Error>".encode(),
               Location="http://127.0.0.1:1/", **how)(exchange)
    return act


@pytest.mark.parametrize("status, code", [
    (301, "PermanentRedirect"), (307, "TemporaryRedirect"),
    (400, "AuthorizationHeaderMalformed")])
@pytest.mark.parametrize("told_in_body", [False, True], ids=["head", "body"])
@pytest.mark.parametrize("first", ["GET", "PUT", "LIST"])
def test_bucket_of_another_region_is_found(origin, proxy, bucket, key, status,
                                           code, told_in_body, first):
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=b"there")
    proxy.fault(elsewhere(status, code, told_in_body), times=ALWAYS)
    if first == "PUT":
        assert origin.put(key, b"there", token=EDITOR).status == 204
    elif first == "LIST":
        assert origin.get("/-/list", token=EDITOR).status == 200
    for _ in range(3):
        assert origin.get(key).body == b"there"
    assert origin.read_log().count('is in region "eu-west-1"') == 1


def test_region_that_is_none_is_not_believed(origin, proxy):
    proxy.fault(s3_error(301, "PermanentRedirect",
                         x_amz_bucket_region="a/b"), times=ALWAYS)
    problem(origin.get("/-/list", token=EDITOR), 502)
    assert len(proxy.requests) == 1


# Several endpoints

@pytest.fixture
def pair(s3):
    """Two ways to the same server."""
    upstream = s3.endpoint.removeprefix("http://")
    with FaultProxy(upstream) as one, FaultProxy(upstream) as other:
        yield one, other


def two_endpoints(workdir, bucket, pair, more=""):
    return Nginx(workdir / "n", bucket.through(pair[0].endpoint),
                 server=f"content_s3_endpoint {pair[1].endpoint};"
                        f"{SETTINGS} {more}", workers=1, level="info")


def everything(origin, key):
    body = data(6 * MIB)
    assert origin.put(key, b"small", token=EDITOR).status in (201, 204)
    assert origin.get(key).body == b"small"
    assert origin.head(key).status == 200
    assert origin.get(key, range="bytes=1-2").body == b"ma"
    assert origin.put(key, body, token=EDITOR).status == 204
    assert origin.get(key).body == body
    assert origin.get("/-/list", token=EDITOR).status == 200
    assert origin.delete(key, token=EDITOR).status == 204


def test_endpoints_take_turns(tmp_path, bucket, pair, key):
    with two_endpoints(tmp_path, bucket, pair) as origin:
        everything(origin, key)
        for proxy in pair:
            methods = {r.method for r in proxy.requests}
            assert {"GET", "HEAD"} <= methods or len(proxy.requests) > 4
            assert all(r.headers["host"] in proxy.endpoint
                       for r in proxy.requests)


@pytest.mark.parametrize("dead", [0, 1])
@pytest.mark.parametrize("how", ["refused", "cut", "stalled",
                                 "502 of a balancer"])
def test_endpoint_that_fails_is_gone_round(tmp_path, bucket, pair, key, dead,
                                           how):
    with two_endpoints(tmp_path, bucket, pair) as origin:
        everything(origin, key)
        pair[dead].clear()
        if how == "refused":
            pair[dead].refuse()
        else:
            fault = {"cut": cut(), "stalled": stall()}.get(
                how, answer(502, b"<html>", "text/html"))
            pair[dead].fault(fault, times=ALWAYS)
            # reads find it out: a write is not sent again
            for _ in range(2):
                assert origin.get("/-/list", token=EDITOR).status == 200
        for _ in range(3):
            everything(origin, key)
        # left alone for ten seconds, by reads and writes alike
        assert len(pair[dead].requests) <= 8
        assert "has failed: left alone" in origin.read_log()


def test_endpoint_that_works_again_is_used_again(tmp_path, bucket, pair, key):
    with two_endpoints(tmp_path, bucket, pair,
                       "content_s3_fail_timeout 100ms;") as origin:
        pair[0].refuse()
        everything(origin, key)
        pair[0].accept()
        pair[0].clear()

        def used():
            everything(origin, key)
            return pair[0].requests
        wait_until(used)


def test_no_endpoint_left_is_502(tmp_path, bucket, pair, key):
    with two_endpoints(tmp_path, bucket, pair) as origin:
        for proxy in pair:
            proxy.refuse()
        problem(origin.get(key), 502)
        problem(origin.put(key, b"x", token=EDITOR), 502)
        for proxy in pair:
            proxy.accept()
        everything(origin, key)


# A worker that is to end at once

@pytest.mark.parametrize("fault, seen", [
    (stall(), lambda origin, proxy: proxy.requests),
    (s3_error(503, "SlowDown", Retry_After="15"),
     lambda origin, proxy: "again in 15000 ms" in origin.read_log())],
    ids=["answer", "next try"])
def test_terminated_worker_drops_what_waits(origin, proxy, key, fault, seen):
    """Nobody is told of its end: all who would be are gone, too."""
    proxy.fault(fault, times=ALWAYS)
    with origin.connect() as connection:
        connection.send(request_head("DELETE", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}"}))
        wait_until(lambda: seen(origin, proxy))
        before = origin.read_log()
        assert origin.end(signal.SIGTERM) == 0
    after = origin.read_log().removeprefix(before)
    assert f'"{key[1:]}"' not in after
