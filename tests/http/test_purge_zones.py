"""Purges of a zone that not all workers know, for a reload has brought it."""

import os
import pathlib
import re
import signal
import subprocess

from harness import Nginx, ROOT, wait_until
from readers import SlowReader
from s3_fault_proxy import FaultProxy
from test_purge import FAST, items, tag_of

OLD = os.urandom(2 << 20)
LATER = 700             # seconds: by then a zone that nobody knows has failed


def clock(tmp_path):
    """What puts nginx's clock forward."""
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
                    "-o", library, ROOT / "tests/fakes/clock.c"], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_FILE": str(tmp_path / "clock")}


def turns(pid):
    """How often a process has gone to sleep."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", status)[1])


def test_old_worker_does_not_give_up_purges_of_a_new_zone(tmp_path, fake):
    """It sends an old body still; the CDN is away for long."""
    with FaultProxy(fake.address) as proxy, \
         Nginx(tmp_path / "n", purge=fake, server=FAST, workers=1,
               listen="sndbuf=64k", main="env CLOCK_FILE;",
               environment=clock(tmp_path)) as origin:
        origin.put("/a", b"1")
        origin.put("/old", OLD)
        slow = SlowReader(origin, "/old")
        old, = origin.workers()
        origin.write(server=origin.settings["server"].replace(
            fake.api, fake.api.replace(fake.address,
                                       proxy.endpoint.partition("//")[2])))
        origin.send(signal.SIGHUP)
        wait_until(lambda: f"{old}#{old}: gracefully shutting down"
                   in origin.read_log(), what="the old worker to stay behind")
        fake.fault(status=500, times=1000)
        location = origin.put("/a", b"2").headers["X-Content-Purge"]
        wait_until(lambda: origin.job(location)["attempts"])
        (tmp_path / "clock").write_text(str(LATER))
        before = turns(old)
        wait_until(lambda: turns(old) >= before + 3,
                   what="the old worker to look at the queue")
        fake.reset("enterprise")
        assert origin.finished_job(location)["state"] == "done"
        assert tag_of("/a") in items(fake.calls())
        assert slow.finish().body == OLD
