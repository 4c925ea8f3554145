"""Bad input gets an answer that says what is wrong, in problem+json, that no
cache may keep; and changes nothing.
"""

import contextlib
import fcntl
import os
import pathlib
import random
import select
import subprocess
import time

import pytest

from harness import EDITOR, Nginx, data, problem, request_head, wait_until

MIB = 1 << 20
DATE = "Fri, 01 Jan 2100 00:00:00 GMT"

READER, WRITER, NEWS, PURGER = "reader-1", "writer-2", "news-3", "purger-4"
TOKENS = [
    ("editor", EDITOR, "read,write,purge,admin", "/"),
    ("reader", READER, "read", "/"),
    ("writer", WRITER, "write", "/"),
    ("news", NEWS, "read,write", "/news/", "/img/"),
    ("purger", PURGER, "purge", "/"),
]


# Who may do what

@pytest.fixture(scope="module")
def guarded(store, tmp_path_factory):
    """An origin that lets nobody in without a token."""
    nginx = Nginx(tmp_path_factory.mktemp("guarded"), store, tokens=TOKENS,
                  anonymous="off")
    nginx.put("/news/a", b"a")
    yield nginx
    nginx.stop()


ORDERS = [("GET", "/news/a"), ("HEAD", "/news/a"), ("PUT", "/news/a"),
          ("DELETE", "/news/a"), ("GET", "/-/list"), ("GET", "/-/status"),
          ("POST", "/-/purge"),
          ("GET", "/-/purge/0123456789abcdef0123456789abcdef")]


def order(origin, method, path, token=None, **headers):
    body = {"PUT": b"x", "POST": b'{"tags":["a"]}'}.get(method)
    return origin.request(method, path, body, token=token, **headers)


@pytest.mark.parametrize("method, path", ORDERS)
@pytest.mark.parametrize("authorization", [
    None, "Bearer wrong", f"Bearer {EDITOR}x", f"Bearer {EDITOR[:-1]}",
    f"Basic {EDITOR}", EDITOR, "Bearer", f"Bearer {EDITOR} {EDITOR}",
    "Bearer editor"])
def test_unknown_token_is_401(guarded, method, path, authorization):
    answer = order(guarded, method, path, Authorization=authorization)
    assert answer.status == 401
    challenge, = answer.all("WWW-Authenticate")
    assert challenge.startswith('Bearer realm="')
    assert ('error="invalid_token"' in challenge) == (authorization is not None)
    if method != "HEAD":
        problem(answer, 401)


@pytest.mark.parametrize("method, path, token", [
    ("PUT", "/news/a", READER), ("DELETE", "/news/a", READER),
    ("GET", "/news/a", WRITER), ("GET", "/news/a", PURGER),
    ("GET", "/-/list", WRITER), ("GET", "/-/status", READER),
    ("GET", "/-/status", WRITER), ("POST", "/-/purge", READER),
    ("POST", "/-/purge", WRITER), ("POST", "/-/purge", NEWS),
    ("PUT", "/other", NEWS), ("GET", "/other", NEWS),
    ("PUT", "/newsletter", NEWS), ("PUT", "/news", NEWS),
    ("DELETE", "/imgs/a", NEWS), ("PUT", "/NEWS/a", NEWS),
    ("PUT", "/x/news/a", NEWS), ("PUT", "//news/a", NEWS),
    ("GET", "/-/list", NEWS), ("GET", "/-/list?prefix=ne", NEWS),
    ("GET", "/-/list?prefix=other/", NEWS),
])
def test_right_or_prefix_missing_is_403(guarded, method, path, token):
    answer = order(guarded, method, path, token)
    problem(answer, 403)
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("method, path, token, status", [
    ("GET", "/news/a", READER, 200), ("HEAD", "/news/a", READER, 200),
    ("PUT", "/w", WRITER, 201), ("DELETE", "/w", WRITER, 204),
    ("PUT", "/news/b", NEWS, 201), ("GET", "/news/b", NEWS, 200),
    ("PUT", "/img/c", NEWS, 201), ("DELETE", "/img/c", NEWS, 204),
    ("PUT", "/%6eews/d", NEWS, 201), ("DELETE", "/news/d", NEWS, 204),
    ("GET", "/-/list?prefix=news/", NEWS, 200),
    ("GET", "/-/list?prefix=news/b", NEWS, 200),
    ("GET", "/-/list", READER, 200), ("POST", "/-/purge", PURGER, 202),
    ("GET", "/-/status", EDITOR, 200)])
def test_right_and_prefix_suffice(guarded, method, path, token, status):
    assert order(guarded, method, path, token).status == status


def test_scheme_of_the_token_may_be_in_any_case(guarded):
    answer = guarded.get("/news/a", authorization=f"bEARER {READER}")
    assert answer.status == 200


def test_refused_put_changes_nothing(guarded):
    guarded.put("/keep", b"old")
    for token in (None, "wrong", READER, NEWS):
        order(guarded, "PUT", "/keep", token)
        order(guarded, "DELETE", "/keep", token)
    assert guarded.get("/keep", token=READER).body == b"old"


def test_anonymous_reader_may_not_write_or_purge(origin, key):
    origin.put(key, b"x")
    assert origin.get(key).status == 200
    problem(origin.get("/-/list"), 401)     # names are told to tokens only
    for method, path in [("PUT", key), ("DELETE", key),
                         ("POST", "/-/purge"), ("GET", "/-/status")]:
        problem(order(origin, method, path), 401)


# Methods and paths

@pytest.mark.parametrize("method", ["POST", "PATCH", "OPTIONS", "MKCOL",
                                    "PROPFIND", "LOCK", "BREW"])
def test_other_methods_on_an_object_are_405(origin, key, method):
    origin.put(key, b"old")
    answer = origin.request(method, key, b"x", token=EDITOR)
    if method == "BREW" and answer.status != 405:
        assert answer.status in (400, 501)      # nginx's own word
    else:
        problem(answer, 405)
        assert answer.all("Allow") == ["GET, HEAD, PUT, DELETE, COPY, MOVE"]
    assert origin.get(key).body == b"old"


@pytest.mark.parametrize("method, path, status, allow", [
    ("POST", "/-/list", 405, "GET"), ("PUT", "/-/list", 405, "GET"),
    ("DELETE", "/-/status", 405, "GET"), ("GET", "/-/purge", 405, "POST"),
    ("PUT", "/-/purge", 405, "POST"), ("POST", "/-/purge/ab", 405, "GET"),
    ("GET", "/-/", 404, None), ("GET", "/-/nothing", 404, None),
    ("GET", "/-/listing", 404, None), ("PUT", "/-/x", 403, None),
    ("DELETE", "/-/x", 403, None), ("GET", "/%2D/nothing", 404, None)])
def test_api_paths_take_their_methods_only(origin, method, path, status,
                                           allow):
    answer = origin.request(method, path, b"", token=EDITOR)
    problem(answer, status)
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("path", [
    "/a/../../b", "/../../etc/passwd", "/a/%2e%2e/b", "/%2e%2e%2fetc/passwd",
    "/a\\..%00", "/a%0d%0aX: y", "/%c0%ae%c0%ae/x", "/%ff", "/a%", "/%u0041",
    b"/\xff", b"/caf\xe9", b"/a\xc3"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_path_that_is_no_key_is_400(origin, method, path):
    answer = origin.request(method, path, b"x", token=EDITOR)
    problem(answer, 400)


def test_fragment_does_not_change_the_location(store, tmp_path, key):
    """nginx looks at what is before it, and the key would be all of it."""
    secret = f"{key}/a%23.secret"
    with Nginx(tmp_path / "n", store, server=f"""
               location ~ [.]secret$ {{
                   content {"file" if store == "file" else "s3"};
                   content_anonymous off;
               }}""") as origin:
        assert origin.put(secret, b"x").status == 201
        problem(origin.get(secret), 401)
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = order(origin, method, secret.replace("%23", "#"),
                           token=EDITOR)
            assert answer.status == 400, method
        problem(origin.get(secret.replace("%23", "#")), 400, "%23")
        assert origin.get(secret, token=EDITOR).body == b"x"


def test_subrequest_cannot_write(store, tmp_path, key):
    """nginx's mirror has the method of the request."""
    with Nginx(tmp_path / "n", store, server=f"""
               location {key}/ {{
                   mirror {key}-mirrored;
                   content {"file" if store == "file" else "s3"};
               }}""") as origin:
        origin.put(f"{key}-mirrored", b"x")
        origin.put(f"{key}/a", b"y")
        assert origin.delete(f"{key}/a").status == 204
        assert origin.get(f"{key}-mirrored").body == b"x"


def test_nothing_is_written_outside_of_the_root(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        names = {p.name for p in tmp_path.iterdir()}
        for path in ("/../x", "/%2e%2e/x", "/a/../../../x", "/..%2f..%2fx",
                     "//x", "/tmp/x", "/objects/x", "/lock/x"):
            origin.put(path, b"x")
        assert {p.name for p in tmp_path.iterdir()} == names
        assert {p.name for p in origin.files.iterdir()} == {
            "objects", "tmp", "lock"}


def test_head_of_an_error_has_no_body(origin, key):
    with origin.connect() as connection:
        connection.send(request_head("HEAD", key, {"Host": "o"}))
        answer = connection.answer("HEAD")
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store"
        connection.send(request_head("GET", key, {"Host": "o"}))
        assert connection.answer().status == 404


@pytest.mark.parametrize("name, raw, statuses", [
    ("no host", b"GET / HTTP/1.1\r\n\r\n", [400]),
    ("two lengths", b"PUT /a HTTP/1.1\r\nHost: o\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\nab", [400]),
    ("length and chunked", b"PUT /a HTTP/1.1\r\nHost: o\r\nContent-Length: 3"
                           b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     [400]),
    ("no number", b"PUT /a HTTP/1.1\r\nHost: o\r\nContent-Length: x\r\n\r\n",
     [400]),
    ("negative", b"PUT /a HTTP/1.1\r\nHost: o\r\nContent-Length: -1\r\n\r\n",
     [400]),
    ("unknown coding", b"PUT /a HTTP/1.1\r\nHost: o\r\n"
                       b"Transfer-Encoding: gzip, chunked\r\n\r\n",
     [400, 501]),
    ("garbage", b"\x16\x03\x01\x02\x00\r\n\r\n", [400]),
    ("long URI", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: o\r\n\r\n",
     [414]),
    ("large header", b"GET /a HTTP/1.1\r\nHost: o\r\nX: " + b"a" * 40000
     + b"\r\n\r\n", [400]),
])
def test_what_is_no_request_is_refused(origin, name, raw, statuses):
    with origin.connect() as connection:
        connection.send(raw)
        answer = connection.answer()
        assert answer.status in statuses, name
        assert "public" not in answer.headers.get("Cache-Control", "")


# What a PUT must have, and must not

def test_put_without_a_length_is_411(origin, key):
    answer = origin.request("PUT", key, token=EDITOR)
    problem(answer, 411)
    problem(origin.get(key), 404)


def test_put_with_content_range_is_400(origin, key):
    answer = origin.put(key, b"abc", content_range="bytes 0-2/10")
    problem(answer, 400, "Content-Range")
    problem(origin.get(key), 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_write_with_a_query_is_400(origin, key, method):
    origin.put(key, b"old")
    problem(origin.request(method, key + "?v=1", b"new", token=EDITOR), 400,
            "query")
    assert origin.get(key).body == b"old"


@pytest.mark.parametrize("condition", ['"a"', "W/*", "*, *"])
def test_put_with_a_condition_it_can_not_hold_is_400(origin, key, condition):
    problem(origin.put(key, b"x", if_none_match=condition), 400,
            "If-None-Match")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("header, values", [
    ("If-Match", ['"none"', "*"]), ("If-None-Match", ['"none"', "*"]),
    ("If-Modified-Since", [DATE, DATE]), ("If-Unmodified-Since", [DATE, DATE]),
    ("If-Range", [DATE, DATE])])
def test_condition_in_two_lines_is_400(origin, key, method, header, values):
    """By nginx: none of them is lost, for none is looked at."""
    origin.put(key, b"old")
    body = b"new" if method == "PUT" else None
    answer = origin.request(method, key, body, token=EDITOR,
                            **{header: values})
    assert answer.status == 400, answer
    if method != "HEAD":
        problem(answer, 400)
    assert origin.get(key).body == b"old"


@pytest.mark.parametrize("name, header, values", [
    ("not ASCII", "Content-Type", "text/\u00e9"),
    ("control", "Content-Type", b"text/\x01plain"),
    ("tab inside", "Content-Disposition", b"a\tb"),
    ("DEL", "Content-Language", b"a\x7f"),
    ("not ASCII", "Cache-Control", "max-age=\u00e9"),
    ("not ASCII", "Content-Encoding", b"\xff"),
    ("not ASCII", "X-Content-Meta-Name", "J\u00fcrgen"),
    ("control", "X-Content-Meta-Name", b"a\x02"),
    ("too much", "X-Content-Meta-Name", "x" * 2049),
    ("twice", "X-Content-Meta-Name", ["a", "b"]),
    ("twice", "Content-Type", ["text/plain", "text/html"]),
    ("twice", "Content-Disposition", ["inline", "attachment"]),
    ("nameless", "X-Content-Meta-", "a"),
    ("space in a tag", "Cache-Tag", "a b"),
    ("not ASCII", "Cache-Tag", "\u00e9"),
    ("control", "Cache-Tag", b"a\x01b"),
    ("long tag", "Cache-Tag", "x" * 1025),
    ("too many tags", "Cache-Tag",
     [",".join(f"{n}-{i:06}" for i in range(800)) for n in range(3)]),
])
def test_bad_metadata_is_400_and_named(origin, key, name, header, values):
    origin.put(key, b"old", cache_tag="old")
    answer = origin.put(key, b"new", **{header: values})
    shown = "X-Content-Meta-" if "Meta" in header else header
    problem(answer, 400, shown)
    now = origin.get(key)
    assert now.body == b"old"
    assert now.headers["Cache-Tag"].endswith(",old")


@pytest.mark.parametrize("name", [b"a(b)", b"a\"b", b"\xc3\xa9", b"a/b"])
def test_name_of_metadata_that_is_no_name_is_400(store, tmp_path, key, name):
    """Where nginx is told to take all names."""
    with Nginx(tmp_path, store, http="ignore_invalid_headers off;") as nginx:
        with nginx.connect() as connection:
            head = request_head("PUT", key, {
                "Host": "origin.test", "Content-Length": 1,
                "Authorization": f"Bearer {EDITOR}"})
            connection.send(head[:-2] + b"X-Content-Meta-" + name
                            + b": 1\r\n\r\nx")
            problem(connection.answer("PUT"), 400, "X-Content-Meta-*")
        assert nginx.get(key).status == 404


def test_too_much_metadata_in_all_is_400(origin, key):
    meta = {f"X-Content-Meta-N{i}": "x" * 200 for i in range(11)}
    problem(origin.put(key, b"x", **meta), 400, "X-Content-Meta")
    problem(origin.get(key), 404)


def test_as_much_metadata_as_allowed_is_kept(origin, key):
    meta = {f"X-Content-Meta-N{i}": "x" * 200 for i in range(10)}
    assert origin.put(key, b"x", **meta).status == 201
    answer = origin.get(key)
    assert {k: answer.headers[k] for k in meta} == meta


def test_refused_put_leaves_the_connection_usable_or_closes_it(origin, key):
    with origin.connect() as connection:
        connection.send(request_head("PUT", key + "?q", {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 5}) + b"hello")
        answer = connection.answer("PUT")
        problem(answer, 400)
        if not answer.will_close:
            connection.send(request_head("GET", key, {"Host": "o"}))
            problem(connection.answer(), 404)


# Too large

@pytest.fixture(scope="module")
def narrow(store, tmp_path_factory):
    """Takes 100 KB at most."""
    nginx = Nginx(tmp_path_factory.mktemp("narrow"), store, max_body="100k")
    yield nginx
    nginx.stop()


def test_too_large_is_413_before_the_body_is_read(narrow, key):
    with narrow.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 102401, "Expect": "100-continue"}))
        assert connection.reader.peek(12)[:12] == b"HTTP/1.1 413"
        problem(connection.answer("PUT"), 413)
    problem(narrow.get(key), 404)


def test_chunked_upload_beyond_the_limit_is_413(narrow, key):
    narrow.put(key, b"old")
    answer = narrow.put(key, chunks=[b"x" * 10240] * 11)
    problem(answer, 413)
    assert narrow.get(key).body == b"old"


def test_more_than_s3_takes_in_parts_is_413_at_once(bucket, key, tmp_path):
    most = 10000 * 5 * MIB
    with Nginx(tmp_path / "n", bucket, max_body="0") as origin:
        for length, status in [(most + 1, b"413"), ((1 << 63) - 1, b"413"),
                               (most, b"100")]:
            with origin.connect() as connection:
                connection.send(request_head("PUT", key, {
                    "Host": "o", "Authorization": f"Bearer {EDITOR}",
                    "Content-Length": length, "Expect": "100-continue"}))
                assert connection.reader.peek(12)[9:12] == status, length
                if status == b"413":
                    problem(connection.answer("PUT"), 413, str(most))
        problem(origin.get(key), 404)


@pytest.fixture(scope="module")
def two_parts(tmp_path_factory, bucket):
    with Nginx(tmp_path_factory.mktemp("two_parts"), bucket, max_body="0",
               server="content_s3_max_parts 2;") as nginx:
        yield nginx


@pytest.mark.parametrize("more", [1, 8 * MIB])
@pytest.mark.parametrize("how", [{}, {"if_match": "*"}], ids=["", "if"])
def test_chunked_upload_of_more_parts_than_s3_takes_is_413(
        two_parts, bucket, key, how, more):
    two_parts.put(key, b"old")
    answer = two_parts.put(key, chunks=[data(10 * MIB), b"x" * more], **how)
    problem(answer, 413, str(10 * MIB))
    assert two_parts.get(key).body == b"old"
    wait_until(lambda: bucket.uploads() == [],
               what="the upload to be aborted")


def test_chunked_upload_of_as_many_parts_as_s3_takes(two_parts, key):
    body = data(10 * MIB)
    assert two_parts.put(key, chunks=[body]).status == 201
    assert two_parts.get(key).body == body


def test_copy_of_more_parts_than_s3_takes_is_400(tmp_path, bucket, key):
    with Nginx(tmp_path / "n", bucket,
               server="content_s3_max_parts 2;"
                      "content_s3_copy_part_size 5m;") as origin:
        bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                                 Body=data(11 * MIB))
        problem(origin.request("COPY", key, token=EDITOR,
                               destination=key + "2"), 400, "too large")
        problem(origin.get(key + "2"), 404)


@pytest.mark.parametrize("chunked", [False, True])
def test_upload_of_exactly_the_limit_is_taken(narrow, key, chunked):
    body = b"x" * 102400
    how = {"chunks": [body]} if chunked else {"body": body}
    assert narrow.put(key, **how).status == 201
    assert narrow.get(key).body == body


@pytest.mark.parametrize("status, head", [
    (401, {}), (400, {"Content-Range": "bytes 0-1/2"}),
    (400, {"Cache-Tag": "a b"}), (412, {"If-Match": '"x"'})])
def test_refused_put_is_not_asked_for_its_body(origin, key, status, head):
    token = {} if status == 401 else {"Authorization": f"Bearer {EDITOR}"}
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Content-Length": 10, "Expect": "100-continue",
            **token, **head}))
        first = connection.reader.peek(12)[:12]
        if status == 412 and first == b"HTTP/1.1 100":
            connection.send(b"0123456789")      # decided with the write
        else:
            assert first == b"HTTP/1.1 %d" % status
        problem(connection.answer("PUT"), status)


# Bodies that do not come to their end

def half(path, headers, sent):
    return request_head("PUT", path, {
        "Host": "o", "Authorization": f"Bearer {EDITOR}", **headers}) + sent


HALVES = [
    ("no byte", {"Content-Length": 100}, b""),
    ("half", {"Content-Length": 100}, b"x" * 50),
    ("all but one", {"Content-Length": 100}, b"x" * 99),
    ("no chunk", {"Transfer-Encoding": "chunked"}, b""),
    ("a chunk, no end", {"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n"),
    ("half a chunk", {"Transfer-Encoding": "chunked"}, b"9\r\nabc"),
    ("several parts", {"Content-Length": 12 * MIB}, b"x" * (6 * MIB)),
    ("several parts, chunked", {"Transfer-Encoding": "chunked"},
     b"600000\r\n" + b"x" * (6 * MIB) + b"\r\n"),
]


def nothing_is_left(origin, store):
    """Waits until the rests of an upload are gone."""
    if store == "file":
        wait_until(lambda: not origin.temporary_files(),
                   what="temporary files to go")
    else:
        wait_until(lambda: not store.uploads(), what="uploads to be aborted")


@pytest.mark.parametrize("exists", [True, False], ids=["replace", "create"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "close"])
@pytest.mark.parametrize("name, headers, sent", HALVES,
                         ids=[h[0] for h in HALVES])
def test_half_a_body_changes_nothing(origin, store, key, exists, reset, name,
                                     headers, sent):
    if exists:
        origin.put(key, b"old")
    connection = origin.connect()
    connection.send(half(key, headers, sent))
    if reset:
        time.sleep(0.02)            # or the RST overtakes the bytes
        connection.reset()
    else:
        connection.close()
    nothing_is_left(origin, store)
    now = origin.get(key)
    assert (now.body == b"old") if exists else (now.status == 404)


@pytest.mark.parametrize("sent", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nabc\r\n"])
def test_malformed_chunks_are_400(origin, store, key, sent):
    origin.put(key, b"old")
    with origin.connect() as connection:
        connection.send(half(key, {"Transfer-Encoding": "chunked"}, sent))
        answer = connection.answer("PUT")
        assert answer.status in (400, 413)
        problem(answer, answer.status)
    nothing_is_left(origin, store)
    assert origin.get(key).body == b"old"


def test_body_that_stops_coming_ends_the_connection(store, key, tmp_path):
    with Nginx(tmp_path / "n", store,
               server="client_body_timeout 300ms;") as origin:
        origin.put(key, b"old")
        with origin.connect() as connection:
            connection.send(half(key, {"Content-Length": 12 * MIB},
                                 b"x" * (6 * MIB)))
            assert connection.at_end()          # nginx says nothing
        nothing_is_left(origin, store)
        assert origin.get(key).body == b"old"


def test_worker_killed_in_an_upload_leaves_the_older_object(store, key,
                                                            tmp_path):
    with Nginx(tmp_path / "n", store, workers=1) as origin:
        origin.put(key, b"old")
        with origin.connect() as connection:
            connection.send(half(key, {"Content-Length": 12 * MIB},
                                 b"x" * (6 * MIB)))
            if store == "file":
                wait_until(origin.temporary_files, what="an upload to begin")
            else:
                wait_until(store.uploads, what="an upload to begin")
            origin.kill_worker(origin.workers()[0])
        assert origin.get(key).body == b"old"
        if store != "file":
            for upload in store.uploads():      # S3 is told to expire them
                store.client.abort_multipart_upload(
                    Bucket=store.name, Key=upload["Key"],
                    UploadId=upload["UploadId"])


def test_upload_goes_on_over_a_reload(store, key, tmp_path):
    body = random.Random(1).randbytes(6 * MIB)
    with Nginx(tmp_path / "n", store) as origin:
        with origin.connect() as connection:
            connection.send(half(key, {"Content-Length": len(body)},
                                 body[:MIB]))
            old = set(origin.workers())
            os.kill(origin.process.pid, 1)
            wait_until(lambda: set(origin.workers()) - old)
            connection.send(body[MIB:])
            assert connection.answer("PUT").status == 201
        assert origin.get(key).body == body
        wait_until(lambda: not set(origin.workers()) & old)


def test_upload_that_outlasts_its_worker_leaves_nothing(store, key, tmp_path):
    """nginx closes what is open after worker_shutdown_timeout."""
    with Nginx(tmp_path / "n", store, workers=1,
               main="worker_shutdown_timeout 300ms;") as origin:
        origin.put(key, b"old")
        with origin.connect() as connection:
            connection.send(half(key, {"Content-Length": 20 * MIB},
                                 b"x" * (12 * MIB)))
            if store != "file":
                wait_until(store.uploads, what="an upload to begin")
            origin.reload()
            assert connection.at_end()
        assert origin.get(key).body == b"old"
        nothing_is_left(origin, store)


def test_conditions_are_not_of_the_parts_of_a_page(store, tmp_path, key):
    with Nginx(tmp_path / "n", store, location="ssi on;") as origin:
        etag = origin.put(f"{key}-part", b"part").headers["ETag"]
        origin.put(key, f'[<!--#include virtual="{key}-part" -->]'.encode(),
                   content_type="text/html")
        assert origin.get(key, if_none_match=etag).body == b"[part]"


# An object as the page of an error

@pytest.mark.parametrize("how, status", [
    ("", 404), ("=200", 200), ("=", 200)], ids=["same", "=200", "="])
def test_error_page_that_is_an_object_is_kept_by_nobody(store, tmp_path, key,
                                                        how, status):
    """Or a CDN would answer with it when the object is there at last."""
    page = f"{key}/page"
    with Nginx(tmp_path / "n", store, workers=1, http="content_memory 16m;",
               server=f"error_page 404 {how} {page};") as origin:
        origin.put(page, b"sorry", cache_control="public, max-age=9",
                   cache_tag="t")
        for tier in ("storage", "memory", "memory"):
            answer = origin.get(f"{key}/none")
            assert (answer.status, answer.body) == (status, b"sorry"), tier
            assert answer.all("Cache-Control") == ["no-store"], tier
            assert answer.all("CDN-Cache-Control") == ["no-store"], tier
            assert "Cache-Tag" not in answer.headers
        own = origin.get(page)
        if how != "=":                  # then it is an answer of its own
            answer = origin.get(f"{key}/none",
                                if_none_match=own.headers["ETag"])
            assert (answer.status, answer.body) == (status, b"sorry")
        assert own.headers["Cache-Status"].endswith("memory")
        assert own.all("Cache-Control") == ["public, max-age=9"]
        assert own.headers["Cache-Tag"].endswith(",t")


# The file store's own faults

def object_file(origin):
    """The newest file of the store."""
    return max((p for p in origin.files.glob("objects/**/*") if p.is_file()),
               key=lambda p: p.stat().st_mtime_ns)


@pytest.mark.parametrize("name, damage", [
    ("empty", lambda text: b""),
    ("garbage", lambda text: b"\xff" * len(text)),
    ("cut", lambda text: text[:-1]),
    ("cut in its head", lambda text: text[:100]),
    ("longer", lambda text: text + b"x"),
    ("another head", lambda text: text[:12] + b"\xff" * 40 + text[52:])])
def test_damaged_file_is_502_and_never_404(tmp_path, name, damage):
    with Nginx(tmp_path / "n") as origin:
        origin.put("/a", b"hello" * 1000)
        path = object_file(origin)
        path.write_bytes(damage(path.read_bytes()))
        problem(origin.get("/a"), 502)
        assert origin.head("/a").status == 502
        problem(origin.get("/a", range="bytes=0-1"), 502)


def test_file_is_of_the_version_that_all_can_read(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.put("/a", b"hello")
        head = object_file(origin).read_bytes()[:64]
        assert b"NCR1" in head and b"NCR2" not in head


def test_damaged_file_can_be_replaced(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.put("/a", b"hello")
        object_file(origin).write_bytes(b"garbage")
        assert origin.put("/a", b"new").status in (201, 204)
        assert origin.get("/a").body == b"new"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(path)],
        check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    yield pathlib.Path(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_full_disk_is_507_and_the_older_object_stays(small_disk, tmp_path):
    with Nginx(tmp_path / "n") as origin:
        (origin.files / "unused").mkdir()
        origin.write(server=origin.settings["server"].replace(
            str(origin.files), str(small_disk / "files")))
        origin.reload()
        origin.files = small_disk / "files"
        assert origin.put("/a", b"old").status == 201
        for _ in range(3):
            problem(origin.put("/a", b"x" * (6 * MIB)), 507)
            problem(origin.put("/b", chunks=[b"x" * MIB] * 6), 507)
        nothing_is_left(origin, "file")
        assert origin.get("/a").body == b"old"
        problem(origin.get("/b"), 404)
        assert origin.put("/a", b"y" * MIB).status == 204


# A thread pool whose queue is full: that passes, so it is 503

JOBS = [
    ("PUT", lambda origin: origin.put("/a", b"new")),
    ("PUT of several parts", lambda origin: origin.put("/a", data(5 * MIB))),
    ("PUT of chunks", lambda origin: origin.put("/a", chunks=[data(5 * MIB)])),
    ("PUT if", lambda origin: origin.put("/a", b"new", if_match="*")),
    ("DELETE", lambda origin: origin.delete("/a")),
    ("COPY", lambda origin: origin.request("COPY", "/a", token=EDITOR,
                                           destination="/b")),
    ("MOVE", lambda origin: origin.request("MOVE", "/a", token=EDITOR,
                                           destination="/b")),
    ("list", lambda origin: origin.request("GET", "/-/list", token=EDITOR)),
]


def in_the_thread(origin):
    """A DELETE that waits there for a lock.  A thread that has just done
    something may not be free yet: then once more."""
    def waits():
        for fd in pathlib.Path(f"/proc/{origin.workers()[0]}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if fd.readlink().parent == origin.files / "lock":
                    return True
        return False

    while True:
        connection = origin.connect()
        connection.send(request_head("DELETE", "/held", {
            "Host": "o", "Authorization": f"Bearer {EDITOR}"}))
        wait_until(lambda: waits()
                   or select.select([connection.socket], [], [], 0)[0],
                   what="the thread to wait")
        if waits():
            return connection
        problem(connection.answer("DELETE"), 503)
        connection.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The one thread waits for a lock that is held here."""
    with Nginx(tmp_path_factory.mktemp("full"), workers=1,
               main="thread_pool full threads=1 max_queue=0;",
               http="content_thread_pool full;") as origin:
        wait_until(lambda: origin.put("/a", b"old").status in (201, 204),
                   what="the thread to be free")
        held = contextlib.ExitStack()
        for number in range(256):
            lock = held.enter_context(
                open(origin.files / f"lock/{number:02x}", "a", encoding="ascii"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        with held, in_the_thread(origin) as connection:
            yield origin
            held.close()
            problem(connection.answer("DELETE"), 404)


@pytest.mark.parametrize("name, job", JOBS, ids=[j[0] for j in JOBS])
def test_full_queue_of_threads_is_503_and_nothing_is_changed(full, name, job):
    before = full.counters()["node"]["store_faults"]
    answer = job(full)
    problem(answer, 503, "threads")
    assert answer.headers["Retry-After"] == "5"
    assert full.get("/a").body == b"old"
    problem(full.get("/b"), 404)
    assert full.counters()["node"]["store_faults"] == before
    nothing_is_left(full, "file")


def test_full_queue_of_threads_is_503_for_each_key_to_be_deleted(full):
    answer = full.post("/-/delete", {"keys": ["a", "b"]})
    assert answer.status == 207
    assert [failed["status"] for failed in answer.json()["failed"]] == [503] * 2
    assert full.get("/a").body == b"old"
