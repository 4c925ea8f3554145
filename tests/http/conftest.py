"""Fixtures that all HTTP tests share.

`origin` runs a test on both stores; whoever needs other directives makes an
Nginx of its own, with `store` or `place` on both, with `bucket` if it needs S3.
What runs on one store alone has a reason: it is about that store, or about a
part that knows none (Redis's connection, the CDN's queue, the arena).
"""

import itertools
import pathlib
import signal
import sys

import pytest

import edge
from harness import Nginx
from redis_server import Redis
from s3_server import S3Server

for folder in ("fakes", "check"):           # whose modules tests import, too
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / folder))

from s3_fault_proxy import FaultProxy  # noqa: E402

_keys = itertools.count(1)


def pytest_configure():
    """A TERM ends the session as ^C does: nothing that it started is left."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """One S3 server for all."""
    server = S3Server(tmp_path_factory.mktemp("rgw"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bucket(s3):
    """A bucket of the module's own."""
    return s3.bucket()


@pytest.fixture(scope="module")
def shared_proxy(s3):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy):
    """Before S3: the test's own faults, and what was asked."""
    yield shared_proxy
    shared_proxy.clear()
    if not shared_proxy.listener:
        shared_proxy.accept()


@pytest.fixture
def workdir(tmp_path):
    return tmp_path


@pytest.fixture(scope="module", params=["file", "s3"])
def store(request):
    """What Nginx() takes as its store: each of both."""
    return ("file" if request.param == "file"
            else request.getfixturevalue("bucket"))


@pytest.fixture(params=["file", "s3"])
def place(request):
    """The same for a test that needs one where nobody has written yet."""
    return ("file" if request.param == "file"
            else request.getfixturevalue("s3").bucket())


@pytest.fixture(scope="module")
def origin(store, tmp_path_factory):
    """An origin without Redis and without a CDN, the same for a module."""
    nginx = Nginx(tmp_path_factory.mktemp("origin"), store)
    yield nginx
    nginx.stop()


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory):
    """For a module that empties it itself, or need not."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def shared_fake():
    with edge.start_fake_cloudflare(zone_names=["example.com"]) as server:
        yield server


@pytest.fixture
def fake(shared_fake):
    """Of Cloudflare's API, with no edge behind it."""
    shared_fake.reset("enterprise")
    return shared_fake


@pytest.fixture
def key():
    """A path nobody has used, as the beginning of others."""
    return f"/t{next(_keys)}/object"
