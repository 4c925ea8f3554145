"""A proxy between nginx and the S3 server, for making faults.

Used by tests/http/test_s3_faults.py, in the tests' own process:

    with FaultProxy("127.0.0.1:7480") as proxy:     # .endpoint for nginx
        proxy.fault(cut(), method="GET")            # the next GET is cut
        proxy.fault(answer(500), times=2)           # then two of anything

A fault is a function (exchange) -> None that does something else than
exchange.forward(); the first one that fits a request is taken.  What nobody
has a fault for is forwarded unchanged, byte for byte, so that signatures
hold.  Every request is in .requests.

With tls (an ssl.SSLContext for https://localhost) it speaks TLS to nginx, and
plain HTTP to the S3 server.
"""

import http.client
import re
import socket
import threading

LIMIT = 64 << 20            # bytes of a body that is kept


class Request:
    """What a client sent: method, path (with the query), headers, body."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        first, _, fields = head.partition(b"\r\n")
        self.method, self.path, _ = first.decode("latin-1").split(" ", 2)
        self.headers = {}
        for line in fields.split(b"\r\n"):
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self.headers[name.lower()] = value.strip()

    @property
    def raw(self):
        return self.head + self.body

    def __repr__(self):
        return f"{self.method} {self.path}"


class Exchange:
    """One request and the ways to answer it."""

    def __init__(self, proxy, client, request, rest=None):
        self.proxy, self.client, self.request = proxy, client, request
        self.close = False
        self.rest = rest        # early: what reads so many bytes of the body

    def send(self, data):
        self.client.sendall(data)

    def take(self, size):
        """early: the next bytes of the body; fewer at its end."""
        data = self.rest(size)
        self.request.body += data
        return data

    def hang_up(self, reset=False):
        """Closes the connection; reset: as a machine that fell over."""
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
        self.close = True

    def fetch(self, request=None):
        """The server's answer: (head, body), both as bytes."""
        if request is None:
            request = self.request
            while self.rest and self.take(1 << 20):
                pass
        with socket.create_connection(self.proxy.upstream, 60) as server:
            server.sendall(request.raw)
            with server.makefile("rb") as reader:
                head = read_head(reader)
                status = int(head.split(b" ", 2)[1])
                if request.method == "HEAD" or status in (204, 304):
                    return head, b""
                return head, read_body(reader, head)

    def forward(self):
        head, body = self.fetch()
        self.send(head + body)

    def wait(self):
        """Says nothing until the test ends or the client has left."""
        self.client.settimeout(0.05)
        while not self.proxy.stopping.is_set():
            try:
                if self.client.recv(1, socket.MSG_PEEK) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close = True


def read_head(reader):
    """Up to and with the empty line; b"" at the end of the connection."""
    lines = []
    while True:
        line = reader.readline(65536)
        if not line:
            return b""
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)


def read_body(reader, head):
    """The body that head announces, as it is on the wire."""
    if re.search(rb"\r\nTransfer-Encoding: *chunked", head, re.I):
        return read_chunks(reader)
    length = re.search(rb"\r\nContent-Length: *(\d+)", head, re.I)
    return reader.read(int(length[1])) if length else b""


def rest_of(reader, head):
    """What reads the body that head announces, so many bytes at a time."""
    length = re.search(rb"\r\nContent-Length: *(\d+)", head, re.I)
    left = int(length[1]) if length else 0

    def read(size):
        nonlocal left
        data = reader.read(min(size, left))
        left -= len(data)
        return data
    return read


def read_chunks(reader):
    parts = []
    while sum(map(len, parts)) < LIMIT:
        line = reader.readline()
        size = int(line.split(b";")[0], 16)
        parts += [line, reader.read(size + 2)]
        if size == 0:
            break
    return b"".join(parts)


class FaultProxy:
    """Listens on 127.0.0.1; one thread a connection."""

    def __init__(self, upstream, tls=None):
        host, _, port = upstream.rpartition(":")
        self.upstream = (host, int(port))
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.faults, self.requests, self.connections = [], [], set()
        self.held = []          # requests that the server has answered
        self.listener = self.kept = None
        self.tls = tls
        self.port = 0
        self.accept()
        self.endpoint = (f"https://localhost:{self.port}" if tls
                         else f"http://127.0.0.1:{self.port}")

    # The tests' side

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stopping.set()
        self.refuse()
        self.kept.close()

    def fault(self, act, times=1, method=None, query=None, path=None,
              early=False):
        """Do act(exchange) with the next `times` requests of that method,
        whose query has the text `query` ("" for none), whose path ends so;
        early: before their body is there, see Exchange.take()."""
        def fits(request):
            where, _, asked = request.path.partition("?")
            return ((method is None or request.method == method)
                    and (query is None or (query in asked if query
                                           else not asked))
                    and (path is None or where.endswith(path)))
        with self.lock:
            self.faults.append([fits, act, times, early])

    def clear(self):
        """Forgets faults and requests, and drops the connections."""
        with self.lock:
            self.faults.clear()
            self.requests.clear()
            self.held.clear()
        self.drop()

    def pending(self):
        """How many faults still wait for their request."""
        with self.lock:
            return sum(fault[2] for fault in self.faults)

    def drop(self):
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def refuse(self):
        """From now on nobody listens here."""
        if self.listener:
            # a thread that waits in accept() keeps a socket that was closed
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
            self.kept = self.bound()
        self.drop()

    def bound(self):
        """A socket with the port, which no connection gets as its own then."""
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self.port))
        return bound

    def accept(self):
        """Listens, at the port it had."""
        listener = self.kept or self.bound()
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self.serve, args=(listener,),
                         daemon=True).start()

    # The server's side

    def serve(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:                # the handshake is left to the thread
                connection = self.tls.wrap_socket(
                    connection, server_side=True,
                    do_handshake_on_connect=False)
            self.connections.add(connection)
            threading.Thread(target=self.talk, args=(connection,),
                             daemon=True).start()

    def talk(self, connection):
        try:
            with connection.makefile("rb") as reader:
                while self.exchange(connection, reader):
                    pass
        except (OSError, ValueError, http.client.HTTPException):
            pass                        # one of both sides has left
        finally:
            self.connections.discard(connection)
            connection.close()

    def exchange(self, connection, reader):
        head = read_head(reader)
        if not head:
            return False
        if re.search(rb"\r\nExpect: *100-continue", head, re.I):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"\r\nExpect:[^\r]*", b"", head, flags=re.I)
        request = Request(head, b"")
        with self.lock:
            act = self.take(request, True)
        exchange = Exchange(self, connection, request,
                            act and rest_of(reader, head))
        if act is None:
            request.body = read_body(reader, head)
        with self.lock:
            self.requests.append(request)
            act = act or self.take(request, False) or Exchange.forward
        act(exchange)
        return not exchange.close

    def take(self, request, early):
        for fault in self.faults:
            fits, act, _, when = fault
            if when == early and fits(request):
                fault[2] -= 1
                if fault[2] == 0:
                    self.faults.remove(fault)
                return act
        return None


# Faults

def cut(reset=False):
    """No answer."""
    return lambda exchange: exchange.hang_up(reset)


def cut_after_forwarding(reset=False):
    """The server did what it was asked for; nobody hears of it."""
    def act(exchange):
        exchange.fetch()
        exchange.hang_up(reset)
    return act


def cut_head(reset=False):
    """Half of the answer's head."""
    def act(exchange):
        head, _ = exchange.fetch()
        exchange.send(head[:len(head) // 2])
        exchange.hang_up(reset)
    return act


def cut_body(size, reset=False):
    """The head, and no more than `size` bytes of the body."""
    def act(exchange):
        head, body = exchange.fetch()
        exchange.send(head + body[:size])
        exchange.hang_up(reset)
    return act


def stall():
    """No answer, and the connection stays."""
    return Exchange.wait


def stall_body(size):
    """The head and `size` bytes of the body, and the connection stays."""
    def act(exchange):
        head, body = exchange.fetch()
        exchange.send(head + body[:size])
        exchange.wait()
    return act


def hold(event, before=False):
    """Forwards the request at once (before: later), and the answer when
    event is set; until then it is one of proxy.held."""
    def act(exchange):
        if before:
            event.wait(30)
        head, body = exchange.fetch()
        exchange.proxy.held.append(exchange.request)
        event.wait(30)
        exchange.send(head + body)
    return act


def raw(data):
    """These bytes, then the end of the connection."""
    def act(exchange):
        exchange.send(data)
        exchange.hang_up()
    return act


def answer(status, body=b"", content_type="application/xml", chunked=False,
           **headers):
    """This answer, without asking the server."""
    def act(exchange):
        reason = http.client.responses.get(status, "Odd")
        lines = [f"HTTP/1.1 {status} {reason}",
                 f"Content-Type: {content_type}"]
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
        sent = body
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            lines.append(f"Content-Length: {len(body)}")
        if exchange.request.method == "HEAD":
            sent = b""
        exchange.send("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
    return act


def s3_error(status, code, message="a fault that was ordered", **how):
    """This error, as S3 says it."""
    return answer(status, (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>1</RequestId></Error>").encode(), **how)


def change(edit):
    """edit(head, body) -> (head, body) of the server's answer."""
    def act(exchange):
        head, body = edit(*exchange.fetch())
        exchange.send(head + body)
    return act


def first(do):
    """do(), then forward."""
    def act(exchange):
        do()
        exchange.forward()
    return act
