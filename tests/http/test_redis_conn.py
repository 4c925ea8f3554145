"""The connection to Redis itself: many replies in one turn, of all lengths;
its end while many wait; and what is no answer, which ends it.
"""

import contextlib
import gzip
import os
import random
import re
import signal
import socket
import threading

import pytest

from harness import (EDITOR, PRELOAD, Connection, Nginx, request_head, tier,
                     wait_until)
from test_redis import heat
from test_redis_ill import Impostor


# small, about what one read may bring whole, and more than that
SIZES = [0, 1, 15, 800, *range(1820, 2080, 8), 8192, 30_000,
         *range(65_220, 65_380, 2), 65_536, 200_000]
HTTP = "content_redis_timeout 20s; content_hot size=1m;"


def bodies():
    return {f"/{size}": random.Random(size).randbytes(size) for size in SIZES}


@contextlib.contextmanager
def asked_at_once(origin, redis, paths, headers=None, receive=None):
    """Connections that have each asked for one, with Redis stopped."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(origin.port,
                                                      receive=receive))
                       for _ in paths]
        before = origin.counters()["redis"]["lookups"]
        redis.pause()
        stack.callback(redis.resume)
        for connection, path in zip(connections, paths):
            connection.send(request_head("GET", path, {"Host": "localhost",
                                                       **(headers or {})}))
        wait_until(lambda: origin.counters()["redis"]["lookups"]
                   == before + len(paths), what="all look-ups to be made")
        yield connections


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(") ")[2][0] == "T"


@contextlib.contextmanager
def asked_in_one_turn(origin, paths, before=lambda: None, receive=None):
    """The same, with the worker stopped: it finds all of them together, which
    are paths, or whole requests.  before() is called when all is ready."""
    pid, = origin.workers()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(origin.port,
                                                      receive=receive))
                       for _ in paths]
        for connection in connections:  # accepted, and Redis not asked
            connection.send(request_head("GET", "/-/status",
                                         {"Host": "localhost"}))
            assert connection.answer().status == 401
        os.kill(pid, signal.SIGSTOP)
        stack.callback(os.kill, pid, signal.SIGCONT)
        wait_until(lambda: is_stopped(pid))
        before()
        for connection, path in zip(connections, paths):
            connection.send(path if isinstance(path, bytes) else
                            request_head("GET", path, {"Host": "localhost"}))
        os.kill(pid, signal.SIGCONT)
        yield connections


@pytest.fixture
def hot(tmp_path, redis):
    """One worker, and Redis has all of bodies()."""
    with Nginx(tmp_path / "n", redis=redis, workers=1, http=HTTP) as origin:
        for path, body in bodies().items():
            origin.put(path, body)
            heat(origin, path)
        yield origin


def test_replies_of_one_turn_come_back_whole(hot, redis):
    for seed in range(3):
        paths = list(bodies())
        random.Random(seed).shuffle(paths)
        with asked_at_once(hot, redis, paths) as connections:
            redis.resume()
            for connection, path in zip(connections, paths):
                answer = connection.answer()
                assert tier(answer) == "redis", path
                assert answer.body == bodies()[path], path


def test_record_that_the_socket_does_not_take_at_once(tmp_path, redis):
    body = random.Random(1).randbytes(1_000_000)
    with Nginx(tmp_path / "n", redis=redis, workers=1,
               http=HTTP) as origin:
        origin.put("/a", body)
        assert heat(origin, "/a").body == body


class Trickle:
    """Between a node and Redis: what Redis says comes in small pieces, or a
    little changed."""

    def __init__(self, path, redis, most):
        self.redis, self.most = redis, most
        self.change = None              # (regular expression, its place)
        self.held, self.may_go = threading.Event(), threading.Event()
        self.may_go.set()               # else what is large does not
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                node, _ = self.listener.accept()
                redis = socket.socket(socket.AF_UNIX)
                redis.connect(str(self.redis.socket))
                for way in ((node, redis, 65536), (redis, node, self.most)):
                    threading.Thread(target=self.pass_on, args=way,
                                     daemon=True).start()

    def pass_on(self, source, to, most):
        with contextlib.suppress(OSError):
            while data := source.recv(random.randint(1, most)):
                if self.change:
                    data = re.sub(*self.change, data)
                if len(data) > 4096 and not self.may_go.is_set():
                    self.held.set()
                    self.may_go.wait(30)
                to.sendall(data)
        for one in (source, to):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("most, sizes", [
    (3, [0, 1, 10, 500]), (700, [0, 1, 500, 3000, 8192]),
    (60_000, [1, 30_000, 65_280, 65_536, 200_000])])
def test_replies_that_come_in_pieces_come_back_whole(tmp_path, redis, most,
                                                     sizes):
    path = tmp_path / "trickle.sock"
    trickle = Trickle(path, redis, most)
    with Nginx(tmp_path / "n", redis=f"unix:{path}", workers=1,
               http=HTTP) as origin:
        paths = [f"/{size}" for size in sizes]
        for size, name in zip(sizes, paths):
            origin.put(name, random.Random(size).randbytes(size))
            heat(origin, name)
        with asked_at_once(origin, redis, paths * 4) as connections:
            redis.resume()
            for connection, size in zip(connections, sizes * 4):
                answer = connection.answer()
                assert tier(answer) == "redis"
                assert answer.body == random.Random(size).randbytes(size)
    trickle.stop()


def test_commands_that_come_while_a_large_one_is_written(tmp_path, redis):
    path = tmp_path / "trickle.sock"
    trickle = Trickle(path, redis, 65536)
    large = random.Random(1).randbytes(1_000_000)
    with Nginx(tmp_path / "n", redis=f"unix:{path}", workers=1,
               http="content_redis_timeout 20s;"
                    "content_hot hits=1 size=1m;") as origin:
        paths = [f"/{i}" for i in range(30)]
        for one in paths:
            origin.put(one, one.encode())
            heat(origin, one)
        origin.put("/large", large)
        trickle.may_go.clear()
        assert origin.get("/large").body == large
        assert trickle.held.wait(30)
        before = origin.counters()["redis"]["lookups"]
        with asked_in_one_turn(origin, paths) as connections:
            wait_until(lambda: origin.counters()["redis"]["lookups"]
                       >= before + len(paths))
            trickle.may_go.set()
            for connection, one in zip(connections, paths):
                answer = connection.answer()
                assert (tier(answer), answer.body) == ("redis", one.encode())
        answer = origin.get("/large")
        assert (tier(answer), answer.body) == ("redis", large)
    trickle.stop()


def memory(pid):
    """KiB that it takes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def test_large_records_are_given_back(tmp_path, redis):
    body = random.Random(1).randbytes(1_000_000)
    with Nginx(tmp_path / "n", redis=redis, workers=1, http=HTTP) as origin:
        origin.put("/a", body)
        heat(origin, "/a")
        worker, = origin.workers()
        before = memory(worker)
        for _ in range(100):
            answer = origin.get("/a")
            assert (tier(answer), answer.body) == ("redis", body)
        # the sanitizer holds what is freed
        assert PRELOAD or memory(worker) < before + 30_000


@pytest.mark.parametrize("name, change, reason", [
    ("fewer", b"*1\r\n", "it has not answered as many as it was asked for"),
    ("string", b"", "it has not answered as many as it was asked for"),
    ("error", b"-ERR no\r\n", "it has sent bytes that no command had asked for")],
    ids=lambda value: value if isinstance(value, str) and value.isalpha()
    else "")
def test_answer_to_many_look_ups_that_is_none(tmp_path, redis, name, change,
                                              reason):
    path = tmp_path / "trickle.sock"
    trickle = Trickle(path, redis, 65536)
    with Nginx(tmp_path / "n", redis=f"unix:{path}", workers=1,
               http=HTTP) as origin:
        paths = [f"/{i}" for i in range(30)]
        for one in paths:
            origin.put(one, one.encode())
            heat(origin, one)
        trickle.change = (rb"\*30\r\n", change)
        with asked_in_one_turn(origin, paths) as connections:
            for connection, one in zip(connections, paths):
                assert connection.answer().body == one.encode(), name
        assert re.search(f" is away: ({reason})", origin.read_log())
    trickle.stop()


def test_answer_to_another_guard_ends_the_connection(tmp_path, redis):
    """Replies that are out of step with their commands are not believed."""
    path = tmp_path / "trickle.sock"
    trickle = Trickle(path, redis, 65536)
    with Nginx(tmp_path / "n", redis=f"unix:{path}", workers=1,
               http=HTTP) as origin:
        origin.put("/a", b"a")
        heat(origin, "/a")
        trickle.change = (rb"g[0-9a-f]{15}\r\n", b"g" + b"f" * 15 + b"\r\n")
        answer = origin.get("/a")
        assert (tier(answer), answer.body) == ("file", b"a")
        assert " is away: it does not speak as expected" in origin.read_log()
        trickle.change = None
        heat(origin, "/a")
    trickle.stop()


def test_look_ups_are_refused_together(hot, redis):
    """By an error, in the place of an array."""
    paths = [path for path in bodies() if len(path) < 6] * 2
    redis.client.acl_setuser("default", enabled=True, commands=["-mget"])
    with asked_in_one_turn(hot, paths) as connections:
        for connection, path in zip(connections, paths):
            answer = connection.answer()
            assert (tier(answer), answer.body) == ("file", bodies()[path])
    assert "NOPERM" in hot.read_log()
    redis.client.acl_setuser("default", enabled=True, commands=["+mget"])
    redis.client.acl_log_reset()
    heat(hot, paths[0])


@pytest.mark.parametrize("n, commands", [(1, 1), (2, 1), (64, 1), (65, 2),
                                         (100, 2)])
def test_look_ups_of_one_turn_go_together(hot, redis, n, commands):
    def calls():
        stats = redis.client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]
                   for name in ("get", "mget"))

    paths = list(bodies())[:n]
    with asked_in_one_turn(hot, paths,
                           redis.client.config_resetstat) as connections:
        for connection, path in zip(connections, paths):
            answer = connection.answer()
            assert (tier(answer), answer.body) == ("redis", bodies()[path])
        assert calls() == commands


# Look-ups of one object that go together are one

def keys_asked(redis):
    """But for the guard's."""
    stats = redis.client.info("everything")
    return (stats["keyspace_hits"] + stats["keyspace_misses"]
            - stats["cmdstat_getex"]["calls"])


@pytest.mark.parametrize("paths, keys", [
    (["/800"] * 100, 1), (["/800", "/15", "/0"] * 20, 3),
    (["/200000", "/800"] * 20, 2), ([*bodies()][:63] * 3, 63)],
    ids=["small", "three", "large", "many"])
def test_look_ups_of_one_object_are_one(hot, redis, paths, keys):
    with asked_in_one_turn(hot, paths,
                           redis.client.config_resetstat) as connections:
        for connection, path in zip(connections, paths):
            answer = connection.answer()
            assert (tier(answer), answer.body) == ("redis", bodies()[path])
        assert keys_asked(redis) == keys


def test_other_commands_of_the_turn_come_between(hot):
    """Look-ups before it and behind it are not one command any more."""
    body = b'{"tags": ["none"]}'
    purge = request_head("POST", "/-/purge", {
        "Host": "localhost", "Authorization": f"Bearer {EDITOR}",
        "Content-Type": "application/json",
        "Content-Length": len(body)}) + body
    paths = list(bodies())[:20]
    for n in (1, 2, 10):
        with asked_in_one_turn(hot, [*paths[:n], purge,
                                     *paths[n:]]) as connections:
            assert connections.pop(n).answer().status == 202
            for connection, path in zip(connections, paths):
                answer = connection.answer()
                assert (tier(answer), answer.body) == ("redis", bodies()[path])


def test_look_up_has_no_answer_to_what_was_sent_before_it(hot, redis):
    redis.client.config_resetstat()
    with asked_at_once(hot, redis, ["/800"]) as (first,):
        with asked_at_once(hot, redis, ["/800"]) as (second,):
            redis.resume()
            for connection in (first, second):
                assert connection.answer().body == bodies()["/800"]
    assert keys_asked(redis) == 2


def test_each_look_up_of_what_is_not_there_asks_for_the_token(hot, redis):
    redis.client.delete(*redis.records())
    before = hot.counters()["redis"]
    with asked_in_one_turn(hot, ["/800"] * 20) as connections:
        for connection in connections:
            assert connection.answer().body == bodies()["/800"]
    after = hot.counters()["redis"]
    assert [after[name] - before[name] for name in ("tokens", "busy")
            ] == [1, 19]


def test_clients_that_leave_take_no_answer_along(hot, redis):
    redis.pause()
    asked = hot.counters()["redis"]["lookups"] + 10
    with asked_in_one_turn(hot, ["/800"] * 10) as connections:
        wait_until(lambda: hot.counters()["redis"]["lookups"] == asked)
        for connection in connections[::3]:
            connection.close()
        redis.resume()
        for i, connection in enumerate(connections):
            if i % 3:
                assert connection.answer().body == bodies()["/800"]


def test_body_lasts_until_the_last_slow_client_has_taken_it(tmp_path, redis):
    body = random.Random(1).randbytes(300_000)
    with Nginx(tmp_path / "n", redis=redis, workers=1, listen="sndbuf=4k",
               http=HTTP) as origin:
        origin.put("/a", body)
        heat(origin, "/a")
        hits = origin.counters()["redis"]["hits"] + 6
        with asked_in_one_turn(origin, ["/a"] * 6,
                               receive=4096) as connections:
            wait_until(lambda: origin.counters()["redis"]["hits"] == hits)
            for connection in connections[::2]:
                connection.close()
            others_come(origin)
            for connection in connections[1::2]:
                answer = connection.answer()
                assert (tier(answer), answer.body) == ("redis", body)


# A body is sent from where its reply lies: what is not sent while it does

def others_come(origin):
    """What was read from Redis before is written over."""
    for path in ("/other-1", "/other-2"):
        origin.put(path, b"\xff" * 60_000)
        heat(origin, path)
        for _ in range(3):
            assert origin.get(path).body == b"\xff" * 60_000


def test_body_lasts_until_a_slow_client_has_taken_it(tmp_path, redis):
    bodies = {f"/{i}": random.Random(i).randbytes(25_000) for i in range(6)}
    with Nginx(tmp_path / "n", redis=redis, workers=1, listen="sndbuf=4k",
               http=HTTP) as origin:
        for path, body in bodies.items():
            origin.put(path, body)
            heat(origin, path)
        before = origin.counters()["redis"]["hits"]
        with asked_at_once(origin, redis, bodies,
                           receive=4096) as connections:
            redis.resume()
            wait_until(lambda: origin.counters()["redis"]["hits"]
                       == before + len(bodies), what="all replies")
            others_come(origin)
            for connection, (path, body) in zip(connections, bodies.items()):
                answer = connection.answer()
                assert (tier(answer), answer.body) == ("redis", body), path


TEXT = b"".join(b"line %06d\n" % i for i in range(2000))


@pytest.mark.parametrize("name, server, headers, has", [
    ("gzip", "gzip on; gzip_types *;", {"Accept-Encoding": "gzip"},
     lambda answer: gzip.decompress(answer.body) == TEXT),
    ("one-range", "", {"Range": "bytes=100-19999"},
     lambda answer: answer.body == TEXT[100:20000]),
    ("several-ranges", "", {"Range": "bytes=0-9999,12000-23999"},
     lambda answer: TEXT[:10000] in answer.body
     and TEXT[12000:] in answer.body),
    ("sub-filter", "sub_filter nothing-of-it x; sub_filter_types *;", {},
     lambda answer: answer.body == TEXT)],
    ids=lambda value: value if isinstance(value, str) else "")
def test_body_lasts_until_filters_have_taken_it(tmp_path, redis, name, server,
                                                headers, has):
    with Nginx(tmp_path / "n", redis=redis, workers=1, listen="sndbuf=4k",
               http=HTTP, server=server) as origin:
        origin.put("/a", TEXT, content_type="text/x-a")
        heat(origin, "/a")
        with asked_at_once(origin, redis, ["/a"] * 4, headers,
                           receive=4096) as connections:
            redis.resume()
            others_come(origin)
            for connection in connections:
                answer = connection.answer()
                assert has(answer), name


def test_body_lasts_until_a_subrequest_is_sent(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, workers=1, listen="sndbuf=4k",
               http=HTTP, server="ssi on; ssi_types *;") as origin:
        origin.put("/page", b'<!--# include virtual="/slow" -->|'
                   b'<!--# include virtual="/a" -->', content_type="text/x-a")
        origin.put("/slow", TEXT)
        origin.put("/a", TEXT[::-1])
        for path in ("/slow", "/a"):
            heat(origin, path)
        with asked_at_once(origin, redis, ["/page"],
                           receive=4096) as (connection,):
            redis.resume()
            others_come(origin)
            assert connection.answer().body == TEXT + b"|" + TEXT[::-1]


def test_look_ups_that_wait_end_with_the_connection(hot, redis):
    with asked_at_once(hot, redis, bodies()) as connections:
        redis.kill()
        for connection, (path, body) in zip(connections, bodies().items()):
            answer = connection.answer()
            assert (tier(answer), answer.body) == ("file", body), path
        redis.start()


def test_worker_exits_while_look_ups_wait(hot, redis):
    with asked_at_once(hot, redis, bodies()):
        assert hot.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("name, say, reason", [
    ("closed", None, "it has closed the connection|Broken pipe"
     "|Connection reset by peer"),
    ("a second answer", b"+OK\r\n+OK\r\n",
     "it has sent bytes that no command had asked for"),
    ("half of one", b"+OK\r\n$100\r\nab",
     "it has sent bytes that no command had asked for"),
    ("array", b"*4097\r\n", "it has sent arrays of too many elements"),
    ("array in it", b"*1\r\n*2147483647\r\n",
     "it has sent arrays of too many elements"),
    ("arrays in it", b"*5\r\n" + (b"*1000\r\n" + 1000 * b":1\r\n") * 5,
     "it has sent arrays of too many elements"),
    ("long", b"$100000000\r\n" + b"x" * (17 << 20),
     "it has sent too long a reply"),
    ("no RESP", b"HTTP/1.1 200 OK\r\n", "Protocol error"),
    ("string without an end", b"$2\r\nabcd", "it has sent a string without"
     " an end"),
    ("no answer to this", b"+OK\r\n", "the handshake failed")],
    ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_no_answer_ends_the_connection(tmp_path, name, say, reason):
    path = tmp_path / "redis.sock"
    impostor = Impostor(path, say)
    with Nginx(tmp_path / "n", redis=f"unix:{path}", workers=1) as origin:
        wait_until(lambda: re.search(f" is away: ({reason})",
                                     origin.read_log()),
                   what=f"the log to say: {reason}")
        origin.put("/a", b"x")
        assert origin.get("/a").body == b"x"
        impostor.stop()
