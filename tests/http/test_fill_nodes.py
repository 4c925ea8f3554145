"""Concurrent requests to several nodes for what no cache has: one of them
reads, the others wait for its record, and for nothing else.
"""

import concurrent.futures
import os
import signal
import threading

import pytest

from harness import Nginx, problem, wait_until
from s3_fault_proxy import hold, s3_error
from test_fill import BODY, MEMORY, SMALL, get_later, put, reads


def two_nodes(tmp_path, bucket, proxy, redis, **how):
    return [Nginx(tmp_path / name, bucket.through(proxy.endpoint), redis=redis,
                  workers=1, **how) for name in "ab"]


@pytest.fixture(params=["redis", "both"])
def nodes(request, tmp_path, bucket, proxy, redis):
    http = "content_hot hits=1;" + (MEMORY if request.param == "both" else "")
    one, other = two_nodes(tmp_path, bucket, proxy, redis, http=http)
    with one, other:
        for node in (one, other):
            wait_until(lambda node=node: node.counters()["redis"]["ready"])
        yield one, other


@pytest.fixture
def fleet(tmp_path, bucket, proxy, redis):
    one, other = two_nodes(tmp_path, bucket, proxy, redis, fleet="on",
                           http="content_hot hits=1;" + MEMORY)
    with one, other:
        for node in (one, other):
            wait_until(lambda node=node: node.counters()["fleet"]["lease"])
        yield one, other


def ask_both(nodes, proxy, key, answer, count=5, times=1):
    """The answers: one node's, whose read is held until the other node's
    requests wait, then the others."""
    one, other = nodes
    go_on = threading.Event()
    proxy.fault(answer(go_on), method="GET", times=times)
    answers, others = [], []
    threads = [get_later(one, key, answers)]
    wait_until(lambda: reads(proxy, key))
    threads += [get_later(other, key, others) for _ in range(count)]
    wait_until(lambda: other.counters()["node"]["busy_waits"])
    go_on.set()
    for thread in threads:
        thread.join()
    return answers + others


def words(redis):
    return [key for key in redis.client.keys() if key.endswith(b"}:t")]


def test_another_node_waits_for_the_record(nodes, proxy, key):
    put(nodes[0], proxy, key, SMALL)
    answers = ask_both(nodes, proxy, key, hold)
    assert [answer.body == SMALL for answer in answers] == [True] * 6
    assert len(reads(proxy, key)) == 1


def test_another_node_is_told_when_the_record_is_there(fleet, proxy, redis,
                                                       key):
    put(fleet[0], proxy, key, SMALL)
    ask_both(fleet, proxy, key, hold, 1)
    assert fleet[1].counters()["node"]["busy_woken"] == 1
    assert fleet[1].counters()["node"]["busy_waits"] == 1
    assert words(redis) == []


def test_who_waits_for_a_record_and_who_locks_its_object_do_not_meet(
        fleet, proxy, redis, key):
    etag = fleet[0].put(key, SMALL).headers["ETag"]
    go_on = threading.Event()
    proxy.fault(hold(go_on, before=True), method="PUT")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        writing = pool.submit(fleet[0].put, key, b"new", if_match=etag)
        wait_until(lambda: not proxy.pending(), what="the write to be held")
        try:
            ask_both(fleet, proxy, key, hold, 1)
        finally:
            go_on.set()
        assert writing.result().status == 204
    assert fleet[1].counters()["node"]["busy_woken"] == 1
    assert fleet[1].counters()["redis"]["errors"] == 0


def test_another_node_is_told_when_the_filler_gives_up(fleet, proxy, redis,
                                                       key):
    def refuse(go_on):
        def act(exchange):
            go_on.wait(30)
            s3_error(403, "AccessDenied")(exchange)
        return act

    put(fleet[0], proxy, key, SMALL)
    refused, answer = ask_both(fleet, proxy, key, refuse, 1)
    assert refused.status == 502
    assert answer.body == SMALL
    assert fleet[1].counters()["node"]["busy_woken"] == 1
    assert words(redis) == []


@pytest.mark.parametrize("meanwhile", ["purged", "absent"])
def test_what_is_gone_meanwhile_is_no_copy_for_a_fault(
        tmp_path, bucket, proxy, redis, key, meanwhile):
    one, other = (                          # which believes in no absence
        Nginx(tmp_path / name, bucket.through(proxy.endpoint), redis=redis,
              workers=1, fleet="on", http="content_hot hits=1 ttl=1ms; "
                                          f"content_fresh 1ms absent={time};")
        for name, time in (("a", "1m"), ("b", "0")))

    def refuse(go_on):
        def act(exchange):
            first = not go_on.is_set()
            go_on.wait(30)
            if first and meanwhile == "purged":
                told = one.post("/-/purge", {"tags": ["gone"]})
                assert told.status == 202
            elif first:
                s3_error(404, "NoSuchKey")(exchange)
                return
            s3_error(403, "AccessDenied")(exchange)
        return act

    with one, other:
        for node in (one, other):
            wait_until(lambda node=node: node.counters()["fleet"]["lease"])
        one.put(key, SMALL, cache_tag="gone")
        wait_until(lambda: one.get(key).status == 200 and redis.records())
        proxy.clear()
        refused = ask_both((one, other), proxy, key, refuse, 1, 9)[1]
        problem(refused, 502)


def test_what_is_told_of_something_else_wakes_nobody(fleet, proxy, redis,
                                                     key):
    put(fleet[0], proxy, key, SMALL)

    def hold_and_tell(go_on):
        def act(exchange):
            go_on.wait(30)
            for channel in redis.client.pubsub_channels():
                for text in (b"w", b"w" + b"0" * 48, b"w" + b"0" * 4800):
                    redis.client.publish(channel, text)
            hold(go_on)(exchange)
        return act

    answers = ask_both(fleet, proxy, key, hold_and_tell, 1)
    assert [answer.body == SMALL for answer in answers] == [True] * 2
    assert fleet[1].counters()["node"]["busy_woken"] == 1


def test_node_that_stands_still_with_the_token_blocks_nobody(nodes, proxy,
                                                             redis, key):
    one, other = nodes
    body = BODY[:50_000]
    put(one, proxy, key, body)
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    answers = []
    thread = get_later(one, key, answers)
    wait_until(lambda: reads(proxy, key))
    worker, = one.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        assert other.get(key).body == body
        assert redis.records() == []            # read, and not filled
    finally:
        os.kill(worker, signal.SIGCONT)
    go_on.set()
    thread.join()
    assert answers[0].body == body
