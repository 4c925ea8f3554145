"""How the body of a PUT is received: none of it is missing when another module
has read of it before, and a worker that exits receives it to its end.
"""

import os
import signal
import socket
import threading

import pytest

import h2
from harness import (EDITOR, Nginx, data, free_port, problem, request_head,
                     wait_until)

MIB = 1 << 20


class Unavailable:
    """A server that answers 503, to the head alone or to the whole request."""

    def __init__(self, whole):
        self.whole = whole
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data or self.whole not in data:
                data += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n"
                               b"Content-Length: 0\r\n\r\n")
            while connection.recv(65536):
                pass


FALLBACK = """
    location /up/ {
        proxy_pass http://127.0.0.1:PORT;
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_intercept_errors on;
        error_page 503 = @store;
    }
    location @store { content file; }"""


def head(path, **fields):
    return request_head("PUT", path, {
        "Host": "localhost", "Authorization": f"Bearer {EDITOR}", **fields})


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("whole, status, words", [
    (b"end!", 400, "have come"),
    (b"", 500, "another module has begun to read the body")])
def test_body_that_was_sent_elsewhere_is_not_stored(tmp_path, whole, status,
                                                    words, chunked):
    server = Unavailable(whole)
    body = b"x" * 100_000 + b"end!"
    fields = ({"Transfer-Encoding": "chunked"} if chunked
              else {"Content-Length": len(body)})
    with Nginx(tmp_path / "n", server=FALLBACK.replace(
            "PORT", str(server.port))) as origin:
        with origin.connect() as connection:
            connection.send(head("/up/a", **fields))
            framed = (b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked
                      else body)
            connection.send(framed if whole else framed[:50_000])
            problem(connection.answer(), status, words)
        assert not list(origin.files.rglob("*.o"))


MIRROR = """
    listen 127.0.0.1:HTTP2 http2;
    mirror /mirror;
    location = /mirror {
        internal;
        proxy_pass http://127.0.0.1:PORT$request_uri;
    }"""


@pytest.fixture(scope="module")
def mirrored(store, tmp_path_factory):
    """An origin with a copy."""
    where = tmp_path_factory.mktemp("mirrored")
    with Nginx(where / "copy", max_body="0") as copy:
        http2 = free_port()
        with Nginx(where / "origin", store, server=MIRROR.replace(
                "PORT", str(copy.port)).replace("HTTP2", str(http2))) as origin:
            origin.http2, origin.copy = http2, copy
            yield origin


# In memory and in a file, of one part and of several, more than are stored at
# once.
SIZES = [0, 10, 10_000, 100_000, 6 * MIB, 24 * MIB + 1]


@pytest.mark.parametrize("how", ["length", "chunked", "HTTP/2"])
@pytest.mark.parametrize("size", SIZES)
def test_body_that_was_read_for_a_mirror_is_stored_twice(mirrored, key, size,
                                                         how):
    body = data(size, size)
    if how == "HTTP/2":
        with h2.Connection(mirrored.http2) as connection:
            stream = connection.request("PUT", key, [
                ("authorization", f"Bearer {EDITOR}")])
            connection.data(stream, body, end=True)
            assert connection.answer(stream) == 201
    else:
        sent = {"chunks": [body]} if how == "chunked" else {"body": body}
        assert mirrored.put(key, **sent).status == 201
    assert mirrored.get(key).body == body
    wait_until(lambda: mirrored.copy.get(key).status == 200)
    assert mirrored.copy.get(key).body == body


@pytest.mark.parametrize("size", [1, 100_000, 3 * MIB])
def test_body_that_was_sent_elsewhere_and_is_there_is_stored(tmp_path, size):
    body = data(size)
    server = Unavailable(body[-16:])
    with Nginx(tmp_path / "n", server=FALLBACK.replace(
            "proxy_request_buffering off;", "").replace(
            "PORT", str(server.port))) as origin:
        assert origin.put("/up/a", body).status == 201
        stored, = origin.files.rglob("*.o")
        assert stored.read_bytes().endswith(body)


def test_worker_that_exits_receives_what_it_has_begun_to(tmp_path):
    """Between two turns at reading nothing else keeps it alive."""
    with Nginx(tmp_path / "n", workers=1, listen="rcvbuf=1m") as origin, \
         origin.connect() as connection:
        body = os.urandom(MIB)
        request = head("/a", **{"Content-Length": len(body)})
        connection.send(request[:20])
        origin.counters()                       # it has read that
        worker, = origin.workers()
        os.kill(worker, signal.SIGSTOP)
        try:
            origin.send(signal.SIGHUP)
            wait_until(lambda: set(origin.workers()) - {worker})
            sending = threading.Thread(target=connection.send,
                                       args=(request[20:] + body,))
            sending.start()
            wait_until(lambda: arrived(connection) > MIB // 2)
        finally:
            os.kill(worker, signal.SIGCONT)
        sending.join()
        assert connection.answer().status == 201
        assert origin.get("/a").body == body


def arrived(connection):
    """Bytes that the peer's kernel has, and the peer has not read."""
    port = connection.socket.getsockname()[1]
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(int(row[4].rpartition(":")[2], 16) for row in rows
               if int(row[2].rpartition(":")[2], 16) == port)
