"""Writes with conditions on S3, which can't look and write in one step for all
of them: a lock of the object in Redis orders them, through any node.
"""

import concurrent.futures
import threading

import pytest

from harness import EDITOR, Nginx, problem, request_head, wait_until
from s3_fault_proxy import cut, hold, s3_error

LARGE = b"x" * (6 << 20)                      # in parts
TURNS = 4


@pytest.fixture
def origin(tmp_path, bucket, proxy, redis):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               redis=redis) as nginx:
        wait_until(lambda: nginx.counters()["redis"]["ready"])
        yield nginx


@pytest.fixture
def other(tmp_path, bucket, proxy, redis):
    """Another node; the name of the place is the endpoint's."""
    with Nginx(tmp_path / "other", bucket.through(proxy.endpoint),
               redis=redis) as nginx:
        wait_until(lambda: nginx.counters()["redis"]["ready"])
        yield nginx


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        yield pool


def locks(redis):
    return redis.client.keys("nc:*:w")


def calls(redis, command):
    stats = redis.client.info("commandstats")
    return stats.get(f"cmdstat_{command}", {"calls": 0})["calls"]


def copy(nginx, source, target, how="COPY", **conditions):
    return nginx.request(how, source, token=EDITOR, destination=target,
                         **conditions)


def write(nginx, how, key, **conditions):
    if how == "delete":
        return nginx.delete(key, **conditions)
    return nginx.put(key, LARGE if how == "parts" else b"small", **conditions)


def test_one_of_many_writers_wins_through_any_node(origin, other, redis, pool,
                                                   key):
    ways = ["delete", "parts", "small", "delete", "small"]
    for turn in range(TURNS):
        path = f"{key}/{turn}"
        etag = origin.put(path, b"0").headers["ETag"]
        start = threading.Barrier(2 * len(ways))

        def race(nginx, how, path=path, etag=etag, start=start):
            start.wait()
            return write(nginx, how, path, if_match=etag).status

        racing = [pool.submit(race, nginx, how)
                  for how in ways for nginx in (origin, other)]
        statuses = sorted(r.result() for r in racing)
        assert statuses.count(204) == 1, statuses
        assert set(statuses) == {204, 412}, statuses
    wait_until(lambda: not locks(redis), what="the locks to go")


def test_one_of_many_copies_wins_through_any_node(origin, other, redis, pool,
                                                  key):
    for i in range(4):
        assert origin.put(f"{key}/{i}", b"%d" % i).status == 201
    start = threading.Barrier(8)

    def race(nginx, i):
        start.wait()
        return copy(nginx, f"{key}/{i}", f"{key}/target",
                    overwrite="F").status

    racing = [pool.submit(race, nginx, i)
              for i in range(4) for nginx in (origin, other)]
    assert sorted(r.result() for r in racing) == [201] + [412] * 7
    wait_until(lambda: not locks(redis), what="the locks to go")


def test_move_does_not_take_away_what_a_writer_has_replaced(origin, other,
                                                            proxy, redis, pool,
                                                            key):
    etag = origin.put(key, b"0").headers["ETag"]
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), path=key, method="DELETE", query="")

    moving = pool.submit(copy, origin, key, key + "2", how="MOVE")
    wait_until(lambda: not proxy.pending(), what="the removal to be held")
    writing = pool.submit(other.put, key, b"1", if_match=etag)
    asked = calls(redis, "set")
    wait_until(lambda: calls(redis, "set") >= asked + 2,
               what="the writer to ask")

    go_on.set()
    assert moving.result().status == 201
    assert writing.result().status == 412
    wait_until(lambda: not locks(redis), what="the locks to go")


def test_who_waits_for_the_lock_is_not_too_slow(tmp_path, bucket, proxy, redis,
                                                pool, key):
    """Its body has come, of which nobody had told the length; somebody waits
    for memory, and a client that stalls is the one to lose its own."""
    part = 5 << 20
    go_on = threading.Event()
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               workers=1,
               http="content_upload_memory 11m patience=1s;") as origin:
        def uploads():
            return origin.counters()["uploads"]

        def begin(path):
            connection = origin.connect()
            connection.send(request_head("PUT", path, {
                "Host": "origin.test", "Content-Length": part,
                "Authorization": f"Bearer {EDITOR}"}) + b"x")
            return connection

        wait_until(lambda: origin.counters()["redis"]["ready"])
        assert origin.put(key, b"0").status == 201

        proxy.fault(hold(go_on, before=True), path=key, method="PUT")
        holder = pool.submit(origin.put, key, b"1", if_match="*")
        wait_until(lambda: not proxy.pending(), what="the write to be held")
        asked = calls(redis, "set")
        chunked = pool.submit(origin.put, key, chunks=[b"2"], if_match="*")
        wait_until(lambda: calls(redis, "set") > asked, what="it to ask")

        stalled = begin(f"{key}/stalled")
        wait_until(lambda: uploads()["bytes"] > 2 * part, what="both to hold")
        waiting = begin(f"{key}/waiting")
        wait_until(lambda: uploads()["waiting"], what="one to wait")

        problem(stalled.answer("PUT"), 503, "too slowly")
        stalled.close()
        waiting.close()
        go_on.set()
        assert holder.result().status == 204
        assert chunked.result().status == 204
        assert origin.get(key).body == b"2"
        assert uploads()["too_slow"] == 1


@pytest.mark.parametrize("second", ["delete", "parts", "small"])
@pytest.mark.parametrize("first", ["delete", "parts"])
def test_writer_between_look_and_write_waits(origin, other, proxy, redis, pool,
                                             key, first, second):
    etag = origin.put(key, b"0").headers["ETag"]
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), path=key,
                method="DELETE" if first == "delete" else "POST",
                query="" if first == "delete" else "uploadId")

    one = pool.submit(write, origin, first, key, if_match=etag)
    wait_until(lambda: not proxy.pending(), what="the first to be held")
    two = pool.submit(write, other, second, key, if_match=etag)

    # it asks, and has to ask again
    asked = calls(redis, "set")
    wait_until(lambda: calls(redis, "set") >= asked + 2,
               what="the second to ask")
    assert not two.done()

    go_on.set()
    assert one.result().status == 204
    assert two.result().status == 412
    wait_until(lambda: not locks(redis), what="the locks to go")


def test_writes_without_conditions_and_reads_wait_for_nobody(origin, other,
                                                            proxy, pool, key):
    etag = origin.put(key, b"0").headers["ETag"]
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), path=key, method="DELETE", query="")
    held = pool.submit(origin.delete, key, if_match=etag)
    wait_until(lambda: not proxy.pending(), what="the first to be held")

    assert other.put(key, b"1").status == 204
    assert other.get(key).body == b"1"
    assert other.put(key + "2", b"2", if_none_match="*").status == 201
    go_on.set()
    held.result()


def test_lock_is_renewed_while_the_write_goes_on(origin, proxy, redis, pool,
                                                 key):
    """Again and again; a renewal may be under way when the write ends."""
    go_on = threading.Event()

    def refuse(exchange):
        go_on.wait(60)
        s3_error(412, "PreconditionFailed")(exchange)

    proxy.fault(refuse, path=key, method="PUT")
    held = pool.submit(origin.put, key, b"1", if_none_match="*")
    lock, = wait_until(lambda: locks(redis))
    assert redis.client.pttl(lock) > 10000
    redis.client.pexpire(lock, 8000)
    wait_until(lambda: redis.client.pttl(lock) > 8000, what="the renewal")

    redis.client.execute_command("CLIENT", "PAUSE", 60000, "WRITE")
    wait_until(lambda: any(c["cmd"] == "eval" and "b" in c["flags"]
                           for c in redis.client.client_list()),
               what="the next renewal")
    go_on.set()
    assert held.result().status == 412
    redis.client.execute_command("CLIENT", "UNPAUSE")
    wait_until(lambda: not locks(redis), what="the lock to go")


@pytest.mark.parametrize("fault, stays", [
    (cut(), True), (s3_error(503, "SlowDown"), False)],
    ids=["unknown", "refused"])
@pytest.mark.parametrize("how", ["small", "delete", "copy"])
def test_lock_outlasts_a_write_whose_end_is_not_known(origin, proxy, redis,
                                                      key, how, fault, stays):
    """Storage may apply it later, over what another has looked at."""
    etag = origin.put(key, b"old").headers["ETag"]
    proxy.fault(fault, times=1000,
                method="DELETE" if how == "delete" else "PUT")
    answer = (copy(origin, key, key + "-2", overwrite="F") if how == "copy"
              else write(origin, how, key, if_match=etag))
    assert answer.status == (502 if stays else 503)
    if stays:
        assert len(locks(redis)) == 1
    else:
        wait_until(lambda: not locks(redis), what="the lock to go")


def test_write_waits_for_the_first_connection_to_redis(tmp_path, bucket, redis,
                                                       pool, key):
    """So that no write fails when nginx starts or reloads."""
    redis.pause()
    with Nginx(tmp_path / "n", bucket, redis=redis, workers=1,
               http="content_redis_timeout 20s;") as nginx:
        put = pool.submit(nginx.put, key, b"new", if_none_match="*")
        wait_until(lambda: nginx.counters()["node"]["puts"] == 1)
        redis.resume()
        assert put.result().status == 201
        wait_until(lambda: not locks(redis), what="the lock to go")


def test_lock_that_is_not_to_be_had(origin, redis, key):
    etag = origin.put(key, b"0").headers["ETag"]
    assert origin.put(key, b"1", if_match=etag).status == 204
    etag = origin.head(key).headers["ETag"]

    redis.client.config_resetstat()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # the name of its lock is that of its record or fill token
        origin.get(key)
        name, = {k.rsplit(b":", 1)[0] for k in redis.client.keys("nc:{*")}
        redis.client.set(name + b":w", "somebody", px=60000)
        waiting = pool.submit(origin.put, key, b"2", if_match=etag)
        answer = waiting.result()
    problem(answer, 503, "another write", "nothing was changed")
    assert answer.headers["Retry-After"]
    assert origin.get(key).body == b"1"
    assert redis.client.get(name + b":w") == b"somebody"

    redis.client.pexpire(name + b":w", 300)
    assert origin.put(key, b"2", if_match=etag).status == 204


def test_redis_goes_away_while_the_lock_is_waited_for(origin, redis, pool,
                                                      key):
    etag = origin.put(key, b"0").headers["ETag"]
    origin.get(key)
    name, = {k.rsplit(b":", 1)[0] for k in redis.client.keys("nc:{*")}
    redis.client.set(name + b":w", "somebody", px=60000)
    asked = calls(redis, "set")
    waiting = pool.submit(origin.put, key, b"1", if_match=etag)
    wait_until(lambda: calls(redis, "set") > asked, what="the writer to ask")
    redis.kill()
    problem(waiting.result(), 503, "Redis", "nothing was changed")


def test_redis_is_away(origin, redis, key):
    etag = origin.put(key, b"0").headers["ETag"]
    redis.kill()
    wait_until(lambda: not origin.counters()["redis"]["ready"])
    for how in ("small", "parts", "delete"):
        answer = write(origin, how, key, if_match=etag)
        problem(answer, 503, "Redis", "nothing was changed")
        assert answer.headers["Retry-After"]
    answer = copy(origin, key, key + "2", overwrite="F")
    problem(answer, 503, "Redis", "nothing was changed")
    answer = copy(origin, key, key + "2", how="MOVE")
    problem(answer, 503, "the source stays")
    assert origin.get(key).body == origin.get(key + "2").body == b"0"
    assert origin.put(key, b"1").status == 204
    assert copy(origin, key, key + "2").status == 204
