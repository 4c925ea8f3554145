"""The load generators: wrk, curl, redis-benchmark, and swarm.py for what they
can't do.  All of them run on the clients' core."""

import pathlib
import re
import subprocess
import sys
import time

import machine
from servers import (CLIENT_CORE, SERVER_CORE, Trouble, on_core)

CONNECTIONS = 64

CURL = ["curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w",
        "%{http_code} %{time_total}", "-m", "120"]

SWARM = pathlib.Path(__file__).with_name("swarm.py")


def seconds_of(text):
    """wrk's 1.23ms, 456.00us, 1.20s."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]


def wrk(url, seconds, headers=(), connections=CONNECTIONS):
    """Requests per second, and what else there is to know of the run."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
               "--timeout", "10s"]
    for header in headers:
        command += ["-H", header]

    watch = machine.Cores()
    said = subprocess.run(on_core(CLIENT_CORE, *command, url), text=True,
                          capture_output=True, check=True).stdout
    busy = watch.shares()

    wrong = re.search(r"(Non-2xx.*|Socket errors: .*)", said)
    if wrong:
        raise Trouble(f"wrk {url}: {wrong.group(1)}")

    p50, p99 = (seconds_of(re.search(rf"^\s+{p}%\s+(\S+)", said, re.M)
                           .group(1)) for p in (50, 99))
    return {"value": float(re.search(r"Requests/sec:\s+([\d.]+)", said)
                           .group(1)),
            "p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3,
            "server_core": busy[SERVER_CORE],
            "client_core": busy[CLIENT_CORE]}


def curl(*arguments, expect=(200, 201, 204)):
    """Seconds that one request took."""
    done = subprocess.run(on_core(CLIENT_CORE, *CURL, *arguments), text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"curl {arguments[-1]}: {done.stderr.strip()}")
    status, seconds = done.stdout.split()
    if int(status) not in expect:
        raise Trouble(f"curl {arguments[-1]}: HTTP {status}")
    return float(seconds)


def sha256(file):
    """(the digest, seconds that it took a client)."""
    begin = time.monotonic()
    said = subprocess.run(
        on_core(CLIENT_CORE, "openssl", "dgst", "-sha256", "-r", file),
        text=True, capture_output=True, check=True).stdout
    return said.split()[0], time.monotonic() - begin


def fetch(url, *headers):
    """(status, {header: value}, body) of one GET."""
    command = ["curl", "-sS", "--noproxy", "*", "-i", "-m", "20"]
    for header in headers:
        command += ["-H", header]
    done = subprocess.run([*command, url], capture_output=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"{url}: {done.stderr.decode(errors='replace').strip()}")
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line)
    return (int(lines[0].split()[1]),
            {name.lower(): value for name, value in pairs}, body)


def redis_benchmark(socket, seconds, depth, *command):
    """Commands per second over one connection, `depth` of them at a time.
    It takes the place of nginx's worker, on the servers' core."""
    def run(count):
        said = subprocess.run(
            on_core(SERVER_CORE, "redis-benchmark", "-s", socket, "-c", 1,
                    "-P", depth, "-n", count, "--csv", *command),
            text=True, capture_output=True, check=True).stdout
        return float(said.splitlines()[-1].rsplit('","', 7)[1].strip('"'))

    guess = run(20000)
    return run(max(20000, int(guess * seconds)))


def swarm(*arguments, core=CLIENT_CORE, priority=0):
    """Starts swarm.py, perhaps to go before what has less priority on its
    core; tools.finish() has what it reports."""
    before = ["chrt", "--rr", str(priority)] if priority else []
    return subprocess.Popen(
        on_core(core, *before, sys.executable, SWARM, *arguments),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
