"""No answer of S3 or Redis, however broken, ends a worker, holds a request, is
taken for something that it is not, or stays in a cache: rows of what was found,
and a few seeds of the peers in tests/hostile, which `make hostile` plays longer.
"""

import pathlib
import sys

import pytest

from harness import EDITOR, Nginx, data, problem, wait_until
from s3_fault_proxy import change

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "hostile"))

import scene  # noqa: E402

WAYS = {"upstream": "content_hot off;", "fill": "content_hot hits=1;"}


@pytest.fixture(params=WAYS)
def origin(request, tmp_path, bucket, proxy):
    """One that reads by nginx's upstream, one that reads for its caches."""
    http = "content_memory 16m;" if request.param == "fill" else ""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               http=http, server=WAYS[request.param]) as nginx:
        yield nginx


def replaced(name, value):
    """A header with another value; None: lost."""
    def edit(head, body):
        lines = [line for line in head[:-4].split(b"\r\n")
                 if not line.lower().startswith(name.lower() + b":")]
        if value is not None:
            lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n", body
    return edit


def added(line):
    def edit(head, body):
        return head[:-2] + line + b"\r\n\r\n", body
    return edit


HEADS = [
    ("no ETag", replaced(b"ETag", None)),
    ("an ETag without quotes", replaced(b"ETag", b"abc")),
    ("half an ETag", replaced(b"ETag", b'"abc')),
    ("an ETag with a control character", replaced(b"ETag", b'"a\x01"')),
    ("an ETag with NUL", replaced(b"ETag", b'"abc"\0')),
    ("an ETag with CR", replaced(b"ETag", b'"abc"\rX: y')),
    ("a list of ETags", replaced(b"ETag", b'"a", "b"')),
    ("two ETags", added(b'ETag: "another"')),
    ("two lengths", added(b"Content-Length: 3")),
    ("a length, and none", added(b"Content-Length: x")),
    ("two dates", added(b"Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT")),
    ("a long line", added(b"X: " + b"x" * 200_000)),
    ("many lines", added(b"\r\n".join([b"X: " + b"x" * 1000] * 300))),
    ("thousands of lines", added(b"\r\n".join([b"X: x"] * 20_000))),
    ("two digests", added(b"x-amz-meta-sha256: " + b"0" * 64)),
]


@pytest.mark.parametrize("name, edit", HEADS, ids=[h[0] for h in HEADS])
def test_head_that_tells_no_object_is_a_fault_and_not_kept(
        origin, proxy, key, name, edit):
    origin.put(key, b"right")
    for method in "GET", "HEAD":
        proxy.fault(change(edit), method=method)
    problem(origin.get(key), 502)
    assert origin.head(key).status == 502
    assert proxy.pending() == 0
    assert origin.get(key).body == b"right"
    assert origin.get(key).body == b"right"


@pytest.mark.parametrize("line", [b"x-amz-meta-a\xff: x", b"x-amz-meta-(a): x",
                                  b"x-amz-meta-a: x\x0by"])
def test_header_that_would_end_a_clients_head_is_left_out(origin, proxy, key,
                                                         line):
    origin.put(key, b"right", content_type="text/plain")
    proxy.fault(change(added(line)), method="GET")
    for _ in range(2):
        answer = origin.get(key)
        assert answer.body == b"right"
        assert not any(name.lower().startswith("x-content-meta-")
                       and value for name, value in answer.headers.items())
        assert answer.headers["Cache-Status"] and answer.headers["ETag"]


def test_what_is_said_twice_alike_is_said(origin, proxy, key):
    origin.put(key, b"right")

    def twice(head, body):
        return head[:-2] + head.partition(b"\r\n")[2], body
    proxy.fault(change(twice), method="GET")
    assert origin.get(key).body == b"right"


def test_answer_that_is_still_to_come_is_awaited(origin, proxy, key):
    """RFC 9110, 15.2."""
    origin.put(key, b"right")
    proxy.fault(change(lambda head, body: (
        b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\n"
        b'ETag: "hint"\r\nContent-Length: 9\r\n\r\n' + head, body)),
        method="GET")
    answer = origin.get(key)
    assert (answer.status, answer.body) == (200, b"right")
    assert answer.headers["ETag"] != '"hint"'


UNASKED = (b'HTTP/1.1 200 OK\r\nETag: "unasked"\r\nLast-Modified: Thu, 01 Jan '
           b"2015 00:00:00 GMT\r\nContent-Length: 3\r\n\r\nabc")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes_behind_an_answer_are_no_answer_to_the_next(origin, proxy, key,
                                                          method):
    origin.put(key, b"a" * 50_000)
    origin.put(key + "2", b"right")
    proxy.fault(change(lambda head, body: (head, body + UNASKED)),
                method=method)
    assert origin.request(method, key).status == 200
    for _ in range(2):
        assert origin.head(key + "2").headers["Content-Length"] == "5"
        assert origin.get(key + "2").body == b"right"


def test_bytes_that_come_later_are_no_answer_to_the_next(origin, proxy, key):
    """When the connection is idle."""
    origin.put(key, b"left")
    origin.put(key + "2", b"right")
    idle = []

    def act(exchange):
        exchange.forward()
        idle.append(exchange)
    proxy.fault(act, method="GET")
    assert origin.get(key).status == 200
    wait_until(lambda: idle)
    idle[0].send(UNASKED)
    assert origin.get(key + "2").body == b"right"
    assert origin.get(key + "2").body == b"right"


def test_metadata_that_no_record_can_carry_is_a_fault(tmp_path, bucket, proxy,
                                                      key):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               http="content_memory 16m;") as origin:
        origin.put(key, b"right")
        proxy.fault(change(added(b"Content-Type: " + b"x" * 70_000)),
                    method="GET")
        problem(origin.get(key), 502)
        assert origin.get(key).body == b"right"


def test_body_that_is_longer_than_its_length_is_not_kept(tmp_path, bucket,
                                                         proxy, key):
    """In chunks, which count: a length beside them is only a claim."""
    def edit(head, body):
        return (replaced(b"Content-Length", b"3")(head, body)[0][:-2]
                + b"Transfer-Encoding: chunked\r\n\r\n",
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               http="content_memory 16m;") as origin:
        origin.put(key, b"right")
        proxy.fault(change(edit), method="GET")
        origin.get(key)
        assert proxy.pending() == 0
        for _ in range(2):
            assert origin.get(key).body == b"right"


def test_known_object_of_another_length_is_asked_for_anew(tmp_path, bucket,
                                                          proxy, key):
    """Under the ETag that is known: the ETag is of one of them alone."""
    body = data(50_000)
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               http="content_memory 16m max=1k;") as origin:
        origin.put(key, body)
        assert origin.get(key).body == body         # its metadata is known
        proxy.clear()
        proxy.fault(change(replaced(b"Content-Length", b"40000")),
                    method="GET")
        assert origin.get(key).body == body
        assert [r.headers.get("if-match") for r in proxy.requests] == [
            origin.head(key).headers["ETag"], None]


def test_put_whose_etag_is_none_is_a_fault(origin, proxy, key):
    proxy.fault(change(replaced(b"ETag", b"abc")), method="PUT")
    problem(origin.put(key, b"right"), 502)
    assert origin.get(key).body == b"right"


def test_part_whose_etag_is_none_is_a_fault(origin, proxy, bucket, key):
    proxy.fault(change(replaced(b"ETag", b"a</ETag>")), method="PUT",
                query="partNumber=2")
    problem(origin.put(key, data(12 << 20)), 502)
    problem(origin.get(key), 404)
    wait_until(lambda: bucket.uploads() == [],
               what="the upload to be aborted")


@pytest.mark.parametrize("variant", scene.VARIANTS)
def test_hostile_peers(tmp_path, s3, variant):
    with scene.Scene(tmp_path, s3, variant, rate=0.4, stalls=False) as hostile:
        hostile.play(len(variant), steps=30)
        assert hostile.told             # how often is a matter of time
