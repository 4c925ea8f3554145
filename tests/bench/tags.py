"""What a purge of one tag costs a node of three that has very many records in
memory: with none of them, and with all; and whom it takes."""

import contextlib
import http.client
import json
import statistics
import struct
import time

import cache
import load
import peers
from peers import KIB, MIB, TOKEN, Made
from rounds import say
from servers import Redis, Trouble

TAGS = 10_000
NODES = 3
RECORD = 900                    # bytes of the zone for each, and some to spare
SHARE = 5                       # of all records: each costs Redis a fill, too
PURGES = 200                    # of a sample: never the same tag twice


class Tagged(Made):
    """The smallest objects alone; the low half of a key's number is its tag."""

    name = "tagged"
    SIZES = (16,) * len(Made.SIZES)

    @classmethod
    def locations(cls):
        return ("location ~ ^/[^/]+/k./....(....)$ { "
                'add_header x-amz-meta-cache-tag "t$1"; '
                + cls.HEADERS + 'return 200 "0123456789abcdef"; }')


class TaggedNode(peers.Peer):
    """One of the fleet, before objects that are made up."""

    def __init__(self, number, redis, zone):
        self.name, self.redis, self.zone = f"tags{number}", redis, zone

    def start(self, site):
        self.server = peers.ours(
            site, self.name, "s3",
            f"content_redis unix:{self.redis.socket}; "
            f"content_fleet on name={self.name}; content_hot ttl=1d; "
            f"content_memory {max(8 * MIB, self.zone) // KIB}k max=64k;",
            f"http://127.0.0.1:{Tagged.server.port}",
            peers.made_credentials(site))

    def purges(self, first, count):
        """Seconds of each, of one tag at a time."""
        took = []
        with contextlib.closing(http.client.HTTPConnection(
                "127.0.0.1", self.server.port, timeout=20)) as connection:
            for number in range(first, first + count):
                begin = time.perf_counter()
                connection.request(
                    "POST", "/-/purge", json.dumps({"tags": [tag(number)]}),
                    {"Authorization": f"Bearer {TOKEN}",
                     "Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                took.append(time.perf_counter() - begin)
                if answer.status != 202:
                    raise Trouble(f"purge: HTTP {answer.status}")
        return took


def tag(number):
    return f"t{number:04x}"


def keys(records, tags):
    """The objects of these tags, of all that there are."""
    return [i << 16 | n for i in range(records // TAGS) for n in tags]


def tags(run):
    try:
        with contextlib.ExitStack() as stack:
            measure(run, stack)
    except Trouble as trouble:
        run.results.miss("tags", trouble)


def measure(run, stack):
    records = max(run.records // SHARE // TAGS, 1) * TAGS
    redis = Redis("tags-redis", run.site.place)
    stack.callback(redis.stop)
    made = Tagged()
    made.start(run.site)
    stack.callback(made.stop)

    nodes = [TaggedNode(i, redis, 0 if i else 64 * MIB + records * RECORD)
             for i in range(NODES)]
    for node in nodes:
        stack.callback(node.stop)
        node.start(run.site)

    node = nodes[0]
    node.purges(0, 20)                          # until all have come
    count = 20 if run.quick else PURGES
    say(f"purges of one of {TAGS:,} tags, {NODES} nodes, "
        f"nothing in memory and {records:,} records")
    first = 0
    for _ in range(run.few_rounds):
        sample(run, "tags/empty", node.purges(first, count))
        first += count

    begin = time.monotonic()
    hits(run, node, keys(records, range(TAGS)))
    held = cache.status(node)["records"]
    say(f"  {held:,} records in {time.monotonic() - begin:.0f} s")
    if held != records:
        raise Trouble(f"it keeps {held} of {records} records")

    purged = range(first, first + run.few_rounds * count)
    for _ in range(run.few_rounds):
        sample(run, "tags/full", node.purges(first, count))
        first += count

    some = list(purged)[:20]
    others = [n for n in range(0, TAGS, TAGS // 100) if n not in purged]
    run.results.add("tags/purged", "of their records",
                    1 - hits(run, node, keys(records, some)))
    run.results.add("tags/others", "of their records",
                    hits(run, node, keys(records, others)))
    run.notes["tags"] = {"records": records, "purges": len(purged)}


def sample(run, series, took):
    run.results.add(f"{series}/p50", "ms", statistics.median(took) * 1e3)
    run.results.add(f"{series}/p99", "ms",
                    sorted(took)[len(took) * 99 // 100] * 1e3)


def hits(run, node, numbers):
    """What share of them memory has; afterwards it has all of them."""
    trace = run.site.place / "tags.trace"
    trace.write_bytes(struct.pack(f"={len(numbers)}I", *numbers))
    before = lookups(node)
    cache.replay(run, node, trace, 0, len(numbers))
    return 1 - (lookups(node) - before) / len(numbers)


def lookups(node):
    """How often the node has asked Redis, for memory had no such record."""
    status = load.fetch(f"http://127.0.0.1:{node.server.port}/-/status",
                        f"Authorization: Bearer {TOKEN}")[2]
    return json.loads(status)["redis"]["lookups"]
