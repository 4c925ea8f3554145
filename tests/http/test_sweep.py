"""What killed workers have left is swept when it is old, and nothing that is
alive: multipart uploads of S3, and temporary files of the file store.
"""

import os
import re
import time

import pytest

from harness import EDITOR, Nginx, chunk, problem, request_head, wait_until
from s3_fault_proxy import FaultProxy, change, s3_error

PART = 5 << 20
AGE = 6                             # seconds
SWEEPS = f"content_s3_timeout 1s; content_sweep {AGE}s;"


@pytest.fixture
def bucket(s3):
    """A bucket of each test's own: the sweep sees all of it."""
    return s3.bucket()


@pytest.fixture
def proxy(s3):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy:
        yield proxy


def begin(bucket, key, part=None):
    """A multipart upload that nobody goes on with."""
    made = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    if part:
        bucket.client.upload_part(Bucket=bucket.name, Key=key, PartNumber=1,
                                  UploadId=made["UploadId"], Body=part)


def under_way(bucket):
    return sorted(u["Key"] for u in bucket.uploads())


def swept(nginx):
    return nginx.counters()["sweep"]


class Upload:
    """A chunked PUT through an origin, a part at a time."""

    def __init__(self, nginx, path):
        self.connection = nginx.connect()
        self.sent = 0
        self.at = 0
        self.connection.send(request_head("PUT", path, {
            "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
            "Transfer-Encoding": "chunked"}))
        self.send(PART + 1)                 # a part goes when more follows

    def send(self, size):
        self.connection.send(chunk(b"p" * size))
        self.sent += size
        self.at = time.monotonic()

    def go_on(self):
        """A part now and then, well within its lease."""
        if time.monotonic() - self.at > AGE / 6:
            self.send(PART)
        return True

    def end(self):
        self.connection.send(chunk(b""))
        answer = self.connection.answer("PUT")
        self.connection.close()
        return answer


# S3

def test_stale_upload_is_swept(tmp_path, bucket):
    begin(bucket, "without a part")
    begin(bucket, "with a part/ü", b"x")
    begin(bucket, "-/the probe/host")            # the probe's: goes
    begin(bucket, "-/reserved")                  # can be no object of ours
    with Nginx(tmp_path / "n", bucket, server=SWEEPS) as nginx:
        wait_until(lambda: under_way(bucket) == ["-/reserved"],
                   what="the sweep")
        wait_until(lambda: swept(nginx)["uploads"] == 3, what="the counter")
        assert swept(nginx)["failed"] == 0


def test_live_upload_is_not_swept_on_any_node(tmp_path, bucket):
    with Nginx(tmp_path / "a", bucket, server=SWEEPS) as a, \
            Nginx(tmp_path / "b", bucket, server=SWEEPS, workers=1) as b:
        live = [Upload(a, "/on-a"), Upload(b, "/on-b")]
        wait_until(lambda: under_way(bucket) == ["on-a", "on-b"])

        # younger than they are: when it goes, they are old enough, too
        begin(bucket, "stale", b"x")
        wait_until(lambda: all(u.go_on() for u in live)
                   and "stale" not in under_way(bucket), what="the sweep")
        rounds = swept(a)["rounds"]
        wait_until(lambda: all(u.go_on() for u in live)
                   and swept(a)["rounds"] >= rounds + 2, what="two more")

        assert set(under_way(bucket)) >= {"on-a", "on-b"}
        assert [u.end().status for u in live] == [201, 201]
        assert a.get("/on-b").body == b"p" * live[1].sent


def test_upload_without_a_part_for_half_of_the_age_is_given_up(tmp_path,
                                                               bucket):
    with Nginx(tmp_path / "n", bucket, server=SWEEPS) as nginx:
        assert nginx.put("/slow", b"old").status == 201
        upload = Upload(nginx, "/slow")
        wait_until(lambda: under_way(bucket) == ["slow"])
        problem(upload.connection.answer("PUT"), 503, "too slowly",
                "nothing was changed")
        wait_until(lambda: not under_way(bucket), what="the abort")
        assert nginx.get("/slow").body == b"old"
        assert swept(nginx)["uploads"] == 0


def test_upload_of_a_killed_worker_is_swept(tmp_path, bucket):
    with Nginx(tmp_path / "n", bucket, server=SWEEPS, workers=1) as nginx:
        upload = Upload(nginx, "/cut")
        wait_until(lambda: under_way(bucket) == ["cut"])
        nginx.kill_worker(nginx.workers()[0])
        assert under_way(bucket) == ["cut"]
        wait_until(lambda: not under_way(bucket), what="the sweep")
        wait_until(lambda: swept(nginx)["uploads"] == 1, what="the counter")
        upload.connection.close()


def test_many_stale_uploads_are_swept_page_by_page(tmp_path, bucket):
    for i in range(205):
        begin(bucket, f"{i // 3:03}")            # several of one key
    with Nginx(tmp_path / "n", bucket, server=SWEEPS) as nginx:
        wait_until(lambda: not under_way(bucket), 60, "the sweep")
        wait_until(lambda: swept(nginx)["uploads"] == 205, what="the counter")


def test_uploads_of_others_are_left_alone(tmp_path, bucket, proxy):
    """Where the server tells who has begun an upload (Ceph names whoever
    asks; AWS, whoever began it)."""
    begin(bucket, "others", b"x")
    begin(bucket, "ours", b"x")

    theirs = re.compile(rb"(<Key>others</Key>.*?<Initiator><ID>)content")

    def edit(head, body):
        return head, theirs.sub(rb"\1another", body)    # as long as it was

    proxy.fault(change(edit), times=10**6, method="GET", query="uploads")
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               server=SWEEPS) as nginx:
        wait_until(lambda: under_way(bucket) == ["others"], what="the sweep")
        rounds = swept(nginx)["rounds"]
        wait_until(lambda: swept(nginx)["rounds"] >= rounds + 2)
        assert "others" in under_way(bucket)


def test_nothing_is_swept_when_the_list_is_in_doubt(tmp_path, bucket, proxy):
    begin(bucket, "stale")
    proxy.fault(s3_error(403, "AccessDenied"), times=10**6, method="GET",
                query="uploads")
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint),
               server=SWEEPS) as nginx:
        wait_until(lambda: swept(nginx)["failed"] >= 2, what="two rounds")
        assert swept(nginx)["uploads"] == 0
        assert under_way(bucket) == ["stale"]
        proxy.clear()
        wait_until(lambda: not under_way(bucket), what="the sweep")


# Files

def old(path):
    os.utime(path, (1, 1))


def test_stale_file_is_swept_and_a_live_one_is_not(tmp_path):
    with Nginx(tmp_path / "n", server=SWEEPS, workers=1) as nginx:
        killed = Upload(nginx, "/killed")
        wait_until(nginx.temporary_files)
        nginx.kill_worker(nginx.workers()[0])
        killed.connection.close()
        dead, = nginx.temporary_files()

        live = Upload(nginx, "/live")
        wait_until(lambda: len(nginx.temporary_files()) == 2)
        alive, = set(nginx.temporary_files()) - {dead}
        young = nginx.files / "tmp/young"
        young.write_bytes(b"x")
        os.utime(young, (2**31, 2**31))
        directory = nginx.files / "tmp/directory"
        directory.mkdir()

        def sweeps():
            old(alive)                           # its age proves nothing
            return not dead.exists()
        old(dead)
        wait_until(sweeps, what="the sweep")
        rounds = swept(nginx)["rounds"]
        wait_until(lambda: old(alive) or swept(nginx)["rounds"] >= rounds + 2)

        assert alive.exists() and young.exists() and directory.exists()
        assert swept(nginx) | {"rounds": 0} == {
            "rounds": 0, "uploads": 0, "files": 1, "failed": 0}
        assert live.end().status == 201
        assert nginx.get("/live").body == b"p" * live.sent


# The directive

@pytest.mark.parametrize("value, error", [
    ("x", 'takes a time or "off"'),
    ("0", 'takes a time or "off"'),
    ("1m", '"content_sweep" must be at least 240 seconds'),
])
def test_configuration_errors(tmp_path, bucket, value, error):
    nginx = Nginx(tmp_path / "n", bucket, server=f"content_sweep {value};",
                  start=False)
    fine, said = nginx.test()
    assert not fine and error in said and "content_sweep" in said


def test_off(tmp_path):
    with Nginx(tmp_path / "n", server="content_sweep off;") as nginx:
        assert swept(nginx)["rounds"] == 0
