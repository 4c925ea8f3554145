#!/usr/bin/python3
"""Runs the model: each configuration whole, each broken variant until found.

    run.py [WORD ...]       only those whose name has one of the words

What verifies is searched completely (depth first); what is broken is searched
breadth first, so that the counterexample is a shortest one.  It is kept in
build/model/NAME/trace.
"""

import os
import pathlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build/model"
MODEL = HERE / "coherence.pml"
MEMORY = 3500                   # MB of each of the two that run at a time
SECONDS = 900

# name, bounds
WHOLE = [
    ("lease", "CUTS=1"),
    ("readers", "READERS=2"),
    ("writers", "WRITERS=2 PINGS=2"),
    ("nodes", "NODES=2 READERS=2 PINGS=1 READS=1"),
    ("unknown", "UNKNOWNS=1 CRASHES=1"),
    ("paused", "PAUSES=1 CRASHES=1"),
    ("restart", "RESTARTS=1"),
    ("cdn", "CDN CUTS=1"),
    ("ends", "CUTS=1 CRASHES=1 UNKNOWNS=1 PINGS=1 READS=1"),
    ("ends-cdn", "CDN CUTS=1 CRASHES=1 PINGS=1 READS=1"),
]

# rule, bounds: the rules of src/lib/content_rules.h ...
RULES = [
    ("INTENT", "CRASHES=1"),
    ("TOKEN", ""),
    ("FENCE", ""),
    ("PUBLISH", ""),
    ("ACKS", ""),
    ("LEASE", ""),
    ("SENT", ""),
    ("EMPTY", "CUTS=1"),
    ("EPOCH", "RESTARTS=1"),
    ("QUARANTINE", "RESTARTS=1"),
    ("TAKEOVER", "CRASHES=1 PINGS=1 READS=1"),
    ("SECOND", "UNKNOWNS=1"),
    ("PURGE", "CDN"),
    ("JOIN", "READERS=2"),
]

# ... and finer ones: the same rule, kept in the wrong way.
FINER = [
    ("CLOCK", ""),
    ("LATE_FENCE", ""),
    ("EMPTY_ORDER", "CUTS=1"),
    ("INBAND", ""),
    ("CONFIRMED", ""),
    ("JOIN_FENCE", "READERS=2"),
    ("SECOND_WHOLE", "UNKNOWNS=1"),
    ("DEADLINE", "CRASHES=1"),
    ("REPEAT", "CDN"),
    ("TOLD", "CDN"),
    ("INTENTS_KEPT", "RESTARTS=1 CRASHES=1"),
]


# What pan says, in words.
FOUND = [
    ("invalid end state", "deadlock"),
    ("cdn", "stale in the CDN"),
    ("intent", "open intent"),
    ("least", "stale read"),
]


class Failed(Exception):
    pass


def command(*words, cwd, seconds=SECONDS):
    done = subprocess.run(words, cwd=cwd, text=True, timeout=seconds,
                          capture_output=True, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def build(folder, flags, search):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    status, said = command("spin", *flags, "-a", str(MODEL), cwd=folder)
    if status or not (folder / "pan.c").exists():
        raise Failed(f"spin: {said}")
    status, said = command(
        "cc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024",
        f"-DMEMLIM={MEMORY}", *search, "-o", "pan", "pan.c", cwd=folder)
    if status:
        raise Failed(f"cc: {said}")


def trace(folder, flags):
    """The counterexample in words, beside the rest."""
    _, said = command("spin", *flags, "-t", "-p", "-g", "-k",
                      f"{MODEL.name}.trail", str(MODEL), cwd=folder)
    (folder / "trace").write_text(said)


def run(name, bounds, rule=None):
    """What was found, states, steps of the counterexample, seconds."""
    folder = BUILD / name
    flags = [f"-D{b}" for b in bounds.split()]
    if rule:
        flags.append(f"-DBREAK_{rule}")
    began = time.monotonic()
    build(folder, flags, ["-DBFS"] if rule else [])
    status, said = command("./pan", "-m200000", "-w24", cwd=folder)
    seconds = time.monotonic() - began

    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    if status not in (0, 1) or errors is None or states is None:
        raise Failed(f"pan ended with {status}: {said[-300:]}")
    if errors.group(1) != "0":
        steps = re.search(r"\(at depth (\d+)\)", said)
        trace(folder, flags)
        what = re.search(r"pan:1: (.*) \(at depth", said).group(1)
        what = next((word for sign, word in FOUND if sign in what), what)
        return what, int(states.group(1)), steps and steps.group(1), seconds
    if "Search not completed" in said or "max search depth" in said:
        raise Failed("the search was cut short")
    return "holds", int(states.group(1)), None, seconds


def line(row):
    name, bounds, rule = row
    expected = "violated" if rule else "holds"
    try:
        found, states, steps, seconds = run(name, bounds, rule)
    except (Failed, subprocess.TimeoutExpired) as problem:
        found, states, steps, seconds = f"error: {problem}", 0, None, 0
    good = (found == "holds") == (rule is None) and not found.startswith("err")
    if steps:
        found += f" ({steps} steps)"
    print(f"{'ok  ' if good else 'FAIL'} {name:18} {bounds:37} {expected:9}"
          f" {found:27} {states:>10,} {seconds:6.1f} s", flush=True)
    return good


def main(words):
    rows = [(f"BREAK_{rule}", bounds, rule) for rule, bounds in RULES + FINER]
    rows += [(name, bounds, None) for name, bounds in WHOLE]
    rows = [r for r in rows if not words or any(w in r[0] for w in words)]

    print(f"     {'variant':18} {'bounds':37} {'expected':9} {'found':27}"
          f" {'states':>10} {'time':>8}")
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        results = list(pool.map(line, rows))
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
