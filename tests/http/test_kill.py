"""kill -9 of a worker in the middle of 50 uploads, again and again: each object
is the old one or the new one, whole; what was answered is there; and the sweep
leaves nothing of the others.

KILL_ROUNDS (3) tells how often; `make test-kill` does it 20 times.
"""

import concurrent.futures
import http.client
import os
import random
import threading

import pytest

from harness import EDITOR, Nginx, request_head, wait_until

ROUNDS = int(os.environ.get("KILL_ROUNDS") or 3)
UPLOADS = 50
KIB, MIB = 1 << 10, 1 << 20

# Every fifth takes several parts in both stores.
SIZES = [5 * MIB + 123 if i % 5 == 0 else (i + 1) * 7 * KIB
         for i in range(UPLOADS)]

SWEEPS = {"file": "content_sweep 5s;",
          "s3": "content_s3_timeout 3s; content_sweep 12s;"}


@pytest.fixture(params=["file", "s3"])
def store(request):
    """A bucket of its own: it is empty in the end."""
    return ("file" if request.param == "file"
            else request.getfixturevalue("s3").bucket())


def body(key, turn):
    return random.Random(key * 1000 + turn).randbytes(SIZES[key])


class Round:
    """50 uploads, all of them half sent before the first goes on."""

    def __init__(self, nginx, turn):
        self.nginx, self.turn = nginx, turn
        self.half_sent = threading.Barrier(UPLOADS + 1)
        self.ended = threading.Semaphore(0)

    def upload(self, key):
        """The status, or None: the connection was cut."""
        try:
            return self.put(key, body(key, self.turn))
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self.ended.release()

    def put(self, key, data):
        half = len(data) // 2
        with self.nginx.connect(60) as connection:
            connection.send(request_head("PUT", f"/{key}", {
                "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
                "Content-Length": len(data)}) + data[:half])
            self.half_sent.wait(60)
            connection.send(data[half:])
            return connection.answer("PUT").status

    def run(self, kill_after):
        """Kills a worker once so many uploads have ended."""
        with concurrent.futures.ThreadPoolExecutor(UPLOADS) as pool:
            running = [pool.submit(self.upload, key)
                       for key in range(UPLOADS)]
            self.half_sent.wait(60)
            for _ in range(kill_after):
                self.ended.acquire()
            self.nginx.kill_worker(random.choice(self.nginx.workers()))
            return [upload.result() for upload in running]


def leftovers(nginx, store):
    return (nginx.temporary_files() if store == "file" else store.uploads())


def test_killed_in_the_middle_of_uploads(tmp_path, store):
    figures = {"rounds": 0, "stored": 0, "cut": 0, "cut, old object": 0,
               "cut, new object": 0, "left for the sweep": 0}
    there = [None] * UPLOADS                  # turn of what each key holds
    kind = "file" if store == "file" else "s3"

    with Nginx(tmp_path / "n", store, server=SWEEPS[kind]) as nginx:
        for turn in range(ROUNDS + 1):
            if turn == 0:                     # what is old in the first
                statuses = [nginx.put(f"/{key}", body(key, 0)).status
                            for key in range(UPLOADS)]
                assert set(statuses) == {201}
                there = [0] * UPLOADS
                continue

            statuses = Round(nginx, turn).run((turn * 7) % 25)
            assert set(statuses) <= {204, None}, statuses
            figures["rounds"] += 1
            figures["left for the sweep"] = max(
                figures["left for the sweep"], len(leftovers(nginx, store)))

            for key, status in enumerate(statuses):
                answer = nginx.get(f"/{key}")
                assert answer.status == 200 and answer.complete, answer
                new = answer.body == body(key, turn)
                assert new or answer.body == body(key, there[key]), (
                    f"turn {turn}, key {key}: neither old nor new")
                assert new or status is None, (
                    f"turn {turn}, key {key}: answered, and not there")
                if new:
                    there[key] = turn
                figures["stored"] += status == 204
                figures["cut"] += status is None
                if status is None:
                    figures["cut, new object" if new
                            else "cut, old object"] += 1

        assert figures["cut"], "nothing was in the middle"
        wait_until(lambda: not leftovers(nginx, store), 90, "the sweep")

    print(kind, figures)
