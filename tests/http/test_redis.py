"""Hot objects come from Redis; never anything older than what was last
answered to an editor; and whatever becomes of Redis, storage answers.
"""

import concurrent.futures
import os
import random
import shutil
import socket
import threading
import time

import pytest

from harness import Nginx, Redis, problem, wait_until
from proxy import Proxy

PATIENCE = 2            # seconds that no request may take while Redis is ill


@pytest.fixture
def origin(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis) as nginx:
        yield nginx


def tier(answer):
    """ "redis", "file" or "s3"."""
    return answer.headers["Cache-Status"].rpartition("detail=")[2]


def heat(origin, path, token=None):
    """Asks until Redis answers; the answer."""
    def ask():
        answer = origin.get(path, token=token)
        assert answer.status == 200, answer
        return tier(answer) == "redis" and answer
    return wait_until(ask, what=f"{path} to come from Redis")


def asks(origin, path, body, times=6):
    """All of them are answered from storage, soon."""
    for _ in range(times):
        start = time.monotonic()
        answer = origin.get(path)
        assert (answer.status, answer.body) == (200, body)
        assert time.monotonic() - start < PATIENCE
        assert tier(answer) != "redis"


# Hot objects

def test_hot_object_comes_from_redis(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"hello")
        first = origin.get(key)
        hot = heat(origin, key)
        assert hot.body == b"hello"
        assert hot.headers["Cache-Status"] == "ngx_content; hit; detail=redis"
        assert tier(first) != "redis"
        assert origin.counters()["node"]["hits_redis"] >= 1
        assert len(redis.records()) == 1


def test_hit_has_the_headers_that_storage_gives(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"hello", content_type="text/x-a; b=c",
                   cache_tag="a,b", cache_control="max-age=3",
                   content_language="de", content_encoding="br",
                   content_disposition="inline", x_content_meta_a="1")
        first, hot = origin.get(key), heat(origin, key)
        differ = ("Date", "Cache-Status")
        assert ({k: v for k, v in first.headers.items() if k not in differ}
                == {k: v for k, v in hot.headers.items() if k not in differ})


def test_record_needs_as_many_requests_as_configured(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, workers=1,
               http="content_hot hits=5;") as origin:
        origin.put("/warm", b"x")
        heat(origin, "/warm")
        redis.client.delete(*redis.records())
        origin.put("/a", b"x")
        for _ in range(4):
            assert tier(origin.get("/a")) == "file"
        assert redis.records() == []
        origin.get("/a")
        wait_until(redis.records)
        assert tier(origin.get("/a")) == "redis"


def test_object_asked_for_once_is_not_stored(origin, redis):
    for i in range(20):
        origin.put(f"/{i}", b"x")
        origin.get(f"/{i}")
    assert redis.records() == []


@pytest.mark.parametrize("size, kept", [(0, True), (1, True), (4096, True),
                                        (4097, False), (100_000, False)])
def test_only_what_is_small_enough_is_stored(tmp_path, redis, store, key,
                                             size, kept):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot size=4k;") as origin:
        body = random.Random(size).randbytes(size)
        origin.put(key, body)
        if kept:
            assert heat(origin, key).body == body
        else:
            asks(origin, key, body)
            assert redis.bodies() == []


def test_largest_records_come_back_whole(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot size=2m;") as origin:
        body = random.Random(1).randbytes(2 << 20)
        origin.put(key, body)
        for _ in range(3):
            assert heat(origin, key).body == body


def test_record_lives_as_long_as_configured(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis,
               http="content_hot ttl=90s; content_fresh 9s error=0;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        record, = redis.records()
        assert 80_000 < redis.client.pttl(record) <= 90_000


def test_every_key_in_redis_but_the_epoch_expires(origin, redis):
    for i in range(3):
        origin.put(f"/{i}", b"x")
        heat(origin, f"/{i}")
    for name in redis.client.keys("*"):
        if name != b"nc:epoch":
            assert redis.client.ttl(name) > 0, name


def test_expired_record_is_filled_again(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis,
               http="content_hot ttl=200ms;"
                    "content_fresh 200ms error=0;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        wait_until(lambda: not redis.records())
        assert origin.get("/a").body == b"x"
        heat(origin, "/a")


def test_prefix_and_database_are_used(tmp_path, redis):
    with Nginx(tmp_path / "n",
               redis=f"{redis.address} db=3 prefix=site:") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        assert redis.client.keys("*") == []
        redis.client.execute_command("SELECT", 3)
        assert {k[:5] for k in redis.client.keys("*")} == {b"site:"}


def test_redis_over_tcp_with_a_password_is_used(tmp_path):
    with Redis(tmp_path / "redis", password="secret-1") as redis:
        redis.client.config_set("port", 0)
        (tmp_path / "password").write_text("secret-1\n")
        with Nginx(tmp_path / "n", redis=redis, http="content_redis_password "
                   f"file {tmp_path}/password;") as origin:
            origin.put("/a", b"x")
            heat(origin, "/a")


def test_hot_off_uses_no_redis(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis,
               location="content_hot off;") as origin:
        origin.put("/a", b"x")
        asks(origin, "/a", b"x")
        assert redis.records() == []


def test_missing_objects_are_not_stored(origin, redis):
    for _ in range(6):
        problem(origin.get("/absent"), 404)
    assert redis.records() == []


def test_rights_are_checked_before_redis_answers(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis, anonymous="off") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a", token="editor-token-Zk3v9Qw1")
        problem(origin.get("/a"), 401)


def test_many_readers_of_a_hot_object_are_answered(tmp_path, redis, store,
                                                   key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        body = os.urandom(60_000)
        origin.put(key, body)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: origin.get(key), range(200)))
        assert all(a.status == 200 and a.body == body for a in answers)
        assert any(tier(a) == "redis" for a in answers)


# Conditions and ranges on what comes from memory

@pytest.mark.parametrize("headers, status", [
    ({"If-None-Match": "{etag}"}, 304), ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": '"x"'}, 200), ({"If-Match": '"x"'}, 412),
    ({"If-Match": "{etag}"}, 200),
    ({"If-Match": "{etag}",
      "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412),
    ({"If-Modified-Since": "{date}"}, 304)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hit_honours_conditions(origin, method, headers, status):
    origin.put("/a", b"hello")
    hot = heat(origin, "/a")
    headers = {k: v.format(etag=hot.headers["ETag"],
                           date=hot.headers["Last-Modified"])
               for k, v in headers.items()}
    answer = origin.request(method, "/a", **headers)
    assert answer.status == status
    if status != 412:
        assert tier(answer) == "redis"


@pytest.mark.parametrize("value, status, body", [
    ("bytes=0-0", 206, b"0"), ("bytes=-2", 206, b"89"),
    ("bytes=5-", 206, b"56789"), ("bytes=10-", 416, None),
    ("bytes=0-1,4-5", 206, None), ("x=0-1", 200, b"0123456789")])
def test_hit_honours_ranges(origin, value, status, body):
    origin.put("/a", b"0123456789")
    heat(origin, "/a")
    answer = origin.get("/a", range=value)
    assert answer.status == status
    if status == 416:
        problem(answer, 416)
        assert answer.headers["Content-Range"] == "bytes */10"
    if body is not None:
        assert answer.body == body


def test_range_does_not_fill_redis_with_a_part(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"0123456789")
        for _ in range(6):
            assert origin.get(key, range="bytes=2-4").body == b"234"
        for _ in range(3):
            assert origin.get(key).body == b"0123456789"


def test_head_alone_fills_nothing_wrong(origin):
    origin.put("/a", b"hello")
    for _ in range(5):
        assert origin.head("/a").headers["Content-Length"] == "5"
    assert origin.get("/a").body == b"hello"


# Writes drop it

def test_put_drops_the_record(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"0")
        for i in range(1, 6):
            heat(origin, key)
            assert origin.put(key, b"%d" % i).status == 204
            assert redis.records() == []
            assert origin.get(key).body == b"%d" % i


def test_delete_drops_the_record(tmp_path, redis, store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key, b"x")
        heat(origin, key)
        assert origin.delete(key).status == 204
        assert redis.records() == []
        problem(origin.get(key), 404)


def test_refused_write_drops_nothing_wrong(origin):
    origin.put("/a", b"x")
    heat(origin, "/a")
    assert origin.put("/a", b"y", if_match='"no"').status == 412
    assert origin.get("/a").body == b"x"


def test_write_in_one_nginx_is_seen_in_another(tmp_path, redis, bucket, key):
    with Nginx(tmp_path / "a", bucket, redis=redis) as one, \
         Nginx(tmp_path / "b", bucket, redis=redis) as two:
        one.put(key, b"0")
        for i in range(1, 6):
            heat(two, key)
            heat(one, key)
            writer, reader = (one, two) if i % 2 else (two, one)
            writer.put(key, b"%d" % i)
            assert reader.get(key).body == b"%d" % i


def test_reader_never_sees_older_than_what_was_answered(tmp_path, redis,
                                                        store, key):
    """A writer counts up; readers, who fill Redis all the time, never get
    less than what had been answered to the writer before they asked."""
    with Nginx(tmp_path / "n", store, redis=redis,
               http="content_hot hits=1;") as origin:
        origin.put(key, b"0")
        acknowledged, stop = [0], threading.Event()

        def read():
            seen = 0
            while not stop.is_set():
                least = acknowledged[0]
                answer = origin.get(key)
                assert answer.status == 200
                assert int(answer.body) >= least, (answer, least)
                seen += tier(answer) == "redis"
            return seen

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            try:
                for i in range(1, 120):
                    assert origin.put(key, b"%d" % i).status == 204
                    acknowledged[0] = i
            finally:
                stop.set()
            assert sum(reader.result() for reader in readers) > 0


def test_purge_of_a_url_drops_its_record_only(origin, redis):
    for path in ("/a%20b", "/c"):
        origin.put(path, b"x")
        heat(origin, path)
    origin.post("/-/purge", {"urls": ["https://www.example.com/a%20b?v=1"]})
    assert len(redis.records()) == 1
    assert tier(origin.get("/c")) == "redis"
    assert tier(origin.get("/a%20b")) == "file"


@pytest.mark.parametrize("body", [
    {"hosts": ["www.example.com"]}, {"everything": True},
    {"prefixes": ["www.example.com/%78"]}])
def test_purges_that_name_no_objects_drop_all_records(origin, body):
    for path in ("/a", "/b"):
        origin.put(path, b"x")
        heat(origin, path)
    origin.post("/-/purge", body)
    for path in ("/a", "/b"):
        assert tier(origin.get(path)) == "file"


# Redis is ill

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


def test_redis_that_comes_later_is_used(tmp_path, place, key):
    path = tmp_path / "redis"
    path.mkdir()
    with Nginx(tmp_path / "n", place,
               redis=f"unix:{path}/redis.sock") as origin:
        works(origin, key)
        with Redis(path):
            origin.put("/a", b"x")
            heat(origin, "/a")


def test_redis_that_stops_does_no_harm_and_is_used_again(tmp_path, redis,
                                                         store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key + "-hot", b"hot")
        heat(origin, key + "-hot")
        redis.kill()
        asks(origin, key + "-hot", b"hot")
        works(origin, key)
        redis.start()
        assert heat(origin, key + "-hot").body == b"hot"


def test_redis_that_hangs_does_no_harm_and_is_used_again(tmp_path, redis,
                                                         store, key):
    with Nginx(tmp_path / "n", store, redis=redis) as origin:
        origin.put(key + "-hot", b"hot")
        heat(origin, key + "-hot")
        redis.pause()
        asks(origin, key + "-hot", b"hot")
        works(origin, key)
        redis.resume()
        assert heat(origin, key + "-hot").body == b"hot"


def test_redis_that_hangs_is_waited_for_once_only(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, redis=redis, workers=1,
               http="content_redis_timeout 400ms;") as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        redis.pause()
        times = []
        for _ in range(10):
            start = time.monotonic()
            assert origin.get("/a").body == b"x"
            times.append(time.monotonic() - start)
        redis.resume()
        assert times[0] < 1.5
        assert sum(t > 0.3 for t in times) <= 2, times


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


# Old records

def watch(origin, path, body):
    """Nothing but `body` (None: 404) while Redis comes back into use, and for
    a while after.  Another object shows when it has."""
    origin.put("/canary", b"tweet")
    hits = 0
    deadline = time.monotonic() + 20
    while hits < 30:
        assert time.monotonic() < deadline, "Redis is not used again"
        hits += tier(origin.get("/canary")) == "redis"
        answer = origin.get(path)
        if body is None:
            problem(answer, 404)
        else:
            assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("write", ["put", "delete"])
@pytest.mark.parametrize("workers", [1, 2])
def test_write_while_redis_hangs_is_not_undone(tmp_path, place, redis, write,
                                               workers):
    with Nginx(tmp_path / "n", place, redis=redis, workers=workers) as origin:
        origin.put("/a", b"old")
        heat(origin, "/a")
        redis.pause()
        if write == "put":
            assert origin.put("/a", b"new").status == 204
        else:
            assert origin.delete("/a").status == 204
        redis.resume()
        watch(origin, "/a", b"new" if write == "put" else None)


@pytest.mark.parametrize("write", ["put", "delete"])
def test_write_while_redis_is_away_is_not_undone(tmp_path, place, write):
    with Redis(tmp_path / "redis", keep=True) as redis, \
         Nginx(tmp_path / "n", place, redis=redis) as origin:
        origin.put("/a", b"old")
        heat(origin, "/a")
        redis.kill()
        if write == "put":
            assert origin.put("/a", b"new").status == 204
        else:
            assert origin.delete("/a").status == 204
        redis.start()
        assert redis.records(), "the old record is still there"
        watch(origin, "/a", b"new" if write == "put" else None)


def test_backup_that_is_restored_is_not_believed(tmp_path, place):
    with Redis(tmp_path / "redis", keep=True) as redis, \
         Nginx(tmp_path / "n", place, redis=redis) as origin:
        origin.put("/a", b"old")
        heat(origin, "/a")
        shutil.copytree(redis.dir, tmp_path / "backup",
                        ignore=shutil.ignore_patterns("*.sock"))
        origin.put("/a", b"new")
        heat(origin, "/a")
        redis.kill()
        for part in (tmp_path / "backup").iterdir():
            target = redis.dir / part.name
            if part.is_dir():
                shutil.rmtree(target)
                shutil.copytree(part, target)
            else:
                shutil.copy(part, target)
        redis.start()
        assert redis.records()
        watch(origin, "/a", b"new")


def test_write_while_redis_drops_connections_is_not_undone(origin, redis):
    origin.put("/a", b"0")
    for i in range(1, 5):
        heat(origin, "/a")
        body = b"%d" % i
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            put = pool.submit(origin.put, "/a", body)
            while not put.done():
                redis.client.client_kill_filter(_type="normal", skipme=True)
            assert put.result().status == 204
        for _ in range(5):
            assert origin.get("/a").body == body


def test_purge_while_redis_is_away_is_not_undone(tmp_path, place):
    with Redis(tmp_path / "redis", keep=True) as redis, \
         Nginx(tmp_path / "n", place, redis=redis) as origin:
        origin.put("/a", b"x")
        heat(origin, "/a")
        epoch = redis.client.get("nc:epoch")
        redis.pause()
        assert origin.post("/-/purge", {"everything": True}).status == 202
        redis.resume()
        heat(origin, "/a")
        assert redis.client.get("nc:epoch") != epoch


def test_worker_killed_while_redis_hangs_leaves_no_old_record(tmp_path, place,
                                                              redis):
    with Nginx(tmp_path / "n", place, redis=redis) as origin:
        origin.put("/a", b"old")
        heat(origin, "/a")
        redis.pause()
        assert origin.put("/a", b"new").status == 204
        for pid in origin.workers():
            origin.kill_worker(pid)
        redis.resume()
        watch(origin, "/a", b"new")


class Way:
    """The address that nginx knows: leads to one Redis, another, or none."""

    def __init__(self, path):
        self.path = path
        self.address = f"unix:{path}"
        self.to = None

    def lead(self, to):
        self.path.unlink(missing_ok=True)
        if to:
            self.path.symlink_to(to.socket)
        if self.to:
            self.to.client.client_kill_filter(_type="normal", skipme=True)
        self.to = to


PATHS = ["/a", "/b", "/c"]


def write_all(origin, write, body):
    for path in PATHS:
        answer = (origin.put(path, body) if write == "put"
                  else origin.delete(path))
        assert answer.status == 204


def watch_all(origin, write, body):
    for path in PATHS:
        watch(origin, path, body if write == "put" else None)


@pytest.mark.parametrize("write", ["put", "delete"])
@pytest.mark.parametrize("workers", [1, 2])
def test_writes_that_could_not_reach_redis_are_not_undone(
        tmp_path, place, redis, write, workers):
    """It was there all the time, and has the old records, as they were."""
    way = Way(tmp_path / "way.sock")
    way.lead(redis)
    with Nginx(tmp_path / "n", place, redis=way.address,
               workers=workers) as origin:
        for path in PATHS:
            origin.put(path, b"old")
            heat(origin, path)
        way.lead(None)
        write_all(origin, write, b"new")
        assert len(redis.records()) == 3
        way.lead(redis)
        watch_all(origin, write, b"new")


@pytest.mark.parametrize("write", ["put", "delete"])
def test_redis_that_was_replaced_and_is_back_is_not_believed(
        tmp_path, place, redis, write):
    """As after a failover, when the old master comes back as a master."""
    way = Way(tmp_path / "way.sock")
    with Redis(tmp_path / "other") as other:
        way.lead(redis)
        with Nginx(tmp_path / "n", place, redis=way.address) as origin:
            for path in PATHS:
                origin.put(path, b"old")
                heat(origin, path)
            way.lead(other)
            watch(origin, "/a", b"old")         # in use
            write_all(origin, write, b"new")
            assert len(redis.records()) == 3
            way.lead(redis)
            watch_all(origin, write, b"new")


@pytest.mark.parametrize("write", ["put", "delete"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_one_worker_that_lost_its_redis_keeps_the_others_from_it(
        tmp_path, redis, write, elsewhere):
    """It finds none, or another one; the connections of the others are as
    good as ever.  Who answers is chance, hence the many keys."""
    way = Way(tmp_path / "way.sock")
    paths = [f"/{i}" for i in range(20)]
    with Redis(tmp_path / "other") as other:
        way.lead(redis)
        with Nginx(tmp_path / "n", redis=way.address) as origin:
            for path in paths:
                origin.put(path, b"old")
                heat(origin, path)
            way.path.unlink()
            if elsewhere:
                way.path.symlink_to(other.socket)
            mine = redis.client.client_id()
            redis.client.client_kill_filter(_id=next(
                c["id"] for c in redis.client.client_list()
                if int(c["id"]) != mine))
            for path in paths:
                answer = (origin.put(path, b"new") if write == "put"
                          else origin.delete(path))
                assert answer.status == 204
            for path in paths * 5:
                answer = origin.get(path)
                if write == "put":
                    assert answer.body == b"new"
                else:
                    problem(answer, 404)
            way.lead(redis)
            watch(origin, paths[0], b"new" if write == "put" else None)


# Damaged records

HEAD = 88               # bytes before a record: stamp, name of the object


def cut(record):
    return record[:len(record) // 2]


@pytest.mark.parametrize("name, damage", [
    ("empty", lambda r: b""), ("garbage", lambda r: b"\xff" * len(r)),
    ("cut", cut), ("one byte less", lambda r: r[:-1]),
    ("one byte more", lambda r: r + b"x"),
    ("a bit of its head", lambda r: r[:20] + bytes([r[20] ^ 1]) + r[21:]),
    ("another version", lambda r: r[:8] + bytes([r[8] ^ 0xff]) + r[9:]),
    ("twice", lambda r: r + r), ("a number", lambda r: b"12345"),
    ("long", lambda r: b"\0" * 1_000_000)])
def test_damaged_record_is_not_believed(origin, redis, name, damage):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    value = redis.client.get(record)
    redis.client.set(record, value[:HEAD] + damage(value[HEAD:]))
    asks(origin, "/a", b"hello", times=2)
    origin.put("/a", b"new")
    assert origin.get("/a").body == b"new"
    heat(origin, "/a")


def test_damaged_record_heals(origin, redis):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    redis.client.set(record, redis.client.get(record)[:HEAD] + b"garbage")
    assert heat(origin, "/a").body == b"hello"


def test_record_of_another_epoch_is_not_believed(origin, redis):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    value = redis.client.get(record)
    redis.client.set(record, b"0" * 32 + value[32:])
    assert tier(origin.get("/a")) == "file"


def test_record_of_another_object_is_not_believed(origin, redis):
    for path in ("/a", "/b"):
        origin.put(path, path.encode())
        heat(origin, path)
    first, second = redis.records()
    redis.client.copy(first, second, replace=True)
    for path in ("/a", "/b"):
        assert origin.get(path).body == path.encode()
        assert heat(origin, path).body == path.encode()


@pytest.mark.parametrize("kind", ["hset", "rpush", "sadd"])
def test_key_of_another_type_does_no_harm(origin, redis, kind):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    for name in (record, record[:-1] + "f"):
        redis.client.delete(name)
        getattr(redis.client, kind)(name, *["x"] * (1 + (kind == "hset")))
    asks(origin, "/a", b"hello", times=4)
    origin.put("/a", b"new")
    assert origin.get("/a").body == b"new"
    heat(origin, "/a")


# The right to fill comes before what is filled

def test_bytes_are_read_after_the_right_to_keep_them(tmp_path, redis):
    """Redis has the metadata alone, from a HEAD.  While a GET asks for the
    right to put the bytes there, the object is replaced by another node."""
    with (Proxy(tmp_path / "proxy.sock", redis.socket) as slow,
          Nginx(tmp_path / "n0", redis=redis) as other,
          Nginx(tmp_path / "n1", redis=f"unix:{slow.path}", workers=1,
                http="content_redis_timeout 10s;", start=False) as node):
        node.write(server=node.settings["server"].replace(
            str(node.files), str(other.files)))
        node.start()
        other.put("/a", b"old")
        wait_until(lambda: node.head("/a").status == 200 and redis.records(),
                   what="a record of the metadata")
        assert not redis.bodies()

        held = slow.hold(1)                     # the look-up passes
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            got = pool.submit(node.get, "/a")
            assert held.wait(10)
            assert other.put("/a", b"new").status == 204
            slow.go_on()
            assert got.result().status == 200

        wait_until(lambda: tier(node.get("/a")) == "redis",
                   what="a hit from Redis")
        assert node.get("/a").body == b"new"
        assert other.get("/a").body == b"new"
