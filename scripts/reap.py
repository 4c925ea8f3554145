#!/usr/bin/python3
"""Runs a command and ends every process that it leaves behind.

    reap.py COMMAND [ARGUMENT...]

As a "child subreaper" (prctl(2)) this process becomes the parent of all
orphans below it, also of daemons in sessions of their own: so none can hide.
A signal to this process ends the command and all the rest.  The exit status is
the command's.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE = 10                                              # seconds until KILL


class Stopped(Exception):
    """A signal told us to end."""


def on_signal(number, _frame):
    raise Stopped(number)


def children():
    """All living descendants: {pid: command line}."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8",
                      errors="replace") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
            with open(f"/proc/{name}/cmdline", encoding="utf-8",
                      errors="replace") as f:
                command = f.read().replace("\0", " ").strip()
        except OSError:
            continue
        if state != "Z":
            parents[int(name)] = (int(parent), command)

    def is_ours(pid):
        while pid in parents:
            pid = parents[pid][0]
            if pid == os.getpid():
                return True
        return False

    return {pid: parents[pid][1] for pid in parents if is_ours(pid)}


def reap():
    """Collects the dead."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_all():
    left = children()
    for pid, command in left.items():
        print(f"reap: ending {pid} {command[:100]}", file=sys.stderr)

    deadline = time.monotonic() + GRACE
    told = set()
    while left:
        number = (signal.SIGTERM if time.monotonic() < deadline
                  else signal.SIGKILL)
        for pid in left:
            if number == signal.SIGKILL or pid not in told:
                told.add(pid)
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        time.sleep(0.1)
        reap()
        left = children()


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit(f"reap: prctl: {os.strerror(ctypes.get_errno())}")
    # When make is killed, nobody else would tell us.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)

    status = 1
    try:
        status = subprocess.Popen(sys.argv[1:]).wait()
    except Stopped as stopped:
        status = 128 + stopped.args[0]
    finally:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        end_all()

    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
