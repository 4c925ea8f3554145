"""Objects: what was PUT is answered, on both stores, byte for byte, with its
headers; conditions, ranges.
"""

import concurrent.futures
import email.utils
import hashlib
import time

import pytest

from harness import EDITOR, Nginx, data, problem, request_head

MIB = 1 << 20


# The life of an object

def test_put_creates_an_object(origin, key):
    answer = origin.put(key, b"hello")
    assert answer.status == 201
    assert answer.headers["Location"] == key
    assert answer.headers["ETag"].strip('"')
    assert answer.body == b""


def test_put_again_replaces_it(origin, key):
    origin.put(key, b"old")
    answer = origin.put(key, b"newer")
    assert answer.status == 204
    assert answer.headers["Location"] == key
    assert origin.get(key).body == b"newer"


def test_get_answers_bytes_and_headers(origin, key):
    before = int(time.time())
    put = origin.put(key, b"hello")
    answer = origin.get(key)
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["ETag"] == put.headers["ETag"]
    assert answer.headers["Accept-Ranges"] == "bytes"
    modified = email.utils.parsedate_to_datetime(
        answer.headers["Last-Modified"]).timestamp()
    assert before - 1 <= modified <= time.time() + 1


def test_head_answers_what_get_does_without_a_body(origin, key):
    origin.put(key, b"hello", content_type="text/x-a", cache_tag="a")
    get, head = origin.get(key), origin.head(key)
    assert (head.status, head.body) == (200, b"")
    differ = ("Date", "Connection")
    assert ({k: v for k, v in head.headers.items() if k not in differ}
            == {k: v for k, v in get.headers.items() if k not in differ})


def test_delete_removes_it(origin, key):
    origin.put(key, b"x")
    answer = origin.delete(key)
    assert (answer.status, answer.body) == (204, b"")
    problem(origin.get(key), 404)
    assert origin.head(key).status == 404


def test_delete_of_nothing_is_404(origin, key):
    problem(origin.delete(key), 404)


def test_put_after_delete_creates_again(origin, key):
    origin.put(key, b"x")
    origin.delete(key)
    assert origin.put(key, b"x").status == 201


@pytest.mark.parametrize("size", [
    0, 1, 4095, 4096, 65537, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7,
    5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 12 * MIB])
def test_bytes_come_back(origin, key, size):
    body = data(size)
    put = origin.put(key, body)
    assert put.status == 201
    answer = origin.get(key)
    assert answer.body == body
    assert answer.headers["Content-Length"] == str(size)
    assert answer.headers["ETag"] == put.headers["ETag"]
    assert origin.delete(key).status == 204


@pytest.mark.parametrize("sizes", [
    [], [1], [1, 1, 1], [7] * 1000, [MIB], [MIB + 1, 3], [5 * MIB],
    [5 * MIB, 1], [MIB] * 11], ids=lambda sizes: f"{len(sizes)}-{sum(sizes)}")
def test_chunked_upload_is_stored(origin, key, sizes):
    body = data(sum(sizes))
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at:at + size])
        at += size
    put = origin.put(key, chunks=parts)
    assert put.status == 201
    answer = origin.get(key)
    assert answer.body == body
    assert answer.headers["ETag"] == put.headers["ETag"]


def test_expect_100_continue_is_answered_before_the_body(origin, key):
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 5, "Expect": "100-continue"}))
        assert connection.line() == b"HTTP/1.1 100 Continue\r\n"
        assert connection.line() == b"\r\n"
        connection.send(b"hello")
        assert connection.answer("PUT").status == 201
    assert origin.get(key).body == b"hello"


def test_body_may_come_in_drops(origin, key):
    body = data(3000)
    with origin.connect() as connection:
        connection.send(request_head("PUT", key, {
            "Host": "o", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": len(body)}))
        for i in range(0, len(body), 100):
            connection.send(body[i:i + 100])
            time.sleep(0.001)
        assert connection.answer("PUT").status == 201
    assert origin.get(key).body == body


def test_same_bytes_give_the_same_etag_other_bytes_another(origin, key):
    one = origin.put(key + "1", b"same")
    two = origin.put(key + "2", b"same")
    other = origin.put(key + "3", b"diff")
    assert one.headers["ETag"] == two.headers["ETag"]
    assert one.headers["ETag"] != other.headers["ETag"]


@pytest.mark.parametrize("size", [0, 10, 6 * MIB])
def test_etag_is_strong_and_quoted(origin, key, size):
    etag = origin.put(key, data(size)).headers["ETag"]
    assert etag.startswith('"') and etag.endswith('"') and len(etag) > 10
    assert origin.get(key).headers["ETag"] == etag
    assert origin.head(key).headers["ETag"] == etag


# Connections

def test_connection_is_kept_over_many_requests(origin, key):
    with origin.connect() as connection:
        for i in range(20):
            body = b"%d" % i * i
            connection.send(request_head("PUT", key, {
                "Host": "o", "Authorization": f"Bearer {EDITOR}",
                "Content-Length": len(body)}) + body)
            assert connection.answer("PUT").status == (204 if i else 201)
            for method in ("GET", "HEAD"):
                connection.send(request_head(method, key, {"Host": "o"}))
                answer = connection.answer(method)
                assert answer.status == 200
                assert answer.headers["Content-Length"] == str(len(body))
                assert not answer.will_close
            connection.send(request_head("GET", key + "-absent",
                                         {"Host": "o"}))
            assert connection.answer().status == 404


def test_pipelined_requests_are_answered_in_order(origin, key):
    for i in range(8):
        origin.put(f"{key}{i}", b"body %d" % i)
    with origin.connect() as connection:
        connection.send(b"".join(
            request_head("GET", f"{key}{i}", {"Host": "o"})
            for i in range(8)))
        assert [connection.answer().body for i in range(8)] == [
            b"body %d" % i for i in range(8)]


def test_put_delete_and_get_can_be_pipelined(origin, key):
    write = {"Host": "o", "Authorization": f"Bearer {EDITOR}"}
    with origin.connect() as connection:
        connection.send(
            request_head("PUT", key, {**write, "Content-Length": 3}) + b"abc"
            + request_head("GET", key, {"Host": "o"})
            + request_head("DELETE", key, write)
            + request_head("GET", key, {"Host": "o"})
            + request_head("PUT", key, {**write, "Content-Length": 3})
            + b"def" + request_head("GET", key, {"Host": "o"}))
        statuses = [connection.answer(m).status for m in
                    ("PUT", "GET", "DELETE", "GET", "PUT")]
        assert statuses == [201, 200, 204, 404, 201]
        assert connection.answer().body == b"def"


def test_client_that_leaves_in_the_midst_of_a_get_harms_nobody(origin, key):
    body = data(8 * MIB)
    origin.put(key, body)
    for _ in range(5):
        connection = origin.connect()
        connection.send(request_head("GET", key, {"Host": "o"}))
        connection.line()
        connection.reset()
    assert origin.get(key).body == body


# Several at once

def test_concurrent_puts_leave_one_whole_object(origin, key):
    bodies = [bytes([65 + i]) * 200_000 for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda b: origin.put(key, b), bodies))
    assert all(a.status in (201, 204) for a in answers)
    etags = {a.headers["ETag"]: b for a, b in zip(answers, bodies)}
    last = origin.get(key)
    assert last.body == etags[last.headers["ETag"]]


def test_reader_never_sees_half_a_write(origin, key):
    bodies = [bytes([65 + i]) * 300_000 for i in range(6)]
    origin.put(key, bodies[0])

    def write():
        for body in bodies:
            assert origin.put(key, body).status == 204

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        writer = pool.submit(write)
        while not writer.done():
            answer = origin.get(key)
            assert answer.status == 200 and answer.complete
            assert answer.body in bodies
        writer.result()


def test_get_that_began_before_a_delete_ends_well(origin, key):
    body = data(12 * MIB)
    origin.put(key, body)
    with origin.connect() as connection:
        connection.send(request_head("GET", key, {"Host": "o"}))
        connection.reader.peek(1)
        assert origin.delete(key).status == 204
        assert connection.answer().body == body


# Headers

KEPT = {
    "Content-Type": "text/x-fancy; charset=utf-8",
    "Content-Disposition": 'attachment; filename="a b.txt"',
    "Content-Language": "de, en",
    "Content-Encoding": "gzip",
    "Cache-Control": "public, max-age=17",
    "X-Content-Meta-Author": "Jane Doe",
    "X-Content-Meta-Empty-Not": "0",
    "X-Content-Meta-Long": "y" * 1500,
}


@pytest.mark.parametrize("size", [5, 6 * MIB])
def test_headers_of_the_put_come_back(origin, key, size):
    origin.put(key, data(size), **KEPT)
    for answer in (origin.get(key), origin.head(key),
                   origin.get(key, range="bytes=0-1")):
        assert answer.status in (200, 206)
        for name, value in KEPT.items():
            assert answer.all(name) == [value]


def test_what_s3_calls_no_type_is_a_value_elsewhere(origin, key):
    value = "binary/octet-stream"
    origin.put(key, b"x", content_disposition=value, content_language=value)
    answer = origin.get(key)
    assert answer.all("Content-Disposition") == [value]
    assert answer.all("Content-Language") == [value]


def test_headers_are_replaced_with_the_object(origin, key):
    origin.put(key, b"1", **KEPT, cache_tag="old")
    origin.put(key, b"2", content_type="text/plain")
    answer = origin.get(key)
    assert answer.headers["Content-Type"] == "text/plain"
    for name in KEPT:
        if name not in ("Content-Type", "Cache-Control"):
            assert name not in answer.headers
    assert "old" not in answer.headers["Cache-Tag"]


@pytest.mark.parametrize("name, lines, value", [
    ("Content-Encoding", ["gzip", "br"], "gzip, br"),
    ("Content-Language", ["de", "", "en, fr"], "de, en, fr"),
    ("Cache-Control", ["max-age=5", "no-transform"],
     "max-age=5, no-transform")])
def test_lines_of_a_list_are_one(origin, key, name, lines, value):
    origin.put(key, b"x", **{name: lines})
    assert origin.get(key).all(name) == [value]


def test_cache_tags_come_behind_the_own_tag(origin, key):
    origin.put(key, b"x", cache_tag=["news, Front-page", "news,img"])
    own = "c" + hashlib.sha256(key[1:].encode()).hexdigest()[:20]
    assert origin.get(key).all("Cache-Tag") == [f"{own},news,Front-page,img"]


def test_two_hundred_cache_tags_come_back(origin, key):
    tags = [f"tag-number-{i}" for i in range(200)]
    answer = origin.put(key, b"x", cache_tag=",".join(tags))
    assert answer.status == 201
    assert origin.get(key).headers["Cache-Tag"].split(",")[1:] == tags


@pytest.mark.parametrize("name, expected", [
    ("a.html", "text/html"), ("a.css", "text/css"), ("a.png", "image/png"),
    ("a.json", "application/json"), ("a.unknown", "text/plain"),
    ("none", "text/plain")])
def test_content_type_is_nginxs_when_none_was_sent(origin, key, name,
                                                   expected):
    origin.put(f"{key}/{name}", b"x")
    assert origin.get(f"{key}/{name}").headers["Content-Type"] == expected


def test_content_type_sent_wins_over_the_name(origin, key):
    origin.put(key + ".html", b"x", content_type="application/x-own")
    answer = origin.get(key + ".html")
    assert answer.headers["Content-Type"] == "application/x-own"


def test_cache_headers_have_their_defaults(origin, key):
    origin.put(key, b"x")
    answer = origin.get(key)
    assert answer.all("Cache-Control") == ["public, max-age=0"]
    assert answer.all("CDN-Cache-Control") == [
        "max-age=60, stale-while-revalidate=60, stale-if-error=86400"]
    assert "Surrogate-Control" not in answer.headers


@pytest.mark.parametrize("sent, cdn", [
    ("no-store", "no-store"), ("private, max-age=5", "private"),
    (["private", "max-age=5"], "private")])
def test_private_objects_are_kept_from_the_cdn(origin, key, sent, cdn):
    origin.put(key, b"x", cache_control=sent)
    answer = origin.get(key)
    assert answer.all("Cache-Control") == [
        sent if isinstance(sent, str) else ", ".join(sent)]
    assert answer.all("CDN-Cache-Control") == [cdn]


def test_cache_status_names_the_store(origin, store, key):
    origin.put(key, b"x")
    name = "file" if store == "file" else "s3"
    assert origin.get(key).headers["Cache-Status"] == (
        f"ngx_content; fwd=uri-miss; detail={name}")


# Conditions

PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize("name, headers, status", [
    ("same tag", {"If-None-Match": "{etag}"}, 304),
    ("same tag, weak", {"If-None-Match": "W/{etag}"}, 304),
    ("in a list", {"If-None-Match": '"a", "b", {etag}'}, 304),
    ("any", {"If-None-Match": "*"}, 304),
    ("other tag", {"If-None-Match": '"other"'}, 200),
    ("other tag and old date", {"If-None-Match": '"other"',
                                "If-Modified-Since": "{date}"}, 200),
    ("same tag and past date", {"If-None-Match": "{etag}",
                                "If-Modified-Since": PAST}, 304),
    ("same date", {"If-Modified-Since": "{date}"}, 304),
    ("later date", {"If-Modified-Since": FUTURE}, 304),
    ("earlier date", {"If-Modified-Since": PAST}, 200),
    ("no date", {"If-Modified-Since": "yesterday"}, 200),
    ("match", {"If-Match": "{etag}"}, 200),
    ("match in a list", {"If-Match": '"x",{etag}'}, 200),
    ("match any", {"If-Match": "*"}, 200),
    ("match, weak", {"If-Match": "W/{etag}"}, 412),
    ("match other", {"If-Match": '"other"'}, 412),
    ("match and not modified", {"If-Match": "{etag}",
                                "If-None-Match": "{etag}"}, 304),
    ("match other, not modified", {"If-Match": '"x"',
                                   "If-None-Match": "{etag}"}, 412),
    ("unmodified", {"If-Unmodified-Since": "{date}"}, 200),
    ("unmodified since later", {"If-Unmodified-Since": FUTURE}, 200),
    ("modified", {"If-Unmodified-Since": PAST}, 412),
    ("unmodified since nonsense", {"If-Unmodified-Since": "x"}, 200),
    ("match beats a date", {"If-Match": "{etag}",
                            "If-Unmodified-Since": PAST}, 200),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_condition(origin, key, method, name, headers, status):
    etag = origin.put(key, b"hello", cache_control="max-age=9",
                      cache_tag="t").headers["ETag"]
    date = origin.head(key).headers["Last-Modified"]
    headers = {k: v.format(etag=etag, date=date) for k, v in headers.items()}
    answer = origin.request(method, key, **headers)
    assert answer.status == status, name
    if status == 304:
        assert answer.body == b""
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Control"] == "max-age=9"
        assert "CDN-Cache-Control" in answer.headers
        assert answer.headers["Cache-Tag"].endswith(",t")
        assert "Content-Type" not in answer.headers
    elif status == 412 and method == "GET":
        problem(answer, 412)


def test_condition_on_nothing_is_404(origin, key):
    problem(origin.get(key, if_none_match="*"), 404)
    problem(origin.get(key, if_match="*"), 404)


@pytest.mark.parametrize("name, exists, headers, status", [
    ("create, is absent", False, {"If-None-Match": "*"}, 201),
    ("create, is there", True, {"If-None-Match": "*"}, 412),
    ("update of the same", True, {"If-Match": "{etag}"}, 204),
    ("update of any", True, {"If-Match": "*"}, 204),
    ("update of another", True, {"If-Match": '"other"'}, 412),
    ("update of nothing", False, {"If-Match": "*"}, 412),
])
@pytest.mark.parametrize("size", [3, 6 * MIB])
def test_conditional_put(origin, key, size, name, exists, headers, status):
    etag = origin.put(key, b"old").headers["ETag"] if exists else None
    headers = {k: v.format(etag=etag) for k, v in headers.items()}
    answer = origin.put(key, data(size), **headers)
    assert answer.status == status, name
    if status == 412:
        problem(answer, 412)
        now = origin.get(key)
        assert (now.body == b"old") if exists else (now.status == 404)
    else:
        assert origin.get(key).body == data(size)


@pytest.mark.parametrize("condition, status", [
    ("{etag}", 204), ("*", 204), ('"other"', 412)])
def test_conditional_delete(origin, key, condition, status):
    etag = origin.put(key, b"x").headers["ETag"]
    answer = origin.delete(key, if_match=condition.format(etag=etag))
    assert answer.status == status
    assert origin.get(key).status == (404 if status == 204 else 200)


def test_one_of_many_conditional_creations_wins(tmp_path, place):
    with Nginx(tmp_path / "n", place) as origin:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(lambda i: origin.put(
                "/one", b"%d" % i, if_none_match="*").status, range(8)))
        assert statuses == [201] + [412] * 7


# Ranges

BODY = bytes(range(256)) * 4            # 1,024 bytes


@pytest.mark.parametrize("value, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=100-199", 100, 199),
    ("bytes=1000-", 1000, 1023), ("bytes=1000-9999", 1000, 1023),
    ("bytes=-1", 1023, 1023), ("bytes=-100", 924, 1023),
    ("bytes=-5000", 0, 1023), ("bytes=0-", 0, 1023),
    ("bytes=1023-1023", 1023, 1023)])
def test_range_is_answered(origin, key, value, first, last):
    etag = origin.put(key, BODY).headers["ETag"]
    answer = origin.get(key, range=value)
    if answer.status == 200:                # all of it, asked as a range
        assert (first, last) == (0, 1023)
        assert answer.body == BODY
        return
    assert answer.status == 206
    assert answer.all("Content-Range") == [f"bytes {first}-{last}/1024"]
    assert answer.body == BODY[first:last + 1]
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["ETag"] == etag
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize("value", ["bytes=1024-", "bytes=5000-6000",
                                   "bytes=-0", "bytes=99999999999999999999-"])
def test_range_beyond_the_end_is_416(origin, key, value):
    origin.put(key, BODY)
    answer = origin.get(key, range=value)
    problem(answer, 416)
    assert answer.all("Content-Range") == ["bytes */1024"]


@pytest.mark.parametrize("value", ["bytes=5-4", "lines=1-2"])
def test_malformed_range_is_ignored(origin, key, value):
    origin.put(key, BODY)
    answer = origin.get(key, range=value)
    assert (answer.status, answer.body) == (200, BODY)


def test_empty_object_has_no_ranges(origin, key):
    origin.put(key, b"")
    answer = origin.get(key, range="bytes=0-")
    assert (answer.status, answer.body) == (200, b"")


def test_several_ranges_are_answered_as_parts_or_whole(origin, key):
    origin.put(key, BODY)
    answer = origin.get(key, range="bytes=0-9,100-109")
    if answer.status == 200:
        assert answer.body == BODY
    else:
        assert answer.status == 206
        assert answer.headers["Content-Type"].startswith(
            "multipart/byteranges; boundary=")
        assert BODY[0:10] in answer.body and BODY[100:110] in answer.body


def test_range_across_the_parts_of_a_large_object(origin, key):
    body = data(12 * MIB)
    origin.put(key, body)
    first, last = 5 * MIB - 10, 10 * MIB + 10
    answer = origin.get(key, range=f"bytes={first}-{last}")
    assert answer.status == 206
    assert answer.body == body[first:last + 1]


@pytest.mark.parametrize("name, condition, status", [
    ("same tag", "{etag}", 206), ("weak tag", "W/{etag}", 200),
    ("other tag", '"other"', 200), ("same date", "{date}", 206),
    ("other date", PAST, 200), ("nonsense", "x", 200)])
def test_if_range(origin, key, name, condition, status):
    etag = origin.put(key, BODY).headers["ETag"]
    date = origin.head(key).headers["Last-Modified"]
    answer = origin.get(key, range="bytes=1-2",
                        if_range=condition.format(etag=etag, date=date))
    assert answer.status == status, name
    assert answer.body == (BODY[1:3] if status == 206 else BODY)


def test_not_modified_beats_a_range(origin, key):
    etag = origin.put(key, BODY).headers["ETag"]
    answer = origin.get(key, range="bytes=1-2", if_none_match=etag)
    assert answer.status == 304


def test_head_ignores_a_range(origin, key):
    origin.put(key, BODY)
    answer = origin.head(key, range="bytes=1-2")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == "1024"
