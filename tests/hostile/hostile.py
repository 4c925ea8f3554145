#!/usr/bin/python3
"""What `make hostile` does: seeds for SECONDS (60), on an origin of each
variant in turn, and what was told and answered.

    hostile.py --seconds 60 [--seed N] [--variant both] [--rate 0.3]

A seed that fails is named; --seed N --seconds 0 plays it alone.  (The order of
what two connections say at once is not the seed's.)
"""

import argparse
import collections
import pathlib
import random
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "http"), str(TESTS / "fakes")]

from s3_server import S3Server  # noqa: E402
from scene import VARIANTS, Scene  # noqa: E402


def play(workdir, s3, arguments, found):
    """Rounds of a few seeds, each on a new origin; True: all held."""
    seed, end = arguments.seed, time.monotonic() + arguments.seconds
    variants = [arguments.variant] if arguments.variant else list(VARIANTS)
    number = 0
    while True:
        variant = variants[number % len(variants)]
        with Scene(workdir / str(number), s3, variant, arguments.rate) as scene:
            try:
                for _ in range(arguments.seeds):
                    scene.play(seed, arguments.steps)
                    seed += 1
                    found["seeds"] += 1
                    if time.monotonic() > end:
                        break
            except BaseException:
                print(f"seed {seed}, variant {variant}, in {workdir / str(number)}",
                      flush=True)
                raise
            finally:
                found["told"] += scene.told
                found["answers"] += scene.answers
        number += 1
        if time.monotonic() > end:
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--seeds", type=int, default=10, help="of an origin")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--variant", choices=VARIANTS)
    parser.add_argument("--rate", type=float, default=0.3)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)

    found = collections.defaultdict(collections.Counter)
    found["seeds"] = 0
    workdir = pathlib.Path(tempfile.mkdtemp(prefix="hostile-"))
    s3 = S3Server(workdir)
    try:
        play(workdir, s3, arguments, found)
    finally:
        s3.stop()
        for name, counts in found.items():
            print(name, counts if name == "seeds" else
                  ", ".join(f"{k} {v}" for k, v in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
