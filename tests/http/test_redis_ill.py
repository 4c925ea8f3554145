"""Whatever becomes of Redis, clients are answered from storage, soon, and it is
used again when it is well.
"""

import contextlib
import random
import re
import socket
import threading
import time

import pytest

from harness import Nginx, free_port, problem, request_head, wait_until
from redis_server import Redis
from test_redis import PATIENCE, asks, heat, origin, tier


class Impostor:
    """Listens where Redis should, and says what it is told to."""

    def __init__(self, path, say):
        self.path, self.say = path, say
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.connections = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.talk, args=(connection,),
                             daemon=True).start()

    def talk(self, connection):
        try:
            if self.say is None:
                connection.close()
                return
            while connection.recv(65536):
                connection.sendall(self.say)
        except OSError:
            pass

    def stop(self):
        # a thread that waits in accept() keeps a socket that was closed
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()
        self.path.unlink()


def works(origin, key):
    """All that clients want is answered, soon, as if there were no Redis."""
    start = time.monotonic()
    for i in range(3):
        body = b"%d" % i
        assert origin.put(key, body).status == (204 if i else 201)
        assert origin.get(key).body == body
        assert origin.get(key, range="bytes=0-0").body == body
        assert origin.head(key).status == 200
    asks(origin, key, b"2")
    assert origin.post("/-/purge", {"tags": ["a"]}).status == 202
    assert origin.delete(key).status == 204
    problem(origin.get(key), 404)
    assert time.monotonic() - start < 5 * PATIENCE


def test_redis_that_was_never_there_does_no_harm(tmp_path, store, key):
    with Nginx(tmp_path / "n", store,
               redis=f"unix:{tmp_path}/none") as origin:
        works(origin, key)


def test_nobody_listens_where_redis_should(tmp_path, key):
    with Nginx(tmp_path / "n", redis=f"127.0.0.1:{free_port()}") as origin:
        works(origin, key)
        assert re.search(r" is away: \(?(111: )?Connection refused",
                         origin.read_log())


def test_redis_that_comes_later_is_used(tmp_path, place, key):
    path = tmp_path / "redis"
    path.mkdir()
    with Nginx(tmp_path / "n", place,
               redis=f"unix:{path}/redis.sock") as origin:
        works(origin, key)
        with Redis(path):
            origin.put("/a", b"x")
            heat(origin, "/a")


@pytest.mark.parametrize("fall, rise", [("kill", "start"),
                                        ("pause", "resume")])
def test_redis_that_stops_or_hangs_does_no_harm_and_is_used_again(
        tmp_path, redis, store, key, fall, rise):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_redis_timeout 250ms;") as origin:
        origin.put(key + "-hot", b"hot")
        heat(origin, key + "-hot")
        getattr(redis, fall)()
        asks(origin, key + "-hot", b"hot")
        works(origin, key)
        getattr(redis, rise)()
        assert heat(origin, key + "-hot").body == b"hot"


def test_redis_that_hangs_is_waited_for_once_only(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis, workers=1,
               http="content_redis_timeout 2s;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        before = origin.counters()["redis"]["away"]
        redis.pause()
        for _ in range(10):
            assert origin.get("/a").body == b"x"
        assert origin.counters()["redis"]["away"] == before + 10
        redis.resume()
        assert origin.read_log().count("no answer in time") == 1


def test_nobody_waits_behind_a_reply_that_is_overdue(tmp_path, place, redis):
    """The one that is overdue is waited for still."""
    with contextlib.ExitStack() as stack, Nginx(
            tmp_path / "n", place, redis=redis, workers=1,
            http="content_redis_timeout 8s;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        before = origin.counters()["redis"]["away"]
        redis.pause()
        asked = []

        def is_declined():
            asked.append(stack.enter_context(origin.connect()))
            asked[-1].send(request_head("GET", "/a", {"Host": "localhost"}))
            return origin.counters()["redis"]["away"] > before

        wait_until(is_declined)
        last = asked[-1].answer()
        assert (last.body, tier(last) != "redis") == (b"x", True)
        redis.resume()
        assert tier(asked[0].answer()) == "redis"
        assert heat(origin, "/a").body == b"x"


@pytest.mark.parametrize("name, say", [
    ("closes", None), ("silent", b""), ("no RESP", b"HTTP/1.1 200 OK\r\n\r\n"),
    ("random bytes", random.Random(1).randbytes(4096)),
    ("errors", b"-ERR unknown command\r\n" * 4), ("pongs", b"+PONG\r\n"),
    ("nulls", b"$-1\r\n"), ("huge bulk", b"$999999999999\r\nabc"),
    ("half a bulk", b"$100\r\nabc"), ("negative array", b"*-5\r\n"),
    ("huge array", b"*2147483647\r\n"), ("nested", b"*1\r\n" * 200),
    ("numbers", b":1\r\n" * 8), ("loading", b"-LOADING Redis is loading\r\n"),
    ("hits unasked", b"*4\r\n$1\r\na\r\n$3\r\nhit\r\n$1\r\nx\r\n:5\r\n"),
    ("NUL bytes", b"\0" * 100)])
def test_redis_that_talks_nonsense_does_no_harm(tmp_path, key, name, say):
    path = tmp_path / "redis.sock"
    impostor = Impostor(path, say)
    with Nginx(tmp_path / "n", redis=f"unix:{path}",
               http="content_redis_timeout 100ms;") as origin:
        works(origin, key)
        impostor.stop()


def test_real_redis_after_a_false_one_is_used(tmp_path, key):
    path = tmp_path / "redis"
    path.mkdir()
    impostor = Impostor(path / "redis.sock", b"+PONG\r\n")
    with Nginx(tmp_path / "n", redis=f"unix:{path}/redis.sock",
               http="content_redis_timeout 100ms;") as origin:
        works(origin, key)
        impostor.stop()
        with Redis(path):
            origin.put("/a", b"x")
            heat(origin, "/a")


def test_wrong_password_does_no_harm(tmp_path, key):
    with Redis(tmp_path / "redis", password="right") as redis:
        (tmp_path / "password").write_text("wrong\n")
        for http in ("", "content_redis_password file "
                         f"{tmp_path}/password;"):
            with Nginx(tmp_path / f"n{len(http)}", redis=redis,
                       http=http) as origin:
                works(origin, key)
        assert redis.records() == []


def test_full_redis_does_no_harm(tmp_path, place, redis, key):
    redis.client.config_set("maxmemory", 1)
    redis.client.config_set("maxmemory-policy", "noeviction")
    with Nginx(tmp_path / "n", place, redis=redis) as origin:
        works(origin, key)
        redis.client.config_set("maxmemory", 0)
        origin.put("/a", b"x")
        heat(origin, "/a")


def test_replica_is_not_used(tmp_path, redis, key):
    with Redis(tmp_path / "replica") as replica:
        redis.client.config_set("bind", "127.0.0.1")
        replica.client.replicaof("127.0.0.1", 1)
        with Nginx(tmp_path / "n", redis=replica) as origin:
            works(origin, key)
            replica.client.replicaof("NO", "ONE")
            origin.put("/a", b"x")
            heat(origin, "/a")


@pytest.mark.parametrize("no, yes", [
    (("CONFIG", "SET", "min-replicas-to-write", 1),
     ("CONFIG", "SET", "min-replicas-to-write", 0)),
    (("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE"))],
    ids=["cut off", "demoted"])
def test_record_of_a_redis_that_may_not_write_is_not_believed(
        origin, redis, no, yes):
    origin.put("/a", b"x")
    heat(origin, "/a")
    redis.client.execute_command(*no)
    assert redis.records()
    asks(origin, "/a", b"x")
    redis.client.execute_command(*yes)
    heat(origin, "/a")


def test_flushed_redis_is_filled_again(origin, redis):
    origin.put("/a", b"x")
    heat(origin, "/a")
    redis.client.flushall()
    for i in range(4):
        body = b"%d" % i
        origin.put("/a", body)
        assert origin.get("/a").body == body
    heat(origin, "/a")


def test_scripts_that_redis_forgot_are_sent_again(origin, redis):
    origin.put("/a", b"x")
    heat(origin, "/a")
    redis.client.script_flush()
    assert origin.get("/a").body == b"x"
    origin.put("/a", b"y")
    assert origin.get("/a").body == b"y"
    heat(origin, "/a")


def test_connections_that_redis_drops_are_made_again(origin, redis):
    origin.put("/a", b"x")
    for _ in range(3):
        heat(origin, "/a")
        redis.client.client_kill_filter(_type="normal", skipme=True)
        assert origin.get("/a").body == b"x"
