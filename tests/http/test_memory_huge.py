"""What is sent from memory all the time is sent from copies in huge pages: the
bytes are those of the record that is there now, and what a client is owed stays
as it was when a page is given up for others.
"""

import os
import random

import pytest

from harness import request_head, wait_until
from test_memory import tier
from test_memory_file import by_sendfile, ended, hot, logging

BLOCK = 2 << 20                         # NGX_CONTENT_HUGE_PAGE
BLOCKS = 4
LARGEST = BLOCK - 4096                  # two of them are not in one block
SENDFILE = "content_memory 64m max=2m; sendfile on;"


def start(tmp_path, **settings):
    return logging(tmp_path, http=SENDFILE, workers=1, **settings)


def copied(nginx, path, size, block, at=0):
    """Asks until it was sent from its copy, which is told by where that is."""
    def sent():
        answer = nginx.get(path)
        assert tier(answer) == "memory" and len(answer.body) == size
        log = nginx.read_log()
        if "there are no huge ones" in log:
            pytest.skip("this kernel has no huge pages for files of memory")
        return f" sendfile: @{block * BLOCK + at} {size}\n" in log

    wait_until(sent, what=f"{path} in block {block}")


def test_what_is_asked_for_all_the_time_is_sent_from_a_huge_page(tmp_path):
    with start(tmp_path) as nginx:
        bodies = {f"/{n}": os.urandom(300_000) for n in range(3)}
        for n, (path, body) in enumerate(bodies.items()):
            nginx.put(path, body)
            hot(nginx, path)
            copied(nginx, path, len(body), 0, n * 303104)
        pid, = nginx.workers()
        with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
            part = smaps.read().split("memfd:content_huge")[1]
        assert " 2048 kB" in next(line for line in part.splitlines()
                                  if line.startswith("ShmemPmdMapped"))
        before = by_sendfile(nginx)
        for path, body in bodies.items():
            assert nginx.get(path).body == body
            assert nginx.get(path, range="bytes=5000-250000").body == (
                body[5000:250_001])
        assert by_sendfile(nginx) == before + 6


def test_a_copy_is_of_the_record_that_is_there_now(tmp_path):
    """The next one of the same length lies where the one before lay."""
    with start(tmp_path) as nginx:
        for n in range(4):
            body = os.urandom(300_000)
            nginx.put("/a", body)
            for _ in range(40):
                assert nginx.get("/a").body == body
            copied(nginx, "/a", len(body), 0, n * 303104)


@pytest.mark.parametrize("sndbuf, held", [("3m", False), ("64k", True)])
def test_what_is_owed_to_a_client_stays_as_it_was(tmp_path, sndbuf, held):
    """The socket has it all, and the request has ended: its page is given up,
    whole.  Or the request goes on: its page is not."""
    with start(tmp_path, listen=f"sndbuf={sndbuf}") as nginx:
        body = random.Random(1).randbytes(LARGEST)
        nginx.put("/slow", body)
        hot(nginx, "/slow")
        copied(nginx, "/slow", LARGEST, 0)
        send = f" sendfile: @0 {LARGEST}\n"
        before = nginx.read_log().count(send)
        with nginx.connect(timeout=60, receive=4096) as client:
            client.send(request_head("GET", "/slow?slowly", {"Host": "o"}))
            wait_until(lambda: nginx.read_log().count(send) > before)
            if not held:
                wait_until(lambda: ended(tmp_path, "/slow?slowly"))
            nginx.put("/slow", os.urandom(LARGEST))
            for n in range(1, BLOCKS + 1):      # the last one where /slow was
                nginx.put(f"/{n}", os.urandom(LARGEST - n))
                hot(nginx, f"/{n}")
                copied(nginx, f"/{n}", LARGEST - n,
                       n % BLOCKS if n < BLOCKS or not held else 1)
            assert bool(ended(tmp_path, "/slow?slowly")) != held
            assert client.answer().body == body


def test_a_body_that_no_page_has_room_for_is_sent_as_ever(tmp_path):
    with start(tmp_path) as nginx:
        body = os.urandom(BLOCK)
        nginx.put("/a", body)
        hot(nginx, "/a")
        before = by_sendfile(nginx)
        for _ in range(100):
            assert nginx.get("/a").body == body
        assert by_sendfile(nginx) >= before + 100
