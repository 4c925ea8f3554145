"""What is measured, part by part.  Each part is a function of the run: it
starts its peers, warms them, interleaves the rounds, and stops them."""

import contextlib
import os
import time

import cache
import coherence
import load
import peers
import servers
import tags
import tools
from peers import KIB, MIB, SMALL, TOKEN, name_of, size_text
from rounds import interleave, say
from servers import CLIENT_CORE, SERVER_CORE, S3Server, Trouble

PROBES = 200                 # a second
LINK = ("--limit-rate", "125000000")    # a gigabit per second
PROBE_PRIORITY = 3
FAR = 0.1                    # seconds to S3's first byte: AWS names 100 to 200
                             # ms (Best practices design patterns)


@contextlib.contextmanager
def started(run, prefix, subjects):
    """Those of the subjects that start; the others are marked absent."""
    with contextlib.ExitStack() as stack:
        running = []
        for peer in subjects:
            stack.callback(peer.stop)
            try:
                peer.start(run.site)
                running.append(peer)
            except (Trouble, FileNotFoundError) as trouble:
                run.results.miss(f"{prefix}/{peer.name}", trouble)
        yield running


def warm_cells(run, prefix, subjects, size, seconds):
    """wrk on each subject that gives the right answer."""
    cells = []
    for peer in subjects:
        name = f"{prefix}/{peer.name}"
        try:
            peer.warm(size)
        except Trouble as trouble:
            run.results.miss(name, trouble)
            continue
        cells.append((name, "requests/s", lambda peer=peer: load.wrk(
            peer.url(size), seconds, getattr(peer, "headers", ()))))
    return cells


# Hot objects, 304, Redis

def hot(run):
    subjects = [make() for make in (
        peers.Return, peers.Static, peers.StaticNopush, peers.H2o,
        peers.ProxyCache, peers.Varnish, peers.Srcache, peers.OursMemory, peers.OursRedis,
        peers.OursFile)]
    subjects = [p for p in subjects if run.wants(p.name)]
    with started(run, "hot", subjects) as running:
        for size in run.sizes:
            say(f"hot objects of {size_text(size)}")
            interleave(run.results, run.rounds, warm_cells(
                run, f"hot/{size_text(size)}", running, size, run.seconds))
        not_modified(run, {p.name: p for p in running})
        ceiling(run, {p.name: p for p in running})


def not_modified(run, running):
    """304 from the fastest cache that there is, against `return 304`."""
    ours = running.get("l1") or running.get("redis")
    if ours is None or "return" not in running:
        return
    say("304")
    title = f"{ours.title}, `If-None-Match`"
    interleave(run.results, run.rounds, warm_cells(run, "304", [
        peers.NotModified(running["return"], "return", "nginx `return 304`"),
        peers.NotModified(ours, "ours", title)], KIB, run.seconds))


def ceiling(run, running):
    """
    What Redis itself gives to one connection.  nginx's worker has one, on
    which the look-ups of all its clients are pipelined: as many at a time as
    came up while the worker was busy.  How many is seen by Redis's reads of its
    socket; redis-benchmark then does the same: -c 1 -P depth.
    """
    ours = running.get("redis")
    if ours is None or run.results.median("hot/1 KiB/redis") is None:
        return
    say("Redis by itself")
    lookups, reads = ours.lookups(), ours.redis.reads()
    load.wrk(ours.url(KIB), 1)
    depth = max(1, round((ours.lookups() - lookups)
                         / max(1, ours.redis.reads() - reads)))
    run.notes["redis_depth"] = depth

    ours.redis.cli("set", "bench:1k", peers.body(KIB).decode())
    interleave(run.results, run.rounds, [
        ("ceiling/ours", "requests/s",
         lambda: load.wrk(ours.url(KIB), run.seconds)),
        ("ceiling/get", "commands/s",
         lambda: load.redis_benchmark(ours.redis.socket, run.seconds, depth,
                                      "get", "bench:1k"))])


# S3: small and large objects, uncached

def uncached(run):
    run.need_s3()
    direct_put(run, run.small, name_of(SMALL))
    direct_put(run, run.medium, "medium.bin")
    subjects = [peers.ProxyPass(), peers.ProxySigned(), peers.OursS3()]
    with started(run, "small", subjects) as running:
        say(f"uncached objects of {size_text(SMALL)} from S3")
        interleave(run.results, run.rounds, warm_cells(
            run, "small", running, SMALL, run.seconds))
        say(f"an uncached object of {size_text(run.medium_size)} from S3")
        interleave(run.results, run.few_rounds * 4, [
            (f"get/{p.name}", "MiB/s", lambda p=p: run.medium_size / MIB
             / load.curl(f"http://127.0.0.1:{p.server.port}/medium.bin"))
            for p in running])


def direct_put(run, file, key, *how):
    """Straight into S3, readable by everybody: seconds."""
    return load.curl(*run.site.s3.signing(), "-H", "x-amz-acl: public-read",
                     *how, "-T", file, run.site.s3.url(key))


def signed_put(run, file, key):
    """The same, signed with the file's SHA-256, as aws-cli does over HTTP and
    we by default: seconds, with those of the hash."""
    digest, seconds = load.sha256(file)
    return seconds + load.curl(*run.site.s3.signing(digest), "-T", file,
                               run.site.s3.url(key))


def our_put(peer, file, key, *how):
    """Seconds, the growth of the worker's memory, and the processor time that
    it took; this one does not depend on what else the machine does."""
    worker = peer.server.worker()
    servers.forget_peak(worker)
    before = servers.memory(worker, "VmRSS")
    used = servers.processor_seconds(worker)
    seconds = load.curl("-H", f"Authorization: Bearer {TOKEN}", *how, "-T",
                        file, f"http://127.0.0.1:{peer.server.port}/{key}")
    return (seconds, servers.memory(worker, "VmHWM") - before,
            servers.processor_seconds(worker) - used)


def puts(run):
    """One file of each size: through us, and straight into the same S3, and
    both with the payload signed and not.  These rows vary more than others:
    they have more rounds."""
    run.need_s3()
    with started(run, "put", [peers.OursS3(), peers.OursS3Unsigned()]) as ours:
        for kind, file, size, rounds in (
                ("medium", run.medium, run.medium_size, run.few_rounds * 3),
                ("large", run.large, run.large_size, run.few_rounds * 2 - 1)):
            say(f"PUT of {size_text(size)} to S3")
            cells = [
                (f"put/{kind}/curl/unsigned", "MiB/s",
                 put_cell(run, direct_put, file, size, f"direct-{kind}.bin")),
                (f"put/{kind}/curl/signed", "MiB/s",
                 put_cell(run, signed_put, file, size, f"signed-{kind}.bin")),
                *((f"put/{kind}/{peer.name}", "MiB/s",
                   our_cell(run, peer, file, size, f"put-{kind}.bin"))
                  for peer in ours)]
            once(run, cells)
            interleave(run.results, rounds, cells)
        say(f"PUT of {size_text(run.medium_size)}, the client on a link")
        interleave(run.results, run.rounds, link_cells(run, ours))


def link_cells(run, ours):
    """The client's own network is slower than this machine's memory."""
    file, size = run.medium, run.medium_size
    return [
        ("put/link/curl/unsigned", "MiB/s",
         put_cell(run, direct_put, file, size, "direct-link.bin", *LINK)),
        *((f"put/link/{peer.name}", "MiB/s",
           our_cell(run, peer, file, size, "put-link.bin", *LINK))
          for peer in ours if isinstance(peer, peers.OursS3Unsigned))]


def once(run, cells):
    """A sample of each that does not count: S3 has taken its memory then."""
    for name, _, sample in cells:
        try:
            sample()
        except Trouble as trouble:
            run.results.miss(name, trouble)


def put_cell(run, put, file, size, key, *how):
    def sample():
        seconds = put(run, file, key, *how)
        forget(run, key)
        return size / MIB / seconds
    return sample


def our_cell(run, peer, file, size, key, *how):
    def sample():
        seconds, grown, used = our_put(peer, file, key, *how)
        forget(run, key)
        return {"value": size / MIB / seconds, "grown_mib": grown / MIB,
                "processor_seconds_a_gib": used * 2**30 / size}
    return sample


def forget(run, key):
    """Each PUT finds the same S3: nothing of the one before, neither the object
    nor the work of deleting it."""
    load.curl(*run.site.s3.signing(), "-X", "DELETE", run.site.s3.url(key))
    run.site.s3.collect_garbage()


# Many uploads at once

def uploads(run):
    """
    Meanwhile a small cached object is asked for at the same worker, and, as a
    control for what is due to the machine, `return 200` at an nginx that has
    nothing else to do.  S3 and the clients that upload would be other
    machines: they have a core to themselves, and on the other one our event
    loop goes before its own threads, the control before that, and who asks
    before all.
    """
    count, size = run.uploads, run.upload_size
    with s3_on_disk(run, count * size), \
            started(run, "uploads", [peers.OursUploads(),
                                     peers.Return()]) as up:
        if len(up) < 2:
            return
        say(f"{count} uploads of {size_text(size)} at once")
        ours, control = up
        try:
            ours.warm(KIB)
            first_on_their_core(ours, control)
            with run.site.s3.pinned(CLIENT_CORE):
                measure_uploads(run, ours, control, count, size)
        except Trouble as trouble:
            run.results.miss("uploads", trouble)


@contextlib.contextmanager
def s3_on_disk(run, size):
    """Memory would not hold all uploads."""
    other = run.site.s3
    run.site.s3 = S3Server(run.site.place / "disk", 8 + size * 5 // 4 // 2**30,
                           "bluestore")
    try:
        yield
    finally:
        run.site.s3.stop()
        run.site.s3 = other


def first_on_their_core(*peers_in_order):
    for priority, peer in enumerate(peers_in_order, PROBE_PRIORITY - 2):
        os.sched_setscheduler(peer.server.worker(), os.SCHED_RR,
                              os.sched_param(priority))


def measure_uploads(run, ours, control, count, size):
    file = run.file("upload", size)
    urls = [ours.url(KIB), control.url(KIB)]
    idle = probe_during(urls, lambda: time.sleep(run.idle_seconds))[0]

    worker = ours.server.worker()
    servers.forget_peak(worker)
    before = servers.memory(worker, "VmRSS")
    busy, done = probe_during(urls, lambda: tools.finish(load.swarm(
        "upload", count, file,
        f"http://127.0.0.1:{ours.server.port}/many/", TOKEN), "swarm.py"))
    grown = servers.memory(worker, "VmHWM") - before

    for url, who in zip(urls, ("ours", "control")):
        run.results.add(f"uploads/idle/{who}", "ms p99", idle[url]["p99_ms"])
        run.results.add(f"uploads/busy/{who}", "ms p99", busy[url]["p99_ms"])
    run.results.add("uploads/wait", "busy / idle",
                    busy[urls[0]]["p99_ms"] / idle[urls[0]]["p99_ms"])
    run.results.add("uploads/complete", "of all", done["complete"] / count)
    run.results.add("uploads/rate", "MiB/s",
                    count * size / MIB / done["seconds"])
    run.results.add("uploads/memory", "MiB", grown / MIB)
    run.notes["uploads"] = {**done, "bytes_each": size,
                            "idle": list(idle.values()),
                            "busy": list(busy.values())}
    say(f"  {done['complete']} of {count} in {done['seconds']:.1f} s, memory "
        f"+{grown / MIB:.0f} MiB, p99 {idle[urls[0]]['p99_ms']:.2f} -> "
        f"{busy[urls[0]]['p99_ms']:.2f} ms {done['failures']}")


def probe_during(urls, action):
    """(what the probe saw, what the action returned)."""
    probe = load.swarm("probe", PROBES, *urls, core=SERVER_CORE,
                       priority=PROBE_PRIORITY)
    try:
        result = action()
    finally:
        seen = tools.finish(probe, "swarm.py")
    return seen, result


# Many clients, one cold object

def misses(run):
    run.need_s3()
    with started(run, "misses", [peers.OursCold()]) as running:
        for peer in running:
            say(f"{run.clients} clients, one cold object of 1 MiB")
            try:
                for where, delay in (("near", 0), ("far", FAR)):
                    misses_in_rounds(run, peer, where, delay)
            except Trouble as trouble:
                run.results.miss("misses", trouble)


def misses_in_rounds(run, peer, where, delay):
    series = f"misses/{where}"
    for number in range(run.few_rounds):
        measure_misses(run, peer, f"{where}-{number}.bin", series, delay)
        run.results.add("misses/writes", "ms", tools.run(
            "replay", run.site.place, "writes", run.clients, CLIENT_CORE,
            core=SERVER_CORE)["ms"])
    say(f"  S3 {where}: {run.results.median(f'{series}/reads'):.0f} reads, "
        "last waiter's first byte after "
        f"{run.results.median(f'{series}/wait'):.2f} times the first one's")


def measure_misses(run, peer, key, series, delay):
    """S3 answers when all clients wait, and so many seconds have passed: then
    the first bytes have one source and one begin."""
    direct_put(run, run.site.files / name_of(MIB), key)
    answer = peer.hold(key)
    before = peer.waiting()
    clients = tools.start("replay", run.site.place, "misses", run.clients,
                          peer.server.port, f"/{key}")
    try:
        servers.wait_until(
            lambda: peer.waiting() - before == run.clients,
            f"{run.clients} clients to wait", pause=0.001)
        time.sleep(delay)
    finally:
        answer.set()
        done = tools.finish(clients, "replay")
    if done["complete"] != run.clients:
        raise Trouble(f"{done['complete']} of {run.clients} complete")
    run.results.add(f"{series}/reads", "reads of S3", peer.reads(key))
    run.results.add(f"{series}/wait", "last / first",
                    done["last_ms"] / done["first_ms"])
    run.results.add(f"{series}/first", "ms", done["first_ms"])
    run.results.add(f"{series}/last", "ms", done["last_ms"])
    run.results.add(f"{series}/all", "ms", done["seconds"] * 1e3)


PARTS = {"hot": hot, "second": cache.second_level,
         "records": cache.records, "mix": cache.mix,
         "coherence": coherence.coherence, "tags": tags.tags,
         "misses": misses, "uncached": uncached, "put": puts,
         "uploads": uploads}
