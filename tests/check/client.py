"""Readers and writers of the consistency checker: one process of many.

    client.py SETTINGS      JSON: number, process, processes, tasks, ports,
                            outside, keys, seconds, finale, token, seed, out

Each task does one operation after the other, at random nodes and keys, until
its time is up.  In the last `finale` seconds it writes each of its own keys once
and then only reads: what nobody changes any more has to be right by itself.
Each operation is a line of the file `out`, JSON:

    [kind, key, value, begin, end, status, where, more]

as History.add() takes them (operations.py).  Status 0: no answer.  where is the
node and, of a read, the Cache-Status.

Keys are pairs: an even one, and the odd one behind it, to which it is copied
and moved.  Odd ones are never deleted: what is absent has no tag, so they alone
can be purged by it.  Beside some pairs there is a third, /n instead of /k: to
it the even one is copied and moved with Overwrite: F, and it is deleted.
"""

import asyncio
import json
import random
import sys
import time
import urllib.parse

from operations import ABSENT, LARGE, body, etags, value_of

# "edit": a read, then a write on the condition that nothing has changed
KINDS = {"read": 78, "write": 8, "edit": 4, "delete": 1.5, "batch": 1,
         "copy": 4, "move": 1.5, "purge": 2, "claim": 2, "release": 1.5,
         "restore": 1}
SOURCES = ("delete", "batch", "copy", "move", "claim")      # even keys
THIRD = 0.1                 # of the reads: of a third key
BUSY = 8                    # keys that two thirds go to
READS = [("GET", {}), ("GET", {}), ("GET", {"range": "bytes=0-"}), ("HEAD", {})]
CONDITIONAL = 0.3           # of the reads: with If-None-Match; of the
                            # deletions and copies: with If-Match
LARGE_ONES = 0.005          # of the PUTs
PATIENCE = 10               # seconds, then an answer will not come
PIECE = 1 << 20             # of a large body: what is sent last
TURN = 5                    # seconds in which one node is only read from


def spared(nodes, now):
    """The number of the node that nobody writes to now."""
    return int(now / TURN) % nodes


def tag(key):
    """What is copied keeps its tag, so both of a pair have the same."""
    return f"p{int(key[2:]) // 2}" if key[2:].isdigit() else key[1:]


def third(number):
    """The third key of a pair, if it has one."""
    return f"/n{number % BUSY // 2 * 2}"


def all_keys(keys):
    return {f"/k{i}" for i in range(keys)} | {third(i) for i in range(BUSY)}


def headers(key, value):
    """Of a write.  They tell the value, too, for HEAD."""
    return {"cache_tag": tag(key),
            "content_disposition": f"inline; filename={value}"}


class Port:
    """One task's connection to one node."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None
        self.fields = {}            # of the last answer, in lower case

    async def request(self, method, path, token=None, body=b"", **fields):
        """(status, body); (0, b"") if it is not known what happened.
        fields: if_none_match=..."""
        try:
            return await asyncio.wait_for(
                self._request(method, path, token, body, fields), PATIENCE)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError,
                ValueError, IndexError):
            self.close()
            return 0, b""

    def close(self):
        if self.writer:
            self.writer.transport.abort()
        self.writer = None

    async def _request(self, method, path, token, body, fields):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(
                "127.0.0.1", self.port)
        head = [f"{method} {path} HTTP/1.1", "Host: x",
                *(f"{name.replace('_', '-')}: {value}"
                  for name, value in fields.items())]
        if token:
            head += [f"Authorization: Bearer {token}"]
        if body or method in ("PUT", "POST"):
            head += [f"Content-Length: {len(body)}",
                     "Content-Type: application/json"]
        self.writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
        self.writer.write(body[:-PIECE])
        if len(body) > PIECE:           # let some be sent on before the rest
            await asyncio.sleep(random.choice([0, 0.1]))
        self.writer.write(body[-PIECE:])
        answer = await self.reader.readuntil(b"\r\n\r\n")
        lines = answer.decode("latin-1").lower().split("\r\n")
        status = int(lines[0].split()[1])
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.fields = fields
        bare = method == "HEAD" or status in (204, 304)
        length = 0 if bare else int(fields["content-length"])
        body = await self.reader.readexactly(length)
        if fields.get("connection") == "close":
            self.close()
        return status, body


class Task:
    def __init__(self, i, settings, out):
        self.name, self.out = f"{settings['number']}.{i}", out
        self.random = random.Random(f"{settings['seed']}/{self.name}")
        self.ports = [Port(p) for p in settings["ports"]]
        self.outside = Port(settings["outside"])
        self.keys, self.token = settings["keys"], settings["token"]
        self.versions = settings["versions"]
        self.until = time.monotonic() + settings["seconds"]
        self.finale = self.until - settings["finale"]
        self.written = 0
        self.at = 0                 # the node that is asked
        self.seen = {}              # of keys: the last (ETag, value)
        share = settings["process"] * settings["tasks"] + i
        self.own = list(range(share, self.keys,
                              settings["processes"] * settings["tasks"]))

    def choose(self):
        """(kind, key)"""
        if time.monotonic() > self.finale:
            kind, number = self.last()
            return kind, f"/k{number}"
        among = self.random.choice([BUSY, BUSY, self.keys])
        kind, = self.random.choices(list(KINDS), KINDS.values())
        number = self.random.randrange(BUSY if kind == "claim" else among)
        if kind == "release" or (kind == "read"
                                 and self.random.random() < THIRD):
            return kind, third(number)
        return kind, f"/k{number - (number % 2 if kind in SOURCES else 0)}"

    def last(self):
        """Of the odd keys, half are copied to instead."""
        if not self.own:
            return "read", self.random.randrange(self.keys)
        number = self.own.pop()
        if number % 2 and self.random.random() < 0.5:
            return self.random.choice(["copy", "move"]), number - 1
        return "write", number

    def node(self, kind):
        nodes = list(range(len(self.ports)))
        if kind != "read":
            nodes.remove(spared(len(nodes), time.monotonic()))
        return self.random.choice(nodes)

    async def run(self):
        while time.monotonic() < self.until:
            kind, key = self.choose()
            self.at = self.node(kind)
            status = await getattr(self, kind)(self.ports[self.at], key)
            if (status == 0 or status >= 500
                    or time.monotonic() > self.finale):
                await asyncio.sleep(0.02)
        for port in [*self.ports, self.outside]:
            port.close()

    def note(self, kind, key, value, begin, status, where="", **more):
        self.out.write(json.dumps(
            [kind, key, value, begin, time.monotonic(), status,
             f"n{self.at} {where}", more]) + "\n")
        return status

    def value(self):
        self.written += 1
        large = LARGE if self.random.random() < LARGE_ONES else ""
        return f"{self.name}.{self.written}{large}"

    async def read(self, port, key):
        """Sometimes it asks whether what it saw last is still right."""
        method, fields = self.random.choice(READS)
        etag, value = self.seen.get(key, ("", ABSENT))
        if etag and self.random.random() < CONDITIONAL:
            fields = {**fields, "if_none_match": etag}
        begin = time.monotonic()
        status, data = await port.request(method, key, **fields)
        if status in (200, 206):
            value = self.told(method, port.fields, data)
            self.seen[key] = port.fields["etag"], value
        elif status == 404:
            value = ABSENT
            self.seen[key] = "", ABSENT
        return self.note("read", key, value, begin, status,
                         port.fields.get("cache-status", ""))

    def told(self, method, fields, data):
        """The value, if all of an answer is about the same."""
        value = fields.get("content-disposition", "").rpartition("=")[2]
        if method == "GET" and value_of(data) != value:
            return f"{value_of(data)} under the headers of {value}"
        if fields["etag"] not in etags(value):
            return f"{value} under the ETag {fields['etag']}"
        return value

    def condition(self, key, etag_only=False):
        """(fields, what History.add() is told of them): that there is what
        was seen last"""
        etag, value = self.seen.get(key, ("", ABSENT))
        if etag:
            return {"if_match": etag}, {"expected": value}
        return (({}, {}) if etag_only
                else ({"if_none_match": "*"}, {"expected": ABSENT}))

    async def maybe(self, port, key):
        """A condition, of some operations, and what it is about is read
        before."""
        if self.random.random() > CONDITIONAL:
            return {}, {}
        await self.read(port, key)
        return self.condition(key, etag_only=True)

    async def put(self, port, key, value, **fields):
        status, _ = await port.request("PUT", key, self.token, body(value),
                                       **headers(key, value), **fields)
        return status

    async def write(self, port, key, fields=None, **more):
        value, begin = self.value(), time.monotonic()
        status = await self.put(port, key, value, **(fields or {}))
        return self.note("write", key, value, begin, status, **more)

    async def edit(self, port, key):
        """What was read is to be replaced, and nothing else."""
        await self.read(port, key)
        fields, more = self.condition(key)
        return await self.write(port, key, fields, **more)

    async def delete(self, port, key):
        fields, more = await self.maybe(port, key)
        begin = time.monotonic()
        status, _ = await port.request("DELETE", key, self.token, **fields)
        return self.note("delete", key, ABSENT, begin, status, **more)

    async def batch(self, port, key):
        """Some keys at once; each has an outcome of its own."""
        others = self.random.sample(range(0, BUSY, 2), 2)
        keys = sorted({key, *(f"/k{other}" for other in others)})
        begin = time.monotonic()
        status, data = await port.request(
            "POST", "/-/delete", self.token,
            json.dumps({"keys": [key[1:] for key in keys]}).encode())
        results = json.loads(data) if status in (200, 207) else {}
        failed = {f["key"]: f["status"] for f in results.get("failed", [])}
        for key in keys:
            gone = key[1:] in results.get("deleted", [])
            self.note("batch", key, ABSENT, begin,
                      200 if gone else failed.get(key[1:], status))
        return status

    async def copy(self, port, key, kind="copy"):
        fields, more = await self.maybe(port, key)
        return await self.copy_to(f"/k{int(key[2:]) + 1}", port, key, kind,
                                  fields, more)

    async def copy_to(self, target, port, key, kind, fields, more):
        begin = time.monotonic()
        status, _ = await port.request(kind.upper(), key, self.token,
                                       destination=target, **fields)
        etag = port.fields.get("etag") if status in (201, 204) else None
        return self.note(kind, key, etag, begin, status, target=target, **more)

    async def move(self, port, key):
        return await self.copy(port, key, "move")

    async def claim(self, port, key):
        """A COPY or MOVE to where nothing is, which one of many wins."""
        kind = self.random.choice(["copy", "copy", "move"])
        return await self.copy_to(third(int(key[2:])), port, key, kind,
                                  {"overwrite": "F"}, {"alone": True})

    async def release(self, port, key):
        return await self.delete(port, key)

    async def restore(self, port, key):
        """One of the last versions, where there are any."""
        if not self.versions:
            return await self.read(port, key)
        status, data = await port.request(
            "GET", f"/-/versions?key={key[1:]}&limit=20", self.token)
        listed = json.loads(data)["versions"] if status == 200 else []
        there = [v for v in listed if not v["deleted"]]
        if not there:
            return status
        version = self.random.choice(there)
        fields, more = await self.maybe(port, key)
        begin = time.monotonic()
        status, _ = await port.request(
            "POST", f"/-/restore?key={key[1:]}"
            f"&version={urllib.parse.quote(version['version'], safe='')}",
            self.token, **fields)
        return self.note("restore", key, version["etag"], begin, status,
                         **more)

    async def purge(self, port, key):
        """Storage is written past the fleet, then the fleet is told."""
        value, begin = self.value(), time.monotonic()
        status = await self.put(self.outside, key, value)
        if status not in (201, 204):
            return self.note("purge", key, value, begin, 0)
        items = self.random.choice(
            [{"urls": [f"http://x{key}"]}] * 3
            + [{"prefixes": [f"x{key}"]}, {"hosts": ["x"]},
               {"everything": True}]
            + [{"tags": [tag(key)]}] * (int(key[2:]) % 2))
        until = time.monotonic() + PATIENCE
        while True:                     # or nobody would ever tell the fleet
            status, _ = await port.request("POST", "/-/purge", self.token,
                                           json.dumps(items).encode())
            if status == 202 or time.monotonic() > until:
                return self.note("purge", key, value, begin, status,
                                 next(iter(items)))
            await asyncio.sleep(0.05)


async def main(settings):
    with open(settings["out"], "w", encoding="utf-8") as out:
        await asyncio.gather(*(
            Task(i, settings, out).run()
            for i in range(settings["tasks"])))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
