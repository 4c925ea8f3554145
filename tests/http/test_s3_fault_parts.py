"""Faults of S3 in the steps of a large upload, and clients that leave one: the
older object stays, and no upload is left, unless S3 may be completing it.
"""

import threading

import pytest

from harness import EDITOR, chunk, data, problem, request_head, wait_until
from s3_fault_proxy import (answer, cut, cut_after_forwarding, hold, s3_error,
                            stall)
from test_s3_faults import (ALWAYS, HTML, MIB, heat, origin, redis,
                            store_directly)

PARTS = [
    ("create", {"method": "POST", "query": "uploads"}),
    ("part", {"method": "PUT", "query": "partNumber=2"}),
    ("complete", {"method": "POST", "query": "uploadId"}),
]

PART_FAULTS = [
    ("500", s3_error(500, "InternalError"), 502),
    ("503", s3_error(503, "SlowDown"), 503),
    ("403", s3_error(403, "AccessDenied"), 502),
    ("quota", s3_error(403, "QuotaExceeded"), 507),
    ("404", s3_error(404, "NoSuchUpload"), 502),
    ("cut", cut(), 502),
    ("stalled", stall(), 504),
    ("HTML", answer(200, HTML, "text/html"), 502),
    ("empty", answer(200), 502),
    ("error in a 200", s3_error(200, "InternalError"), 502),
]

# After these nobody knows whether S3 is still completing.
UNKNOWN = ["cut", "stalled", "HTML", "empty"]


def uploads(bucket, key):
    return [u for u in bucket.uploads() if u["Key"] == key[1:]]


@pytest.mark.parametrize("name, fault, status", PART_FAULTS,
                         ids=[f[0] for f in PART_FAULTS])
@pytest.mark.parametrize("step, fits", PARTS, ids=[p[0] for p in PARTS])
def test_fault_in_a_large_upload_leaves_the_older_object(
        origin, proxy, bucket, key, step, fits, name, fault, status):
    store_directly(bucket, key, b"old")
    proxy.fault(fault, times=ALWAYS, **fits)
    told = origin.put(key, data(12 * MIB))
    problem(told, status)
    proxy.clear()
    assert origin.get(key).body == b"old"
    if step != "complete" or name not in UNKNOWN:
        wait_until(lambda: not uploads(bucket, key),
                   what="the upload to be aborted")


@pytest.mark.parametrize("name", UNKNOWN)
def test_upload_that_s3_may_be_completing_is_not_aborted(
        origin, proxy, bucket, key, name):
    """On Ceph an abort that meets a completion takes the parts of the object
    away: both succeed, and hours later it can't be read."""
    fault, = [fault for n, fault, _ in PART_FAULTS if n == name]
    proxy.fault(fault, method="POST", query="uploadId")
    assert origin.put(key, data(12 * MIB)).status in (502, 504)
    assert origin.put(key, data(12 * MIB)).status == 201
    assert [r for r in proxy.requests if r.method == "DELETE"] == []
    assert len(uploads(bucket, key)) == 1


def begin_large(origin, key):
    """A client that has sent one byte of many."""
    connection = origin.connect()
    connection.send(request_head("PUT", key, {
        "Host": "x", "Authorization": f"Bearer {EDITOR}",
        "Content-Length": 12 * MIB}) + b"x")
    return connection


def test_large_upload_begins_at_s3_with_its_first_bytes(origin, proxy, bucket,
                                                        key):
    connection = begin_large(origin, key)
    wait_until(lambda: uploads(bucket, key), what="the upload to begin")
    connection.reset()
    wait_until(lambda: not uploads(bucket, key),
               what="the upload to be aborted")
    assert origin.get(key).status == 404


def test_client_that_leaves_before_the_upload_has_an_id(origin, proxy, bucket,
                                                        key):
    release = threading.Event()
    proxy.fault(hold(release), method="POST", query="uploads")
    connection = begin_large(origin, key)
    wait_until(lambda: uploads(bucket, key), what="the upload to begin")
    connection.reset()
    release.set()
    wait_until(lambda: not uploads(bucket, key),
               what="the upload to be aborted")


def test_client_that_leaves_with_two_parts_before_the_upload_has_an_id(
        origin, proxy, bucket, key):
    """The first waits for the id, the second is not whole: chunks, for with a
    Content-Length the upload has begun before there is a part."""
    release = threading.Event()
    proxy.fault(hold(release), method="POST", query="uploads")
    connection = origin.connect()
    connection.send(request_head("PUT", key, {
        "Host": "x", "Authorization": f"Bearer {EDITOR}",
        "Transfer-Encoding": "chunked"}) + chunk(data(7 * MIB)))
    wait_until(lambda: uploads(bucket, key), what="the upload to begin")
    held = memory(origin)
    wait_until(lambda: memory(origin) > 5 * MIB, what="the second part")
    connection.reset()
    wait_until(lambda: memory(origin) < held, what="the client to be missed")
    release.set()
    wait_until(lambda: not uploads(bucket, key),
               what="the upload to be aborted")
    assert memory(origin) == 0


def memory(origin):
    return origin.counters()["uploads"]["bytes"]


def test_completion_that_nobody_heard_of_is_found_out(origin, proxy, bucket,
                                                      key):
    body = data(12 * MIB)
    store_directly(bucket, key, b"old")
    heat(origin, key)
    proxy.fault(cut_after_forwarding(), method="POST", query="uploadId")
    told = origin.put(key, body)
    assert told.status in (204, 502)
    proxy.clear()
    got = origin.get(key)
    assert got.body == body
    if told.status == 204:
        assert got.headers["ETag"] == told.headers["ETag"]


def test_client_that_leaves_a_large_upload_has_it_aborted(origin, proxy,
                                                          bucket, key):
    release = threading.Event()
    proxy.fault(hold(release), method="POST", query="uploads")
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 12 * MIB}) + data(6 * MIB))
        wait_until(lambda: proxy.requests)
        connection.reset()
    release.set()
    wait_until(lambda: any(r.method == "DELETE" for r in proxy.requests))
    wait_until(lambda: not uploads(bucket, key))
