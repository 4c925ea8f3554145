"""The bench's own programs in C: built when they are needed, into a
directory that goes with the run, and run on the clients' core."""

import json
import pathlib
import subprocess

from servers import CLIENT_CORE, ROOT, Trouble, on_core

HERE = pathlib.Path(__file__).parent
SOURCES = {
    "replay": ["tests/bench/replay.c"],
    "trace": ["tests/bench/trace.c"],
    "lookup": ["tests/bench/lookup.c", "src/lib/content_shard.c",
               "src/lib/content_arena.c"],
}


def build(name, place):
    program = place / f"tool-{name}"
    if not program.exists():
        done = subprocess.run(
            ["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Isrc", "-o", program,
             *SOURCES[name]], cwd=ROOT, text=True, capture_output=True,
            check=False)
        if done.returncode != 0:
            raise Trouble(f"cc {name}: {done.stderr[:400]}")
    return program


def start(name, place, *arguments, core=CLIENT_CORE):
    return subprocess.Popen(
        on_core(core, build(name, place), *arguments), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, name, seconds=600):
    """What the program prints, as JSON; None if it prints nothing."""
    try:
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as late:
        process.kill()
        process.communicate()
        raise Trouble(f"{name}: not done within {seconds} s") from late
    if process.returncode != 0:
        raise Trouble(f"{name}: {(complaint or 'failed').strip()[-300:]}")
    return json.loads(said) if said else None


def run(name, place, *arguments, core=CLIENT_CORE, seconds=600):
    return finish(start(name, place, *arguments, core=core), name, seconds)
