"""Many uploads at once: memory is bounded, all of them end, and nobody holds
for ever what others wait for.
"""

import concurrent.futures
import itertools
import os
import re
import socket

import pytest

from harness import (EDITOR, Nginx, children, problem, request_head,
                     wait_until)

_places = itertools.count(1)

KIB = 1024
MIB = 1024 * KIB

MANY = 200
SIZE = 3 * MIB // 2

# The least that takes a part: 1 MiB of a file, and S3's 5 MiB.
PART = {"file": 1, "s3": 5}


@pytest.fixture
def tight(tmp_path, store):
    """make(memory): one worker with so many MiB for uploads."""
    started = []

    def make(memory, patience="60s", **how):
        nginx = Nginx(tmp_path / f"nginx-{len(started)}", store, workers=1,
                      http=f"content_upload_memory {memory}m "
                           f"patience={patience};", **how)
        started.append(nginx)
        return nginx

    yield make
    for nginx in started:
        nginx.stop()


@pytest.fixture
def at():
    """Where a test's objects are: none has been there before."""
    return f"/{next(_places)}"


@pytest.fixture
def part(store):
    return PART["file" if store == "file" else "s3"]


def put_head(path, size):
    return request_head("PUT", path, {
        "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
        "Content-Length": size})


def worker(nginx):
    return children(nginx.process.pid)[0]


def resident(pid, field):
    """VmRSS, or VmHWM, its peak, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{field}:\s*(\d+)", f.read(), re.M)
                   .group(1)) * KIB


def uploads(nginx):
    return nginx.counters()["uploads"]


def start_upload(nginx, path, size, data):
    connection = nginx.connect()
    connection.send(put_head(path, size) + data)
    return connection


def is_held(nginx):
    return wait_until(lambda: uploads(nginx)["bytes"], what="bytes held")


def is_waiting(nginx, count=1):
    return wait_until(lambda: uploads(nginx)["waiting"] == count,
                      what=f"{count} to wait for memory")


# Many at once

def test_many_uploads_complete_in_bounded_memory(tight, part, at):
    limit = 2 * part
    nginx = tight(limit)
    body = os.urandom(SIZE)

    nginx.put(f"{at}/first", body)                   # what is allocated only once
    before = resident(worker(nginx), "VmRSS")

    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(lambda i: nginx.put(f"{at}/many/{i}", body),
                                range(MANY)))

    assert {answer.status for answer in answers} == {201}
    grown = resident(worker(nginx), "VmHWM") - before

    # beside the parts: nginx's and curl's buffers of each connection; a
    # sanitizer keeps what was freed
    if not os.environ.get("CONTENT_PRELOAD"):
        assert grown < limit * MIB + MANY * 64 * KIB, grown

    seen = uploads(nginx)
    assert seen["waits"] > 0
    assert seen["limit"] == limit * MIB
    assert (seen["bytes"], seen["waiting"], seen["too_slow"]) == (0, 0, 0)
    for i in range(0, MANY, 20):
        assert nginx.get(f"{at}/many/{i}").body == body


def test_large_upload_goes_on_with_memory_for_one_part(tight, part, at):
    nginx = tight(part)
    body = os.urandom(4 * part * MIB + 1)
    assert nginx.put(f"{at}/large", body).status == 201
    assert nginx.put(f"{at}/chunked", chunks=[body]).status == 201
    assert nginx.get(f"{at}/large").body == body
    assert nginx.get(f"{at}/chunked").body == body


def test_large_uploads_share_memory(tight, part, at):
    nginx = tight(2 * part)
    bodies = [os.urandom(3 * part * MIB + i) for i in range(6)]
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda i: nginx.put(f"{at}/{i}", bodies[i]),
                                range(len(bodies))))
    assert {answer.status for answer in answers} == {201}
    for i, body in enumerate(bodies):
        assert nginx.get(f"{at}/{i}").body == body


def test_nothing_is_read_from_who_waits(tight, part, at):
    """Its bytes stay in its own socket: TCP holds the client back."""
    nginx = tight(part)
    holder = start_upload(nginx, f"{at}/holder", part * MIB, b"x")
    is_held(nginx)

    waiter = start_upload(nginx, f"{at}/waiter", 64 * MIB, b"")
    waiter.socket.settimeout(2)
    with pytest.raises(socket.timeout):
        waiter.send(b"w" * 64 * MIB)
    assert uploads(nginx)["waiting"] == 1
    waiter.close()

    holder.send(b"x" * (part * MIB - 1))
    assert holder.answer("PUT").status == 201
    holder.close()
    wait_until(lambda: uploads(nginx)["bytes"] == 0, what="no bytes held")


# Who waits

def test_waiting_upload_goes_on_when_memory_is_free(tight, part, at):
    nginx = tight(part)
    holder = start_upload(nginx, f"{at}/holder", part * MIB, b"x")
    is_held(nginx)
    waiter = start_upload(nginx, f"{at}/waiter", 5, b"hello")
    is_waiting(nginx)

    holder.send(b"x" * (part * MIB - 1))
    assert holder.answer("PUT").status == 201
    assert waiter.answer("PUT").status == 201
    assert nginx.get(f"{at}/waiter").body == b"hello"
    holder.close()
    waiter.close()


def test_memory_goes_to_whoever_has_waited_longest(tight, part, at):
    nginx = tight(part)
    holder = start_upload(nginx, f"{at}/holder", part * MIB, b"x")
    is_held(nginx)

    # each takes all the memory: they can only go one after the other
    whole = part * MIB
    waiters = []
    for i in range(3):
        waiters.append(start_upload(nginx, f"{at}/{i}", whole, b"y"))
        is_waiting(nginx, i + 1)

    holder.send(b"x" * (whole - 1))
    assert holder.answer("PUT").status == 201
    for i, waiter in enumerate(waiters):
        is_waiting(nginx, len(waiters) - i - 1)
        waiter.send(b"y" * (whole - 1))
        assert waiter.answer("PUT").status == 201
        waiter.close()
    holder.close()


def test_waiting_client_that_leaves_holds_up_nobody(tight, part, at):
    nginx = tight(part)
    holder = start_upload(nginx, f"{at}/holder", part * MIB, b"x")
    is_held(nginx)

    first = start_upload(nginx, f"{at}/first", part * MIB, b"y")
    is_waiting(nginx, 1)
    second = start_upload(nginx, f"{at}/second", 5, b"hello")
    is_waiting(nginx, 2)
    first.reset()

    holder.send(b"x" * (part * MIB - 1))
    assert holder.answer("PUT").status == 201
    assert second.answer("PUT").status == 201
    assert nginx.get(f"{at}/first").status == 404
    second.close()
    holder.close()


# Who is slow

def test_stalled_client_loses_memory_that_others_wait_for(tight, part, at):
    nginx = tight(part, patience="1s")
    assert nginx.put(f"{at}/slow", b"old").status == 201
    slow = start_upload(nginx, f"{at}/slow", part * MIB, b"x")
    is_held(nginx)

    assert nginx.put(f"{at}/other", b"hello").status == 201
    answer = slow.answer("PUT")
    problem(answer, 503, "too slowly", "nothing was changed")
    assert answer.headers["Retry-After"] == "5"
    slow.close()
    assert nginx.get(f"{at}/slow").body == b"old"
    assert uploads(nginx)["too_slow"] == 1
    wait_until(lambda: uploads(nginx)["bytes"] == 0, what="no bytes held")


def test_client_that_drips_loses_it_too(tight, part, at):
    """Bytes come all the time, but never a part."""
    nginx = tight(part, patience="1s")
    slow = start_upload(nginx, f"{at}/slow", part * MIB, b"x")
    is_held(nginx)
    waiter = start_upload(nginx, f"{at}/other", 5, b"hello")
    is_waiting(nginx)

    def drip():
        try:
            slow.send(b"x")
        except OSError:
            pass
        return uploads(nginx)["too_slow"]
    wait_until(drip, what="the slow client to lose its memory")
    assert waiter.answer("PUT").status == 201
    slow.close()
    waiter.close()


def test_memory_comes_back_when_a_client_leaves(tight, part, at):
    nginx = tight(part)
    for number in range(5):
        leaver = start_upload(nginx, f"{at}/{number}", part * MIB, b"x" * 1000)
        is_held(nginx)
        leaver.reset()
        wait_until(lambda: uploads(nginx)["bytes"] == 0, what="no bytes held")
    assert nginx.put(f"{at}/after", b"hello").status == 201
