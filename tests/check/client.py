#!/usr/bin/python3
"""Readers and writers of the consistency checker: one process of many.

    client.py SETTINGS      JSON: number, process, processes, tasks, ports,
                            outside, keys, seconds, finale, token, seed, out

Each task does one operation after the other, at random nodes and keys, until
its time is up.  In the last `finale` seconds it writes each of its own keys once
and then only reads: what nobody changes any more has to be right by itself.
Each operation is a line of the file `out`, JSON:

    [kind, key, value, begin, end, status, where]

kind is "read", "write", "delete" or "purge" (a write past the fleet, then
POST /-/purge to a node).  Status 0: no answer.  where is the node and, of a read,
the Cache-Status.
"""

import asyncio
import json
import random
import sys
import time

KINDS, WEIGHTS = ("read", "write", "delete", "purge"), (85, 11, 2, 2)
BUSY = 8                    # keys that two thirds go to
READS = [("GET", {}), ("GET", {}), ("GET", {"range": "bytes=0-"}), ("HEAD", {})]
CONDITIONAL = 0.3           # of the reads: with If-None-Match
PATIENCE = 10               # seconds, then an answer will not come
TURN = 5                    # seconds in which one node is only read from


def spared(nodes, now):
    """The number of the node that nobody writes to now."""
    return int(now / TURN) % nodes


def headers(key, value):
    """Of a write.  They tell the value, too, for HEAD."""
    return {"cache_tag": key[1:],
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
        self.writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
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
        self.until = time.monotonic() + settings["seconds"]
        self.finale = self.until - settings["finale"]
        self.written = 0
        self.purged = ""            # by what
        self.seen = {}              # of keys: the last (ETag, value)
        share = settings["process"] * settings["tasks"] + i
        self.own = list(range(share, self.keys,
                              settings["processes"] * settings["tasks"]))

    def choose(self):
        """(kind, number of the key).  Odd ones are never deleted: what is
        absent has no tag, so they alone can be purged by it."""
        if time.monotonic() > self.finale:
            return (("write", self.own.pop()) if self.own
                    else ("read", self.random.randrange(self.keys)))
        among = self.random.choice([BUSY, BUSY, self.keys])
        kind = self.random.choices(KINDS, WEIGHTS)[0]
        number = self.random.randrange(among)
        return ("read" if kind == "delete" and number % 2 else kind), number

    def node(self, kind):
        nodes = list(range(len(self.ports)))
        if kind != "read":
            nodes.remove(spared(len(nodes), time.monotonic()))
        return self.random.choice(nodes)

    async def run(self):
        while time.monotonic() < self.until:
            kind, number = self.choose()
            key, node = f"/k{number}", self.node(kind)
            begin = time.monotonic()
            value, status = await getattr(self, kind)(self.ports[node], key)
            end = time.monotonic()
            self.out.write(json.dumps(
                [kind, key, value, begin, end, status,
                 f"n{node} {self.ports[node].fields.get('cache-status', '')}"
                 f"{self.purged if kind == 'purge' else ''}"]) + "\n")
            if status == 0 or status >= 500 or end > self.finale:
                await asyncio.sleep(0.02)
        for port in [*self.ports, self.outside]:
            port.close()

    def value(self):
        self.written += 1
        return f"{self.name}.{self.written}"

    async def read(self, port, key):
        """Sometimes it asks whether what it saw last is still right."""
        method, fields = self.random.choice(READS)
        etag, value = self.seen.get(key, ("", None))
        if etag and self.random.random() < CONDITIONAL:
            fields = {**fields, "if_none_match": etag}
        status, body = await port.request(method, key, **fields)
        if status == 304:
            return value, status
        if status not in (200, 206):
            return None, status
        value = port.fields.get("content-disposition", "").rpartition("=")[2]
        if method == "GET" and (body := body.decode("latin-1")) != value:
            value = f"{body} under the headers of {value}"
        self.seen[key] = port.fields["etag"], value
        return value, status

    async def put(self, port, key, value):
        status, _ = await port.request("PUT", key, self.token, value.encode(),
                                       **headers(key, value))
        return status

    async def write(self, port, key):
        value = self.value()
        return value, await self.put(port, key, value)

    async def delete(self, port, key):
        if self.random.random() < 0.5:
            status, _ = await port.request("DELETE", key, self.token)
            return None, status
        status, _ = await port.request(
            "POST", "/-/delete", self.token,
            json.dumps({"keys": [key[1:]]}).encode())
        return None, 0 if status == 207 else status     # 207: it has failed

    async def purge(self, port, key):
        """Storage is written past the fleet, then the fleet is told."""
        value = self.value()
        status = await self.put(self.outside, key, value)
        if status not in (201, 204):
            return value, 0
        items = self.random.choice(
            [{"urls": [f"http://x{key}"]}] * 3
            + [{"prefixes": [f"x{key}"]}, {"hosts": ["x"]},
               {"everything": True}]
            + [{"tags": [key[1:]]}] * (int(key[2:]) % 2))
        self.purged = next(iter(items))
        until = time.monotonic() + PATIENCE
        while True:                     # or nobody would ever tell the fleet
            status, _ = await port.request("POST", "/-/purge", self.token,
                                           json.dumps(items).encode())
            if status == 202 or time.monotonic() > until:
                return value, status
            await asyncio.sleep(0.05)


async def main(settings):
    with open(settings["out"], "w", encoding="utf-8") as out:
        await asyncio.gather(*(
            Task(i, settings, out).run()
            for i in range(settings["tasks"])))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
