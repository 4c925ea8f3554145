#!/usr/bin/python3
"""What wrk and curl can't do, in one process and one thread:

    swarm.py upload COUNT FILE URL TOKEN   COUNT PUTs of FILE at once, to
                                           URL0, URL1, ...
    swarm.py probe RATE URL...             GETs of each URL in turn, RATE a
                                           second in all, until stdin closes

Prints a JSON document.
"""

import json
import os
import select
import selectors
import socket
import sys
import time
import urllib.parse

READ = 256 * 1024


class Client:
    """One connection with one request on it."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection(
            (self.url.hostname, self.url.port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begin_answer()

    def begin_answer(self):
        self.head = b""
        self.received = 0                       # of the body
        self.length = None
        self.first = None                       # when it came
        self.failure = None

    def request(self, method, *headers):
        lines = [f"{method} {self.url.path} HTTP/1.1",
                 f"Host: {self.url.netloc}", *headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def status(self):
        return int(self.head.split(None, 2)[1]) if self.first else 0

    def take(self, data):
        """Some of the answer; True when it is complete."""
        now = time.monotonic()
        if not data:
            self.failure = "the connection was closed"
            return True
        self.first = self.first or now
        if self.length is None:
            self.head += data
            head, end, body = self.head.partition(b"\r\n\r\n")
            if not end:
                return False
            self.head = head
            self.length = self.body_length(head)
            data = body
        self.received += len(data)
        return self.received >= self.length

    @staticmethod
    def body_length(head):
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line.split(b":")[1])
        return 0


def read_some(client):
    try:
        return client.take(client.socket.recv(READ))
    except BlockingIOError:
        return False
    except OSError as error:
        client.failure = str(error)
        return True


# upload

class Upload(Client):
    def __init__(self, url, file, size, token):
        super().__init__(url)
        self.file, self.size, self.sent = file, size, 0
        self.socket.sendall(self.request(
            "PUT", f"Authorization: Bearer {token}", f"Content-Length: {size}",
            "Content-Type: application/octet-stream"))
        self.socket.setblocking(False)

    def send(self):
        """True when all was sent."""
        try:
            self.sent += os.sendfile(self.socket.fileno(), self.file,
                                     self.sent, min(1 << 20,
                                                    self.size - self.sent))
        except BlockingIOError:
            pass
        except OSError as error:
            self.failure = str(error)
            return True
        return self.sent == self.size


def upload(count, path, url, token):
    begin = time.monotonic()
    file = os.open(path, os.O_RDONLY)
    size = os.fstat(file).st_size
    selector = selectors.DefaultSelector()
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    uploads = [Upload(f"{url}{i}", file, size, token) for i in range(count)]
    for one in uploads:
        selector.register(one.socket, both, one)

    left = count
    while left:
        for key, events in selector.select():
            one = key.data
            done = False
            if events & selectors.EVENT_WRITE and one.send():
                selector.modify(one.socket, selectors.EVENT_READ, one)
                done = one.failure is not None
            if not done and events & selectors.EVENT_READ:
                done = read_some(one)
            if done:
                selector.unregister(one.socket)
                one.socket.close()
                left -= 1

    complete = [u for u in uploads if u.status() in (201, 204)]
    return {"count": count, "complete": len(complete),
            "seconds": time.monotonic() - begin,
            "failures": sorted({u.failure or f"HTTP {u.status()}"
                                for u in uploads if u not in complete})}


# probe

def probe_one(client):
    """Seconds of one GET on the client's connection."""
    client.begin_answer()
    begin = time.monotonic()
    client.socket.sendall(client.request("GET"))
    while not client.take(client.socket.recv(READ)):
        pass
    if client.failure or client.status() != 200:
        raise SystemExit(f"{client.url}: {client.failure or client.status()}")
    return time.monotonic() - begin


def probe(rate, urls):
    clients = [Client(url) for url in urls]
    taken = {url: [] for url in urls}
    due = time.monotonic()
    while True:
        for url, client in zip(urls, clients):
            due += 1 / rate
            pause = max(0, due - time.monotonic())
            if select.select([sys.stdin], [], [], pause)[0]:
                return {u: quantiles(t) for u, t in taken.items()}
            taken[url].append(probe_one(client))


def quantiles(times):
    times = sorted(times) or [0]
    return {"count": len(times),
            "p50_ms": times[len(times) // 2] * 1e3,
            "p99_ms": times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3,
            "max_ms": times[-1] * 1e3}


def main(command, *arguments):
    if command == "upload":
        return upload(int(arguments[0]), *arguments[1:])
    return probe(float(arguments[0]), arguments[1:])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
