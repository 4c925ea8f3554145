"""Concurrent requests to several workers of a node for what no cache has: one
of them reads, and whichever of them is killed holds nobody.
"""

import pathlib
import signal
import threading
import zlib

import pytest

from harness import Nginx, wait_until
from readers import Crowd
from s3_fault_proxy import hold, s3_error
from test_fill import BODY, MEMORY, MIB, get_later, in_pieces, put, reads


def inodes(port):
    """Of sockets that are connected to that port, and open at both ends."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {row[9] for row in rows if row[3] == "01"
            and int(row[2].rpartition(":")[2], 16) == port}


def reader(origin, proxy):
    """The worker that is connected to storage."""
    sockets = {f"socket:[{inode}]" for inode in inodes(proxy.port)}
    for pid in origin.workers():
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(fd.readlink()) in sockets:
                    return pid
            except FileNotFoundError:
                continue
    return None


@pytest.fixture
def several(tmp_path, bucket, proxy):
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint), http=MEMORY,
               workers=4, listen="reuseport", connections=4096) as nginx:
        yield nginx


def test_a_node_reads_once_and_all_workers_stream(several, proxy, key):
    put(several, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(several.port, key, 400)
    crowd.read(lambda: crowd.streaming() == 400)
    assert several.counters()["node"]["fills_followed"] == 3
    go_on.set()
    crowd.read(lambda: False)
    assert crowd.all_got(BODY)
    assert len(reads(proxy, key)) == 1


@pytest.mark.parametrize("fault, status", [
    (s3_error(403, "AccessDenied"), 502), (s3_error(404, "NoSuchKey"), 404)])
def test_all_workers_are_told_what_one_found(several, proxy, key, fault,
                                             status):
    go_on = threading.Event()

    def refuse(exchange):
        go_on.wait(30)
        fault(exchange)

    proxy.fault(refuse, method="GET")
    answers = []
    threads = [get_later(several, key, answers) for _ in range(40)]
    wait_until(lambda: several.counters()["node"]["fills_joined"]
               + several.counters()["node"]["fills"] == 40)
    go_on.set()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {status}
    assert len(reads(proxy, key)) == 1


def test_reader_that_is_killed_in_mid_stream_holds_nobody(several, proxy,
                                                          key):
    put(several, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(several.port, key, 400)
    crowd.read(lambda: crowd.streaming() == 400)
    several.kill_worker(reader(several, proxy))
    crowd.read(lambda: False)
    go_on.set()
    ends = [size == MIB and crc == zlib.crc32(BODY)
            for size, crc, _ in crowd.got.values()]
    assert 200 < sum(ends) < 400            # the others were the killed one's
    assert 2 <= len(reads(proxy, key)) <= 4
    assert several.get(key).body == BODY


def test_follower_that_is_killed_leaves_nothing(several, proxy, key):
    put(several, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(several.port, key, 100)
    crowd.read(lambda: crowd.streaming() == 100)
    follower, = [pid for pid in several.workers()
                 if pid != reader(several, proxy)][:1]
    several.kill_worker(follower)
    go_on.set()
    crowd.read(lambda: False)
    assert len(reads(proxy, key)) == 1
    for i in range(40):                     # more than the zone has room for
        several.put(f"{key}-{i}", BODY)
        assert several.get(f"{key}-{i}").body == BODY
    go_on.clear()
    put(several, proxy, key + "-last", BODY)
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(several.port, key + "-last", 100)
    crowd.read(lambda: crowd.streaming() == 100)
    go_on.set()
    crowd.read(lambda: False)
    assert len(reads(proxy, key + "-last")) == 1


def test_more_fills_than_the_zone_has_room_for(several, proxy, key):
    """What has none is read by each worker, into memory of its own."""
    keys = [f"{key}-{i}" for i in range(24)]
    for each in keys:
        several.put(each, BODY)
    proxy.clear()
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET", times=100)
    crowds = [Crowd(several.port, each, 12) for each in keys]
    for crowd in crowds:
        crowd.read(lambda crowd=crowd: crowd.streaming() == 12)
    shared = sum(len(reads(proxy, each)) == 1 for each in keys)
    assert 8 <= shared < 20
    go_on.set()
    for crowd in crowds:
        crowd.read(lambda: False)
        assert crowd.all_got(BODY)


def test_write_by_another_worker_is_seen(several, proxy, key):
    put(several, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(hold(go_on), method="GET")
    crowd = Crowd(several.port, key, 100)
    wait_until(lambda: several.counters()["node"]["fills_followed"] == 3)
    wait_until(lambda: proxy.held)
    several.put(key, b"new")
    for _ in range(20):
        assert several.get(key).body == b"new"
    go_on.set()
    crowd.read(lambda: False)
    assert {size for size, _, _ in crowd.got.values()} == {MIB}


def test_reload_in_mid_stream_loses_nobody(several, proxy, key):
    put(several, proxy, key, BODY)
    go_on = threading.Event()
    proxy.fault(in_pieces(go_on, MIB // 2), method="GET")
    crowd = Crowd(several.port, key, 100)
    crowd.read(lambda: crowd.streaming() == 100)
    old = set(several.workers())
    several.send(signal.SIGHUP)
    wait_until(lambda: set(several.workers()) - old)
    assert several.get(key).body == BODY        # by a reading of their own
    go_on.set()
    crowd.read(lambda: False)
    assert crowd.all_got(BODY)
    wait_until(lambda: not set(several.workers()) & old)
