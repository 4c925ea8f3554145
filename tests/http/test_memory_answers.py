"""The memory cache beside storage, answer by answer: the same status, headers
and bytes, through filters and protocols, and with rights.
"""

import gzip
import re
import socket
import subprocess

import pytest

from harness import (EDITOR, Client, Nginx, data, free_port, problem,
                     request_head, wait_until)

KIB = 1 << 10
MIB = 1 << 20
MEMORY = "content_memory 16m;"
HIT = "ngx_content; hit; detail=memory"


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
