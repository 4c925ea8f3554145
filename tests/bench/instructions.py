#!/usr/bin/python3
"""What `make bench-instructions` does: counts the instructions of nginx's
worker for one request, by callgrind, of each subject.

Time says little on a machine that others use too; this count is the same
whatever else runs.  It is of user space: what the kernel does for a request
is not in it, but the system calls are counted beside it.  valgrind has not the
processor's own instructions for SHA-256: 64 bytes of what is signed count
1,570 here, but take it no longer than some hundred others.

Settings (environment):
  ONLY="return l1"  some subjects
  ROUNDS=40         of 64 requests, one on each connection
  PROFILES=DIR      keeps callgrind's profiles there, for callgrind_annotate
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import peers
import servers
from peers import KIB
from servers import MODULE, Nginx, Trouble, wait_until

CONNECTIONS = 64


class Subject:
    """A peer whose nginx is one process, under callgrind."""

    def __init__(self, peer, wrapped=None):
        self.peer = peer
        self.name, self.title = peer.name, peer.title
        self.nginx = wrapped or peer.name

    def start(self, site):
        servers.WRAPPERS[self.nginx] = [
            "valgrind", "--tool=callgrind", "--vgdb-poll=1000",
            f"--callgrind-out-file={site.place}/{self.name}.profile"]
        try:
            self.peer.start(site)
        finally:
            del servers.WRAPPERS[self.nginx]

    def pid(self):
        peer = getattr(self.peer, "peer", self.peer)
        return peer.server.popen.pid


class Client:
    """Connections that each carry one request at a time, all together."""

    def __init__(self, url, headers):
        host, path = url.removeprefix("http://").split("/", 1)
        address, port = host.split(":")
        self.request = "\r\n".join(
            [f"GET /{path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
        ).encode()
        self.sockets = [socket.create_connection((address, int(port)), 60)
                        for _ in range(CONNECTIONS)]

    def round(self, length):
        for s in self.sockets:
            s.sendall(self.request)
        for s in self.sockets:
            left = length
            while left:
                data = s.recv(min(left, 1 << 20))
                if not data:
                    raise Trouble("the connection was closed")
                left -= len(data)

    def answer_length(self):
        """Bytes of one answer, which are those of all."""
        s = self.sockets[0]
        s.sendall(self.request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
        left = (int(found.group(1)) if found else 0) - len(body)
        while left > 0:
            part = s.recv(left)
            left -= len(part)
            data += part
        return len(data)

    def close(self):
        for s in self.sockets:
            s.close()


def control(pid, what, done):
    """callgrind_control; it returns before the process has obeyed."""
    subprocess.run(["callgrind_control", what, str(pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(done, f"callgrind_control {what}", 30)


def count(subject, site, size, rounds):
    """(instructions of one request, bytes of its answer)."""
    subject.peer.warm(size)
    client = Client(subject.peer.url(size),
                    getattr(subject.peer, "headers", ()))
    try:
        length = client.answer_length()
        client.round(length)
        client.round(length)
        control(subject.pid(), "--zero", lambda: True)
        client.round(length)
        control(subject.pid(), "--zero", lambda: True)
        for _ in range(rounds):
            client.round(length)
        before = set(site.place.glob(f"{subject.name}.profile.*"))
        control(subject.pid(), "--dump", lambda: set(
            site.place.glob(f"{subject.name}.profile.*")) - before)
        new = set(site.place.glob(f"{subject.name}.profile.*")) - before
    finally:
        client.close()
    return total(new.pop()) / (rounds * CONNECTIONS), length


def total(path):
    wait_until(lambda: "\ntotals: " in path.read_text(errors="replace"),
               f"{path} to be whole")
    text = path.read_text(errors="replace")
    return int(re.search(r"^totals: (\d+)", text, re.M).group(1))


# valgrind's own system calls.
OWN = {"gettid", "rt_sigprocmask", "rt_sigtimedwait", "read", "write",
       "clock_gettime", "gettimeofday", "total"}


def calls(subject, size):
    """System calls of one request."""
    client = Client(subject.peer.url(size),
                    getattr(subject.peer, "headers", ()))
    try:
        length = client.answer_length()
        client.round(length)
        tracer = subprocess.Popen(
            ["strace", "-c", "-q", "-p", str(subject.pid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        wait_until(lambda: re.search(
            r"^TracerPid:\s*[1-9]", servers.machine.read(
                f"/proc/{subject.pid()}/status"), re.M), "strace")
        for _ in range(10):
            client.round(length)
        tracer.terminate()
        said = tracer.communicate(timeout=20)[1]
    finally:
        client.close()
    found = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*?(\S+)$", said,
                       re.M)
    return {name: int(n) / (10 * CONNECTIONS) for n, name in found
            if name not in OWN}


def subjects():
    """(name in the table, the subject, the size)."""
    made = {}

    def get(make):
        if make not in made:
            made[make] = Subject(make())
        return made[make]

    ret, static = get(peers.Return), get(peers.Static)
    l1, redis = get(peers.OursMemory), get(peers.OursRedis)
    return [
        ("return", ret, KIB), ("l1", l1, KIB),
        ("return-304", peers.NotModified(ret.peer, "return-304",
                                         "nginx `return 304`"), KIB),
        ("l1-304", peers.NotModified(l1.peer, "l1-304",
                                     "**ngx_content**, 304"), KIB),
        ("static", static, KIB), ("static-16k", static, 16 * KIB),
        ("l1-16k", l1, 16 * KIB), ("static-128k", static, 128 * KIB),
        ("l1-128k", l1, 128 * KIB),
        ("srcache", get(peers.Srcache), KIB), ("redis", redis, KIB),
        ("proxy_made", get(peers.ProxyMade), KIB),
        ("s3_made", get(peers.OursMade), KIB),
        ("proxy_miss", get(peers.ProxyMade), peers.SMALL),
        ("s3_miss", get(peers.OursMade), peers.SMALL),
    ]


def measure(site, wanted, rounds):
    """{name: (title, size, instructions, bytes)}."""
    rows, running = {}, {}
    try:
        for name, subject, size in subjects():
            if wanted and name not in wanted:
                continue
            owner = subject
            if isinstance(subject, peers.NotModified):
                owner = Subject(subject.peer)
            key = owner.peer.name
            if key not in running:
                owner.start(site)
                running[key] = owner
            one = running[key]
            if isinstance(subject, peers.NotModified):
                subject.peer = one.peer
                one = Subject(subject, key)
                one.name = key
            n, length = count(one, site, size, rounds)
            rows[name] = (subject.title, size, n, length, calls(one, size))
            print(f"{name:12} {n:10,.0f}", rows[name][4], file=sys.stderr,
                  flush=True)
    finally:
        for one in running.values():
            one.peer.stop()
    return rows


def table(rows):
    lines = ["| | size | instructions | bytes | system calls |",
             "| --- | ---: | ---: | ---: | --- |"]
    for title, size, n, length, kinds in rows.values():
        said = ", ".join(f"{k} {v:.2f}" for k, v in sorted(kinds.items())
                         if v >= 0.005)
        lines.append(f"| {title} | {size // KIB} KiB | {n:,.0f} | {length:,} "
                     f"| {said} |")
    return "\n".join(lines)


def main():
    if not MODULE.exists():
        sys.exit(f"{MODULE} is missing: make module")
    wanted = set(os.environ.get("ONLY", "").replace(",", " ").split())
    rounds = int(os.environ.get("ROUNDS") or 40)

    with tempfile.TemporaryDirectory(prefix="ngx_content-bench-") as place:
        os.chmod(place, 0o755)
        site = peers.Site(place)
        site.files.mkdir()
        for size in peers.SIZES:
            (site.files / peers.name_of(size)).write_bytes(peers.body(size))
        backend = Nginx("backend", site.place,
                        server=f'root "{site.files}";')
        made = peers.Made()
        try:
            made.start(site)
            site.backend = f"http://127.0.0.1:{backend.port}"
            rows = measure(site, wanted, rounds)
        finally:
            made.stop()
            backend.stop()
        keep = os.environ.get("PROFILES")
        if keep:
            pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
            for path in site.place.glob("*.profile*"):
                shutil.copy(path, keep)
    print(table(rows))


if __name__ == "__main__":
    main()
