"""Starters for the CDN side of the tests: the fake of Cloudflare's API and
Varnish as Cloudflare's edge.

Each returns once its server answers, on a port the kernel chose, and is
stopped by the pid it was started with.  Both are context managers.
"""

import pathlib
import shutil
import subprocess
import time

import requests

HTTP = pathlib.Path(__file__).resolve().parent
FAKES = HTTP.parent / "fakes"
ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
TOKEN = "fake_token-0123456789abcdefghijklmnopqrs"
STOP_SECONDS = 10


class Process:
    """A server of our own, ended by its pid."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()


class FakeCloudflare(Process):
    """The fake, and its control paths."""

    def __init__(self, process, address, zone, token):
        super().__init__(process)
        self.zone, self.token = zone, token
        self.address = address
        self.api = f"http://{address}/client/v4"    # content_purge_api
        self.control = f"http://{address}/_test"
        self.session = requests.Session()

    def stop(self):
        self.session.close()
        super().stop()

    def post(self, action, body, **how):
        """POST to purge_cache or invalidate_cache as a correct client."""
        headers = {"Authorization": f"Bearer {self.token}",
                   **how.pop("headers", {})}
        return self.session.post(
            f"{self.api}/zones/{how.pop('zone', self.zone)}/{action}_cache",
            json=body, headers=headers, timeout=60, **how)

    def purge(self, **body):
        return self.post("purge", body)

    def invalidate(self, **body):
        return self.post("invalidate", body)

    def calls(self, least=0, timeout=30, state="answered"):
        """All calls, once `least` were answered (or have "arrived")."""
        answer = self.session.get(
            f"{self.control}/calls", timeout=timeout + 10,
            params={"min": least, "timeout": timeout, "state": state})
        assert answer.status_code == 200, (
            f"fewer than {least} purge calls {state}: {answer.text}")
        return answer.json()

    def fault(self, **fault):
        """Queue a fault: status, retry_after, stall, cut, body; times."""
        self.order("POST", "faults", json=fault)

    def limit(self, **limits):
        """Change limits, or go back to a plan's; all buckets are full."""
        return self.order("POST", "limits", json=limits)

    def reset(self, plan="free"):
        """No calls, no faults, the plan's limits."""
        self.order("DELETE", "calls")
        self.order("DELETE", "faults")
        self.limit(plan=plan)

    def order(self, method, path, **how):
        answer = self.session.request(method, f"{self.control}/{path}",
                                      timeout=10, **how)
        answer.raise_for_status()
        return answer.json()


def start_fake_cloudflare(varnish=None, plan="free", zone=ZONE, token=TOKEN,
                          zone_names=()):
    """Start tests/fakes/cloudflare.py; `varnish` is what it purges."""
    command = ["/usr/bin/python3", str(FAKES / "cloudflare.py"), "--port",
               "0", "--zone", zone, "--token", token, "--plan", plan]
    if varnish:
        command += ["--varnish", getattr(varnish, "address", varnish)]
    for name in zone_names:
        command += ["--zone-name", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ready = process.stdout.readline().split()
    if ready[:1] != ["listening"]:
        Process(process).stop()
        raise RuntimeError("the fake of Cloudflare did not start")
    return FakeCloudflare(process, ready[1], zone, token)


class Varnish(Process):
    """The edge."""

    def __init__(self, process, workdir, address):
        super().__init__(process)
        self.workdir, self.address = workdir, address
        self.url = f"http://{address}"
        self.session = requests.Session()

    def stop(self):
        self.session.close()
        super().stop()
        shutil.rmtree(self.workdir / "varnish", ignore_errors=True)

    def get(self, path, host="www.example.com", **headers):
        """A visitor's GET; .headers["X-Edge-Cache"] tells how it went."""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        request = self.session.prepare_request(requests.Request(
            "GET", self.url, headers={"Host": host, **headers}))
        request.url = self.url + path       # as it is: "%6F" stays that
        return self.session.send(request, timeout=60)


def start_varnish(workdir, backend_port):
    """Start varnishd with edge.vcl in front of 127.0.0.1:backend_port.

    Its files and its log (varnishd.log) go below `workdir`.
    """
    workdir = pathlib.Path(workdir)
    vcl = workdir / "edge.vcl"
    vcl.write_text((HTTP / "edge.vcl").read_text().replace(
        "@BACKEND_PORT@", str(backend_port)))
    name = workdir / "varnish"
    with open(workdir / "varnishd.log", "w") as log:
        process = subprocess.Popen(
            ["varnishd", "-F", "-j", "none", "-n", name, "-f", vcl,
             "-a", "127.0.0.1:0", "-s", "malloc,64m",
             # What Cloudflare takes: 16 KB a header, 32 KB in all.
             "-p", "http_resp_hdr_len=17k", "-p", "http_resp_size=34k",
             # The keys of a deep path are long.
             "-p", "workspace_backend=4m"],
            stdout=log, stderr=log)
    try:
        return Varnish(process, workdir, varnish_address(name))
    except BaseException as failure:
        Process(process).stop()
        raise RuntimeError((workdir / "varnishd.log").read_text()) from failure


def varnish_address(name):
    """Where it listens.  varnishadm waits for it to run, if not for ever."""
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(
            ["varnishadm", "-n", name, "-t", "30", "debug.listen_address"],
            capture_output=True, text=True)
        said = done.stdout.split()
        if done.returncode == 0 and len(said) > 2:
            return f"{said[1]}:{said[2]}"
        if time.monotonic() > deadline:
            raise RuntimeError(f"varnishadm: {done.stdout} {done.stderr}")
