#!/usr/bin/python3
"""What `make soak` does: an origin under mixed load, for MINUTES (5), to see
that nothing grows: memory, descriptors, pins in the shared memory cache.

The load: hits, misses, ranges, conditions, HEAD, absent objects, clients that
leave in the middle, PUT and DELETE.  Meanwhile Redis is restarted, paused and
emptied; in the first half nginx is also reloaded and a worker is killed.  In
the second half the workers stay, so that what they leak would add up.

After each round the load pauses and what is held is counted.  A failed
request fails the soak: only Redis is disturbed, and it decides nothing.
"""

import os
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))

from harness import Nginx, wait_until  # noqa: E402
from redis_server import Redis  # noqa: E402

MIB = 2**20
OBJECTS = 300
CLIENTS = 6
ROUND_SECONDS = 8

MEMORY_SLACK = 6 * MIB          # of a worker, over the second half
DESCRIPTOR_SLACK = 4            # idle connections come and go

# What is freed stays for a while, to see who uses it: little, as it counts.
SANITIZER = {"ASAN_OPTIONS": "quarantine_size_mb=4"}


def size_of(number):
    """Mostly small, some that a socket does not take at once."""
    return (700, 3_000, 20_000, 1_500_000, 4_000_000)[
        0 if number % 7 else (number // 7) % 5]


def path_of(number):
    return f"/soak/{number}.bin"


class Load:
    """Threads of clients, which pause on demand."""

    def __init__(self, nginx):
        self.nginx = nginx
        self.running = threading.Event()
        self.ended = threading.Event()
        self.idle = [threading.Event() for _ in range(CLIENTS)]
        self.requests = 0
        self.failures = []
        self.threads = [threading.Thread(target=self.client, args=(n,),
                                         daemon=True)
                        for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        rnd = random.Random(number)
        while not self.ended.is_set():
            if not self.running.is_set():
                self.idle[number].set()
                self.running.wait(0.2)
                continue
            self.idle[number].clear()
            try:
                self.one(rnd)
                self.requests += 1
            except Exception as error:          # whatever it is, it is told
                self.failures.append(f"{type(error).__name__}: {error}")

    def one(self, rnd):
        number = min(int(rnd.paretovariate(0.7)), OBJECTS) - 1
        path, size = path_of(number), size_of(number)
        kind = rnd.random()
        if kind < 0.60:
            answer = self.nginx.get(path)
            self.check(answer, (200,), path)
            if len(answer.body) != size:
                raise AssertionError(f"{path}: {len(answer.body)} bytes")
        elif kind < 0.68:
            first = rnd.randrange(size)
            self.check(self.nginx.get(
                path, range=f"bytes={first}-{first + 4000}"), (206,), path)
        elif kind < 0.76:
            answer = self.nginx.head(path)
            self.check(answer, (200,), path)
            # another client may have replaced it meanwhile
            self.check(self.nginx.get(
                path, if_none_match=answer.headers["ETag"]), (304, 200), path)
        elif kind < 0.82:
            self.check(self.nginx.get(f"/soak/absent-{number}"), (404,), path)
        elif kind < 0.90:
            self.leave(path)
        elif kind < 0.97:
            self.put(rnd, number)
        else:
            name = f"/soak/short-{rnd.randrange(50)}"
            self.check(self.nginx.put(name, b"x" * 2000), (201, 204), name)
            self.check(self.nginx.delete(name), (204, 404), name)

    def put(self, rnd, number):
        body = rnd.randbytes(16) * (size_of(number) // 16 + 1)
        self.check(self.nginx.put(path_of(number), body[:size_of(number)]),
                   (201, 204), path_of(number))

    def leave(self, path):
        """Asks, reads a little, slowly, and goes: what the socket does not
        take is held."""
        with self.nginx.connect(receive=4096) as connection:
            connection.send(f"GET {path} HTTP/1.1\r\nHost: soak\r\n\r\n"
                            .encode())
            connection.line()
            time.sleep(0.01)

    @staticmethod
    def check(answer, expected, path):
        if answer.status not in expected:
            raise AssertionError(f"{path}: HTTP {answer.status}")

    def pause(self):
        self.running.clear()
        for idle in self.idle:
            idle.wait(60)

    def end(self):
        self.ended.set()
        self.running.set()
        for thread in self.threads:
            thread.join(60)


def resident(pid):
    """Private memory of a process: the zones, which it shares, are not in."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def look(nginx):
    """What is held, once nothing is under way."""
    wait_until(lambda: nginx.counters()["memory"]["held"] == 0,
               what="no pin to be held")
    workers = nginx.workers()
    time.sleep(0.5)                     # closed connections are noticed
    return {"memory": max(resident(pid) for pid in workers),
            "descriptors": max(descriptors(pid) for pid in workers),
            "master": resident(nginx.process.pid),
            "master_descriptors": descriptors(nginx.process.pid),
            "records": nginx.counters()["memory"]["records"]}


def disturb(nginx, redis, number, workers_stay):
    """Something each round, in turn."""
    kinds = ["restart", "pause", "empty", "nothing"]
    if not workers_stay:
        kinds += ["reload", "kill", "reload"]
    kind = kinds[number % len(kinds)]
    time.sleep(ROUND_SECONDS / 2)
    if kind == "restart":
        redis.restart()
    elif kind == "pause":
        redis.pause()
        time.sleep(1)
        redis.resume()
    elif kind == "empty":
        redis.client.flushall()
    elif kind == "reload":
        nginx.reload()
    elif kind == "kill":
        # with nothing under way: what was would fail, and rightly so
        return kind
    time.sleep(ROUND_SECONDS / 2)
    return kind


def half(nginx, redis, load, until, workers_stay):
    """What was seen after each round."""
    seen, number = [], 0
    while time.monotonic() < until or len(seen) < 3:
        load.running.set()
        kind = disturb(nginx, redis, number, workers_stay)
        load.pause()
        if kind == "kill":
            nginx.kill_worker(nginx.workers()[0])
        seen.append(look(nginx))
        number += 1
        print(f"soak: {load.requests:7} requests, {kind:8}"
              + "".join(f" {k} {v / MIB:.1f} MiB" if "memory" in k
                        or k == "master" else f" {k} {v}"
                        for k, v in seen[-1].items()), flush=True)
        if load.failures:
            break
    return seen


def grown(seen, name):
    """Between the first third and the last one, by their least."""
    third = max(1, len(seen) // 3)
    return (min(s[name] for s in seen[-third:])
            - min(s[name] for s in seen[:third]))


def soak(minutes):
    """Sentences on what grew or failed."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="ngx_content-soak-") as place:
        os.chmod(place, 0o755)
        place = pathlib.Path(place)
        with Redis(place / "redis") as redis:
            with Nginx(place / "nginx", redis=redis,
                       listen="sndbuf=64k", environment=SANITIZER,
                       http="content_memory 40m max=2m;") as nginx:
                for number in range(OBJECTS):
                    nginx.put(path_of(number), b"-" * size_of(number))
                load = Load(nginx)
                begin = time.monotonic()
                try:
                    first = half(nginx, redis, load, begin + minutes * 30,
                                 False)
                    second = half(nginx, redis, load, begin + minutes * 60,
                                  True)
                finally:
                    load.end()

    for what, seen, name, slack in (
            ("a worker's memory", second, "memory", MEMORY_SLACK),
            ("a worker's descriptors", second, "descriptors",
             DESCRIPTOR_SLACK),
            ("the master's memory", first + second, "master", MEMORY_SLACK),
            ("the master's descriptors", first + second,
             "master_descriptors", DESCRIPTOR_SLACK)):
        if grown(seen, name) > slack:
            wrong.append(f"{what} grew by {grown(seen, name):,}, from "
                         f"{seen[0][name]:,} to {seen[-1][name]:,}")
    wrong += sorted(set(load.failures))[:10]
    print(f"soak: {load.requests} requests, {len(load.failures)} failed")
    return wrong


def main():
    wrong = soak(float(os.environ.get("MINUTES") or 5))
    for line in wrong:
        print(f"soak: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
