"""Large objects from memory are sent without a copy: the socket refers to the
memory's own pages, long after the request has ended.  Whatever becomes of the
object meanwhile, its client gets its bytes; and the file that the pages belong
to is there as long as the memory is.
"""

import array
import concurrent.futures
import gzip
import http.client
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from harness import Nginx, free_port, request_head, tier, wait_until
from test_memory import warm

MIB = 1 << 20
LARGE = 96 * 1024                       # CONTENT_SHARD_LARGE
MEMORY = "content_memory 32m max=2m;"
SENDFILE = f"{MEMORY} sendfile on;"


def hot(nginx, path):
    """In memory, and asked for often."""
    warm(nginx, path)
    for _ in range(3):
        assert tier(nginx.get(path)) == "memory"


def churn(nginx, times=40):
    """All memory is used for others, twice over; they are found, too."""
    for i in range(times):
        nginx.put(f"/churn/{i % 20}", os.urandom(2 * MIB - 5000))
        for _ in range(i % 6):
            nginx.get(f"/churn/{i % 20}")


def logging(tmp_path, **settings):
    """One that logs requests as they end, and calls to sendfile()."""
    return Nginx(tmp_path / "n", level="debug",
                 server=f'access_log "{tmp_path}/access";', **settings)


def ended(tmp_path, path):
    return (tmp_path / "access").read_text().count(f"GET {path} HTTP")


def by_sendfile(nginx):
    return nginx.read_log().count(" sendfile: @")


# What the socket has

@pytest.mark.parametrize("fate", ["evicted", "replaced", "deleted"])
@pytest.mark.parametrize("part", [None, (0, 0), (5000, 250_000),
                                  (8192, 16383)])
def test_what_the_socket_has_taken_stays_as_it_was(tmp_path, part, fate):
    """Nothing is held any more: the request has ended, but the client has not
    read yet."""
    with logging(tmp_path, http=SENDFILE, listen="sndbuf=1m",
                 workers=1) as nginx:
        body = random.Random(1).randbytes(300_000)
        nginx.put("/slow", body)
        hot(nginx, "/slow")
        before = ended(tmp_path, "/slow"), by_sendfile(nginx)
        headers = {"Host": "o"}
        if part:
            headers["Range"] = f"bytes={part[0]}-{part[1]}"
        with nginx.connect(timeout=60, receive=4096) as client:
            client.send(request_head("GET", "/slow", headers))
            wait_until(lambda: ended(tmp_path, "/slow") > before[0])
            assert nginx.counters()["memory"]["held"] == 0
            assert by_sendfile(nginx) > before[1]
            if fate == "replaced":
                nginx.put("/slow", os.urandom(300_000))
                nginx.get("/slow")
            if fate == "deleted":
                nginx.delete("/slow")
            churn(nginx)
            answer = client.answer()
        assert answer.status == (206 if part else 200)
        assert answer.body == (body[part[0]:part[1] + 1] if part else body)


def memory_files(pid):
    """The descriptors of the process that are the memory's file."""
    found = []
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            if "memfd:ngx_content" in os.readlink(fd):
                found.append(fd)
        except FileNotFoundError:               # closed meanwhile
            pass
    return found


def lose_a_lock(nginx):
    """As if the owner of a shard's lock had died: the pid of a process that
    is gone lies there.  The shard is known by its memory's address, which it
    has twice."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    pid = nginx.workers()[0]
    start, end = next(
        [int(n, 16) for n in line.split()[0].split("-")]
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        if "memfd:ngx_content" in line)
    with open(memory_files(pid)[0], "r+b", buffering=0) as file:
        words = array.array("Q", file.read(1 << 20))
        mem = next(i for i in range(3, len(words))
                   if start < words[i] < end and words[i] == words[i + 2]
                   and words[i + 1] % 4096 == 0)
        file.seek((mem - 3) * 8)
        file.write(gone.pid.to_bytes(8, "little"))


def test_a_shard_that_was_emptied_gives_all_its_pages_up(tmp_path):
    """A worker died with the lock: what is sent stays as it was."""
    with logging(tmp_path, http=SENDFILE, listen="sndbuf=1m") as nginx:
        body = random.Random(1).randbytes(300_000)
        nginx.put("/slow", body)
        hot(nginx, "/slow")
        with nginx.connect(timeout=60, receive=4096) as client:
            before = ended(tmp_path, "/slow")
            client.send(request_head("GET", "/slow", {"Host": "o"}))
            wait_until(lambda: ended(tmp_path, "/slow") > before)
            lose_a_lock(nginx)
            churn(nginx)
            assert nginx.counters()["memory"]["resets"] > 0
            assert client.answer().body == body


def test_readers_fast_and_slow_never_get_a_mixture(tmp_path):
    """Large objects, often asked for, replaced and evicted all the time, and a
    worker killed now and then: every body is of one write."""
    with Nginx(tmp_path / "n", http="content_memory 8m max=500k; sendfile on;",
               listen="sndbuf=1m", workers=3) as nginx:
        def write(path, version):
            size = 100_000 + 8 * (hash((path, version)) % 40_000)
            nginx.put(f"/{path}", version.to_bytes(8, "little") * (size // 8))

        for path in range(60):                  # 16 MB of them
            write(path, 0)
        stop, good = threading.Event(), [0] * 6

        def ask(seed):
            dice = random.Random(seed)
            while not stop.is_set():
                try:
                    with nginx.connect(timeout=60, receive=4096) as client:
                        for _ in range(4):
                            path = f"/{int(dice.paretovariate(0.7)) % 60}"
                            client.send(request_head("GET", path,
                                                     {"Host": "o"}))
                        for _ in range(4):
                            if dice.random() < 0.5:
                                nginx.get(f"/{dice.randrange(60)}")
                            answer = client.answer()
                            if not answer.complete:
                                break
                            assert answer.body == answer.body[:8] * (
                                len(answer.body) // 8)
                            good[seed] += 1
                except (OSError, http.client.HTTPException):
                    continue                    # its worker was killed

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            readers = [pool.submit(ask, seed) for seed in range(6)]
            try:
                dice, version = random.Random(7), 0
                while (version < 120 or sum(good) < 300 or
                       nginx.counters()["memory"]["evicted"] < 100):
                    version += 1
                    write(dice.randrange(60), version)
                    if version % 40 == 0:
                        nginx.kill_worker(nginx.workers()[0])
                    if any(reader.done() for reader in readers):
                        break                   # it has found something
            finally:
                stop.set()
            for reader in readers:
                reader.result()
        wait_until(lambda: nginx.counters()["memory"]["held"] == 0)


# Ways to send

WAYS = {
    "sendfile": ("", True),
    "in pieces": ("sendfile_max_chunk 64k;", True),
    "at a rate": ("limit_rate 4m;", True),
    "with nopush": ("tcp_nopush on;", True),
    "sendfile off": ("sendfile off;", False),
    "in threads": ("aio threads;", False),
    "gzip": ("gzip on; gzip_types *;", False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [LARGE - 1, LARGE, 1_234_567])
def test_a_large_body_is_sent_by_sendfile_where_it_can_be(tmp_path, way, size):
    directives, sent = WAYS[way]
    with logging(tmp_path, http=SENDFILE, location=f"""
                 location /f/ {{ content file; {directives} }}""") as nginx:
        body = random.Random(size).randbytes(size)
        nginx.put("/f/a", body, content_type="text/plain")
        hot(nginx, "/f/a")
        before = by_sendfile(nginx)
        answer = nginx.get("/f/a", accept_encoding="gzip")
        got = answer.body if way != "gzip" else gzip.decompress(answer.body)
        assert got == body and tier(answer) == "memory"
        assert (by_sendfile(nginx) > before) == (sent and size >= LARGE)


def test_a_body_is_copied_until_it_is_asked_for_often(tmp_path):
    with logging(tmp_path, http=SENDFILE, workers=1) as nginx:
        nginx.put("/a", os.urandom(LARGE))
        answers = [tier(nginx.get("/a")) for _ in range(2)]
        before = by_sendfile(nginx)
        answers += [tier(nginx.get("/a")) for _ in range(4)]
        copied = answers.count("memory") - (by_sendfile(nginx) - before)
        assert answers[-4:] == ["memory"] * 4
        assert copied == 2


def segments(connection):
    """tcpi_data_segs_in: packets with data that have come."""
    info = connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO,
                                        156)
    return int.from_bytes(info[152:156], sys.byteorder)


@pytest.mark.parametrize("nopush", ["off", "on"])
def test_the_headers_and_the_begin_of_the_body_are_one_packet(tmp_path,
                                                              nopush):
    with logging(tmp_path, http=f"{SENDFILE} tcp_nopush {nopush};") as nginx:
        body = os.urandom(LARGE)
        nginx.put("/a", body)
        hot(nginx, "/a")
        before = by_sendfile(nginx)
        corked = nginx.read_log().count(" tcp_nopush")
        with nginx.connect() as client:
            for n in range(1, 4):
                client.send(request_head("GET", "/a", {
                    "Host": "o", "Range": "bytes=5000-14999"}))
                assert client.answer().body == body[5000:15000]
                assert segments(client) == n
        assert by_sendfile(nginx) == before + 3
        assert nginx.read_log().count(" tcp_nopush") == corked


@pytest.mark.parametrize("text", ["0-0", "0-65535", "4095-4096", "70000-",
                                  "-1", "1-2,70000-99999", "0-,0-"])
def test_ranges_of_a_large_body(tmp_path, text):
    with Nginx(tmp_path / "n", http=SENDFILE) as nginx:
        body = random.Random(1).randbytes(100_000)
        nginx.put("/a", body)
        whole = nginx.get("/a", range=f"bytes={text}")
        hot(nginx, "/a")
        answer = nginx.get("/a", range=f"bytes={text}")
        assert tier(answer) == "memory" and answer.status == whole.status
        if "," not in text:
            first, last = text.split("-")
            part = (slice(int(first), int(last or -2) + 1 or None) if first
                    else slice(-int(last), None))
            assert answer.body == body[part] if last else body[int(first):]
        else:
            for piece in text.split(","):
                first, last = piece.split("-")
                assert (body[int(first):int(last) + 1 if last else None]
                        in answer.body)


def certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-subj", "/CN=o", "-days", "2", "-keyout", directory / "key",
         "-out", directory / "cert"], check=True, capture_output=True)
    return (f'ssl_certificate "{directory}/cert";'
            f'ssl_certificate_key "{directory}/key";')


@pytest.mark.parametrize("http2", ["", "http2"])
def test_a_large_body_over_tls(tmp_path, http2):
    port = free_port()
    with Nginx(tmp_path / "n", http=SENDFILE, server=f"""
               {certificate(tmp_path)}
               listen 127.0.0.1:{port} ssl {http2};""") as nginx:
        body = random.Random(1).randbytes(1_234_567)
        nginx.put("/a", body)
        hot(nginx, "/a")
        for part, expected in (("", body), ("70000-200000",
                                            body[70000:200001])):
            got = subprocess.run(
                ["curl", "-sSk", "--noproxy", "*", *(["-r", part] * bool(part)),
                 f"https://127.0.0.1:{port}/a"], stdout=subprocess.PIPE,
                check=True).stdout
            assert got == expected


# The life of the file

def test_reloads_keep_the_memory_and_one_descriptor(tmp_path):
    with Nginx(tmp_path / "n", http=SENDFILE) as nginx:
        body = os.urandom(300_000)
        nginx.put("/a", body)
        hot(nginx, "/a")
        descriptors = len(os.listdir(f"/proc/{nginx.process.pid}/fd"))
        for _ in range(20):
            nginx.reload()
            answer = nginx.get("/a")
            assert tier(answer) == "memory" and answer.body == body
            for pid in (nginx.process.pid, *nginx.workers()):
                assert len(memory_files(pid)) == 1
        assert descriptors == len(os.listdir(f"/proc/{nginx.process.pid}/fd"))


def test_the_file_has_no_huge_pages(tmp_path):
    """A part of one would be wiped where it is."""
    with Nginx(tmp_path / "n", http=SENDFILE) as nginx:
        for pid in nginx.workers():
            parts = pathlib.Path(f"/proc/{pid}/smaps").read_text().split(
                "VmFlags:")
            flags = [after.splitlines()[0].split() for before, after
                     in zip(parts, parts[1:]) if "memfd:ngx_content" in before]
            assert flags and all("nh" in words for words in flags)


def test_a_new_executable_inherits_no_file(tmp_path):
    with Nginx(tmp_path / "n", http=SENDFILE) as nginx:
        nginx.reload()
        file, = memory_files(nginx.process.pid)
        flags = pathlib.Path(str(file).replace("/fd/", "/fdinfo/")).read_text()
        assert (int(re.search(r"flags:\s+(\d+)", flags)[1], 8)
                & os.O_CLOEXEC)


def test_a_memory_of_another_size_or_none_closes_the_file(tmp_path):
    with Nginx(tmp_path / "n", http=SENDFILE) as nginx:
        body = os.urandom(300_000)
        nginx.put("/a", body)
        for size, files in (("48m max=2m", 1), ("off", 0), ("32m max=2m", 1),
                            ("48m max=2m", 1)):
            nginx.write(http=f"content_memory {size}; sendfile on;")
            nginx.reload()
            for pid in (nginx.process.pid, *nginx.workers()):
                assert len(memory_files(pid)) == files
            assert nginx.get("/a").body == body
            if files:
                hot(nginx, "/a")
                assert nginx.get("/a").body == body


def test_a_configuration_that_is_refused_changes_nothing(tmp_path):
    """Its zone is there, too, when a listening socket can't be had."""
    with Nginx(tmp_path / "n", http=SENDFILE, expect=["bind\\(\\)"]) as nginx:
        body = os.urandom(300_000)
        nginx.put("/a", body)
        hot(nginx, "/a")
        good = nginx.settings["server"]
        for size in ("32m max=2m", "48m max=2m"):
            nginx.write(http=f"content_memory {size}; sendfile on;",
                        server=good + "listen 192.0.2.1:80;")
            nginx.send(signal.SIGHUP)
            wait_until(lambda s=size: nginx.read_log().count("bind()")
                       > (s[0] == "4"))
        answer = nginx.get("/a")
        assert tier(answer) == "memory" and answer.body == body
        # it closes the refused one's after it has said so
        wait_until(lambda: len(memory_files(nginx.process.pid)) == 1)


def test_without_files_of_memory_bodies_are_copied(tmp_path):
    """memfd_create() fails, as on an old kernel: said once."""
    (tmp_path / "no.c").write_text(
        "#include <errno.h>\n"
        "int memfd_create(const char *n, unsigned f)\n"
        "{ errno = ENOSYS; return -1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "no.so",
                    tmp_path / "no.c"], check=True)
    with logging(tmp_path, http=SENDFILE,
                 environment={"LD_PRELOAD": str(tmp_path / "no.so")}) as nginx:
        body = os.urandom(300_000)
        nginx.put("/a", body)
        churn(nginx)
        hot(nginx, "/a")
        nginx.reload()
        before = by_sendfile(nginx)
        answer = nginx.get("/a")
        assert answer.body == body and tier(answer) == "memory"
        assert by_sendfile(nginx) == before
        assert nginx.read_log().count("are sent by a copy") == 1
        assert not memory_files(nginx.process.pid)
