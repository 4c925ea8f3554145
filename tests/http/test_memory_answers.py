"""The memory cache beside storage, answer by answer: the same status, headers
and bytes; fills that come too late; parts of pages that have to wait; sizes.
"""

import concurrent.futures
import contextlib
import gzip
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from harness import (EDITOR, Client, Nginx, free_port, problem,
                     request_head, wait_until)
from s3_fault_proxy import FaultProxy, hold

KIB = 1 << 10
MIB = 1 << 20
MEMORY = "content_memory 16m;"
HIT = "ngx_content; hit; detail=memory"


def data(size, seed=0):
    return random.Random(size + (seed << 32)).randbytes(size)


def from_memory(answer):
    return answer.headers["Cache-Status"] == HIT


def keep(origin, path, **how):
    """Asks twice: the first answer, and the one from memory."""
    first, second = origin.get(path, **how), origin.get(path, **how)
    assert first.status == second.status == 200, (first, second)
    assert not from_memory(first) and from_memory(second), (first, second)
    assert first.body == second.body
    return first, second


def put(origin, path, body, **how):
    answer = origin.put(path, body, **how)
    assert answer.status in (201, 204), answer
    return answer


def memory(origin):
    return origin.counters()["memory"]


class Other(Client):
    """Another server of the same nginx: uncached, or as its text says."""

    def __init__(self, port):
        self.port = port


def with_other_server(nginx, directives, **changes):
    """Starts nginx with a second server that has the same settings, and
    `directives` in its location."""
    other = Other(free_port())
    settings = {**nginx.settings, **changes}
    nginx.write(http=nginx.settings["http"] + f"""
    server {{
        listen 127.0.0.1:{other.port};
        client_max_body_size 64m;
        {settings["server"]}
        location / {{
            {settings["location"]}
            {directives}
        }}
    }}""")
    nginx.start()
    return other


def churn(origin, size, count=64, piece=256 * KIB):
    """Goes through the memory with `size` bytes that others asked for."""
    for i in range(size // piece + 1):
        path = f"/churn/{i % count}"
        put(origin, path, data(piece, i))
        assert origin.get(path).status == 200
        assert origin.get(path).status == 200


@pytest.fixture(scope="module")
def origin(store, tmp_path_factory):
    """With memory, and nothing else, the same for a module."""
    with Nginx(tmp_path_factory.mktemp("origin"), store, http=MEMORY) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def pair(store, tmp_path_factory):
    """(with memory, without), on the same storage."""
    nginx = Nginx(tmp_path_factory.mktemp("pair"), store, http=MEMORY,
                  start=False)
    plain = with_other_server(nginx, "content_hot off;")
    yield nginx, plain
    nginx.stop()


@pytest.fixture
def files(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY) as nginx:
        yield nginx


# The same answers as from storage

GZIPPED = gzip.compress(b"packed " * 100, mtime=0)

OBJECTS = [
    # name, suffix, body, headers of the PUT
    ("plain", "", b"hello", {"content_type": "text/plain"}),
    ("without a type", "", b"hello", {}),
    ("type by its name", ".css", b"a { b: c }", {}),
    ("empty", "", b"", {"content_type": "text/plain"}),
    ("with a charset", "", "grün".encode(),
     {"content_type": "text/html; charset=utf-8"}),
    ("with everything", ".bin", data(1000),
     {"content_type": "application/x-own;a=b", "cache_tag": "one, two,three",
      "content_language": "de, en",
      "content_disposition": 'attachment; filename="a b"',
      "x_content_meta_author": "A. Author", "x_content_meta_n": "1"}),
    ("packed", ".txt", GZIPPED,
     {"content_type": "text/plain", "content_encoding": "gzip"}),
    ("its own caching", "", b"x",
     {"content_type": "text/plain", "cache_control": "max-age=7"}),
    ("not to be stored", "", b"x",
     {"content_type": "text/plain", "cache_control": "no-store"}),
    ("private", "", b"x", {"cache_control": "private, max-age=60"}),
    ("of the largest size", "", data(MIB), {}),
]


def headers_of(answer):
    """Without what is said about the cache, and boundaries made equal."""
    return sorted(
        (name.lower(), re.sub(r"boundary=\d+", "boundary=", value))
        for name, value in answer.headers.items()
        if name.lower() not in ("date", "connection", "cache-status"))


def bodies_of(answer):
    return re.sub(rb"\r\n--\d{20}", b"\r\n--", answer.body)


def same(plain, cached):
    assert plain.status == cached.status, (plain, cached)
    assert headers_of(plain) == headers_of(cached)
    assert bodies_of(plain) == bodies_of(cached)


@pytest.mark.parametrize("name, suffix, body, how", OBJECTS,
                         ids=[row[0] for row in OBJECTS])
def test_second_get_is_from_memory_and_the_same(pair, key, name, suffix, body,
                                                how):
    origin, plain = pair
    put(origin, key + suffix, body, **how)
    first, second = keep(origin, key + suffix)
    assert second.body == body
    same(first, second)
    same(plain.get(key + suffix), second)

    head = origin.head(key + suffix)
    assert from_memory(head)
    same(plain.head(key + suffix), head)


REQUESTS = [
    # name, status, headers, by the object's ETag, date and an older date
    ("none match", 304, lambda e, d, o: {"if_none_match": e}),
    ("none match, weakly", 304, lambda e, d, o: {"if_none_match": "W/" + e}),
    ("none match, of many", 304,
     lambda e, d, o: {"if_none_match": f'"a", {e}'}),
    ("none match, all", 304, lambda e, d, o: {"if_none_match": "*"}),
    ("none match, another", 200, lambda e, d, o: {"if_none_match": '"a"'}),
    ("modified since, no", 304, lambda e, d, o: {"if_modified_since": d}),
    ("modified since, yes", 200, lambda e, d, o: {"if_modified_since": o}),
    ("the ETag decides", 200, lambda e, d, o: {"if_none_match": '"a"',
                                               "if_modified_since": d}),
    ("match", 200, lambda e, d, o: {"if_match": e}),
    ("match, another", 412, lambda e, d, o: {"if_match": '"a"'}),
    ("match, weakly", 412, lambda e, d, o: {"if_match": "W/" + e}),
    ("unmodified since", 200, lambda e, d, o: {"if_unmodified_since": d}),
    ("unmodified since, no", 412,
     lambda e, d, o: {"if_unmodified_since": o}),
    ("range", 206, lambda e, d, o: {"range": "bytes=0-9"}),
    ("range in the middle", 206, lambda e, d, o: {"range": "bytes=100-199"}),
    ("range to the end", 206, lambda e, d, o: {"range": "bytes=900-"}),
    ("the last ones", 206, lambda e, d, o: {"range": "bytes=-1"}),
    ("range beyond", 416, lambda e, d, o: {"range": "bytes=1000-"}),
    ("range of lines", 200, lambda e, d, o: {"range": "lines=1-2"}),
    ("if range", 206, lambda e, d, o: {"range": "bytes=5-6", "if_range": e}),
    ("if range, by date", 206,
     lambda e, d, o: {"range": "bytes=5-6", "if_range": d}),
    ("if range, another", 200,
     lambda e, d, o: {"range": "bytes=5-6", "if_range": '"a"'}),
    ("if range, weak", 200,
     lambda e, d, o: {"range": "bytes=5-6", "if_range": "W/" + e}),
    ("if range, older", 200,
     lambda e, d, o: {"range": "bytes=5-6", "if_range": o}),
    ("if range, beyond", 416,
     lambda e, d, o: {"range": "bytes=1000-", "if_range": e}),
    ("if range, another, beyond", 200,
     lambda e, d, o: {"range": "bytes=1000-", "if_range": '"a"'}),
    ("range and none match", 304,
     lambda e, d, o: {"range": "bytes=5-6", "if_none_match": e}),
    ("digest", 200, lambda e, d, o: {"want_repr_digest": "sha-256=1"}),
]


@pytest.fixture(scope="module")
def known(pair):
    """(path, ETag, date, an older date) of an object in memory."""
    origin, _ = pair
    put(origin, "/known", data(1000), content_type="text/plain",
        cache_tag="a", x_content_meta_a="b")
    first, _ = keep(origin, "/known")
    return ("/known", first.headers["ETag"], first.headers["Last-Modified"],
            "Sat, 01 Jan 2022 00:00:00 GMT")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name, status, how", REQUESTS,
                         ids=[row[0] for row in REQUESTS])
def test_conditions_and_ranges_from_memory(pair, known, method, name, status,
                                           how):
    origin, plain = pair
    path, *values = known
    headers = how(*values)
    cached = origin.request(method, path, **headers)
    if method == "HEAD" and "range" in headers and status in (206, 416):
        status = 200
    assert cached.status == status, cached
    if status in (412, 416):
        if method == "GET":
            problem(cached, status)
    else:
        assert from_memory(cached)
    same(plain.request(method, path, **headers), cached)


def test_problems_ask_nobody(pair, known):
    origin, _ = pair
    before = origin.counters()["node"]["store_reads"]
    problem(origin.get(known[0], if_match='"a"'), 412)
    problem(origin.get(known[0], range="bytes=5000-"), 416)
    assert origin.get(known[0], if_none_match="*").status == 304
    assert origin.counters()["node"]["store_reads"] == before


def test_several_ranges_from_memory(pair, known, store):
    origin, plain = pair
    cached = origin.get(known[0], range="bytes=0-9,500-509,-10")
    assert cached.status == 206 and from_memory(cached)
    body = data(1000)
    parts = re.findall(rb"Content-Range: bytes (\d+)-(\d+)/1000\r\n\r\n"
                       rb"(.{10})\r\n", cached.body, re.S)
    assert [(int(first), int(last)) for first, last, _ in parts] == [
        (0, 9), (500, 509), (990, 999)]
    for first, last, part in parts:
        assert part == body[int(first):int(last) + 1]
    if store == "file":
        same(plain.get(known[0], range="bytes=0-9,500-509,-10"), cached)


def test_many_requests_on_one_connection(origin, key):
    body = data(3000)
    put(origin, key, body)
    keep(origin, key)
    with origin.connect() as connection:
        for i in range(50):
            headers = {"Host": "o"}
            if i % 3 == 1:
                headers["Range"] = "bytes=1-4"
            connection.send(request_head("GET", key, headers))
            answer = connection.answer()
            assert from_memory(answer)
            assert answer.body == (body[1:5] if i % 3 == 1 else body)


# What is kept

def test_what_has_no_body_keeps_the_metadata(origin, key):
    etag = put(origin, key, data(1000)).headers["ETag"]
    assert origin.head(key).status == 200
    assert origin.get(key, if_none_match=etag).status == 304
    problem(origin.get(key, if_match='"a"'), 412)
    problem(origin.get(key, range="bytes=1000-"), 416)
    assert from_memory(origin.head(key))
    keep(origin, key)


def test_a_range_keeps_the_whole_or_nothing(origin, key):
    put(origin, key, data(1000))
    for _ in range(3):
        assert origin.get(key, range="bytes=10-19").body == data(1000)[10:20]
    assert origin.get(key).body == data(1000)


def test_absence_is_not_kept(origin, key):
    problem(origin.get(key), 404)
    problem(origin.get(key), 404)
    put(origin, key, b"x")
    assert origin.get(key).body == b"x"


def test_body_larger_than_max_is_not_kept(tmp_path, store):
    with Nginx(tmp_path / "n", store,
               http="content_memory 8m max=10k;") as origin:
        put(origin, "/max", data(10 * KIB))
        put(origin, "/more", data(10 * KIB + 1))
        keep(origin, "/max")
        for _ in range(3):
            answer = origin.get("/more")
            assert answer.body == data(10 * KIB + 1)
            assert not from_memory(answer)
        assert from_memory(origin.head("/more"))


@pytest.mark.parametrize("size, largest", [
    ("16m", "1m"), ("68m", "4352k"), ("130m", "8m"), ("192m", "12m")])
def test_the_largest_objects_have_a_place(tmp_path, size, largest):
    """Whatever the memory's parts are."""
    body = data(int(largest[:-1]) << (20 if largest[-1] == "m" else 10))
    with Nginx(tmp_path / "n",
               http=f"content_memory {size} max={largest};") as origin:
        for i in range(4):
            put(origin, f"/{i}", body)
            keep(origin, f"/{i}")
        assert memory(origin)["refused"] == 0



def test_off_is_no_cache(tmp_path):
    with Nginx(tmp_path / "n", http="content_memory off;") as origin:
        put(origin, "/a", b"x")
        for _ in range(3):
            assert not from_memory(origin.get("/a"))
        assert "memory" not in origin.counters()



def test_status_tells(files):
    put(files, "/a", b"x")
    keep(files, "/a")
    status = memory(files)
    assert (status["hits"], status["stored"], status["records"]) == (1, 1, 1)
    assert status["misses"] >= 1
    assert 0 < status["bytes"] <= status["size"] <= 16 * MIB
    assert status["held"] == status["resets"] == status["refused"] == 0


# Writes and purges

def test_put_drops_it(origin, key):
    put(origin, key, b"old", content_type="text/a", cache_tag="old")
    keep(origin, key)
    etag = put(origin, key, b"newer", content_type="text/b").headers["ETag"]
    first, second = keep(origin, key)
    for answer in (first, second):
        assert answer.body == b"newer"
        assert answer.headers["ETag"] == etag
        assert answer.headers["Content-Type"] == "text/b"
        assert "old" not in answer.headers["Cache-Tag"]


def test_delete_drops_it(origin, key):
    put(origin, key, b"old")
    keep(origin, key)
    assert origin.delete(key).status == 204
    problem(origin.get(key), 404)
    problem(origin.delete(key), 404)


def test_a_refused_put_drops_nothing(origin, key):
    put(origin, key, b"old")
    keep(origin, key)
    problem(origin.put(key, b"new", if_none_match="*"), 412)
    problem(origin.put(key, b"new", if_match='"a"'), 412)
    answer = origin.get(key)
    assert answer.body == b"old" and from_memory(answer)


def test_delete_of_what_others_deleted_drops_it(pair, bucket, store, key):
    if store == "file":
        pytest.skip("files are deleted by nobody else")
    origin, _ = pair
    put(origin, key, b"old")
    keep(origin, key)
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    assert from_memory(origin.get(key))
    problem(origin.delete(key), 404)
    problem(origin.get(key), 404)


SELECTIONS = [
    ("url", lambda key: {"urls": [f"https://www.example.com{key}"]}),
    ("tag", lambda key: {"tags": ["red"]}),
    ("prefix", lambda key: {"prefixes": ["www.example.com/a"]}),
    ("host", lambda key: {"hosts": ["www.example.com"]}),
    ("everything", lambda key: {"everything": True}),
]


@pytest.mark.parametrize("with_redis", [False, True],
                         ids=["alone", "over-redis"])
@pytest.mark.parametrize("name, document", SELECTIONS,
                         ids=[row[0] for row in SELECTIONS])
def test_purge_drops_it(tmp_path, request, name, document, with_redis):
    """Also what Redis has, which would fill the memory again."""
    redis = request.getfixturevalue("redis") if with_redis else None
    with Nginx(tmp_path / "n", redis=redis, http=MEMORY,
               server="content_hot hits=1;") as origin:
        # writes that the first one does not see
        with Nginx(tmp_path / "m", server="content_hot off;",
                   start=False) as writer:
            writer.write(server=writer.settings["server"].replace(
                str(writer.files), str(origin.files)))
            writer.start()
            put(writer, "/a", b"old", cache_tag="red")
            if with_redis:
                wait_until(lambda: origin.get("/a").body == b"old"
                           and redis.records())
            wait_until(lambda: from_memory(origin.get("/a")))
            put(writer, "/a", b"new", cache_tag="red")
            assert origin.get("/a").body == b"old"
            assert origin.post("/-/purge", document("/a")).status in (
                200, 202)
            assert origin.get("/a").body == b"new"
            answer = origin.get("/a")
            assert answer.body == b"new" and from_memory(answer)


def test_put_drops_what_redis_would_fill_again(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, http=MEMORY,
               server="content_hot hits=1;") as origin:
        for i in range(20):
            body = b"%d" % i
            put(origin, "/a", body)
            for _ in range(4):
                assert origin.get("/a").body == body
        wait_until(redis.records)
        assert from_memory(origin.get("/a"))
        assert origin.delete("/a").status == 204
        problem(origin.get("/a"), 404)


def test_memory_is_filled_from_redis(tmp_path, redis):
    how = dict(redis=redis, http=MEMORY, server="content_hot hits=1;",
               workers=1)
    with Nginx(tmp_path / "n", **how) as origin:
        put(origin, "/a", data(5000), content_type="text/x", cache_tag="t",
            x_content_meta_a="b")
        stored = origin.get("/a")
        wait_until(redis.records)
    with Nginx(tmp_path / "n", **how) as origin:
        wait_until(lambda: origin.counters()["redis"]["ready"])
        first, second = keep(origin, "/a")
        assert first.headers["Cache-Status"].endswith("hit; detail=redis")
        same(stored, first)
        same(first, second)





# Fills that are too late

@pytest.fixture
def behind_a_proxy(tmp_path, s3, bucket):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy:
        with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
                   http=MEMORY) as origin:
            yield origin, proxy


def late_fill(origin, proxy, path, between):
    """GET, whose answer comes from S3 before between() and from the proxy
    after it; what the GET answered."""
    release = threading.Event()
    proxy.fault(hold(release), method="GET", path=path)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(origin.get, path)
        try:
            wait_until(lambda: not proxy.pending(), what="GET to arrive")
            time.sleep(0.3)             # S3 has answered
            between()
        finally:
            release.set()
        return reader.result()


LATE = [
    ("PUT", b"new", lambda origin, bucket, path:
        put(origin, path, b"new")),
    ("DELETE", None, lambda origin, bucket, path:
        origin.delete(path)),
    ("PUT twice", b"new", lambda origin, bucket, path:
        (put(origin, path, b"newer"), put(origin, path, b"new"))),
    ("purge of the URL", b"new", lambda origin, bucket, path:
        (bucket.client.put_object(Bucket=bucket.name, Key=path[1:],
                                  Body=b"new"),
         origin.post("/-/purge", {"urls": [f"https://a.example{path}"]}))),
    ("purge of everything", b"new", lambda origin, bucket, path:
        (bucket.client.put_object(Bucket=bucket.name, Key=path[1:],
                                  Body=b"new"),
         origin.post("/-/purge", {"everything": True}))),
]


@pytest.mark.parametrize("name, body, change", LATE,
                         ids=[row[0] for row in LATE])
def test_a_fill_from_before_a_change_is_not_kept(
        behind_a_proxy, bucket, key, name, body, change):
    origin, proxy = behind_a_proxy
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=b"old")
    late = late_fill(origin, proxy, key,
                     lambda: change(origin, bucket, key))
    assert late.body == b"old"
    if body is None:
        problem(origin.get(key), 404)
        return
    assert origin.get(key).body == body
    assert memory(origin)["fenced"] >= 1
    assert keep_soon(origin, key).body == body


def keep_soon(origin, path):
    return wait_until(lambda: (answer := origin.get(path))
                      and from_memory(answer) and answer)


# Slow readers

class Slow:
    """A client that has asked, and reads when it is told to."""

    def __init__(self, port, path, **headers):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(request_head("GET", path, {
            "Host": "o", "Connection": "close",
            **{k.replace("_", "-"): v for k, v in headers.items()}}))

    def read(self):
        """(head, body)"""
        with self.socket, self.socket.makefile("rb") as reader:
            head, _, body = reader.read().partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            body = unchunk(body)
        return head, body

    def close(self):
        self.socket.close()


def unchunk(body):
    parts = []
    while True:
        size, _, body = body.partition(b"\r\n")
        size = int(size, 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[:size])
        body = body[size + 2:]


def slow_origin(tmp_path, http=MEMORY, **how):
    """An nginx whose second port has small buffers, and that port."""
    port = free_port()
    server = (f"listen 127.0.0.1:{port} sndbuf=4k; "
              + how.pop("server", ""))
    return Nginx(tmp_path / "n", http=http, server=server, **how), port


def test_slow_client_gets_the_old_bytes(tmp_path):
    old = data(MIB)
    origin, port = slow_origin(tmp_path)
    with origin:
        put(origin, "/a", old, content_type="text/old")
        keep(origin, "/a")
        clients = [Slow(port, "/a"), Slow(port, "/a", Range="bytes=1000-"),
                   Slow(port, "/a", Range="bytes=0-300000,500000-1048575"),
                   Slow(port, "/a")]
        wait_until(lambda: memory(origin)["held"] == 3, 5)

        put(origin, "/a", data(MIB, 1), content_type="text/new")
        keep(origin, "/a")
        churn(origin, 24 * MIB)
        assert memory(origin)["evicted"] > 0

        head, body = clients[0].read()
        assert b"text/old" in head and HIT.encode() in head
        assert body == old
        _, body = clients[1].read()
        assert body == old[1000:]
        _, body = clients[2].read()
        assert old[:300001] in body and old[500000:] in body
        clients[3].close()

        wait_until(lambda: memory(origin)["held"] == 0, 5)
        put(origin, "/b", b"x")
        keep(origin, "/b")
        assert memory(origin)["refused"] == 0


@pytest.mark.parametrize("size", [5000, 20000, 100000])
def test_rests_of_all_sizes_for_slow_clients(tmp_path, size):
    """More readers than can be held, of bodies that end near the buffers."""
    old = data(size)
    origin, port = slow_origin(tmp_path, workers=1)
    with origin:
        put(origin, "/a", old)
        keep(origin, "/a")
        clients = [Slow(port, "/a", **({"Range": f"bytes={i * 7}-"}
                                       if i % 3 == 2 else {}))
                   for i in range(150)]
        wait_until(lambda: memory(origin)["hits"] >= 151, 10)
        put(origin, "/a", data(size, 1))
        keep(origin, "/a")
        churn(origin, 20 * MIB)
        for i, client in enumerate(clients):
            _, body = client.read()
            assert body == (old[i * 7:] if i % 3 == 2 else old), i
        wait_until(lambda: memory(origin)["held"] == 0, 5)



# Filters and protocols

def gunzip(answer):
    assert answer.headers["Content-Encoding"] == "gzip", answer
    return gzip.decompress(answer.body)


def test_gzip(tmp_path):
    text = b"".join(b"line %d of a text\n" % i for i in range(20000))
    origin, port = slow_origin(
        tmp_path, server="gzip on; gzip_types text/plain application/x;"
                         "gzip_min_length 1; gzip_comp_level 1;")
    noise = data(600 * KIB)
    with origin:
        put(origin, "/a", text, content_type="text/plain; charset=utf-8")
        put(origin, "/n", noise, content_type="application/x")
        first, second = keep(origin, "/a", accept_encoding="gzip")
        assert gunzip(first) == gunzip(second) == text
        assert headers_of(first) == headers_of(second)
        assert second.headers["ETag"].startswith("W/")
        assert origin.get("/a").body == text

        # what does not fit into the socket is packed later
        keep(origin, "/n")
        slow = Slow(port, "/n", accept_encoding="gzip")
        hits = memory(origin)["hits"]
        wait_until(lambda: memory(origin)["hits"] >= hits)
        put(origin, "/n", data(600 * KIB, 1), content_type="application/x")
        keep(origin, "/n")
        churn(origin, 20 * MIB)
        head, body = slow.read()
        assert b"Content-Encoding: gzip" in head
        assert gzip.decompress(body) == noise




def test_ssi(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, server="ssi on;") as origin:
        put(origin, "/part", b"p" * 20000, content_type="text/html")
        put(origin, "/page", b'<<!--#include virtual="/part" -->|'
            b'<!--#include virtual="/part" -->>', content_type="text/html")
        for _ in range(3):
            answer = origin.get("/page")
            assert answer.body == (b"<" + b"p" * 20000 + b"|"
                                   + b"p" * 20000 + b">")
        assert memory(origin)["hits"] >= 5


@contextlib.contextmanager
def waiting_server(event):
    """Answers "slow" when the event is set."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    event.wait(20)
                    connection.sendall(b"HTTP/1.0 200 OK\r\n"
                                       b"Content-Type: text/html\r\n\r\nslow")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        event.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.mark.parametrize("size", [50, 1000, 5000, 100000])
def test_part_of_a_page_that_has_to_wait(tmp_path, size):
    """The second part is ready, and replaced, long before the first one."""
    release = threading.Event()
    with waiting_server(release) as port, Nginx(
            tmp_path / "n", http=MEMORY, workers=1, server=f"""ssi on;
            location = /slow {{ proxy_pass http://127.0.0.1:{port}; }}
            """) as origin:
        put(origin, "/part", b"o" * size, content_type="text/html")
        keep(origin, "/part")
        put(origin, "/page", b'<!--#include virtual="/slow" -->'
            b'<!--#include virtual="/part" -->', content_type="text/html")
        keep_hits = memory(origin)["hits"]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            page = pool.submit(origin.get, "/page")
            wait_until(lambda: memory(origin)["hits"] > keep_hits)
            for i in range(30):
                put(origin, "/part", b"%x" % (i % 16) * size,
                    content_type="text/html")
                keep(origin, "/part")
            release.set()
            assert page.result().body == b"slow" + b"o" * size


@pytest.mark.parametrize("size", [0, 5, 100000, MIB])
def test_http2(tmp_path, size):
    port = free_port()
    with Nginx(tmp_path / "n", http=MEMORY,
               server=f"listen 127.0.0.1:{port} http2;") as origin:
        put(origin, "/a", data(size), content_type="text/x", cache_tag="t")
        for hit in (False, True, True):
            done = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", "-D",
                 tmp_path / "head", f"http://127.0.0.1:{port}/a"],
                capture_output=True, check=True, timeout=60)
            assert done.stdout == data(size)
            head = (tmp_path / "head").read_text().lower()
            assert head.startswith("http/2 200")
            assert (HIT in head) == hit
            assert "cache-tag: c" in head and f"content-length: {size}" in head


def test_http2_slow_client_gets_the_old_bytes(tmp_path):
    port = free_port()
    with Nginx(tmp_path / "n", http=MEMORY,
               server=f"listen 127.0.0.1:{port} http2 sndbuf=4k;") as origin:
        put(origin, "/a", data(MIB))
        keep(origin, "/a")
        hits = memory(origin)["hits"]
        with subprocess.Popen(
                ["curl", "-s", "--http2-prior-knowledge", "--limit-rate",
                 "500k", f"http://127.0.0.1:{port}/a"],
                stdout=subprocess.PIPE) as curl:
            wait_until(lambda: memory(origin)["hits"] > hits)
            put(origin, "/a", data(MIB, 1))
            churn(origin, 20 * MIB)
            assert curl.communicate(timeout=60)[0] == data(MIB)


def test_expires_replaces_what_the_object_says(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, server="expires 1h;") as origin:
        put(origin, "/a", b"x")
        put(origin, "/b", b"x", cache_control="max-age=7")
        for path in ("/a", "/b"):
            first, second = keep(origin, path)
            assert first.all("Cache-Control") == ["max-age=3600"]
            assert second.all("Cache-Control") == ["max-age=3600"]


def test_error_page_has_nothing_of_the_object(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, server="""
               error_page 412 =200 /sorry;
               location = /sorry { return 200 "sorry"; }""") as origin:
        put(origin, "/a", b"x", cache_tag="t", content_encoding="gzip",
            x_content_meta_a="b")
        keep(origin, "/a")
        for _ in range(20):
            answer = origin.get("/a", if_match='"no"')
            assert (answer.status, answer.body) == (200, b"sorry")
            assert sorted(name for name in answer.headers) == [
                "Connection", "Content-Length", "Content-Type", "Date",
                "Server"]


# Rights

READER = "reader-token-3zJ8sQ"


def test_private_headers_come_from_memory_too(tmp_path):
    tokens = [("editor", EDITOR, "read,write,purge,admin", "/"),
              ("reader", READER, "read", "/mine/")]
    nginx = Nginx(tmp_path / "n", http=MEMORY, anonymous="off",
                  tokens=tokens, start=False)
    public = with_other_server(
        nginx, "", server=nginx.settings["server"].replace(
            "content_anonymous off", "content_anonymous read"))
    with nginx:
        put(nginx, "/mine/a", b"x", cache_tag="t",
            cache_control="public, max-age=9")
        first, second = keep(nginx, "/mine/a", token=READER)
        for answer in (first, second):
            assert answer.all("Cache-Control") == ["private, no-cache"]
            assert answer.all("CDN-Cache-Control") == ["no-store"]
            assert "Cache-Tag" not in answer.headers
        same(first, second)

        # one record, two faces
        open_to_all = public.get("/mine/a")
        assert from_memory(open_to_all)
        assert open_to_all.all("Cache-Control") == ["public, max-age=9"]
        assert "t" in open_to_all.headers["Cache-Tag"]

        put(nginx, "/theirs", b"x")
        keep(nginx, "/theirs", token=EDITOR)
        problem(nginx.get("/theirs"), 401)
        problem(nginx.get("/theirs", token=READER), 403)
        problem(nginx.get("/mine/a"), 401)


# The life of nginx

def test_reload_keeps_content(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY) as origin:
        bodies = {f"/{i}": data(2000 + i) for i in range(20)}
        for path, body in bodies.items():
            put(origin, path, body)
            keep(origin, path)
        stop, wrong, count = threading.Event(), [], [0]

        def read(n):
            rnd = random.Random(n)
            while not stop.is_set():
                path = rnd.choice(list(bodies))
                answer = origin.get(path)
                count[0] += 1
                if answer.body != bodies[path]:
                    wrong.append(answer)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read, n) for n in range(3)]
            try:
                for _ in range(3):
                    origin.reload()
            finally:
                stop.set()
            for reader in readers:
                reader.result()
        assert not wrong, wrong[:3]
        assert count[0] > 20
        for path in bodies:
            assert from_memory(origin.get(path))
        assert memory(origin)["records"] == 20




def test_worker_that_dies_leaves_nothing_behind(tmp_path):
    origin, port = slow_origin(tmp_path, workers=1)
    with origin:
        put(origin, "/a", data(MIB))
        keep(origin, "/a")
        clients = [Slow(port, "/a") for _ in range(5)]
        wait_until(lambda: memory(origin)["held"] == 5)
        put(origin, "/a", data(MIB, 1))     # five readers of what is dropped
        origin.kill_worker(origin.workers()[0])
        wait_until(lambda: memory(origin)["held"] == 0)
        for client in clients:
            client.close()
        keep_soon(origin, "/a")
        churn(origin, 20 * MIB)
        assert keep_soon(origin, "/a").body == data(MIB, 1)
        status = memory(origin)
        assert status["refused"] == status["resets"] == 0
        assert status["bytes"] <= status["size"]



def test_scan_through_a_small_memory(tmp_path):
    with Nginx(tmp_path / "n",
               http="content_memory 8m max=256k;") as origin:
        def size_of(i):
            return 200 * KIB if i % 50 == 0 else 1 + i * 7919 % 60000

        hot = [f"/hot/{i}" for i in range(20)]
        for i, path in enumerate(hot):
            put(origin, path, data(5000 + i))
            keep(origin, path)

        def scan(i):
            path, body = f"/scan/{i}", data(size_of(i))
            put(origin, path, body)
            assert origin.get(path).body == body
            answer = origin.get(hot[i % len(hot)])
            assert answer.body == data(5000 + i % len(hot))
            return from_memory(answer)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            hits = 0
            for i in range(0, 800, 50):
                hits += sum(pool.map(scan, range(i, i + 50)))
                status = memory(origin)
                assert status["bytes"] <= status["size"] <= 8 * MIB
        assert status["evicted"] > 100
        assert hits > 780               # the hot ones have stayed


# Configuration

BAD = [
    ("nothing", "content_memory;", ["content_memory"]),
    ("no size", "content_memory big;", ["content_memory", "size"]),
    ("negative", "content_memory -1;", ["content_memory", "size"]),
    ("nothing at all", "content_memory 0;", ["content_memory", "16m"]),
    ("too small", "content_memory 4m max=1k;", ["content_memory", "8m"]),
    ("just too small", "content_memory 8191k max=1k;",
     ["content_memory", "8m"]),
    ("too small for the default max", "content_memory 8m;",
     ["content_memory", "16m"]),
    ("too small for max", "content_memory 32m max=4m;",
     ["content_memory", "64m"]),
    ("max without a size", "content_memory 32m max=;",
     ["content_memory", "size"]),
    ("max of nothing", "content_memory 32m max=0;",
     ["content_memory", "size"]),
    ("max is no size", "content_memory 32m max=x;",
     ["content_memory", "size"]),
    ("another word", "content_memory 32m min=1m;",
     ["content_memory", "max="]),
    ("too many", "content_memory 32m max=1m max=1m;", ["content_memory"]),
    ("twice", MEMORY * 2, ["content_memory", "duplicate"]),
    ("off, then on", "content_memory off; " + MEMORY,
     ["content_memory", "duplicate"]),
    ("off with a size", "content_memory off max=1m;",
     ["content_memory", "size"]),
]

GOOD = ["content_memory off;", "content_memory 16m;",
        "content_memory 8m max=512k;", "content_memory 8m max=1;",
        "content_memory 64m max=4m;", "content_memory 1024m max=64m;"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return Nginx(tmp_path_factory.mktemp("conf"), start=False)


@pytest.mark.parametrize("name, http, words", BAD,
                         ids=[row[0] for row in BAD])
def test_mistake_is_told_with_its_directive(prepared, name, http, words):
    prepared.write(http=http)
    fine, said = prepared.test()
    assert not fine, said
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("http", GOOD)
def test_right_sizes(prepared, http):
    prepared.write(http=http)
    fine, said = prepared.test()
    assert fine, said


def test_not_on_a_server(prepared):
    settings = prepared.settings["server"]
    prepared.write(http="", server=settings + MEMORY)
    fine, said = prepared.test()
    prepared.write(server=settings)
    assert not fine and '"content_memory" directive is not allowed' in said
