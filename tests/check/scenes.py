"""For each rule, the moment that it is there for, step by step.

A scene is a function of a Stage: three nodes, one key, and what is seen of it.
Random faults seldom make such moments; here they always come.  A scene has no
verdict of its own: its reads and writes are judged as any history, and at its
end all intents have to end and the nodes to agree with storage.  With all rules
on nothing is wrong; without the rule something is.

Events are awaited; there is a pause only where time itself is the matter.
"""

import concurrent.futures
import contextlib
import threading
import time

from harness import wait_until

HERE, THERE, ELSEWHERE = range(3)   # writes; is disturbed; looks on
EDGE = 3                            # the CDN, which asks THERE
JOINERS = 8                         # requests: some come to the filling worker


class Stage:
    """One key of a fleet, and what is seen of it.  The object is there."""

    def __init__(self, servers, history, name):
        """history: .add(kind, key, value, begin, end, status, where)"""
        self.servers, self.history = servers, history
        self.redis, self.storage = servers.redis, servers.storage
        self.name, self.key = name, f"/{name}"
        self.asked = [*servers.nodes, servers.edge]
        self.written = 0
        self.lock = threading.Lock()
        self.threads = concurrent.futures.ThreadPoolExecutor(JOINERS + 2)

    def __enter__(self):
        self.purged(self.write(HERE))
        return self

    def __exit__(self, *_exception):
        self.threads.shutdown()

    # what clients do

    def read(self, node):
        begin = time.monotonic()
        answer = self.asked[node].get(self.key)
        tier = answer.headers.get("Cache-Status", "")
        self._note("read", node, begin, answer.status,
                   answer.body.decode() if answer.status == 200 else None,
                   tier)
        return tier

    def keep(self, node):
        """Until the node answers from its memory."""
        wait_until(lambda: "detail=memory" in self.read(node),
                   what="a hit from memory")

    def write(self, node):
        """One PUT: (value, begin, answer)."""
        self.written += 1
        value, begin = f"{self.name}.{self.written}", time.monotonic()
        try:
            answer = self.asked[node].put(self.key, value.encode())
        except OSError:                         # the node has died
            answer = None
        self._note("write", node, begin, answer.status if answer else 0, value)
        return value, begin, answer

    def write_again(self, node):
        """PUTs, until one is taken."""
        wait_until(lambda: self.write(node)[2].status < 300,
                   what="a write to be taken")

    def purged(self, write):
        """For the CDN a write has ended when its purge is done."""
        value, begin, answer = write
        where = answer.headers.get("X-Content-Purge", "none")
        if where.startswith("/"):
            job = self.asked[HERE].finished_job(where)
            assert job["state"] == "done", job
        self._note("write", EDGE, begin, answer.status, value)

    def meanwhile(self, function, *arguments):
        return self.threads.submit(function, *arguments)

    def _note(self, kind, node, begin, status, value, tier=""):
        end = time.monotonic()
        with self.lock:
            self.history.add(kind, self.key + "@edge" * (node == EDGE), value,
                             begin, end, status, f"n{node} {tier}")

    # what is broken

    @contextlib.contextmanager
    def cut_off(self, node):
        self.servers.proxies[node].cut()
        try:
            yield
        finally:
            self.servers.proxies[node].mend()

    @contextlib.contextmanager
    def hears_late(self, node, seconds):
        """Commands go through at once, what is published comes late."""
        self.servers.proxies[node].delay(seconds, heard=True)
        try:
            yield
        finally:
            self.servers.proxies[node].delay(0)

    @contextlib.contextmanager
    def held(self, function, *arguments, method, applied=True):
        """function(*arguments), whose request to storage is applied now (or in
        the end), and answered in the end."""
        reached, release, ended = (threading.Event() for _ in range(3))

        def act(exchange):
            answer = exchange.fetch() if applied else None
            reached.set()
            release.wait(30)
            answer = answer or exchange.fetch()
            ended.set()
            exchange.send(b"".join(answer))

        self.storage.fault(act, method=method, path=self.key)
        done = self.meanwhile(function, *arguments)
        try:
            assert reached.wait(10), "storage was not asked"
            yield done
        finally:
            release.set()
        assert ended.wait(10), "storage has not answered"
        done.result()

    # what is awaited

    def leases(self):
        wait_until(self.servers.rested, what="leases")

    def connected(self):
        """All workers to Redis; the status tells of the one that is asked."""
        wait_until(lambda: all(node.counters()["redis"]["ready"]
                               for node in self.servers.nodes
                               for _ in range(8)), what="Redis to be back")

    def pings(self, node):
        """That have come back."""
        return self.asked[node].counters()["fleet"]["pings"]

    def joined(self, node):
        """Requests that have joined a fill."""
        return self.asked[node].counters()["node"]["fills_joined"]


# Who hears of a write

def published(stage):
    stage.keep(THERE)
    stage.write(HERE)
    stage.read(THERE)


def acknowledged(stage):
    """A node hears of the write later than its writer, within its lease."""
    stage.keep(THERE)
    with stage.hears_late(THERE, 0.5):
        stage.write(HERE)
        stage.read(THERE)


def lease_over(stage):
    """A node never hears of it."""
    stage.keep(THERE)
    with stage.cut_off(THERE):
        stage.write(HERE)
        stage.read(THERE)


def ping_late(stage):
    """Pings and the write come later than a lease lasts."""
    stage.keep(THERE)
    with stage.hears_late(THERE, 2.5):
        came = stage.pings(THERE)
        wait_until(lambda: stage.pings(THERE) > came + 6, what="late pings")
        stage.write(HERE)
        stage.read(THERE)


def back_again(stage):
    """A node has missed the write, and has a lease again."""
    stage.keep(THERE)
    with stage.cut_off(THERE):
        stage.write(HERE)
    stage.leases()
    stage.read(THERE)


# What was read before a write

def fill_late(stage):
    """It comes to the caches after the write."""
    stage.keep(THERE)
    stage.write(HERE)
    with stage.held(stage.read, THERE, method="GET"):
        stage.write(HERE)
    stage.read(THERE)
    stage.read(ELSEWHERE)


def fill_joined(stage):
    """Who asks after the write finds it under way."""
    stage.keep(THERE)
    stage.write(HERE)
    with stage.held(stage.read, THERE, method="GET"):
        stage.write(HERE)
        before = stage.joined(THERE)
        joiners = [stage.meanwhile(stage.read, THERE) for _ in range(JOINERS)]
        wait_until(lambda: stage.joined(THERE) > before
                   or all(j.done() for j in joiners), what="answers")


# Redis

def rolled_back(stage):
    """It comes up as it was before the write."""
    stage.keep(THERE)
    stage.write(HERE)
    stage.keep(THERE)               # hot by now: its bytes are in Redis
    wait_until(stage.redis.bodies, what="the bytes in Redis")
    stage.redis.client.save()
    stage.write(HERE)
    stage.redis.kill()
    stage.redis.start()
    stage.connected()
    stage.read(ELSEWHERE)


def lost(stage):
    """It knows no more of a node that still has a lease."""
    stage.keep(THERE)
    with stage.cut_off(THERE):
        stage.redis.kill()
        stage.redis.start()
        stage.write_again(HERE)
        stage.read(THERE)


def flushed(stage):
    """The same, and it is still the same Redis."""
    stage.keep(THERE)
    with stage.cut_off(THERE):
        stage.redis.client.flushall()
        stage.write(HERE)
        stage.read(THERE)


# Writers that do not end

def writer_dies(stage):
    """Between storage and END."""
    stage.keep(THERE)
    with stage.held(stage.write, HERE, method="PUT"):
        node = stage.asked[HERE]
        for pid in node.workers():
            node.kill_worker(pid)


def applied_late(stage):
    """Storage applies a write that was given up, after it was read again."""
    with stage.held(stage.write, HERE, method="PUT", applied=False) as given_up:
        given_up.result()
        stage.keep(THERE)


# The CDN

def purged_early(stage):
    """It asks a node that has not heard of the write, once it was purged."""
    stage.keep(THERE)
    with stage.hears_late(THERE, 0.6):
        writing = stage.meanwhile(stage.write, HERE)
        stage.servers.cdn.calls(least=1)
        stage.read(EDGE)
    stage.purged(writing.result())
    stage.read(EDGE)


def under_way(stage):
    """It is being sent the older object when it is purged."""
    with stage.held(stage.read, EDGE, method="GET"):
        write = stage.write(HERE)
        stage.servers.cdn.calls(least=1)
    stage.purged(write)
    stage.read(EDGE)


# rule: (scene, what the servers are asked for)
SCENES = {
    "INTENT": (writer_dies, {"deadline": "5s"}),
    "TOKEN": (fill_late, {}),
    "FENCE": (fill_late, {}),
    "PUBLISH": (published, {}),
    "ACKS": (acknowledged, {}),
    "LEASE": (lease_over, {}),
    "SENT": (ping_late, {}),
    "EMPTY": (back_again, {}),
    "EPOCH": (rolled_back, {}),
    "QUARANTINE": (lost, {"lease": "3s"}),
    "TAKEOVER": (writer_dies, {"deadline": "5s"}),
    "SECOND": (applied_late, {"deadline": "5s"}),
    "PURGE": (purged_early, {"cdn": True}),
    "REPEAT": (under_way, {"cdn": True}),
    "JOIN": (fill_joined, {}),
}

# name: the same, of moments that no rule has to itself
MORE = {
    "FLUSHALL": (flushed, {}),
}


def once():
    """Of each scene a name."""
    every = {**SCENES, **MORE}
    return {scene: name for name, (scene, _) in every.items()}.values()
