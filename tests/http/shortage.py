"""Makes what nginx's workers want run out: the Nth call that wants it fails.

tests/fakes/shortage.c has the how.  A test arms it for one request at a time,
and sweeps N from 1 until nothing fails any more.
"""

import contextlib
import http.client
import mmap
import pathlib
import re
import shutil
import struct
import subprocess
import time

import harness
from harness import Nginx, ROOT

MEMORY, DESCRIPTOR, SPACE, ZONE, CONNECTION, EVENT = 1, 2, 4, 8, 16, 32
ALWAYS = 1 << 40

# The module's calls of these come to us: see shortage.c.
NAMES = ("palloc pnalloc pcalloc alloc calloc create_pool pool_cleanup_add "
         "pstrdup array_create array_push array_push_n list_push "
         "alloc_chain_link create_temp_buf chain_get_free_buf "
         "thread_task_alloc thread_task_post slab_alloc slab_alloc_locked "
         "slab_calloc slab_calloc_locked get_connection").split()


def library(where):
    """shortage.c, built."""
    path = pathlib.Path(where) / "shortage.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-g", "-Wall", "-Wextra",
                    "-Werror", "-o", path, ROOT / "tests/fakes/shortage.c"],
                   check=True)
    return path


def module(where):
    """A copy of the module that asks shortage.c instead of nginx.  Names of
    what is wanted are found by their text alone, so another of the same length
    is all it takes."""
    path = pathlib.Path(where) / "ngx_content_module.so"
    data = harness.MODULE.read_bytes()
    names = "|".join(NAMES).encode()
    data, count = re.subn(rb"\0ngx_(?=(%b)\0)" % names, rb"\0oom_", data)
    # neighbours share the \0 between them
    data, more = re.subn(rb"\0ngx_(?=(%b)\0)" % names, rb"\0oom_", data)
    assert count > 10, "the module asks nginx for nothing?"
    path.write_bytes(data)
    return path


class Shortage:
    """What is shared with the library."""

    def __init__(self, where):
        where = pathlib.Path(where)
        self.log = where / "failed"
        self.file = where / "page"
        self.file.write_bytes(bytes(4096))
        with open(self.file, "r+b") as page:
            self.page = mmap.mmap(page.fileno(), 4096)

    def arm(self, kinds, first, times=1):
        self.log.write_bytes(b"")
        self.page[:40] = struct.pack("5q", 0, first, times, 0, 0)
        self.page[:8] = struct.pack("q", kinds)

    def calls(self):
        return struct.unpack_from("q", self.page, 24)[0]

    def failed(self):
        return struct.unpack_from("q", self.page, 32)[0]

    def where(self):
        """The stacks of the first calls that failed."""
        return self.log.read_text()[:2000] if self.log.exists() else ""

    def disarm(self):
        """How many calls have failed."""
        self.page[:8] = bytes(8)
        return self.failed()

    def settle(self, pause=0.004, most=1.0):
        """Until nothing has been asked for: what follows an answer is done."""
        end = time.monotonic() + most
        calls = -1
        while calls != self.calls() and time.monotonic() < end:
            calls = self.calls()
            time.sleep(pause)


class ShortNginx(Nginx):
    """One whose workers can run short; `short` says of what."""

    def __init__(self, workdir, *arguments, **how):
        workdir = pathlib.Path(workdir)
        workdir.mkdir(parents=True, exist_ok=True)
        workdir.chmod(0o755)
        self.short = Shortage(workdir)
        self.module = module(workdir)
        environment = {"SHORTAGE": str(self.short.file),
                       "SHORTAGE_LOG": str(self.short.log),
                       "SHORTAGE_LIBRARY": str(library(workdir))}
        how.setdefault("workers", 1)
        super().__init__(workdir, *arguments, environment=environment, **how)

    def write(self, **changes):
        super().write(module=self.module, **changes)

    def variables(self):
        """The library stands before the sanitizer's, which would keep its
        malloc() to itself."""
        variables = super().variables()
        variables["ASAN_OPTIONS"] += (":verify_asan_link_order=0"
                                      ":allocator_may_return_null=1")
        variables["LD_PRELOAD"] = (variables["SHORTAGE_LIBRARY"] + " "
                                   + variables.get("LD_PRELOAD", ""))
        return variables
