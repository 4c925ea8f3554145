"""Versions: which there are of a key, one of them, and one copied over the
current object; never mixed up with the current object in any cache.
"""

import hashlib
import urllib.parse

import pytest

import edge
from harness import EDITOR, Nginx, path_of, problem
from s3_fault_proxy import FaultProxy, answer, cut, s3_error

READER, NEWS = "reader-token-Fb82kQm7", "news-token-Gc93lRn8"
TOKENS = [("editor", EDITOR, "read,write,purge,admin", "/"),
          ("reader", READER, "read", "/"), ("news", NEWS, "write", "/")]


@pytest.fixture(scope="module")
def versioned(s3):
    bucket = s3.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture(scope="module")
def origin(versioned, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("origin"), versioned, tokens=TOKENS,
               server="content_s3_copy_part_size 5m;") as nginx:
        yield nginx


def query(**arguments):
    return "?" + urllib.parse.urlencode(arguments, safe="",
                                        quote_via=urllib.parse.quote)


def versions(origin, key, **more):
    answered = origin.get("/-/versions" + query(key=key[1:], **more),
                          token=EDITOR)
    assert answered.status == 200, answered
    assert answered.all("Cache-Control") == ["no-store"]
    return answered.json()


def version(origin, key, name, method="GET", token=EDITOR, **headers):
    return origin.request(method, "/-/version"
                          + query(key=key[1:], version=name), token=token,
                          **headers)


def restore(origin, key, name, token=EDITOR, **headers):
    return origin.request("POST", "/-/restore"
                          + query(key=key[1:], version=name), token=token,
                          **headers)


def names(page):
    return [v["version"] for v in page["versions"]]


# The list

def test_each_write_is_a_version(origin, key):
    etags = [origin.put(key, body).headers["ETag"]
             for body in (b"one", b"two!", b"three")]
    origin.put(key + "-2", b"another key")
    page = versions(origin, key)
    assert page["key"] == key[1:] and page["next"] is None
    assert [v["etag"] for v in page["versions"]] == etags[::-1]
    assert [v["size"] for v in page["versions"]] == [5, 4, 3]
    assert [v["latest"] for v in page["versions"]] == [True, False, False]
    assert not any(v["deleted"] for v in page["versions"])
    assert len(set(names(page))) == 3


def test_a_deletion_is_a_version(origin, key):
    origin.put(key, b"one")
    origin.delete(key)
    first, second = versions(origin, key)["versions"]
    assert first["deleted"] and first["latest"]
    assert "etag" not in first and "size" not in first
    assert not second["deleted"] and not second["latest"]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 1000])
def test_pages_join(origin, key, limit):
    for body in (b"1", b"2", b"3", b"4", b"5"):
        origin.put(key, body)
    for other in ("-2", "-3", "-4"):
        origin.put(key + other, b"another key")
    found, after = [], ""
    while after is not None:
        page = versions(origin, key, limit=limit, after=after)
        found += names(page)
        assert len(names(page)) <= limit and len(found) <= 5
        after = page["next"]
        if limit > 5:
            assert after is None        # the others are no more of these
    assert found == names(versions(origin, key)) and len(found) == 5


@pytest.mark.parametrize("name", ["a b+c(1)'@!*.txt", "\u00e9\U0001f600",
                                  "a//b/", "100%25", "a&b=c?d#e"])
def test_awkward_keys(origin, key, name):
    key = f"{key}/{name}"
    origin.put(path_of(key[1:]), b"one")
    origin.put(path_of(key[1:]), b"two")
    page = versions(origin, key)
    assert page["key"] == key[1:]
    old = names(page)[1]
    assert version(origin, key, old).body == b"one"
    assert restore(origin, key, old).status == 204
    assert origin.get(path_of(key[1:])).body == b"one"


def test_of_nothing_is_404(origin, key):
    problem(origin.get("/-/versions" + query(key=key[1:]), token=EDITOR), 404)


# One of them

@pytest.mark.parametrize("size", [0, 5, 6 << 20])
def test_an_old_version_is_answered_whole(origin, key, size):
    body = b"x" * size
    etag = origin.put(key, body, content_type="text/x-old",
                      x_content_meta_color="red").headers["ETag"]
    origin.put(key, b"newer", content_type="text/x-new")
    old = names(versions(origin, key))[1]
    got = version(origin, key, old)
    assert (got.status, got.body) == (200, body)
    assert got.headers["ETag"] == etag
    assert got.headers["Content-Type"] == "text/x-old"
    assert got.headers["X-Content-Meta-Color"] == "red"
    assert got.all("Cache-Control") == ["private, no-cache"]
    assert got.all("CDN-Cache-Control") == ["no-store"]
    head = version(origin, key, old, "HEAD")
    assert (head.status, head.headers["ETag"]) == (200, etag)
    assert head.headers["Content-Length"] == str(size)
    assert version(origin, key, old, if_none_match=etag).status == 304
    assert version(origin, key, old, if_none_match='"x"').body == body
    problem(version(origin, key, old, if_match='"x"'), 412)


@pytest.mark.parametrize("name", [
    "a b+c(1)'@!*.txt", "100%25", "a//b/", "\u00e9" * 400],
    ids=["signs", "percent", "slashes", "long"])
def test_versions_of_any_key(origin, key, name):
    key += "/" + name
    for body in (b"one", b"two"):
        assert origin.put(path_of(key[1:]), body).status in (201, 204)
    _, old = names(versions(origin, key))
    assert version(origin, key, old).body == b"one"
    assert restore(origin, key, old).status == 204
    assert origin.get(path_of(key[1:])).body == b"one"


def test_what_was_deleted_can_be_read(origin, key):
    origin.put(key, b"one")
    origin.delete(key)
    deletion, old = names(versions(origin, key))
    assert version(origin, key, old).body == b"one"
    problem(version(origin, key, deletion), 404, "version")
    assert version(origin, key, deletion, "HEAD").status == 404


@pytest.mark.parametrize("name", ["nonsense", "null", "x" * 500])
def test_no_such_version_is_404(origin, key, name):
    origin.put(key, b"one")
    problem(version(origin, key, name), 404, "version")
    assert version(origin, key, name, "HEAD").status == 404
    problem(restore(origin, key, name), 404, "version")
    assert origin.get(key).body == b"one"


def test_deletion_as_aws_says_it(versioned, proxy, tmp_path, key):
    """405, where Ceph says 404."""
    with Nginx(tmp_path / "n", versioned.through(proxy.endpoint)) as origin:
        origin.put(key, b"one")
        name, = names(versions(origin, key))
        proxy.fault(s3_error(405, "MethodNotAllowed"), times=9,
                    query="versionId")
        problem(version(origin, key, name), 404, "version")
        assert version(origin, key, name, "HEAD").status == 404
        problem(restore(origin, key, name), 404, "version")


# Restoring

@pytest.mark.parametrize("size", [5, 12 << 20])
def test_restored_version_is_the_current_one_again(origin, key, size):
    body = b"y" * size
    origin.put(key, body, content_type="text/x-old")
    origin.put(key, b"newer", content_type="text/x-new")
    old = names(versions(origin, key))[1]
    answered = restore(origin, key, old)
    assert answered.status == 204
    assert answered.headers["Location"] == key
    now = origin.get(key)
    assert now.body == body
    assert now.headers["ETag"] == answered.headers["ETag"]
    assert now.headers["Content-Type"] == "text/x-old"
    assert len(names(versions(origin, key))) == 3


def test_what_was_deleted_is_restored(origin, key):
    origin.put(key, b"one")
    origin.delete(key)
    old = names(versions(origin, key))[1]
    assert restore(origin, key, old).status == 201
    assert origin.get(key).body == b"one"


@pytest.mark.parametrize("sizes", [(5, 6), (6 << 20, 5)],
                         ids=["small", "after one in parts"])
def test_write_on_a_condition(versioned, tmp_path, key, sizes):
    """The end of an upload in parts is taken on every condition."""
    with Nginx(tmp_path / "n", versioned, workers=1) as origin:
        conditional(origin, key, *sizes)


def conditional(origin, key, *sizes):
    new = origin.put(key, b"one")
    for size in sizes:
        etag, body = new.headers["ETag"], b"x" * size
        new = origin.put(key, body, if_match=etag)
        assert new.status == 204
    problem(origin.put(key, b"two", if_match=etag), 412)
    problem(origin.put(key, b"two", if_none_match="*"), 412)
    assert origin.get(key).body == body
    assert origin.delete(key, if_match=new.headers["ETag"]).status == 204
    assert origin.put(key, b"two", if_none_match="*").status == 201


def test_conditions_are_of_the_current_object(origin, key):
    origin.put(key, b"one")
    etag = origin.put(key, b"two").headers["ETag"]
    old = names(versions(origin, key))[1]
    problem(restore(origin, key, old, if_match='"other"'), 412)
    problem(restore(origin, key, old, if_none_match="*"), 412)
    assert origin.get(key).body == b"two"
    assert restore(origin, key, old, if_match=etag).status == 204


def test_caches_know_versions_apart(versioned, redis, tmp_path, key):
    with edge.start_fake_cloudflare() as fake:
        with Nginx(tmp_path / "n", versioned, redis=redis, purge=fake,
                   http="content_memory 16m max=512k;",
                   server="content_hot hits=1; content_purge_plan enterprise;"
                   ) as origin:
            origin.put(key, b"one")
            origin.finished_job(
                origin.put(key, b"two").headers["X-Content-Purge"])
            new, old = names(versions(origin, key))
            for _ in range(3):
                assert origin.get(key).body == b"two"
                assert version(origin, key, old).body == b"one"
                assert version(origin, key, new).body == b"two"
            fake.order("DELETE", "calls")
            answered = restore(origin, key, old)
            assert answered.status == 204
            assert origin.get(key).body == b"one"
            origin.finished_job(answered.headers["X-Content-Purge"])
            assert [call["body"]["tags"] for call in fake.calls()] == [
                ["c" + hashlib.sha256(key[1:].encode()).hexdigest()[:20]]]


# Rights and mistakes

def test_versions_need_a_token(origin, key):
    origin.put(key, b"one")
    name, = names(versions(origin, key))
    assert origin.get(key).status == 200            # anonymous
    for token, status in ((None, 401), ("wrong", 401), (NEWS, 403)):
        problem(origin.get("/-/versions" + query(key=key[1:]), token=token),
                status)
        problem(version(origin, key, name, token=token), status)
        problem(restore(origin, key, name, token=token), status)
    assert version(origin, key, name, token=READER).status == 200
    problem(restore(origin, key, name, token=READER), 403)


@pytest.mark.parametrize("path", [
    "/-/versions", "/-/versions?key=", "/-/versions?key=a/../b",
    "/-/versions?key=-/x", "/-/versions?key=%FF", "/-/versions?key=a&limit=0",
    "/-/versions?key=a&limit=1001", "/-/versions?key=a&after=%20",
    "/-/version?key=a", "/-/version?key=a&version=", "/-/version?version=a",
    "/-/version?key=a&version=%C3%A9"])
def test_bad_query_is_400(origin, path):
    problem(origin.get(path, token=EDITOR), 400)


@pytest.mark.parametrize("path", ["/-/restore", "/-/restore?key=a",
                                  "/-/restore?version=a"])
def test_bad_restore_is_400(origin, path):
    problem(origin.request("POST", path, token=EDITOR), 400)


# Where none are kept

def test_file_store_keeps_none(tmp_path, key):
    with Nginx(tmp_path / "n") as origin:
        origin.put(key, b"one")
        problem(origin.get("/-/versions" + query(key=key[1:]), token=EDITOR),
                501, "no versions")
        problem(version(origin, key, "null"), 501, "no versions")
        problem(restore(origin, key, "null"), 501, "no versions")


def test_bucket_without_versions_says_so(tmp_path, bucket, key):
    with Nginx(tmp_path / "n", bucket) as origin:
        origin.put(key, b"one")
        problem(origin.get("/-/versions" + query(key=key[1:]), token=EDITOR),
                501, "no versions")
        problem(version(origin, key, "nonsense"), 404)


def test_version_from_before_versions_were_kept(tmp_path, s3, key):
    bucket = s3.bucket()
    with Nginx(tmp_path / "n", bucket) as origin:
        origin.put(key, b"one")
        bucket.client.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        assert names(versions(origin, key)) == ["null"]
        origin.put(key, b"two")
        assert version(origin, key, "null").body == b"one"


# Faults

@pytest.mark.parametrize("name, fault, status", [
    ("cut", cut(), 502), ("500", s3_error(500, "InternalError"), 502),
    ("503", s3_error(503, "SlowDown"), 503),
    ("no bucket", s3_error(404, "NoSuchBucket"), 502),
    ("not XML", answer(200, b"<html>"), 502)], ids=lambda x:
    x if isinstance(x, str) else "")
def test_faults_are_told(tmp_path, s3, versioned, key, name, fault, status):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy:
        with Nginx(tmp_path / "n", versioned.through(proxy.endpoint),
                   server="content_s3_timeout 2s;") as origin:
            origin.put(key, b"one")
            old, = names(versions(origin, key))
            proxy.fault(fault, times=1000)
            problem(origin.get("/-/versions" + query(key=key[1:]),
                               token=EDITOR), status)
            problem(version(origin, key, old), status)
