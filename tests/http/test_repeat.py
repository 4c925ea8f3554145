"""Purges are repeated when older responses were still under way to the CDN,
and only then.
"""

import os

import pytest

from harness import EDITOR, Nginx, wait_until
from readers import SlowReader
from test_fleet import Fleet, paused
from test_purge import FAST, tag_of

MIB = 1024 * 1024
OLD, NEW = (os.urandom(2 * MIB - 5000) for _ in range(2))


def sent_once(fake):
    wait_until(lambda: fake.calls(least=1), what="the purge")
    assert len(fake.calls()) == 1


@pytest.mark.parametrize("http", ["", "content_memory 32m max=2m;"],
                         ids=["file", "memory"])
def test_purge_is_repeated_when_an_older_response_has_ended(tmp_path, fake,
                                                            http):
    with Nginx(tmp_path / "n", purge=fake, server=FAST, http=http,
               listen="sndbuf=64k") as origin:
        origin.put("/a", OLD)
        origin.get("/a")
        origin.get("/a")
        slow = SlowReader(origin, "/a")
        if http:
            wait_until(lambda: origin.counters()["memory"]["held"] == 1)
        location = origin.put("/a", NEW).headers["X-Content-Purge"]
        sent_once(fake)
        wait_until(lambda: origin.job(location)["done"] == 1)
        assert origin.job(location)["state"] == "running"
        newer = SlowReader(origin, "/a")
        assert slow.finish().body == OLD
        job = origin.finished_job(location)
        assert (job["state"], job["items"], job["done"]) == ("done", 2, 2)
        assert [c["body"] for c in fake.calls()] == [
            {"tags": [tag_of("/a")]}] * 2
        assert newer.finish().body == NEW


@pytest.mark.parametrize("body", [{"tags": ["t"]}, {"everything": True},
                                  {"hosts": ["www.example.com"]},
                                  {"prefixes": ["www.example.com/x"]},
                                  {"urls": ["https://www.example.com/a"]}])
def test_any_purge_is_repeated(tmp_path, fake, body):
    with Nginx(tmp_path / "n", purge=fake, server=FAST,
               listen="sndbuf=64k") as origin:
        origin.put("/a", OLD)
        slow = SlowReader(origin, "/a")
        location = origin.post("/-/purge", body).headers["Location"]
        sent_once(fake)
        slow.connection.reset()
        assert origin.finished_job(location)["done"] == 2
        first, second = fake.calls()
        assert first["body"] == second["body"]


def test_with_nothing_under_way_there_is_one_call(tmp_path, fake):
    with Nginx(tmp_path / "n", purge=fake, server=FAST,
               http="content_memory 32m max=2m;",
               listen="sndbuf=64k") as origin:
        origin.put("/b", OLD)
        origin.put("/a", b"1")
        for _ in range(3):
            origin.get("/a")
        slow = SlowReader(origin, "/b")          # another object
        location = origin.put("/a", b"2").headers["X-Content-Purge"]
        assert origin.finished_job(location)["items"] == 1
        assert len(fake.calls()) == 1
        slow.finish()


def test_worker_that_died_has_nothing_under_way(tmp_path, fake):
    with Nginx(tmp_path / "n", purge=fake, server=FAST, workers=2,
               listen="sndbuf=64k") as origin:
        origin.put("/a", OLD)
        slow = SlowReader(origin, "/a")
        for pid in origin.workers():
            origin.kill_worker(pid)
        slow.connection.close()
        location = origin.put("/a", b"2").headers["X-Content-Purge"]
        assert origin.finished_job(location)["items"] == 1


def test_another_node_tells_of_its_older_responses(tmp_path, fake, redis):
    fleet = Fleet(tmp_path, redis, count=2, purge=fake, server=FAST,
                  listen="sndbuf=64k")
    try:
        fleet[0].put("/a", OLD)
        slow = SlowReader(fleet[1], "/a")
        location = fleet[0].put("/a", b"new",
                                token=EDITOR).headers["X-Content-Purge"]
        sent_once(fake)
        wait_until(lambda: fleet[0].job(location)["done"] == 1)
        assert fleet[0].job(location)["state"] == "running"
        assert slow.finish().body == OLD
        assert fleet[0].finished_job(location)["done"] == 2
        location = fleet[0].put("/a", b"3").headers["X-Content-Purge"]
        assert fleet[0].finished_job(location)["items"] == 1
        assert len(fake.calls()) == 3
    finally:
        fleet.stop()


def test_node_that_says_nothing_counts_as_one_that_sends(tmp_path, fake,
                                                         redis):
    fleet = Fleet(tmp_path, redis, count=2, purge=fake, server=FAST,
                  listen="sndbuf=64k", workers=1)
    try:
        fleet[0].put("/a", OLD)
        slow = SlowReader(fleet[1], "/a")
        with paused(fleet[1]):
            location = fleet[0].put("/a", b"new", token=EDITOR,
                                    timeout=20).headers["X-Content-Purge"]
            sent_once(fake)
            assert fleet[0].job(location)["items"] == 2
        assert slow.finish().body == OLD
        assert fleet[0].finished_job(location)["done"] == 2
    finally:
        fleet.stop()


def test_nobody_waits_to_exit_for_what_other_nodes_send(tmp_path, redis):
    fleet = Fleet(tmp_path, redis, count=2, listen="sndbuf=64k")
    try:
        fleet[0].put("/a", OLD)
        slow = SlowReader(fleet[1], "/a")
        assert fleet[0].put("/a", b"new").status == 204
        fleet[0].reload()
        assert slow.finish().body == OLD
    finally:
        fleet.stop()


@pytest.mark.parametrize("where, change", [
    ("/-/delete", {"keys": ["b", "a"]}),
    ("/-/purge", {"urls": ["https://www.example.com/b"], "tags": ["t"]})],
    ids=["keys", "tag"])
def test_another_node_looks_for_all_that_a_change_names(tmp_path, fake, redis,
                                                        where, change):
    fleet = Fleet(tmp_path, redis, count=2, purge=fake, server=FAST,
                  listen="sndbuf=64k")
    try:
        fleet[0].put("/a", OLD, cache_tag="t")
        fleet[0].put("/b", b"x")
        slow = SlowReader(fleet[1], "/a")
        answer = fleet[0].post(where, change)
        location = (answer.headers["Location"]
                    or answer.headers["X-Content-Purge"])
        wait_until(lambda: fleet[0].job(location)["done"] == 2)
        assert fleet[0].job(location)["state"] == "running"
        assert slow.finish().body == OLD
        assert fleet[0].finished_job(location)["done"] == 4
    finally:
        fleet.stop()
