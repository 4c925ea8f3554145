"""An origin between hostile peers: what is asked of it, and what has to hold.

    with Scene(workdir, s3, variant) as scene:
        scene.play(seed, steps)     # hostile, then honest again; asserts

Truth is what S3 says without the proxy.  It is looked at after each write, when
nothing is under way any more.  Whatever the peers say:

- a request ends, with an answer or a closed connection;
- a whole 200 to GET is the object that is there, under its ETag, and its
  digest is of its bytes; a 206 is a part of it; a 404 says that it is not there;
- what was answered with 2xx has been done;
- when the peers are honest again, every key is answered right: nothing wrong
  was kept;
- no worker ends, and the log has no alarm (harness.Nginx).

Where a peer has told of a key what nobody could tell from the truth (a lie),
only what does not depend on that is looked at, until it is written anew.
"""

import base64
import collections
import contextlib
import hashlib
import http.client
import itertools
import json
import random
import socket
import threading
import urllib.parse

import botocore.exceptions

import http_answers
import redis_replies
from harness import EDITOR, Nginx, data, wait_until
from redis_proxy import RedisProxy
from redis_server import Redis
from s3_fault_proxy import FaultProxy

ALWAYS = 1 << 60
PATIENCE = 60                   # seconds, for any request
SIZES = [0, 1, 700, 20_000, 150_000, 300_000]
PART = 5 << 20

MEMORY = "content_memory 16m max=256k;"
VARIANTS = {                    # directives, and those of content_fleet
    "memory": (MEMORY, "alone"),
    "redis": ("content_hot hits=1 size=200k;", "alone"),
    "both": (f"{MEMORY} content_hot hits=1 size=100k;", "alone"),
    "neither": ("content_hot off;", "alone"),
    "fleet": (f"{MEMORY} content_hot hits=1 size=100k;", "on lease=300ms"),
}

# of which no one waits for more, when the connection stays
WHOLE = ("shuffle_headers", "double_header", "two_at_once", "bytes_one_by_one")


class Scene:
    def __init__(self, workdir, s3, variant, rate=0.3, stalls=True):
        """rate: of the answers that are changed; stalls: some have no end,
        and the connection stays"""
        self.bucket = s3.bucket()
        self.rate, self.stalls = rate, stalls
        http, fleet = VARIANTS[variant]
        self.random, self.count = random.Random(0), itertools.count()
        self.told, self.lied = collections.Counter(), set()
        self.story = collections.deque(maxlen=40)
        self.answers, self.truth = collections.Counter(), {}
        self.under_way, self.hostile = 0, False
        self.lock = threading.Lock()
        with contextlib.ExitStack() as stack:
            self.proxy = stack.enter_context(
                FaultProxy(s3.endpoint.removeprefix("http://")))
            # a large body is with its sender still when it is answered
            self.proxy.listener.setsockopt(socket.SOL_SOCKET,
                                           socket.SO_RCVBUF, 65536)
            self.redis = stack.enter_context(Redis(workdir / "redis"))
            self.replies = stack.enter_context(
                RedisProxy(workdir / "hostile.sock", self.redis.socket))
            self.nginx = stack.enter_context(Nginx(
                workdir / "n", self.bucket.through(self.proxy.endpoint),
                redis=self.replies.address, fleet=fleet,
                http=f"{http} content_redis_timeout 150ms;",
                server=f"content_s3_timeout {2 if stalls else 20}s;"
                       "content_s3_copy_part_size 5m;"))
            self.open = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self.open.__exit__(*exception)

    # the peers

    def turn(self, hostile):
        self.hostile = hostile
        self.proxy.clear()
        if hostile:
            self.proxy.fault(self.answer, times=ALWAYS, early=True)
            self.replies.act = self.reply
        else:
            self.replies.act = None
            self.replies.drop()

    def chance(self):
        """A random number generator of the seed and the number of the call."""
        with self.lock:
            return random.Random(f"{self.seed}/{next(self.count)}")

    def answer(self, exchange):
        """What S3 is made to answer."""
        rng = self.chance()
        request = exchange.request
        with self.lock:
            self.under_way += 1
        try:
            if rng.random() > self.rate:
                exchange.forward()
                return
            length = int(request.headers.get("content-length", 0))
            if length > 4 << 20 and rng.random() < 0.3:
                self.too_early(exchange)
                return
            told = http_answers.change(rng, request, *exchange.fetch())
            self.note(told, request)
            for piece in told.pieces:
                exchange.send(piece)
        finally:
            with self.lock:
                self.under_way -= 1
        if told.ends == "stall" and self.stalls:
            exchange.wait()
        elif told.ends != "keep" or not (self.stalls or told.rule in WHOLE):
            exchange.hang_up(reset=told.ends == "reset")

    def too_early(self, exchange):
        """Success before the body is there, which S3 never sees."""
        with self.lock:
            self.told["too_early"] += 1
            self.story.append(f"    {exchange.request}: too_early")
        exchange.send(b'HTTP/1.1 200 OK\r\nETag: "0123456789abcdef0123456789abcdef"'
                      b"\r\nContent-Length: 0\r\n\r\n")
        exchange.take(1 << 16)
        exchange.hang_up()

    def note(self, told, request):
        path = urllib.parse.unquote(request.path.partition("?")[0])
        with self.lock:
            self.told[told.rule] += 1
            self.story.append(f"    {request}: {told.rule}"
                              f"{' (a lie)' if told.lie else ''} {told.whole()[:600]}")
            if told.lie:
                self.lied.add(path.removeprefix(f"/{self.bucket.name}"))

    def reply(self, reply, seen):
        """What Redis is made to reply; None: nothing else."""
        rng = self.chance()
        if rng.random() > self.rate / 3:
            return None
        told = redis_replies.change(rng, reply, seen)
        with self.lock:
            self.told["redis " + told.rule] += 1
            self.story.append(f"    Redis, {reply[:150]}: {told.rule} {told.data[:150]}")
        return told

    # the truth

    def look(self, *keys):
        """Asks S3 itself, when all that was sent to it has been answered."""
        wait_until(lambda: self.under_way == 0, PATIENCE, "S3 to be idle")
        for key in keys:
            try:
                got = self.bucket.client.get_object(
                    Bucket=self.bucket.name, Key=key[1:])
                self.truth[key] = got["Body"].read(), got["ETag"]
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchKey"
                self.truth[key] = None

    # what is asked

    def play(self, seed, steps=30):
        self.seed, self.count, self.lied = seed, itertools.count(), set()
        self.random = random.Random(seed)
        keys = [f"/{seed}/{i}" for i in range(4)]
        self.turn(False)
        for key in keys[:3]:
            self.write(key, self.body())
            self.nginx.get(key)
        self.look(*keys)
        self.turn(True)
        try:
            for _ in range(steps):
                key = self.random.choice(keys)
                self.random.choice(STEPS)(self, key, self.random.choice(
                    [other for other in keys if other != key]))
            self.turn(False)
            self.recovered(keys)
        except Exception as error:
            error.add_note("\n".join([f"seed {seed}", *self.story]))
            raise

    def write(self, key, body):
        """As soon as the origin has got over what it was told."""
        wait_until(lambda: self.nginx.put(key, body).status in (201, 204),
                   what=f"{key} to be written")

    def body(self):
        return data(self.random.choice(SIZES), self.random.randrange(1 << 30))

    def ask(self, method, path, **how):
        """The answer, or None when the connection was closed without one.  A
        request that hangs ends in a TimeoutError."""
        try:
            answer = self.nginx.request(method, path, timeout=PATIENCE, **how)
        except (http.client.BadStatusLine, ConnectionResetError):
            self.answers[f"{method} closed"] += 1
            return None
        self.answers[f"{method} {answer.status}"] += 1
        self.story.append(f"{method} {path}: {answer.status}")
        # nothing is short here, so nothing is our own fault
        assert answer.status != 500, answer
        return answer

    def get(self, key, _other):
        self.read(key, self.ask("GET", key, want_repr_digest="sha-256=1"))

    def get_together(self, key, other):
        threads = [threading.Thread(target=self.get, args=(key, other))
                   for _ in range(3)]
        failed, before = [], threading.excepthook
        threading.excepthook = lambda args: failed.append(args.exc_value)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        threading.excepthook = before
        if failed:
            raise failed[0]

    def head(self, key, _other):
        self.read(key, self.ask("HEAD", key), head=True)

    def part(self, key, _other):
        first = self.random.choice([0, 0, 5, 10_000])
        last = first + self.random.choice([0, 99, 100_000])
        self.read(key, self.ask("GET", key, range=f"bytes={first}-{last}"))

    def not_changed(self, key, _other):
        etag = self.truth[key][1] if self.truth[key] else '"none"'
        self.read(key, self.ask("GET", key, if_none_match=etag))

    def another(self, key, _other):
        answer = self.ask("GET", key, if_none_match='"another"')
        assert answer is None or answer.status != 304
        self.read(key, answer)

    def read(self, key, answer, head=False):
        if answer is None or key in self.lied:
            return
        truth = self.truth[key]
        told = (key, answer, len(answer.body), answer.complete)
        if answer.status == 404:
            # the 404 to a HEAD has no word of S3 that could be bent
            assert truth is None, told
        if answer.status not in (200, 206, 304):
            return
        assert truth, told
        body, etag = truth
        assert answer.headers["ETag"] == etag, told
        if answer.status == 304 or not answer.complete:
            return
        if answer.status == 206:
            first, last, size = map(int, answer.headers["Content-Range"]
                                    .removeprefix("bytes ").replace("/", "-").split("-"))
            assert size == len(body), told
            body = body[first:last + 1]
        if head:
            assert int(answer.headers["Content-Length"]) == len(body), told
            return
        assert answer.body == body, told
        digest = answer.headers.get("Repr-Digest")
        if digest:
            assert digest == ("sha-256=:" + base64.b64encode(hashlib.sha256(
                truth[0]).digest()).decode() + ":"), told

    # writes

    def wrote(self, answer, key, body, *keys):
        """After a 2xx key has to be body; None: not there."""
        done = answer is not None and answer.status in (201, 204)
        if done:
            self.lied.discard(key)
        self.look(key, *keys)
        if done:
            there = self.truth[key] and self.truth[key][0]
            assert there == body, (key, answer, there and len(there))

    def put(self, key, _other):
        body = self.body()
        self.wrote(self.ask("PUT", key, body=body, token=EDITOR), key, body)

    def put_parts(self, key, _other, chunks=False):
        body = data(self.random.choice([PART - 1, 2 * PART + 5]), len(key))
        if chunks:
            answer = self.ask("PUT", key, token=EDITOR, chunks=[
                body[i:i + (1 << 20)] for i in range(0, len(body), 1 << 20)])
        else:
            answer = self.ask("PUT", key, body=body, token=EDITOR)
        self.wrote(answer, key, body)

    def put_chunks(self, key, other):
        self.put_parts(key, other, True)

    def put_if(self, key, _other):
        etag = self.truth[key][1] if self.truth[key] else '"none"'
        how = self.random.choice([{"if_match": etag}, {"if_none_match": "*"},
                                  {"if_match": '"another"'}])
        body = self.body()
        there = self.truth[key]
        answer = self.ask("PUT", key, body=body, token=EDITOR, **how)
        if answer and answer.status in (201, 204) and key not in self.lied:
            assert how != {"if_match": '"another"'}, answer
            assert (there is None) == ("if_none_match" in how), answer
        self.wrote(answer, key, body)

    def delete(self, key, _other):
        self.wrote(self.ask("DELETE", key, token=EDITOR), key, None)

    def copy(self, key, other, method="COPY"):
        self.look(key)
        source, lied = self.truth[key], key in self.lied
        answer = self.ask(method, key, token=EDITOR, destination=other)
        if lied or not source:
            self.look(key, other)
            self.lied.add(other)
            return
        self.wrote(answer, other, source[0], key)
        if method == "MOVE" and answer and answer.status in (201, 204):
            assert self.truth[key] is None, (key, answer)

    def move(self, key, other):
        self.copy(key, other, "MOVE")

    def delete_many(self, key, other):
        answer = self.ask("POST", "/-/delete", token=EDITOR, body=json.dumps(
            {"keys": [key[1:], other[1:]]}).encode())
        self.look(key, other)
        if answer is None or answer.status not in (200, 207):
            return
        for one in answer.json()["deleted"]:
            assert self.truth["/" + one] is None, answer

    def purge(self, key, _other):
        self.ask("POST", "/-/purge", token=EDITOR, body=json.dumps(
            self.random.choice([{"urls": [f"http://origin.test{key}"]},
                                {"tags": ["a"]}, {"everything": True}])).encode())

    def list(self, key, _other):
        answer = self.ask("GET", f"/-/list?prefix={key[1:-1]}", token=EDITOR)
        if answer and answer.status == 200 and answer.complete:
            json.loads(answer.body)

    def versions(self, key, _other):
        answer = self.ask("GET", f"/-/versions?key={key[1:]}", token=EDITOR)
        if answer and answer.status == 200 and answer.complete:
            json.loads(answer.body)

    # afterwards

    def recovered(self, keys):
        for key in keys:
            self.look(key)
            if key in self.lied:        # what is kept of it may be one, too
                self.write(key, b"anew")
                self.lied.discard(key)
                self.look(key)
            expected = 200 if self.truth[key] else 404
            wait_until(lambda: self.nginx.get(key).status == expected,
                       what=f"{key} to be {expected}")
            for _ in range(2):
                self.get(key, None)
                self.head(key, None)
                self.part(key, None)


READS = [Scene.get, Scene.get_together, Scene.head, Scene.part,
         Scene.not_changed, Scene.another]
WRITES = [Scene.put, Scene.put_if, Scene.delete, Scene.copy, Scene.move,
          Scene.delete_many, Scene.purge, Scene.list, Scene.versions]
STEPS = 3 * READS + WRITES + [Scene.put, Scene.put_parts, Scene.put_chunks]
