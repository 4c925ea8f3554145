#!/usr/bin/python3
"""What `make bench` does: starts ngx_content and its peers side by side on
the same objects, measures them in interleaved rounds, and writes medians and
ratios to docs/benchmarks.md and var/bench.json.

Settings (environment):
  ROUNDS=9         rounds, of what is measured for some seconds; a third of them
                   where one measurement takes longer
  SECONDS_EACH=1   of one subject in one round
  ONLY=hot,l1      parts (hot second records mix coherence tags misses uncached
                   put uploads) and, within hot, subjects (return static
                   static_nopush h2o proxy_cache varnish srcache l1 redis
                   file)
  QUICK=1          shows that all works; the figures mean nothing
  UPLOADS=200      how many at once
  UPLOAD_MIB=64    of what size; the S3 server has them on disk
  RECORDS=1000000  in memory, for the hits among many (filled one by one, by
                   HTTP: ten million take ten minutes); a fifth for the
                   purges by tag
  KEYS=1000000     of the Zipf mix
  BACKING_CORE=1   where Redis and memcached run

ONLY and QUICK leave docs/benchmarks.md as it is.  Nothing is asserted: goals
are met or not in the table.
"""

import contextlib
import json
import os
import sys
import tempfile
import time

import machine
import measures
import table
from peers import KIB, MIB, SIZES, SMALL, Site, body, name_of
from rounds import Results, say
from servers import MODULE, ROOT, Nginx, S3Server

JSON = ROOT / "var/bench.json"
TABLE = ROOT / "docs/benchmarks.md"


class Run:
    """The settings, the site and the results."""

    def __init__(self, site, stack):
        self.site, self.stack = site, stack
        self.results, self.notes = Results(), {}
        self.quick = os.environ.get("QUICK", "") not in ("", "0")
        self.rounds = int(os.environ.get("ROUNDS") or (1 if self.quick else 9))
        self.few_rounds = max(1, self.rounds // 3)
        self.seconds = int(os.environ.get("SECONDS_EACH") or 1)
        self.only = set(os.environ.get("ONLY", "").replace(",", " ").split())
        self.sizes = SIZES[::2] if self.quick else SIZES
        self.medium_size = 8 * MIB if self.quick else 64 * MIB
        self.large_size = 64 * MIB if self.quick else 1024 * MIB
        self.uploads = int(os.environ.get("UPLOADS")
                           or (10 if self.quick else 200))
        self.upload_size = MIB * int(os.environ.get("UPLOAD_MIB")
                                     or (4 if self.quick else 64))
        self.clients = 100 if self.quick else 1000
        self.idle_seconds = 1 if self.quick else 15
        self.keys = int(os.environ.get("KEYS")
                        or (20_000 if self.quick else 1_000_000))
        self.records = int(os.environ.get("RECORDS")
                           or (30_000 if self.quick else 1_000_000))
        self.look_up_records = 200_000 if self.quick else 10_000_000
        self.check_only()

    def check_only(self):
        unknown = self.only - set(measures.PARTS) - set(table.SUBJECTS)
        if unknown:
            sys.exit(f"bench: ONLY has {', '.join(sorted(unknown))}: must be "
                     f"of {' '.join([*measures.PARTS, *table.SUBJECTS])}")

    def parts(self):
        chosen = self.only & set(measures.PARTS)
        if not chosen and self.only:
            chosen = {"hot"}
        return [p for p in measures.PARTS if not chosen or p in chosen]

    def wants(self, subject):
        chosen = self.only & set(table.SUBJECTS)
        return not chosen or subject in chosen

    def make_files(self):
        self.site.files.mkdir()
        for size in SIZES:
            (self.site.files / name_of(size)).write_bytes(body(size))
        self.small = self.file("small", SMALL)
        self.medium = self.file("medium", self.medium_size)
        self.large = self.file("large", self.large_size)

    def file(self, name, size):
        path = self.site.place / name
        with open(path, "wb") as f:
            for _ in range(size // (4 * KIB)):
                f.write(body(4 * KIB))
        return path

    def need_s3(self):
        """In memory, with room for what is not yet collected."""
        if self.site.s3 is None:
            say("starting S3")
            size = 4 * self.large_size
            self.site.s3 = S3Server(self.site.place,
                                    4 + size * 5 // 4 // 2**30)
            self.stack.callback(self.site.s3.stop)

    def start_site(self):
        self.make_files()
        backend = Nginx("backend", self.site.place,
                        server=f'root "{self.site.files}";')
        self.stack.callback(backend.stop)
        self.site.backend = f"http://127.0.0.1:{backend.port}"
        if "hot" in self.parts() and self.wants("proxy_cache"):
            self.need_s3()
            for size in SIZES:
                measures.direct_put(self, self.site.files / name_of(size),
                                    name_of(size))


def measure(run):
    """The document of var/bench.json."""
    begin = time.time()
    described = machine.describe()
    foreign = machine.foreign_load()
    watch = machine.Cores()

    run.start_site()
    for part in run.parts():
        measures.PARTS[part](run)

    stolen = max(watch.shares(1).values())
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin)),
        "took_seconds": round(time.time() - begin),
        "machine": described,
        "versions": machine.versions(ROOT),
        "settings": {"rounds": run.rounds, "seconds_each": run.seconds,
                     "quick": run.quick, "only": sorted(run.only),
                     "connections": 64, "clients": run.clients,
                     "medium_bytes": run.medium_size,
                     "large_bytes": run.large_size},
        "results": run.results.document(),
        "absent": run.results.absent,
        "notes": run.notes,
        "goals": table.goals(run.results),
        "not_controlled": machine.not_controlled(described, foreign, stolen),
    }


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    if not MODULE.exists():
        sys.exit(f"bench: {MODULE} is missing: make module")

    with contextlib.ExitStack() as stack:
        place = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ngx_content-bench-"))
        os.chmod(place, 0o755)
        run = Run(Site(place), stack)
        document = measure(run)

    text = table.markdown(document, run.results)
    print(text)

    whole = not (run.quick or run.only)
    path = JSON if whole else JSON.with_name("bench-partial.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    if whole:
        table.insert(TABLE, text)
    say(f"bench: {document['took_seconds']} s; {path}"
        + (f", {TABLE}" if whole else ""))


if __name__ == "__main__":
    main()
