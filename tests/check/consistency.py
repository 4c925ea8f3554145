#!/usr/bin/python3
"""Is any read older than an acknowledged write?  make check-consistency.

    consistency.py [--operations N] [--seconds N] [--store s3|file|both]
                   [--seed N] [--part scenes|chance|both]
                   [--broken RULE,...|all]

Three nodes of two workers on one Redis and one storage; clients read and write
a few keys at random (client.py) while things are broken (faults.py); then
each key's history is judged (operations.py, history.py).  Where the clients
rest, each node has to agree with storage about each key, and no intent may be
open: that finds what the writers left behind that nobody answered for.

--broken runs builds without one rule each (BREAK=RULE), and lists in how many
each was found out.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests/http"), str(ROOT / "tests/fakes")]

import edge                                                 # noqa: E402
import harness                                              # noqa: E402
from client import all_keys, headers                        # noqa: E402
from faults import FINALE, LONGEST, Faults                  # noqa: E402
from harness import EDITOR, Client, Nginx, free_port, wait_until  # noqa: E402
from operations import ABSENT, History, value_of            # noqa: E402
from proxy import Proxy                                     # noqa: E402
from redis_server import Redis                              # noqa: E402
from s3_fault_proxy import FaultProxy                       # noqa: E402
from s3_server import S3Server                              # noqa: E402
from scenes import MORE, SCENES, Stage, once                # noqa: E402

NODES, KEYS, PROCESSES, TASKS = 3, 40, 2, 12     # key 0 to 7: busy
PHASE = 25                      # seconds between two rests
SHORTEST = FINALE + LONGEST     # of a phase
LEASE, DEADLINE = "1s", "8s"    # of content_fleet
S3_TIMEOUT = "2s"
LOCKED = "shared memory zone .* was locked by"  # by a worker that was killed
ONLY = ()                       # faults; all if empty
REST = 60                       # seconds in which all intents have to end
SCENE_REST = 30                 # after one scene

CDN = ("PURGE", "REPEAT")       # rules about the CDN, which has scenes alone

# What a rule is for: with --broken, these faults alone.
FOCUS = {
    "LEASE": ["cut_redis", "pause_node"],
    "SENT": ["delay_what_is_heard"],
    "EMPTY": ["cut_redis"],
    "EPOCH": ["roll_redis_back", "kill_redis"],
    "QUARANTINE": ["restart_redis", "kill_redis"],
    "INTENT": ["kill_writer"],
    "TAKEOVER": ["kill_writer"],
    "SECOND": ["storage_is_late"],
    "JOIN": ["reads_are_late"],
}


class Found:
    """What a run has seen."""

    def __init__(self):
        self.operations = collections.Counter()
        self.statuses = collections.Counter()
        self.faults = collections.Counter()
        self.fleet = collections.Counter()
        self.violations = []
        self.begun = time.monotonic()

    def count(self, kind, status):
        self.operations[kind] += 1
        self.statuses[f"{kind} {status}"] += 1

    def total(self):
        return sum(self.operations.values())

    def judge(self, history):
        self.violations += history.violations()

    def line(self):
        return (f"{len(self.violations):>5,} of {self.total():>7,} in "
                f"{time.monotonic() - self.begun:>4.0f} s")


class Servers:
    """Three nodes, each behind a proxy to Redis; one past the fleet; a CDN in
    front of node 1, if there is to be one."""

    def __init__(self, stack, workdir, s3, keep, seed, lease=LEASE,
                 deadline=DEADLINE, cdn=False, versions=False):
        enter = stack.enter_context
        workdir.mkdir(parents=True)
        self.fleet = f"on lease={lease} deadline={deadline}"
        self.cdn = self.edge = None
        port = free_port()
        if cdn:
            varnish = enter(edge.start_varnish(workdir, port))
            self.cdn = enter(edge.start_fake_cloudflare(
                varnish, plan="enterprise", zone_names=["example.com"]))
            self.edge = Client()
            self.edge.port = int(varnish.address.rpartition(":")[2])
        self.redis = enter(Redis(workdir / "redis", keep=keep))
        self.proxies = [enter(Proxy(workdir / f"redis{i}.sock",
                                    self.redis.socket))
                        for i in range(NODES)]
        self.storage = (enter(FaultProxy(s3.endpoint.removeprefix("http://")))
                        if s3 else None)
        bucket = s3.bucket() if s3 else None
        self.versions = bool(s3) and versions
        if self.versions:
            bucket.client.put_bucket_versioning(
                Bucket=bucket.name,
                VersioningConfiguration={"Status": "Enabled"})
        through = bucket.through(self.storage.endpoint) if s3 else "file"
        self.outside = enter(Nginx(workdir / "outside", bucket or "file",
                                   workers=1))
        self.nodes = [self.node(workdir / f"n{i}", i, through,
                                port if i == 1 else None)
                      for i in range(NODES)]
        for node in self.nodes:
            stack.push(node.__exit__)
        self.faults = Faults(self.nodes, self.redis, self.proxies,
                             self.storage, seed, ONLY)

    def node(self, workdir, i, store, port):
        server = f"content_s3_timeout {S3_TIMEOUT};"
        if self.cdn:
            server += " content_purge_plan enterprise;"
        if i and store != "file":       # parts are sent while they come
            server += (" content_s3_sign_payload off;"
                       " content_s3_copy_part_size 5m;")
        node = Nginx(
            workdir, store, redis=f"unix:{self.proxies[i].path}",
            fleet=f"{self.fleet} name=n{i}",
            http="content_memory 16m; content_redis_timeout 500ms;",
            server=server, purge=self.cdn, port=port, start=False,
            expect=[LOCKED])
        node.write(server=node.settings["server"].replace(
            str(node.files), str(self.outside.files)))
        node.start()
        return node

    def rested(self):
        """All nodes have a lease, and no intent is open."""
        for node in self.nodes:
            fleet = node.counters()["fleet"]
            if not fleet["lease"] or fleet["intents"]:
                return False
        return True


def clients(servers, workdir, seed, seconds):
    """Runs them; the lines that they have written."""
    files, processes = [], []
    for i in range(PROCESSES):
        files.append(workdir / f"history.{seed}.{i}")
        settings = dict(
            number=f"{seed}.{i}", process=i, processes=PROCESSES, tasks=TASKS,
            keys=KEYS, token=EDITOR, seed=seed, seconds=seconds,
            ports=[n.port for n in servers.nodes], finale=FINALE,
            outside=servers.outside.port, versions=servers.versions,
            out=str(files[-1]))
        processes.append(subprocess.Popen(
            ["/usr/bin/python3", HERE / "client.py", json.dumps(settings)],
            stdin=subprocess.DEVNULL))
    try:
        for process in processes:
            if process.wait(seconds + 60):
                raise RuntimeError("a client has failed")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for file in files:
        with open(file, encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def create(servers, history):
    """All keys.  A machine that is busy may have Redis be slow: 503."""
    for key in (f"/k{i}" for i in range(KEYS)):
        value, begin = f"{key}.first", time.monotonic()

        def put(key=key, value=value):
            answer = servers.nodes[0].put(key, value.encode(),
                                          **headers(key, value))
            assert answer.status in (201, 503), answer
            return answer.status == 201
        wait_until(put, what=f"{key} to be created")
        history.add("write", key, value, begin, time.monotonic(), 201, "n0")


def rest(servers, history, found):
    """No faults, no clients: all agree with storage, and what was open is
    over."""
    servers.faults.forget()
    settle(servers, found, REST)
    for key in history.untold:
        answer = servers.nodes[0].post("/-/purge", {"urls": [f"http://x{key}"]})
        assert answer.status == 202, answer
    agree(servers, all_keys(KEYS) - history.untold, history, found)
    history.untold.clear()
    history.close(time.monotonic())


def settle(servers, found, seconds):
    try:
        wait_until(servers.rested, seconds, "all intents to be settled")
    except AssertionError as problem:
        found.violations.append(("intents", problem))


def agree(servers, keys, history, found):
    """Each node has what storage has."""
    for key in keys:
        truth = servers.outside.get(key)
        for number, node in enumerate(servers.nodes):
            for _ in range(4):          # some of each worker and tier
                begin = time.monotonic()
                answer = node.get(key)
                end = time.monotonic()
                value = (value_of(answer.body) if answer.status == 200
                         else ABSENT)
                history.add("read", key, value, begin, end, answer.status,
                            f"n{number}")
                if (answer.status, answer.body if value else b"") != (
                        truth.status, truth.body if value else b""):
                    found.violations.append(
                        (key, f"node {number} has {value}, storage "
                              f"{truth.status} {truth.body[:40]}"))


def a_round(workdir, s3, keep, operations, seconds, seed, found, first=False):
    """Until there were so many operations, or seconds; first: no longer than
    to the first violation"""
    history = History(exact=s3 is None, count=found.count)
    with contextlib.ExitStack() as stack:
        servers = Servers(stack, workdir, s3, keep, seed, versions=keep)
        wait_until(servers.rested, what="leases")
        create(servers, history)
        left, until = operations, time.monotonic() + seconds
        while left > 0 and (span := until - time.monotonic()) > SHORTEST:
            before = found.total()
            span = min(PHASE, span)
            with servers.faults.under_way(span):
                for line in clients(servers, workdir, seed + left, span):
                    history.add(*line[:-1], **line[-1])
            left -= found.total() - before
            rest(servers, history, found)
            if first:
                found.judge(history)
                if found.violations:
                    return
        for node in servers.nodes:
            found.fleet.update({
                name: value
                for name, value in node.counters()["fleet"].items()
                if name in ("taken", "waited", "refused", "emptied")})
        found.faults.update(servers.faults.done)
    found.judge(history)


def a_scene(workdir, s3, name, found):
    """The moment that a rule is for (scenes.py)."""
    scene, settings = {**SCENES, **MORE}[name]
    history = History(count=found.count)
    with contextlib.ExitStack() as stack:
        servers = Servers(stack, workdir, s3, False, 0, **settings)
        wait_until(servers.rested, what="leases")
        with Stage(servers, history, name.lower()) as stage:
            scene(stage)
        settle(servers, found, SCENE_REST)
        agree(servers, {stage.key, stage.target}, history, found)
        history.close(time.monotonic())
    found.judge(history)


def rounds(store):
    """(S3?, does Redis keep what it was told)"""
    return [(s, keep) for s in (True, False) for keep in (True, False)
            if store in ("both", "s3" if s else "file")]


@contextlib.contextmanager
def place():
    """A directory and an S3 server."""
    with tempfile.TemporaryDirectory(prefix="consistency-") as name:
        workdir = pathlib.Path(name)
        workdir.chmod(0o755)
        s3 = S3Server(workdir)
        try:
            yield workdir, s3
        finally:
            s3.stop()


def run(workdir, s3, arguments, found, first=False):
    """All rounds, of which each has its share."""
    plan = rounds(arguments.store)
    for i, (s, keep) in enumerate(plan):
        a_round(workdir / f"r{i}", s3 if s else None, keep,
                arguments.operations // len(plan),
                arguments.seconds / len(plan), arguments.seed * 1000 + i,
                found, first)
        if first and found.violations:
            break


def words(counter):
    return ", ".join(f"{count:,} {name}" for name, count
                     in sorted(counter.items(), key=lambda c: -c[1]))


def show(found):
    print(f"operations  {found.total():,}: {words(found.operations)}")
    print(f"answers     {words(found.statuses)}")
    print(f"faults      {sum(found.faults.values()):,}: {words(found.faults)}")
    print(f"fleet       {words(found.fleet)}")
    print(f"violations  {len(found.violations):,}")
    kinds = collections.Counter()
    for key, violation in found.violations:
        kind = getattr(violation, "rule", "at rest")
        kinds[kind] += 1
        if kinds[kind] <= 3:
            print(f"    {key}: {violation}")


def broken(rules, workdir, s3, arguments):
    """Each rule left out: is it found, in its scene, and by chance?"""
    global ONLY
    missed = []
    print(f"{'':11}  {'its scene':>28}  {'random faults':>28}")
    for rule in rules:
        subprocess.run([ROOT / "scripts/build-module.sh", "debug"], check=True,
                       env={**os.environ, "BREAK": rule},
                       stdout=subprocess.DEVNULL)
        harness.MODULE = (ROOT / f"build/debug-break-{rule}"
                          / "ngx_content_module.so")
        ONLY = FOCUS.get(rule, ())
        scene, chance = Found(), Found()
        a_scene(workdir / rule / "scene", s3, rule, scene)
        print(f"{rule:11}  {scene.line()}", end="  ", flush=True)
        if rule not in CDN:
            run(workdir / rule, s3, arguments, chance, first=True)
        print("" if rule in CDN else chance.line(), flush=True)
        for key, violation in scene.violations[-1:] + chance.violations[-1:]:
            print(f"    {key}: {violation}", flush=True)
        if not scene.violations:
            missed.append(rule)
    print(f"{len(rules) - len(missed)} found, {len(missed)} missed"
          + (": " + " ".join(missed) if missed else ""))
    return 1 if missed else 0


def whole(workdir, s3, arguments):
    """All rules are on: all scenes, then random faults."""
    found = Found()
    if arguments.part != "chance":
        for name in once():
            a_scene(workdir / name, s3, name, found)
        print(f"scenes      {found.line()}", flush=True)
    if arguments.part != "scenes":
        run(workdir, s3, arguments, found)
    show(found)
    return 1 if found.violations or not found.total() else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--store", choices=("s3", "file", "both"),
                        default="both")
    parser.add_argument("--seed", type=int,
                        default=random.randrange(1_000_000))
    parser.add_argument("--part", choices=("scenes", "chance", "both"),
                        default="both")
    parser.add_argument("--broken", default="")
    arguments = parser.parse_args()
    print(f"seed        {arguments.seed}", flush=True)
    with place() as (workdir, s3):
        if arguments.broken:
            rules = (list(SCENES) if arguments.broken == "all"
                     else arguments.broken.split(","))
            return broken(rules, workdir, s3, arguments)
        return whole(workdir, s3, arguments)


if __name__ == "__main__":
    sys.exit(main())
