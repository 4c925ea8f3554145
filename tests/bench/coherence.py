"""What it costs that no node serves older bytes: the same origin as one of
three nodes, and alone."""

import contextlib
import http.client
import os
import pathlib
import statistics
import time

import load
import peers
from peers import KIB, TOKEN, body, name_of
from rounds import interleave, say
from servers import Redis, Trouble

NODES = 3
PUTS = 200                                      # of a round, of each


class OursNode(peers.OursMemory):
    """A node, with the Redis and the files that it is given."""

    def __init__(self, name, redis, files, fleet):
        super().__init__()
        self.name, self.given, self.files = name, redis, files
        self.http = f"content_memory 64m; {fleet}"

    def start(self, site):
        self.server = peers.ours(
            site, self.name, "file",
            f"content_redis unix:{self.given.socket}; "
            f"content_hot hits=2 size=2m; {self.http}", files=self.files)

    def put(self, connection, key, data):
        """Seconds of one PUT."""
        begin = time.perf_counter()
        connection.request("PUT", f"/{key}", data,
                           {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (201, 204):
            raise Trouble(f"PUT: HTTP {answer.status}")
        return time.perf_counter() - begin

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port,
                                          timeout=20)


def coherence(run):
    """The files are in memory where there is such a place: a disk's fsync
    would hide everything else."""
    memory = pathlib.Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else run.site.place
    with contextlib.ExitStack() as stack:
        try:
            measure(run, stack, where)
        except Trouble as trouble:
            run.results.miss("coherence", trouble)


def started_node(run, stack, node):
    stack.callback(node.stop)
    node.start(run.site)
    return node


def files_in(stack, where, name):
    path = where / f"ngx_content-bench-{os.getpid()}-{name}"
    path.mkdir()
    stack.callback(peers.remove_tree, path)
    return path


def measure(run, stack, where):
    shared, own = files_in(stack, where, "fleet"), files_in(stack, where,
                                                            "alone")
    redis = Redis("fleet-redis", run.site.place)
    stack.callback(redis.stop)
    lone_redis = Redis("alone-redis", run.site.place)
    stack.callback(lone_redis.stop)
    nodes = [started_node(run, stack, OursNode(
        f"node{i}", redis, shared, f"content_fleet on name=node{i};"))
        for i in range(NODES)]
    alone = started_node(run, stack, OursNode(
        "alone", lone_redis, own, "content_fleet alone;"))
    say(f"a PUT with {NODES} nodes, and alone")
    settle([*nodes, alone])
    puts(run, nodes, alone)

    say("L1 hits in the fleet, and alone")
    for node in (nodes[0], alone):
        load.curl("-T", run.site.files / name_of(KIB),
                  "-H", f"Authorization: Bearer {TOKEN}", node.url(KIB))
        node.warm(KIB)
    interleave(run.results, run.rounds, [
        (f"coherence/hit/{name}", "requests/s",
         lambda node=node: load.wrk(node.url(KIB), run.seconds))
        for name, node in (("fleet", nodes[0]), ("alone", alone))])


def settle(nodes):
    """The first writes meet nodes that have only just come: not measured."""
    for node in nodes:
        with contextlib.closing(node.connect()) as connection:
            for _ in range(5):
                node.put(connection, "first", body(KIB))


def puts(run, nodes, alone):
    """Of the fleet and alone in turn, one at a time; the nodes in turn too."""
    data = body(KIB)
    for _ in range(run.few_rounds):
        took = {"fleet": [], "alone": []}
        with contextlib.ExitStack() as stack:
            fleet = [(n, stack.enter_context(contextlib.closing(n.connect())))
                     for n in nodes]
            lone = stack.enter_context(contextlib.closing(alone.connect()))
            for number in range(20 if run.quick else PUTS):
                node, connection = fleet[number % len(fleet)]
                key = f"put-{number % 20}"
                took["fleet"].append(node.put(connection, key, data))
                took["alone"].append(alone.put(lone, key, data))
        for name, times in took.items():
            run.results.add(f"coherence/{name}/p50", "ms",
                            statistics.median(times) * 1e3)
            run.results.add(f"coherence/{name}/p99", "ms",
                            sorted(times)[len(times) * 99 // 100] * 1e3)
        for quantile in ("p50", "p99"):
            run.results.add(
                f"coherence/put/{quantile}", "ms added",
                run.results.values(f"coherence/fleet/{quantile}")[-1]
                - run.results.values(f"coherence/alone/{quantile}")[-1])
