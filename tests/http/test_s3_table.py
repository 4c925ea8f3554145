"""docs/faults.md, row by row: what the client gets when S3 says so, and how
often S3 is asked.  A row without a fault here fails, and so does a fault
without a row.
"""

import pathlib
import random
import re

import pytest

from harness import EDITOR, ROOT, Nginx, problem
from s3_fault_proxy import (answer, change, cut, cut_body, cut_head, raw,
                            s3_error, stall, stall_body)

MIB = 1 << 20
ALWAYS = 1000
TRIES = 3
SETTINGS = f"content_s3_tries {TRIES}; content_hot hits=1;"
HTML = b"<html>It works!</html>"

EVERY = ["LIST", "GET", "HEAD", "RANGE", "PUT", "PUT IF", "MULTIPART",
         "DELETE"]
PUT = {"method": "PUT"}
READ = {"method": "GET"}


def without(name):
    return change(lambda head, body: (
        re.sub(rb"(?i)\r\n" + name + rb":[^\r]*", b"", head), body))


def added(line):
    return change(lambda head, body: (head[:-2] + line + b"\r\n\r\n", body))


# what docs/faults.md calls it: the faults, what they are made for, and which
# requests to S3 they hit
FAULTS = {
    "no connection, refused": ([None], EVERY, {}),
    "connection cut or reset, before the answer was whole":
        ([cut(), cut(reset=True), cut_head()], EVERY, {}),
    "no byte for `content_s3_timeout`": ([stall()], EVERY, {}),
    "not HTTP, or headers that make no sense":
        ([raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")], ["GET", "HEAD", "PUT"], {}),
    "503 `SlowDown`, `ServiceUnavailable`":
        ([s3_error(503, "SlowDown"), s3_error(503, "ServiceUnavailable")],
         EVERY, {}),
    "429 `TooManyRequests`": ([s3_error(429, "TooManyRequests")], EVERY, {}),
    "503 or 429 without a code":
        ([answer(503, HTML, "text/html"), answer(429)], EVERY, {}),
    "500 `InternalError`": ([s3_error(500, "InternalError")], EVERY, {}),
    "500 or 502 without a code":
        ([answer(500), answer(502, HTML, "text/html")], EVERY, {}),
    "504 without a code": ([answer(504, HTML, "text/html")], EVERY, {}),
    "400 `RequestTimeout`":
        ([s3_error(400, "RequestTimeout")], ["LIST", "PUT", "PUT IF"],
         {"PUT": PUT, "PUT IF": PUT}),
    "403 `RequestTimeTooSkewed`":
        ([s3_error(403, "RequestTimeTooSkewed",
                   Date="Thu, 01 Jan 2015 00:00:00 GMT")], EVERY, {}),
    "301, 307, 400 with the bucket's region":
        ([s3_error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"),
          s3_error(307, "TemporaryRedirect", x_amz_bucket_region="eu-west-1"),
          s3_error(400, "AuthorizationHeaderMalformed",
                   x_amz_bucket_region="eu-west-1")], EVERY, {}),
    "301, 307 without a region":
        ([s3_error(301, "PermanentRedirect", Location="http://127.0.0.1:1/"),
          answer(307, Location="http://127.0.0.1:1/")], EVERY, {}),
    "400 `AuthorizationHeaderMalformed` without a region":
        ([s3_error(400, "AuthorizationHeaderMalformed")], EVERY, {}),
    "400 `MetadataTooLarge`, `KeyTooLongError`, to a write":
        ([s3_error(400, "MetadataTooLarge"), s3_error(400, "KeyTooLongError")],
         ["PUT", "PUT IF"], {"PUT": PUT, "PUT IF": PUT}),
    "400 `EntityTooLarge`, to a write":
        ([s3_error(400, "EntityTooLarge")], ["PUT", "PUT IF"],
         {"PUT": PUT, "PUT IF": PUT}),
    "401, 403 `AccessDenied`, `InvalidAccessKeyId`, `SignatureDoesNotMatch`":
        ([answer(401), s3_error(403, "AccessDenied"),
          s3_error(403, "InvalidAccessKeyId"),
          s3_error(403, "SignatureDoesNotMatch")], EVERY, {}),
    "403 `QuotaExceeded`":
        ([s3_error(403, "QuotaExceeded")], ["PUT", "PUT IF"],
         {"PUT": PUT, "PUT IF": PUT}),
    "404 `NoSuchBucket`, `NoSuchUpload`":
        ([s3_error(404, "NoSuchBucket"), s3_error(404, "NoSuchUpload")],
         EVERY, {}),
    "404 without a code, but to a HEAD": ([answer(404, HTML, "text/html")],
                                          EVERY, {}),
    "409 `OperationAborted`, `ConditionalRequestConflict`":
        ([s3_error(409, "OperationAborted"),
          s3_error(409, "ConditionalRequestConflict")], ["PUT", "PUT IF"],
         {"PUT": PUT, "PUT IF": PUT}),
    "412 `PreconditionFailed`":
        ([s3_error(412, "PreconditionFailed")], ["PUT IF"], {"PUT IF": PUT}),
    "501 `NotImplemented`": ([s3_error(501, "NotImplemented")], EVERY, {}),
    "507": ([answer(507)], ["PUT", "PUT IF"], {"PUT": PUT, "PUT IF": PUT}),
    "200 with an error in it (CompleteMultipartUpload, CopyObject)":
        ([s3_error(200, "InternalError")], ["MULTIPART"],
         {"MULTIPART": {"method": "POST", "query": "uploadId"}}),
    "200 to a GET without ETag, Last-Modified or length":
        ([without(b"ETag"), without(b"Last-Modified"),
          without(b"Content-Length")], ["GET"], {"GET": READ}),
    "200 to a GET with two of these that differ, or an ETag that is none":
        ([added(b'ETag: "another"'), added(b"Content-Length: 1"),
          added(b"Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT"),
          added(b"ETag: abc")], ["GET"], {"GET": READ}),
    "a body that ends too early":
        ([cut_body(2), stall_body(2)], ["GET"], {"GET": READ}),
}
NEEDS_TLS = "no TLS, another certificate"       # test_s3_styles.py


def rows():
    """(from S3, the client gets, tried again), as the document has them."""
    text = (pathlib.Path(ROOT) / "docs/faults.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("| ")]
    return [tuple(c) for c in cells if c[0] not in ("From S3", NEEDS_TLS)]


def cases():
    for name, gets, again in rows():
        for i, fault in enumerate(FAULTS.get(name, ([None],))[0]):
            yield pytest.param(name, gets, again, fault, id=f"{name}-{i}")


def test_document_and_faults_are_of_the_same_rows():
    assert {row[0] for row in rows()} == set(FAULTS)


def waits(fault):
    """Whether it ends by a time-out, which must be short then."""
    return fault is not None and fault.__qualname__ in (
        stall().__qualname__, stall_body(2).__qualname__)


@pytest.fixture
def origin(request, tmp_path, bucket, proxy, shared_redis):
    shared_redis.client.flushall()
    patience = "300ms" if waits(request.getfixturevalue("fault")) else "30s"
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               redis=shared_redis, workers=1,
               server=f"{SETTINGS} content_s3_timeout {patience};",
               http="content_redis_timeout 10s;") as nginx:
        yield nginx


def order(origin, what, key):
    if what == "LIST":
        return origin.get("/-/list", token=EDITOR)
    if what == "RANGE":
        return origin.get(key, range="bytes=1-3")
    if what == "PUT IF":
        return origin.put(key + "-new", b"new", if_none_match="*")
    if what == "MULTIPART":
        return origin.put(key, random.Random(1).randbytes(6 * MIB))
    return origin.request(what, key, b"new" if what == "PUT" else None,
                          token=EDITOR)


@pytest.mark.parametrize("name, gets, again, fault", cases())
def test_row(origin, proxy, bucket, shared_redis, key, name, gets, again,
             fault):
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=b"old body")
    _, made_for, hits = FAULTS[name]
    status = int(gets[:3])
    if fault is None:
        proxy.refuse()

    for what in made_for:
        proxy.clear()
        fits = hits.get(what, {})
        if fault:
            proxy.fault(fault, times=ALWAYS, **fits)
        told = order(origin, what, key)

        if what == "HEAD":
            assert told.status == status, what
            assert told.headers["Cache-Control"] == "no-store"
        elif told.status == 200 and "closed" in gets:
            assert not told.complete
        else:
            problem(told, status if "closed" not in gets else told.status)
        assert ("Retry-After" in told.headers) == ("Retry-After" in gets)
        assert shared_redis.bodies() == []

        if what == made_for[0] and fault and "closed" not in gets:
            asked = [r for r in proxy.requests
                     if r.method == fits.get("method", r.method)
                     and fits.get("query", "") in r.path]
            assert len(asked) == tries(again, what), asked

    proxy.clear()
    if fault is None:
        proxy.accept()
    for _ in range(2):
        assert origin.get(key).body == b"old body"


def tries(again, what):
    twice = what not in ("PUT", "PUT IF", "MULTIPART", "DELETE")
    if again.startswith("once"):
        return 2
    if again == "yes" or (again.startswith("if it may be done twice") and twice):
        return TRIES
    return 1
