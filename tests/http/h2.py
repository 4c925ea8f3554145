"""An HTTP/2 client that sends exactly the frames it is told to.

Headers go as literals (RFC 7541, 6.2.2), and of an answer's only the status is
read, which nginx writes without Huffman's code.
"""

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4

CANCEL = 8
INITIAL_WINDOW_SIZE = 4

INDEXED = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}


def frame(kind, flags, stream, payload=b""):
    return (struct.pack("!I", len(payload))[1:]
            + struct.pack("!BBI", kind, flags, stream) + bytes(payload))


def _string(text):
    text = text if isinstance(text, bytes) else str(text).encode()
    size = len(text)
    if size < 127:
        return bytes([size]) + text
    rest, out = size - 127, b"\x7f"
    while rest >= 128:
        out += bytes([rest % 128 + 128])
        rest //= 128
    return out + bytes([rest]) + text


def encode(headers):
    return b"".join(b"\0" + _string(name) + _string(value)
                    for name, value in headers)


def _status(block):
    """The first field that is no change of the table's size."""
    while block[0] & 0xe0 == 0x20:
        block = block[1:]
    if block[0] & 0x80:
        return INDEXED[block[0] & 0x7f]
    return int(block[2:5])


class Stream:
    def __init__(self, window):
        self.window = window                # what may be sent
        self.status = None
        self.body = b""
        self.ended = False
        self.reset = None                   # its error code


class Connection:
    """One connection; streams are numbered 1, 3, 5 ..."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.streams = {}
        self.window = 65535
        self.initial = 65535
        self.ponged = False
        self.next = 1
        self.got = b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                            + frame(SETTINGS, 0, 0))
        while not self.step() == SETTINGS:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, kind, flags, stream, payload=b""):
        self.socket.sendall(frame(kind, flags, stream, payload))

    def request(self, method, path, headers=(), end=False):
        """Sends its headers; returns the stream's number."""
        number = self.next
        self.next += 2
        self.streams[number] = Stream(self.initial)
        block = encode([(":method", method), (":scheme", "http"),
                        (":path", path), (":authority", "origin.test"),
                        *headers])
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), number,
                  block)
        return number

    def some(self, number, body, end=False, size=16384):
        """Sends as much of the body as one frame and the windows take; returns
        the rest."""
        stream = self.streams[number]
        n = max(0, min(self.window, stream.window, size, len(body)))
        last = n == len(body)
        if n or last:
            self.send(DATA, END_STREAM if end and last else 0, number,
                      body[:n])
        self.window -= n
        stream.window -= n
        return body[n:]

    def data(self, number, body, end=False):
        """Sends all of the body, unless the stream ends before."""
        body = memoryview(body)
        stream = self.streams[number]
        while True:
            body = self.some(number, body, end)
            if not body:
                return
            while min(self.window, stream.window) <= 0:
                if stream.ended or stream.reset is not None:
                    return
                self.step()

    def reset(self, number, code=CANCEL):
        self.send(RST_STREAM, 0, number, struct.pack("!I", code))

    def ping(self):
        """Returns when nginx has read all that was sent before."""
        self.send(PING, 0, 0, b"12345678")
        self.ponged = False
        while not self.ponged:
            self.step()

    def read(self, size):
        while len(self.got) < size:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.got += data
        data, self.got = self.got[:size], self.got[size:]
        return data

    def step(self):
        """Reads a frame; returns its kind."""
        head = self.read(9)
        size = int.from_bytes(head[:3], "big")
        kind, flags = head[3], head[4]
        number = int.from_bytes(head[5:], "big") & 0x7fffffff
        payload = self.read(size)
        stream = self.streams.get(number)

        if kind == SETTINGS and not flags & ACK:
            for i in range(0, size, 6):
                name, value = struct.unpack("!HI", payload[i:i + 6])
                if name == INITIAL_WINDOW_SIZE:
                    for one in self.streams.values():
                        one.window += value - self.initial
                    self.initial = value
            self.send(SETTINGS, ACK, 0)
        elif kind == PING and flags & ACK:
            self.ponged = True
        elif kind == WINDOW_UPDATE:
            value = int.from_bytes(payload, "big")
            if number == 0:
                self.window += value
            elif stream:
                stream.window += value
        elif kind == RST_STREAM and stream:
            stream.reset = int.from_bytes(payload, "big")
        elif kind == HEADERS and stream:
            stream.status = _status(payload)
        elif kind == DATA and stream:
            stream.body += payload
            if size:
                self.send(WINDOW_UPDATE, 0, 0, struct.pack("!I", size))
        if kind in (HEADERS, DATA) and flags & END_STREAM and stream:
            stream.ended = True
        return kind

    def answer(self, number):
        """The status of a stream that has ended; None of one that was
        reset before."""
        stream = self.streams[number]
        while not stream.ended and stream.reset is None:
            self.step()
        return stream.status
