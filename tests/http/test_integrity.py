"""What a client says that its bytes hash to is checked before anything can be
seen; and who asks is told what an object hashes to.  Nobody overwrites what
somebody else has written meanwhile, where that is forbidden.
"""

import base64
import concurrent.futures
import email.utils
import gzip
import hashlib

import pytest

from harness import EDITOR, Nginx, problem, request_head, wait_until
from redis_server import Redis

MIB = 1 << 20
PLAIN = b"hello, " * 100
LARGE = bytes(range(256)) * 4 * 1024 * 11           # 11 MiB: three parts on S3


def b64(algorithm, body):
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


def field(body, *names):
    """A Content-Digest or Repr-Digest."""
    return ", ".join(f"{name}=:{b64(name.replace('-', ''), body)}:"
                     for name in names or ("sha-256",))


HEADERS = {
    "content-sha256": lambda body: {"content_digest": field(body)},
    "content-sha512": lambda body: {"content_digest": field(body, "sha-512")},
    "content-both": lambda body: {
        "content_digest": field(body, "sha-512", "sha-256")},
    "content-two-lines": lambda body: {
        "content_digest": [field(body), field(body, "sha-512")]},
    "repr-sha256": lambda body: {"repr_digest": field(body)},
    "repr-sha512": lambda body: {"repr_digest": field(body, "sha-512")},
    "md5": lambda body: {"content_md5": b64("md5", body)},
    "amz": lambda body: {"x_amz_checksum_sha256": b64("sha256", body)},
    "all": lambda body: {
        "content_digest": field(body), "repr_digest": field(body, "sha-512"),
        "content_md5": b64("md5", body),
        "x_amz_checksum_sha256": b64("sha256", body)},
}

# what is sent, the words of the problem: header, algorithm for both values
WRONG = {
    "content-sha256": ("Content-Digest: sha-256", "sha256"),
    "content-sha512": ("Content-Digest: sha-512", "sha512"),
    "content-two-lines": ("Content-Digest: sha-256", "sha256"),
    "repr-sha256": ("Repr-Digest: sha-256", "sha256"),
    "repr-sha512": ("Repr-Digest: sha-512", "sha512"),
    "md5": ("Content-MD5", "md5"),
    "amz": ("x-amz-checksum-sha256", "sha256"),
}


# PUT: what holds

@pytest.mark.parametrize("how", HEADERS)
@pytest.mark.parametrize("body", [b"", PLAIN], ids=["empty", "plain"])
def test_put_with_right_digests_is_stored(origin, key, how, body):
    assert origin.put(key, body, **HEADERS[how](body)).status == 201
    assert origin.get(key).body == body


def test_right_digests_of_a_large_chunked_body(origin, key):
    chunks = [LARGE[at:at + MIB] for at in range(0, len(LARGE), MIB)]
    answer = origin.put(key, chunks=chunks, **HEADERS["all"](LARGE))
    assert answer.status == 201
    assert origin.get(key).body == LARGE


def test_digests_are_of_the_encoded_bytes(origin, key):
    body = gzip.compress(PLAIN)
    for name in ("content_digest", "repr_digest"):
        answer = origin.put(key, body, content_encoding="gzip",
                            **{name: field(body)})
        assert answer.status in (201, 204)
        problem(origin.put(key, body, content_encoding="gzip",
                           **{name: field(PLAIN)}), 400, "sha-256")


def test_unknown_algorithms_are_skipped(origin, key):
    assert origin.put(key, b"x", content_digest="unixsum=:YWI=:",
                      repr_digest="md5=:YWI=:").status == 201


# PUT: what does not

@pytest.mark.parametrize("how", WRONG)
def test_put_with_a_wrong_digest_changes_nothing(origin, key, how):
    header, algorithm = WRONG[how]
    put = origin.put(key, b"before")

    answer = origin.put(key, PLAIN, **HEADERS[how](b"another"))
    detail = problem(answer, 400, header)["detail"]
    assert b64(algorithm, b"another") in detail
    assert b64(algorithm, PLAIN) in detail

    after = origin.get(key)
    assert after.body == b"before"
    assert after.headers["ETag"] == put.headers["ETag"]


def test_a_wrong_digest_creates_nothing(origin, key):
    problem(origin.put(key, PLAIN, **HEADERS["md5"](b"")), 400, "Content-MD5")
    problem(origin.get(key), 404)
    assert origin.list(f"?prefix={key[1:]}")["objects"] == []


@pytest.mark.parametrize("wrong", ["content_digest", "repr_digest",
                                   "content_md5", "x_amz_checksum_sha256"])
def test_all_of_several_headers_have_to_hold(origin, key, wrong):
    headers = HEADERS["all"](PLAIN)
    headers[wrong] = HEADERS["all"](b"another")[wrong]
    problem(origin.put(key, PLAIN, **headers), 400, wrong.replace("_", "-"))
    assert origin.get(key).status == 404


def test_wrong_digest_of_a_large_body_leaves_nothing(origin, store, key):
    origin.put(key, b"before")
    chunks = [LARGE[at:at + MIB] for at in range(0, len(LARGE), MIB)]
    problem(origin.put(key, chunks=chunks, **HEADERS["repr-sha512"](b"")),
            400, "Repr-Digest")
    assert origin.get(key).body == b"before"
    if store == "file":
        assert origin.temporary_files() == []
    else:
        wait_until(lambda: store.uploads() == [], what="the upload to be gone")


@pytest.mark.parametrize("headers", [
    {"content_digest": "sha-256=:AAAA:"},
    {"content_digest": "sha-256=AAAA"},
    {"repr_digest": "nonsense"},
    {"content_md5": "AAAA"},
    {"content_md5": [b64("md5", b"")] * 2},
    {"x_amz_checksum_sha256": b64("md5", b"")},
    {"x_amz_checksum_sha256": b64("sha256", b"") + "-2"}],
    ids=lambda headers: next(iter(headers)))
def test_malformed_digest_is_refused_before_the_body(origin, key, headers):
    names = {n.replace("_", "-"): v for n, v in headers.items()}
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 1000, **names}))
        problem(connection.answer("PUT"), 400, next(iter(names)))
    assert origin.get(key).status == 404


def test_a_wrong_digest_queues_no_purge(origin, key):
    origin.put(key, b"before")
    before = origin.counters()["node"]
    answer = origin.put(key, PLAIN, **HEADERS["md5"](b""))
    assert "X-Content-Purge" not in answer.headers
    after = origin.counters()["node"]
    assert after["puts_failed"] == before["puts_failed"] + 1
    assert after["store_faults"] == before["store_faults"]


# GET: who asks is told

WANT = {"want_repr_digest": "sha-512=3, sha-256=10"}


def test_repr_digest_on_get_and_head(origin, key):
    origin.put(key, PLAIN)
    for answer in (origin.get(key, **WANT), origin.head(key, **WANT)):
        assert answer.status == 200
        assert answer.all("Repr-Digest") == [field(PLAIN)]
        assert "Content-Digest" not in answer.headers


def test_nobody_else_is_told(origin, key):
    origin.put(key, PLAIN)
    for how in ({}, {"want_repr_digest": "sha-256=0"},
                {"want_repr_digest": "sha-512=1"},
                {"want_repr_digest": "nonsense,"}):
        answer = origin.get(key, **how)
        assert answer.body == PLAIN
        assert "Repr-Digest" not in answer.headers
        assert "Content-Digest" not in answer.headers


def test_content_digest_of_a_whole_answer_only(origin, key):
    origin.put(key, PLAIN)
    want = {"want_content_digest": "sha-256=1"}
    assert origin.get(key, **want).all("Content-Digest") == [field(PLAIN)]
    assert "Content-Digest" not in origin.head(key, **want).headers
    part = origin.get(key, range="bytes=1-2", **want)
    assert part.status == 206
    assert "Content-Digest" not in part.headers


def test_repr_digest_is_of_the_whole_object(origin, key):
    etag = origin.put(key, PLAIN).headers["ETag"]
    part = origin.get(key, range="bytes=1-2", **WANT)
    assert (part.status, part.body) == (206, PLAIN[1:3])
    assert part.all("Repr-Digest") == [field(PLAIN)]
    same = origin.get(key, if_none_match=etag, **WANT)
    assert same.status == 304
    assert same.all("Repr-Digest") == [field(PLAIN)]


def test_errors_carry_no_digest(origin, key):
    origin.put(key, PLAIN)
    for answer in (origin.get(key, range="bytes=99999-", **WANT),
                   origin.get(key, if_match='"x"', **WANT),
                   origin.get(key + "/none", **WANT)):
        assert answer.status in (416, 412, 404)
        assert "Repr-Digest" not in answer.headers


def test_large_object_has_the_digest_that_was_sent_along(origin, key):
    answer = origin.put(key, LARGE, **HEADERS["repr-sha256"](LARGE))
    assert answer.status == 201
    assert origin.head(key, **WANT).all("Repr-Digest") == [field(LARGE)]


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_large_object_has_a_digest_of_our_own(origin, key, how):
    """On S3 its metadata went before the bytes: the digest is a tag."""
    if how == "length":
        etag = origin.put(key, LARGE).headers["ETag"]
    else:
        etag = origin.put(key, chunks=[LARGE]).headers["ETag"]

    assert origin.head(key, **WANT).all("Repr-Digest") == [field(LARGE)]
    whole = origin.get(key, want_content_digest="sha-256=1", **WANT)
    assert whole.body == LARGE
    assert whole.all("Repr-Digest") == [field(LARGE)]
    assert whole.all("Content-Digest") == [field(LARGE)]
    part = origin.get(key, range="bytes=1-2", **WANT)
    assert (part.status, part.body) == (206, LARGE[1:3])
    assert part.all("Repr-Digest") == [field(LARGE)]
    same = origin.get(key, if_none_match=etag, **WANT)
    assert same.status == 304
    assert same.all("Repr-Digest") == [field(LARGE)]
    assert "Repr-Digest" not in origin.get(key).headers


def test_digest_of_what_comes_from_redis_and_memory(tmp_path, store, key):
    with (Redis(tmp_path / "redis") as redis,
          Nginx(tmp_path / "n", store, redis=redis) as origin):
        origin.put(key, PLAIN)
        wait_until(lambda: "redis" in origin.get(key).headers["Cache-Status"],
                   what="a hit in Redis")
        assert origin.get(key, **WANT).all("Repr-Digest") == [field(PLAIN)]

    with Nginx(tmp_path / "m", store, http="content_memory 16m;") as origin:
        origin.put(key, PLAIN)
        etag = wait_until(
            lambda: (answer := origin.get(key)) and "memory"
            in answer.headers["Cache-Status"] and answer.headers["ETag"],
            what="a hit in memory")
        for how, status in (({}, 200), ({"range": "bytes=1-2"}, 206),
                            ({"if_none_match": etag}, 304)):
            answer = origin.get(key, **how, **WANT)
            assert answer.status == status
            assert "memory" in answer.headers["Cache-Status"]
            assert answer.all("Repr-Digest") == [field(PLAIN)]


def test_what_has_a_digest_is_not_compressed(tmp_path, place, key):
    with Nginx(tmp_path / "n", place,
               server="gzip on; gzip_types *;") as origin:
        origin.put(key, PLAIN, content_type="text/plain")
        packed = origin.get(key, accept_encoding="gzip")
        assert packed.headers["Content-Encoding"] == "gzip"
        answer = origin.get(key, accept_encoding="gzip", **WANT)
        assert answer.body == PLAIN
        assert answer.all("Repr-Digest") == [field(PLAIN)]


# Lost updates: If-Unmodified-Since

def date(modified, seconds):
    """An HTTP date, so many seconds after Last-Modified."""
    at = email.utils.parsedate_to_datetime(modified).timestamp() + seconds
    return email.utils.formatdate(at, usegmt=True)


@pytest.mark.parametrize("seconds, holds", [(-1, False), (0, True),
                                            (3600, True)])
def test_put_if_unmodified_since(origin, key, seconds, holds):
    origin.put(key, b"before")
    since = date(origin.get(key).headers["Last-Modified"], seconds)
    answer = origin.put(key, b"after", if_unmodified_since=since)
    if holds:
        assert answer.status == 204
    else:
        problem(answer, 412, "If-Unmodified-Since")
    assert origin.get(key).body == (b"after" if holds else b"before")


@pytest.mark.parametrize("seconds, holds", [(-1, False), (0, True)])
def test_delete_if_unmodified_since(origin, key, seconds, holds):
    origin.put(key, b"x")
    since = date(origin.get(key).headers["Last-Modified"], seconds)
    assert (origin.delete(key, if_unmodified_since=since).status
            == (204 if holds else 412))
    assert origin.get(key).status == (404 if holds else 200)


def test_large_put_if_unmodified_since(origin, store, key):
    origin.put(key, b"before")
    since = date(origin.get(key).headers["Last-Modified"], -1)
    problem(origin.put(key, LARGE, if_unmodified_since=since), 412)
    assert origin.get(key).body == b"before"
    if store == "file":
        assert origin.temporary_files() == []
    else:
        wait_until(lambda: store.uploads() == [], what="the upload to be gone")


def test_if_unmodified_since_means_nothing(origin, key):
    """Without an object, without a date, beside If-Match (RFC 9110, 13)."""
    old = "Thu, 01 Jan 1998 00:00:00 GMT"
    answer = origin.put(key, b"1", if_unmodified_since=old)
    assert answer.status == 201
    assert origin.put(key, b"2", if_unmodified_since="never").status == 204
    etag = origin.get(key).headers["ETag"]
    assert origin.put(key, b"3", if_match=etag,
                      if_unmodified_since=old).status == 204
    assert origin.delete(key + "/none", if_unmodified_since=old).status == 404


# Lost updates: a location can demand conditions

@pytest.fixture(scope="module")
def strict(store, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("strict"), store,
               location="content_require_conditions on;") as nginx:
        yield nginx


def test_write_without_a_condition_is_428(strict, key):
    problem(strict.put(key, b"x"), 428, "If-Match")
    assert strict.get(key).status == 404
    strict.put(key, b"x", if_none_match="*")
    problem(strict.put(key, b"y"), 428, "If-Match")
    problem(strict.put(key, b"y", if_unmodified_since="never"), 428)
    problem(strict.delete(key), 428, "If-Match")
    assert strict.get(key).body == b"x"


def test_write_with_a_condition_is_done(strict, key):
    put = strict.put(key, b"1", if_none_match="*")
    assert put.status == 201
    assert strict.put(key, b"no", if_none_match="*").status == 412
    put = strict.put(key, b"2", if_match=put.headers["ETag"])
    assert put.status == 204
    since = strict.get(key).headers["Last-Modified"]
    assert strict.put(key, b"3", if_unmodified_since=since).status == 204
    assert strict.delete(key, if_match=put.headers["ETag"]).status == 412
    assert strict.delete(key, if_match="*").status == 204


def test_428_comes_before_the_body(strict, key):
    with strict.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 1000}))
        problem(connection.answer("PUT"), 428)


def test_of_many_editors_one_wins(tmp_path, store, key):
    """All read the same version; the store lets one of them replace it."""
    with (Nginx(tmp_path / "n", store, workers=4) as origin,
          concurrent.futures.ThreadPoolExecutor(16) as pool):
        etag = origin.put(key, b"0").headers["ETag"]
        for turn in range(5):
            bodies = [b"%d by %d" % (turn, i) for i in range(16)]
            answers = list(pool.map(
                lambda body: origin.put(key, body, if_match=etag), bodies))
            won = [i for i in range(16) if answers[i].status == 204]
            assert len(won) == 1
            assert {a.status for a in answers} <= {204, 412, 503}
            assert origin.get(key).body == bodies[won[0]]
            etag = answers[won[0]].headers["ETag"]
