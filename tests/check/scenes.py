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

from harness import EDITOR, wait_until
from s3_fault_proxy import s3_error

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
        self.target = f"/{name}.copy"       # what it is copied and moved to
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

    def read(self, node, key=None):
        begin = time.monotonic()
        answer = self.asked[node].get(key or self.key)
        tier = answer.headers.get("Cache-Status", "")
        self._note("read", node, begin, answer.status,
                   answer.body.decode() if answer.status == 200 else None,
                   tier, key)
        return tier

    def keep(self, node, key=None):
        """Until the node answers from its memory."""
        wait_until(lambda: "detail=memory" in self.read(node, key),
                   what="a hit from memory")

    def write(self, node, key=None):
        """One PUT: (value, begin, answer)."""
        self.written += 1
        value, begin = f"{self.name}.{self.written}", time.monotonic()
        try:
            answer = self.asked[node].put(key or self.key, value.encode())
        except OSError:                         # the node has died
            answer = None
        self._note("write", node, begin, answer.status if answer else 0, value,
                   key=key)
        return value, begin, answer

    def copy(self, node, kind="copy"):
        """Of the key, to the target."""
        begin = time.monotonic()
        answer = self.asked[node].request(
            kind.upper(), self.key, token=EDITOR,
            destination=self.target)
        self._note(kind, node, begin, answer.status,
                   answer.headers.get("ETag"), target=self.target)
        return begin, answer

    def delete(self, node):
        begin = time.monotonic()
        answer = self.asked[node].delete(self.key)
        self._note("delete", node, begin, answer.status, None)

    def delete_both(self, node):
        """POST /-/delete: the target, and the key."""
        keys = [self.target, self.key]
        begin = time.monotonic()
        answer = self.asked[node].post("/-/delete",
                                       {"keys": [key[1:] for key in keys]})
        for key in keys:
            self._note("batch", node, begin, answer.status, None, key=key)
        return answer

    def write_again(self, node):
        """PUTs, until one is taken."""
        wait_until(lambda: self.write(node)[2].status < 300,
                   what="a write to be taken")

    def purged(self, write, key=None):
        """For the CDN a write has ended when its purge is done."""
        value, begin, answer = write
        self._job(answer)
        self._note("write", EDGE, begin, answer.status, value, key=key)

    def copy_purged(self, copy, kind="copy"):
        begin, answer = copy
        self._job(answer)
        self._note(kind, EDGE, begin, answer.status, answer.headers["ETag"],
                   target=self.target + "@edge")

    def _job(self, answer):
        where = answer.headers.get("X-Content-Purge", "none")
        if where.startswith("/"):
            job = self.asked[HERE].finished_job(where)
            assert job["state"] == "done", job

    def meanwhile(self, function, *arguments):
        return self.threads.submit(function, *arguments)

    def _note(self, kind, node, begin, status, value, tier="", key=None,
              **more):
        end = time.monotonic()
        key = (key or self.key) + "@edge" * (node == EDGE)
        with self.lock:
            self.history.add(kind, key, value, begin, end, status,
                             f"n{node} {tier}", **more)

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
    def held(self, function, *arguments, method, applied=True, key=None):
        """function(*arguments), whose request to storage for the key is applied
        now (or in the end), and answered in the end."""
        reached, release, ended = (threading.Event() for _ in range(3))

        def act(exchange):
            answer = exchange.fetch() if applied else None
            reached.set()
            release.wait(30)
            answer = answer or exchange.fetch()
            ended.set()
            exchange.send(b"".join(answer))

        self.storage.fault(act, method=method, path=key or self.key)
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

    def counters(self, node):
        """Of the fleet."""
        return self.asked[node].counters()["fleet"]

    def pings(self, node):
        """That have come back."""
        return self.counters(node)["pings"]

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


# Copies, moves and many deleted

def copied_over(stage):
    """The target is being read on another node when it is copied to."""
    stage.write(HERE, stage.target)
    with stage.held(stage.read, THERE, stage.target, method="GET",
                    key=stage.target):
        assert stage.copy(HERE)[1].status == 204
    stage.read(THERE, stage.target)
    stage.read(ELSEWHERE, stage.target)


def moved_away(stage):
    """The source is being read on another node when it is moved."""
    stage.write(HERE)
    with stage.held(stage.read, THERE, method="GET"):
        assert stage.copy(HERE, "move")[1].status == 201
    for node in THERE, ELSEWHERE:
        stage.read(node)
        stage.read(node, stage.target)


def many_deleted(stage):
    """One of them is being read on another node."""
    stage.write(HERE)
    stage.write(HERE, stage.target)
    stage.keep(ELSEWHERE)
    stage.keep(ELSEWHERE, stage.target)
    stage.write(HERE)
    with stage.held(stage.read, THERE, method="GET"):
        assert stage.delete_both(HERE).status == 200
    for node in THERE, ELSEWHERE:
        stage.read(node)
        stage.read(node, stage.target)


def copied_unheard(stage):
    """A node that has the target in memory is cut off while storage copies:
    it never hears of it, and its lease ends."""
    stage.write(HERE, stage.target)
    stage.keep(THERE, stage.target)
    with contextlib.ExitStack() as stack:
        with stage.held(stage.copy, HERE, method="PUT",
                        key=stage.target) as copy:
            stack.enter_context(stage.cut_off(THERE))
        assert copy.result()[1].status == 204
        stage.read(THERE, stage.target)


def copier_cut_off(stage):
    """The node that copies loses its lease while storage copies.  It can tell
    nobody; its intent is taken over."""
    stage.write(HERE, stage.target)
    stage.keep(THERE, stage.target)
    with contextlib.ExitStack() as stack:
        with stage.held(stage.copy, HERE, method="PUT",
                        key=stage.target) as copy:
            stack.enter_context(stage.cut_off(HERE))
            wait_until(lambda: not stage.counters(HERE)["lease"],
                       what="the end of the lease")
        assert copy.result()[1].status == 504
    stage.read(THERE, stage.target)


def copied_and_failed(stage):
    """Storage copies, and says that it has failed; when it is asked again, the
    source is gone."""
    stage.write(HERE, stage.target)
    stage.keep(THERE, stage.target)

    def act(exchange):
        exchange.fetch()
        stage.delete(ELSEWHERE)
        s3_error(500, "InternalError")(exchange)

    stage.storage.fault(act, method="PUT", path=stage.target)
    stage.copy(HERE)
    stage.read(THERE, stage.target)


def removed_late(stage):
    """Storage removes the source of a MOVE that was given up, after it was
    read again."""
    with stage.held(stage.copy, HERE, "move", method="DELETE",
                    applied=False) as given_up:
        given_up.result()
        stage.keep(THERE)


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


def moved_past(stage):
    """It has both when one is moved over the other."""
    stage.purged(stage.write(HERE, stage.target), stage.target)
    for key in stage.key, stage.target:
        stage.read(EDGE, key)
    stage.copy_purged(stage.copy(HERE, "move"), "move")
    for key in stage.key, stage.target:
        stage.read(EDGE, key)


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
    "COPY-FILL": (copied_over, {}),
    "MOVE-FILL": (moved_away, {}),
    "DELETE-FILL": (many_deleted, {}),
    "COPY-LEASE": (copied_unheard, {}),
    "COPY-CUT": (copier_cut_off, {"deadline": "5s"}),
    "MOVE-CDN": (moved_past, {"cdn": True}),
    "MOVE-LATE": (removed_late, {"deadline": "5s"}),
    "COPY-FAILED": (copied_and_failed, {"deadline": "5s"}),
}


def once():
    """Of each scene a name."""
    every = {**SCENES, **MORE}
    return {scene: name for name, (scene, _) in every.items()}.values()
