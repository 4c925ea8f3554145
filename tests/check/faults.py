"""What the consistency checker does to the servers while they work.

Each fault is a method of Faults that makes it, waits, and undoes it; one() does
a random one, and all of them are counted by name.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

from client import spared
from s3_fault_proxy import s3_error, stall


FINALE = 5                      # seconds: the clients' last writes
LONGEST = 4                     # seconds that a fault takes


def late(seconds):
    """The request is applied after it has been given up."""
    def act(exchange):
        time.sleep(seconds)
        exchange.forward()
    return act


def answered_late(seconds):
    """The answer tells what was there when the request came."""
    def act(exchange):
        head, body = exchange.fetch()
        time.sleep(seconds)
        exchange.send(head + body)
    return act


def failed_after(exchange):
    """Storage has done it, and says that it has failed."""
    exchange.fetch()
    s3_error(500, "InternalError")(exchange)


class Faults:
    def __init__(self, nodes, redis, proxies, storage, seed, only=()):
        """storage: a FaultProxy, or None; only: names of faults"""
        self.nodes, self.redis, self.proxies = nodes, redis, proxies
        self.storage = storage
        self.random = random.Random(seed)
        self.done = Counter()
        self.choices = [self.kill_worker, self.kill_writer,
                        self.pause_worker, self.pause_node,
                        self.reload_node, self.restart_node, self.cut_redis,
                        self.delay_redis, self.delay_what_is_heard,
                        self.restart_redis, self.kill_redis]
        if not redis.options:                   # it keeps nothing
            self.choices += [self.roll_redis_back]
        if storage:
            self.choices += [self.storage_refuses, self.storage_fails,
                             self.storage_lies, self.storage_stalls,
                             self.storage_is_late, self.reads_are_late] * 2
        if only:
            self.choices = [c for c in self.choices
                            if c.__name__ in only] or self.choices
        self.problem = None

    # in a thread of its own, beside the clients

    @contextlib.contextmanager
    def under_way(self, seconds):
        """Until the clients have ended; the last few seconds are special."""
        stop = threading.Event()
        finale = time.monotonic() + seconds - FINALE
        thread = threading.Thread(target=self._run, args=(stop, finale))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if self.problem:
            raise self.problem

    def _run(self, stop, finale):
        try:
            while not stop.wait(self.random.uniform(0.2, 1.0)):
                left = finale - time.monotonic()
                if left < LONGEST:
                    if not stop.wait(max(left, 0)):
                        self.finale()
                    break
                self.random.choice(self.choices)()
        except BaseException as problem:
            self.problem = problem

    def count(self, name, times=1):
        self.done[name] += times

    # nodes

    def kill_worker(self, node=None):
        node = node or self.random.choice(self.nodes)
        workers = node.workers()
        if workers:
            node.kill_worker(self.random.choice(workers))
            self.count("worker killed")

    def kill_writer(self):
        """While storage is slow, so that it is in the middle of a write."""
        if self.storage:
            self.storage.fault(late(0.5), times=4, method="PUT")
        time.sleep(0.2)
        self.kill_worker()

    def pause_node(self):
        node = self.random.choice(self.nodes)
        self.pause([node.process.pid, *node.workers()])
        self.count("node paused")

    def pause_worker(self):
        """The other one works, and takes the control role if need be."""
        node = self.random.choice(self.nodes)
        self.pause([self.random.choice(node.workers())])
        self.count("worker paused")

    def pause(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(self.random.choice([0.1, 0.6, 1.5, 2.5]))
        for pid in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def reload_node(self):
        self.random.choice(self.nodes).reload()
        self.count("node reloaded")

    def restart_node(self):
        """At once: requests are cut off, the memory is lost."""
        node = self.random.choice(self.nodes)
        node.end(signal.SIGTERM)
        node.start()
        self.count("node restarted")

    # Redis

    def cut_redis(self):
        proxy = self.random.choice(self.proxies)
        proxy.cut()
        self.count("Redis cut off")
        time.sleep(self.random.choice([0, 0.3, 1.2, 2.5]))
        proxy.mend()

    def delay_redis(self):
        proxy = self.random.choice(self.proxies)
        proxy.delay(self.random.choice([0.02, 0.2, 0.8]))
        self.count("Redis delayed")
        time.sleep(self.random.uniform(0.5, 2.5))
        proxy.delay(0)

    def delay_what_is_heard(self):
        """Commands go through at once, what is published comes late.  To a
        node that nobody writes to: a writer that hears nothing soon looks for
        another connection."""
        proxy = self.proxies[spared(len(self.proxies), time.monotonic())]
        proxy.delay(self.random.choice([0.5, 1.2, 1.8]), heard=True)
        self.count("hears late")
        time.sleep(self.random.uniform(2, LONGEST))
        proxy.delay(0)

    def roll_redis_back(self):
        """It comes up as it was a while ago: a replica that lagged behind."""
        self.redis.client.save()
        time.sleep(self.random.uniform(0.2, 1.5))
        self.redis.kill()
        self.redis.start()
        self.count("Redis rolled back")

    def restart_redis(self):
        self.redis.restart()
        self.count("Redis restarted")

    def kill_redis(self):
        self.redis.kill()
        self.redis.start()
        self.count("Redis killed")

    # storage

    def storage_fault(self, name, act):
        times = self.random.randint(1, 5)
        self.storage.fault(act, times, method=self.random.choice(
            ["GET", "PUT", "PUT", "DELETE", "HEAD", "POST", None]))
        self.count(name, times)

    def storage_refuses(self):
        self.storage_fault("storage 503", s3_error(503, "SlowDown"))

    def storage_fails(self):
        self.storage_fault("storage 500", s3_error(500, "InternalError"))

    def storage_lies(self):
        self.storage_fault("storage 500, but done", failed_after)

    def storage_stalls(self):
        self.storage_fault("storage silent", stall())

    def storage_is_late(self):
        self.storage_fault("storage late", late(self.random.choice(
            [0.1, 0.5, 2.5])))

    def reads_are_late(self):
        times = self.random.randint(4, 12)
        self.storage.fault(answered_late(self.random.choice([0.1, 0.4, 1.0])),
                           times, method="GET")
        self.count("storage answers late", times)

    def finale(self):
        """Some of the last writes are applied by storage after they were given
        up, and some of their writers die before that."""
        if self.storage:
            self.storage.fault(late(2.5), times=12, method="PUT")
            self.count("storage late", 12)
            time.sleep(1.0)
        for node in self.nodes:
            self.kill_worker(node)
        time.sleep(1.5)

    def forget(self):
        """What was ordered and has not happened."""
        if self.storage:
            with self.storage.lock:
                self.storage.faults.clear()
                self.storage.requests.clear()
