"""COPY and MOVE: on both stores the whole object with all that is kept goes
to its new name, or nothing changes and the answer says why; the caches and the
CDN are told of every key that changed.
"""

import base64
import email.utils
import hashlib
import re
import threading

import pytest

import edge
from harness import EDITOR, Nginx, data, problem, request_head, wait_until
from s3_fault_proxy import (answer, change, cut_after_forwarding, first, hold,
                            s3_error)

MIB = 1 << 20
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
PARTS = "content_s3_copy_part_size 5m;"

KEPT = {
    "Content-Type": "text/x-fancy; charset=utf-8",
    "Content-Disposition": 'attachment; filename="a b.txt"',
    "Content-Language": "de, en",
    "Content-Encoding": "gzip",
    "Cache-Control": "public, max-age=17",
    "X-Content-Meta-Author": "Jane Doe",
}


def copy(origin, source, target, method="COPY", token=EDITOR, **headers):
    return origin.request(method, source, token=token, destination=target,
                          **headers)


def move(origin, source, target, **how):
    return copy(origin, source, target, "MOVE", **how)


@pytest.fixture(scope="module")
def origin(store, tmp_path_factory):
    """As everywhere, but S3 copies in small parts."""
    with Nginx(tmp_path_factory.mktemp("origin"), store,
               server="" if store == "file" else PARTS) as nginx:
        yield nginx


both = pytest.mark.parametrize("method", ["COPY", "MOVE"])


# What is copied

@both
@pytest.mark.parametrize("size", [0, 5, MIB + 1, 5 * MIB, 12 * MIB])
def test_the_object_goes_along_whole(origin, key, method, size):
    body = data(size)
    etag = origin.put(key, body, repr_digest="sha-256=:" + digest(body) + ":",
                      cache_tag="news", **KEPT).headers["ETag"]
    answer = copy(origin, key, key + "-2", method)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Location"] == key + "-2"
    new = origin.get(key + "-2", want_repr_digest="sha-256=1")
    assert new.body == body
    assert new.headers["ETag"] == answer.headers["ETag"]
    assert new.headers["Repr-Digest"] == f"sha-256=:{digest(body)}:"
    assert new.headers["Cache-Tag"].endswith(",news")
    for name, value in KEPT.items():
        assert new.all(name) == [value]

    old = origin.get(key)
    if method == "COPY":
        assert (old.body, old.headers["ETag"]) == (body, etag)
    else:
        problem(old, 404)


@pytest.mark.parametrize("limit", ["5m", "5g"])
def test_digest_that_was_a_tag_goes_along(bucket, tmp_path, key, limit):
    """Of what was uploaded in parts, and copied in parts or as one."""
    body = data(12 * MIB)
    with Nginx(tmp_path / "n", bucket,
               server=f"content_s3_copy_part_size {limit};") as origin:
        origin.put(key, body, **KEPT)
        for source, target in ((key, key + "-2"), (key + "-2", key + "-3")):
            assert copy(origin, source, target).status == 201
            new = origin.get(target, want_repr_digest="sha-256=1")
            assert new.body == body
            assert new.headers["Repr-Digest"] == f"sha-256=:{digest(body)}:"
            for name, value in KEPT.items():
                assert new.all(name) == [value]
            kept = bucket.client.head_object(Bucket=bucket.name,
                                             Key=target[1:])["Metadata"]
            assert kept["sha256"] == hashlib.sha256(body).hexdigest()


def test_etag_of_a_copy_in_parts_is_told(bucket, tmp_path, key):
    """By a worker that has uploaded nothing: S3's answer has none (Ceph)."""
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                             Body=data(12 * MIB))
    with Nginx(tmp_path, bucket, workers=1, server=PARTS) as origin:
        answer = copy(origin, key, key + "-2")
        assert answer.status == 201
        new = origin.head(key + "-2")
        assert answer.headers["ETag"] == new.headers["ETag"]
        assert new.headers["ETag"] != origin.head(key).headers["ETag"]


def digest(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@both
def test_what_was_there_is_replaced_whole(origin, key, method):
    origin.put(key, b"new")
    origin.put(key + "-2", b"old", **KEPT)
    answer = copy(origin, key, key + "-2", method)
    assert answer.status == 204
    new = origin.get(key + "-2")
    assert new.body == b"new"
    assert "Content-Language" not in new.headers
    assert "X-Content-Meta-Author" not in new.headers


def test_last_modified_is_the_copys(origin, key):
    """Or who has what was replaced would be told that nothing changed."""
    origin.put(key, b"one")
    at = modified(origin, key)
    wait_until(lambda: origin.put(key + "-2", b"two").status
               and modified(origin, key + "-2") > at, what="a second")
    copy(origin, key, key + "-2")
    assert modified(origin, key + "-2") > at


def modified(origin, key):
    return email.utils.parsedate_to_datetime(
        origin.head(key).headers["Last-Modified"])


def test_copy_is_an_object_of_its_own(origin, key):
    origin.put(key, b"one")
    copy(origin, key, key + "-2")
    origin.put(key, b"two")
    assert origin.get(key + "-2").body == b"one"
    origin.delete(key)
    assert origin.get(key + "-2").body == b"one"


def test_nothing_is_left_over(origin, store, key):
    origin.put(key, data(12 * MIB))
    copy(origin, key, key + "-2")
    copy(origin, key, key + "-2", overwrite="F")
    copy(origin, key + "-none", key + "-2")
    if store == "file":
        assert origin.temporary_files() == []
    else:
        wait_until(lambda: store.uploads() == [], what=store.uploads())


# Destination

@pytest.mark.parametrize("form", [
    "{path}", "http://origin.test{path}", "https://origin.test{path}",
    "HTTP://Origin.Test:8443{path}"])
def test_destination_is_a_path_or_a_url_of_this_host(origin, key, form):
    origin.put(key, b"x")
    target = f"{key}/a%20b%2Bc"
    assert copy(origin, key, form.format(path=target)).status == 201
    assert origin.get(f"{key}/a%20b+c").body == b"x"


@both
@pytest.mark.parametrize("target, status", [
    (None, 400), ("", 400), ("x", 400), ("http:/x", 400), ("ftp://o/x", 400),
    ("/x?y", 400), ("/x#y", 400), ("/a/../b", 400), ("/%ff", 400),
    ("http://other.test/x", 502), ("/", 403), ("/-/list", 403),
    ("/%2D/x", 403), ("http://origin.test", 403), (["/x", "/y"], 400)])
def test_bad_destination_is_refused(origin, key, method, target, status):
    origin.put(key, b"x")
    problem(copy(origin, key, target, method), status, "destination")
    assert origin.get(key).body == b"x"


@both
@pytest.mark.parametrize("spelling", ["{key}", "http://origin.test{key}",
                                      "/%74{rest}"])
def test_onto_itself_is_403(origin, key, method, spelling):
    origin.put(key, b"x")
    target = spelling.format(key=key, rest=key[2:])
    problem(copy(origin, key, target, method), 403, "itself")
    assert origin.get(key).body == b"x"


@both
def test_of_nothing_is_404(origin, key, method):
    origin.put(key + "-2", b"old")
    problem(copy(origin, key, key + "-2", method), 404)
    assert origin.get(key + "-2").body == b"old"


def test_query_is_refused(origin, key):
    origin.put(key, b"x")
    problem(copy(origin, key + "?a", key + "-2"), 400, "query")


# Conditions

@both
@pytest.mark.parametrize("value, exists, status", [
    ("F", False, 201), ("F", True, 412), ("f", True, 412), ("T", True, 204),
    ("T", False, 201), ("t", True, 204), ("X", True, 400), ("", True, 400),
    (["T", "F"], True, 400), (["F", "F"], True, 400)])
def test_overwrite(origin, key, method, value, exists, status):
    origin.put(key, b"new")
    if exists:
        origin.put(key + "-2", b"old")
    answer = copy(origin, key, key + "-2", method, overwrite=value)
    assert answer.status == status
    if status >= 400:
        problem(answer, status, "overwrite")
        assert origin.get(key + "-2").body == b"old"
        assert origin.get(key).body == b"new"


@both
@pytest.mark.parametrize("headers, status", [
    ({"If-Match": "{etag}"}, 201), ({"If-Match": "*"}, 201),
    ({"If-Match": '"other"'}, 412), ({"If-Match": ""}, 400),
    ({"If-Unmodified-Since": FUTURE}, 201),
    ({"If-Unmodified-Since": PAST}, 412),
    ({"If-Match": "{etag}", "If-Unmodified-Since": PAST}, 201),
    ({"If-None-Match": "*"}, 400), ({"If-None-Match": '"x"'}, 400),
    ({"If": '(["x"])'}, 400)])
def test_conditions_are_of_the_source(origin, key, method, headers, status):
    etag = origin.put(key, b"x").headers["ETag"]
    answer = copy(origin, key, key + "-2", method,
                  **{k: v.format(etag=etag) for k, v in headers.items()})
    assert answer.status == status
    if status >= 400:
        problem(answer, status)
        assert origin.get(key).body == b"x"
        assert origin.get(key + "-2").status == 404


def test_condition_can_be_required(store, tmp_path, key):
    with Nginx(tmp_path / "n", store,
               server="content_require_conditions on;") as origin:
        etag = origin.put(key, b"x", if_none_match="*").headers["ETag"]
        problem(copy(origin, key, key + "-2"), 428, "overwrite")
        problem(copy(origin, key, key + "-2", if_match=etag), 428)
        assert copy(origin, key, key + "-2", overwrite="F").status == 201


# Rights

READER, NEWS, WRITER = "reader-token-Fb82kQm7", "news-token-Gc93lRn8", "w-1"
TOKENS = [("editor", EDITOR, "read,write", "/"),
          ("reader", READER, "read", "/"), ("writer", WRITER, "write", "/"),
          ("news", NEWS, "read,write", "/news/")]


@pytest.fixture(scope="module")
def guarded(store, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("guarded"), store, tokens=TOKENS,
               anonymous="off") as nginx:
        yield nginx


@pytest.mark.parametrize("method, source, target, token, status", [
    ("COPY", "/a", "/b", None, 401), ("COPY", "/a", "/b", "wrong", 401),
    ("COPY", "/a", "/b", READER, 403), ("COPY", "/a", "/b", WRITER, 403),
    ("COPY", "/a", "/news/b", NEWS, 403),
    ("COPY", "/news/a", "/b", NEWS, 403),
    ("COPY", "/news/a", "/news/b", NEWS, 201),
    ("MOVE", "/a", "/b", None, 401), ("MOVE", "/a", "/b", READER, 403),
    ("MOVE", "/a", "/b", WRITER, 403), ("MOVE", "/a", "/news/b", NEWS, 403),
    ("MOVE", "/news/a", "/b", NEWS, 403),
    ("MOVE", "/news/a", "/news/b", NEWS, 201)])
def test_rights_at_both_ends(guarded, method, source, target, token, status):
    guarded.put(source, b"x")
    guarded.delete(target)
    assert copy(guarded, source, target, method, token).status == status
    assert (guarded.get(target, token=EDITOR).status
            == (200 if status == 201 else 404))
    moved = method == "MOVE" and status == 201
    assert guarded.get(source, token=EDITOR).status == (404 if moved else 200)


def test_who_may_only_read_the_source_anonymously_may_copy_it(tmp_path, place):
    with Nginx(tmp_path / "n", place,
               tokens=[*TOKENS[1:], TOKENS[0]]) as origin:
        origin.put("/a", b"x")
        assert copy(origin, "/a", "/b", token=WRITER).status == 201
        problem(copy(origin, "/a", "/b", token=None), 401)


# Caches

@both
def test_caches_are_told_of_every_key(store, redis, tmp_path, key, method):
    with edge.start_fake_cloudflare() as fake:
        with Nginx(tmp_path / "n", store, redis=redis, purge=fake,
                   http="content_memory 16m max=512k;",
                   server="content_hot hits=1; content_purge_plan enterprise;"
                   ) as origin:
            origin.put(key, b"new")
            origin.put(key + "-2", b"old")
            for _ in range(3):
                assert origin.get(key).body == b"new"
                assert origin.get(key + "-2").body == b"old"
            fake.order("DELETE", "calls")

            answer = copy(origin, key, key + "-2", method)
            assert answer.status == 204
            assert origin.get(key + "-2").body == b"new"
            assert origin.get(key).status == (404 if method == "MOVE" else 200)

            job = origin.finished_job(answer.headers["X-Content-Purge"])
            assert job["state"] == "done"
            purged = {tag for call in fake.calls()
                      for tag in call["body"]["tags"]}
            changed = [key + "-2"] + ([key] if method == "MOVE" else [])
            assert purged == {
                "c" + hashlib.sha256(k[1:].encode()).hexdigest()[:20]
                for k in changed}


def test_a_new_copy_needs_no_purge(tmp_path, place, key):
    with edge.start_fake_cloudflare() as fake:
        with Nginx(tmp_path / "n", place, purge=fake) as origin:
            origin.put(key, b"new")
            answer = copy(origin, key, key + "-2")
            assert answer.status == 201
            assert "X-Content-Purge" not in answer.headers


# Faults of S3

@pytest.fixture
def faulty(tmp_path, bucket, proxy):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), workers=1,
               server="content_s3_timeout 2s;" + PARTS) as nginx:
        yield nginx


ERROR = (b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code>'
         b"<Message>We encountered an internal error.</Message></Error>")
SLOW_DOWN = ERROR.replace(b"InternalError", b"SlowDown")
ALWAYS = 1000

# name, size, how the request is found, fault, status
COPY_FAULTS = [
    ("200 with an error", 5, "", answer(200, ERROR), 502),
    ("200 with nothing", 5, "", answer(200, b""), 502),
    ("200 with half of a result", 5, "",
     answer(200, b"<CopyObjectResult><ETag>abc"), 502),
    ("500", 5, "", s3_error(500, "InternalError"), 502),
    ("503", 5, "", s3_error(503, "SlowDown"), 503),
    ("403", 5, "", s3_error(403, "AccessDenied"), 502),
    ("another source", 5, "", s3_error(412, "PreconditionFailed"), 503),
    ("busy, in 200", 5, "", answer(200, SLOW_DOWN), 503),
    ("no bucket", 5, "", s3_error(404, "NoSuchBucket"), 502),
    ("part: 200 with an error", 12 * MIB, "partNumber=2",
     answer(200, ERROR), 502),
    ("part: 503", 12 * MIB, "partNumber=1", s3_error(503, "SlowDown"), 503),
    ("part: another source", 12 * MIB, "partNumber=1",
     s3_error(412, "PreconditionFailed"), 503),
]


@both
@pytest.mark.parametrize("name, size, query, fault, status", COPY_FAULTS,
                         ids=[f[0] for f in COPY_FAULTS])
def test_fault_of_a_copy_is_told(faulty, bucket, proxy, key, method, name,
                                 size, query, fault, status):
    faulty.put(key, data(size))
    faulty.put(key + "-2", b"old")
    proxy.fault(fault, times=ALWAYS, method="PUT", query=query)
    problem(copy(faulty, key, key + "-2", method), status)
    proxy.clear()
    assert faulty.get(key + "-2").body == b"old"
    assert faulty.get(key).body == data(size)
    wait_until(lambda: bucket.uploads() == [], what=bucket.uploads())


@pytest.mark.parametrize("size", [5, 12 * MIB], ids=["whole", "parts"])
def test_what_was_looked_at_is_what_is_copied(faulty, proxy, key, size):
    etag = faulty.put(key, data(size)).headers["ETag"]
    proxy.clear()
    assert copy(faulty, key, key + "-2").status == 201
    copied = [r.headers for r in proxy.requests
              if "x-amz-copy-source" in r.headers]
    assert len(copied) == (1 if size == 5 else 3)
    assert {h["x-amz-copy-source-if-match"] for h in copied} == {etag}


@pytest.mark.parametrize("size", [5, 12 * MIB], ids=["whole", "parts"])
def test_source_that_meets_its_condition_no_more_is_412(faulty, proxy, key,
                                                        size):
    etag = faulty.put(key, data(size)).headers["ETag"]
    proxy.fault(s3_error(412, "PreconditionFailed"), times=ALWAYS,
                method="PUT")
    problem(copy(faulty, key, key + "-2", if_match=etag), 412, "If-Match")


def test_refusal_for_the_source_is_not_told_of_the_target(faulty, proxy, key):
    """S3 says 412 for both."""
    faulty.put(key, b"x")
    proxy.fault(s3_error(412, "PreconditionFailed"), method="PUT")
    problem(copy(faulty, key, key + "-2", overwrite="F"), 503)

    def written(exchange):
        faulty.put(key + "-2", b"theirs")
        s3_error(412, "PreconditionFailed")(exchange)

    proxy.fault(written, method="PUT")
    problem(copy(faulty, key, key + "-2", overwrite="F"), 412, "Overwrite")
    assert proxy.pending() == 0
    assert faulty.get(key + "-2").body == b"theirs"


def of_length(size):
    return change(lambda head, body: (
        re.sub(rb"(?i)(\r\nContent-Length:) \d+", rb"\1 %d" % size, head), body))


def test_source_of_more_than_ten_thousand_parts_is_400(faulty, proxy, key):
    most = 10000 * 5 * MIB
    faulty.put(key, b"x")
    proxy.clear()
    proxy.fault(of_length(most + 1), method="HEAD")
    problem(copy(faulty, key, key + "-2"), 400, "too large")
    assert [r.method for r in proxy.requests] == ["HEAD"]

    proxy.fault(of_length(most), method="HEAD")
    proxy.fault(s3_error(403, "AccessDenied"), method="POST", query="uploads")
    problem(copy(faulty, key, key + "-2"), 502)
    assert proxy.pending() == 0


def test_source_that_cannot_be_removed_is_told(faulty, proxy, key):
    faulty.put(key, b"x")
    proxy.fault(s3_error(500, "InternalError"), times=ALWAYS, method="DELETE")
    problem(move(faulty, key, key + "-2"), 502, "destination was written")
    proxy.clear()
    assert faulty.get(key + "-2").body == b"x"
    assert faulty.get(key).body == b"x"


def test_source_that_was_written_meanwhile_stays(faulty, bucket, proxy, key):
    faulty.put(key, b"x")
    proxy.fault(first(lambda: bucket.client.put_object(
        Bucket=bucket.name, Key=key[1:], Body=b"newer")),
        method="HEAD", path=key, query="")
    # the first HEAD of the source is that before the copy: let it pass
    proxy.faults.insert(0, [proxy.faults[0][0], lambda e: e.forward(), 1,
                            False])
    problem(move(faulty, key, key + "-2"), 409, "source has changed")
    assert faulty.get(key).body == b"newer"
    assert faulty.get(key + "-2").body == b"x"


def test_parts_are_never_of_two_objects(faulty, bucket, proxy, key):
    faulty.put(key, data(12 * MIB))
    faulty.put(key + "-2", b"old")
    proxy.fault(first(lambda: bucket.client.put_object(
        Bucket=bucket.name, Key=key[1:], Body=data(12 * MIB)[::-1])),
        method="PUT", query="partNumber=3")
    problem(copy(faulty, key, key + "-2"), 503)
    assert faulty.get(key + "-2").body == b"old"
    wait_until(lambda: bucket.uploads() == [], what=bucket.uploads())


def test_headers_and_bytes_are_never_of_two_objects(tmp_path, bucket, proxy,
                                                    key):
    """Ceph copies what is there, whatever x-amz-copy-source-if-match says."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               workers=1) as origin:
        origin.put(key, data(12 * MIB), content_type="text/x-one")
        origin.put(key + "-2", b"old")
        proxy.fault(first(lambda: bucket.client.put_object(
            Bucket=bucket.name, Key=key[1:], Body=data(12 * MIB)[::-1])),
            method="PUT")
        problem(copy(origin, key, key + "-2"), 503)
        assert proxy.pending() == 0
        assert origin.get(key + "-2").body == b"old"


def test_copy_whose_answer_was_lost_drops_the_caches(tmp_path, bucket, proxy,
                                                     redis, key):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               server="content_hot hits=1;", workers=1) as origin:
        origin.put(key, b"new")
        origin.put(key + "-2", b"old")
        for _ in range(2):
            origin.get(key + "-2")
        proxy.fault(cut_after_forwarding(), times=ALWAYS, method="PUT")
        problem(copy(origin, key, key + "-2"), 502, "not known")
        proxy.clear()
        assert origin.get(key + "-2").body == b"new"


# what S3 says to the second try, by itself or by order
SECOND_TRIES = {"the source is gone": None,
                "the source has changed": s3_error(412, "PreconditionFailed")}


@pytest.mark.parametrize("second", SECOND_TRIES)
def test_copy_that_was_done_and_failed_drops_the_caches(tmp_path, bucket,
                                                        proxy, redis, key,
                                                        second):
    """S3 says 500; when it is asked again, the source is another."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               server="content_hot hits=1;", workers=1) as origin:
        etag = origin.put(key, b"new").headers["ETag"]
        origin.put(key + "-2", b"old")
        for _ in range(2):
            assert origin.get(key + "-2").body == b"old"

        def act(exchange):
            exchange.fetch()
            bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
            s3_error(500, "InternalError")(exchange)

        proxy.fault(act, method="PUT")
        if SECOND_TRIES[second]:
            proxy.fault(SECOND_TRIES[second], method="PUT")
        problem(copy(origin, key, key + "-2", if_match=etag), 502, "not known")
        assert proxy.pending() == 0
        assert origin.get(key + "-2").body == b"new"


@both
def test_client_that_leaves_changes_nothing_of_it(tmp_path, bucket, proxy,
                                                  redis, key, method):
    """Once begun it is ended, and the caches are told."""
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               server="content_hot hits=1;", workers=1) as origin:
        origin.put(key, b"new")
        origin.put(key + "-2", b"old")
        for _ in range(2):
            assert origin.get(key + "-2").body == b"old"
        arrived, release = threading.Event(), threading.Event()

        def act(exchange):
            arrived.set()
            hold(release, before=True)(exchange)

        proxy.fault(act, method="PUT")
        with origin.connect() as connection:
            connection.send(request_head(method, key, {
                "Host": "origin.test", "Destination": key + "-2",
                "Authorization": f"Bearer {EDITOR}"}))
            assert arrived.wait(30)
            connection.reset()
        release.set()
        wait_until(lambda: origin.get(key + "-2").body == b"new")
        if method == "MOVE":
            wait_until(lambda: origin.get(key).status == 404)
