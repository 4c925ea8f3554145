"""A Redis of a test's own."""

import pathlib
import re
import signal
import subprocess

import redis

from harness import ROOT, Server, wait_until


def rights():
    """(what docs/operations.md says that the module needs, for a fleet also),
    as Redis's ACL rules."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    alone, fleet = re.search(
        r"With ACLs, the module needs: ([A-Z\s]+),\s.*?"
        r"for a fleet also ([A-Z\s]+), and", text, re.S).groups()
    return (["+" + name.lower() for name in alone.split()],
            ["+" + name.lower() for name in fleet.split()])


class Redis(Server):
    """A redis-server on a unix socket, that keeps what it was told.  nginx may
    do there what the documentation says that it needs, and no more; `client`
    may do all."""

    def __init__(self, workdir, keep=False, password=None):
        self.dir = pathlib.Path(workdir)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.socket = self.dir / "redis.sock"
        self.address = f"unix:{self.socket}"
        self.options = (["--appendonly", "yes", "--appendfsync", "always"]
                        if keep else [])
        alone, fleet = rights()
        self.options += ["--user", "test", "on", ">test", "~*", "&*", "+@all",
                         "--user", "default", "on",
                         f">{password}" if password else "nopass",
                         "resetkeys", "~nc:*", "~site:*",
                         "resetchannels", "&nc:{fleet}*",
                         "-@all", *alone, *fleet]
        self.client = redis.Redis(unix_socket_path=str(self.socket),
                                  username="test", password="test")
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket",
                 str(self.socket), "--dir", str(self.dir), "--save", "",
                 "--daemonize", "no", *self.options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, what="Redis to answer")

    def answers(self):
        assert self.is_running(), (self.dir / "log").read_text()
        try:
            return self.client.ping()
        except redis.exceptions.RedisError:
            return False

    def stop(self):
        denied = []
        if self.is_running():
            self.send(signal.SIGCONT)
            denied = self.denied()
        self.client.connection_pool.disconnect()
        self.end()
        assert not denied, f"Redis has denied {denied}"

    def denied(self):
        """What nginx was not allowed to do: (which rule, what)."""
        return [(entry["reason"], entry["object"])
                for entry in self.client.acl_log()
                if entry["reason"] != "auth"]

    def kill(self):
        self.client.connection_pool.disconnect()
        self.end(signal.SIGKILL)
        self.socket.unlink(missing_ok=True)

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def restart(self):
        self.stop()
        self.start()

    def records(self, prefix="nc:"):
        """The names of the records of objects."""
        return [k.decode() for k in self.client.keys(prefix + "*:r")]

    def bodies(self):
        """The names of those that hold the object's bytes: by the flags in
        the record (src/lib/content_object.c) behind stamp, name, time."""
        return [name for name in self.records()
                if (self.client.getrange(name, 108, 108) or b"\0")[0] & 1]
