"""Connections that never come about: the kernel drops what asks for them, as a
network does whose host is away.  What libcurl tells of their sockets, and when,
is not the same in all its versions.
"""

import contextlib
import pathlib
import signal
import socket

import pytest

from harness import Nginx, problem, wait_until
from test_purge import items, purge

WRAPPER = next(pathlib.Path("/usr/lib").glob("*/libnss_wrapper.so"), "")
SETTINGS = "content_purge_plan enterprise; content_purge_timeout 4s;"


@contextlib.contextmanager
def deaf(address, port=0):
    """A port that nobody gets a connection to: its queue is full."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as all_of_them:
        listener = all_of_them.enter_context(socket.socket(family))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        while True:
            client = all_of_them.enter_context(socket.socket(family))
            client.settimeout(0.2)
            try:
                client.connect(listener.getsockname()[:2])
            except TimeoutError:
                break
        yield listener.getsockname()[1]


class Api:
    """Cloudflare, elsewhere."""

    def __init__(self, fake, where):
        self.api = f"http://{where}/client/v4"
        self.zone, self.token = fake.zone, fake.token


def test_call_to_a_host_that_is_away(tmp_path, fake):
    with deaf("127.0.0.1") as port:
        with Nginx(tmp_path / "n", purge=Api(fake, f"127.0.0.1:{port}"),
                   server="content_purge_timeout 500ms;", workers=1,
                   expect=["still queued"]) as origin:
            location = purge(origin, {"tags": ["a"]})
            wait_until(lambda: origin.job(location)["attempts"] >= 2)
            assert origin.job(location)["error"] == "no answer"
            assert origin.end(signal.SIGTERM) == 0


def test_s3_that_is_away(tmp_path, bucket, key):
    with deaf("127.0.0.1") as port:
        with Nginx(tmp_path / "n", bucket.through(f"http://127.0.0.1:{port}"),
                   server="content_s3_connect_timeout 300ms;",
                   workers=1) as origin:
            problem(origin.put(key, b"x"), 504)
            assert origin.head(key).status == 504


@pytest.mark.parametrize("away", ["::1", "127.0.0.2"], ids=["IPv6", "first"])
def test_name_with_an_address_that_is_away(tmp_path, fake, away):
    port = int(fake.address.rpartition(":")[2])
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{away} api.example.com\n127.0.0.1 api.example.com\n")
    with deaf(away, port), Nginx(
            tmp_path / "n", purge=Api(fake, f"api.example.com:{port}"),
            server=SETTINGS, workers=1,
            environment={"NSS_WRAPPER_HOSTS": str(hosts),
                         "LD_PRELOAD": str(WRAPPER)}) as origin:
        job = origin.finished_job(purge(origin, {"tags": ["a"]}))
        assert (job["state"], job["attempts"]) == ("done", 1)
        assert items(fake.calls()) == ["a"]
