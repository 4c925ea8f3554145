"""What the HTTP tests run against: nginx with the module; and a client that
sends exactly the bytes it is told to.

Everything listens on 127.0.0.1 (or a unix socket), lives in a directory of
its own and is ended by the pid it was started with.  A test fails when nginx
has logged an [alert] or an [emerg] it was not told to expect, has left a
connection open, or a sanitizer has reported anything.
"""

import collections
import hashlib
import http.client
import io
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = pathlib.Path(os.environ.get("CONTENT_MODULE")
                      or ROOT / "build/debug/ngx_content_module.so")
PRELOAD = os.environ.get("CONTENT_PRELOAD", "")
LOG_LEVEL = "debug" if os.environ.get("DEBUG") else "info"

READY_SECONDS = 20
STOP_SECONDS = 20

SANITIZER = re.compile(r"ERROR: AddressSanitizer|runtime error:|LeakSanitizer")
ALARM = re.compile(r"\[(alert|emerg)\]|open socket #|"
                   r"exited with code [1-9]|" + SANITIZER.pattern)

EDITOR = "editor-token-Zk3v9Qw1"            # all rights, everywhere


# Waiting

def wait_until(condition, seconds=READY_SECONDS, what=None):
    """The first true result of condition(), asked every few milliseconds."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, (
            f"not within {seconds} s: {what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def ports():
    """Where servers of the tests listen: below the ports that the kernel gives
    to outgoing connections, and apart from those of the processes that run
    tests beside this one (the children of one parent)."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = 12000 + (os.getppid() + int(worker)) % 8 * 2400
    return range(first, first + 2370)


GIVEN = collections.deque(maxlen=200)  # nobody may listen there yet


def free_port(count=1):
    """The first of `count` free ports."""
    for _ in range(200):
        port = random.choice(ports())
        if any(port + i in GIVEN for i in range(count)):
            continue
        sockets = []
        try:
            for i in range(count):
                s = socket.socket()
                sockets.append(s)
                s.bind(("127.0.0.1", port + i))
            GIVEN.extend(range(port, port + count))
            return port
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError("no free port")


# The client

class Answer:
    """A response, read to its end."""

    def __init__(self, response, body, complete=True):
        self.status = response.status
        self.headers = response.headers
        self.body = body
        self.complete = complete
        self.will_close = response.will_close

    def __repr__(self):
        return f"<{self.status} {self.headers.items()} {self.body[:300]}>"

    def json(self):
        return json.loads(self.body)

    def all(self, name):
        return self.headers.get_all(name) or []


class _Unclosed(io.BufferedReader):
    """HTTPResponse closes what it reads from; the next answer is in it."""

    def close(self):
        pass


class _Source:
    def __init__(self, reader):
        self.reader = reader

    def makefile(self, _mode):
        return self.reader


class Connection:
    """One connection; bytes go out as they are given."""

    def __init__(self, port, timeout=30, receive=None):
        """receive: bytes that the kernel may take for us, about."""
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = socket.SocketIO(self.socket, "r")
        self.reader = _Unclosed(self.raw)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.raw.close()
        self.socket.close()

    def reset(self):
        """Goes away as a killed client does, with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               b"\1\0\0\0\0\0\0\0")
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, method="GET"):
        """The next response; 100 (Continue) is skipped."""
        response = http.client.HTTPResponse(_Source(self.reader),
                                            method=method)
        response.begin()
        try:
            return Answer(response, response.read())
        except http.client.IncompleteRead as cut:
            return Answer(response, cut.partial, complete=False)
        except ConnectionResetError:
            return Answer(response, b"", complete=False)

    def line(self):
        return self.reader.readline()

    def at_end(self):
        return self.reader.read(1) == b""


def data(size, seed=0):
    """Bytes that nothing compresses, the same for the same numbers."""
    return random.Random(size + (seed << 32)).randbytes(size)


def request_head(method, path, headers):
    """headers: a dict, of which a value may be a list; None leaves out."""
    path = path if isinstance(path, bytes) else path.encode()
    lines = [method.encode() + b" " + path + b" HTTP/1.1"]
    for name, values in headers.items():
        if values is None:
            continue
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, bytes):
                value = str(value).encode()
            lines.append(name.encode() + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def path_of(key):
    """The path of a key: every byte that may be is encoded."""
    return "/" + urllib.parse.quote(key, safe="")


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class Client:
    """What can be asked of an HTTP server on 127.0.0.1:port."""

    port = None

    def connect(self, timeout=30, receive=None):
        return Connection(self.port, timeout, receive)

    def request(self, method, path, body=None, token=None, chunks=None,
                timeout=60, **headers):
        """One request on a connection of its own.

        Header names come as if_match=...; a body gets its Content-Length,
        chunks (an iterable of bytes) go chunked.
        """
        head = {"Host": "origin.test", "Connection": "close"}
        if token:
            head["Authorization"] = f"Bearer {token}"
        if chunks is not None:
            head["Transfer-Encoding"] = "chunked"
        elif body is not None:
            head["Content-Length"] = len(body)
        for name, value in headers.items():
            head[name.replace("_", "-")] = value

        with self.connect(timeout) as connection:
            try:
                connection.send(request_head(method, path, head))
                if chunks is not None:
                    for data in chunks:
                        connection.send(chunk(data))
                    connection.send(b"0\r\n\r\n")
                elif body:
                    connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass                # refused early: there is an answer
            return connection.answer(method)

    def get(self, path, **how):
        return self.request("GET", path, **how)

    def head(self, path, **how):
        return self.request("HEAD", path, **how)

    def put(self, path, body=b"", token=EDITOR, **how):
        return self.request("PUT", path, None if "chunks" in how else body,
                            token=token, **how)

    def delete(self, path, token=EDITOR, **how):
        return self.request("DELETE", path, token=token, **how)

    def post(self, path, document, token=EDITOR, **how):
        """document: bytes, or what is to be written as JSON."""
        if not isinstance(document, bytes):
            document = json.dumps(document).encode()
        return self.request("POST", path, document, token=token, **how)

    def list(self, query="", token=EDITOR):
        answer = self.get(f"/-/list{query}", token=token)
        assert answer.status == 200, answer
        return answer.json()

    def counters(self, token=EDITOR):
        """GET /-/status: {"node": {}, "redis": {}, "purge": {}}."""
        answer = self.get("/-/status", token=token)
        assert answer.status == 200, answer
        return answer.json()

    def job(self, location, token=EDITOR):
        answer = self.get(location, token=token)
        assert answer.status == 200, answer
        return answer.json()

    def finished_job(self, location, seconds=30):
        """The job, once it is done or failed."""
        def look():
            job = self.job(location)
            return job["state"] in ("done", "failed") and job
        return wait_until(look, seconds, f"{location} to end")


def tier(answer):
    """Who had the object: "memory", "redis", "file" or "s3"."""
    return answer.headers["Cache-Status"].rpartition("detail=")[2]


def problem(answer, status, *words):
    """Checks that answer is a valid problem; the detail has the words."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    assert answer.all("Cache-Control") == ["no-store"], answer
    document = answer.json()
    assert document["status"] == status
    assert document["title"] and isinstance(document["title"], str)
    for word in words:
        assert word.lower() in document.get("detail", "").lower(), document
    for name in ("ETag", "Last-Modified", "CDN-Cache-Control", "Cache-Tag"):
        assert name not in answer.headers, answer
    return document


# Processes

class Server:
    """A process of our own."""

    process = None

    def send(self, number):
        os.kill(self.process.pid, number)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, number=signal.SIGTERM, seconds=STOP_SECONDS):
        """Its exit status; None when it had to be killed."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def stop(self):
        self.end()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.stop()


def connections(pid, port):
    """How many TCP connections to that port here the process has."""
    inodes = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = link.readlink().name
        except OSError:
            continue
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return sum(row.split()[2] == wanted and row.split()[9] in inodes
                   for row in table)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


# nginx

TOKENS = [("editor", EDITOR, "read,write,purge,admin", "/")]

CONFIG = """\
load_module "{module}";
daemon off;
{user}
pid "{dir}/nginx.pid";
error_log "{dir}/error.log" {level};
worker_processes {workers};
thread_pool default threads=4;
{main}
events {{
    worker_connections {connections};
}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path "{dir}/tmp/body";
    proxy_temp_path "{dir}/tmp/proxy";
    fastcgi_temp_path "{dir}/tmp/fastcgi";
    uwsgi_temp_path "{dir}/tmp/uwsgi";
    scgi_temp_path "{dir}/tmp/scgi";
    {http}
    server {{
        listen 127.0.0.1:{port} {listen};
        client_max_body_size {max_body};
        {server}
        location / {{
            {location}
        }}
    }}
}}
"""


def token_line(name, token, rights, *prefixes):
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f"{name} sha256:{digest} {rights} {' '.join(prefixes)}\n"


def write_tokens(path, tokens):
    path.write_text("".join(token_line(*token) for token in tokens))


class Nginx(Server, Client):
    """Debian's nginx with the module.

        Nginx(dir, store="file", redis=..., purge=..., server="...", ...)

    store   "file", or an S3Bucket
    redis   a Redis, or the text behind content_redis
    fleet   the text behind content_fleet, where there is a Redis
    purge   a FakeCloudflare
    main, http, server, location, listen: further directives there
    tokens  rows of (name, token, rights, prefix, ...)
    expect  regular expressions of alarms in the log that are no failure
    """

    def __init__(self, workdir, store="file", redis=None, purge=None,
                 main="", http="", server="", location="", listen="",
                 tokens=TOKENS,
                 anonymous="read", max_body="64m", expect=(),
                 fleet="alone", environment=None, workers=2, connections=512, level=LOG_LEVEL, port=None,
                 start=True):
        self.dir = pathlib.Path(workdir)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        for name in ("tmp", "files", "secret"):
            (self.dir / name).mkdir(exist_ok=True)

        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.dir / "error.log"
        self.files = self.dir / "files"
        self.tokens = self.dir / "tokens"
        self.expect = list(expect)
        self.environment = environment or {}
        write_tokens(self.tokens, tokens)

        store_lines = (self.file_lines() if store == "file"
                       else self.s3_lines(store))
        http_lines = []
        if redis:
            http_lines += [f"content_redis "
                           f"{getattr(redis, 'address', redis)};",
                           f"content_fleet {fleet};"]
            if "content_redis_timeout" not in http:     # machines are busy
                http_lines.append("content_redis_timeout 5s;")
        if purge:
            store_lines += self.purge_lines(purge)

        self.settings = dict(
            module=MODULE, dir=self.dir, level=level, workers=workers,
            connections=connections,
            user="user root;" if os.geteuid() == 0 else "",
            port=self.port, listen=listen, main=main, max_body=max_body,
            http="\n    ".join([*http_lines, http]),
            server="\n        ".join(
                [f'content_tokens "{self.tokens}";',
                 f"content_anonymous {anonymous};", *store_lines, server]),
            location=f"content {'file' if store == 'file' else 's3'};\n"
                     f"            {location}")
        self.conf = self.dir / "nginx.conf"
        self.write()
        if start:
            self.start()

    def file_lines(self):
        return [f'content_file_root "{self.files}";']

    def s3_lines(self, bucket):
        credentials = self.dir / "secret/aws"
        credentials.write_text(
            f"[default]\naws_access_key_id = {bucket.server.access_key}\n"
            f"aws_secret_access_key = {bucket.server.secret_key}\n")
        return [f"content_s3_endpoint {bucket.endpoint};",
                f"content_s3_bucket {bucket.name};",
                f'content_s3_credentials file "{credentials}";',
                "content_s3_probe off;",        # tests count requests
                "content_s3_part_size 5m;"]

    def purge_lines(self, fake):
        token = self.dir / "secret/cloudflare"
        token.write_text(fake.token + "\n")
        return ["content_purge cloudflare;",
                f"content_purge_api {fake.api};",
                f"content_purge_zone_id {fake.zone};",
                f'content_purge_token file "{token}";']

    def write(self, **changes):
        """Writes the configuration anew, for reload()."""
        self.settings.update(changes)
        self.conf.write_text(CONFIG.format(**self.settings))

    # its life

    def variables(self):
        variables = {**os.environ, **self.environment}
        sanitizer = f"log_path={self.dir}/sanitizer:detect_leaks=0"
        more = self.environment.get("ASAN_OPTIONS", "")
        variables["ASAN_OPTIONS"] = f"{sanitizer}:abort_on_error=1:{more}"
        variables["UBSAN_OPTIONS"] = f"{sanitizer}:print_stacktrace=1"
        if PRELOAD:                 # the sanitizer's has to come first
            more = self.environment.get("LD_PRELOAD", "")
            variables["LD_PRELOAD"] = f"{PRELOAD} {more}".rstrip()
        return variables

    def command(self):
        return ["nginx", "-e", str(self.log), "-p", str(self.dir),
                "-c", str(self.conf)]

    def test(self):
        """nginx -t: (whether it is fine, what it said)."""
        done = subprocess.run([*self.command(), "-t"], text=True,
                              env=self.variables(), capture_output=True,
                              timeout=60, check=False)
        return done.returncode == 0, done.stderr

    def start(self):
        with open(self.dir / "stderr", "a", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                self.command(), env=self.variables(), stdout=output,
                stderr=output, stdin=subprocess.DEVNULL)
        try:
            wait_until(self.answers, what="nginx to listen")
        except BaseException:
            self.end(signal.SIGKILL)
            print(self.read_log()[-4000:])
            raise

    def answers(self):
        assert self.is_running(), (
            f"nginx did not start: {(self.dir / 'stderr').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return len(self.workers()) > 0
        except OSError:
            return False

    def workers(self):
        return children(self.process.pid) if self.is_running() else []

    def reload(self):
        """Returns when the new workers serve and the old ones are gone."""
        old = set(self.workers())
        self.send(signal.SIGHUP)
        wait_until(lambda: (now := set(self.workers())) and not now & old,
                   what="the old workers to leave")

    def kill_worker(self, pid):
        """kill -9; returns when another is there."""
        self.expect.append(rf"worker process {pid} exited on signal 9")
        before = len(self.workers())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.workers()
                   and len(self.workers()) >= before, what="a new worker")

    def stop(self):
        """Stops gracefully, and checks what it has left."""
        status = self.end(signal.SIGQUIT)
        self.check_log()
        assert status == 0, f"nginx ended with {status}, see {self.log}"

    def __exit__(self, kind, *rest):
        if kind:                    # the test has failed already
            self.end(signal.SIGTERM)
        else:
            self.stop()

    # its log

    def read_log(self):
        return (self.log.read_text(errors="replace")
                if self.log.exists() else "")

    def check_log(self):
        expected = [re.compile(e) for e in self.expect]
        wrong = [line for line in self.read_log().splitlines()
                 if ALARM.search(line)
                 and not any(e.search(line) for e in expected)]
        reports = [*self.dir.glob("sanitizer*"), self.dir / "stderr"]
        for report in reports:
            if report.exists():
                text = report.read_text(errors="replace")
                if SANITIZER.search(text):
                    wrong.append(text)
        assert not wrong, "\n".join(wrong)

    def temporary_files(self):
        """What uploads have left in the file store."""
        return [p for p in self.files.glob("tmp/**/*") if p.is_file()]
