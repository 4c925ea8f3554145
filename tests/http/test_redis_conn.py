"""The connection to Redis itself: many replies in one turn, of all lengths;
its end while many wait; and what is no answer, which ends it.
"""

import contextlib
import random
import re
import signal

import pytest

from harness import Connection, Nginx, request_head, wait_until
from test_redis import heat, tier
from test_redis_ill import Impostor

# about the bites that the parser gets, a read, and more than that
SIZES = [0, 1, *range(1820, 2080, 4), *range(3860, 4120, 8), 8192, 65_400,
         65_536, 200_000]
HTTP = "content_redis_timeout 20s; content_hot size=1m;"


def bodies():
    return {f"/{size}": random.Random(size).randbytes(size) for size in SIZES}


@contextlib.contextmanager
def asked_at_once(origin, redis, paths):
    """Connections that have each asked for one, with Redis stopped."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(origin.port))
                       for _ in paths]
        before = origin.counters()["redis"]["lookups"]
        redis.pause()
        stack.callback(redis.resume)
        for connection, path in zip(connections, paths):
            connection.send(request_head("GET", path, {"Host": "localhost"}))
        wait_until(lambda: origin.counters()["redis"]["lookups"]
                   == before + len(paths), what="all look-ups to be made")
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
    ("array", b"*1025\r\n", "it has sent an array of too many elements"),
    ("array in it", b"*1\r\n*2147483647\r\n",
     "it has sent an array of too many elements"),
    ("long", b"$100000000\r\n" + b"x" * (17 << 20),
     "it has sent too long a reply"),
    ("no RESP", b"HTTP/1.1 200 OK\r\n", "Protocol error"),
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
