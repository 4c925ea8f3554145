"""What was uploaded to S3 in parts has its SHA-256 in a tag: it is told for
that object only, and nothing depends on it.
"""

import base64
import hashlib
import io

import boto3.s3.transfer
import pytest

from harness import Nginx, wait_until
from s3_fault_proxy import (answer, cut, first,
                            s3_error, stall)

MIB = 1 << 20
LARGE = bytes(range(256)) * 4 * 1024 * 11           # 11 MiB: three parts
OTHER = LARGE[::-1]
WANT = {"want_repr_digest": "sha-256=1"}
TAG = "content-sha256"
HTML = b"<html><body><h1>It works!</h1></body></html>"


@pytest.fixture
def origin(tmp_path, bucket, proxy):
    """One worker that does not know yet whether there are tags."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               server="content_s3_timeout 1s;") as nginx:
        yield nginx


def told(answer):
    """The digest that an answer tells, as the header's value, or None."""
    assert len(answer.all("Repr-Digest")) < 2
    return answer.headers.get("Repr-Digest")


def digest(body):
    return ("sha-256=:"
            + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":")


def tags(bucket, key):
    return bucket.client.get_object_tagging(
        Bucket=bucket.name, Key=key[1:])["TagSet"]


def upload_directly(bucket, key, body):
    """In parts of the same size, as another client of S3 does."""
    bucket.client.upload_fileobj(
        io.BytesIO(body), bucket.name, key[1:],
        Config=boto3.s3.transfer.TransferConfig(
            multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))


def asked(proxy):
    return [r for r in proxy.requests if "tagging" in r.path]


# Whose digest it is

def test_tag_names_the_digest_and_the_etag(origin, bucket, key):
    etag = origin.put(key, LARGE).headers["ETag"]
    assert tags(bucket, key) == [{
        "Key": TAG,
        "Value": f"{hashlib.sha256(LARGE).hexdigest()}:{etag[1:-1]}"}]
    assert told(origin.get(key, **WANT)) == digest(LARGE)


def test_etag_of_parts_is_asked_for_once(origin, proxy, bucket, key):
    """Ceph doesn't tell it at the end of an upload, but how it is made shows
    at the first."""
    for body, heads in ((LARGE, 2), (OTHER, 1)):
        proxy.clear()
        etag = origin.put(key, body).headers["ETag"]
        assert len([r for r in proxy.requests if r.method == "HEAD"
                    and r.path.endswith(key)]) == heads
        assert bucket.client.head_object(Bucket=bucket.name,
                                         Key=key[1:])["ETag"] == etag
        assert told(origin.head(key, **WANT)) == digest(body)
    assert origin.put(key, b"1", if_match=etag).status == 204


def test_nobody_asks_for_tags_who_wants_no_digest(origin, proxy, key):
    origin.put(key, LARGE)
    proxy.clear()
    assert origin.get(key).body == LARGE
    assert origin.head(key).status == 200
    assert asked(proxy) == []


def test_what_has_its_digest_in_metadata_needs_no_tag(origin, proxy, bucket,
                                                      key):
    origin.put(key, LARGE, repr_digest=digest(LARGE))
    assert told(origin.get(key, **WANT)) == digest(LARGE)
    origin.put(key + "/small", b"hello")
    assert told(origin.get(key + "/small", **WANT)) == digest(b"hello")
    assert asked(proxy) == []
    assert tags(bucket, key) == []


def test_tag_that_came_late_is_not_believed(origin, bucket, key):
    """The object was replaced before the tag was set."""
    origin.put(key, LARGE)
    late = tags(bucket, key)
    origin.put(key, OTHER)
    assert told(origin.head(key, **WANT)) == digest(OTHER)

    bucket.client.put_object_tagging(Bucket=bucket.name, Key=key[1:],
                                     Tagging={"TagSet": late})
    got = origin.get(key, **WANT)
    assert got.body == OTHER
    assert told(got) is None


def test_upload_of_another_between_end_and_look_is_not_taken_for_ours(
        origin, proxy, bucket, key):
    """Ceph tells the ETag by HEAD only: it may be that of another upload, even
    of the same length.  It is not tagged with our digest, and our client does
    not get its ETag, with which it would overwrite what it never saw."""
    proxy.fault(first(lambda: None), method="HEAD", path=key)
    proxy.fault(first(lambda: upload_directly(bucket, key, OTHER)),
                method="HEAD", path=key)
    made = origin.put(key, LARGE)
    assert made.status == 201
    assert "ETag" not in made.headers
    assert proxy.pending() == 0
    got = origin.get(key, **WANT)
    assert got.body == OTHER
    assert told(got) is None
    assert tags(bucket, key) == []


def test_etag_of_another_upload_is_not_told_as_ours(origin, proxy, bucket,
                                                    key):
    """That came between the end and the look, and is of another length."""
    proxy.fault(first(lambda: None), method="HEAD", path=key)
    proxy.fault(first(lambda: upload_directly(bucket, key, OTHER + b"x")),
                method="HEAD", path=key)
    new = origin.put(key, LARGE)
    assert new.status == 201
    assert proxy.pending() == 0
    assert new.headers["ETag"] != origin.get(key).headers["ETag"]


def test_tag_is_told_through_the_memory_cache(tmp_path, bucket, key):
    """A record that was filled for somebody else does not hide it."""
    with Nginx(tmp_path, bucket, http="content_memory 16m;") as origin:
        origin.put(key, LARGE)
        wait_until(lambda: "memory" in origin.head(key)
                   .headers["Cache-Status"], what="metadata in memory")
        for how in (origin.head, origin.get):
            assert told(how(key, **WANT)) == digest(LARGE)


# Without tags

FAULTS = [
    # name, fault, whether no tag is tried again
    ("403", s3_error(403, "AccessDenied"), True),
    ("405", s3_error(405, "MethodNotAllowed"), True),
    ("501", s3_error(501, "NotImplemented"), True),
    ("404", s3_error(404, "NoSuchKey"), False),
    ("500", s3_error(500, "InternalError"), False),
    ("503", s3_error(503, "SlowDown"), False),
    ("cut", cut(), False),
    ("stalled", stall(), False),
    ("HTML", answer(404, HTML, "text/html"), False),
]


@pytest.mark.parametrize("name, fault, final", FAULTS,
                         ids=[f[0] for f in FAULTS])
def test_upload_does_not_depend_on_its_tag(origin, proxy, key, name, fault,
                                           final):
    proxy.fault(fault, times=1000, method="PUT", query="tagging")
    assert origin.put(key, LARGE).status == 201
    got = origin.get(key, **WANT)
    assert (got.status, got.body, told(got)) == (200, LARGE, None)

    proxy.clear()
    assert origin.put(key, LARGE).status == 204
    puts = [r for r in asked(proxy) if r.method == "PUT"]
    assert len(puts) == (0 if final else 1)
    if final:
        assert "no tags" in origin.read_log()


@pytest.mark.parametrize("name, fault, final", FAULTS + [
    ("HTML in a 200", answer(200, HTML, "text/html"), False),
    ("another document", answer(200, b"<A><B>x</B></A>"), False),
], ids=[f[0] for f in FAULTS] + ["HTML in a 200", "another document"])
def test_answer_does_not_depend_on_the_tag(origin, proxy, key, name, fault,
                                           final):
    origin.put(key, LARGE)
    proxy.fault(fault, times=1000, method="GET", query="tagging")
    for how in (origin.head, origin.get):
        got = how(key, **WANT)
        assert (got.status, told(got)) == (200, None)

    proxy.clear()
    assert told(origin.get(key, **WANT)) == (None if final else digest(LARGE))


def test_client_may_leave_while_the_tag_is_read(origin, proxy, key):
    origin.put(key, LARGE)
    proxy.fault(stall(), method="GET", query="tagging")
    with origin.connect() as connection:
        connection.send(f"GET {key} HTTP/1.1\r\nHost: x\r\n"
                        "Want-Repr-Digest: sha-256=1\r\n\r\n".encode())
        wait_until(lambda: proxy.pending() == 0, what="the tag to be asked")
        connection.reset()
    assert told(origin.get(key, **WANT)) == digest(LARGE)
