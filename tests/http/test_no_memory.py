"""What is asked for memory fails: each call in turn, of one request of each
kind (shortage.py), and all calls from one on.  So do those for descriptors, for
space in files, in zones, for connections, and for events.

The request is answered, or its connection is closed, soon; with 5xx if not as
always.  The worker lives.  A write that was answered is there, another is old
or new, whole.  The same request then works, and nothing is held for the one
that failed.

EVERY=1 takes each call; else, where there are hundreds, some (Row.steps).
"""

import http.client
import os
import time

import pytest

import edge
from harness import EDITOR, connections, data, tier, wait_until
from redis_server import Redis
from shortage import (ALWAYS, CONNECTION, DESCRIPTOR, EVENT, MEMORY, SPACE,
                      ZONE, ShortNginx)
from test_redis import heat

KIB, MIB = 1 << 10, 1 << 20

EVERY = bool(os.environ.get("EVERY"))
PATIENCE = 8                                            # seconds for an answer

# nginx's own words for it are [emerg].
SAID = [r"(malloc|posix_memalign)\([0-9, ]+\) failed",
        r"epoll_ctl\(1, \d+\) failed"]

SMALL_POOLS = "request_pool_size 256; connection_pool_size 256;"

LARGE = 6 * MIB                                         # two parts


class Node:
    """A node that can run short, and the names of objects on it."""

    def __init__(self, workdir, store, **how):
        how["http"] = SMALL_POOLS + how.get("http", "")
        self.nginx = ShortNginx(workdir, store, expect=SAID, **how)
        self.short = self.nginx.short
        self.bucket = None if store == "file" else store
        self.cdn = "purge" in how and int(how["purge"].address.split(":")[1])
        self.turn = 0

    def key(self):
        self.turn += 1
        return f"/{self.turn}/object"

    def whole(self, step):
        """step(), until what an earlier shortage has cut (Redis's connection)
        is mended."""
        def done():
            try:
                step()
            except AssertionError as error:
                if "503" not in str(error):
                    raise
                return False
            return True
        wait_until(done, what="a node that works")

    def used(self):
        """Descriptors; without the connections to the CDN, which are as many
        as there were calls at once, and stay."""
        worker, = self.nginx.workers()
        cdn = connections(worker, self.cdn) if self.cdn else 0
        return len(os.listdir(f"/proc/{worker}/fd")) - cdn

    def idle(self):
        status = self.nginx.counters()
        return (status.get("memory", {"held": 0})["held"] == 0
                and status["uploads"]["bytes"] == 0
                and status["uploads"]["waiting"] == 0
                and not self.nginx.temporary_files())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files, with all caches and a CDN."""
    where = tmp_path_factory.mktemp("files")
    with Redis(where / "redis") as redis:
        with edge.start_fake_cloudflare(zone_names=["example.com"]) as fake:
            fake.reset("enterprise")
            node = Node(where / "nginx", "file", redis=redis, purge=fake,
                        http="content_purge_plan enterprise;"
                             "content_purge_timeout 1s; content_memory 16m max=512k;"
                             "content_hot hits=1 window=60s size=64k ttl=1h;")
            yield node
            wait_until(lambda: node.nginx.counters()["purge"]["pending"] == 0,
                       40, "the purges to be made")
            node.nginx.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Files, and Redis alone."""
    where = tmp_path_factory.mktemp("shared")
    with Redis(where / "redis") as redis:
        node = Node(where / "nginx", "file", redis=redis,
                    http="content_hot hits=1 window=60s size=1m ttl=1h;")
        yield node
        node.nginx.stop()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Files alone."""
    node = Node(tmp_path_factory.mktemp("plain") / "nginx", "file")
    yield node
    node.nginx.stop()


@pytest.fixture(scope="module")
def remote(tmp_path_factory, bucket):
    """S3 with a cache in memory, into which it is filled."""
    node = Node(tmp_path_factory.mktemp("remote") / "nginx", bucket,
                http="content_hot hits=1 window=60s;"
                     "content_memory 64m max=1m;")
    yield node
    node.nginx.stop()


# What is done: ready() makes an object, request() is what runs short, check()
# looks at its answer (None: closed).

class Row:
    size = 3000
    steps = 80              # calls that fail, at most, of those of a request
    good = (200,)
    headers = {"content_type": "text/css", "cache_tag": "a,b",
               "x_content_meta_a": "b"}

    def __init__(self, node):
        self.node, self.nginx = node, node.nginx
        self.key = None

    def old(self):
        return data(self.size, 2 * self.node.turn)

    def new(self):
        return data(self.size, 2 * self.node.turn + 1)

    def put(self, path, body):
        answer = self.nginx.put(path, body, **self.headers)
        assert answer.status in (201, 204), answer

    def ready(self):
        self.key = self.node.key()
        self.put(self.key, self.old())

    def ask(self, method, **how):
        return self.nginx.request(method, self.key, token=EDITOR,
                                  timeout=PATIENCE, **how)

    def request(self):
        return self.ask("GET")

    def check(self, answer):
        if answer and answer.status in self.good:
            old = self.old()
            assert answer.body == old or (
                not answer.complete and old.startswith(answer.body)), answer
            self.described(answer)

    def described(self, answer):
        """Metadata is there, or the object is not."""
        for name, value in self.headers.items():
            name = name.replace("_", "-")
            assert value in answer.headers.get(name, ""), (name, answer)


class Read(Row):
    pass


class ReadLarge(Row):
    size = 3 * MIB
    steps = 15


class ReadHit(Row):
    def ready(self):
        super().ready()
        self.nginx.get(self.key)
        self.node.short.settle()


class ReadHitLarge(ReadHit):
    """Whose record has memory of its own."""
    size = 300 * KIB


class ReadAnon(ReadHit):
    def request(self):
        return self.nginx.get(self.key, timeout=PATIENCE)


class Head(Row):
    def request(self):
        return self.ask("HEAD", want_repr_digest="sha-256=1")

    def check(self, answer):
        if answer and answer.status == 200:
            self.described(answer)


class Range(Row):
    good = (206,)

    def request(self):
        return self.ask("GET", range="bytes=10-99")

    def check(self, answer):
        if answer and answer.status == 206 and answer.complete:
            assert answer.body == self.old()[10:100], answer


class Absent(Row):
    good = (404,)

    def ready(self):
        self.key = self.node.key()

    def check(self, answer):
        pass


class Write(Row):
    good = (201, 204)

    def request(self):
        return self.ask("PUT", body=self.new(), **self.headers)

    def check(self, answer):
        now = self.nginx.get(self.key)
        assert now.status == 200, now
        done = answer and answer.status in self.good
        assert now.body in ((self.new(),) if done
                            else (self.old(), self.new())), (answer, now)
        self.described(now)


class WriteIf(Write):
    def request(self):
        return self.ask("PUT", body=self.new(), if_match="*", **self.headers)


class WriteMiddle(Write):
    size = 300 * KIB


class WriteLarge(Write):
    size = LARGE
    steps = 12

    def ready(self):
        self.key = self.node.key()
        self.put(self.key, b"old")

    def old(self):
        return b"old"


class WriteChunked(WriteMiddle):
    def request(self):
        return self.ask("PUT", chunks=[self.new()], **self.headers)


class Delete(Row):
    good = (204,)

    def request(self):
        return self.ask("DELETE")

    def check(self, answer):
        now = self.nginx.get(self.key)
        done = answer and answer.status == 204
        assert now.status in ((404,) if done else (200, 404)), (answer, now)


class Copy(Row):
    good = (201,)
    method = "COPY"

    def request(self):
        return self.ask(self.method, destination=self.key + ".copy")

    def check(self, answer):
        source = self.nginx.get(self.key)
        copy = self.nginx.get(self.key + ".copy")
        done = answer and answer.status == 201
        assert copy.status in ((200,) if done else (200, 404)), answer
        assert (source.status == 200 if self.method == "COPY"
                else done and source.status == 404
                or not done and 200 in (source.status, copy.status)), answer
        for now in (source, copy):
            if now.status == 200:
                assert now.body == self.old()
                self.described(now)


class Move(Copy):
    method = "MOVE"


class Post(Row):
    """To the API."""
    path = "/-/delete"

    def ready(self):
        self.key = self.node.key()

    def document(self):
        return {"keys": [self.key[1:], "other"]}

    def request(self):
        return self.nginx.post(self.path, self.document(), timeout=PATIENCE)

    def check(self, answer):
        pass


class DeleteMany(Post):
    good = (200, 207)


class Purge(Post):
    path, good = "/-/purge", (202,)

    def document(self):
        return {"tags": ["a", "b" + str(self.node.turn)]}


class PurgeAll(Purge):
    def document(self):
        return {"everything": True}


class Look(Row):
    path = "/-/status"

    def ready(self):
        pass

    def request(self):
        return self.nginx.get(self.path, token=EDITOR, timeout=PATIENCE)

    def check(self, answer):
        pass


class Metrics(Look):
    path = "/-/metrics"


class List(Look):
    """All that is there, or none."""
    steps = 300
    path = "/-/list?prefix=list&limit=10"

    def ready(self):
        if not hasattr(self, "made"):
            self.made = [f"list/{n}" for n in range(3)]
            for key in self.made:
                self.put("/" + key, b"x")

    def check(self, answer):
        if answer and answer.status == 200:
            keys = [o["key"] for o in answer.json()["objects"]]
            assert keys == self.made, answer


class Tree(List):
    path = "/-/list?prefix=list/&delimiter=/&limit=10"


# The sweep.

def asked(row):
    """The answer, or None: the connection was closed."""
    try:
        return row.request()
    except TimeoutError:
        raise AssertionError("no answer") from None
    except (OSError, http.client.HTTPException):
        return None


def step(row, kind, first, times):
    """What one request does when calls fail; how many it made, and whether
    any has failed."""
    short = row.node.short
    row.node.whole(row.ready)
    short.settle()
    short.arm(kind, first, times)
    try:
        answer = asked(row)
        short.settle()
    finally:
        failed = short.disarm()
    assert (answer is None or answer.status in row.good
            or answer.status >= 500), answer
    row.check(answer)
    return short.calls(), failed


def works(row):
    row.ready()
    answer = row.request()
    assert answer.status in row.good, answer
    row.check(answer)


def sweep(row, kind):
    """Each call once, then all from some on."""
    node = row.node
    workers = node.nginx.workers()
    node.whole(lambda: works(row))
    node.short.settle()
    used = node.used()
    calls, _ = step(row, kind, 1 << 30, 1)          # none fails
    assert calls, "nothing asks for it"
    for times in (1, ALWAYS):
        stride = max(1, calls // (row.steps if times == 1
                                  else row.steps // 4))
        stride = 1 if EVERY else stride
        first = 1
        going_on = True
        while going_on:
            try:
                _, failed = step(row, kind, first, times)
                assert node.nginx.workers() == workers, "the worker has died"
            except AssertionError as error:
                raise AssertionError(
                    f"call {first} failed, {times} in all: {error}\n"
                    + node.short.where()) from None
            going_on = failed or first <= calls
            first += stride
    node.whole(lambda: works(row))
    wait_until(node.idle, what="nothing to be held")
    wait_until(lambda: node.used() <= used + 4, what="descriptors to close")


LOCAL = [Read, Head, Range, Absent, Write, WriteIf, WriteMiddle,
         WriteChunked, Delete, Copy, Move, DeleteMany, List, Tree, Look,
         Metrics]
CACHED = [ReadHit, ReadAnon, Head, Write, Purge, PurgeAll, DeleteMany]
REMOTE = [Read, ReadLarge, ReadHit, Head, Range, Absent, Write, WriteIf,
          WriteLarge, Delete, Copy, Move, DeleteMany, List]


def name(row):
    return row.__name__


@pytest.mark.parametrize("row", LOCAL, ids=name)
def test_memory_files(plain, row):
    sweep(row(plain), MEMORY)


@pytest.mark.parametrize("row", CACHED, ids=name)
def test_memory_caches(files, row):
    sweep(row(files), MEMORY)


@pytest.mark.parametrize("row", [ReadHit, ReadHitLarge], ids=name)
def test_memory_for_a_record_of_redis(shared, row):
    """It is not damaged, and stays."""
    sweep(row(shared), MEMORY)
    assert shared.nginx.counters()["node"]["records_damaged"] == 0


@pytest.mark.parametrize("row", REMOTE, ids=name)
def test_memory_s3(remote, row):
    sweep(row(remote), MEMORY)


@pytest.mark.parametrize("row", [Read, Head, Write, WriteMiddle, Delete, Copy,
                                 Move, List, Tree], ids=name)
def test_descriptors(plain, row):
    sweep(row(plain), DESCRIPTOR)


@pytest.mark.parametrize("row", [Write, WriteMiddle, Copy, Move, Delete],
                         ids=name)
def test_space(plain, row):
    sweep(row(plain), SPACE)


@pytest.mark.parametrize("row", [Write, Purge], ids=name)
def test_zones(files, row):
    sweep(row(files), ZONE)


@pytest.mark.parametrize("row", [Write, Copy, List], ids=name)
def test_connections(remote, row):
    sweep(row(remote), CONNECTION)


@pytest.mark.parametrize("row", [Read, Write, List], ids=name)
def test_events(remote, row):
    sweep(row(remote), EVENT)


def test_connection_to_redis_that_cannot_be_watched(tmp_path, redis):
    """It is closed: nginx finds none that was left open when it stops."""
    node = Node(tmp_path / "nginx", "file", redis=redis,
                http="content_hot hits=1;")
    node.nginx.put("/a", b"x")
    heat(node.nginx, "/a")
    used = node.used()
    node.short.arm(EVENT, 1, ALWAYS)
    redis.client.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: node.short.failed() > 2, what="attempts to fail")
    assert node.used() <= used
    node.nginx.stop()
