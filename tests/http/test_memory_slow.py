"""Slow clients of the memory cache get what they began with, whatever becomes
of the object meanwhile; parts of pages that have to wait.
"""

import concurrent.futures
import contextlib
import socket
import subprocess
import threading

import pytest

from harness import Nginx, data, free_port, wait_until
from test_memory_answers import (HIT, MEMORY, MIB, Slow, churn, keep, memory,
                                 put, slow_origin)


def test_slow_client_gets_the_old_bytes(tmp_path):
    old = data(MIB)
    origin, port = slow_origin(tmp_path)
    with origin:
        put(origin, "/a", old, content_type="text/old")
        keep(origin, "/a")
        clients = [Slow(port, "/a"), Slow(port, "/a", Range="bytes=1000-"),
                   Slow(port, "/a", Range="bytes=0-300000,500000-1048575"),
                   Slow(port, "/a")]
        wait_until(lambda: memory(origin)["held"] == 3)

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

        wait_until(lambda: memory(origin)["held"] == 0)
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
        wait_until(lambda: memory(origin)["hits"] >= 151)
        put(origin, "/a", data(size, 1))
        keep(origin, "/a")
        churn(origin, 20 * MIB)
        for i, client in enumerate(clients):
            _, body = client.read()
            assert body == (old[i * 7:] if i % 3 == 2 else old), i
        wait_until(lambda: memory(origin)["held"] == 0)


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
