"""Processes that the benchmark starts: in the foreground, pinned to a core,
on 127.0.0.1 or a unix socket, ended by pid."""

import contextlib
import hashlib
import hmac
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import time

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = ROOT / "build/release/ngx_content_module.so"

SERVER_CORE, CLIENT_CORE = machine.cores()

# Where Redis and memcached run: beside the load generator, which leaves more
# of its core idle than the server under test does.
BACKING_CORE = int(os.environ.get("BACKING_CORE", CLIENT_CORE))


class Trouble(Exception):
    """A subject can't be measured; the text says why."""


def wait_until(condition, what, seconds=20, pause=0.02):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(f"not within {seconds} s: {what}")
        time.sleep(pause)


def free_port():
    """Below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(12000, 31000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def on_core(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


class Process:
    """One process (and its children); `core` None leaves it anywhere."""

    def __init__(self, name, directory, command, core=SERVER_CORE, env=None):
        self.name = name
        self.log = pathlib.Path(directory) / f"{name}.out"
        command = [str(c) for c in command]
        if core is not None:
            command = on_core(core, *command)
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})})

    def wait(self, condition):
        try:
            wait_until(lambda: self.check() and condition(),
                       f"{self.name} to answer")
        except Trouble:
            self.stop()
            raise

    def check(self):
        if self.popen.poll() is not None:
            text = self.log.read_text(errors="replace").strip()
            raise Trouble(f"{self.name} ended: {text[-400:]}")
        return True

    def stop(self):
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


# nginx

NGINX = """\
{modules}
daemon off;
{master}
{user}
pid "{dir}/nginx.pid";
error_log "{dir}/error.log" warn;
worker_processes 1;
worker_rlimit_nofile 16384;
thread_pool default threads=4;
events {{
    worker_connections 8192;
}}
http {{
    access_log off;
    default_type application/octet-stream;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    sendfile on;
    client_body_temp_path "{dir}/tmp/body";
    proxy_temp_path "{dir}/tmp/proxy";
    fastcgi_temp_path "{dir}/tmp/fastcgi";
    uwsgi_temp_path "{dir}/tmp/uwsgi";
    scgi_temp_path "{dir}/tmp/scgi";
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {server}
    }}
}}
"""


# {name: the command that an nginx of that name runs under, as one process}.
WRAPPERS = {}


def nginx_config(directory, port, http, server, modules, single=False):
    return NGINX.format(
        dir=directory, port=port, http=http, server=server,
        master="master_process off;" if single else "",
        modules="\n".join(f'load_module "{m}";' for m in modules),
        user="user root;" if os.geteuid() == 0 else "")


class Nginx(Process):
    """One worker, with `http` and `server` as further configuration."""

    def __init__(self, name, place, http="", server="", modules=(),
                 core=SERVER_CORE):
        self.dir = place / name
        (self.dir / "tmp").mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        conf = self.dir / "nginx.conf"
        wrapper = WRAPPERS.get(name, [])
        self.single = bool(wrapper)
        conf.write_text(nginx_config(self.dir, self.port, http, server,
                                     modules, self.single))
        super().__init__(name, self.dir, [
            *wrapper, "nginx", "-e", self.dir / "error.log", "-p", self.dir,
            "-c", conf], core=core)
        self.wait(lambda: listens(self.port) and self.worker())

    def stop(self):
        super().stop()
        log = self.dir / "error.log"
        alarms = re.findall(r"\[(?:alert|emerg|crit)\] (.*)",
                            machine.read(log) if log.exists() else "")
        if alarms:
            print(f"  {self.name} logged {len(alarms)} alarms, the first: "
                  f"{alarms[0]}", file=sys.stderr)

    def worker(self):
        """Its pid, or None."""
        pid = self.popen.pid
        if self.single:
            return pid
        found = machine.read(f"/proc/{pid}/task/{pid}/children").split()
        return int(found[0]) if found else None


def knows_directive(place, directive):
    """Whether the module takes the line in http {}."""
    directory = place / f"probe-{directive.split()[0]}"
    (directory / "tmp").mkdir(parents=True)
    conf = directory / "nginx.conf"
    conf.write_text(nginx_config(directory, free_port(), directive, "",
                                 [MODULE]))
    done = subprocess.run(
        ["nginx", "-t", "-e", directory / "error.log", "-p", directory, "-c",
         conf], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "unknown directive" not in done.stderr:
        raise Trouble(f"nginx -t with \"{directive}\": {done.stderr[-300:]}")
    return done.returncode == 0


# Memory of a process

def memory(pid, field):
    """VmRSS or VmHWM (its peak) in bytes."""
    status = machine.read(f"/proc/{pid}/status")
    return int(re.search(rf"^{field}:\s*(\d+)", status, re.M).group(1)) * 1024


def processor_seconds(pid):
    """What all threads of a process have used, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int(machine.read(task / "schedstat").split()[0])
               for task in tasks) / 1e9


def forget_peak(pid):
    """proc(5): lets VmHWM begin anew."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


# Redis and memcached

class Redis(Process):
    def __init__(self, name, place):
        self.socket = place / f"{name}.sock"
        super().__init__(name, place, [
            "redis-server", "--port", 0, "--unixsocket", self.socket,
            "--save", "", "--appendonly", "no", "--daemonize", "no",
            "--dir", place], core=BACKING_CORE)
        self.wait(self.socket.exists)

    def cli(self, *words):
        return subprocess.run(
            ["redis-cli", "-s", str(self.socket), *map(str, words)],
            capture_output=True, text=True, check=True).stdout

    def reads(self):
        """How often it has read from a socket."""
        return int(re.search(r"^total_reads_processed:(\d+)",
                             self.cli("info", "stats"), re.M).group(1))


class Memcached(Process):
    def __init__(self, place):
        self.socket = place / "memcached.sock"
        super().__init__("memcached", place, [
            "memcached", "-s", self.socket, "-m", 256, "-I", "4m", "-t", 1,
            *(["-u", "root"] if os.geteuid() == 0 else [])],
            core=BACKING_CORE)
        self.wait(self.socket.exists)


# S3

# For Ceph's malloc(): one heap that never shrinks.  A virtual machine may hand
# memory that was freed back to its host, and to touch a GiB of it again then
# costs up to 3 s of a processor: as much as Ceph needs for a PUT of a GiB.
KEEP_MEMORY = ":".join(f"glibc.malloc.{name}={value}" for name, value in (
    ("arena_max", 1), ("mmap_max", 0), ("trim_threshold", 2**40),
    ("top_pad", 2**26)))


class S3Server:
    """Ceph's gateway, by scripts/rgw.sh; its processes run on all cores."""

    def __init__(self, place, gigabytes, store="memstore"):
        place.mkdir(exist_ok=True)
        self.env = {**os.environ, "S3_DIR": str(place / "s3"),
                    "S3_PORT": str(self.free_ports()),
                    "S3_STORE": store,
                    "S3_STORE_GB": str(gigabytes)}
        if store == "memstore":
            self.env["GLIBC_TUNABLES"] = KEEP_MEMORY
        values = self.script("up")
        self.endpoint = values["S3_ENDPOINT"]
        self.bucket = values["S3_BUCKET"]
        self.access_key = values["S3_ACCESS_KEY"]
        self.secret_key = values["S3_SECRET_KEY"]
        self.conf = place / "s3/ceph.conf"
        self.credentials = place / "aws"
        self.credentials.write_text(
            f"[default]\naws_access_key_id = {self.access_key}\n"
            f"aws_secret_access_key = {self.secret_key}\n")

    @staticmethod
    def free_ports():
        while True:
            first = random.randrange(12000, 30000)
            if not any(listens(first + i) for i in range(23)):
                return first

    def script(self, *arguments):
        done = subprocess.run(
            [ROOT / "scripts/rgw.sh", *arguments], text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.env)
        if done.returncode != 0:
            raise Trouble("scripts/rgw.sh failed")
        return dict(line.split("=", 1) for line in done.stdout.splitlines()
                    if "=" in line)

    def host(self):
        return self.endpoint.removeprefix("http://")

    def url(self, key):
        return f"{self.endpoint}/{self.bucket}/{key}"

    def signing(self, payload="UNSIGNED-PAYLOAD"):
        """What makes curl sign: without reading the body twice, or with the
        SHA-256 of the body."""
        return ["--aws-sigv4", "aws:amz:us-east-1:s3", "-u",
                f"{self.access_key}:{self.secret_key}",
                "-H", f"x-amz-content-sha256: {payload}"]

    def signed_headers(self, key):
        """What makes a GET a signed one, for a quarter of an hour."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = [now[:8], "us-east-1", "s3", "aws4_request"]
        headers = {"host": self.host(),
                   "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
                   "x-amz-date": now}
        names = ";".join(headers)
        canonical = "\n".join(["GET", f"/{self.bucket}/{key}", "",
                               *(f"{k}:{v}" for k, v in headers.items()), "",
                               names, headers["x-amz-content-sha256"]])
        text = "\n".join(["AWS4-HMAC-SHA256", now, "/".join(scope),
                          hashlib.sha256(canonical.encode()).hexdigest()])
        secret = f"AWS4{self.secret_key}".encode()
        for word in (*scope, text):
            secret = hmac.digest(secret, word.encode(), "sha256")
        return headers | {"authorization": (
            "AWS4-HMAC-SHA256 Credential="
            f"{'/'.join([self.access_key, *scope])}, SignedHeaders={names}, "
            f"Signature={secret.hex()}")}

    def collect_garbage(self):
        """Deleted objects keep their memory until this."""
        subprocess.run(
            ["radosgw-admin", "-c", self.conf, "--no-mon-config", "gc",
             "process", "--include-all"], check=False, timeout=120,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def pinned(self, core):
        """All its threads, and those that they start, on one core."""
        self.allow({core})
        try:
            yield
        finally:
            self.allow(os.sched_getaffinity(0))

    def allow(self, cores):
        for file in (self.conf.parent / "run").glob("*.pid"):
            tasks = pathlib.Path(f"/proc/{file.read_text().strip()}/task")
            for task in tasks.iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cores)

    def stop(self):
        self.script("down", "--wipe")
