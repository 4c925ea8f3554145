"""Clients that read: slowly, in a crowd, or while another one writes."""

import concurrent.futures
import selectors
import socket
import threading
import zlib

from harness import request_head, tier


class SlowReader:
    """Takes the head and leaves the body to wait."""

    def __init__(self, nginx, path):
        self.connection = nginx.connect(timeout=60, receive=16384)
        self.connection.send(request_head("GET", path, {"Host": "o"}))
        self.connection.reader.peek(1)

    def finish(self):
        answer = self.connection.answer()
        self.connection.close()
        return answer


class Crowd:
    """Many clients of one worker, served by one thread."""

    def __init__(self, port, key, count):
        self.clients = []
        ask = request_head("GET", key, {"Host": "a", "Connection": "close"})
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(ask)
            client.setblocking(False)
            self.clients.append(client)
        self.got = {client: [0, 0, b""] for client in self.clients}
        self.open = set(self.clients)

    def first_byte(self, seconds=60):
        """Waits until one of them could read."""
        with selectors.DefaultSelector() as selector:
            for client in self.open:
                selector.register(client, selectors.EVENT_READ)
            assert selector.select(seconds)

    def read(self, until, seconds=60):
        """Reads for all until until() or the end of all."""
        with selectors.DefaultSelector() as selector:
            for client in self.open:
                selector.register(client, selectors.EVENT_READ)
            while self.open and not until():
                ready = selector.select(seconds)
                assert ready, f"{len(self.open)} clients wait for ever"
                for item, _ in ready:
                    client = item.fileobj
                    data = client.recv(1 << 18)
                    if not data:
                        self.open.remove(client)
                        selector.unregister(client)
                        client.close()
                    self.take(client, data)

    def take(self, client, data):
        state = self.got[client]
        if state[0] == 0:               # still in the head
            state[2] += data
            head, end, data = state[2].partition(b"\r\n\r\n")
            if not end:
                return
            state[2] = head
        state[0] += len(data)
        state[1] = zlib.crc32(data, state[1])

    def all_got(self, body):
        return ({(size, crc) for size, crc, _ in self.got.values()}
                == {(len(body), zlib.crc32(body))})

    def streaming(self):
        """How many have bytes of the body."""
        return sum(1 for size, _, _ in self.got.values() if size)


def never_older(origin, key, hits):
    """A writer counts up; readers, who fill the caches all the time, never get
    less than what had been answered to the writer before they asked.  Some of
    what they get is from the tier `hits`."""
    origin.put(key, b"0")
    acknowledged, stop = [0], threading.Event()

    def read():
        seen = 0
        while not stop.is_set():
            least = acknowledged[0]
            answer = origin.get(key)
            assert answer.status == 200
            assert int(answer.body) >= least, (answer, least)
            seen += tier(answer) == hits
        return seen

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for i in range(1, 120):
                assert origin.put(key, b"%d" % i).status == 204
                acknowledged[0] = i
        finally:
            stop.set()
        assert sum(reader.result() for reader in readers) > 0
