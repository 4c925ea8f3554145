"""Parts that are not signed go to S3 while the client still sends them.  Nothing
depends on the client's keeping up: who stalls, leaves, or sends something else
costs a try, and never an object.
"""

import base64
import hashlib
import random
import threading
import time

import pytest

from harness import EDITOR, Nginx, problem, request_head, wait_until
from s3_fault_proxy import s3_error, stall

MIB = 1 << 20
BODY = random.Random(1).randbytes(12 * MIB)     # parts of 5, 5 and 2 MiB
BEGUN = 3 * MIB                                 # in the middle of a part
ENOUGH = 2 * MIB                                # of it has come to S3
UNSIGNED = "content_s3_sign_payload off;"


@pytest.fixture
def start(tmp_path, bucket, proxy):
    """start(settings): an origin that does not sign its parts."""
    started = []

    def make(settings=""):
        started.append(Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                             server=UNSIGNED + settings, workers=1,
                             level="info"))
        return started[0]

    yield make
    for nginx in started:
        nginx.stop()


class Part:
    """A part at S3, seen while it comes: does then(exchange) when enough of
    it has come and go() was called."""

    def __init__(self, proxy, number, then, size=ENOUGH):
        self.size, self.then = size, then
        self.came, self.ended = threading.Event(), threading.Event()
        self.may_go = threading.Event()
        proxy.fault(self.act, method="PUT", query=f"partNumber={number}&",
                    early=True)

    def act(self, exchange):
        if len(exchange.take(self.size)) == self.size:
            self.came.set()
            self.may_go.wait(30)
            self.then(exchange)
        self.ended.set()

    def go(self):
        self.may_go.set()
        assert self.ended.wait(30)


def cut(reset):
    return lambda exchange: exchange.hang_up(reset)


def refuse(status, code):
    def act(exchange):
        s3_error(status, code)(exchange)
        exchange.hang_up()
    return act


def forward(exchange):
    exchange.forward()


def left(exchange):
    """Reads on until the other side has left."""
    try:
        while exchange.take(MIB):
            pass
    except OSError:
        pass
    exchange.hang_up()


def begin(origin, key, size=BEGUN, **headers):
    """A client that has sent so much of BODY."""
    connection = origin.connect()
    connection.send(request_head("PUT", key, {
        "Host": "x", "Authorization": f"Bearer {EDITOR}",
        "Content-Length": len(BODY), **headers}) + BODY[:size])
    return connection


def tries(proxy, number):
    return [r for r in proxy.requests if f"partNumber={number}&" in r.path]


@pytest.mark.parametrize("conditions, meanwhile", [
    ({}, True), ({"If-None-Match": "*"}, False)],
    ids=["nothing depends on it", "a condition does"])
def test_whether_it_existed_is_asked_while_the_last_part_is_stored(
        start, proxy, key, conditions, meanwhile):
    origin = start()
    asked, in_time = threading.Event(), []

    def ask(exchange):
        asked.set()
        exchange.forward()

    def act(exchange):
        in_time.append(asked.wait(30 if meanwhile else 1))
        exchange.forward()

    proxy.fault(ask, method="HEAD", path=key)
    proxy.fault(act, method="PUT", query="partNumber=3&")
    assert origin.put(key, BODY, **conditions).status == 201
    assert in_time == [meanwhile]
    assert origin.put(key, BODY).status == 204


def test_fault_of_that_question_is_the_uploads(start, bucket, proxy, key):
    origin = start("content_s3_tries 1;")
    proxy.fault(refuse(403, "AccessDenied"), method="HEAD", path=key)
    problem(origin.put(key, BODY), 502)
    wait_until(lambda: bucket.uploads() == [])
    assert origin.get(key).status == 404


# Number, and how many bytes of the body are sent to get into its middle.
@pytest.mark.parametrize("number, sent", [(1, 3 * MIB), (2, 8 * MIB),
                                          (3, 12 * MIB - 4096)])
def test_part_goes_to_s3_while_it_comes(start, proxy, key, number, sent):
    origin = start()
    part = Part(proxy, number, forward, size=MIB)
    with begin(origin, key, sent) as client:
        assert part.came.wait(30)
        part.may_go.set()
        client.send(BODY[sent:])
        assert client.answer().status == 201
    assert [len(tries(proxy, n)) for n in (1, 2, 3)] == [1, 1, 1]
    assert origin.get(key).body == BODY


@pytest.mark.parametrize("fault", [
    refuse(400, "RequestTimeout"), cut(False), cut(True)],
    ids=["RequestTimeout", "cut", "reset"])
@pytest.mark.parametrize("number, sent", [(1, 3 * MIB), (3, 12 * MIB - 4096)])
def test_client_that_stalls_costs_no_more_than_that_try(
        start, proxy, key, number, sent, fault):
    origin = start("content_s3_tries 1;")
    part = Part(proxy, number, fault, size=MIB)
    with begin(origin, key, sent) as client:
        assert part.came.wait(30)
        part.go()
        client.send(BODY[sent:])
        assert client.answer().status == 201
    first, second = tries(proxy, number)
    assert len(first.body) < len(second.body)
    assert origin.get(key).body == BODY


def test_s3_does_not_wait_for_long_and_has_no_time_out_meanwhile(
        start, proxy, key):
    origin = start("content_s3_tries 1; content_s3_timeout 1s;")
    part = Part(proxy, 1, left)
    with begin(origin, key) as client:
        assert part.came.wait(30)
        part.go()                               # it has been left
        wait_until(lambda: "the body did not go on: again"
                   in origin.read_log())
        client.send(BODY[BEGUN:])
        assert client.answer().status == 201
    assert origin.get(key).body == BODY


def test_try_with_the_whole_body_has_the_usual_time_out(start, proxy, key):
    origin = start("content_s3_tries 1; content_s3_timeout 1s;")
    part = Part(proxy, 1, cut(False), size=BEGUN)
    with begin(origin, key) as client:
        assert part.came.wait(30)
        part.go()
        wait_until(lambda: ": again in" in origin.read_log())
        proxy.fault(stall(), method="PUT", query="partNumber=1&")
        client.send(BODY[BEGUN:])
        problem(client.answer(), 504)
    assert "nothing came or went in time" in origin.read_log()


def test_fault_that_passes_in_the_midst_of_a_part(start, proxy, key):
    origin = start()
    part = Part(proxy, 1, refuse(503, "SlowDown"))
    with begin(origin, key) as client:
        assert part.came.wait(30)
        part.go()
        client.send(BODY[BEGUN:])
        assert client.answer().status == 201
    assert len(tries(proxy, 1)) == 2
    assert origin.get(key).body == BODY


def test_fault_that_does_not_pass_is_told(start, bucket, proxy, key):
    origin = start("content_s3_tries 1;")
    part = Part(proxy, 1, refuse(503, "SlowDown"))
    with begin(origin, key) as client:
        assert part.came.wait(30)
        part.go()
        client.send(BODY[BEGUN:])
        problem(client.answer(), 503)
    wait_until(lambda: bucket.uploads() == [])
    assert origin.get(key).status == 404


def test_fault_of_another_part_ends_the_one_that_grows(start, bucket, proxy,
                                                       key):
    origin = start()
    other = Part(proxy, 1, refuse(403, "AccessDenied"), size=5 * MIB)
    part = Part(proxy, 2, left, size=MIB)
    with begin(origin, key, 8 * MIB) as client:
        assert part.came.wait(30)
        other.go()
        client.send(BODY[8 * MIB:9 * MIB])
        problem(client.answer(), 502)
        part.go()
    wait_until(lambda: bucket.uploads() == [])
    assert origin.get(key).status == 404


@pytest.mark.parametrize("number, sent", [(1, 3 * MIB), (3, 11 * MIB)])
def test_client_that_leaves_leaves_nothing(start, bucket, proxy, key, number,
                                           sent):
    origin = start()
    part = Part(proxy, number, left, size=MIB // 2)
    client = begin(origin, key, sent)
    assert part.came.wait(30)
    client.reset()
    part.go()
    wait_until(lambda: any(r.method == "DELETE" for r in proxy.requests))
    wait_until(lambda: bucket.uploads() == [])
    assert origin.get(key).status == 404
    wait_until(lambda: origin.counters()["uploads"]["bytes"] == 0)


def test_body_that_is_not_as_announced_is_not_stored(start, bucket, proxy,
                                                     key):
    origin = start()
    assert origin.put(key, b"old").status == 201
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    part = Part(proxy, 3, forward, size=MIB)
    with begin(origin, key, len(BODY) - 1,
               **{"Repr-Digest": f"sha-256=:{digest}:"}) as client:
        assert part.came.wait(30)
        part.may_go.set()
        client.send(BODY[-1:])
        problem(client.answer(), 400, "Repr-Digest")
    wait_until(lambda: bucket.uploads() == [])
    assert origin.get(key).body == b"old"


def test_stalled_client_loses_the_memory_and_the_part(start, bucket, proxy,
                                                      tmp_path, key):
    with Nginx(tmp_path / "tight", bucket.through(proxy.endpoint), workers=1,
               server=UNSIGNED,
               http="content_upload_memory 5m patience=1s;") as origin:
        part = Part(proxy, 1, left)
        with begin(origin, key) as client:
            assert part.came.wait(30)
            assert origin.put(key + "-other", BODY).status == 201
            problem(client.answer(), 503)
            part.go()
        wait_until(lambda: bucket.uploads() == [])
        assert origin.get(key).status == 404


def test_part_of_a_slow_client_waits_until_it_is_whole(start, proxy, key):
    """S3 is not kept waiting by who takes seconds for the first MiB."""
    origin = start()
    whole, was_whole = threading.Event(), []

    def act(exchange):
        was_whole.append(whole.is_set())
        exchange.forward()

    proxy.fault(act, method="PUT", query="partNumber=1&", early=True)
    with begin(origin, key, 1) as client:
        time.sleep(3)                           # slow it is
        client.send(BODY[1:2 * MIB])
        wait_until(lambda: origin.counters()["uploads"]["bytes"])
        whole.set()
        client.send(BODY[2 * MIB:])
        assert client.answer().status == 201
    assert was_whole == [True]
    assert origin.get(key).body == BODY
