"""What the figures were taken on: the machine, the versions of everything
that ran, and what the run could not control."""

import os
import platform
import re
import subprocess
import time

PACKAGES = ("nginx", "libnginx-mod-http-srcache-filter",
            "libnginx-mod-http-memc", "varnish", "h2o", "memcached",
            "redis-server", "radosgw", "curl", "wrk")


def cores():
    """(the servers' core, the clients' core); the same one if there is but
    one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def versions(root):
    """{package: version}, and our own commit."""
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES],
        capture_output=True, text=True, check=False).stdout
    found = dict(line.split() for line in said.splitlines()
                 if len(line.split()) == 2)
    commit = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False).stdout.strip()
    return {"ngx_content": commit or "unknown", **found}


def describe():
    cpuinfo = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", read("/proc/meminfo"), re.M)
    system = re.search(r'^PRETTY_NAME="(.+)"$', read("/etc/os-release"), re.M)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1),
        "virtual": "hypervisor" in cpuinfo,
        "system": system.group(1) if system else platform.system(),
        "kernel": platform.release(),
        "congestion_control": read(
            "/proc/sys/net/ipv4/tcp_congestion_control").strip(),
    }


def available_memory():
    """Bytes that could be used now."""
    found = re.search(r"^MemAvailable:\s*(\d+)", read("/proc/meminfo"), re.M)
    return int(found.group(1)) * 1024


class Cores:
    """How busy each core was, by whomever, since this was made."""

    def __init__(self):
        self.before = self.sample()

    @staticmethod
    def sample():
        """{core: (busy, stolen, all) in ticks}."""
        seen = {}
        for line in read("/proc/stat").splitlines():
            found = re.match(r"cpu(\d+) (.+)$", line)
            if found:
                ticks = [int(t) for t in found.group(2).split()[:8]]
                idle = ticks[3] + ticks[4]
                seen[int(found.group(1))] = (sum(ticks) - idle, ticks[7],
                                             sum(ticks))
        return seen

    def shares(self, field=0):
        """{core: share of the time that it was busy (field 1: stolen)}."""
        now = self.sample()
        return {core: (now[core][field] - old[field])
                / max(1, now[core][2] - old[2])
                for core, old in self.before.items()}


def foreign_load(seconds=1.0):
    """How busy the cores are before anything of ours runs."""
    watch = Cores()
    time.sleep(seconds)
    return max(watch.shares().values())


def not_controlled(machine, foreign, stolen):
    """Sentences for the table."""
    server, client = cores()
    said = []
    if server == client:
        said.append("There is one core: servers and clients share it.")
    else:
        said.append(
            f"Servers run on core {server}, load generators on core {client}; "
            "what stands behind a server (Redis, memcached) shares core "
            f"{client} with the load generator, and the S3 server "
            "(monitor, storage daemon and gateway) runs on all cores, but for "
            "the many uploads at once, where it shares that one, too.")
    if machine["virtual"]:
        said.append("A virtual machine: clock speed, caches and memory "
                    "bandwidth are shared with strangers. The hypervisor took "
                    f"{stolen:.1%} of a core's time during the run.")
    said.append(f"Before the run other processes kept a core {foreign:.0%} "
                "busy" + (": the figures are worth little." if foreign > 0.1
                          else "."))
    said.append("Everything goes through the loopback: no network card, no "
                "interrupts, no loss, no TLS. TCP's congestion control is "
                f"{machine['congestion_control']}.")
    return said
