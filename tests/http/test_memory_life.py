"""The memory cache through the life of nginx: reloads, workers that die, a
memory that is too small, and mistakes in its directive.
"""

import concurrent.futures
import random
import signal
import threading

import pytest

from harness import EDITOR, Nginx, data, request_head, wait_until
from s3_fault_proxy import FaultProxy
from test_memory_answers import (KIB, MEMORY, MIB, Slow, churn, from_memory,
                                 keep, memory, put, slow_origin)
from test_memory_kept import keep_soon


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


BEFORE = pytest.mark.parametrize("before", ["", "content_memory 8m max=256k;"],
                                 ids=["none", "smaller"])


def change_memory(origin, http=MEMORY):
    """A reload, after which the old worker has something to do still."""
    old, = origin.workers()
    origin.write(http=http)
    origin.send(signal.SIGHUP)
    wait_until(lambda: f"{old}#{old}: gracefully shutting" in origin.read_log(),
               what="the old worker to take no more")


@BEFORE
def test_write_that_an_old_worker_ends_is_not_undone(tmp_path, before):
    with Nginx(tmp_path / "n", http=before, workers=1) as origin, \
         origin.connect() as slow:
        put(origin, "/a", b"old")
        slow.send(request_head("PUT", "/a", {
            "Host": "x", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 3}) + b"n")
        wait_until(lambda: origin.counters()["node"]["puts"] == 2)
        change_memory(origin)
        assert keep_soon(origin, "/a").body == b"old"
        slow.send(b"ew")
        assert slow.answer("PUT").status == 204
        assert origin.get("/a").body == b"new"
        keep_soon(origin, "/a")
        put(origin, "/b", b"x")
        assert from_memory(origin.get("/a"))


@pytest.mark.parametrize("after", ["", MEMORY], ids=["none", "larger"])
def test_old_worker_does_not_answer_from_a_memory_that_was_replaced(tmp_path,
                                                                    after):
    """It has a request still, which waits to be let in."""
    asked, go_on = threading.Event(), threading.Event()

    def let_in(exchange):
        asked.set()
        go_on.wait(30)
        exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    small = "content_memory 8m max=256k;"
    with FaultProxy("127.0.0.1:1") as door, \
         concurrent.futures.ThreadPoolExecutor(1) as pool, \
         Nginx(tmp_path / "n", http=small, workers=1) as origin:
        put(origin, "/a", b"old")
        keep(origin, "/a")
        server, location = (origin.settings[s] for s in ("server", "location"))
        door.fault(let_in)
        origin.write(server=f"""{server}
            location = /a {{ {location} auth_request /door; }}
            location = /door {{ proxy_pass {door.endpoint}; }}""")
        origin.reload()
        waiting = pool.submit(origin.get, "/a")
        assert asked.wait(30)
        origin.write(server=server)
        change_memory(origin, after)
        put(origin, "/a", b"new")
        go_on.set()
        assert waiting.result().body == b"new"


def test_memory_is_used_after_its_zone_and_the_other_were_replaced(tmp_path):
    with Nginx(tmp_path / "n", http="content_memory 8m max=256k;") as origin:
        for http in ("content_memory 16m;", "content_memory 16m; content_zone 8m;",
                     "content_memory 32m; content_zone 8m;"):
            origin.write(http=http)
            origin.reload()
            put(origin, "/a", http.encode())
            assert keep_soon(origin, "/a").body == http.encode()


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
