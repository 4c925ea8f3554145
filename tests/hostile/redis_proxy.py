"""A proxy between nginx and Redis, that changes replies.

    with RedisProxy(path, redis.socket) as proxy:   # content_redis unix:path
        proxy.act = lambda reply, seen: ...         # a Reply of redis_replies
        proxy.act = None                            # honest again

One thread a connection and direction, as of tests/fakes/s3_fault_proxy.py.
"""

import contextlib
import socket
import threading

import redis_replies

SEEN = 50                       # replies that are remembered


class RedisProxy:
    def __init__(self, path, upstream):
        self.address, self.upstream = f"unix:{path}", str(upstream)
        self.act = None
        self.seen, self.connections = [], set()
        self.stopping = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        start(self.serve)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        # a thread that waits in accept() keeps a socket that was closed
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def drop(self):
        """Cuts all connections."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.upstream)
            except OSError:
                client.close()
                continue
            both = {client, server}
            self.connections |= both
            start(self.commands, client, server)
            start(self.replies, server, client, both)

    def commands(self, client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def replies(self, server, client, both):
        buffer = b""
        with contextlib.suppress(OSError, ValueError):
            while data := server.recv(65536):
                buffer += data
                while True:
                    one, buffer = redis_replies.split(buffer)
                    if not one:
                        break
                    self.say(client, one)
        self.connections -= both
        for one in both:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def say(self, client, data):
        act = self.act
        told = act and act(data, self.seen)
        if redis_replies.is_string(data):
            self.seen = [*self.seen[-SEEN:], data]
        if not told:
            client.sendall(data)
            return
        for piece in told.pieces:
            client.sendall(piece)
        if told.ends == "stall":
            self.stopping.wait(1)
        if told.ends != "keep":
            raise ConnectionAbortedError


def start(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()
