"""No purge of the CDN is lost: with Redis, what was answered for is purged when
nginx is back, however it was stopped; and by the others if it stays away.
"""

import contextlib
import os
import pathlib
import signal

import pytest

from harness import EDITOR, Nginx, children, wait_until
from proxy import Proxy
from redis_server import Redis
from s3_fault_proxy import FaultProxy
from test_fleet import Fleet
from test_purge import FAST, items, purge, tag_of

LONG = 1000             # times: until the faults are forgotten


@pytest.fixture(params=["alone", "on lease=1s name=n"], ids=["alone", "fleet"])
def origin(request, tmp_path, fake, redis):
    with Nginx(tmp_path / "n", purge=fake, redis=redis, server=FAST,
               fleet=request.param, expect=["still queued"]) as nginx:
        ready(nginx)
        yield nginx


def ready(nginx):
    """All workers have Redis, whoever answers."""
    wait_until(lambda: all(nginx.counters()["redis"]["ready"]
                           for _ in range(12)))
    wait_until(lambda: nginx.put("/ready").status in (201, 204))


def owed(redis):
    """What is noted in Redis, of all nodes."""
    return sum(redis.client.hlen(key)
               for key in redis.client.keys("nc:{fleet}:owed:*"))


def stop(nginx, number):
    """TERM to the master; or KILL to all at once, the master first."""
    if number == signal.SIGTERM:
        nginx.end(number)
        return
    processes = [nginx.process.pid, *children(nginx.process.pid)]
    for pid in processes:
        os.kill(pid, number)
    nginx.process.wait()
    wait_until(lambda: not any(lives(pid) for pid in processes[1:]))


def lives(pid):
    """Whoever reaps it may be slow: a zombie does not live, once it is the
    last of its threads; until then they keep the port."""
    process = pathlib.Path(f"/proc/{pid}")
    try:
        status = (process / "stat").read_text(encoding="ascii")
        return (status.rpartition(")")[2].split()[0] != "Z"
                or len(list((process / "task").iterdir())) > 1)
    except OSError:
        return False


FAULTS = {"500": {"status": 500, "times": LONG},
          "429": {"status": 429, "retry_after": 60, "times": LONG},
          "holds": {"stall": 20, "times": LONG}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL],
                         ids=["TERM", "KILL"])
@pytest.mark.parametrize("fault", FAULTS)
def test_purges_outlive_nginx(origin, fake, redis, fault, number):
    origin.put("/a", b"1")
    fake.fault(**FAULTS[fault])
    locations = [origin.put("/a", b"2").headers["X-Content-Purge"],
                 purge(origin, {
                     "tags": ["one", "two"], "hosts": ["www.example.com"],
                     "prefixes": ["www.example.com/p"],
                     "urls": ["https://www.example.com/u"]}),
                 purge(origin, {"everything": True}),
                 origin.delete("/a").headers["X-Content-Purge"]]
    fake.calls(least=1, state="arrived")
    assert owed(redis) == 4
    assert origin.counters()["purge"]["owed"] == 8
    stop(origin, number)
    assert owed(redis) == 4
    fake.reset("enterprise")
    origin.start()
    for location in locations:
        wait_until(lambda: origin.get(location, token=EDITOR).status != 404,
                   what="the job to be known again")
        assert origin.finished_job(location)["state"] == "done"
    calls = fake.calls()
    assert set(items(calls)) == {tag_of("/a"), "one", "two"}
    assert set(items(calls, "hosts")) == {"www.example.com"}
    assert set(items(calls, "prefixes")) == {"www.example.com/p"}
    assert set(items(calls, "files")) == {"https://www.example.com/u"}
    assert any("purge_everything" in call["body"] for call in calls)
    wait_until(lambda: owed(redis) == 0, what="nothing to be owed")


def test_what_is_done_is_not_owed(origin, fake, redis):
    origin.put("/a", b"1")
    location = origin.put("/a", b"2").headers["X-Content-Purge"]
    origin.finished_job(location)
    wait_until(lambda: owed(redis) == 0)
    count = len(fake.calls())
    origin.stop()
    origin.start()
    wait_until(lambda: origin.put("/b").status == 201)
    assert len(fake.calls()) == count


def test_what_cloudflare_refuses_is_not_owed(origin, redis):
    location = purge(origin, {"urls": ["https://elsewhere.test/"]})
    assert origin.finished_job(location)["state"] == "failed"
    wait_until(lambda: owed(redis) == 0)


def test_worker_that_is_killed_owes_nothing_for_ever(origin, fake, redis):
    """Noted, and not queued yet, when it died: its successor reads it."""
    origin.put("/a", b"1")
    fake.fault(status=500, times=LONG)
    purge(origin, {"tags": ["x"]})
    key, = redis.client.keys("nc:{fleet}:owed:*")
    head, = redis.client.hvals(key)
    redis.client.hset(key, "ab" * 16, head.replace(b"t x", b"t left"))
    fake.reset("enterprise")
    origin.kill_worker(origin.workers()[0])
    wait_until(lambda: "left" in items(fake.calls()))
    wait_until(lambda: owed(redis) == 0)


def test_text_that_is_none_does_no_harm(origin, fake, redis):
    origin.expect.append("can't be read")
    fake.fault(status=500, times=LONG)
    purge(origin, {"tags": ["x"]})
    key, = redis.client.keys("nc:{fleet}:owed:*")
    head, = redis.client.hvals(key)
    redis.client.hset(key, mapping={
        "x": "1", "cd" * 16: "garbage",
        "ef" * 16: head.replace(b"t x", b"t x\xff")})
    stop(origin, signal.SIGTERM)
    fake.reset("enterprise")
    origin.start()
    wait_until(lambda: "x" in items(fake.calls()))
    assert set(items(fake.calls())) <= {"x", tag_of("/ready")}
    log = origin.read_log()
    for name in ("x", "cd" * 16, "ef" * 16):
        assert f'the purge "{name}" in Redis can\'t be read' in log
    assert f"the purge {'ef' * 16}" not in log


class Nodes(Fleet):
    """Two, of which one is struck off soon when it is gone."""

    def __init__(self, workdir, redis, fake):
        super().__init__(workdir, redis, count=2, fleet="on lease=300ms",
                         purge=fake, server=FAST, expect=["still queued"])

    def close(self):
        self.stop()


def test_other_nodes_pay_for_one_that_stays_away(tmp_path, fake):
    with Redis(tmp_path / "redis") as redis, \
         contextlib.closing(Nodes(tmp_path, redis, fake)) as fleet:
        fake.fault(status=500, times=LONG)
        purge(fleet[1], {"tags": ["a"]})
        stop(fleet[1], signal.SIGKILL)
        fake.reset("enterprise")
        wait_until(lambda: "a" in items(fake.calls()), 60,
                   "the other node to purge")
        wait_until(lambda: owed(redis) == 0)
        fleet[1].start()


def test_node_that_does_not_hear_what_it_inherits_pays(tmp_path, fake):
    """Redis has given it the purges; its answer gets lost."""
    how = {"purge": fake, "server": FAST, "expect": ["still queued"]}
    with Redis(tmp_path / "redis") as redis, \
         Proxy(tmp_path / "proxy.sock", redis.socket) as proxy, \
         Nginx(tmp_path / "n", redis=f"unix:{proxy.path}",
               fleet="on lease=300ms name=n", **how) as origin:
        dying = Nginx(tmp_path / "d", redis=redis,
                      fleet="on lease=300ms name=d", **how)
        ready(origin)
        ready(dying)
        fake.fault(status=500, times=LONG)
        purge(dying, {"tags": ["left"]})
        lost = proxy.lose(b"left")
        stop(dying, signal.SIGKILL)
        fake.reset("enterprise")
        assert lost.wait(60)
        wait_until(lambda: "left" in items(fake.calls()), 60,
                   "the other node to purge")
        wait_until(lambda: owed(redis) == 0)


def test_full_queue_owes_nothing(tmp_path, fake, redis):
    """And takes what was owed before when there is room again."""
    with FaultProxy(fake.address) as proxy, \
         Nginx(tmp_path / "n", purge=fake, redis=redis, server=FAST,
               http="content_zone 4m;", start=False,
               expect=["can't be queued", "still queued"]) as origin:
        origin.write(server=origin.settings["server"].replace(
            fake.address, proxy.endpoint.removeprefix("http://")))
        origin.start()
        proxy.refuse()
        ready(origin)
        many = {"tags": [f"c{n:020}" for n in range(5000)]}
        while origin.post("/-/purge", many).status == 202:
            before = owed(redis)
        assert before > 0
        assert origin.post("/-/purge", many).status == 503
        wait_until(lambda: owed(redis) == before)

        key, = redis.client.keys("nc:{fleet}:owed:*")
        left = redis.client.hvals(key)[0]
        redis.client.hset(key, "ab" * 16, left)
        redis.client.config_resetstat()
        origin.send(signal.SIGHUP)
        wait_until(lambda: "cmdstat_hscan"
                   in redis.client.info("commandstats"))
        assert origin.get("/-/purge/" + "ab" * 16,
                          token=EDITOR).status == 404

        proxy.accept()
        wait_until(lambda: owed(redis) == 0, 60)


def test_purge_that_could_not_be_noted_is_made_once_more(tmp_path, fake,
                                                         redis):
    """The intent stays, and is taken over."""
    key = "nc:{fleet}:owed:n"
    with Nginx(tmp_path / "n", purge=fake, redis=redis, server=FAST,
               fleet="on lease=300ms deadline=1s name=n") as origin:
        ready(origin)
        origin.put("/a", b"1")
        redis.client.set(key, "no hash")
        location = origin.put("/a", b"2").headers["X-Content-Purge"]
        assert origin.finished_job(location)["state"] == "done"
        assert redis.client.xlen("nc:{fleet}:intents") == 1
        redis.client.delete(key)
        wait_until(lambda: redis.client.xlen("nc:{fleet}:intents") == 0)
        wait_until(lambda: items(fake.calls()) == [tag_of("/a")] * 2)
        wait_until(lambda: owed(redis) == 0)
