"""A purge by tag or prefix takes from Redis what it names, and nothing else;
whatever a node has missed of it.
"""

import concurrent.futures
import hashlib
import threading

import pytest

from harness import Nginx, tier, wait_until
from s3_fault_proxy import FaultProxy, hold
from test_redis import heat

HOT = "content_hot hits=1;"


@pytest.fixture
def origin(tmp_path, store, redis):
    """Without a memory cache: what is a hit comes from Redis."""
    with Nginx(tmp_path / "n", store, redis=redis, http=HOT) as nginx:
        yield nginx


def fill(origin, key, **tags):
    """Objects of that name and tag each, in Redis; their paths."""
    for name, tag in tags.items():
        origin.put(f"{key}/{name}", name.encode(), cache_tag=tag)
        heat(origin, f"{key}/{name}")
    return [f"{key}/{name}" for name in tags]


def purge(origin, **what):
    assert origin.post("/-/purge", what).status == 202


def many(number):
    """So many tags, of which each counts, in one place of the table: with
    others, one may by chance have that of a record that is to stay."""
    return ["many"] * number


def stays(origin, path):
    """Redis has it still: nobody has to put it there.  (A token is counted
    before its request is answered, a fill some time after it.)"""
    before = origin.counters()["redis"]["tokens"]
    heat(origin, path)
    assert origin.counters()["redis"]["tokens"] == before


def own_tag(path):
    return "c" + hashlib.sha256(path[1:].encode()).hexdigest()[:20]


@pytest.mark.parametrize("what", [
    lambda key: {"tags": ["one"]}, lambda key: {"tags": ["x", "OnE"]},
    lambda key: {"tags": [own_tag(f"{key}/a")]},
    lambda key: {"prefixes": [f"example.com{key}/a"]},
    lambda key: {"urls": [f"https://example.com{key}/a"], "tags": ["x"]},
], ids=["tag", "tags, any case", "own tag", "prefix", "URL and tag"])
def test_purge_takes_what_it_names(origin, redis, key, what):
    gone, other = fill(origin, key, a="one,more", b="two,more")
    epoch = redis.client.get("nc:epoch")[:32]
    for _ in range(3):
        purge(origin, **what(key))
        stays(origin, other)
        assert tier(origin.get(gone)) != "redis"
        heat(origin, gone)
    assert redis.client.get("nc:epoch")[:32] == epoch


def test_record_is_older_than_the_purge_by_what_its_filler_asked(
        tmp_path, s3, redis, key):
    """Read before the purge, put into Redis after it: purged."""
    bucket = s3.bucket()
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy, \
         Nginx(tmp_path / "n", bucket.through(proxy.endpoint), redis=redis,
               http=HOT) as origin, \
         concurrent.futures.ThreadPoolExecutor() as pool:
        origin.put(key, b"old", cache_tag="one")
        go_on = threading.Event()
        proxy.fault(hold(go_on), method="GET")
        slow = pool.submit(origin.get, key)
        wait_until(lambda: redis.client.keys("nc:*:f"))
        purge(origin, tags=["one"])
        go_on.set()
        assert slow.result().body == b"old"
        wait_until(redis.records)
        assert tier(origin.get(key)) != "redis"
        heat(origin, key)


def test_nobody_waits_for_a_fill_from_before_a_purge(origin, redis, key):
    """Its token is void: who asks now reads by himself, and fills."""
    path, = fill(origin, key, a="one")
    record, = redis.records()
    stamp = (redis.client.get("nc:epoch") + b"0" * 8)[:40]
    token = record[:-1] + "f"
    redis.client.set(token, b"x" * 32 + stamp)
    redis.client.delete(record)
    assert tier(origin.get(path)) != "redis"
    assert redis.records() == []
    purge(origin, tags=["other"])
    assert tier(origin.get(path)) != "redis"
    wait_until(redis.records)
    assert not redis.client.exists(token)


@pytest.mark.parametrize("purges", [1, 31, 32, 33, 500])
def test_other_node_is_told_of_purges(tmp_path, bucket, redis, key, purges):
    """By the guard of its next lookups, or it reads the table."""
    with Nginx(tmp_path / "a", bucket, redis=redis, http=HOT) as one, \
         Nginx(tmp_path / "b", bucket, redis=redis, http=HOT,
               workers=1) as two:
        gone, other = fill(one, key, a="one", b="two")
        heat(two, gone)
        purge(one, tags=["one"] + many(purges - 1))
        assert int(redis.client.get("nc:epoch")[32:40], 16) == purges
        stays(two, other)
        assert tier(two.get(gone)) != "redis"
        heat(two, gone)
        stays(two, other)


def test_new_node_knows_of_all_purges(tmp_path, store, redis, key):
    with Nginx(tmp_path / "n", store, redis=redis, http=HOT) as origin:
        gone, other = fill(origin, key, a="one", b="two")
        purge(origin, tags=["one"])
        purge(origin, tags=many(50))
        origin.stop()
        origin.start()
        wait_until(lambda: origin.counters()["redis"]["ready"])
        stays(origin, other)
        assert tier(origin.get(gone)) != "redis"


def test_each_purge_counts_and_in_its_own_epoch(tmp_path, redis, key):
    """By the guard alone, of which the worker keeps a copy of the table."""
    with Nginx(tmp_path / "n", redis=redis, http=HOT, workers=1) as origin:
        for epoch in range(2):
            gone, other = fill(origin, f"{key}{epoch}", a="one", b="two")
            for tag in ("x", "y"):
                purge(origin, tags=[tag])
                stays(origin, other)
            stays(origin, gone)
            purge(origin, tags=["one"])
            assert tier(origin.get(gone)) != "redis"
            stays(origin, other)
            purge(origin, everything=True)
        gone, = fill(origin, f"{key}-last", a="one")
        purge(origin, tags=["one"])
        assert tier(origin.get(gone)) != "redis"


def cut_off(client):
    client.set("nc:purges", client.getrange("nc:purges", 0, 99))


DAMAGES = [
    pytest.param(lambda client: client.delete("nc:purges"), id="evicted"),
    pytest.param(lambda client: client.set("nc:purges", b"x"), id="short"),
    pytest.param(lambda client: client.setrange("nc:purges", 0, b"0" * 32),
                 id="of another epoch")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_purges_that_are_lost_are_a_new_epoch(origin, redis, key, damage):
    gone, other = fill(origin, key, a="one", b="two")
    purge(origin, tags=["one"] + many(50))
    epoch = redis.client.get("nc:epoch")[:32]
    damage(redis.client)
    purge(origin, tags=["two"])
    wait_until(lambda: redis.client.get("nc:epoch")[:32] != epoch)
    for path in (gone, other):
        assert tier(origin.get(path)) != "redis"
        heat(origin, path)
    purge(origin, tags=["one"])
    stays(origin, other)
    assert tier(origin.get(gone)) != "redis"


def test_purge_that_redis_refuses_is_a_new_epoch(origin, redis, key):
    gone, = fill(origin, key, a="one")
    redis.client.lpush("nc:purges", "of another type")
    purge(origin, tags=["one"])
    assert tier(origin.get(gone)) != "redis"
    heat(origin, gone)


@pytest.mark.parametrize("damage", [*DAMAGES, cut_off])
def test_new_node_that_finds_no_purges_makes_a_new_epoch(tmp_path, redis, key,
                                                         damage):
    with Nginx(tmp_path / "n", redis=redis, http=HOT, workers=1) as origin:
        gone, other = fill(origin, key, a="one", b="two")
        purge(origin, tags=["one"] + many(50))
        epoch = redis.client.get("nc:epoch")[:32]
        origin.stop()
        damage(redis.client)
        origin.start()
        wait_until(lambda: origin.counters()["redis"]["ready"])
        for path in (gone, other):
            assert tier(origin.get(path)) != "redis"
        wait_until(lambda: redis.client.get("nc:epoch")[:32] != epoch)
        heat(origin, gone)


def test_absence_is_purged_by_prefix(tmp_path, s3, redis):
    bucket = s3.bucket()
    with Nginx(tmp_path / "n", bucket, redis=redis, workers=1,
               http=HOT + "content_fresh 1h absent=1h;") as origin:
        wait_until(lambda: origin.counters()["redis"]["ready"])
        assert origin.get("/p/a").status == 404
        wait_until(redis.records)
        bucket.client.put_object(Bucket=bucket.name, Key="p/a", Body=b"x")
        purge(origin, tags=["p"])
        assert origin.get("/p/a").status == 404
        purge(origin, prefixes=["example.com/p/"])
        assert origin.get("/p/a").status == 200
