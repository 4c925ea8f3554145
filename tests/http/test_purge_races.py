"""Two writers make the same new object on S3, and the CDN fetches that of the
first before the second has ended: whoever ends last has it purged, though each
has seen that there was none.
"""

import concurrent.futures
import contextlib
import threading

import pytest

from harness import EDITOR, Nginx, wait_until
from s3_fault_proxy import hold
from test_fleet import Fleet, has_lease, paused
from test_purge import FAST, items, tag_of

LARGE = b"x" * (6 << 20)                      # in parts

# What makes the object, as S3 is asked for it.
WAYS = {"put": {"method": "PUT", "query": ""},
        "parts": {"method": "POST", "query": "uploadId"},
        "copy": {"method": "PUT", "query": ""}}


def write(nginx, how, key):
    if how == "copy":
        return nginx.request("COPY", key + "0", token=EDITOR, destination=key)
    return nginx.put(key, LARGE if how == "parts" else b"first")


@pytest.fixture
def settings(bucket, proxy, fake):
    return {"store": bucket.through(proxy.endpoint), "purge": fake,
            "server": FAST}


@pytest.fixture
def fleet(tmp_path, redis, settings):
    with contextlib.ExitStack() as stack:
        fleet = Fleet(tmp_path, redis, count=2, workers=1, **settings)
        stack.callback(fleet.stop)
        yield fleet


@pytest.fixture(params=["workers", "nodes"])
def nodes(request, tmp_path, settings):
    """Both writers: two workers, or two nodes of a fleet."""
    if request.param == "nodes":
        yield tuple(request.getfixturevalue("fleet"))
        return
    with Nginx(tmp_path / "n", **settings) as origin:
        yield origin, origin


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool


def purged(answer):
    return "X-Content-Purge" in answer.headers


@pytest.mark.parametrize("how", WAYS)
def test_object_that_another_has_made_meanwhile_is_purged(
        nodes, proxy, fake, pool, key, how):
    first, second = nodes
    if how == "copy":
        first.put(key + "0", b"first")
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), path=key, **WAYS[how])
    held = pool.submit(write, first, how, key)
    wait_until(lambda: not proxy.pending(), what="the first to have looked")

    assert not purged(second.put(key, b"second"))
    assert second.get(key).body == b"second"    # the CDN's

    go_on.set()
    answer = held.result()
    assert answer.status == 201
    assert purged(answer)
    wait_until(lambda: tag_of(key) in items(fake.calls()))


@pytest.mark.parametrize("how", WAYS)
def test_writer_that_ends_last_purges_what_it_has_made_first(
        nodes, proxy, fake, pool, key, how):
    first, second = nodes
    first.put(key + "0", b"first")
    go_on, made = threading.Event(), threading.Event()
    proxy.fault(hold(go_on, before=True), path=key, **WAYS[how])
    held = pool.submit(write, first, how, key)
    wait_until(lambda: not proxy.pending(), what="the first to have looked")

    proxy.fault(hold(made), path=key, method="PUT", query="")
    ending = pool.submit(second.put, key, b"second")
    wait_until(lambda: second.get(key).body == b"second")   # the CDN's

    go_on.set()
    assert held.result().status == 201
    made.set()
    answer = ending.result()
    assert answer.status == 201
    assert purged(answer)
    wait_until(lambda: tag_of(key) in items(fake.calls()))


def test_object_that_nobody_else_makes_is_not_purged(nodes, fake, key):
    for i, node in enumerate(nodes * 2):
        for how in ("put", "parts"):
            assert not purged(write(node, how, f"{key}/{how}{i}"))
    assert fake.calls() == []


# Nodes that may not have heard of each other

def test_writer_that_has_not_heard_all_purges(fleet, proxy, redis, pool, key):
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), path=key, method="PUT", query="")
    held = pool.submit(fleet[0].put, key, b"first")
    wait_until(lambda: not proxy.pending(), what="it to have looked")
    before = fleet[0].counters()["fleet"]["emptied"]
    redis.client.client_kill_filter(_type="pubsub")
    wait_until(lambda: fleet[0].counters()["fleet"]["emptied"] > before
               and has_lease(fleet[0]), what="a new subscription")
    go_on.set()
    assert purged(held.result())


def test_writer_whom_some_node_has_not_answered_purges(fleet, key):
    with paused(fleet[1]):
        answer = fleet[0].put(key, b"first")
        assert purged(answer)
    fleet[0].finished_job(answer.headers["X-Content-Purge"])
