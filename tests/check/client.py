#!/usr/bin/python3
"""Readers and writers of the consistency checker: one process of many.

    client.py SETTINGS      JSON: number, tasks, ports, outside, keys, seconds,
                            operations, token, seed, out

Each task does one operation after the other, at random nodes and keys, until
its time is up or its share is done.  Each is a line of the file `out`, JSON:

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
PATIENCE = 10               # seconds, then an answer will not come


class Port:
    """One task's connection to one node."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None
        self.cache = ""             # Cache-Status of the last answer

    async def request(self, method, path, token=None, body=b""):
        """(status, body); (0, b"") if it is not known what happened."""
        try:
            return await asyncio.wait_for(
                self._request(method, path, token, body), PATIENCE)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError,
                ValueError, IndexError):
            self.close()
            return 0, b""

    def close(self):
        if self.writer:
            self.writer.transport.abort()
        self.writer = None

    async def _request(self, method, path, token, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(
                "127.0.0.1", self.port)
        head = [f"{method} {path} HTTP/1.1", "Host: x"]
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
        self.cache = fields.get("cache-status", "")
        length = 0 if status == 204 else int(fields["content-length"])
        body = await self.reader.readexactly(length)
        if fields.get("connection") == "close":
            self.close()
        return status, body


class Task:
    def __init__(self, name, settings, out):
        self.name, self.out = name, out
        self.random = random.Random(f"{settings['seed']}/{name}")
        self.ports = [Port(p) for p in settings["ports"]]
        self.outside = Port(settings["outside"])
        self.keys, self.token = settings["keys"], settings["token"]
        self.count = settings["operations"] // settings["tasks"]
        self.until = time.monotonic() + settings["seconds"]
        self.written = 0

    async def run(self):
        while self.count > 0 and time.monotonic() < self.until:
            self.count -= 1
            kind = self.random.choices(KINDS, WEIGHTS)[0]
            among = self.random.choice([BUSY, BUSY, self.keys])
            key = f"/k{self.random.randrange(among)}"
            node = self.random.randrange(len(self.ports))
            begin = time.monotonic()
            value, status = await getattr(self, kind)(self.ports[node], key)
            end = time.monotonic()
            self.out.write(json.dumps(
                [kind, key, value, begin, end, status,
                 f"n{node} {self.ports[node].cache}"]) + "\n")
            if status == 0 or status >= 500:
                await asyncio.sleep(0.02)
        for port in [*self.ports, self.outside]:
            port.close()

    def value(self):
        self.written += 1
        return f"{self.name}.{self.written}"

    async def read(self, port, key):
        status, body = await port.request("GET", key)
        return body.decode("latin-1") if status == 200 else None, status

    async def write(self, port, key):
        value = self.value()
        status, _ = await port.request("PUT", key, self.token, value.encode())
        return value, status

    async def delete(self, port, key):
        status, _ = await port.request("DELETE", key, self.token)
        return None, status

    async def purge(self, port, key):
        """Storage is written past the fleet, then the fleet is told."""
        value = self.value()
        status, _ = await self.outside.request("PUT", key, self.token,
                                               value.encode())
        if status not in (201, 204):
            return value, 0
        items = self.random.choice(
            [{"urls": [f"http://x{key}"]}] * 3 + [{"everything": True}])
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
            Task(f"{settings['number']}.{i}", settings, out).run()
            for i in range(settings["tasks"])))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
