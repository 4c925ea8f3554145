"""Records in Redis that must not be believed: of before a write that it has not
heard of, damaged, or of something else.
"""

import concurrent.futures
import pathlib
import shutil
import signal
import time

import pytest

from harness import (EDITOR, Nginx, problem, request_head, tier,
                     wait_until)
from redis_server import Redis
from test_redis import asks, heat, origin


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


def configure(origin, redis=None):
    """With Redis or without, from the next reload on."""
    origin.write(http=f"content_redis {redis.address};" if redis else "")


@pytest.mark.parametrize("write", ["put", "delete", "purge"])
def test_write_while_no_redis_is_configured_is_not_undone(
        tmp_path, place, redis, write):
    """Taken out of the configuration by a reload, and brought back by one."""
    with Nginx(tmp_path / "n", place, redis=redis) as origin:
        origin.put("/a", b"old")
        heat(origin, "/a")
        configure(origin)
        origin.reload()
        if write == "put":
            assert origin.put("/a", b"new").status == 204
        elif write == "delete":
            assert origin.delete("/a").status == 204
        else:
            behind_its_back(tmp_path, place, b"new")
            answer = origin.post("/-/purge", {"urls": ["http://x/a"]})
            assert answer.status == 202
        configure(origin, redis)
        origin.reload()
        assert redis.records(), "the old record is still there"
        watch(origin, "/a", None if write == "delete" else b"new")


def behind_its_back(tmp_path, place, body):
    with Nginx(tmp_path / "other", place) as other:
        if place == "file":
            other.write(server=other.settings["server"].replace(
                str(other.files), str(tmp_path / "n/files")))
            other.reload()
        assert other.put("/a", body).status == 204


def test_write_that_a_worker_from_before_redis_ends_is_not_undone(
        tmp_path, place, redis):
    """A reload brings Redis while the body is still coming."""
    with Nginx(tmp_path / "n", place, workers=1) as origin, \
         origin.connect() as slow:
        origin.put("/a", b"old")
        slow.send(request_head("PUT", "/a", {
            "Host": "x", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": 3}) + b"n")
        wait_until(lambda: origin.counters()["node"]["puts"] == 2)
        configure(origin, redis)
        origin.send(signal.SIGHUP)
        wait_until(lambda: "redis" in origin.counters()
                   and origin.counters()["redis"]["ready"],
                   what="the new worker to have Redis")
        heat(origin, "/a")
        slow.send(b"ew")
        assert slow.answer("PUT").status == 204
        watch(origin, "/a", b"new")


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


@pytest.mark.parametrize("what", [{"tags": ["t"]}, {"everything": True}],
                         ids=["tag", "everything"])
def test_purges_that_could_not_reach_redis_are_not_undone(tmp_path, redis,
                                                          what):
    way = Way(tmp_path / "way.sock")
    way.lead(redis)
    with Nginx(tmp_path / "n", redis=way.address, workers=1) as origin:
        origin.put("/a", b"x", cache_tag="t")
        heat(origin, "/a")
        way.lead(None)
        wait_until(lambda: not origin.counters()["redis"]["ready"])
        assert origin.post("/-/purge", what).status == 202
        assert len(redis.records()) == 1
        way.lead(redis)
        wait_until(lambda: origin.counters()["redis"]["ready"])
        assert tier(origin.get("/a")) != "redis"
        heat(origin, "/a")


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
    ("no magic", lambda r: r[:8] + bytes([r[8] ^ 0xff]) + r[9:]),
    ("another version", lambda r: r[:11] + b"3" + r[12:]),
    ("the first version, with a checksum of the second",
     lambda r: r[:11] + b"1" + r[12:]),
    ("twice", lambda r: r + r), ("a number", lambda r: b"12345"),
    ("long", lambda r: b"\0" * 1_000_000)])
def test_damaged_record_is_not_believed(origin, redis, name, damage):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    value = redis.client.get(record)
    redis.client.set(record, value[:HEAD] + damage(value[HEAD:]))
    asks(origin, "/a", b"hello", times=2)
    assert origin.counters()["node"]["records_damaged"] >= 1
    origin.put("/a", b"new")
    assert origin.get("/a").body == b"new"
    heat(origin, "/a")


def test_record_of_a_node_of_the_first_version_is_a_hit(origin, redis):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    value = redis.client.get(record)
    before, stored = value[:HEAD + 8], value[HEAD + 8:]
    assert stored[:4] == b"NCR2"
    head = b"NCR1" + stored[4:int.from_bytes(stored[4:8], "little")]
    checksum = 2166136261                                   # FNV-1a
    for byte in head[:8] + head[12:]:
        checksum = (checksum ^ byte) * 16777619 % 2**32
    redis.client.set(record, before + head[:8] + checksum.to_bytes(4, "little")
                     + head[12:] + stored[len(head):])
    answer = origin.get("/a")
    assert (tier(answer), answer.body) == ("redis", b"hello")
    assert origin.counters()["node"]["records_damaged"] == 0


def test_damaged_record_heals(origin, redis):
    origin.put("/a", b"hello")
    heat(origin, "/a")
    record, = redis.records()
    redis.client.set(record, redis.client.get(record)[:HEAD] + b"garbage")
    assert heat(origin, "/a").body == b"hello"


def test_record_is_not_believed_without_an_epoch(origin, redis):
    """Which was evicted: nobody knows what has been purged."""
    origin.put("/a", b"hello")
    for _ in range(3):                      # more often than there are workers
        heat(origin, "/a")
        redis.client.delete("nc:epoch")
        assert tier(origin.get("/a")) != "redis"
        wait_until(lambda: redis.client.exists("nc:epoch"))
    heat(origin, "/a")


def test_worker_that_exits_has_the_record_dropped(tmp_path, redis):
    """Though nothing but Redis's answer keeps it."""
    with Nginx(tmp_path / "n", redis=redis, workers=1,
               http="content_hot hits=1; content_redis_timeout 20s;") as nginx, \
         concurrent.futures.ThreadPoolExecutor(1) as pool:
        nginx.put("/a", b"old")
        heat(nginx, "/a")
        old, = nginx.workers()
        file, = nginx.files.rglob("*.o")
        redis.pause()
        writing = pool.submit(nginx.put, "/a", b"newer")
        wait_until(lambda: file.read_bytes().endswith(b"newer"))
        nginx.send(signal.SIGHUP)
        title = pathlib.Path(f"/proc/{old}/cmdline")
        wait_until(lambda: b"shutting down" in title.read_bytes())
        for _ in range(20):
            nginx.connect().close()
        redis.resume()
        assert writing.result().status == 204
        assert nginx.get("/a").body == b"newer"


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
