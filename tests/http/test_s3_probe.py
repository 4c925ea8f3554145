"""What S3 is found to be: logged once, shown by the status, in nobody's way."""

import pathlib
import sys

import pytest

from harness import EDITOR, Nginx, wait_until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))

from s3_fault_proxy import FaultProxy, s3_error, stall  # noqa: E402


@pytest.fixture
def proxy(s3):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as server:
        yield server


def start(workdir, bucket, proxy, **how):
    return Nginx(workdir / "n", bucket.through(proxy.endpoint),
                 location="content_s3_probe on;", **how)


def profile(origin):
    profiles = origin.get("/-/status", token=EDITOR).json()["s3"]
    found = list(profiles.values())
    return found[0] if found and found[0]["probed"] else None


def test_what_was_found_is_shown_and_logged_once(tmp_path, s3, proxy):
    bucket = s3.bucket()
    with start(tmp_path, bucket, proxy, workers=3) as origin:
        found = wait_until(lambda: profile(origin))
        assert (found["missing"], found["versioning"]) == (404, False)
        assert abs(found["skew"]) < 60
        wait_until(lambda: "a missing key is 404" in origin.read_log())
        assert {r.method for r in proxy.requests} == {"GET"}
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
