"""If-Match on S3 is one step with the write, whatever way the server compares:
Ceph without quotes (the real one here), AWS with them (a proxy that acts so).
"""

import re

import pytest

from harness import Nginx, problem
from s3_fault_proxy import answer, first, s3_error

LARGE = b"x" * (6 << 20)
FUTURE = "Thu, 01 Jan 2099 00:00:00 GMT"


@pytest.fixture
def origin(tmp_path, bucket, proxy):
    """One worker that does not know yet how the server compares."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               workers=1) as nginx:
        yield nginx


def tried(proxy):
    """The If-Match of the writes so far: quoted, bare, or None."""
    forms = []
    for request in proxy.requests:
        if request.method == "PUT":
            value = request.headers.get("if-match")
            forms.append(value and ("quoted" if value.startswith('"')
                                    else "bare"))
    proxy.requests.clear()
    return forms


def write(bucket, key, body):
    return bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                                    Body=body)["ETag"]


def test_the_form_is_found_and_remembered(origin, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    assert tried(proxy) == [None]
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    assert tried(proxy) == ["quoted", "bare"]
    etag = origin.put(key, b"2", if_match=f'"other", {etag}').headers["ETag"]
    answer_ = origin.put(key, b"3", if_unmodified_since=FUTURE)
    assert answer_.status == 204
    assert tried(proxy) == ["bare", "bare"]
    assert origin.put(key, b"4", if_match="*").status == 204
    assert tried(proxy) == [None]
    assert origin.get(key).body == b"4"
    assert len(re.findall("takes If-Match without quotes",
                          origin.read_log())) == 1


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("condition", ["if_match", "if_unmodified_since"])
def test_another_writer_between_look_and_write(origin, bucket, proxy, key,
                                               learned, condition):
    etag = origin.put(key, b"0").headers["ETag"]
    if learned:
        etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    proxy.fault(first(lambda: write(bucket, key, b"theirs")), method="PUT")
    value = etag if condition == "if_match" else FUTURE
    problem(origin.put(key, b"ours", **{condition: value}), 412,
            "nothing was changed")
    assert proxy.pending() == 0
    assert origin.get(key).body == b"theirs"
    etag = origin.get(key).headers["ETag"]
    assert origin.put(key, b"now", if_match=etag).status == 204


def test_another_deletes_between_look_and_write(origin, bucket, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.fault(first(lambda: bucket.client.delete_object(
        Bucket=bucket.name, Key=key[1:])), method="PUT")
    problem(origin.put(key, b"ours", if_match=etag), 412)
    assert origin.get(key).status == 404


def as_aws(bucket):
    """Compares with the quoted ETag, and stores."""
    def act(exchange):
        request = exchange.request
        key = "/" + request.path.split("/", 2)[2]
        there = bucket.client.head_object(Bucket=bucket.name,
                                          Key=key[1:])["ETag"]
        if request.headers["if-match"] != there:
            s3_error(412, "PreconditionFailed")(exchange)
            return
        answer(200, etag=write(bucket, key, request.body))(exchange)
    return act


def test_a_server_that_takes_quotes(origin, bucket, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.fault(as_aws(bucket), method="PUT", times=2)
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    assert origin.put(key, b"2", if_match=etag).status == 204
    assert tried(proxy) == [None, "quoted", "quoted"]
    assert origin.get(key).body == b"2"


def test_a_server_that_comes_to_take_quotes(origin, bucket, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    tried(proxy)
    proxy.fault(as_aws(bucket), method="PUT", times=3)
    etag = origin.put(key, b"2", if_match=etag).headers["ETag"]
    assert origin.put(key, b"3", if_match=etag).status == 204
    assert tried(proxy) == ["bare", "quoted", "quoted"]


def test_a_server_without_if_match(origin, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.fault(s3_error(501, "NotImplemented"), method="PUT")
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    assert origin.put(key, b"2", if_match=etag).status == 204
    assert tried(proxy) == [None, "quoted", None, None]
    problem(origin.put(key, b"3", if_match='"other"'), 412)
    assert "has no If-Match for writes" in origin.read_log()


def test_a_server_that_refuses_every_if_match(origin, proxy, key):
    """As Ceph does in a bucket that keeps versions."""
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.fault(s3_error(412, "PreconditionFailed"), method="PUT", times=2)
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    assert origin.put(key, b"2", if_match=etag).status == 204
    assert tried(proxy) == [None, "quoted", "bare", None, None]
    problem(origin.put(key, b"3", if_match=etag), 412)
    assert "has no If-Match for writes" in origin.read_log()


def test_one_refusal_of_many_is_believed(origin, proxy, key):
    """Where If-Match has held before, a refusal in both forms is one."""
    etag = origin.put(key, b"0").headers["ETag"]
    etag = origin.put(key, b"1", if_match=etag).headers["ETag"]
    tried(proxy)
    proxy.fault(s3_error(412, "PreconditionFailed"), method="PUT", times=2)
    problem(origin.put(key, b"2", if_match=etag), 412)
    assert tried(proxy) == ["bare", "quoted"]
    assert origin.get(key).body == b"1"


@pytest.mark.parametrize("status, code, told", [
    (404, "NoSuchKey", 412), (409, "ConditionalRequestConflict", 503),
    (500, "InternalError", 503), (503, "SlowDown", 503)])
def test_what_losers_are_told(origin, proxy, key, status, code, told):
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.fault(s3_error(status, code), method="PUT", times=9)
    problem(origin.put(key, b"1", if_match=etag), told)
    assert origin.get(key).body == b"0"


def test_no_answer_to_the_second_look(origin, proxy, key):
    """Whether it was the form is not known: no 412 by mistake."""
    etag = origin.put(key, b"0").headers["ETag"]

    def then_fail():
        proxy.fault(s3_error(500, "InternalError"), method="HEAD", times=9)
    proxy.fault(first(then_fail), method="PUT")
    assert origin.put(key, b"1", if_match=etag).status == 502
    proxy.clear()
    assert origin.get(key).body == b"0"


def test_a_large_body_carries_the_condition(origin, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]
    proxy.requests.clear()
    assert origin.put(key, LARGE, if_match=etag).status == 204
    complete = [r for r in proxy.requests
                if r.method == "POST" and "uploadId" in r.path]
    assert [r.headers["if-match"] for r in complete] == [etag]
    assert origin.get(key).body == LARGE


def test_a_large_body_that_lost(origin, bucket, proxy, key):
    etag = origin.put(key, b"0").headers["ETag"]

    def lose(exchange):
        write(bucket, key, b"theirs")
        s3_error(412, "PreconditionFailed")(exchange)
    proxy.fault(lose, method="POST", query="uploadId")
    problem(origin.put(key, LARGE, if_match=etag), 412)
    assert origin.get(key).body == b"theirs"
