"""What the cache in shared memory makes of very many small objects: how fast
it is with few and with many, what a record takes, and what it keeps of a mix
that does not fit; and what Redis makes of many.

The objects come from a server that makes them up (peers.Made), so that a
million of them need no disk.
"""

import json
import struct

import load
import machine
import tools
from load import CONNECTIONS
from peers import (MIB, TOKEN, Made, OursMany, OursRedisMany, SrcacheMany)
from rounds import interleave, say
from servers import SERVER_CORE, Trouble

FEW = 10_000


def status(peer):
    """GET /-/status: of the memory cache."""
    _, _, body = load.fetch(f"http://127.0.0.1:{peer.server.port}/-/status",
                            f"Authorization: Bearer {TOKEN}")
    return json.loads(body)["memory"]


def replay(run, peer, trace, begin, end):
    return tools.run("replay", run.site.place, "trace", trace, begin, end,
                     peer.server.port, CONNECTIONS)


def make_trace(run, name, *arguments):
    path = run.site.place / f"{name}.trace"
    if not path.exists():
        tools.run("trace", run.site.place, *arguments, path)
    return path


def length(path):
    return path.stat().st_size // 4


# Few records, and many

def records(run):
    """L1 hits with few records and with many, a key at random each time."""
    try:
        look_ups(run)
    except Trouble as trouble:
        run.results.miss("records/lookup", trouble)

    many = run.records
    few = OursMany("few", 64 * MIB)
    most = OursMany("many", 64 * MIB + many * 2560)
    made = Made()
    try:
        made.start(run.site)
        for peer in (few, most):
            peer.start(run.site)
        say(f"L1 with {FEW:,} and with {many:,} records")
        interleave(run.results, run.rounds, [
            ("records/few", "requests/s", full_cell(run, few, FEW)),
            ("records/many", "requests/s", full_cell(run, most, many))])
        run.notes["records"] = many
        record_bytes(run)
    except Trouble as trouble:
        run.results.miss("records", trouble)
    finally:
        for peer in (few, most, made):
            peer.stop()


def full_cell(run, peer, count):
    """Fills the peer; a function that takes one sample."""
    fill = make_trace(run, f"fill-{count}", "uniform", count, 0)
    took = replay(run, peer, fill, 0, count)["seconds"]
    held = status(peer)["records"]
    if held != count:
        raise Trouble(f"it keeps {held} of {count} records")
    say(f"  {count:,} records in {took:.0f} s")

    asked = 100_000 * run.seconds
    trace = make_trace(run, f"uniform-{count}", "uniform", count, asked)

    def sample():
        before = status(peer)["hits"]
        rate = replay(run, peer, trace, 0, asked)["rate"]
        hits = status(peer)["hits"] - before
        if hits < asked:
            raise Trouble(f"only {hits} of {asked} were hits")
        return rate
    return sample


# Many objects in Redis

def second_level(run):
    """Redis and memcached, FEW objects, one at random each time: no two
    look-ups that go together are of the same."""
    made, peers = Made(), [OursRedisMany(), SrcacheMany()]
    try:
        made.start(run.site)
        say(f"{FEW:,} objects in Redis and in memcached")
        cells = []
        for peer in peers:
            peer.start(run.site)
            cells.append((f"second/{peer.name}", "requests/s",
                          second_cell(run, peer)))
        interleave(run.results, run.rounds, cells)
    except Trouble as trouble:
        run.results.miss("second", trouble)
    finally:
        for one in [*peers, made]:
            one.stop()


def second_cell(run, peer):
    """Fills the peer; a function that takes one sample."""
    fill = make_trace(run, f"fill-{FEW}", "uniform", FEW, 0)
    for _ in range(3):                      # hot, then filled
        replay(run, peer, fill, 0, FEW)
    asked = 60_000 * run.seconds
    trace = make_trace(run, f"second-{FEW}", "uniform", FEW, asked)
    if not all(is_hit(peer, number) for number in range(0, FEW, FEW // 50)):
        raise Trouble(f"{peer.name} does not keep them")
    return lambda: replay(run, peer, trace, 0, asked)["rate"]


def is_hit(peer, number):
    _, headers, _ = load.fetch(
        f"http://127.0.0.1:{peer.server.port}{Made.path(number)}")
    return peer.is_warm(headers)


def look_ups(run):
    """
    The look-up by itself, on the worker's core, with as many records as fit:
    what it takes longer, beside a whole request with few of them, is the row
    of ten million.
    """
    most = run.look_up_records
    if machine.available_memory() < most * 600:
        raise Trouble(f"no memory for {most:,} records")
    say(f"look-ups among {FEW:,} and {most:,} records")
    for _ in range(1 if run.quick else 2):
        few, many = tools.run("lookup", run.site.place, FEW, most,
                              core=SERVER_CORE)
        run.results.add("records/lookup/few", "ns", few["ns"])
        run.results.add("records/lookup/many", "ns", many["ns"])
    run.notes["look_up_records"] = most


def computed(results):
    """Requests/s with very many records / with few: from a request's time
    with few of them and the longer look-up.  (ratio, low, high) or None."""
    rates = results.values("records/few")
    few, many = (results.median(f"records/lookup/{n}") for n in
                 ("few", "many"))
    if not rates or few is None:
        return None
    longer = max(0, many - few) * 1e-9
    ratios = sorted(1 / (1 + longer * rate) for rate in rates)
    return ratios[len(ratios) // 2], ratios[0], ratios[-1]


# The bytes that a record takes

def record_bytes(run):
    """
    A zone is filled with the smallest objects until it evicts; what it holds
    then, and what of that are key, headers and body.  All of the zone counts:
    tables, fences, what can't be used.
    """
    zone = 16 * MIB if run.quick else 64 * MIB
    peer = OursMany("bytes", zone)
    numbers = [n for n in range(zone // 64) if Made.kind(n) == 0]
    trace = run.site.place / "smallest.trace"
    trace.write_bytes(struct.pack(f"={len(numbers)}I", *numbers))
    try:
        peer.start(run.site)
        replay(run, peer, trace, 0, len(numbers))
        held = status(peer)
        if not held["evicted"]:
            raise Trouble(f"{len(numbers)} records do not fill {zone} bytes")
        own = own_bytes(peer, numbers[-64:])
        each = zone / held["records"]
        run.results.add("records/bytes", "bytes", each - own)
        run.notes["record_bytes"] = {"zone": zone, "records": held["records"],
                                     "own": own}
        say(f"  a record takes {each:.0f} bytes of the zone, {own:.0f} of "
            "them key, headers and body")
    finally:
        peer.stop()


OBJECT_HEADERS = ("content-type", "etag", "last-modified", "cache-tag")


def own_bytes(peer, numbers):
    """Of one object, in the mean: key, its own headers, body."""
    total = 0
    for number in numbers:
        path = Made.path(number)
        _, headers, body = load.fetch(
            f"http://127.0.0.1:{peer.server.port}{path}")
        total += len(path) - 1 + len(body) + sum(
            len(name) + len(headers[name])
            for name in OBJECT_HEADERS if name in headers)
    return total / len(numbers)


# A mix that does not fit

def mix(run):
    """
    Zipf's distribution over very many keys, a scan in the middle, and a zone
    of a tenth of their bytes.  The first third warms.
    """
    keys = run.keys
    trace = make_trace(run, "mix", "zipf", keys, 3 * keys, keys * 3 // 10)
    total = length(trace)
    warm = total // 3
    zone = int(keys * mean_size() / 10)
    peer, made = OursMany("mix", zone), Made()
    try:
        made.start(run.site)
        sizes = class_sizes(run)
        peer.start(run.site)
        say(f"{total:,} requests for {keys:,} keys, {zone // MIB} MiB")
        replay(run, peer, trace, 0, warm)
        before = status(peer)
        rate = replay(run, peer, trace, warm, total)["rate"]
        after = status(peer)
    except Trouble as trouble:
        run.results.miss("mix", trouble)
        return
    finally:
        for one in (peer, made):
            one.stop()

    told = tools.run("trace", run.site.place, "simulate", trace, warm,
                     after["size"], *sizes)
    hits = (after["hits"] - before["hits"]) / (total - warm)
    run.results.add("mix/ours", "of requests", hits)
    run.results.add("mix/s3fifo", "of requests", told["s3fifo"])
    run.results.add("mix/lru", "of requests", told["lru"])
    run.results.add("mix/rate", "requests/s", rate)
    run.notes["mix"] = {"keys": keys, "requests": total, "warm": warm,
                        "zone": zone, "sizes": sizes}
    say(f"  hits {hits:.4f}, simulated S3-FIFO {told['s3fifo']:.4f}, LRU "
        f"{told['lru']:.4f}; {rate:,.0f} requests/s")


def mean_size():
    """Of a key's record, about: the zone is a tenth of all of them."""
    return sum(Made.SIZES) / len(Made.SIZES) + 400


def class_sizes(run):
    """The bytes that a record of each size class takes: asked of a zone."""
    peer = OursMany("sizes", 16 * MIB)
    sizes, wanted = {}, set(range(len(Made.SIZES)))
    one = run.site.place / "one.trace"
    try:
        peer.start(run.site)
        for number in range(256):
            kind = Made.kind(number)
            if kind in sizes:
                continue
            one.write_bytes(struct.pack("=I", number))
            before = status(peer)["bytes"]
            replay(run, peer, one, 0, 1)
            sizes[kind] = status(peer)["bytes"] - before
            if set(sizes) == wanted:
                break
    finally:
        peer.stop()
    return [sizes[kind] for kind in sorted(wanted)]
