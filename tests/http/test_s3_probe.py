"""What S3 is found to be: logged once, shown by the status, in nobody's way."""

import socket

import pytest

from harness import EDITOR, Nginx, wait_until
from s3_fault_proxy import (FaultProxy, answer, s3_error,
                            stall)


@pytest.fixture
def proxy(s3):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as server:
        yield server


# What Ceph is found to be.
CEPH = {"style": "path", "writes": "works", "unsigned_payload": "works",
        "if_none_match": "works", "if_match": "unquoted",
        "complete_conditions": "ignored", "delete_conditions": "ignored",
        "tags": "works"}
UNASKED = dict.fromkeys(CEPH) | {"style": "path"}


def start(workdir, bucket, proxy, mode="on", **how):
    return Nginx(workdir / "n", bucket.through(proxy.endpoint),
                 location=f"content_s3_probe {mode};", **how)


def facts(origin):
    found = wait_until(lambda: profile(origin))
    return {name: found[name] for name in CEPH}


def nothing_is_left(bucket):
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name)
    return bucket.keys() == [] and not uploads.get("Uploads")


def profile(origin):
    profiles = origin.get("/-/status", token=EDITOR).json()["s3"]
    found = list(profiles.values())
    return found[0] if found and found[0]["probed"] else None


def test_what_was_found_is_shown_and_logged_once(tmp_path, s3, proxy):
    bucket = s3.bucket()
    with start(tmp_path, bucket, proxy, "read", workers=3) as origin:
        found = wait_until(lambda: profile(origin))
        assert (found["missing"], found["versioning"]) == (404, False)
        assert abs(found["skew"]) < 60
        wait_until(lambda: "a missing key is 404" in origin.read_log())
        assert {r.method for r in proxy.requests} == {"GET"}
        assert facts(origin) == UNASKED
        bucket.client.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        origin.reload()
        wait_until(lambda: profile(origin)["versioning"])
        assert origin.read_log().count("a missing key is 404") == 2
    assert bucket.keys() == []


def test_missing_key_that_is_403_is_warned_of(tmp_path, bucket, proxy):
    proxy.fault(s3_error(403, "AccessDenied"), times=1)
    with start(tmp_path, bucket, proxy) as origin:
        assert wait_until(lambda: profile(origin))["missing"] == 403
        wait_until(lambda: "allow s3:ListBucket" in origin.read_log())


def test_probe_that_fails_is_in_nobodys_way(tmp_path, bucket, proxy, key):
    proxy.fault(stall(), times=1000, method="GET", path="/")
    proxy.fault(s3_error(500, "InternalError"), times=3, method="GET")
    with start(tmp_path, bucket, proxy,
               server="content_s3_tries 3;") as origin:
        wait_until(lambda: proxy.requests and len(proxy.requests) >= 3)
        assert origin.put(key, b"x").status == 201
        assert origin.get(key).body == b"x"
        proxy.clear()
        assert wait_until(lambda: profile(origin))["failed"] >= 1


def test_what_only_writes_tell_and_nothing_is_left(tmp_path, s3, proxy):
    bucket = s3.bucket()
    with start(tmp_path, bucket, proxy, workers=3,
               server="location /b/ { content s3; content_s3_probe on; "
                      "content_s3_tries 2; }") as origin:
        assert facts(origin) == CEPH
        assert nothing_is_left(bucket)
        log = origin.read_log()
        assert log.count("a missing key is 404") == 1
        assert ", if_match: unquoted, " in log
        written = {r.path.partition("?")[0] for r in proxy.requests
                   if r.method != "GET"}
        assert len(written) == 1                # one object, once a place
        assert len([r for r in proxy.requests if "versioning" in r.path]) == 1
        assert "/-/the%20probe/" in written.pop()


def test_left_over_is_overwritten_and_removed(tmp_path, s3, proxy):
    bucket = s3.bucket()
    bucket.client.put_object(
        Bucket=bucket.name, Key=f"-/the probe/{socket.gethostname()}",
        Body=b"of one that was killed")
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == CEPH
        assert nothing_is_left(bucket)


def test_if_match_starts_from_what_was_found(tmp_path, bucket, proxy, key):
    with start(tmp_path, bucket, proxy) as origin:
        facts(origin)
        etag = origin.put(key, b"0").headers["ETag"]
        proxy.requests.clear()
        assert origin.put(key, b"1", if_match=etag).status == 204
        sent = [r.headers.get("if-match") for r in proxy.requests
                if r.method == "PUT"]
        assert sent == [etag.strip('"')]


def test_bucket_that_may_not_be_written_is_only_read(tmp_path, s3, proxy):
    bucket = s3.bucket()
    proxy.fault(s3_error(403, "AccessDenied"), method="PUT")
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == UNASKED | {"writes": "denied"}
        assert [r.method for r in proxy.requests] == ["GET", "GET", "PUT"]
        assert "writes: denied" in origin.read_log()


def refuse(name, value=None):
    """501 to what has that header (and value), else on to the server."""
    def act(exchange):
        got = exchange.request.headers.get(name)
        if got is None or value not in (None, got):
            exchange.forward()
        else:
            s3_error(501, "NotImplemented")(exchange)
    return act


@pytest.mark.parametrize("name, value, fact", [
    ("if-match", None, "if_match"), ("if-none-match", None, "if_none_match"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", "unsigned_payload")])
def test_what_a_server_refuses(tmp_path, s3, proxy, name, value, fact):
    bucket = s3.bucket()
    proxy.fault(refuse(name, value), method="PUT", times=99)
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == CEPH | {fact: "refused"}
        assert nothing_is_left(bucket)


def test_what_a_server_denies_later(tmp_path, s3, proxy):
    bucket = s3.bucket()
    proxy.fault(s3_error(403, "AccessDenied"), method="PUT", query="tagging")
    proxy.fault(s3_error(501, "NotImplemented"), method="POST",
                query="uploadId")
    proxy.fault(s3_error(412, "PreconditionFailed"), method="DELETE", query="",
                path=socket.gethostname())
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == CEPH | {
            "tags": "denied", "complete_conditions": "refused",
            "delete_conditions": "works"}
        assert nothing_is_left(bucket)


def test_nothing_is_written_where_it_would_stay(tmp_path, s3, proxy):
    bucket = s3.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == UNASKED | {"writes": "versions"}
        assert {r.method for r in proxy.requests} == {"GET"}


def test_version_that_was_made_unawares_is_removed(tmp_path, s3, proxy):
    bucket = s3.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    proxy.fault(s3_error(403, "AccessDenied"), query="versioning")
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == UNASKED | {"writes": "versions"}
        left = bucket.client.list_object_versions(Bucket=bucket.name)
        assert not left.get("Versions") and not left.get("DeleteMarkers")


def test_object_that_stays_is_told_of(tmp_path, s3, proxy):
    proxy.fault(s3_error(403, "AccessDenied"), method="DELETE", times=9)
    with start(tmp_path, s3.bucket(), proxy) as origin:
        assert facts(origin)["delete_conditions"] == "denied"
        assert "is left: " in origin.read_log()


def compares(taken):
    """Takes those PUTs with If-Match of whose value taken() holds."""
    def act(exchange):
        value = exchange.request.headers.get("if-match")
        if value is None:
            exchange.forward()
        elif taken(value):
            answer(200, ETag=value)(exchange)
        else:
            s3_error(412, "PreconditionFailed")(exchange)
    return act


@pytest.mark.parametrize("form, taken", [
    ("ignored", lambda value: True),
    ("quoted", lambda value: value[0] == '"' and "000000" not in value),
    (None, lambda value: False)])
def test_form_of_if_match(tmp_path, s3, proxy, form, taken):
    bucket = s3.bucket()
    proxy.fault(compares(taken), method="PUT", times=99)
    with start(tmp_path, bucket, proxy) as origin:
        assert facts(origin) == CEPH | {"if_match": form}
        assert nothing_is_left(bucket)


def test_style_is_told(tmp_path, s3):
    bucket = s3.bucket()
    port = s3.endpoint.rsplit(":", 1)[1]
    with Nginx(tmp_path / "n", bucket, location=f"""
            content_s3_endpoint http://localhost:{port};
            content_s3_style virtual; content_s3_probe on;""") as origin:
        assert facts(origin) == CEPH | {"style": "virtual"}
        assert nothing_is_left(bucket)
